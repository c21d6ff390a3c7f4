//! The embedded server, until it runs: its throwaway identity, its folder, its history.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use super::dialer::Embedded;
use crate::clock;
use crate::crypto::authority;
use crate::crypto::identity::IdentityError;
use crate::event::{Blame, Event, Fault, FaultKind};
use crate::history::{History, Serving};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::service::{Policy, Service};
use crate::store::folder::Folder;
use crate::store::{Announce, Catalogue, Nowhere, Store, StoreError};
use crate::trust::{Anchor, TrustError, facts};

/// What the embedded server is to be like.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// Where received files go; `None`: nowhere, it is there for races only.
    pub store: Option<PathBuf>,
    /// The history that it writes; `None`: none.
    pub history: Option<PathBuf>,
    /// Tried first; if somebody has it, any free port of the same address.
    pub bind: SocketAddr,
}

/// An embedded server that has all it needs and is not running yet.
pub(super) struct Prepared {
    pub(super) listener: TcpListener,
    pub(super) service: Service,
    pub(super) embedded: Embedded,
    /// What is said when it runs.
    pub(super) listening: Event,
}

/// Why there is no embedded server.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostError {
    #[error("cannot make a throwaway identity: {0}")]
    Identity(#[from] IdentityError),
    #[error("cannot use the throwaway CA: {0}")]
    Trust(#[from] TrustError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot listen: {0}")]
    Bind(#[from] io::Error),
}

impl HostError {
    pub(super) fn fault(&self) -> Fault {
        Fault {
            kind: FaultKind::Broken,
            blame: Blame::System,
            what: format!("the embedded server did not start: {self}"),
            advice: "uploads to other servers work (c)".to_owned(),
        }
    }
}

/// Opens the history and repairs it. Without one the server serves all the same, and says so.
fn history(options: &EmbeddedOptions, until: i64, observer: &dyn Observer) -> Option<Arc<Serving>> {
    let (path, folder) = (options.history.as_ref()?, options.store.as_ref()?);
    let now_ms = clock::unix_ms();
    let opened =
        History::open(path).and_then(|history| Serving::open(Arc::new(history), folder, until, now_ms));
    match opened {
        Ok((history, repairs)) => {
            for repair in &repairs {
                observer.event(Event::Note { text: repair.to_string() });
            }
            Some(history)
        }
        Err(why) => {
            observer.event(Event::Note { text: format!("nothing is written into the history: {why}") });
            None
        }
    }
}

/// Makes the identity, opens the folder, binds.
pub(super) fn prepare(options: &EmbeddedOptions, observer: Arc<dyn Observer>) -> Result<Prepared, HostError> {
    let folder = options.store.as_deref().map(Folder::open).transpose()?;
    let listener = TcpListener::bind(options.bind)
        .or_else(|_| TcpListener::bind(SocketAddr::new(options.bind.ip(), 0)))?;
    let address = listener.local_addr()?.to_string();
    let (identity, ca) = authority::throwaway()?;
    let anchor = Anchor::from_pem(ca.as_bytes())?;
    let (_, proof) = anchor.check(identity.certificate_pem(), clock::unix_seconds())?;
    let bits = proof.bits;
    let until = facts::not_after(identity.certificate_pem()).unwrap_or(i64::MAX);
    let history = history(options, until, &*observer);
    let store: Arc<dyn Store> = match (folder, &history) {
        (None, _) => Arc::new(Nowhere),
        (Some(folder), None) => Arc::new(folder),
        (Some(folder), Some(history)) => {
            folder.consult(Arc::clone(history) as Arc<dyn Catalogue>);
            Arc::new(folder.announcing(Arc::clone(history) as Arc<dyn Announce>))
        }
    };
    let service = Service {
        policy: Policy::default(),
        identity: Some(Arc::new(identity)),
        store,
        ciphertext: None,
        history,
        // The key does not outlive this process.
        budget: PaddingBudget::default(),
        observer,
    };
    let listening = Event::Listening {
        address: address.clone(),
        store: options.store.clone().unwrap_or_default(),
        identity: Some(proof),
    };
    Ok(Prepared {
        listener,
        service,
        embedded: Embedded { address, anchor: Arc::new(anchor), bits },
        listening,
    })
}
