//! The lab: each attack of docs/protocol.md on each variant, run on this computer (`crate::lab`).

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::event::Variant;
use crate::lab::outcome::{Attack, Cell, Outcome, Receipt};
use crate::ui::widgets::list::Step;
use crate::ui::widgets::{Pane, rows};
use crate::ui::{fit, text};

/// Columns of a variant: a sign, a blank, and the longest word.
const COLUMN: usize = 14;
/// Inner columns from which another blank is between the variants.
const ROOMY: usize = 84;
/// Largest number of columns of an attack's description.
const WIDEST: usize = 42;

/// Report of a run of the lab.
#[derive(Debug)]
pub(in crate::ui) enum News {
    /// One attack on one variant was run.
    Cell(Box<Cell>),
    /// The end, or why the lab could not run, as text.
    Over(Result<(), String>),
}

/// Results so far.
#[derive(Debug)]
pub(in crate::ui) struct Lab {
    /// Number of this run; reports of older runs are ignored.
    run: u64,
    cells: Vec<Cell>,
    end: Option<Result<(), String>>,
    /// First visible line; `None` follows the latest result.
    top: Option<usize>,
}

impl Lab {
    pub(in crate::ui) const fn new(run: u64) -> Self {
        Self { run, cells: Vec::new(), end: None, top: None }
    }

    pub(in crate::ui) fn on_news(&mut self, run: u64, news: News) {
        if run != self.run {
            return;
        }
        match news {
            News::Cell(cell) => self.cells.push(*cell),
            News::Over(end) => {
                self.end = Some(end);
                // When the run is over, the table is shown from the beginning.
                self.top.get_or_insert(0);
            }
        }
    }

    pub(in crate::ui) fn go(&mut self, step: Step) {
        let at = self.top.unwrap_or(0);
        self.top = Some(match step {
            Step::Up(n) => at.saturating_sub(n),
            Step::Down(n) => at.saturating_add(n).min(MOST_LINES),
            Step::First => 0,
            Step::Last => MOST_LINES,
            Step::To(row) => row,
        });
    }

    fn of(&self, attack: Attack, variant: Variant) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.attack == attack && cell.variant == variant)
    }

    fn figures(&self) -> String {
        match &self.end {
            None => text::lab_progress(self.cells.len(), Attack::ALL.len() * Variant::ALL.len()),
            Some(Err(_)) => text::LAB_BROKEN.to_owned(),
            Some(Ok(())) => text::lab_verdict(self.cells.iter().filter(|cell| !cell.as_expected).count()),
        }
    }
}

/// Upper bound on the lines of the table.
const MOST_LINES: usize = 200;

impl Widget for Pane<'_, Lab> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::LAB, &self.of.figures(), area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width);
        let column = if width < ROOMY { COLUMN } else { COLUMN + 1 };
        let label = width.saturating_sub(Variant::ALL.len() * column).min(WIDEST);
        let [head, body] = Layout::vertical([Constraint::Length(2), Constraint::Fill(1)]).areas(inner);
        for (line, area) in [self.label(width), self.head(label, column)].into_iter().zip(rows(head)) {
            line.render(area, buf);
        }
        let (mut lines, played) = self.table(label, column);
        lines.extend(self.legend(width));
        let height = usize::from(body.height);
        let end = lines.len().saturating_sub(height);
        let top = self.of.top.unwrap_or_else(|| played.saturating_sub(height)).min(end);
        for (line, area) in lines.into_iter().skip(top).zip(rows(body)) {
            line.render(area, buf);
        }
    }
}

impl Pane<'_, Lab> {
    fn label(&self, width: usize) -> Line<'static> {
        match &self.of.end {
            Some(Err(why)) => Line::styled(fit::cut(why, width), self.theme.bad()),
            _ => Line::styled(fit::cut(text::LAB_LABEL, width), self.theme.faint()),
        }
    }

    fn head(&self, label: usize, column: usize) -> Line<'static> {
        let mut line = Line::styled(fit::left(text::LAB_ATTACK, label), self.theme.strong());
        for variant in Variant::ALL {
            line.push_span(Span::styled(fit::left(&variant.to_string(), column), self.theme.strong()));
        }
        line
    }

    /// Returns the lines, and the number of lines up to the latest result.
    fn table(&self, label: usize, wide: usize) -> (Vec<Line<'static>>, usize) {
        let (mut lines, mut played) = (Vec::new(), 0);
        for attack in Attack::ALL {
            let cells = Variant::ALL.map(|variant| self.of.of(attack, variant));
            let columns = cells.map(|cell| self.column(cell));
            let is_played = cells.iter().any(Option::is_some);
            let style = if is_played { Style::new() } else { self.theme.faint() };
            let words = fit::wrap(&text::sentence(attack.words()), label.saturating_sub(2));
            let height = columns.iter().map(Vec::len).max().unwrap_or(0).max(words.len());
            for at in 0..height {
                let words = words.get(at).map_or("", String::as_str);
                let mut line = Line::styled(fit::left(words, label), style);
                for column in &columns {
                    let blank = (String::new(), Style::new());
                    let (words, style) = column.get(at).unwrap_or(&blank);
                    line.push_span(Span::styled(fit::left(words, wide), *style));
                }
                lines.push(line);
            }
            if cells.iter().flatten().any(|cell| cell.receipt().is_some()) {
                lines.push(self.receipts(label, wide, cells));
            }
            if is_played {
                played = lines.len();
            }
        }
        (lines, played)
    }

    fn column(&self, cell: Option<&Cell>) -> Vec<(String, Style)> {
        let Some(cell) = cell else { return vec![("·".to_owned(), self.theme.faint())] };
        if cell.plays.is_empty() && cell.expected.is_empty() {
            return vec![("–".to_owned(), self.theme.faint())];
        }
        let mut lines: Vec<(String, Style)> = cell
            .observed()
            .into_iter()
            .map(|outcome| (text::outcome_sign(outcome), self.outcome(outcome)))
            .collect();
        if !cell.as_expected {
            // The result that docs/protocol.md predicts.
            let expected = cell.expected.iter().map(|outcome| format!("≠ {outcome}"));
            lines.extend(expected.map(|words| (words, self.theme.warn())));
        }
        lines
    }

    fn outcome(&self, outcome: Outcome) -> Style {
        if outcome.harms() { self.theme.bad() } else { self.theme.good() }
    }

    fn receipts(&self, label: usize, wide: usize, cells: [Option<&Cell>; 4]) -> Line<'static> {
        let words = format!("  {}", text::LAB_WITH_RECEIPT);
        let mut line = Line::styled(fit::left(&fit::cut(&words, label), label), self.theme.faint());
        for cell in cells {
            let receipt = cell.and_then(Cell::receipt);
            let style = match receipt {
                Some(Receipt::Deceived) => self.theme.bad(),
                _ => self.theme.faint(),
            };
            let words = receipt.map_or_else(String::new, |receipt| format!("  {}", receipt.word()));
            line.push_span(Span::styled(fit::left(&words, wide), style));
        }
        line
    }

    /// Returns the meanings of the results in the table.
    fn legend(&self, width: usize) -> Vec<Line<'static>> {
        let mut seen: Vec<Outcome> = self.of.cells.iter().flat_map(Cell::observed).collect();
        seen.sort_unstable();
        seen.dedup();
        let mut lines = vec![Line::default()];
        for outcome in seen {
            let word = fit::left(&text::outcome_sign(outcome), COLUMN + 2);
            let meaning = fit::cut(outcome.meaning(), width.saturating_sub(COLUMN + 2));
            lines.push(Line::from(vec![
                Span::styled(word, self.outcome(outcome)),
                Span::styled(meaning, self.theme.faint()),
            ]));
        }
        lines
    }
}
