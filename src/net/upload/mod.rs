//! The client's walk: file → seal → frames → connection.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::body::Slot;
use self::ending::Surplus;
use super::connection::Connection;
use super::framing::Layout;
use super::handshake::{
    AnswerDecoder, LONG_HELLO_RANDOM, Limits, Offer, ReceiptOffer, hello_random, receipt_offer,
};
use super::record::Tap;
use super::refusal::Refusal;
use super::wire::{Mode, WORD, word};
use crate::clock;
use crate::crypto::challenge;
use crate::crypto::fernet::{SessionKey, raw_token_len, token_len};
use crate::crypto::server_key::ServerKey;
use crate::digest::{Digest, FileDigest};
use crate::event::{AuthMessage, Dialect, EmptyFile, KeyForm, KeyLength, Proof, Variant};
use crate::meter::Meter;
use crate::store::Store;
use crate::trust::{Anchor, facts};

mod body;
mod content;
mod ending;
mod error;
mod receipts;
mod wait;

pub use self::content::{Content, Stamp};
pub use self::error::UploadError;
pub use self::receipts::{Confirmation, Question, ReceiptError};
pub use self::wait::Wait;

/// How long the server may stand still while it proves itself.
pub const PROOF_PATIENCE: Duration = Duration::from_secs(10);
/// How long it may stand still while a file is sent.
pub const SEND_PATIENCE: Duration = Duration::from_secs(120);
/// What a server's disk takes in a second at the least: it says nothing of a receipt while it syncs.
const SLOW_DISK: u64 = 8 << 20;
/// How long the proof may take in all, however well it moves.
const PROOF_LIMIT: Duration = Duration::from_secs(60);
/// How much longer the answer to a receipt request may take in all than it may stand still.
const RECEIPT_LIMIT: Duration = Duration::from_secs(60);

/// What the name of a body that is kept begins with (the handout's).
const CIPHERTEXT: &str = "enc_";

/// A server whose proof holds.
#[derive(Debug)]
pub struct Proven {
    /// What is shown of it.
    pub proof: Proof,
    /// The only CN of its subject, as it is: to be compared, never to be shown.
    pub common_name: Option<String>,
    /// What it says of receipts; `None` if it was not asked, for want of a hello.
    pub receipts: Option<ReceiptOffer>,
}

/// A file that the kernel took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentFile {
    /// Of this connection, from 1.
    pub ordinal: u64,
    /// Of what was read, unless none was asked for.
    pub digest: Option<Digest>,
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
    /// The CA that it proved itself under.
    anchor: Option<Anchor>,
    /// SHA-256 of the message that it proved itself by.
    hello: Option<Digest>,
    /// Whether it says that it gives receipts.
    gives_receipts: bool,
    /// Files sent, from 1 as the server counts them.
    files: u64,
    /// Bytes of those that are not confirmed.
    unconfirmed: u64,
    /// The same on the wire.
    unconfirmed_wire: u64,
    /// Blocks of CP1 in them.
    unconfirmed_blocks: u64,
    /// What the server says that it refuses.
    limits: Limits,
    /// What the server sent where nothing is due.
    surplus: Surplus,
    /// Whether an answer to MODE 3 is due.
    is_owed: bool,
    /// How long the server may take to end after MODE 2; `None`: by what was sent.
    patience: Option<Duration>,
    /// Ends that wait.
    wait: Wait,
    /// Known after [`Upload::agree`].
    session: Option<SessionKey>,
    /// Where the bodies of CP1 and CP2 go besides, as `enc_NAME`.
    ciphertext: Option<Arc<dyn Store>>,
    /// Whether files are hashed on their way.
    digest: FileDigest,
    /// Buffers, used again for each file.
    slots: Vec<Slot>,
    /// Who is told of a body what its bytes do not say.
    tap: Option<Tap>,
}

impl Upload {
    /// Over a fresh connection.
    #[must_use]
    pub fn new(connection: Connection, dialect: Dialect) -> Self {
        Self {
            connection,
            dialect,
            server: None,
            anchor: None,
            hello: None,
            gives_receipts: false,
            files: 0,
            unconfirmed: 0,
            unconfirmed_wire: 0,
            unconfirmed_blocks: 0,
            limits: Limits::default(),
            surplus: Surplus::default(),
            is_owed: false,
            patience: None,
            wait: Wait::default(),
            session: None,
            ciphertext: None,
            digest: FileDigest::Sha256,
            slots: Vec::new(),
            tap: None,
        }
    }

    /// This side's address, if it has one.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.connection.local()
    }

    /// Whether files are hashed on their way. Unhashed, nothing can be said of a receipt, and none should be asked
    /// for.
    pub const fn set_digest(&mut self, digest: FileDigest) {
        self.digest = digest;
    }

    /// From now on the bodies of CP1 and CP2 are also kept, as they are sent: the blocks without their
    /// framing, the token.
    pub fn keep_ciphertext(&mut self, store: Arc<dyn Store>) {
        self.ciphertext = matches!(self.dialect.variant, Variant::Cp1 | Variant::Cp2).then_some(store);
    }

    /// How the wait for the server's end is limited: to `patience`, if that is given, and by the holder of `wait`.
    pub fn wait_by(&mut self, patience: Option<Duration>, wait: Wait) {
        (self.patience, self.wait) = (patience, wait);
    }

    /// The connection is recorded.
    pub fn record(&mut self, tap: Option<Tap>) {
        self.tap = tap;
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
        let now = clock::unix_seconds().unsigned_abs();
        let hello = match self.dialect.auth_message {
            AuthMessage::Ascii => offer.hello(random),
            AuthMessage::Timestamp => offer.hello_at(random, now),
            AuthMessage::Random32 => random[..32].to_vec(),
        };
        let mut message = Mode::Authenticate.word().to_vec();
        message.extend(word(hello.len() as u64));
        message.extend(&hello);
        let unanswered = |this: &mut Self, cause: Option<io::Error>| {
            if this.connection.is_interrupted() {
                return UploadError::Interrupted;
            }
            this.last_words(cause.as_ref()).unwrap_or(UploadError::NoAnswer(cause))
        };
        self.connection.set_limit(Some(Instant::now() + PROOF_LIMIT));
        self.is_owed = true;
        // The refusal's line is for those who sent this.
        self.hello = Some(Digest::of(&hello));
        self.connection.send(&message, |_| ()).map_err(|e| unanswered(self, Some(e)))?;

        let mut decoder = AnswerDecoder::default();
        let answer = loop {
            if decoder.is_empty()
                && let Some(refused) = self.refusal()
            {
                return Err(refused);
            }
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
        self.is_owed = false;
        self.connection.set_limit(None);
        let (key, proof) = anchor.check(&answer.certificate, clock::unix_seconds())?;
        challenge::verify(&key, &hello, &answer.signature)?;
        self.limits = Limits::parse(&answer.certificate);
        if let Some(reason) = self.limits.refuse_dialect(self.dialect) {
            return Err(UploadError::Refused {
                reason: Some(reason),
                file: None,
                limits: mem::take(&mut self.limits),
            });
        }
        self.server = Some(key);
        self.anchor = Some(anchor.clone());
        let offer = receipt_offer(&answer.certificate);
        self.gives_receipts = offer == ReceiptOffer::Given;
        let receipts = (self.dialect.auth_message != AuthMessage::Random32).then_some(offer);
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
                Layout::of(self.dialect.framing, self.dialect.terminator(), size, blocks, k)
                    .wire_len(blocks, k)
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

    /// Files that were begun on this connection.
    #[must_use]
    pub const fn files(&self) -> u64 {
        self.files
    }

    /// Small files wait a moment for others to share a packet with; now none follows.
    ///
    /// # Errors
    /// The connection broke.
    pub fn flush(&mut self) -> Result<(), UploadError> {
        self.connection.flush().map_err(|e| self.cut(0, 0, Some(e)))
    }

    /// The CA that the server proved itself under; `None` before, and in Plain.
    #[must_use]
    pub const fn anchor(&self) -> Option<&Anchor> {
        self.anchor.as_ref()
    }

    /// Whether the server said, when it proved itself, that it gives receipts.
    #[must_use]
    pub const fn gives_receipts(&self) -> bool {
        self.gives_receipts
    }

    /// Why the server would refuse a file of this name and size, if it has said so: then nothing of it need be sent.
    #[must_use]
    pub fn refuse_file(&self, name: &str, size: u64) -> Option<UploadError> {
        let is_large = self.limits.max_file().is_some_and(|limit| size > limit);
        let reason = if is_large { Some(Refusal::Size) } else { self.limits.refuse_name(name) }?;
        Some(UploadError::Refused { reason: Some(reason), file: None, limits: self.limits.clone() })
    }

    /// Sends one file: MODE 0 and MODE 1. Returns when the kernel took the last byte: *Sent*.
    ///
    /// `size` bytes are announced and sent; a content that has fewer is an error, and the connection
    /// cannot go on. What a content has more is not read; a [`Content::Whole`] that has more, or was modified while it was
    /// read, is an error before its last bytes are sent.
    ///
    /// # Errors
    /// [`UploadError`]; the connection is of no use afterwards.
    pub fn file(
        &mut self,
        name: &str,
        content: Content<'_>,
        size: u64,
        meter: &Meter,
    ) -> Result<SentFile, UploadError> {
        let result = self.send_file(name, content, size, meter);
        if result.is_err() {
            // The server must not take this for the end of a body that it could publish.
            self.connection.reset();
        }
        result
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
