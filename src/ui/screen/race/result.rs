//! The result: the ratio in large digits, which lane is faster, and why.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use super::{Phase, Race, Track};
use crate::cost;
use crate::event::{Course, Verdict};
use crate::messages::race::{self, Ratio};
use crate::ui::widgets::{Pane, columns, digits, rows};
use crate::ui::{fit, text};

/// Columns below which text beside the digits would have too many lines.
const TEXT: u16 = 20;
/// Columns between the digits and the text.
const GAP: u16 = 3;

/// What is written below the lanes, laid out for a width.
pub(super) struct Foot {
    /// Ratio in large digits, its scale, and the fastest lane; `None` without a comparison.
    large: Option<(String, u16, usize)>,
    /// Lines beside the digits.
    beside: Vec<Line<'static>>,
    /// Lines below them, or all lines if there are no digits.
    below: Vec<Line<'static>>,
}

impl Foot {
    /// Returns the number of rows.
    pub(super) fn rows(&self) -> u16 {
        let large = self.large.as_ref().map_or(0, |(_, scale, _)| digits::height(*scale));
        large.max(columns(self.beside.len())) + columns(self.below.len())
    }
}

/// Wraps a text into styled lines.
fn wrapped(text: &str, width: u16, style: Style) -> Vec<Line<'static>> {
    let lines = if text.is_empty() { Vec::new() } else { fit::wrap(text, usize::from(width)) };
    lines.into_iter().map(|line| Line::styled(line, style)).collect()
}

impl Pane<'_, Race> {
    /// Returns what stands below the lanes: what the race is about, or its result. `height` is that of all lanes too.
    pub(super) fn foot(&self, width: u16, height: u16) -> Foot {
        let width = width.saturating_sub(2);
        match &self.of.verdict {
            Some(verdict) => match Ratio::of(verdict) {
                Some(ratio) => self.comparison(verdict, ratio, width, height),
                None => self.without_ratio(verdict, width),
            },
            None => {
                Foot { large: None, beside: Vec::new(), below: wrapped(&self.about(), width, Style::new()) }
            }
        }
    }

    /// Returns what the race is about, and which key comes next.
    fn about(&self) -> String {
        let race = self.of;
        let laps = usize::try_from(race.laps).unwrap_or(usize::MAX);
        let has_run = |track: &Track| {
            track.state.is_final() && (track.seconds().is_none() || track.times.len() >= laps)
        };
        match race.phase {
            Phase::Running(_) if race.tracks.iter().all(has_run) => text::race::MEASURING.to_owned(),
            Phase::Running(_) if race.course == Course::Together => text::race::RACING_TOGETHER.to_owned(),
            Phase::Running(_) => text::race::RACING.to_owned(),
            _ if race.race_order().is_none() => text::race::NEEDS_FILE.to_owned(),
            _ => text::race::ready(&race.title(), race.course),
        }
    }

    /// Returns the result, or what the race is about, without large digits.
    pub(super) fn words(&self, width: u16) -> Vec<Line<'static>> {
        match &self.of.verdict {
            Some(verdict) => self.without_ratio(verdict, width).below,
            None => wrapped(&self.about(), width, Style::new()),
        }
    }

    fn without_ratio(&self, verdict: &Verdict, width: u16) -> Foot {
        // The lanes themselves show why they have no result.
        let mut below = wrapped(&race::sentence(verdict), width, self.theme.strong());
        if cost::race(verdict).iter().flatten().count() > 1 {
            below.extend(wrapped(&why(verdict, None), width, Style::new()));
        }
        Foot { large: None, beside: Vec::new(), below }
    }

    /// Lays out the comparison with the largest digits beside which the text fits. In a narrow terminal the reason stands
    /// below small digits.
    fn comparison(&self, verdict: &Verdict, ratio: Ratio, width: u16, height: u16) -> Foot {
        let large = ratio.large();
        let headline = race::headline(verdict, ratio);
        let entrants = race::entrants(verdict);
        let names: Vec<String> = (0..entrants.len()).map(|at| race::name(&entrants, at)).collect();
        let parts = [
            (headline.clone(), self.theme.strong()),
            (why(verdict, None), Style::new()),
            (race::manner(verdict), self.theme.faint()),
        ];
        let most = (height / 4).max(3);
        for scale in (1..=6).rev().filter(|scale| digits::height(*scale) <= most) {
            let room = width.saturating_sub(digits::width(&large, scale) + GAP);
            if room < TEXT {
                continue;
            }
            let lines: Vec<Line<'static>> =
                parts.iter().flat_map(|(text, style)| wrapped(text, room, *style)).collect();
            if lines.len() <= usize::from(digits::height(scale)) {
                return Foot { large: Some((large, scale, ratio.fastest)), beside: lines, below: Vec::new() };
            }
        }
        let room = width.saturating_sub(digits::width(&large, 1) + GAP);
        let tall = digits::height(1);
        let fits = |lines: &Vec<Line<'static>>| columns(lines.len()) <= tall;
        let said = [headline, text::race::faster(&names, ratio), text::race::fastest(&names, ratio)];
        let mut said = said.iter().map(|text| wrapped(text, room, self.theme.strong()));
        let beside = said.find(fits).unwrap_or_default();
        // Each lane has a row at least. The reason is about the two lanes that are compared where there is no room for more.
        let lanes = columns(self.of.tracks.len());
        let free = height.saturating_sub(tall + lanes);
        let reasons = [why(verdict, None), why(verdict, Some(ratio))];
        let mut reasons = reasons.iter().map(|text| wrapped(text, width, Style::new()));
        let mut below = reasons.find(|lines| columns(lines.len()) <= free).unwrap_or_default();
        let manner = wrapped(&race::manner(verdict), width, self.theme.faint());
        if height.saturating_sub(tall + columns(below.len() + manner.len())) >= 4 * lanes {
            below.extend(manner);
        }
        Foot { large: Some((large, 1, ratio.fastest)), beside, below }
    }

    /// Draws what [`foot`](Self::foot) has laid out.
    pub(super) fn draw_foot(&self, foot: &Foot, area: Rect, buf: &mut Buffer) {
        let inner = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let mut below = inner;
        if let Some((large, scale, fastest)) = &foot.large {
            let tall = digits::height(*scale).max(columns(foot.beside.len()));
            let style = self.theme.lane(*fastest).add_modifier(Modifier::BOLD);
            digits::draw(large, *scale, style, inner, buf);
            let wide = digits::width(large, *scale) + GAP;
            let blank = tall.saturating_sub(columns(foot.beside.len())) / 2;
            let beside = Rect {
                x: inner.x.saturating_add(wide),
                y: inner.y + blank,
                width: inner.width.saturating_sub(wide),
                height: inner.height.saturating_sub(blank),
            };
            for (line, row) in foot.beside.iter().zip(rows(beside)) {
                line.render(row.intersection(area), buf);
            }
            let tall = tall.min(below.height);
            below = Rect { y: below.y + tall, height: below.height - tall, ..below };
        }
        for (line, row) in foot.below.iter().zip(rows(below)) {
            line.render(row, buf);
        }
        self.hint(foot, below, buf);
    }

    /// Mentions the podium where that takes no extra row.
    fn hint(&self, foot: &Foot, below: Rect, buf: &mut Buffer) {
        let (race, words) = (self.of, text::race::ZOOM_HINT);
        let Some(last) = foot.below.last().filter(|_| race.verdict.is_some() && !race.is_large) else {
            return;
        };
        let used = columns(last.width()) + 2;
        let row = Rect { y: below.y + columns(foot.below.len()) - 1, height: 1, ..below };
        if usize::from(used) + words.len() <= usize::from(below.width) && row.y < below.bottom() {
            let at = Rect { x: row.x + used, width: row.width - used, ..row };
            Line::from(Span::styled(words, self.theme.faint())).render(at, buf);
        }
    }
}

/// Returns the sentence about the operations of all lanes, or of those that are compared.
fn why(verdict: &Verdict, only: Option<Ratio>) -> String {
    let is_left_out = |at| only.is_some_and(|ratio| at != ratio.fastest && at != ratio.slowest);
    let mut operations = cost::race(verdict);
    operations.iter_mut().enumerate().filter(|(at, _)| is_left_out(*at)).for_each(|(_, of)| *of = None);
    let why = race::why(&race::entrants(verdict), &operations);
    if why.is_empty() { why } else { format!("{why}.") }
}
