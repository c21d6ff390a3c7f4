//! Reading the beginning of a file or a folder, for the preview.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::catch_unwind;
use std::path::Path;
use std::str;

use rustix::fs::OFlags;

use super::{fit, text};

/// Largest number of bytes that are read of a file, apart from an image's header.
const HEAD: u64 = 16 << 10;
/// Largest number of lines, and of characters in a line.
const LINES: usize = 200;
const LINE: usize = 400;
/// Largest number of entries that are counted in a folder.
const MOST: usize = 10_000;

/// Beginning of a file or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Preview {
    /// First lines, escaped.
    Text(Vec<String>),
    /// First bytes of a file that is not a text.
    Bytes(Vec<u8>),
    /// Dimensions of an image in pixels, and its first bytes.
    Image {
        width: usize,
        height: usize,
        head: Vec<u8>,
    },
    /// First names of a folder, escaped; the number of all; whether there are more than were counted.
    Folder {
        names: Vec<String>,
        count: usize,
        is_more: bool,
    },
    Empty,
    /// Why nothing can be shown, as text.
    Failed(String),
}

/// Reads the beginning of a file or a folder.
pub(super) fn read(path: &Path) -> Preview {
    let read = if path.is_dir() { folder(path) } else { file(path) };
    read.unwrap_or_else(|error| Preview::Failed(text::no_preview(&error)))
}

fn folder(path: &Path) -> io::Result<Preview> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)?.take(MOST + 1) {
        let entry = entry?;
        let slash = if entry.file_type().is_ok_and(|of| of.is_dir()) { "/" } else { "" };
        names.push(fit::name(&entry.file_name()) + slash);
    }
    let (count, is_more) = (names.len().min(MOST), names.len() > MOST);
    names.sort_by_cached_key(|name| (!name.ends_with('/'), name.to_lowercase()));
    names.truncate(LINES);
    Ok(if names.is_empty() { Preview::Empty } else { Preview::Folder { names, count, is_more } })
}

fn file(path: &Path) -> io::Result<Preview> {
    // A pipe may have taken the file's place: opening it must not wait for a writer.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(text::NOT_A_FILE));
    }
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    if head.is_empty() {
        return Ok(Preview::Empty);
    }
    if let Some((width, height)) = image(&head, file) {
        return Ok(Preview::Image { width, height, head });
    }
    Ok(lines(&head).map_or(Preview::Bytes(head), Preview::Text))
}

/// Returns the dimensions of an image in pixels; `None` if the file is none.
fn image(head: &[u8], mut file: File) -> Option<(usize, usize)> {
    let size = catch_unwind(move || {
        imagesize::image_type(head).ok()?;
        file.rewind().ok()?;
        imagesize::reader_size(BufReader::new(file)).ok()
    });
    // A panic of the decoder is a file that it does not understand.
    size.ok().flatten().map(|size| (size.width, size.height))
}

/// Returns the lines of a text; `None` if the bytes are not a text.
fn lines(head: &[u8]) -> Option<Vec<String>> {
    let text = match str::from_utf8(head) {
        Ok(text) => text,
        // The last character was cut.
        Err(error) if error.error_len().is_none() => str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    if text.contains('\0') {
        return None;
    }
    let line = |line: &str| {
        let line: String = line.replace('\t', "    ").chars().take(LINE).collect();
        fit::escaped(line.trim_end_matches('\r'))
    };
    Some(text.split('\n').take(LINES).map(line).collect())
}

/// Returns a row such as `000010  89 50 4e 47 0d 0a 1a 0a  .PNG....`.
pub(super) fn hex(offset: usize, bytes: &[u8], of: usize) -> String {
    use std::fmt::Write as _;
    let mut row = format!("{offset:06x} ");
    for at in 0..of {
        let _ = match bytes.get(at) {
            Some(byte) => write!(row, " {byte:02x}"),
            None => write!(row, "   "),
        };
    }
    row.push_str("  ");
    row.extend(bytes.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' }));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> io::Result<Preview> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        fs::write(&path, bytes)?;
        Ok(read(&path))
    }

    #[test]
    fn text_bytes_images_and_folders_are_told_apart() -> io::Result<()> {
        assert_eq!(
            of(b"a\tb\r\n\x1b[31mred")?,
            Preview::Text(vec!["a    b".into(), "\\u{1b}[31mred".into()])
        );
        assert_eq!(of(b"")?, Preview::Empty);
        assert_eq!(of(b"a\0b")?, Preview::Bytes(b"a\0b".to_vec()));
        assert_eq!(of(&[0xff, 0xfe, 0x80])?, Preview::Bytes(vec![0xff, 0xfe, 0x80]));
        let cut = "ä".repeat(usize::try_from(HEAD).unwrap());
        assert!(
            matches!(of(&["x", &cut].concat().into_bytes())?, Preview::Text(_)),
            "a character is cut in two"
        );
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x07\x80\0\0\x04\x38\x08\x06\0\0\0";
        assert!(matches!(of(png)?, Preview::Image { width: 1920, height: 1080, .. }));
        assert!(matches!(
            of(b"P6\n640 480\n255\n\0\x01\x02")?,
            Preview::Image { width: 640, height: 480, .. }
        ));
        let folder = tempfile::tempdir()?;
        assert_eq!(read(folder.path()), Preview::Empty);
        fs::write(folder.path().join("b"), [])?;
        fs::create_dir(folder.path().join("c"))?;
        let Preview::Folder { names, count, is_more } = read(folder.path()) else { panic!() };
        assert_eq!((names, count, is_more), (vec!["c/".into(), "b".into()], 2, false));
        assert!(matches!(read(&folder.path().join("nothing")), Preview::Failed(_)));
        Ok(())
    }

    #[test]
    fn a_pipe_does_not_hold_the_preview() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR)?;
        assert!(matches!(read(&pipe), Preview::Failed(_)));
        Ok(())
    }

    #[test]
    fn a_row_of_bytes_keeps_its_columns() {
        assert_eq!(hex(16, b"\x89PNG", 8), "000010  89 50 4e 47              .PNG");
    }
}
