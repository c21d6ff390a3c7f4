//! Every dialect that PROTOCOL.md tells of, in process: what is sent is what arrives.
//!
//! - `table`: the dialects, both directions, at every awkward size
//! - `batches`: files of many blocks, whole, damaged and cut
//! - `endings`: what may stand behind CP1's (k, block) pairs, and a session key in pieces
//! - `transcripts`: bytes of another implementation, kept in `tests/transcripts`
//! - `property`: any dialect, any file, any split; and cut or altered anywhere
//! - `speaker` writes what clients of other people send, `listener` reads strictly what ours sends, both
//!   by the crates `rsa`, `fernet`, `aes`, `cbc` and `hmac` alone; `memory` is a connection without a socket

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod endings;
mod listener;
mod memory;
mod property;
mod speaker;
mod table;
mod transcripts;
