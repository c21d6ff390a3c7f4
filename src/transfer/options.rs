//! How the transfer threads are to work.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::confirm::Keep;
use super::embedded::EmbeddedOptions;
use super::history_writer::HistoryWriter;
use crate::digest::FileDigest;
use crate::store::Store;
use crate::trust::Anchor;
use crate::trust::known::KnownServers;

/// How the transfer threads are to work.
pub struct Options {
    /// A server of our own on a throwaway identity, which takes a moment and ends in
    /// [`Event::Listening`](crate::event::Event::Listening) or [`Event::NotListening`](crate::event::Event::NotListening).
    pub embedded: Option<EmbeddedOptions>,
    /// Which servers were met before; the embedded one is never among them.
    pub known: KnownServers,
    /// Where the bodies of CP1 and CP2 go besides, as they are sent (`enc_NAME`).
    pub ciphertext: Option<Arc<dyn Store>>,
    /// Whether files are hashed on their way. Unhashed, no receipts are asked for.
    pub digest: FileDigest,
    /// How often a file that was cut is sent again; 0: nor is waited for a server that is away.
    pub retries: u32,
    /// Where receipts go.
    pub receipts: Keep,
    /// What was sent.
    pub history_writer: HistoryWriter,
    /// Whether files that this server has given a receipt for are not sent again.
    pub skip_receipted: bool,
    /// The CA that must have signed the receipts of Plain, which asks for none otherwise: it would send a
    /// MODE 3 that the variant has not.
    pub plain_receipts: Option<Arc<Anchor>>,
    /// How long is waited for a server that had answered and does so no longer; `None`: until somebody
    /// calls it off.
    pub absence: Option<Duration>,
    /// How long a server may take to end after MODE 2, before this side ends; `None`: by what was sent.
    pub patience: Option<Duration>,
    /// Whether prices are wanted ([`Event::Calibrated`](crate::event::Event::Calibrated), [`Event::Learned`](crate::event::Event::Learned)), and where the calibration is kept.
    pub forecast: Option<Forecast>,
}

/// What is known before anything is sent.
pub struct Forecast {
    /// The calibration's file; `None`: it is measured and not kept.
    pub calibration: Option<PathBuf>,
    /// The history to learn from, if there is one.
    pub history: Option<PathBuf>,
}

impl Options {
    /// No server of our own, nothing kept; three retries.
    #[must_use]
    pub fn new(known: KnownServers) -> Self {
        Self {
            embedded: None,
            known,
            ciphertext: None,
            digest: FileDigest::Sha256,
            retries: RETRIES,
            receipts: Keep::Nowhere,
            history_writer: HistoryWriter::at(None),
            skip_receipted: false,
            plain_receipts: None,
            absence: None,
            patience: None,
            forecast: None,
        }
    }
}

/// How often a file that was cut is sent again, if nobody says otherwise.
pub const RETRIES: u32 = 3;
