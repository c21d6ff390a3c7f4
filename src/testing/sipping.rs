//! A stream in memory whose peer takes a byte at a time.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::net::interrupter::Interrupter;
use crate::net::stream::Stream;

/// Stream whose peer sends some bytes, and then takes one byte in each `pace`. Its clock moves with these bytes.
pub(crate) struct Sipping {
    said: Vec<u8>,
    pace: Duration,
    now: Instant,
    taken: Arc<AtomicU32>,
}

impl Sipping {
    /// Creates a stream whose peer sends `said`.
    pub(crate) fn new(said: Vec<u8>, pace: Duration) -> Self {
        Self { said, pace, now: Instant::now(), taken: Arc::default() }
    }

    /// Returns the number of bytes that the peer has taken; it counts on while the stream is used.
    pub(crate) fn taken(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.taken)
    }
}

impl Read for Sipping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.said.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.said[..n]);
        self.said.drain(..n);
        if n > 0 { Ok(n) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

impl Write for Sipping {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.now += self.pace;
        let n = bytes.len().min(1);
        self.taken.fetch_add(u32::from(n > 0), Ordering::Relaxed);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Sipping {
    fn now(&self) -> Instant {
        self.now
    }

    fn set_deadline(&mut self, _: Option<Instant>) -> io::Result<()> {
        Ok(())
    }

    fn interrupter(&self) -> Interrupter {
        Interrupter::default()
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn buffer_little(&mut self) {}

    fn reset(&mut self) {}
}
