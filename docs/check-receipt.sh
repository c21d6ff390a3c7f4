#!/bin/sh
# Checks a receipt without upseal (docs/receipts.md):
#
#     check-receipt.sh FILE RECEIPT CA [PIN]
#
# FILE     the file that was sent
# RECEIPT  the receipt that upseal kept
# CA       the CA's certificate, PEM, from a party other than the server
# PIN      SHA-256 of the expected server's key, hexadecimal, with or without `sha256:`
#
# Exit code 0: the receipt is valid, and stdout shows what it states. 1: it is not, and stderr says why.
# 2: it could not be checked. Needs OpenSSL 1.1.1 or later, sha256sum, sed and awk.
set -eu
LC_ALL=C
export LC_ALL

refuse() { echo "refused: $*" >&2; exit 1; }
give_up() { echo "check-receipt.sh: $*" >&2; exit 2; }

[ $# -eq 3 ] || [ $# -eq 4 ] || give_up "usage: check-receipt.sh FILE RECEIPT CA [PIN]"
for tool in openssl sha256sum sed awk tr wc mktemp; do
    command -v "$tool" >/dev/null 2>&1 || give_up "$tool is missing"
done
file=$1 receipt=$2 ca=$3 pin=${4-}
for each in "$file" "$receipt" "$ca"; do
    [ -f "$each" ] && [ -r "$each" ] || give_up "cannot read $each"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

# Succeeds if the text $1 is one line that matches the expression $2.
is() { [ "$(printf '%s\n' "$1" | sed -n "\\|^$2\$|p")" = "$1" ] && [ -n "$1" ]; }
# Prints the bytes of hexadecimal digits.
bytes() {
    # shellcheck disable=SC2059 # The format is made of escapes.
    printf "$(printf '%s\n' "$1" | awk '{
        for (i = 1; i < length($0); i += 2)
            printf "\\%03o", 16 * (index("0123456789abcdef", substr($0, i, 1)) - 1) \
                + index("0123456789abcdef", substr($0, i + 1, 1)) - 1
    }')"
}
sha256() { sha256sum | sed 's/ .*//'; }
hex='[0-9a-f]\{64\}'
number='[1-9][0-9]\{0,19\}'

# 1. The receipt has three parts, with an empty line between them.
[ "$(tr -dc '\000' < "$receipt" | wc -c)" -eq 0 ] || refuse "not a receipt: it is not text"
: > "$work/head"; : > "$work/statement"; : > "$work/certificate"
awk -v to="$work" '
    part < 2 && $0 == "" { part++; next }
    { print > (to (part == 0 ? "/head" : part == 1 ? "/statement" : "/certificate")) }
' "$receipt"
[ "$(sed -n 1p "$work/head")" = "upseal receipt 1" ] || refuse "not a receipt: its first line is not \`upseal receipt 1\`"
[ "$(wc -l < "$work/head")" -eq 3 ] || refuse "not a receipt: three lines and an empty one must come first"
salt=$(sed -n '2s/^salt //p' "$work/head")
[ "$salt" = - ] || is "$salt" "$hex" || refuse "not a receipt: its second line is not \`salt\` and 64 digits or \`-\`"
signature=$(sed -n '3s/^signature //p' "$work/head")
is "$signature" '[A-Za-z0-9+/]*=*' || refuse "not a receipt: its third line is not \`signature\` and base64"
printf '%s' "$signature" | openssl base64 -d -A > "$work/signature"

# 2. The second part is exactly one statement.
[ "$(sed -n 1p "$work/statement")" = "upseal/1 stored" ] || refuse "the statement does not begin with \`upseal/1 stored\`"
is "$(sed -n 2p "$work/statement")" "request $hex" || refuse "the statement's second line is not \`request\` and 64 digits"
stated=$(sed -n '3s/^key //p' "$work/statement")
is "$stated" "$hex" || refuse "the statement's third line is not \`key\` and 64 digits"
# A server with a receipt key has one more line.
head=4
receipt_key=$(sed -n '4s/^receipt-key //p' "$work/statement")
if [ -n "$receipt_key" ]; then
    is "$receipt_key" "$hex" || refuse "the statement's fourth line is not \`receipt-key\` and 64 digits"
    head=5
fi
time=$(sed -n "${head}s/^time //p" "$work/statement")
is "$time" '[0-9]\{4\}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z' ||
    refuse "the statement's line $head is not \`time\` in UTC to the second"
others=$(sed -e "1,${head}d" -e 's/^accepted /file /' -e "/^file $number [a-z0-9]* [0-9]* $hex [-A-Za-z0-9._~%]*\$/d" \
    -e "/^missing $number [-a-z]*\$/d" "$work/statement" | wc -l)
[ "$others" -eq 0 ] || refuse "the statement has a line that is neither \`file\`, \`accepted\` nor \`missing\`"

# 3. The CA signed the certificates: the server's and, if the statement names one, its receipt key's. The current time
# does not matter, because receipts outlive certificates.
begin="-----BEGIN CERTIFICATE-----"
expected=$begin
[ -z "$receipt_key" ] || expected="$begin
$begin"
[ "$(sed -n '/^-----BEGIN /p' "$work/certificate" | tr -d '\r')" = "$expected" ] ||
    refuse "the statement is not followed by one certificate for each key that it names"
: > "$work/server.txt"; : > "$work/receipts.txt"
awk -v to="$work" '
    { print > (to (ended ? "/receipts.txt" : "/server.txt")) }
    /^-----END CERTIFICATE-----/ { ended = 1 }
' "$work/certificate"
openssl x509 -in "$work/server.txt" -out "$work/server.pem" 2>/dev/null || refuse "the certificate cannot be read"
[ -z "$receipt_key" ] || openssl x509 -in "$work/receipts.txt" -out "$work/receipts.pem" 2>/dev/null ||
    refuse "the receipt key's certificate cannot be read"
# Only this CA counts: without -no-CApath and -no-CAstore (OpenSSL 3) the CAs of the computer count too.
# Level 1: neither SHA-1 nor MD5, and no key below 1024 bits.
only=-no-CApath
[ -z "$(openssl verify -help 2>&1 | sed -n '/-no-CAstore/p')" ] || only="-no-CApath -no-CAstore"
verify() { # CERTIFICATE, CA, OPTIONS…
    one=$1 anchor=$2
    shift 2
    # shellcheck disable=SC2086 # Several words.
    openssl verify "$@" -auth_level 1 $only -CAfile "$anchor" "$one" 2>&1
}
seconds=$(echo "$time" | awk -F '[-T:Z]' '{
    # Days since 1970-01-01, with years that begin in March.
    y = $1; m = $2; if (m < 3) { y--; m += 12 }
    days = 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + $3 - 719469
    printf "%d", 86400 * days + 3600 * $4 + 60 * $5 + $6
}')
certified() { # CERTIFICATE, WHAT
    said=$(verify "$1" "$ca" -no_check_time) ||
        refuse "$2 is not valid under this CA: $(echo "$said" | sed -n '/^error [0-9]/p' | tr '\n' ' ')"
    # With the certificate as its own CA, only its own dates count.
    verify "$1" "$1" -partial_chain -attime "$seconds" >/dev/null ||
        refuse "$2 was not valid at the stated time, $time"
}
certified "$work/server.pem" "the certificate"
verify "$work/server.pem" "$ca" -attime "$seconds" >/dev/null ||
    echo "note: the CA's own certificate was not valid at the stated time, $time" >&2
extended() { openssl x509 -in "$1" -noout -text | awk 'found { print; exit } /X509v3 Extended Key Usage/ { found = 1 }'; }
usage() { openssl x509 -in "$1" -noout -text | awk 'found { print; exit } /X509v3 Key Usage/ { found = 1 }'; }
any='Any Extended Key Usage'
case $(extended "$work/server.pem") in
    "" | *"TLS Web Server Authentication"* | *"$any"*) ;;
    *) refuse "the certificate is not a server certificate" ;;
esac

# 4. The key is the one that the statement and the pin name.
key_of() { # CERTIFICATE, OUTPUT
    openssl x509 -in "$1" -noout -pubkey > "$2"
    openssl pkey -pubin -in "$2" -outform DER | sha256
}
key=$(key_of "$work/server.pem" "$work/key.pem")
[ "$key" = "$stated" ] || refuse "the statement names another key than the certificate's: $stated, not $key"
pin=$(printf '%s' "${pin#sha256:}" | tr A-F a-f)
[ -z "$pin" ] || [ "$key" = "$pin" ] || refuse "this is another server's key: $key, not $pin"
if [ -n "$receipt_key" ]; then
    certified "$work/receipts.pem" "the receipt key's certificate"
    found=$(key_of "$work/receipts.pem" "$work/receipt-key.pem")
    [ "$found" = "$receipt_key" ] ||
        refuse "the statement names another receipt key than the certificate's: $receipt_key, not $found"
    [ "$found" != "$key" ] || refuse "the receipt key is the server's own key"
    subject() { openssl x509 -in "$1" -noout -subject -nameopt RFC2253,-esc_msb,utf8; }
    [ "$(subject "$work/receipts.pem")" = "$(subject "$work/server.pem")" ] ||
        refuse "the receipt key is certified for another subject than the server's key"
    # Document signing (RFC 9336). Without an extended key usage, at least the key must not decrypt.
    case $(extended "$work/receipts.pem") in
        *1.3.6.1.5.5.7.3.36* | *"Document Signing"* | *"document signing"* | *"$any"*) ;;
        "") case $(usage "$work/receipts.pem") in *Encipherment*) refuse "the receipt key's certificate is a server certificate" ;; esac ;;
        *) refuse "the receipt key's certificate is for another use" ;;
    esac
    bits=$(openssl pkey -pubin -in "$work/receipt-key.pem" -noout -text | sed -n '1s/[^0-9]*\([0-9]*\) bit.*/\1/p')
    [ "${bits:-0}" -ge 2048 ] || refuse "unsupported size of the receipt key: ${bits:-0} bits (minimum: 2048)"
    mv "$work/receipt-key.pem" "$work/key.pem"
fi

# 5. That key signed the statement as a receipt: PSS with a salt of exactly 32 bytes.
openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256 \
    -verify "$work/key.pem" -signature "$work/signature" "$work/statement" >/dev/null 2>&1 ||
    refuse "this key did not sign this statement as a receipt"

# 6. The statement is about this file.
size=$(($(wc -c < "$file")))
digest=$(sha256 < "$file")
[ "$salt" = - ] || digest=$({ bytes "$salt"; bytes "$digest"; } | sha256)
# Compared as text, because awk treats 1e5 and 10e4 as equal. Only digests of CP1 and CP2 are salted: otherwise 64 bytes
# could be a file, or a salt and another file's digest.
awk -v size="$size" -v digest="$digest" -v salt="$salt" '
    ($1 == "file" || $1 == "accepted") && $4 "" == size "" && $5 "" == digest "" && (salt == "-") == ($3 == "plain" || $3 == "ap")
' "$work/statement" > "$work/found"
[ -s "$work/found" ] || refuse "the statement does not contain a file with these $size bytes"

if [ -n "$receipt_key" ]; then
    echo "holds: the receipt key of this server signed that the file is stored"
else
    echo "holds: the key of this certificate signed that the file is stored"
    echo "warning: signed by the server's decryption key; if that server ever accepted PKCS #1 v1.5, an attacker could" \
        "forge such a signature with some hundred thousand queries" >&2
fi
openssl x509 -in "$work/server.pem" -noout -subject -issuer -nameopt RFC2253 | sed 's/ *= */: /'
echo "key: sha256:$key"
[ -z "$receipt_key" ] || echo "receipt key: sha256:$receipt_key"
[ -n "$pin" ] || echo "(the CA certified other keys too: compare this one with what the server's operator says)"
echo "time: $time, by the server's clock"
awk '{
    how = $1 == "file" ? ", as " : ", accepted as "
    print "file: number " $2 " of its connection, by " $3 ", " $4 " bytes" how $6
}' "$work/found"
