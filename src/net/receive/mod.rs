//! The server's side of one connection: bytes → messages → openers → store.
//!
//! ```text
//!   mod.rs         Session: the loop over messages
//!   current.rs     what the next word may continue: a session key, an open-ended file, a published file
//!   proof.rs       MODE 3 and 4          endings.rs   terminators, and the end of the connection
//!   file.rs        MODE 1                detect.rs    which variant its body is
//!   body.rs        Plain, AP, CP2        blocks.rs    CP1             arriving.rs   a file on its way
//!   opening.rs     the first blocks of CP1, by which a replay is recognised
//!   publishing.rs  commit, rows, events  history.rs   replay guard    receipts.rs   receipts
//!   turns.rs       which bodies have threads
//!   failed.rs      an error, the file that it is about, and the refusal
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::body::Slot;
use self::current::Current;
use self::detect::Speaks;
use self::failed::{Failed, FailedFile};
pub(crate) use self::file::is_race;
use self::history::Own;
use self::proof::Agreed;
use self::publishing::Committed;
use self::receipts::Stored;
pub use self::turns::open_bodies_on_one_thread;
use super::connection::{Connection, Decoded, ReadError, Wait};
use super::deadlines::{Clocks, Deadlines, Progress};
use super::disk::Disk;
use super::ending::Behind;
use super::handshake::Offer;
use super::leaving::{MOMENT, Phase};
use super::service::{Policy, ReceiveError, Service};
use super::wire::{Decoder, Message, WireError};
use super::word::WORD;
use super::work::Queue;
use crate::crypto::identity::Identity;
use crate::digest::Digest;
use crate::event::SessionId;
use crate::meter::{Meter, Stage};
use crate::net::description::{self, Description, Malformed};
use crate::store::{FileName, Meta, NameError};

mod arriving;
mod blocks;
mod body;
mod current;
mod detect;
mod endings;
mod failed;
mod file;
mod history;
mod opening;
mod proof;
mod publishing;
mod receipts;
mod room;
#[cfg(test)]
mod tests;
mod turns;

/// Silence after which an open-ended file is published (docs/protocol.md, section CP1).
const SILENCE: Duration = Duration::from_secs(1);
/// Silence after which bytes that may be a terminator and MODE 2 are taken for that.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(10);
/// Time that whole small files wait for others to be published with.
const GROUP_PATIENCE: Duration = Duration::from_millis(5);
/// Times that [`SILENCE`] doubles, because a file was published too early: up to about a minute.
const LONGER_SILENCES: u32 = 6;
/// Silence of the client after MODE 2 that ends the wait for its end, so that the server's end is not a reset.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);
/// Time for which bytes of a refused client are read and dropped, so that the reset does not overtake the refusal.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

/// What a connection turned out to be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// No complete message came: a port scan, or a client of another protocol.
    #[default]
    Silent,
    /// At least one complete message came.
    Client,
}

/// One accepted connection, from its first byte to its last.
///
/// ```text
///   MODE 3 ─► sign, or a receipt of what is stored        MODE 4 ─► session key        MODE 0 ─► name
///   MODE 1 ─► variant ─┬─ Plain, AP: Clear
///                      ├─ CP1: framing, BlockOpener ─► perhaps one more block
///                      └─ CP2: TokenOpener
///                      └► Pending ─► commit ─► Received
///   MODE 2 ─► end in order; any refusal ─► 0xff and a reset, and one line for the operator
/// ```
pub struct Session<'a> {
    service: &'a Service,
    connection: Connection,
    decoder: Decoder,
    id: SessionId,
    peer: String,
    client: Client,
    clocks: Clocks,
    /// Set when the client has begun a file or got an answer to MODE 3.
    acted: Arc<AtomicBool>,
    /// Queue before the server's key.
    queue: Arc<Queue>,
    /// The disk as all sessions share it.
    disk: Arc<Disk>,
    /// What the session does, for a server that stops.
    phase: Phase,
    /// Messages that were to be signed, and session keys.
    proofs: u64,
    keys: u64,
    /// Whether the session was malformed, refused for what the client did, or abandoned.
    is_bad: bool,
    /// Whether MODE 2 came.
    said_goodbye: bool,
    /// The latest MODE 0.
    name: Option<Announced>,
    /// Files begun, from 1.
    ordinal: u64,
    current: Current,
    agreed: Option<Agreed>,
    /// Files of this connection that are stored.
    stored: Stored,
    /// Keys, blocks and tokens of this connection that must not come in another one.
    own: Own,
    /// The bytes that silence decided about, and k.
    decided_by_silence: Option<(Vec<u8>, u64)>,
    /// Buffers, reused for each body.
    slots: Vec<Slot>,
    /// Whole small files that are to be published together.
    group: Vec<Committed>,
}

/// What is known of the client.
#[derive(Default)]
struct Client {
    caller: Caller,
    hello: Option<Offer>,
    /// SHA-256 of the first message that was signed.
    first_message: Option<Digest>,
    /// Whether its MODE 3 was answered.
    was_answered: bool,
    speaks: Speaks,
}

/// The name that MODE 0 announced.
struct Announced {
    name: FileName,
    /// What else the client says about the file.
    meta: Meta,
    /// Whether a body has begun under it; a second body would have the same name.
    is_used: bool,
}

impl<'a> Session<'a> {
    /// Creates a session for a connection that was just accepted from `peer`.
    #[must_use]
    pub fn new(service: &'a Service, connection: Connection, id: SessionId, peer: String) -> Self {
        let clocks = Clocks::new(service.policy.deadlines, connection.now());
        Self {
            service,
            connection,
            decoder: Decoder::default(),
            id,
            peer,
            client: Client::default(),
            clocks,
            acted: Arc::default(),
            queue: Arc::default(),
            disk: Arc::default(),
            phase: Phase::default(),
            proofs: 0,
            keys: 0,
            is_bad: false,
            said_goodbye: false,
            name: None,
            ordinal: 0,
            current: Current::Idle,
            agreed: None,
            stored: Stored::default(),
            own: Own::default(),
            decided_by_silence: None,
            slots: Vec::new(),
            group: Vec::new(),
        }
    }

    /// Sets the mark that the session sets when its client has begun a file or got an answer to MODE 3.
    pub(super) fn marking(self, acted: Arc<AtomicBool>) -> Self {
        Self { acted, ..self }
    }

    /// Makes the session say when it is between two files, and end there when the server stops.
    pub(super) fn leaving(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// Makes the session share the server's key and disk with others.
    pub(super) fn sharing(self, queue: Arc<Queue>, disk: Arc<Disk>) -> Self {
        Self { queue, disk, ..self }
    }

    /// Returns whether the session was malformed, refused for what the client did, or abandoned before it did anything.
    pub(super) const fn is_bad(&self) -> bool {
        self.is_bad
    }

    /// Serves the connection to its end. A refusal is reported to the observer.
    ///
    /// Unless everything went well the connection is reset, also after a panic or a signal: an end in order tells the
    /// client that its files were delivered.
    pub fn run(&mut self) {
        self.serve_to_the_end();
    }

    /// Does what [`run`](Self::run) does, and returns what the connection turned out to be.
    pub(super) fn run_for_caller(&mut self) -> Caller {
        self.serve_to_the_end();
        self.client.caller
    }

    fn serve_to_the_end(&mut self) {
        self.connection.reset();
        let result = self.serve().and_then(|()| self.publish_group());
        let result = result.map_err(|failed| failed.or_about(|| self.current_file()));
        if result.is_err() {
            self.publish_what_is_whole();
        }
        self.close_current();
        self.release_claims();
        match result {
            Ok(()) => {
                self.is_bad = !self.clocks.has_acted() && !self.said_goodbye;
                self.connection.end_in_order();
            }
            Err(failed) => {
                let is_cut = matches!(failed.why, ReceiveError::Cut { .. });
                self.is_bad = failed.why.is_bad() || (is_cut && !self.clocks.has_acted());
                self.fail(&failed);
            }
        }
    }

    fn serve(&mut self) -> Result<(), Failed> {
        while let Some(message) = self.message()? {
            self.clocks.end_message();
            self.connection.set_limit(None);
            if !matches!(message, Message::Filename(_) | Message::Data { .. } | Message::SessionKey(_)) {
                self.publish_group()?;
            }
            if !matches!(message, Message::Data { .. }) {
                self.client.caller = Caller::Client;
                self.clocks.progress(Progress::Spoke);
            }
            if !matches!(message, Message::OneMoreBlock | Message::EndOfBlocks) {
                self.settle()?;
                self.close_current();
            }
            match message {
                Message::Filename(_) if self.phase.is_leaving() => return Err(ReceiveError::Leaving.into()),
                Message::Filename(bytes) => self.announce(&bytes)?,
                Message::Data { length } => self.data(length)?,
                Message::OneMoreBlock => self.one_more_block()?,
                Message::EndOfBlocks => self.end_of_blocks()?,
                Message::Authenticate(message) => self.prove(&message)?,
                Message::SessionKey(wrapped) => self.agree(&wrapped)?,
                Message::Close => {
                    self.said_goodbye = true;
                    return Ok(self.farewell()?);
                }
            }
        }
        self.settle()
    }

    /// Reads the next message; `None`: the client ended between two messages.
    fn message(&mut self) -> Result<Option<Message>, Failed> {
        self.connection.set_read_pace(None);
        loop {
            self.phase.rest(self.is_between_files());
            let Self { connection, decoder, current, group, clocks, service, phase, .. } = self;
            let deadlines = &service.policy.deadlines;
            let read = connection.read_message(|input, now| -> Result<_, WireError> {
                let (taken, message) = decoder.feed(input)?;
                let undecided = decoder.is_between_messages().then(|| input.len() - taken);
                if let Some(message) = message {
                    return Ok((taken, Decoded::Message(message)));
                }
                // A whole word between two messages may wait for what follows it ([`patience`]).
                let is_inside = !matches!(undecided, Some(0 | WORD..));
                let most = if phase.is_leaving() { MOMENT } else { deadlines.idle };
                let patience = patience((deadlines, most), undecided, current, !group.is_empty());
                let until = clocks.reading(is_inside, now());
                Ok((taken, Decoded::More(Some(Wait { patience, until }))))
            });
            self.phase.rest(false);
            let is_between = self.decoder.is_between_messages();
            // Bytes that may be a terminator, or begin a message.
            let undecided = if is_between { self.connection.buffered().len() } else { 0 };
            let decided = match read {
                Ok(message) => Some(message),
                Err(ReadError::Malformed(why)) => return Err(why.into()),
                Err(ReadError::Ended) if self.connection.is_interrupted() => {
                    return Err(self.cut(None).into());
                }
                Err(ReadError::Ended) if undecided > 0 => self.decide(Behind::End)?,
                Err(ReadError::Ended) if is_between => return Ok(None),
                Err(ReadError::Ended) => return Err(self.cut(None).into()),
                Err(ReadError::Failed(e)) if e.kind() != io::ErrorKind::TimedOut => {
                    return Err(self.cut(Some(e)).into());
                }
                Err(ReadError::Failed(_)) if !self.group.is_empty() => {
                    self.publish_group()?;
                    None
                }
                Err(ReadError::Failed(_)) if is_between && matches!(self.current, Current::OpenEnded(_)) => {
                    self.settle()?;
                    None
                }
                Err(ReadError::Failed(_)) if is_between && undecided == 0 && self.phase.is_leaving() => {
                    return Err(ReceiveError::Leaving.into());
                }
                Err(ReadError::Failed(e)) if undecided > WORD => match self.decide(Behind::Silence)? {
                    None => return Err(self.late_or_cut(e).into()),
                    message => message,
                },
                Err(ReadError::Failed(e)) => return Err(self.late_or_cut(e).into()),
            };
            if decided.is_some() {
                return Ok(decided);
            }
        }
    }

    /// Returns whether nothing of a file, nor of a message, is on its way as far as this side knows.
    fn is_between_files(&self) -> bool {
        self.decoder.is_between_messages()
            && self.connection.buffered().is_empty()
            && self.group.is_empty()
            && matches!(self.current, Current::Idle | Current::AtRest(_))
    }

    /// Takes the name from MODE 0.
    fn announce(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.name = None;
        let refused = FailedFile::refused(self.ordinal + 1, None);
        let (name, meta) = self.described(bytes).map_err(|why| Failed::of(refused, why))?;
        self.name = Some(Announced { name, meta, is_used: false });
        Ok(())
    }

    /// Returns the name of a file by its M2, which is a description only if the client sent our hello and was told that
    /// it can be one.
    fn described(&self, m2: &[u8]) -> Result<(FileName, Meta), NameError> {
        let name_alone = || FileName::from_wire(m2).map(|name| (name, Meta::default()));
        let Policy { paths, meta: keeps_meta, .. } = self.service.policy;
        if self.client.hello.is_none() || !(paths || keeps_meta) {
            return name_alone();
        }
        let Description { name, meta } = match description::parse(m2) {
            Ok(None) => return name_alone(),
            Ok(Some(description)) => description,
            Err(Malformed) => return Err(NameError::Malformed),
        };
        let name = FileName::from_path(name)?;
        if name.folder().is_some() && !paths {
            return Err(NameError::Unwanted { name: name.as_str().to_owned() });
        }
        Ok((name, if keeps_meta { meta } else { Meta::default() }))
    }

    /// Returns what the client said about the file of the last MODE 0.
    fn meta(&self) -> Meta {
        self.name.as_ref().map(|announced| announced.meta).unwrap_or_default()
    }

    fn cut(&self, source: Option<io::Error>) -> ReceiveError {
        ReceiveError::Cut { offset: self.offset(), source }
    }

    /// Returns the error of a read between two bodies that timed out.
    fn late_or_cut(&self, timeout: io::Error) -> ReceiveError {
        match self.clocks.missed(self.connection.now()) {
            Some(late) => ReceiveError::Late { offset: self.offset(), late },
            None => self.cut(Some(timeout)),
        }
    }

    /// Notes that the client has begun a file or got an answer to MODE 3.
    fn act(&mut self) {
        self.clocks.progress(Progress::Acted);
        self.acted.store(true, Ordering::Relaxed);
    }

    /// Begins to wait for the bytes of a body.
    fn begin_body(&mut self) {
        let deadlines = self.service.policy.deadlines;
        self.connection.set_patience(deadlines.silence);
        self.connection.set_read_pace(deadlines.pace());
    }

    const fn order(&self, what: &'static str) -> ReceiveError {
        ReceiveError::Order { offset: self.offset(), what }
    }

    /// Returns the server's key; the error is a step out of order.
    fn identity(&self, without: &'static str) -> Result<Arc<Identity>, ReceiveError> {
        self.service.identity.clone().ok_or_else(|| self.order(without))
    }

    /// Bytes of the connection that are read and decoded.
    const fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    fn read_on(&mut self, meter: &Meter) -> Result<(), ReceiveError> {
        match meter.timed(Stage::Wire, || self.connection.fill()) {
            Ok(0) => Err(self.cut(None)),
            Ok(_) => Ok(()),
            Err(e) => Err(self.cut(Some(e))),
        }
    }

    fn take_of(&mut self, meter: &Meter, bytes: usize) {
        meter.add_wire(bytes as u64);
        self.take(bytes);
    }

    fn take(&mut self, bytes: usize) {
        self.connection.consume(bytes);
        self.decoder.skip(bytes as u64);
    }

    /// Returns the next `n` bytes (a few hundred) without taking them; `None`: the client ended before, or is silent.
    fn peek(&mut self, n: usize) -> Result<Option<&[u8]>, ReceiveError> {
        while self.connection.buffered().len() < n {
            match self.connection.fill() {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::TimedOut => return Ok(None),
                Err(e) => return Err(self.cut(Some(e))),
            }
        }
        Ok(Some(&self.connection.buffered()[..n]))
    }
}

/// How long to wait for more bytes. `undecided`: bytes at hand between two messages; `None` inside a message.
/// `idle`: the longest silence between files.
fn patience(
    (deadlines, idle): (&Deadlines, Duration),
    undecided: Option<usize>,
    current: &Current,
    has_group: bool,
) -> Duration {
    match (undecided, current) {
        _ if has_group => GROUP_PATIENCE,
        (Some(_), Current::OpenEnded(file)) => SILENCE * (1 << file.amendments().min(LONGER_SILENCES)),
        (Some(0 | WORD), _) => idle.min(deadlines.idle),
        (Some(undecided), _) if undecided > WORD => GOODBYE_PATIENCE,
        _ => deadlines.silence,
    }
}
