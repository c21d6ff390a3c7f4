//! A stream in memory whose peer follows a script.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::net::interrupter::Interrupter;
use crate::net::stream::Stream;

/// What the peer does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It sends these bytes; one read never returns bytes of two acts.
    Send(Vec<u8>),
    /// One read fails with an error of this kind. `TimedOut`: the peer is silent for longer than the reader waits.
    Fail(io::ErrorKind),
}

/// What the peer does after the last act of its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finally {
    /// It ends its side in order.
    End,
    /// It keeps the connection open and sends nothing.
    Silence,
    /// It sends this byte for ever.
    Repeat(u8),
}

/// How many bytes one read returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// As many as there are.
    All,
    /// One byte at a time.
    Single,
    /// At most this many.
    Of(usize),
    /// 1 to 200, by a pseudo-random sequence with this seed.
    Random(u64),
}

impl Pieces {
    fn next(&mut self) -> usize {
        match self {
            Self::All => usize::MAX,
            Self::Single => 1,
            Self::Of(size) => *size,
            Self::Random(state) => {
                // A linear congruential generator (Knuth, MMIX).
                *state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                usize::try_from((*state >> 33) % 200).unwrap_or_default() + 1
            }
        }
    }
}

/// One call on the stream, as the peer observes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A read returned this many bytes. 0: the reader was waiting when the peer ended or was silent.
    Took(usize),
    /// These bytes were written.
    Wrote(Vec<u8>),
    /// The writing side was ended.
    Ended,
    /// The stream was dropped, and its end is a reset.
    Reset,
}

/// The steps of one stream; readable after the stream is gone.
#[derive(Debug, Clone, Default)]
pub struct Transcript(Arc<Mutex<Vec<Step>>>);

impl Transcript {
    /// Returns the steps since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<Step> {
        mem::take(&mut *self.0.lock())
    }

    fn note(&self, step: Step) {
        self.0.lock().push(step);
    }
}

/// Stream in memory whose peer follows a script and accepts everything that is written.
#[derive(Debug)]
pub struct ScriptedStream {
    script: VecDeque<Act>,
    finally: Finally,
    pieces: Pieces,
    accepts_writes: bool,
    transcript: Transcript,
    /// Whether dropping the stream resets it.
    resets: bool,
}

impl ScriptedStream {
    /// Creates a stream whose peer performs `script`, then ends in order.
    pub fn new(script: impl IntoIterator<Item = Act>) -> Self {
        Self {
            script: script.into_iter().collect(),
            finally: Finally::End,
            pieces: Pieces::All,
            accepts_writes: true,
            transcript: Transcript::default(),
            resets: false,
        }
    }

    /// Creates a stream whose peer sends `bytes`, then ends in order.
    #[must_use]
    pub fn sending(bytes: &[u8]) -> Self {
        Self::new([Act::Send(bytes.to_vec())])
    }

    /// Sets what the peer does after its script.
    #[must_use]
    pub fn then(mut self, finally: Finally) -> Self {
        self.finally = finally;
        self
    }

    /// Sets how many bytes one read returns.
    #[must_use]
    pub fn in_pieces(mut self, pieces: Pieces) -> Self {
        self.pieces = pieces;
        self
    }

    /// Makes every write fail with `BrokenPipe`.
    #[must_use]
    pub fn rejecting_writes(mut self) -> Self {
        self.accepts_writes = false;
        self
    }

    /// Returns a handle to the steps of this stream.
    #[must_use]
    pub fn transcript(&self) -> Transcript {
        self.transcript.clone()
    }
}

impl Drop for ScriptedStream {
    fn drop(&mut self) {
        if self.resets {
            self.transcript.note(Step::Reset);
        }
    }
}

impl Read for ScriptedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.pieces.next().min(buffer.len());
        let result = match self.script.front_mut() {
            Some(Act::Send(bytes)) => {
                let n = most.min(bytes.len());
                buffer[..n].copy_from_slice(&bytes[..n]);
                bytes.drain(..n);
                if bytes.is_empty() {
                    self.script.pop_front();
                }
                Ok(n)
            }
            Some(Act::Fail(kind)) => {
                let kind = *kind;
                self.script.pop_front();
                Err(kind.into())
            }
            None => match self.finally {
                Finally::End => Ok(0),
                Finally::Silence => Err(io::ErrorKind::TimedOut.into()),
                Finally::Repeat(byte) => {
                    buffer[..most].fill(byte);
                    Ok(most)
                }
            },
        };
        self.transcript.note(Step::Took(*result.as_ref().unwrap_or(&0)));
        result
    }
}

impl Write for ScriptedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.accepts_writes {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.transcript.note(Step::Wrote(bytes.to_vec()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for ScriptedStream {
    fn set_deadline(&mut self, _at: Option<Instant>) -> io::Result<()> {
        Ok(())
    }

    fn interrupter(&self) -> Interrupter {
        Interrupter::default()
    }

    /// Pretends that the kernel moved `most` bytes of the script.
    fn read_to(&mut self, _pipe: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        Ok(most)
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        self.transcript.note(Step::Ended);
        Ok(())
    }

    fn buffer_little(&mut self) {}

    fn reset(&mut self) {
        self.resets = true;
    }

    fn end_in_order(&mut self) {
        self.resets = false;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(stream: &mut ScriptedStream) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 4];
        stream.read(&mut buffer).map(|n| buffer[..n].to_vec())
    }

    #[test]
    fn the_peer_performs_its_script_and_the_transcript_keeps_every_step() {
        let script = [Act::Send(b"abcdef".to_vec()), Act::Fail(io::ErrorKind::TimedOut), Act::Send(vec![7])];
        let mut stream = ScriptedStream::new(script).in_pieces(Pieces::Of(5));
        let transcript = stream.transcript();
        assert_eq!(read(&mut stream).unwrap(), b"abcd");
        assert_eq!(read(&mut stream).unwrap(), b"ef");
        assert_eq!(read(&mut stream).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(read(&mut stream).unwrap(), [7]);
        assert_eq!(read(&mut stream).unwrap(), b"");
        stream.write_all(b"hello").unwrap();
        stream.finish_writing().unwrap();
        stream.reset();
        drop(stream);
        let took = [4, 2, 0, 1, 0].map(Step::Took).to_vec();
        let written = vec![Step::Wrote(b"hello".to_vec()), Step::Ended, Step::Reset];
        assert_eq!(transcript.take(), [took, written].concat());
    }

    #[test]
    fn an_end_in_order_takes_back_the_reset() {
        let mut stream = ScriptedStream::sending(b"").then(Finally::Silence);
        let transcript = stream.transcript();
        stream.reset();
        stream.end_in_order();
        drop(stream);
        assert_eq!(transcript.take(), []);
    }
}
