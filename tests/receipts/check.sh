#!/bin/sh
# Tests docs/check-receipt.sh with valid and invalid receipts that OpenSSL makes. `.ci/run` runs it.
set -eu
cd "$(dirname "$0")/../.."
for tool in openssl sha256sum; do
    command -v "$tool" >/dev/null || { echo "tests/receipts/check.sh: $tool is missing" >&2; exit 1; }
done
fixtures=$PWD/tests/fixtures
ca=$fixtures/identity-v1/cacsertificate.crt
server=$fixtures/identity-v1/server_signed.crt
own=$fixtures/identity-v1/server_private_key.pem
receipt_crt=$fixtures/identity-v1/receipt_signed.crt
receipt_own=$fixtures/identity-v1/receipt_private_key.pem
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

sha256() { sha256sum | cut -c1-64; }
pin() { openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | sha256; }
# Bytes that a shell or awk may lose: 0, LF, CR, %, quotes, backslash, 0x80 and above.
salted_with='\000\001\002\012\015\045\047\134\136\177\200\220\240\260\300\320\340\360\377\000\021\042\063\104\125\146\167\210\231\252\273\314'
# shellcheck disable=SC2059 # The escapes are the point.
salt=$(printf "$salted_with" | od -An -v -tx1 | tr -d ' \n')
[ ${#salt} -eq 64 ] || exit 1
request=$(printf request | sha256)
printf 'hello\n\000world' > file
printf 'another' > other

# The digest of a file, by another way than the script's.
salted() {
    # shellcheck disable=SC2059
    { printf "$salted_with"; openssl dgst -sha256 -binary "$1"; } > salted
    sha256 < salted
}
line() { echo "file $1 cp2 $(($(wc -c < "$2"))) $(salted "$2") $3"; }
state() { # KEY TIME LINES…
    printf 'upseal/1 stored\nrequest %s\nkey %s\ntime %s\n' "$request" "$1" "$2" > statement
    shift 2
    [ $# -eq 0 ] || printf '%s\n' "$@" >> statement
}
# The same by a server with a receipt key: RECEIPT CERTIFICATE, THEN AS ABOVE
state_two() {
    named=$(pin "$1")
    shift
    state "$@"
    sed "3a\\
receipt-key $named" statement > two
    mv two statement
}
sign() { # KEY, SALT LENGTH
    openssl dgst -sha256 -sign "$1" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:"$2" statement |
        openssl base64 -A > signature
}
assemble() { # SALT CERTIFICATES…
    with=$1
    shift
    { printf 'upseal receipt 1\nsalt %s\nsignature ' "$with"; cat signature; printf '\n\n'; cat statement; echo; cat "$@"; } > receipt
}

tried=0
accepts() { # WHAT, EXPECTED OUTPUT, ARGUMENTS…
    what=$1 expected=$2
    shift 2
    tried=$((tried + 1))
    if "$script" "$@" > said 2>&1 && grep -qF -- "$expected" said; then return; fi
    echo "not accepted, or without '$expected': $what" >&2
    cat said >&2
    exit 1
}
refuses() { # WHAT, EXPECTED REASON, ARGUMENTS…
    what=$1 expected=$2
    shift 2
    tried=$((tried + 1))
    code=0
    "$script" "$@" > said 2>&1 || code=$?
    if [ "$code" -eq 1 ] && grep -q "^refused: .*$expected" said && ! grep -q '^holds' said; then return; fi
    echo "not refused with 1 because of '$expected', but $code: $what" >&2
    cat said >&2
    exit 1
}
script=$OLDPWD/docs/check-receipt.sh
now=2026-11-22T14:41:43Z
good() {
    state "$(pin "$server")" "$now" "$(line 1 file 'a%20b.txt')" 'missing 2 quota' "$(line 3 other other)"
    sign "$own" 32
    assemble "$salt" "$server"
}

good
accepts "a good one" "holds: " file receipt "$ca"
accepts "its name" "number 1 of its connection, by cp2, 12 bytes, as a%20b.txt" file receipt "$ca"
accepts "its other file" "number 3 of its connection" other receipt "$ca"
accepts "its pin" "holds: " file receipt "$ca" "sha256:$(pin "$server")"
mkdir 'a b'; cp file 'a b/-n'; cp receipt 'a b/$x'; cp "$ca" 'a b/c*'
accepts "odd names" "holds: " 'a b/-n' 'a b/$x' 'a b/c*'
refuses "another pin" "another server's key" file receipt "$ca" "$(pin "$fixtures/trust/modern.crt")"

# The file.
printf 'hellO\n\000world' > altered
refuses "an altered byte of the file" "does not contain a file" altered receipt "$ca"
printf 'hello\n\000worl' > shorter
refuses "a shorter file" "does not contain a file" shorter receipt "$ca"
# The salt is not signed, but what was signed follows from it.
sed '2s/ 00/ 01/' receipt > changed
refuses "another salt" "does not contain a file" file changed "$ca"
sed '2s/ .*/ -/' receipt > changed
refuses "no salt" "does not contain a file" file changed "$ca"

# The statement, a digit in each of its lines.
signed="this key did not sign this statement"
for change in "6s/request ./request $(printf %s "$request" | cut -c1 | tr 0-9a-f 1-9a-f0)/" '8s/43Z/44Z/' \
    '9s/file 1/file 2/' '9s/cp2/cp1/' '9s/ 12 / 13 /' '9s/a%20b/a%20c/' '10s/quota/disk/' '10d' '9{h;G;}'; do
    sed "$change" receipt > changed
    ! cmp -s receipt changed || { echo "no change: $change" >&2; exit 1; }
    refuses "the statement after $change" "$signed" file changed "$ca"
done
sed "7s|key .*|key $(pin "$fixtures/trust/modern.crt")|" receipt > changed
refuses "another key in the statement" "names another key" file changed "$ca"
for change in '5s/1/2/' '6d' '8s/Z/+00:00/' '8d' '9s/file/File/' '10s/$/ /' '9s/ / \t/' '5i\
'; do
    sed "$change" receipt > changed
    refuses "no statement after $change" "" file changed "$ca"
done
sed 's/$/\r/' receipt > changed
refuses "CR LF" "not a receipt" file changed "$ca"
refuses "no receipt at all" "not a receipt" file "$server" "$ca"
: > empty
refuses "an empty one" "not a receipt" file empty "$ca"
printf 'upseal receipt 1\n\000' > changed
refuses "bytes of 0" "not text" file changed "$ca"

# The signature.
for at in 1 86 170; do
    good
    was=$(cut -c$at signature)
    sed "s/^\(.\{$((at - 1))\}\)./\1$(printf %s "$was" | tr 'A-Za-z0-9+/' 'B-ZAb-za1-90/+')/" signature > changed
    ! cmp -s signature changed || { echo "no change at $at" >&2; exit 1; }
    cp changed signature
    assemble "$salt" "$server"
    refuses "an altered character $at of the signature" "$signed" file receipt "$ca"
done
# 94 is what an answer to MODE 3 has with 1024 bits.
for length in 0 31 33 94; do
    good
    sign "$own" $length
    assemble "$salt" "$server"
    refuses "a salt of $length bytes in the signature" "$signed" file receipt "$ca"
done
good
openssl dgst -sha256 -sign "$own" statement | openssl base64 -A > signature
assemble "$salt" "$server"
refuses "PKCS #1 v1.5" "$signed" file receipt "$ca"

# The key and the certificate.
openssl genrsa -out another.pem 1024 2>/dev/null
good
sign another.pem 32
assemble "$salt" "$server"
refuses "signed with another key" "$signed" file receipt "$ca"
good
assemble "$salt" "$fixtures/trust/modern.crt"
refuses "the certificate of another server of this CA" "names another key" file receipt "$ca"
good
refuses "another CA" "is not valid under this CA" file receipt "$fixtures/trust/brief-ca.crt"
mkdir store
cp "$fixtures/trust/ca-1024.crt" "store/$(openssl x509 -in "$fixtures/trust/ca-1024.crt" -noout -hash).0"
assemble "$salt" "$fixtures/trust/by-ca-1024.crt"
export SSL_CERT_DIR="$work/store"
openssl verify -CAfile "$ca" "$fixtures/trust/by-ca-1024.crt" > said 2>&1 || { echo "this store is not asked" >&2; exit 1; }
refuses "a CA of the computer's own" "is not valid under this CA" file receipt "$ca"
unset SSL_CERT_DIR
for each in wrong-ca same-name sha1 md5 below; do
    assemble "$salt" "$fixtures/trust/$each.crt"
    refuses "trust/$each.crt" "is not valid under this CA" file receipt "$ca"
done
cat "$server" "$server" > two.crt
assemble "$salt" two.crt
refuses "two certificates" "not followed by one certificate" file receipt "$ca"
assemble "$salt" empty
refuses "no certificate" "not followed by one certificate" file receipt "$ca"
assemble "$salt" "$fixtures/trust/text.crt"
accepts "text before the certificate" "holds: " file receipt "$ca"

# The time: not today's, but the one that is stated.
for row in "2020-06-15T12:00:00Z accepts" "2020-12-31T23:59:59Z accepts" "2021-01-01T00:00:01Z refuses" "2019-12-31T23:59:59Z refuses"; do
    state "$(pin "$server")" "${row% *}" "$(line 1 file file)"
    sign "$own" 32
    assemble "$salt" "$fixtures/trust/expired.crt"
    case $row in
        *accepts) accepts "a certificate expired since: $row" "holds: " file receipt "$ca" ;;
        *) refuses "a certificate expired then: $row" "not valid at the stated time" file receipt "$ca" ;;
    esac
done
state "$(pin "$server")" 2031-01-01T00:00:00Z "$(line 1 file file)"
sign "$own" 32
assemble "$salt" "$fixtures/trust/brief.crt"
accepts "a CA that had expired then" "note: the CA's own certificate" file receipt "$fixtures/trust/brief-ca.crt"

# Without a salt, as in Plain and AP.
state "$(pin "$server")" "$now" "file 1 ap 12 $(sha256 < file) file"
sign "$own" 32
assemble - "$server"
accepts "a digest without salt" "by ap, 12 bytes" file receipt "$ca"

# By a server that does not tell under which name it keeps the file.
state "$(pin "$server")" "$now" "accepted 1 ap 12 $(sha256 < file) file"
sign "$own" 32
assemble - "$server"
accepts "a name that is not the stored one" "12 bytes, accepted as file" file receipt "$ca"

# 64 bytes that are a salt and a digest are not the file of that digest, and the reverse.
printf '%064d' 7 > long
# shellcheck disable=SC2059
{ printf "$salted_with"; openssl dgst -sha256 -binary long; } > 64bytes
state "$(pin "$server")" "$now" "file 1 ap 64 $(sha256 < 64bytes) file"
sign "$own" 32
assemble - "$server"
accepts "64 bytes by AP" "by ap, 64 bytes" 64bytes receipt "$ca"
assemble "$salt" "$server"
refuses "64 bytes by AP as a salt and a digest" "does not contain a file" long receipt "$ca"
state "$(pin "$server")" "$now" "$(line 1 long file)"
sign "$own" 32
assemble - "$server"
refuses "a salt and a digest as 64 bytes by CP2" "does not contain a file" 64bytes receipt "$ca"

# What a server signs and should not.
state "$(pin "$server")" "$now" "file 1 cp2 13 $(salted file) file"
sign "$own" 32
assemble "$salt" "$server"
refuses "another size with the right digest" "does not contain a file" file receipt "$ca"
state "$(pin "$server")" "$now" "$(line 1 file file)" "and much else"
sign "$own" 32
assemble "$salt" "$server"
refuses "more than files in the statement" "neither .file., .accepted. nor .missing." file receipt "$ca"
state "$(pin "$server")" "$now" "missing 1 quota"
sign "$own" 32
assemble "$salt" "$server"
refuses "a file that is missing there" "does not contain a file" file receipt "$ca"

# With a receipt key.
two() { # RECEIPT CERTIFICATE
    state_two "$1" "$(pin "$server")" "$now" "$(line 1 file file)"
    sign "$receipt_own" 32
    assemble "$salt" "$server" "$1"
}
two "$receipt_crt"
accepts "a receipt key" "holds: the receipt key of this server" file receipt "$ca" "sha256:$(pin "$server")"
accepts "its number" "receipt key: sha256:$(pin "$receipt_crt")" file receipt "$ca"
if grep -q warning said; then echo "a warning where a receipt key signed" >&2; exit 1; fi
two "$fixtures/receipts/receipts.crt"
accepts "a certificate for receipts" "holds: the receipt key of this server" file receipt "$ca"
refuses "the receipt key instead of the pin" "another server's key" file receipt "$ca" "$(pin "$receipt_crt")"
for row in "another-subject:another subject" "other-ca:is not valid under this CA" "expired:not valid at the stated time" \
    "v3:is a server certificate" "server-auth:for another use" "code-signing:for another use"; do
    two "$fixtures/receipts/${row%%:*}.crt"
    refuses "receipts/${row%%:*}.crt" "${row#*:}" file receipt "$ca"
done
two "$receipt_crt"
assemble "$salt" "$receipt_crt" "$receipt_crt"
refuses "the receipt key's certificate in both places" "names another key" file receipt "$ca"
assemble "$salt" "$receipt_crt" "$server"
refuses "the certificates in reverse order" "names another key" file receipt "$ca"
assemble "$salt" "$server"
refuses "only the server's certificate" "not followed by one certificate for each key" file receipt "$ca"
assemble "$salt" "$receipt_crt"
refuses "only the receipt key's certificate" "not followed by one certificate for each key" file receipt "$ca"
assemble "$salt" "$server" "$receipt_crt" "$receipt_crt"
refuses "three certificates" "not followed by one certificate for each key" file receipt "$ca"
assemble "$salt" "$server" "$server"
refuses "the server's certificate twice" "another receipt key" file receipt "$ca"
state_two "$server" "$(pin "$server")" "$now" "$(line 1 file file)"
sign "$own" 32
assemble "$salt" "$server" "$server"
refuses "the server's own key as its receipt key" "the receipt key is the server's own key" file receipt "$ca"
two "$receipt_crt"
sign "$own" 32
assemble "$salt" "$server" "$receipt_crt"
refuses "signed by the key that decrypts" "$signed" file receipt "$ca"
good
sign "$receipt_own" 32
assemble "$salt" "$server"
refuses "of one key, signed by a receipt key" "$signed" file receipt "$ca"
for length in 0 31 33 222; do
    two "$receipt_crt"
    sign "$receipt_own" $length
    assemble "$salt" "$server" "$receipt_crt"
    refuses "a receipt key's signature with a salt of $length bytes" "$signed" file receipt "$ca"
done
two "$receipt_crt"
for change in "8s/receipt-key ./receipt-key x/" '8s/receipt-key/Receipt-key/' '9s/Z/+00:00/' '8{h;G;}'; do
    sed "$change" receipt > changed
    ! cmp -s receipt changed || { echo "no change: $change" >&2; exit 1; }
    refuses "no statement after $change" "" file changed "$ca"
done
sed "8s|receipt-key .*|receipt-key $(pin "$server")|" receipt > changed
refuses "another receipt key in the statement" "names another receipt key" file changed "$ca"
two "$receipt_crt"
grep -v '^receipt-key' receipt > changed
refuses "the receipt key taken out" "not followed by one certificate for each key" file changed "$ca"
# The receipts of an earlier version.
for kind in cp2 ap; do
    accepts "before-$kind.receipt" "warning: signed by the server's decryption key" "$fixtures/receipts/before.txt" \
        "$fixtures/receipts/before-$kind.receipt" "$fixtures/receipts/before-ca.crt"
done

# What cannot be checked is neither.
for arguments in "" "file receipt" "none receipt $ca" "file none $ca" "file receipt none"; do
    code=0
    # shellcheck disable=SC2086 # Words.
    "$script" $arguments > said 2>&1 || code=$?
    [ "$code" -eq 2 ] || { echo "exit code $code with '$arguments'" >&2; cat said >&2; exit 1; }
done
echo "check-receipt.sh: $tried receipts judged as they should be"
