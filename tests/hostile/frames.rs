//! Each MODE with each length, behind each beginning of a connection, cut behind every byte.
//!
//! What may happen is computed here by rules that are simpler than the server's: they say what must not be stored and
//! when the end must not be one in order, and for connections without MODE 3 exactly what must happen.

use upseal::Policy;
use upseal::testing::net::AnswerDecoder;

use crate::common::{Files, K, message, words};
use crate::server::{End, Outcome, Server, with_servers};
use crate::speaker::{Challenge, Speaker};
use upseal::event::{Framing, Variant};

const MODES: [u64; 9] = [0, 1, 2, 3, 4, 5, 1 << 32, 1 << 63, u64::MAX];
/// Size in bytes of the largest accepted file.
const LIMIT: u64 = 600;
/// Behind how many bytes of a message the connection is cut, one after another.
const CUTS: usize = 64;
const NAME: &str = "a.bin";
const FIRST: &[u8] = b"the file before";

/// A beginning of a connection that is in order.
#[allow(clippy::struct_excessive_bools, reason = "what may follow, each by itself")]
struct Beginning {
    what: String,
    bytes: Vec<u8>,
    /// What is stored by then.
    stored: Files,
    /// Name of the file that MODE 1 would begin.
    name: Option<&'static str>,
    /// Whether no MODE 3 came, so that nothing is to be guessed.
    is_plain: bool,
    /// Whether a body may be CP1.
    may_be_blocks: bool,
    /// Whether a body may be stored as it came.
    may_be_clear: bool,
    /// Whether a block may follow an empty body, so that a reset behind it publishes nothing.
    is_open_ended: bool,
}

impl Beginning {
    fn plain(what: &str, bytes: Vec<u8>, name: Option<&'static str>, stored: Files) -> Self {
        let what = what.to_owned();
        let (may_be_blocks, may_be_clear, is_open_ended) = (false, true, false);
        Self { what, bytes, stored, name, is_plain: true, may_be_blocks, may_be_clear, is_open_ended }
    }

    fn spoken(speaker: &Speaker) -> Self {
        let whole = speaker.speak(&[(NAME, FIRST)]);
        // Up to the end of the name.
        let at = whole.windows(NAME.len()).position(|bytes| bytes == NAME.as_bytes()).unwrap();
        let hello = speaker.challenge == Challenge::Hello;
        Self {
            what: format!("{:?} {:?} {:?}", speaker.variant, speaker.framing, speaker.challenge),
            bytes: whole[..at + NAME.len()].to_vec(),
            stored: Files::none(),
            name: Some(NAME),
            is_plain: false,
            // Without a hello, AP and CP1 begin alike.
            may_be_blocks: speaker.variant == Variant::Cp1 || (speaker.variant == Variant::Ap && !hello),
            may_be_clear: speaker.variant == Variant::Ap,
            is_open_ended: !hello || speaker.framing == Framing::C,
        }
    }
}

fn beginnings() -> Vec<Beginning> {
    let named = message(0, NAME.as_bytes());
    let whole = [&named[..], &words(&[1, FIRST.len() as u64]), FIRST].concat();
    let mut all = vec![
        Beginning::plain("nothing", Vec::new(), None, Files::none()),
        Beginning::plain("a name", named, Some(NAME), Files::none()),
        Beginning::plain("a whole file", whole, Some(NAME), Files::one(NAME, FIRST)),
    ];
    for challenge in [Challenge::Text, Challenge::Hello] {
        for variant in [Variant::Ap, Variant::Cp2] {
            all.push(Beginning::spoken(&Speaker { challenge, ..Speaker::of(variant) }));
        }
    }
    for framing in [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F] {
        let challenge = Challenge::Hello;
        all.push(Beginning::spoken(&Speaker { framing, challenge, ..Speaker::of(Variant::Cp1) }));
    }
    all
}

/// Returns the largest M1 that is accepted for a MODE.
fn limit(mode: u64, beginning: &Beginning) -> u64 {
    match mode {
        1 if beginning.is_plain => LIMIT,
        1 if beginning.may_be_blocks => LIMIT * K as u64,
        // The length of a token: version, time, IV, padded ciphertext and HMAC, in base64.
        1 if !beginning.may_be_clear => (1 + 8 + 16 + (LIMIT / 16 + 1) * 16 + 32).div_ceil(3) * 4,
        4 => 2048,
        _ => 4096,
    }
}

/// One table of lengths for one MODE behind one beginning.
struct Case<'a> {
    beginning: &'a Beginning,
    mode: u64,
    m1: u64,
    /// What the message and everything behind it consists of.
    filler: u8,
}

fn cases(beginnings: &[Beginning]) -> Vec<Case<'_>> {
    let mut all = Vec::new();
    for beginning in beginnings {
        for mode in MODES {
            let limit = limit(mode, beginning);
            for m1 in [0, 1, limit, limit + 1, 1 << 63, u64::MAX] {
                // Letters are a name. Zeros are words too, as 0xff is.
                let fillers = if beginning.is_plain { &b"n\0\xff"[..] } else { &b"\0"[..] };
                all.extend(fillers.iter().map(|filler| Case { beginning, mode, m1, filler: *filler }));
            }
        }
    }
    all
}

/// What must happen on a connection without MODE 3, by reading docs/protocol.md literally. `None`: more than one thing
/// may happen.
fn expected(beginning: &Beginning, bytes: &[u8]) -> Option<(Files, bool)> {
    let (mut stored, mut name, mut at) =
        (Files(beginning.stored.0.clone()), beginning.name.map(str::to_owned), 0);
    let word = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().unwrap()));
    let m2 = |at: usize, m1: u64| bytes.get(at + 16..at + 16 + usize::try_from(m1).unwrap());
    loop {
        if at == bytes.len() {
            return Some((stored, true));
        }
        let refused = |stored: Files| Some((stored, false));
        let Some(mode) = word(at) else { return refused(stored) };
        if mode == 2 {
            return Some((stored, true));
        }
        let most = match mode {
            0 | 3 => 4096,
            1 => LIMIT,
            4 => return None,
            _ => return refused(stored),
        };
        let Some(m1) = word(at + 8).filter(|m1| *m1 <= most) else { return refused(stored) };
        let Some(m2) = m2(at, m1) else { return refused(stored) };
        match mode {
            0 => {
                let text = String::from_utf8(m2.to_vec()).ok();
                let good = text.filter(|text| (1..=255).contains(&text.len()) && !text.contains('\0'));
                let Some(good) = good else { return refused(stored) };
                name = Some(good);
            }
            1 => {
                let Some(name) = &name else { return refused(stored) };
                let copy = name.replace('.', " (2).");
                match stored.0.get(name) {
                    Some(before) if before == m2 => {}
                    Some(_) => drop(stored.0.insert(copy, m2.to_vec())),
                    None => drop(stored.0.insert(name.clone(), m2.to_vec())),
                }
            }
            // What follows MODE 3 is to be guessed.
            _ => return (at + 16 + m2.len() == bytes.len()).then_some((stored, true)),
        }
        at += 16 + m2.len();
    }
}

/// Returns names and contents, apart: which of two files of one name gets the name of a copy is free.
fn unordered(files: &Files) -> (Vec<&str>, Vec<&[u8]>) {
    let mut contents: Vec<&[u8]> = files.0.values().map(Vec::as_slice).collect();
    contents.sort_unstable();
    (files.names(), contents)
}

impl Case<'_> {
    /// Returns the whole message, and at least [`CUTS`] bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = words(&[self.mode, self.m1]);
        let whole = usize::try_from(self.m1).ok().filter(|m1| *m1 <= 1 << 17).map_or(0, |m1| 16 + m1);
        bytes.resize(whole.max(CUTS), self.filler);
        bytes
    }

    /// Plays the message up to a cut.
    fn play(&self, server: &Server, cut: usize, end: End) {
        let message = &self.bytes()[..cut];
        let bytes = [&self.beginning.bytes[..], message].concat();
        let outcome = server.serve_alone(&bytes, end);
        let Case { beginning, mode, m1, filler } = self;
        let what = format!(
            "{}, MODE {mode:#x}, M1 {m1:#x}, {filler:#x}, {cut} bytes, {end:?}: {outcome:?}",
            beginning.what
        );
        assert_eq!(outcome.in_order, outcome.refusals.is_empty(), "{what}");
        if beginning.is_plain {
            match expected(beginning, message) {
                Some((stored, in_order)) => {
                    assert_eq!(unordered(&outcome.stored), unordered(&stored), "{what}");
                    // A reset after MODE 2 comes too late to matter.
                    let said_all = in_order && (end == End::InOrder || (*mode == 2 && cut >= 8));
                    assert_eq!(outcome.in_order, said_all, "{what}");
                }
                None => assert_eq!(outcome.stored, beginning.stored, "{what}"),
            }
        } else {
            self.check_guessed(&outcome, message, end, &what);
        }
    }

    /// Checks what is stored of a connection whose variant is guessed or encrypted.
    fn check_guessed(&self, outcome: &Outcome, message: &[u8], end: End, what: &str) {
        let Case { beginning, mode, m1, .. } = *self;
        for (name, content) in &outcome.stored.0 {
            assert_eq!((name.as_str(), mode), (NAME, 1), "{what}");
            let body = &message[16.min(message.len())..];
            let is_body = beginning.may_be_clear && content.len() as u64 == m1 && body.starts_with(content);
            // M1 alone is an empty file, or a terminator.
            let is_empty = content.is_empty() && matches!(m1, 0 | 1 | u64::MAX) && message.len() >= 16;
            assert!(is_body || (is_empty && beginning.may_be_blocks), "{what}");
            let is_over = end == End::InOrder || message.len() > 16 || m1 == u64::MAX;
            assert!(is_over || !is_empty || !beginning.is_open_ended, "{what}");
        }
        // What comes behind MODE 2 is dropped.
        let is_inside = !message.len().is_multiple_of(8) && message.len() < if mode == 2 { 8 } else { 16 };
        assert!(!(outcome.in_order && is_inside), "{what}");
        if !matches!(mode, 0..=4) && message.len() >= 8 {
            assert!(!outcome.in_order, "{what}");
        }
        if m1 > limit(mode, beginning) && m1 != u64::MAX && mode != 2 && message.len() >= 16 {
            assert!(!outcome.in_order, "{what}");
        }
    }
}

#[test]
fn no_message_of_any_length_cut_anywhere_publishes_what_is_not_whole() {
    let policy = Policy { max_file: LIMIT, ..Policy::default() };
    let beginnings = beginnings();
    let cases = cases(&beginnings);
    with_servers(&policy, &cases, |server, case| {
        let whole = case.bytes().len();
        let longer = [whole - 1, whole].into_iter().filter(|cut| *cut > CUTS);
        for cut in (0..=CUTS).chain(longer) {
            case.play(server, cut, End::InOrder);
            case.play(server, cut, End::Reset);
        }
    });
}

/// The limit is far above the memory that the process may have.
#[test]
fn nothing_is_allocated_by_the_length_of_a_body() {
    let beginnings = beginnings();
    let policy = Policy::default();
    let cases: Vec<Case<'_>> = beginnings
        .iter()
        .flat_map(|beginning| {
            [1 << 31, 1 << 32, policy.max_file, policy.max_file + 1, u64::MAX - 1].map(|m1| Case {
                beginning,
                mode: 1,
                m1,
                filler: 7,
            })
        })
        .collect();
    with_servers(&policy, &cases, |server, case| {
        let bytes = [&case.beginning.bytes[..], &case.bytes()].concat();
        let outcome = server.serve_alone(&bytes, End::InOrder);
        assert_eq!(outcome.stored, case.beginning.stored, "{}, {:#x}", case.beginning.what, case.m1);
        assert!(!outcome.in_order, "{}, {:#x}: {outcome:?}", case.beginning.what, case.m1);
    });
}

#[test]
fn a_client_accepts_no_part_of_an_answer_that_is_too_long() {
    const MOST: u64 = 65_536;
    for first in [0, 1, MOST, MOST + 1, 1 << 63, u64::MAX] {
        for second in [0, 1, MOST, MOST + 1, 1 << 63, u64::MAX] {
            let part = |m1: u64| {
                let bytes =
                    vec![b'x'; usize::try_from(m1).ok().filter(|m1| *m1 as u64 <= MOST).unwrap_or(48)];
                [words(&[m1]), bytes].concat()
            };
            let whole = [part(first), part(second)].concat();
            let cuts = (0..=CUTS).chain([whole.len() - 1, whole.len()]);
            for cut in cuts.filter(|cut| *cut <= whole.len()) {
                let mut decoder = AnswerDecoder::default();
                let fed = decoder.feed(&whole[..cut]);
                let is_long = |m1: u64, at: usize| m1 > MOST && cut >= at + 8;
                let behind = part(first).len();
                if is_long(first, 0) || (first <= MOST && is_long(second, behind)) {
                    assert!(fed.is_err(), "{first:#x}, {second:#x}, {cut}");
                } else if let Ok((_, answer)) = fed {
                    assert_eq!(answer.is_some(), cut == whole.len(), "{first:#x}, {second:#x}, {cut}");
                }
            }
        }
    }
}
