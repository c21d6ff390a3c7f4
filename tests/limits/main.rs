//! The limits of a server, one by one: what a client that exceeds one hears, and that others are served meanwhile.
//!
//! - `deadlines`: silence and trickles before, inside and after messages
//!
//! `docs/reliability.md` has a row for each.

#[path = "../common/mod.rs"]
mod common;

mod deadlines;
