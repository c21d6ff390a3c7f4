//! upseal uploads files to a server that proves who it is, and shows what each kind of encryption
//! costs.
//!
//! The map, in reading order:
//!
//! - [`event`]: what is asked and what happened; the only thing that the screen and the log see
//! - [`digest`]: SHA-256 as a value
//! - [`crypto`]: plaintext ⇄ the body of one MODE 1, and who answers
//! - [`trust`]: whether a server's certificate is to be trusted
//! - [`units`]: how amounts are written
//! - `ui` (feature `tui`): the terminal front end

pub mod crypto;
pub mod digest;
pub mod event;
pub mod trust;
pub mod units;
