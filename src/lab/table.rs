//! The results as text of 80 columns: what was observed, below it what is expected, and below that what a receipt adds.

use std::fmt::Write as _;

use super::outcome::{Attack, Cell, Outcome, Receipt};
use crate::event::Variant;

/// Width in characters of the first column, of the others, and of the text in them.
const LABEL: usize = 20;
const COLUMN: usize = 15;
const TEXT: usize = 14;

/// The signs before an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signs {
    /// The signs ✓ and ✗.
    Unicode,
    /// The signs + and !.
    Ascii,
}

impl Signs {
    /// Returns ✗ if the attack succeeded, ✓ otherwise.
    const fn of(self, outcome: Outcome) -> &'static str {
        match (self, outcome.harms()) {
            (Self::Unicode, true) => "✗",
            (Self::Unicode, false) => "✓",
            (Self::Ascii, true) => "!",
            (Self::Ascii, false) => "+",
        }
    }

    const fn dash(self) -> &'static str {
        match self {
            Self::Unicode => "–",
            Self::Ascii => "-",
        }
    }

    const fn differs(self) -> &'static str {
        match self {
            Self::Unicode => "≠",
            Self::Ascii => "#",
        }
    }
}

/// Returns the table, then the cells that differ, then a legend.
#[must_use]
pub(crate) fn text(cells: &[Cell], signs: Signs) -> String {
    let mut text = String::new();
    let mut head = format!("{:LABEL$}", "Attack on the path");
    for variant in Variant::ALL {
        let _ = write!(head, "{:COLUMN$}", variant.to_string());
    }
    push(&mut text, &head);
    push(&mut text, &"-".repeat(LABEL + 4 * COLUMN));
    for attack in Attack::ALL {
        let row: Vec<&Cell> = cells.iter().filter(|cell| cell.attack == attack).collect();
        if !row.is_empty() {
            lines(&mut text, attack, &row, signs);
        }
    }
    text.push('\n');
    wrong(&mut text, cells, signs);
    legend(&mut text, cells, signs);
    text
}

/// Returns the cells as sentences, without signs: what was observed, what a receipt adds, and whether that is
/// documented otherwise.
#[must_use]
pub(crate) fn sentences(cells: &[Cell]) -> Vec<String> {
    let sentence = |cell: &Cell| {
        let seen: Vec<&str> = cell.observed().iter().map(|outcome| outcome.meaning()).collect();
        let harms = cell.observed().iter().any(|outcome| outcome.harms());
        let verdict = if harms { "the attack succeeded" } else { "the attack failed" };
        let receipt = cell.receipt().map(Receipt::meaning);
        let receipt = receipt.map_or_else(String::new, |meaning| format!("; with a receipt, {meaning}"));
        let differs = if cell.as_expected { "" } else { "; docs/protocol.md says otherwise" };
        let (attack, variant) = (capital(cell.attack.words()), cell.variant);
        format!("{attack}, {variant}: {verdict}: {}{receipt}{differs}.", seen.join(", or "))
    };
    cells.iter().filter(|cell| !cell.plays.is_empty()).map(sentence).collect()
}

/// Returns one line that sums up the results.
#[must_use]
pub(crate) fn verdict(cells: &[Cell]) -> String {
    let played = cells.iter().filter(|cell| !cell.plays.is_empty()).count();
    let plays: usize = cells.iter().map(|cell| cell.plays.len()).sum();
    let wrong = cells.iter().filter(|cell| !cell.as_expected).count();
    let end = match wrong {
        0 => "all as docs/protocol.md says".to_owned(),
        1 => "1 is not as docs/protocol.md says".to_owned(),
        n => format!("{n} are not as docs/protocol.md says"),
    };
    format!("{played} cells, played in {plays} ways: {end}.")
}

fn push(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn lines(text: &mut String, attack: Attack, row: &[&Cell], signs: Signs) {
    let columns: Vec<Vec<String>> = Variant::ALL
        .iter()
        .map(|variant| {
            row.iter().find(|cell| cell.variant == *variant).map_or(Vec::new(), |cell| column(cell, signs))
        })
        .collect();
    let label = wrapped(&capital(attack.words()), LABEL - 2);
    let height = columns.iter().map(Vec::len).max().unwrap_or(0).max(label.len());
    for at in 0..height {
        let mut line = format!("{:LABEL$}", label.get(at).map_or("", String::as_str));
        for column in &columns {
            let _ = write!(line, "{:COLUMN$}", column.get(at).map_or("", String::as_str));
        }
        push(text, &line);
    }
    if row.iter().any(|cell| cell.receipt().is_some()) {
        let mut line = format!("{:LABEL$}", "  with a receipt");
        for variant in Variant::ALL {
            let receipt = row.iter().find(|cell| cell.variant == variant).and_then(|cell| cell.receipt());
            let words = receipt.map_or_else(String::new, |receipt| format!("  {}", receipt.word()));
            let _ = write!(line, "{words:COLUMN$}");
        }
        push(text, &line);
    }
}

/// Returns the lines of a cell: what was observed, and below it what is expected.
fn column(cell: &Cell, signs: Signs) -> Vec<String> {
    if cell.plays.is_empty() && cell.expected.is_empty() {
        return vec![signs.dash().to_owned()];
    }
    let mut lines: Vec<String> =
        cell.observed().iter().map(|outcome| format!("{} {outcome}", signs.of(*outcome))).collect();
    let equal = if cell.as_expected { "=" } else { signs.differs() };
    let expected: Vec<&str> = cell.expected.iter().map(|outcome| outcome.word()).collect();
    let words = if expected.is_empty() { "nothing".to_owned() } else { expected.join(" or ") };
    let mut first = equal;
    for line in wrapped(&words, TEXT - 2) {
        lines.push(format!("{first} {line}"));
        first = " ";
    }
    lines
}

/// Capitalises the name of an attack, so that a new row is easy to see.
fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Wraps words into lines of at most `width` characters.
fn wrapped(words: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn wrong(text: &mut String, cells: &[Cell], signs: Signs) {
    for cell in cells.iter().filter(|cell| !cell.as_expected) {
        push(text, &format!("{} {}, {}:", signs.differs(), cell.attack.words(), cell.variant));
        for play in &cell.plays {
            push(text, &format!("    {}: {}", play.way, play.outcome.word()));
            for line in wrapped(&play.seen, 70) {
                push(text, &format!("        {line}"));
            }
            if let Some(receipt) = play.receipt {
                let told = format!("with a receipt: {} ({})", receipt.word(), play.told);
                for line in wrapped(&told, 70) {
                    push(text, &format!("        {line}"));
                }
            }
        }
    }
}

fn legend(text: &mut String, cells: &[Cell], signs: Signs) {
    let mut seen: Vec<Outcome> = cells.iter().flat_map(Cell::observed).collect();
    seen.sort_unstable();
    seen.dedup();
    for outcome in seen {
        push(text, &format!("{} {:13} {}", signs.of(outcome), outcome.word(), outcome.meaning()));
    }
    push(text, "=               what docs/protocol.md says, section Attacks");
    let receipts: Vec<Receipt> = cells.iter().filter_map(Cell::receipt).collect();
    for receipt in [Receipt::Holds, Receipt::Noticed, Receipt::Deceived] {
        if receipts.contains(&receipt) {
            push(text, &format!("  {:13} {}", receipt.word(), receipt.meaning()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Play;
    use super::*;

    fn cell(attack: Attack, variant: Variant, outcome: Outcome, receipt: Option<Receipt>) -> Cell {
        let play = Play {
            way: "a way".to_owned(),
            outcome,
            seen: "what was seen".to_owned(),
            believed: None,
            receipt,
            told: "told".to_owned(),
        };
        Cell::new(attack, variant, vec![play])
    }

    fn flips() -> Vec<Cell> {
        let noticed = Some(Receipt::Noticed);
        vec![
            cell(Attack::Flip, Variant::Plain, Outcome::StoredAltered, noticed),
            cell(Attack::Flip, Variant::Ap, Outcome::StoredAltered, Some(Receipt::Deceived)),
            cell(Attack::Flip, Variant::Cp1, Outcome::Refused, noticed),
            cell(Attack::Flip, Variant::Cp2, Outcome::StoredAltered, noticed),
            Cell::new(Attack::Answer, Variant::Plain, Vec::new()),
        ]
    }

    #[test]
    fn sentences_say_what_the_signs_of_the_table_say() {
        let lines = sentences(&flips());
        assert_eq!(
            lines[1..3],
            [
                "Flip a bit of the body, AP: the attack succeeded: the server stored something else under the sent name; \
                 with a receipt, the sender believes that all is well, and it is not; docs/protocol.md says otherwise.",
                "Flip a bit of the body, CP1: the attack failed: the server refused it and stored nothing; with a receipt, \
                 the sender's upload failed, so the sender knows.",
            ]
        );
        assert!(lines[3].ends_with("so the sender knows; docs/protocol.md says otherwise."), "{lines:?}");
        assert_eq!(lines.len(), 4, "what was not played has no sentence");
    }

    #[test]
    fn the_observed_outcome_is_above_the_expected_one() {
        let text = text(&flips(), Signs::Unicode);
        let table: Vec<&str> = text.lines().collect();
        assert_eq!(table[2], "Flip a bit of the   ✗ altered      ✗ altered      ✓ refused      ✗ altered");
        assert_eq!(table[3], "body                = altered      ≠ altered      = refused or   ≠ refused");
        assert_eq!(table[4], "                                                    altered");
        assert_eq!(table[5], "  with a receipt      noticed        deceived       noticed        noticed");
        assert!(table.iter().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            text.contains("≠ flip a bit of the body, CP2:\n    a way: altered\n        what was seen\n"),
            "{text}"
        );
        assert_eq!(verdict(&flips()), "4 cells, played in 4 ways: 2 are not as docs/protocol.md says.");
    }

    #[test]
    fn without_utf8_the_signs_are_ascii() {
        assert!(text(&flips(), Signs::Ascii).is_ascii());
    }

    #[test]
    fn a_cell_is_as_expected_only_if_each_play_and_its_receipt_are() {
        let flips = flips();
        assert_eq!(
            flips.iter().map(|cell| cell.as_expected).collect::<Vec<_>>(),
            [true, false, true, false, true]
        );
        let unplayed = Cell::new(Attack::Flip, Variant::Plain, Vec::new());
        assert!(!unplayed.as_expected, "an attack that was not run is not as expected");
    }
}
