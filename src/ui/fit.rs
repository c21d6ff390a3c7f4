//! Fitting names and sentences into columns: escaping, cutting by display width, padding.
//!
//! A file name is an attacker's favourite way into a terminal, so nothing that came from a disk or from the network
//! is drawn before [`escaped`] has seen it.

use std::ffi::OsStr;
use std::path::Path;

use ratatui::buffer::CellWidth as _;
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::messages::{Escaped, escape};

/// Largest number of characters in one cluster: a base under many marks would reach into other rows.
const CLUSTER: usize = 8;

/// Returns the columns that the text takes when it is drawn, which is cluster by cluster.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    let span = Span::raw(text);
    span.styled_graphemes(Style::new()).map(|grapheme| usize::from(grapheme.symbol.cell_width())).sum()
}

/// Returns the text with everything spelled out that would act on the terminal or mislead its reader, or whose width
/// terminals do not agree on.
pub(super) fn escaped(text: &str) -> String {
    shown(&escape(text))
}

/// Returns the escaped text with the clusters spelled out whose width terminals do not agree on.
pub(super) fn shown(text: &Escaped) -> String {
    let text = text.as_str();
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for grapheme in Span::raw(text).styled_graphemes(Style::new()) {
        let cluster = grapheme.symbol;
        if is_measurable(cluster) {
            shown.push_str(cluster);
            continue;
        }
        for (at, c) in cluster.chars().enumerate() {
            if at == 0 && is_measurable(c.encode_utf8(&mut [0; 4])) {
                shown.push(c);
            } else {
                shown.extend(c.escape_unicode());
            }
        }
    }
    shown
}

/// Returns whether terminals agree on the columns of a cluster: those that add up its characters, those that join
/// them, and ratatui. They do not for a heart with a variation selector, a hand with a skin tone, or the sound
/// marks of half-width katakana, which ratatui counts as two columns. A mark without a base has no cell of its own.
fn is_measurable(cluster: &str) -> bool {
    let each: usize = cluster.chars().map(columns).sum();
    let (drawn, joined) = (usize::from(cluster.cell_width()), cluster.width());
    drawn > 0 && drawn == each && joined == each && cluster.chars().count() <= CLUSTER
}

/// Returns the columns of a character by itself.
fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Returns a file name that is safe to show. Bytes that are not UTF-8 become replacement characters; the real name
/// is kept elsewhere.
pub(super) fn name(raw: &OsStr) -> String {
    escaped(&raw.to_string_lossy())
}

/// Returns a folder that is safe to show, with `~` for the home folder.
pub(super) fn path(raw: &Path, home: Option<&Path>) -> String {
    match home.and_then(|home| raw.strip_prefix(home).ok()) {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", name(rest.as_os_str())),
        None => name(raw.as_os_str()),
    }
}

/// Cuts the text to at most `columns` columns, with `…` for its end. A wide character is never split.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = head(text, columns.saturating_sub(1));
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Cuts the text to at most `columns` columns, with `…` for its middle: names of a series differ at their ends.
pub(super) fn cut_middle(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns < 8 {
        return cut(text, columns);
    }
    let tail = tail(text, columns * 2 / 5);
    let mut out = head(text, columns - 1 - width(&tail));
    out.push('…');
    out.push_str(&tail);
    out
}

/// Leaves out the last clauses of an enumeration until it fits into `columns` columns: those behind a comma, then the time
/// behind ` in `. What is left is shortened as [`cut_words`] does.
pub(super) fn clauses(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let ends = text.rmatch_indices(", ").chain(text.match_indices(" in ").take(1)).map(|(at, _)| &text[..at]);
    let mut whole = ends.filter(|part| width(part) <= columns);
    whole.next().map_or_else(|| cut_words(text, columns), str::to_owned)
}

/// Cuts the text to at most `columns` columns at the end of a word, with `…` for the rest. A number is never cut, nor
/// separated from its unit.
pub(super) fn cut_words(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    for word in words(text) {
        let gap = usize::from(!out.is_empty());
        if width(&out) + gap + width(&word) >= columns {
            if out.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit()) {
                return cut(&word, columns);
            }
            break;
        }
        out.push_str(&" "[..gap]);
        out.push_str(&word);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Cuts the text to at most `columns` columns, with `…` for its beginning, as paths are shortened.
pub(super) fn cut_start(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    format!("…{}", tail(text, columns - 1))
}

/// Cuts or pads the text to exactly `columns` columns, left-aligned.
pub(super) fn left(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&out))));
    out
}

/// Cuts or pads the text to exactly `columns` columns, left-aligned, shortened in the middle.
pub(super) fn left_middle(text: &str, columns: usize) -> String {
    left(&cut_middle(text, columns), columns)
}

/// Cuts or pads the text to exactly `columns` columns, right-aligned.
pub(super) fn right(text: &str, columns: usize) -> String {
    let cut = cut(text, columns);
    let mut out = " ".repeat(columns.saturating_sub(width(&cut)));
    out.push_str(&cut);
    out
}

/// Breaks the text into lines of at most `columns` columns, at blanks where there are any, but not between a number
/// and its unit.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for mut word in words(text) {
        if !line.is_empty() && width(&line) + 1 + width(&word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        while width(&word) > columns {
            let mut part = head(&word, columns);
            if part.is_empty() {
                // A wide character does not fit into one column; it is left out, or this would loop.
                part = word.chars().take(1).collect();
            }
            word = word.get(part.len()..).unwrap_or_default().to_owned();
            lines.push(part);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Returns the parts that stay together: a word, or a number with its unit.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(number)
                if number.starts_with(|c: char| c.is_ascii_digit())
                    && number.ends_with(|c: char| c.is_ascii_digit())
                    && word.starts_with(|c: char| c.is_alphabetic()) =>
            {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

fn head(text: &str, columns: usize) -> String {
    let mut used = 0;
    let span = Span::raw(text);
    span.styled_graphemes(Style::new())
        .map(|grapheme| grapheme.symbol)
        .take_while(|symbol| {
            used += width(symbol);
            used <= columns
        })
        .collect()
}

fn tail(text: &str, columns: usize) -> String {
    let span = Span::raw(text);
    let graphemes: Vec<&str> = span.styled_graphemes(Style::new()).map(|grapheme| grapheme.symbol).collect();
    let mut used = 0;
    let kept = graphemes
        .iter()
        .rev()
        .take_while(|symbol| {
            used += width(symbol);
            used <= columns
        })
        .count();
    graphemes[graphemes.len() - kept..].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_neither_controls_the_terminal_nor_hides_text() {
        use std::path::Path;
        assert_eq!(name(OsStr::new("a\x1b[31mb")), "a\\u{1b}[31mb");
        assert_eq!(name(OsStr::new("cod\u{202e}gpj.exe")), "cod\\u{202e}gpj.exe");
        assert_eq!(path(Path::new("/home/me/a\nb"), Some(Path::new("/home/me"))), "~/a\\nb");
        assert_eq!(path(Path::new("/home/me"), Some(Path::new("/home/me"))), "~");
        assert_eq!(path(Path::new("/home/meme"), Some(Path::new("/home/me"))), "/home/meme");
    }

    /// On both kinds of terminal, what follows a name is where it should be.
    #[test]
    fn text_behind_a_name_keeps_its_column() {
        use ratatui::buffer::Buffer;
        use ratatui::layout::Rect;
        for raw in [
            "ｶﾞｷﾞｸﾞ.txt",
            "ﾊﾟ",
            "ﾞ",
            "\u{301}a",
            "e\u{301}",
            "\u{2764}\u{fe0f}.txt",
            "\u{1f44d}\u{1f3fd}",
            "1\u{fe0f}\u{20e3}",
            "\u{1f1e9}\u{1f1ea}",
            "\u{1f468}\u{200d}\u{1f469}",
            "\u{644}\u{627}",
            "\u{915}\u{94d}\u{937}",
            "\u{1100}\u{1161}",
            "文件",
            "a\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}",
        ] {
            let shown = left_middle(&escaped(raw), 60);
            let each: usize = shown.chars().map(columns).sum();
            assert_eq!(each, 60, "added up: {raw:?} as {shown:?}");
            let mut buf = Buffer::empty(Rect::new(0, 0, 70, 1));
            buf.set_string(0, 0, format!("{shown}|"), Style::new());
            assert_eq!(buf[(60, 0)].symbol(), "|", "drawn: {raw:?} as {shown:?}");
        }
    }

    #[test]
    fn clusters_of_undisputed_width_are_unchanged() {
        for same in ["größe", "文件.txt", "e\u{301}", "🦀", "ｶﾅ"] {
            assert_eq!(escaped(same), same);
        }
        assert_eq!(escaped("\u{2764}\u{fe0f}"), "\u{2764}\\u{fe0f}");
        assert_eq!(escaped("\u{301}a"), "\\u{301}a");
        assert_eq!(escaped("ｶ\u{ff9e}"), "ｶ\\u{ff9e}");
        assert_eq!(escaped("\u{ff9e}"), "\\u{ff9e}");
    }

    #[test]
    fn never_splits_a_wide_character() {
        assert_eq!(cut("図図図", 5), "図図…");
        assert_eq!(cut("図図図", 4), "図…");
        assert_eq!(left("図図図", 4), "図… ");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn keeps_the_extension() {
        assert_eq!(cut_middle("a_long_file_name.tar.gz", 14), "a_long_f…ar.gz");
        assert_eq!(cut_start("/home/me/lectures/week9", 10), "…res/week9");
    }

    #[test]
    fn a_number_is_shown_with_its_unit_or_not_at_all() {
        let said = "7.91 MiB in 0.02 s, 402 MiB/s, 10.5 MiB on the wire";
        assert_eq!(clauses(said, 51), said);
        assert_eq!(clauses(said, 50), "7.91 MiB in 0.02 s, 402 MiB/s");
        assert_eq!(clauses(said, 20), "7.91 MiB in 0.02 s");
        assert_eq!(clauses(said, 17), "7.91 MiB");
        assert_eq!(clauses(said, 7), "…");
        assert_eq!(cut_words("waits 12.5 s for the server", 11), "waits…");
        assert_eq!(cut_words("waits 12.5 s for the server", 13), "waits 12.5 s…");
        assert_eq!(
            (cut_words("abcdef", 4), cut_words("1234", 3), cut_words("ab", 0)),
            ("abc…".into(), "…".into(), String::new())
        );
    }

    #[test]
    fn wraps_at_blanks_and_breaks_what_has_none() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("図", 1), ["図"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("takes 5 min", 8), ["takes", "5 min"]);
    }
}
