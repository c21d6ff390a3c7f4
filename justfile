# `just --list` tells them all. None is needed to build or test: see the README.

# What CI demands, as far as it needs no Python.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --no-default-features -- -D warnings
    cargo test
    -cargo deny check

# The Python peer against the release binary.
interop:
    cargo build --release
    python3 -m venv target/ci-venv
    target/ci-venv/bin/pip install -q -r tests/interop/requirements.txt
    target/ci-venv/bin/python tests/interop/run.py --upseal target/release/upseal

# kill -9 and, as root, power cuts in the midst of uploads.
crash:
    cargo build --release
    python3 tests/receipts/crash.py --upseal target/release/upseal
    sudo python3 tests/receipts/crash.py --upseal target/release/upseal --power --times 30

# Speeds: the ciphers against OpenSSL, uploads against scp, socat, tar and Python, memory, receipts. On a quiet machine.
bench:
    cargo build --release
    cargo bench --bench fernet
    cargo bench --bench cp1
    python3 -m venv target/ci-venv
    target/ci-venv/bin/pip install -q -r tests/interop/requirements.txt
    python3 benches/upload.py --upseal target/release/upseal --python target/ci-venv/bin/python
    python3 benches/cp1.py --upseal target/release/upseal --python target/ci-venv/bin/python
    python3 benches/receipts.py --upseal target/release/upseal --folder /dev/shm
    python3 benches/receipts.py --upseal target/release/upseal

# RSA: 100,000 operations of each key length, by every back end, the crate and OpenSSL; and its timing.
nightly:
    tests/rsa/compare.sh 100000
    cargo bench --bench timing

# How the cost grows with the file and with the clients: docs/growth.md and its picture.
growth:
    cargo build --release
    python3 benches/growth.py --upseal target/release/upseal --out docs

# The README's pictures, from the program itself in a pseudo-terminal.
picture:
    cargo build --release
    cargo run --example picture -- target/release/upseal assets

# Look at changed snapshots of the screens (needs cargo-insta).
snapshots:
    cargo insta test --review -- ui
