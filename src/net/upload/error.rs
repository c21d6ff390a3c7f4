//! Errors of an upload, and what the user is shown of them.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::ReceiptError;
use crate::crypto::SealError;
use crate::crypto::challenge::ChallengeError;
use crate::event::{Blame, Fault, FaultKind};
use crate::messages::transfer::REFUSED;
use crate::messages::units;
use crate::net::handshake::{AnswerError, Limits};
use crate::net::refusal::Refusal;
use crate::pipeline::NoThread;
use crate::store::{NameError, StoreError};
use crate::trust::TrustError;
use crate::trust::known::KnownError;

/// Reason why an upload ended early.
#[derive(Debug, Error)]
pub enum UploadError {
    /// The user, or another part of the program, stopped it.
    #[error("cancelled")]
    Interrupted,
    /// The server answered MODE 3 with bytes that cannot be parsed.
    #[error("cannot parse the server's answer: {0}")]
    Answer(#[from] AnswerError),
    /// The server closed the connection, or was silent, instead of answering MODE 3.
    #[error("the server did not prove itself: {}", quiet(.0.as_ref()))]
    NoAnswer(Option<io::Error>),
    /// The certificate is not valid.
    #[error("the server's certificate is not accepted: {0}")]
    Trust(#[from] TrustError),
    /// The receipt is not valid.
    #[error("the server's receipt is not valid: {0}")]
    Receipt(#[from] ReceiptError),
    /// The receipt's key cannot be compared with the known one.
    #[error("cannot check the key of the receipt: {0}")]
    Known(#[from] KnownError),
    /// The certificate is valid, the signature is not.
    #[error("the server's signature is not over the message that was sent: {0}")]
    Challenge(#[from] ChallengeError),
    /// A state that cannot occur; a bug in upseal.
    #[error("internal error: {0}")]
    Bug(&'static str),
    /// Encryption failed on this machine.
    #[error("cannot encrypt: {0}")]
    Seal(#[from] SealError),
    /// The system's random number generator failed.
    #[error("cannot read random bytes from the system")]
    Random,
    /// The file could not be read.
    #[error("cannot read the file: {0}")]
    Source(#[source] io::Error),
    /// The file became shorter while it was sent.
    #[error("the file changed while it was read: it shrank, {got} of {promised} bytes are left")]
    Shrunk {
        /// Its size in bytes when the upload began, as MODE 1 announced it.
        promised: u64,
        /// Bytes that were left.
        got: u64,
    },
    /// The file became longer while it was read.
    #[error("the file changed while it was read: it grew from {promised} to {now} bytes")]
    Grown {
        /// Its size in bytes when it was opened, as MODE 1 announced it.
        promised: u64,
        /// Its size in bytes when the last announced byte had been read.
        now: u64,
    },
    /// The file was modified while it was read, and its size stayed the same.
    #[error("the file changed while it was read")]
    Changed,
    /// The ciphertext could not be stored.
    #[error("cannot keep the ciphertext: {0}")]
    Keep(#[from] StoreError),
    /// No ciphertext can have the file's name.
    #[error("cannot keep the ciphertext: {0}")]
    KeepName(#[from] NameError),
    /// The connection broke, or the server was silent, inside a message.
    #[error("the connection broke after {sent} of {total} bytes of the file: {}", quiet(.cause.as_ref()))]
    Cut {
        /// Bytes of the file that the kernel took.
        sent: u64,
        /// Size of the file in bytes.
        total: u64,
        /// The socket's error; `None`: the server closed the connection.
        cause: Option<io::Error>,
    },
    /// No thread could be started for the file.
    #[error(transparent)]
    Threads(#[from] NoThread),
    /// The server refused the file, or announced that it would.
    #[error("{REFUSED}{}", refused(.reason.as_ref(), .limits))]
    Refused {
        /// Reason, if the server gave one.
        reason: Option<Refusal>,
        /// Refused file of the connection, counted from 1, if the server named one.
        file: Option<u64>,
        /// Limits that the server announced.
        limits: Limits,
    },
    /// Everything was sent, but the server reset the connection. Servers do so when they refuse a file.
    #[error("everything was sent, but the server closed the connection without confirming")]
    Rejected,
    /// The server sent bytes where none are due.
    #[error("sent, not confirmed: the server sent bytes where none are due: {shown}")]
    Surplus {
        /// The first bytes, escaped.
        shown: String,
    },
    /// The server ended its side only after this side had ended.
    #[error(
        "sent, not confirmed: the server was still waiting for data; it may use another framing, padding or key length"
    )]
    EndedAfterUs,
    /// The server did not close the connection after MODE 2.
    #[error("sent, not confirmed: the server did not close the connection{}", within(*.after))]
    Unconfirmed {
        /// Length of the wait; zero: up to a limit that the user did not set.
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
        Some(e) if e.kind() == io::ErrorKind::TimedOut => "the server stopped responding".to_owned(),
        Some(e) => e.to_string(),
    }
}

impl UploadError {
    /// Returns whether the upload was stopped from this side.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// Returns the retries that this error deserves, out of `allowed`. `is_alone`: no other file was sent that the refusal
    /// could be about.
    #[must_use]
    pub fn worth_retries(&self, allowed: u32, is_alone: bool) -> u32 {
        match self {
            Self::Cut { .. } | Self::Refused { reason: Some(Refusal::Busy), .. } => allowed,
            // Without a reason the server may be stopping. A server that resets the connection after the last byte has
            // refused rather than failed, so one retry is enough.
            Self::Rejected | Self::Refused { reason: None, .. } => allowed.min(1),
            // A retry would be refused too. But of several files only one was refused: each is then sent by itself.
            Self::Refused { .. } if !is_alone && !self.is_about_all() => allowed.min(1),
            // The server is not at fault, and the file may be accepted with its new size.
            Self::Grown { .. } => 1,
            _ => 0,
        }
    }

    /// Returns whether an error before the first file may mean that the server stops, or has just stopped.
    #[must_use]
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::Refused { reason, file: None, .. } => *reason == Some(Refusal::Busy),
            Self::NoAnswer(cause) => cause.as_ref().is_none_or(|e| {
                use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
                matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
            }),
            _ => false,
        }
    }

    /// Returns the refused file, counted from 1 in the connection, if the server named one.
    #[must_use]
    pub const fn refused_file(&self) -> Option<u64> {
        match self {
            Self::Refused { file, .. } => *file,
            _ => None,
        }
    }

    /// Returns whether every file of the connection would be refused for the same reason.
    #[must_use]
    pub const fn is_about_all(&self) -> bool {
        match self {
            // A padding is that of the connection. Where a file is named, the request is about that file.
            Self::Refused { reason: Some(Refusal::Policy), file, .. } => file.is_none(),
            Self::Refused { reason: Some(reason), .. } => reason.is_about_all(),
            _ => false,
        }
    }

    /// Returns the error as the user is shown it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (kind, blame, advice) = match self {
            Self::Interrupted => (FaultKind::Interrupted, Blame::User, ""),
            Self::NoAnswer(Some(e)) if e.kind() == io::ErrorKind::TimedOut => (
                FaultKind::Unproven,
                Blame::Peer,
                "connected, but no reply; the server may handle one client at a time",
            ),
            Self::Answer(_) | Self::NoAnswer(_) => (
                FaultKind::Unproven,
                Blame::Peer,
                "nothing of the file was sent; check that this server supports AP",
            ),
            Self::Trust(error) => (FaultKind::Unproven, Blame::Peer, trust_advice(error)),
            Self::Challenge(_) => (
                FaultKind::Unproven,
                Blame::Peer,
                "nothing of the file was sent; an attacker may be replaying an old answer",
            ),
            Self::Receipt(
                ReceiptError::ReceiptKeyChanged { address, .. }
                | ReceiptError::ReceiptKeyDropped { address, .. },
            ) => {
                let advice = format!(
                    "ask the server's operator whether the receipt key was changed; if so: upseal known accept {address}; \
                     otherwise an attacker signed"
                );
                return Fault {
                    kind: FaultKind::Unproven,
                    blame: Blame::Peer,
                    what: self.to_string().into(),
                    advice: advice.into(),
                };
            }
            Self::Receipt(_) => (
                FaultKind::Unproven,
                Blame::Peer,
                "the answer is not from the server that proved itself; do not rely on what was sent",
            ),
            Self::Known(_) => (
                FaultKind::Local,
                Blame::User,
                "the file was sent; correct the file of known servers, or remove the line",
            ),
            Self::Seal(_) | Self::Random | Self::Threads(_) => (FaultKind::Broken, Blame::System, ""),
            Self::Bug(_) => (FaultKind::Broken, Blame::System, "this is a bug in upseal; please report it"),
            Self::Grown { .. } | Self::Changed => (
                FaultKind::Local,
                Blame::User,
                "the server discards the incomplete file; send it when no program writes to it, or send a copy",
            ),
            Self::Source(_) | Self::Shrunk { .. } => {
                (FaultKind::Local, Blame::System, "the server discards the incomplete file; send it again")
            }
            Self::Keep(_) | Self::KeepName(_) => (
                FaultKind::Local,
                Blame::System,
                "the server discards the incomplete file; send it again without --keep-ciphertext",
            ),
            Self::Cut { .. } => (
                FaultKind::Broken,
                Blame::Peer,
                "the server may have refused it (see its log); an incomplete file is discarded",
            ),
            Self::Rejected => {
                (FaultKind::Refused, Blame::Peer, "the server refused what was sent, or failed; see its log")
            }
            Self::Refused { reason, limits, .. } => {
                return Fault {
                    kind: FaultKind::Refused,
                    blame: Blame::Peer,
                    what: self.to_string().into(),
                    advice: refusal_advice(reason.as_ref(), limits).into(),
                };
            }
            Self::Surplus { .. } => (
                FaultKind::Unconfirmed,
                Blame::Peer,
                "the server may speak another protocol; if not, ask its operator whether the file was stored",
            ),
            Self::EndedAfterUs => (
                FaultKind::Unconfirmed,
                Blame::Peer,
                "try --framing, --padding, --key-form or --key-length-bytes, or ask the operator whether the file was stored",
            ),
            Self::Unconfirmed { .. } => (
                FaultKind::Unconfirmed,
                Blame::Peer,
                "ask the server's operator whether the file was stored, or wait longer with --patience",
            ),
        };
        Fault { kind, blame, what: self.to_string().into(), advice: advice.into() }
    }
}

const fn trust_advice(error: &TrustError) -> &'static str {
    match error {
        TrustError::NotPinned { .. } => {
            "nothing of the file was sent; another server answered, or the server's key was replaced: ask its operator \
             for the pin"
        }
        _ => "nothing of the file was sent; check that --ca is this server's CA",
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
            "ask the server's operator to free disk space; the server's log has details".to_owned()
        }
        Some(Refusal::Name | Refusal::Exists) => "rename the file".to_owned(),
        Some(Refusal::Busy) => "send it again later".to_owned(),
        None | Some(Refusal::Policy | Refusal::Content) => "see the server's log".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: Option<Refusal>, file: Option<u64>) -> UploadError {
        UploadError::Refused { reason, file, limits: Limits::default() }
    }

    /// The retries that each reason deserves out of 5: of one file, of several without a named one, and the words that
    /// the user reads. A certain refusal gets none, a transient one all; where the refused file is not known, each file
    /// is sent once more by itself.
    #[test]
    fn certain_refusals_are_not_retried_and_transient_ones_are() {
        let table = [
            (
                Some(Refusal::Variant),
                0,
                0,
                "it does not accept this protocol variant",
                "try another --protocol",
            ),
            (Some(Refusal::Size), 0, 1, "the file is larger than it accepts", "raise --max-file"),
            (Some(Refusal::Disk), 0, 0, "it has no room for the file, or cannot write it", "free disk space"),
            (Some(Refusal::Name), 0, 1, "it does not accept the file's name", "rename the file"),
            (Some(Refusal::Exists), 0, 1, "it has another file of this name", "rename the file"),
            (Some(Refusal::Policy), 0, 0, "its operator does not allow this request", "the server's log"),
            (Some(Refusal::Busy), 5, 5, "it is stopping, or too busy", "send it again later"),
            (Some(Refusal::Content), 0, 1, "it could not read, decrypt or verify", "the server's log"),
            // The server may be stopping, or not accept the file.
            (None, 1, 1, "it gives no reason", "the server's log"),
        ];
        for reason in Refusal::ALL {
            assert!(table.iter().any(|row| row.0 == Some(reason)), "{reason:?} has a row");
        }
        for (reason, alone, among_others, why, advice) in table {
            let error = refused(reason, None);
            assert_eq!(error.worth_retries(5, true), alone, "{reason:?} alone");
            assert_eq!(error.worth_retries(5, false), among_others, "{reason:?} among others");
            assert_eq!(error.worth_retries(0, true), 0, "--retries 0 is obeyed");
            let fault = error.fault();
            assert_eq!((fault.kind, fault.blame), (FaultKind::Refused, Blame::Peer));
            assert!(fault.what.as_str().starts_with(&format!("the server refused: {why}")), "{fault}");
            assert!(fault.advice.as_str().contains(advice), "{fault}");
        }
        // A reason that names a file is about that one alone, except where no other could be accepted.
        let about_all = [Refusal::Variant, Refusal::Disk];
        for reason in Refusal::ALL {
            assert_eq!(
                refused(Some(reason), Some(2)).is_about_all(),
                about_all.contains(&reason),
                "{reason:?}"
            );
        }
    }

    /// What else ends an upload: only what another try may change is tried again.
    #[test]
    fn a_broken_connection_is_retried_and_a_wrong_identity_is_not() {
        let cut = UploadError::Cut { sent: 1, total: 2, cause: None };
        assert_eq!((cut.worth_retries(5, true), cut.worth_retries(5, false)), (5, 5));
        assert_eq!(UploadError::Rejected.worth_retries(5, true), 1);
        assert_eq!(UploadError::Grown { promised: 1, now: 2 }.worth_retries(5, true), 1);
        for certain in [
            UploadError::NoAnswer(None),
            UploadError::Changed,
            UploadError::EndedAfterUs,
            UploadError::Surplus { shown: String::new() },
            UploadError::Random,
        ] {
            assert_eq!(certain.worth_retries(5, true), 0, "{certain}");
        }
    }
}
