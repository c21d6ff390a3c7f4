//! CP1's bodies, and when a file of blocks is over (docs/protocol.md, section CP1).
//!
//! ```text
//!   body ─┬─ its end is certain ──────────────────────────────► published
//!         └─ one more block may follow ─┬─ the last was short ─► published ─┐
//!              ▲                        └─ MODE, end, silence ─► published ─┤
//!              └──── a block after all: a copy of what was published ◄──────┘  then "amended"
//! ```
//!
//! After the first amendment it is known that short blocks do not end the file. From then on it is published at a MODE,
//! the end, or silence; and the silence doubles each time, because each amendment copies the file.

use std::io;
use std::sync::Arc;

use super::arriving::Blocks;
use super::body::{Input, Slot, Units, on_this_thread};
use super::current::{Current, NO_KEY, OpenEnded};
use super::failed::{About as _, Failed};
use super::turns::WORKERS;
use super::{ReceiveError, Session};
use crate::crypto::Open as _;
use crate::crypto::identity::Identity;
use crate::crypto::rsa_blocks::open_blocks;
use crate::meter::Stage;
use crate::net::framing::{Body, Step};
use crate::net::network::Network;
use crate::net::wire::Continuation;
use crate::net::word::read_word;
use crate::pipeline;

/// Blocks of a step at most: some milliseconds of a core.
const STEP_BLOCKS: usize = 64;
/// Blocks of a step at least: whole groups of the engine, and well above the cost of passing it on.
const LEAST_BLOCKS: usize = 16;
/// The error for a body of empty blocks.
const EMPTY: &str = "fewer than one byte in 64 CP1 blocks; the client must send fuller blocks";
/// Bytes of blocks up to which one thread is enough, and after which a body asks for more.
const CHUNK: usize = 4 << 10;

/// Returns the error of a body that was stopped while it waited for its share.
fn stopped(offset: u64) -> ReceiveError {
    let source = io::Error::new(io::ErrorKind::ConnectionAborted, "stopped from this side");
    ReceiveError::Cut { offset, source: Some(source) }
}

impl Session<'_> {
    /// Receives a CP1 body, or one more block of one and the blocks that follow it at once.
    pub(super) fn blocks(&mut self, mut blocks: Blocks, mut body: Body) -> Result<(), Failed> {
        self.read_blocks(&mut blocks, &mut body).about(&blocks.file)?;
        self.decoder.set_continuation(body.continuation());
        let Continuation::Blocks { k } = body.continuation() else { return self.finish_blocks(blocks) };
        // "A block shorter than the maximum ends the file", unless it is known that it did not.
        let goes_on = blocks.file.amendments > 0 || read_word(self.connection.buffered()) == Some(k);
        if blocks.opener.last_block_was_short() && !goes_on {
            return self.finish_blocks(blocks);
        }
        self.current = Current::OpenEnded(OpenEnded::Blocks(blocks));
        Ok(())
    }

    fn read_blocks(&mut self, blocks: &mut Blocks, body: &mut Body) -> Result<(), Failed> {
        let identity = self.identity(NO_KEY)?;
        let k = identity.modulus_bytes();
        let network = Network::of_peer(&self.peer);
        let mut has_ended = false;
        loop {
            // Wrong blocks count as full ones, so the end depends on no padding that is not accepted.
            let plain = blocks.opener.counted();
            let mut here = self.connection.buffered();
            // The first blocks are taken one by one, below.
            if let Some(missing) = blocks.file.opening.missing(k) {
                here = &here[..here.len().min(missing)];
            } else {
                let pairs = body.certain_pairs(here, plain, blocks.opener.block_max());
                if pairs > 1 {
                    // Pairs that continue a body come between messages, where a group may wait.
                    self.publish_group()?;
                    self.many_blocks(&identity, blocks, pairs, Units { k, pairs: true })?;
                    body.skip_pairs(pairs);
                    continue;
                }
                if let Some(left) = body.joined().filter(|left| *left > CHUNK as u64) {
                    let torn = usize::try_from(left % k as u64).unwrap_or(0);
                    if torn == 0 {
                        self.many_blocks(&identity, blocks, left / k as u64, Units { k, pairs: false })?;
                        body.skip_joined();
                        continue;
                    }
                    here = &here[..here.len().min(torn)];
                }
            }
            match body.next(here, plain)? {
                Step::More => self.read_on(&blocks.file.meter)?,
                Step::Skip(bytes) => self.take_of(&blocks.file.meter, bytes),
                Step::Blocks { skip, length } => {
                    let sealed = &self.connection.buffered()[skip..skip + length];
                    let Blocks { file, opener } = &mut *blocks;
                    file.keep(sealed)?;
                    let kept = file.kept;
                    let is_first = file.opening.take(sealed, k);
                    let is_stopped = || self.connection.is_interrupted();
                    let share = self.queue.bodies.take(network, 1, is_stopped);
                    share.as_ref().ok_or_else(|| stopped(self.decoder.offset()))?;
                    file.meter.timed(Stage::Open, || opener.open(sealed, &mut file.plain))?;
                    drop(share);
                    if is_first {
                        file.opening.end_block(opener.last_block_was_empty());
                    }
                    self.charge(opener.take_miss());
                    file.store()?;
                    self.take_of(&blocks.file.meter, skip + length);
                    self.check_size(blocks.opener.counted().max(kept))?;
                    if blocks.opener.is_mostly_empty() {
                        return Err(self.order(EMPTY).into());
                    }
                }
                Step::End if has_ended => return Ok(()),
                // More may follow it at once.
                Step::End => has_ended = true,
            }
        }
    }

    /// Receives `count` whole blocks, or pairs: each core opens some, and the store takes them in order.
    fn many_blocks(
        &mut self,
        identity: &Identity,
        blocks: &mut Blocks,
        count: u64,
        units: Units,
    ) -> Result<(), ReceiveError> {
        let Blocks { file, opener } = blocks;
        let meter = Arc::clone(&file.meter);
        let limit = self.service.policy.max_file;
        let paddings = opener.paddings();
        let at_first = self.decoder.offset();
        let mut at = at_first;
        let (queue, network) = (Arc::clone(&self.queue), Network::of_peer(&self.peer));
        let whole = self.connection.interrupter();
        let mut slots = std::mem::take(&mut self.slots);
        let workers = *WORKERS;
        // Small steps at the end of what is here, so that no core waits long for another.
        let step = usize::try_from(count).unwrap_or(usize::MAX) / (8 * workers);
        let step = step.clamp(LEAST_BLOCKS, STEP_BLOCKS).next_multiple_of(LEAST_BLOCKS);
        let left = count.saturating_mul(units.bytes() as u64);
        let mut input = Input::new(&mut self.connection, &mut self.decoder, &meter, units, left);
        let interrupter = input.interrupter();
        let mut read = |slot: &mut Slot| input.read(slot, step * units.bytes());
        let is_stopped = || interrupter.is_raised() || whole.is_raised();
        let open = |slot: &mut Slot| {
            slot.strip(&units);
            let blocks = (slot.body().len() / units.k) as u64;
            let _share = queue.bodies.take(network, blocks, is_stopped).ok_or_else(|| stopped(at_first))?;
            meter.timed(Stage::Open, || slot.opened = open_blocks(identity, paddings, slot.body()));
            Ok(())
        };
        let mut store = |slot: &mut Slot| {
            file.keep(slot.body())?;
            at += (slot.opened.len() * units.bytes()) as u64;
            meter.timed(Stage::Open, || {
                slot.opened.drain(..).for_each(|block| opener.absorb(block, &mut file.plain));
            });
            file.store()?;
            if opener.is_mostly_empty() {
                return Err(ReceiveError::Order { offset: at, what: EMPTY });
            }
            let size = opener.counted().max(file.kept);
            if size > limit { Err(ReceiveError::TooLarge { offset: at, size, limit }) } else { Ok(()) }
        };
        slots.resize_with(slots.len().max(1), Slot::default);
        let result = match on_this_thread(&mut slots[0], CHUNK, &mut read, open, &mut store) {
            Ok(Some(_turn)) => {
                meter.set_workers(workers);
                slots.resize_with(slots.len().max(3 * workers), Slot::default);
                let work = (0..workers).map(|_| &open).collect();
                pipeline::run("blocks", &mut slots, read, work, store, || interrupter.interrupt())
            }
            ended => ended.map(drop),
        };
        slots.truncate(1);
        self.slots = slots;
        drop(input);
        self.charge(blocks.opener.take_miss());
        result
    }

    /// Publishes a CP1 file that is over.
    pub(super) fn finish_blocks(&mut self, blocks: Blocks) -> Result<(), Failed> {
        let Blocks { mut file, mut opener } = blocks;
        opener.finish(&mut file.plain).about(&file)?;
        file.digest = opener.digest();
        file.store().about(&file)?;
        let opening: Vec<_> = file.opening.seen().collect();
        self.claim(&mut file, opening).about(&file)?;
        self.publish(file, Some(opener))
    }
}
