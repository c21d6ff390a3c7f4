//! What all sessions of a server share, and why one ends early.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::Observer;
use super::budget::PaddingBudget;
use super::framing::FramingError;
use super::handshake::Unsignable;
use super::refusal::Refusal;
use super::wire::WireError;
use crate::crypto::OpenError;
use crate::crypto::identity::{Identity, IdentityError};
use crate::crypto::padding::Paddings;
use crate::crypto::receipt_key::ReceiptKey;
use crate::crypto::rsa_batch::BatchError;
use crate::digest::FileDigest;
use crate::event::{Blame, Named, Padding, Variant};
use crate::history::serving::ClaimError;
use crate::history::{HistoryError, Seen, Serving};
use crate::messages::units;
use crate::pipeline::NoThread;
use crate::store::name::Portability;
use crate::store::{NameError, Store, StoreError};

/// What a server accepts.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Variants; a body that fits none of them is refused.
    pub variants: Vec<Variant>,
    /// Paddings of CP1's blocks; any other is never evaluated. MODE 4 takes either: a key that does not unwrap
    /// becomes a random one, and the two cases look alike.
    pub paddings: Paddings,
    /// Bytes of the largest file.
    pub max_file: u64,
    /// What the names of stored files begin with, before the name that came.
    pub prefix: String,
    /// Which name a receipt states.
    pub names: Named,
    /// Which names are refused.
    pub portability: Portability,
    /// How MODE 3 is answered.
    pub reply: Reply,
    /// Whether files are hashed. Unhashed, there are no receipts, and a file that is here already is
    /// stored again.
    pub digest: FileDigest,
}

/// How MODE 3 is answered. The defaults suit all known clients but one family each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply {
    /// Between its four writes, for clients that read each with a bare `recv`.
    pub gap: Duration,
    /// The certificate before the signature, for clients that read it first.
    pub certificate_first: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            variants: Variant::ALL.to_vec(),
            paddings: Paddings::EITHER,
            max_file: 64 << 30,
            prefix: String::new(),
            names: Named::Stored,
            portability: Portability::default(),
            reply: Reply::default(),
            digest: FileDigest::Sha256,
        }
    }
}

/// What all sessions of a server share.
pub struct Service {
    /// What it accepts.
    pub policy: Policy,
    /// Who it is; `None` serves Plain only.
    pub identity: Option<Arc<Identity>>,
    /// Where files go.
    pub store: Arc<dyn Store>,
    /// Where the bodies of CP1 and CP2 go as they came, as `enc_recv_NAME`; `None`: nowhere.
    pub ciphertext: Option<Arc<dyn Store>>,
    /// What was received, and what must not come again; `None`: neither is remembered.
    pub history: Option<Arc<Serving>>,
    /// How many PKCS #1 v1.5 blocks that do not conform are still answered.
    pub budget: PaddingBudget,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
}

/// The key that signs a server's receipts.
#[derive(Debug, Clone, Copy)]
pub enum ReceiptSigner<'a> {
    /// Its receipt key.
    ReceiptKey(&'a ReceiptKey),
    /// Its only key.
    OnlyKey(&'a Identity),
}

impl ReceiptSigner<'_> {
    /// Signs a statement.
    ///
    /// # Errors
    /// [`IdentityError::Sign`] if this machine computes wrongly.
    pub fn sign(&self, statement: &[u8]) -> Result<Vec<u8>, IdentityError> {
        match self {
            Self::ReceiptKey(key) => key.sign(statement),
            Self::OnlyKey(identity) => identity.sign_receipt(statement),
        }
    }

    /// The receipt key; `None` if the server has only one key.
    #[must_use]
    pub const fn receipt_key(&self) -> Option<&ReceiptKey> {
        match self {
            Self::ReceiptKey(key) => Some(key),
            Self::OnlyKey(_) => None,
        }
    }
}

/// Why a server gives no receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoReceipts {
    /// It has no identity.
    #[error("no receipts are given: this server has no certificate")]
    NoIdentity,
    /// Files are not hashed.
    #[error("no receipts are given: received files are not hashed (--digest)")]
    NoDigest,
    /// Its only key evaluates PKCS #1 v1.5, so its signatures can be forged.
    #[error(
        "no receipts are given: this server has no receipt key, and a key that decrypts PKCS #1 v1.5 could be used to \
         forge them"
    )]
    OnlyKeyDecrypts,
}

impl Service {
    /// The key that signs receipts. A server's only key does so only where CP1 with PKCS #1 v1.5 is not accepted.
    /// (MODE 4 takes that padding always, and is no oracle: a key that does not unwrap becomes a random one.)
    ///
    /// # Errors
    /// Why there are none.
    pub fn receipt_signer(&self) -> Result<ReceiptSigner<'_>, NoReceipts> {
        let identity = self.identity.as_deref().ok_or(NoReceipts::NoIdentity)?;
        let Policy { digest, variants, paddings, .. } = &self.policy;
        if *digest != FileDigest::Sha256 {
            return Err(NoReceipts::NoDigest);
        }
        match identity.receipt_key() {
            Some(key) => Ok(ReceiptSigner::ReceiptKey(key)),
            None if variants.contains(&Variant::Cp1) && paddings.contains(Padding::Pkcs1v15) => {
                Err(NoReceipts::OnlyKeyDecrypts)
            }
            None => Ok(ReceiptSigner::OnlyKey(identity)),
        }
    }
}

/// Why a session ended early. Nothing of an unfinished file is published.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// Bytes that are no message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Bytes that are no CP1 body.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// A name that cannot be a file's.
    #[error("a file name that is refused: {0}")]
    Name(#[from] NameError),
    /// A message that our key does not sign.
    #[error(transparent)]
    Unsignable(#[from] Unsignable),
    /// The body does not decrypt, or is of no acceptable length.
    #[error("the body is refused: {0}")]
    Open(#[from] OpenError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The history cannot be asked whether this is a replay.
    #[error("the history cannot be read: {0}")]
    History(#[from] HistoryError),
    /// Somebody plays a recording.
    #[error("at byte {offset}: a replay: {} came in another connection before", replayed(*.what))]
    Replay {
        /// Of the connection.
        offset: u64,
        /// What was seen before.
        what: Seen,
    },
    /// What must not be replayed cannot be remembered.
    #[error("{0}")]
    Unremembered(ClaimError),
    /// Our own key failed to sign.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A protocol step out of order.
    #[error("at byte {offset}: {what}")]
    Order {
        /// Of the connection.
        offset: u64,
        /// Which.
        what: &'static str,
    },
    /// A variant that this server was told not to accept.
    #[error("at byte {offset}: {variant}, which this server does not accept (--accept)")]
    Variant {
        /// Of the connection.
        offset: u64,
        /// Which.
        variant: Variant,
    },
    /// The client announced a padding that this server does not accept.
    #[error("{padding}, which this server does not accept (--accept-padding)")]
    Padding {
        /// Which.
        padding: Padding,
    },
    /// Only PKCS #1 v1.5 is left of what client and server accept, and it is off.
    #[error("PKCS1v15, which is off: too many blocks did not decrypt (--reset-padding-budget)")]
    PaddingOff,
    /// More bytes than `--max-file`.
    #[error("at byte {offset}: a file of {} or more; at most {} are accepted (--max-file)", units::bytes(*.size), units::bytes(*.limit))]
    TooLarge {
        /// Of the connection.
        offset: u64,
        /// Announced or reached.
        size: u64,
        /// `--max-file`.
        limit: u64,
    },
    /// No thread could be started for the body.
    #[error(transparent)]
    Threads(#[from] NoThread),
    /// The connection ended inside a message.
    #[error("cut at byte {offset}: {}", cause(.source.as_ref()))]
    Cut {
        /// Of the connection.
        offset: u64,
        /// What the socket said; `None`: the client closed.
        source: Option<io::Error>,
    },
}

impl ReceiveError {
    /// Who has to change something.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Open(OpenError::Machine(_))
            | Self::Store(_)
            | Self::History(_)
            | Self::Unremembered(_)
            | Self::Identity(_)
            | Self::Threads(_) => Blame::System,
            _ => Blame::Peer,
        }
    }

    /// The reason that the client receives. `is_begun`: the error came after the body began, so it may depend on decrypted bytes,
    /// of which the client must learn nothing but that the body was refused.
    #[must_use]
    pub const fn refusal(&self, is_begun: bool) -> Refusal {
        match self {
            Self::Variant { .. } => Refusal::Variant,
            Self::TooLarge { .. } if !is_begun => Refusal::Size,
            Self::Store(_) => Refusal::Disk,
            Self::History(_) | Self::Unremembered(_) if !is_begun => Refusal::Disk,
            // A padding that is announced says nothing of what was decrypted.
            Self::Padding { .. } | Self::PaddingOff if !is_begun => Refusal::Policy,
            Self::Name(_) => Refusal::Name,
            Self::Unsignable(_) => Refusal::Policy,
            Self::Identity(_) | Self::Threads(_) => Refusal::Busy,
            Self::TooLarge { .. }
            | Self::Wire(_)
            | Self::Framing(_)
            | Self::Open(_)
            | Self::Replay { .. }
            | Self::Order { .. }
            | Self::Padding { .. }
            | Self::PaddingOff
            | Self::History(_)
            | Self::Unremembered(_)
            | Self::Cut { .. } => Refusal::Content,
        }
    }

    /// The line for the operator: where, what was expected, what came. `offset`: how far the connection
    /// was read, for those errors that do not know it.
    #[must_use]
    pub fn line(&self, offset: u64) -> String {
        match self {
            Self::Open(OpenError::Machine(BatchError::Fault)) => {
                format!("{self}; let it be sent again, and test this machine's memory and processor")
            }
            Self::Open(OpenError::Machine(BatchError::NoRandomness)) => {
                format!(
                    "{self}; let it be sent again, and look after the system's random numbers (getrandom)"
                )
            }
            Self::Framing(_)
            | Self::Name(_)
            | Self::Unsignable(_)
            | Self::Open(_)
            | Self::Padding { .. }
            | Self::PaddingOff => {
                format!("at byte {offset}: {self}")
            }
            // They know it, or are of this side, whatever came.
            _ => self.to_string(),
        }
    }
}

const fn replayed(what: Seen) -> &'static str {
    match what {
        Seen::SessionKey => "this session key",
        Seen::FirstBlock => "this CP1 body",
        Seen::Token => "this token",
    }
}

fn cause(source: Option<&io::Error>) -> String {
    match source {
        None => "the client closed the connection".to_owned(),
        Some(e) if e.kind() == io::ErrorKind::TimedOut => "the client stands still".to_owned(),
        Some(e) => e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::Nowhere;
    use crate::testing::EventLog;

    fn service(policy: Policy, identity: Option<Identity>) -> Service {
        Service {
            policy,
            identity: identity.map(Arc::new),
            store: Arc::new(Nowhere),
            ciphertext: None,
            history: None,
            budget: PaddingBudget::default(),
            observer: Arc::new(EventLog::default()),
        }
    }

    #[test]
    fn the_only_key_signs_receipts_only_where_cp1_has_no_pkcs1v15() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/identity-v1");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let one = || Identity::from_pem(&read("server_signed.crt"), &read("server_private_key.pem")).unwrap();
        let two = || Identity::load(&folder).unwrap();
        let pkcs1v15: Paddings = std::iter::once(Padding::Pkcs1v15).collect();
        let cp2 = vec![Variant::Ap, Variant::Cp2];
        for (variants, paddings, alone) in [
            (Variant::ALL.to_vec(), Paddings::EITHER, false),
            (vec![Variant::Cp1], pkcs1v15, false),
            (Variant::ALL.to_vec(), Paddings::OAEP, true),
            // A padding that no accepted variant has.
            (cp2, Paddings::EITHER, true),
        ] {
            let policy = Policy { variants, paddings, ..Policy::default() };
            let of_one = service(policy.clone(), Some(one()));
            match of_one.receipt_signer() {
                Ok(ReceiptSigner::OnlyKey(_)) => assert!(alone, "{policy:?}"),
                Err(NoReceipts::OnlyKeyDecrypts) => assert!(!alone, "{policy:?}"),
                other => panic!("{policy:?}: {other:?}"),
            }
            let of_two = service(policy.clone(), Some(two()));
            assert!(matches!(of_two.receipt_signer(), Ok(ReceiptSigner::ReceiptKey(_))), "{policy:?}");
            let unhashed = Policy { digest: FileDigest::None, ..policy };
            assert_eq!(service(unhashed, Some(two())).receipt_signer().unwrap_err(), NoReceipts::NoDigest);
        }
        assert_eq!(service(Policy::default(), None).receipt_signer().unwrap_err(), NoReceipts::NoIdentity);
    }
}
