"""Shared code of the Python benches: a scratch folder with an identity, and processes with their costs.

Every process that is started here ends with its `with` block, or with the bed. Standard library only.
"""

import contextlib
import ctypes
import dataclasses
import itertools
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PATIENCE = 20  # seconds in which a started process has to answer
FLAGS = ["aes", "sha_ni", "avx2", "avx512f"]


class Broken(Exception):
    """A process failed, so there is no figure."""


class Missing(Exception):
    """This machine lacks the program that a row compares with."""


# ---------------------------------------------------------------- processes and their costs

@dataclasses.dataclass
class Cost:
    """Costs of one process, including children that it waited for."""
    seconds: float  # wall-clock time, from before the spawn to the exit
    cpu: float      # seconds, user and system
    rss: int        # peak in bytes; meaningful only for processes started with `lean`


# The `ru_maxrss` of a child starts with its parent's: Linux keeps the maximum from before and after exec, and this Python
# is larger than upseal. So a small shell starts the process, writes its id to a file and exits; this process adopts it.
LEAN = ["sh", "-c", """sh -c 'echo $$ > "$0"; exec "$@"' "$0" "$@" &"""]
PR_SET_CHILD_SUBREAPER = 36


class Process:
    """One child, killed by its id if it outlives its deadline or its `with` block.

    With `lean` its peak RSS is its own; starting it then takes one or two milliseconds more."""

    def __init__(self, words, *, timeout, lean=False, **how):
        self.words, self.cost, self.code = [str(word) for word in words], None, None
        self.errors = tempfile.TemporaryFile()
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": self.errors} | how
        self.begun = time.monotonic()
        self.pid = self.adopt(how) if lean else self.spawn(how)
        self.late = threading.Timer(timeout, self.kill)
        self.late.daemon = True
        self.late.start()

    def spawn(self, how):
        self.child = subprocess.Popen(self.words, **how)
        return self.child.pid

    def adopt(self, how):
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise Broken(f"prctl: {os.strerror(ctypes.get_errno())}")
        with tempfile.NamedTemporaryFile() as number:
            subprocess.run([*LEAN, number.name, *self.words], check=True, timeout=PATIENCE, **how)
            written = Path(number.name)
            return int(until("the process's id", lambda: (text := written.read_text()).endswith("\n") and text))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.reap()
        self.errors.close()

    def alive(self):
        return self.cost is None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self, number=signal.SIGKILL):
        if self.cost is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def reap(self):
        """Returns the cost, whatever the exit code. Uses wait4, because Popen.wait does not report the usage."""
        if self.cost is None:
            _, status, usage = os.wait4(self.pid, 0)
            seconds = time.monotonic() - self.begun
            self.cost = Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KIB)
            self.code = os.waitstatus_to_exitcode(status)
            self.late.cancel()
            if child := getattr(self, "child", None):
                child.returncode = self.code  # otherwise Popen would wait for it again
        return self.cost

    def wait(self):
        """Returns the cost; raises Broken unless the process exited as expected."""
        cost = self.reap()
        if self.code != 0:
            raise Broken(f"{Path(self.words[0]).name} {' '.join(self.words[1:6])} …: {self.ending()}")
        return cost

    def ending(self):
        self.errors.seek(0)
        said = self.errors.read()[-400:].decode(errors="replace").strip()
        return f"exit {self.code}: {said or 'it said nothing'}"


def until(what, look):
    """Returns the result of `look` as soon as it is neither None nor False."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found not in (None, False):
            return found
        time.sleep(0.005)
    raise Broken(f"{what}: not within {PATIENCE} s")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def until_listening(port):
    """Checks for a listener without connecting, because some listeners accept a single connection."""
    wanted = f"0100007F:{port:04X}"

    def listens():
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
        return any(words[1] == wanted and words[3] == "0A" for words in lines)
    until(f"a listener at port {port}", listens)


# ---------------------------------------------------------------- the bed

class Server:
    """A running `upseal serve`."""

    def __init__(self, process, log, store):
        self.process, self.log, self.store = process, log, store
        self.address = until("the server's address", self.listening)

    def listening(self):
        if not self.process.alive():
            raise Broken("the server ended at once")
        for event in self.events():
            if event["event"] == "not_listening":
                raise Broken(f"the server: {event['fault']['what']}")
            if event["event"] == "listening":
                return event["address"]

    def events(self):
        """Returns the events so far; the last line may be incomplete."""
        text = self.log.read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def received(self):
        return [event for event in self.events() if event["event"] == "received"]

    def stop(self):
        """Stops the server and returns its cost."""
        self.process.kill(signal.SIGTERM)
        return self.process.reap()


class Bed:
    """A scratch folder, an identity in it, and an environment that keeps upseal inside."""

    def __init__(self, binary, folder, timeout):
        # Otherwise servers and gigabytes in memory would remain.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        self.binary, self.timeout = str(Path(binary).resolve()), timeout
        self.root = Path(tempfile.mkdtemp(prefix="upseal-bench-", dir=folder))
        self.numbers, self.block = itertools.count(1), os.urandom(MIB)
        with self.process([self.binary, "certs", "init", "--dir", self.certs, "--bits", "1024"]) as made:
            made.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def certs(self):
        return self.root / "certs"

    @property
    def ca(self):
        return self.certs / "cacsertificate.crt"

    def environment(self, who="bench"):
        """Returns the environment of one user, with an own history and own known servers."""
        home = self.root / "users" / who
        home.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TERM", "USER") if name in os.environ}
        return kept | {"XDG_DATA_HOME": str(home / "data"), "UPSEAL_HISTORY": str(home / "history.db"),
                       "UPSEAL_KNOWN": str(home / "known"), "UPSEAL_CONFIG": str(home / "config.toml")}

    def process(self, words, *, who="bench", **how):
        how.setdefault("env", self.environment(who))
        how.setdefault("cwd", self.root)
        return Process(words, **{"timeout": self.timeout, **how})

    @contextlib.contextmanager
    def scratch(self, folder=None):
        """Provides a new folder that is removed afterwards."""
        path = Path(tempfile.mkdtemp(prefix="upseal-bench-", dir=folder or self.root))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def file(self, size, data=None):
        """Returns a file of `size` bytes, kept for later calls: `data` bytes that repeat every MiB, then a hole."""
        data = size if data is None else min(size, data)
        path = self.root / f"{size}-{data}.bin"
        if not path.exists():
            with path.open("wb") as file:
                for place in range(0, data, MIB):
                    # Each MiB differs from the next in its first bytes only, which is cheap to make.
                    block = place.to_bytes(8, "big") + self.block[8:]
                    file.write(block[:min(MIB, data - place)])
                file.truncate(size)
        return path

    def drop(self, path):
        path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def server(self, *flags, folder=None, lean=False):
        """Provides a server with its own store; both are removed afterwards."""
        with self.scratch(folder) as work:
            log, who = work / "events.jsonl", f"server-{next(self.numbers)}"
            words = [self.binary, "serve", "--json", "--bind", "127.0.0.1:0", "--certs", self.certs,
                     "--store", work / "store", "--accept", "plain,ap,cp1,cp2", *flags]
            with log.open("wb") as out, self.process(words, who=who, stdout=out, timeout=4 * self.timeout,
                                                     lean=lean) as process:
                yield Server(process, log, work / "store")
            shutil.rmtree(self.root / "users" / who, ignore_errors=True)

    def sender(self, server, variant, files, *flags, who="bench", lean=False, **how):
        """Starts `upseal send`."""
        words = [self.binary, "send", "--quiet", "--to", server.address, "-p", variant, "--ca", self.ca,
                 "--retries", "0", *flags, *files]
        return self.process(words, who=who, lean=lean, **how)

    def upload(self, variant, files, flags=(), server_flags=(), *, folder=None, lean=False, **how):
        """Sends to a new server and checks that it has everything; returns the costs of client and server."""
        with self.server(*server_flags, folder=folder, lean=lean) as server:
            with self.sender(server, variant, files, *flags, lean=lean, **how) as client:
                cost = client.wait()
            cwd = Path(how.get("cwd", self.root))
            sent = {Path(file).name: (cwd / file).stat().st_size for file in files}
            there = {entry.name: entry.stat().st_size for entry in os.scandir(server.store)}
            if sent != {name: size for name, size in there.items() if not name.startswith(".")}:
                raise Broken(f"{len(sent)} files were sent, and {len(there)} others arrived")
            return cost, server.stop()


# ---------------------------------------------------------------- texts

def first_line(*words):
    """Returns the version that a program prints, on stdout or stderr."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return f"no {Path(words[0]).name}"
    return ((done.stdout + done.stderr).strip() or "?").splitlines()[0]


def machine(binary):
    """Returns lines about the processor and kernel, the versions, and the load of the machine."""
    cpu = Path("/proc/cpuinfo").read_text()

    def field(name):
        return next((line.split(": ", 1)[1] for line in cpu.splitlines() if line.startswith(name)), "unknown")
    flags = field("flags").split()
    has = " ".join(flag for flag in FLAGS if flag in flags)
    return [
        f"{field('model name')}, {len(os.sched_getaffinity(0))} cores, {has}, "
        f"{platform.system()} {platform.release()}",
        f"{first_line(binary, '--version')}, {first_line('openssl', 'version')}, "
        f"Python {platform.python_version()}",
        "load before: " + " ".join(Path("/proc/loadavg").read_text().split()[:3]),
    ]


def size_words(size):
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} B"
