#!/usr/bin/env python3
"""Writes the first inputs of a corpus, made of the fixtures and transcripts of the tests: `fuzz/seeds.py FOLDER`.

The first bytes of an input choose between the cases of its target (src/testing/fuzz)."""

import base64
import hashlib
import itertools
import pathlib
import re
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
OUT = pathlib.Path(sys.argv[1])


def seed(target, *parts):
    data = b"".join(bytes(part) if isinstance(part, list) else part for part in parts)
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def word(*numbers):
    return b"".join(struct.pack(">Q", number) for number in numbers)


def message(mode, m2):
    return word(mode, len(m2)) + m2


def transcript(path):
    """Returns the bytes of the client and those of the server."""
    sides, now = {"client": b"", "server": b""}, "client"
    for line in path.read_text().splitlines():
        if line in sides:
            now = line
        elif line and " " not in line and not line.startswith("#"):
            sides[now] += bytes.fromhex(line)
    return sides["client"], sides["server"]


uploads = [transcript(path)[0] for path in sorted((TESTS / "transcripts").glob("upload-*.hex"))]
answers = [transcript(path)[1] for path in sorted((TESTS / "transcripts").glob("answer-*.hex"))]

for n, upload in enumerate(uploads):
    if len(upload) <= 8000:
        seed("server", [n % 4, n // 4 % 2, 0, n % 32 & 30], upload)
        seed("server", [n % 4, 0, 1 + n % 3, n % 32], upload[: len(upload) - n % 40])
    seed("frames", [n % 4, n % 3, n % 11], upload[:2000])
every_mode = b"".join([message(3, b"hello"), message(4, b"key"), message(0, b"a.txt"), word(4, 0, 3), b"key", word(1, 4), b"body"])
for k, behind, size in itertools.product(range(4), range(3), (0, 6)):
    seed("frames", [k, behind, size], every_mode, word(2))
    for value in (0, 1, 2, 3, 5, 128, 256, 2**63, 2**64 - 1):
        seed("frames", [k, behind, size], word(1, 2), b"ab", word(value), b"end")
        seed("frames", [k, behind, size], word(1, 2), b"ab", word(value, 2))

for named, k in itertools.product(range(7), range(2)):
    size = (16, 8)[k]
    block = bytes([3]) + b"abc" + bytes(size - 4)
    pair = word(size) + block
    for m1 in (0, 1, 2, 3, 6, size, 2 * size, 2**64 - 1):
        seed("framings", [named, k, 6, 0], word(m1), pair * 3, word(2))
        seed("framings", [named, k, 6, 0], word(m1), block * 3, word(2))
        seed("framings", [named, k, 6, 0], word(m1), block, pair, word(3), b"end")
    for terminator in range(1, 6):
        seed("framings", [named, k, 6, terminator], b"a file of some blocks, the last not full")

for n, answer in enumerate(answers):
    seed("answers", [n % 2, 6], answer)
for line in (b"", b"upseal/1 refused size\n", b"upseal/1 refused name 3\n", b"upseal/1 refused weather"):
    seed("answers", [0, 0], b"\xff", line)

NAMES = [
    "a.txt", "archive.tar.gz", ".bashrc", "v1.2 draft", "a/b/c.txt", "..", "../a", "a\\b", "a/./b", "/etc/passwd", "C:\\a", "nul",
    "com1.txt", "a.", " ", "a (2).txt", "a 0123abcd.txt", ".upseal-x", "\u202etxt.exe", "e\u0301", "x" * 255, "y" * 256, "é" * 128,
    "a/" * 64 + "b", "a\nb", "a\0b",
]
for n, name in enumerate(NAMES):
    seed("names", [n, 4], b"recv", name.encode())
    seed("names", [3, 0], name.encode())
    seed("descriptions", name.encode())
    seed("descriptions", b"upseal/1 file\nmtime 1700000000.000000001\nmode x\nlater 1\nname ", name.encode())
    seed("descriptions", b"upseal/1 file\nmtime -1.999999999\nname ", name.encode())

HEX = b"0123456789abcdef"
for variant, padding, framing, key, receipts in (b"a---r", b"1oA-r", b"1pE--", b"2o-fr", b"2p-rr", b"1o--r"):
    fields = bytes([variant, padding, framing, key, receipts])
    seed("hellos", [0], b"upseal/1 ", fields, b"- ", HEX * 7)
    seed("hellos", [0], b"upseal/1 ", fields, b"- ", HEX * 15)
digest = b"5a" * 32
for salt in (b"-", base64.b64encode(b"s" * 128)):
    for hello in (b"-", digest):
        seed("hellos", [0], b"upseal/1 receipt\nnonce ", digest, b"\nhello ", hello, b"\nfiles 1 3\nsalt ", salt, b"\n")
seed("hellos", [0], b" " * 64 + b"TLS 1.3, server CertificateVerify\0")
seed("hellos", [1], b"upseal/1 server receipts=1 idle=900 maxfile=68719476736 accept=plain,ap,cp1,cp2 padding=oaep,pkcs1v15 names=portable paths=1 meta=1\n")
for there in ("127.0.0.1:4321", "[::1]:1", "example.org", "upseal://h:1#sha256-" + "5a" * 32, "upseal://h#sha256-" + "A" * 43, "[fe80::1%25eth0]:5"):
    seed("hellos", [1], there.encode())

for blocks in (1, 2, 4, 9):
    seed("tokens", [0, 1, 6], b"\x80" + word(1_700_000_000), bytes(range(16)), bytes(range(16)) * blocks)
    seed("tokens", [1, 1, 6], bytes(range(16)), bytes(range(16)) * blocks)
seed("tokens", [0, 0, 6], b"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==")
fernet = base64.urlsafe_b64encode(b"k" * 32)
for first, second in ((1, 0), (2, 0), (3, 1), (3, 7), (7, 2), (9, 3), (0, 0), (4, 7)):
    seed("session-keys", [0, 0, first], (fernet if first >> 1 == 1 else b"k" * 32), [second], b"j" * 44)
seed("session-keys", [0, 1], (TESTS / "fixtures/identity-v1/test_oaep.bin").read_bytes())
seed("session-keys", [1, 1], (TESTS / "fixtures/identity-v1/test_pkcs1v15.bin").read_bytes())

for n, path in enumerate(sorted(TESTS.glob("fixtures/*/*.crt"))):
    pem = path.read_bytes()
    anchor = {"identity-v1": 0, "trust": 1, "receipts": 2}.get(path.parent.name, 0)
    if len(pem) <= 4000:
        seed("certificates", [anchor, n % 2, 0], pem)
    body = re.search(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.S)
    if body:
        der = base64.b64decode(body[1])
        for chosen in {anchor, 3}:
            seed("certificates", [chosen, 0, 1], der)
            seed("certificates", [chosen, 1, 1], der)

entry = b"ca=sha256:" + digest + b" key=sha256:" + b"a5" * 32
seed("known-servers", b"# comment\n127.0.0.1:4321 ", entry, b" bits=2048 first=2026-01-01T00:00:00Z\n[::1]:1 ", entry, b" receipts=1\n")
seed("known-servers", b"h:1 ", entry, b" offered=sha256:", digest, b" offered-bits=1024 receipt-key=sha256:", digest, b" later=1\nh:2 ", entry)

for path in sorted(TESTS.glob("fixtures/receipts/*.receipt")):
    text = path.read_bytes()
    seed("receipts", text)
    statement = text.split(b"\n\n")[1] + b"\n"
    ordinals = [int(line.split()[1]) for line in statement.splitlines() if line.startswith((b"file ", b"missing ", b"accepted "))]
    seed("statements", [ordinals[0], len(ordinals) - 1], statement, b"rest")
head = b"upseal/1 stored\nrequest " + digest + b"\nkey " + digest + b"\n"
for line in (b"file 1 plain 5 " + digest + b" a%20b.txt\n", b"accepted 1 cp2 0 " + digest + b" %C3%A9\n", b"missing 1 disk\n"):
    seed("statements", [1, 0], head, b"receipt-key ", digest, b"\ntime 2026-01-01T00:00:00Z\n", line)
    seed("statements", [1, 1], head, b"time 2026-01-01T00:00:00Z\n", line, line.replace(b" 1 ", b" 2 "))

for text in re.findall(r"```toml\n(.*?)```", (ROOT / "docs/manual.md").read_text(), re.S):
    seed("configuration", [0], text.encode())
    seed("configuration", [1], text.encode())
settings = (
    'protocol = "cp1"\npadding = "oaep"\nframing = "D"\nterminator = 10000\nca = "~/ca.crt"\njobs = 3\nlimit = "1MiB/s"\n'
    'key-length-bytes = 16\n[peers.home]\nto = "h:1" # comment\n[peers."a.b"]\nto = "upseal://h:1#sha256-%s"\n[ui]\ntheme = "dark"\n'
    '[report]\nformat = "csv"\n[keys.browser]\nupload = ["u"]\n' % ("5a" * 32)
)
for text in (settings, settings.replace("\n", "\r\n"), 'peers = { fuzzed = { to = "h" } }\n', 'peers.fuzzed.to = "h"\n', '[peers.fuzzed]\nto = """\r\nh"""\n', "a" * 3 + "= [" * 90):
    seed("configuration", [0], text.encode())
    seed("configuration", [1], text.encode())

for variant, plan, script in itertools.product(
    range(4), (0, 1, 3, 4, 5, 7, 0x87), ([], [0], [0, 3, 0], [0, 3, 1], [0, 4, 0, 90], [2, 7], [2, 250], [1], [5, 0], [6], [7, 2], [7, 11], [0, 7, 9], [8, 3, 1, 2, 3], [9, 1], [0, 8, 1, 255], [3, 0], [3, 255], [0, 0])
):
    seed("client", [variant, plan % 4, plan % 2, plan // 2 % 2, plan % 2, plan], script)
