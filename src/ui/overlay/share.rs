//! The links with which other computers send files, as text and as a QR code.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use crate::event::{Door, ServerLink};
use crate::qr;
use crate::ui::fit;
use crate::ui::own_server::Shared as Shares;
use crate::ui::shared::Shared;
use crate::ui::text;
use crate::ui::theme::{Focus, Glyphs, Theme};
use crate::ui::widgets::list::Step;
use crate::ui::widgets::{columns, frame, rows};

/// Rows of the list of addresses at most.
const MOST: usize = 6;

/// The dialog.
#[derive(Debug)]
pub(in crate::ui) struct Share {
    /// Number of addresses.
    doors: usize,
    /// Characters of the longest command with a link.
    longest: usize,
    /// Index of the address whose link is shown.
    at: usize,
    /// Whether the link is shown as a QR code.
    is_qr: bool,
}

impl Share {
    /// Creates the dialog for these links.
    pub(in crate::ui) fn new(doors: &[(Door, ServerLink)]) -> Self {
        let longest = doors.iter().map(|(_, link)| command(link).chars().count()).max().unwrap_or(0);
        Self { doors: doors.len(), longest, at: 0, is_qr: false }
    }

    pub(in crate::ui) fn go(&mut self, step: Step) {
        let last = self.doors.saturating_sub(1);
        self.at = match step {
            Step::Up(n) => self.at.saturating_sub(n),
            Step::Down(n) => self.at.saturating_add(n),
            Step::First => 0,
            Step::Last => last,
            Step::To(row) => row,
        }
        .min(last);
    }

    /// Shows the link as a QR code, or as text.
    pub(in crate::ui) const fn toggle(&mut self) {
        self.is_qr = !self.is_qr;
    }

    /// Returns the link, and its name.
    pub(in crate::ui) fn copied(&self, shared: &Shared) -> Option<(&'static str, String)> {
        Some((text::LINK, self.link(shared.own_server.shared()?)?.to_string()))
    }

    fn link<'a>(&self, shares: &'a Shares) -> Option<&'a ServerLink> {
        shares.doors.get(self.at).map(|(_, link)| link)
    }

    /// Returns columns and rows.
    pub(in crate::ui) fn size(&self, body: Rect) -> (u16, u16) {
        if self.is_qr {
            (body.width, body.height)
        } else {
            let width = body.width.saturating_sub(4).min(84);
            let inside = usize::from(width).saturating_sub(4).max(1);
            let wrapped = self.longest.div_ceil(inside) + fit::wrap(text::SHARED_FOR, inside).len();
            // The frame, the first line, three blank lines, two facts, and the answers.
            (width, columns(2 + 1 + wrapped + self.doors.min(MOST) + 3 + 2 + 1))
        }
    }

    pub(in crate::ui) fn draw(&self, shared: &Shared, theme: Theme, area: Rect, buf: &mut Buffer) {
        let Some(how) = shared.own_server.shared() else { return };
        let Some(link) = self.link(how) else { return };
        if self.is_qr {
            draw_code(link, shared.glyphs, theme, area, buf);
            return;
        }
        let block = frame(theme, Focus::Here, text::SHARED_TITLE, "", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width);
        let fact = |label, value: &str| {
            Line::from(vec![
                Span::styled(fit::left(label, 13), theme.faint()),
                Span::raw(fit::cut_middle(value, width.saturating_sub(13))),
            ])
        };
        let mut lines = vec![Line::raw(text::SHARED_SEND)];
        // A link is one word; it is broken where the row ends, so that it can be typed.
        let command: Vec<char> = command(link).chars().collect();
        let parts = command.chunks(width.max(1)).map(|part| part.iter().collect::<String>());
        lines.extend(parts.map(|part| Line::styled(part, theme.accent())));
        lines.push(Line::default());
        for (row, (door, _)) in how.doors.iter().take(MOST).enumerate() {
            let (sign, style) = if row == self.at { ("▸ ", theme.strong()) } else { ("  ", theme.plain()) };
            lines.push(Line::styled(format!("{sign}{}", text::shared_door(door)), style));
        }
        lines.push(Line::default());
        let own = &shared.own_server;
        if let Some(accepted) = own.accepted_shared.as_ref().or(own.accepted.as_ref()) {
            lines.push(fact("accepted", &text::variants(accepted)));
        }
        lines.push(fact("files go to", &shared.own_server.store));
        lines.extend(
            fit::wrap(text::SHARED_FOR, width).into_iter().map(|line| Line::styled(line, theme.warn())),
        );
        // In a low window the answers stay.
        lines.resize(usize::from(inner.height).saturating_sub(1), Line::default());
        let mut answers = Line::default();
        for (key, words) in text::SHARED_KEYS {
            answers.push_span(Span::styled(format!("[{key}]"), theme.key()));
            answers.push_span(Span::raw(format!(" {words}  ")));
        }
        lines.push(answers);
        for (line, area) in lines.into_iter().zip(rows(inner)) {
            line.render(area, buf);
        }
    }
}

/// Returns the command that a sender types.
fn command(link: &ServerLink) -> String {
    format!("upseal send {link} FILE…")
}

/// Draws the QR code of a link without a frame: it needs 21 of the 22 rows of a terminal of 80×24.
fn draw_code(link: &ServerLink, glyphs: Glyphs, theme: Theme, area: Rect, buf: &mut Buffer) {
    let code = qr::rows(&link.in_capitals()).unwrap_or_default();
    let (width, height) = (code.first().map_or(0, |row| row.chars().count()), code.len());
    let fits = height > 0 && width <= usize::from(area.width) && height <= usize::from(area.height);
    if !fits || glyphs != Glyphs::Unicode {
        let place = area.centered(Constraint::Length(area.width), Constraint::Length(1));
        Line::styled(text::NO_QR, theme.warn()).centered().render(place, buf);
        return;
    }
    let place = area.centered(Constraint::Length(columns(width)), Constraint::Length(columns(height)));
    let has_colours = theme.good().fg.is_some();
    for (row, area) in code.iter().zip(rows(place)) {
        let drawn = if has_colours {
            Line::styled(row.clone(), Style::new().fg(Color::Indexed(16)).bg(Color::Indexed(231)))
        } else {
            // Most terminals are dark, and most scanners read an inverted code as well.
            Line::raw(qr::inverted(row))
        };
        drawn.render(area, buf);
    }
}
