//! The servers of this process: one for its own uploads, which starts, accepts other variants, and starts again; and one for
//! other computers, while the user shares.
//!
//! A server is prepared on a thread of its own, because creating a key and ending the sessions of its predecessor take a
//! moment. The control thread starts it, so that it never outlives that thread.

mod addresses;
pub(crate) mod share;
mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

pub(crate) use self::addresses::{doors, reachable};
pub(crate) use self::source::{Former, Prepared, Source, bind};
use super::dialer::Embedded;
use crate::event::{Accepted, Event, Fault, Reach};
use crate::net::Observer;
use crate::net::server::Server;

/// The result of preparing a server.
pub(super) type Outcome = Result<Box<Prepared>, Fault>;

/// The state of the server.
enum Host {
    /// None was requested, or it failed; uploads to it fail at once.
    Absent,
    /// It is being prepared; uploads to it wait.
    Starting,
    /// It runs until this is dropped.
    Running { server: Server, embedded: Option<Embedded> },
}

/// The server for other computers.
enum Sharing {
    Off,
    /// It is being prepared.
    Starting,
    /// It is being prepared, and was turned off again.
    Unwanted,
    On(Server),
}

/// The servers of this process, and how they are made.
pub(super) struct Hosting {
    /// `None`: this process has no server.
    source: Option<Arc<dyn Source>>,
    /// Receives the events of the sessions and of the server.
    observer: Arc<dyn Observer>,
    host: Host,
    sharing: Sharing,
    former: Option<Former>,
    /// Number of the latest session of any server.
    numbers: Arc<AtomicU64>,
}

impl Hosting {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            source: None,
            observer,
            host: Host::Absent,
            sharing: Sharing::Off,
            former: None,
            numbers: Arc::default(),
        }
    }

    /// Prepares the first server.
    pub(super) fn begin(
        &mut self,
        source: Arc<dyn Source>,
        report: impl Fn(Outcome) + Clone + Send + 'static,
    ) {
        self.source = Some(source);
        self.prepare(report);
    }

    /// Stops the server and prepares the next one, unless one is being prepared.
    pub(super) fn restart(&mut self, report: impl Fn(Outcome) + Clone + Send + 'static) {
        if self.source.is_some() && !matches!(self.host, Host::Starting) {
            self.prepare(report);
        }
    }

    /// Prepares a server on a thread that first waits for the end of the present one, and passes the result to `report`.
    fn prepare(&mut self, report: impl Fn(Outcome) + Clone + Send + 'static) {
        let Some(source) = self.source.clone() else { return };
        let present = std::mem::replace(&mut self.host, Host::Starting);
        if let Host::Running { server, embedded } = &present {
            self.former = Some(Former::of(server, embedded.clone()));
        }
        let (observer, former) = (Arc::clone(&self.observer), self.former.clone());
        let failed = report.clone();
        let spawned = thread::Builder::new().name("upseal-embedded".to_owned()).spawn(move || {
            // This ends its sessions and frees its address.
            drop(present);
            report(source.prepare(observer, former.as_ref()).map(Box::new));
        });
        if let Err(error) = spawned {
            failed(Err(Fault::system(format!("cannot start a thread for the server: {error}"))));
        }
    }

    /// Starts the server that was prepared, or reports why there is none.
    pub(super) fn prepared(&mut self, outcome: Outcome) {
        let started = outcome.and_then(|prepared| {
            let Prepared { listener, service, lifetime, embedded, events } = *prepared;
            let accepted = service.policy.accepted();
            let server = Server::counted(listener, Arc::new(service), lifetime, Arc::clone(&self.numbers))
                .map_err(|error| Fault::system(format!("cannot start the server: {error}")))?;
            Ok((Host::Running { server, embedded }, events, accepted))
        });
        match started {
            Ok((host, events, accepted)) => {
                self.host = host;
                for event in events {
                    self.observer.event(event);
                }
                self.observer.event(Event::Accepting { reach: Reach::Own, accepted });
            }
            Err(fault) => {
                self.host = Host::Absent;
                self.observer.event(Event::NotListening { fault });
            }
        }
    }

    /// Changes what the server accepts from clients that connect from now on.
    pub(super) fn accept(&self, reach: Reach, accepted: Accepted) {
        let ((Reach::Own, Host::Running { server, .. }, _) | (Reach::Shared, _, Sharing::On(server))) =
            (reach, &self.host, &self.sharing)
        else {
            return;
        };
        let service = server.service();
        server.use_service(Arc::new(service.with_policy(service.policy.accepting(&accepted))));
        self.observer.event(Event::Accepting { reach, accepted });
    }

    /// Returns how this program's own uploads reach the server; `None` if it does not run.
    pub(super) fn embedded(&self) -> Option<&Embedded> {
        match &self.host {
            Host::Running { embedded, .. } => embedded.as_ref(),
            Host::Absent | Host::Starting => None,
        }
    }

    /// Returns whether uploads to the server must wait for it.
    pub(super) const fn is_starting(&self) -> bool {
        matches!(self.host, Host::Starting)
    }

    // Sharing

    /// Prepares the server for other computers, with the identity in this folder.
    pub(super) fn share(&mut self, identity: PathBuf, report: impl Fn(Outcome) + Clone + Send + 'static) {
        match self.sharing {
            Sharing::On(_) | Sharing::Starting => return,
            // It is still being prepared.
            Sharing::Unwanted => {
                self.sharing = Sharing::Starting;
                return;
            }
            Sharing::Off => {}
        }
        let Some(source) = self.source.clone() else {
            let fault = Fault::usage("this program has no server, so there is nothing to share".to_owned());
            return self.observer.event(Event::NotShared { fault: Some(fault) });
        };
        self.sharing = Sharing::Starting;
        let (observer, failed) = (Arc::clone(&self.observer), report.clone());
        let spawned = thread::Builder::new()
            .name("upseal-share".to_owned())
            .spawn(move || report(source.share(observer, &identity).map(Box::new)));
        if let Err(error) = spawned {
            failed(Err(Fault::system(format!("cannot start a thread for the server: {error}"))));
        }
    }

    /// Starts the server for other computers, unless it was turned off meanwhile.
    pub(super) fn shared(&mut self, outcome: Outcome) {
        if matches!(self.sharing, Sharing::Unwanted) {
            self.sharing = Sharing::Off;
            return self.observer.event(Event::NotShared { fault: None });
        }
        let started = outcome.and_then(|prepared| {
            let Prepared { listener, service, lifetime, events, .. } = *prepared;
            let accepted = service.policy.accepted();
            let server = Server::counted(listener, Arc::new(service), lifetime, Arc::clone(&self.numbers))
                .map_err(|error| Fault::system(format!("cannot start the server: {error}")))?;
            Ok((server, events, accepted))
        });
        match started {
            Ok((server, events, accepted)) => {
                self.sharing = Sharing::On(server);
                self.observer.event(Event::Accepting { reach: Reach::Shared, accepted });
                for event in events {
                    self.observer.event(event);
                }
            }
            Err(fault) => {
                self.sharing = Sharing::Off;
                self.observer.event(Event::NotShared { fault: Some(fault) });
            }
        }
    }

    /// Stops the server for other computers and its sessions, on a thread that waits for them.
    pub(super) fn end_share(&mut self) {
        match std::mem::replace(&mut self.sharing, Sharing::Off) {
            Sharing::Off => {}
            Sharing::Starting | Sharing::Unwanted => self.sharing = Sharing::Unwanted,
            Sharing::On(server) => {
                let observer = Arc::clone(&self.observer);
                let end = move || {
                    drop(server);
                    observer.event(Event::NotShared { fault: None });
                };
                // Without a thread, the server was dropped with `end`, and the event was not reported.
                if thread::Builder::new().name("upseal-share".to_owned()).spawn(end).is_err() {
                    self.observer.event(Event::NotShared { fault: None });
                }
            }
        }
    }

    /// Stops the servers and waits for their sessions.
    pub(super) fn stop(&mut self) {
        (self.host, self.sharing) = (Host::Absent, Sharing::Off);
    }
}
