//! The history of what was sent, as the worker writes it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use super::confirm::ALTERED;
use crate::digest::Digest;
use crate::event::{Event, FaultKind, State, Target, Variant};
use crate::ledger::{Ledger, Outcome, Sent};
use crate::meter::Meter;
use crate::net::Observer;
use crate::trust::known;

/// Opened when the first file has ended, so that nothing waits for it before.
#[derive(Clone, Default)]
pub struct Journal {
    path: Option<PathBuf>,
    ledger: Arc<OnceLock<Option<Ledger>>>,
}

/// A file that ended.
pub struct Ended<'a> {
    /// Where to.
    pub target: &'a Target,
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
    /// Its numbers.
    pub meter: &'a Meter,
    /// How it ended.
    pub state: &'a State,
}

impl Journal {
    /// In this database; `None`: nothing is written.
    #[must_use]
    pub fn at(path: Option<PathBuf>) -> Self {
        Self { path, ledger: Arc::default() }
    }

    /// The ledger, opened. That it cannot be is said once.
    pub fn ledger(&self, observer: &dyn Observer) -> Option<&Ledger> {
        let open = || {
            let opened = Ledger::open(self.path.as_ref()?);
            if let Err(why) = &opened {
                observer.event(Event::Note { text: format!("nothing is written into the history: {why}") });
            }
            opened.ok()
        };
        self.ledger.get_or_init(open).as_ref()
    }

    /// Writes a row for each, in one step. Uploads to the embedded server are in its own rows.
    pub fn write(&self, ended: &[Ended<'_>], observer: &dyn Observer) {
        let rows: Vec<Sent> = ended.iter().filter_map(Ended::row).collect();
        if rows.is_empty() {
            return;
        }
        let Some(ledger) = self.ledger(observer) else { return };
        if let Err(why) = ledger.record_all_sent(&rows) {
            observer.event(Event::Note { text: format!("not in the history: {why}") });
        }
    }
}

impl Ended<'_> {
    /// `None`: it has not ended, or its server writes it down itself.
    fn row(&self) -> Option<Sent> {
        let Target::Server { address, .. } = self.target else { return None };
        let (outcome, stored_name, receipt, why) = match self.state {
            State::Stored { name, receipt } => (Outcome::Stored, Some(name.clone()), receipt.clone(), None),
            State::Delivered => (Outcome::Delivered, None, None, None),
            State::Cancelled => (Outcome::Cancelled, None, None, None),
            State::Failed(fault) if fault.kind == FaultKind::Broken && fault.what.starts_with(ALTERED) => {
                (Outcome::Altered, None, None, Some(fault.what.clone()))
            }
            State::Failed(fault) => (Outcome::Failed, None, None, Some(fault.what.clone())),
            _ => return None,
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(Sent {
            at_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            address: known::normal(address).unwrap_or_else(|| address.clone()),
            key: self.key,
            variant: self.variant,
            name: self.name.to_owned(),
            path: std::path::absolute(self.path).unwrap_or_else(|_| self.path.to_owned()),
            size: self.size,
            digest: self.digest,
            outcome,
            stored_name,
            receipt,
            seconds: self.meter.elapsed().as_secs_f64(),
            wire_bytes: self.meter.wire_bytes(),
            why,
        })
    }
}
