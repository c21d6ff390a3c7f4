#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

#[cfg(target_os = "linux")]
use super::content::splice_all;
use super::*;
use crate::store::{Folder, Pending as _};

#[test]
fn a_file_with_a_failed_write_is_never_published() {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    let mut draft = Draft::begin(&folder.root(), &FileName::from_wire(b"a.txt").unwrap()).unwrap();
    draft.write(b"half").unwrap();
    // A file that is open only for reading fails to write, like a full disk.
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
/// Creates a draft that has a name, as on a file system without `O_TMPFILE`.
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

/// Opens a file for appending, into which the kernel does not splice.
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
fn bytes_that_cannot_be_spliced_are_copied_up_to_the_requested_length() {
    use std::os::fd::AsFd as _;
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("file");
    let mut file = unspliceable(&path);
    // More bytes than one chunk of the copy.
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).take(200_000).collect();
    let pipe = pipe_with(&bytes);
    splice_all(pipe.as_fd(), &mut file, 150_001).unwrap();
    assert!(fs::read(&path).unwrap() == bytes[..150_001]);
    splice_all(pipe.as_fd(), &mut file, 49_999).unwrap();
    assert!(fs::read(&path).unwrap() == bytes);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_that_ends_too_early_fails_the_file() {
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

/// A file that is opened with `O_PATH` shows its permissions, but does not allow changing them.
#[cfg(target_os = "linux")]
#[test]
fn permissions_that_cannot_be_changed_must_be_the_default_ones() {
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
    // Another draft takes that name; the published one must not remove it.
    fs::write(temp.path().join(unfinished), b"").unwrap();
    drop(draft);
    assert_eq!(count(), 2);
}
