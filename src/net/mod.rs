//! The protocol over a connection: the client's side and the server's side, each a mirror of the other, and the server.
//!
//! ```text
//!   client: upload/                                          server: receive/
//!
//!   hello ──────────── MODE 3, the message ────────────────► sign            handshake/
//!   chain, dates, signature ◄── signature, certificate ─────
//!   a session key ──── MODE 4, under the server's key ─────► unwrap          (CP2)
//!
//!   file                                                                 file
//!    │ read                                                         commit ▲
//!    ▼                                                                     │
//!   Seal        crypto/: Clear, RSA blocks, one Fernet token             Open
//!    │                                                                     ▲
//!    ▼ frames                                                              │
//!   Layout      framing/: how CP1's blocks follow MODE 1                 Body
//!    │                                                                     ▲
//!    ▼ bytes                                                               │
//!   Connection  connection.rs: patience, buffers     Decoder (wire.rs), Connection
//!    │                                                                     ▲
//!    └────────── Stream (stream.rs): TCP, one day TLS ─────────────────────┘
//!
//!   MODE 2 ────────────────────────────────────────────────► end in order, or 0xff and a reset    refusal.rs
//!   the server's end: Delivered ◄───────────────────────────
//!   end of writing ────────────────────────────────────────►
//! ```
//!
//! `word`, `wire`, `framing`, `ending` and `handshake` do no IO: they take and return bytes and values. `upload` and `receive`
//! block; each connection has its own thread, and a [`interrupter::Interrupter`] stops it from another. Limits: a length from
//! the peer is compared with its limit before anything is allocated ([`wire::Part`], [`service::Policy`]); no file is held
//! in memory.

pub(crate) mod admission;
pub(crate) mod budget;
pub(crate) mod connection;
pub(crate) mod deadlines;
pub(crate) mod description;
mod dial;
pub(crate) mod disk;
pub(crate) mod door;
pub(crate) mod ending;
pub(crate) mod framing;
pub(crate) mod handshake;
pub(crate) mod interrupter;
pub(crate) mod leaving;
pub(crate) mod network;
pub(crate) mod penalties;
mod proxy_header;
pub(crate) mod receive;
pub(crate) mod record;
pub(crate) mod refusal;
pub(crate) mod server;
pub(crate) mod service;
mod shares;
pub(crate) mod stream;
pub(crate) mod throttle;
pub(crate) mod upload;
pub(crate) mod wire;
pub(crate) mod word;
pub(crate) mod work;

use std::sync::Arc;
use std::time::Duration;

use self::admission::Turned;
use self::record::Recorder;
use crate::event::{Event, Track};
use crate::meter::Meter;

/// A step of a server whose duration an operator watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waiting for a file to be on disk under its name.
    Publish,
    /// A commit of received files to the history.
    Record,
}

/// What a server does with clients before and instead of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// A client is turned away.
    Away(Turned),
    /// A session that has not done anything makes room for a client.
    Evicted,
}

/// Receiver of a server's events.
pub trait Observer: Send + Sync {
    /// Receives an event.
    fn event(&self, event: Event);

    /// Notes that a transfer began; its meter may be read until [`Observer::unwatch`].
    fn watch(&self, track: Track, meter: Arc<Meter>);

    /// Notes that a transfer ended; its meter has its last numbers.
    fn unwatch(&self, track: Track);

    /// Returns the recorder, if connections are to be recorded.
    ///
    /// No default on purpose: wrappers must forward it.
    fn recorder(&self) -> Option<Arc<Recorder>>;

    /// Receives the time of a step. Only servers with `--metrics` need it.
    fn took(&self, _step: Step, _time: Duration) {}

    /// Notes that a client has no session, or that one makes room. Only servers with `--metrics` need it.
    fn arrived(&self, _arrival: Arrival) {}
}

/// An observer for work that reports nothing.
pub(crate) struct Unheard;

impl Observer for Unheard {
    fn event(&self, _: Event) {}

    fn watch(&self, _: Track, _: Arc<Meter>) {}

    fn unwatch(&self, _: Track) {}

    fn recorder(&self) -> Option<Arc<Recorder>> {
        None
    }
}
