#!/usr/bin/env python3
"""Fills the disk of a server while clients send, and audits the result (root: it mounts small file systems in memory).

    full.py --upseal BIN [--times 50]

The store, the history, or both are on a file system of some hundred kilobytes. A server takes uploads until two of them
were refused. The auditor relies only on receipts and on what was sent: every file that a receipt calls stored is in the
folder with its size and digest, and every file in the folder is whole and was sent. A refusal must say that no space is
left, and a full history must stop no upload. Then the file system grows: the same server must take the next upload, the
folder and the history must agree after a restart, and no unfinished file may be left.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from crash import PATIENCE, Trial, run

FILES = 6
ROUNDS = 12


class Memory:
    """A small file system in memory."""

    def __init__(self, at, kilobytes):
        self.at = at
        at.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=700", "tmpfs", at, check=True)

    def grow(self):
        run("mount", "-o", "remount,size=256m", self.at, check=True)

    def close(self):
        if run("umount", self.at).returncode != 0:
            run("umount", "--lazy", self.at, check=True)


class Filling(Trial):
    """A server whose disk fills up."""

    def __init__(self, binary, root, number, chance):
        self.where = ("store", "history", "both")[number % 3]
        small = root / ("data-of-server" if self.where == "history" else "mounted")
        # A new history alone takes some 300 KB.
        least = 100 if self.where == "store" else 400
        self.memory = Memory(small, least + chance.randint(0, 600))
        super().__init__(binary, root, power=False, apart=self.where == "store")
        if self.where == "history":
            self.environment["UPSEAL_HISTORY"] = str(small / "history.db")
        self.sent, self.refused, self.wrong = set(), 0, []
        # Whether the history was full.
        self.unrecorded = False

    def make(self, name, chance):
        """Creates a file to send."""
        content = chance.randbytes(chance.choice((0, 100, 5_000, 60_000, 200_000, 1_100_000)))
        self.sent.add(hashlib.sha256(content).hexdigest())
        path = self.root / "source" / name
        path.write_bytes(content)
        return path

    def play(self, number, chance):
        (self.root / "source").mkdir()
        # No reserve, where the server has that flag: the disk itself is to be full.
        has_reserve = b"--min-free" in run(self.binary, "serve", "--help", env=self.environment).stdout
        reserve = ("--min-free", "0") if has_reserve else ()
        server, address = self.serve(*reserve)
        said = []
        reader = threading.Thread(target=lambda: said.extend(server.stdout), daemon=True)
        reader.start()
        for turn in range(ROUNDS):
            names = [self.make(f"{number}-{turn}-{file}.bin", chance) for file in range(FILES)]
            client = self.upload(f"{number}-{turn}", address, chance.choice(("cp2", "ap", "plain")), names)
            self.refused += client.wait(PATIENCE) != 0
            if self.refused >= 2:
                break
        if self.where == "history" and self.refused:
            self.wrong.append(f"{number}: {self.refused} uploads were refused because the history was full")
        self.look()
        self.memory.grow()
        after = self.make(f"{number}-after.bin", chance)
        if self.upload(f"{number}-after", address, "cp2", [after]).wait(PATIENCE) != 0:
            self.wrong.append(f"{number}: the next upload fails")
        server.send_signal(signal.SIGTERM)
        if server.wait(PATIENCE) != 0:
            self.wrong.append(f"{number}: the server ends with {server.returncode}")
        reader.join(PATIENCE)
        self.unrecorded = any(b"not in the history" in line for line in said)
        refusals = [line for line in said if b'"event":"refused"' in line]
        self.wrong += [f"{number}: {line.decode().strip()}" for line in refusals
                       if b'"blame":"system"' not in line or not (b"no space" in line or b"are free" in line)]
        again, _ = self.serve(*reserve)
        again.send_signal(signal.SIGTERM)
        again.wait(PATIENCE)
        again.stdout.close()
        done = run(self.binary, "audit", "--store", self.store.path, env=self.environment)
        if done.returncode != 0:
            self.wrong.append(f"{number}: {self.where}: {done.stdout.decode()}{done.stderr.decode()}")
        self.look()
        self.wrong += [f"{number}: {name} is left" for name in os.listdir(self.store.path) if name.startswith(".upseal-")]

    def look(self):
        """Compares the folder with the receipts and with what was sent."""
        missing, self.proven = self.audit()
        self.wrong += missing
        for path in self.store.path.iterdir():
            if path.name.startswith(".upseal-"):
                continue
            if hashlib.sha256(path.read_bytes()).hexdigest() not in self.sent:
                self.wrong.append(f"{path.name}: {path.stat().st_size} bytes that were not sent")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--upseal", type=Path, required=True)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("it mounts file systems: run it as root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    chance = random.Random(options.seed)
    refused = proven = unrecorded = 0
    wrong = []
    for number in range(options.times):
        root = Path(tempfile.mkdtemp(prefix="upseal-full-"))
        trial = None
        try:
            trial = Filling(options.upseal.resolve(), root, number, chance)
            trial.play(number, chance)
            wrong += trial.wrong
            refused, proven = refused + trial.refused, proven + trial.proven
            unrecorded += trial.unrecorded
        finally:
            if trial:
                trial.memory.close()
            shutil.rmtree(root)
        if wrong:
            break
    for line in wrong:
        print("WRONG", line)
    print(f"{number + 1} disks filled, {refused} uploads refused, {unrecorded} histories full, {proven} files proven; "
          f"{len(wrong)} wrong")
    if options.times >= 3 and (refused < options.times // 3 or unrecorded == 0 or proven == 0):
        print("nothing was tried: no disk or no history was full, or nothing was stored")
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
