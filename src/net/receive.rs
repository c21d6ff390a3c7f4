//! The server's walk: connection → frames → open → store.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::connection::Connection;
use super::framing::{Body, Step};
use super::handshake::{Offer, check_signable, server_line};
use super::service::{ReceiveError, Service};
use super::wire::{Continuation, Decoder, Message, Part, WORD, word};
use crate::crypto::fernet::{SessionKey, TokenOpener, token_len};
use crate::crypto::rsa_blocks::{BlockOpener, looks_sealed};
use crate::crypto::{Clear, Open, OpenError};
use crate::digest::Digest;
use crate::event::{Event, SessionId, Track, Variant};
use crate::meter::{Meter, Stage};
use crate::store::{Discard, FileName, Incoming, Pending, StoreError, Stored};

/// How long a client may stand still: a person may choose files in between.
pub const IDLE_PATIENCE: Duration = Duration::from_secs(900);
/// How long it may stand still inside a message or a body.
const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// "Published after 1 s of silence": PROTOCOL.md, "Finality".
const SILENCE: Duration = Duration::from_secs(1);
/// How long the client may take to hang up after MODE 2, so that our end is no reset.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);

/// One accepted connection, from its first byte to its last.
///
/// ```text
///   MODE 3 ─► sign        MODE 4 ─► session key        MODE 0 ─► name
///   MODE 1 ─► variant ─┬─ Plain, AP: Clear
///                      ├─ CP1: framing, BlockOpener ─► perhaps one more block
///                      └─ CP2: TokenOpener
///                      └► Pending ─► commit ─► Received
///   MODE 2 ─► end in order; anything refused ─► reset, and one line for the operator
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
    proved: bool,
    hello: Option<Offer>,
    /// A body of this connection was told to be CP1, so the next are too: a client speaks one variant.
    speaks_blocks: bool,
    key: Option<SessionKey>,
    /// A file that may still turn out not to be over.
    open_ended: Option<OpenEnded>,
    /// What is being received, for the line when it fails.
    receiving: Option<Track>,
}

/// A file on its way to the store.
struct Arriving {
    track: Track,
    variant: Variant,
    pending: Box<dyn Pending>,
    hash: Sha256,
    meter: Arc<Meter>,
    begun: Instant,
    plain: Vec<u8>,
}

/// A CP1 file and its opener.
struct Blocks {
    file: Arriving,
    opener: BlockOpener,
}

/// A whole file whose next word decides.
enum OpenEnded {
    /// One more block of it may follow, by its framing.
    Blocks(Blocks),
    /// An AP file of k or of no bytes. If a block follows it was CP1: one block that does not decrypt
    /// (framing D or E), or an empty file (framing C).
    Clear(Arriving),
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
            proved: false,
            hello: None,
            speaks_blocks: false,
            key: None,
            open_ended: None,
            receiving: None,
        }
    }

    /// Serves it to its end. What is refused is reported, in one line.
    pub fn run(mut self) {
        if let Err(error) = self.serve() {
            if self.connection.is_interrupted() && self.receiving.is_none() {
                return; // This server was stopped; nothing of the client's was refused.
            }
            // Ours to refuse, so it must not look like an end in order: the client would claim
            // that its file was delivered.
            self.connection.reset();
            if let Some(track) = self.receiving {
                self.service.observer.unwatch(track);
            }
            self.service.observer.event(Event::Refused {
                session: self.id,
                track: self.receiving,
                peer: self.peer.clone(),
                name: self.name.as_ref().filter(|_| self.unfinished).map(ToString::to_string),
                why: error.to_string(),
                at_ms: unix_now_ms(),
            });
        }
    }

    fn serve(&mut self) -> Result<(), ReceiveError> {
        while let Some(message) = self.message()? {
            let continues = matches!(message, Message::OneMoreBlock | Message::EndOfBlocks);
            if !continues {
                self.settle()?;
            }
            match message {
                Message::Filename(bytes) => {
                    self.name = None;
                    self.name = Some(FileName::from_wire(&bytes)?);
                    self.unfinished = true;
                }
                Message::Data { length } => self.data(length)?,
                Message::OneMoreBlock => self.one_more_block()?,
                Message::EndOfBlocks => self.settle()?,
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
            let patience = match (between, &self.open_ended) {
                (true, Some(_)) => SILENCE,
                (true, None) => IDLE_PATIENCE,
                (false, _) => BODY_PATIENCE,
            };
            self.connection.set_patience(patience);
            match self.connection.fill() {
                Ok(0) if between && !self.connection.is_interrupted() => return Ok(None),
                Ok(0) => return Err(self.cut(None)),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::TimedOut && self.open_ended.is_some() && between => {
                    self.settle()?;
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
            return Err(self.order("MODE 3, but this server has no certificate and serves Plain only"));
        };
        check_signable(challenge)?;
        let mut line = String::new();
        if let Some(offer) = Offer::parse(challenge) {
            if self.hello.is_some_and(|before| before != offer) {
                return Err(self.order("a second hello that changes what the first one said"));
            }
            self.hello = Some(offer);
            line = server_line(IDLE_PATIENCE.as_secs());
        }
        let signature = identity.sign(challenge)?;
        let certificate = [line.as_bytes(), identity.certificate_pem()].concat();
        self.connection.set_patience(BODY_PATIENCE);
        for part in
            [&word(signature.len() as u64)[..], &signature, &word(certificate.len() as u64), &certificate]
        {
            self.connection.send(part, |_| ()).map_err(|e| self.cut(Some(e)))?;
        }
        self.proved = true;
        self.service.observer.event(Event::SessionProved { session: self.id });
        Ok(())
    }

    /// MODE 4. A key that does not decrypt becomes a random one: the failure surfaces at the HMAC.
    fn agree(&mut self, wrapped: &[u8]) -> Result<(), ReceiveError> {
        let Some(identity) = &self.service.identity else {
            return Err(self.order("MODE 4, but this server has no key and serves Plain only"));
        };
        self.key = Some(identity.unwrap_session_key(wrapped));
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
        self.unfinished = true;
        self.ordinal += 1;
        let variant = self.variant(m1)?;
        if !self.service.policy.variants.contains(&variant) {
            return Err(ReceiveError::Variant { offset: self.offset(), variant });
        }
        match variant {
            Variant::Plain | Variant::Ap => {
                self.check_size(m1)?;
                let mut file = self.begin(&name, variant, Some(m1), m1)?;
                self.whole_body(m1, &mut Clear::new(m1), &mut file)?;
                if let Some(continuation) = self.doubt(variant, m1) {
                    self.decoder.set_continuation(continuation);
                    self.open_ended = Some(OpenEnded::Clear(file));
                    return Ok(());
                }
                self.publish(file)
            }
            Variant::Cp2 => {
                let Some(key) = &self.key else { return Err(self.order("a token before any session key")) };
                if m1 > token_len(self.service.policy.max_file).unwrap_or(u64::MAX) {
                    return Err(self.too_large(m1 / 4 * 3));
                }
                let mut opener = TokenOpener::new(key, m1)?;
                let mut file = self.begin(&name, variant, None, m1)?;
                self.whole_body(m1, &mut opener, &mut file)?;
                // The token's length left 16 bytes of it open.
                self.check_size(file.meter.file_bytes())?;
                self.publish(file)
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
                self.connection.buffer_little();
                let announced = if m1 == u64::MAX { 0 } else { m1 };
                let file = self.begin(&name, variant, None, announced)?;
                let opener = BlockOpener::new(identity);
                self.blocks(Blocks { file, opener }, Body::new(m1, k))
            }
        }
    }

    fn check_size(&self, size: u64) -> Result<(), ReceiveError> {
        if size > self.service.policy.max_file { Err(self.too_large(size)) } else { Ok(()) }
    }

    const fn too_large(&self, size: u64) -> ReceiveError {
        ReceiveError::TooLarge { offset: self.offset(), size, limit: self.service.policy.max_file }
    }

    /// Which variant the coming body is: by the session key, by our own client's hello, or by the
    /// body itself (PROTOCOL.md: "AP and CP1 cannot be told apart with certainty").
    fn variant(&mut self, m1: u64) -> Result<Variant, ReceiveError> {
        if self.key.is_some() {
            return Ok(Variant::Cp2);
        }
        if let Some(offer) = self.hello {
            return Ok(offer.variant);
        }
        if !self.proved {
            return Ok(Variant::Plain);
        }
        let accepts = |variant| self.service.policy.variants.contains(&variant);
        match (accepts(Variant::Ap), accepts(Variant::Cp1)) {
            (true, false) => Ok(Variant::Ap),
            (false, true) => Ok(Variant::Cp1),
            _ => {
                self.speaks_blocks = self.speaks_blocks || self.looks_like_blocks(m1)?;
                Ok(if self.speaks_blocks { Variant::Cp1 } else { Variant::Ap })
            }
        }
    }

    /// A body that was only guessed to be AP's may be a damaged CP1 body: of framing D or E if it has k
    /// bytes and a block follows, of B, C or F if what follows is no MODE; or an empty file in framing
    /// C, if it has none and a block follows. So it is not published before that is known.
    fn doubt(&self, variant: Variant, m1: u64) -> Option<Continuation> {
        let k = self.service.identity.as_ref()?.modulus_bytes() as u64;
        let guessed = variant == Variant::Ap && self.hello.is_none();
        let doubtful = guessed && self.service.policy.variants.contains(&Variant::Cp1);
        doubtful.then_some(if m1 == k || m1 == 0 { Continuation::Blocks { k } } else { Continuation::No })
    }

    /// Whether M1 fits a CP1 framing and the first min(4, all) blocks unpad.
    fn looks_like_blocks(&mut self, m1: u64) -> Result<bool, ReceiveError> {
        let Some(identity) = self.service.identity.clone() else { return Ok(false) };
        let k = identity.modulus_bytes();
        match m1 {
            u64::MAX => return Ok(true),
            0 => return Ok(false),
            _ => {}
        }
        let length = word(k as u64);
        let first = usize::try_from(m1).map_or(WORD, |m1| m1.min(WORD));
        if self.peek(first)?.is_some_and(|bytes| length.starts_with(bytes)) {
            // Pairs, or a file that begins like one. M1 may be their number, or the plaintext's length,
            // so a pair may reach beyond what M1 would be as a file's length.
            let is_pair = self.peek(WORD)?.is_some_and(|bytes| bytes == length);
            // As a file of fewer than 8 bytes it would be followed by no MODE that there is.
            return Ok(is_pair
                && (m1 < WORD as u64
                    || self.peek(WORD + k)?.is_some_and(|bytes| looks_sealed(&identity, &bytes[WORD..]))));
        }
        if !m1.is_multiple_of(k as u64) {
            return Ok(false);
        }
        let some = usize::try_from(m1).map_or(4 * k, |m1| m1.min(4 * k));
        Ok(self.peek(some)?.is_some_and(|bytes| looks_sealed(&identity, bytes)))
    }

    /// The next `n` bytes (a few hundred) without taking them; `None`: the client ended before, or
    /// stands still.
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

    fn begin(
        &mut self,
        name: &FileName,
        variant: Variant,
        size: Option<u64>,
        m1: u64,
    ) -> Result<Arriving, ReceiveError> {
        let track = Track::Receiving(self.id, self.ordinal);
        let pending: Box<dyn Pending> = if is_race(name.as_str()) {
            Box::new(Discard::new(name.clone()))
        } else {
            self.service.store.begin(&Incoming { name: name.clone(), size })?
        };
        let meter = Arc::new(Meter::default());
        meter.start(size.unwrap_or(0), m1);
        self.receiving = Some(track);
        self.service.observer.event(Event::Receiving {
            track,
            peer: self.peer.clone(),
            name: name.to_string(),
            variant,
        });
        self.service.observer.watch(track, Arc::clone(&meter));
        Ok(Arriving {
            track,
            variant,
            pending,
            hash: Sha256::new(),
            meter,
            begun: Instant::now(),
            plain: Vec::new(),
        })
    }

    /// A body of exactly `m1` bytes. All of it is consumed before any outcome.
    fn whole_body(&mut self, m1: u64, open: &mut dyn Open, file: &mut Arriving) -> Result<(), ReceiveError> {
        let mut left = m1;
        while left > 0 {
            self.fill(&file.meter)?;
            let here = self.connection.buffered();
            let piece = usize::try_from(left).map_or(here.len(), |left| left.min(here.len()));
            file.meter.timed(Stage::Open, || open.open(&here[..piece], &mut file.plain))?;
            file.store()?;
            self.take(piece);
            left -= piece as u64;
        }
        file.meter.timed(Stage::Open, || open.finish(&mut file.plain))?;
        file.store()?;
        Ok(())
    }

    /// Reads more if nothing is buffered; inside a body, so an end here is a cut.
    fn fill(&mut self, meter: &Meter) -> Result<(), ReceiveError> {
        if !self.connection.buffered().is_empty() {
            return Ok(());
        }
        self.read_on(meter)
    }

    fn read_on(&mut self, meter: &Meter) -> Result<(), ReceiveError> {
        match meter.timed(Stage::Wire, || self.connection.fill()) {
            Ok(0) => Err(self.cut(None)),
            Ok(n) => {
                meter.add_wire(n as u64);
                Ok(())
            }
            Err(e) => Err(self.cut(Some(e))),
        }
    }

    fn take(&mut self, bytes: usize) {
        self.connection.consume(bytes);
        self.decoder.skip(bytes as u64);
    }

    /// A CP1 body, or one more block of one.
    fn blocks(&mut self, mut blocks: Blocks, mut body: Body) -> Result<(), ReceiveError> {
        loop {
            match body.next(self.connection.buffered(), blocks.file.meter.file_bytes())? {
                Step::More => self.read_on(&blocks.file.meter)?,
                Step::Blocks { skip, length } => {
                    let sealed = &self.connection.buffered()[skip..skip + length];
                    let Blocks { file, opener } = &mut blocks;
                    file.meter.timed(Stage::Open, || opener.open(sealed, &mut file.plain))?;
                    file.store()?;
                    self.take(skip + length);
                    self.check_size(blocks.file.meter.file_bytes())?;
                }
                Step::End => break,
            }
        }
        self.decoder.set_continuation(body.continuation());
        // "A block shorter than the maximum ends the file."
        if body.continuation() == Continuation::No || blocks.opener.last_block_was_short() {
            return self.finish_blocks(blocks);
        }
        self.open_ended = Some(OpenEnded::Blocks(blocks));
        Ok(())
    }

    fn one_more_block(&mut self) -> Result<(), ReceiveError> {
        let blocks = match (self.open_ended.take(), self.service.identity.clone()) {
            (Some(OpenEnded::Blocks(blocks)), _) => blocks,
            (Some(OpenEnded::Clear(file)), Some(identity)) if file.meter.file_bytes() == 0 => {
                self.speaks_blocks = true;
                let opener = BlockOpener::new(identity);
                Blocks { file: Arriving { variant: Variant::Cp1, ..file }, opener }
            }
            (Some(OpenEnded::Clear(_)), _) => return Err(OpenError::Rejected.into()),
            (None, _) => return Err(self.order("one more CP1 block after the block that ended its file")),
        };
        let k = self.service.identity.as_ref().map_or(0, |identity| identity.modulus_bytes());
        self.connection.set_patience(BODY_PATIENCE);
        self.blocks(blocks, Body::one_more_block(k as u64))
    }

    fn finish_blocks(&mut self, mut blocks: Blocks) -> Result<(), ReceiveError> {
        let Blocks { file, opener } = &mut blocks;
        opener.finish(&mut file.plain)?;
        file.store()?;
        if let Some(padding) = blocks.opener.locked_padding()
            && !self.service.policy.paddings.contains(&padding)
        {
            return Err(ReceiveError::Padding { padding });
        }
        self.publish(blocks.file)
    }

    /// Publishes a file that nothing more can follow.
    fn settle(&mut self) -> Result<(), ReceiveError> {
        match self.open_ended.take() {
            Some(OpenEnded::Blocks(blocks)) => self.finish_blocks(blocks),
            Some(OpenEnded::Clear(file)) => self.publish(file),
            None => Ok(()),
        }
    }

    /// The file is whole: makes it durable, gives it its name, and says so.
    fn publish(&mut self, file: Arriving) -> Result<(), ReceiveError> {
        let Arriving { track, variant, pending, hash, meter, begun, plain: _ } = file;
        let digest = Digest::from(hash);
        let size = meter.file_bytes();
        let Stored { name, kept } = meter.timed(Stage::Store, || pending.commit(Some(digest)).wait())?;
        self.service.observer.unwatch(track);
        self.receiving = None;
        self.unfinished = false;
        self.service.observer.event(Event::Received {
            track,
            peer: self.peer.clone(),
            name: name.to_string(),
            kept,
            size,
            variant,
            digest: digest.to_string(),
            seconds: begun.elapsed().as_secs_f64(),
            at_ms: unix_now_ms(),
        });
        Ok(())
    }

    /// After MODE 2: ends in order, and lets the client hang up first, so that bytes of a second
    /// MODE 2 do not turn our end into a reset.
    fn farewell(&mut self) -> Result<(), ReceiveError> {
        if self.connection.finish_writing().is_err() {
            return Ok(()); // It has hung up already.
        }
        self.connection.set_patience(FAREWELL_PATIENCE);
        let surplus_limit = Part::Message.limit();
        let mut surplus = 0;
        loop {
            let here = self.connection.buffered().len();
            surplus += here as u64;
            self.connection.consume(here);
            if surplus > surplus_limit || !matches!(self.connection.fill(), Ok(1..)) {
                return Ok(());
            }
        }
    }
}

impl Arriving {
    /// Hashes and writes what was opened.
    fn store(&mut self) -> Result<(), StoreError> {
        if self.plain.is_empty() {
            return Ok(());
        }
        self.meter.timed(Stage::Store, || {
            self.hash.update(&self.plain);
            self.pending.write(&self.plain)
        })?;
        self.meter.add_file(self.plain.len() as u64);
        self.plain.clear();
        Ok(())
    }
}

/// Whether a file is a lane of a race (`race-cp1-NAME`), which is measured and not kept.
#[must_use]
pub fn is_race(name: &str) -> bool {
    ["race-plain-", "race-ap-", "race-cp1-", "race-cp2-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Milliseconds since 1970, UTC.
fn unix_now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
