//! The built-in server, as its events describe it.

use std::path::PathBuf;

use crate::event::{Accepted, Fault, Proof};

/// State of the built-in server's socket.
#[derive(Debug, Default)]
pub(super) enum Listening {
    /// It has not started yet.
    #[default]
    Starting,
    /// It listens on this address, escaped.
    At(String),
    /// It cannot listen.
    Not(Fault),
    /// There is none: uploads go to another server (`--to`).
    Absent,
}

/// State of the built-in server.
#[derive(Debug, Default)]
pub(super) struct OwnServer {
    pub(super) listening: Listening,
    /// Its certificate, if it has one.
    pub(super) identity: Option<Proof>,
    /// Folder of received files, escaped.
    pub(super) store: String,
    /// Folder of received files.
    pub(super) folder: PathBuf,
    /// What clients may send; `None` before it listens.
    pub(super) accepted: Option<Accepted>,
}
