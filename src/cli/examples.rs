//! Worked examples, shown at the end of each `--help`. A test parses every line that begins with `upseal`.

pub(super) const UI: &str = "\
Examples:
  upseal                              the UI, with a server of its own
  upseal --to lab.example.org:4321 --ca lab-ca.crt ~/Documents
  upseal send report.pdf              no UI: send a file to 127.0.0.1:4321";

pub(super) const SEND: &str = "\
Examples:
  upseal send --to lab.example.org:4321 --ca lab-ca.crt report.pdf
  upseal send --peer lab --exclude '*.tmp' --dry-run notes
  upseal send --name report.log -                     standard input";

pub(super) const SERVE: &str = "\
Examples:
  upseal serve                                        on loopback, all variants
  upseal serve --ui --bind 0.0.0.0:4321 --accept cp2   for other computers, in the UI
  upseal serve --store inbox --prefix recv_ --once    for one client";

pub(super) const VERIFY: &str = "\
Examples:
  upseal verify report.pdf --receipt report.pdf.receipt
  upseal verify report.pdf --receipt report.pdf.receipt --ca lab-ca.crt
  upseal verify a.txt --receipt receipts/a.txt.receipt";

pub(super) const RACE: &str = "\
Examples:
  upseal race --lanes plain,ap,cp1,cp2 --generate 8MiB
  upseal race --lanes cp1/oaep/1024,cp1/pkcs1v15/4096 --repeat 3 photo.jpg
  upseal race --lanes cp2@10.0.0.7:4321,plain@10.0.0.7:4321 --report race.html photo.jpg";

pub(super) const LAB: &str = "\
Examples:
  upseal lab                     a table of all attacks
  upseal lab --json              one JSON object for each cell
  upseal lab --json | grep cp2   only one variant";

pub(super) const CERTS: &str = "\
Examples:
  upseal certs init                                   a CA and a server's keys, in certs
  upseal certs csr --cn lab --dir lab-certs           a key and a request for another CA
  upseal certs show certs/server_signed.crt --ca certs/cacsertificate.crt";

pub(super) const CERTS_INIT: &str = "\
Examples:
  upseal certs init
  upseal certs init --dir lab-certs --days 30
  upseal certs init --bits 1024                       the key size of the assignment";

pub(super) const CERTS_CSR: &str = "\
Examples:
  upseal certs csr --cn 'Group 7'
  upseal certs csr --cn lab --dir lab-certs
  upseal certs csr --receipts --dir lab-certs         for the receipt key of that server";

pub(super) const CERTS_SIGN: &str = "\
Examples:
  upseal certs sign lab-certs/server.csr              print the certificate
  upseal certs sign lab-certs/server.csr --out lab-certs/server_signed.crt --days 90
  upseal certs sign lab-certs/receipt.csr --ca ca.crt --ca-key ca.pem --out receipt_signed.crt";

pub(super) const CERTS_SHOW: &str = "\
Examples:
  upseal certs show certs/server_signed.crt
  upseal certs show certs/server_signed.crt --ca certs/cacsertificate.crt
  upseal certs show certs/receipt_signed.crt --ca certs/cacsertificate.crt";

pub(super) const HEALTH: &str = "\
Examples:
  upseal health 10.0.0.7:4321 --ca lab-ca.crt
  upseal health upseal://10.0.0.7#sha256-9f2c0000000000000000000000000000000000000000000000000000000000aa
  upseal health lab.example.org:4321 --ca lab-ca.crt --json";

pub(super) const PROBE: &str = "\
Examples:
  upseal probe 10.0.0.7:4321 --ca their-ca.crt
  upseal probe 10.0.0.7:4321 --ca their-ca.crt --save theirs
  upseal probe 10.0.0.7:4321 --wait 0 --json";

pub(super) const PEERS: &str = "\
Examples:
  upseal peers
  upseal peers save lab --to lab.example.org:4321 --ca lab-ca.crt
  upseal peers remove lab";

pub(super) const PEERS_LIST: &str = "\
Examples:
  upseal peers list
  upseal peers list --json
  upseal peers list --json | jq .name                 only the names";

pub(super) const PEERS_SAVE: &str = "\
Examples:
  upseal peers save lab --to lab.example.org:4321 --ca lab-ca.crt
  upseal peers save lab --to lab.example.org:4321 -p cp1 --framing D --force
  upseal peers save test --to 127.0.0.1:4321 -p plain";

pub(super) const PEERS_REMOVE: &str = "\
Examples:
  upseal peers remove lab
  upseal peers remove test
  upseal peers remove c.example.org";

pub(super) const KNOWN_LIST: &str = "\
Examples:
  upseal known list
  upseal known list --json
  upseal known list --json | jq .address              only the addresses";

pub(super) const KNOWN_ACCEPT: &str = "\
Examples:
  upseal known accept lab.example.org:4321            accept the key that was refused last
  upseal known accept upseal://lab:4321#sha256-41accaed7fe0e9fa3f2c0d6d5b8a17c47564746c4fdeb19b2daeb1f360951c9e
  upseal known accept lab:4321 sha256:41accaed7fe0e9fa3f2c0d6d5b8a17c47564746c4fdeb19b2daeb1f360951c9e";

pub(super) const KNOWN_REMOVE: &str = "\
Examples:
  upseal known remove lab.example.org:4321
  upseal known remove upseal://lab:4321#sha256-41accaed7fe0e9fa3f2c0d6d5b8a17c47564746c4fdeb19b2daeb1f360951c9e
  upseal known remove [2001:db8::7]:4321";

pub(super) const KNOWN: &str = "\
Examples:
  upseal known
  upseal known accept lab.example.org:4321            accept the key that was refused last
  upseal known remove lab.example.org:4321";

pub(super) const HISTORY: &str = "\
Examples:
  upseal history --since '3 days' --failed
  upseal history --received --name report
  upseal history --limit 0 --csv";

pub(super) const AUDIT: &str = "\
Examples:
  upseal audit
  upseal audit --store inbox --receipts receipts
  upseal audit --accept edited.txt";

pub(super) const COMPLETIONS: &str = "\
Examples:
  upseal completions bash > ~/.local/share/bash-completion/completions/upseal
  upseal completions zsh > ~/.zfunc/_upseal           in a folder of $fpath
  upseal completions fish > ~/.config/fish/completions/upseal.fish";

pub(super) const MAN: &str = "\
Examples:
  upseal man ~/.local/share/man/man1
  upseal man man1   then: man -l man1/upseal-send.1
  upseal man /usr/local/share/man/man1";

pub(super) const CONFIG: &str = "\
Examples:
  upseal config init
  upseal config path
  upseal config path | xargs cat";

pub(super) const CONFIG_INIT: &str = "\
Examples:
  upseal config init                                  in the user's configuration folder
  upseal config init   with UPSEAL_CONFIG=lab.toml in the environment: another file
  upseal config init   then: $EDITOR \"$(upseal config path)\"";

pub(super) const CONFIG_PATH: &str = "\
Examples:
  upseal config path                                  also of a file that does not exist
  upseal config path | xargs cat
  upseal config path > where.txt";
