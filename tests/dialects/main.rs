//! Every dialect of docs/protocol.md, in process: the server stores exactly what was sent.
//!
//! - `table`: the dialects, both directions, at block-boundary sizes
//! - `batches`: files of many blocks: complete, damaged and cut
//! - `endings`: terminators of CP1's (k, block) pairs, and a session key in several blocks
//! - `transcripts`: recorded bytes of another implementation, in `tests/transcripts`
//! - `property`: random dialects, files and read sizes; also with cut or altered bytes
//! - `speaker` writes what third-party clients send, and `listener` strictly reads what our client sends. Both use
//!   only the crates `rsa`, `fernet`, `aes`, `cbc` and `hmac`. `memory` is a connection without a socket.

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
