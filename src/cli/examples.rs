//! Worked examples, shown at the end of each `--help`. A test parses every line that begins with `upseal`.

pub(super) const UI: &str = "\
Examples:
  upseal                              the UI, with a server of its own
  upseal --to lab.example.org:4321 --ca lab-ca.crt ~/Documents
  upseal send report.pdf              no UI: send a file to 127.0.0.1:4321";

pub(super) const SEND: &str = "\
Examples:
  upseal send --to lab.example.org:4321 --ca lab-ca.crt report.pdf
  upseal send --peer lab -p cp1 --framing D a.txt b.txt
  upseal send --receipts receipts --skip-receipted a.txt b.txt";

pub(super) const SERVE: &str = "\
Examples:
  upseal serve                                        on loopback, all variants
  upseal serve --bind 0.0.0.0:4321 --accept cp2       for other computers
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

pub(super) const KNOWN: &str = "\
Examples:
  upseal known
  upseal known accept lab.example.org:4321            take the key that was refused last
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
