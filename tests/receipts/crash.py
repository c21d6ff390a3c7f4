#!/usr/bin/env python3
"""Kills a server or a client between store, history and receipt, and audits the result.

    crash.py --upseal BIN [--times 200]       kill -9 of the server during uploads
    crash.py --upseal BIN --client            kill -9 of the client instead; the next one repairs its history
    crash.py --upseal BIN --power [--times N] power cuts as well: the store is a separate ext4 image, and only what
                                              the image holds at that moment counts (root). Half of the cuts have
                                              the history on that image and half elsewhere, because the fsync of
                                              the history would also sync the names of the store

The auditor relies only on the text of receipts (docs/receipts.md): every file that a receipt calls stored must be in
the folder, under that name, with that size and digest. After each kill, before any repair, `upseal audit` may report
only files of a size and digest that the server had announced in its history. At the end folder and history must agree.
After a client was killed and the next one has sent a file, every receipt must belong to a row, the receipt of every
stored row must exist and have its size and digest, and no pending entry may remain. Needs only Python's standard
library, and with --power mkfs.ext4 and mount.

A kill happens up to 3 ms after the program reports a chosen event (--json). At least half of them must interrupt an
upload, and with --power every receipt must be older than the cut; otherwise the run fails, because it tested nothing.
"""

import argparse
import base64
import collections
import hashlib
import json
import os
import queue
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

FILES = 12
SLOW = 32 << 20  # takes longer to send than all others together
LARGE = (1 << 20) + 1  # one byte more than what is published in a group
PATIENCE = 60


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, timeout=120, **options)


class Events:
    """Reads the output of a program at once, so that the program never blocks on it."""

    def __init__(self, program):
        self.program, self.lines, self.seen = program, queue.Queue(), collections.Counter()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.program.stdout:
            event = json.loads(line)
            self.seen[event["event"]] += 1
            self.lines.put(event)
        self.lines.put(None)

    def wait(self, wanted, count, *others):
        """Waits for the count-th further event of a kind. Returns False if the program ends before."""
        deadline = time.monotonic() + PATIENCE
        while count > 0:
            over = any(other.poll() is not None for other in others)
            try:
                event = self.lines.get(timeout=0 if over else 0.01)
            except queue.Empty:
                if over:
                    return False
                if time.monotonic() > deadline:
                    sys.exit(f"waited {PATIENCE} s for an event in vain")
                continue
            if event is None:
                return False
            count -= wanted(event)
        return True


def kind(*names):
    return lambda event: event["event"] in names


class Store:
    """A folder for received files; with `power`, on an image that can be copied without the kernel's cache."""

    def __init__(self, root, power):
        self.root, self.image, self.path = root, root / "image", root / "mounted" / "recv_files"
        self.power = power
        if power:
            with open(self.image, "wb") as file:
                file.truncate(128 << 20)
            run("mkfs.ext4", "-q", "-F", self.image, check=True)
            self.mount()
        self.path.mkdir(parents=True, exist_ok=True)
        if power:
            run("sync", "-f", self.path, check=True)

    def mount(self):
        (self.root / "mounted").mkdir(exist_ok=True)
        run("mount", "-o", "loop,noatime,commit=300", self.image, self.root / "mounted", check=True)

    def cut(self):
        """Simulates a power cut: copies the image without what the kernel has not written yet."""
        if self.power:
            run("cp", "--sparse=always", self.image, self.root / "after", check=True)

    def come_back(self):
        if self.power:
            run("umount", self.root / "mounted", check=True)
            os.replace(self.root / "after", self.image)
            self.mount()

    def close(self):
        """Unmounts, whatever happened."""
        if self.power and os.path.ismount(self.root / "mounted"):
            if run("umount", self.root / "mounted").returncode != 0:
                run("umount", "--lazy", self.root / "mounted", check=True)


class Trial:
    def __init__(self, binary, root, power, apart=False):
        self.binary, self.root, self.store = str(binary), root, Store(root, power)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(root), "LANG": "C.UTF-8", "NO_COLOR": "1",
                            "UPSEAL_HISTORY": str((root if apart else self.store.path.parent) / "history.db"),
                            "UPSEAL_KNOWN": str(root / "known"), "XDG_DATA_HOME": str(root / "data")}
        done = run(self.binary, "certs", "init", "--dir", root / "certs", "--bits", "1024", env=self.environment)
        if done.returncode != 0:
            sys.exit(f"no certificates: {done.stderr.decode()}")
        self.receipts, self.cuts = root / "receipts", 0
        # Clients: killed between request and row; reported repairs, and those that found a receipt.
        self.between = self.notes = self.proven = 0
        # Servers: files without a row that were announced; and those that were not.
        self.explained, self.unexplained = 0, []

    def serve(self, *options):
        with open(self.root / "stderr", "ab") as errors:
            server = subprocess.Popen(
                [self.binary, "serve", "--json", "--bind", "127.0.0.1:0", "--store", str(self.store.path),
                 "--certs", str(self.root / "certs"), *options],
                env=self.environment, stdout=subprocess.PIPE, stderr=errors)
        first = json.loads(server.stdout.readline())
        return server, first["address"]

    def upload(self, number, address, variant, names):
        return subprocess.Popen(
            [self.binary, "send", "--quiet", "--retries", "0", "--receipts", str(self.receipts / str(number)),
             "--to", address, "-p", variant, "--ca", str(self.root / "certs" / "cacsertificate.crt"),
             *map(str, names)],
            env=self.environment, stderr=subprocess.DEVNULL)

    def once(self, number, chance):
        """Kills a server while it receives; with a power cut, after it has given receipts for earlier files."""
        source = self.root / f"source-{number}"
        source.mkdir()
        options, sizes = (), [chance.choice((0, 100, 5_000, 200_000)) for _ in range(FILES)]
        if self.store.power:
            # How the server syncs files: many together, a few each, large ones each, many each.
            way = number % 4
            sizes = [sizes, sizes[:3], [LARGE, LARGE + 500_000], sizes][way]
            options = ("--durability", "file") if way == 3 else ()
        names = [source / f"{number}-{file}.bin" for file in range(len(sizes))]
        for name, size in zip(names, sizes):
            name.write_bytes(chance.randbytes(size))
        server, address = self.serve(*options)
        events = Events(server)
        variant = chance.choice(("cp2", "cp2", "ap", "cp1")) if number % 10 else "cp2"
        if self.store.power:
            variant = chance.choice(("cp2", "ap"))
            before = self.upload(number, address, variant, names)
            if before.wait(PATIENCE) != 0:
                sys.exit(f"the upload before the cut fails: {before.returncode}")
            names = [source / f"{number}-cut.bin"]
            names[0].write_bytes(chance.randbytes(8 << 20))
            number = f"{number}-cut"
        elif variant == "cp1":
            names = names[:1]
            names[0].write_bytes(b"a few blocks " * 20)
        moment, count = self.moment(chance, len(names))
        if moment == "receiving" and variant != "cp1":
            names.append(source / f"{number}-slow.bin")
            with open(names[-1], "wb") as file:
                file.truncate(SLOW)
        client = self.upload(number, address, variant, names)
        if self.store.power:
            events.wait(lambda event: event["event"] == "receiving" and event["name"] == names[0].name, 1, client)
        elif chance.random() < 0.25:
            # Between the announcement and the rows.
            self.wait_for_announcement(client)
            time.sleep(chance.random() * 0.0003)
        else:
            events.wait(kind(moment), count, client)
            time.sleep(chance.random() * 0.003)
        server.send_signal(signal.SIGKILL)
        self.store.cut()
        client.wait(PATIENCE)
        server.wait(PATIENCE)
        self.cuts += client.returncode != 0 and events.seen["receiving"] > 0
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
        """Checks that a kill leaves only files that the server had announced."""
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

    @staticmethod
    def moment(chance, files):
        """Chooses the event after which the server is killed: mostly during an upload, which a slow last file prolongs;
        otherwise around the rows and the receipt."""
        among = chance.randint(1, files)
        if chance.random() < 0.7:
            return "receiving", among
        return chance.choice((("session_opened", 1), ("received", among), ("received", files), ("receipted", 1)))

    def send(self, address, folder, *files):
        where = ("--receipts", str(folder)) if folder else ()
        return [self.binary, "send", "--json", "--retries", "0", *where, "--to", address, "-p", "cp2",
                "--ca", str(self.root / "certs" / "cacsertificate.crt"), *map(str, files)]

    def client_once(self, number, chance, address):
        """Kills a client around its receipts; the next client repairs the history and reports it."""
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
        # At any time, or from the first receipt to shortly after it.
        events = Events(client)
        if chance.random() < 0.5:
            events.wait(kind("state"), chance.randint(1, 2 * FILES), client)
            time.sleep(chance.random() * 0.003)
        else:
            while client.poll() is None and len(list(folder.glob("*.receipt"))) == before:
                pass
            time.sleep(chance.random() * 0.004)
        client.send_signal(signal.SIGKILL)
        client.wait(PATIENCE)
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
        self.proven += done.stdout.count(b" stored (proved by the receipt)")
        if b"not believed" in done.stdout or b"not repaired" in done.stdout:
            sys.exit(f"the next client says: {done.stdout.decode()}")
        wrong = self.audit_client()
        shutil.rmtree(source)
        return wrong

    @staticmethod
    def asked(history):
        """Returns the number of files without a final state."""
        try:
            return history.execute("SELECT count(*) FROM asked").fetchone()[0]
        except sqlite3.OperationalError:  # killed before the table existed
            return 0

    def audit_client(self):
        """Checks that receipts and rows of sent files refer to each other and agree."""
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
        """Checks that every file of every receipt exists as the receipt states."""
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
        # A separate history, so that only the client's rows are audited.
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
    return 1 if wrong or not enough(trial.cuts, options.times) else 0


def enough(cuts, times):
    """Returns whether at least half of the kills interrupted an upload."""
    if 2 * cuts < times:
        print(f"only {cuts} of {times} kills met an upload")
    return 2 * cuts >= times


def server(options, chance, times, apart=False):
    """Kills servers of one store. Returns the kills, how many interrupted an upload, and whether all checks passed."""
    with tempfile.TemporaryDirectory(prefix="upseal-crash-") as root:
        trial = Trial(options.upseal.resolve(), Path(root), options.power, apart)
        try:
            for number in range(times):
                trial.once(number, chance)
                if options.power:  # check each cut by itself: the next start must not repair it first
                    missing, proven = trial.audit()
                    if missing or trial.unexplained:
                        break
            missing, proven = trial.audit()
            # A last start repairs the history.
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
    where = ", history elsewhere" if apart else ""
    print(f"{number + 1} kills{where}, {trial.cuts} of them in the midst, {proven} files proven, {len(missing)} missing; "
          f"{trial.explained} files without a row explained, {len(trial.unexplained)} not; "
          f"audit {'agrees' if done.returncode == 0 else 'differs'}")
    tried = proven > 0 and (options.power or trial.explained > 0)
    if not tried:
        print("nothing was tried: no receipt, or no file lost its row")
    return number + 1, trial.cuts, tried and not missing and not trial.unexplained and done.returncode == 0 and not left


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--upseal", type=Path, required=True)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--client", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # The thread that reads events must not delay the one that looks for an announcement.
    sys.setswitchinterval(0.0001)
    # After a signal it still unmounts and removes its files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    chance = random.Random(options.seed)
    if options.client:
        return client(options, chance)
    if options.power and os.geteuid() != 0:
        sys.exit("--power mounts an image: run it as root")
    runs = [(options.times, False)]
    if options.power:
        runs = [(options.times - options.times // 2, False), (options.times // 2, True)]
    ends = [server(options, chance, times, apart) for times, apart in runs if times > 0]
    met = enough(sum(cuts for _, cuts, _ in ends), sum(kills for kills, _, _ in ends))
    return 0 if met and all(good for _, _, good in ends) else 1


if __name__ == "__main__":
    sys.exit(main())
