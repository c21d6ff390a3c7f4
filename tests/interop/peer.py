#!/usr/bin/env python3
"""An independent peer of upseal, written from PROTOCOL.md alone.

    peer.py certs --dir DIR          make a CA, a server certificate and its key
    peer.py serve --port 0 ...       a strict server for one variant
    peer.py send --to HOST:PORT ...  a strict client

Every cipher is one call of the `cryptography` package. Bodies are held in memory: this is
a measuring stick, not a product. `--fault` makes either side misbehave in one named way.

Exit codes: 0 done, 1 failed part-way, 2 usage, 3 cannot connect, 4 the server is unproven.
"""

import argparse
import base64
import datetime
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

CA_FILE, LEAF_FILE, KEY_FILE = "cacsertificate.crt", "server_signed.crt", "server_private_key.pem"

FILENAME, DATA, CLOSE, AUTHENTICATE, SESSION_KEY = 0, 1, 2, 3, 4

MAX_NAME = 4096
MAX_MESSAGE = 4096
MAX_ANSWER = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
SOCKET_TIMEOUT = 30  # seconds without progress
END_TIMEOUT = 10     # how long a client may take to shut down its write side after MODE 2


class Refused(Exception):
    """The other side broke the protocol, or went away before the end."""


class Unproven(Exception):
    """The server did not prove who it is."""


# ---------------------------------------------------------------- the wire

def u64(value):
    """Every integer is 8 bytes, big-endian, unsigned."""
    return struct.pack(">Q", value)


class Wire:
    """Exact reads and plain writes on a socket, and one integer that can be put back."""

    def __init__(self, sock):
        sock.settimeout(SOCKET_TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.put_back = None

    def write(self, data):
        self.sock.sendall(data)

    def read(self, length):
        parts, missing = [], length
        while missing > 0:
            part = self.sock.recv(min(missing, 65536))
            if part == b"":
                raise Refused(f"the connection ended {missing} bytes before the end of {length}")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def read_int(self):
        if self.put_back is not None:
            value, self.put_back = self.put_back, None
            return value
        return struct.unpack(">Q", self.read(8))[0]

    def read_message(self, limit):
        """M1, M2: a length that meets its limit, then so many bytes."""
        length = self.read_int()
        if length > limit:
            raise Refused(f"a length of {length} is above the limit of {limit}")
        return self.read(length)

    def expect_end(self):
        if self.sock.recv(1) != b"":
            raise Refused("bytes after the end")

    def reset(self):
        """Close with a TCP reset instead of an orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


# ---------------------------------------------------------------- cryptography, one call each

def pss_of(salt_length):
    return padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt_length)


def pss_sign(private_key, message, salt_length=padding.PSS.MAX_LENGTH):
    return private_key.sign(message, pss_of(salt_length), hashes.SHA256())


def pss_verify(public_key, signature, message):
    """Only the maximum salt length passes: emLen - hLen - 2, 94 bytes for RSA-1024."""
    em_length = (public_key.key_size - 1 + 7) // 8
    public_key.verify(signature, message, pss_of(em_length - 32 - 2), hashes.SHA256())


def rsa_padding(name):
    if name == "oaep":
        return padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    return padding.PKCS1v15()


def block_capacity(public_key, padding_name):
    """How many bytes one RSA block holds: 62 or 117 for RSA-1024."""
    k = public_key.key_size // 8
    return k - 66 if padding_name == "oaep" else k - 11


def rsa_blocks(public_key, padding_name, data):
    """CP1: the file as a list of RSA blocks; an empty file is one encrypted empty block."""
    size = block_capacity(public_key, padding_name)
    pieces = [data[i:i + size] for i in range(0, len(data), size)] or [b""]
    return [public_key.encrypt(piece, rsa_padding(padding_name)) for piece in pieces]


def rsa_decrypt(private_key, padding_name, block):
    try:
        return private_key.decrypt(block, rsa_padding(padding_name))
    except ValueError as error:
        raise Refused("a block does not decrypt") from error


def load_certificate(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def verify_certificate(leaf, ca):
    """Signed by the CA (PKCS1v15, the certificate's own hash), and inside its validity."""
    try:
        ca.public_key().verify(
            leaf.signature, leaf.tbs_certificate_bytes, padding.PKCS1v15(), leaf.signature_hash_algorithm)
    except InvalidSignature as error:
        raise Unproven("the certificate is not signed by this CA") from error
    now = datetime.datetime.now(datetime.timezone.utc)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise Unproven(f"the certificate is valid from {leaf.not_valid_before_utc} to {leaf.not_valid_after_utc}")


# ---------------------------------------------------------------- hello, the AP message of upseal

def write_hello(variant, padding_name, framing):
    wanted = {"ap": "a--", "cp1": f"1{padding_name[0]}{framing}", "cp2": f"2{padding_name[0]}-"}[variant]
    key_form = "f" if variant == "cp2" else "-"
    return f"upseal/1 {wanted}{key_form}-- {os.urandom(4).hex()}{os.urandom(52).hex()}".encode("ascii")


def check_hello(message, variant, padding_name, framing):
    """Refuses a hello that is malformed, or that announces something other than this server speaks."""
    shape = rb"upseal/1 ([a12])([op-])([A-F-])([fr-])([r-])- (.{8})([0-9a-f]+)"
    match = re.fullmatch(shape, message, re.DOTALL)
    if match is None or len(message) not in (128, 256):
        raise Refused(f"not a hello: {message!r}")
    said_variant, said_padding, said_framing, said_key_form = (part.decode() for part in match.groups()[:4])
    if said_variant != {"ap": "a", "cp1": "1", "cp2": "2"}[variant]:
        raise Refused(f"hello announces variant {said_variant} to a {variant} server")
    if variant == "cp1" and said_padding != padding_name[0]:
        raise Refused(f"hello announces padding {said_padding}, the server takes {padding_name}")
    if variant == "cp1" and said_framing not in ([framing] if framing else ["A", "E"]):
        raise Refused(f"hello announces framing {said_framing}, the server takes {framing or 'A or E'}")
    if variant == "cp2" and (said_padding not in (padding_name[0], "-") or said_key_form == "r"):
        raise Refused(f"hello announces key {said_padding}{said_key_form}, the server takes {padding_name}, Fernet")


# ---------------------------------------------------------------- serve

class Server:
    """What one `serve` run knows; the recorded answer outlives a connection (fault `replay`)."""

    def __init__(self, options):
        self.options = options
        self.recorded_signature = None
        if options.variant != "plain":
            with open(os.path.join(options.certs, KEY_FILE), "rb") as file:
                self.private_key = serialization.load_pem_private_key(file.read(), password=None)
            with open(os.path.join(options.certs, LEAF_FILE), "rb") as file:
                self.certificate_pem = file.read()


def log(*words):
    print(*words, flush=True)


def serve(options):
    server = Server(options)
    os.makedirs(options.store, exist_ok=True)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if options.fault in ("cut", "reset"):  # so that a client cannot have sent it all before the cut
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    listener.bind(("127.0.0.1", options.port))
    listener.listen()
    listener.settimeout(options.accept_timeout)
    log("listening", listener.getsockname()[1])

    all_in_order = True
    for number in range(1, options.connections + 1):
        try:
            sock, _ = listener.accept()
        except TimeoutError:
            log("nobody came")
            return 1
        log("connection", number)
        with sock:
            try:
                Session(server, Wire(sock), number).run()
                log("closed in order")
            except (Refused, OSError) as error:
                log("refused:", type(error).__name__, error)
                all_in_order = False
    return 0 if all_in_order else 1


class Session:
    """One connection, from its first MODE to its end."""

    def __init__(self, server, wire, number):
        self.server, self.wire, self.number = server, wire, number
        self.options = server.options
        self.name = None
        self.authenticated = False
        self.fernet = None

    def run(self):
        while True:
            mode = self.wire.read_int()
            log("mode", mode)
            if mode == FILENAME:
                self.receive_name()
            elif mode == DATA:
                self.receive_data()
            elif mode == CLOSE:
                return self.close()
            elif mode == AUTHENTICATE and self.options.variant != "plain":
                self.answer_challenge()
            elif mode == SESSION_KEY and self.options.variant == "cp2":
                self.receive_session_key()
            else:
                raise Refused(f"MODE {mode} does not exist in {self.options.variant}")

    def receive_name(self):
        if self.options.variant != "plain" and not self.authenticated:
            raise Refused("MODE 0 before MODE 3")
        try:
            typed = self.wire.read_message(MAX_NAME).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("the name is not UTF-8") from error
        name = re.split(r"[/\\]", typed)[-1]  # what follows the last / or \
        if name in ("", ".", "..") or "\0" in name:
            raise Refused(f"not a file name: {typed!r}")
        self.name = name

    def receive_data(self):
        if self.name is None:
            raise Refused("MODE 1 before any MODE 0")
        if self.options.fault in ("cut", "reset"):
            return self.break_off()
        if self.options.variant == "cp1":
            data = self.receive_rsa_blocks()
        elif self.options.variant == "cp2":
            data = self.receive_token()
        else:
            data = self.wire.read_message(MAX_BODY)
        with open(os.path.join(self.options.store, self.name), "wb") as file:
            file.write(data)
        log("stored", json.dumps(self.name), len(data))

    def receive_rsa_blocks(self):
        key, padding_name = self.server.private_key, self.options.padding
        k = key.key_size // 8
        length = self.wire.read_int()
        if length == 0 or length % k != 0 or length > MAX_BODY:
            raise Refused(f"CP1: M1 is {length}, not whole blocks of {k}")
        if self.options.framing == "E" and length != k:
            raise Refused(f"framing E: M1 is {length}, not one block of {k}")
        body = self.wire.read(length)
        if length == k and self.options.framing != "A":
            # Either an A of one block or the first pair of an E: only what follows tells.
            # Where a MODE could stand, the value k is one more block of the same file.
            following = self.wire.read_int()
            while following == k:
                body += self.wire.read(k)
                if len(body) > MAX_BODY:
                    raise Refused("framing E: the body is above the limit")
                following = self.wire.read_int()
            self.wire.put_back = following
        log("blocks", len(body) // k)
        return b"".join(rsa_decrypt(key, padding_name, body[i:i + k]) for i in range(0, len(body), k))

    def receive_token(self):
        token = self.wire.read_message(MAX_BODY)
        if self.fernet is None:
            raise Refused("CP2: MODE 1 before any MODE 4")
        try:
            return self.fernet.decrypt(token)
        except InvalidToken as error:
            raise Refused("the token does not verify") from error

    def receive_session_key(self):
        key = self.server.private_key
        encrypted = self.wire.read_message(MAX_MESSAGE)
        if len(encrypted) != key.key_size // 8:
            raise Refused(f"CP2: a session key of {len(encrypted)} bytes is not one RSA block")
        try:
            self.fernet = Fernet(rsa_decrypt(key, self.options.padding, encrypted))
        except ValueError as error:
            raise Refused("CP2: not a Fernet key") from error

    def answer_challenge(self):
        message = self.wire.read_message(MAX_MESSAGE)
        log("message", message.hex())
        if message.startswith(b" " * 64 + b"TLS 1.3"):
            raise Refused("that is the input of a TLS 1.3 CertificateVerify")
        if message.startswith(b"upseal/"):
            check_hello(message, self.options.variant, self.options.padding, self.options.framing)
        signature = self.sign(message)
        pem = self.server.certificate_pem
        for part in (u64(len(signature)), signature, u64(len(pem)), pem):
            self.wire.write(part)
        self.authenticated = True

    def sign(self, message):
        key, fault = self.server.private_key, self.options.fault
        if fault == "sign-other":
            return pss_sign(key, b"something other than the message")
        if fault == "replay" and self.number > 1:
            return self.server.recorded_signature
        if fault == "short-salt":
            return pss_sign(key, message, salt_length=32)
        self.server.recorded_signature = pss_sign(key, message)
        return self.server.recorded_signature

    def break_off(self):
        """Faults `cut` and `reset`: go away in the middle of the body."""
        length = self.wire.read_int()
        self.wire.read(length // 2)
        if self.options.fault == "reset":
            self.wire.reset()
        raise Refused(f"fault {self.options.fault}: gone after {length // 2} of {length} bytes")

    def close(self):
        """After MODE 2 the client shuts down its write side: nothing more may come."""
        self.wire.sock.settimeout(END_TIMEOUT)
        self.wire.expect_end()
        if self.options.fault == "no-close":
            time.sleep(self.options.hang)


# ---------------------------------------------------------------- send

BAD_NAMES = {
    "bad-name-dotdot": b"..",
    "bad-name-dot": b"folder/.",
    "bad-name-empty": b"",
    "bad-name-slash": b"folder/",
    "bad-name-nul": b"a\0b.txt",
    "bad-name-utf8": b"\xff\xfe.txt",
}

BAD_MESSAGES = {
    "sign-upseal": b"upseal/1 stored\nrequest " + b"0" * 64 + b"\n",
    "sign-tls": b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + b"h" * 32,
    "sign-long": b"m" * (MAX_MESSAGE + 1),
}


def send(options):
    host, port = options.to.rsplit(":", 1)
    try:
        sock = socket.create_connection((host, int(port)), timeout=SOCKET_TIMEOUT)
    except OSError as error:
        print(f"cannot connect to {options.to}: {error}", file=sys.stderr)
        return 3
    with sock:
        try:
            return Upload(options, Wire(sock)).run()
        except Unproven as error:
            print(f"the server is unproven: {error}", file=sys.stderr)
            return 4
        except (Refused, OSError) as error:
            print(f"failed: {type(error).__name__} {error}", file=sys.stderr)
            return 1


class Upload:
    """One connection of the client, in the order of the protocol."""

    def __init__(self, options, wire):
        self.options, self.wire, self.fault = options, wire, options.fault
        self.server_key = None
        self.fernet = None

    def run(self):
        if self.options.variant != "plain":
            self.authenticate()
        if self.fault == "second-hello":  # announces another variant in mid-connection
            self.write_message(AUTHENTICATE, write_hello("cp2" if self.options.variant == "ap" else "ap", "oaep", "A"))
            self.read_answer()
        if self.options.variant == "cp2":
            self.send_session_key()
        for path in self.options.files:
            with open(path, "rb") as file:
                data = file.read()
            if self.send_file(path, data) == "gone":
                return 1
        return self.close()

    def write_message(self, mode, message):
        self.wire.write(u64(mode))
        self.wire.write(u64(len(message)))
        self.wire.write(message)

    def read_answer(self):
        return self.wire.read_message(MAX_ANSWER), self.wire.read_message(MAX_ANSWER)

    def authenticate(self):
        if self.options.hello:
            message = write_hello(self.options.variant, self.options.padding, self.options.framing)
        else:
            message = BAD_MESSAGES.get(self.fault) or os.urandom(32)
        self.write_message(AUTHENTICATE, message)
        signature, certificate_pem = self.read_answer()
        try:
            self.prove(message, signature, certificate_pem)
        except Unproven:
            self.wire.write(u64(CLOSE))
            raise

    def prove(self, message, signature, certificate_pem):
        if self.options.hello and certificate_pem.startswith(b"upseal/1 server "):
            line, certificate_pem = certificate_pem.split(b"\n", 1)
            log(line.decode("ascii"))
        if not certificate_pem.startswith(b"-----BEGIN CERTIFICATE-----"):
            raise Unproven("the second blob is not a certificate")
        try:
            leaf = x509.load_pem_x509_certificate(certificate_pem)
        except ValueError as error:
            raise Unproven(f"the certificate does not parse: {error}") from error
        verify_certificate(leaf, load_certificate(self.options.ca))
        try:
            pss_verify(leaf.public_key(), signature, message)
        except InvalidSignature as error:
            raise Unproven("the signature does not cover the message, or its salt is not the maximum") from error
        self.server_key = leaf.public_key()

    def send_session_key(self):
        session_key = Fernet.generate_key()
        self.fernet = Fernet(session_key)
        encrypted = self.server_key.encrypt(session_key, rsa_padding(self.options.padding))
        if self.fault == "trunc-key":
            encrypted = encrypted[:20]
        if self.fault == "garbage-key":
            encrypted = b"\0" + os.urandom(len(encrypted) - 1)  # below the modulus, but nobody's ciphertext
        self.write_message(SESSION_KEY, encrypted)

    def send_file(self, path, data):
        if self.fault != "no-name":
            self.write_message(FILENAME, self.wire_name(path))
        m1, body = self.encode(data)

        if self.fault == "little-endian":
            m1 = m1[::-1]
        if self.fault == "huge-m1":
            m1 = u64(2 ** 62)
        self.wire.write(u64(7 if self.fault == "bad-mode" else DATA))
        self.wire.write(m1)
        if self.fault == "cut":
            self.wire.write(body[:len(body) // 2 | 1])  # odd, so never between two blocks
            return "gone"
        if self.fault == "reset":
            self.wire.write(body[:len(body) // 2 | 1])
            self.wire.reset()
            return "gone"
        if self.fault == "reset-at-block":  # framing E: every block is there, the end is not
            self.wire.write(body)
            self.wire.reset()
            return "gone"
        self.wire.write(body)

    def wire_name(self, path):
        if self.fault in BAD_NAMES:
            return BAD_NAMES[self.fault]
        base = os.path.basename(path)
        name = {"base": base, "path": path, "windows": "C:\\Users\\me\\" + base}[self.options.name_as]
        return name.encode("utf-8")

    def encode(self, data):
        """The body of MODE 1 as this variant has it, in two parts: M1, and what follows it."""
        if self.options.variant == "cp1":
            return self.encode_rsa_blocks(data)
        if self.options.variant == "cp2":
            data = self.flip_token(self.fernet.encrypt(data))
        return u64(len(data)), data

    def encode_rsa_blocks(self, data):
        if data == b"" and self.options.empty_as == "zero":
            return u64(0), b""
        blocks = rsa_blocks(self.server_key, self.options.padding, data)
        if self.fault == "flip":
            blocks[0] = flip_bit(blocks[0], len(blocks[0]) // 2)
        if self.options.framing == "A":
            body = b"".join(blocks)
            return u64(len(body)), body
        body = b"".join(u64(len(block)) + block for block in blocks)
        return body[:8], body[8:]

    def flip_token(self, token):
        """One bit flipped in the decoded token, so that only the HMAC can tell."""
        raw = base64.urlsafe_b64decode(token)
        place = {
            "flip": 25 + (len(raw) - 25 - 32) // 2,  # in the middle of the ciphertext
            "flip-time": 8,
            "flip-iv": 9,
            "flip-hmac": len(raw) - 1,
        }.get(self.fault)
        return token if place is None else base64.urlsafe_b64encode(flip_bit(raw, place))

    def close(self):
        self.wire.write(u64(CLOSE))
        self.wire.sock.shutdown(socket.SHUT_WR)
        self.wire.sock.settimeout(self.options.patience)
        self.wire.expect_end()
        return 0


def flip_bit(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1:]


# ---------------------------------------------------------------- certs

def make_certificates(options):
    os.makedirs(options.dir, exist_ok=True)
    if options.v1:
        make_v1(options)
    else:
        make_v3(options)


def make_v3(options):
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Interop CA")])
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Interop Server")])
    ca_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    leaf_key = rsa.generate_private_key(public_exponent=65537, key_size=options.bits)
    # --wrong-ca: another CA of the same name signs the leaf.
    signer = rsa.generate_private_key(public_exponent=65537, key_size=2048) if options.wrong_ca else ca_key
    until = now - datetime.timedelta(days=1) if options.expired else now + datetime.timedelta(days=30)

    ca = (
        x509.CertificateBuilder().subject_name(ca_name).issuer_name(ca_name).public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=40)).not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        x509.CertificateBuilder().subject_name(leaf_name).issuer_name(ca_name).public_key(leaf_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=31)).not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    write(options.dir, CA_FILE, ca.public_bytes(serialization.Encoding.PEM))
    write(options.dir, LEAF_FILE, leaf.public_bytes(serialization.Encoding.PEM))
    write(options.dir, KEY_FILE, leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def make_v1(options):
    """As the course makes them: X.509 version 1, no extensions. The builder above cannot, openssl can."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)

    ca, leaf, key = (os.path.join(options.dir, name) for name in (CA_FILE, LEAF_FILE, KEY_FILE))
    with tempfile.TemporaryDirectory() as scratch:
        ca_key, ca_csr, leaf_csr = (os.path.join(scratch, name) for name in ("ca.key", "ca.csr", "leaf.csr"))
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", ca_key, "-out", ca_csr,
                "-subj", "/CN=Interop CA v1")
        openssl("x509", "-req", "-in", ca_csr, "-signkey", ca_key, "-days", "30", "-sha256", "-out", ca)
        openssl("req", "-new", "-newkey", f"rsa:{options.bits}", "-nodes", "-keyout", key, "-out", leaf_csr,
                "-subj", "/CN=Interop Server v1")
        openssl("x509", "-req", "-in", leaf_csr, "-CA", ca, "-CAkey", ca_key, "-set_serial", "2",
                "-days", "30", "-sha256", "-out", leaf)
    for path in (ca, leaf):
        version = load_certificate(path).version
        if version != x509.Version.v1:
            sys.exit(f"this openssl made {path} as X.509 {version.name}, not v1")


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


# ---------------------------------------------------------------- command line

SERVE_FAULTS = ["sign-other", "replay", "short-salt", "cut", "reset", "no-close"]
SEND_FAULTS = [
    "flip", "flip-time", "flip-iv", "flip-hmac", "cut", "reset", "reset-at-block", "bad-mode", "little-endian",
    "huge-m1", "no-name", "trunc-key", "garbage-key", "second-hello", *BAD_NAMES, *BAD_MESSAGES,
]


def command_line():
    parser = argparse.ArgumentParser(description="An independent peer of upseal.")
    commands = parser.add_subparsers(dest="command", required=True)

    certs = commands.add_parser("certs", help="make a CA, a server certificate and its key")
    certs.add_argument("--dir", required=True)
    certs.add_argument("--bits", type=int, default=1024)
    certs.add_argument("--v1", action="store_true", help="X.509 version 1, by the openssl command")
    certs.add_argument("--expired", action="store_true", help="the server certificate ended yesterday")
    certs.add_argument("--wrong-ca", action="store_true", help="signed by another CA of the same name")

    serve_ = commands.add_parser("serve", help="a strict server for one variant")
    serve_.add_argument("--port", type=int, default=0)
    serve_.add_argument("--certs")
    serve_.add_argument("--store", required=True)
    serve_.add_argument("--connections", type=int, default=1)
    serve_.add_argument("--framing", choices=["A", "E"], help="CP1: take only this one; without it, both")
    serve_.add_argument("--fault", choices=SERVE_FAULTS)
    serve_.add_argument("--hang", type=float, default=45, help="fault no-close: for how many seconds")
    serve_.add_argument("--accept-timeout", type=float, default=60)

    send_ = commands.add_parser("send", help="a strict client")
    send_.add_argument("--to", required=True, metavar="HOST:PORT")
    send_.add_argument("--ca")
    send_.add_argument("--framing", choices=["A", "E"], default="A")
    send_.add_argument("--name-as", choices=["base", "path", "windows"], default="base")
    send_.add_argument("--empty-as", choices=["block", "zero"], default="block",
                       help="CP1: an empty file is one encrypted empty block, or M1 = 0")
    send_.add_argument("--hello", action="store_true", help="authenticate with upseal's hello")
    send_.add_argument("--patience", type=float, default=30, help="seconds to wait for the server's end")
    send_.add_argument("--fault", choices=SEND_FAULTS)
    send_.add_argument("files", nargs="+", metavar="FILE")

    for command in (serve_, send_):
        command.add_argument("--variant", required=True, choices=["plain", "ap", "cp1", "cp2"])
        command.add_argument("--padding", choices=["oaep", "pkcs1v15"], default="oaep")

    options = parser.parse_args()
    if options.command == "certs" and options.v1 and (options.expired or options.wrong_ca):
        parser.error("--v1 makes good certificates only")
    if options.command == "serve" and options.variant != "plain" and not options.certs:
        parser.error("--certs is needed")
    if options.command == "send" and options.variant != "plain" and not options.ca:
        parser.error("--ca is needed")
    if options.command == "send" and not options.to.startswith(("127.", "localhost:")):
        parser.error("loopback only")
    if options.command == "send" and options.fault == "second-hello":
        options.hello = True
    return options


def main():
    options = command_line()
    if options.command == "certs":
        return make_certificates(options)
    return serve(options) if options.command == "serve" else send(options)


if __name__ == "__main__":
    sys.exit(main())
