//! How a lane went: the file's bytes over time, for a picture of it afterwards.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::event::{MOST_POINTS, Point};
use crate::meter::Meter;

/// Between the first points. Lanes take between milliseconds and hours.
const SHORTEST: Duration = Duration::from_millis(1);

/// Reads a meter until it is told to stop.
pub(super) struct Recorder {
    stop: Sender<()>,
    /// `None`: the system had no thread to give, and the lane has no curve.
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

    /// The curve, with what the meter says now as its end.
    pub(super) fn finish(self) -> Vec<Point> {
        // It fails when the thread has ended already.
        let _ = self.stop.send(());
        self.thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

/// As much as the server has opened, if it is ours; otherwise as the kernel took, whose buffers swallow the beginning
/// at once.
fn now(meter: &Meter) -> Point {
    let us = u64::try_from(meter.elapsed().as_micros()).unwrap_or(u64::MAX);
    Point { us, bytes: meter.other().map_or_else(|| meter.file_bytes(), |other| other.file_bytes()) }
}

/// Points at even distances, which double whenever there are too many.
struct Curve {
    points: Vec<Point>,
    interval: Duration,
}

impl Curve {
    const fn new() -> Self {
        Self { points: Vec::new(), interval: SHORTEST }
    }

    fn add(&mut self, point: Point) {
        // Before the first byte of MODE 0 there is no time.
        if point.us == 0 {
            return;
        }
        // One place is the end's.
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
    fn what_moved_before_the_recorder_stops_is_in_the_curve() {
        let meter = Arc::new(Meter::default());
        let recorder = Recorder::start(&meter);
        meter.start(10, 10);
        meter.add_file(10);
        let points = recorder.finish();
        assert_eq!(points.last().map(|point| point.bytes), Some(10));
        assert!(points.iter().all(|point| point.us > 0), "{points:?}");
    }
}
