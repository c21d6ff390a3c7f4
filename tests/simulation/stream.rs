//! A side of a connection as the code under test has it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use upseal::{Interrupter, Stream};

use crate::network::{self, Side};
use crate::world::{ActorId, Guard, On, World};

pub(crate) struct Wire {
    world: Arc<World>,
    link: usize,
    side: Side,
    me: ActorId,
    deadline: Option<Duration>,
}

impl Wire {
    pub(crate) const fn new(world: Arc<World>, link: usize, side: Side, me: ActorId) -> Self {
        Self { world, link, side, me, deadline: None }
    }

    /// Begins an operation: others may go first, and it takes some time.
    fn begin(&self) -> Guard<'_> {
        let mut state = World::perhaps_yield(self.world.lock(), self.me);
        let time = Duration::from_micros(state.dice.magnitude(1, 50));
        state.spend(time);
        state
    }

    /// Returns the error of a connection whose process is gone, or of a run that was given up.
    fn gone(&self, state: &Guard<'_>) -> io::Result<()> {
        if state.failed.is_some() || state.links[self.link].is_dead(self.side) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the process is gone"));
        }
        Ok(())
    }

    /// Counts an operation of the server, after which it may crash. Reads do not count, because a crash before one looks like a
    /// crash after it.
    fn end(&self, state: &mut Guard<'_>) {
        if self.side == Side::Server {
            let start = state.links[self.link].start;
            state.point(start);
        }
    }

    fn read_until(&self, out: &mut [u8], deadline: Option<Duration>) -> io::Result<usize> {
        let mut state = self.begin();
        loop {
            self.gone(&state)?;
            let read = match state.read(self.link, self.side, out) {
                network::Read::Bytes(n) => Ok(n),
                network::Read::End => Ok(0),
                network::Read::Reset => Err(io::ErrorKind::ConnectionReset.into()),
                network::Read::Nothing if deadline.is_none_or(|deadline| state.now < deadline) => {
                    state = World::pause(state, self.me, On::Readable(self.link, self.side), deadline);
                    continue;
                }
                network::Read::Nothing => Err(io::Error::from(io::ErrorKind::TimedOut)),
            };
            let shown = read.as_ref().map_err(io::Error::kind);
            state.note(self.me, format_args!("reads {shown:?}"));
            return read;
        }
    }

    fn write_until(&self, bytes: &[u8], deadline: Option<Duration>) -> io::Result<usize> {
        let mut state = self.begin();
        loop {
            self.gone(&state)?;
            let written = match state.room(self.link, self.side) {
                None => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
                Some(0) if deadline.is_none_or(|deadline| state.now < deadline) => {
                    state = World::pause(state, self.me, On::Room(self.link, self.side), deadline);
                    continue;
                }
                Some(0) => Err(io::ErrorKind::TimedOut.into()),
                Some(_) => Ok(state.take(self.link, self.side, bytes)),
            };
            let shown = written.as_ref().map_err(io::Error::kind);
            state.note(self.me, format_args!("writes {shown:?} of {}", bytes.len()));
            self.end(&mut state);
            return written;
        }
    }
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.read_until(out, self.deadline)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_until(bytes, self.deadline)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Wire {
    fn now(&self) -> Instant {
        let now = self.world.lock().now;
        self.world.instant(now)
    }

    fn set_deadline(&mut self, at: Option<Instant>) -> io::Result<()> {
        self.deadline = at.map(|at| self.world.time_of(at));
        Ok(())
    }

    fn interrupter(&self) -> Interrupter {
        Interrupter::default()
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        let mut state = self.begin();
        self.gone(&state)?;
        if state.room(self.link, self.side).is_none() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        state.note(self.me, format_args!("ends its writing"));
        state.shut(self.link, self.side);
        self.end(&mut state);
        Ok(())
    }

    fn buffer_little(&mut self) {}

    fn reset(&mut self) {
        self.world.lock().links[self.link].set_resets(self.side, true);
    }

    fn end_in_order(&mut self) {
        self.world.lock().links[self.link].set_resets(self.side, false);
    }

    fn is_readable(&mut self) -> bool {
        self.begin().is_readable(self.link, self.side)
    }

    fn refuse(&mut self, last: &[u8], patience: Duration) {
        self.reset();
        let until = Some(self.world.lock().now + patience);
        let mut left = last;
        while !left.is_empty() {
            match self.write_until(left, until) {
                Ok(n) => left = &left[n..],
                Err(_) => return,
            }
        }
        self.world.lock().links[self.link].is_refused = true;
        let mut dropped = [0; 4096];
        while matches!(self.read_until(&mut dropped, until), Ok(1..)) {}
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        let mut state = self.begin();
        let until = state.now + patience;
        state.shut(self.link, self.side);
        loop {
            self.gone(&state)?;
            match state.is_acknowledged(self.link, self.side) {
                None => return Err(io::ErrorKind::ConnectionReset.into()),
                Some(true) => return Ok(()),
                Some(false) if state.now < until => {
                    let on = On::Acknowledged(self.link, self.side);
                    state = World::pause(state, self.me, on, Some(until));
                }
                Some(false) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        state.note(self.me, format_args!("closes"));
        state.close(self.link, self.side);
    }
}
