//! The history of what was sent, as the worker writes it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::confirm::ALTERED;
use super::recover;
use crate::clock;
use crate::digest::Digest;
use crate::event::{Event, FaultKind, Job, Named, State, Variant};
use crate::history::{History, HistoryError, Outcome, PendingReceipt, PendingReceipts, Sent};
use crate::meter::Meter;
use crate::net::Observer;
use crate::trust::known::KnownServers;

/// Opened when the first file has been sent, so that nothing waits for it before.
#[derive(Clone, Default)]
pub struct HistoryWriter {
    path: Option<PathBuf>,
    /// Whose receipts are believed when a killed program's are judged.
    known: KnownServers,
    history: Arc<OnceLock<Option<History>>>,
    repaired: Arc<AtomicBool>,
}

/// A file that ended.
pub struct Ended<'a> {
    /// Where to, as the history has it; `None`: the embedded server, which writes it down itself.
    pub address: Option<&'a str>,
    /// Which key answered.
    pub key: Option<Digest>,
    /// How it was sent.
    pub variant: Variant,
    /// The name that was sent.
    pub name: &'a str,
    /// The local file.
    pub path: &'a Path,
    /// Bytes.
    pub size: u64,
    /// Of all of them, if all were sent.
    pub digest: Option<Digest>,
    /// Milliseconds that were foretold.
    pub predicted_ms: Option<u64>,
    /// Its numbers.
    pub meter: &'a Meter,
    /// How it ended.
    pub state: &'a State,
    /// The receipt that says so.
    pub receipt: Option<&'a Path>,
}

impl HistoryWriter {
    /// In this database; `None`: nothing is written.
    #[must_use]
    pub fn at(path: Option<PathBuf>) -> Self {
        Self { path, ..Self::default() }
    }

    /// The same, with what is known of servers: which key signs the receipts of each.
    #[must_use]
    pub fn knowing(self, known: KnownServers) -> Self {
        Self { known, ..self }
    }

    /// The history, opened and repaired. That it cannot be is said once.
    pub fn history(&self, observer: &dyn Observer) -> Option<&History> {
        let open = || {
            let opened = History::open(self.path.as_ref()?);
            match &opened {
                Ok(history) => self.repair(history, observer),
                Err(why) => {
                    observer
                        .event(Event::Note { text: format!("nothing is written into the history: {why}") });
                }
            }
            opened.ok()
        };
        self.history.get_or_init(open).as_ref()
    }

    /// Gives rows to what a killed program had asked for. Where another program is about to write its own, it is tried
    /// again before the next question.
    fn repair(&self, history: &History, observer: &dyn Observer) {
        if self.repaired.load(Ordering::Relaxed) {
            return;
        }
        let note = |text: String| observer.event(Event::Note { text });
        let done = match history.has_pending_receipts() {
            Ok(false) => true,
            Ok(true) => match recover::run(history, &self.known) {
                Ok(None) => false,
                Ok(Some(recovery)) => {
                    note(recovery.to_string());
                    for why in &recovery.unbelieved {
                        note(format!("a receipt is not believed: {why}"));
                    }
                    true
                }
                Err(why) => {
                    note(format!("the history is not repaired: {why}"));
                    true
                }
            },
            Err(why) => {
                note(format!("the history is not repaired: {why}"));
                true
            }
        };
        self.repaired.store(done, Ordering::Relaxed);
    }

    /// Writes down what a receipt is about to be asked for: the numbers of the files on their connection, and the
    /// files as if nothing became of them. `folder`: where the receipt goes.
    pub fn ask<'a>(
        &self,
        files: impl Iterator<Item = (u64, Ended<'a>)>,
        folder: Option<&Path>,
        observer: &dyn Observer,
    ) -> Option<PendingReceipts> {
        let here = env::current_dir().ok();
        let asked = |(ordinal, ended): (u64, Ended<'a>)| {
            Some(PendingReceipt {
                ordinal,
                receipts: folder.map(Path::to_owned),
                sent: ended.row(here.as_deref())?,
            })
        };
        let asked: Vec<PendingReceipt> = files.filter_map(asked).collect();
        if asked.is_empty() {
            return None;
        }
        let history = self.history(observer)?;
        self.repair(history, observer);
        history.record_pending_receipts(&asked).unwrap_or_else(|why| {
            observer.event(Event::Note { text: why.to_string() });
            None
        })
    }

    /// Writes rows for uploads whose server could not be used at all, in one step.
    pub fn write_unsent(&self, address: &str, jobs: &[Job], state: &State, observer: &dyn Observer) {
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
            // Not read yet; what it has now.
            size: fs::metadata(&job.path).map_or(0, |meta| meta.len()),
            digest: None,
            predicted_ms: job.predicted_ms,
            meter: &meter,
            state,
            receipt: None,
        });
        self.write(&ended.collect::<Vec<_>>(), None, observer);
    }

    /// Writes a row for each, in one step; they take the place of what was asked. Uploads to the embedded
    /// server are in its own rows.
    pub fn write(&self, ended: &[Ended<'_>], asking: Option<PendingReceipts>, observer: &dyn Observer) {
        let here = env::current_dir().ok();
        let rows: Vec<Sent> = ended.iter().filter_map(|ended| ended.row(here.as_deref())).collect();
        if rows.is_empty() && asking.is_none() {
            return;
        }
        let Some(history) = self.history(observer) else { return };
        let written = match asking {
            Some(asking) => history.resolve_pending_receipts(&asking, &rows),
            None => history.record_all_sent(&rows),
        };
        if let Err(why) = written {
            not_written(&why, observer);
        }
    }
}

fn not_written(why: &HistoryError, observer: &dyn Observer) {
    observer.event(Event::Note { text: format!("not in the history: {why}") });
}

/// As [`std::path::absolute`], which asks the kernel for the working folder each time.
fn absolute(path: &Path, here: Option<&Path>) -> PathBuf {
    let whole = here.map_or_else(|| path.to_owned(), |here| here.join(path));
    std::path::absolute(&whole).unwrap_or(whole)
}

impl Ended<'_> {
    /// `None`: it has not ended, or its server writes it down itself. `here`: the working folder.
    fn row(&self, here: Option<&Path>) -> Option<Sent> {
        let address = self.address?;
        let (outcome, stored_name, why) = match self.state {
            State::Stored { name, named, .. } => {
                (Outcome::Stored, (*named == Named::Stored).then(|| name.clone()), None)
            }
            State::Delivered => (Outcome::Delivered, None, None),
            State::Cancelled => (Outcome::Cancelled, None, None),
            State::Failed(fault) if fault.kind == FaultKind::Broken && fault.what.starts_with(ALTERED) => {
                (Outcome::Altered, None, Some(fault.what.clone()))
            }
            State::Failed(fault) => (Outcome::Failed, None, Some(fault.what.clone())),
            _ => return None,
        };
        Some(Sent {
            at_ms: clock::unix_ms(),
            address: address.to_owned(),
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
