//! Why an upload ended early.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::ReceiptError;
use crate::crypto::SealError;
use crate::crypto::challenge::ChallengeError;
use crate::event::{Blame, Fault, FaultKind};
use crate::messages::units;
use crate::net::handshake::{AnswerError, Limits};
use crate::net::refusal::Refusal;
use crate::pipeline::NoThread;
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
    /// No thread could be started for the file.
    #[error(transparent)]
    Threads(#[from] NoThread),
    /// The server says that it refuses what was sent, or would refuse it.
    #[error("the server refused: {}", refused(.reason.as_ref(), .limits))]
    Refused {
        /// Why, if it says so.
        reason: Option<Refusal>,
        /// Which file of the connection, counted from 1, if it says so.
        file: Option<u64>,
        /// What it accepts, as far as it said so.
        limits: Limits,
    },
    /// Everything was sent, and the server broke off instead of closing in order. Servers do so when they refuse a
    /// file.
    #[error("every byte was sent, and the server broke off the connection instead of confirming")]
    Rejected,
    /// The server sent bytes where none are due.
    #[error("sent, not confirmed: the server sent bytes where none are due: {shown}")]
    Surplus {
        /// The first of them, escaped.
        shown: String,
    },
    /// The server ended only after this side had ended.
    #[error(
        "sent, not confirmed: the server was still waiting for data; it may use another framing, padding or key length"
    )]
    EndedAfterUs,
    /// The server neither closed nor moved after MODE 2.
    #[error("sent, not confirmed: the server did not close{}", within(*.after))]
    Unconfirmed {
        /// How long was waited; zero: until a limit that is not the user's.
        after: Duration,
    },
}

fn within(after: Duration) -> String {
    if after.is_zero() { String::new() } else { format!(" within {}", units::duration(after)) }
}

fn refused(reason: Option<&Refusal>, limits: &Limits) -> String {
    let limit = match (reason, limits.max_file()) {
        (Some(Refusal::Size), Some(limit)) => format!(" ({} at most)", units::bytes(limit)),
        _ => String::new(),
    };
    match reason {
        None => "it gives no reason".to_owned(),
        Some(reason) => format!("{reason}{limit}"),
    }
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

    /// How often the same is worth another connection, if so many are allowed: the connection broke, or the server may
    /// accept it later. `is_alone`: no other file was sent that the refusal could be about.
    #[must_use]
    pub fn worth_retries(&self, allowed: u32, is_alone: bool) -> u32 {
        match self {
            Self::Cut { .. } | Self::Refused { reason: Some(Refusal::Busy), .. } => allowed,
            // Without a reason it may be a server that stops. One that broke off after the last byte has refused
            // rather than failed, so it is asked once more and no longer.
            Self::Rejected | Self::Refused { reason: None, .. } => allowed.min(1),
            // The same would be refused again. But of several files only one was: each is sent by itself then.
            Self::Refused { reason: Some(reason), .. } if !is_alone && !reason.is_about_all() => {
                allowed.min(1)
            }
            // Nothing is wrong with the server, and with its new size the file may go.
            Self::Grown { .. } => 1,
            _ => 0,
        }
    }

    /// The file that the server refuses, counted from 1 in the connection, if it says so.
    #[must_use]
    pub const fn refused_file(&self) -> Option<u64> {
        match self {
            Self::Refused { file, .. } => *file,
            _ => None,
        }
    }

    /// Whether every file of the connection would be refused alike.
    #[must_use]
    pub const fn is_about_all(&self) -> bool {
        matches!(self, Self::Refused { reason: Some(reason), .. } if reason.is_about_all())
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
                     otherwise another party signed"
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
            Self::Seal(_) | Self::Random | Self::Threads(_) => (FaultKind::Broken, Blame::System, ""),
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
            Self::Refused { reason, limits, .. } => {
                return Fault {
                    kind: FaultKind::Refused,
                    blame: Blame::Peer,
                    what: self.to_string(),
                    advice: refusal_advice(reason.as_ref(), limits),
                };
            }
            Self::Surplus { .. } => (
                FaultKind::Unconfirmed,
                Blame::Peer,
                "it may be no server of this protocol; if it is one, ask its operator whether the file is there",
            ),
            Self::EndedAfterUs => (
                FaultKind::Unconfirmed,
                Blame::Peer,
                "try --framing, --padding, --key-form or --key-length-bytes, or ask its operator for the file",
            ),
            Self::Unconfirmed { .. } => (
                FaultKind::Unconfirmed,
                Blame::Peer,
                "ask its operator whether the file is there, or wait longer with --patience",
            ),
        };
        Fault { kind, blame, what: self.to_string(), advice: advice.to_owned() }
    }
}

fn refusal_advice(reason: Option<&Refusal>, limits: &Limits) -> String {
    let accepted = |option: &str, reason| match limits.accepted(reason) {
        names if names.is_empty() => format!("try another {option}"),
        names => format!("use {option} {}", names.replace(',', " or ")),
    };
    match reason {
        Some(Refusal::Variant) => accepted("--protocol", Refusal::Variant),
        Some(Refusal::Policy) if !limits.accepted(Refusal::Policy).is_empty() => {
            accepted("--padding", Refusal::Policy)
        }
        Some(Refusal::Size) => "ask the server's operator to raise --max-file".to_owned(),
        Some(Refusal::Disk) => {
            "ask the server's operator to make room; the server's log says more".to_owned()
        }
        Some(Refusal::Name) => "rename the file".to_owned(),
        Some(Refusal::Busy) => "send it again later".to_owned(),
        None | Some(Refusal::Policy | Refusal::Content) => "the server's log says why".to_owned(),
    }
}
