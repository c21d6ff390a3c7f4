//! Why an upload ended early.

use std::io;

use thiserror::Error;

use super::{CLOSE_PATIENCE, ReceiptError};
use crate::crypto::SealError;
use crate::crypto::challenge::ChallengeError;
use crate::event::{Blame, Fault, FaultKind};
use crate::net::handshake::AnswerError;
use crate::store::{NameError, StoreError};
use crate::trust::TrustError;
use crate::trust::known::KnownError;

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
    /// Whether a receipt's key is the known one cannot be told.
    #[error("the receipt is not believed: {0}")]
    Known(#[from] KnownError),
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
    #[error("the file changed while it was read: it shrank, {got} of {promised} bytes are left")]
    Shrunk {
        /// Its size when it was begun; MODE 1 announced it.
        promised: u64,
        /// What there was.
        got: u64,
    },
    /// The file became longer while it was read.
    #[error("the file changed while it was read: it grew from {promised} to {now} bytes")]
    Grown {
        /// Its size when it was opened; MODE 1 announced it.
        promised: u64,
        /// Its size when the last of those bytes had been read.
        now: u64,
    },
    /// The file was modified while it was read, and has its old size.
    #[error("the file changed while it was read")]
    Changed,
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
            // Nothing is wrong with the server, and with its new size the file may go.
            Self::Grown { .. } => 1,
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
            Self::Receipt(
                ReceiptError::ReceiptKeyChanged { address, .. }
                | ReceiptError::ReceiptKeyDropped { address, .. },
            ) => {
                let advice = format!(
                    "ask its operator whether the receipt key was changed, and only then: upseal known accept {address}; \
                     otherwise somebody else signed"
                );
                return Fault {
                    kind: FaultKind::Unproven,
                    blame: Blame::Peer,
                    what: self.to_string(),
                    advice,
                };
            }
            Self::Receipt(_) => (
                FaultKind::Unproven,
                Blame::Peer,
                "somebody answered who is not the server that proved itself; do not rely on what was sent",
            ),
            Self::Known(_) => (
                FaultKind::Local,
                Blame::User,
                "the file was sent; correct the file of known servers, or take the line out",
            ),
            Self::Seal(_) | Self::Random => (FaultKind::Broken, Blame::System, ""),
            Self::Grown { .. } | Self::Changed => (
                FaultKind::Local,
                Blame::User,
                "the server published nothing of it; send it when nothing writes to it, or send a copy",
            ),
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
