#!/usr/bin/env python3
"""Compares RSA private operations with OpenSSL's library, which is called through ctypes.

Reads the output of `cargo run --example rsa_cases BITS COUNT`: a private key in PEM, and lines `c m`. Needs only
libcrypto; without it, it reports so and compares with Python's pow().
"""

import ctypes
import ctypes.util
import re
import subprocess
import sys

NO_PADDING = 3  # RSA_NO_PADDING


def openssl(pem: bytes):
    """Returns the private operation of OpenSSL, or None without its library."""
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
    """Returns the private operation by pow(), with the numbers that the openssl program prints."""
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
