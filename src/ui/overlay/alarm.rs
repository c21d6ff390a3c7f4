//! Warning that a server's key has changed. It covers the whole screen, so that it cannot be overlooked.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Padding, Widget};

use crate::event::{Command, KeyChange, Target};
use crate::ui::fit;
use crate::ui::text;
use crate::ui::theme::ALARM_FRAME;
use crate::ui::widgets::{Pane, rows};

/// Time in which keys are ignored: they were meant for what lay beneath.
const DEAF: Duration = Duration::from_secs(1);

/// Changed key, and the time at which the warning appeared.
#[derive(Debug)]
pub(in crate::ui) struct Alarm {
    change: KeyChange,
    since: Duration,
}

impl Alarm {
    pub(in crate::ui) const fn new(change: KeyChange, now: Duration) -> Self {
        Self { change, since: now }
    }

    /// Returns whether the warning is about the same server.
    pub(in crate::ui) fn is_about(&self, change: &KeyChange) -> bool {
        self.change.address == change.address && self.change.ca == change.ca
    }

    /// Returns whether the warning explains why uploads to this target fail.
    pub(in crate::ui) fn tells_of(&self, target: &Target) -> bool {
        matches!(target, Target::Server { address, .. } if *address == self.change.address)
    }

    /// Updates the warning about the same server. Another key restarts the pause, so that only a key that was read
    /// can be accepted.
    pub(in crate::ui) fn again(&mut self, change: KeyChange, now: Duration) {
        if self.change.offered != change.offered {
            self.since = now;
        }
        self.change = change;
    }

    /// Returns the command to accept the key that is shown in `area`; `None` if the user cannot have read it there,
    /// or not yet.
    pub(in crate::ui) fn accept(&self, area: Rect, now: Duration) -> Option<Command> {
        (self.is_legible(area) && now >= self.since + DEAF).then(|| Command::AcceptServer {
            address: self.change.address.clone(),
            ca: self.change.ca.clone(),
            key: self.change.offered.clone(),
        })
    }

    /// Returns the rows that the warning takes in a width.
    pub(in crate::ui) fn height(&self, width: u16) -> usize {
        let columns = usize::from(width).saturating_sub(4);
        self.words(columns).len() + answers(text::ALARM_ANSWERS, columns).len() + 2
    }

    /// Returns whether the whole text fits, at least without its empty lines.
    fn is_legible(&self, area: Rect) -> bool {
        let columns = usize::from(area.width).saturating_sub(4);
        let words = self.words(columns).into_iter().flatten().count();
        words + answers(text::ALARM_ANSWERS, columns).len() + 2 <= usize::from(area.height)
    }

    /// Returns the text and its emphasis; `None` is an empty line.
    fn words(&self, columns: usize) -> Vec<Option<(Weight, String)>> {
        let change = &self.change;
        // 16, 8 or 4 groups of four digits in a row.
        let groups = [16, 8].into_iter().find(|groups| groups * 5 <= columns + 1).unwrap_or(4);
        let wrapped =
            |weight, words: &str| fit::wrap(words, columns).into_iter().map(move |line| Some((weight, line)));
        let digits = |hex| text::grouped_hex(hex, groups).into_iter().map(|row| Some((Weight::Digits, row)));
        wrapped(Weight::Loud, &text::alarm(change))
            .chain(wrapped(Weight::Loud, text::ALARM_NOTHING))
            .chain([None])
            .chain(wrapped(Weight::Plain, &text::alarm_known(change)))
            .chain(digits(&change.known))
            .chain(wrapped(Weight::Plain, &text::alarm_now(change)))
            .chain(digits(&change.offered))
            .chain([None])
            .chain(wrapped(Weight::Plain, text::ALARM_CA))
            .chain(wrapped(Weight::Plain, text::ALARM_WHY))
            .chain(wrapped(Weight::Plain, &text::alarm_later(change)))
            .chain([None])
            .collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum Weight {
    Loud,
    Plain,
    Digits,
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

impl Widget for Pane<'_, Alarm> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let bad = self.theme.bad().add_modifier(Modifier::BOLD);
        let title = Span::styled(format!(" {} ", text::ALARM), bad.add_modifier(Modifier::REVERSED));
        let block = Block::bordered()
            .border_set(ALARM_FRAME)
            .border_style(bad)
            .padding(Padding::horizontal(1))
            .title_top(Line::from(title).centered());
        let inner = block.inner(area);
        block.render(area, buf);
        let columns = usize::from(inner.width);
        let all = if self.of.is_legible(area) { text::ALARM_ANSWERS } else { text::ALARM_SMALL_ANSWERS };
        let answers = answers(all, columns);
        let room = usize::from(inner.height).saturating_sub(answers.len());
        let mut words = self.of.words(columns);
        if words.len() > room {
            words.retain(Option::is_some);
        }
        words.truncate(room);
        let lines = words.into_iter().map(|words| match words {
            None => Line::default(),
            Some((Weight::Loud, words)) => Line::styled(words, bad),
            Some((Weight::Plain, words)) => Line::raw(words),
            Some((Weight::Digits, digits)) => Line::styled(digits, self.theme.strong()),
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
