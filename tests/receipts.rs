//! Receipts, from the upload to whoever checks one later; and everybody who would like to make one up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod program;

use std::sync::Arc;

use common::{
    Client, Files, Host, IDENTITY, PATIENCE, Peer, ca, contents, fixtures, listen, message, noise, words,
};
use program::{Home, events, words as line};
use rustix::process::Signal;
use upseal::crypto::identity::Identity;
use upseal::crypto::receipt::{Entry, Fate, Reason, Receipt, Request, Statement, salted, verify};
use upseal::crypto::receipt_key::ReceiptKey;
use upseal::digest::Digest;
use upseal::event::{Command, Dialect, FaultKind, Named, State, Variant};
use upseal::history::{Direction, Entry as Row, Filter, History, Outcome, PendingReceipt, Sent};
use upseal::meter::Meter;
use upseal::net::connection::Connection;
use upseal::net::service::Policy;
use upseal::net::stream::{Interrupter, Tcp};
use upseal::net::upload::{Confirmation, Content, Upload, UploadError};
use upseal::transfer::Options;
use upseal::trust::Anchor;
use upseal::trust::known::KnownServers;

fn anchor() -> Anchor {
    Anchor::load(&ca()).unwrap()
}

/// An upload over a connection of its own that has sent one file and closes nothing.
fn sent(address: &str, dialect: Dialect, content: &[u8]) -> Upload {
    let tcp = Tcp::connect(address, PATIENCE, &Interrupter::default()).unwrap();
    let mut upload = Upload::new(Connection::new(Box::new(tcp), PATIENCE), dialect);
    if dialect.variant.authenticates() {
        upload.prove(&anchor(), None).unwrap();
    }
    if dialect.variant == Variant::Cp2 {
        upload.agree().unwrap();
    }
    upload.file("a.bin", Content::Reader(&mut &*content), content.len() as u64, &Meter::default()).unwrap();
    upload
}

#[test]
fn a_receipt_says_what_is_on_the_disk() {
    let host = Host::start();
    let content = noise(1000, 1);
    for variant in Variant::ALL {
        let mut upload = sent(&host.address().to_string(), Dialect::of(variant), &content);
        let Confirmation::Receipt(receipt) = upload.receipts(1..=1, Some(&anchor())).unwrap() else {
            panic!("{variant}: no receipt")
        };
        let Fate::Stored { protocol, size, digest, name, .. } = &receipt.statement.entries[0].fate else {
            panic!("{variant}: {:?}", receipt.statement)
        };
        assert_eq!((*protocol, *size, name.as_str()), (variant, 1000, "a.bin"));
        // Where the content is secret its digest is, too.
        assert_eq!(receipt.salt.is_some(), variant.is_secret());
        assert_eq!(*digest == Digest::of(&content), !variant.is_secret());
        assert_eq!(*digest, salted(receipt.salt.as_deref(), Digest::of(&content)));
        let signer = IDENTITY.receipt_key().unwrap().public();
        assert!(verify(signer, &receipt.text, &receipt.signature));
        assert!(
            !verify(&IDENTITY.server_key(), &receipt.text, &receipt.signature),
            "not the key that decrypts"
        );
        assert_eq!(receipt.statement.key, IDENTITY.server_key().fingerprint());
        assert_eq!(receipt.statement.receipt_key, Some(signer.fingerprint()));
        assert_eq!(receipt.find(Digest::of(&content), 1000), [(1, "a.bin".to_owned())]);
        assert_eq!(Receipt::parse(&receipt.to_text()), Ok(*receipt));
    }
    assert_eq!(host.stored(), Files::one("a.bin", &content));
}

#[test]
fn what_is_not_there_is_missing_and_a_race_is_policy() {
    let host = Host::start();
    let mut upload = sent(&host.address().to_string(), Dialect::of(Variant::Cp2), b"hello");
    let meter = Meter::default();
    upload.file("race-cp2-a.bin", Content::Reader(&mut &b"fast"[..]), 4, &meter).unwrap();
    let Confirmation::Receipt(receipt) = upload.receipts(1..=4, None).unwrap() else { panic!("no receipt") };
    let fates: Vec<&Fate> = receipt.statement.entries.iter().map(|entry| &entry.fate).collect();
    assert!(matches!(
        fates[..],
        [
            Fate::Stored { .. },
            Fate::Missing(Reason::Policy),
            Fate::Missing(Reason::NotStored),
            Fate::Missing(Reason::NotStored)
        ]
    ));
}

/// What a server answers in the place of ours: a statement and a signature.
type Forge<'a> = &'a (dyn Fn(&Request, &Statement) -> (String, Vec<u8>) + Sync);

/// A client whose server is genuine until it is asked for a receipt, and then answers by `forge`, with its own
/// certificates.
fn forged(forge: Forge) -> Result<Confirmation, UploadError> {
    forged_with(forge, &[IDENTITY.certificate_pem(), receipt_key().certificate_pem()].concat())
}

/// The same with other certificates.
fn forged_with(forge: Forge, certificates: &[u8]) -> Result<Confirmation, UploadError> {
    let (listener, _) = listen();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut peer: Peer = common::accept(&listener);
            assert_eq!(peer.read(8), words(&[3]));
            let hello = peer.read_blob();
            answer(&mut peer, &IDENTITY.sign(&hello).unwrap(), IDENTITY.certificate_pem());
            assert_eq!(peer.read(8), words(&[0]));
            peer.read_blob();
            assert_eq!(peer.read(8), words(&[1]));
            let content = peer.read_blob();
            assert_eq!(peer.read(8), words(&[3]));
            let request = Request::parse(&peer.read_blob()).unwrap();
            assert_eq!(request.hello, Some(Digest::of(&hello)));
            let salt = request.sealed_salt.as_ref().map(|sealed| IDENTITY.open_receipt_salt(sealed).0);
            let fate = Fate::Stored {
                protocol: Variant::Ap,
                size: content.len() as u64,
                digest: salted(salt.as_deref(), Digest::of(&content)),
                name: "a.bin".to_owned(),
                named: Named::Stored,
            };
            let genuine = Statement {
                request: request.digest(),
                key: IDENTITY.server_key().fingerprint(),
                receipt_key: Some(receipt_key().public().fingerprint()),
                time: 1_800_000_000,
                entries: vec![Entry { ordinal: 1, fate }],
            };
            let (text, signature) = forge(&request, &genuine);
            let blob = [text.as_bytes(), certificates].concat();
            answer(&mut peer, &signature, &blob);
            drop(peer.hang_up());
        });
        sent(&address, Dialect::of(Variant::Ap), b"hello").receipts(1..=1, None)
    })
}

fn answer(peer: &mut Peer, signature: &[u8], certificate: &[u8]) {
    for blob in [signature, certificate] {
        peer.send(&[words(&[blob.len() as u64]), blob.to_vec()].concat());
    }
}

fn receipt_key() -> &'static ReceiptKey {
    IDENTITY.receipt_key().unwrap()
}

fn sign(text: &str) -> Vec<u8> {
    receipt_key().sign(text.as_bytes()).unwrap()
}

/// What an attacker can have who found out which blocks the server's own key decrypts.
fn sign_with_the_key_that_decrypts(text: &str) -> Vec<u8> {
    IDENTITY.sign_receipt(text.as_bytes()).unwrap()
}

#[test]
fn a_genuine_receipt_is_believed_and_a_plain_signature_is_none() {
    let genuine = forged(&|_, statement| (statement.to_text(), sign(&statement.to_text())));
    assert!(matches!(genuine, Ok(Confirmation::Receipt(_))), "{genuine:?}");
    // A server with one key, as every server of earlier versions was.
    let only_key = |_: &Request, statement: &Statement| {
        let text = Statement { receipt_key: None, ..statement.clone() }.to_text();
        let signature = sign_with_the_key_that_decrypts(&text);
        (text, signature)
    };
    let genuine = forged_with(&only_key, IDENTITY.certificate_pem());
    assert!(matches!(genuine, Ok(Confirmation::Receipt(_))), "{genuine:?}");
    // A server of other people signs the request as it signs anything.
    let plain = forged(&|request, _| (String::new(), IDENTITY.sign(request.to_text().as_bytes()).unwrap()));
    assert_eq!(plain.unwrap(), Confirmation::Answer);
}

#[test]
fn nobody_makes_a_receipt_up() {
    let other = |change: &(dyn Fn(&mut Statement) + Sync)| {
        forged(&|_, statement| {
            let mut statement = statement.clone();
            change(&mut statement);
            (statement.to_text(), sign(&statement.to_text()))
        })
    };
    let lies: Vec<(&str, Result<Confirmation, UploadError>)> = vec![
        ("of another request", other(&|statement| statement.request = Digest([1; 32]))),
        ("of another key", other(&|statement| statement.key = Digest([1; 32]))),
        ("of another receipt key", other(&|statement| statement.receipt_key = Some(Digest([1; 32])))),
        ("of one key, signed by the receipt key", other(&|statement| statement.receipt_key = None)),
        (
            "signed by the key that decrypts",
            forged(&|_, statement| {
                let text = statement.to_text();
                let signature = sign_with_the_key_that_decrypts(&text);
                (text, signature)
            }),
        ),
        ("of another ordinal", other(&|statement| statement.entries[0].ordinal = 2)),
        ("of no file", other(&|statement| statement.entries.clear())),
        (
            // A man in the middle has a server sign a `stored` text that signs whatever it is told.
            "signed as an answer to MODE 3",
            forged(&|_, statement| {
                let text = statement.to_text();
                let signature = IDENTITY.sign(text.as_bytes()).unwrap();
                (text, signature)
            }),
        ),
        (
            "altered after it was signed",
            forged(&|_, statement| {
                let signature = sign(&statement.to_text());
                (statement.to_text().replace("a.bin", "b.bin"), signature)
            }),
        ),
        ("with no signature", forged(&|_, statement| (statement.to_text(), vec![0; 128]))),
        (
            "signed by another server",
            forged(&|_, statement| {
                let (stranger, _) = upseal::crypto::authority::throwaway().unwrap();
                let text = statement.to_text();
                let signature = stranger.receipt_key().unwrap().sign(text.as_bytes()).unwrap();
                (text, signature)
            }),
        ),
        ("that is a signature over something else", forged(&|_, _| (String::new(), sign("anything")))),
    ];
    for (what, result) in lies {
        let error = result.err().unwrap_or_else(|| panic!("believed a receipt {what}"));
        assert!(matches!(error, UploadError::Receipt(_)), "{what}: {error}");
        assert_eq!(error.fault().kind, FaultKind::Unproven, "{what}");
    }
}

/// Each is signed by the key of these certificates, and names it: only the certificate is wrong.
#[test]
fn a_receipt_key_is_the_servers_by_the_word_of_the_ca() {
    let genuine = |_: &Request, statement: &Statement| (statement.to_text(), sign(&statement.to_text()));
    let with = |name: &str| {
        let certificate = std::fs::read(fixtures("receipts").join(name)).unwrap();
        forged_with(&genuine, &[IDENTITY.certificate_pem(), &certificate].concat())
    };
    let good = with("receipts.crt");
    assert!(matches!(good, Ok(Confirmation::Receipt(_))), "{good:?}");
    for (name, why) in [
        (
            "another-subject.crt",
            "is certified for CN=TEST another server,O=TEST,C=SG, and the server is CN=TEST server",
        ),
        ("other-ca.crt", "was issued by CN=TEST other CA"),
        ("expired.crt", "expired on 2021-01-01"),
        ("v3.crt", "its key usage allows decryption"),
        ("server-auth.crt", "its extended key usage does not hold documentSigning"),
        ("code-signing.crt", "its extended key usage does not hold documentSigning"),
    ] {
        let error = with(name).err().unwrap_or_else(|| panic!("believed {name}"));
        assert!(error.to_string().contains(why), "{name}: {error}");
        assert_eq!(error.fault().kind, FaultKind::Unproven, "{name}");
    }
    for (what, certificates, why) in [
        ("no receipt key's certificate", IDENTITY.certificate_pem().to_vec(), "a certificate is missing"),
        (
            "the server's certificate twice",
            [IDENTITY.certificate_pem(), IDENTITY.certificate_pem()].concat(),
            "a receipt key: 1024 bits",
        ),
        (
            "the receipt key's certificate first",
            [receipt_key().certificate_pem(), IDENTITY.certificate_pem()].concat(),
            "a receipt key: 1024 bits",
        ),
        (
            "the receipt key's certificate twice",
            [receipt_key().certificate_pem(), receipt_key().certificate_pem()].concat(),
            "the receipt key is the server's own key",
        ),
    ] {
        let error = forged_with(&genuine, &certificates).err().unwrap_or_else(|| panic!("believed {what}"));
        assert!(error.to_string().contains(why), "{what}: {error}");
    }
}

/// Another server of the same CA and the same subject has a receipt key, too.
#[test]
fn the_certificate_beside_the_statement_is_that_of_the_server_that_proved_itself() {
    let (stranger, key) = (fixtures("receipts/same-subject.crt"), receipt_key());
    let stranger = std::fs::read(stranger).unwrap();
    let named = upseal::trust::key(&stranger).unwrap().fingerprint();
    let consistent = |_: &Request, statement: &Statement| {
        let text = Statement { key: named, ..statement.clone() }.to_text();
        (text.clone(), sign(&text))
    };
    let error = forged_with(&consistent, &[&stranger, key.certificate_pem()].concat()).unwrap_err();
    assert!(error.to_string().contains("another key than the one that proved itself"), "{error}");
}

#[test]
fn no_server_proves_itself_by_the_certificate_of_a_receipt_key() {
    let read = |path: &str| std::fs::read_to_string(fixtures(path)).unwrap();
    let (certificate, key) = (read("receipts/receipts.crt"), read("identity-v1/receipt_private_key.pem"));
    let identity = Identity::from_pem(&certificate, &key).unwrap();
    let host = Host::of(Policy::default(), Some(Arc::new(identity)));
    let tcp = Tcp::connect(&host.address().to_string(), PATIENCE, &Interrupter::default()).unwrap();
    let mut upload = Upload::new(Connection::new(Box::new(tcp), PATIENCE), Dialect::of(Variant::Cp2));
    let error = upload.prove(&anchor(), None).unwrap_err();
    assert!(error.to_string().contains("its extended key usage does not hold serverAuth"), "{error}");
    assert_eq!(error.fault().kind, FaultKind::Unproven);
}

#[test]
fn every_line_of_a_statement_is_signed() {
    for line in 0..6 {
        let result = forged(&|_, statement| {
            let text = statement.to_text();
            let signature = sign(&text);
            // Another value that is as well-formed: a digit, or a letter of the name.
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let swapped = match line {
                0 => lines[0].replace("stored", "stores"),
                4 => lines[4].replace("08:00:00", "08:00:01"),
                5 => lines[5].replace("a.bin", "c.bin"),
                n => {
                    let last = lines[n].pop().unwrap();
                    format!("{}{}", lines[n], if last == '0' { '1' } else { '0' })
                }
            };
            lines[line] = swapped;
            (lines.join("\n") + "\n", signature)
        });
        assert!(matches!(result, Err(UploadError::Receipt(_))), "line {}: {result:?}", line + 1);
    }
}

#[test]
fn our_server_signs_nothing_that_could_be_a_receipt() {
    let mut host = Host::start();
    let statement = Statement {
        request: Digest([1; 32]),
        key: IDENTITY.server_key().fingerprint(),
        receipt_key: Some(receipt_key().public().fingerprint()),
        time: 1_800_000_000,
        entries: vec![Entry { ordinal: 1, fate: Fate::Missing(Reason::Quota) }],
    };
    let (request, _) = Request::new(Some(Digest([9; 32])), 1..=1, None).unwrap();
    let of_another_connection = request.to_text();
    for text in
        [statement.to_text().as_str(), "upseal/1 receipt\n", "upseal/1 anything", &of_another_connection]
    {
        let mut peer = Peer::connect(host.address());
        peer.send(&message(3, text.as_bytes()));
        assert_eq!(peer.read_to_end(), (vec![0xff], false), "{text}");
    }
    host.stop();
    assert_eq!(host.events.refusals().len(), 4);
}

/// An eavesdropper has the statement and a guess at the file.
#[test]
fn a_guess_at_the_file_cannot_be_confirmed() {
    let host = Host::start();
    let mut digests = Vec::new();
    for _ in 0..2 {
        let mut upload = sent(&host.address().to_string(), Dialect::of(Variant::Cp2), b"the guess");
        let Confirmation::Receipt(receipt) = upload.receipts(1..=1, None).unwrap() else {
            panic!("no receipt")
        };
        assert!(!receipt.text.contains(&Digest::of(b"the guess").to_string()));
        let Fate::Stored { digest, .. } = receipt.statement.entries[0].fate else { panic!("missing") };
        digests.push(digest);
    }
    assert_ne!(digests[0], digests[1], "the same file has another digest each time");
}

#[test]
fn what_is_altered_on_the_way_is_said_and_named() {
    // A relay that changes the content, which AP does not notice.
    let host = Host::start();
    let (listener, target) = listen();
    let mut client = Client::start();
    client.write("a.txt", b"hullo");
    client.upload(&["a.txt"], &target, Dialect::of(Variant::Ap));
    let address = host.address();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            use std::io::{Read as _, Write as _};
            let mut inside = common::accept(&listener).0;
            let mut outside = std::net::TcpStream::connect(address).unwrap();
            let (mut back_in, mut back_out) = (outside.try_clone().unwrap(), inside.try_clone().unwrap());
            let back = std::thread::spawn(move || {
                let _ = std::io::copy(&mut back_in, &mut back_out);
            });
            let mut bytes = vec![0; 65_536];
            while let Ok(n @ 1..) = inside.read(&mut bytes) {
                let piece = &mut bytes[..n];
                if let Some(at) = piece.windows(5).position(|window| window == b"hullo") {
                    piece[at] = b'j';
                }
                if outside.write_all(piece).is_err() {
                    break;
                }
            }
            let _ = outside.shutdown(std::net::Shutdown::Write);
            back.join().unwrap();
        });
        let State::Failed(fault) = client.finish(1) else { panic!("it was believed") };
        assert_eq!(fault.kind, FaultKind::Broken);
        assert!(fault.what.starts_with("altered on the way: it has another SHA-256 there"), "{fault}");
        assert!(fault.what.ends_with("the server's copy is a.txt"), "{fault}");
        client.shut_down();
    });
    assert_eq!(host.stored(), Files::one("a.txt", b"jullo"));
}

#[test]
fn a_receipt_is_kept_and_verified_offline() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
    let address = server.address();
    let ca = ca().to_str().unwrap().to_owned();
    let values = [("server", address.as_str()), ("ca", ca.as_str())];
    std::fs::create_dir(home.path("recv_files")).ok();
    std::fs::write(home.path("recv_files/a.txt"), "another of that name").unwrap();
    let sent =
        home.start(line("send --json --receipts kept --to {server} --ca {ca} a.txt b.txt", &values)).finish();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let states = events(&sent);
    let stored = states.iter().find(|event| event["state"]["stored"]["name"] == "a (2).txt").unwrap();
    assert!(stored["state"]["stored"]["receipt"].as_str().unwrap().ends_with("/kept/a.txt.receipt"));
    assert_eq!(contents(&home.path("kept")).names(), ["a.txt.receipt", "b.txt.receipt"]);
    // Without --receipts they go to the data folder; Plain asks for none.
    for flags in ["-p cp1", "-p plain"] {
        let command = format!("send --to {{server}} --ca {{ca}} {flags} b.txt");
        assert_eq!(home.start(line(&command, &values)).finish().code, Some(0));
    }
    assert_eq!(contents(&home.path("upseal/receipts")).names().len(), 1);
    // Plain, when it is told to.
    let plain =
        home.start(line("send --receipts plain -p plain --to {server} --ca {ca} b.txt", &values)).finish();
    assert_eq!(plain.code, Some(0), "{plain:?}");
    assert!(plain.out.contains("stored"), "{plain:?}");
    // What was receipted is not sent again, even by another run.
    let again = home
        .start(line("send --json --skip-receipted --to {server} --ca {ca} a.txt b.txt", &values))
        .finish();
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(!again.out.contains("\"sending\""), "{again:?}");
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));

    let verify = |file: &str, receipt: &str, ca: &str| {
        home.start(["verify", file, "--receipt", receipt, "--ca", ca]).finish()
    };
    let good = verify("a.txt", "kept/a.txt.receipt", &ca);
    assert_eq!(good.code, Some(0), "{good:?}");
    for check in ["certificate", "key", "receipt key", "signature", "content"] {
        assert!(
            good.out.lines().any(|line| line.starts_with("ok") && line.contains(check)),
            "{check}: {good:?}"
        );
    }
    assert!(good.out.contains("is there as a (2).txt"), "{good:?}");
    assert_eq!(verify("b.txt", "plain/b.txt.receipt", &ca).code, Some(0));
    std::fs::write(home.path("c.txt"), "hallo").unwrap();
    let other = verify("c.txt", "kept/a.txt.receipt", &ca);
    assert!(other.code == Some(1) && other.out.contains("FAIL  content"), "{other:?}");

    let text = std::fs::read_to_string(home.path("kept/a.txt.receipt")).unwrap();
    let forge = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(home.path("forged"), text.replacen(from, to, 1)).unwrap();
        verify("a.txt", "forged", &ca)
    };
    let forged = forge("a%20%282%29.txt", "b.txt");
    assert!(forged.code == Some(4) && forged.out.contains("FAIL  signature"), "{forged:?}");
    let forged = forge("\nkey ", "\nkey 00");
    assert_eq!(forged.code, Some(2), "{forged:?}");
    let (stranger, other_ca) = upseal::crypto::authority::throwaway().unwrap();
    std::fs::write(home.path("other.crt"), &other_ca).unwrap();
    let forged = verify("a.txt", "kept/a.txt.receipt", "other.crt");
    assert!(forged.code == Some(4) && forged.out.contains("FAIL  certificate"), "{forged:?}");
    // A whole receipt by somebody whom the CA did not certify.
    let receipt = Receipt::parse(&text).unwrap();
    let made_up =
        Receipt { signature: Arc::new(stranger).sign_receipt(receipt.text.as_bytes()).unwrap(), ..receipt };
    std::fs::write(home.path("forged"), made_up.to_text()).unwrap();
    assert_eq!(verify("a.txt", "forged", &ca).code, Some(4));

    // The audit reads them, too.
    let audit = home.run(&["audit", "--store", "recv_files", "--receipts", "kept"]);
    assert!(audit.out.contains("another of that name") || audit.out.contains("a.txt"), "{audit:?}");
}

/// The rows of what was sent, the newest first.
/// What `serve --tell-names=false` hides, as it is by default beyond loopback.
#[test]
fn a_server_that_tells_no_names_gives_receipts_for_the_name_that_was_sent() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    let command = "serve --json --tell-names=false --bind 127.0.0.1:0 --certs {certs}";
    let mut server = home.start(line(command, &values));
    let address = server.address();
    let ca = ca().to_str().unwrap().to_owned();
    let values = [("server", address.as_str()), ("ca", ca.as_str())];
    std::fs::create_dir(home.path("recv_files")).ok();
    std::fs::write(home.path("recv_files/a.txt"), "another of that name").unwrap();
    for flags in ["", "--json"] {
        let command = format!("send {flags} --receipts kept{flags} --to {{server}} --ca {{ca}} a.txt");
        let sent = home.start(line(&command, &values)).finish();
        assert_eq!(sent.code, Some(0), "{sent:?}");
        let told = if flags.is_empty() { ", accepted as a.txt, receipt " } else { r#""named":"wanted""# };
        assert!(sent.out.contains(told) && !sent.out.contains("(2)"), "{sent:?}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    assert_eq!(contents(&home.path("recv_files")).names(), ["a (2).txt", "a.txt"]);
    let receipt = std::fs::read_to_string(home.path("kept/a.txt.receipt")).unwrap();
    assert!(receipt.contains("\naccepted 1 cp2 "), "{receipt}");
    let verify = home.start(["verify", "a.txt", "--receipt", "kept/a.txt.receipt", "--ca", &ca]).finish();
    assert!(verify.code == Some(0) && verify.out.contains("was accepted as a.txt"), "{verify:?}");
    // The history knows under which name the file is stored, and that a receipt was given.
    let history = History::open(&home.history()).unwrap();
    let rows =
        history.entries(&Filter { direction: Some(Direction::Received), ..Filter::default() }).unwrap();
    let receipted = |row: &Row| matches!(row, Row::Received(row) if row.receipt.is_some());
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.name() == "a (2).txt" && receipted(row)), "{rows:?}");
    // The audit finds the row of a receipt that does not tell the stored name.
    let audit = home.run(&["audit", "--store", "recv_files", "--receipts", "kept"]);
    assert!(!audit.out.contains("that is not in the history"), "{audit:?}");
}

fn sent_rows(home: &Home) -> Vec<Sent> {
    let filter = Filter { direction: Some(Direction::Sent), ..Filter::default() };
    let rows = History::open(&home.history()).unwrap().entries(&filter).unwrap();
    rows.into_iter().map(|row| if let Row::Sent(sent) = row { sent } else { panic!("{row:?}") }).collect()
}

/// As a client leaves it that was killed after its receipts were kept and before it wrote their rows.
fn die_before_the_rows(home: &Home) {
    let asked = |(ordinal, row): (u64, Sent)| PendingReceipt {
        ordinal,
        receipts: row.receipt.as_ref().and_then(|path| path.parent()).map(Into::into),
        sent: Sent { receipt: None, stored_name: None, why: Some("unknown".to_owned()), ..row },
    };
    // Of one moment the row that was written last comes first.
    let asked: Vec<PendingReceipt> = (1..).zip(sent_rows(home).into_iter().rev()).map(asked).collect();
    let file = rusqlite::Connection::open(home.history()).unwrap();
    file.execute("DELETE FROM sent", []).unwrap();
    assert!(History::open(&home.history()).unwrap().record_pending_receipts(&asked).unwrap().is_some());
}

#[test]
fn a_client_that_died_between_receipt_and_row_is_repaired_by_the_next() {
    let certs = fixtures("identity-v1");
    for (flags, folder) in [("", "upseal/receipts"), ("--receipts kept", "kept")] {
        let home = Home::new();
        std::fs::write(home.path("c.txt"), "hallo").unwrap();
        let values = [("certs", certs.to_str().unwrap())];
        let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
        let (address, ca) = (server.address(), ca().to_str().unwrap().to_owned());
        let values = [("server", address.as_str()), ("ca", ca.as_str())];
        let send = |words: &str| {
            let command = format!("send --json --to {{server}} --ca {{ca}} {words}");
            let sent = home.start(line(&command, &values)).finish();
            assert_eq!(sent.code, Some(0), "{sent:?}");
            sent
        };
        let repaired = |sent: &program::Outcome| -> Vec<String> {
            let notes = events(sent).into_iter().filter(|event| event["event"] == "note");
            notes.map(|note| note["text"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(repaired(&send(&format!("{flags} a.txt b.txt"))), [""; 0]);
        let before = sent_rows(&home);
        assert!(before.iter().all(|row| row.receipt.is_some()), "{before:?}");
        die_before_the_rows(&home);
        assert_eq!(sent_rows(&home), []);

        // The next one says so, wherever its own receipts go, and what has its receipt is not sent again.
        let again = send("--skip-receipted a.txt b.txt");
        let said =
            "history repaired: 2 files were sent before a crash and had no row: 2 stored, by the receipt";
        assert_eq!(repaired(&again), [said], "{again:?}");
        assert!(!again.out.contains("\"sending\""), "{again:?}");
        let why = Some("recovered from its receipt after a crash".to_owned());
        let expected: Vec<Sent> = before.into_iter().map(|row| Sent { why: why.clone(), ..row }).collect();
        assert_eq!(sent_rows(&home), expected);
        assert_eq!(repaired(&send("c.txt")), [""; 0]);
        let listed = home.run(&["history", "--sent", "--name", "b.txt"]);
        assert!(listed.out.contains(": recovered from its receipt after a crash"), "{listed:?}");

        // The same with a receipt that somebody has touched.
        die_before_the_rows(&home);
        for (path, text) in std::fs::read_dir(home.path(folder)).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            (path, text)
        }) {
            std::fs::write(path, text.replacen(" 5 ", " 6 ", 1)).unwrap();
        }
        let notes = repaired(&send("c.txt"));
        assert_eq!(
            notes[0],
            "history repaired: 3 files were sent before a crash and had no row: 3 not confirmed"
        );
        assert!(notes.len() > 1, "{notes:?}");
        for note in &notes[1..] {
            assert!(note.starts_with("a receipt is not believed: "), "{note}");
            assert!(note.ends_with(".receipt: its signature does not hold"), "{note}");
        }
        let rows = sent_rows(&home);
        let outcomes: Vec<Outcome> = rows.iter().map(|row| row.outcome).collect();
        assert_eq!(outcomes, [Outcome::Stored, Outcome::Failed, Outcome::Failed, Outcome::Failed]);
        assert!(rows[1..].iter().all(|row| row.receipt.is_none() && row.stored_name.is_none()), "{rows:?}");
        server.signal(Signal::TERM);
        assert_eq!(server.finish().code, Some(0));
    }
}

#[test]
fn the_audit_names_a_receipt_that_has_no_row() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
    let (address, ca) = (server.address(), ca().to_str().unwrap().to_owned());
    let values = [("server", address.as_str()), ("ca", ca.as_str())];
    // The client's history is not the server's.
    let send = line("send --to {server} --ca {ca} a.txt b.txt", &values);
    let client = home.path("client.db");
    let elsewhere = [("UPSEAL_HISTORY", client.to_str().unwrap())];
    assert_eq!(home.start_with(send, &elsewhere).finish().code, Some(0));
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    let command = "audit --store recv_files --receipts upseal/receipts";
    // The server has rows of what it received; the client, of what it sent.
    let place = home.path("recv_files").canonicalize().unwrap();
    let agreed = home.start(line(command, &[])).finish();
    let sentence = format!("2 files and 1 receipt in {}: folder and history agree", place.display());
    assert_eq!((agreed.code, &*agreed.out), (Some(0), &*sentence), "{agreed:?}");
    let at_the_client =
        |more: &str| home.start_with(line(&format!("{command} {more}"), &[]), &elsewhere).finish();
    assert!(!at_the_client("").out.contains("receipt, "), "its rows name it");

    rusqlite::Connection::open(&client).unwrap().execute("DELETE FROM sent", []).unwrap();
    std::fs::write(home.path("upseal/receipts/z.receipt"), "nothing").unwrap();
    let stray = at_the_client("");
    assert_eq!(stray.code, Some(5), "{stray:?}");
    let lines: Vec<&str> = stray.out.lines().filter(|line| line.contains(".receipt: ")).collect();
    assert!(
        lines[0].ends_with(".receipt: it is a receipt of stored files, 2 of which are not in the history"),
        "{stray:?}"
    );
    assert!(lines[1].starts_with("z.receipt: it cannot be checked: "), "{stray:?}");
    let found = program::rows(&at_the_client("--json"));
    assert!(found.iter().any(|line| line["what"] == "stray_receipt"), "{found:?}");
    assert_eq!(found.last().unwrap()["receipts"], 2);
}

#[test]
fn a_recorded_session_is_refused_and_told() {
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let values = [("certs", certs.to_str().unwrap())];
    let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
    let address = server.address().parse().unwrap();
    for (dialect, what) in
        [(Dialect::of(Variant::Cp2), "this session key"), (Dialect::of(Variant::Cp1), "this CP1 body")]
    {
        let recording = common::recorded_upload(address, dialect, "a.bin", b"hello").unwrap().0;
        let mut peer = Peer::connect(address);
        peer.send(&recording);
        assert!(!peer.hang_up().1, "{what}");
        let refused = server.json(|event| event["event"] == "refused");
        assert!(refused["why"].as_str().unwrap().contains(&format!("a replay: {what}")), "{refused}");
    }
    // Not even after it was started again.
    let recording = common::recorded_upload(address, Dialect::of(Variant::Cp2), "b.bin", b"world").unwrap().0;
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    let mut server = home.start(line("serve --json --bind 127.0.0.1:0 --certs {certs}", &values));
    let mut peer = Peer::connect(server.address().parse().unwrap());
    peer.send(&recording);
    assert!(!peer.hang_up().1);
    let refused = server.json(|event| event["event"] == "refused");
    assert!(refused["why"].as_str().unwrap().contains("a replay"), "{refused}");
}

/// Somebody on the way takes the offer out of the answer, which is not signed.
#[test]
fn a_server_that_gave_receipts_and_offers_none_gets_nothing() {
    let (listener, target) = listen();
    let folder = tempfile::tempdir().unwrap();
    let known = KnownServers::at(Some(folder.path().join("known")));
    let mut client = Client::of(Options { retries: 0, ..Options::new(known) }, folder);
    client.write("a.txt", b"hello");
    for (id, line, fault) in
        [(1, "upseal/1 server receipts=1 idle=900\n", ""), (2, "", "gave receipts before")]
    {
        client.ask(Command::Upload(vec![client.job(id, "a.txt", &target, Dialect::of(Variant::Ap))]));
        let mut peer = common::accept(&listener);
        assert_eq!(peer.read(8), words(&[3]));
        let hello = peer.read_blob();
        let certificate = [line.as_bytes(), IDENTITY.certificate_pem()].concat();
        answer(&mut peer, &IDENTITY.sign(&hello).unwrap(), &certificate);
        if id == 1 {
            // It is known now; what became of the file does not matter here.
            peer.read(8);
            peer.break_off();
            assert!(matches!(client.finish(id), State::Failed(_)));
        } else {
            assert_eq!(peer.read_to_end(), (words(&[2]), true), "MODE 2 and nothing else");
            let State::Failed(why) = client.finish(id) else { panic!("it got the file") };
            assert_eq!(why.kind, FaultKind::Unproven);
            assert!(why.what.contains(fault), "{why}");
        }
    }
}

/// Nothing but the variant tells a salted digest from that of a file of 64 bytes.
#[test]
fn our_server_salts_secret_content_always_and_open_content_never() {
    for variant in [Variant::Ap, Variant::Cp2] {
        let mut host = Host::start();
        let recording = common::Recording::of(Dialect::of(variant), "a.bin", b"hello");
        let hello = Digest::of(&recording.bytes[16..16 + 128]);
        let salted_for = IDENTITY.server_key();
        let (request, _) =
            Request::new(Some(hello), 1..=1, (!variant.is_secret()).then_some(&salted_for)).unwrap();
        let ask = message(3, request.to_text().as_bytes());
        let mut peer = Peer::connect(host.address());
        peer.send(&[&recording.bytes[..recording.whole], &ask].concat());
        assert!(!peer.hang_up().1, "{variant}");
        host.stop();
        let refusals = host.events.refusals();
        assert!(refusals[0].contains("whose salt does not fit"), "{variant}: {refusals:?}");
    }
}

/// `.receipt` makes a name longer, and a name has at most 255 bytes.
#[test]
fn files_with_long_names_have_a_receipt_each() {
    let home = Home::new();
    let host = Host::start();
    let (address, ca) = (host.address().to_string(), ca().to_str().unwrap().to_owned());
    // Two that are alike in all that is kept of a name, and the longest that fits as it is.
    let names = [
        format!("{}a", "x".repeat(249)),
        format!("{}b", "x".repeat(249)),
        "y".repeat(247),
        "\u{e9}".repeat(127),
    ];
    for (name, content) in names.iter().zip(["one", "two", "three", "four"]) {
        std::fs::write(home.path(name), content).unwrap();
    }
    let mut command = vec!["send", "--json", "--receipts", "kept", "--to", &address, "--ca", &ca];
    command.extend(names.iter().map(String::as_str));
    let sent = home.run(&command);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let stored = events(&sent).into_iter().filter_map(|event| {
        event["state"]["stored"]["receipt"].as_str().map(|path| path.rsplit('/').next().unwrap().to_owned())
    });
    let kept: std::collections::BTreeSet<String> = stored.collect();
    assert_eq!(kept.iter().cloned().collect::<Vec<_>>(), contents(&home.path("kept")).names());
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(kept.contains(&format!("{}.receipt", names[2])));
    assert!(kept.iter().all(|name| name.len() <= 255 && name.ends_with(".receipt")), "{kept:?}");
    for (name, content) in names.iter().zip(["one", "two", "three", "four"]) {
        let mut found = 0;
        for receipt in &kept {
            let text = std::fs::read_to_string(home.path("kept").join(receipt)).unwrap();
            let receipt = Receipt::parse(&text).unwrap();
            let size = content.len() as u64;
            found +=
                receipt.find(Digest::of(content.as_bytes()), size).iter().filter(|it| it.1 == *name).count();
        }
        assert!(found > 0, "{name} is in a receipt");
    }
}
