//! The limits of a server, one by one: what a client that exceeds one hears, and that others are served meanwhile.
//!
//! - `admission`: how many sessions of one address and in all
//! - `deadlines`: silence and trickles before, inside and after messages
//! - `disk`: what stays free, the store's total, quotas, and kept ciphertext
//! - `door`: addresses that are not allowed, and the header of a proxy
//! - `log`: a log that is not read, or that a client fills
//! - `resources`: memory, threads and descriptors of sessions that stall
//! - `work`: operations of the key, empty blocks, penalties
//!
//! `docs/reliability.md` has a row for each.

#[path = "../common/mod.rs"]
mod common;
#[path = "../program/mod.rs"]
mod program;

mod admission;
mod deadlines;
mod disk;
mod door;
mod log;
mod resources;
mod work;
