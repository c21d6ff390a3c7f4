#!/usr/bin/env bash
# Checks packaging/ with systemd's own tools: that they understand every line, and how exposed the service is.
# Usage: check.sh PATH-OF-UPSEAL
set -euo pipefail
cd "$(dirname "$0")/../.."
upseal=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/etc"

# The unit names the place of an installed program. systemd before 253 does not know notify-reload.
version=$(systemd-analyze --version | sed -n 's/^systemd \([0-9]*\).*/\1/p')
sed "s#/usr/bin/upseal#$upseal#" packaging/upseal.service >"$work/upseal.service"
if [ "$version" -lt 253 ]; then
    sed -i 's/^Type=notify-reload$/Type=notify/' "$work/upseal.service"
fi

# What is not understood is only a warning there.
said=$(systemd-analyze verify --man=no "$work/upseal.service" 2>&1) || { echo "$said"; exit 1; }
[ -z "$said" ] || { echo "$said"; exit 1; }
sed 's/^NoNewPrivileges=/NoNewPriviledges=/' "$work/upseal.service" >"$work/wrong.service"
wrong=$(systemd-analyze verify --man=no "$work/wrong.service" 2>&1) || true
[ -n "$wrong" ] || { echo "a misspelt line was not noticed"; exit 1; }

# At most 2.0 of 10. A service without hardening has 9.6.
systemd-analyze security --offline=true --no-pager --threshold=20 "$work/upseal.service" | tail -n 1

systemd-sysusers --root="$work/root" "$PWD/packaging/upseal.sysusers"
grep -q '^upseal:' "$work/root/etc/passwd"
systemd-tmpfiles --root="$work/root" --create "$PWD/packaging/upseal.tmpfiles"
[ "$(stat -c %a "$work/root/etc/upseal/certs")" = 750 ]
echo "packaging is understood by systemd $version"
