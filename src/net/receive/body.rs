//! A body of known length on its way into the store: Plain's, AP's and CP2's.
//!
//! ```text
//!   up to CHUNK      read ─ open ─ store               here and now: a thread costs more than the work
//!   more             read ║ open ║ store               a pipeline: each stage has a thread
//!   Plain, AP, unhashed    splice                      the kernel alone, into a file
//! ```

use std::os::fd::AsFd as _;
use std::sync::Arc;

use super::arriving::Arriving;
use super::{ReceiveError, Session};
use crate::crypto::rsa_blocks::Opened;
use crate::crypto::{Clear, Open};
use crate::digest::FileDigest;
use crate::meter::{Meter, Stage};
use crate::net::connection::{Connection, SPLICE};
use crate::net::stream::Interrupter;
use crate::net::wire::Decoder;
use crate::pipeline::{self, Filled};

/// Bytes of the body in one step.
const CHUNK: usize = 256 << 10;
/// Steps in flight: one in each stage, and one between the first and the second.
const SLOTS: usize = 4;

/// A step of a body on its way.
#[derive(Default)]
pub(super) struct Slot {
    /// Never shorter than a step was.
    body: Vec<u8>,
    /// Bytes of it that are this step's.
    len: usize,
    plain: Vec<u8>,
    /// CP1's, in the place of `plain`.
    pub(super) opened: Vec<Opened>,
    last: bool,
}

/// What a body passes through.
enum Opener<'a> {
    Clear(&'a mut Clear),
    Sealed(&'a mut dyn Open),
}

impl Slot {
    /// This step's part of the body.
    pub(super) fn body(&self) -> &[u8] {
        &self.body[..self.len]
    }
}

/// A body of known length as it comes.
pub(super) struct Input<'a> {
    connection: &'a mut Connection,
    decoder: &'a mut Decoder,
    meter: &'a Meter,
    /// Bytes still to come.
    left: u64,
}

impl<'a> Input<'a> {
    pub(super) const fn new(
        connection: &'a mut Connection,
        decoder: &'a mut Decoder,
        meter: &'a Meter,
        left: u64,
    ) -> Self {
        Self { connection, decoder, meter, left }
    }

    /// A client that stands still would keep us waiting after a full disk.
    pub(super) fn interrupter(&self) -> Interrupter {
        self.connection.interrupter()
    }

    /// Reads what is here, up to `most` bytes, and in multiples of `unit`, of which `most` and the whole are some.
    pub(super) fn read(&mut self, slot: &mut Slot, most: usize, unit: usize) -> Result<Filled, ReceiveError> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        if slot.body.len() < most {
            slot.body.resize(most, 0);
        }
        slot.len = 0;
        loop {
            let into = &mut slot.body[slot.len..most];
            let cut = |source| ReceiveError::Cut { offset: self.decoder.offset(), source };
            let n = match self.meter.timed(Stage::Wire, || self.connection.read(into)) {
                Ok(0) => return Err(cut(None)),
                Ok(n) => n,
                Err(e) => return Err(cut(Some(e))),
            };
            self.meter.add_wire(n as u64);
            self.decoder.skip(n as u64);
            self.left -= n as u64;
            slot.len += n;
            if slot.len.is_multiple_of(unit) {
                break;
            }
        }
        slot.last = self.left == 0;
        Ok(if slot.last { Filled::Last } else { Filled::More })
    }
}

impl Session<'_> {
    /// A body that is the file, of `m1` bytes.
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

    /// A token of `m1` bytes. All of it is consumed before any outcome.
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
            return Ok(()); // An empty file; no token is.
        }
        let mut slots = std::mem::take(&mut self.slots);
        let meter = Arc::clone(&file.meter);
        let mut input = Input::new(&mut self.connection, &mut self.decoder, &meter, m1);
        let interrupter = input.interrupter();
        let mut read = |slot: &mut Slot| input.read(slot, CHUNK, 1);
        let is_clear = matches!(opener, Opener::Clear(_));
        let Arriving { ciphertext, pending, .. } = file;
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
            meter.timed(Stage::Store, || {
                if let Some(kept) = ciphertext {
                    kept.write(body)?;
                }
                pending.write(plain)
            })?;
            meter.add_file(plain.len() as u64);
            Ok(())
        };
        let result = if m1 <= CHUNK as u64 {
            slots.resize_with(slots.len().max(1), Slot::default);
            let slot = &mut slots[0];
            loop {
                let filled = read(slot).and_then(|filled| open(slot).map(|()| filled));
                match filled.and_then(|filled| store(slot).map(|()| filled)) {
                    Ok(Filled::More) => {}
                    Ok(Filled::Last) => break Ok(()),
                    Err(error) => break Err(error),
                }
            }
        } else {
            slots.resize_with(SLOTS, Slot::default);
            pipeline::run("receive", &mut slots, read, vec![open], store, || interrupter.interrupt())
        };
        self.slots = slots;
        result
    }

    /// Lets the kernel move the body into the store. `false`: it cannot, or somebody must see the bytes on their way,
    /// and nothing was taken.
    #[cfg(target_os = "linux")]
    fn spliced_body(&mut self, m1: u64, file: &mut Arriving) -> Result<bool, ReceiveError> {
        use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
        let possible = self.connection.splices() && file.pending.splices();
        if !possible || m1 <= CHUNK as u64 {
            return Ok(false);
        }
        let Ok((out, into)) = pipe_with(PipeFlags::CLOEXEC) else { return Ok(false) };
        // Beyond the user's share of pipes it stays at 64 KiB, which is slower and no less right.
        let _ = fcntl_setpipe_size(&into, SPLICE);
        let meter = Arc::clone(&file.meter);
        // What came with the message goes first.
        let here = self.connection.buffered();
        let here = &here[..usize::try_from(m1).map_or(here.len(), |m1| m1.min(here.len()))];
        let taken = here.len();
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
