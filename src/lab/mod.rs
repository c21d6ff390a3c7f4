//! The lab: runs each attack of docs/protocol.md, section Attacks, on a small upload of each variant.
//!
//! ```text
//!   send (transfer) ── client ──► Proxy (the attacker) ──► House (net::server) ──► a folder
//!                                    │ bytes and messages                             │ stored files, events
//!                                    └──────────► attacks: judge ◄────────────────────┘
//!                                                    │ Play, Cell (outcome)
//!                                                    └─ compared with `expected`, reported one by one
//! ```
//!
//! - [`outcome`]: the results of attacks, and the expected ones, as plain values
//! - `proxy`: the attacker on the path
//! - `stage`: throwaway keys, servers and clients
//! - `attacks`: the twelve attacks; `thief`: what an attacker can compute from the bytes, and forge
//! - [`table`]: the results as text
//!
//! Client and server are this program's own, on loopback. `tests/lab.rs` runs the lab as the test of that table. Every
//! wait is limited to 20 s.

mod attacks;
pub(crate) mod outcome;
mod proxy;
mod stage;
pub(crate) mod table;
mod thief;

use std::io;

use self::outcome::{Attack, Cell};
use self::stage::Cast;
use crate::crypto::identity::IdentityError;
use crate::event::{Fault, Variant};
use crate::history::HistoryError;
use crate::net::interrupter::Interrupter;
use crate::net::upload::UploadError;
use crate::store::StoreError;
use crate::trust::TrustError;

/// Why an attack could not be run. It says nothing about the result of the attack.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A folder, socket or thread could not be created.
    #[error("cannot set up the lab: {0}")]
    System(#[from] io::Error),
    /// The throwaway identities could not be created.
    #[error("cannot create the lab's keys: {0}")]
    Identity(#[from] IdentityError),
    /// The throwaway CA could not be used.
    #[error("cannot use the lab's CA: {0}")]
    Trust(#[from] TrustError),
    /// The throwaway folder could not be used.
    #[error("cannot store the lab's files: {0}")]
    Store(#[from] StoreError),
    /// The throwaway history could not be used.
    #[error("cannot use the lab's history: {0}")]
    History(#[from] HistoryError),
    /// The attacker's own upload could not be created.
    #[error("cannot create the attacker's upload: {0}")]
    Own(#[from] UploadError),
    /// The user stopped the lab.
    #[error("stopped")]
    Stopped,
}

impl LabError {
    /// Returns the fault to show to the user.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Stopped => Fault::interrupted(self.to_string()),
            _ => Fault::system(self.to_string()),
        }
    }
}

/// Runs every attack against every variant, row by row, and passes each finished cell to `report`.
///
/// Blocks for some seconds: a screen runs it on a thread of its own and sends the cells over a channel. `stop` is checked
/// between two cells.
///
/// # Errors
/// [`LabError`]. The cells reported so far are valid.
pub fn run(stop: &Interrupter, report: impl FnMut(Cell)) -> Result<(), LabError> {
    run_some(&Attack::ALL, stop, report)
}

/// Runs some of the attacks against every variant; see [`run`].
///
/// # Errors
/// As [`run`].
pub fn run_some(
    attacks: &[Attack],
    stop: &Interrupter,
    mut report: impl FnMut(Cell),
) -> Result<(), LabError> {
    let cast = Cast::gather()?;
    for attack in attacks {
        for variant in Variant::ALL {
            if stop.is_raised() {
                return Err(LabError::Stopped);
            }
            report(Cell::new(*attack, variant, attacks::play(&cast, *attack, variant)?));
        }
    }
    Ok(())
}
