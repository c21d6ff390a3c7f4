//! The server of uploads, and what is known about it.

use std::path::PathBuf;

use crate::event::{Dialect, Proof, Standing, Target};

/// A saved server: a preset of the connect dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Name that the user gave it.
    pub name: String,
    /// Its address and what is known about its key.
    pub target: Target,
    /// Dialect that it speaks.
    pub dialect: Dialect,
}

/// Server of uploads, and what is known about it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) target: Target,
    /// CA file that the connect dialog offers: from the command line, or the latest one in use.
    pub(super) ca: Option<PathBuf>,
    /// Presets that the connect dialog offers.
    pub(super) peers: Vec<Peer>,
    /// The server's identity, once it has proved it.
    pub(super) proof: Option<Proof>,
    /// Standing of the server's key: known, pinned, or seen for the first time.
    pub(super) standing: Option<Standing>,
    /// Whether the server last showed another key than the known one, and was refused.
    pub(super) changed: bool,
    /// Whether the server stopped responding, and has not been back.
    pub(super) is_away: bool,
    /// Whether the server has given a receipt.
    pub(super) receipted: bool,
}

impl Link {
    /// Creates a link to a server that has not answered yet.
    pub(super) const fn new(target: Target, ca: Option<PathBuf>, peers: Vec<Peer>) -> Self {
        Self {
            target,
            ca,
            peers,
            proof: None,
            standing: None,
            changed: false,
            is_away: false,
            receipted: false,
        }
    }

    /// Directs uploads to a server. Nothing is known about another one than before.
    pub(super) fn aim(&mut self, target: &Target) {
        if self.target != *target {
            self.forget();
            self.target = target.clone();
        }
    }

    /// Offers the target's CA file from now on, if it names one.
    pub(super) fn remember_ca(&mut self, target: &Target) {
        if let Target::Server { ca: Some(ca), .. } = target {
            self.ca = Some(ca.clone());
        }
    }

    /// Forgets what is known about the server: it has to prove its identity again.
    pub(super) fn forget(&mut self) {
        (self.proof, self.standing) = (None, None);
        (self.changed, self.is_away, self.receipted) = (false, false, false);
    }

    /// Returns whether the server is an upseal server, as far as is known.
    pub(super) fn is_ours(&self) -> bool {
        self.receipted || self.target == Target::Embedded
    }
}
