use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use super::*;

const CA: Digest = Digest([0xca; 32]);
const OTHER_CA: Digest = Digest([0xcb; 32]);
const OLD: Digest = Digest([1; 32]);
const NEW: Digest = Digest([2; 32]);
const HERE: &str = "127.0.0.1:4321";
/// 2026-11-22T13:26:20Z
const NOW: i64 = 1_795_353_980;

fn here() -> ServerAddress {
    HERE.parse().unwrap()
}

fn meeting(address: &str, ca: Digest, key: Digest) -> Meeting {
    let address = address.parse().unwrap();
    Meeting { address, ca, key, bits: 1024, pinned: false, remember: true, receipts: None, now: NOW }
}

struct Scratch {
    folder: tempfile::TempDir,
    known: KnownServers,
}

impl Scratch {
    /// A file in a folder that does not exist yet.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownServers::at(Some(folder.path().join("upseal/known_servers")));
        Self { folder, known }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("upseal/known_servers")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.folder.path().join("upseal")).unwrap();
        fs::write(self.path(), text).unwrap();
    }

    /// Meets a server, and checks that everything was saved.
    fn meet(&self, meeting: &Meeting) -> Encounter {
        let met = self.known.meet(meeting).unwrap();
        assert!(met.unsaved.is_none(), "{:?}", met.unsaved);
        met.encounter
    }
}

fn since() -> String {
    "2026-11-22T13:26:20Z".to_owned()
}

#[test]
fn first_seen_then_known_then_changed_until_it_is_accepted() {
    let scratch = Scratch::new();
    assert_eq!(scratch.meet(&meeting(HERE, CA, OLD)), Encounter::First { other_ca: false });
    assert_eq!(scratch.meet(&meeting(HERE, CA, OLD)), Encounter::Known { since: Some(since()) });
    assert_eq!(scratch.known.bits(&here(), CA).unwrap(), Some(1024));
    for _ in 0..2 {
        let changed = Encounter::Changed { known: OLD, since: Some(since()) };
        let stranger = Meeting { bits: 2048, ..meeting(HERE, CA, NEW) };
        assert_eq!(scratch.meet(&stranger), changed, "every time");
    }
    let offered = Offered { key: NEW, bits: Some(2048) };
    assert_eq!(scratch.known.list().unwrap()[0].offered, Some(offered));

    let accepted = scratch.known.accept(&here(), None, None, NOW + 60).unwrap();
    assert_eq!((accepted.key, accepted.bits, accepted.offered), (NEW, Some(2048), None));
    assert_eq!(accepted.first.as_deref(), Some("2026-11-22T13:27:20Z"));
    assert_eq!(scratch.meet(&meeting(HERE, CA, NEW)), Encounter::Known { since: accepted.first });
    assert!(matches!(scratch.meet(&meeting(HERE, CA, OLD)), Encounter::Changed { known: NEW, .. }));
}

#[test]
fn the_file_is_readable_text_and_private() {
    let scratch = Scratch::new();
    scratch.meet(&meeting("Example.org:04321", CA, OLD));
    let line =
        format!("example.org:4321 ca=sha256:{CA} key=sha256:{OLD} bits=1024 first=2026-11-22T13:26:20Z");
    assert_eq!(scratch.text().lines().nth(1), Some(line.as_str()));
    assert!(scratch.text().starts_with("# "));
    for name in ["known_servers", "known_servers.lock"] {
        let mode = fs::metadata(scratch.path().with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::read_dir(scratch.path().parent().unwrap()).unwrap().count(), 2, "no file is left over");
}

#[test]
fn meeting_the_known_key_clears_the_offered_one() {
    let scratch = Scratch::new();
    scratch.meet(&meeting(HERE, CA, OLD));
    scratch.meet(&meeting(HERE, CA, NEW));
    assert_eq!(scratch.meet(&meeting(HERE, CA, OLD)), Encounter::Known { since: Some(since()) });
    let error = scratch.known.accept(&here(), None, None, NOW).unwrap_err();
    assert!(matches!(error, KnownError::NothingOffered { key: OLD, .. }), "{error}");
}

#[test]
fn a_pin_overrides_the_file() {
    let scratch = Scratch::new();
    let pinned = |key| Meeting { pinned: true, ..meeting(HERE, CA, key) };
    assert_eq!(scratch.meet(&pinned(OLD)), Encounter::Pinned { replaced: None });
    assert_eq!(
        scratch.meet(&meeting(HERE, CA, OLD)),
        Encounter::Known { since: Some(since()) },
        "it is remembered"
    );
    assert_eq!(scratch.meet(&pinned(NEW)), Encounter::Pinned { replaced: Some(OLD) });
    assert!(matches!(scratch.meet(&meeting(HERE, CA, OLD)), Encounter::Changed { known: NEW, .. }));
}

#[test]
fn a_server_known_by_its_pin_alone_has_one_entry() {
    let scratch = Scratch::new();
    let alone = |key| Meeting { pinned: true, receipts: Some(true), ..meeting(HERE, key, key) };
    assert_eq!(scratch.meet(&alone(OLD)), Encounter::Pinned { replaced: None });
    assert_eq!(scratch.meet(&alone(OLD)), Encounter::Pinned { replaced: None });
    assert_eq!(scratch.meet(&alone(NEW)), Encounter::Pinned { replaced: Some(OLD) });
    let [only] = &scratch.known.list().unwrap()[..] else { panic!("{}", scratch.text()) };
    assert!(only.is_pinned_alone() && only.key == NEW);
    // An attacker on the path cannot remove the offer of receipts.
    let withheld = Meeting { receipts: Some(false), ..alone(NEW) };
    assert_eq!(scratch.meet(&withheld), Encounter::Withheld { since: Some(since()) });

    // Under a CA it is another entry, and is the one that is meant without a CA.
    assert_eq!(scratch.meet(&meeting(HERE, CA, OLD)), Encounter::First { other_ca: false });
    assert_eq!(scratch.known.remove(&here(), None).unwrap().ca, CA);
    assert_eq!(scratch.known.remove(&here(), None).unwrap().key, NEW);
    assert_eq!(scratch.known.list().unwrap(), []);
}

#[test]
fn another_ca_or_address_is_another_server() {
    let scratch = Scratch::new();
    scratch.meet(&meeting(HERE, CA, OLD));
    assert_eq!(scratch.meet(&meeting(HERE, OTHER_CA, NEW)), Encounter::First { other_ca: true });
    assert_eq!(scratch.meet(&meeting("127.0.0.1:4322", CA, NEW)), Encounter::First { other_ca: false });
    assert_eq!(scratch.meet(&meeting(HERE, CA, OLD)), Encounter::Known { since: Some(since()) });

    // The CA must be given, unless only one server has something to accept.
    let error = scratch.known.remove(&here(), None).unwrap_err();
    assert!(matches!(error, KnownError::Ambiguous { count: 2, .. }), "{error}");
    let given = Offered { key: NEW, bits: None };
    assert!(matches!(
        scratch.known.accept(&here(), None, Some(given), NOW),
        Err(KnownError::Ambiguous { count: 2, .. })
    ));
    scratch.meet(&meeting(HERE, OTHER_CA, OLD));
    let accepted = scratch.known.accept(&here(), None, None, NOW).unwrap();
    assert_eq!((accepted.ca, accepted.key), (OTHER_CA, OLD));
    assert_eq!(scratch.known.remove(&here(), Some(CA)).unwrap().key, OLD);
    assert_eq!(scratch.known.list().unwrap().len(), 2);
    assert!(matches!(scratch.known.remove(&here(), Some(CA)), Err(KnownError::NotKnown { .. })));
}

#[test]
fn a_server_that_was_never_met_is_accepted_by_key_and_ca() {
    let scratch = Scratch::new();
    let key = Offered { key: NEW, bits: Some(2048) };
    assert!(matches!(scratch.known.accept(&here(), None, Some(key), NOW), Err(KnownError::NotKnown { .. })));
    assert!(matches!(scratch.known.accept(&here(), Some(CA), None, NOW), Err(KnownError::NotKnown { .. })));
    let entry = scratch.known.accept(&here(), Some(CA), Some(key), NOW).unwrap();
    assert_eq!((entry.key, entry.bits, entry.first), (NEW, Some(2048), Some(since())));
    assert!(matches!(scratch.meet(&meeting(HERE, CA, OLD)), Encounter::Changed { .. }));
}

/// The first address of each row stands in the file, as earlier versions wrote it or as a user did.
#[test]
fn a_file_of_an_earlier_version_matches_every_spelling_and_stays_as_it_is() {
    for addresses in [
        &["example.org:4321", "example.org", "Example.ORG.:04321", "example.org."][..],
        &["Example.ORG.:04321", "example.org", "EXAMPLE.org:4321"],
        &["ärger.example:1", "ÄRGER.example:1", "ärger.example.:1"],
        &["127.0.0.1:80", "127.0.0.1:080", "127.0.0.1.:80"],
        &["[::1]:80", "::1:80", "[0:0:0:0:0:0:0:1]:80", "[::0001]:080"],
        &["::1:80", "[::1]:80"],
        &["[2001:db8::7]:4321", "2001:DB8:0:0:0:0:0:7", "[2001:DB8::7]"],
        &["[fe80::1%eth0]:80", "[FE80:0::1%eth0]:80"],
    ] {
        let scratch = Scratch::new();
        let file = format!("{} ca=sha256:{CA} key=sha256:{OLD} bits=1024 first={}\n", addresses[0], since());
        scratch.write(&file);
        for address in addresses {
            let known = Encounter::Known { since: Some(since()) };
            assert_eq!(scratch.meet(&meeting(address, CA, OLD)), known, "{address}");
            assert_eq!(scratch.known.bits(&address.parse().unwrap(), CA).unwrap(), Some(1024), "{address}");
            assert_eq!(scratch.text(), file, "{address}");
        }
    }
}

#[test]
fn comments_blank_lines_other_lines_and_unknown_words_are_kept() {
    let scratch = Scratch::new();
    let other = format!("h:1  key={NEW}   ca=sha256:{CA} receipts=1");
    scratch.write(format!(
        "# mine\n\n{HERE} ca=sha256:{CA} key=sha256:{OLD} receipts=1 note=a=b\n{other}\n  # last"
    ));
    scratch.meet(&meeting(HERE, CA, NEW));
    let entry = format!(
        "{HERE} ca=sha256:{CA} key=sha256:{OLD} offered=sha256:{NEW} offered-bits=1024 receipts=1 note=a=b"
    );
    assert_eq!(scratch.text(), format!("# mine\n\n{entry}\n{other}\n  # last\n"));
    scratch.known.accept(&here(), None, None, NOW).unwrap();
    assert!(scratch.text().contains(&format!("key=sha256:{NEW} bits=1024 first=")), "{}", scratch.text());
    assert!(scratch.text().contains("receipts=1 note=a=b\n"));
}

#[test]
fn a_damaged_line_stops_everything_and_is_named() {
    let good = format!("{HERE} ca=sha256:{CA} key=sha256:{OLD}");
    for (bad, why) in [
        (format!("{HERE} ca=sha256:{CA}"), "key= is missing"),
        (format!("{HERE} key=sha256:{OLD}"), "ca= is missing"),
        (good[..good.len() - 1].to_owned(), "64 hexadecimal digits"),
        (format!("127.0.0.1 ca=sha256:{CA} key=sha256:{OLD}"), "is not host:port"),
        (format!("{good} key=sha256:{NEW}"), "\"key\" occurs twice"),
        (format!("{good} receipts=1 receipts=0"), "twice"),
        (format!("{good} bits=many"), "\"many\" is not a number"),
        (format!("{good} first=yesterday"), "\"yesterday\" is not a date"),
        (format!("{good} \u{1b}[2J"), "\\u{1b}[2J"),
        (good.clone(), "occurs twice"),
        ("<<<<<<< HEAD".to_owned(), "is not host:port"),
    ] {
        let scratch = Scratch::new();
        // Also if the damage is in another server's line.
        scratch.write(format!("# one\n{good}\n{bad}\n"));
        let before = scratch.text();
        for error in [
            scratch.known.meet(&meeting("elsewhere:1", CA, OLD)).unwrap_err(),
            scratch.known.bits(&here(), CA).unwrap_err(),
            scratch.known.list().unwrap_err(),
            scratch.known.accept(&here(), None, None, NOW).unwrap_err(),
            scratch.known.remove(&here(), None).unwrap_err(),
        ] {
            assert!(matches!(error, KnownError::Damaged { line: 3, .. }), "{bad}: {error}");
            let words = error.to_string();
            assert!(words.contains("known_servers, line 3") && words.contains(why), "{bad}: {words}");
            assert!(!words.contains('\u{1b}'), "{words:?}");
        }
        assert_eq!(scratch.text(), before);
    }
    let scratch = Scratch::new();
    scratch.write(b"\xff\n");
    assert!(matches!(scratch.known.list(), Err(KnownError::Damaged { line: 1, .. })));
}

#[test]
fn a_server_that_cannot_be_remembered_is_reported_and_accepted() {
    let nowhere = KnownServers::at(None);
    let met = nowhere.meet(&meeting(HERE, CA, OLD)).unwrap();
    assert_eq!(met.encounter, Encounter::First { other_ca: false });
    assert!(matches!(met.unsaved, Some(KnownError::NoPlace)));

    // A file has the folder's name, so not even root can write there.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("upseal"), "").unwrap();
    let known = KnownServers::at(Some(folder.path().join("upseal/known_servers")));
    let met = known.meet(&meeting(HERE, CA, OLD)).unwrap();
    assert_eq!(met.encounter, Encounter::First { other_ca: false });
    assert!(matches!(met.unsaved, Some(KnownError::Unwritable { .. })), "{:?}", met.unsaved);

    // A file that cannot be read does not count as empty.
    let known = KnownServers::at(Some(folder.path().to_owned()));
    assert!(matches!(known.meet(&meeting(HERE, CA, OLD)), Err(KnownError::Unreadable { .. })));
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let scratch = Scratch::new();
    thread::scope(|scope| {
        for writer in 0..8_u16 {
            let known = &scratch.known;
            scope.spawn(move || {
                for n in 0..10 {
                    let address = format!("h{writer}:{}", 1000 + n);
                    let met = known.meet(&meeting(&address, CA, OLD)).unwrap();
                    assert!(met.unsaved.is_none(), "{:?}", met.unsaved);
                }
            });
        }
    });
    assert_eq!(scratch.known.list().unwrap().len(), 80);
}

#[test]
fn receipts_once_given_may_not_go_missing() {
    let scratch = Scratch::new();
    let known = &scratch.known;
    let met = |receipts, key| known.meet(&Meeting { receipts, ..meeting(HERE, CA, key) }).unwrap().encounter;
    assert_eq!(met(Some(false), OLD), Encounter::First { other_ca: false });
    assert!(matches!(met(Some(false), OLD), Encounter::Known { .. }), "it never gave any");
    assert!(matches!(met(Some(true), OLD), Encounter::Known { .. }));
    assert!(matches!(met(Some(false), OLD), Encounter::Withheld { .. }));
    assert!(matches!(met(None, OLD), Encounter::Known { .. }), "it was not asked");
    let pinned = Meeting { pinned: true, receipts: Some(false), ..meeting(HERE, CA, OLD) };
    assert!(matches!(known.meet(&pinned).unwrap().encounter, Encounter::Withheld { .. }));
    // The same holds if its key changed.
    known.accept(&here(), Some(CA), Some(Offered { key: NEW, bits: None }), NOW).unwrap();
    assert!(matches!(met(Some(false), NEW), Encounter::Withheld { .. }));
}

/// Editing `receipts=` by hand must not make the line damaged.
#[test]
fn an_edited_receipts_word_is_replaced_not_repeated() {
    let scratch = Scratch::new();
    scratch.write(format!("{HERE} ca=sha256:{CA} key=sha256:{OLD} receipts=0\n"));
    let met =
        |receipts| scratch.known.meet(&Meeting { receipts, ..meeting(HERE, CA, OLD) }).unwrap().encounter;
    assert!(matches!(met(Some(false)), Encounter::Known { .. }));
    assert!(matches!(met(Some(true)), Encounter::Known { .. }));
    assert_eq!(scratch.text(), format!("{HERE} ca=sha256:{CA} key=sha256:{OLD} bits=1024 receipts=1\n"));
    assert!(matches!(met(Some(false)), Encounter::Withheld { .. }));
}
