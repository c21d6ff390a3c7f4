//! One unfinished file of a folder, and the walk that publishes it.

use std::fs::{File, Permissions};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use rustix::io::retry_on_intr;

use super::group::Group;
use super::names::{Content, Family, Member, Names, Reliance, Search};
use super::print::{Print, hash};
use super::rename::{Outcome, rename_new};
use super::unnamed::Unnamed;
use super::{Occupant, Root, create_unfinished, open_regular, unfinished_name};
use crate::digest::Digest;
use crate::event::Kept;
use crate::store::error::{Doing, Spot, StoreError};
use crate::store::{Coming, FileName, Pending, Published, Stored, Ticket};

/// How often a file is compared again because another process named files meanwhile. After that it gets a name of
/// its own.
const PATIENCE: u32 = 8;

/// How many random names are tried. One is taken already with a probability of about 2^-64.
const RANDOM_TRIES: usize = 3;

/// A [`Pending`] in a [`Folder`](super::Folder).
#[derive(Debug)]
pub(super) struct Draft {
    root: Arc<Root>,
    /// The name it asks for.
    want: FileName,
    /// What it is called until it is published.
    until_then: UntilThen,
    file: File,
    /// Bytes in it.
    len: u64,
    state: State,
    /// What it is to replace: published by us, and only the beginning.
    replaces: Option<Beginning>,
    /// How often its name turned out to need another look.
    looks: u32,
}

/// What a publication came to.
#[derive(Debug)]
pub(super) enum Settled {
    /// The file is here.
    At(Stored),
    /// It has no name yet: another look is needed, and reading files, for which no lock may be held.
    Unclear,
}

/// What a draft is called.
#[derive(Debug)]
enum UntilThen {
    /// Nothing.
    Unnamed(Unnamed),
    /// `.upseal-<random>.part`, and it is readable for nobody else.
    Named(String),
}

/// A published file that the draft continues.
#[derive(Debug)]
struct Beginning {
    name: FileName,
    /// As we left it.
    print: Print,
}

/// What came of trying the numbers of a family.
enum Number {
    /// The file has this name.
    Taken(FileName),
    /// The file with the next number may be the same.
    Unclear,
    /// All are taken.
    NoneFree,
}

/// Whether a file of some content is here.
enum Same {
    /// Under this name.
    Here(FileName),
    /// Perhaps: files must be read to know it.
    Unclear,
    /// No.
    Nowhere,
}

/// Whether every write succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So far.
    Growing,
    /// No. It can never be published.
    Torn,
    /// Yes, and it has its name.
    Named,
}

impl Draft {
    /// Creates the unfinished file.
    pub(super) fn begin(root: &Arc<Root>, want: &FileName) -> Result<Self, StoreError> {
        Self::create(root, want, root.unnamed)
    }

    /// Creates it with the way in which it gets a name later, or with one from the beginning.
    fn create(root: &Arc<Root>, want: &FileName, unnamed: Option<Unnamed>) -> Result<Self, StoreError> {
        // What is wrong with a folder (full, removed), the creation of a name says more truly.
        let nameless = unnamed.and_then(|way| Some((UntilThen::Unnamed(way), way.create(&root.dir).ok()?)));
        let (until_then, file) = match nameless {
            Some(created) => created,
            None => create_unfinished(&root.dir, 0o600)
                .map(|(name, file)| (UntilThen::Named(name), file))
                .map_err(|cause| {
                    StoreError::new(Doing::Create, Spot { folder: root.path.clone(), name: None }, cause)
                })?,
        };
        Ok(Self {
            root: Arc::clone(root),
            want: want.clone(),
            until_then,
            file,
            len: 0,
            state: State::Growing,
            replaces: None,
            looks: 0,
        })
    }

    /// The same, with a copy of what was published in it.
    pub(super) fn amend(root: &Arc<Root>, of: &Published) -> Result<Self, StoreError> {
        // Only a file with a name can replace another.
        let mut draft = Self::create(root, &of.want, None)?;
        let print = draft
            .copy(of)
            .map_err(|cause| StoreError::new(Doing::Amend, draft.spot(), cause))?
            .ok_or_else(|| StoreError::Changed { spot: draft.spot() })?;
        if of.stored.kept != Kept::Same {
            draft.replaces = Some(Beginning { name: of.stored.name.clone(), print });
        }
        Ok(draft)
    }

    /// Copies what was published, if it is still that; `None` if not.
    fn copy(&mut self, of: &Published) -> io::Result<Option<Print>> {
        let name = &of.stored.name;
        let there = match open_regular(&self.root.dir, name, of.size) {
            Ok(Some(there)) => there,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let print = Print::of(&there.metadata()?);
        // Unhashed, nobody can say that it is still what we left.
        if of.digest.is_none() || self.content_of(name, &there, print) != of.digest {
            return Ok(None);
        }
        let copied = copy_all(&there, &mut self.file)?;
        self.len = copied;
        let unchanged = copied == of.size && Print::of(&there.metadata()?) == print;
        Ok(unchanged.then_some(print))
    }

    /// Returns the SHA-256 of a published file: remembered, or read.
    fn content_of(&self, name: &FileName, there: &File, print: Print) -> Option<Digest> {
        let known = self.root.names().get(&self.want).and_then(|family| family.member(name).cloned());
        match known {
            Some(Member { print: then, content: Content::Known(digest), .. }) if then == print => {
                Some(digest)
            }
            _ => hash(there).ok(),
        }
    }

    /// Gives the file the usual permissions.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        if self.state == State::Torn {
            return Err(StoreError::Torn { spot: self.spot() });
        }
        if matches!(self.until_then, UntilThen::Unnamed(_)) {
            return Ok(()); // it was created with them
        }
        let is_usual =
            || self.file.metadata().is_ok_and(|is| is.permissions().mode() & 0o777 == self.root.mode);
        match self.file.set_permissions(Permissions::from_mode(self.root.mode)) {
            // Where a mount decides on permissions they cannot be changed, and are the usual ones.
            Err(_) if is_usual() => Ok(()),
            result => result.map_err(self.failed(Doing::Sync)),
        }
    }

    /// Where it is.
    pub(super) const fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// Bytes that were written.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Brings the file to disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.root.sync_file(&self.file).map_err(self.failed(Doing::Sync))
    }

    /// Looks at the name that it asks for. To be called before [`publish`](Self::publish), without any lock.
    pub(super) fn scout(&mut self, digest: Option<Digest>) {
        self.looks += 1;
        self.root.scout(&self.want, self.len, digest);
    }

    /// Returns what is announced of it before it gets its name; `None`: it has been announced.
    pub(super) fn coming(&self, digest: Option<Digest>) -> Option<Coming> {
        let replaces = self.replaces.as_ref().map(|beginning| beginning.name.clone());
        let coming = Coming { want: self.want.clone(), replaces, size: self.len, digest };
        (self.looks <= 1).then_some(coming)
    }

    /// Gives the file, which is on disk, its name. The name is not yet.
    ///
    /// A few steps, however many files have the name, because every other file waits for the lock that is held.
    pub(super) fn publish(&mut self, digest: Option<Digest>) -> Result<Settled, StoreError> {
        let root = Arc::clone(&self.root);
        let mut names = root.names();
        let settled = match &self.replaces {
            None => self.settle(&mut names, digest)?,
            Some(beginning) => self.replace(&mut names, beginning, digest)?,
        };
        if let Settled::At(stored) = &settled
            && stored.kept != Kept::Same
        {
            self.state = State::Named;
        }
        Ok(settled)
    }

    /// Whether the memory of names is to be believed where it is not complete: another process keeps naming files.
    const fn is_impatient(&self) -> bool {
        self.looks >= PATIENCE
    }

    /// Takes the name, or that of a copy, or finds that the same file is here.
    ///
    /// There is no look before the name is given, so no other process can act between the two.
    fn settle(&self, names: &mut Names, digest: Option<Digest>) -> Result<Settled, StoreError> {
        if let Some(digest) = digest {
            match self.same(names, digest, None)? {
                Same::Here(name) => {
                    // As if it were new: a name that is given, and the folder that has changed.
                    self.pass_by()?;
                    return Ok(Settled::At(Stored { name, kept: Kept::Same }));
                }
                Same::Unclear => return Ok(Settled::Unclear),
                Same::Nowhere => {}
            }
        }
        if self.take(&self.want)? {
            self.remember(names, &self.want, digest);
            return Ok(Settled::At(Stored { name: self.want.clone(), kept: Kept::New }));
        }
        self.settle_as_copy(names, digest)
    }

    /// The name is taken: takes that of the next copy.
    fn settle_as_copy(&self, names: &mut Names, digest: Option<Digest>) -> Result<Settled, StoreError> {
        let name = match names.change(&self.want, |family| self.take_number(family, digest)).transpose()? {
            None if !self.is_impatient() => return Ok(Settled::Unclear),
            Some(Number::Unclear) => return Ok(Settled::Unclear),
            Some(Number::Taken(name)) => name,
            None | Some(Number::NoneFree) => self.take_marked(digest)?,
        };
        self.remember(names, &name, digest);
        Ok(Settled::At(Stored { name, kept: Kept::Renamed }))
    }

    /// Takes the next free number. It only grows, so each number is tried once, even if another process took it.
    fn take_number(&self, family: &mut Family, digest: Option<Digest>) -> Result<Number, StoreError> {
        while let Some(name) = self.want.numbered(family.next) {
            family.next += 1;
            if self.take(&name)? {
                return Ok(Number::Taken(name));
            }
            // Another process put it there: perhaps the same file.
            if let Ok(Occupant::File(print)) = self.root.look(&name) {
                family.push(Member::unread(name, print));
                if digest.is_some() && print.size() == self.len && !self.is_impatient() {
                    return Ok(Number::Unclear);
                }
            }
        }
        Ok(Number::NoneFree)
    }

    /// Takes the name with the digest in it, or a random one.
    fn take_marked(&self, digest: Option<Digest>) -> Result<FileName, StoreError> {
        let marked = digest.map(|digest| self.want.marked(digest));
        let random =
            (0..RANDOM_TRIES).filter_map(|_| Some(self.want.marked_at_random(getrandom::u64().ok()?)));
        for name in marked.into_iter().chain(random) {
            if self.take(&name)? {
                return Ok(name);
            }
        }
        Err(StoreError::NoFreeName { spot: self.spot() })
    }

    /// Takes the place of its beginning, if nothing relies on that and it was not changed. Otherwise this is
    /// another file, beside it.
    fn replace(
        &self,
        names: &mut Names,
        beginning: &Beginning,
        digest: Option<Digest>,
    ) -> Result<Settled, StoreError> {
        let UntilThen::Named(unfinished) = &self.until_then else { return self.settle(names, digest) };
        // A beginning that was forgotten is not replaced either: another upload may rely on it.
        let known = names.get(&self.want).and_then(|family| family.member(&beginning.name));
        let is_ours =
            known.is_some_and(|known| known.reliance == Reliance::Sender && known.print == beginning.print);
        let there = self.root.look(&beginning.name).map_err(self.failed(Doing::Publish))?;
        if !is_ours || there != Occupant::File(beginning.print) || self.root.is_shared() {
            return self.settle(names, digest);
        }
        let dir = &self.root.dir;
        // Another try of the same upload may have brought all of it before.
        if let Some(digest) = digest {
            match self.same(names, digest, Some(&beginning.name))? {
                Same::Here(name) => {
                    dir.remove_file(beginning.name.as_str()).map_err(self.failed(Doing::Publish))?;
                    names.change(&self.want, |family| family.remove(&beginning.name));
                    return Ok(Settled::At(Stored { name, kept: Kept::Same }));
                }
                Same::Unclear => return Ok(Settled::Unclear),
                Same::Nowhere => {}
            }
        }
        dir.rename(unfinished, dir, beginning.name.as_str()).map_err(self.failed(Doing::Publish))?;
        #[cfg(test)]
        self.note_name(&beginning.name);
        self.remember(names, &beginning.name, digest);
        Ok(Settled::At(Stored { name: beginning.name.clone(), kept: Kept::Amended }))
    }

    /// Whether a file with this content is in the family; from then on it is relied on.
    fn same(&self, names: &mut Names, digest: Digest, except: Option<&FileName>) -> Result<Same, StoreError> {
        let Some(family) = names.get(&self.want) else { return Ok(Same::Nowhere) };
        match family.find(self.len, digest, except) {
            Search::Nothing => Ok(Same::Nowhere),
            Search::Unread if self.is_impatient() => Ok(Same::Nowhere),
            Search::Unread => Ok(Same::Unclear),
            Search::Found(name, print) => match self.root.look(&name).map_err(self.failed(Doing::Publish))? {
                Occupant::File(now) if now == print => {
                    names.change(&self.want, |family| family.rely_on(&name));
                    Ok(Same::Here(name))
                }
                // The folder was changed by another process, so what else is remembered of it may not hold either.
                _ if self.is_impatient() => Ok(Same::Nowhere),
                _ => {
                    names.forget(&self.want);
                    Ok(Same::Unclear)
                }
            },
        }
    }

    /// Gives the file this name; `false`: it is taken.
    fn take(&self, name: &FileName) -> Result<bool, StoreError> {
        match self.name_as(name.as_str()).map_err(self.failed(Doing::Publish))? {
            Outcome::Done => {
                #[cfg(test)]
                self.note_name(name);
                Ok(true)
            }
            Outcome::Taken => Ok(false),
            Outcome::Impossible => Err(StoreError::NoSafeRename { spot: self.spot() }),
        }
    }

    fn name_as(&self, name: &str) -> io::Result<Outcome> {
        #[cfg(test)]
        self.root.counts.count(super::counts::Count::Name);
        match &self.until_then {
            UntilThen::Unnamed(unnamed) => unnamed.name(&self.root.dir, &self.file, name),
            UntilThen::Named(unfinished) => rename_new(&self.root.dir, unfinished, name),
        }
    }

    /// Gives the file a name and removes it: the folder is changed and synced, as by a new file.
    fn pass_by(&self) -> Result<(), StoreError> {
        let spare = unfinished_name().map_err(self.failed(Doing::Publish))?;
        self.name_as(&spare).map_err(self.failed(Doing::Publish))?;
        // One that stays is swept.
        let _ = self.root.dir.remove_file(&spare);
        Ok(())
    }

    /// Remembers that the file is here.
    fn remember(&self, names: &mut Names, name: &FileName, digest: Option<Digest>) {
        let Ok(metadata) = self.file.metadata() else { return };
        let content = digest.map_or(Content::Unread, Content::Known);
        let print = Print::of(&metadata);
        names.add(&self.want, Member { name: name.clone(), print, content, reliance: Reliance::Sender });
    }

    /// Writes down, for the tests, that the file has its name.
    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    fn note_name(&self, name: &FileName) {
        use std::os::unix::fs::MetadataExt as _;

        use super::durable::steps::Step;
        let inode = self.file.metadata().unwrap().ino();
        self.root.steps.take(Step::Named(inode, name.as_str().to_owned())).unwrap();
    }

    fn spot(&self) -> Spot {
        Spot { folder: self.root.path.clone(), name: Some(self.want.clone()) }
    }

    /// Turns what the system said into an error about this file.
    pub(super) fn failed(&self, doing: Doing) -> impl FnOnce(io::Error) -> StoreError + use<> {
        let spot = self.spot();
        move |cause| StoreError::new(doing, spot, cause)
    }
}

impl Pending for Draft {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.len += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|cause| {
            self.state = State::Torn;
            self.failed(Doing::Write)(cause)
        })
    }

    #[cfg(target_os = "linux")]
    fn splices(&self) -> bool {
        true
    }

    #[cfg(target_os = "linux")]
    fn write_from(&mut self, pipe: BorrowedFd<'_>, len: usize) -> Result<(), StoreError> {
        self.len += len as u64;
        splice_all(pipe, &mut self.file, len).map_err(|cause| {
            self.state = State::Torn;
            self.failed(Doing::Write)(cause)
        })
    }

    fn commit(mut self: Box<Self>, digest: Option<Digest>) -> Ticket {
        self.scout(digest);
        Group::join(*self, digest)
    }

    fn abort(self: Box<Self>) {}
}

/// Copies a whole file into an empty one: by sharing its blocks where the file system can, else inside the kernel.
fn copy_all(mut from: &File, to: &mut File) -> io::Result<u64> {
    #[cfg(target_os = "linux")]
    if rustix::fs::ioctl_ficlone(&*to, from).is_ok() {
        return to.seek(io::SeekFrom::End(0));
    }
    from.rewind()?;
    io::copy(&mut from, to)
}

/// Moves `len` bytes of a pipe to the end of a file; copies them where the file system cannot be spliced into.
#[cfg(target_os = "linux")]
fn splice_all(pipe: BorrowedFd<'_>, file: &mut File, len: usize) -> io::Result<()> {
    use rustix::io::Errno;
    use rustix::pipe::{SpliceFlags, splice};
    let mut left = len;
    while left > 0 {
        match splice(pipe, None, &*file, None, left, SpliceFlags::MOVE) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => left -= n,
            Err(Errno::INTR) => {}
            Err(Errno::INVAL) => {
                let mut chunk = vec![0; left.min(64 << 10)];
                let n = retry_on_intr(|| rustix::io::read(pipe, &mut chunk[..]))?;
                if n == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                file.write_all(&chunk[..n])?;
                left -= n;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.state != State::Named
            && let UntilThen::Named(unfinished) = &self.until_then
        {
            // What cannot be removed is left for the next sweep.
            let _ = self.root.dir.remove_file(unfinished);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::Folder;

    #[test]
    fn a_file_with_a_failed_write_is_never_published() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let mut draft = Draft::begin(&folder.root(), &FileName::from_wire(b"a.txt").unwrap()).unwrap();
        draft.write(b"half").unwrap();
        // Open for reading only, it fails to write, as it would on a full disk.
        let other = temp.path().join("other");
        fs::write(&other, b"").unwrap();
        let writable = std::mem::replace(&mut draft.file, File::open(&other).unwrap());
        fs::remove_file(other).unwrap();
        assert!(matches!(draft.write(b"lost"), Err(StoreError::Failed { doing: Doing::Write, .. })));
        draft.file = writable;
        draft.write(b"rest").unwrap();
        let error = Box::new(draft).commit(None).wait().unwrap_err();
        assert!(matches!(error, StoreError::Torn { .. }), "{error}");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }
    /// A draft with a name from the beginning, as on a file system that has no files without one.
    fn named(folder: &Folder) -> Draft {
        Draft::create(&folder.root(), &FileName::from_wire(b"a.txt").unwrap(), None).unwrap()
    }

    #[cfg(target_os = "linux")]
    fn pipe_with(bytes: &[u8]) -> std::os::fd::OwnedFd {
        let (out, into) = rustix::pipe::pipe().unwrap();
        rustix::pipe::fcntl_setpipe_size(&into, bytes.len().max(1)).unwrap();
        assert_eq!(rustix::io::write(&into, bytes).unwrap(), bytes.len());
        out
    }

    /// The kernel splices nothing into a file that only grows at its end.
    #[cfg(target_os = "linux")]
    fn unspliceable(path: &std::path::Path) -> File {
        let file = File::options().create(true).append(true).open(path).unwrap();
        let refused =
            rustix::pipe::splice(pipe_with(b"x"), None, &file, None, 1, rustix::pipe::SpliceFlags::MOVE);
        assert_eq!(refused, Err(rustix::io::Errno::INVAL), "the copy is what is tested here");
        file
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_cannot_be_spliced_is_copied_and_no_more_than_asked_for() {
        use std::os::fd::AsFd as _;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        let mut file = unspliceable(&path);
        // More than one piece of the copy.
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).take(200_000).collect();
        let pipe = pipe_with(&bytes);
        splice_all(pipe.as_fd(), &mut file, 150_001).unwrap();
        assert!(fs::read(&path).unwrap() == bytes[..150_001]);
        splice_all(pipe.as_fd(), &mut file, 49_999).unwrap();
        assert!(fs::read(&path).unwrap() == bytes);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_that_ends_too_early_tears_the_file() {
        use std::os::fd::AsFd as _;
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temp.path().join("inbox")).unwrap();
        for spliceable in [true, false] {
            let mut draft = named(&folder);
            let whole = unspliceable(&temp.path().join("other"));
            let spliced = if spliceable { None } else { Some(std::mem::replace(&mut draft.file, whole)) };
            let error = draft.write_from(pipe_with(b"half").as_fd(), 5).unwrap_err();
            assert!(matches!(error, StoreError::Failed { doing: Doing::Write, .. }), "{error}");
            if let Some(file) = spliced {
                draft.file = file;
            }
            assert_eq!(draft.len(), 5, "what should have come");
            let error = Box::new(draft).commit(None).wait().unwrap_err();
            assert!(matches!(error, StoreError::Torn { .. }), "{error}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    /// Opened as a path only, its permissions can be seen and not changed.
    #[cfg(target_os = "linux")]
    #[test]
    fn permissions_that_cannot_be_changed_must_be_the_usual_ones() {
        use rustix::fs::{Mode, OFlags};
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let mut draft = named(&folder);
        let UntilThen::Named(unfinished) = &draft.until_then else { panic!("it has a name") };
        let path = temp.path().join(unfinished);
        let handle = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let writable = std::mem::replace(&mut draft.file, File::from(handle));
        for mode in [0o600, 0o000, folder.root().mode ^ 0o001, folder.root().mode] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let prepared = draft.prepare();
            if mode == folder.root().mode {
                prepared.unwrap();
            } else {
                let error = prepared.unwrap_err();
                assert!(matches!(error, StoreError::Failed { doing: Doing::Sync, .. }), "{mode:o}: {error}");
            }
        }
        draft.file = writable;
        assert_eq!(Box::new(draft).commit(None).wait().unwrap().kept, Kept::New);
    }

    #[test]
    fn an_unfinished_file_is_removed_unless_it_has_become_the_published_one() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let count = || fs::read_dir(temp.path()).unwrap().count();
        let draft = named(&folder);
        assert_eq!(count(), 1);
        drop(draft);
        assert_eq!(count(), 0);
        let mut draft = named(&folder);
        draft.publish(None).unwrap();
        let UntilThen::Named(unfinished) = &draft.until_then else { panic!("it has a name") };
        // Another draft of that name: whoever has been published must leave it alone.
        fs::write(temp.path().join(unfinished), b"").unwrap();
        drop(draft);
        assert_eq!(count(), 2);
    }
}
