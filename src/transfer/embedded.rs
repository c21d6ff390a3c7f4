//! Prepares the embedded server: its throwaway identity, its folder and its history.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dialer::Embedded;
use super::hosting::{Former, Prepared, Source, bind, doors, share};
use crate::clock;
use crate::crypto::authority;
use crate::crypto::identity::{Identity, IdentityError};
use crate::event::{Event, Fault, ServerAddress};
use crate::history::{History, Serving, Validity};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::disk::DiskLimits;
use crate::net::server::Lifetime;
use crate::net::service::{Policy, Service};
use crate::store::folder::Folder;
use crate::store::{Announce, Catalogue, Nowhere, Store, StoreError};
use crate::trust::{Anchor, TrustError, facts};

/// Options of the embedded server.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The folder for received files; `None`: they are discarded, and the server is used for races only.
    pub store: Option<PathBuf>,
    /// The history database to record received files in; `None`: they are not recorded.
    pub history: Option<PathBuf>,
    /// The address to listen on; if its port is taken, any free port of the same IP address is used.
    pub bind: SocketAddr,
}

/// Why the embedded server could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostError {
    #[error("cannot create a throwaway identity: {0}")]
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
        Fault::system(format!("cannot start the embedded server: {self}"))
            .with_advice("uploads to other servers still work; press c to connect")
    }
}

/// Opens the history and repairs it. If it cannot be opened, the server runs without it, and a note is reported.
fn history(options: &EmbeddedOptions, validity: Validity, observer: &dyn Observer) -> Option<Arc<Serving>> {
    let (path, folder) = (options.history.as_ref()?, options.store.as_ref()?);
    let now_ms = clock::unix_ms();
    let opened =
        History::open(path).and_then(|history| Serving::open(Arc::new(history), folder, validity, now_ms));
    match opened {
        Ok((history, repairs)) => {
            // Without a thread, expired claims stay until the next start.
            let _ = history.maintain(None);
            for repair in &repairs {
                observer.event(Event::Note { text: repair.to_string() });
            }
            Some(history)
        }
        Err(why) => {
            observer.event(Event::Note { text: format!("received files are not recorded: {why}") });
            None
        }
    }
}

impl Source for EmbeddedOptions {
    fn prepare(&self, observer: Arc<dyn Observer>, former: Option<&Former>) -> Result<Prepared, Fault> {
        prepare(self, observer, former).map_err(|error| error.fault())
    }

    fn share(&self, observer: Arc<dyn Observer>, identity: &Path) -> Result<Prepared, Fault> {
        share::make_identity(identity)?;
        prepare_shared(self, observer, identity).map_err(|error| {
            Fault::system(format!("cannot share: {error}")).with_advice("uploads of this computer still work")
        })
    }
}

/// Creates the identity, opens the folder and binds the socket.
fn prepare(
    options: &EmbeddedOptions,
    observer: Arc<dyn Observer>,
    former: Option<&Former>,
) -> Result<Prepared, HostError> {
    let folder = options.store.as_deref().map(Folder::open).transpose()?;
    let listener = bind(former, &[options.bind, SocketAddr::new(options.bind.ip(), 0)])?;
    let address = listener.local_addr()?;
    // Uploads that broke off at a restart find the key that they know.
    let kept = former.and_then(|former| former.identity.clone().zip(former.embedded.clone()));
    let (identity, anchor) = if let Some((identity, embedded)) = kept {
        (identity, embedded.anchor)
    } else {
        let (identity, ca) = authority::throwaway()?;
        (Arc::new(identity), Arc::new(Anchor::from_pem(ca.as_bytes())?))
    };
    let (_, proof) = anchor.check(identity.certificate_pem(), clock::unix_seconds())?;
    let bits = proof.bits;
    let until = facts::not_after(identity.certificate_pem()).unwrap_or(i64::MAX);
    // The key does not outlive this process, so nothing that was recorded for it is of use later.
    let history = history(options, until.into(), &*observer);
    let store = store(folder, history.as_ref());
    let service = Service {
        policy: former.map_or_else(|| limited(Policy::default(), options), |former| former.policy.clone()),
        identity: Some(identity),
        store,
        ciphertext: None,
        history,
        // The key does not outlive this process.
        budget: former.map(|former| former.budget.clone()).unwrap_or_default(),
        observer,
    };
    let listening = Event::Listening {
        address: address.to_string(),
        store: options.store.clone().unwrap_or_default(),
        identity: Some(proof),
    };
    Ok(Prepared {
        listener,
        service,
        lifetime: Lifetime::UntilStopped,
        embedded: Some(Embedded { address: address.into(), anchor, bits }),
        events: vec![listening],
    })
}

/// Returns rules with the limits of the disk that a server without flags has.
fn limited(policy: Policy, options: &EmbeddedOptions) -> Policy {
    let disk = options.store.as_deref().map(DiskLimits::of).unwrap_or_default();
    Policy { disk: disk.into(), ..policy }
}

/// Returns the store of a folder, with its history.
fn store(folder: Option<Folder>, history: Option<&Arc<Serving>>) -> Arc<dyn Store> {
    match (folder, history) {
        (None, _) => Arc::new(Nowhere),
        (Some(folder), None) => Arc::new(folder),
        (Some(folder), Some(history)) => {
            folder.consult(Arc::clone(history) as Arc<dyn Catalogue>);
            Arc::new(folder.announcing(Arc::clone(history) as Arc<dyn Announce>))
        }
    }
}

/// Ports that are tried for sharing, so that a link stays the same; then any port.
const PORTS: std::ops::Range<u16> = ServerAddress::DEFAULT_PORT..ServerAddress::DEFAULT_PORT + 8;

/// Loads the identity, opens the folder a second time, as another process would, and binds all addresses.
fn prepare_shared(
    options: &EmbeddedOptions,
    observer: Arc<dyn Observer>,
    identity: &Path,
) -> Result<Prepared, HostError> {
    let identity = Identity::load(identity)?;
    let folder = options.store.as_deref().map(Folder::open).transpose()?;
    let all = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let addresses: Vec<SocketAddr> = PORTS.chain([0]).map(all).collect();
    let listener = bind(None, &addresses)?;
    let bound = listener.local_addr()?;
    let until = facts::not_after(identity.certificate_pem()).unwrap_or(i64::MAX);
    let pin = identity.server_key().fingerprint();
    let history = history(options, Validity { until, key: Some(pin.into()) }, &*observer);
    let store = store(folder, history.as_ref());
    // PKCS #1 v1.5 is off unless the user turns it on. The key outlives this process, and so does the count of attacks on it.
    let budget = match history.as_ref().map(|history| PaddingBudget::open(Arc::clone(history.history()), pin))
    {
        Some(Ok(budget)) => budget,
        Some(Err(why)) => {
            observer.event(Event::Note {
                text: format!("failed blocks are counted until the program ends: {why}"),
            });
            PaddingBudget::default()
        }
        None => PaddingBudget::default(),
    };
    let service = Service {
        policy: limited(share::policy(), options),
        identity: Some(Arc::new(identity)),
        store,
        ciphertext: None,
        budget,
        history,
        observer,
    };
    let shared = Event::Shared { pin: pin.to_string(), doors: doors(bound) };
    Ok(Prepared { listener, service, lifetime: Lifetime::UntilStopped, embedded: None, events: vec![shared] })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::net::Unheard;
    use crate::net::disk::MIN_FREE;

    #[test]
    fn the_server_of_the_screen_leaves_room_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = EmbeddedOptions { store: Some(store.clone()), history: None, bind };
        let own = options.prepare(Arc::new(Unheard), None).unwrap();
        let shared = options.share(Arc::new(Unheard), &folder.path().join("identity")).unwrap();
        for server in [own, shared] {
            let disk = &server.service.policy.disk;
            assert_eq!(disk.folder.as_ref(), Some(&store));
            assert!((1..=MIN_FREE).contains(&disk.min_free), "{disk:?}");
        }
        let nowhere = EmbeddedOptions { store: None, ..options };
        let disk = nowhere.prepare(Arc::new(Unheard), None).unwrap().service.policy.disk;
        assert_eq!(*disk, DiskLimits::default());
    }
}
