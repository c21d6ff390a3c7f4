#!/usr/bin/env python3
"""RSA private operations against OpenSSL's library, which is asked through ctypes.

Reads what `cargo run --example rsa_cases BITS COUNT` prints: a private key in PEM, and lines `c m`. Needs
libcrypto and nothing else; without it, Python's own pow() is the oracle, which is said.
"""

import ctypes
import ctypes.util
import re
import subprocess
import sys

NO_PADDING = 3  # RSA_NO_PADDING


def openssl(pem: bytes):
    """The private operation, by OpenSSL; None without its library."""
    name = ctypes.util.find_library("crypto")
    if name is None:
        return None
    lib = ctypes.CDLL(name)
    for function, result, arguments in [
        ("BIO_new_mem_buf", ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]),
        ("PEM_read_bio_RSAPrivateKey", ctypes.c_void_p, [ctypes.c_void_p] * 4),
        ("RSA_size", ctypes.c_int, [ctypes.c_void_p]),
        ("RSA_private_decrypt", ctypes.c_int, [ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]),
        ("OpenSSL_version", ctypes.c_char_p, [ctypes.c_int]),
    ]:
        getattr(lib, function).restype = result
        getattr(lib, function).argtypes = arguments
    key = lib.PEM_read_bio_RSAPrivateKey(lib.BIO_new_mem_buf(pem, len(pem)), None, None, None)
    if not key:
        sys.exit("OpenSSL does not read the key")
    size = lib.RSA_size(key)
    out = ctypes.create_string_buffer(size)

    def decrypt(c: bytes) -> bytes:
        if lib.RSA_private_decrypt(size, c, out, key, NO_PADDING) != size:
            sys.exit(f"OpenSSL refuses {c.hex()}")
        return out.raw

    return lib.OpenSSL_version(0).decode(), decrypt


def python(pem: bytes):
    """The same by pow(), with the numbers as the openssl program tells them."""
    text = subprocess.run(["openssl", "rsa", "-noout", "-text"], input=pem, capture_output=True, check=True).stdout.decode()

    def number(name: str) -> int:
        found = re.search(rf"{name}:\s*((?:[0-9a-f]{{2}}:?\s*)+)", text)
        return int(re.sub(r"[\s:]", "", found.group(1)), 16)

    n, d = number("modulus"), number("privateExponent")
    return "Python's pow()", lambda c: pow(int.from_bytes(c, "big"), d, n).to_bytes(len(c), "big")


def main() -> None:
    pem = b""
    for line in sys.stdin:
        pem += line.encode()
        if line.startswith("-----END"):
            break
    who, decrypt = openssl(pem) or python(pem)
    count = 0
    for line in sys.stdin:
        c, m = (bytes.fromhex(part) for part in line.split())
        if decrypt(c) != m:
            sys.exit(f"differs from {who}: {c.hex()}")
        count += 1
    if count == 0:
        sys.exit("no operation came")
    print(f"{count} operations agree with {who}")


if __name__ == "__main__":
    main()
