//! A server that is left running: it is stopped and replaced, reloaded, and watched, while clients send files.
//!
//! - `drain`: SIGTERM, and a second server that takes over the address
//! - `reload`: SIGHUP: certificates, limits, and what is wrong
//! - `logs`: levels, sessions, the file and its rotation, the journal
//! - `notify`: messages to the service manager, and the unit of `packaging`
//!
//! `docs/reliability.md` has a row for each.

#[path = "../common/mod.rs"]
mod common;
#[path = "../program/mod.rs"]
mod program;

mod clients;
mod drain;
mod logs;
mod notify;
mod reload;
