//! The client's walk: file → seal → frames → connection.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use super::connection::Connection;
use super::framing::Layout;
use super::handshake::{AnswerDecoder, AnswerError, LONG_HELLO_RANDOM, Offer, gives_receipts, hello_random};
use super::wire::{Mode, WORD, word};
use crate::crypto::challenge::{self, ChallengeError};
use crate::crypto::fernet::{SessionKey, TokenSealer, raw_token_len, token_len};
use crate::crypto::rsa_blocks::{BlockSealer, ServerKey};
use crate::crypto::{Clear, FileDigest, Seal, SealError};
use crate::digest::Digest;
use crate::event::{
    AuthMessage, Blame, Dialect, EmptyFile, Fault, FaultKind, KeyForm, KeyLength, Proof, Variant,
};
use crate::meter::{Meter, Stage};
use crate::store::{FileName, Incoming, NameError, Store, StoreError};
use crate::trust::{Anchor, TrustError, facts};

mod receipts;

pub use self::receipts::{Confirmation, ReceiptError};

/// How long the server may stand still while it proves itself.
pub const PROOF_PATIENCE: Duration = Duration::from_secs(10);
/// How long it may stand still while a file is sent.
pub const SEND_PATIENCE: Duration = Duration::from_secs(120);
/// What a server's disk takes in a second at the least: it says nothing of a receipt while it syncs.
const SLOW_DISK: u64 = 8 << 20;
/// How long after MODE 2 it may take to close (PROTOCOL.md, "The end").
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(30);

/// What the name of a body that is kept begins with (the handout's).
const CIPHERTEXT: &str = "enc_";
/// Bytes of the file read at once.
const CHUNK: usize = 64 << 10;

/// Why an upload ended early.
#[derive(Debug, Error)]
pub enum UploadError {
    /// Somebody stopped it from this side.
    #[error("cancelled")]
    Interrupted,
    /// The server answered MODE 3 with bytes that are no answer.
    #[error("the server's answer is not one: {0}")]
    Answer(#[from] AnswerError),
    /// The server closed, or stood still, instead of answering MODE 3.
    #[error("the server did not prove itself: {}", quiet(.0.as_ref()))]
    NoAnswer(Option<io::Error>),
    /// The certificate does not hold.
    #[error("the server's certificate is not accepted: {0}")]
    Trust(#[from] TrustError),
    /// A receipt came that must not be believed.
    #[error("the server's receipt does not hold: {0}")]
    Receipt(#[from] ReceiptError),
    /// The certificate holds, the signature does not.
    #[error("the server's signature is not over the message that was sent: {0}")]
    Challenge(#[from] ChallengeError),
    /// Encryption failed on our side.
    #[error("cannot encrypt: {0}")]
    Seal(#[from] SealError),
    /// No randomness from the system.
    #[error("the system gives no random bytes")]
    Random,
    /// The file could not be read.
    #[error("cannot read the file: {0}")]
    Source(#[source] io::Error),
    /// The file became shorter while it was sent.
    #[error("the file shrank while it was sent: {got} of {promised} bytes are left")]
    Shrunk {
        /// Its size when it was begun; MODE 1 announced it.
        promised: u64,
        /// What there was.
        got: u64,
    },
    /// The ciphertext could not be kept.
    #[error("cannot keep the ciphertext: {0}")]
    Keep(#[from] StoreError),
    /// The file's name cannot be that of a ciphertext.
    #[error("cannot keep the ciphertext: {0}")]
    KeepName(#[from] NameError),
    /// The connection ended, or stood still, inside a message.
    #[error("the connection broke after {sent} of {total} bytes of the file: {}", quiet(.cause.as_ref()))]
    Cut {
        /// Bytes of the file that the kernel took.
        sent: u64,
        /// Its size.
        total: u64,
        /// What the socket said.
        cause: Option<io::Error>,
    },
    /// Everything was sent, and the server broke off instead of closing in order. Ours does so when
    /// it refuses a file.
    #[error("every byte was sent, and the server broke off the connection instead of confirming")]
    Rejected,
    /// The server neither closed nor moved after MODE 2.
    #[error("sent, but the server did not close within {} s: not confirmed", CLOSE_PATIENCE.as_secs())]
    Unconfirmed,
}

fn quiet(cause: Option<&io::Error>) -> String {
    match cause {
        None => "the server closed the connection".to_owned(),
        Some(e) if e.kind() == io::ErrorKind::TimedOut => "the server stands still".to_owned(),
        Some(e) => e.to_string(),
    }
}

impl UploadError {
    /// Whether it was stopped from this side.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// How often the same is worth another connection, if so many are allowed: the way broke. One that
    /// broke after the last byte is a refusal rather than a cut, so it is tried once more and no longer.
    #[must_use]
    pub fn worth_retries(&self, allowed: u32) -> u32 {
        match self {
            Self::Cut { .. } => allowed,
            Self::Rejected => allowed.min(1),
            _ => 0,
        }
    }

    /// What the user is told.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (kind, blame, advice) = match self {
            Self::Interrupted => (FaultKind::Interrupted, Blame::User, ""),
            Self::NoAnswer(Some(e)) if e.kind() == io::ErrorKind::TimedOut => (
                FaultKind::Unproven,
                Blame::Peer,
                "connected, but nobody answers: a server for one client at a time?",
            ),
            Self::Answer(_) | Self::NoAnswer(_) => (
                FaultKind::Unproven,
                Blame::Peer,
                "nothing of the file was sent; is this a server that speaks AP?",
            ),
            Self::Trust(_) => (
                FaultKind::Unproven,
                Blame::Peer,
                "nothing of the file was sent; check that --ca is this server's CA",
            ),
            Self::Challenge(_) => (
                FaultKind::Unproven,
                Blame::Peer,
                "nothing of the file was sent; somebody may be replaying an old answer",
            ),
            Self::Receipt(_) => (
                FaultKind::Unproven,
                Blame::Peer,
                "somebody answered who is not the server that proved itself; do not rely on what was sent",
            ),
            Self::Seal(_) | Self::Random => (FaultKind::Broken, Blame::System, ""),
            Self::Source(_) | Self::Shrunk { .. } => {
                (FaultKind::Local, Blame::System, "the server published nothing of it; send it again")
            }
            Self::Keep(_) | Self::KeepName(_) => (
                FaultKind::Local,
                Blame::System,
                "the server published nothing of the file; send it again without --keep-ciphertext",
            ),
            Self::Cut { .. } => (
                FaultKind::Broken,
                Blame::Peer,
                "the server may have refused it, its log says; nothing is published of a cut file",
            ),
            Self::Rejected => {
                (FaultKind::Refused, Blame::Peer, "it refused what was sent, or failed; its log says why")
            }
            Self::Unconfirmed => (FaultKind::Broken, Blame::Peer, "ask the server whether it has the file"),
        };
        Fault { kind, blame, what: self.to_string(), advice: advice.to_owned() }
    }
}

/// A server whose proof holds.
#[derive(Debug)]
pub struct Proven {
    /// What is shown of it.
    pub proof: Proof,
    /// The only CN of its subject, as it is: to be compared, never to be shown.
    pub common_name: Option<String>,
    /// Whether it says that it gives receipts; `None` if it was not asked, for want of a hello.
    pub receipts: Option<bool>,
}

/// A file that the kernel took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentFile {
    /// Of this connection, from 1.
    pub ordinal: u64,
    /// Of what was read.
    pub digest: Digest,
}

/// One connection to a server, from AP to MODE 2.
///
/// ```text
///   prove ──► (agree, CP2) ──► file ─┬─► close ──► Delivered
///   Plain ─────────────────────▲  └──┘
/// ```
pub struct Upload {
    connection: Connection,
    dialect: Dialect,
    /// Known after [`Upload::prove`].
    server: Option<ServerKey>,
    /// SHA-256 of the message that it proved itself by.
    hello: Option<Digest>,
    /// Whether it says that it gives receipts.
    gives_receipts: bool,
    /// Files sent, from 1 as the server counts them.
    files: u64,
    /// Bytes of those that are not confirmed.
    unconfirmed: u64,
    /// Known after [`Upload::agree`].
    session: Option<SessionKey>,
    /// Where the bodies of CP1 and CP2 go besides, as `enc_NAME`.
    ciphertext: Option<Arc<dyn Store>>,
}

impl Upload {
    /// Over a fresh connection.
    #[must_use]
    pub const fn new(connection: Connection, dialect: Dialect) -> Self {
        Self {
            connection,
            dialect,
            server: None,
            hello: None,
            gives_receipts: false,
            files: 0,
            unconfirmed: 0,
            session: None,
            ciphertext: None,
        }
    }

    /// From now on the bodies of CP1 and CP2 are also kept, as they are sent: the blocks without their
    /// framing, the token.
    pub fn keep_ciphertext(&mut self, store: Arc<dyn Store>) {
        self.ciphertext = matches!(self.dialect.variant, Variant::Cp1 | Variant::Cp2).then_some(store);
    }

    /// AP: the server proves itself by `anchor`'s certificate and a signature over our hello.
    ///
    /// Checked in this order: the certificate is signed by the CA, it is inside its validity
    /// period, the signature covers the message (PROTOCOL.md, "AP"). At the first failure MODE 2 is
    /// sent, and nothing else. `known_bits`: of the server's key, if it is known; they decide how long the
    /// hello is.
    ///
    /// # Errors
    /// [`UploadError`], of which most have the fault kind `Unproven`.
    pub fn prove(&mut self, anchor: &Anchor, known_bits: Option<usize>) -> Result<Proven, UploadError> {
        let result = self.challenge(anchor, known_bits);
        if result.is_err() {
            self.leave();
        }
        result
    }

    /// MODE 2, to a server that gets nothing else. A courtesy: whether or not it arrives, nothing follows.
    pub fn leave(&mut self) {
        if !self.connection.is_interrupted() {
            let _ = self.connection.send(&Mode::Close.word(), |_| ());
            let _ = self.connection.finish_writing();
        }
    }

    fn challenge(&mut self, anchor: &Anchor, known_bits: Option<usize>) -> Result<Proven, UploadError> {
        self.connection.set_patience(PROOF_PATIENCE);
        let mut random = [0; LONG_HELLO_RANDOM];
        let random = &mut random[..hello_random(known_bits)];
        getrandom::fill(random).map_err(|_| UploadError::Random)?;
        let Some(offer) = Offer::of(self.dialect) else { return Err(UploadError::NoAnswer(None)) };
        let now = unix_now().unsigned_abs();
        let hello = match self.dialect.auth_message {
            AuthMessage::Ascii => offer.hello(random),
            AuthMessage::Timestamp => offer.hello_at(random, now),
            AuthMessage::Random32 => random[..32].to_vec(),
        };
        let mut message = Mode::Authenticate.word().to_vec();
        message.extend(word(hello.len() as u64));
        message.extend(&hello);
        let unanswered = |this: &Self, cause| {
            if this.connection.is_interrupted() {
                UploadError::Interrupted
            } else {
                UploadError::NoAnswer(cause)
            }
        };
        self.connection.send(&message, |_| ()).map_err(|e| unanswered(self, Some(e)))?;

        let mut decoder = AnswerDecoder::default();
        let answer = loop {
            let (taken, answer) = decoder.feed(self.connection.buffered())?;
            self.connection.consume(taken);
            if let Some(answer) = answer {
                break answer;
            }
            match self.connection.fill() {
                Ok(0) => return Err(unanswered(self, None)),
                Ok(_) => {}
                Err(e) => return Err(unanswered(self, Some(e))),
            }
        };
        let (key, proof) = anchor.check(&answer.certificate, unix_now())?;
        challenge::verify(&key, &hello, &answer.signature)?;
        self.server = Some(key);
        self.hello = Some(Digest::of(&hello));
        self.gives_receipts = gives_receipts(&answer.certificate);
        let receipts = (self.dialect.auth_message != AuthMessage::Random32).then_some(self.gives_receipts);
        Ok(Proven { proof, common_name: facts::common_name(&answer.certificate), receipts })
    }

    /// CP2: makes a session key and sends it under the server's key (MODE 4).
    ///
    /// # Errors
    /// [`UploadError`].
    pub fn agree(&mut self) -> Result<(), UploadError> {
        let server = self.server.as_ref().ok_or(UploadError::NoAnswer(None))?;
        let session = SessionKey::generate();
        let wrapped = server.wrap_session_key(&session, self.dialect.key_form, self.dialect.padding)?;
        let mut message = Mode::SessionKey.word().to_vec();
        if self.dialect.key_length == KeyLength::Sixteen {
            message.extend(word(0));
        }
        message.extend(word(wrapped.len() as u64));
        message.extend(wrapped);
        self.connection.send(&message, |_| ()).map_err(|e| self.cut(0, 0, Some(e)))?;
        self.session = Some(session);
        Ok(())
    }

    /// Bytes on the wire for a file of this name and size, MODE 0 and 1 included.
    #[must_use]
    pub fn wire_len(&self, name: &str, size: u64) -> u64 {
        let body = match (self.dialect.variant, &self.server) {
            (Variant::Cp1, Some(server)) => {
                let k = server.modulus_bytes() as u64;
                let blocks = blocks(server, self.dialect, size);
                // M1, or the first pair's length in its place: `Layout` counts it.
                Layout::of(self.dialect.framing, size, blocks, k).wire_len(blocks, k)
            }
            (Variant::Cp2, _) => {
                let token = match self.dialect.key_form {
                    KeyForm::Fernet => token_len(size),
                    KeyForm::Raw => raw_token_len(size),
                };
                (WORD as u64).saturating_add(token.unwrap_or(u64::MAX))
            }
            _ => WORD as u64 + size,
        };
        (3 * WORD as u64 + name.len() as u64).saturating_add(body)
    }

    /// Whether the server said, when it proved itself, that it gives receipts.
    #[must_use]
    pub const fn gives_receipts(&self) -> bool {
        self.gives_receipts
    }

    /// Sends one file: MODE 0 and MODE 1. Returns when the kernel took the last byte: *Sent*.
    ///
    /// `size` bytes are announced and sent; a source that has fewer is an error, and the connection
    /// cannot go on. What it has more is not read.
    ///
    /// # Errors
    /// [`UploadError`]; the connection is of no use afterwards.
    pub fn file(
        &mut self,
        name: &str,
        source: &mut dyn Read,
        size: u64,
        meter: &Meter,
    ) -> Result<SentFile, UploadError> {
        let result = self.send_file(name, source, size, meter);
        if result.is_err() {
            // The server must not take this for the end of a body that it could publish.
            self.connection.reset();
        }
        result
    }

    fn send_file(
        &mut self,
        name: &str,
        source: &mut dyn Read,
        size: u64,
        meter: &Meter,
    ) -> Result<SentFile, UploadError> {
        self.connection.set_patience(SEND_PATIENCE);
        self.files += 1;
        self.unconfirmed = self.unconfirmed.saturating_add(size);
        let (mut seal, layout, k) = self.sealer(size)?;
        meter.start(size, self.wire_len(name, size));

        let mut frames = Mode::Filename.word().to_vec();
        frames.extend(word(name.len() as u64));
        frames.extend(name.as_bytes());
        frames.extend(Mode::Data.word());
        frames.extend(layout.m1.map(word).into_iter().flatten());

        let mut kept = match &self.ciphertext {
            None => None,
            Some(store) => {
                let name = FileName::from_wire(name.as_bytes())?.with_prefix(CIPHERTEXT)?;
                Some(store.begin(&Incoming { name, size: Some(seal.body_len()) })?)
            }
        };
        let mut chunk = vec![0; CHUNK];
        let mut sealed = Vec::with_capacity(2 * CHUNK);
        let mut left = size;
        loop {
            #[expect(clippy::cast_possible_truncation, reason = "at most CHUNK")]
            let wanted = left.min(CHUNK as u64) as usize;
            meter.timed(Stage::Read, || source.read_exact(&mut chunk[..wanted])).map_err(|e| {
                match e.kind() {
                    io::ErrorKind::UnexpectedEof => UploadError::Shrunk { promised: size, got: size - left },
                    _ => UploadError::Source(e),
                }
            })?;
            left -= wanted as u64;
            sealed.clear();
            meter.timed(Stage::Seal, || {
                seal.seal(&chunk[..wanted], &mut sealed)?;
                if left == 0 { seal.finish(&mut sealed) } else { Ok(()) }
            })?;
            if let Some(kept) = &mut kept {
                kept.write(&sealed)?;
            }
            // Before the last bytes go, so that a failure here is one of the whole upload.
            if let Some(kept) = kept.take_if(|_| left == 0) {
                kept.commit(None).wait()?;
            }
            layout.frame(&sealed, k, &mut frames);
            if left == 0 {
                frames.extend(layout.terminator.map(word).into_iter().flatten());
            }
            // What the kernel took of the frames stands for as much of the file; it may take a
            // second for a chunk of CP1.
            let (mut taken, mut credited) = (0, 0);
            let progress = |n| {
                taken += n;
                let worth = taken * wanted as u64 / frames.len() as u64;
                meter.add_wire(n);
                meter.add_file(worth - credited);
                credited = worth;
            };
            meter
                .timed(Stage::Wire, || self.connection.send(&frames, progress))
                .map_err(|e| self.cut(meter.file_bytes(), size, Some(e)))?;
            frames.clear();
            if left == 0 {
                #[expect(clippy::expect_used, reason = "`sealer` asks for a digest of every file")]
                let digest = seal.digest().expect("a digest");
                return Ok(SentFile { ordinal: self.files, digest });
            }
        }
    }

    /// The sealer for a file of this size, and how its output is framed in blocks of how many bytes.
    fn sealer(&self, size: u64) -> Result<(Box<dyn Seal>, Layout, usize), UploadError> {
        let joined = |m1| Layout { m1: Some(m1), pairs: false, terminator: None };
        match self.dialect.variant {
            Variant::Plain | Variant::Ap => {
                Ok((Box::new(Clear::new(size, FileDigest::Sha256)), joined(size), 1))
            }
            Variant::Cp1 => {
                let server = self.server.as_ref().ok_or(UploadError::NoAnswer(None))?;
                let k = server.modulus_bytes();
                let layout =
                    Layout::of(self.dialect.framing, size, blocks(server, self.dialect, size), k as u64);
                let seal: Box<dyn Seal> = match blocks(server, self.dialect, size) {
                    0 => Box::new(Clear::new(0, FileDigest::Sha256)),
                    _ => Box::new(BlockSealer::new(
                        server.clone(),
                        self.dialect.padding,
                        size,
                        FileDigest::Sha256,
                    )),
                };
                Ok((seal, layout, k))
            }
            Variant::Cp2 => {
                let session = self.session.as_ref().ok_or(UploadError::NoAnswer(None))?;
                let seal = match self.dialect.key_form {
                    KeyForm::Fernet => {
                        TokenSealer::new(session, size, unix_now().unsigned_abs(), FileDigest::Sha256)
                    }
                    KeyForm::Raw => TokenSealer::raw(session, size, FileDigest::Sha256),
                };
                let layout = joined(seal.body_len());
                Ok((Box::new(seal), layout, 1))
            }
        }
    }

    /// MODE 2, then waits for the server's end in order: *Delivered*.
    ///
    /// # Errors
    /// [`UploadError::Rejected`], [`UploadError::Unconfirmed`], or a broken connection.
    pub fn close(mut self, meter: &Meter) -> Result<(), UploadError> {
        self.connection.set_patience(CLOSE_PATIENCE);
        let (sent, total) = (meter.file_bytes(), meter.file_total());
        let goodbye = self.connection.send(&Mode::Close.word(), |_| ());
        goodbye.and_then(|()| self.connection.finish_writing()).map_err(|e| {
            match self.cut(sent, total, Some(e)) {
                // Everything was sent before: the server broke off on its own account.
                UploadError::Cut { .. } => UploadError::Rejected,
                other => other,
            }
        })?;
        meter.timed(Stage::Wait, || {
            loop {
                let surplus = self.connection.buffered().len();
                self.connection.consume(surplus);
                match self.connection.fill() {
                    Ok(0) if self.connection.is_interrupted() => return Err(UploadError::Interrupted),
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::TimedOut => return Err(UploadError::Unconfirmed),
                    Err(e) => {
                        return Err(match self.cut(sent, total, Some(e)) {
                            UploadError::Cut { .. } => UploadError::Rejected,
                            other => other,
                        });
                    }
                }
            }
        })
    }

    fn cut(&self, sent: u64, total: u64, cause: Option<io::Error>) -> UploadError {
        if self.connection.is_interrupted() {
            UploadError::Interrupted
        } else {
            UploadError::Cut { sent, total, cause }
        }
    }
}

/// Blocks of a CP1 body; an empty file is one empty block, or none if the server wants that.
fn blocks(server: &ServerKey, dialect: Dialect, size: u64) -> u64 {
    if size == 0 && dialect.empty == EmptyFile::Zero {
        return 0;
    }
    let full = ServerKey::block_max(server.modulus_bytes(), dialect.padding) as u64;
    size.div_ceil(full.max(1)).max(1)
}

/// Seconds since 1970. A clock before that reads as 1970.
#[must_use]
pub fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
