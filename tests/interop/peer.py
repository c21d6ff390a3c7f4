#!/usr/bin/env python3
"""An independent peer of upseal, written from docs/protocol.md alone.

    peer.py certs --dir DIR          make a CA, a server certificate and its key
    peer.py serve --port 0 ...       a strict server for one variant
    peer.py send --to HOST:PORT ...  a strict client

Every cipher is one call of the `cryptography` package. Bodies are kept in memory, because this
is a test tool. `--fault` makes either side misbehave in one named way.

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
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.x509.oid import NameOID

CA_FILE, LEAF_FILE, KEY_FILE = "cacsertificate.crt", "server_signed.crt", "server_private_key.pem"

FILENAME, DATA, CLOSE, AUTHENTICATE, SESSION_KEY = 0, 1, 2, 3, 4

MAX_NAME = 4096
MAX_MESSAGE = 4096
MAX_ANSWER = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
SOCKET_TIMEOUT = 30  # seconds without progress
END_TIMEOUT = 10     # seconds that a client may take to end its side after the server's end
CLOCKS_APART = 300   # seconds by which a timestamp in an AP message may differ

# CP1: terminators after the last (k, block) pair. The default is `max` in framing D and `none` in the others.
TERMINATORS = ["none", "0", "1", "10000", "end", "max"]
TERMINATOR = 2 ** 64 - 1


class Refused(Exception):
    """The other side violated the protocol, or disconnected before the end."""


class Unproven(Exception):
    """The server did not prove its identity."""


# ---------------------------------------------------------------- the wire

def u64(value):
    """Encodes an integer: 8 bytes, big-endian, unsigned."""
    return struct.pack(">Q", value)


class Wire:
    """Exact reads from a socket with one integer of lookahead, and writes in one of three modes."""

    def __init__(self, sock, writes="plain"):
        sock.settimeout(SOCKET_TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.put_back = None
        self.writes = writes
        self.held = []

    def write(self, data):
        if self.writes == "glued":
            self.held.append(data)
        elif self.writes == "bytes":
            for byte in data:
                self.sock.sendall(bytes([byte]))
        else:
            self.sock.sendall(data)

    def flush(self):
        """Sends everything that was held back, in one call."""
        if self.held:
            held, self.held = b"".join(self.held), []
            self.sock.sendall(held)

    def read(self, length):
        self.flush()
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

    def peek_int(self):
        """Returns the next integer without consuming it; None at an orderly end."""
        if self.put_back is None and self.sock.recv(1, socket.MSG_PEEK) == b"":
            return None
        self.put_back = self.read_int()
        return self.put_back

    def read_message(self, limit):
        """Reads M1, checks it against the limit, and reads M2."""
        return self.read_rest(self.read_int(), limit)

    def read_rest(self, length, limit):
        if length > limit:
            raise Refused(f"a length of {length} is above the limit of {limit}")
        return self.read(length)

    def expect_end(self):
        self.flush()
        if self.sock.recv(1) != b"":
            raise Refused("bytes after the end")

    def reset(self):
        """Closes with a TCP reset instead of an orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


# ---------------------------------------------------------------- cryptography

def pss_of(salt_length):
    return padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt_length)


def pss_sign(private_key, message, salt_length=padding.PSS.MAX_LENGTH):
    return private_key.sign(message, pss_of(salt_length), hashes.SHA256())


def pss_verify(public_key, signature, message, any_salt=False):
    """Verifies a signature; without `any_salt` its salt must have the maximum length, 94 bytes for RSA-1024."""
    em_length = (public_key.key_size - 1 + 7) // 8
    salt_length = padding.PSS.AUTO if any_salt else em_length - 32 - 2
    public_key.verify(signature, message, pss_of(salt_length), hashes.SHA256())


def rsa_padding(name):
    if name == "oaep":
        return padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    return padding.PKCS1v15()


def block_capacity(public_key, padding_name):
    """Returns the plaintext bytes of a full RSA block: 62 or 117 for RSA-1024."""
    k = public_key.key_size // 8
    return k - 66 if padding_name == "oaep" else k - 11


def rsa_blocks(public_key, padding_name, data, lengths=()):
    """Returns the file as a list of RSA blocks (CP1); an empty file is one encrypted empty block.

    `lengths` are the plaintext bytes of the blocks, in turn, limited to full blocks; without them all are full."""
    capacity = block_capacity(public_key, padding_name)
    lengths = [min(length, capacity) for length in lengths] or [capacity]
    pieces, place = [], 0
    while place < len(data):
        length = lengths[len(pieces) % len(lengths)]
        pieces.append(data[place:place + length])
        place += length
    return [public_key.encrypt(piece, rsa_padding(padding_name)) for piece in pieces or [b""]]


def terminator_bytes(options):
    """Returns the bytes after the last pair."""
    word = options.terminator or ("max" if options.framing == "D" else "none")
    if options.framing == "A" or word == "none":
        return b""
    if word == "end":
        return u64(3) + b"end"
    return u64(TERMINATOR if word == "max" else int(word))


def hello_framing(options):
    """Returns the framing that upseal's hello names, or `-` if the bytes decide."""
    ends = terminator_bytes(options)
    if options.framing in ("D", "E"):
        return "D" if ends else "E"
    return "-" if ends else options.framing


def rsa_decrypt(private_key, padding_name, block):
    try:
        return private_key.decrypt(block, rsa_padding(padding_name))
    except ValueError as error:
        raise Refused("a block does not decrypt") from error


class RawToken:
    """CP2 of the C edition: a key of 32 raw bytes; the token is IV, ciphertext, HMAC over both."""

    def __init__(self, session_key):
        if len(session_key) != 32:
            raise ValueError("a raw session key has 32 bytes")
        self.hmac_key, self.aes_key = session_key[:16], session_key[16:]

    def cipher(self, iv):
        return Cipher(algorithms.AES(self.aes_key), modes.CBC(iv))

    def hmac(self, data):
        code = hmac.HMAC(self.hmac_key, hashes.SHA256())
        code.update(data)
        return code

    def encrypt(self, data):
        iv, padder = os.urandom(16), PKCS7(128).padder()
        encryptor = self.cipher(iv).encryptor()
        body = iv + encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()
        return body + self.hmac(body).finalize()

    def decrypt(self, token):
        if len(token) < 16 + 16 + 32 or len(token) % 16 != 0:
            raise InvalidToken
        body, code = token[:-32], token[-32:]
        try:
            self.hmac(body).verify(code)
        except InvalidSignature as error:
            raise InvalidToken from error
        decryptor, unpadder = self.cipher(body[:16]).decryptor(), PKCS7(128).unpadder()
        padded = decryptor.update(body[16:]) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()


def new_session_key(form):
    return Fernet.generate_key() if form == "fernet" else os.urandom(32)


def token_maker(session_key, form):
    return Fernet(session_key) if form == "fernet" else RawToken(session_key)


def load_certificate(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def verify_certificate(leaf, ca):
    """Checks that the CA signed the certificate (PKCS1v15, the certificate's own hash) and that it is valid now."""
    try:
        ca.public_key().verify(
            leaf.signature, leaf.tbs_certificate_bytes, padding.PKCS1v15(), leaf.signature_hash_algorithm)
    except InvalidSignature as error:
        raise Unproven("the certificate is not signed by this CA") from error
    now = datetime.datetime.now(datetime.timezone.utc)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise Unproven(f"the certificate is valid from {leaf.not_valid_before_utc} to {leaf.not_valid_after_utc}")


# ---------------------------------------------------------------- AP messages

# `ascii` and `timestamp` are upseal's hello; the others are messages of third-party clients.
AUTH_MESSAGES = ["ascii", "timestamp", "random32", "text", "stamped-text"]


def write_auth_message(form, options):
    random_text = b"Client Request SecureStore ID " + os.urandom(8).hex().encode("ascii")
    framing = hello_framing(options)
    return {
        "ascii": lambda: write_hello(options.variant, options.padding, framing, options.key_form),
        "timestamp": lambda: write_hello(options.variant, options.padding, framing, options.key_form,
                                         stamp=u64(int(time.time()))),
        "random32": lambda: os.urandom(32),
        "text": lambda: random_text,
        "stamped-text": lambda: u64(int(time.time())) + random_text,
    }[form]()


def write_hello(variant, padding_name, framing, key_form, stamp=None):
    wanted = {"ap": "a---", "cp1": f"1{padding_name[0]}{framing}-", "cp2": f"2{padding_name[0]}-{key_form[0]}"}[variant]
    return f"upseal/1 {wanted}-- ".encode() + (stamp or os.urandom(4).hex().encode()) + os.urandom(52).hex().encode()


def check_hello(message, options):
    """Refuses a hello that is malformed, or that announces another dialect than this server's."""
    shape = rb"upseal/1 ([a12])([op-])([A-F-])([fr-])([r-])- (.{8})([0-9a-f]+)"
    match = re.fullmatch(shape, message, re.DOTALL)
    if match is None or len(message) not in (128, 256):
        raise Refused(f"not a hello: {message!r}")
    hello_variant, hello_padding, named_framing, hello_key_form = (part.decode() for part in match.groups()[:4])
    variant, padding_name, framing = options.variant, options.padding, options.framing
    if hello_variant != {"ap": "a", "cp1": "1", "cp2": "2"}[variant]:
        raise Refused(f"hello announces variant {hello_variant} to a {variant} server")
    if variant == "cp1" and hello_padding != padding_name[0]:
        raise Refused(f"hello announces padding {hello_padding}, expected {padding_name}")
    accepted = hello_framing(options) if framing else "ABCDEF"
    if variant == "cp1" and named_framing not in accepted:
        raise Refused(f"hello announces framing {named_framing}, expected {accepted}")
    if variant == "cp2" and (hello_padding not in (padding_name[0], "-") or hello_key_form != options.key_form[0]):
        raise Refused(f"hello announces key {hello_padding}{hello_key_form}, "
                      f"expected {padding_name}, {options.key_form}")


def check_auth_message(message, form):
    """Refuses a message that does not have the form that this server demands."""
    hello = message.startswith(b"upseal/1 ")
    stamp = {"timestamp": message[16:24], "stamped-text": message[:8]}.get(form)
    good = {
        "ascii": hello and message.isascii() and re.fullmatch(rb"[0-9a-f]{8}", message[16:24]),
        "timestamp": hello,
        "random32": not hello and len(message) == 32,
        "text": not hello and message.isascii(),
        "stamped-text": not hello and len(message) >= 8,
    }[form]
    if not good:
        raise Refused(f"the message does not have the form {form}: {message!r}")
    if stamp and abs(time.time() - struct.unpack(">Q", stamp)[0]) > CLOCKS_APART:
        raise Refused(f"the timestamp {stamp.hex()} is not the current time")


# ---------------------------------------------------------------- serve

class Server:
    """The state of one `serve` run; the recorded answer outlives a connection (fault `replay`)."""

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
    if options.fault in ("cut", "reset"):  # so that the client cannot send everything before the cut
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
            log("no client connected")
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
    """One connection of the server, from its first MODE to its end."""

    def __init__(self, server, wire, number):
        self.server, self.wire, self.number = server, wire, number
        self.options = server.options
        self.name = None
        self.authenticated = False
        self.tokens = None

    def run(self):
        while True:
            if self.wire.peek_int() is None and self.options.goodbye == "never":
                return
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
        log("name", json.dumps(typed))
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
        m1 = self.wire.read_int()
        pieces = self.read_framing(m1, self.options.framing) if self.options.framing else self.read_any_framing(m1)
        log("blocks", len(pieces))
        data = b"".join(pieces)
        # Framing C announces 0 bytes in both cases: the block shows only in what follows.
        if data == b"" and self.options.empty != ("block" if pieces else "zero"):
            raise Refused(f"CP1: an empty file as {len(pieces)} blocks, expected {self.options.empty}")
        return data

    def read_framing(self, m1, framing):
        """Reads a body in this framing only; returns the plaintext of each block."""
        if framing == "A":
            return self.read_joined_blocks(m1)
        pieces = self.read_pairs(m1, framing)
        ends = terminator_bytes(self.options)
        if ends and self.wire.read_int() != struct.unpack(">Q", ends[:8])[0]:
            raise Refused(f"framing {framing}: neither a block nor the terminator")
        if ends and self.wire.read(len(ends) - 8) != ends[8:]:
            raise Refused(f"framing {framing}: a 3 without {ends[8:]!r}")
        return pieces

    def read_pairs(self, m1, framing):
        """Reads the pairs of this framing, without a terminator."""
        k = self.k
        if m1 == 0 and not (framing in "DE" and terminator_bytes(self.options)):
            return self.read_more() if framing == "C" else []
        if framing == "B":
            return [self.read_pair() for _ in range(m1)]
        if framing == "C":
            pieces, total = [], 0
            while total < m1:
                pieces.append(self.read_pair())
                total += len(pieces[-1])
            more = self.read_more()  # empty blocks, which M1 does not count
            if total != m1 or any(more):
                raise Refused(f"framing C: got {total + sum(map(len, more))} bytes, {m1} were announced")
            return pieces + more
        if framing == "F":
            if m1 % k != 0:
                raise Refused(f"framing F: M1 is {m1}, not whole blocks of {k}")
            return [self.read_pair() for _ in range(m1 // k)]
        self.wire.put_back = m1
        pieces = self.read_more()
        if not terminator_bytes(self.options) and not pieces:
            raise Refused(f"framing {framing}: M1 is {m1}, not one block of {k}")
        return pieces

    def read_any_framing(self, m1):
        """Detects the framing; the body continues wherever k comes instead of a MODE."""
        k = self.k
        if m1 == TERMINATOR:
            return []
        if m1 == 0:
            return self.read_more()
        first = self.wire.read(8)
        if first == u64(k):  # B, C or F
            pieces = [self.read_block()] + self.read_more()
            if m1 not in (sum(map(len, pieces)), len(pieces), k * len(pieces)):
                raise Refused(f"CP1: M1 is {m1}: neither bytes, nor blocks, nor encrypted bytes of {len(pieces)} pairs")
            return pieces
        pieces = self.read_joined_blocks(m1, first)
        if m1 == k:  # A with one block, or the first pair of D or E
            pieces += self.read_more()
            if self.wire.peek_int() == TERMINATOR:
                self.wire.read_int()
        return pieces

    @property
    def k(self):
        return self.server.private_key.key_size // 8

    def read_joined_blocks(self, length, first=b""):
        if length % self.k != 0 or length > MAX_BODY:
            raise Refused(f"CP1: M1 is {length}, not whole blocks of {self.k}")
        body = first + self.wire.read(length - len(first))
        return [self.decrypt(body[i:i + self.k]) for i in range(0, length, self.k)]

    def read_more(self):
        """Reads pairs for as long as there are any; what follows the last one is not consumed."""
        pieces = []
        while self.wire.peek_int() == self.k:
            pieces.append(self.read_pair())
        return pieces

    def read_pair(self):
        length = self.wire.read_int()
        if length != self.k:
            raise Refused(f"CP1: a block of {length} bytes, not {self.k}")
        return self.read_block()

    def read_block(self):
        return self.decrypt(self.wire.read(self.k))

    def decrypt(self, block):
        return rsa_decrypt(self.server.private_key, self.options.padding, block)

    def receive_token(self):
        token = self.wire.read_message(MAX_BODY)
        if self.tokens is None:
            raise Refused("CP2: MODE 1 before any MODE 4")
        try:
            return self.tokens.decrypt(token)
        except InvalidToken as error:
            raise Refused("the token is not valid") from error

    def receive_session_key(self):
        if self.options.key_length_bytes == 16 and self.wire.read_int() != 0:
            raise Refused("CP2: the length of the key does not have 16 bytes")
        encrypted = self.wire.read_message(MAX_MESSAGE)
        if len(encrypted) != self.k:
            raise Refused(f"CP2: a session key of {len(encrypted)} bytes is not one RSA block")
        # One known client sends further, empty blocks after it.
        session_key = b"".join([self.decrypt(encrypted), *self.read_more()])
        try:
            self.tokens = token_maker(session_key, self.options.key_form)
        except ValueError as error:
            raise Refused(f"CP2: not a session key of the form {self.options.key_form}") from error

    def answer_challenge(self):
        message = self.wire.read_message(MAX_MESSAGE)
        log("message", message.hex())
        if message.startswith(b" " * 64 + b"TLS 1.3"):
            raise Refused("the message is the input of a TLS 1.3 CertificateVerify")
        if self.options.utf8:
            try:
                message.decode("utf-8")
            except UnicodeDecodeError as error:
                raise Refused("the message is not UTF-8") from error
        if self.options.auth_message:
            check_auth_message(message, self.options.auth_message)
        if message.startswith(b"upseal/") and self.options.fault != "blind-sign":
            check_hello(message, self.options)
        signature, pem = self.sign(message), self.server.certificate_pem
        stated = len(message) if self.options.signature_length == "message" else len(signature)
        parts = [u64(stated), signature, u64(len(pem)), pem]
        if self.options.reply_order == "cert-first":
            parts = parts[2:] + parts[:2]
        for part in parts:
            self.wire.write(part)
            time.sleep(self.options.reply_gap)
        self.authenticated = True

    def sign(self, message):
        key, fault = self.server.private_key, self.options.fault
        if fault == "sign-other":
            return pss_sign(key, b"something other than the message")
        if fault == "replay" and self.number > 1:
            return self.server.recorded_signature
        if fault == "short-salt":
            return pss_sign(key, message, salt_length=32)
        self.server.recorded_signature = pss_sign(key, message, self.options.salt)
        return self.server.recorded_signature

    def break_off(self):
        """Disconnects in the middle of the body (faults `cut` and `reset`)."""
        length = self.wire.read_int()
        self.wire.read(length // 2)
        if self.options.fault == "reset":
            self.wire.reset()
        raise Refused(f"fault {self.options.fault}: disconnected after {length // 2} of {length} bytes")

    def close(self):
        """Ends the server's side after the last MODE 2; then the client must end its side without further bytes."""
        if self.options.goodbye == "never":
            raise Refused("MODE 2 from a client that should not send it")
        if self.options.goodbye == "twice" and self.wire.read_int() != CLOSE:
            raise Refused("not a second MODE 2")
        if self.options.fault == "no-close":
            time.sleep(self.options.hang)
        self.wire.flush()
        self.wire.sock.shutdown(socket.SHUT_WR)
        self.wire.sock.settimeout(END_TIMEOUT)
        self.wire.expect_end()


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
            return Upload(options, Wire(sock, options.writes)).run()
        except Unproven as error:
            print(f"the server did not prove its identity: {error}", file=sys.stderr)
            return 4
        except (Refused, OSError) as error:
            print(f"failed: {type(error).__name__} {error}", file=sys.stderr)
            return 1


class Upload:
    """One connection of the client, in the order of the protocol."""

    def __init__(self, options, wire):
        self.options, self.wire, self.fault = options, wire, options.fault
        self.server_key = None
        self.tokens = None

    def run(self):
        if self.options.variant != "plain":
            self.authenticate()
        if self.fault == "second-hello":  # announces another variant on the same connection
            self.write_message(AUTHENTICATE, write_hello(
                "cp2" if self.options.variant == "ap" else "ap", "oaep", "A", "fernet"))
            self.read_answer()
        if self.options.variant == "cp2":
            self.send_session_key()
        for number, path in enumerate(self.options.files):
            with open(path, "rb") as file:
                data = file.read()
            if number > 0 and self.options.auth_per_file:
                self.authenticate()
            if number > 0 and self.options.key_per_file:
                self.send_session_key()
            if self.send_file(path, data) == "disconnected":
                return 1
        return self.close()

    def write_message(self, mode, message):
        self.wire.write(u64(mode))
        self.wire.write(u64(len(message)))
        self.wire.write(message)

    def read_answer(self):
        return self.wire.read_message(MAX_ANSWER), self.wire.read_message(MAX_ANSWER)

    def authenticate(self):
        message = BAD_MESSAGES.get(self.fault) or write_auth_message(self.options.auth_message, self.options)
        self.write_message(AUTHENTICATE, message)
        signature, certificate_pem = self.read_answer()
        try:
            self.prove(message, signature, certificate_pem)
        except Unproven:
            self.wire.write(u64(CLOSE))
            raise

    def prove(self, message, signature, certificate_pem):
        if b"-----BEGIN CERTIFICATE-----" in signature:  # a known server swaps the two
            signature, certificate_pem = certificate_pem, signature
        if message.startswith(b"upseal/1 ") and certificate_pem.startswith(b"upseal/1 server "):
            line, certificate_pem = certificate_pem.split(b"\n", 1)
            log(line.decode("ascii"))
        if not certificate_pem.startswith(b"-----BEGIN CERTIFICATE-----"):
            raise Unproven("neither part of the answer is a certificate")
        try:
            leaf = x509.load_pem_x509_certificate(certificate_pem)
        except ValueError as error:
            raise Unproven(f"the certificate does not parse: {error}") from error
        verify_certificate(leaf, load_certificate(self.options.ca))
        try:
            pss_verify(leaf.public_key(), signature, message, self.options.salt == "any")
        except InvalidSignature as error:
            raise Unproven("the signature does not cover the message, or its salt is not the maximum") from error
        self.server_key = leaf.public_key()

    def send_session_key(self):
        session_key = new_session_key(self.options.key_form)
        self.tokens = token_maker(session_key, self.options.key_form)
        encrypted = self.server_key.encrypt(session_key, rsa_padding(self.options.padding))
        if self.options.key_piece:
            return self.send_key_pieces(encrypted)
        if self.fault == "trunc-key":
            encrypted = encrypted[:20]
        if self.fault == "garbage-key":
            encrypted = b"\0" + os.urandom(len(encrypted) - 1)  # below the modulus, but not a valid ciphertext
        if self.options.key_length_bytes == 16:
            self.wire.write(u64(SESSION_KEY))
            self.wire.write(u64(0) + u64(len(encrypted)))
            self.wire.write(encrypted)
        else:
            self.write_message(SESSION_KEY, encrypted)

    def send_key_pieces(self, encrypted):
        """Sends three (k, block) pairs after MODE 4; one holds the key and the others are empty."""
        self.wire.write(u64(SESSION_KEY))
        for piece in (1, 2, 3):
            block = self.server_key.encrypt(b"", rsa_padding(self.options.padding))
            block = encrypted if piece == self.options.key_piece else block
            self.wire.write(u64(len(block)) + block)

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
            return "disconnected"
        if self.fault == "reset":
            self.wire.write(body[:len(body) // 2 | 1])
            self.wire.reset()
            return "disconnected"
        if self.fault == "reset-at-block":  # framing E: every block is sent, but no orderly end
            self.wire.write(body)
            self.wire.reset()
            return "disconnected"
        if self.options.pause:
            place = self.place_of_block(body) if self.options.variant == "cp1" else len(body) // 2
            self.wire.write(body[:place])
            self.wire.flush()
            time.sleep(self.options.pause)
            body = body[place:]
        self.wire.write(body)

    def place_of_block(self, body):
        """Returns the offset of the block to pause before, including its length in framings with pairs."""
        k, framing = self.server_key.key_size // 8, self.options.framing
        step = k if framing == "A" else 8 + k
        in_m1 = 8 if framing in "DE" else 0  # the first length comes instead of M1
        number = self.options.pause_before or (len(body) + in_m1) // step
        return max((number - 1) * step - in_m1, 0)

    def wire_name(self, path):
        if self.fault in BAD_NAMES:
            return BAD_NAMES[self.fault]
        base = os.path.basename(path)
        name = {"base": base, "path": path, "windows": "C:\\Users\\me\\" + base}[self.options.name_as]
        return name.encode("utf-8")

    def encode(self, data):
        """Returns the body of MODE 1 in this variant, in two parts: M1, and what follows it."""
        if self.options.variant == "cp1":
            return self.encode_rsa_blocks(data)
        if self.options.variant == "cp2":
            data = self.flip_token(self.tokens.encrypt(data))
        return u64(len(data)), data

    def encode_rsa_blocks(self, data):
        framing = self.options.framing
        ends = terminator_bytes(self.options)
        if data == b"" and self.options.empty == "zero":
            return (ends[:8], ends[8:]) if framing in "DE" and ends else (u64(0), ends)
        blocks = rsa_blocks(self.server_key, self.options.padding, data, self.options.block)
        if self.options.one_block_too_many and data and len(data) % block_capacity(self.server_key, self.options.padding) == 0:
            blocks.append(self.server_key.encrypt(b"", rsa_padding(self.options.padding)))
        if self.fault == "flip":
            blocks[0] = flip_bit(blocks[0], len(blocks[0]) // 2)
        joined = b"".join(blocks)
        pairs = b"".join(u64(len(block)) + block for block in blocks)
        return {
            "A": (u64(len(joined)), joined),
            "B": (u64(len(blocks)), pairs + ends),
            "C": (u64(len(data)), pairs + ends),
            "D": (pairs[:8], pairs[8:] + ends),
            "E": (pairs[:8], pairs[8:] + ends),
            "F": (u64(len(joined)), pairs + ends),
        }[framing]

    def flip_token(self, token):
        """Flips one bit of the decoded token, so that only the HMAC can reveal it."""
        fernet = self.options.key_form == "fernet"
        raw = base64.urlsafe_b64decode(token) if fernet else token
        iv = 9 if fernet else 0  # a Fernet token begins with its version and the time
        place = {
            "flip": iv + 16 + (len(raw) - iv - 16 - 32) // 2,  # in the middle of the ciphertext
            "flip-time": max(iv - 1, 0),
            "flip-iv": iv,
            "flip-hmac": len(raw) - 1,
        }.get(self.fault)
        if place is None:
            return token
        return base64.urlsafe_b64encode(flip_bit(raw, place)) if fernet else flip_bit(raw, place)

    def close(self):
        self.wire.flush()
        time.sleep(self.options.linger)
        for _ in range({"once": 1, "twice": 2, "never": 0}[self.options.goodbye]):
            self.wire.write(u64(CLOSE))
        self.wire.flush()
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
    """Makes certificates like the assignment's: X.509 version 1, no extensions, which only openssl can make."""
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

SERVE_FAULTS = ["sign-other", "replay", "short-salt", "blind-sign", "cut", "reset", "no-close"]
SEND_FAULTS = [
    "flip", "flip-time", "flip-iv", "flip-hmac", "cut", "reset", "reset-at-block", "bad-mode", "little-endian",
    "huge-m1", "no-name", "trunc-key", "garbage-key", "second-hello", *BAD_NAMES, *BAD_MESSAGES,
]


def lengths(text):
    numbers = [int(word) for word in text.split(",")]
    if min(numbers) < 0 or max(numbers) == 0:
        raise ValueError(text)
    return numbers


def salt_length(text):
    return padding.PSS.MAX_LENGTH if text == "max" else int(text)


def command_line():
    parser = argparse.ArgumentParser(description="An independent peer of upseal.")
    commands = parser.add_subparsers(dest="command", required=True)

    certs = commands.add_parser("certs", help="make a CA, a server certificate and its key")
    certs.add_argument("--dir", required=True)
    certs.add_argument("--bits", type=int, default=1024)
    certs.add_argument("--v1", action="store_true", help="make X.509 version 1 with the openssl command")
    certs.add_argument("--expired", action="store_true", help="make a server certificate that expired yesterday")
    certs.add_argument("--wrong-ca", action="store_true", help="sign with another CA of the same name")

    serve_ = commands.add_parser("serve", help="a strict server for one variant")
    serve_.add_argument("--port", type=int, default=0)
    serve_.add_argument("--certs")
    serve_.add_argument("--store", required=True)
    serve_.add_argument("--connections", type=int, default=1)
    serve_.add_argument("--framing", choices=list("ABCDEF"), help="CP1: accept only this framing")
    serve_.add_argument("--auth-message", choices=AUTH_MESSAGES, help="demand an AP message of this form")
    serve_.add_argument("--utf8", action="store_true", help="close if the AP message is not UTF-8")
    serve_.add_argument("--reply-order", choices=["signature-first", "cert-first"], default="signature-first")
    serve_.add_argument("--reply-gap", type=float, default=0, help="seconds between the four parts of an answer")
    serve_.add_argument("--signature-length", choices=["own", "message"], default="own",
                        help="length that is stated for the signature: its own or the message's")
    serve_.add_argument("--salt", type=salt_length, default=padding.PSS.MAX_LENGTH,
                        help="salt length of the AP answer: max or bytes")
    serve_.add_argument("--fault", choices=SERVE_FAULTS)
    serve_.add_argument("--hang", type=float, default=45, help="fault no-close: seconds to wait")
    serve_.add_argument("--accept-timeout", type=float, default=60)

    send_ = commands.add_parser("send", help="a strict client")
    send_.add_argument("--to", required=True, metavar="HOST:PORT")
    send_.add_argument("--ca")
    send_.add_argument("--framing", choices=list("ABCDEF"), default="A")
    send_.add_argument("--block", type=lengths, default=[], metavar="N[,N...]",
                       help="CP1: plaintext bytes per block, in turn; default: full blocks")
    send_.add_argument("--one-block-too-many", action="store_true", help="CP1: an empty block after a full last one")
    send_.add_argument("--key-piece", type=int, choices=[1, 2, 3],
                       help="CP2: send the session key as this one of three (k, block) pairs")
    send_.add_argument("--name-as", choices=["base", "path", "windows"], default="base")
    send_.add_argument("--auth-message", choices=AUTH_MESSAGES, default="random32")
    send_.add_argument("--hello", dest="auth_message", action="store_const", const="ascii", help="--auth-message ascii")
    send_.add_argument("--salt", choices=["max", "any"], default="max", help="accepted salt length of an AP answer")
    send_.add_argument("--key-per-file", action="store_true", help="send MODE 4 before each file")
    send_.add_argument("--auth-per-file", action="store_true", help="send MODE 3 before each file")
    send_.add_argument("--gap-bytes", dest="writes", action="store_const", const="bytes", default="plain",
                       help="write one byte at a time")
    send_.add_argument("--glue", dest="writes", action="store_const", const="glued",
                       help="write everything up to the next answer at once")
    send_.add_argument("--pause", type=float, default=0,
                       help="seconds to pause in every body; in CP1 before the last block")
    send_.add_argument("--pause-before", type=int, metavar="N", help="CP1: pause before this block, counted from 1")
    send_.add_argument("--linger", type=float, default=0, help="seconds to wait after the last file")
    send_.add_argument("--patience", type=float, default=30, help="seconds to wait for the server's end")
    send_.add_argument("--fault", choices=SEND_FAULTS)
    send_.add_argument("files", nargs="+", metavar="FILE")

    for command in (serve_, send_):
        command.add_argument("--variant", required=True, choices=["plain", "ap", "cp1", "cp2"])
        command.add_argument("--padding", choices=["oaep", "pkcs1v15"], default="oaep")
        command.add_argument("--terminator", choices=TERMINATORS, help="CP1: bytes after the last (k, block) pair")
        command.add_argument("--empty", choices=["block", "zero"], default="block",
                             help="CP1: an empty file as one encrypted empty block, or as no block")
        command.add_argument("--key-form", choices=["fernet", "raw"], default="fernet", help="CP2: form of key and token")
        command.add_argument("--key-length-bytes", type=int, choices=[8, 16], default=8)
        command.add_argument("--goodbye", choices=["once", "twice", "never"], default="once", help="how often MODE 2 is sent")

    options = parser.parse_args()
    if options.command == "certs" and options.v1 and (options.expired or options.wrong_ca):
        parser.error("--v1 makes valid certificates only")
    if options.command == "serve" and options.variant != "plain" and not options.certs:
        parser.error("--certs is needed")
    if options.command == "send" and options.variant != "plain" and not options.ca:
        parser.error("--ca is needed")
    if options.command == "send" and not options.to.startswith(("127.", "localhost:")):
        parser.error("loopback only")
    if options.command == "send" and options.fault == "second-hello":
        options.auth_message = "ascii"
    return options


def main():
    options = command_line()
    if options.command == "certs":
        return make_certificates(options)
    return serve(options) if options.command == "serve" else send(options)


if __name__ == "__main__":
    sys.exit(main())
