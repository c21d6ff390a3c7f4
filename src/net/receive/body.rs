//! A body of known length on its way into the store (Plain, AP and CP2), and the input of CP1's pipeline.
//!
//! ```text
//!   first MiB        read ─ open ─ store               on this thread, in small steps: a body may stall
//!   more             read ║ open ║ store               a pipeline, if there is a turn: each stage has a thread
//!   Plain, AP, unhashed    splice                      the kernel alone, into a file
//! ```

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::arriving::{Arriving, count};
use super::turns::Turn;
use super::{ReceiveError, Session};
use crate::crypto::rsa_blocks::Opened;
use crate::crypto::{Clear, Open};
use crate::digest::FileDigest;
use crate::meter::{Meter, Stage};
use crate::net::connection::{Connection, SPLICE};
use crate::net::framing::FramingError;
use crate::net::interrupter::Interrupter;
use crate::net::wire::Decoder;
use crate::net::word::{WORD, read_word};
use crate::pipeline::{self, Filled};

/// Bytes of the body in one step of the pipeline, and of a body that is not spliced.
const CHUNK: usize = 256 << 10;
/// Bytes of the body in one step on the session's thread.
const STEP: usize = 32 << 10;
/// Bytes after which a body asks for threads of its own, again and again.
const ASK: usize = 1 << 20;
/// Steps in flight: one in each stage, and one between the first two.
const SLOTS: usize = 4;

/// A step of a body in the pipeline.
#[derive(Default)]
pub(super) struct Slot {
    /// Buffer; never shorter than the longest step so far.
    body: Vec<u8>,
    /// Bytes of the buffer that belong to this step.
    len: usize,
    plain: Vec<u8>,
    /// Opened blocks of CP1, instead of `plain`.
    pub(super) opened: Vec<Opened>,
    last: bool,
}

/// Opener of a body.
enum Opener<'a> {
    Clear(&'a mut Clear),
    Sealed(&'a mut dyn Open),
}

impl Slot {
    /// Returns this step's part of the body.
    pub(super) fn body(&self) -> &[u8] {
        &self.body[..self.len]
    }

    /// Removes the length before each block, if there is one.
    pub(super) fn strip(&mut self, units: &Units) {
        let head = units.bytes() - units.k;
        if head > 0 {
            let pairs = self.len / units.bytes();
            for pair in 0..pairs {
                let at = pair * units.bytes() + head;
                self.body.copy_within(at..at + units.k, pair * units.k);
            }
            self.len = pairs * units.k;
        }
    }
}

/// Unit of which a body is read in multiples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    /// Bytes of a block; 1 where there are none.
    pub(super) k: usize,
    /// Whether each block has its length k before it.
    pub(super) pairs: bool,
}

impl Units {
    const BYTES: Self = Self { k: 1, pairs: false };

    /// Returns the bytes of one unit.
    pub(super) const fn bytes(&self) -> usize {
        if self.pairs { WORD + self.k } else { self.k }
    }

    /// Returns the position of the first pair whose length is at hand and not k, and that length.
    fn wrong(&self, pairs: &[u8]) -> Option<(usize, u64)> {
        if !self.pairs {
            return None;
        }
        let mut lengths = (0..).step_by(self.bytes()).zip(pairs.chunks(self.bytes()));
        lengths
            .find_map(|(at, pair)| read_word(pair).filter(|got| *got != self.k as u64).map(|got| (at, got)))
    }
}

/// Input of a body of known length.
pub(super) struct Input<'a> {
    connection: &'a mut Connection,
    decoder: &'a mut Decoder,
    meter: &'a Meter,
    units: Units,
    /// Bytes still to come, a multiple of the unit.
    left: u64,
    /// Beginning of a unit that came with the last slot.
    torn: Vec<u8>,
}

impl<'a> Input<'a> {
    /// Creates the input of `left` bytes, a multiple of the unit.
    pub(super) const fn new(
        connection: &'a mut Connection,
        decoder: &'a mut Decoder,
        meter: &'a Meter,
        units: Units,
        left: u64,
    ) -> Self {
        Self { connection, decoder, meter, units, left, torn: Vec::new() }
    }

    /// Returns a handle that stops the reading: otherwise a silent client would delay the refusal after a full disk. The
    /// connection stays usable, so that the refusal can be sent.
    pub(super) fn interrupter(&mut self) -> Interrupter {
        self.connection.pauser()
    }

    /// Reads whole units, up to `most` bytes, which are a multiple of the unit.
    pub(super) fn read(&mut self, slot: &mut Slot, most: usize) -> Result<Filled, ReceiveError> {
        let unit = self.units.bytes();
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        // Not the whole body: a length that a peer stated allocates nothing.
        if slot.body.len() < most {
            slot.body.resize(most, 0);
        }
        let mut here = self.torn.len();
        slot.body[..here].copy_from_slice(&self.torn);
        while here < unit {
            let cut = |source| ReceiveError::Cut { offset: self.decoder.offset() + here as u64, source };
            let n = match self.meter.timed(Stage::Wire, || self.connection.read(&mut slot.body[here..most])) {
                Ok(0) => return Err(cut(None)),
                Ok(n) => n,
                Err(e) => return Err(cut(Some(e))),
            };
            self.meter.add_wire(n as u64);
            here += n;
            // Before it waits for more: nothing need follow a wrong length.
            if let Some((at, got)) = self.units.wrong(&slot.body[..here]) {
                self.decoder.skip(at as u64);
                return Err(FramingError::BlockLength { k: self.units.k as u64, got }.into());
            }
        }
        slot.len = here / unit * unit;
        self.torn.clear();
        self.torn.extend_from_slice(&slot.body[slot.len..here]);
        self.decoder.skip(slot.len as u64);
        self.left -= slot.len as u64;
        slot.last = self.left == 0;
        Ok(if slot.last { Filled::Last } else { Filled::More })
    }
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        self.connection.resume();
    }
}

/// Runs the three stages on this thread, one after the other, until the last step, or until a turn is free; `None`: it was
/// the last step.
pub(super) fn on_this_thread<E>(
    slot: &mut Slot,
    ask: usize,
    mut read: impl FnMut(&mut Slot) -> Result<Filled, E>,
    mut open: impl FnMut(&mut Slot) -> Result<(), E>,
    mut store: impl FnMut(&mut Slot) -> Result<(), E>,
) -> Result<Option<Turn<'static>>, E> {
    let mut done = 0;
    loop {
        let filled = read(slot)?;
        done += slot.len;
        open(slot)?;
        store(slot)?;
        if filled == Filled::Last {
            return Ok(None);
        }
        if done >= ask {
            if let Some(turn) = Turn::try_take() {
                return Ok(Some(turn));
            }
            done = 0;
        }
    }
}

impl Session<'_> {
    /// Receives a body of `m1` bytes that is the file.
    pub(super) fn clear_body(&mut self, m1: u64, file: &mut Arriving) -> Result<(), ReceiveError> {
        let digest = self.service.policy.digest;
        if digest == FileDigest::None && self.spliced_body(m1, file)? {
            return Ok(());
        }
        let mut clear = Clear::new(m1, digest);
        self.body(m1, Opener::Clear(&mut clear), file)?;
        file.digest = clear.digest();
        Ok(())
    }

    /// Receives a token of `m1` bytes. All of it is read before any outcome.
    pub(super) fn sealed_body(
        &mut self,
        m1: u64,
        open: &mut dyn Open,
        file: &mut Arriving,
    ) -> Result<(), ReceiveError> {
        self.body(m1, Opener::Sealed(open), file)?;
        file.digest = open.digest();
        Ok(())
    }

    fn body(&mut self, m1: u64, mut opener: Opener<'_>, file: &mut Arriving) -> Result<(), ReceiveError> {
        if m1 == 0 {
            return Ok(()); // An empty file. A token is never empty.
        }
        let mut slots = std::mem::take(&mut self.slots);
        let meter = Arc::clone(&file.meter);
        let mut input = Input::new(&mut self.connection, &mut self.decoder, &meter, Units::BYTES, m1);
        let is_short = m1 <= CHUNK as u64;
        // A pauser costs two system calls, which a short body does not need.
        let interrupter = if is_short { Interrupter::default() } else { input.interrupter() };
        let step = AtomicUsize::new(STEP);
        let mut read = |slot: &mut Slot| input.read(slot, step.load(Ordering::Relaxed));
        let is_clear = matches!(opener, Opener::Clear(_));
        let Arriving { ciphertext, pending, room, kept: count_kept, .. } = file;
        let mut open = |slot: &mut Slot| {
            let body = &slot.body[..slot.len];
            meter.timed(Stage::Open, || {
                match &mut opener {
                    // No more than `m1` bytes are read.
                    Opener::Clear(clear) => drop(clear.pass(body)),
                    Opener::Sealed(open) => {
                        slot.plain.clear();
                        open.open(body, &mut slot.plain)?;
                        if slot.last {
                            open.finish(&mut slot.plain)?;
                        }
                    }
                }
                Ok(())
            })
        };
        let mut store = |slot: &mut Slot| {
            let body = &slot.body[..slot.len];
            let plain = if is_clear { body } else { &slot.plain };
            count(room, plain.len() + if ciphertext.is_some() { body.len() } else { 0 })?;
            meter.timed(Stage::Store, || {
                if let Some(kept) = ciphertext {
                    kept.write(body)?;
                    *count_kept += body.len() as u64;
                }
                pending.write(plain)
            })?;
            meter.add_file(plain.len() as u64);
            Ok(())
        };
        slots.resize_with(1, Slot::default);
        let result = match on_this_thread(&mut slots[0], ASK, &mut read, &mut open, &mut store) {
            Ok(Some(_turn)) => {
                step.store(CHUNK, Ordering::Relaxed);
                // Large buffers live as long as their pipeline.
                let mut slots: Vec<Slot> = (0..SLOTS).map(|_| Slot::default()).collect();
                let work = vec![&mut open];
                pipeline::run("receive", &mut slots, &mut read, work, &mut store, || interrupter.interrupt())
            }
            ended => ended.map(drop),
        };
        self.slots = slots;
        result
    }

    /// Lets the kernel move the body into the store. `false`: that is not possible, and nothing was read.
    #[cfg(target_os = "linux")]
    fn spliced_body(&mut self, m1: u64, file: &mut Arriving) -> Result<bool, ReceiveError> {
        use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
        let possible = self.connection.splices() && file.pending.splices();
        if !possible || m1 <= CHUNK as u64 {
            return Ok(false);
        }
        let Ok((out, into)) = pipe_with(PipeFlags::CLOEXEC) else { return Ok(false) };
        // Above the user's limit for pipes it stays at 64 KiB, which is only slower.
        let _ = fcntl_setpipe_size(&into, SPLICE);
        let meter = Arc::clone(&file.meter);
        // Bytes that came with the message go first.
        let here = self.connection.buffered();
        let here = &here[..usize::try_from(m1).map_or(here.len(), |m1| m1.min(here.len()))];
        let taken = here.len();
        count(&mut file.room, here.len())?;
        meter.timed(Stage::Store, || file.pending.write(here))?;
        self.take(taken);
        meter.add_wire(taken as u64);
        meter.add_file(taken as u64);
        let mut left = m1 - taken as u64;
        while left > 0 {
            let n = match meter.timed(Stage::Wire, || self.connection.read_to(into.as_fd(), left)) {
                Ok(0) => return Err(self.cut(None)),
                Ok(n) => n,
                Err(e) => return Err(self.cut(Some(e))),
            };
            meter.add_wire(n as u64);
            self.decoder.skip(n as u64);
            count(&mut file.room, n)?;
            meter.timed(Stage::Store, || file.pending.write_from(out.as_fd(), n))?;
            meter.add_file(n as u64);
            left -= n as u64;
        }
        Ok(true)
    }

    #[cfg(not(target_os = "linux"))]
    fn spliced_body(&mut self, _m1: u64, _file: &mut Arriving) -> Result<bool, ReceiveError> {
        Ok(false)
    }
}
