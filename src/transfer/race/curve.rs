//! The progress of a lane over time, for a chart.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::event::{MOST_POINTS, Point};
use crate::meter::Meter;

/// The interval between the first points. Lanes take between milliseconds and hours.
const SHORTEST: Duration = Duration::from_millis(1);

/// Samples a meter until it is finished.
pub(super) struct Recorder {
    stop: Sender<()>,
    /// `None`: no thread could be started, and the lane has no curve.
    thread: Option<JoinHandle<Vec<Point>>>,
}

impl Recorder {
    pub(super) fn start(meter: &Arc<Meter>) -> Self {
        let meter = Arc::clone(meter);
        let (stop, stopped) = bounded(1);
        let record = move || {
            let mut curve = Curve::new();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(curve.interval) {
                curve.add(now(&meter));
            }
            curve.end(now(&meter))
        };
        Self { stop, thread: thread::Builder::new().name("upseal-curve".to_owned()).spawn(record).ok() }
    }

    /// Stops sampling, and returns the curve with the present values as its end.
    pub(super) fn finish(self) -> Vec<Point> {
        // Sending fails if the thread has ended already.
        let _ = self.stop.send(());
        self.thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

/// Returns the bytes that the server has opened, if it is in this process; otherwise those that the kernel took, whose
/// buffers take the beginning at once.
fn now(meter: &Meter) -> Point {
    let us = u64::try_from(meter.elapsed().as_micros()).unwrap_or(u64::MAX);
    Point { us, bytes: meter.other().map_or_else(|| meter.file_bytes(), |other| other.file_bytes()) }
}

/// Points at even intervals, which double when there are too many.
struct Curve {
    points: Vec<Point>,
    interval: Duration,
}

impl Curve {
    const fn new() -> Self {
        Self { points: Vec::new(), interval: SHORTEST }
    }

    fn add(&mut self, point: Point) {
        // The clock starts at the first byte of MODE 0.
        if point.us == 0 {
            return;
        }
        // One place is reserved for the end.
        if self.points.len() + 1 >= MOST_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            self.interval = self.interval.saturating_mul(2);
        }
        self.points.push(point);
    }

    fn end(mut self, point: Point) -> Vec<Point> {
        self.points.push(point);
        self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_of_any_length_has_few_points_and_its_end() {
        let mut curve = Curve::new();
        for ms in 0..10_000_u64 {
            curve.add(Point { us: ms * 1000, bytes: ms });
        }
        assert!(curve.interval > SHORTEST);
        let points = curve.end(Point { us: 10_000_000, bytes: 10_000 });
        assert!((MOST_POINTS / 2..=MOST_POINTS).contains(&points.len()), "{}", points.len());
        assert!(points.is_sorted_by_key(|point| point.us));
        assert_eq!(points.last(), Some(&Point { us: 10_000_000, bytes: 10_000 }));
    }

    #[test]
    fn bytes_sent_before_the_recorder_stops_are_in_the_curve() {
        let meter = Arc::new(Meter::default());
        let recorder = Recorder::start(&meter);
        meter.start(10, 10);
        meter.add_file(10);
        let points = recorder.finish();
        assert_eq!(points.last().map(|point| point.bytes), Some(10));
        assert!(points.iter().all(|point| point.us > 0), "{points:?}");
    }
}
