use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::crypto::authority;
use crate::crypto::identity::Identity;
use crate::crypto::receipt::{Certificates, Entry, RECEIPT_MAX, Reason, Salt, Statement};
use crate::digest::Digest;
use crate::event::{Named, Variant};
use crate::history::{Entry as Row, Filter};
use crate::trust::known::{Offered, ReceiptMeeting, SignedBy};

const AT_MS: i64 = 1_800_000_000_000;

/// A test scene: a history, a folder for receipts, and a known server with a receipt key.
struct Scene {
    folder: TempDir,
    history: History,
    server: Identity,
    known: KnownServers,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("kept")).unwrap();
        let history = History::open(&folder.path().join("history.db")).unwrap();
        let known = KnownServers::at(Some(folder.path().join("known")));
        let scene = Self { folder, history, server: authority::throwaway().unwrap().0, known };
        let address = "lab:1".parse().unwrap();
        let (ca, key) = (Digest([9; 32]), scene.server.server_key().fingerprint());
        let offered = Offered { key, bits: None };
        scene.known.accept(&address, Some(ca), Some(offered), AT_MS / 1000).unwrap();
        let signer = SignedBy::ReceiptKey(scene.receipt_key());
        scene.known.meet_receipts(&ReceiptMeeting { address, ca, key, signer }).unwrap();
        scene
    }

    fn receipt_key(&self) -> Digest {
        self.server.receipt_key().unwrap().public().fingerprint()
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("kept")
    }

    /// Records the request of a client that was killed.
    fn asked(&self, ordinal: u64, content: &str) -> PendingReceipt {
        let sent = Sent {
            at_ms: AT_MS,
            address: "lab:1".to_owned(),
            key: Some(self.server.server_key().fingerprint()),
            variant: Variant::Cp2,
            name: format!("{content}.txt"),
            path: PathBuf::from("/home/me").join(content),
            size: content.len() as u64,
            digest: Some(Digest::of(content.as_bytes())),
            outcome: Outcome::Failed,
            stored_name: None,
            receipt: None,
            seconds: 0.5,
            predicted: None,
            wire_bytes: 99,
            why: Some(confirm::UNCONFIRMED.to_owned()),
        };
        PendingReceipt { ordinal, receipts: Some(self.kept()), sent }
    }

    fn die_asking(&self, asked: &[PendingReceipt]) {
        assert!(self.history.record_pending_receipts(asked).unwrap().is_some());
    }

    /// Creates a receipt for files that the server received by CP2, numbered from 1.
    fn receipt(&self, contents: &[&str]) -> Receipt {
        let salt: Salt = [7; 32].into();
        let entry = |(ordinal, content): (u64, &&str)| {
            let (size, digest) = (content.len() as u64, Digest::of(content.as_bytes()));
            let digest = salted(Some(&salt), digest);
            let name = format!("{content} (2).txt");
            Entry {
                ordinal,
                fate: Fate::Stored { protocol: Variant::Cp2, size, digest, name, named: Named::Stored },
            }
        };
        let statement = Statement {
            request: Digest([1; 32]),
            key: self.server.server_key().fingerprint(),
            receipt_key: Some(self.receipt_key()),
            time: 1_800_000_000,
            entries: (1..).zip(contents).map(entry).collect(),
        };
        self.signed(statement, Some(salt))
    }

    fn signed(&self, statement: Statement, salt: Option<Salt>) -> Receipt {
        signed_by(&self.server, statement, salt)
    }

    fn put(&self, name: &str, text: &str, at_ms: i64) -> PathBuf {
        let path = self.kept().join(name);
        fs::write(&path, text).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at_ms).unwrap());
        File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
        path
    }

    fn recover(&self) -> Recovery {
        run(&self.history, &self.known).unwrap().unwrap()
    }

    /// Returns the rows of the history, oldest first.
    fn rows(&self) -> Vec<Sent> {
        let rows = self.history.entries(&Filter::default()).unwrap();
        let sent = |row| if let Row::Sent(sent) = row { sent } else { panic!("{row:?}") };
        rows.into_iter().rev().map(sent).collect()
    }
}

/// Signs with the server's receipt key if the statement names one, otherwise with its own key.
fn signed_by(server: &Identity, statement: Statement, salt: Option<Salt>) -> Receipt {
    let text = statement.to_text();
    let pem = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let receipts = server.receipt_key().filter(|_| statement.receipt_key.is_some());
    let signature = match receipts {
        Some(key) => key.sign(text.as_bytes()),
        None => server.sign_receipt(text.as_bytes()),
    };
    let certificates = Certificates {
        server: pem(server.certificate_pem()),
        receipts: receipts.map(|key| pem(key.certificate_pem())),
    };
    Receipt { signature: signature.unwrap(), text, statement, salt, certificates }
}

#[test]
fn files_in_a_receipt_are_stored_and_others_are_not_confirmed() {
    let scene = Scene::new();
    let asked = [scene.asked(1, "one"), scene.asked(2, "three"), scene.asked(3, "altered")];
    scene.die_asking(&asked);
    let path = scene.put("r.receipt", &scene.receipt(&["one", "three", "ALTERED"]).to_text(), AT_MS + 5);
    let recovery = scene.recover();
    assert_eq!(recovery, Recovery { stored: 2, unconfirmed: 1, ignored: vec![] });
    assert_eq!(
        recovery.to_string(),
        "history repaired: 3 files were sent before a crash and not recorded: \
         2 stored (proved by the receipt), 1 not confirmed"
    );
    let stored = |asked: &PendingReceipt, name: &str| Sent {
        outcome: Outcome::Stored,
        stored_name: Some(name.to_owned()),
        receipt: Some(path.clone()),
        why: Some("recovered from its receipt after a crash".to_owned()),
        ..asked.sent.clone()
    };
    let expected =
        [stored(&asked[0], "one (2).txt"), stored(&asked[1], "three (2).txt"), asked[2].sent.clone()];
    assert_eq!(scene.rows(), expected);
    // It is settled once, and `--skip-receipted` does not send the file again.
    assert_eq!(run(&scene.history, &scene.known).unwrap(), None);
    let key = scene.server.server_key().fingerprint();
    assert!(scene.history.receipted(key, "one.txt", Digest::of(b"one")).unwrap().is_some());
    assert!(scene.history.receipted(key, "altered.txt", Digest::of(b"altered")).unwrap().is_none());
}

/// One request was answered by one receipt for each file.
#[test]
fn each_file_gets_one_of_several_equal_receipts() {
    let scene = Scene::new();
    let names = ["one.txt", "dir/three.txt", "four.txt", "five.txt"];
    let asked = (1..).zip(["one", "three", "four", "five"]).zip(names).map(|((ordinal, content), name)| {
        let asked = scene.asked(ordinal, content);
        PendingReceipt { sent: Sent { name: name.to_owned(), ..asked.sent }, ..asked }
    });
    scene.die_asking(&asked.collect::<Vec<_>>());
    let text = scene.receipt(&["one", "three", "four", "five"]).to_text();
    // The third file has had a receipt before; the client was killed before it kept the last one's.
    let kept = ["one.txt.receipt", "three.txt.receipt", "four.txt (2).receipt"];
    let paths = kept.map(|name| scene.put(name, &text, AT_MS + 5));
    assert_eq!(scene.recover().stored, 4);
    let rows = scene.rows();
    for (row, path) in rows.iter().zip(&paths) {
        assert_eq!(row.receipt.as_ref(), Some(path), "{}", row.name);
    }
    assert!(paths.contains(rows[3].receipt.as_ref().unwrap()));
}

/// Makes the text of a receipt.
type Make = fn(&Scene) -> String;

/// Receipts that must not prove that the file is stored, each with the beginning of the reason that is reported.
const FORGERIES: &[(&str, &str, Make)] = &[
    ("of another content", "", |scene| scene.receipt(&["two"]).to_text()),
    ("of this content at another place", "", |scene| scene.receipt(&["two", "one"]).to_text()),
    ("by another protocol", "", |scene| {
        let mut statement = scene.receipt(&["one"]).statement;
        if let Fate::Stored { protocol, .. } = &mut statement.entries[0].fate {
            *protocol = Variant::Cp1;
        }
        scene.signed(statement, Some([7; 32].into())).to_text()
    }),
    ("of another size", "", |scene| {
        let mut statement = scene.receipt(&["one"]).statement;
        if let Fate::Stored { size, .. } = &mut statement.entries[0].fate {
            *size = 4;
        }
        scene.signed(statement, Some([7; 32].into())).to_text()
    }),
    ("without its salt", "", |scene| {
        let mut statement = scene.receipt(&["one"]).statement;
        if let Fate::Stored { digest, .. } = &mut statement.entries[0].fate {
            *digest = Digest::of(b"one");
        }
        scene.signed(statement, None).to_text()
    }),
    ("that says missing", "", |scene| {
        let mut statement = scene.receipt(&["one"]).statement;
        statement.entries[0].fate = Fate::Missing(Reason::Disk);
        scene.signed(statement, Some([7; 32].into())).to_text()
    }),
    ("of another server", "", |scene| {
        let stranger = authority::throwaway().unwrap().0;
        let mut statement = scene.receipt(&["one"]).statement;
        statement.key = stranger.server_key().fingerprint();
        statement.receipt_key = Some(stranger.receipt_key().unwrap().public().fingerprint());
        signed_by(&stranger, statement, Some([7; 32].into())).to_text()
    }),
    ("of a receipt key that is not known of the server", "", |scene| {
        let stranger = authority::throwaway().unwrap().0;
        let mut statement = scene.receipt(&["one"]).statement;
        statement.receipt_key = Some(stranger.receipt_key().unwrap().public().fingerprint());
        let forged = signed_by(&stranger, statement, Some([7; 32].into()));
        let Certificates { server, .. } = scene.receipt(&["one"]).certificates;
        let certificates = Certificates { server, ..forged.certificates };
        Receipt { certificates, ..forged }.to_text()
    }),
    ("signed by the key that decrypts, although a receipt key is known", "", |scene| {
        let statement = Statement { receipt_key: None, ..scene.receipt(&["one"]).statement };
        scene.signed(statement, Some([7; 32].into())).to_text()
    }),
    (
        "signed by the key that decrypts, and naming the receipt key",
        "the signature does not match",
        |scene| {
            let receipt = scene.receipt(&["one"]);
            let signature = scene.server.sign_receipt(receipt.text.as_bytes()).unwrap();
            Receipt { signature, ..receipt }.to_text()
        },
    ),
    ("signed by another server", "the signature does not match", |scene| {
        let stranger = authority::throwaway().unwrap().0;
        let receipt = scene.receipt(&["one"]);
        let signature = stranger.receipt_key().unwrap().sign(receipt.text.as_bytes()).unwrap();
        Receipt { signature, ..receipt }.to_text()
    }),
    ("with the stranger's certificates", "the certificate is for another key", |scene| {
        let stranger = authority::throwaway().unwrap().0;
        let statement = scene.receipt(&["one"]).statement;
        signed_by(&stranger, statement, Some([7; 32].into())).to_text()
    }),
    ("signed as an answer to MODE 3", "the signature does not match", |scene| {
        let receipt = scene.receipt(&["one"]);
        let signature = scene.server.sign(receipt.text.as_bytes()).unwrap();
        let statement = Statement { receipt_key: None, ..receipt.statement };
        Receipt { signature, ..scene.signed(statement, receipt.salt) }.to_text()
    }),
    ("with no certificate", "invalid certificate: ", |scene| {
        let mut receipt = scene.receipt(&["one"]);
        receipt.certificates.server = "-----END CERTIFICATE-----\n".to_owned();
        receipt.to_text()
    }),
    ("cut short", "not a receipt: ", |scene| scene.receipt(&["one"]).to_text()[..200].to_owned()),
    ("that is empty", "not a receipt: ", |_| String::new()),
    ("too long", "not a receipt: ", |scene| {
        let filling = "x".repeat(usize::try_from(RECEIPT_MAX).unwrap());
        scene.receipt(&["one"]).to_text().replace("upseal/1 stored", &filling)
    }),
];

#[test]
fn a_forged_or_foreign_receipt_proves_nothing() {
    for (what, said, make) in FORGERIES {
        let scene = Scene::new();
        let asked = scene.asked(1, "one");
        scene.die_asking(std::slice::from_ref(&asked));
        let path = scene.put("r.receipt", &make(&scene), AT_MS + 5);
        let recovery = scene.recover();
        assert_eq!((recovery.stored, recovery.unconfirmed), (0, 1), "{what}");
        assert_eq!(scene.rows(), [asked.sent], "{what}");
        match &*recovery.ignored {
            [] => assert_eq!(*said, "", "{what}: nothing is said"),
            [why] => {
                assert!(
                    !said.is_empty() && why.starts_with(&format!("{}: {said}", path.display())),
                    "{what}: {why}"
                );
            }
            more => panic!("{what}: {more:?}"),
        }
    }
}

#[test]
fn a_receipt_of_the_only_key_counts_while_no_receipt_key_is_known() {
    let scene = Scene::new();
    scene.die_asking(&[scene.asked(1, "one")]);
    let statement = Statement { receipt_key: None, ..scene.receipt(&["one"]).statement };
    let text = scene.signed(statement, Some([7; 32].into())).to_text();
    scene.put("r.receipt", &text, AT_MS + 5);
    let nothing = KnownServers::at(None);
    assert_eq!(run(&scene.history, &nothing).unwrap().unwrap().stored, 1);
}

#[test]
fn an_old_or_recorded_receipt_or_one_in_another_folder_is_not_used() {
    let text = |scene: &Scene| scene.receipt(&["one"]).to_text();
    let not_confirmed = |scene: &Scene, what: &str| {
        let recovery = scene.recover();
        assert_eq!(recovery, Recovery { unconfirmed: 1, ..Recovery::default() }, "{what}");
    };
    let scene = Scene::new();
    scene.die_asking(&[scene.asked(1, "one")]);
    scene.put("r.receipt", &text(&scene), AT_MS - OVERLAP_MS - 1);
    not_confirmed(&scene, "older than the request");

    let scene = Scene::new();
    let path = scene.put("r.receipt", &text(&scene), AT_MS - 1000);
    let before = Sent {
        outcome: Outcome::Stored,
        receipt: Some(path),
        at_ms: AT_MS - 900,
        ..scene.asked(1, "one").sent
    };
    scene.history.record_sent(&before).unwrap();
    scene.die_asking(&[scene.asked(1, "one")]);
    not_confirmed(&scene, "of the upload before");

    let scene = Scene::new();
    let elsewhere = scene.folder.path().join("nothing-there");
    scene.die_asking(&[PendingReceipt { receipts: None, ..scene.asked(1, "one") }]);
    scene.put("r.receipt", &text(&scene), AT_MS + 5);
    not_confirmed(&scene, "of a client that kept none");
    scene.die_asking(&[PendingReceipt { receipts: Some(elsewhere), ..scene.asked(1, "one") }]);
    let recovery = scene.recover();
    assert_eq!((recovery.stored, recovery.unconfirmed, recovery.ignored.len()), (0, 1, 1));
    assert!(recovery.ignored[0].contains("nothing-there: "), "{recovery:?}");
}

#[test]
fn nothing_is_settled_while_another_client_waits_for_a_receipt() {
    let scene = Scene::new();
    scene.die_asking(&[scene.asked(1, "one")]);
    scene.put("r.receipt", &scene.receipt(&["one"]).to_text(), AT_MS + 5);
    let waits = scene.history.record_pending_receipts(&[scene.asked(1, "two")]).unwrap();
    assert_eq!(run(&scene.history, &scene.known).unwrap(), None);
    assert_eq!(scene.rows(), []);
    drop(waits);
    assert_eq!(scene.recover(), Recovery { stored: 1, unconfirmed: 1, ignored: vec![] });
}
