//! The client's side of one connection: file → sealer → framing → connection.
//!
//! ```text
//!   start.rs     MODE 3 and 4: from a fresh connection to an Upload      link.rs      the connection
//!   body.rs      MODE 0 and 1: one file                                  content.rs   what is read
//!   receipts.rs  receipts                                                ending.rs    MODE 2, and the server's end
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use self::body::Slot;
use self::link::Link;
use super::deadlines::Pace;
use super::description;
use super::handshake::ReceiptOffer;
use super::record::Tap;
use super::refusal::Refusal;
use crate::cost;
use crate::crypto::fernet::SessionKey;
use crate::crypto::server_key::ServerKey;
use crate::digest::{Digest, FileDigest};
use crate::event::{Dialect, Variant};
use crate::meter::Meter;
use crate::store::{FileName, Meta, Store};
use crate::trust::Anchor;

mod body;
mod content;
mod ending;
mod error;
mod link;
mod receipts;
mod start;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
mod wait;

pub use self::content::{Content, Stamp};
pub use self::error::UploadError;
pub(crate) use self::link::Look;
pub use self::receipts::Confirmation;
pub(crate) use self::receipts::{Question, ReceiptError};
pub(crate) use self::start::Proven;
pub use self::start::Start;
pub(crate) use self::wait::Wait;

/// Longest silence of the server while it proves itself.
pub(crate) const PROOF_PATIENCE: Duration = Duration::from_secs(10);
/// Longest silence of the server while a file is sent.
pub const SEND_PATIENCE: Duration = Duration::from_secs(120);
/// Bytes that a server must take in a second, on average over [`SEND_PATIENCE`] of waiting for it: one that takes a byte now
/// and then would otherwise hold the upload without end.
const SEND_RATE: u64 = 1024;
/// Bytes that a slow server's disk takes in a second: while it syncs, no receipt comes.
const SLOW_DISK: u64 = 8 << 20;
/// Longest duration of the whole proof.
const PROOF_LIMIT: Duration = Duration::from_secs(60);
/// Longest duration of the answer to a receipt request, beyond the longest silence before it.
const RECEIPT_LIMIT: Duration = Duration::from_secs(60);

/// What the name of a kept ciphertext begins with, as the assignment specifies.
const CIPHERTEXT: &str = "enc_";

/// A file that the kernel took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentFile {
    /// Number of the file in its connection, from 1.
    pub ordinal: u64,
    /// SHA-256 of the bytes that were read; `None` if they are not hashed.
    pub digest: Option<Digest>,
}

/// One connection over which files can be sent, up to MODE 2 ([`Start`] leads to it).
///
/// ```text
///   file ─┬─► receipts ─┬─► close ──► Delivered
///     └───┘             │
///     └─────────────────┘
/// ```
pub struct Upload {
    link: Link,
    dialect: Dialect,
    security: Security,
    /// Files begun, from 1 as the server counts them.
    files: u64,
    unconfirmed: Unconfirmed,
    /// Longest wait for the server's end after MODE 2; `None`: by the size of what was sent.
    patience: Option<Duration>,
    /// Ends that wait.
    wait: Wait,
    /// Where the bodies of CP1 and CP2 are also kept, as `enc_NAME`.
    ciphertext: Option<Arc<dyn Store>>,
    /// Whether files are hashed while they are sent.
    digest: FileDigest,
    /// Least rate at which the server must take files.
    pace: Option<Pace>,
    /// Buffers, reused for each file.
    slots: Vec<Slot>,
    /// Recorder; receives what the wire bytes do not reveal (body length, plaintext).
    tap: Option<Tap>,
}

/// What the variant needs of the server, and has.
enum Security {
    Plain,
    Ap(Server),
    Cp1(Server),
    Cp2(Server, SessionKey),
}

/// A server that has proved itself.
struct Server {
    key: ServerKey,
    /// The CA that signed its certificate.
    anchor: Anchor,
    /// What it says about receipts.
    receipts: ReceiptOffer,
}

impl Security {
    const fn server(&self) -> Option<&Server> {
        match self {
            Self::Plain => None,
            Self::Ap(server) | Self::Cp1(server) | Self::Cp2(server, _) => Some(server),
        }
    }
}

/// Sum of the files that the server has not confirmed.
#[derive(Debug, Default)]
struct Unconfirmed {
    /// Bytes of the files.
    bytes: u64,
    /// Bytes on the wire.
    wire: u64,
    /// Blocks of CP1.
    blocks: u64,
}

impl Unconfirmed {
    const fn add(&mut self, bytes: u64, wire: u64, blocks: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.wire = self.wire.saturating_add(wire);
        self.blocks = self.blocks.saturating_add(blocks);
    }
}

impl Upload {
    fn new(link: Link, dialect: Dialect, security: Security) -> Self {
        Self {
            link,
            dialect,
            security,
            files: 0,
            unconfirmed: Unconfirmed::default(),
            patience: None,
            wait: Wait::default(),
            ciphertext: None,
            digest: FileDigest::Sha256,
            pace: Pace::new(SEND_RATE, SEND_PATIENCE),
            slots: Vec::new(),
            tap: None,
        }
    }

    /// Returns this side's address, if it has one.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.link.connection.local()
    }

    /// Sets whether files are hashed while they are sent. Unhashed, no receipt can be checked, so none should be asked
    /// for.
    pub const fn set_digest(&mut self, digest: FileDigest) {
        self.digest = digest;
    }

    /// Keeps the bodies of CP1 and CP2 in `store` too, as they are sent: the blocks without their framing, the token.
    pub fn keep_ciphertext(&mut self, store: Arc<dyn Store>) {
        self.ciphertext = matches!(self.dialect.variant, Variant::Cp1 | Variant::Cp2).then_some(store);
    }

    /// Limits the wait for the server's end: to `patience`, if that is given, and by the holder of `wait`.
    pub fn wait_by(&mut self, patience: Option<Duration>, wait: Wait) {
        (self.patience, self.wait) = (patience, wait);
    }

    /// Sets the recorder of this connection.
    pub fn record(&mut self, tap: Option<Tap>) {
        self.tap = tap;
    }

    /// Sends MODE 2 to a server that gets nothing else. A courtesy: whether or not it arrives, nothing follows.
    pub fn leave(&mut self) {
        self.link.leave();
    }

    /// Returns the number of bytes on the wire for a file of this name and size, MODE 0 and 1 included.
    #[must_use]
    pub fn wire_len(&self, name: &str, size: u64) -> u64 {
        cost::wire_len(self.dialect, name.len() as u64, size, self.modulus_bytes())
    }

    /// Returns the length of the server's modulus in bytes. 0: not CP1, which alone depends on it.
    fn modulus_bytes(&self) -> u64 {
        if let Security::Cp1(server) = &self.security { server.key.modulus_bytes() as u64 } else { 0 }
    }

    /// Returns the number of files that were begun on this connection.
    #[must_use]
    pub const fn files(&self) -> u64 {
        self.files
    }

    /// Sends small files that still wait for others to share a packet with, because none follows now.
    ///
    /// # Errors
    /// The connection broke.
    pub fn flush(&mut self) -> Result<(), UploadError> {
        self.link.connection.flush().map_err(|e| self.link.cut(0, 0, Some(e)))
    }

    /// Returns the CA that signed the server's certificate; `None` in Plain.
    #[must_use]
    pub fn anchor(&self) -> Option<&Anchor> {
        self.security.server().map(|server| &server.anchor)
    }

    /// Returns whether the server said, when it proved itself, that it gives receipts.
    #[must_use]
    pub fn gives_receipts(&self) -> bool {
        self.security.server().is_some_and(|server| server.receipts == ReceiptOffer::Given)
    }

    /// Returns whether the server answered our hello as our server does. It serves several connections at once.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.security.server().is_some_and(|server| server.receipts != ReceiptOffer::Unmentioned)
    }

    /// Returns whether the server stores files under their paths, as far as it has said so.
    #[must_use]
    pub const fn keeps_paths(&self) -> bool {
        self.link.limits.keeps_paths()
    }

    /// Returns M2 of MODE 0 for a file with this name, or with this path, which the server [keeps](Self::keeps_paths): a
    /// description if it says more than the name and the server understands it, otherwise the name.
    #[must_use]
    pub(crate) fn described(&self, name: &str, meta: Meta) -> String {
        let meta = if self.link.limits.keeps_meta() { meta } else { Meta::default() };
        let is_path = name.contains('/');
        // The server would refuse a backslash in a description, and keeps what follows it in a name alone.
        let is_plain = || FileName::from_path(name.as_bytes()).is_ok();
        if is_path || (meta != Meta::default() && is_plain()) {
            description::describe(name, meta)
        } else {
            name.to_owned()
        }
    }

    /// Returns the error with which the server would refuse a file of this name and size, if it has said so. Then
    /// nothing of the file need be sent.
    #[must_use]
    pub fn refuse_file(&self, name: &str, size: u64) -> Option<UploadError> {
        let is_large = self.link.limits.max_file().is_some_and(|limit| size > limit);
        let reason = if is_large { Some(Refusal::Size) } else { self.link.limits.refuse_name(name) }?;
        Some(UploadError::Refused { reason: Some(reason), file: None, limits: self.link.limits.clone() })
    }

    /// Sends one file: MODE 0 and MODE 1. Returns when the kernel has taken the last byte: *Sent*.
    ///
    /// `size` bytes are announced and sent. Content with fewer bytes is an error, and the connection cannot be used any
    /// more. Bytes beyond `size` are not read; a [`Content::Whole`] that has some, or was modified while it was read, is
    /// an error before its last bytes are sent.
    ///
    /// # Errors
    /// [`UploadError`]; the connection cannot be used afterwards.
    pub fn file(
        &mut self,
        name: &str,
        content: Content<'_>,
        size: u64,
        meter: &Meter,
    ) -> Result<SentFile, UploadError> {
        self.link.connection.set_write_pace(self.pace);
        let result = self.send_file(name, content, size, meter);
        self.link.connection.set_write_pace(None);
        if result.is_err() {
            // The server must not take this for the end of a body that it could publish.
            self.link.connection.reset();
        }
        result
    }
}
