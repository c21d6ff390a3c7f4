//! The M2 of a MODE 0 that is a description (docs/protocol.md, section "Descriptions of files"). No IO.
//!
//! Our client sends one only to a server whose line says `paths=1`, and our server takes one only from a client that
//! sent our hello.

/// Beginning of a description.
const MARK: &str = "upseal/1 file\n";
/// Beginning of its last line, which has the name to its end, line feeds included.
const NAME: &str = "name ";

/// The text begins like a description and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Returns the M2 that describes the file at this path.
#[must_use]
pub(crate) fn describe(path: &str) -> String {
    format!("{MARK}{NAME}{path}")
}

/// Returns the name of a file by its M2, with or without a description.
#[must_use]
pub(crate) fn name_of(m2: &str) -> &str {
    match parse(m2.as_bytes()) {
        Ok(Some(name)) => str::from_utf8(name).unwrap_or(m2),
        _ => m2,
    }
}

/// Parses an M2, and returns the path of a description. `None`: it is a name alone. Lines that are not known are
/// ignored, for later versions.
///
/// # Errors
/// It begins like a description, and has no name.
pub(crate) fn parse(m2: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let Some(mut rest) = m2.strip_prefix(MARK.as_bytes()) else { return Ok(None) };
    loop {
        if let Some(name) = rest.strip_prefix(NAME.as_bytes()) {
            return Ok(Some(name));
        }
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(Malformed)?;
        rest = &rest[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_as_it_was_written() {
        for (path, text) in [
            ("a/b.txt", "upseal/1 file\nname a/b.txt"),
            ("a\nname b", "upseal/1 file\nname a\nname b"),
            ("", "upseal/1 file\nname "),
        ] {
            assert_eq!(describe(path), text);
            assert_eq!(parse(text.as_bytes()), Ok(Some(path.as_bytes())));
            assert_eq!(name_of(text), path);
        }
        assert_eq!(parse(b"a.txt"), Ok(None));
        assert_eq!(parse(b"upseal/1 file"), Ok(None), "without a line feed it is a path");
        assert_eq!(name_of("dir/a.txt"), "dir/a.txt");
        assert_eq!(parse(b"upseal/1 file\nowner 5\n\xff\nname a"), Ok(Some(&b"a"[..])), "of a later version");
    }

    #[test]
    fn what_begins_like_a_description_and_is_none_is_an_error() {
        for text in ["", "Name a", "owner 5\n", "name\n"] {
            assert_eq!(parse(format!("{MARK}{text}").as_bytes()), Err(Malformed), "{text}");
        }
    }
}
