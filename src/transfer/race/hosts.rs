//! The embedded servers of a race: with keys of other lengths, and with their meters paired with the lanes'.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock;
use crate::crypto::authority;
use crate::event::{Event, Track};
use crate::meter::Meter;
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::receive::is_race;
use crate::net::record::Recorder;
use crate::net::server::{Lifetime, Server};
use crate::net::service::{Policy, Service};
use crate::store::Nowhere;
use crate::transfer::dialer::Embedded;
use crate::transfer::embedded::HostError;
use crate::trust::Anchor;

/// The position, in a session's number, of the bits that identify its server.
const NUMBERED: u32 = 32;

/// Assigns the events of the servers in this process to the lanes of a race.
pub(crate) struct Hosts {
    observer: Arc<dyn Observer>,
    /// Lanes that will send, by their local addresses.
    lanes: Mutex<HashMap<String, Expected>>,
    /// The peers of files whose meters are about to be watched.
    coming: Mutex<HashMap<Track, String>>,
    /// Servers with other key lengths than the embedded server's, by that length.
    servers: Mutex<HashMap<usize, (Server, Embedded)>>,
    /// Files whose events are not forwarded.
    hushed: Mutex<HashSet<Track>>,
}

/// A lane that will send to a server in this process.
#[derive(Clone)]
struct Expected {
    meter: Arc<Meter>,
    news: News,
}

/// Whether the events of a lane's file are forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// They are forwarded.
    Passed,
    /// They are not: the file is sent to measure a steady rate only.
    Kept,
}

impl Hosts {
    /// Creates the hosts; events are forwarded to `observer`.
    #[must_use]
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Self {
            observer,
            lanes: Mutex::default(),
            coming: Mutex::default(),
            servers: Mutex::default(),
            hushed: Mutex::default(),
        })
    }

    /// Pairs what arrives from this address with the lane of `meter`.
    pub(super) fn expect(&self, from: SocketAddr, meter: Arc<Meter>, news: News) {
        self.lanes.lock().insert(from.to_string(), Expected { meter, news });
    }

    /// Ends the pairing of an address.
    pub(super) fn forget(&self, from: SocketAddr) {
        self.lanes.lock().remove(&from.to_string());
    }

    /// Returns whether [`Hosts::with_key`] need not create a key.
    pub(super) fn has_key(&self, bits: usize) -> bool {
        self.servers.lock().contains_key(&bits)
    }

    /// Returns a server with a key of `bits` bits. The first call starts it, which takes seconds; it runs until
    /// [`Hosts::close`].
    pub(super) fn with_key(self: &Arc<Self>, bits: usize) -> Result<Embedded, HostError> {
        if let Some((_, embedded)) = self.servers.lock().get(&bits) {
            return Ok(embedded.clone());
        }
        let (identity, ca) = authority::throwaway_of(bits)?;
        let anchor = Anchor::from_pem(ca.as_bytes())?;
        anchor.check(identity.certificate_pem(), clock::unix_seconds())?;
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?.into();
        let service = Service {
            policy: Policy::default(),
            identity: Some(Arc::new(identity)),
            store: Arc::new(Nowhere),
            ciphertext: None,
            history: None,
            budget: PaddingBudget::default(),
            observer: Arc::clone(self) as Arc<dyn Observer>,
        };
        let before = (bits as u64) << NUMBERED;
        let server = Server::numbered(listener, Arc::new(service), Lifetime::UntilStopped, before)?;
        let embedded = Embedded { address, anchor: Arc::new(anchor), bits };
        self.servers.lock().insert(bits, (server, embedded.clone()));
        Ok(embedded)
    }

    /// Stops these servers. Their sessions hold references to this, so dropping it would not stop them.
    pub(crate) fn close(&self) {
        let servers = std::mem::take(&mut *self.servers.lock());
        // Dropping a server stops it and joins its sessions.
        drop(servers);
    }
}

impl Observer for Hosts {
    fn event(&self, event: Event) {
        let is_kept = |peer: &String| self.lanes.lock().get(peer).is_some_and(|lane| lane.news == News::Kept);
        match &event {
            Event::Receiving { track, peer, name, .. } if is_race(name.as_str()) => {
                self.coming.lock().insert(*track, peer.clone());
                if is_kept(peer) {
                    self.hushed.lock().insert(*track);
                    return;
                }
            }
            Event::Received { peer, .. } if is_kept(peer) => return,
            _ => {}
        }
        self.observer.event(event);
    }

    fn watch(&self, track: Track, meter: Arc<Meter>) {
        let peer = self.coming.lock().remove(&track);
        if let Some(lane) = peer.and_then(|peer| self.lanes.lock().get(&peer).cloned()) {
            meter.measure();
            lane.meter.pair(Arc::clone(&meter));
        }
        if !self.hushed.lock().contains(&track) {
            self.observer.watch(track, meter);
        }
    }

    fn unwatch(&self, track: Track) {
        if !self.hushed.lock().remove(&track) {
            self.observer.unwatch(track);
        }
    }

    fn recorder(&self) -> Option<Arc<Recorder>> {
        self.observer.recorder()
    }
}
