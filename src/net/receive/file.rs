//! MODE 1: from its length to a file that is over, open-ended or refused.

use std::sync::Arc;
use std::time::Instant;

use super::arriving::{Arriving, Blocks, MayBeSealed, Watch};
use super::current::{Current, OpenEnded};
use super::failed::{About as _, Failed, FailedFile};
use super::opening::Opening;
use super::publishing::SMALL;
use super::{ReceiveError, Session, room};
use crate::crypto::OpenError;
use crate::crypto::fernet::{TokenOpener, token_len};
use crate::event::{Event, Track, Variant};
use crate::history::Seen;
use crate::meter::Meter;
use crate::net::disk::{NoRoom, Room};
use crate::net::framing::Body;
use crate::net::network::Network;
use crate::store::{Discard, FileName, Incoming, Pending};

/// What the name of a ciphertext begins with, as the assignment specifies.
const CIPHERTEXT: &str = "enc_recv_";

/// What is known of a file's size before its body.
struct Size {
    /// Bytes of the file, if M1 says so.
    file: Option<u64>,
    /// Bytes that it needs on the disk at least.
    room: u64,
    /// Bytes of the body, as far as M1 says; otherwise 0.
    body: u64,
}

impl Session<'_> {
    /// Receives a file whose body has, or begins with, `m1`.
    pub(super) fn data(&mut self, m1: u64) -> Result<(), Failed> {
        let Some(announced) = &mut self.name else {
            return Err(self.order("MODE 1 before any MODE 0: a file without a name").into());
        };
        let name = announced.name.clone();
        self.act();
        self.begin_body();
        if m1 > SMALL {
            self.publish_group()?;
        }
        self.ordinal += 1;
        let ordinal = self.ordinal;
        let refused = |why: ReceiveError| Failed::of(FailedFile::refused(ordinal, Some(name.clone())), why);
        let (variant, may_be_sealed) = self.variant(m1).map_err(refused)?;
        if !self.service.policy.variants.contains(&variant) {
            return Err(refused(ReceiveError::Variant { offset: self.offset(), variant }));
        }
        match variant {
            Variant::Plain | Variant::Ap => {
                let file = self.begin_clear(m1, &name, variant, may_be_sealed).map_err(refused)?;
                self.clear_file(m1, file)
            }
            Variant::Cp1 => {
                let (blocks, body) = self.begin_blocks(m1, &name).map_err(refused)?;
                self.blocks(blocks, body)
            }
            Variant::Cp2 => {
                let (opener, file) = self.begin_token(m1, &name).map_err(refused)?;
                self.token_file(m1, opener, file)
            }
        }
    }

    fn begin_clear(
        &mut self,
        m1: u64,
        name: &FileName,
        variant: Variant,
        may_be_sealed: MayBeSealed,
    ) -> Result<Arriving, ReceiveError> {
        self.check_size(m1)?;
        let mut file = self.begin(name, variant, &Size { file: Some(m1), room: m1, body: m1 })?;
        file.may_be_sealed = may_be_sealed;
        Ok(file)
    }

    fn clear_file(&mut self, m1: u64, mut file: Arriving) -> Result<(), Failed> {
        self.clear_body(m1, &mut file).about(&file)?;
        if let Some(continuation) = self.doubt(file.variant, m1) {
            self.decoder.set_continuation(continuation);
            self.current = Current::OpenEnded(OpenEnded::Clear(file));
            return Ok(());
        }
        self.publish_later(file)
    }

    fn begin_token(&mut self, m1: u64, name: &FileName) -> Result<(TokenOpener, Arriving), ReceiveError> {
        let Some(agreed) = &self.agreed else { return Err(self.order("a token before any session key")) };
        if m1 > token_len(self.service.policy.max_file).unwrap_or(u64::MAX) {
            return Err(self.too_large(m1 / 4 * 3));
        }
        let opener = TokenOpener::new(&agreed.key, m1, self.service.policy.digest)?;
        let file = self.begin(name, Variant::Cp2, &Size { file: None, room: room::token(m1), body: m1 })?;
        Ok((opener, file))
    }

    fn token_file(&mut self, m1: u64, mut opener: TokenOpener, mut file: Arriving) -> Result<(), Failed> {
        let result = self.sealed_body(m1, &mut opener, &mut file);
        let unwrapped = self.agreed.as_ref().map_or(Ok(()), |agreed| agreed.unwrapped);
        result
            .map_err(|error| match (error, unwrapped) {
                (ReceiveError::Open(OpenError::Rejected), Err(why)) => OpenError::from(why).into(),
                (error, _) => error,
            })
            .about(&file)?;
        // The token's length leaves up to 16 bytes of the file's size open.
        self.check_size(file.meter.file_bytes()).about(&file)?;
        // Only now: a key that opens nothing need not be remembered.
        let wrapped = self.agreed.as_ref().map(|agreed| agreed.wrapped.clone()).unwrap_or_default();
        let keys = wrapped.into_iter().map(|wrapped| (Seen::SessionKey, wrapped));
        self.claim(&mut file, keys).about(&file)?;
        self.publish_later(file)
    }

    fn begin_blocks(&mut self, m1: u64, name: &FileName) -> Result<(Blocks, Body), ReceiveError> {
        let identity = self.identity("CP1, but this server has no key")?;
        let k = identity.modulus_bytes() as u64;
        // A block may hold a single byte.
        if m1 != u64::MAX && m1 > self.service.policy.max_file.saturating_mul(k) {
            return Err(self.too_large(m1 / k));
        }
        let opener = self.block_opener(identity)?;
        self.connection.buffer_little();
        let framing = self.client.hello.and_then(|offer| offer.framing);
        let room = room::blocks(m1, k, framing, self.client.hello.and_then(|offer| offer.padding));
        let body = if m1 == u64::MAX { 0 } else { m1 };
        let file = self.begin(name, Variant::Cp1, &Size { file: None, room, body })?;
        Ok((Blocks { file, opener }, Body::new(m1, k, framing)))
    }

    pub(super) fn check_size(&self, size: u64) -> Result<(), ReceiveError> {
        if size > self.service.policy.max_file { Err(self.too_large(size)) } else { Ok(()) }
    }

    const fn too_large(&self, size: u64) -> ReceiveError {
        ReceiveError::TooLarge { offset: self.offset(), size, limit: self.service.policy.max_file }
    }

    fn begin(&mut self, name: &FileName, variant: Variant, size: &Size) -> Result<Arriving, ReceiveError> {
        let track = Track::Receiving(self.id, self.ordinal);
        // A lane of a race has no folder.
        let is_race = name.folder().is_none() && is_race(name.as_str());
        let want = match self.service.policy.prefix.as_str() {
            "" => name.clone(),
            prefix => name.with_prefix(prefix)?,
        };
        want.check(self.service.policy.portability)?;
        // CP1 and CP2 have their body on the disk too, if it is kept.
        let is_kept = self.service.ciphertext.is_some() && matches!(variant, Variant::Cp1 | Variant::Cp2);
        if is_kept && !is_race {
            self.check_size(size.body)?;
        }
        if let Some(history) = &self.service.history {
            // Without it neither rows nor replays could be told.
            history.history().check("write to")?;
        }
        let announced = size.room.saturating_add(if is_kept { size.body } else { 0 });
        let room = if is_race { None } else { Some(self.room(announced)?) };
        let mut pending: Box<dyn Pending> = if is_race {
            Box::new(Discard::new(name.clone()))
        } else {
            self.service.store.begin(&Incoming { name: want.clone(), size: Some(size.room) })?
        };
        pending.describe(self.meta());
        let ciphertext = match &self.service.ciphertext {
            Some(store) if !is_race && matches!(variant, Variant::Cp1 | Variant::Cp2) => {
                Some(store.begin(&Incoming { name: name.with_prefix(CIPHERTEXT)?, size: None })?)
            }
            _ => None,
        };
        let meter = Arc::new(Meter::default());
        meter.start(size.file.unwrap_or(0), size.body);
        let mut file = Arriving {
            track,
            watch: None,
            variant,
            want,
            came_as: name.clone(),
            pending,
            room,
            kept: 0,
            ciphertext,
            digest: None,
            meter,
            begun: Instant::now(),
            plain: Vec::new(),
            opening: Opening::default(),
            claimed: Vec::new(),
            amends: None,
            replaces: None,
            may_be_sealed: MayBeSealed::No,
            amendments: 0,
        };
        if let Some(announced) = &mut self.name {
            announced.is_used = true;
        }
        self.watch(&mut file);
        Ok(file)
    }

    /// Finds room on the disk for a file that announces this many bytes.
    pub(super) fn room(&self, announced: u64) -> Result<Box<Room>, NoRoom> {
        let network = Network::of_peer(&self.peer);
        self.disk.room(&self.service.policy.disk, network, announced, Instant::now()).map(Box::new)
    }

    /// Reports that a file is being received, or that more of it is.
    pub(super) fn watch(&self, file: &mut Arriving) {
        self.service.observer.event(Event::Receiving {
            track: file.track,
            peer: self.peer.clone(),
            name: file.want.escaped(),
            variant: file.variant,
        });
        file.watch = Some(Watch::begin(&self.service.observer, file.track, &file.meter));
    }
}

/// Returns whether a file is a lane of a race (`race-cp1-NAME`), which is measured and not kept.
#[must_use]
pub(crate) fn is_race(name: &str) -> bool {
    ["race-plain-", "race-ap-", "race-cp1-", "race-cp2-"].iter().any(|prefix| name.starts_with(prefix))
}
