//! Patterns that plain English does not need, counted in comments, messages and pages.

use std::fmt::Write as _;

use crate::tree::{Text, texts};

/// A comment inside SQL of a released version, which is never edited.
const RELEASED: (&str, &str) =
    ("src/history/schema.rs", "-- What was sent, and what the server says of it is not known yet;");

/// Words that hide the actor, or replace a term of the field.
const WORDS: [&str; 20] = [
    "nobody",
    "somebody",
    "whoever",
    "foretold",
    "of ours",
    "is told",
    "are told",
    "other people's",
    "of other people",
    "is no error",
    "anybody",
    "everybody",
    "all the same",
    "at the least",
    "at the most",
    "gone away",
    "in the place of",
    "in want of",
    "likewise",
    "takes notice",
];

/// Beginnings of doc comments that cannot be read alone.
const BEGINNINGS: [&str; 4] = ["The same, but", "The same.", "Likewise", "As above"];

#[test]
fn comments_messages_and_pages_are_plain_english() {
    let mut found = String::new();
    let mut count = 0;
    for text in &texts() {
        for (n, pattern) in patterns(text) {
            if text.path == RELEASED.0 && text.lines().any(|(at, line)| at == n && line.contains(RELEASED.1))
            {
                continue;
            }
            count += 1;
            writeln!(found, "{}:{n}: {pattern}", text.path).unwrap();
        }
    }
    assert!(found.is_empty(), "{count} patterns to be rewritten (see CONTRIBUTING.md):\n{found}");
}

/// Returns the patterns of a text with the numbers of their lines.
fn patterns(text: &Text) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.content.lines().map(str::trim).collect();
    for (at, line) in lines.iter().enumerate() {
        let lower = line.to_lowercase();
        for word in WORDS {
            if contains_word(&lower, word) {
                found.push((at + 1, word.to_owned()));
            }
        }
        if is_double_genitive(&lower) {
            found.push((at + 1, "of upseal's".to_owned()));
        }
        if denies_a_noun(&lower) {
            found.push((at + 1, "\"is no X\" for \"is not an X\"".to_owned()));
        }
        if is_inverted_error(line) {
            found.push((at + 1, "\"X is not a Y: Z are\"".to_owned()));
        }
        let Some(comment) = line.strip_prefix("/// ") else { continue };
        let is_doc =
            |at: Option<usize>| at.and_then(|at| lines.get(at)).is_some_and(|line| line.starts_with("///"));
        let is_first = !is_doc(at.checked_sub(1));
        if is_first && BEGINNINGS.iter().any(|beginning| comment.starts_with(beginning)) {
            found.push((at + 1, format!("a doc comment that begins with {comment:?}")));
        }
        if is_first && !is_doc(Some(at + 1)) && comment.ends_with('.') && !comment.contains(' ') {
            found.push((at + 1, format!("a doc comment of one word: {comment:?}")));
        }
    }
    found
}

/// Returns whether a text contains these words, and not only as parts of others.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_letter(text[..at].chars().next_back()) && !is_letter(text[at + word.len()..].chars().next())
    })
}

/// Returns whether a text says `of upseal's` without a noun after it.
fn is_double_genitive(text: &str) -> bool {
    text.match_indices("of upseal's").any(|(at, words)| {
        let next = text[at + words.len()..].split_whitespace().next().unwrap_or_default();
        let follows_directly = text[at + words.len()..].starts_with(' ');
        !follows_directly
            || matches!(next, "" | "is" | "are" | "and" | "or" | "that" | "with" | "without" | "on" | "in")
    })
}

/// Returns whether a text says `it is no file` for `it is not a file`. `there is no file` is plain English.
fn denies_a_noun(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(4).any(|words| {
        let [subject, verb, no, noun] = words else { return false };
        ["is", "are", "was", "were"].contains(verb)
            && *no == "no"
            && !subject.ends_with("here")
            && !["longer", "more"].contains(&noun.trim_end_matches([',', '.', ';', ':']))
    })
}

/// Returns whether a string literal says what is accepted by `X is not a Y: Z are`.
fn is_inverted_error(line: &str) -> bool {
    line.split('"').skip(1).step_by(2).any(|literal| {
        let Some((before, after)) = literal.split_once(": ") else { return false };
        let denies =
            before.contains("is not a") || before.contains("is not accepted") || before.contains("is no ");
        denies && (after.ends_with(" are") || after.ends_with(" is") || after.contains(" are,"))
    })
}

#[test]
fn finds_each_pattern_and_nothing_else() {
    let found =
        |content: &str| patterns(&Text { path: "x.rs".to_owned(), content: content.to_owned() }).len();
    for bad in [
        "/// Which.",
        "/// It.",
        "/// The same, but for keys.",
        "// Nobody waits.",
        "a file of upseal's",
        "\"512 bits is not accepted: 1024 to 8192 are\"",
        "// A reset is no end in order.",
        "// The receipt is requested all the same.",
    ] {
        assert_eq!(found(bad), 1, "{bad}");
    }
    for good in [
        "/// Which file.",
        "/// Bytes of\n/// it.",
        "let nobody_here = 1;",
        "the hello of upseal's client",
        "cannot be told apart",
        "\"a: b\"",
        "// There is no file, and it is no longer needed.",
    ] {
        assert_eq!(found(good), 0, "{good}");
    }
}
