//! Receipts, from the upload to a later verification, and attempts to forge them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod forged;
#[path = "../program/mod.rs"]
mod program;
mod saved;

use std::net::SocketAddr;

use common::{Client, Files, Host, IDENTITY, PATIENCE, Peer, ca, contents, listen, message, noise};
use program::{Home, events};
use upseal::event::{Dialect, FaultKind, State, Variant};
use upseal::testing::receipt::{Fate, Reason, Receipt, Request, salted, verify};
use upseal::{Anchor, Confirmation, Connection, Content, Digest, Interrupter, Meter, Start, Tcp, Upload};

fn anchor() -> Anchor {
    Anchor::load(&ca()).unwrap()
}

/// Uploads one file over a new connection, and leaves the connection open.
fn sent(address: SocketAddr, dialect: Dialect, content: &[u8]) -> Upload {
    let tcp = Tcp::connect(&address.into(), PATIENCE, &Interrupter::default()).unwrap();
    let start = Start::new(Connection::new(Box::new(tcp), PATIENCE), dialect);
    let mut upload = start.proven_by(&anchor()).unwrap();
    upload.file("a.bin", Content::Reader(&mut &*content), content.len() as u64, &Meter::default()).unwrap();
    upload
}

#[test]
fn a_receipt_says_what_is_on_the_disk() {
    let host = Host::start();
    let content = noise(1000, 1);
    for variant in Variant::ALL {
        let mut upload = sent(host.address(), Dialect::of(variant), &content);
        let Confirmation::Receipt(receipt) = upload.receipts(1..=1, Some(&anchor())).unwrap() else {
            panic!("{variant}: no receipt")
        };
        let Fate::Stored { protocol, size, digest, name, .. } = &receipt.statement.entries[0].fate else {
            panic!("{variant}: {:?}", receipt.statement)
        };
        assert_eq!((*protocol, *size, name.as_str()), (variant, 1000, "a.bin"));
        // Where the content is secret, its digest is secret too.
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
    let mut upload = sent(host.address(), Dialect::of(Variant::Cp2), b"hello");
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

#[test]
fn what_is_altered_on_the_way_is_said_and_named() {
    // A relay changes the content, which AP does not detect.
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
        assert_eq!(fault.kind, FaultKind::Altered);
        assert!(fault.what.as_str().starts_with("altered on the path: the SHA-256 differs"), "{fault}");
        assert!(fault.what.as_str().ends_with("the server's copy is a.txt"), "{fault}");
        client.shut_down();
    });
    assert_eq!(host.stored(), Files::one("a.txt", b"jullo"));
}

/// Only the variant distinguishes a salted digest from that of a file of 64 bytes.
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
    // Two that agree in everything that is kept of a name, and the longest that fits unchanged.
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
