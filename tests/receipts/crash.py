#!/usr/bin/env python3
"""Kills a server or a client between store, history and receipt, and audits what is left.

    crash.py --upseal BIN [--times 200]       kill -9, in the midst of uploads
    crash.py --upseal BIN --client            kill -9 of the client instead: the next one repairs its history
    crash.py --upseal BIN --power [--times N] a power cut besides: the store is an ext4 image of its own,
                                              and what counts is what the image holds at that moment (root)

The auditor knows nothing of upseal but the text of a receipt (docs/receipts.md): every file that a receipt
calls stored must be in the folder, under that name, with that size and that digest. After each kill, before anything
is repaired, `upseal audit` may name only files of a size and a digest that the server had announced in its history. In
the end it must find that folder and history agree. Of a client that was killed: once the next one has sent a file, every
receipt must be named by a row, every stored row's receipt must be there and have its size and digest, and nothing
may be left in between. Needs only Python's own library.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
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
        self.receipts, self.cuts = root / "receipts", 0
        # Of clients: died between question and row; repairs that were said, and those that found a receipt.
        self.between = self.notes = self.proven = 0
        # Of servers: files without a row that their announcements explain; and those that nothing explains.
        self.explained, self.unexplained = 0, []

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
        # Anywhere; or where it matters, between the announcement and the rows.
        if chance.random() < 0.5:
            time.sleep(chance.random() * 0.12)
        else:
            self.wait_for_announcement(client)
            time.sleep(chance.random() * 0.001)
        server.send_signal(signal.SIGKILL)
        self.store.cut()
        client.wait(60)
        server.wait(60)
        server.stdout.close()
        self.cuts += client.returncode != 0
        self.store.come_back()
        self.audit_before_repair(number)
        shutil.rmtree(source)

    def wait_for_announcement(self, client):
        """Returns when the server has announced files that have no rows yet, or when there will be none."""
        history = sqlite3.connect(self.environment["UPSEAL_HISTORY"])
        while client.poll() is None and history.execute("SELECT count(*) FROM announced").fetchone()[0] == 0:
            pass
        history.close()

    def audit_before_repair(self, number):
        """What a kill leaves is what the server had announced, and nothing else."""
        history = sqlite3.connect(self.environment["UPSEAL_HISTORY"])
        announced = set(history.execute("SELECT size, digest FROM announced").fetchall())
        history.close()
        done = run(self.binary, "audit", "--json", "--store", self.store.path, env=self.environment)
        if done.returncode not in (0, 1):
            self.unexplained.append(f"{number}: the audit ends with {done.returncode}: {done.stderr.decode()}")
        for finding in map(json.loads, done.stdout.splitlines()):
            if finding["event"] != "finding":
                continue
            there = self.store.path / finding["name"]
            data = there.read_bytes() if there.is_file() else b""
            if finding["what"] == "announced" and (len(data), hashlib.sha256(data).digest()) in announced:
                self.explained += 1
            else:
                self.unexplained.append(f"{number}: {finding['name']}: {finding['why']}")

    def send(self, address, folder, *files):
        where = ("--receipts", str(folder)) if folder else ()
        return [self.binary, "send", "--json", "--retries", "0", *where, "--to", address, "-p", "cp2",
                "--ca", str(self.root / "certs" / "cacsertificate.crt"), *map(str, files)]

    def client_once(self, number, chance, address):
        """A client is killed, somewhere around its receipts; the next one repairs, and says so."""
        source = self.root / f"source-{number}"
        source.mkdir()
        names = [source / f"{number}-{file}.bin" for file in range(FILES)]
        for name in names:
            name.write_bytes(chance.randbytes(chance.choice((0, 100, 5_000, 50_000))))
        folder = self.receipts / str(number) if chance.random() < 0.5 else self.root / "data/upseal/receipts"
        before = len(list(folder.glob("*.receipt")))
        client = subprocess.Popen(
            self.send(address, folder if folder.parent == self.receipts else None, *names),
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        # Anywhere; or where it matters, from the first receipt to shortly after.
        if chance.random() < 0.5:
            time.sleep(chance.random() * 0.15)
        else:
            while client.poll() is None and len(list(folder.glob("*.receipt"))) == before:
                pass
            time.sleep(chance.random() * 0.004)
        client.send_signal(signal.SIGKILL)
        client.communicate(timeout=60)
        self.cuts += client.returncode != 0
        history = sqlite3.connect(self.environment["UPSEAL_HISTORY"])
        self.between += self.asked(history) > 0
        history.close()
        after = source / f"{number}-after.bin"
        after.write_bytes(b"after")
        done = run(*self.send(address, None, after), env=self.environment)
        if done.returncode != 0:
            sys.exit(f"the next client fails: {done.stderr.decode()}")
        self.notes += done.stdout.count(b"history repaired: ")
        self.proven += done.stdout.count(b" stored, by the receipt")
        if b"not believed" in done.stdout or b"not repaired" in done.stdout:
            sys.exit(f"the next client says: {done.stdout.decode()}")
        wrong = self.audit_client()
        shutil.rmtree(source)
        return wrong

    @staticmethod
    def asked(history):
        """How many files have no end yet."""
        try:
            return history.execute("SELECT count(*) FROM asked").fetchone()[0]
        except sqlite3.OperationalError:  # killed before there was such a table
            return 0

    def audit_client(self):
        """Receipts and rows of what was sent name each other, and agree."""
        history = sqlite3.connect(self.environment["UPSEAL_HISTORY"])
        rows = history.execute("SELECT name, size, digest, outcome, receipt, stored_name FROM sent").fetchall()
        left = self.asked(history)
        history.close()
        wrong = [f"{left} files have no end"] if left else []
        folders = [self.receipts, self.root / "data" / "upseal" / "receipts"]
        kept = {path for folder in folders for path in folder.rglob("*.receipt")}
        named = {Path(os.fsdecode(row[4])) for row in rows if row[4]}
        wrong += [f"{path.name}: a receipt, and no row" for path in sorted(kept - named)]
        for name, size, digest, outcome, receipt, stored in rows:
            path = Path(os.fsdecode(receipt)) if receipt else None
            if outcome != "stored":
                continue
            if path not in kept:
                wrong.append(f"{name}: stored, and its receipt is not there")
                continue
            head, statement, _ = path.read_text().split("\n\n", 2)
            salt = bytes.fromhex(head.split("\n")[1].removeprefix("salt "))
            line = f" cp2 {size} {hashlib.sha256(salt + digest).hexdigest()} {urllib.parse.quote(stored, safe='-._~')}"
            if not any(entry.endswith(line) for entry in statement.split("\n")):
                wrong.append(f"{name}: its receipt says something else")
        return wrong

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


def client(options, chance):
    """Kills clients of one server."""
    with tempfile.TemporaryDirectory(prefix="upseal-crash-") as root:
        trial, wrong = Trial(options.upseal.resolve(), Path(root), False), []
        server, address = trial.serve()
        drain = subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL)
        # A history of its own: the auditor looks at what the client alone knows.
        trial.environment["UPSEAL_HISTORY"] = str(trial.root / "client.db")
        try:
            for number in range(options.times):
                wrong = trial.client_once(number, chance, address)
                if wrong:
                    break
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
            drain.wait(30)
    for line in wrong:
        print("WRONG", line)
    print(f"{trial.cuts} clients killed, {trial.between} of them between question and row, {trial.notes} repairs said, "
          f"{trial.proven} by a receipt; {len(wrong)} wrong")
    if trial.proven == 0 or trial.notes != trial.between:
        print("nothing was tried, or not every repair was said")
        return 1
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--upseal", type=Path, required=True)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--client", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    if options.client:
        return client(options, chance)
    with tempfile.TemporaryDirectory(prefix="upseal-crash-") as root:
        trial = Trial(options.upseal.resolve(), Path(root), options.power)
        try:
            for number in range(options.times):
                trial.once(number, chance)
                if options.power:  # each cut is judged by itself: the next must not heal it
                    missing, proven = trial.audit()
                    if missing or trial.unexplained:
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
    for line in trial.unexplained:
        print("UNEXPLAINED", line)
    if done.returncode != 0:
        print("AUDIT", done.stdout.decode(), done.stderr.decode())
    if left:
        print("LEFT", left)
    print(f"{options.times} kills, {trial.cuts} of them in the midst, {proven} files proven, {len(missing)} missing; "
          f"{trial.explained} files without a row explained, {len(trial.unexplained)} not; "
          f"audit {'agrees' if done.returncode == 0 else 'differs'}")
    if proven == 0 or trial.cuts == 0 or trial.explained == 0:
        print("nothing was tried: no receipt, no upload was cut, or no file lost its row")
        return 1
    return 1 if missing or trial.unexplained or done.returncode != 0 or left else 0


if __name__ == "__main__":
    sys.exit(main())
