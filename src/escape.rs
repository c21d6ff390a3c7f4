//! Text from the network, made safe to show.

use std::fmt;

/// `text` with everything written out (`\n`, `\u{1b}`) that could move the cursor, change the order
/// of what is read, or hide.
///
/// For every name, subject or message of a peer that a person will see. It is not reversible: a
/// backslash that was there stays one. Width and alignment apply to what is shown.
#[must_use]
pub fn escape(text: &str) -> impl fmt::Display {
    Escaped(text)
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.contains(misleads) {
            return f.pad(self.0);
        }
        let mut shown = String::with_capacity(self.0.len() + 16);
        for c in self.0.chars() {
            if misleads(c) {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
        }
        f.pad(&shown)
    }
}

/// Whether a reader would be misled by `c` as it is.
///
/// Zero-width joiners are among these although Persian and some emoji need them: two names that
/// look alike and differ are worse than a joiner written out. Variation selectors are not: they
/// only choose how the character before them is drawn.
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
}
