//! What the operator of a server sees: its events as lines, and its metrics.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::limits;
use super::log::Log;
use super::sink::{Form, Sink};
use crate::cli::Serve;
use crate::event::{Blame, Event, Fault, Track};
use crate::meter::Meter;
use crate::metrics::{Checks, Metrics, Page};
use crate::net::record::Recorder;
use crate::net::{Arrival, Observer, Step};

/// Prints the events of all sessions, one at a time, and counts them for `--metrics`. A log has no progress bars.
pub(super) struct Printer {
    log: Log,
    metrics: Option<Arc<Metrics>>,
    /// Files that were received.
    files: AtomicU64,
}

impl Printer {
    /// Creates a printer for these flags. With `plain`, it prints whole sentences.
    ///
    /// # Errors
    /// The log file cannot be opened.
    pub(super) fn new(args: &Serve, plain: bool) -> Result<Self, Fault> {
        let form = Form { is_json: args.json, is_plain: plain };
        Ok(Self {
            log: Log::new(Sink::of(args)?, form, args.log_level, limits::log_rate(args)),
            metrics: args.metrics.is_some().then(|| Arc::new(Metrics::new())),
            files: AtomicU64::new(0),
        })
    }

    /// Returns how many files were received.
    pub(super) fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Returns the log.
    pub(super) const fn log(&self) -> &Log {
        &self.log
    }

    /// Starts the pages of `--metrics`, if they are asked for, and says where they are.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(super) fn page(&self, args: &Serve, checks: &Arc<Checks>) -> Result<Option<Page>, Fault> {
        let (Some(bind), Some(metrics)) = (&args.metrics, &self.metrics) else { return Ok(None) };
        let started = TcpListener::bind(&bind.addresses[..])
            .and_then(|listener| Page::start(listener, Arc::clone(metrics), Arc::clone(checks)));
        let page = started.map_err(|e| {
            Fault::unreachable(format!("cannot serve metrics on {bind}: {e}"))
                .with_blame(Blame::User)
                .with_advice("another program may be using it; choose another address with --metrics")
        })?;
        self.event(Event::Note { text: format!("metrics on http://{}/metrics", page.address()) });
        Ok(Some(page))
    }
}

impl Observer for Printer {
    fn event(&self, event: Event) {
        if matches!(event, Event::Received { .. }) {
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(metrics) = &self.metrics {
            metrics.event(&event);
        }
        let is_kept = self.log.event(event);
        if let Some(metrics) = self.metrics.as_ref().filter(|_| !is_kept) {
            metrics.leave_out();
        }
    }

    fn watch(&self, track: Track, meter: Arc<Meter>) {
        if let Some(metrics) = &self.metrics {
            metrics.watch(track, meter);
        }
    }

    fn unwatch(&self, track: Track) {
        if let Some(metrics) = &self.metrics {
            metrics.unwatch(track);
        }
    }

    fn recorder(&self) -> Option<Arc<Recorder>> {
        None
    }

    fn arrived(&self, arrival: Arrival) {
        if let Some(metrics) = &self.metrics {
            metrics.arrived(arrival);
        }
    }

    fn took(&self, step: Step, time: Duration) {
        if let Some(metrics) = &self.metrics {
            metrics.took(step, time);
        }
    }
}
