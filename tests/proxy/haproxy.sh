#!/usr/bin/env bash
# Shows that a refusal reaches the client through HAProxy, which turns a reset into an end in order, and that a server with
# --proxy-protocol knows the client's address by HAProxy's header.
#
#     tests/proxy/haproxy.sh UPSEAL [FOLDER]
#
# UPSEAL is the program, FOLDER a place for scratch files. Needs haproxy and a POSIX shell; everything runs on loopback,
# bounded by `timeout`. Exit code 0: each refused upload ended with exit code 6 and was not called delivered, and
# accepted uploads arrived; the log and the history of the second server have the client's address, and HAProxy's checks
# of it left nothing in its log.
set -euo pipefail

upseal=$(realpath "$1")
folder=${2:-$(mktemp -d)}
mkdir -p "$folder"
cd "$folder"
rm -rf home certs store sent ./*.log haproxy.cfg
mkdir -p home sent
# They are read before a server in the background may have created them.
touch serve.log behind.log
export HOME="$folder/home" XDG_DATA_HOME="$folder/home/data" XDG_CONFIG_HOME="$folder/home/config"

pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
}
trap finish EXIT

# Ports are the kernel's choice for the server; HAProxy takes the next free one above it.
"$upseal" certs init --dir certs >certs.log 2>&1
timeout 300 "$upseal" serve --bind 127.0.0.1:0 --certs certs --store store --max-file 4MiB --json >serve.log 2>serve.err &
pids+=($!)
for _ in $(seq 200); do
    server=$(sed -n 's/.*"listening".*"address":"127.0.0.1:\([0-9]*\)".*/\1/p' serve.log | head -n 1)
    [ -n "$server" ] && break
    sleep 0.1
done
[ -n "$server" ] || { echo "the server did not start"; cat serve.err; exit 1; }

# A second server, which HAProxy tells its clients' addresses. Only 127.0.0.8 may use it, and only as a client of HAProxy.
export UPSEAL_HISTORY="$folder/home/behind.db"
timeout 300 "$upseal" serve --bind 127.0.0.1:0 --certs certs --store behind --proxy-protocol=127.0.0.1 \
    --allow-ip 127.0.0.8 --metrics 127.0.0.1:0 --json >behind.log 2>behind.err &
pids+=($!)
unset UPSEAL_HISTORY
for _ in $(seq 200); do
    behind=$(sed -n 's/.*"listening".*"address":"127.0.0.1:\([0-9]*\)".*/\1/p' behind.log | head -n 1)
    [ -n "$behind" ] && break
    sleep 0.1
done
[ -n "$behind" ] || { echo "the second server did not start"; cat behind.err; exit 1; }

proxy=
for port in $(seq $((server % 20000 + 30000)) $((server % 20000 + 30050))); do
    cat >haproxy.cfg <<EOF
global
    maxconn 64
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen upseal
    bind 127.0.0.1:$port
    server one 127.0.0.1:$server
listen behind
    bind 127.0.0.1:$((port + 1000))
    source 127.0.0.1
    server two 127.0.0.1:$behind send-proxy-v2 check check-send-proxy inter 100ms
listen forwarded
    # Its clients' address is 127.0.0.8 for the proxy above.
    bind 127.0.0.1:$((port + 2000))
    source 127.0.0.8
    server three 127.0.0.1:$((port + 1000))
EOF
    timeout 300 haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
    pid=$!
    for _ in $(seq 50); do
        if ! kill -0 "$pid" 2>/dev/null; then break; fi
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then proxy=$port; break; fi
        sleep 0.1
    done
    if [ -n "$proxy" ]; then pids+=("$pid"); break; fi
    kill "$pid" 2>/dev/null || true
done
[ -n "$proxy" ] || { echo "haproxy did not start"; cat haproxy.log; exit 1; }
echo "$(haproxy -v | head -n 1) on port $proxy, upseal serve on port $server"

head -c 100000 /dev/urandom >sent/good.bin
# Names like this one are the server's own for unfinished files, so it refuses them; the client does not know that.
head -c 100000 /dev/urandom >sent/.upseal-0.part
head -c 8388608 /dev/urandom >sent/large.bin

failed=0
try() { # expected exit code, what it shows, protocol, file, more arguments
    local expected=$1 what=$2 protocol=$3 file=$4 code=0
    shift 4
    timeout 60 "$upseal" send --to "127.0.0.1:$proxy" --ca certs/cacsertificate.crt -p "$protocol" --retries 3 "$@" "sent/$file" \
        >send.log 2>&1 || code=$?
    echo "--- $what, $protocol: exit code $code (expected $expected)"
    sed 's/^/    /' send.log
    if [ "$code" != "$expected" ]; then failed=1; fi
    if [ "$expected" = 6 ] && grep -q delivered send.log; then echo "    FALSE: delivered"; failed=1; fi
}
for protocol in plain ap cp1 cp2; do try 0 "an accepted file" "$protocol" good.bin; done
for protocol in plain ap cp2; do try 6 "a name that the server refuses" "$protocol" .upseal-0.part; done
# Without receipts nothing but the server's end tells the client.
for protocol in ap cp2; do try 6 "a name that the server refuses, no receipts" "$protocol" .upseal-0.part --digest none; done
for protocol in plain ap cp2; do try 6 "a file above --max-file" "$protocol" large.bin; done
# Through both proxies: the first one connects from 127.0.0.8, and the second states that address.
proxy=$((proxy + 2000)) try 0 "an upload whose address the proxy states" cp2 good.bin
grep '"received"' behind.log | sed 's/^/    /'
if ! grep '"received"' behind.log | grep -q '"peer":"127.0.0.8:'; then echo "    FALSE: another address"; failed=1; fi
UPSEAL_HISTORY="$folder/home/behind.db" "$upseal" history --received --json >history.log 2>&1
if ! grep -q '127.0.0.8' history.log; then echo "    FALSE: the history has another address"; cat history.log; failed=1; fi
# From 127.0.0.1 through the proxy, and from 127.0.0.1 without it.
proxy=$((proxy + 1000)) try 6 "an address that is not allowed" cp2 good.bin
proxy=$behind try 6 "a client without the proxy" cp2 good.bin
# HAProxy has checked the server all the while, ten times a second, and none of it is a session or a line.
sleep 1
opened=$(grep -c '"session_opened"' behind.log || true)
echo "--- $opened session(s) of the second server"
if [ "$opened" != 1 ]; then echo "    FALSE: a check or a refused client had a session"; failed=1; fi
exit $failed
