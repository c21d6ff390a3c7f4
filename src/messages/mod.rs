//! What the program tells a person: amounts, escaped text and the sentences that more than one front end shows.
//!
//! `output`, `ui`, `report` and `command` lay these out; they do not phrase them again. Nothing here draws, opens a
//! file or knows a terminal, and every function turns plain values into text.
//!
//! - [`units`]: sizes, rates, durations and estimates
//! - [`Escaped`]: text from the network or the disk, made safe to show

mod escaped;
pub mod units;

pub use self::escaped::{Escaped, escape, misleads};
