//! upseal uploads files to a server that proves who it is, and shows what each kind of encryption
//! costs.
//!
//! The map, in reading order:
//!
//! - [`event`]: what is asked and what happened; the only thing that the screen and the log see
//! - [`digest`]: SHA-256 as a value
//! - [`units`]: how amounts are written
//! - [`escape`]: text from the network, made safe to show
//! - [`store`]: where received files come to rest; names, and a crash-safe folder
//! - `ui` (feature `tui`): the terminal front end

pub mod digest;
pub mod escape;
pub mod event;
pub mod store;
pub mod units;
