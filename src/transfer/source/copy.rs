//! Copies of files whose size is not known before they are read to the end.
//!
//! MODE 1 announces the size before the first byte, so such a file is read first: into memory, or, if it has more than
//! [`IN_MEMORY`] bytes, into an unnamed temporary file.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

/// The largest copy in memory, in bytes.
const IN_MEMORY: u64 = 16 << 20;
/// The largest copy, in bytes: some of these files have no end.
const MOST: u64 = 4 << 30;

/// A copy, rewound to its beginning.
pub(super) struct Copied {
    pub(super) file: File,
    pub(super) size: u64,
}

/// Copies a file to its end.
pub(super) fn of(source: impl Read) -> io::Result<Copied> {
    within(source, IN_MEMORY, MOST)
}

/// Copies a stream of any length to its end.
pub(super) fn of_any_length(source: impl Read) -> io::Result<Copied> {
    within(source, IN_MEMORY, u64::MAX - 1)
}

fn within(mut source: impl Read, in_memory: u64, most: u64) -> io::Result<Copied> {
    let mut file = memory().or_else(|_| unnamed())?;
    let mut size = io::copy(&mut source.by_ref().take(in_memory + 1), &mut file)?;
    if size > in_memory {
        let mut large = unnamed()?;
        file.rewind()?;
        io::copy(&mut file, &mut large)?;
        size += io::copy(&mut source.take(most.saturating_sub(size) + 1), &mut large)?;
        file = large;
    }
    if size > most {
        let what = format!("it has more than {most} bytes and does not report its size");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    file.flush()?;
    file.rewind()?;
    Ok(Copied { file, size })
}

#[cfg(target_os = "linux")]
fn memory() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("upseal-source", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Creates a temporary file without a name, which the kernel removes with this process.
fn unnamed() -> io::Result<File> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let path = env::temp_dir().join(format!(".upseal-{:016x}", u64::from_be_bytes(random)));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_all_bytes_in_memory_or_beyond_it() {
        let bytes: Vec<u8> = (0..=255).collect();
        for in_memory in [0, 10, 255, 256, 1000] {
            let Copied { mut file, size } = within(&*bytes, in_memory, 256).unwrap();
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            assert_eq!((read, size), (bytes.clone(), 256), "{in_memory} in memory");
        }
    }

    #[test]
    fn an_endless_file_is_refused() {
        for in_memory in [10, 255, 1000] {
            let error = within(io::repeat(7), in_memory, 255).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{in_memory} in memory");
        }
    }
}
