//! What went wrong.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who has to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The other side, or the way to it.
    Peer,
    /// Whoever gave the order.
    User,
    /// This machine: disk, memory, descriptors.
    System,
}

/// What kind of failure; each has its exit code (DESIGN.md, "The command line").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Failed part-way: exit 1.
    Broken,
    /// Every byte was sent, and the server did not confirm it: exit 1.
    Unconfirmed,
    /// The order cannot be understood: exit 2.
    Usage,
    /// Nobody answers there: exit 3.
    Unreachable,
    /// The server could not prove itself, or is another than it was: exit 4.
    Unproven,
    /// A file of ours: exit 5.
    Local,
    /// The server refused: exit 6.
    Refused,
    /// Stopped by the user: exit 130.
    Interrupted,
}

impl FaultKind {
    /// The exit code of the headless commands.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Broken | Self::Unconfirmed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Unproven => 4,
            Self::Local => 5,
            Self::Refused => 6,
            Self::Interrupted => 130,
        }
    }
}

/// A failure, told: what happened, whose fault, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Decides the exit code.
    pub kind: FaultKind,
    /// Who has to change something.
    pub blame: Blame,
    /// What happened, with its operands; escaped where they came from the network.
    pub what: String,
    /// What to do next; empty when there is nothing to say.
    pub advice: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.advice.is_empty() {
            write!(f, " ({})", self.advice)?;
        }
        Ok(())
    }
}
