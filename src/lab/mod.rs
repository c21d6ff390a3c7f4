//! The lab: each attack of PROTOCOL.md's second table, played on a small upload of each variant.
//!
//! ```text
//!   send (transfer) ── client ──► Proxy (the attacker) ──► House (net::server) ──► a folder
//!                                    │ what passed by                                 │ what is kept
//!                                    └───────────► attacks: judged ◄──────────────────┘
//!                                                     │ Play, Cell (outcome)
//!                                                     └─ compared with `expected`, told as they come
//! ```
//!
//! - [`outcome`]: what came of an attack, and what PROTOCOL.md says, as plain values
//! - `proxy`: somebody on the path
//! - `stage`: keys, servers and a sender, thrown away afterwards
//! - `attacks`: the twelve rows; `thief`: what their player can work out and make
//! - [`table`]: the result as text
//!
//! Only our own client and server are played against, on loopback. It **is** the test of that table
//! (`tests/lab.rs`). Limits: 20 s for anything that is waited for.

mod attacks;
pub mod outcome;
mod proxy;
mod stage;
pub mod table;
mod thief;

use std::io;

use self::outcome::{Attack, Cell};
use self::stage::Cast;
use crate::crypto::identity::IdentityError;
use crate::event::{Blame, Fault, FaultKind, Variant};
use crate::history::HistoryError;
use crate::net::stream::Interrupter;
use crate::net::upload::UploadError;
use crate::store::StoreError;
use crate::trust::TrustError;

/// Why an attack could not be played. It says nothing of how it would have ended.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A folder, a socket, a thread.
    #[error("the lab cannot be set up: {0}")]
    System(#[from] io::Error),
    /// No throwaway identity.
    #[error("the lab has no identity: {0}")]
    Identity(#[from] IdentityError),
    /// The throwaway CA is none.
    #[error("the lab's CA cannot be used: {0}")]
    Trust(#[from] TrustError),
    /// The throwaway folder is none.
    #[error("the lab's server cannot store: {0}")]
    Store(#[from] StoreError),
    /// Nor the history.
    #[error("the lab's server cannot remember: {0}")]
    History(#[from] HistoryError),
    /// The attacker's own upload could not be made.
    #[error("the attacker cannot make an upload: {0}")]
    Own(#[from] UploadError),
    /// Somebody stopped it.
    #[error("stopped")]
    Stopped,
}

impl LabError {
    /// What the user is told.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (kind, blame) = match self {
            Self::Stopped => (FaultKind::Interrupted, Blame::User),
            _ => (FaultKind::Broken, Blame::System),
        };
        Fault { kind, blame, what: self.to_string(), advice: String::new() }
    }
}

/// Plays every attack against every variant, row by row, and tells each cell as it is known.
///
/// It blocks for some seconds: a screen runs it on a thread of its own and sends the cells over a channel.
/// `stop` is looked at between two cells.
///
/// # Errors
/// [`LabError`]; the cells told so far hold.
pub fn run(stop: &Interrupter, tell: impl FnMut(Cell)) -> Result<(), LabError> {
    run_some(&Attack::ALL, stop, tell)
}

/// The same for some of the rows.
///
/// # Errors
/// As [`run`].
pub fn run_some(attacks: &[Attack], stop: &Interrupter, mut tell: impl FnMut(Cell)) -> Result<(), LabError> {
    let cast = Cast::gather()?;
    for attack in attacks {
        for variant in Variant::ALL {
            if stop.is_raised() {
                return Err(LabError::Stopped);
            }
            tell(Cell::new(*attack, variant, attacks::play(&cast, *attack, variant)?));
        }
    }
    Ok(())
}
