//! The parts that all sessions of a server share, and the errors of a session.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use strum::VariantArray as _;
use thiserror::Error;

use super::Observer;
use super::admission::Admission;
use super::budget::PaddingBudget;
use super::deadlines::{Deadlines, Late};
use super::disk::{DiskLimits, NoRoom};
use super::door::Door;
use super::framing::FramingError;
use super::handshake::Unsignable;
use super::penalties::Penalize;
use super::refusal::Refusal;
use super::wire::WireError;
use super::work::Work;
use crate::crypto::OpenError;
use crate::crypto::identity::{Identity, IdentityError};
use crate::crypto::padding::Paddings;
use crate::crypto::receipt_key::ReceiptKey;
use crate::crypto::rsa_batch::BatchError;
use crate::digest::FileDigest;
use crate::event::{Accepted, Blame, Named, Padding, RefusalKind, Variant};
use crate::history::serving::ClaimError;
use crate::history::{HistoryError, Seen, Serving};
use crate::messages::units;
use crate::pipeline::NoThread;
use crate::store::name::Portability;
use crate::store::{NameError, Store, StoreError};

/// Rules by which a server accepts files.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Accepted variants; a body that fits none of them is refused.
    pub variants: Vec<Variant>,
    /// Accepted paddings of CP1's blocks; others are never evaluated. MODE 4 takes either: a key that does not unwrap
    /// becomes a random one, and the two cases look alike.
    pub paddings: Paddings,
    /// Size of the largest accepted file, in bytes.
    pub max_file: u64,
    /// Prefix of the names of stored files.
    pub prefix: String,
    /// The name that a receipt states.
    pub names: Named,
    /// The names that are refused.
    pub portability: Portability,
    /// Whether files are stored under their paths; otherwise their folders are left out.
    pub paths: bool,
    /// Whether files get the modification time and the executable bit that the client states.
    pub meta: bool,
    /// How MODE 3 is answered.
    pub reply: Reply,
    /// Who may connect.
    pub door: Door,
    /// How many sessions there are at once.
    pub admission: Admission,
    /// What clients may ask of the server's key.
    pub work: Work,
    /// What clients may take of the disk.
    pub disk: Arc<DiskLimits>,
    /// Addresses that are refused for a while after bad sessions.
    pub penalize: Penalize,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// Whether files are hashed. Without a hash there are no receipts, and a file that is stored already is stored again.
    pub digest: FileDigest,
}

/// How MODE 3 is answered. Each default suits all known clients but one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply {
    /// Pause between the four writes, for clients that read each with a single `recv`.
    pub gap: Duration,
    /// Whether the certificate comes before the signature, for clients that read it first.
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
            paths: true,
            meta: true,
            reply: Reply::default(),
            door: Door::default(),
            admission: Admission::default(),
            work: Work::default(),
            disk: Arc::default(),
            penalize: Penalize::default(),
            deadlines: Deadlines::default(),
            digest: FileDigest::Sha256,
        }
    }
}

/// The parts that all sessions of a server share.
pub struct Service {
    /// Rules by which files are accepted.
    pub policy: Policy,
    /// Certificate and key of the server; `None`: it serves Plain only.
    pub identity: Option<Arc<Identity>>,
    /// Store of the received files.
    pub store: Arc<dyn Store>,
    /// Store of the bodies of CP1 and CP2 as they came, as `enc_recv_NAME`; `None`: they are not kept.
    pub ciphertext: Option<Arc<dyn Store>>,
    /// History database: received files, and the replay guard; `None`: neither is kept.
    pub history: Option<Arc<Serving>>,
    /// Limit of the PKCS #1 v1.5 blocks that do not conform and are still answered.
    pub budget: PaddingBudget,
    /// Receiver of the server's events.
    pub observer: Arc<dyn Observer>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// The key that signs a server's receipts.
#[derive(Debug, Clone, Copy)]
pub enum ReceiptSigner<'a> {
    /// A key for receipts only.
    ReceiptKey(&'a ReceiptKey),
    /// The server's only key.
    OnlyKey(&'a Identity),
}

impl ReceiptSigner<'_> {
    /// Signs a statement.
    ///
    /// # Errors
    /// [`IdentityError::Sign`] if this machine computes a wrong signature.
    pub fn sign(&self, statement: &[u8]) -> Result<Vec<u8>, IdentityError> {
        match self {
            Self::ReceiptKey(key) => key.sign(statement),
            Self::OnlyKey(identity) => identity.sign_receipt(statement),
        }
    }

    /// Returns the receipt key; `None` if the server has only one key.
    #[must_use]
    pub const fn receipt_key(&self) -> Option<&ReceiptKey> {
        match self {
            Self::ReceiptKey(key) => Some(key),
            Self::OnlyKey(_) => None,
        }
    }
}

/// Reason why a server gives no receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoReceipts {
    /// The server has no identity.
    #[error("no receipts are given: this server has no certificate")]
    NoIdentity,
    /// Files are not hashed.
    #[error("no receipts are given: received files are not hashed (--digest)")]
    NoDigest,
    /// The server's only key evaluates PKCS #1 v1.5, so its signatures can be forged.
    #[error(
        "no receipts are given: this server has no receipt key, and a key that decrypts PKCS #1 v1.5 could be used to \
         forge them"
    )]
    OnlyKeyDecrypts,
}

impl Policy {
    /// Returns what these rules accept.
    #[must_use]
    pub(crate) fn accepted(&self) -> Accepted {
        let paddings = Padding::VARIANTS.iter().copied();
        Accepted {
            variants: self.variants.clone(),
            paddings: paddings.filter(|padding| self.paddings.contains(*padding)).collect(),
        }
    }

    /// Returns these rules, but with other variants and paddings.
    #[must_use]
    pub(crate) fn accepting(&self, accepted: &Accepted) -> Self {
        Self {
            variants: accepted.variants.clone(),
            paddings: accepted.paddings.iter().copied().collect(),
            ..self.clone()
        }
    }
}

impl Service {
    /// Creates a service that differs only in its rules.
    #[must_use]
    pub(crate) fn with_policy(&self, policy: Policy) -> Self {
        Self { policy, ..self.duplicate() }
    }

    /// Creates a service with the same parts.
    #[must_use]
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            identity: self.identity.clone(),
            store: Arc::clone(&self.store),
            ciphertext: self.ciphertext.clone(),
            history: self.history.clone(),
            budget: self.budget.clone(),
            observer: Arc::clone(&self.observer),
        }
    }

    /// Returns the key that signs receipts. A server's only key does so only where CP1 with PKCS #1 v1.5 is not accepted.
    /// (MODE 4 always accepts that padding, but it is not an oracle: a key that does not unwrap becomes a random one.)
    ///
    /// # Errors
    /// [`NoReceipts`].
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

/// Reason why a session ended early. An incomplete file is discarded.
#[derive(Debug, Error)]
pub(crate) enum ReceiveError {
    /// Bytes that are not a message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Bytes that are not a body of CP1.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// A name under which no file can be stored.
    #[error("file name refused: {0}")]
    Name(#[from] NameError),
    /// A message that this server does not sign.
    #[error(transparent)]
    Unsignable(#[from] Unsignable),
    /// The body does not decrypt, or has no acceptable length.
    #[error("body refused: {0}")]
    Open(#[from] OpenError),
    /// The file cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file has no room on the disk.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The history cannot tell whether this is a replay.
    #[error("the history cannot be read: {0}")]
    History(#[from] HistoryError),
    /// The client replays a recorded connection.
    #[error("at byte {offset}: a replay: {} was used in an earlier connection", replayed(*.what))]
    Replay {
        /// Position in the connection.
        offset: u64,
        /// What came before.
        what: Seen,
    },
    /// The replay guard cannot be written.
    #[error("{0}")]
    Unremembered(ClaimError),
    /// The server's key failed to sign.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A protocol step out of order.
    #[error("at byte {offset}: {what}")]
    Order {
        /// Position in the connection.
        offset: u64,
        /// The step.
        what: &'static str,
    },
    /// A variant that this server does not accept.
    #[error("at byte {offset}: {variant} is not accepted by this server (--accept)")]
    Variant {
        /// Position in the connection.
        offset: u64,
        /// The variant.
        variant: Variant,
    },
    /// The client announced a padding that this server does not accept.
    #[error("{padding} is not accepted by this server (--accept-padding)")]
    Padding {
        /// The padding.
        padding: Padding,
    },
    /// Client and server have only PKCS #1 v1.5 in common, and it is off.
    #[error("PKCS1v15 is off, because too many blocks did not decrypt (--reset-padding-budget)")]
    PaddingOff,
    /// More bytes than `--max-file`.
    #[error("at byte {offset}: file too large: at least {} (at most {}, --max-file)", units::bytes(*.size), units::bytes(*.limit))]
    TooLarge {
        /// Position in the connection.
        offset: u64,
        /// Bytes that were announced or received.
        size: u64,
        /// Bytes of the largest accepted file.
        limit: u64,
    },
    /// No thread could be started for the body.
    #[error(transparent)]
    Threads(#[from] NoThread),
    /// A message that came too often in this connection.
    #[error("at byte {offset}: {what} came more than {most} times in one connection, with {files} files")]
    TooOften {
        /// Position in the connection.
        offset: u64,
        /// The message.
        what: &'static str,
        /// How often it may come.
        most: u64,
        /// Files of the connection.
        files: u64,
    },
    /// The key was in use for other clients all the time.
    #[error("at byte {offset}: other clients used the key all the time (--rsa-rate)")]
    Overloaded {
        /// Position in the connection.
        offset: u64,
    },
    /// The server stops, and the session is between two files.
    #[error("the server stops")]
    Leaving,
    /// The client missed a deadline.
    #[error("at byte {offset}: {late}")]
    Late {
        /// Position in the connection.
        offset: u64,
        /// The deadline.
        late: Late,
    },
    /// The connection ended inside a message.
    #[error("cut at byte {offset}: {}", cause(.source.as_ref()))]
    Cut {
        /// Position in the connection.
        offset: u64,
        /// The socket's error; `None`: the client closed the connection.
        source: Option<io::Error>,
    },
}

impl ReceiveError {
    /// Returns who can correct it: the client, or the operator of this machine.
    #[must_use]
    pub(crate) const fn blame(&self) -> Blame {
        match self {
            Self::Store(StoreError::Exists { .. }) => Blame::Peer,
            Self::Open(OpenError::Machine(_))
            | Self::Store(_)
            | Self::NoRoom(NoRoom::Free { .. } | NoRoom::Total { .. })
            | Self::History(_)
            | Self::Unremembered(_)
            | Self::Identity(_)
            | Self::Leaving
            | Self::Threads(_) => Blame::System,
            _ => Blame::Peer,
        }
    }

    /// Returns what was refused, for the operator.
    #[must_use]
    pub(crate) const fn kind(&self) -> RefusalKind {
        match self {
            Self::Wire(_) | Self::Framing(_) | Self::Order { .. } => RefusalKind::Malformed,
            Self::Variant { .. } | Self::Padding { .. } | Self::PaddingOff => RefusalKind::Variant,
            Self::TooLarge { .. } => RefusalKind::Size,
            Self::Name(_) => RefusalKind::Name,
            Self::Store(StoreError::Exists { .. }) => RefusalKind::Exists,
            Self::Unsignable(_) | Self::TooOften { .. } => RefusalKind::Request,
            Self::Open(OpenError::Machine(_))
            | Self::Identity(_)
            | Self::Threads(_)
            | Self::Leaving
            | Self::Overloaded { .. } => RefusalKind::Machine,
            Self::Open(_) => RefusalKind::Content,
            Self::Replay { .. } => RefusalKind::Replay,
            Self::Store(_) | Self::NoRoom(_) => RefusalKind::Store,
            Self::History(_) | Self::Unremembered(_) => RefusalKind::History,
            Self::Cut { .. } => RefusalKind::Cut,
            Self::Late { .. } => RefusalKind::Late,
        }
    }

    /// Returns whether an honest client does not cause it, or only one whose author is still at work. What depends on a
    /// file, as its name or size, does not count.
    #[must_use]
    pub(crate) const fn is_bad(&self) -> bool {
        matches!(
            self,
            Self::Wire(_)
                | Self::Framing(_)
                | Self::Open(OpenError::Rejected)
                | Self::Order { .. }
                | Self::Unsignable(_)
                | Self::Replay { .. }
                | Self::TooOften { .. }
                | Self::Late { .. }
        )
    }

    /// Returns the reason that the client receives. `is_begun`: the error came after the body began, so it may depend on
    /// decrypted bytes, of which the client must learn nothing except that the body was refused.
    #[must_use]
    pub(crate) const fn refusal(&self, is_begun: bool) -> Refusal {
        match self {
            Self::Variant { .. } => Refusal::Variant,
            Self::TooLarge { .. } if !is_begun => Refusal::Size,
            Self::Store(StoreError::Exists { .. }) => Refusal::Exists,
            Self::Store(_) | Self::NoRoom(_) => Refusal::Disk,
            Self::History(_) | Self::Unremembered(_) if !is_begun => Refusal::Disk,
            // An announced padding reveals nothing about decrypted bytes.
            Self::Padding { .. } | Self::PaddingOff if !is_begun => Refusal::Policy,
            Self::Name(_) => Refusal::Name,
            Self::Unsignable(_) | Self::Late { .. } | Self::TooOften { .. } => Refusal::Policy,
            Self::Identity(_) | Self::Threads(_) | Self::Leaving | Self::Overloaded { .. } => Refusal::Busy,
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

    /// Returns the line for the operator: the position, what was expected, what came. `offset`: bytes read, for errors
    /// without a position of their own.
    #[must_use]
    pub(crate) fn line(&self, offset: u64) -> String {
        match self {
            Self::Open(OpenError::Machine(BatchError::Fault)) => {
                format!("{self}; ask the client to resend, and test this machine's memory and processor")
            }
            Self::Open(OpenError::Machine(BatchError::NoRandomness)) => {
                format!(
                    "{self}; ask the client to resend, and check the system's random number generator (getrandom)"
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
            // These have a position, or are errors of this machine.
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
        Some(e) if e.kind() == io::ErrorKind::TimedOut => match e.get_ref() {
            Some(slow) => format!("the client is {slow} (--min-rate, --stall-time)"),
            None => "the client stopped sending".to_owned(),
        },
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
            // A padding that no accepted variant uses.
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
