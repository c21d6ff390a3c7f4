//! What clients may take of the server's disk: how much stays free, how much is stored in all, and the quota of an address.
//!
//! A file that announces its size reserves it while it is on its way, so two files that fit one by one and not together are
//! not both accepted. The reservations of one address are at most half of what is free: a client that announces a large file
//! and sends it slowly cannot keep all others out.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::network::Network;
use crate::messages::units;

/// Bytes that a file writes beyond its announcement before the disk is looked at again.
const STRIDE: u64 = 1 << 20;
/// Period of a quota.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Addresses with a quota of their own; all others share one.
const ADDRESSES: usize = 4096;
/// Age from which the sum of the store's files is computed again before a file is refused for it.
const STALE: Duration = Duration::from_secs(60);

/// Bytes that stay free by default, where that is less than a twentieth of the disk: enough for a system to go on.
pub(crate) const MIN_FREE: u64 = 1 << 30;

/// Limits of the disk. The default has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskLimits {
    /// Folder of the store; `None`: the store is not a folder, and only quotas count.
    pub folder: Option<PathBuf>,
    /// Bytes that stay free on its disk.
    pub min_free: u64,
    /// Bytes of all files in the folder; `None`: any.
    pub max_total: Option<u64>,
    /// Files of an address in a day; `None`: any.
    pub files: Option<u64>,
    /// Bytes of an address in a day; `None`: any.
    pub bytes: Option<u64>,
}

impl DiskLimits {
    /// Returns the limits of a server without flags, for the disk of `folder`, which exists.
    #[must_use]
    pub(crate) fn of(folder: &Path) -> Self {
        let disk = rustix::fs::statvfs(folder);
        let min_free = disk.map_or(0, |disk| MIN_FREE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 20));
        Self { folder: Some(folder.to_owned()), min_free, ..Self::default() }
    }

    /// Checks that the disk has room for a byte. The sum of the store's files, which takes long, is not computed.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn check_free(&self) -> Result<(), NoRoom> {
        let free = Self { max_total: None, ..self.clone() };
        State::default().check(&free, 1, Instant::now()).map(drop)
    }
}

/// Why there is no room for a file, or for more of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRoom {
    /// The disk would have too little free.
    #[error("the disk has {} for files; {} were announced, and {} stay free (--min-free)", units::bytes(*.free), units::bytes(*.needed), units::bytes(*.min_free))]
    Free {
        /// Bytes that files can have.
        free: u64,
        /// Bytes that the file needs.
        needed: u64,
        /// Bytes that stay free.
        min_free: u64,
    },
    /// The store would have too many bytes.
    #[error("the store would have more than {} (--max-total)", units::bytes(*.limit))]
    Total {
        /// Bytes of all files at most.
        limit: u64,
    },
    /// The address has sent its files of this day.
    #[error("{network} has sent {limit} files in a day (--quota-per-address)")]
    Files {
        /// The address.
        network: String,
        /// Files in a day.
        limit: u64,
    },
    /// The address has sent its bytes of this day.
    #[error("{network} would have sent more than {} in a day (--quota-per-address)", units::bytes(*.limit))]
    Bytes {
        /// The address.
        network: String,
        /// Bytes in a day.
        limit: u64,
    },
}

/// The disk as the sessions of a server share it.
#[derive(Debug, Default)]
pub(crate) struct Disk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Bytes that files on their way will still write.
    reserved: u64,
    /// Bytes in the folder, and when they were summed up.
    total: Option<(u64, Instant)>,
    quotas: HashMap<Option<Network>, Quota>,
}

/// What an address has used.
#[derive(Debug, Clone, Copy)]
struct Quota {
    since: Instant,
    files: u64,
    bytes: u64,
    reserved: u64,
}

/// Room of a file on its way, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    disk: Arc<Disk>,
    limits: Arc<DiskLimits>,
    address: Option<Network>,
    /// Name of the address, for messages.
    network: Network,
    /// Bytes that are announced and not written.
    announced: u64,
    /// Bytes of these that are reserved.
    reserved: u64,
    written: u64,
    /// Bytes beyond the announcement since the disk was looked at.
    unchecked: u64,
    stays: bool,
}

impl Disk {
    /// Finds room for a file of which `announced` bytes are known.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn room(
        self: &Arc<Self>,
        limits: &Arc<DiskLimits>,
        network: Network,
        announced: u64,
        now: Instant,
    ) -> Result<Room, NoRoom> {
        let mut state = self.0.lock();
        let free = state.check(limits, announced, now)?;
        let address = state.address(network, now);
        let quota = state.quotas.entry(address).or_insert_with(|| Quota::new(now));
        if quota.since + DAY <= now {
            *quota = Quota { reserved: quota.reserved, ..Quota::new(now) };
        }
        if let Some(limit) = limits.files.filter(|limit| quota.files >= *limit) {
            return Err(NoRoom::Files { network: network.to_string(), limit });
        }
        quota.check_bytes(limits, network, announced)?;
        quota.files += 1;
        quota.bytes = quota.bytes.saturating_add(announced);
        let reserved = announced.min((free / 2).saturating_sub(quota.reserved));
        quota.reserved = quota.reserved.saturating_add(reserved);
        state.reserved = state.reserved.saturating_add(reserved);
        drop(state);
        let (disk, limits) = (Arc::clone(self), Arc::clone(limits));
        Ok(Room {
            disk,
            limits,
            address,
            network,
            announced,
            reserved,
            written: 0,
            unchecked: 0,
            stays: false,
        })
    }
}

impl Quota {
    const fn new(now: Instant) -> Self {
        Self { since: now, files: 0, bytes: 0, reserved: 0 }
    }

    fn check_bytes(&self, limits: &DiskLimits, network: Network, more: u64) -> Result<(), NoRoom> {
        match limits.bytes.filter(|limit| self.bytes.saturating_add(more) > *limit) {
            Some(limit) => Err(NoRoom::Bytes { network: network.to_string(), limit }),
            None => Ok(()),
        }
    }
}

impl State {
    /// Checks that `more` bytes can be written, and returns how many could.
    fn check(&mut self, limits: &DiskLimits, more: u64, now: Instant) -> Result<u64, NoRoom> {
        let Some(folder) = &limits.folder else { return Ok(u64::MAX) };
        if let Some(limit) = limits.max_total {
            let is_over =
                |total: u64, reserved: u64| total.saturating_add(reserved).saturating_add(more) > limit;
            let is_stale = |(total, at): (u64, Instant)| {
                is_over(total, self.reserved) && now.saturating_duration_since(at) >= STALE
            };
            if self.total.is_none_or(is_stale) {
                self.total = Some((sum(folder), now));
            }
            if self.total.is_some_and(|(total, _)| is_over(total, self.reserved)) {
                return Err(NoRoom::Total { limit });
            }
        }
        // Some file systems do not report it: they have no blocks at all.
        let Some(disk) = rustix::fs::statvfs(folder).ok().filter(|disk| disk.f_blocks > 0) else {
            return Ok(u64::MAX);
        };
        let min_free = limits.min_free;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(min_free);
        let free = free.saturating_sub(self.reserved);
        // A small file is refused too when the disk is full, so that nothing is written below the limit.
        if min_free > 0 && (more > free || free == 0) {
            return Err(NoRoom::Free { free, needed: more, min_free });
        }
        Ok(free)
    }

    /// Returns the key of an address in the table, which has a bound.
    fn address(&mut self, network: Network, now: Instant) -> Option<Network> {
        if self.quotas.len() >= ADDRESSES && !self.quotas.contains_key(&Some(network)) {
            self.quotas.retain(|_, quota| quota.reserved > 0 || quota.since + DAY > now);
        }
        let is_known = self.quotas.contains_key(&Some(network)) || self.quotas.len() < ADDRESSES;
        is_known.then_some(network)
    }
}

impl Room {
    /// Counts bytes that are about to be written.
    ///
    /// # Errors
    /// The file is longer than announced, and there is no room for more.
    pub(crate) fn write(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let announced = bytes.min(self.announced);
        let beyond = bytes - announced;
        self.announced -= announced;
        self.unchecked += beyond;
        let mut state = self.disk.0.lock();
        if beyond > 0 {
            if self.unchecked >= STRIDE || self.limits.max_total.is_some() {
                state.check(&self.limits, beyond, Instant::now())?;
                self.unchecked = 0;
            }
            if let Some(quota) = state.quotas.get_mut(&self.address) {
                quota.check_bytes(&self.limits, self.network, beyond)?;
                quota.bytes = quota.bytes.saturating_add(beyond);
            }
        }
        // What is reserved is written last, so that the free bytes of the disk and the reservations never count twice.
        let release = self.reserved.saturating_sub(self.announced);
        self.reserved -= release;
        state.release(self.address, release);
        if let Some((total, _)) = &mut state.total {
            *total = total.saturating_add(bytes);
        }
        self.written += bytes;
        Ok(())
    }

    /// Notes that the file is stored and its bytes stay.
    pub(crate) const fn stay(&mut self) {
        self.stays = true;
    }
}

impl State {
    fn release(&mut self, address: Option<Network>, bytes: u64) {
        self.reserved = self.reserved.saturating_sub(bytes);
        if let Some(quota) = self.quotas.get_mut(&address) {
            quota.reserved = quota.reserved.saturating_sub(bytes);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut state = self.disk.0.lock();
        state.release(self.address, self.reserved);
        if let Some(quota) = state.quotas.get_mut(&self.address) {
            // What was announced and did not come is given back.
            quota.bytes = quota.bytes.saturating_sub(self.announced);
        }
        if let Some((total, _)) = state.total.as_mut().filter(|_| !self.stays) {
            *total = total.saturating_sub(self.written);
        }
    }
}

/// Returns the bytes of all files in a folder and the folders in it. What cannot be read counts nothing.
fn sum(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(of) if of.is_dir() => sum(&entry.path()),
        Ok(of) if of.is_file() => of.len(),
        _ => 0,
    });
    bytes.fold(0, u64::saturating_add)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn address(last: u8) -> Network {
        Network::of(Some([192, 0, 2, last].into()))
    }

    fn limits(limits: DiskLimits) -> (Arc<Disk>, Arc<DiskLimits>, Instant) {
        (Arc::default(), Arc::new(limits), Instant::now())
    }

    #[test]
    fn an_address_has_its_files_and_bytes_of_a_day() {
        let (disk, limits, now) =
            limits(DiskLimits { files: Some(3), bytes: Some(100), ..DiskLimits::default() });
        let room = |last, bytes, now| disk.room(&limits, address(last), bytes, now);
        let mut first = room(1, 60, now).unwrap();
        assert!(matches!(room(1, 41, now), Err(NoRoom::Bytes { limit: 100, .. })), "announced bytes count");
        drop(room(1, 40, now).unwrap());
        first.write(60).unwrap();
        assert!(matches!(first.write(41), Err(NoRoom::Bytes { .. })), "more than announced");
        drop(first);
        drop(room(1, 40, now).unwrap());
        assert!(matches!(room(1, 0, now), Err(NoRoom::Files { limit: 3, .. })));
        assert!(room(2, 100, now).is_ok(), "another address");
        assert!(room(1, 100, now + DAY).is_ok(), "another day");
    }

    #[test]
    fn the_store_has_no_more_than_its_total_and_deleted_files_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("in/old.bin");
        fs::create_dir(old.parent().unwrap()).unwrap();
        fs::write(&old, [0; 50]).unwrap();
        let (disk, limits, now) = limits(DiskLimits {
            folder: Some(folder.path().to_owned()),
            max_total: Some(100),
            ..DiskLimits::default()
        });
        let room = |bytes, now| disk.room(&limits, address(1), bytes, now);
        let mut first = room(30, now).unwrap();
        assert_eq!(room(21, now).unwrap_err(), NoRoom::Total { limit: 100 }, "what is on its way counts");
        first.write(30).unwrap();
        assert_eq!(first.write(21).unwrap_err(), NoRoom::Total { limit: 100 });
        first.stay();
        drop(first);
        assert!(room(21, now).is_err());
        drop(room(20, now).unwrap());
        fs::remove_file(&old).unwrap();
        assert!(room(70, now).is_err(), "the sum is of this minute");
        assert!(room(70, now + STALE).is_ok());
    }

    #[test]
    fn what_stays_free_is_free_after_the_files_that_are_on_their_way() {
        let folder = tempfile::tempdir().unwrap();
        let disk = rustix::fs::statvfs(folder.path()).unwrap();
        let free = disk.f_bavail * disk.f_frsize;
        let all = DiskLimits { folder: Some(folder.path().to_owned()), ..DiskLimits::default() };
        let (disk, limits, now) = limits(DiskLimits { min_free: free / 2, ..all.clone() });
        let room = |last, bytes| disk.room(&limits, address(last), bytes, now);
        assert!(matches!(room(1, free), Err(NoRoom::Free { .. })));
        // A quarter of the disk is half of what files can have.
        let slow: Vec<Room> = (0..20).map(|_| room(1, free / 8).unwrap()).collect();
        assert!(room(2, free / 8).is_ok(), "one address does not reserve everything");
        assert!(room(2, free / 2).is_err(), "but what it reserves counts");
        drop(slow);
        assert!(room(2, free / 8 * 3).is_ok());
        let (disk, limits, now) = super::tests::limits(DiskLimits { min_free: 2 * free, ..all });
        assert!(disk.room(&limits, address(1), 0, now).is_err(), "not even an empty file");
    }

    #[test]
    fn the_table_of_addresses_has_a_bound_and_further_ones_share_a_quota() {
        let (disk, limits, now) = limits(DiskLimits { files: Some(1), ..DiskLimits::default() });
        let at = |n: usize| Network::of(Some(u32::try_from(n).unwrap().to_be_bytes().into()));
        let room = |n, bytes, now| disk.room(&limits, at(n), bytes, now);
        let on_its_way = room(0, 10, now).unwrap();
        for n in 1..ADDRESSES {
            drop(room(n, 10, now).unwrap());
        }
        assert!(room(1, 0, now).is_err(), "it has sent its file");
        drop(room(ADDRESSES, 0, now).unwrap());
        assert!(room(ADDRESSES + 1, 0, now).is_err(), "all further addresses have one quota");
        let later = now + DAY / 2;
        assert!(room(ADDRESSES + 2, 0, later).is_err());
        assert_eq!(disk.0.lock().quotas.len(), ADDRESSES + 1);
        // What a file on its way has reserved is not forgotten with the day.
        drop(room(ADDRESSES + 3, 0, now + DAY).unwrap());
        let mut left: Vec<_> = disk.0.lock().quotas.keys().copied().collect();
        left.sort_by_key(|network| *network == Some(at(0)));
        assert_eq!(left, [Some(at(ADDRESSES + 3)), Some(at(0))]);
        drop(on_its_way);
        assert_eq!(disk.0.lock().reserved, 0);
    }

    #[test]
    fn reservations_are_given_back_as_bytes_are_written_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("old"), [0; 50]).unwrap();
        std::os::unix::fs::symlink("a name that has a length", folder.path().join("link")).unwrap();
        let (disk, limits, now) = limits(DiskLimits {
            folder: Some(folder.path().to_owned()),
            max_total: Some(1 << 30),
            ..DiskLimits::default()
        });
        let state = || {
            let state = disk.0.lock();
            (
                state.reserved,
                state.quotas.values().map(|quota| quota.reserved).sum::<u64>(),
                state.total.unwrap().0,
            )
        };
        let mut room = disk.room(&limits, address(1), 100, now).unwrap();
        assert_eq!(state(), (100, 100, 50));
        room.write(40).unwrap();
        assert_eq!(state(), (60, 60, 90));
        room.write(10).unwrap();
        assert_eq!(state(), (50, 50, 100));
        drop(room);
        assert_eq!(state(), (0, 0, 50), "it did not stay");
    }

    #[test]
    fn a_file_that_announced_nothing_is_checked_after_each_stride() {
        let folder = tempfile::tempdir().unwrap();
        let all = DiskLimits { folder: Some(folder.path().to_owned()), ..DiskLimits::default() };
        let (disk, limits, now) = limits(all.clone());
        let full = Arc::new(DiskLimits { min_free: u64::MAX, ..all });
        // Without a limit nothing is refused beforehand, because the disk itself refuses what is too much.
        let mut room = disk.room(&limits, address(1), u64::MAX / 2, now).unwrap();
        room.announced = 0;
        room.write(STRIDE).unwrap();
        room.limits = full;
        room.write(STRIDE - 1).unwrap();
        assert!(matches!(room.write(1), Err(NoRoom::Free { .. })));
    }
}
