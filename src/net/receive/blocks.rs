//! CP1's bodies, and when a file of blocks is over (PROTOCOL.md, "Finality").
//!
//! ```text
//!   body ─┬─ its end is certain ──────────────────────────────► published
//!         └─ one more block may follow ─┬─ the last was short ─► published ─┐
//!              ▲                        └─ MODE, end, silence ─► published ─┤
//!              └──── a block after all: a copy of what was published ◄──────┘  then "amended"
//! ```
//!
//! A file that was amended once has shown that its short blocks end nothing, so from then on it waits
//! for a MODE, the end, or silence; and for twice as long a silence each time, because each costs a
//! copy of the file.

use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::thread;

use super::arriving::{Arriving, AtRest, MayBeSealed};
use super::body::{Input, Slot, Units, here_and_now};
use super::detect::Speaks;
use super::history::Opening;
use super::{ReceiveError, Session};
use crate::crypto::rsa_blocks::{BlockOpener, open_blocks};
use crate::crypto::{Open as _, OpenError};
use crate::event::{Kept, Variant};
use crate::meter::Stage;
use crate::net::framing::{Body, Step};
use crate::net::wire::{Continuation, read_word};
use crate::pipeline;
use crate::store::{Discard, Pending};

/// Blocks of a step at the most: some milliseconds of a core.
const STEP_BLOCKS: usize = 64;
/// And of a short step: whole groups of the engine, and well above what passing it on costs.
const LEAST_BLOCKS: usize = 16;
/// Times that a published file is amended at the most: each may copy all of it.
const MOST_AMENDMENTS: u32 = 8;
/// Reason for the operator; the client's author can do something about it.
const TOO_OFTEN: &str =
    "one more CP1 block of a file that was amended 8 times; the client has to send it in longer pieces";
/// Bytes of blocks that are worth a pipeline.
const CHUNK: u64 = 4 << 10;

/// A thread for each core.
static WORKERS: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// A CP1 file and its opener.
pub(super) struct Blocks {
    pub(super) file: Arriving,
    pub(super) opener: BlockOpener,
}

/// A whole file whose next word decides.
pub(super) enum OpenEnded {
    /// One more block of it may follow, by its framing.
    Blocks(Blocks),
    /// An AP file of k or of no bytes. If a block follows it was CP1: one block that does not decrypt
    /// (framing D or E), or an empty file (framing C).
    Clear(Arriving),
}

impl OpenEnded {
    /// How often it was published before.
    pub(super) const fn amendments(&self) -> u32 {
        match self {
            Self::Blocks(Blocks { file, .. }) | Self::Clear(file) => file.amendments,
        }
    }
}

impl Session<'_> {
    /// A CP1 body, or one more block of one and those that follow it at once.
    pub(super) fn blocks(&mut self, mut blocks: Blocks, mut body: Body) -> Result<(), ReceiveError> {
        let k = self.service.identity.as_ref().map_or(0, |identity| identity.modulus_bytes());
        let mut has_ended = false;
        loop {
            // Wrong blocks count as full ones, so the end depends on no padding that is not accepted.
            let plain = blocks.opener.counted();
            let mut here = self.connection.buffered();
            // The first blocks are looked at one by one, below.
            if let Some(missing) = blocks.file.opening.missing(k) {
                here = &here[..here.len().min(missing)];
            } else {
                let pairs = body.certain_pairs(here, plain, blocks.opener.block_max());
                if pairs > 1 {
                    // Those that continue a body come between messages.
                    self.publish_group()?;
                    self.many_blocks(&mut blocks, pairs, Units { k, pairs: true })?;
                    body.skip_pairs(pairs);
                    continue;
                }
                if let Some(left) = body.joined().filter(|left| *left > CHUNK) {
                    let torn = usize::try_from(left % k as u64).unwrap_or(0);
                    if torn == 0 {
                        self.many_blocks(&mut blocks, left / k as u64, Units { k, pairs: false })?;
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
                    let Blocks { file, opener } = &mut blocks;
                    file.keep(sealed)?;
                    let is_first = file.opening.take(sealed, k);
                    file.meter.timed(Stage::Open, || opener.open(sealed, &mut file.plain))?;
                    if is_first {
                        file.opening.end_block(opener.last_block_was_empty());
                    }
                    self.charge(opener.take_miss());
                    file.store()?;
                    self.take_of(&blocks.file.meter, skip + length);
                    self.check_size(blocks.opener.counted())?;
                }
                Step::End if has_ended => break,
                // More may follow it at once.
                Step::End => has_ended = true,
            }
        }
        self.decoder.set_continuation(body.continuation());
        let Continuation::Blocks { k } = body.continuation() else { return self.finish_blocks(blocks) };
        // "A block shorter than the maximum ends the file", unless we can see that it did not.
        let goes_on = blocks.file.amendments > 0 || read_word(self.connection.buffered()) == Some(k);
        if blocks.opener.last_block_was_short() && !goes_on {
            return self.finish_blocks(blocks);
        }
        self.open_ended = Some(OpenEnded::Blocks(blocks));
        Ok(())
    }

    /// So many whole blocks, or pairs: each core opens some, and the store takes them in order.
    fn many_blocks(&mut self, blocks: &mut Blocks, count: u64, units: Units) -> Result<(), ReceiveError> {
        let Some(identity) = &self.service.identity else { return Err(OpenError::Rejected.into()) };
        let Blocks { file, opener } = blocks;
        let meter = Arc::clone(&file.meter);
        let limit = self.service.policy.max_file;
        let paddings = opener.paddings();
        let mut at = self.decoder.offset();
        let mut slots = std::mem::take(&mut self.slots);
        let workers = *WORKERS;
        meter.set_workers(workers);
        // Small steps at the end of what is here, so that no core waits long for another.
        let step = usize::try_from(count).unwrap_or(usize::MAX) / (8 * workers);
        let step = step.clamp(LEAST_BLOCKS, STEP_BLOCKS).next_multiple_of(LEAST_BLOCKS);
        let left = count.saturating_mul(units.bytes() as u64);
        let mut input = Input::new(&mut self.connection, &mut self.decoder, &meter, units, left);
        let interrupter = input.interrupter();
        let read = |slot: &mut Slot| input.read(slot, step * units.bytes());
        let open = |slot: &mut Slot| {
            slot.strip(&units);
            meter.timed(Stage::Open, || slot.opened = open_blocks(identity, paddings, slot.body()));
            Ok(())
        };
        let store = |slot: &mut Slot| {
            file.keep(slot.body())?;
            at += (slot.opened.len() * units.bytes()) as u64;
            meter.timed(Stage::Open, || {
                slot.opened.drain(..).for_each(|block| opener.absorb(block, &mut file.plain));
            });
            file.store()?;
            let size = opener.counted();
            if size > limit { Err(ReceiveError::TooLarge { offset: at, size, limit }) } else { Ok(()) }
        };
        let result = if count.saturating_mul(units.k as u64) <= CHUNK {
            slots.resize_with(slots.len().max(1), Slot::default);
            here_and_now(&mut slots[0], read, open, store)
        } else {
            slots.resize_with(slots.len().max(3 * workers), Slot::default);
            let work = (0..workers).map(|_| &open).collect();
            pipeline::run("blocks", &mut slots, read, work, store, || interrupter.interrupt())
        };
        self.slots = slots;
        drop(input);
        self.charge(blocks.opener.take_miss());
        result
    }

    /// A block in the place of a MODE.
    pub(super) fn one_more_block(&mut self) -> Result<(), ReceiveError> {
        let blocks = match (self.open_ended.take(), self.service.identity.clone()) {
            (Some(OpenEnded::Blocks(blocks)), _) => blocks,
            (Some(OpenEnded::Clear(file)), Some(identity)) if file.meter.file_bytes() == 0 => {
                self.speaks = Speaks::Blocks;
                let opener = self.block_opener(identity)?;
                Blocks { file: Arriving { variant: Variant::Cp1, ..file }, opener }
            }
            (Some(OpenEnded::Clear(_)), _) => return Err(OpenError::Rejected.into()),
            (None, _) => self.amend()?,
        };
        let k = self.service.identity.as_ref().map_or(0, |identity| identity.modulus_bytes());
        self.connection.set_patience(super::BODY_PATIENCE);
        self.blocks(blocks, Body::one_more_block(k as u64))
    }

    /// A block of a file that was published: takes up a copy of that.
    fn amend(&mut self) -> Result<Blocks, ReceiveError> {
        let Some(AtRest { track, came_as, published, ciphertext, meter, begun, opener, amendments }) =
            self.at_rest.take()
        else {
            return Err(self.order("one more CP1 block, and no CP1 file that it could belong to"));
        };
        self.amending = Some(published.stored.name.clone());
        if amendments >= MOST_AMENDMENTS {
            return Err(self.order(TOO_OFTEN));
        }
        let opener = match (opener, self.service.identity.clone()) {
            (Some(opener), _) => opener,
            // A body of no bytes looked like AP's.
            (None, Some(identity)) if published.size == 0 => {
                self.speaks = Speaks::Blocks;
                self.block_opener(identity)?
            }
            (None, _) => return Err(OpenError::Rejected.into()),
        };
        let replaces = (published.stored.kept != Kept::Same).then(|| published.stored.name.clone());
        let pending: Box<dyn Pending> = if published.stored.kept == Kept::Discarded {
            Box::new(Discard::new(published.want.clone()))
        } else {
            self.service.store.amend(&published)?
        };
        let file = Arriving {
            track,
            variant: Variant::Cp1,
            want: published.want,
            came_as,
            pending,
            ciphertext,
            digest: None,
            meter,
            begun,
            plain: Vec::new(),
            opening: Opening::default(),
            claimed: Vec::new(),
            replaces,
            may_be_sealed: MayBeSealed::No,
            amendments: amendments + 1,
        };
        self.watch(&file);
        Ok(Blocks { file, opener })
    }

    pub(super) fn finish_blocks(&mut self, mut blocks: Blocks) -> Result<(), ReceiveError> {
        let Blocks { file, opener } = &mut blocks;
        opener.finish(&mut file.plain)?;
        file.digest = opener.digest();
        file.store()?;
        let opening: Vec<_> = blocks.file.opening.seen().collect();
        self.claim(&mut blocks.file, opening)?;
        self.publish(blocks.file, Some(blocks.opener))
    }

    /// Publishes a file that is over as far as we know.
    pub(super) fn settle(&mut self) -> Result<(), ReceiveError> {
        match self.open_ended.take() {
            Some(OpenEnded::Blocks(blocks)) => self.finish_blocks(blocks),
            Some(OpenEnded::Clear(file)) => self.publish(file, None),
            None => Ok(()),
        }
    }
}
