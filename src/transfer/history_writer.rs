//! Records sent files in the history.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::recover;
use crate::clock;
use crate::digest::Digest;
use crate::event::{Event, FaultKind, Job, Named, ServerAddress, State, Variant};
use crate::history::{History, Outcome, PendingReceipt, PendingReceipts, Sent};
use crate::meter::Meter;
use crate::net::Observer;
use crate::trust::known::KnownServers;

/// Writes rows for sent files. The history is opened when the first file has been sent, so that the upload does not wait
/// for it. A history that cannot be opened or written is reported as a note; the uploads go on.
#[derive(Clone, Default)]
pub struct HistoryWriter {
    path: Option<PathBuf>,
    /// The keys of known servers, to judge the receipts of a client that was killed.
    known: KnownServers,
    history: Arc<OnceLock<Option<History>>>,
    repaired: Arc<AtomicBool>,
}

/// A file whose upload has ended, as a row records it.
pub(super) struct Ended<'a> {
    /// The server's address; `None`: the embedded server, which records its files itself.
    pub address: Option<&'a ServerAddress>,
    /// SPKI SHA-256 of the server's key.
    pub key: Option<Digest>,
    /// The variant that the file was sent by.
    pub variant: Variant,
    /// The name that was sent.
    pub name: &'a str,
    /// Path of the local file.
    pub path: &'a Path,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the file, if all of it was sent.
    pub digest: Option<Digest>,
    /// The estimated duration in milliseconds.
    pub predicted_ms: Option<u64>,
    /// The counters of the upload.
    pub meter: &'a Meter,
    /// The state that the upload ended in.
    pub state: &'a State,
    /// Path of the receipt that proves it.
    pub receipt: Option<&'a Path>,
}

impl HistoryWriter {
    /// Creates a writer for the database at `path`; with `None` nothing is recorded.
    #[must_use]
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, ..Self::default() }
    }

    /// Sets the known servers, whose receipt keys decide which receipts are valid after a crash.
    #[must_use]
    pub(super) fn with_known_servers(self, known: KnownServers) -> Self {
        Self { known, ..self }
    }

    /// Returns the history. The first call opens and repairs it, and reports if that fails.
    pub(super) fn history(&self, observer: &dyn Observer) -> Option<&History> {
        let open = || match History::open(self.path.as_ref()?) {
            Ok(history) => {
                self.repair(&history, observer);
                Some(history)
            }
            Err(why) => {
                note(observer, format!("uploads are not recorded: {why}"));
                None
            }
        };
        self.history.get_or_init(open).as_ref()
    }

    /// Settles the requests of clients that were killed. If another client is about to do it, the next request tries
    /// again.
    fn repair(&self, history: &History, observer: &dyn Observer) {
        if self.repaired.load(Ordering::Relaxed) {
            return;
        }
        let recovered = history.has_pending_receipts().and_then(|has_some| {
            if has_some {
                recover::run(history, &self.known).map(|found| (found, true))
            } else {
                Ok((None, false))
            }
        });
        let done = match recovered {
            Ok((None, had_some)) => !had_some,
            Ok((Some(recovery), _)) => {
                note(observer, recovery.to_string());
                for why in &recovery.ignored {
                    note(observer, format!("ignored a receipt: {why}"));
                }
                true
            }
            Err(why) => {
                note(observer, format!("cannot repair the history: {why}"));
                true
            }
        };
        self.repaired.store(done, Ordering::Relaxed);
    }

    /// Records files whose receipt is about to be requested, each with its number in the connection, as if nothing became
    /// of them. `folder`: where the receipt will be kept.
    pub(super) fn record_pending<'a>(
        &self,
        files: impl Iterator<Item = (u64, Ended<'a>)>,
        folder: Option<&Path>,
        observer: &dyn Observer,
    ) -> Option<PendingReceipts> {
        let here = env::current_dir().ok();
        let pending = |(ordinal, ended): (u64, Ended<'a>)| {
            Some(PendingReceipt {
                ordinal,
                receipts: folder.map(Path::to_owned),
                sent: ended.row(here.as_deref())?,
            })
        };
        let pending: Vec<PendingReceipt> = files.filter_map(pending).collect();
        if pending.is_empty() {
            return None;
        }
        let history = self.history(observer)?;
        self.repair(history, observer);
        history.record_pending_receipts(&pending).unwrap_or_else(|why| {
            note(observer, why.to_string());
            None
        })
    }

    /// Records uploads whose server could not be reached or used, in one transaction.
    pub(super) fn record_unsent(
        &self,
        address: &ServerAddress,
        jobs: &[Job],
        state: &State,
        observer: &dyn Observer,
    ) {
        let meter = Meter::default();
        let names: Vec<String> = jobs
            .iter()
            .map(|job| job.path.file_name().unwrap_or_default().to_string_lossy().into_owned())
            .collect();
        let ended = jobs.iter().zip(&names).map(|(job, name)| Ended {
            address: Some(address),
            key: None,
            variant: job.dialect.variant,
            name,
            path: &job.path,
            // The file was not opened: its present size.
            size: fs::metadata(&job.path).map_or(0, |meta| meta.len()),
            digest: None,
            predicted_ms: job.predicted_ms,
            meter: &meter,
            state,
            receipt: None,
        });
        self.record(&ended.collect::<Vec<_>>(), None, observer);
    }

    /// Records files in one transaction; their rows replace those of `pending`. Uploads to the embedded server are left
    /// to its own rows.
    pub(super) fn record(
        &self,
        ended: &[Ended<'_>],
        pending: Option<PendingReceipts>,
        observer: &dyn Observer,
    ) {
        let here = env::current_dir().ok();
        let rows: Vec<Sent> = ended.iter().filter_map(|ended| ended.row(here.as_deref())).collect();
        if rows.is_empty() && pending.is_none() {
            return;
        }
        let Some(history) = self.history(observer) else { return };
        let written = match pending {
            Some(pending) => history.resolve_pending_receipts(&pending, &rows),
            None => history.record_all_sent(&rows),
        };
        if let Err(why) = written {
            note(observer, format!("not recorded in the history: {why}"));
        }
    }
}

fn note(observer: &dyn Observer, text: String) {
    observer.event(Event::Note { text });
}

/// Works like [`std::path::absolute`], which asks the kernel for the working directory each time.
fn absolute(path: &Path, here: Option<&Path>) -> PathBuf {
    let whole = here.map_or_else(|| path.to_owned(), |here| here.join(path));
    std::path::absolute(&whole).unwrap_or(whole)
}

impl Ended<'_> {
    /// Returns the row; `None` if the upload has not ended, or if its server records it. `here`: the working directory.
    fn row(&self, here: Option<&Path>) -> Option<Sent> {
        let address = self.address?;
        let (outcome, stored_name, why) = match self.state {
            State::Stored { name, named, .. } => {
                (Outcome::Stored, (*named == Named::Stored).then(|| name.to_string()), None)
            }
            State::Delivered => (Outcome::Delivered, None, None),
            State::Cancelled => (Outcome::Cancelled, None, None),
            State::Failed(fault) => {
                let is_altered = fault.kind == FaultKind::Altered;
                let outcome = if is_altered { Outcome::Altered } else { Outcome::Failed };
                (outcome, None, Some(fault.what.to_string()))
            }
            _ => return None,
        };
        Some(Sent {
            at_ms: clock::unix_ms(),
            address: address.normal().to_string(),
            key: self.key,
            variant: self.variant,
            name: self.name.to_owned(),
            path: absolute(self.path, here),
            size: self.size,
            digest: self.digest,
            outcome,
            stored_name,
            receipt: self.receipt.map(Path::to_owned),
            seconds: self.meter.elapsed().as_secs_f64(),
            predicted: self.predicted_ms.map(|ms| Duration::from_millis(ms).as_secs_f64()),
            wire_bytes: self.meter.wire_bytes(),
            why,
        })
    }
}
