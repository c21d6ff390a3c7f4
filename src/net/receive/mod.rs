//! The server's walk: connection → frames → open → store.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use self::arriving::{Arriving, AtRest, MayBeSealed};
use self::blocks::{Blocks, OpenEnded};
use self::body::Slot;
use self::detect::Speaks;
use self::history::{Opening, Own};
use self::publishing::{Committed, SMALL};
use self::receipts::Stored;
use super::connection::Connection;
use super::ending::Behind;
use super::framing::Body;
use super::handshake::{Limits, Offer, check_signable, server_line};
use super::refusal::{Notice, Refusal};
use super::service::{ReceiveError, Reply, Service};
use super::wire::{Decoder, Message, Part, WORD, word};
use crate::clock;
use crate::crypto::OpenError;
use crate::crypto::fernet::{SessionKey, TokenOpener, token_len};
use crate::crypto::receipt::Request;
use crate::crypto::rsa_batch::BatchError;
use crate::digest::Digest;
use crate::event::{Event, SessionId, Track, Variant};
use crate::history::Seen;
use crate::meter::{Meter, Stage};
use crate::store::{Discard, FileName, Incoming, Pending};

mod arriving;
mod blocks;
mod body;
mod detect;
mod endings;
mod history;
mod publishing;
mod receipts;
mod room;

/// How long a client may stand still: a person may choose files in between.
pub const IDLE_PATIENCE: Duration = Duration::from_secs(900);
/// How long it may stand still inside a message or a body.
const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// "Published after 1 s of silence": PROTOCOL.md, "Finality".
const SILENCE: Duration = Duration::from_secs(1);
/// How long a client may stand still behind what may be a terminator and MODE 2, before it is taken for that.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(10);
/// How long whole small files wait for others to be published with.
const GROUP_PATIENCE: Duration = Duration::from_millis(5);
/// How often that doubles when a file was published too early: up to about a minute.
const LONGER_SILENCES: u32 = 6;
/// What the name of a body kept as it came begins with (the handout's).
const CIPHERTEXT: &str = "enc_recv_";
/// How long the client may take to hang up after MODE 2, so that our end is no reset.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);
/// How long what a refused client still sends is read and dropped, so that the reset does not overtake the refusal.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

/// What a connection turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// No complete message came: a port scan, or a client of another protocol.
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
///   MODE 2 ─► end in order; anything refused ─► 0xff and a reset, and one line for the operator
/// ```
pub struct Session<'a> {
    service: &'a Service,
    connection: Connection,
    decoder: Decoder,
    id: SessionId,
    peer: String,
    /// Files begun, from 1.
    ordinal: u64,
    name: Option<FileName>,
    /// Whether something of that name was announced and is not stored yet.
    unfinished: bool,
    caller: Caller,
    proved: bool,
    hello: Option<Offer>,
    /// SHA-256 of the first message that was signed.
    first_message: Option<Digest>,
    /// What is here of this connection.
    stored: Stored,
    /// What must not come in another connection.
    own: Own,
    speaks: Speaks,
    key: Option<SessionKey>,
    /// SHA-256 of that key as it was wrapped, of each piece in which it came.
    wrapped: Vec<Digest>,
    /// The blocks that it came in, while nothing but more of them has followed.
    key_pieces: Vec<u8>,
    /// The bytes that silence decided about, and k.
    decided_by_silence: Option<(Vec<u8>, u64)>,
    /// Whether that was its doing if the key is a random one.
    unwrapped: Result<(), BatchError>,
    /// A file that may still turn out not to be over.
    open_ended: Option<OpenEnded>,
    /// The last file, while nothing but more of it has followed.
    at_rest: Option<AtRest>,
    /// A file that is here, while more of it comes.
    amending: Option<FileName>,
    /// What is being received, for the line when it fails.
    receiving: Option<Track>,
    /// Buffers, used again for each body.
    slots: Vec<Slot>,
    /// Whole small files that are to be published together.
    group: Vec<Committed>,
}

/// What is known of a file before its body.
struct Announced {
    /// Bytes of it, if M1 says so.
    size: Option<u64>,
    /// Bytes that it needs on the disk, as far as M1 tells.
    room: u64,
    /// Bytes of the body.
    m1: u64,
}

impl<'a> Session<'a> {
    /// For a connection that was just accepted from `peer`.
    #[must_use]
    pub fn new(service: &'a Service, connection: Connection, id: SessionId, peer: String) -> Self {
        Self {
            service,
            connection,
            decoder: Decoder::default(),
            id,
            peer,
            ordinal: 0,
            name: None,
            unfinished: false,
            caller: Caller::Silent,
            proved: false,
            hello: None,
            first_message: None,
            stored: Stored::default(),
            own: Own::default(),
            speaks: Speaks::Unknown,
            key: None,
            wrapped: Vec::new(),
            key_pieces: Vec::new(),
            decided_by_silence: None,
            unwrapped: Ok(()),
            open_ended: None,
            at_rest: None,
            amending: None,
            receiving: None,
            slots: Vec::new(),
            group: Vec::new(),
        }
    }

    /// Serves it to its end. What is refused is reported, in one line.
    ///
    /// However this ends, by a panic or a signal too, the connection is reset, unless everything went well: an end in
    /// order tells the client that its files were delivered.
    pub fn run(&mut self) {
        self.serve_to_the_end();
    }

    /// As [`run`](Self::run); returns what the connection turned out to be.
    pub(super) fn run_for_caller(&mut self) -> Caller {
        self.serve_to_the_end();
        self.caller
    }

    fn serve_to_the_end(&mut self) {
        self.connection.reset();
        let result = self.serve().and_then(|()| self.publish_group());
        if result.is_err() {
            self.publish_what_is_whole();
        }
        self.close_file();
        self.release_claims();
        match result {
            Ok(()) => self.connection.end_in_order(),
            // This server was stopped between messages: nothing of the client's is reported as refused. But what it
            // sent may not have been read.
            Err(_) if self.connection.is_interrupted() && self.receiving.is_none() => {
                self.refuse(Refusal::Busy);
            }
            Err(error) => self.report(&error),
        }
    }

    /// Reports a refusal, and tells the client.
    fn report(&mut self, error: &ReceiveError) {
        if let Some(track) = self.receiving {
            self.service.observer.unwatch(track);
        }
        let stays = match &self.amending {
            Some(name) => format!("; {name} stays as it was published"),
            None => String::new(),
        };
        self.service.observer.event(Event::Refused {
            session: self.id,
            track: self.receiving,
            peer: self.peer.clone(),
            name: self.name.as_ref().filter(|_| self.unfinished).map(ToString::to_string),
            blame: error.blame(),
            why: format!("{}{stays}", error.line(self.offset())),
            at_ms: clock::unix_ms(),
        });
        let reason = match error {
            _ if self.connection.is_interrupted() => Refusal::Busy,
            // Without a key it speaks Plain only.
            ReceiveError::Order { .. } if self.service.identity.is_none() => Refusal::Variant,
            error => error.refusal(self.receiving.is_some()),
        };
        let file = match (self.receiving, error) {
            (Some(Track::Receiving(_, ordinal)), _) => Some(ordinal),
            // One that was refused before its body: with its MODE 0, or after its number was counted.
            (None, ReceiveError::Name(_)) if self.name.is_none() => Some(self.ordinal + 1),
            (None, ReceiveError::Name(_) | ReceiveError::TooLarge { .. }) => Some(self.ordinal),
            _ => None,
        };
        self.refuse(Notice { reason, file });
    }

    /// Ends the connection by a refusal: the byte, for our clients the reason, then a reset.
    pub fn refuse(&mut self, notice: impl Into<Notice>) {
        self.connection.refuse(&notice.into().bytes(self.hello.is_some()), REFUSAL_PATIENCE);
    }

    fn serve(&mut self) -> Result<(), ReceiveError> {
        while let Some(message) = self.message()? {
            if !matches!(message, Message::Filename(_) | Message::Data { .. } | Message::SessionKey(_)) {
                self.publish_group()?;
            }
            if !matches!(message, Message::Data { .. }) {
                self.caller = Caller::Client;
            }
            let continues = matches!(message, Message::OneMoreBlock | Message::EndOfBlocks);
            if !continues {
                self.settle()?;
                self.close_file();
                self.key_pieces.clear();
            }
            match message {
                Message::Filename(bytes) => {
                    self.name = None;
                    self.name = Some(FileName::from_wire(&bytes)?);
                    self.unfinished = true;
                }
                Message::Data { length } => self.data(length)?,
                Message::OneMoreBlock if !self.key_pieces.is_empty() => self.one_more_key_piece()?,
                Message::OneMoreBlock => self.one_more_block()?,
                Message::EndOfBlocks => self.end_of_blocks()?,
                Message::Authenticate(challenge) => self.prove(&challenge)?,
                Message::SessionKey(wrapped) => self.agree(&wrapped)?,
                Message::Close => return self.farewell(),
            }
        }
        self.settle()
    }

    /// The next message; `None`: the client ended between messages.
    fn message(&mut self) -> Result<Option<Message>, ReceiveError> {
        loop {
            let (taken, message) = self.decoder.feed(self.connection.buffered())?;
            self.connection.consume(taken);
            if message.is_some() {
                return Ok(message);
            }
            let between = self.decoder.is_between_messages();
            // More than none: they may be a terminator, or begin a message.
            let undecided = if between { self.connection.buffered().len() } else { 0 };
            let patience = match (between, &self.open_ended) {
                _ if !self.group.is_empty() => GROUP_PATIENCE,
                (true, Some(file)) => SILENCE * (1 << file.amendments().min(LONGER_SILENCES)),
                (true, None) if matches!(undecided, 0 | WORD) => IDLE_PATIENCE,
                (true, None) if undecided > WORD => GOODBYE_PATIENCE,
                (_, _) => BODY_PATIENCE,
            };
            self.connection.set_patience(patience);
            match self.connection.fill() {
                Ok(0) if undecided > 0 && !self.connection.is_interrupted() => {
                    let message = self.decide(Behind::End)?;
                    if message.is_some() {
                        return Ok(message);
                    }
                }
                Ok(0) if between && !self.connection.is_interrupted() => return Ok(None),
                Ok(0) => return Err(self.cut(None)),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::TimedOut && !self.group.is_empty() => {
                    self.publish_group()?;
                }
                Err(e) if e.kind() == io::ErrorKind::TimedOut && self.open_ended.is_some() && between => {
                    self.settle()?;
                }
                Err(e) if e.kind() == io::ErrorKind::TimedOut && undecided > WORD => {
                    let message = self.decide(Behind::Silence)?;
                    if message.is_some() {
                        return Ok(message);
                    }
                    return Err(self.cut(Some(e)));
                }
                Err(e) => return Err(self.cut(Some(e))),
            }
        }
    }

    fn cut(&self, source: Option<io::Error>) -> ReceiveError {
        ReceiveError::Cut { offset: self.offset(), source }
    }

    const fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// MODE 3: signs, and answers by four writes.
    fn prove(&mut self, challenge: &[u8]) -> Result<(), ReceiveError> {
        let Some(identity) = &self.service.identity else {
            self.hello = Offer::parse(challenge);
            return Err(self.order("MODE 3, but this server has no certificate and serves Plain only"));
        };
        check_signable(challenge)?;
        let gives_receipts = self.service.receipt_signer().is_ok();
        // Without them a request is answered as any message: "delivered, no receipt".
        if let Some(request) = Request::parse(challenge).filter(|_| gives_receipts) {
            return self.receipt(&request);
        }
        let mut line = String::new();
        if let Some(offer) = Offer::parse(challenge) {
            if self.hello.is_some_and(|before| before != offer) {
                return Err(self.order("a second hello that changes what the first one said"));
            }
            self.hello = Some(offer);
            line = server_line(gives_receipts, IDLE_PATIENCE.as_secs(), &Limits::of(&self.service.policy));
        }
        self.first_message.get_or_insert_with(|| Digest::of(challenge));
        let signature = identity.sign(challenge)?;
        self.answer(signature, [line.as_bytes(), identity.certificate_pem()].concat())?;
        self.proved = true;
        self.service.observer.event(Event::SessionProved { session: self.id });
        Ok(())
    }

    /// The two blobs of an answer to MODE 3, by four writes.
    fn answer(&mut self, signature: Vec<u8>, certificate: Vec<u8>) -> Result<(), ReceiveError> {
        self.connection.set_patience(BODY_PATIENCE);
        let Reply { gap, certificate_first } = self.service.policy.reply;
        let (first, second) =
            if certificate_first { (certificate, signature) } else { (signature, certificate) };
        let parts = [&word(first.len() as u64)[..], &first, &word(second.len() as u64), &second];
        for (n, part) in parts.into_iter().enumerate() {
            if n > 0 && !gap.is_zero() {
                thread::sleep(gap);
            }
            self.connection.send(part, |_| ()).map_err(|e| self.cut(Some(e)))?;
        }
        Ok(())
    }

    /// MODE 4. A key that does not decrypt becomes a random one: the failure surfaces at the HMAC.
    fn agree(&mut self, wrapped: &[u8]) -> Result<(), ReceiveError> {
        let Some(identity) = &self.service.identity else {
            return Err(self.order("MODE 4, but this server has no key and serves Plain only"));
        };
        let identity = Arc::clone(identity);
        let digest = Digest::of(wrapped);
        self.check_fresh(digest)?;
        self.wrapped = vec![digest];
        self.unwrap(&identity, wrapped);
        Ok(())
    }

    const fn order(&self, what: &'static str) -> ReceiveError {
        ReceiveError::Order { offset: self.offset(), what }
    }

    /// MODE 1.
    fn data(&mut self, m1: u64) -> Result<(), ReceiveError> {
        let Some(name) = self.name.clone() else {
            return Err(self.order("MODE 1 before any MODE 0: a file without a name"));
        };
        self.connection.set_patience(BODY_PATIENCE);
        if m1 > SMALL {
            self.publish_group()?;
        }
        self.unfinished = true;
        self.ordinal += 1;
        let (variant, may_be_sealed) = self.variant(m1)?;
        if !self.service.policy.variants.contains(&variant) {
            return Err(ReceiveError::Variant { offset: self.offset(), variant });
        }
        match variant {
            Variant::Plain | Variant::Ap => {
                self.check_size(m1)?;
                let mut file = self.begin(&name, variant, Announced { size: Some(m1), room: m1, m1 })?;
                file.may_be_sealed = may_be_sealed;
                self.clear_body(m1, &mut file)?;
                if let Some(continuation) = self.doubt(variant, m1) {
                    self.decoder.set_continuation(continuation);
                    self.open_ended = Some(OpenEnded::Clear(file));
                    return Ok(());
                }
                self.publish_later(file)
            }
            Variant::Cp2 => {
                let Some(key) = &self.key else { return Err(self.order("a token before any session key")) };
                if m1 > token_len(self.service.policy.max_file).unwrap_or(u64::MAX) {
                    return Err(self.too_large(m1 / 4 * 3));
                }
                let mut opener = TokenOpener::new(key, m1, self.service.policy.digest)?;
                let mut file =
                    self.begin(&name, variant, Announced { size: None, room: room::token(m1), m1 })?;
                self.sealed_body(m1, &mut opener, &mut file).map_err(|error| {
                    match (error, self.unwrapped) {
                        (ReceiveError::Open(OpenError::Rejected), Err(why)) => OpenError::from(why).into(),
                        (error, _) => error,
                    }
                })?;
                // The token's length left 16 bytes of it open.
                self.check_size(file.meter.file_bytes())?;
                // Only now: a key that opens nothing need not be remembered.
                let wrapped = self.wrapped.clone();
                self.claim(&mut file, wrapped.into_iter().map(|wrapped| (Seen::SessionKey, wrapped)))?;
                self.publish_later(file)
            }
            Variant::Cp1 => {
                let Some(identity) = self.service.identity.clone() else {
                    return Err(self.order("CP1, but this server has no key"));
                };
                let k = identity.modulus_bytes() as u64;
                // A block may hold a single byte.
                if m1 != u64::MAX && m1 > self.service.policy.max_file.saturating_mul(k) {
                    return Err(self.too_large(m1 / k));
                }
                let opener = self.block_opener(identity)?;
                self.connection.buffer_little();
                let announced = if m1 == u64::MAX { 0 } else { m1 };
                let said = self.hello.and_then(|offer| offer.framing);
                let room = room::blocks(m1, k, said, self.hello.and_then(|offer| offer.padding));
                let file = self.begin(&name, variant, Announced { size: None, room, m1: announced })?;
                self.blocks(Blocks { file, opener }, Body::new(m1, k, said))
            }
        }
    }

    fn check_size(&self, size: u64) -> Result<(), ReceiveError> {
        if size > self.service.policy.max_file { Err(self.too_large(size)) } else { Ok(()) }
    }

    const fn too_large(&self, size: u64) -> ReceiveError {
        ReceiveError::TooLarge { offset: self.offset(), size, limit: self.service.policy.max_file }
    }

    fn begin(
        &mut self,
        name: &FileName,
        variant: Variant,
        Announced { size, room, m1 }: Announced,
    ) -> Result<Arriving, ReceiveError> {
        let track = Track::Receiving(self.id, self.ordinal);
        let is_race = is_race(name.as_str());
        let want = match self.service.policy.prefix.as_str() {
            "" => name.clone(),
            prefix => name.with_prefix(prefix)?,
        };
        want.check(self.service.policy.portability)?;
        let pending: Box<dyn Pending> = if is_race {
            Box::new(Discard::new(name.clone()))
        } else {
            self.service.store.begin(&Incoming { name: want.clone(), size: Some(room) })?
        };
        let ciphertext = match &self.service.ciphertext {
            Some(store) if !is_race && matches!(variant, Variant::Cp1 | Variant::Cp2) => {
                Some(store.begin(&Incoming { name: name.with_prefix(CIPHERTEXT)?, size: None })?)
            }
            _ => None,
        };
        let meter = Arc::new(Meter::default());
        meter.start(size.unwrap_or(0), m1);
        let file = Arriving {
            track,
            variant,
            want,
            came_as: name.clone(),
            pending,
            ciphertext,
            digest: None,
            meter,
            begun: Instant::now(),
            plain: Vec::new(),
            opening: Opening::default(),
            claimed: Vec::new(),
            replaces: None,
            may_be_sealed: MayBeSealed::No,
            amendments: 0,
        };
        self.watch(&file);
        Ok(file)
    }

    /// Says that a file comes, or comes on.
    fn watch(&mut self, file: &Arriving) {
        self.receiving = Some(file.track);
        self.unfinished = true;
        self.service.observer.event(Event::Receiving {
            track: file.track,
            peer: self.peer.clone(),
            name: file.want.to_string(),
            variant: file.variant,
        });
        self.service.observer.watch(file.track, Arc::clone(&file.meter));
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

    /// Nothing more can come of the last file.
    fn close_file(&mut self) {
        let Some(AtRest { ciphertext: Some(ciphertext), published, .. }) = self.at_rest.take() else {
            return;
        };
        if let Err(error) = ciphertext.commit(None).wait() {
            // The file itself is stored; this is no reason to refuse it.
            let text = format!("the ciphertext of {} is not kept: {error}", published.stored.name);
            self.service.observer.event(Event::Note { text });
        }
    }

    /// After MODE 2: ends in order, and lets the client hang up first, so that bytes of a second
    /// MODE 2 do not turn our end into a reset.
    fn farewell(&mut self) -> Result<(), ReceiveError> {
        // Everything is stored, so from here on the end is one in order, whatever happens.
        self.connection.end_in_order();
        if self.connection.finish_writing().is_err() {
            return Ok(()); // It has hung up already.
        }
        self.connection.set_patience(FAREWELL_PATIENCE);
        let surplus_limit = Part::Message.limit();
        let mut surplus = 0;
        loop {
            let here = self.connection.buffered().len();
            self.check_goodbye()?;
            surplus += here as u64;
            self.connection.consume(here);
            if surplus > surplus_limit || !matches!(self.connection.fill(), Ok(1..)) {
                return Ok(());
            }
        }
    }
}

/// Whether a file is a lane of a race (`race-cp1-NAME`), which is measured and not kept.
#[must_use]
pub fn is_race(name: &str) -> bool {
    ["race-plain-", "race-ap-", "race-cp1-", "race-cp2-"].iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests;
