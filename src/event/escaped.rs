//! Text from the network or the disk, made safe to show.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Text in which every character that could move the cursor, reorder the line or hide is spelled out (`\n`,
/// `\u{1b}`).
///
/// Every name, subject or message of a peer that a person sees is one of these. It has no `Deref` to `str`, so it
/// cannot be passed to [`escape`] by accident; escaping it again would change nothing. Escaping cannot be undone,
/// because a backslash of the original stays as it is. In formats, width and alignment apply to the escaped text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Escaped(String);

/// Escapes `text`.
#[must_use]
pub fn escape(text: &str) -> Escaped {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if misleads(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Escaped(shown)
}

impl Escaped {
    /// Escapes a file name; bytes that are not UTF-8 become replacement characters.
    #[must_use]
    pub fn name(name: &OsStr) -> Self {
        escape(&name.to_string_lossy())
    }

    /// Escapes a path; bytes that are not UTF-8 become replacement characters.
    #[must_use]
    pub fn path(path: &Path) -> Self {
        Self::name(path.as_os_str())
    }

    /// Returns the escaped text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Escaped {
    fn from(text: &str) -> Self {
        escape(text)
    }
}

impl From<String> for Escaped {
    fn from(text: String) -> Self {
        if text.contains(misleads) { escape(&text) } else { Self(text) }
    }
}

impl From<Escaped> for String {
    fn from(text: Escaped) -> Self {
        text.0
    }
}

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl PartialEq<str> for Escaped {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Escaped {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Whether a reader would be misled by `c` as it is.
///
/// Zero-width joiners are among these although Persian and some emoji need them: two different names that look the
/// same are worse than a joiner spelled out. Variation selectors are not, because they only choose how the character
/// before them is drawn.
#[must_use]
pub fn misleads(c: char) -> bool {
    c.is_control() // C0 (ESC is here), DEL, C1
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // direction
            | '\u{2028}' | '\u{2029}' // line and paragraph separators
            | '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' // no width
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers: width, but no ink
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn writes_out_what_misleads_and_nothing_else() {
        for (text, shown) in [
            ("", ""),
            ("plain name (2).txt", "plain name (2).txt"),
            ("größe 文件 🦀 ❤\u{fe0f}", "größe 文件 🦀 ❤\u{fe0f}"),
            ("e\u{301}", "e\u{301}"),
            (r"C:\a", r"C:\a"),
            ("\u{1b}[2J", r"\u{1b}[2J"),
            ("a\nb\tc\rd\0e", r"a\nb\tc\rd\u{0}e"),
            ("\u{7f}\u{80}\u{9b}31m", r"\u{7f}\u{80}\u{9b}31m"),
            ("\u{202a}\u{202b}\u{202c}\u{202d}", r"\u{202a}\u{202b}\u{202c}\u{202d}"),
            ("invoice\u{202e}fdp.exe", r"invoice\u{202e}fdp.exe"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", r"\u{2066}\u{2067}\u{2068}\u{2069}"),
            ("\u{200e}\u{200f}\u{61c}", r"\u{200e}\u{200f}\u{61c}"),
            ("\u{2028}\u{2029}\u{85}", r"\u{2028}\u{2029}\u{85}"),
            ("a\u{200b}b\u{200c}c\u{200d}d", r"a\u{200b}b\u{200c}c\u{200d}d"),
            ("\u{2060}\u{feff}\u{ad}\u{3164}", r"\u{2060}\u{feff}\u{ad}\u{3164}"),
            ("\u{e0041}", r"\u{e0041}"),
        ] {
            assert_eq!(escape(text).to_string(), shown, "{text:?}");
        }
    }

    #[test]
    fn honours_width_and_precision() {
        assert_eq!(format!("[{:<6}]", escape("ab")), "[ab    ]");
        assert_eq!(format!("[{:>6}]", escape("a\nb")), r"[  a\nb]");
        assert_eq!(format!("[{:.3}]", escape("a\nb")), r"[a\n]");
    }

    #[test]
    fn a_path_that_is_not_utf_8_is_shown_with_replacement_characters() {
        use std::os::unix::ffi::OsStrExt as _;
        let raw = OsStr::from_bytes(b"a\xff\n/b");
        assert_eq!(Escaped::path(Path::new(raw)), "a\u{fffd}\\n/b");
        assert_eq!(Escaped::name(raw), "a\u{fffd}\\n/b");
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_misleads_is_left_and_escaping_twice_changes_nothing(text in ".*\\PC*") {
            let once = escape(&text);
            proptest::prop_assert!(!once.as_str().contains(misleads), "{once:?}");
            proptest::prop_assert_eq!(&escape(once.as_str()), &once);
            proptest::prop_assert_eq!(&Escaped::from(String::from(once.clone())), &once);
            proptest::prop_assert_eq!(&Escaped::from(text.clone()), &once);
            if !text.contains(misleads) {
                proptest::prop_assert_eq!(once.as_str(), &text);
            }
        }

        #[test]
        fn every_character_by_itself_is_kept_or_spelled_out_in_ascii(c in proptest::char::any()) {
            let shown = escape(&c.to_string());
            if misleads(c) {
                proptest::prop_assert!(shown.as_str().is_ascii() && shown.as_str().starts_with('\\'));
            } else {
                proptest::prop_assert_eq!(shown.as_str(), c.to_string());
            }
        }

        #[test]
        fn json_carries_the_text_alone_and_never_escapes_twice(text in proptest::prelude::any::<String>()) {
            let shown = escape(&text);
            let json = serde_json::to_string(&shown).unwrap();
            proptest::prop_assert_eq!(&json, &serde_json::to_string(shown.as_str()).unwrap());
            proptest::prop_assert_eq!(serde_json::from_str::<Escaped>(&json).unwrap(), shown.clone());
            let raw = serde_json::to_string(&text).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<Escaped>(&raw).unwrap(), shown);
        }
    }
}
