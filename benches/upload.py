#!/usr/bin/env python3
"""Compares uploads with their parts and with other programs: one table, ratios within one run.

    upload.py --upseal BIN [--python VENV_PYTHON] [--quick] [ROW ...]

Speeds are in MB/s (10^6 bytes of the file per second), from the start of the client to its end by the wall clock,
unless a row says otherwise. Best of three, both sides in turn. The server runs already, with an empty store.
Exit code: 0, also when a row is SLOW (1 with --strict); 1 when a row could not be measured.
"""

import contextlib
import fcntl
import getpass
import os
import pty
import shutil
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
import bed as beds  # noqa: E402
from bed import GIB, KIB, MIB, Broken, Missing, size_words  # noqa: E402
from rows import Row, command_line, run, turns  # noqa: E402

PEER = Path(__file__).resolve().parent.parent / "tests/interop/peer.py"
OPENSSL = ["openssl", "speed", "-mr", "-seconds", "1", "-bytes", "16384", "-evp", "aes-128-cbc-hmac-sha256"]


def faster(what, size, ours, theirs, asked):
    """Returns a row of two speeds, from the shortest time of each side."""
    ratio = theirs / ours
    return Row.of(what, f"{size / ours / 1e6:.0f} MB/s", f"{size / theirs / 1e6:.0f} MB/s", ratio, asked)


class Bench:
    """The rows; each is a generator, so that a figure is printed before the next is measured."""

    def __init__(self, options, bed):
        self.options, self.bed = options, bed
        quick = options.quick
        self.large = 16 * MIB if quick else GIB
        self.for_python = 8 * MIB if quick else 128 * MIB
        self.flat = (64 * MIB, 8 * MIB) if quick else (4 * GIB, 200 * MIB)
        self.files = 300 if quick else 10_000
        self.cp1 = 256 * KIB if quick else int(options.cp1_mib * MIB)

    def turns(self, *sides):
        """Returns the minimum of each side, measured in turn so that noise affects all of them."""
        return [min(column) for column in turns(self.options.rounds, *sides)]

    def send(self, variant, size, flags=(), server_flags=()):
        client, _ = self.bed.upload(variant, [self.bed.file(size)], flags, server_flags)
        return client.seconds

    # ------------------------------------------------------------ large files

    def cp2_base(self):
        """Compares with the cipher and the HMAC alone, by OpenSSL on one core."""
        def openssl():
            done = subprocess.run(OPENSSL, capture_output=True, text=True, timeout=60)
            line = next((line for line in done.stdout.splitlines() if line.startswith("+F:")), None)
            if line is None:
                raise Missing(f"openssl speed says nothing: {done.stderr.strip()[-100:]}")
            return self.large / float(line.split(":")[3])
        ours, theirs = self.turns(lambda: self.send("cp2", self.large), openssl)
        yield faster(f"CP2, {size_words(self.large)}, against openssl speed", self.large, ours, theirs, 0.40)

    def cp2_scp(self):
        with contextlib.ExitStack() as stack:
            scp = stack.enter_context(secure_shell(self.bed))
            source = self.bed.file(self.large)

            def theirs():
                with self.bed.scratch() as work:
                    with self.bed.process([*scp, source, f"{getpass.getuser()}@127.0.0.1:{work}/got"]) as copy:
                        cost = copy.wait()
                    must_be(work / "got", self.large)
                return cost.seconds
            ours, theirs = self.turns(lambda: self.send("cp2", self.large), theirs)
        yield faster(f"CP2, {size_words(self.large)}, against scp, AES-128-GCM", self.large, ours, theirs, 1.3)

    def cp2_python(self):
        python = self.options.python or "python3"
        if subprocess.run([python, "-c", "import cryptography"], capture_output=True).returncode != 0:
            raise Missing(f"{python} has no `cryptography` (--python)")
        # The peer's own limit is meant for small tests; only this limit changes.
        peer = [python, "-c", f"import sys; sys.path.insert(0, {str(PEER.parent)!r}); import peer; "
                              "peer.MAX_BODY = 1 << 31; sys.exit(peer.main())"]
        source = self.bed.file(self.for_python)

        def theirs():
            port = beds.free_port()
            with self.bed.scratch() as work:
                with self.bed.process([*peer, "serve", "--variant", "cp2", "--certs", self.bed.certs, "--port", port,
                                       "--store", work]) as server:
                    beds.until_listening(port)
                    with self.bed.process([*peer, "send", "--variant", "cp2", "--ca", self.bed.ca, "--to",
                                           f"127.0.0.1:{port}", source]) as client:
                        cost = client.wait()
                    server.wait()
                must_be(work / source.name, self.for_python)
            return cost.seconds
        ours, theirs = self.turns(lambda: self.send("cp2", self.for_python), theirs)
        what = f"CP2, {size_words(self.for_python)}, against the Python peer"
        yield faster(what, self.for_python, ours, theirs, 15)

    def plain(self, what, flags, asked):
        need("socat")
        source = self.bed.file(self.large)

        def theirs():
            port = beds.free_port()
            with self.bed.scratch() as work:
                listen = ["socat", "-u", "-b", "262144", f"TCP-LISTEN:{port},bind=127.0.0.1",
                          f"OPEN:{work}/got,creat,trunc"]
                with self.bed.process(listen) as server:
                    beds.until_listening(port)
                    begun = time.monotonic()
                    with self.bed.process(["socat", "-u", "-b", "262144", f"OPEN:{source}",
                                           f"TCP:127.0.0.1:{port}"]) as client:
                        client.wait()
                    server.wait()  # the client may exit before everything is in the file
                    seconds = time.monotonic() - begun
                must_be(work / "got", self.large)
            return seconds
        ours, theirs = self.turns(lambda: self.send("plain", self.large, flags, flags), theirs)
        yield faster(f"Plain, {size_words(self.large)}, {what}, against socat", self.large, ours, theirs, asked)

    def plain_none(self):
        yield from self.plain("no digest", ("--digest", "none"), 1.0)

    def plain_digest(self):
        yield from self.plain("SHA-256", (), 0.7)

    # ------------------------------------------------------------ memory

    def rss(self):
        """Measures the peak memory of both processes, for a large file and for one a twentieth of its size."""
        for variant in ("cp2", "plain", "ap", "cp1"):
            sizes = self.flat if variant != "cp1" else (self.cp1, max(self.cp1 // 20 // KIB, 1) * KIB)
            peaks = []
            for size in sizes:
                # A hole, so that /dev/shm holds the 4 GiB only once.
                source = self.bed.file(size, data=0)
                costs = self.bed.upload(variant, [source], lean=True)
                self.bed.drop(source)
                peaks.append([cost.rss / MIB for cost in costs])
            for side, large, small in zip(("client", "server"), *peaks):
                good = max(large, small) <= 32 and abs(large - small) <= 8
                yield Row(f"{variant.upper():5} {side}'s peak RSS, {size_words(sizes[0])} and {size_words(sizes[1])}",
                          f"{large:.1f} MiB", f"{small:.1f} MiB", f"{large - small:+.1f} MiB", "<= 32, ±8 MiB",
                          "ok" if good else "SLOW")

    # ------------------------------------------------------------ small files

    def small(self, what, folder, asked, flags=()):
        need("socat", "tar")
        with self.bed.scratch(folder) as root:
            source = root / "src"
            source.mkdir()
            names = [f"{number}.bin" for number in range(self.files)]
            for name in names:
                (source / name).write_bytes(os.urandom(4 * KIB))

            def ours():
                os.sync()
                client, _ = self.bed.upload("cp2", names, flags, flags, folder=root, cwd=source)
                return client.seconds

            def theirs():
                os.sync()
                port = beds.free_port()
                with self.bed.scratch(root) as work:
                    with pipe(self.bed, ["socat", "-u", f"TCP-LISTEN:{port},bind=127.0.0.1", "-"],
                              ["tar", "-xf", "-", "-C", work]) as receiving:
                        beds.until_listening(port)
                        begun = time.monotonic()
                        with pipe(self.bed, ["tar", "-cf", "-", "-C", source, "."],
                                  ["socat", "-u", "-", f"TCP:127.0.0.1:{port}"]) as sending:
                            for process in (*sending, *receiving):
                                process.wait()
                        seconds = time.monotonic() - begun
                    if len(os.listdir(work)) != self.files:
                        raise Broken(f"tar unpacked {len(os.listdir(work))} files")
                return seconds
            ours, theirs = self.turns(ours, theirs)
        ratio = theirs / ours
        yield Row.of(f"CP2, {self.files} files of 4 KiB, {what}, against tar",
                     f"{self.files / ours:.0f} files/s", f"{self.files / theirs:.0f} files/s", ratio, asked)

    def small_tmpfs(self):
        yield from self.small("receipts, tmpfs", None, 0.8)

    def small_bare(self):
        """Compares with tar on equal terms: no digest, and so no receipts."""
        yield from self.small("no receipts, tmpfs", None, 0.8, ("--digest", "none"))

    def small_disk(self):
        """Compares with tar, which syncs nothing, while a receipt requires files on disk."""
        yield from self.small("receipts, disk", Path(self.options.disk).resolve(), 0.3)

    # ------------------------------------------------------------ how soon, and with a screen

    def first_byte(self):
        source = self.bed.file(10 * 10 ** 9, data=0)
        try:
            plain, = self.turns(lambda: first_body_byte(self.bed, source, "plain"))
            yield Row("Plain, 10 GB, spawn to the first byte of the body", f"{plain * 1e3:.1f} ms", asked="<= 50 ms",
                      mark="ok" if plain <= 0.05 else "SLOW")

            def by_cp2():
                with self.bed.server() as server:
                    return first_body_byte(self.bed, source, "cp2", server)
            cp2, = self.turns(by_cp2)
            yield Row("CP2, 10 GB, the same, after the proof and the key", f"{cp2 * 1e3:.1f} ms")
        finally:
            self.bed.drop(source)

    def ui(self):
        """Measures by the server's clock, from the first byte of the file to its last."""
        source = self.bed.file(self.large)

        def headless():
            with self.bed.server() as server, self.bed.sender(server, "cp2", [source]) as client:
                client.wait()
                return server.received()[0]["seconds"]

        def with_screen():
            with self.bed.server() as server, self.bed.scratch() as folder:
                os.link(source, folder / "payload.bin")
                return in_terminal(self.bed, server, folder)
        ours, theirs = self.turns(with_screen, headless)
        yield faster(f"CP2, {size_words(self.large)}, in the UI, against send", self.large, ours, theirs, 0.97)


# ---------------------------------------------------------------- other programs

def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Missing(f"there is no {program}")


def must_be(path, size):
    if path.stat().st_size != size:
        raise Broken(f"{path.name} has {path.stat().st_size} bytes of {size}")


@contextlib.contextmanager
def pipe(bed, left, right):
    """Runs `left | right`."""
    with bed.process(left, stdout=subprocess.PIPE) as first:
        with bed.process(right, stdin=first.child.stdout) as second:
            first.child.stdout.close()
            yield first, second


@contextlib.contextmanager
def secure_shell(bed):
    """Starts an sshd on loopback with temporary keys; returns the scp command that uses it."""
    need("scp", "ssh-keygen")
    daemon = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if daemon is None:
        raise Missing("there is no sshd (openssh-server)")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd does not start without it
    with bed.scratch() as folder:
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, timeout=30)
        shutil.copy(folder / "user.pub", folder / "authorized")
        port = beds.free_port()
        (folder / "config").write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
            "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
            "Subsystem sftp internal-sftp\n")
        with bed.process([daemon, "-D", "-e", "-f", folder / "config"], timeout=10 * bed.timeout) as server:
            try:
                beds.until_listening(port)
            except Broken:
                server.kill()
                server.reap()
                raise Missing(f"sshd does not start: {server.ending()}") from None
            yield ["scp", "-q", "-F", "/dev/null", "-c", "aes128-gcm@openssh.com", "-P", port, "-i", folder / "user",
                   "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
                   "-o", f"UserKnownHostsFile={folder}/known"]


def read(sock, length):
    data = bytearray()
    while len(data) < length:
        part = sock.recv(length - len(data))
        if not part:
            raise Broken("the client went away before the body")
        data += part
    return bytes(data)


def pump(source, sink):
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)


def first_body_byte(bed, path, variant, server=None):
    """Returns the seconds from the start of `upseal send` to the first byte after MODE 1 and its length, at a socket.

    With a server, everything before that byte is relayed; the body is not."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(beds.PATIENCE)
        words = [bed.binary, "send", "--quiet", "--retries", "0", "--to", f"127.0.0.1:{listener.getsockname()[1]}",
                 "-p", variant, "--ca", bed.ca, path]
        client = stack.enter_context(bed.process(words))
        try:
            sock = stack.enter_context(listener.accept()[0])
        except TimeoutError:
            client.kill()
            client.reap()
            raise Broken(f"no client connects: {client.ending()}") from None
        sock.settimeout(beds.PATIENCE)
        upstream = None
        if server is not None:
            host, port = server.address.rsplit(":", 1)
            upstream = stack.enter_context(socket.create_connection((host, int(port)), timeout=beds.PATIENCE))
            threading.Thread(target=pump, args=(upstream, sock), daemon=True).start()
        while True:
            head = read(sock, 16)  # every MODE that upseal sends here is followed by a length
            if head[:8] == (1).to_bytes(8, "big"):
                read(sock, 1)
                return time.monotonic() - client.begun
            message = read(sock, int.from_bytes(head[8:], "big"))
            if upstream is not None:
                upstream.sendall(head + message)


def in_terminal(bed, server, folder):
    """Sends the files of the folder from the UI by its keys; returns the server's seconds."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def look():
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65536):
                shown.extend(part)
                del shown[:-200_000]
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        words = [bed.binary, folder, "--to", server.address, "-p", "cp2", "--ca", bed.ca]
        environment = bed.environment("screen") | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
        with bed.process(words, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
                         start_new_session=True) as screen:
            threading.Thread(target=look, daemon=True).start()
            beds.until("the file on the screen", lambda: b"payload.bin" in shown)
            os.write(ours, b"au")  # mark all files and send them
            deadline = time.monotonic() + bed.timeout
            while not (received := server.received()):
                if time.monotonic() > deadline or not screen.alive():
                    raise Broken(f"nothing came from the UI; it shows {bytes(shown[-300:])!r}")
                time.sleep(0.05)
            return received[0]["seconds"]
    finally:
        os.close(theirs)
        os.close(ours)


# ---------------------------------------------------------------- the command line

ROWS = {name: getattr(Bench, name.replace("-", "_")) for name in (
    "cp2-base", "cp2-scp", "cp2-python", "plain-none", "plain-digest", "rss", "small-tmpfs", "small-bare", "small-disk",
    "first-byte", "ui")}


def own(parser):
    parser.add_argument("--disk", default=".", help="where small-disk works")
    parser.add_argument("--cp1-mib", type=float, default=4, help="MiB that rss sends by CP1")


if __name__ == "__main__":
    sys.exit(run(command_line(__doc__, ROWS, timeout=600, more=own), Bench, ROWS))
