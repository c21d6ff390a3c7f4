//! The built-in server, as its events describe it.

use std::path::PathBuf;

use crate::event::{Accepted, Door, Fault, Proof, ServerLink};
use crate::messages::expiry;

/// State of the built-in server's socket.
#[derive(Debug, Default)]
pub(super) enum Listening {
    /// It has not started yet.
    #[default]
    Starting,
    /// It listens on this address, escaped.
    At(String),
    /// It cannot listen.
    Not(Fault),
    /// There is none: uploads go to another server (`--to`).
    Absent,
}

/// Whether other computers can send files.
#[derive(Debug, Default)]
pub(super) enum Sharing {
    #[default]
    Off,
    /// It has been asked for.
    Starting,
    On(Shared),
}

/// How other computers send files.
#[derive(Debug)]
pub(super) struct Shared {
    /// Addresses and links, the most likely one first.
    pub(super) doors: Vec<(Door, ServerLink)>,
}

/// State of the built-in server.
#[derive(Debug, Default)]
pub(super) struct OwnServer {
    pub(super) listening: Listening,
    /// Whether `serve --ui` started it: then its flags decide who reaches it, and it ends with the program.
    pub(super) is_serving: bool,
    /// Its certificate, if it has one.
    pub(super) identity: Option<Proof>,
    /// End of the certificate in seconds since 1970, to the day.
    pub(super) ends: Option<i64>,
    /// Folder of received files, escaped.
    pub(super) store: String,
    /// Folder of received files.
    pub(super) folder: PathBuf,
    /// Whether other computers can send files.
    pub(super) sharing: Sharing,
    /// What other computers may send; `None` while it is not shared.
    pub(super) accepted_shared: Option<Accepted>,
    /// What clients may send; `None` before it listens.
    pub(super) accepted: Option<Accepted>,
}

impl OwnServer {
    /// Notes the server's certificate. `now`: seconds since 1970.
    pub(super) fn identify(&mut self, identity: Option<&Proof>, now: i64) {
        self.identity = identity.cloned();
        self.ends = identity.map(|proof| expiry::end_of(now, proof.days_left));
    }

    /// Says when the certificate ends, if that is soon. `now`: seconds since 1970.
    pub(super) fn note(&self, now: i64) -> Option<String> {
        expiry::ends(expiry::days(now, self.ends?))
    }

    /// Returns how other computers send files, if they can.
    pub(super) const fn shared(&self) -> Option<&Shared> {
        match &self.sharing {
            Sharing::On(shared) => Some(shared),
            Sharing::Off | Sharing::Starting => None,
        }
    }
}
