//! One file's way into the connection: MODE 0, MODE 1 and the body.
//!
//! ```text
//!   up to CHUNK      read ─ seal ─ send                  here and now: a thread costs more than the work
//!   more             read ║ seal ║ send                  a pipeline: each stage has a thread
//!   Plain, AP, unhashed    sendfile                      the kernel alone, from a file
//! ```

use std::fs::File;
use std::io::{self, Read as _};
use std::mem;
use std::num::NonZero;
use std::os::fd::AsFd as _;
use std::thread;

use super::{CIPHERTEXT, Content, SentFile, Upload, UploadError, blocks};
use crate::clock;
use crate::crypto::fernet::TokenSealer;
use crate::crypto::rsa_blocks::BlockSealer;
use crate::crypto::server_key::ServerKey;
use crate::crypto::{Clear, Seal, SealError};
use crate::digest::{Digest, FileDigest};
use crate::event::{KeyForm, Padding, Terminator, Variant};
use crate::meter::{Meter, Stage};
use crate::net::connection::SPLICE;
use crate::net::framing::Layout;
use crate::net::wire::{Mode, WORD, word};
use crate::pipeline::{self, Filled};
use crate::store::{FileName, Incoming, Pending};

/// Bytes of the file in one step.
const CHUNK: usize = 256 << 10;
/// Blocks of a step of CP1: it takes the server some milliseconds, and the progress shows each.
const STEP_BLOCKS: usize = 128;
/// Bytes of the end of a file that the kernel sends by itself but for these.
const END: usize = 16 << 10;
/// Steps in flight: one in each stage, and one between the second and the third.
const SLOTS: usize = 4;

/// A step of a file on its way.
#[derive(Default)]
pub(super) struct Slot {
    plain: Vec<u8>,
    /// The blocks without their framing, the token, or the file itself.
    sealed: Vec<u8>,
    /// With their framing, where there is one.
    frames: Vec<u8>,
    /// Bytes of the file in it.
    worth: u64,
    last: bool,
}

/// What a file passes through.
enum Sealer {
    /// One step after the other.
    InOrder(InOrder),
    /// CP1 of more than a step: whole blocks, each by any core. What they hold is counted and hashed before.
    Blocks { key: ServerKey, padding: Padding, passed: Clear },
}

enum InOrder {
    /// The body is the file.
    Clear(Clear),
    Sealed(Box<dyn Seal>),
}

impl Sealer {
    fn sealed(seal: impl Seal + 'static) -> Self {
        Self::InOrder(InOrder::Sealed(Box::new(seal)))
    }

    fn digest(&self) -> Option<Digest> {
        match self {
            Self::InOrder(InOrder::Clear(passed)) | Self::Blocks { passed, .. } => passed.digest(),
            Self::InOrder(InOrder::Sealed(seal)) => seal.digest(),
        }
    }
}

impl InOrder {
    fn step(&mut self, slot: &mut Slot) -> Result<(), SealError> {
        match self {
            Self::Clear(clear) => {
                // No more than was promised is read.
                clear.pass(&slot.plain);
                mem::swap(&mut slot.plain, &mut slot.sealed);
                Ok(())
            }
            Self::Sealed(seal) => {
                slot.sealed.clear();
                seal.seal(&slot.plain, &mut slot.sealed)?;
                if slot.last { seal.finish(&mut slot.sealed) } else { Ok(()) }
            }
        }
    }
}

/// What is known of a file before its first byte.
struct Plan {
    size: u64,
    layout: Layout,
    /// Bytes of an RSA block; 1 elsewhere.
    k: usize,
    chunk: usize,
}

impl Upload {
    pub(super) fn send_file(
        &mut self,
        name: &str,
        content: Content<'_>,
        size: u64,
        meter: &Meter,
    ) -> Result<SentFile, UploadError> {
        self.connection.set_patience(super::SEND_PATIENCE);
        self.files += 1;
        self.unconfirmed = self.unconfirmed.saturating_add(size);
        let (mut sealer, plan) = self.sealer(size)?;
        let wire = self.wire_len(name, size);
        meter.start(size, wire);
        self.unconfirmed_wire = self.unconfirmed_wire.saturating_add(wire);
        if let (Variant::Cp1, Some(server)) = (self.dialect.variant, &self.server) {
            self.unconfirmed_blocks =
                self.unconfirmed_blocks.saturating_add(blocks(server, self.dialect, size));
        }

        if let Some(tap) = &self.tap {
            let before = 4 * WORD as u64 + name.len() as u64;
            let file = self.dialect.variant.is_secret().then_some(size);
            tap.body(self.wire_len(name, size).saturating_sub(before), file);
        }

        let mut head = Mode::Filename.word().to_vec();
        head.extend(word(name.len() as u64));
        head.extend(name.as_bytes());
        head.extend(Mode::Data.word());
        head.extend(plan.layout.m1.map(word).into_iter().flatten());

        let kept = match &self.ciphertext {
            None => None,
            Some(store) => {
                let name = FileName::from_wire(name.as_bytes())?.with_prefix(CIPHERTEXT)?;
                Some(store.begin(&Incoming { name, size: None })?)
            }
        };
        if let (Some(file), Sealer::InOrder(InOrder::Clear(_)), FileDigest::None) =
            (content.file(), &sealer, self.digest)
            && self.splice(&head, (file, &content), size, meter)?
        {
            return Ok(SentFile { ordinal: self.files, digest: None });
        }
        let mut steps = Steps { upload: self, plan, kept, head, meter };
        steps.send(content, &mut sealer)?;
        Ok(SentFile { ordinal: self.files, digest: sealer.digest() })
    }

    /// Lets the kernel send the file from its position on, but for its end. `false`: it cannot, and nothing was sent.
    fn splice(
        &mut self,
        head: &[u8],
        (file, content): (&File, &Content<'_>),
        size: u64,
        meter: &Meter,
    ) -> Result<bool, UploadError> {
        if !self.connection.splices() {
            return Ok(false);
        }
        meter
            .timed(Stage::Wire, || self.connection.send_more(head, |n| meter.add_wire(n)))
            .map_err(|e| self.cut(0, size, Some(e)))?;
        let progress = |n| {
            meter.add_wire(n);
            meter.add_file(n);
        };
        // The end is read before the file is looked at again, and sent after that.
        let mut end = vec![0; usize::try_from(size).map_or(END, |size| size.min(END))];
        // In pieces, because a server that refuses says so meanwhile.
        let mut left = size - end.len() as u64;
        while left > 0 {
            self.notice()?;
            let piece = left.min(SPLICE as u64);
            let sent = meter.timed(Stage::Wire, || self.connection.send_from(file.as_fd(), piece, progress));
            sent.map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => {
                    UploadError::Shrunk { promised: size, got: meter.file_bytes() }
                }
                _ => self.cut(meter.file_bytes(), size, Some(e)),
            })?;
            left -= piece;
        }
        let mut rest = file;
        meter.timed(Stage::Wire, || rest.read_exact(&mut end)).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => UploadError::Shrunk { promised: size, got: meter.file_bytes() },
            _ => UploadError::Source(e),
        })?;
        content.check()?;
        let sent = meter.timed(Stage::Wire, || self.connection.send(&end, progress));
        sent.map(|()| true).map_err(|e| self.cut(meter.file_bytes(), size, Some(e)))
    }

    /// The sealer for a file of this size, and what follows from it.
    fn sealer(&self, size: u64) -> Result<(Sealer, Plan), UploadError> {
        let joined = |m1| Layout { m1: Some(m1), pairs: false, terminator: Terminator::None };
        match self.dialect.variant {
            Variant::Plain | Variant::Ap => {
                let plan = Plan { size, layout: joined(size), k: 1, chunk: CHUNK };
                Ok((Sealer::InOrder(InOrder::Clear(Clear::new(size, self.digest))), plan))
            }
            Variant::Cp1 => {
                let server = self.server.as_ref().ok_or(UploadError::NoAnswer(None))?;
                let k = server.modulus_bytes();
                let blocks = blocks(server, self.dialect, size);
                let layout =
                    Layout::of(self.dialect.framing, self.dialect.terminator(), size, blocks, k as u64);
                let padding = self.dialect.padding;
                let chunk = STEP_BLOCKS * ServerKey::block_max(k, padding);
                let hashed = FileDigest::Sha256;
                let sealer = match blocks {
                    0 => Sealer::InOrder(InOrder::Clear(Clear::new(0, hashed))),
                    _ if size > chunk as u64 => {
                        Sealer::Blocks { key: server.clone(), padding, passed: Clear::new(size, hashed) }
                    }
                    _ => Sealer::sealed(BlockSealer::new(server.clone(), padding, size, hashed)),
                };
                Ok((sealer, Plan { size, layout, k, chunk }))
            }
            Variant::Cp2 => {
                let session = self.session.as_ref().ok_or(UploadError::NoAnswer(None))?;
                let now = clock::unix_seconds().unsigned_abs();
                let sealer = match self.dialect.key_form {
                    KeyForm::Fernet => TokenSealer::new(session, size, now, self.digest),
                    KeyForm::Raw => TokenSealer::raw(session, size, self.digest),
                };
                let layout = joined(sealer.body_len());
                Ok((Sealer::sealed(sealer), Plan { size, layout, k: 1, chunk: CHUNK }))
            }
        }
    }
}

/// A file being sent in steps.
struct Steps<'a> {
    upload: &'a mut Upload,
    plan: Plan,
    /// Where its ciphertext goes besides.
    kept: Option<Box<dyn Pending>>,
    /// What goes before the body.
    head: Vec<u8>,
    meter: &'a Meter,
}

impl Steps<'_> {
    fn send(&mut self, mut content: Content<'_>, sealer: &mut Sealer) -> Result<(), UploadError> {
        let Plan { size, chunk, .. } = self.plan;
        let meter = self.meter;
        let mut left = size;
        let mut read = |slot: &mut Slot| {
            #[expect(clippy::cast_possible_truncation, reason = "at most a chunk")]
            let wanted = left.min(chunk as u64) as usize;
            slot.plain.resize(wanted, 0);
            meter.timed(Stage::Read, || content.read_exact(&mut slot.plain)).map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => UploadError::Shrunk { promised: size, got: size - left },
                _ => UploadError::Source(e),
            })?;
            left -= wanted as u64;
            if left == 0 {
                content.check()?;
            }
            (slot.worth, slot.last) = (wanted as u64, left == 0);
            Ok(if slot.last { Filled::Last } else { Filled::More })
        };
        let mut slots = mem::take(&mut self.upload.slots);
        // Reading a file ends by itself, so nothing needs to wake it.
        let stop = || ();
        let result = match sealer {
            Sealer::Blocks { key, padding, passed } => {
                let read = |slot: &mut Slot| {
                    let filled = read(slot)?;
                    // No more than `size` bytes are read.
                    meter.timed(Stage::Seal, || passed.pass(&slot.plain));
                    Ok(filled)
                };
                let seal = |slot: &mut Slot| {
                    let Slot { plain, sealed, .. } = slot;
                    sealed.clear();
                    Ok(meter.timed(Stage::Seal, || key.seal_blocks(*padding, plain, sealed))?)
                };
                let workers = thread::available_parallelism().map_or(1, NonZero::get);
                meter.set_workers(workers);
                slots.resize_with(SLOTS.max(3 * workers), Slot::default);
                let work = (0..workers).map(|_| &seal).collect();
                pipeline::run("upload", &mut slots, read, work, |slot| self.write(slot), stop)
            }
            Sealer::InOrder(sealer) => {
                let mut seal = |slot: &mut Slot| Ok(meter.timed(Stage::Seal, || sealer.step(slot))?);
                if size <= chunk as u64 {
                    slots.resize_with(slots.len().max(1), Slot::default);
                    let slot = &mut slots[0];
                    read(slot).and_then(|_| seal(slot)).and_then(|()| self.write(slot))
                } else {
                    slots.resize_with(slots.len().max(SLOTS), Slot::default);
                    pipeline::run("upload", &mut slots, read, vec![seal], |slot| self.write(slot), stop)
                }
            }
        };
        self.upload.slots = slots;
        result
    }

    /// Keeps and sends a step.
    fn write(&mut self, slot: &mut Slot) -> Result<(), UploadError> {
        let Plan { size, ref layout, k, .. } = self.plan;
        self.upload.notice()?;
        if let Some(kept) = &mut self.kept {
            self.meter.timed(Stage::Store, || kept.write(&slot.sealed))?;
        }
        // Before the last bytes go, so that a failure here is one of the whole upload.
        if let Some(kept) = self.kept.take_if(|_| slot.last) {
            kept.commit(None).wait()?;
        }
        if let Some(tap) = self.upload.tap.as_ref().filter(|_| self.upload.dialect.variant.is_secret()) {
            tap.file(&slot.plain);
        }
        let head = mem::take(&mut self.head);
        slot.frames.clear();
        let mut frames = &slot.sealed;
        if layout.pairs {
            slot.frames.extend_from_slice(&head);
            layout.frame(&slot.sealed, k, &mut slot.frames);
            if slot.last {
                slot.frames.extend_from_slice(layout.terminator.bytes());
            }
            frames = &slot.frames;
        } else if !head.is_empty() && slot.last {
            // A small file is one write.
            slot.frames.extend_from_slice(&head);
            slot.frames.extend_from_slice(&slot.sealed);
            frames = &slot.frames;
        } else if !head.is_empty() {
            let (meter, connection) = (self.meter, &mut self.upload.connection);
            meter
                .timed(Stage::Wire, || connection.send_more(&head, |n| meter.add_wire(n)))
                .map_err(|e| self.upload.cut(0, size, Some(e)))?;
        }
        // What the kernel took of the frames stands for as much of the file; it may take a second for a
        // step of CP1.
        let (mut taken, mut credited) = (0, 0);
        let meter = self.meter;
        let progress = |n| {
            taken += n;
            let worth = taken * slot.worth / frames.len() as u64;
            meter.add_wire(n);
            meter.add_file(worth - credited);
            credited = worth;
        };
        let connection = &mut self.upload.connection;
        // Of a small file more follows soon: the next, or the request for a receipt, or the end.
        let is_small = slot.last && slot.worth == size;
        let sent = meter.timed(Stage::Wire, || {
            if is_small { connection.send_more(frames, progress) } else { connection.send(frames, progress) }
        });
        sent.map_err(|e| self.upload.cut(self.meter.file_bytes(), size, Some(e)))
    }
}
