//! The M2 of a MODE 0 that says more than a name (docs/protocol.md, section "Descriptions of files"). No IO.
//!
//! Our client sends a description only to a server whose line says that it understands one (`paths=1`, `meta=1`), and
//! our server takes one only from a client that sent our hello.

use std::fmt::Write as _;

use crate::store::Meta;

/// Beginning of a description.
const MARK: &str = "upseal/1 file\n";
/// Beginning of its last line, which has the name to its end, line feeds included.
const NAME: &str = "name ";
/// Beginning of the line with the time of the last modification.
const MODIFIED: &str = "mtime ";
/// The line of a file that its owner may execute.
const EXECUTABLE: &str = "mode x";

/// The M2 of a MODE 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Description<'a> {
    /// Path of the file, or its name alone.
    pub(crate) name: &'a [u8],
    /// What else is known of it.
    pub(crate) meta: Meta,
}

/// The text begins like a description and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Returns the M2 that describes a file.
#[must_use]
pub(crate) fn describe(name: &str, meta: Meta) -> String {
    let mut text = MARK.to_owned();
    if let Some((seconds, nanoseconds)) = meta.modified {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{MODIFIED}{seconds}.{nanoseconds:09}");
    }
    if meta.executable {
        text.push_str(EXECUTABLE);
        text.push('\n');
    }
    text + NAME + name
}

/// Returns the name of a file by its M2, with or without a description.
#[must_use]
pub(crate) fn name_of(m2: &str) -> &str {
    match parse(m2.as_bytes()) {
        Ok(Some(description)) => str::from_utf8(description.name).unwrap_or(m2),
        _ => m2,
    }
}

/// Parses an M2. `None`: it is a name alone. Lines that are not known are ignored, for later versions.
///
/// # Errors
/// It begins like a description, and has no name, or a known line is malformed or comes twice.
pub(crate) fn parse(m2: &[u8]) -> Result<Option<Description<'_>>, Malformed> {
    let Some(mut rest) = m2.strip_prefix(MARK.as_bytes()) else { return Ok(None) };
    let mut meta = Meta::default();
    loop {
        if let Some(name) = rest.strip_prefix(NAME.as_bytes()) {
            return Ok(Some(Description { name, meta }));
        }
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(Malformed)?;
        let line = str::from_utf8(&rest[..end]).map_err(|_| Malformed)?;
        rest = &rest[end + 1..];
        if let Some(time) = line.strip_prefix(MODIFIED) {
            let time = parse_time(time).ok_or(Malformed)?;
            if meta.modified.replace(time).is_some() {
                return Err(Malformed);
            }
        } else if line == EXECUTABLE {
            meta.executable = true;
        }
    }
}

/// Parses seconds, a point and nine digits.
fn parse_time(text: &str) -> Option<(i64, u32)> {
    let (seconds, nanoseconds) = text.split_once('.')?;
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = is_digits(seconds.strip_prefix('-').unwrap_or(seconds)) && is_digits(nanoseconds);
    (is_whole && nanoseconds.len() == 9).then_some(())?;
    Some((seconds.parse().ok()?, nanoseconds.parse().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_as_it_was_written() {
        let meta = |modified, executable| Meta { modified, executable };
        for (name, meta, text) in [
            ("a/b.txt", Meta::default(), "upseal/1 file\nname a/b.txt"),
            ("a\nname b", meta(Some((5, 7)), false), "upseal/1 file\nmtime 5.000000007\nname a\nname b"),
            ("", meta(Some((-5, 0)), true), "upseal/1 file\nmtime -5.000000000\nmode x\nname "),
        ] {
            assert_eq!(describe(name, meta), text);
            assert_eq!(parse(text.as_bytes()), Ok(Some(Description { name: name.as_bytes(), meta })));
            assert_eq!(name_of(text), name);
        }
        assert_eq!(parse(b"a.txt"), Ok(None));
        assert_eq!(parse(b"upseal/1 file"), Ok(None), "without a line feed it is a path");
        assert_eq!(name_of("dir/a.txt"), "dir/a.txt");
        let later = parse(b"upseal/1 file\nowner 5\nmode rwx\nname a").unwrap().unwrap();
        assert_eq!((later.name, later.meta), (&b"a"[..], Meta::default()));
    }

    #[test]
    fn what_begins_like_a_description_and_is_none_is_an_error() {
        for text in [
            "",
            "mtime 5.000000000\n",
            "mtime 5\nname a",
            "mtime 5.0\nname a",
            "mtime +5.000000000\nname a",
            "mtime 5.0000000000\nname a",
            "mtime 99999999999999999999.000000000\nname a",
            "mtime 5.000000000\nmtime 5.000000000\nname a",
            "mtime .000000000\nname a",
            "Name a",
        ] {
            assert_eq!(parse(format!("{MARK}{text}").as_bytes()), Err(Malformed), "{text}");
        }
        assert_eq!(parse(b"upseal/1 file\n\xff\nname a"), Err(Malformed));
    }
}
