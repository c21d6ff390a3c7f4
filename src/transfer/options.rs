//! Options of the transfer threads.

use std::sync::Arc;
use std::time::Duration;

use super::embedded::EmbeddedOptions;
use super::forecast::Forecast;
use super::history_writer::HistoryWriter;
use super::meetings::FirstMeeting;
use super::receipt_files::Keep;
use crate::digest::FileDigest;
use crate::event::{Jobs, Limit};
use crate::store::Store;
use crate::trust::Anchor;
use crate::trust::known::KnownServers;

/// Options of the transfer threads.
pub struct Options {
    /// The embedded server to start, if any. It is ready at [`Event::Listening`](crate::event::Event::Listening), or has
    /// failed at [`Event::NotListening`](crate::event::Event::NotListening).
    pub embedded: Option<EmbeddedOptions>,
    /// The keys of known servers. The embedded server is never among them.
    pub known: KnownServers,
    /// What becomes of a server that was never met and has no pin.
    pub first_meeting: FirstMeeting,
    /// Where the bodies of CP1 and CP2 are also written, as they are sent (`enc_NAME`).
    pub ciphertext: Option<Arc<dyn Store>>,
    /// Whether files are hashed while they are sent. Without a hash no receipts are requested.
    pub digest: FileDigest,
    /// Times to resend a file after the connection breaks. With 0, an absent server is not waited for either.
    pub retries: u32,
    /// Where receipts are kept.
    pub receipts: Keep,
    /// Records the uploads in the history.
    pub history_writer: HistoryWriter,
    /// Whether to skip files for which the server has already given a receipt.
    pub skip_receipted: bool,
    /// Whether the modification time and the executable bit of a file are sent to servers that keep them.
    pub meta: bool,
    /// The CA that must have signed the receipts of Plain. Without one Plain requests none, because it would send a MODE 3,
    /// which that variant does not have.
    pub plain_receipts: Option<Arc<Anchor>>,
    /// How long to wait for the return of a server that had answered before; `None`: until the user cancels.
    pub absence: Option<Duration>,
    /// How long the server may take to close after MODE 2; `None`: a limit that depends on what was sent.
    pub patience: Option<Duration>,
    /// The most connections to our server that send files at the same time.
    pub jobs: Jobs,
    /// Limit of the bytes of uploads on the wire. Races ignore it.
    pub limit: Limit,
    /// Where to get the data for time estimates ([`Event::Calibrated`](crate::event::Event::Calibrated),
    /// [`Event::Learned`](crate::event::Event::Learned)); `None`: no estimates are needed.
    pub forecast: Option<Forecast>,
}

impl Options {
    /// Creates options without an embedded server, without history and receipts, with three retries, and with servers
    /// accepted unseen at the first meeting.
    #[must_use]
    pub fn new(known: KnownServers) -> Self {
        Self {
            embedded: None,
            known,
            first_meeting: FirstMeeting::default(),
            ciphertext: None,
            digest: FileDigest::Sha256,
            retries: RETRIES,
            receipts: Keep::Nowhere,
            history_writer: HistoryWriter::new(None),
            skip_receipted: false,
            meta: true,
            plain_receipts: None,
            absence: None,
            patience: None,
            jobs: Jobs::ONE,
            limit: Limit::NONE,
            forecast: None,
        }
    }
}

/// The default of [`Options::retries`].
pub(crate) const RETRIES: u32 = 3;
