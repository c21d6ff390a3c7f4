//! Local files to send.

mod copy;

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::digest::Digest;
use crate::event::Fault;
use crate::messages::Escaped;
use crate::net::receive::is_race;
use crate::net::upload::{Content, Stamp};
use crate::store::Meta;

/// Copies a stream to its end, so that it can be sent, and sent again, like a file. The copy has no name; it is in
/// memory, or beyond 16 MiB in the folder for temporary files, and is gone with this process.
///
/// # Errors
/// The stream cannot be read, or there is no room for the copy.
pub(crate) fn spool(stream: impl io::Read) -> io::Result<File> {
    Ok(copy::of_any_length(stream)?.file)
}

/// A local file that was opened for an upload.
pub(super) struct Source {
    /// The last part of its path, as MODE 0 sends it.
    pub name: String,
    /// The file, at its beginning.
    pub file: File,
    /// Size in bytes when it was opened.
    pub size: u64,
    /// Its modification time and executable bit.
    pub meta: Meta,
    /// Size and times that the file must still have when it has been read; `None`: `file` is a private copy.
    stamp: Option<Stamp>,
}

impl Source {
    /// Returns the file as the content of an upload.
    #[must_use]
    pub(super) const fn content(&self) -> Content<'_> {
        match self.stamp {
            Some(stamp) => Content::Whole(&self.file, stamp),
            None => Content::File(&self.file),
        }
    }

    /// Computes the SHA-256 of the file, and rewinds it.
    pub(super) fn digest(&mut self) -> io::Result<Digest> {
        let (digest, _) = Digest::of_reader(&self.file)?;
        self.file.rewind()?;
        Ok(digest)
    }

    /// Opens a regular file whose name can be sent: the last part of `name`, or else of its path.
    ///
    /// # Errors
    /// A [`Fault`] of kind `Local`.
    pub(super) fn open(path: &Path, name: Option<&str>) -> Result<Self, Fault> {
        let local = |what: String, advice: &str| Fault::local(what).with_advice(advice);
        let shown = Escaped::path(path);
        let name = name.map(|name| OsStr::new(name.rsplit('/').next().unwrap_or(name)));
        let Some(name) = name.or_else(|| path.file_name()) else {
            return Err(local(format!("{shown} is not a file"), "give a file"));
        };
        let Some(name) = name.to_str() else {
            return Err(local(
                format!("the name of {shown} is not UTF-8, which the protocol requires"),
                "rename the file",
            ));
        };
        if is_race(name) {
            return Err(local(
                format!("{shown} has the name of a race lane, whose files upseal servers discard"),
                "rename the file",
            ));
        }
        // Without NONBLOCK, opening a FIFO waits for a writer. It has no effect on a regular file.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = || {
            let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
            let metadata = file.metadata()?;
            Ok::<_, io::Error>((file, metadata))
        };
        let (file, metadata) = open().map_err(|e| local(format!("cannot read {shown}: {e}"), ""))?;
        if !metadata.is_file() {
            let advice = if metadata.is_dir() { "upload it as a folder" } else { "only files can be sent" };
            return Err(local(format!("{shown} is not a regular file"), advice));
        }
        let name = name.to_owned();
        let meta = meta_of(&metadata);
        if !tells_its_size(&metadata) {
            let copied = copy::of(file).map_err(|e| local(format!("cannot read {shown}: {e}"), ""))?;
            return Ok(Self { name, file: copied.file, size: copied.size, meta, stamp: None });
        }
        Ok(Self { name, file, size: metadata.len(), meta, stamp: Some(Stamp::of(&metadata)) })
    }
}

/// Returns what is sent of a file beside its name and content. A file that no folder has is a copy of standard input: its
/// time and permissions say nothing.
fn meta_of(metadata: &Metadata) -> Meta {
    if metadata.nlink() == 0 {
        return Meta::default();
    }
    let modified = (metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap_or(0));
    Meta { modified: Some(modified), executable: metadata.mode() & 0o100 != 0 }
}

/// The largest size, in bytes, at which a file without disk blocks is taken for a pseudo-file of the kernel.
const PSEUDO: u64 = 1 << 20;

/// Returns whether as many bytes can be read from a file as its size says. Files in `/proc` report 0 bytes and files in
/// `/sys` 4096, both without disk blocks. Small files that a file system keeps in the inode look the same and are
/// copied too.
fn tells_its_size(metadata: &Metadata) -> bool {
    metadata.len() > 0 && (metadata.blocks() > 0 || metadata.len() > PSEUDO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FaultKind;

    #[test]
    fn a_source_is_a_regular_file_with_a_name_that_can_be_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b.txt");
        std::fs::write(&path, b"hello").unwrap();
        let source = Source::open(&path, None).unwrap();
        assert_eq!((source.name.as_str(), source.size), ("a b.txt", 5));

        let race = folder.path().join("race-cp1-notes.txt");
        std::fs::write(&race, b"kept nowhere").unwrap();
        for bad in [folder.path(), &folder.path().join("none"), Path::new("/"), Path::new("/dev/null"), &race]
        {
            let fault = Source::open(bad, None).err().unwrap_or_else(|| panic!("{} opened", bad.display()));
            assert_eq!(fault.kind, FaultKind::Local);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_a_reliable_size_is_read_to_its_end() {
        use std::io::Read as _;
        let path = Path::new("/proc/self/status");
        assert_eq!(std::fs::metadata(path).unwrap().len(), 0);
        let mut source = Source::open(path, None).unwrap();
        let mut text = String::new();
        source.file.read_to_string(&mut text).unwrap();
        assert!(text.contains("Name:"), "{text}");
        assert_eq!(source.size, text.len() as u64);
        source.file.rewind().unwrap();
        assert_eq!(source.digest().unwrap(), Digest::of(text.as_bytes()));
    }

    #[test]
    fn an_empty_file_is_empty() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut source = Source::open(file.path(), None).unwrap();
        assert_eq!((source.size, source.digest().unwrap()), (0, Digest::of(b"")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_has_its_time_and_executable_bit_and_a_copy_of_standard_input_has_none() {
        use std::os::fd::AsRawFd as _;
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        std::fs::write(&path, b"x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(5, 7);
        File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        let source = Source::open(&path, None).unwrap();
        assert_eq!(source.meta, Meta { modified: Some((5, 7)), executable: true });
        let copy = spool(&b"text"[..]).unwrap();
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let source = Source::open(Path::new(&path), Some("log.txt")).unwrap();
        assert_eq!((source.size, source.meta), (4, Meta::default()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf8_is_refused_before_anything_is_sent() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/\xff\xfe"));
        assert!(Source::open(path, None).err().unwrap().what.as_str().contains("not UTF-8"));
    }
}
