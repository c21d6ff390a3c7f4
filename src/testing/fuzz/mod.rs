//! The targets of the fuzzer: each takes any bytes and panics if a property of the code does not hold.
//!
//! `fuzz/` calls them with what libFuzzer makes of a corpus, and `tests/fuzz.rs` calls them with that corpus.
//!
//! ```text
//!   wire.rs      frames, framings, answers     names.rs     names, descriptions     greetings.rs  hellos and limits
//!   secrets.rs   tokens, session keys          trust.rs     certificates            receipts.rs   receipts, statements
//!   settings.rs  the configuration             server.rs    a session of the server
//!   client.rs    a session of the client
//! ```
//!
//! The first bytes of an input choose between cases, such as how the others are divided.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a target reports by panicking")]

mod client;
mod greetings;
mod names;
mod receipts;
mod secrets;
mod server;
mod settings;
mod trust;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use crate::crypto::identity::Identity;
use crate::event::misleads;

/// A function that takes any bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name, as of the folder of its corpus.
    pub name: &'static str,
    /// Takes the bytes; panics if a property does not hold.
    pub run: fn(&[u8]),
    /// Bytes of the longest input that is of use.
    pub longest: usize,
}

impl Target {
    const fn new(name: &'static str, run: fn(&[u8]), longest: usize) -> Self {
        Self { name, run, longest }
    }

    /// Every target.
    pub const ALL: &[Self] = &[
        Self::new("frames", wire::frames, 4200),
        Self::new("framings", wire::framings, 2048),
        Self::new("answers", wire::answers, 4096),
        Self::new("names", names::names, 1100),
        Self::new("descriptions", names::descriptions, 1100),
        Self::new("hellos", greetings::hellos, 1024),
        Self::new("tokens", secrets::tokens, 1024),
        Self::new("session-keys", secrets::session_keys, 600),
        Self::new("certificates", trust::certificates, 4096),
        Self::new("known-servers", trust::known_servers, 2048),
        Self::new("receipts", receipts::receipts, 8192),
        Self::new("statements", receipts::statements, 4096),
        Self::new("configuration", settings::configuration, 2048),
        Self::new("server", server::server, 8192),
        Self::new("client", client::client, 1024),
    ];

    /// Returns the target with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|target| target.name == name)
    }
}

/// Bytes of which the first ones choose between cases.
#[derive(Debug, Clone, Copy)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Takes one byte; 0 behind the end.
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// Takes a byte and chooses by it.
    fn one_of<T: Copy>(&mut self, cases: &[T]) -> T {
        cases[usize::from(self.byte()) % cases.len()]
    }

    /// Takes at most `most` bytes.
    fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Returns the other bytes.
    const fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Checks that a text which a person sees cannot mislead them.
fn check_shown(text: &str) {
    let misleading = text.chars().find(|c| misleads(*c) && *c != '\n');
    assert_eq!(misleading, None, "shown as {text:?}");
}

/// The fixtures of the tests.
fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

/// A server's identity with a receipt key.
static IDENTITY: LazyLock<Arc<Identity>> =
    LazyLock::new(|| Arc::new(Identity::load(&fixtures().join("identity-v1")).unwrap()));

/// A time at which the certificates of [`IDENTITY`] are valid.
static NOW: LazyLock<i64> = LazyLock::new(crate::clock::unix_seconds);
