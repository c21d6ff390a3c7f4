//! Copying and splicing into a draft's file.
//!
//! A file that continues a published one begins as a copy of it and replaces it by one rename. Appending to the
//! published file itself would show it half amended, to its readers and after a crash.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::io::Write as _;
use std::io::{self, Seek as _};
#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;

#[cfg(target_os = "linux")]
use rustix::io::retry_on_intr;

/// Copies a whole file into an empty one: by sharing its blocks where the file system can, otherwise inside the
/// kernel.
pub(super) fn copy_all(mut from: &File, to: &mut File) -> io::Result<u64> {
    #[cfg(target_os = "linux")]
    if rustix::fs::ioctl_ficlone(&*to, from).is_ok() {
        return to.seek(io::SeekFrom::End(0));
    }
    from.rewind()?;
    io::copy(&mut from, to)
}

/// Moves `len` bytes from a pipe to the end of a file. Where the file system does not support splicing, copies them.
#[cfg(target_os = "linux")]
pub(super) fn splice_all(pipe: BorrowedFd<'_>, file: &mut File, len: usize) -> io::Result<()> {
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
