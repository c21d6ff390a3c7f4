//! A server that is left running: it is stopped and replaced, reloaded, and watched, while clients send files.
//!
//! - `drain`: SIGTERM, and a second server that takes over the address
//!
//! `docs/reliability.md` has a row for each.

#[path = "../common/mod.rs"]
mod common;
#[path = "../program/mod.rs"]
mod program;

mod clients;
mod drain;
