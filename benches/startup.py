#!/usr/bin/env python3
"""Measures how long a server with a long history takes to start, and how much memory it then has.

    startup.py --upseal BIN [--rows 1000,1000000] [--folder DIR] [--against OTHER-BIN]

For each number of rows it makes a store with that many empty files, and a history with a row for each (and as many
digests of the replay memory). Then it starts the server five times, and prints the median of the time until the server
listens and of its resident memory. Needs only Python's standard library. A million files take a minute and 600 MB.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

TIMES = 5
# In milliseconds since 1970; before the files are made, so that none is older than the history.
BEGAN_MS = 1_700_000_000_000


def start(binary, root):
    """Starts and stops a server. Returns the seconds until it listens, and its memory in MiB."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(root), "UPSEAL_HISTORY": str(root / "history.db")}
    begun = time.monotonic()
    server = subprocess.Popen(
        [binary, "serve", "--json", "--accept", "plain", "--bind", "127.0.0.1:0", "--store", root / "store",
         "--certs", root / "none"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = server.stdout.readline()
    took = time.monotonic() - begun
    if not line or json.loads(line)["event"] != "listening":
        raise SystemExit(f"the server does not start: {line}{server.stderr.read().decode()}")
    status = Path(f"/proc/{server.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    server.send_signal(signal.SIGTERM)
    server.communicate()
    return took, peak / 1024


def fill(root, rows):
    """Makes files, and a row for each."""
    store = os.fsencode(str((root / "store").resolve()))
    digest = hashlib.sha256(b"").digest()
    for at in range(rows):
        os.close(os.open(root / "store" / f"report-{at:07}.txt", os.O_CREAT | os.O_WRONLY, 0o600))
    now_ms = int(time.time() * 1000)
    file = sqlite3.connect(root / "history.db")
    file.execute("UPDATE store SET since_ms = ?", (BEGAN_MS,))
    file.executemany(
        "INSERT INTO received (at_ms, peer, store, name, folded, kept, size, digest, variant, seconds)"
        " VALUES (?, '192.0.2.7:50000', ?, ?, ?, 'new', 0, ?, 'cp2', 0.01)",
        ((now_ms + at // 1000, store, f"report-{at:07}.txt", f"report-{at:07}.txt", digest) for at in range(rows)))
    file.executemany("INSERT INTO seen (what, digest, until) VALUES (1, ?, ?)",
                     ((hashlib.sha256(at.to_bytes(8, "big")).digest(), 4_000_000_000) for at in range(rows)))
    file.commit()
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--upseal", required=True)
    parser.add_argument("--against", help="another binary, started with the same history first")
    parser.add_argument("--rows", default="1000,1000000")
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    for rows in map(int, options.rows.split(",")):
        root = Path(tempfile.mkdtemp(prefix="upseal-startup-", dir=options.folder))
        try:
            first = options.against or options.upseal
            start(first, root)
            fill(root, rows)
            # The newer program last, because it may change the tables.
            for binary in filter(None, (options.against, options.upseal)):
                start(binary, root)
                measured = [start(binary, root) for _ in range(TIMES)]
                took, peak = (statistics.median(values) for values in zip(*measured))
                print(f"{binary}: {rows} rows and files: listens after {took * 1000:.0f} ms, {peak:.1f} MiB",
                      flush=True)
        finally:
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
