//! What anyone on the network may send: whole tables of it, in process.
//!
//! - `frames`: each MODE with each length, cut behind every byte
//! - `names`: names and paths that try to leave the folder or to replace what is in it
//! - `tamper`: sessions of each variant with each byte changed
//! - `server` is a server of one connection at a time, without a socket
//!
//! `docs/reliability.md` has a row for each.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::unnecessary_debug_formatting, reason = "the names are hostile")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../dialects/speaker.rs"]
#[allow(dead_code, reason = "its own test uses the rest")]
mod speaker;

mod frames;
mod names;
mod server;
mod tamper;
