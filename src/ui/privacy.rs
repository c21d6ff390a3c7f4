//! Hides hosts and paths in a picture, for a beamer or a screenshot.
//!
//! It works on the finished picture, so that no screen can forget it. What looks like an address, a path or a fingerprint
//! is hidden wherever it stands; and what is known to be one, also where it was cut (`files.ex…4321`) or has no such look
//! (a host's name).

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Drawn instead of what is hidden. It is in every font and has one width.
const MASK: &str = "*";
/// Characters at which a cut text is recognised by its end or its beginning.
const FEWEST: usize = 3;

/// Characters of a word from which on it is hidden if it is a piece of a secret.
const PIECE: usize = 8;

/// Texts that are hidden wherever they stand: hosts, folders, fingerprints, the user's name.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<Vec<char>>);

impl Secrets {
    /// Adds a text. One of fewer than three characters would hide too much.
    pub(super) fn add(&mut self, text: &str) {
        let chars: Vec<char> = text.chars().collect();
        if chars.len() >= FEWEST && !self.0.contains(&chars) {
            self.0.push(chars);
        }
    }

    /// Adds an address, its host, and its port, which stands alone where a narrow dialog breaks the address.
    pub(super) fn add_host(&mut self, address: &str) {
        self.add(address);
        if let Some((host, port)) = address.rsplit_once(':') {
            self.add(port);
            self.add(host.trim_start_matches('[').trim_end_matches(']'));
        }
    }

    /// Hides these texts, and what looks like an address, a path or a fingerprint.
    pub(super) fn hide(&self, area: Rect, buf: &mut Buffer) {
        for row in area.intersection(buf.area).rows() {
            let columns: Vec<u16> = (row.left()..row.right()).collect();
            let text: Vec<char> =
                columns.iter().map(|x| buf[(*x, row.y)].symbol().chars().next().unwrap_or(' ')).collect();
            for (x, is_hidden) in columns.iter().zip(self.hidden(&text)) {
                if is_hidden {
                    buf[(*x, row.y)].set_symbol(MASK);
                }
            }
        }
    }

    /// Returns which characters of a row are hidden.
    fn hidden(&self, row: &[char]) -> Vec<bool> {
        let mut hidden = vec![false; row.len()];
        for (from, to) in words(row) {
            let word = &row[from..to];
            // A link or a fingerprint that was broken at the end of a row.
            let is_piece = || self.0.iter().any(|secret| word.len() >= PIECE && is_in(word, secret));
            if is_private(word) || is_piece() {
                hidden[from..to].fill(true);
            }
        }
        for secret in &self.0 {
            for (from, to) in found(row, secret) {
                hidden[from..to].fill(true);
            }
        }
        hidden
    }
}

/// Returns the beginnings and ends of the words of a row. Frames and brackets of answers stand between words.
fn words(row: &[char]) -> Vec<(usize, usize)> {
    let is_between = |c: char| c.is_whitespace() || "│╭╮╰╯─▸,;()'\"".contains(c);
    let mut words = Vec::new();
    let mut from = None;
    for (at, c) in row.iter().enumerate() {
        match (is_between(*c), from) {
            (false, None) => from = Some(at),
            (true, Some(start)) => {
                words.push((start, at));
                from = None;
            }
            _ => {}
        }
    }
    words.extend(from.map(|start| (start, row.len())));
    words
}

/// Returns where a secret stands in a row: whole, or cut with `…`.
fn found(row: &[char], secret: &[char]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let last = row.len().saturating_sub(secret.len());
    for at in 0..=last {
        if row[at..].starts_with(secret) && is_alone(row, at, at + secret.len()) {
            found.push((at, at + secret.len()));
        }
    }
    for (at, _) in row.iter().enumerate().filter(|(_, c)| **c == '…') {
        let (before, after) = (&row[..at], &row[at + 1..]);
        let begins = (0..=secret.len()).rev().find(|n| before.ends_with(&secret[..*n])).unwrap_or(0);
        let ends =
            (0..=secret.len()).rev().find(|n| after.starts_with(&secret[secret.len() - n..])).unwrap_or(0);
        if begins >= FEWEST || ends >= FEWEST {
            found.push((at - begins, at + 1 + ends));
        }
    }
    found
}

/// Returns whether a text contains a word.
fn is_in(word: &[char], text: &[char]) -> bool {
    text.windows(word.len().max(1)).any(|part| part == word)
}

/// Returns whether no letter or digit touches this part of a row: a user called `ann` is not in `planned`.
fn is_alone(row: &[char], from: usize, to: usize) -> bool {
    let touches = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric());
    let before = from.checked_sub(1).and_then(|at| row.get(at));
    // Where the secret itself ends with a sign, what follows belongs to it.
    let begins = row.get(from).is_none_or(|c| !c.is_alphanumeric()) || !touches(before);
    let ends = row.get(to.wrapping_sub(1)).is_none_or(|c| !c.is_alphanumeric()) || !touches(row.get(to));
    begins && ends
}

/// Returns whether a word looks like an address, a path or a fingerprint.
fn is_private(word: &[char]) -> bool {
    let text: String = word.iter().collect();
    let text = text.trim_end_matches(['.', ':', '!']);
    is_path(text) || is_address(text) || is_fingerprint(text)
}

fn is_path(text: &str) -> bool {
    if text.starts_with(['/', '~']) || text.starts_with("./") || text.starts_with("../") {
        return text.len() > 1;
    }
    // A rate (`MiB/s`), a key with two meanings (`on/off`) and a folder's name (`figures/`) are not paths.
    let inner = text.strip_suffix('/').unwrap_or(text);
    let is_rate = inner.ends_with("B/s") || inner.ends_with("bit/s");
    let is_ours = matches!(inner, "on/off" | "start/stop");
    inner.contains('/') && !is_rate && !is_ours
}

fn is_address(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let is_hex = |part: &str| part.chars().all(|c| c.is_ascii_hexdigit() || c == '…');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if digits(port) => (host, Some(port)),
        _ => (text, None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_v4 = bare.split('.').count() == 4 && bare.split('.').all(digits);
    // A time of day has groups of two digits.
    let is_time = |text: &str| text.split(':').all(|part| part.len() == 2 && digits(part));
    let groups = bare.split(':').count();
    let is_v6 = groups >= 3 && bare.split(':').all(is_hex) && !is_time(text);
    let is_v6 = is_v6 || (host.starts_with('[') && bare.contains(':') && is_hex(&bare.replace(':', "")));
    let has_letter = bare.chars().any(char::is_alphabetic);
    let is_named =
        port.is_some() && has_letter && bare.chars().all(|c| c.is_alphanumeric() || "-._…".contains(c));
    is_v4 || is_v6 || is_named || text.to_lowercase().starts_with("upseal://")
}

fn is_fingerprint(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha256-"));
    let is_hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() || c == '…');
    hex.is_some_and(is_hex) || (text.chars().count() >= 24 && is_hex(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(secrets: &[&str], row: &str) -> String {
        let mut all = Secrets::default();
        for secret in secrets {
            all.add(secret);
        }
        let chars: Vec<char> = row.chars().collect();
        let is_hidden = all.hidden(&chars);
        chars.iter().zip(is_hidden).map(|(c, is_hidden)| if is_hidden { '*' } else { *c }).collect()
    }

    #[test]
    fn addresses_paths_and_fingerprints_are_hidden_by_their_looks() {
        for (row, private) in [
            ("listens on 127.0.0.1:4321", "127.0.0.1:4321"),
            ("from 192.168.1.20", "192.168.1.20"),
            ("│ [2001:db8::7]:61000 ended", "[2001:db8::7]:61000"),
            ("from [2001:db8::7]: why", "[2001:db8::7]:"),
            ("at 2001:db8::7", "2001:db8::7"),
            ("to files.example.org:4321 ✓", "files.example.org:4321"),
            ("in ~/recv_files ╮", "~/recv_files"),
            ("key /etc/up/k.pem.", "/etc/up/k.pem."),
            ("in …ures/week9 ─", "…ures/week9"),
            ("sha256:9f2c41…beef", "sha256:9f2c41…beef"),
            ("upseal://h:1#sha256-00", "upseal://h:1#sha256-00"),
        ] {
            let shown = row.replace(private, &"*".repeat(private.chars().count()));
            assert_eq!(hidden(&[], row), shown);
        }
    }

    #[test]
    fn times_rates_names_and_keys_are_shown() {
        for row in [
            "08:00:01 cmos.mp4   69 %  72.0 MiB  412 MiB/s",
            "figures/   —  Tue 14:02",
            "Space on/off  Enter start/stop",
            "image (2).ppm  sha256 9f2c41…  renamed",
            "3.3 Gbit/s on the wire, CP2, 1024-bit, v0.1.0",
        ] {
            assert_eq!(hidden(&[], row), row);
        }
    }

    #[test]
    fn what_is_known_is_hidden_whole_or_cut() {
        let known = ["files.example.org", "~/my notes/week 9", "ann"];
        for (row, shown) in [
            ("files.example.org away", "***************** away"),
            ("files.ex…org away", "************ away"),
            ("╭ …notes/week 9 ─", "╭ ************* ─"),
            ("ann planned", "*** planned"),
        ] {
            assert_eq!(hidden(&known, row), shown);
        }
    }
}
