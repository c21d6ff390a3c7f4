#!/usr/bin/env python3
"""Kills a server between store, history and receipt, and audits what is left.

    crash.py --upseal BIN [--times 200]       kill -9, in the midst of uploads
    crash.py --upseal BIN --power [--times N] a power cut besides: the store is an ext4 image of its own,
                                              and what counts is what the image holds at that moment (root)

The auditor knows nothing of upseal but the text of a receipt (docs/receipts.md): every file that a receipt
calls stored must be in the folder, under that name, with that size and that digest. Then `upseal audit`
must find that folder and history agree. Needs only Python's own library.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

FILES = 12


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, timeout=120, **options)


class Store:
    """A folder for received files; with `power`, on an image that can be looked at behind the kernel's back."""

    def __init__(self, root, power):
        self.root, self.image, self.path = root, root / "image", root / "mounted" / "recv_files"
        self.power = power
        if power:
            with open(self.image, "wb") as file:
                file.truncate(256 << 20)
            run("mkfs.ext4", "-q", "-F", self.image, check=True)
            self.mount()
        self.path.mkdir(parents=True, exist_ok=True)
        if power:
            run("sync", "-f", self.path, check=True)

    def mount(self):
        (self.root / "mounted").mkdir(exist_ok=True)
        run("mount", "-o", "loop,noatime,commit=300", self.image, self.root / "mounted", check=True)

    def cut(self):
        """What a power cut at this moment leaves: the image without what the kernel has not written yet."""
        if self.power:
            shutil.copyfile(self.image, self.root / "after")

    def come_back(self):
        if self.power:
            run("umount", self.root / "mounted", check=True)
            os.replace(self.root / "after", self.image)
            self.mount()

    def close(self):
        if self.power:
            run("umount", self.root / "mounted")


class Trial:
    def __init__(self, binary, root, power):
        self.binary, self.root, self.store = str(binary), root, Store(root, power)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(root), "LANG": "C.UTF-8", "NO_COLOR": "1",
                            "UPSEAL_HISTORY": str(self.store.path.parent / "history.db"),
                            "UPSEAL_KNOWN": str(root / "known"), "XDG_DATA_HOME": str(root / "data")}
        done = run(self.binary, "certs", "init", "--dir", root / "certs", "--bits", "1024", env=self.environment)
        if done.returncode != 0:
            sys.exit(f"no certificates: {done.stderr.decode()}")
        self.receipts, self.sent, self.cuts = root / "receipts", 0, 0

    def serve(self):
        server = subprocess.Popen(
            [self.binary, "serve", "--json", "--bind", "127.0.0.1:0", "--store", str(self.store.path),
             "--certs", str(self.root / "certs")],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        first = json.loads(server.stdout.readline())
        return server, first["address"]

    def once(self, number, chance):
        source = self.root / f"source-{number}"
        source.mkdir()
        names = []
        for file in range(FILES):
            names.append(source / f"{number}-{file}.bin")
            names[-1].write_bytes(chance.randbytes(chance.choice((0, 100, 5_000, 200_000))))
        server, address = self.serve()
        variant = chance.choice(("cp2", "cp2", "ap", "cp1")) if number % 10 else "cp2"
        if variant == "cp1":
            names = names[:1]
            names[0].write_bytes(b"a few blocks " * 20)
        client = subprocess.Popen(
            [self.binary, "send", "--quiet", "--retries", "0", "--receipts", str(self.receipts / str(number)),
             "--to", address, "-p", variant, "--ca", str(self.root / "certs" / "cacsertificate.crt"),
             *map(str, names)],
            env=self.environment, stderr=subprocess.DEVNULL)
        time.sleep(chance.random() * 0.12)
        server.send_signal(signal.SIGKILL)
        self.store.cut()
        client.wait(60)
        server.wait(60)
        server.stdout.close()
        self.cuts += client.returncode != 0
        self.store.come_back()
        shutil.rmtree(source)

    def audit(self):
        """Every file of every receipt is there, as the receipt has it."""
        missing, proven = [], 0
        for path in sorted(self.receipts.glob("*/*.receipt")):
            head, statement, _ = path.read_text().split("\n\n", 2)
            salt = head.split("\n")[1].removeprefix("salt ")
            salt = b"" if salt == "-" else bytes.fromhex(salt)
            base64.b64decode(head.split("\n")[2].removeprefix("signature "), validate=True)
            for line in statement.split("\n")[4:]:
                kind, _, *rest = line.split(" ")
                if kind != "file":
                    continue
                _, size, digest, name = rest
                there = self.store.path / urllib.parse.unquote(name)
                proven += 1
                if not there.is_file():
                    missing.append(f"{there.name}: a receipt, and no file")
                    continue
                data = there.read_bytes()
                found = hashlib.sha256(data).digest()
                found = hashlib.sha256(salt + found).hexdigest() if salt else found.hex()
                if (len(data), found) != (int(size), digest):
                    missing.append(f"{there.name}: {len(data)} bytes that are not those of its receipt")
        return missing, proven


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--upseal", type=Path, required=True)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="upseal-crash-") as root:
        trial = Trial(options.upseal.resolve(), Path(root), options.power)
        try:
            for number in range(options.times):
                trial.once(number, chance)
                if options.power:  # each cut is judged by itself: the next must not heal it
                    missing, proven = trial.audit()
                    if missing:
                        break
            missing, proven = trial.audit()
            # A last start repairs what is to be repaired.
            server, _ = trial.serve()
            server.send_signal(signal.SIGTERM)
            server.wait(30)
            server.stdout.close()
            done = run(trial.binary, "audit", "--store", trial.store.path, env=trial.environment)
            left = [name for name in os.listdir(trial.store.path) if name.startswith(".upseal-")]
        finally:
            trial.store.close()
    for line in missing:
        print("MISSING", line)
    if done.returncode != 0:
        print("AUDIT", done.stdout.decode(), done.stderr.decode())
    if left:
        print("LEFT", left)
    print(f"{options.times} kills, {trial.cuts} of them in the midst, {proven} files proven, {len(missing)} missing; "
          f"audit {'agrees' if done.returncode == 0 else 'differs'}")
    if proven == 0 or trial.cuts == 0:
        print("nothing was tried: no receipt, or no upload was cut")
        return 1
    return 1 if missing or done.returncode != 0 or left else 0


if __name__ == "__main__":
    sys.exit(main())
