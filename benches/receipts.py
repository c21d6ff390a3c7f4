#!/usr/bin/env python3
"""Sends 10,000 files of 4 KiB by CP2 on one connection, with receipts and without; best of three.

    receipts.py --upseal BIN [--files 10000] [--folder /dev/shm]

Without receipts: --auth-message random32, which sends no hello, so the server offers none.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--upseal", type=Path, required=True)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--folder", default=None, help="where to work: a tmpfs, or the disk")
    options = parser.parse_args()
    binary = str(options.upseal.resolve())
    with tempfile.TemporaryDirectory(prefix="upseal-bench-", dir=options.folder) as root:
        root = Path(root)
        (root / "source").mkdir()
        names = []
        for number in range(options.files):
            names.append(f"source/{number}.bin")
            (root / names[-1]).write_bytes(os.urandom(4096))
        environment = {"PATH": os.environ["PATH"], "HOME": str(root), "XDG_DATA_HOME": str(root / "data"),
                       "UPSEAL_KNOWN": str(root / "known")}
        subprocess.run([binary, "certs", "init", "--dir", "certs", "--bits", "1024"], cwd=root, env=environment,
                       check=True, capture_output=True)
        best = {}
        for turn in range(3):
            for what, flags in (("without", ["--auth-message", "random32"]), ("with", [])):
                work = root / f"{what}-{turn}"
                work.mkdir()
                server = subprocess.Popen([binary, "serve", "--json", "--bind", "127.0.0.1:0", "--certs", "certs",
                                           "--store", str(work)], cwd=root, env=environment,
                                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                address = json.loads(server.stdout.readline())["address"]
                # The output has to be read, or the server would block.
                drain = subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL)
                begun = time.monotonic()
                done = subprocess.run([binary, "send", "--quiet", "--to", address, "-p", "cp2", *flags, *names],
                                      cwd=root, env=environment, capture_output=True)
                seconds = time.monotonic() - begun
                server.send_signal(signal.SIGTERM)
                server.wait()
                drain.wait()
                if done.returncode != 0 or len(os.listdir(work)) != options.files:
                    sys.exit(f"{what}: exit {done.returncode}, {len(os.listdir(work))} files: {done.stderr[-300:]}")
                best[what] = min(best.get(what, seconds), seconds)
                print(f"{what:8} receipts  {seconds:6.2f} s", flush=True)
        ratio = best["without"] / best["with"]
        print(f"speed with receipts / without: {ratio:.2f} (at least 0.70)")


if __name__ == "__main__":
    main()
