//! The twelve attacks: how each is run, and how the observations are judged.
//!
//! A judge uses the bytes on the path, the server's folder and events, and the client's events. It does not know the
//! expected outcome.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::LabError;
use super::outcome::{Attack, Outcome, Play, Receipt};
use super::proxy::{Cut, Edit, Item, PATIENCE, Plan, Proxy, Seen};
use super::stage::{Cast, House, Letter, Order, Sent, kept, refusals, send, was_cut};
use super::thief::{self, Change};
use crate::crypto::identity::Identity;
use crate::event::{Dialect, Event, FaultKind, Framing, Kept, State, Variant};
use crate::net::handshake::AnswerDecoder;
use crate::net::wire::Message;

/// Size of a file in bytes; not a multiple of a block, so that Plain and AP cannot be mistaken for CP1.
const SIZE: usize = 8011;
const NAME: &str = "examination.txt";
const SECOND: &str = "solutions.txt";
/// The name that the attacker puts in its place.
const SWAPPED: &str = "old-drafts.txt";

/// Runs an attack against a variant in all its ways. Returns nothing if the attack does not apply to the variant.
///
/// # Errors
/// [`LabError`]: the attack could not be run.
pub(super) fn play(cast: &Cast, attack: Attack, variant: Variant) -> Result<Vec<Play>, LabError> {
    let is_of_ap = matches!(attack, Attack::Answer | Attack::Relay | Attack::SameCa | Attack::OtherCa);
    if is_of_ap && !variant.authenticates() {
        return Ok(Vec::new());
    }
    let dialect = Dialect::of(variant);
    let path = |way: &'static str, plan: &Planner<'_>, judge: &Judge<'_>| {
        on_the_path(cast, way, dialect, &[letter(NAME)?], plan, judge)
    };
    let change =
        |way: &'static str, how: Change| path(way, &|_| Ok((changing(cast, variant, how), 1)), &at_rest);
    match attack {
        Attack::Content => Ok(vec![path("listen", &relay, &content)?]),
        Attack::Name => Ok(vec![path("listen", &relay, &|facts| name_and_size(facts, cast))?]),
        Attack::Relay => Ok(vec![path("stand in between", &relay, &relayed)?]),
        Attack::Flip => Ok(vec![change("a bit in the middle", Change::Flip)?]),
        Attack::Blocks => Ok(vec![
            change("drop", Change::Drop)?,
            change("repeat", Change::Repeat)?,
            change("reorder", Change::Reorder)?,
        ]),
        Attack::Cut => cuts(cast, variant),
        Attack::Swap => Ok(vec![
            path("the name", &|_| Ok((Plan::Edit(Box::new(rename)), 1)), &at_rest)?,
            on_the_path(
                cast,
                "whole bodies",
                dialect,
                &[letter(NAME)?, letter(SECOND)?],
                &|_| Ok((Plan::Edit(swapping()), 1)),
                &at_rest,
            )?,
        ]),
        Attack::Replace => {
            Ok(vec![path("all but the handshake", &|house| replacing(cast, house, dialect), &at_rest)?])
        }
        Attack::Session => Ok(vec![
            replayed(cast, dialect, "at once", false)?,
            replayed(cast, dialect, "after it was moved away", true)?,
        ]),
        Attack::Answer => Ok(vec![answered(cast, dialect)?]),
        Attack::SameCa => neighbours(cast, dialect),
        Attack::OtherCa => Ok(vec![
            impostor(cast, dialect, "another CA of the same name", &cast.stranger)?,
            impostor(cast, dialect, "expired", &cast.expired)?,
            impostor(cast, dialect, "self-signed", &cast.itself)?,
        ]),
    }
}

// ---- On the path: rows 1 to 7, and the relay

/// Makes the plan of the proxy, and tells how many sessions the server will have had.
type Planner<'a> = dyn Fn(&House) -> Result<(Plan, usize), LabError> + 'a;
type Judge<'a> = dyn Fn(&Facts) -> (Outcome, String) + 'a;

/// What was observed of one upload.
struct Facts {
    variant: Variant,
    letters: Vec<Letter>,
    sent: Sent,
    seen: Seen,
    events: Vec<Event>,
    stored: Vec<(String, Vec<u8>)>,
}

impl Facts {
    /// Returns whether the server stored what was sent, and nothing else.
    fn is_as_sent(&self) -> bool {
        let sent = |(name, content): &(String, Vec<u8>)| {
            self.letters.iter().any(|letter| letter.name == name && letter.content == *content)
        };
        self.stored.len() == self.letters.len() && self.stored.iter().all(sent)
    }

    fn arrived(&self) -> bool {
        self.sent.arrived(self.letters.len())
    }

    /// Returns what the receipt tells the sender.
    fn receipt(&self) -> Receipt {
        match (self.is_as_sent() && self.arrived(), self.sent.states.iter().any(State::has_arrived)) {
            (true, _) => Receipt::Holds,
            (false, true) => Receipt::Deceived,
            (false, false) => Receipt::Noticed,
        }
    }
}

/// Creates a file of this name with random content.
fn letter(name: &'static str) -> Result<Letter, LabError> {
    let mut random = vec![0; SIZE.div_ceil(2)];
    getrandom::fill(&mut random)
        .map_err(|_| std::io::Error::other("cannot read random bytes from the system"))?;
    let mut content = HEXLOWER.encode(&random).into_bytes();
    content.truncate(SIZE);
    Ok(Letter { name, content })
}

/// Runs an attack on the path without receipts, and again with them.
fn on_the_path(
    cast: &Cast,
    way: &'static str,
    dialect: Dialect,
    letters: &[Letter],
    plan: &Planner<'_>,
    judge: &Judge<'_>,
) -> Result<Play, LabError> {
    let once = |receipts| {
        let folder = cast.scratch()?;
        let house = House::open(&cast.server, &folder, "store")?;
        let (plan, sessions) = plan(&house)?;
        let proxy = Proxy::start(vec![(plan, house.address())])?;
        let order =
            Order { address: proxy.address(), dialect, letters, receipts, pin: None, folder: &folder };
        let sent = send(cast, &order)?;
        let seen = proxy.finish().pop().unwrap_or_default();
        let events = house.after(sessions);
        let stored = house.stored()?;
        Ok::<_, LabError>(Facts {
            variant: dialect.variant,
            letters: letters.to_vec(),
            sent,
            seen,
            events,
            stored,
        })
    };
    let (without, with) = (once(false)?, once(true)?);
    let ((outcome, seen), (again, seen_again)) = (judge(&without), judge(&with));
    let (outcome, seen) = if outcome == again {
        (outcome, format!("{seen}; the sender, without a receipt: {}", without.sent.words()))
    } else {
        (Outcome::Unclear, format!("{outcome} ({seen}), and with receipts {again} ({seen_again})"))
    };
    Ok(Play {
        way: way.to_owned(),
        outcome,
        seen,
        believed: Some(without.arrived()),
        receipt: Some(with.receipt()),
        told: with.sent.words(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it is a Planner")]
fn relay(_: &House) -> Result<(Plan, usize), LabError> {
    Ok((Plan::Relay, 1))
}

/// Judges whether the content can be read on the path.
fn content(facts: &Facts) -> (Outcome, String) {
    let [letter] = &facts.letters[..] else { return (Outcome::Unclear, "not one file".to_owned()) };
    let (found, all) = thief::pieces(&facts.seen, &letter.content);
    let outcome = match found {
        _ if !facts.is_as_sent() => Outcome::Unclear,
        0 => Outcome::Hidden,
        n if n == all => Outcome::Read,
        _ => Outcome::Unclear,
    };
    (outcome, format!("{found} of {all} pieces of the content were found on the path"))
}

fn relayed(facts: &Facts) -> (Outcome, String) {
    let (outcome, seen) = content(facts);
    let proved = facts.events.iter().any(|event| matches!(event, Event::SessionProved { .. }));
    if proved && facts.sent.proven && facts.arrived() {
        (outcome, format!("the server proved itself to the client through it; {seen}"))
    } else {
        (Outcome::Unclear, format!("the relay failed; {seen}"))
    }
}

fn name_and_size(facts: &Facts, cast: &Cast) -> (Outcome, String) {
    let [letter] = &facts.letters[..] else { return (Outcome::Unclear, "not one file".to_owned()) };
    let name = thief::name(&facts.seen);
    let size = thief::size(&facts.seen, facts.variant, &cast.server.server_key());
    let is_read = name.as_deref() == Some(letter.name);
    let is_measured = size.is_some_and(|(least, most)| (least..=most).contains(&letter.content.len()));
    let outcome = match (facts.is_as_sent(), is_read, is_measured) {
        (true, true, true) => Outcome::Read,
        (true, false, false) => Outcome::Hidden,
        _ => Outcome::Unclear,
    };
    let (least, most) = size.unwrap_or_default();
    (outcome, format!("read on the path: {}, {least} to {most} bytes", name.unwrap_or_default()))
}

/// Compares what the server stored with what was sent.
fn at_rest(facts: &Facts) -> (Outcome, String) {
    let refused = refusals(&facts.events).join("; ");
    if facts.stored.is_empty() {
        let outcome = if was_cut(&facts.events) { Outcome::NothingStored } else { Outcome::Refused };
        return (outcome, format!("nothing is stored; the server: {refused}"));
    }
    let judged = facts.stored.iter().map(|(name, content)| {
        let named = facts.letters.iter().find(|letter| letter.name == name);
        let whose = facts.letters.iter().find(|letter| letter.content == *content);
        match (named, whose) {
            (Some(named), Some(whose)) if named == whose => (Outcome::NoEffect, format!("{name} as sent")),
            (_, Some(whose)) => (Outcome::StoredUnderIt, format!("the content of {} as {name}", whose.name)),
            _ if is_own(content) => (Outcome::Works, format!("the attacker's bytes as {name}")),
            _ => {
                let bytes = content.len();
                (Outcome::StoredAltered, format!("{name} with {bytes} bytes, not those that were sent"))
            }
        }
    });
    let (outcomes, words): (Vec<Outcome>, Vec<String>) = judged.unzip();
    // An attack that changed one of several files has succeeded.
    let outcome = outcomes.iter().copied().find(|outcome| *outcome != Outcome::NoEffect);
    (outcome.unwrap_or(Outcome::NoEffect), format!("the server keeps {}", words.join(", ")))
}

/// Returns whether the content is the attacker's, which repeats one byte.
fn is_own(content: &[u8]) -> bool {
    !content.is_empty() && content.iter().all(|byte| *byte == OWN)
}

const OWN: u8 = b'!';

fn changing(cast: &Cast, variant: Variant, how: Change) -> Plan {
    let server = cast.server.server_key();
    Plan::Edit(Box::new(move |item| {
        vec![match item {
            Item::Body(body) => Item::Body(thief::change(variant, how, body, &server)),
            other @ Item::Message(_) => other,
        }]
    }))
}

fn rename(item: Item) -> Vec<Item> {
    vec![match item {
        Item::Message(Message::Filename(_)) => Item::Message(Message::Filename(SWAPPED.into())),
        other => other,
    }]
}

/// Holds two files back, and forwards them with their bodies swapped.
fn swapping() -> Edit {
    let (mut held, mut bodies) = (Vec::new(), 0);
    Box::new(move |item| {
        let is_name = matches!(item, Item::Message(Message::Filename(_)));
        if held.is_empty() && !is_name {
            return vec![item];
        }
        bodies += usize::from(matches!(item, Item::Body(_)));
        let is_over = matches!(item, Item::Message(Message::Close | Message::Authenticate(_)));
        held.push(item);
        if bodies < 2 && !is_over {
            return Vec::new();
        }
        let at: Vec<usize> = (0..held.len()).filter(|at| matches!(held[*at], Item::Body(_))).collect();
        if let [first, second] = at[..] {
            held.swap(first, second);
        }
        bodies = 0;
        std::mem::take(&mut held)
    })
}

/// Forwards the handshake and the end, and an upload of the attacker's in between.
fn replacing(cast: &Cast, house: &House, dialect: Dialect) -> Result<(Plan, usize), LabError> {
    let letter = Letter { name: NAME, content: vec![OWN; SIZE] };
    let own = thief::own(cast, house.address(), dialect, &letter)?;
    let mut own = Some(own);
    let edit = move |item| match item {
        Item::Message(Message::Filename(_) | Message::SessionKey(_)) => Vec::new(),
        Item::Body(_) => own.take().unwrap_or_default(),
        other @ Item::Message(_) => vec![other],
    };
    // The attacker's hello was a session too.
    Ok((Plan::Edit(Box::new(edit)), 2))
}

/// Cuts the connection in the middle of a body; between two blocks if it has blocks.
fn cuts(cast: &Cast, variant: Variant) -> Result<Vec<Play>, LabError> {
    let block = cast.server.modulus_bytes();
    let dialect = Dialect::of(variant);
    let mut ways = vec![
        ("in order", dialect, 60 * block / 2, Cut::InOrder),
        ("by a reset", dialect, 60 * block / 2, Cut::Reset),
        ("and the sender sees an orderly end", dialect, 60 * block / 2, Cut::Lie),
    ];
    if variant == Variant::Cp1 {
        for (way, framing) in [
            ("framing B, in order", Framing::B),
            ("framing C, in order", Framing::C),
            ("framing F, in order", Framing::F),
        ] {
            ways.push((way, Dialect { framing, ..dialect }, 30 * (8 + block), Cut::InOrder));
        }
    }
    ways.into_iter()
        .map(|(way, dialect, after, how)| {
            on_the_path(cast, way, dialect, &[letter(NAME)?], &|_| Ok((Plan::Cut(after, how), 1)), &at_rest)
        })
        .collect()
}

// ---- Recordings

/// Records an upload through a relay.
fn record(cast: &Cast, house: &House, dialect: Dialect, folder: &Path) -> Result<Seen, LabError> {
    let proxy = Proxy::start(vec![(Plan::Relay, house.address())])?;
    let letters = [letter(NAME)?];
    let order =
        Order { address: proxy.address(), dialect, letters: &letters, receipts: false, pin: None, folder };
    send(cast, &order)?;
    Ok(proxy.finish().pop().unwrap_or_default())
}

/// Replays the client's bytes to the same server.
fn replayed(cast: &Cast, dialect: Dialect, way: &str, moved: bool) -> Result<Play, LabError> {
    let folder = cast.scratch()?;
    let house = House::open(&cast.server, &folder, "store")?;
    let seen = record(cast, &house, dialect, &folder)?;
    let before = house.after(1).len();
    let first = house.stored()?;
    if moved {
        for (name, _) in &first {
            std::fs::rename(house.store().join(name), folder.join(format!("moved-{name}")))?;
        }
    }
    say_again(house.address(), &seen.up)?;
    let events = house.after(2).split_off(before);
    let files = house.stored()?.len();
    let refused = refusals(&events).join("; ");
    let outcome = match (first.len(), kept(&events).as_slice(), refused.as_str()) {
        (1, [Kept::Same], "") if files == 1 => Outcome::SameIsDone,
        (1, [Kept::New | Kept::Renamed], "") => Outcome::StoredAgain,
        (1, [], why) if !why.is_empty() && files == usize::from(!moved) => Outcome::Refused,
        _ => Outcome::Unclear,
    };
    let said = if refused.is_empty() { "nothing".to_owned() } else { refused };
    let seen = format!("{files} in the folder; the server refused: {said}");
    Ok(Play { way: way.to_owned(), outcome, seen, believed: None, receipt: None, told: String::new() })
}

fn say_again(server: SocketAddr, bytes: &[u8]) -> Result<(), LabError> {
    let mut socket = TcpStream::connect_timeout(&server, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    // The server refuses by a reset, which may come before the last byte.
    let _ = socket.write_all(bytes).and_then(|()| socket.shutdown(Shutdown::Write));
    let _ = socket.read_to_end(&mut Vec::new());
    Ok(())
}

/// Replays the server's answer from another connection.
fn answered(cast: &Cast, dialect: Dialect) -> Result<Play, LabError> {
    let folder = cast.scratch()?;
    let house = House::open(&cast.server, &folder, "store")?;
    let mut answer = record(cast, &house, dialect, &folder)?.down;
    let length = AnswerDecoder::default().feed(&answer).map_or(0, |(taken, _)| taken);
    answer.truncate(length);
    let (sent, seen) = meet(cast, dialect, &folder, None, vec![(Plan::Answer(answer), house.address())])?;
    Ok(distrust("word for word", &sent, &seen))
}

// ---- The identity of another server

/// Sends one upload for each plan, one after another, and returns what was observed of the last.
fn meet(
    cast: &Cast,
    dialect: Dialect,
    folder: &Path,
    pin: Option<&str>,
    plans: Vec<(Plan, SocketAddr)>,
) -> Result<(Sent, Seen), LabError> {
    let times = plans.len();
    let proxy = Proxy::start(plans)?;
    let letters = [letter(NAME)?];
    let pin = pin.map(str::to_owned);
    let address = proxy.address();
    let order = Order { address, dialect, letters: &letters, receipts: false, pin, folder };
    let mut sent = Sent::default();
    for _ in 0..times {
        sent = send(cast, &order)?;
    }
    Ok((sent, proxy.finish().pop().unwrap_or_default()))
}

/// Judges whether the client rejected the server and sent nothing of the file.
fn distrust(way: &str, sent: &Sent, seen: &Seen) -> Play {
    let is_of_file = |item: &Item| {
        matches!(item, Item::Body(_) | Item::Message(Message::Filename(_) | Message::SessionKey(_)))
    };
    let unproven = matches!(&sent.states[..], [State::Failed(fault)] if fault.kind == FaultKind::Unproven);
    let asked = seen.items.iter().any(|item| matches!(item, Item::Message(Message::Authenticate(_))));
    let outcome = match (unproven, seen.items.iter().any(is_of_file)) {
        (true, false) if asked && !sent.proven => Outcome::Distrusted,
        (false, true) if sent.proven => Outcome::Believed,
        _ => Outcome::Unclear,
    };
    Play {
        way: way.to_owned(),
        outcome,
        seen: sent.words(),
        believed: None,
        receipt: None,
        told: String::new(),
    }
}

fn impostor(cast: &Cast, dialect: Dialect, way: &str, who: &Arc<Identity>) -> Result<Play, LabError> {
    let folder = cast.scratch()?;
    let house = House::open(who, &folder, "impostor")?;
    let (sent, seen) = meet(cast, dialect, &folder, None, vec![(Plan::Relay, house.address())])?;
    Ok(distrust(way, &sent, &seen))
}

/// Without a pin, another server of the same CA is accepted. If it is rejected with a pin or a known key, the pin was
/// the reason.
fn neighbours(cast: &Cast, dialect: Dialect) -> Result<Vec<Play>, LabError> {
    let control = impostor(cast, dialect, "", &cast.neighbour)?;
    let caught = |mut play: Play| {
        if play.outcome == Outcome::Distrusted && control.outcome == Outcome::Believed {
            play.outcome = Outcome::CaughtByPin;
        }
        play.seen = format!("{}; without it: {}", play.seen, control.seen);
        play
    };
    let pin = cast.server.server_key().fingerprint().to_string();
    let named = {
        let folder = cast.scratch()?;
        let house = House::open(&cast.neighbour, &folder, "neighbour")?;
        let (sent, seen) = meet(cast, dialect, &folder, Some(&pin), vec![(Plan::Relay, house.address())])?;
        distrust("against --pin", &sent, &seen)
    };
    let met = {
        let folder = cast.scratch()?;
        let house = House::open(&cast.server, &folder, "store")?;
        let other = House::open(&cast.neighbour, &folder, "neighbour")?;
        let plans = vec![(Plan::Relay, house.address()), (Plan::Relay, other.address())];
        let (sent, seen) = meet(cast, dialect, &folder, None, plans)?;
        distrust("at the address of a known server", &sent, &seen)
    };
    Ok(vec![caught(named), caught(met)])
}
