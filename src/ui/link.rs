//! Where uploads go, and who answers there.

use std::path::PathBuf;

use super::Peer;
use crate::event::{Proof, Standing, Target};

/// Where uploads go, and who answers there.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) target: Target,
    /// From the command line: the dialog offers it.
    pub(super) ca: Option<PathBuf>,
    /// The dialog offers these, too.
    pub(super) peers: Vec<Peer>,
    pub(super) proof: Option<Proof>,
    /// What is known of who answers there.
    pub(super) standing: Option<Standing>,
    /// Another key than the known one answered last, and was refused.
    pub(super) changed: bool,
    /// It gave a receipt.
    pub(super) receipted: bool,
}

impl Link {
    /// To where nobody has answered yet.
    pub(super) const fn new(target: Target, ca: Option<PathBuf>, peers: Vec<Peer>) -> Self {
        Self { target, ca, peers, proof: None, standing: None, changed: false, receipted: false }
    }

    /// Whoever answers next has to prove it anew.
    pub(super) fn forget(&mut self) {
        (self.proof, self.standing, self.changed, self.receipted) = (None, None, false, false);
    }

    /// Whether a server of upseal's is there, as far as is known.
    pub(super) fn is_ours(&self) -> bool {
        self.receipted || self.target == Target::Embedded
    }
}
