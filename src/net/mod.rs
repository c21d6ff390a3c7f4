//! The protocol over a connection: two walks, a mirror of each other, and the server.
//!
//! ```text
//!   client: upload.rs                                        server: receive.rs
//!
//!   hello ──────────── MODE 3, the message ────────────────► sign            handshake.rs
//!   chain, dates, signature ◄── signature, certificate ─────
//!   a session key ──── MODE 4, under the server's key ─────► unwrap          (CP2)
//!
//!   file                                                                 file
//!    │ read                                                         commit ▲
//!    ▼                                                                     │
//!   Seal        crypto/: Clear, RSA blocks, one Fernet token             Open
//!    │                                                                     ▲
//!    ▼ frames                                                              │
//!   Layout      framing.rs: how CP1's blocks follow MODE 1               Body
//!    │                                                                     ▲
//!    ▼ bytes                                                               │
//!   Connection  connection.rs: patience, buffers     Decoder (wire.rs), Connection
//!    │                                                                     ▲
//!    └────────── Stream (stream.rs): TCP, one day TLS ─────────────────────┘
//!
//!   MODE 2, end of writing ────────────────────────────────► end in order, or a reset
//!   the server's end: Delivered ◄───────────────────────────
//! ```
//!
//! `wire`, `framing` and `handshake` do no IO: they take and return bytes and values. The two walks
//! block; each runs on a thread of its own, and an [`stream::Interrupter`] stops it from another.
//! Limits: a length from the peer meets one before it meets an allocation ([`wire::Part`],
//! [`service::Policy`]); no walk holds a file in memory.

pub mod budget;
pub mod connection;
mod dial;
pub mod ending;
pub mod framing;
pub mod handshake;
pub mod receive;
pub mod record;
pub mod server;
pub mod service;
pub mod stream;
pub mod upload;
pub mod wire;

use std::sync::Arc;

use self::record::Recorder;
use crate::event::{Event, Track};
use crate::meter::Meter;

/// Who is told what a server does.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event);

    /// A transfer began; its meter may be read until [`Observer::unwatch`].
    fn watch(&self, track: Track, meter: Arc<Meter>);

    /// A transfer ended; its last numbers are in its meter now.
    fn unwatch(&self, track: Track);

    /// Whether connections are to be recorded, for somebody who may look at them.
    ///
    /// Not given by default: who passes reports on must not lose it.
    fn recorder(&self) -> Option<Arc<Recorder>>;
}
