//! One file: MODE 0, MODE 1 and the body.
//!
//! ```text
//!   up to CHUNK      read ─ seal ─ send                  on this thread: another one costs more than the work
//!   more             read ║ seal ║ send                  a pipeline: each stage has a thread
//!   Plain, AP, unhashed    sendfile                      the kernel alone, from a file
//! ```

use std::fs::File;
use std::io::{self, Read as _};
use std::mem;
use std::num::NonZero;
use std::os::fd::AsFd as _;
use std::thread;

use super::{CIPHERTEXT, Content, Security, SentFile, Server, Upload, UploadError};
use crate::crypto::fernet::TokenSealer;
use crate::crypto::rsa_blocks::BlockSealer;
use crate::crypto::server_key::ServerKey;
use crate::crypto::{Clear, Seal, SealError};
use crate::digest::{Digest, FileDigest};
use crate::event::{KeyForm, Padding, Terminator};
use crate::meter::{Meter, Stage};
use crate::net::connection::SPLICE;
use crate::net::description;
use crate::net::framing::Layout;
use crate::net::word::{Mode, WORD, word};
use crate::pipeline::{self, Filled};
use crate::store::{FileName, Incoming, Pending};
use crate::{clock, cost};

/// Bytes of the file in one step.
const CHUNK: usize = 256 << 10;
/// Blocks of a step of CP1. The server needs some milliseconds for a step, and the progress shows each.
const STEP_BLOCKS: usize = 128;
/// Bytes at the end of a file that the kernel does not send, so that a change of the file is noticed before them.
const END: usize = 16 << 10;
/// Steps in flight: one in each stage, and one between the last two.
const SLOTS: usize = 4;

/// A step of a file in the pipeline.
#[derive(Default)]
pub(super) struct Slot {
    plain: Vec<u8>,
    /// Blocks without their framing, a part of the token, or of the file itself.
    sealed: Vec<u8>,
    /// Blocks with their framing, where there is one.
    frames: Vec<u8>,
    /// Bytes of the file in this step.
    worth: u64,
    last: bool,
}

/// Encryption of a file.
enum Sealer {
    /// One step after the other, in order.
    InOrder(InOrder),
    /// CP1 of more than one step: whole blocks, each by any core. The plaintext is counted and hashed before.
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
                // At most the announced bytes are read, so this cannot fail.
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

/// Size and form of a body, known before its first byte.
struct Plan {
    size: u64,
    layout: Layout,
    /// Bytes of an RSA block; 1 for other variants.
    k: usize,
    /// Bytes of the file in one step.
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
        self.link.connection.set_patience(super::SEND_PATIENCE);
        self.files += 1;
        let (mut sealer, plan) = self.sealer(size);
        let wire = self.wire_len(name, size);
        meter.start(size, wire);
        self.unconfirmed.add(size, wire, cost::blocks(self.dialect, size, self.modulus_bytes()));

        if let Some(tap) = &self.tap {
            // The tap counts what follows the word behind MODE 1.
            let body = cost::data_len(self.dialect, size, self.modulus_bytes()).saturating_sub(WORD as u64);
            tap.body(body, self.dialect.variant.is_secret().then_some(size));
        }

        let mut head = Mode::Filename.word().to_vec();
        head.extend(word(name.len() as u64));
        head.extend(name.as_bytes());
        head.extend(Mode::Data.word());
        head.extend(plan.layout.m1.map(word).into_iter().flatten());

        let kept = match &self.ciphertext {
            None => None,
            Some(store) => {
                let name = description::name_of(name);
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

    /// Lets the kernel send the file from its position on, except its end. `false`: that is not possible, and nothing was
    /// sent.
    fn splice(
        &mut self,
        head: &[u8],
        (file, content): (&File, &Content<'_>),
        size: u64,
        meter: &Meter,
    ) -> Result<bool, UploadError> {
        if !self.link.connection.splices() {
            return Ok(false);
        }
        meter
            .timed(Stage::Wire, || self.link.connection.send_more(head, |n| meter.add_wire(n)))
            .map_err(|e| self.link.cut(0, size, Some(e)))?;
        let progress = |n| {
            meter.add_wire(n);
            meter.add_file(n);
        };
        // The end is read, then the file is checked for changes, then the end is sent.
        let mut end = vec![0; usize::try_from(size).map_or(END, |size| size.min(END))];
        // In pieces, because the server may refuse in the meantime.
        let mut left = size - end.len() as u64;
        while left > 0 {
            self.link.notice()?;
            let piece = left.min(SPLICE as u64);
            let sent =
                meter.timed(Stage::Wire, || self.link.connection.send_from(file.as_fd(), piece, progress));
            sent.map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => {
                    UploadError::Shrunk { promised: size, got: meter.file_bytes() }
                }
                _ => self.link.cut(meter.file_bytes(), size, Some(e)),
            })?;
            left -= piece;
        }
        let mut rest = file;
        meter.timed(Stage::Wire, || rest.read_exact(&mut end)).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => UploadError::Shrunk { promised: size, got: meter.file_bytes() },
            _ => UploadError::Source(e),
        })?;
        content.check()?;
        let sent = meter.timed(Stage::Wire, || self.link.connection.send(&end, progress));
        sent.map(|()| true).map_err(|e| self.link.cut(meter.file_bytes(), size, Some(e)))
    }

    /// Returns the sealer for a file of this size, and the layout of its body.
    fn sealer(&self, size: u64) -> (Sealer, Plan) {
        let joined = |m1| Layout { m1: Some(m1), pairs: false, terminator: Terminator::None };
        match &self.security {
            Security::Plain | Security::Ap(_) => {
                let plan = Plan { size, layout: joined(size), k: 1, chunk: CHUNK };
                (Sealer::InOrder(InOrder::Clear(Clear::new(size, self.digest))), plan)
            }
            Security::Cp1(Server { key: server, .. }) => {
                let k = server.modulus_bytes();
                let blocks = cost::blocks(self.dialect, size, k as u64);
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
                (sealer, Plan { size, layout, k, chunk })
            }
            Security::Cp2(_, session) => {
                let now = clock::unix_seconds().unsigned_abs();
                let sealer = match self.dialect.key_form {
                    KeyForm::Fernet => TokenSealer::new(session, size, now, self.digest),
                    KeyForm::Raw => TokenSealer::raw(session, size, self.digest),
                };
                let layout = joined(sealer.body_len());
                (Sealer::sealed(sealer), Plan { size, layout, k: 1, chunk: CHUNK })
            }
        }
    }
}

/// A file that is sent in steps.
struct Steps<'a> {
    upload: &'a mut Upload,
    plan: Plan,
    /// Where its ciphertext is kept.
    kept: Option<Box<dyn Pending>>,
    /// Bytes before the body, until they are sent.
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
        // Reading a file never blocks for long, so it needs no interruption.
        let stop = || ();
        let result = match sealer {
            Sealer::Blocks { key, padding, passed } => {
                let read = |slot: &mut Slot| {
                    let filled = read(slot)?;
                    // At most `size` bytes are read, so this cannot fail.
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
        self.upload.link.notice()?;
        if let Some(kept) = &mut self.kept {
            self.meter.timed(Stage::Store, || kept.write(&slot.sealed))?;
        }
        // Before the last bytes are sent, so that a failure here fails the upload.
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
            let (meter, connection) = (self.meter, &mut self.upload.link.connection);
            meter
                .timed(Stage::Wire, || connection.send_more(&head, |n| meter.add_wire(n)))
                .map_err(|e| self.upload.link.cut(0, size, Some(e)))?;
        }
        // The share of the frames that the kernel took counts as that share of the file: a step of CP1 may take a
        // second.
        let (mut taken, mut credited) = (0, 0);
        let meter = self.meter;
        let progress = |n| {
            taken += n;
            let worth = taken * slot.worth / frames.len() as u64;
            meter.add_wire(n);
            meter.add_file(worth - credited);
            credited = worth;
        };
        let connection = &mut self.upload.link.connection;
        // After a small file more follows soon: the next file, a receipt request, or the end.
        let is_small = slot.last && slot.worth == size;
        let sent = meter.timed(Stage::Wire, || {
            if is_small { connection.send_more(frames, progress) } else { connection.send(frames, progress) }
        });
        sent.map_err(|e| self.upload.link.cut(self.meter.file_bytes(), size, Some(e)))
    }
}
