//! The network at its worst: a proxy between the program's client and its server that delays, cuts and changes what passes.
//!
//! - `proxy`: the proxy, on both sides, by a seed
//! - `trial`: one server, many clients, and what must hold after each
//!
//! With `UPSEAL_CHAOS_SECONDS` each profile goes on for so long, and prints the server's memory. `UPSEAL_CHAOS_SEED` begins
//! with another seed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../program/mod.rs"]
mod program;

mod proxy;
mod trial;

use trial::{Profile, try_profile};

#[test]
fn a_slow_network_that_divides_and_joins_what_passes_loses_nothing() {
    try_profile(Profile::Rough, 40);
}

#[test]
fn what_a_client_holds_for_stored_is_stored_although_connections_break() {
    try_profile(Profile::Broken, 80);
}

#[test]
fn what_a_client_holds_for_stored_is_stored_although_bytes_change() {
    try_profile(Profile::Changed, 120);
}
