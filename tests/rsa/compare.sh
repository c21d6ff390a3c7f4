#!/usr/bin/env bash
# Compares every back end, the `rsa` crate and OpenSSL: COUNT private operations for each key length.
set -euo pipefail
cd "$(dirname "$0")/../.."
count=${1:-2000}
cargo build --quiet --release --example rsa_cases
for bits in 1024 2048; do
    target/release/examples/rsa_cases "$bits" "$count" | python3 tests/rsa/openssl.py
done
