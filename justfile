# `just --list` shows all tasks. None is needed to build or test: see CONTRIBUTING.md.

# The checks of CI that need no Python.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --no-default-features -- -D warnings
    cargo test
    -cargo deny check

# Test the release binary against the Python peer.
interop:
    cargo build --release
    python3 -m venv target/ci-venv
    target/ci-venv/bin/pip install -q -r tests/interop/requirements.txt
    target/ci-venv/bin/python tests/interop/run.py --upseal target/release/upseal

# Kill the program and, as root, cut the power of an ext4 image during uploads.
crash:
    cargo build --release
    python3 tests/receipts/crash.py --upseal target/release/upseal
    sudo python3 tests/receipts/crash.py --upseal target/release/upseal --power --times 30

# The long form of the tests of docs/reliability.md that have one.
soak:
    cargo build --release
    python3 tests/receipts/crash.py --upseal target/release/upseal --times 10000
    python3 tests/receipts/crash.py --upseal target/release/upseal --client --times 10000
    sudo python3 tests/receipts/crash.py --upseal target/release/upseal --power --times 1000
    sudo python3 tests/receipts/full.py --upseal target/release/upseal --times 1000
    sudo python3 tests/receipts/inject.py --upseal target/release/upseal --all
    UPSEAL_LOAD=600 cargo test --test load floods -- --nocapture
    UPSEAL_LOAD=3600 cargo test --test load crowd -- --nocapture
    UPSEAL_SEEDS=10000000 cargo test --release --test simulation -- --nocapture
    UPSEAL_CHAOS_SECONDS=28800 cargo test --release --test chaos -- --nocapture
    fuzz/run 28800

# Fuzz each target for so many seconds, two at a time, and keep the inputs that reach new code.
fuzz seconds="600":
    fuzz/run {{seconds}}
    fuzz/run --keep

# Measure the start of a server with a million files and rows in its history. Takes 600 MB of the disk for a while.
startup:
    cargo build --release
    python3 benches/startup.py --upseal target/release/upseal

# Measure ciphers against OpenSSL, uploads against scp, socat, tar and Python, memory and receipts. Needs a quiet machine.
bench:
    cargo build --release
    cargo bench --bench fernet
    cargo bench --bench cp1
    cargo bench --bench recording
    python3 -m venv target/ci-venv
    target/ci-venv/bin/pip install -q -r tests/interop/requirements.txt
    python3 benches/upload.py --upseal target/release/upseal --python target/ci-venv/bin/python
    python3 benches/cp1.py --upseal target/release/upseal --python target/ci-venv/bin/python
    python3 benches/receipts.py --upseal target/release/upseal --folder /dev/shm
    python3 benches/receipts.py --upseal target/release/upseal
    python3 benches/screen.py --upseal target/release/upseal

# Compare 100,000 RSA operations of each key length by every back end, the rsa crate and OpenSSL, and test their timing.
nightly:
    tests/rsa/compare.sh 100000
    cargo bench --bench timing

# Measure the cost by file size and number of clients: docs/growth.md and its picture.
growth:
    cargo build --release
    python3 benches/growth.py --upseal target/release/upseal --out docs

# Measure the screen: first frame, idle, a folder of 100,000 files, keys, a queue of 50,000 uploads.
screen:
    cargo build --release
    python3 benches/screen.py --upseal target/release/upseal

# Draw the pictures of the README and of docs/views.md with the program in a pseudo-terminal.
picture:
    cargo build --release
    cargo run --example picture -- target/release/upseal assets docs/pictures

# Review changed snapshots of the screens (needs cargo-insta).
snapshots:
    cargo insta test --review -- ui
