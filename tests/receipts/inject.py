#!/usr/bin/env python3
"""Lets system calls of a server fail while clients send, and audits the result (needs strace).

    inject.py --upseal BIN [--seconds 20]     rounds by chance until the time is over
    inject.py --upseal BIN --all              every call and error: the N-th call of a thread, for N from 1 until none
                                              is reached any more, and all calls from the N-th on

strace is attached to a running server, lets the N-th such call of each thread fail, and is detached when the uploads
have ended. The auditor relies only on receipts and on what was sent: every file that a receipt calls stored is in the
folder with its size and digest, every file in the folder is whole and was sent. Every upload that was refused has a
reason. Then the same server must take the next upload and stop in order, folder and history must agree after a restart,
and no unfinished file may be left.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from crash import PATIENCE, Trial, run

FILES = 4
# Errors that a disk, or a signal, causes in each call. A call that Linux never interrupts has no EINTR.
DISK = ("EIO", "ENOSPC")
CALLS = {
    "openat": ("EIO", "ENOSPC", "EINTR", "EMFILE"),
    "write": ("EIO", "ENOSPC", "EINTR"),
    "pwrite64": ("EIO", "ENOSPC", "EINTR"),
    "pread64": ("EIO",),
    "splice": ("EIO", "ENOSPC", "EINTR"),
    "fsync": ("EIO", "ENOSPC", "EINTR"),
    "fdatasync": ("EIO", "ENOSPC", "EINTR"),
    "syncfs": ("EIO", "ENOSPC"),
    "linkat": DISK,
    "renameat": DISK,
    "renameat2": DISK,
    "unlinkat": ("EIO",),
    "ftruncate": ("EIO", "ENOSPC", "EINTR"),
    "fchmod": ("EIO",),
    "fallocate": DISK,
    "mkdirat": DISK,
    "statx": ("EIO",),
    "fcntl": ("EIO",),
}
# A thread does not make more of these calls for a few files.
MOST = 200


class Injecting(Trial):
    """A server whose system calls fail."""

    def __init__(self, binary, root):
        super().__init__(binary, root, power=False, apart=True)
        self.sent, self.wrong, self.said = set(), [], []
        (root / "source").mkdir()
        self.server, self.address = self.serve("--min-free", "0")
        self.reader = threading.Thread(target=lambda: self.said.extend(self.server.stdout), daemon=True)
        self.reader.start()

    def make(self, name, chance):
        content = chance.randbytes(chance.choice((0, 100, 5_000, 60_000, 1_200_000)))
        self.sent.add(hashlib.sha256(content).hexdigest())
        path = self.root / "source" / name
        path.write_bytes(content)
        return path

    def inject(self, number, call, error, when, chance):
        """Sends files while a call fails. Returns how often it failed, and whether an upload was refused."""
        log = self.root / "strace"
        log.write_bytes(b"")
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}",
             "-p", str(self.server.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.wait_until_traced(tracer)
        names = [self.make(f"{number}-{file}.bin", chance) for file in range(FILES)]
        folder = self.root / "source" / f"in-{number}"
        folder.mkdir()
        inside = self.make(f"in-{number}/x.bin", chance)
        variant = chance.choice(("cp2", "ap", "plain"))
        client = subprocess.Popen(
            [self.binary, "send", "--quiet", "--retries", "0", "--receipts", str(self.receipts / str(number)), "--to",
             self.address, "-p", variant, "--ca", str(self.root / "certs" / "cacsertificate.crt"),
             *map(str, names), str(inside.parent)],
            env=self.environment, stderr=subprocess.PIPE)
        try:
            said = client.communicate(timeout=PATIENCE)[1].decode()
        except subprocess.TimeoutExpired:
            client.kill()
            said = client.communicate()[1].decode()
            self.wrong.append(f"{number}: the client waits for the server without end: {said}")
        tracer.send_signal(signal.SIGINT)
        tracer.wait(PATIENCE)
        tracer.stderr.close()
        fired = log.read_bytes().count(b"(INJECTED)")
        is_refused = client.returncode != 0
        if is_refused and not said.strip():
            self.wrong.append(f"{number}: the client fails and says nothing")
        if is_refused and fired == 0:
            self.wrong.append(f"{number}: the upload fails without a fault: {said}")
        return fired, is_refused

    def wait_until_traced(self, tracer):
        deadline = time.monotonic() + PATIENCE
        tasks = Path(f"/proc/{self.server.pid}/task")
        while time.monotonic() < deadline:
            states = [(task / "status").read_text() for task in tasks.iterdir()]
            if all(f"TracerPid:\t{tracer.pid}\n" in state for state in states):
                return
            if tracer.poll() is not None:
                sys.exit(f"strace ends: {tracer.stderr.read().decode()}")
            time.sleep(0.002)
        sys.exit("strace did not attach")

    def look(self):
        """Compares the folder with the receipts and with what was sent."""
        missing, proven = self.audit()
        self.wrong += missing
        for path in self.store.path.rglob("*"):
            if not path.is_file() or path.name.startswith(".upseal-"):
                continue
            if hashlib.sha256(path.read_bytes()).hexdigest() not in self.sent:
                self.wrong.append(f"{path.name}: {path.stat().st_size} bytes that were not sent")
        return proven

    def next_upload(self, what, chance):
        after = self.make(f"{what}-after.bin", chance)
        if self.upload(f"{what}-after", self.address, "cp2", [after]).wait(PATIENCE) != 0:
            said = b"".join(self.said[-3:]).decode()
            self.wrong.append(f"{what}: the next upload fails: {said}")

    def end(self, what):
        """Stops the server, starts it again and compares folder and history."""
        self.server.send_signal(signal.SIGTERM)
        code = self.server.wait(PATIENCE)
        # A log that could not be written is an error at the end.
        is_log = code == 5 and b"cannot write the results" in (self.root / "stderr").read_bytes()
        if code != 0 and not is_log:
            self.wrong.append(f"{what}: the server ends with {code}")
        self.reader.join(PATIENCE)
        again, _ = self.serve()
        again.send_signal(signal.SIGTERM)
        again.wait(PATIENCE)
        again.stdout.close()
        done = run(self.binary, "audit", "--store", self.store.path, env=self.environment)
        if done.returncode != 0:
            self.wrong.append(f"{what}: {done.stdout.decode()}{done.stderr.decode()}")
        left = [path for path in self.store.path.rglob(".upseal-*")]
        self.wrong += [f"{what}: {path.name} is left" for path in left]
        return self.look()


class Totals:
    def __init__(self):
        self.rounds = self.fired = self.refused = self.proven = self.servers = 0
        self.wrong, self.played = [], []


def rounds(binary, plan, chance, totals):
    """Plays some faults on one server. `plan` yields a call, an error, and when it fails, and takes whether it did."""
    root = Path(tempfile.mkdtemp(prefix="upseal-inject-"))
    trial = None
    try:
        trial = Injecting(binary, root)
        totals.servers += 1
        what = None
        for number, (call, error, when) in enumerate(plan):
            what = f"{call} {error} {when}"
            totals.played.append(what)
            fired, is_refused = trial.inject(number, call, error, when, chance)
            plan.fired = fired > 0
            totals.rounds += 1
            totals.fired += fired > 0
            totals.refused += is_refused
            trial.next_upload(f"{number}", chance)
            if trial.wrong:
                break
        totals.proven += trial.end(what)
        totals.wrong += [f"{what}: {line}" for line in trial.wrong]
        if trial.wrong:
            said = [line for line in trial.said if b'"note"' in line or b'"refused"' in line]
            said += (root / "stderr").read_bytes().splitlines()[-4:]
            totals.wrong += [f"the server says: {line.decode().strip()}" for line in said[-12:]]
    finally:
        if trial and trial.server.poll() is None:
            trial.server.kill()
            trial.server.wait(PATIENCE)
        shutil.rmtree(root, ignore_errors=True)


class ByChance:
    """Rounds of one server, by chance."""

    def __init__(self, chance, until, most=8):
        self.chance, self.until, self.most, self.fired = chance, until, most, False

    def __iter__(self):
        for _ in range(self.most):
            if time.monotonic() > self.until:
                return
            call = self.chance.choice(list(CALLS))
            first = self.chance.choice((1, 1, 2, 3, self.chance.randint(1, 12)))
            error = self.chance.choice(CALLS[call])
            yield call, error, f"{first}{self.chance.choice(('', '', more_of(call, error)))}"


def more_of(call, error):
    """Returns how a fault goes on. No signal interrupts every call, and those that are interrupted are made again. Without
    locks SQLite tries for 10 s before each error."""
    return "" if error == "EINTR" or call == "fcntl" else "+"


class Given:
    """Rounds with these faults, each a call, an error and when it fails."""

    def __init__(self, *faults):
        self.faults, self.fired = faults, False

    def __iter__(self):
        for fault in self.faults:
            yield fault.split(" ")


class Every:
    """Rounds of one call and error: the N-th call, for every N until none is reached."""

    def __init__(self, call, error, more):
        self.call, self.error, self.more, self.fired = call, error, more, False

    def __iter__(self):
        for number in range(1, MOST):
            yield self.call, self.error, f"{number}{self.more}"
            if not self.fired:
                return


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--upseal", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--fault", help="only this one, for example 'fsync EIO 3+'")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    chance, totals, binary = random.Random(options.seed), Totals(), options.upseal.resolve()
    if options.all:
        plans = (Every(call, error, more) for call, errors in CALLS.items() for error in errors
                 for more in sorted({"", more_of(call, error)}))
        for plan in plans:
            rounds(binary, plan, chance, totals)
            print(f"{plan.call} {plan.error}{plan.more}: {totals.rounds} rounds, {len(totals.wrong)} wrong", flush=True)
            if totals.wrong:
                break
    elif options.fault:
        rounds(binary, Given(*[options.fault] * 5), chance, totals)
    else:
        until = time.monotonic() + options.seconds
        # So that something is refused in any case, and a file has a name that neither the disk nor the history knows.
        rounds(binary, Given("linkat EIO 1+", "fsync EIO 1+", "fsync EIO 2+", "fsync EIO 2+"), chance, totals)
        while time.monotonic() < until and not totals.wrong:
            rounds(binary, ByChance(chance, until), chance, totals)
    for line in totals.wrong:
        print("WRONG", line)
    if totals.wrong:
        print(f"the last faults: {', '.join(totals.played[-8:])}")
    print(f"{totals.rounds} uploads with a fault on {totals.servers} servers: {totals.fired} met, {totals.refused} refused, "
          f"{totals.proven} files proven; {len(totals.wrong)} wrong")
    if totals.fired == 0 or totals.refused == 0 or totals.proven == 0:
        print("nothing was tried: no fault was met, or nothing was stored")
        return 1
    return 1 if totals.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
