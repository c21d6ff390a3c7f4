//! What is known about transfer rates before the first upload: rates from the history, and a calibration.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::calibrate;
use crate::event::Event;
use crate::history::History;
use crate::net::Observer;

/// Where the data for time estimates is kept.
pub struct Forecast {
    /// The file that caches the calibration; `None`: it is measured and not cached.
    pub calibration: Option<PathBuf>,
    /// The history whose past rates are used, if there is one.
    pub history: Option<PathBuf>,
}

/// Reads past rates and the calibration on a background thread, and reports them as [`Event::Learned`] and
/// [`Event::Calibrated`]. While `busy`, the calibration waits.
pub(super) fn start(forecast: Forecast, observer: Arc<dyn Observer>, busy: Arc<AtomicBool>) {
    // If no thread can be started, there are no estimates before the first transfer.
    let _ = thread::Builder::new().name("upseal-forecast".to_owned()).spawn(move || {
        let history = forecast.history.as_deref().map(History::open_existing);
        if let Some(Ok(Some(history))) = history
            && let Ok(rates) = history.rates()
            && !rates.is_empty()
        {
            observer.event(Event::Learned { rates });
        }
        if let Ok(calibration) =
            calibrate::run(forecast.calibration.as_deref(), &|| busy.load(Ordering::Relaxed))
        {
            observer.event(Event::Calibrated { calibration });
        }
    });
}
