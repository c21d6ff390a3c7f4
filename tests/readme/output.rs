//! Compares the output of a command with what a page shows.

/// Stands for any text, or on its own line for any lines.
const ANY: &str = "…";

/// Units after a number.
const UNITS: [&str; 14] =
    ["B", "KiB", "MiB", "GiB", "B/s", "KiB/s", "MiB/s", "GiB/s", "s", "ms", "min", "h", "days", "%"];

/// Beginning of a line that `race` prints on a busy machine only.
const BUSY: &str = "Other programs used ";

/// Hexadecimal digits from this length on are a digest or a random number.
const DIGEST: usize = 8;

/// # Panics
/// The lines are not what the page shows.
pub(crate) fn assert_matches<S: AsRef<str>>(shown: &[S], lines: &[&str], place: &str) {
    let pattern: Vec<String> = shown.iter().map(|line| normalised(line.as_ref())).collect();
    let real = lines.iter().filter(|line| !line.starts_with(BUSY));
    let real: Vec<String> = real.map(|line| normalised(line)).collect();
    let shown: Vec<&str> = shown.iter().map(AsRef::as_ref).collect();
    assert!(
        lines_match(&pattern, &real),
        "{place}\nthe page shows:\n{}\nthe program prints:\n{}\n",
        shown.join("\n"),
        lines.join("\n")
    );
}

fn lines_match(pattern: &[String], lines: &[String]) -> bool {
    match pattern.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == ANY => (0..=lines.len()).any(|n| lines_match(rest, &lines[n..])),
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, others)| text_matches(first, line) && lines_match(rest, others)),
    }
}

fn text_matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once(ANY) {
        None => pattern == text,
        Some((before, rest)) => text.strip_prefix(before).is_some_and(|text| {
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| text_matches(rest, &text[at..]))
        }),
    }
}

/// Replaces what differs from run to run by `#`, and spaces by one.
fn normalised(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_after_number = words.last().is_some_and(|last| matches!(last.as_str(), "#" | "(#"));
        // The unit of a number, perhaps before a comma.
        let bare = word.trim_end_matches([',', '.', ')']);
        if is_after_number && UNITS.contains(&bare) {
            if let Some(last) = words.last_mut() {
                last.push_str(&word[bare.len()..]);
            }
            continue;
        }
        let word = without_numbers(word);
        // Two numbers in a row are one value: `5 min 11 s`, a date and its time.
        if word.starts_with('#') && is_after_number {
            words.pop();
        }
        words.push(word);
    }
    words.join(" ")
}

fn without_numbers(word: &str) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let run = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if run == 0 {
            // Inside a number: an address, a date, a time, a fraction.
            let next_is_digit = rest[c.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
            if !(text.ends_with('#') && matches!(c, '.' | ':' | '-') && next_is_digit) {
                text.push(c);
            }
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let piece = &rest[..run];
        // `T` and `Z` stand in times of RFC 3339.
        let is_number = piece.starts_with(|c: char| c.is_ascii_digit())
            && piece.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'T' | b'Z'));
        let is_digest =
            run >= DIGEST && piece.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        if is_number || is_digest {
            if !text.ends_with('#') {
                text.push('#');
            }
        } else {
            text.push_str(piece);
        }
        rest = &rest[run..];
    }
    text
}

#[test]
fn numbers_sizes_times_and_digests_are_not_compared_and_words_are() {
    for (a, b) in [
        ("big.bin  stored   8.00 MiB in 0.03 s, 267 MiB/s", "big.bin stored 977 KiB in 2.1 ms, 9 KiB/s"),
        ("CP1 5 min 11 s, CP2 6.2 s.", "CP1 9 s, CP2 1 h 2 min."),
        ("2026-11-22 13:50:16  sent", "2027-01-02 00:00:00  sent"),
        ("time 2026-11-28T20:36:46Z, as", "time 2027-01-02T00:00:00Z, as"),
        ("sha256:19e5c73f54ea  1024 bits", "sha256:0123456789ab  2048 bits"),
        ("from 127.0.0.1:44984 sha256:19e5c73f54ea", "from 10.0.0.1:1 sha256:0123456789abcdef"),
    ] {
        assert_eq!(normalised(a), normalised(b));
    }
    for (a, b) in
        [("stored 1 B", "sent 1 B"), ("CP1 1 s", "CP2 1 s"), ("a.bin", "b.bin"), ("1 file", "1 files")]
    {
        assert_ne!(normalised(a), normalised(b));
    }
}

#[test]
fn an_ellipsis_stands_for_any_text_or_lines() {
    let matches = |shown: &[&str], lines: &[&str]| {
        let lines_of = |lines: &[&str]| lines.iter().map(|line| normalised(line)).collect::<Vec<_>>();
        lines_match(&lines_of(shown), &lines_of(lines))
    };
    assert!(matches(&["one … three", "…", "end"], &["one two three", "a", "b", "end"]));
    assert!(matches(&["a", "…"], &["a"]));
    assert!(matches(&["sha256:19e5c73f54ea…"], &["sha256:19e5c73f54ea0011"]));
    assert!(!matches(&["a"], &["a", "b"]));
    assert!(!matches(&["a", "b"], &["a"]));
    assert!(!matches(&["one … three"], &["one two four"]));
}
