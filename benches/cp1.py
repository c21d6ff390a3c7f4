#!/usr/bin/env python3
"""Measures CP1 end to end: blocks per second compared with openssl speed, and files with the Python peer.

    cp1.py --upseal BIN [--python VENV_PYTHON] [--quick] [ROW ...]

Times are wall-clock times from the start of the client to its end, including the receipt. The server runs already,
with an empty store, on this machine and shares its cores with the client. Best of three, both sides in turn. A row
of the Python peer is void if its own RSA is below 0.6 of openssl speed: then RSA is slow, not the protocol.
Exit code: 0, also when a row is SLOW (1 with --strict); 1 when a row could not be measured.
"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
import bed as beds  # noqa: E402
from bed import KIB, MIB, Broken, Missing, size_words  # noqa: E402
from rows import Row, command_line, run, turns  # noqa: E402

PEER = Path(__file__).resolve().parent.parent / "tests/interop/peer.py"
FULL = {"pkcs1v15": 128 - 11, "oaep": 128 - 66}  # plaintext bytes of a block
SOUND = 0.6
# Private operations per second on one core, with the library that the peer uses.
OWN_SPEED = """
import sys, time
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
oaep = padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
how = {"oaep": oaep, "pkcs1v15": padding.PKCS1v15()}[sys.argv[1]]
block = key.public_key().encrypt(bytes(60), how)
best = 0
for _ in range(3):
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < 0.5:
        for _ in range(50):
            key.decrypt(block, how)
        done += 50
    best = max(best, done / (time.perf_counter() - begun))
print(best)
"""


def openssl(cores, seconds):
    """Returns private operations per second on `cores` cores."""
    many = ["-multi", str(cores)] if cores > 1 else []
    words = ["openssl", "speed", "-mr", *many, "-seconds", str(seconds), "rsa1024"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    # With -multi there is one line with the sum.
    line = next((line for line in done.stdout.splitlines() if line.startswith("+F2:")), None)
    if line is None:
        raise Missing(f"openssl speed says nothing: {done.stderr.strip()[-100:]}")
    return float(line.split(":")[3])


class Bench:
    def __init__(self, options, bed):
        self.options, self.bed = options, bed
        self.large = MIB if options.quick else 16 * MIB
        self.small = 128 * KIB if options.quick else 4 * MIB
        self.seconds = 1 if options.quick else 3

    def send(self, size, padding, framing="A"):
        flags = ("--padding", padding, "--framing", framing)
        return self.bed.upload("cp1", [self.bed.file(size)], flags)

    def engine(self, padding, asked):
        cores = len(os.sched_getaffinity(0))
        sent, signs = turns(self.options.rounds, lambda: self.send(self.large, padding),
                            lambda: openssl(cores, self.seconds))
        client, server = min(sent, key=lambda costs: costs[0].seconds)
        blocks = -(-self.large // FULL[padding]) / client.seconds
        what = f"{padding}, {size_words(self.large)}, blocks/s, against openssl on {cores} cores"
        yield Row.of(what, f"{blocks:.0f}/s", f"{max(signs):.0f}/s", blocks / max(signs), asked)
        yield Row("  processor time of client and server", f"{client.cpu:.2f} s", f"{server.cpu:.2f} s")

    def python(self, padding, asked):
        python = self.options.python or "python3"
        if subprocess.run([python, "-c", "import cryptography"], capture_output=True).returncode != 0:
            raise Missing(f"{python} has no `cryptography` (--python)")
        source = self.bed.file(self.small)

        def own():
            words = [python, "-c", OWN_SPEED, padding]
            return float(subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout)

        def theirs():
            port = beds.free_port()
            how = ["--variant", "cp1", "--padding", padding]
            with self.bed.scratch() as work:
                with self.bed.process([python, PEER, "serve", *how, "--certs", self.bed.certs, "--port", port,
                                       "--store", work]) as server:
                    beds.until_listening(port)
                    # The default timeout of the peer is meant for small tests.
                    with self.bed.process([python, PEER, "send", *how, "--patience", self.options.timeout, "--ca",
                                           self.bed.ca, "--to", f"127.0.0.1:{port}", source]) as client:
                        cost = client.wait()
                    server.wait()
                if (work / source.name).stat().st_size != self.small:
                    raise Broken("not all of it arrived at the Python peer")
            return cost.seconds
        sent, peers, owns, signs = turns(self.options.rounds, lambda: self.send(self.small, padding)[0].seconds,
                                         theirs, own, lambda: openssl(1, 1))
        ours, peer, own_speed, sign = min(sent), min(peers), max(owns), max(signs)
        what = f"{padding}, {size_words(self.small)}, against the Python peer with itself"
        row = Row.of(what, f"{ours:.2f} s", f"{peer:.2f} s", peer / ours, asked)
        sound = own_speed / sign
        if sound < SOUND:
            row.mark = "void"
        yield row
        yield Row("  its own RSA, operations a second, against openssl", f"{own_speed:.0f}/s", f"{sign:.0f}/s",
                  f"{sound:.2f}", f">= {SOUND:.2f}", "" if sound >= SOUND else "void")

    def framings(self):
        """Measures the server's time for each framing: pairs must not cost more than joined blocks."""
        for framing in "ABCDEF":
            sent, = turns(self.options.rounds, lambda: self.send(self.small, "pkcs1v15", framing))
            client, server = min(sent, key=lambda costs: costs[0].seconds)
            yield Row(f"pkcs1v15, {size_words(self.small)}, framing {framing}: wall; the server's processor time",
                      f"{client.seconds:.2f} s", f"{server.cpu:.2f} s")


# The rows with their targets: blocks compared with openssl, times with the Python peer.
ROWS = {
    "openssl-pkcs1v15": lambda bench: bench.engine("pkcs1v15", 1.65),
    "openssl-oaep": lambda bench: bench.engine("oaep", 1.5),
    "python-pkcs1v15": lambda bench: bench.python("pkcs1v15", 5),
    "python-oaep": lambda bench: bench.python("oaep", 4),
    "framings": Bench.framings,
}


if __name__ == "__main__":
    sys.exit(run(command_line(__doc__, ROWS, timeout=120), Bench, ROWS))
