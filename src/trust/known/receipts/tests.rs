use super::super::{Meeting, Offered, ReceiptStanding as Standing};
use super::*;

const CA: Digest = Digest([0xca; 32]);
const KEY: Digest = Digest([1; 32]);
const OTHER_KEY: Digest = Digest([2; 32]);
const OLD: SignedBy = SignedBy::ReceiptKey(Digest([0x0a; 32]));
const NEW: SignedBy = SignedBy::ReceiptKey(Digest([0x0b; 32]));

fn here() -> ServerAddress {
    ServerAddress::default()
}

struct Scratch {
    folder: tempfile::TempDir,
    known: KnownServers,
}

impl Scratch {
    /// A list of known servers with one server, whose key is [`KEY`].
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownServers::at(Some(folder.path().join("known")));
        let scratch = Self { folder, known };
        scratch.meet_server(KEY, false);
        scratch
    }

    fn meet_server(&self, key: Digest, pinned: bool) {
        let meeting = Meeting {
            address: here(),
            ca: CA,
            key,
            bits: 1024,
            pinned,
            remember: true,
            receipts: Some(true),
            now: 0,
        };
        self.known.meet(&meeting).unwrap();
    }

    fn meet(&self, signer: SignedBy) -> Standing {
        self.meet_as(KEY, signer)
    }

    fn meet_as(&self, key: Digest, signer: SignedBy) -> Standing {
        let meeting = ReceiptMeeting { address: here(), ca: CA, key, signer };
        let (standing, unsaved) = self.known.meet_receipts(&meeting).unwrap();
        assert!(unsaved.is_none(), "{unsaved:?}");
        standing
    }

    fn receipt_key(&self) -> Option<Digest> {
        self.known.receipt_keys().unwrap()[0].1
    }
}

fn digest(signer: SignedBy) -> Digest {
    let SignedBy::ReceiptKey(key) = signer else { panic!("the only key") };
    key
}

#[test]
fn the_first_receipt_key_is_remembered_and_another_is_refused_until_it_is_accepted() {
    let scratch = Scratch::new();
    assert_eq!(scratch.meet(SignedBy::OnlyKey), Standing::Accepted, "an earlier version");
    assert_eq!(scratch.receipt_key(), None);
    assert_eq!(scratch.meet(OLD), Standing::Accepted);
    assert_eq!(scratch.receipt_key(), Some(digest(OLD)));
    for _ in 0..2 {
        let changed = Standing::Changed { known: digest(OLD), offered: digest(NEW) };
        assert_eq!(scratch.meet(NEW), changed, "every time");
    }
    let entry = scratch.known.list().unwrap().remove(0);
    assert_eq!((entry.key, entry.receipt_key, entry.offered_receipts), (KEY, Some(digest(OLD)), Some(NEW)));
    let accepted = scratch.known.accept(&here(), None, None, 0).unwrap();
    assert_eq!(
        (accepted.key, accepted.receipt_key, accepted.offered_receipts),
        (KEY, Some(digest(NEW)), None)
    );
    assert_eq!(scratch.meet(NEW), Standing::Accepted);
    assert_eq!(scratch.meet(OLD), Standing::Changed { known: digest(NEW), offered: digest(OLD) });
    // Meeting the known key again clears the one that was refused.
    assert_eq!(scratch.meet(NEW), Standing::Accepted);
    assert!(scratch.known.accept(&here(), None, None, 0).is_err(), "nothing is offered");
}

#[test]
fn the_key_that_decrypts_signs_no_receipt_once_a_receipt_key_is_known() {
    let scratch = Scratch::new();
    scratch.meet(OLD);
    assert_eq!(scratch.meet(SignedBy::OnlyKey), Standing::Dropped { known: digest(OLD) });
    assert_eq!(scratch.receipt_key(), Some(digest(OLD)));
    let text = std::fs::read_to_string(scratch.folder.path().join("known")).unwrap();
    assert!(
        text.contains(&format!(" receipt-key=sha256:{} offered-receipt-key=none", digest(OLD))),
        "{text}"
    );
    // It can be accepted, too: the operator has removed the receipt key.
    assert_eq!(scratch.known.accept(&here(), None, None, 0).unwrap().receipt_key, None);
    assert_eq!(scratch.meet(SignedBy::OnlyKey), Standing::Accepted);
}

#[test]
fn with_another_server_key_the_receipt_key_is_learned_again() {
    for pinned in [false, true] {
        let scratch = Scratch::new();
        scratch.meet(OLD);
        scratch.meet_server(OTHER_KEY, pinned);
        if !pinned {
            assert_eq!(
                scratch.receipt_key(),
                Some(digest(OLD)),
                "nothing is forgotten before it is accepted"
            );
            scratch.known.accept(&here(), None, Some(Offered { key: OTHER_KEY, bits: None }), 0).unwrap();
        }
        assert_eq!(scratch.receipt_key(), None);
        assert_eq!(scratch.meet_as(OTHER_KEY, NEW), Standing::Accepted);
        assert_eq!(scratch.receipt_key(), Some(digest(NEW)));
    }
}

#[test]
fn no_receipt_key_is_remembered_for_a_server_with_another_key() {
    let scratch = Scratch::new();
    assert_eq!(scratch.meet_as(OTHER_KEY, NEW), Standing::Accepted);
    assert_eq!(scratch.receipt_key(), None);
    let meeting = ReceiptMeeting { address: here(), ca: CA, key: KEY, signer: NEW };
    let (standing, unsaved) = KnownServers::at(None).meet_receipts(&meeting).unwrap();
    assert_eq!(standing, Standing::Accepted);
    assert!(unsaved.is_none());
    std::fs::write(scratch.folder.path().join("known"), "nonsense\n").unwrap();
    assert!(scratch.known.meet_receipts(&meeting).is_err(), "damage is not skipped");
}
