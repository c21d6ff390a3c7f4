#!/usr/bin/env python3
"""The interoperability matrix: upseal against an independent Python peer, in both directions.

    run.py --upseal target/debug/upseal [--only SUBSTR] [--table] [--require-all] [-v]
    run.py --self                        the Python peer against itself

Prints one line per case, `ok NAME`, `FAIL NAME: reason` or `not offered: NAME (option)`, and finally
`N passed, N failed`.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PEER = Path(__file__).resolve().parent / "peer.py"
SEND_TIMEOUT = 60
VERBOSE = False


class Failure(Exception):
    """A case failed; the text is the reason."""


class NotOffered(Exception):
    """The binary under test lacks an option that the case needs."""


# ---------------------------------------------------------------- combinations

@dataclass(frozen=True)
class Combo:
    variant: str
    padding: str | None = None
    framing: str | None = None

    def __str__(self):
        return " ".join(word for word in (self.variant, self.padding, self.framing) if word)

    def words(self):
        """Returns the flags that upseal and peer.py have in common."""
        words = []
        if self.padding:
            words += ["--padding", self.padding]
        if self.framing:
            words += ["--framing", self.framing]
        return words


PLAIN, AP = Combo("plain"), Combo("ap")
OAEP = OAEP_A, OAEP_B, OAEP_C, OAEP_D, OAEP_E, OAEP_F = [Combo("cp1", "oaep", framing) for framing in "ABCDEF"]
PKCS = PKCS_A, PKCS_B, PKCS_C, PKCS_D, PKCS_E, PKCS_F = [Combo("cp1", "pkcs1v15", framing) for framing in "ABCDEF"]
CP1 = [*OAEP, *PKCS]
PAIRS = [combo for combo in CP1 if combo.framing != "A"]
TERMINATORS = ("none", "max", "0", "1", "10000", "end")
CP2 = CP2_OAEP, CP2_PKCS = Combo("cp2", "oaep"), Combo("cp2", "pkcs1v15")
COMBOS = [PLAIN, AP, *CP1, *CP2]

# Around the OAEP (62) and PKCS1v15 (117) block, two whole blocks of each, k = 128, and 64 KiB.
SIZES = [0, 1, 61, 62, 63, 116, 117, 118, 124, 127, 128, 129, 234, 300, 65535, 65536, 65537]
FEW_SIZES = (0, 1, 61, 62, 63, 116, 117, 118, 127, 128, 129, 300)  # default sizes of a dialect case
BIG = 3 * 1024 * 1024 + 1

SPECIFIED = "as specified"  # row of the dialect table for the defaults

ODD_NAMES = ["with space.txt", "ünïcødé 日本 🎉.txt", "%2e%2e$(id)'\".txt", "n" * 200 + ".txt", "plain.txt"]
DASH_NAME, DOUBLE_DASH_NAME = "-dash.txt", "--double.txt"

# Sender faults, and the combinations to which each applies.
SEND_FAULTS = [
    (["cut", "reset"], [PLAIN, AP, *OAEP, PKCS_A, PKCS_E, CP2_OAEP]),
    (["reset-at-block"], [OAEP_E]),
    (["bad-mode", "no-name", "little-endian", "huge-m1"], [PLAIN, AP, OAEP_A, CP2_OAEP]),
    (["bad-name-dotdot", "bad-name-dot", "bad-name-empty", "bad-name-slash", "bad-name-nul", "bad-name-utf8"],
     [PLAIN, AP, OAEP_A, CP2_OAEP]),
    (["flip"], [*OAEP, CP2_OAEP]),
    (["flip-time", "flip-iv", "flip-hmac"], [CP2_OAEP]),
    (["trunc-key", "garbage-key"], [CP2_OAEP, CP2_PKCS]),
    (["sign-upseal", "sign-tls", "sign-long"], [AP]),
    (["second-hello"], [AP, OAEP_A, CP2_OAEP]),
]


@dataclass(frozen=True)
class Dialect:
    """One dialect of the protocol (docs/protocol.md), for one combination."""
    what: str
    combo: Combo
    client: tuple = ()         # options of the client under test or the Python client
    server: tuple = ()         # options that make a Python server demand exactly this dialect
    python_client: tuple = ()  # further options of a Python client
    sizes: tuple = FEW_SIZES
    sniffed: bool = False      # whether a Python server has to detect the framing

    def __str__(self):
        return f"{self.combo}, {self.what}"


def client_dialects():
    """Returns the dialects of third-party clients; the Python peer sends them to the server under test."""
    found = []

    def add(what, combos, *words, server=None, sizes=FEW_SIZES):
        for combo in combos:
            server_options = tuple(words) if server is None else server
            found.append(Dialect(what, combo, tuple(words), server_options, sizes=tuple(sizes)))

    add("empty file as M1 = 0", CP1, "--empty", "zero")
    # Without 128: short blocks of it have an M1 in B and C that looks like framing F.
    few = (0, 1, 61, 63, 127, 129, 300)
    for lengths, what in (("40", "40 bytes"), ("1", "1 byte"), ("40,0,17", "40, 0 and 17 bytes")):
        add(f"blocks of {what}", CP1, "--block", lengths, server=(), sizes=few)
    add("128 bytes in blocks of 1 byte", CP1, "--block", "1", server=(), sizes=(128, 1))
    add("128 bytes in blocks of 40 bytes", CP1, "--block", "40", server=(), sizes=(128, 1))
    add("128 bytes in blocks of 40 bytes, hello", CP1, "--block", "40", "--hello", server=(), sizes=(128, 1))
    add("blocks of 40 bytes, hello", CP1, "--block", "40", "--hello", server=(), sizes=few)
    for combo in CP1:
        full = 62 if combo.padding == "oaep" else 117
        for goodbye, what in (("once", "MODE 2 once"), ("twice", "MODE 2 twice"), ("never", "no MODE 2")):
            add(f"last block full, {what}", [combo], "--goodbye", goodbye, sizes=(300, full, 2 * full))
        add("pause before a full last block", [combo], "--pause", "1.5", server=(), sizes=(3 * full,))
        add("pause before a short last block", [combo], "--pause", "1.5", server=(), sizes=(3 * full - 5,))
        if combo.framing == "D":
            for what, size in (("full", 2 * full), ("short", 2 * full - 5)):
                add(f"pause before the terminator, last block {what}", [combo],
                    "--pause", "1.5", "--pause-before", "3", server=(), sizes=(size,))
        # M1 has the value that another framing would have before the end of the body.
        if combo.framing == "B":
            add(f"{full} or {2 * full} blocks, ambiguous M1", [combo], sizes=(full * full, 2 * full * full - 3))
            # Without the hello the server cannot know the framing before the pause.
            add(f"{full} blocks, pause after the first, hello", [combo],
                "--hello", "--pause", "1.5", "--pause-before", "2", server=(), sizes=(full * full,))
            add("128 or 256 blocks, ambiguous M1", [combo], sizes=(128 * full, 256 * full - 3))
        if combo.framing == "C":
            add("128, 256 or 384 bytes, ambiguous M1", [combo], sizes=(128, 256, 384))
            add("256 bytes, pause after the second block, hello", [combo],
                "--hello", "--pause", "1.5", "--pause-before", "3", server=(), sizes=(256,))
    for goodbye, what in (("twice", "MODE 2 twice"), ("never", "no MODE 2")):
        add(what, COMBOS, "--goodbye", goodbye)
    add("one byte per write", [PLAIN, AP, *OAEP, PKCS_A, PKCS_E, *CP2], "--gap-bytes", server=())
    add("everything in one write", COMBOS, "--glue", server=())
    add("pause in the body", [PLAIN, AP, CP2_OAEP], "--pause", "1.5", server=(), sizes=(300,))
    for form in ("ascii", "timestamp", "random32", "text", "stamped-text"):
        add(f"AP message {form}", [AP, *OAEP, PKCS_A, PKCS_E, *CP2], "--auth-message", form)
    add("MODE 3 before each file", [AP, *OAEP, PKCS_A, *CP2], "--auth-per-file", server=())
    add("MODE 3 before each file, hello", [AP, *OAEP, PKCS_A, *CP2], "--auth-per-file", "--hello", server=())
    for word in TERMINATORS:
        add(f"terminator {word}", PAIRS, "--terminator", word)
        add(f"terminator {word}, hello", PAIRS, "--terminator", word, "--hello", server=("--terminator", word))
        add(f"terminator {word}, MODE 2 twice", PAIRS, "--terminator", word, "--goodbye", "twice")
        add(f"terminator {word}, no MODE 2", PAIRS, "--terminator", word, "--goodbye", "never")
        add(f"terminator {word}, MODE 3 before each file", PAIRS, "--terminator", word, "--auth-per-file",
            server=("--terminator", word))
        # The empty file comes first.
        add(f"terminator {word}, empty file without blocks", PAIRS, "--terminator", word, "--empty", "zero")
    for combo in CP1:
        full = 62 if combo.padding == "oaep" else 117
        add("extra empty block after a full last block", [combo], "--one-block-too-many",
            server=(), sizes=(full, 2 * full, 300))
    for piece in (1, 2, 3):
        add(f"session key in block {piece} of 3, the others empty", CP2, "--key-piece", str(piece), server=())
    per_file, both = ("--key-per-file",), ("--key-per-file", "--auth-per-file")
    raw, sixteen = ("--key-form", "raw"), ("--key-length-bytes", "16")
    add("raw key", CP2, *raw)
    add("16-byte key length", CP2, *sixteen)
    add("raw key, 16-byte key length", CP2, *raw, *sixteen)
    add("raw key, hello", CP2, *raw, "--hello", server=raw)
    add("MODE 4 before each file", CP2, *per_file, server=())
    add("MODE 3 and 4 before each file", CP2, *both, server=())
    add("raw key, MODE 4 before each file", CP2, *raw, *per_file, server=raw)
    add("raw key, 16-byte key length, MODE 3 and 4 before each file", CP2, *raw, *sixteen, *both, server=raw + sixteen)
    return found


def server_dialects():
    """Returns what third-party servers demand; the client under test connects to such a Python server."""
    found = []

    def add(what, combos, *words, server=None, python_client=(), sniffed=False):
        for combo in combos:
            server_options = tuple(words) if server is None else server
            found.append(Dialect(what, combo, tuple(words), server_options, python_client, sniffed=sniffed))

    proving = [AP, OAEP_A, OAEP_E, PKCS_A, *CP2]
    add("server detects the framing", CP1, sniffed=True)
    add("empty file as M1 = 0", CP1, "--empty", "zero")
    add("empty file as one block", CP1, "--empty", "block")
    for form in ("ascii", "timestamp", "random32"):
        add(f"AP message {form}", proving, "--auth-message", form)
    for word in TERMINATORS:
        add(f"terminator {word}", PAIRS, "--terminator", word)
        add(f"terminator {word}, empty file without blocks", PAIRS, "--terminator", word, "--empty", "zero")
    for form in ("fernet", "raw"):
        for length in ("8", "16"):
            words = ("--key-form", form, "--key-length-bytes", length)
            add(f"{form} key, {length}-byte key length", CP2, *words)
    for kind, what in (("base", "name without its path"), ("path", "name as the typed path")):
        add(what, [PLAIN, AP, OAEP_A, CP2_OAEP], "--name-as", kind, server=())
    add("certificate before signature", proving, server=("--reply-order", "cert-first"))
    add("server decodes the message as UTF-8", proving, server=("--utf8",), python_client=("--hello",))
    for salt in ("0", "20", "32"):
        add(f"salt of {salt} bytes", proving, server=("--salt", salt), python_client=("--salt", "any"))
    add("pauses inside the answer", proving, server=("--reply-gap", "0.1"))
    add("pauses inside the answer, certificate before signature", proving,
        server=("--reply-gap", "0.1", "--reply-order", "cert-first"))
    add("answer states the message's length for the signature", proving,
        server=("--signature-length", "message"), python_client=("--hello",))
    return found


# ---------------------------------------------------------------- processes

class Running:
    """A server process with its address, the lines of its standard output, and its store."""

    def __init__(self, words, store, environment, address_of):
        say("$", *words)
        self.store = store
        self.stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.stderr, env=environment)
        self.lines = []
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()
        try:
            if not eventually(lambda: self.lines, 15):
                raise Failure(f"the server printed nothing: {self.errors()}")
            self.port = address_of(self.lines[0])
        except Failure:
            self.stop()
            raise
        self.before = files_below(store)  # a lock file, perhaps

    def read_lines(self):
        for line in self.process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    def new_files(self):
        return files_below(self.store) - self.before

    def errors(self):
        self.stderr.seek(0)
        return self.stderr.read().decode("utf-8", "replace")[-500:].strip()

    def finish(self):
        """Waits for the process to exit; returns its exit code."""
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            raise Failure(f"the server did not exit; its last lines are {self.lines[-3:]}") from None
        self.reader.join(5)
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(5)
        for line in self.lines:
            say("  |", line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@dataclass
class Sent:
    code: int
    stdout: str
    stderr: str

    def expect(self, code):
        if self.code != code:
            raise Failure(f"the client exited with {self.code}, not {code}: {self.stderr[-500:].strip()}")


def run_client(words, cwd, environment):
    say("$", *words)
    try:
        done = subprocess.run(words, cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=SEND_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Failure(f"the client did not exit within {SEND_TIMEOUT} s") from None
    sent = Sent(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
    say("  ->", sent.code, sent.stdout[-300:].strip(), sent.stderr[-300:].strip())
    return sent


class Python:
    """peer.py as client and as server."""
    name = "python"
    messages = []  # every AP message that its servers received from the client under test

    def __init__(self, patience=20):
        self.patience = patience

    def check_offers(self, options):
        """Does nothing: peer.py has every option."""

    def serve(self, work, combo, certs, connections=1, fault=None, extra=()):
        words = [sys.executable, str(PEER), "serve", "--variant", combo.variant, *combo.words(),
                 "--store", str(work / "store"), "--connections", str(connections), *extra]
        if certs:
            words += ["--certs", str(certs)]
        if fault:
            words += ["--fault", fault]
        return Running(words, work / "store", None, python_address)

    def send(self, work, combo, certs, port, files, cwd=None, extra=()):
        words = [sys.executable, str(PEER), "send", "--to", f"127.0.0.1:{port}", "--variant", combo.variant,
                 *combo.words(), "--patience", str(self.patience), *extra]
        if certs:
            words += ["--ca", str(certs / "cacsertificate.crt")]
        return run_client(words + files, cwd, None)


class Upseal:
    """The binary under test. Each case gets its own home, so that cases share no known servers or history."""
    name = "upseal"

    def __init__(self, binary):
        self.binary = str(binary)
        self.help = subprocess.run([self.binary, "send", "--help"], capture_output=True, timeout=60).stdout.decode()

    def check_offers(self, options):
        missing = [option for option in options if option.startswith("--") and not re.search(rf"{option}\b", self.help)]
        if missing:
            raise NotOffered(" ".join(missing))

    def environment(self, home):
        home.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("UPSEAL_", "XDG_", "LC_"))}
        environment |= {"HOME": str(home), "LANG": "C.UTF-8", "NO_COLOR": "1",
                        "UPSEAL_KNOWN": str(home / "known_servers"), "UPSEAL_HISTORY": str(home / "history.db")}
        environment["UPSEAL_CONFIG"] = str(home / "presets.toml")
        environment |= {f"XDG_{what}_HOME": str(home / what.lower()) for what in ("CONFIG", "DATA", "STATE", "CACHE")}
        return environment

    def serve(self, work, combo, certs, connections=1, fault=None, extra=()):
        store = work / "store"
        store.mkdir(exist_ok=True)
        words = [self.binary, "serve", "--bind", "127.0.0.1:0", "--store", str(store)]
        words += ["--certs", str(certs)] if certs else []
        words += ["--accept", "plain,ap,cp1,cp2" if certs else "plain", "--json"]
        return Running(words, store, self.environment(work / "home-server"), upseal_address)

    def send(self, work, combo, certs, port, files, cwd=None, extra=()):
        words = [self.binary, "send", "--retries", "0", "--to", f"127.0.0.1:{port}", "-p", combo.variant, *combo.words(), "--json",
                 *extra]
        if certs:
            words += ["--ca", str(certs / "cacsertificate.crt")]
        sent = run_client(words + files, cwd, self.environment(work / "home-client"))
        for line in sent.stdout.splitlines():
            try:
                json.loads(line)
            except ValueError:
                raise Failure(f"--json printed a line that is not JSON: {line[:200]!r}") from None
        return sent

    def make_certificates(self, folder, home):
        run_client([self.binary, "certs", "init", "--dir", str(folder), "--bits", "1024"], None,
                   self.environment(home)).expect(0)


def python_address(line):
    match = re.fullmatch(r"listening (\d+)", line)
    if not match:
        raise Failure(f"the first line is not `listening PORT`: {line!r}")
    return int(match[1])


def upseal_address(line):
    try:
        event = json.loads(line)
        if event["event"] == "listening":
            return int(event["address"].rsplit(":", 1)[1])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        pass
    raise Failure(f"the first event is not `listening`: {line!r}")


# ---------------------------------------------------------------- helpers

def say(*words):
    if VERBOSE:
        print(*words, file=sys.stderr, flush=True)


def eventually(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def files_below(folder):
    """Returns every file, including hidden ones, as a path relative to the folder."""
    return {os.path.relpath(os.path.join(where, name), folder)
            for where, _, names in os.walk(folder) for name in names}


def make_file(folder, name, size_or_bytes):
    folder.mkdir(exist_ok=True)
    data = size_or_bytes
    if isinstance(size_or_bytes, int):
        data = random.Random(f"{name} {size_or_bytes}").randbytes(size_or_bytes)
    (folder / name).write_bytes(data)
    return name


def expect_stored(server, source, names):
    """Fails unless the store holds exactly these files, byte for byte, at most 5 s after the client exited."""
    eventually(lambda: server.new_files() == set(names), 5)
    found = server.new_files()
    if found != set(names):
        raise Failure(f"missing in the store: {sorted(set(names) - found)}; unexpected: {sorted(found - set(names))}")
    for name in names:
        sent, stored = (source / name).read_bytes(), (server.store / name).read_bytes()
        if sent != stored:
            place = next((i for i, (a, b) in enumerate(zip(sent, stored)) if a != b), min(len(sent), len(stored)))
            raise Failure(f"{name[:40]}: {len(sent)} bytes sent, {len(stored)} stored, they differ from byte {place}")


def expect_alive_or_done(server, peer):
    """Fails unless a Python server exits with code 0, or upseal's server is still running."""
    if peer.name == "python":
        if server.finish() != 0:
            raise Failure(f"the Python server refused something: {refusals(server)}")
    elif server.process.poll() is not None:
        raise Failure(f"the server exited with {server.process.returncode}: {server.errors()}")


def refusals(server):
    """Returns the reasons for refusals: lines of peer.py, events of upseal, or else its standard error."""
    return [line for line in server.lines if line.startswith(("refused", '{"event":"refused"'))] or server.errors()


# ---------------------------------------------------------------- the cases

def sizes_case(client, server_peer, combo, certs):
    def run(work):
        source = work / "source"
        names = [make_file(source, f"size-{size}.bin", size) for size in SIZES]
        if combo.variant != "cp1":
            names.append(make_file(source, "big.bin", BIG))
        # Plaintext that resembles CP1's framing B, C or F, and a Fernet token.
        names.append(make_file(source, "like-pairs.bin", struct.pack(">Q", 128) * 85))
        names.append(make_file(source, "like-token.bin", b"gAAAAA" * 100))
        with server_peer.serve(work, combo, certs) as server:
            client.send(work, combo, certs, server.port, [str(source / name) for name in names]).expect(0)
            expect_stored(server, source, names)
            expect_alive_or_done(server, server_peer)
            remember_messages(client, server)
    return run


def names_case(client, server_peer, combo, certs, extra=()):
    """Sends odd names relative to the current folder: `./--double.txt`, and `-dash.txt` after `--`."""
    def run(work):
        source = work / "source"
        for number, name in enumerate([*ODD_NAMES, DASH_NAME, DOUBLE_DASH_NAME]):
            make_file(source, name, 100 + number)
        typed = [*ODD_NAMES, "./" + DOUBLE_DASH_NAME, "--", DASH_NAME]
        with server_peer.serve(work, combo, certs) as server:
            client.send(work, combo, certs, server.port, typed, cwd=source, extra=extra).expect(0)
            expect_stored(server, source, [*ODD_NAMES, DASH_NAME, DOUBLE_DASH_NAME])
            expect_alive_or_done(server, server_peer)
            remember_messages(client, server)
    return run


def zero_case(client, server_peer, combo, certs):
    """CP1: sends an empty file as M1 = 0, and another file after it."""
    def run(work):
        source = work / "source"
        names = [make_file(source, "empty.bin", 0), make_file(source, "after.bin", 200)]
        with server_peer.serve(work, combo, certs) as server:
            client.send(work, combo, certs, server.port, [str(source / name) for name in names],
                        extra=["--empty", "zero"]).expect(0)
            expect_stored(server, source, names)
            expect_alive_or_done(server, server_peer)
    return run


def dialect_case(client, server_peer, dialect, certs):
    """Sends a file of every size of the dialect over one connection."""
    def run(work):
        client.check_offers(dialect.client)
        source = work / "source"
        names = [make_file(source, f"size-{size}.bin", size) for size in dialect.sizes]
        combo = dialect.combo
        server_combo, server_options, words = combo, dialect.server, dialect.client
        if dialect.sniffed:
            server_combo = Combo(combo.variant, combo.padding)
        if client.name == "python":
            words += dialect.python_client
        extra = server_options if server_peer.name == "python" else ()
        with server_peer.serve(work, server_combo, certs, extra=extra) as server:
            sent = client.send(work, combo, certs, server.port, [str(source / name) for name in names], extra=words)
            if sent.code != 0:
                eventually(lambda: refusals(server), 1)
                raise Failure(f"the client exited with {sent.code}: {sent.stderr[-300:]} the server: {refusals(server)}")
            expect_stored(server, source, names)
            expect_alive_or_done(server, server_peer)
            expect_logged(server, dialect, len(names))
            if "random32" not in dialect.client:
                remember_messages(client, server)
    return run


def expect_logged(server, dialect, files):
    """Checks the log of a Python server for the effect of options that its files cannot show."""
    if not server.lines[0].startswith("listening "):
        return
    for option, mode in (("--auth-per-file", "mode 3"), ("--key-per-file", "mode 4")):
        if option in dialect.client and server.lines.count(mode) != files:
            raise Failure(f"{mode} came {server.lines.count(mode)} times for {files} files")
    typed = [json.loads(line.split(" ", 1)[1]) for line in server.lines if line.startswith("name ")]
    for kind in ("base", "path"):
        if kind in dialect.client and any(("/" in name) != (kind == "path") for name in typed):
            raise Failure(f"the names came as {typed[:2]}")


def silence_case(client, server_peer, combo, certs, size):
    """Sends nothing after the last block and keeps the connection open: the file is published after 1 s."""
    def run(work):
        source = work / "source"
        names = [make_file(source, "last.bin", size)]
        with server_peer.serve(work, combo, certs) as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
            sent = pool.submit(client.send, work, combo, certs, server.port, [str(source / names[0])],
                               extra=["--linger", "5"])
            eventually(lambda: names[0] in server.new_files() or sent.done(), 10)
            if sent.done():
                raise Failure("not in the store for 5 s, while the connection was silent")
            expect_stored(server, source, names)
            sent.result().expect(0)
            expect_stored(server, source, names)
            expect_alive_or_done(server, server_peer)
    return run


def hello_case(client, server_peer, combo, certs):
    """Authenticates with a hello; upseal's server must answer with its line before the PEM."""
    def run(work):
        source = work / "source"
        names = [make_file(source, "one.bin", 1000), make_file(source, "two.bin", 0)]
        with server_peer.serve(work, combo, certs) as server:
            sent = client.send(work, combo, certs, server.port, [str(source / name) for name in names],
                               extra=["--hello"])
            sent.expect(0)
            if server_peer.name == "upseal" and not sent.stdout.startswith("upseal/1 server "):
                raise Failure("no `upseal/1 server` line before the PEM")
            expect_stored(server, source, names)
            expect_alive_or_done(server, server_peer)
    return run


def unproven_case(client, server_peer, combo, certs, fault=None):
    """The server's proof is wrong: the client must exit with 4, and send MODE 2 but no name and no body."""
    def run(work):
        source = work / "source"
        make_file(source, "secret.bin", 5000)
        with server_peer.serve(work, combo, certs, connections=20, fault=fault) as server:
            if fault == "replay":  # the answer of the first connection is correct and is recorded
                make_file(source, "first.bin", 5000)
                client.send(work, combo, certs, server.port, [str(source / "first.bin")]).expect(0)
                eventually(lambda: "closed in order" in server.lines, 5)
            seen = len(server.lines)
            sent = client.send(work, combo, certs, server.port, [str(source / "secret.bin")])
            sent.expect(4)
            if sent.stderr.strip() == "":
                raise Failure("the client gave no reason on stderr")
            eventually(lambda: re.match("closed|refused", server.lines[-1]) and len(server.lines) > seen, 5)
            lines = server.lines[seen:]
            if {"mode 0", "mode 1", "mode 4"} & set(lines):
                raise Failure(f"the client continued with an unproven server: {lines}")
            if "mode 2" not in lines:
                raise Failure(f"the client closed without MODE 2: {lines}")
            remember_messages(client, server)
    return run


def broken_off_case(client, server_peer, combo, certs, fault):
    """The server disconnects inside a body that is too large for socket buffers: exit 1."""
    def run(work):
        source = work / "source"
        make_file(source, "body.bin", 1_000_000 if combo.variant == "cp1" else 16 * 1024 * 1024)
        with server_peer.serve(work, combo, certs, connections=20, fault=fault) as server:
            client.send(work, combo, certs, server.port, [str(source / "body.bin")]).expect(1)
            if "mode 1" not in server.lines:
                raise Failure("the client never sent MODE 1")
            remember_messages(client, server)
    return run


def no_close_case(client, server_peer, combo, certs):
    """The server never closes after MODE 2: the client may report the file as sent, not as delivered."""
    def run(work):
        source = work / "source"
        make_file(source, "body.bin", 1000)
        with server_peer.serve(work, combo, certs, fault="no-close") as server:
            sent = client.send(work, combo, certs, server.port, [str(source / "body.bin")])
            if "mode 2" not in server.lines:
                raise Failure("the client never sent MODE 2")
            if sent.code == 0:
                raise Failure("the client claims delivery though the server never closed")
    return run


def refused_case(client, combo, certs):
    """No server listens: exit 3."""
    def run(work):
        source = work / "source"
        make_file(source, "body.bin", 1000)
        with socket.socket() as bound:  # bound but not listening: connections to the port are refused
            bound.bind(("127.0.0.1", 0))
            client.send(work, combo, certs, bound.getsockname()[1], [str(source / "body.bin")]).expect(3)
    return run


def short_salt_case(client, server_peer, combo, certs):
    """An AP answer with a salt of 32 bytes: upseal takes any length, the strict peer only the maximum."""
    def run(work):
        source = work / "source"
        make_file(source, "body.bin", 1000)
        with server_peer.serve(work, combo, certs, fault="short-salt") as server:
            sent = client.send(work, combo, certs, server.port, [str(source / "body.bin")])
            sent.expect(0 if client.name == "upseal" else 4)
            remember_messages(client, server)
    return run


def forged_receipt_case(client, server_peer, certs):
    """A relay lets a server that signs any message sign a forged statement: the client must exit with 4."""
    def run(work):
        source = work / "source"
        make_file(source, "body.bin", 1000)
        signed = []

        def blob(reader):
            length = struct.unpack(">Q", reader.read(8))[0]
            return reader.read(length)

        def sign(server, message):
            server.sendall(struct.pack(">QQ", 3, len(message)) + message)
            reader = server.makefile("rb")
            return blob(reader), blob(reader)

        def middle(listener, port):
            client_side, _ = listener.accept()
            client_side.settimeout(20)
            with client_side, socket.create_connection(("127.0.0.1", port), 20) as server:
                reader = client_side.makefile("rb")
                answer = lambda one, two: client_side.sendall(  # noqa: E731
                    struct.pack(">Q", len(one)) + one + struct.pack(">Q", len(two)) + two)
                reader.read(8)
                signature, pem = sign(server, blob(reader))
                answer(signature, b"upseal/1 server receipts=1 idle=900\n" + pem)
                reader.read(8), blob(reader), reader.read(8)
                body = blob(reader)
                reader.read(8)
                request = blob(reader)
                spki = subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=pem, capture_output=True, check=True)
                der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=spki.stdout,
                                     capture_output=True, check=True).stdout
                text = (f"upseal/1 stored\nrequest {hashlib.sha256(request).hexdigest()}\n"
                        f"key {hashlib.sha256(der).hexdigest()}\ntime 2026-11-22T12:00:00Z\n"
                        f"file 1 ap {len(body)} {hashlib.sha256(body).hexdigest()} body.bin\n").encode()
                signature, _ = sign(server, text)
                signed.append(text)
                answer(signature, text + pem)
                reader.read()

        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(20)
        with listener, server_peer.serve(work, AP, certs, fault="blind-sign", extra=("--goodbye", "never")) as server:
            thread = threading.Thread(target=middle, args=(listener, server.port), daemon=True)
            thread.start()
            sent = client.send(work, AP, certs, listener.getsockname()[1], [str(source / "body.bin")])
            thread.join(20)
            if not signed:
                raise Failure("the server signed nothing, so the attack was not tried")
            sent.expect(4)
            if "receipt is not valid" not in sent.stdout + sent.stderr:
                raise Failure(f"the client gives another reason: {sent.stderr[-300:]}")
    return run


def send_fault_case(client, server_peer, combo, certs, fault, extra=()):
    """A sender misbehaves: the store must stay empty, without leftovers, and the next sender is served."""
    def run(work):
        source = work / "source"
        size = 620 if fault == "reset-at-block" else 2000 if combo.variant == "cp1" else 100_000
        make_file(source, "bad.bin", size)
        make_file(source, "good.bin", 1234)
        with server_peer.serve(work, combo, certs, 2, extra=extra if server_peer.name == "python" else ()) as server:
            sent = client.send(work, combo, certs, server.port, [str(source / "bad.bin")],
                               extra=["--fault", fault, *extra])
            if "TimeoutError" in sent.stderr:
                raise Failure("the server did not close the connection")
            # CP1's open-ended framing is published after 1 s of silence: wait long enough to see a wrong publication.
            time.sleep(1.5 if combo.framing == "E" else 0.2)
            if not eventually(lambda: not server.new_files(), 5):
                raise Failure(f"in the store: {sorted(server.new_files())}")
            client.send(work, combo, certs, server.port, [str(source / "good.bin")], extra=extra).expect(0)
            expect_stored(server, source, ["good.bin"])
            if server_peer.name == "python":
                server.finish()
                if not refusals(server):
                    raise Failure("the Python server did not notice the fault")
            else:
                expect_alive_or_done(server, server_peer)
    return run


def remember_messages(client, server):
    """Keeps the AP messages of the client under test for `fresh_messages_case`."""
    for line in list(server.lines):
        if line.startswith("message "):
            Python.messages.append((client.name, bytes.fromhex(line.split()[1])))


def fresh_messages_case(_work):
    """Fails if an AP message or its random part occurs twice, or if upseal's has not 128 bytes."""
    messages = [message for _, message in Python.messages]
    if len({message[24:] for message in messages}) != len(messages):
        raise Failure("an AP message came twice")
    for name, message in Python.messages:
        if name == "upseal" and (len(message) != 128 or not message.startswith(b"upseal/1 ")):
            raise Failure(f"upseal's AP message is not a hello of 128 bytes: {message!r}")


# ---------------------------------------------------------------- the matrix

@dataclass(frozen=True)
class Case:
    name: str
    run: Callable
    row: str | None = None      # of the dialect table
    combo: Combo | None = None  # column of the dialect table
    way: str | None = None      # in: Python to the server under test; out: the client under test to Python


def all_cases(peers, certs):
    """Returns every case. `peers` are (client under test, server under test, Python)."""
    client, server, python = peers
    good = [key for key in ("v3", "v1", "upseal") if key in certs]
    pairs = [(client, python), (python, server)] if client is not python else [(python, python)]
    v3 = lambda combo: None if combo == PLAIN else certs["v3"]  # noqa: E731
    cases = []

    # First, because it takes 30 s, the client's timeout.
    cases.append(Case(f"no-close {client.name}->python {CP2_OAEP}",
                  no_close_case(client, python, CP2_OAEP, v3(CP2_OAEP))))

    for a, b in pairs:
        way = f"{a.name}->{b.name}"
        for combo in COMBOS:
            for key in ["none"] if combo == PLAIN else good if combo.framing in (None, "A", "E") else ["v3"]:
                cases.append(Case(f"sizes {way} {combo} certs={key}", sizes_case(a, b, combo, certs.get(key)),
                                  SPECIFIED, combo, "in" if a is python else "out"))
            cases.append(Case(f"names {way} {combo}", names_case(a, b, combo, v3(combo))))
        if a is python:
            for kind in ("path", "windows"):
                cases.append(Case(f"names-as-{kind} {way} {CP2_OAEP}",
                              names_case(a, b, CP2_OAEP, v3(CP2_OAEP), ["--name-as", kind])))
            for combo in COMBOS[1:]:
                cases.append(Case(f"hello {way} {combo}", hello_case(a, b, combo, v3(combo))))
        if b.name == "upseal":  # the Python server is strict: upseal itself never sends M1 = 0
            for combo in (OAEP_A, PKCS_A):
                cases.append(Case(f"zero {way} {combo}", zero_case(a, b, combo, v3(combo))))

    both_ways = ((python, server, "in", client_dialects()), (client, python, "out", server_dialects()))
    for a, b, direction, dialects in both_ways:
        for dialect in dialects:
            cases.append(Case(f"dialect {a.name}->{b.name} {dialect}",
                              dialect_case(a, b, dialect, v3(dialect.combo)), dialect.what, dialect.combo, direction))
    if server is not python:  # the Python server publishes nothing before the next MODE
        for combo in CP1:
            full = 62 if combo.padding == "oaep" else 117
            for blocks, what in ((1, "pause after 1 full block"), (2, "pause after 2 full blocks")):
                cases.append(Case(f"dialect python->{server.name} {combo}, {what}",
                                  silence_case(python, server, combo, v3(combo), blocks * full), what, combo, "in"))

    way = f"{client.name}->python"
    if client is not python:
        cases.append(Case(f"forged-receipt {way} {AP}", forged_receipt_case(client, python, v3(AP))))
    for combo in (AP, OAEP_A, CP2_OAEP):
        for key in ("wrong-ca", "expired"):
            cases.append(Case(f"{key} {way} {combo}", unproven_case(client, python, combo, certs[key])))
        for fault in ("sign-other", "replay"):
            cases.append(Case(f"{fault} {way} {combo}", unproven_case(client, python, combo, v3(combo), fault)))
    for combo in (PLAIN, AP, OAEP_A, CP2_OAEP):
        for fault in ("cut", "reset"):
            cases.append(Case(f"server-{fault} {way} {combo}",
                              broken_off_case(client, python, combo, v3(combo), fault)))
    for combo in (PLAIN, CP2_OAEP):
        cases.append(Case(f"connection-refused {client.name} {combo}", refused_case(client, combo, v3(combo))))
    cases.append(Case(f"short-salt {way} {AP}", short_salt_case(client, python, AP, v3(AP))))

    way = f"python->{server.name}"
    for faults, combos in SEND_FAULTS:
        for fault in faults:
            for combo in combos:
                cases.append(Case(f"fault {fault} {way} {combo}",
                                  send_fault_case(python, server, combo, v3(combo), fault)))
    for fault in ("flip", "flip-iv", "flip-hmac", "cut", "reset", "trunc-key", "garbage-key"):
        cases.append(Case(f"fault {fault} {way} {CP2_OAEP} raw",
                          send_fault_case(python, server, CP2_OAEP, v3(CP2_OAEP), fault, ("--key-form", "raw"))))
    return cases


def make_all_certificates(root, upseal):
    certs = {key: root / "certs" / key for key in ("v3", "v1", "expired", "wrong-ca")}
    for key, folder in certs.items():
        words = [] if key == "v3" else [f"--{key}"]
        subprocess.run([sys.executable, str(PEER), "certs", "--dir", str(folder), *words], check=True, timeout=60)
    if upseal:
        certs["upseal"] = root / "certs" / "upseal"
        upseal.make_certificates(certs["upseal"], root / "home-certs")
    return certs


def judge(case, root):
    """Runs one case in its own folder; returns the verdict and the reason."""
    with tempfile.TemporaryDirectory(dir=root) as work:
        try:
            case.run(Path(work))
        except NotOffered as missing:
            return "not offered", str(missing)
        except Failure as failure:
            return "FAIL", str(failure)
        except Exception as error:  # a bug of this harness fails the case, not the run
            return "FAIL", f"{type(error).__name__}: {error}"
    return "ok", ""


def report(name, verdict, why):
    line = {"ok": f"ok {name}", "FAIL": f"FAIL {name}: {why}", "not offered": f"not offered: {name} ({why})"}[verdict]
    print(" ".join(line.split()), flush=True)


def column_name(combo):
    """Returns the heading of a combination: `Plain`, `AP`, `OAEP A`, `PKCS1v15 A`, `CP2 OAEP`, …"""
    padding = {None: "", "oaep": "OAEP", "pkcs1v15": "PKCS1v15"}[combo.padding]
    name = {"plain": "Plain", "ap": "AP", "cp1": "", "cp2": "CP2"}[combo.variant]
    return " ".join(word for word in (name, padding, combo.framing) if word)


def print_table(verdicts):
    """Prints the table of docs/dialects.md: rows are dialects, columns are combinations.

    A cell names the directions that passed: `in`, `out` or `both`; `FAIL` if any case of it failed."""
    cells = {}
    for case, verdict in verdicts:
        if case.row:
            directions = cells.setdefault(case.row, {}).setdefault(case.combo, {"in": set(), "out": set()})
            directions[case.way].add(verdict)
    print("\n| dialect | " + " | ".join(map(column_name, COMBOS)) + " |")
    print("|---" * (len(COMBOS) + 1) + "|")
    for row, combos in cells.items():
        marks = []
        for combo in COMBOS:
            directions = combos.get(combo, {})
            passed = [way for way, seen in directions.items() if "ok" in seen]
            is_bad = any("FAIL" in seen for seen in directions.values())
            marks.append("FAIL" if is_bad else "both" if len(passed) == 2 else "".join(passed))
        print("| " + " | ".join([row, *marks]) + " |")


def main():
    global VERBOSE
    parser = argparse.ArgumentParser(description="The interoperability matrix of upseal.")
    under_test = parser.add_mutually_exclusive_group(required=True)
    under_test.add_argument("--upseal", type=Path, metavar="PATH", help="the binary under test")
    under_test.add_argument("--self", action="store_true", help="the Python peer against itself")
    parser.add_argument("--only", default="", metavar="SUBSTR", help="run only the cases whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="number of cases to run at once [default: 2]")
    parser.add_argument("--require-all", action="store_true", help="count a missing option of the binary as a failure")
    parser.add_argument("--table", action="store_true", help="print the table of docs/dialects.md at the end")
    parser.add_argument("-v", dest="verbose", action="store_true", help="print commands and their output on stderr")
    options = parser.parse_args()
    VERBOSE = options.verbose

    python = Python()
    upseal = None
    if options.upseal:
        if not os.access(options.upseal, os.X_OK):
            parser.error(f"{options.upseal} is not an executable file")
        upseal = Upseal(options.upseal.resolve())

    verdicts = []
    with tempfile.TemporaryDirectory(prefix="upseal-interop-") as root:
        try:
            certs = make_all_certificates(Path(root), upseal)
        except Failure as failure:
            report("certs", "FAIL", str(failure))
            print("0 passed, 1 failed")
            return 1
        cases = all_cases((upseal or python, upseal or python, python), certs)
        cases = [case for case in cases if options.only in case.name]
        if not cases:
            parser.error(f"no case has {options.only!r} in its name")
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for case, (verdict, why) in zip(cases, pool.map(lambda case: judge(case, root), cases)):
                report(case.name, verdict, why)
                verdicts.append((case, verdict))
        if Python.messages:
            last = Case("fresh AP messages", fresh_messages_case)
            verdict, why = judge(last, root)
            report(last.name, verdict, why)
            verdicts.append((last, verdict))
    if options.table:
        print_table(verdicts)
    count = {verdict: sum(seen == verdict for _, seen in verdicts) for verdict in ("ok", "FAIL", "not offered")}
    failed = count["FAIL"] + (count["not offered"] if options.require_all else 0)
    left_out = "" if options.require_all or not count["not offered"] else f", {count['not offered']} not offered"
    print(f"{count['ok']} passed, {failed} failed{left_out}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
