//! What a client can learn from a server about the padding of a block that it did not encrypt itself.
//!
//! - `observe`: a session over bytes in memory, and everything that a client can observe of it except the time
//! - `matrix`: every policy, hello and framing, with blocks that conform to a padding and blocks that do not
//! - `attack`: Bleichenbacher's attack, against a server without its defences and against the real one

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod attack;
mod matrix;
mod observe;
