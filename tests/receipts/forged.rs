//! Receipts that are forged, withheld or modified.

use std::sync::Arc;

use upseal::event::{Command, Dialect, FaultKind, Named, State, Variant};
use upseal::testing::receipt::{Entry, Fate, Reason, ReceiptKey, Request, Statement, salted};
use upseal::{
    Confirmation, Connection, Digest, Identity, Interrupter, KnownServers, Options, Policy, Start, Tcp,
    UploadError,
};

use super::{anchor, sent};
use crate::common::{Client, Host, IDENTITY, PATIENCE, Peer, fixtures, listen, message, words};

/// The answer of a forging server: a statement and a signature.
type Forge<'a> = &'a (dyn Fn(&Request, &Statement) -> (String, Vec<u8>) + Sync);

/// Connects to a server that is genuine until it is asked for a receipt. It then answers by `forge`, with its own
/// certificates.
fn forged(forge: Forge) -> Result<Confirmation, UploadError> {
    forged_with(forge, &[IDENTITY.certificate_pem(), receipt_key().certificate_pem()].concat())
}

/// Connects to such a server, which answers with these certificates.
fn forged_with(forge: Forge, certificates: &[u8]) -> Result<Confirmation, UploadError> {
    let (listener, _) = listen();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut peer: Peer = crate::common::accept(&listener);
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
        sent(address, Dialect::of(Variant::Ap), b"hello").receipts(1..=1, None)
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

/// Signs as an attacker who found out which blocks the server's own key decrypts.
fn sign_with_the_key_that_decrypts(text: &str) -> Vec<u8> {
    IDENTITY.sign_receipt(text.as_bytes()).unwrap()
}

#[test]
fn a_genuine_receipt_is_believed_and_a_plain_signature_is_none() {
    let genuine = forged(&|_, statement| (statement.to_text(), sign(&statement.to_text())));
    assert!(matches!(genuine, Ok(Confirmation::Receipt(_))), "{genuine:?}");
    // A server with one key, as in earlier versions.
    let only_key = |_: &Request, statement: &Statement| {
        let text = Statement { receipt_key: None, ..statement.clone() }.to_text();
        let signature = sign_with_the_key_that_decrypts(&text);
        (text, signature)
    };
    let genuine = forged_with(&only_key, IDENTITY.certificate_pem());
    assert!(matches!(genuine, Ok(Confirmation::Receipt(_))), "{genuine:?}");
    // A third-party server signs the request like any other message.
    let plain = forged(&|request, _| (String::new(), IDENTITY.sign(request.to_text().as_bytes()).unwrap()));
    assert_eq!(plain.unwrap(), Confirmation::Answer);
}

#[test]
fn receipts_cannot_be_forged() {
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
            // A man in the middle has a server, which signs any message, sign a `stored` text.
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
                let (stranger, _) = upseal::testing::crypto::throwaway().unwrap();
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

/// Each receipt is signed by the key of these certificates, and names it. Only the certificate is wrong.
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
            "is certified for CN=TEST another server,O=TEST,C=SG, but the server is CN=TEST server",
        ),
        ("other-ca.crt", "was issued by CN=TEST other CA"),
        ("expired.crt", "expired on 2021-01-01"),
        ("v3.crt", "its key usage allows decryption"),
        ("server-auth.crt", "its extended key usage does not include documentSigning"),
        ("code-signing.crt", "its extended key usage does not include documentSigning"),
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

/// Another server with the same CA and the same subject has a receipt key, too.
#[test]
fn the_certificate_beside_the_statement_is_that_of_the_server_that_proved_itself() {
    let (stranger, key) = (fixtures("receipts/same-subject.crt"), receipt_key());
    let stranger = std::fs::read(stranger).unwrap();
    let named = upseal::testing::trust::key(&stranger).unwrap().fingerprint();
    let consistent = |_: &Request, statement: &Statement| {
        let text = Statement { key: named, ..statement.clone() }.to_text();
        (text.clone(), sign(&text))
    };
    let error = forged_with(&consistent, &[&stranger, key.certificate_pem()].concat()).unwrap_err();
    assert!(error.to_string().contains("a server key other than the one that was verified"), "{error}");
}

#[test]
fn no_server_proves_itself_by_the_certificate_of_a_receipt_key() {
    let read = |path: &str| std::fs::read_to_string(fixtures(path)).unwrap();
    let (certificate, key) = (read("receipts/receipts.crt"), read("identity-v1/receipt_private_key.pem"));
    let identity = Identity::from_pem(&certificate, &key).unwrap();
    let host = Host::of(Policy::default(), Some(Arc::new(identity)));
    let tcp = Tcp::connect(&host.address().into(), PATIENCE, &Interrupter::default()).unwrap();
    let start = Start::new(Connection::new(Box::new(tcp), PATIENCE), Dialect::of(Variant::Cp2));
    let error = start.proven_by(&anchor()).err().unwrap();
    assert!(error.to_string().contains("its extended key usage does not include serverAuth"), "{error}");
    assert_eq!(error.fault().kind, FaultKind::Unproven);
}

#[test]
fn every_line_of_a_statement_is_signed() {
    for line in 0..6 {
        let result = forged(&|_, statement| {
            let text = statement.to_text();
            let signature = sign(&text);
            // Another well-formed value: a digit, or a character of the name.
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
        let mut upload = sent(host.address(), Dialect::of(Variant::Cp2), b"the guess");
        let Confirmation::Receipt(receipt) = upload.receipts(1..=1, None).unwrap() else {
            panic!("no receipt")
        };
        assert!(!receipt.text.contains(&Digest::of(b"the guess").to_string()));
        let Fate::Stored { digest, .. } = receipt.statement.entries[0].fate else { panic!("missing") };
        digests.push(digest);
    }
    assert_ne!(digests[0], digests[1], "the same file has another digest each time");
}

/// An attacker on the way removes the offer from the reply, which is not signed.
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
        let mut peer = crate::common::accept(&listener);
        assert_eq!(peer.read(8), words(&[3]));
        let hello = peer.read_blob();
        let certificate = [line.as_bytes(), IDENTITY.certificate_pem()].concat();
        answer(&mut peer, &IDENTITY.sign(&hello).unwrap(), &certificate);
        if id == 1 {
            // The server is known now; the fate of the file does not matter here.
            peer.read(8);
            peer.break_off();
            assert!(matches!(client.finish(id), State::Failed(_)));
        } else {
            assert_eq!(peer.read_to_end(), (words(&[2]), true), "MODE 2 and nothing else");
            let State::Failed(why) = client.finish(id) else { panic!("it got the file") };
            assert_eq!(why.kind, FaultKind::Unproven);
            assert!(why.what.as_str().contains(fault), "{why}");
        }
    }
}
