//! A local file to send.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::escape::escape;
use crate::event::{Blame, Fault, FaultKind};
use crate::net::receive::is_race;

/// A local file, opened.
pub struct Source {
    /// The last part of its path, as it goes into MODE 0.
    pub name: String,
    /// At its beginning.
    pub file: File,
    /// Its size when it was opened.
    pub size: u64,
}

impl Source {
    /// SHA-256 of all of it; it is at its beginning again.
    pub(super) fn digest(&mut self) -> io::Result<Digest> {
        let mut hash = Sha256::new();
        let mut chunk = vec![0; 256 << 10];
        loop {
            match self.file.read(&mut chunk)? {
                0 => break,
                n => hash.update(&chunk[..n]),
            }
        }
        self.file.rewind()?;
        Ok(hash.into())
    }

    /// Opens a regular file whose name can be sent.
    ///
    /// # Errors
    /// A [`Fault`] of kind `Local`.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let local = |what: String, advice: &str| Fault {
            kind: FaultKind::Local,
            blame: Blame::User,
            what,
            advice: advice.to_owned(),
        };
        let shown = escape(&path.to_string_lossy()).to_string();
        let Some(name) = path.file_name() else {
            return Err(local(format!("{shown} is not a file"), "name a file"));
        };
        let Some(name) = name.to_str() else {
            return Err(local(
                format!("the name of {shown} is not UTF-8, which the protocol demands"),
                "rename it",
            ));
        };
        if is_race(name) {
            return Err(local(
                format!(
                    "{shown} is named like a lane of a race, which upseal's servers measure and do not keep"
                ),
                "rename it",
            ));
        }
        // Opening a FIFO would otherwise wait for a writer; it does nothing to a regular file.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = || {
            let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
            let metadata = file.metadata()?;
            Ok::<_, io::Error>((file, metadata))
        };
        let (file, metadata) = open().map_err(|e| local(format!("cannot read {shown}: {e}"), ""))?;
        if !metadata.is_file() {
            let advice = if metadata.is_dir() { "name the files in it" } else { "only files can be sent" };
            return Err(local(format!("{shown} is not a regular file"), advice));
        }
        Ok(Self { name: name.to_owned(), file, size: metadata.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_regular_file_with_a_name_that_can_be_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b.txt");
        std::fs::write(&path, b"hello").unwrap();
        let source = Source::open(&path).unwrap();
        assert_eq!((source.name.as_str(), source.size), ("a b.txt", 5));

        let race = folder.path().join("race-cp1-notes.txt");
        std::fs::write(&race, b"kept nowhere").unwrap();
        for bad in [folder.path(), &folder.path().join("none"), Path::new("/"), Path::new("/dev/null"), &race]
        {
            let fault = Source::open(bad).err().unwrap_or_else(|| panic!("{} opened", bad.display()));
            assert_eq!(fault.kind, FaultKind::Local);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf8_is_refused_before_anything_is_sent() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/\xff\xfe"));
        assert!(Source::open(path).err().unwrap().what.contains("not UTF-8"));
    }
}
