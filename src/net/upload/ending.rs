//! How an upload ends.
//!
//! ```text
//!   while files are sent      0xff ─► refused: sending stops          other bytes ─► kept, and sending goes on
//!   MODE 2, wait              end ─► delivered                        0xff ─► refused
//!                             bytes ─► not delivered, shown           reset ─► not confirmed
//!   the wait is over, or ended by the user: end of writing
//!                             end ─► sent: the server was waiting     nothing ─► sent, not confirmed
//! ```
//!
//! The client ends its writing only *after* the server's end. A server that is still inside a body would take an earlier
//! end for the end of the body, fail, and close in order, which looks like success.

use std::io;
use std::time::{Duration, Instant};

use super::link::LOOK;
use super::{Unconfirmed, Upload, UploadError};
use crate::meter::{Meter, Stage};
use crate::net::word::Mode;

/// Longest silence of the server while MODE 2 is sent.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(30);
/// Least time that a server may work on what was sent.
const LEAST_WAIT: Duration = Duration::from_secs(30);
/// Most time that a server may work on what was sent.
const MOST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Bytes on the wire that a slow server handles in a second.
const SLOW_SERVER: u64 = 5_000_000;
/// Milliseconds that a slow server needs for a block of CP1.
const SLOW_BLOCK: u64 = 2;
/// Longest wait for the server's end after this side's end.
const FAREWELL: Duration = Duration::from_secs(2);
/// Longest time that the server's system may take to acknowledge every byte, after the server's end.
const ACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Result of a short wait for the server.
enum Came {
    Bytes,
    Nothing,
    End,
}

/// Returns how long a server may take to end after MODE 2, when it has not confirmed this much.
pub(super) fn wait_for(unconfirmed: &Unconfirmed) -> Duration {
    let bytes = Duration::from_millis(
        (unconfirmed.wire / (SLOW_SERVER / 1000))
            .saturating_add(unconfirmed.blocks.saturating_mul(SLOW_BLOCK)),
    );
    LEAST_WAIT.saturating_add(bytes).min(MOST_WAIT)
}

impl Upload {
    /// Sends MODE 2, then waits for the server's end in order: *Delivered*.
    ///
    /// # Errors
    /// [`UploadError`]: the server refused, did not confirm, or the connection broke.
    pub fn close(mut self, meter: &Meter) -> Result<(), UploadError> {
        self.link.connection.set_patience(GOODBYE_PATIENCE);
        self.link.notice()?;
        // An end that came before MODE 2 confirms nothing.
        let is_early = self.link.surplus.has_ended && self.link.surplus.bytes.is_empty();
        let goodbye = self.link.connection.send(&Mode::Close.word(), |_| ());
        goodbye.and_then(|()| self.link.connection.flush()).map_err(|e| self.link.broken_off(Some(&e)))?;
        if is_early {
            return Err(self.link.broken_off(None));
        }
        meter.timed(Stage::Wait, || self.wait_for_end())
    }

    fn wait_for_end(&mut self) -> Result<(), UploadError> {
        let patience = self.patience.unwrap_or_else(|| wait_for(&self.unconfirmed));
        self.wait.begin();
        let until = self.link.connection.now() + patience;
        while self.link.connection.now() < until && !self.wait.is_over() {
            match self.listen(until)? {
                Came::Bytes => return Err(self.link.surplus()),
                Came::End => return self.ended(),
                Came::Nothing => {}
            }
        }
        // A server that waits for this side's end is recognised now.
        self.link.connection.finish_writing().map_err(|e| self.link.broken_off(Some(&e)))?;
        let until = self.link.connection.now() + FAREWELL;
        while self.link.connection.now() < until {
            match self.listen(until)? {
                Came::Bytes => return Err(self.link.surplus()),
                Came::End => return Err(UploadError::EndedAfterUs),
                Came::Nothing => {}
            }
        }
        Err(UploadError::Unconfirmed { after: patience })
    }

    /// Confirms delivery after the server has ended in order, before this side, and sent nothing: its system
    /// acknowledges every byte.
    fn ended(&mut self) -> Result<(), UploadError> {
        self.link.connection.finish(ACKNOWLEDGED).map_err(|e| self.link.broken_off(Some(&e)))
    }

    /// Waits a moment for bytes or the end, at most until `until`.
    fn listen(&mut self, until: Instant) -> Result<Came, UploadError> {
        if !self.link.connection.buffered().is_empty() || !self.link.surplus.bytes.is_empty() {
            return Ok(Came::Bytes);
        }
        let left = until.saturating_duration_since(self.link.connection.now());
        self.link.connection.set_patience(left.clamp(Duration::from_millis(1), LOOK));
        match self.link.connection.fill() {
            Ok(0) if self.link.connection.is_interrupted() => Err(UploadError::Interrupted),
            Ok(0) => Ok(Came::End),
            Ok(_) => Ok(Came::Bytes),
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Ok(Came::Nothing),
            Err(e) => Err(self.link.broken_off(Some(&e))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_with_what_the_server_works_on_and_has_an_end() {
        let wait_for = |wire, blocks| wait_for(&Unconfirmed { bytes: 0, wire, blocks });
        assert_eq!(wait_for(0, 0), Duration::from_secs(30));
        assert_eq!(wait_for(50_000_000, 0), Duration::from_secs(40));
        assert_eq!(wait_for(0, 10_000), Duration::from_secs(50));
        assert_eq!(wait_for(u64::MAX, u64::MAX), Duration::from_secs(900));
    }
}
