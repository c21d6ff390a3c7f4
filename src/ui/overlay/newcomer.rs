//! A server that was never met: its certificate, its key as words and digits, and the question whether files may go there.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::event::{Command, Proof, ServerAddress};
use crate::messages::trust::{self, COMPARE};
use crate::messages::word_rows;
use crate::ui::fit;
use crate::ui::text;
use crate::ui::widgets::{Pane, rows};

/// Time in which the key that accepts is ignored: it was meant for what lay beneath.
const DEAF: Duration = Duration::from_secs(1);
/// Columns of the labels, where there is room for them.
const LABEL: usize = 11;
/// Columns from which on rows have labels.
const WIDE: usize = 50;

/// Server that was never met, and the time at which the question appeared.
#[derive(Debug)]
pub(in crate::ui) struct Newcomer {
    address: ServerAddress,
    ca: String,
    proof: Proof,
    other_ca: bool,
    since: Duration,
}

/// What is dropped first where there is no room for everything. Without the last, nothing can be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Needed,
    Issuer,
    Headline,
    Note,
    Digits,
    Advice,
    Space,
}

impl Newcomer {
    pub(in crate::ui) fn new(
        address: &ServerAddress,
        ca: &str,
        proof: &Proof,
        other_ca: bool,
        now: Duration,
    ) -> Self {
        Self { address: address.clone(), ca: ca.to_owned(), proof: proof.clone(), other_ca, since: now }
    }

    /// Returns whether the question is about the server at this address.
    pub(in crate::ui) fn is_at(&self, address: &ServerAddress) -> bool {
        self.address == *address
    }

    /// Returns whether another question is about the same key.
    pub(in crate::ui) fn is_same(&self, other: &Self) -> bool {
        self.is_at(&other.address) && self.ca == other.ca && self.proof.fingerprint == other.proof.fingerprint
    }

    /// Returns what `y` copies, and its name.
    pub(in crate::ui) fn copied(&self) -> (&'static str, String) {
        (text::FINGERPRINT, format!("sha256:{}", self.proof.fingerprint))
    }

    /// Returns the order that sends the answer. `None`: the key is not to be seen in `area`, or has not been for long.
    pub(in crate::ui) fn answer(&self, accept: bool, area: Rect, now: Duration) -> Option<Command> {
        if accept && (now < self.since + DEAF || !self.is_legible(area)) {
            return None;
        }
        let (address, ca) = (self.address.clone(), self.ca.clone());
        Some(Command::AnswerMeeting { address, ca, key: self.proof.fingerprint.clone(), accept })
    }

    /// Returns the rows that the question takes in a width.
    pub(in crate::ui) fn height(&self, columns: usize) -> usize {
        self.rows(columns).len() + answers(text::NEWCOMER_ANSWERS, columns).len() + 2
    }

    /// Returns whether everything that is needed fits into the frame `area`.
    fn is_legible(&self, area: Rect) -> bool {
        let columns = usize::from(area.width).saturating_sub(4);
        let needed = self.rows(columns).iter().filter(|(weight, _)| *weight == Weight::Needed).count();
        needed + answers(text::NEWCOMER_ANSWERS, columns).len() + 2 <= usize::from(area.height)
    }

    /// Returns the rows of the text, each with its label.
    fn rows(&self, columns: usize) -> Vec<(Weight, (&'static str, String))> {
        let label = if columns >= WIDE { LABEL } else { 0 };
        let room = columns.saturating_sub(label);
        let proof = &self.proof;
        let newcomer = trust::Newcomer { address: &self.address, proof, other_ca: self.other_ca };
        let wrapped = |weight, words: &str| {
            let lines = fit::wrap(&fit::escaped(words), columns);
            lines.into_iter().map(move |line| (weight, ("", line))).collect::<Vec<_>>()
        };
        let block = |weight, name, lines: Vec<String>| {
            let label = move |at| if at == 0 { name } else { " " };
            let lines = lines.into_iter().enumerate();
            lines.map(move |(at, line)| (weight, (label(at), line))).collect::<Vec<_>>()
        };
        let facts = newcomer.facts().into_iter().map(|(name, value)| {
            let weight = if name == "key" || name == "subject" { Weight::Needed } else { Weight::Issuer };
            (weight, (name, fit::cut_middle(&value, room)))
        });
        let notes = proof
            .warnings
            .iter()
            .flat_map(|warning| block(Weight::Note, "note", fit::wrap(&fit::shown(warning), room)));
        let groups = [8, 4].into_iter().find(|groups| groups * 5 <= room + 1).unwrap_or(2);
        let digits = text::grouped_hex(&proof.fingerprint, groups);
        let space = (Weight::Space, ("", String::new()));
        [
            wrapped(Weight::Headline, &newcomer.headline()),
            vec![space.clone()],
            facts.chain(notes).collect(),
            vec![space.clone()],
            block(Weight::Needed, "words", word_rows(&proof.fingerprint, room)),
            vec![space.clone()],
            block(Weight::Digits, "sha256", digits),
            vec![space.clone()],
            wrapped(Weight::Advice, COMPARE),
            vec![space],
        ]
        .concat()
    }
}

/// Returns the keys and what they do, in as many rows as they need.
fn answers(all: &[(&'static str, &'static str)], columns: usize) -> Vec<Vec<(&'static str, &'static str)>> {
    let size = |answer: &(&str, &str)| fit::width(answer.0) + fit::width(answer.1) + 5;
    if all.iter().map(size).sum::<usize>() <= columns + 2 {
        vec![all.to_vec()]
    } else {
        all.iter().map(|answer| vec![*answer]).collect()
    }
}

impl Widget for Pane<'_, Newcomer> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let columns = usize::from(area.width).saturating_sub(4);
        // Where there is no room for everything, the first sentence is left out, and with it the address.
        let title = if self.of.height(columns) > usize::from(area.height) {
            text::newcomer(&self.of.address)
        } else {
            text::NEWCOMER.to_owned()
        };
        let block = self.frame(&title, "", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let all =
            if self.of.is_legible(area) { text::NEWCOMER_ANSWERS } else { text::NEWCOMER_SMALL_ANSWERS };
        let answers = answers(all, columns);
        let room = usize::from(inner.height).saturating_sub(answers.len());
        let mut words = self.of.rows(columns);
        while words.len() > room {
            let Some(least) = words.iter().map(|(weight, _)| *weight).max() else { break };
            // All rows of one weight, so that no half of the digits remains.
            if least == Weight::Needed {
                words.truncate(room);
            } else {
                words.retain(|(weight, _)| *weight != least);
            }
        }
        let lines = words.into_iter().map(|(weight, (label, words))| {
            let style = match (weight, label) {
                (Weight::Needed, "words" | " ") => self.theme.strong(),
                (Weight::Headline, _) => self.theme.warn(),
                (Weight::Advice, _) => self.theme.faint(),
                _ => ratatui::style::Style::new(),
            };
            let label =
                if columns >= WIDE && !label.is_empty() { fit::left(label, LABEL) } else { String::new() };
            Line::from(vec![Span::styled(label, self.theme.faint()), Span::styled(words, style)])
        });
        let answers = answers.into_iter().map(|row| {
            let spans = row.into_iter().flat_map(|(key, words)| {
                [Span::styled(format!("[{key}]"), self.theme.key()), Span::raw(format!(" {words}  "))]
            });
            spans.collect::<Line<'_>>()
        });
        for (line, row) in lines.chain(answers).zip(rows(inner)) {
            line.render(row, buf);
        }
    }
}
