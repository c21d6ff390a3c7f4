//! The protocol card: the variant, what it protects, and what the chosen files will cost.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::estimate::Bill;
use crate::event::{Dialect, Variant};
use crate::ui::fit;
use crate::ui::text::{self, Claim};
use crate::ui::widgets::{Pane, columns, rows};

/// Content of the card.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) dialect: Dialect,
    /// Price of the chosen files.
    pub(super) bill: Bill,
    /// Whether uploads go to an upseal server, as far as is known. It gives receipts and refuses replays.
    pub(super) is_our_server: bool,
    /// When the server's certificate ends, if that is soon.
    pub(super) ends: Option<String>,
}

/// Returns the variant `by` steps after this one, in a cycle.
pub(super) fn variant_after(variant: Variant, by: usize) -> Variant {
    let all = Variant::ALL;
    let at = all.iter().position(|other| *other == variant).unwrap_or(0);
    all[(at + by) % all.len()]
}

/// Returns the variant whose name was clicked on the card in `area`.
pub(super) fn variant_at(area: Rect, at: Position) -> Option<Variant> {
    // A card of one row has no frame, and begins with a blank.
    let row = if area.height == 1 { area.y } else { area.y + 1 };
    let mut x = area.x + if area.height == 1 { 1 } else { 2 };
    if at.y != row || at.x + 1 >= area.right() {
        return None;
    }
    Variant::ALL.into_iter().find(|variant| {
        let begin = x;
        // Each name stands between brackets or blanks.
        x += columns(fit::width(&variant.to_string()) + 2);
        (begin..x).contains(&at.x)
    })
}

impl Widget for Pane<'_, Card> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::PROTOCOL, "p", area);
        let inner = block.inner(area);
        block.render(area, buf);
        for (line, area) in self.lines(inner).into_iter().zip(rows(inner)) {
            line.render(area, buf);
        }
    }
}

impl Pane<'_, Card> {
    /// Draws the card in one row, for small terminals.
    pub(in crate::ui) fn render_line(&self, area: Rect, buf: &mut Buffer) {
        let mut spans = vec![Span::raw(" ")];
        spans.extend(self.choice());
        spans.push(Span::raw(format!(" {}", text::time_bill(self.of.bill))));
        for claim in text::claims(self.of.dialect.variant, self.of.is_our_server) {
            spans.push(Span::raw("  "));
            spans.extend(self.claim(claim));
        }
        Line::from(spans).render(area, buf);
    }

    fn lines(&self, area: Rect) -> Vec<Line<'static>> {
        let claims = text::claims(self.of.dialect.variant, self.of.is_our_server);
        let bill = self.bill();
        // Choice, padding and price are always shown; the claims take the room that is left, and the most important
        // ones come first.
        let room = usize::from(area.height).saturating_sub(1 + bill.len() + 1);
        let mut lines = vec![Line::from(self.choice())];
        lines.extend(claims.iter().take(room).map(|claim| Line::from(self.claim(*claim))));
        match &self.of.ends {
            _ if room <= claims.len() => {}
            Some(ends) => lines.push(Line::from(vec![
                Span::styled("≈", self.theme.warn()),
                Span::raw(fit::cut(&text::certificate_ends(ends), usize::from(area.width).saturating_sub(1))),
            ])),
            None => lines.push(Line::default()),
        }
        lines.extend(bill);
        lines.push(self.padding(usize::from(area.width)));
        lines
    }

    fn choice(&self) -> Vec<Span<'static>> {
        let chosen = self.of.dialect.variant;
        let mut spans = Vec::new();
        for variant in Variant::ALL {
            let (name, style) = if variant == chosen {
                (format!("[{variant}]"), self.theme.chosen())
            } else {
                (format!(" {variant} "), Style::new())
            };
            spans.push(Span::styled(name, style));
        }
        spans
    }

    fn claim(&self, claim: Claim) -> Vec<Span<'static>> {
        let (sign, style, words) = match claim {
            Claim::Holds(words) => ("✓", self.theme.good(), words),
            Claim::Fails(words) => ("✗", self.theme.bad(), words),
            Claim::Partly(words) => ("≈", self.theme.warn(), words),
            Claim::Unknown(words) => ("?", self.theme.warn(), words),
        };
        vec![Span::styled(sign, style), Span::raw(" "), Span::raw(words)]
    }

    fn bill(&self) -> Vec<Line<'static>> {
        let bill = self.of.bill;
        let fact = |label, value| {
            Line::from(vec![Span::styled(fit::left(label, 8), self.theme.faint()), Span::raw(value)])
        };
        vec![fact(text::TIME, text::time_bill(bill)), fact(text::WIRE, text::wire_bill(bill))]
    }

    fn padding(&self, width: usize) -> Line<'static> {
        let words = text::padding(self.of.dialect);
        Line::from(vec![
            Span::styled(fit::left(text::PADDING, 8), self.theme.faint()),
            Span::raw(fit::left(&words, width.saturating_sub(9))),
            Span::styled("o", self.theme.faint()),
        ])
    }
}
