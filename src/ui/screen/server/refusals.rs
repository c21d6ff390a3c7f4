//! What the built-in server refused or warned of, the latest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::event::SessionId;
use crate::ui::fit;
use crate::ui::listing::Clock;
use crate::ui::text;
use crate::ui::theme::Focus;
use crate::ui::widgets::filter::Needle;
use crate::ui::widgets::list::{Facts, List, Row};
use crate::ui::widgets::received::host;
use crate::ui::widgets::{Pane, rows};

/// Number of rows that are kept.
const MOST: usize = 1000;

/// Kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Warned,
    Refused,
}

/// Refusal or warning of the built-in server.
#[derive(Debug)]
pub(super) struct Refusal {
    weight: Weight,
    session: Option<SessionId>,
    peer: String,
    name: String,
    why: String,
    at: String,
}

impl Row for Refusal {
    fn rank(&self, needle: &mut Needle) -> Option<u32> {
        let folded = format!("{}\n{}\n{}", self.name, self.peer, self.why).to_lowercase();
        needle.is_in(&folded).then_some(0)
    }

    fn details(&self, _: &Clock) -> Option<Facts> {
        let facts = vec![
            ("at", self.at.clone()),
            ("session", self.session.map_or_else(|| "—".to_owned(), |session| session.0.to_string())),
            ("from", self.peer.clone()),
            ("file", if self.name.is_empty() { "—".to_owned() } else { self.name.clone() }),
            (if self.weight == Weight::Warned { "warning" } else { "why" }, self.why.clone()),
        ];
        Some((text::REFUSALS.to_owned(), facts))
    }
}

/// Refusals and warnings, the latest first.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    pub(super) list: List<Refusal>,
}

impl Refusals {
    pub(super) fn add(&mut self, session: SessionId, peer: &str, name: Option<&str>, why: &str, at: String) {
        self.push(Weight::Refused, Some(session), peer, name, why, at);
    }

    pub(super) fn warn(
        &mut self,
        session: Option<SessionId>,
        peer: Option<&str>,
        name: Option<&str>,
        text: &str,
        at: String,
    ) {
        self.push(Weight::Warned, session, peer.unwrap_or("—"), name, text, at);
    }

    fn push(
        &mut self,
        weight: Weight,
        session: Option<SessionId>,
        peer: &str,
        name: Option<&str>,
        why: &str,
        at: String,
    ) {
        let refusal = Refusal {
            weight,
            session,
            peer: fit::escaped(peer),
            name: name.map(fit::escaped).unwrap_or_default(),
            why: fit::escaped(why),
            at,
        };
        self.list.insert(0, refusal, MOST);
    }
}

impl Widget for Pane<'_, Refusals> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let count = self.of.list.rows().len();
        let note = if count > 0 { count.to_string() } else { String::new() };
        let warned = self.of.list.rows().iter().any(|entry| entry.weight == Weight::Warned);
        let title = if warned { text::REFUSALS_AND_WARNINGS } else { text::REFUSALS };
        let block = self.frame(title, &note, area);
        let inner = block.inner(area);
        block.render(area, buf);
        let inner = self.of.list.filter().draw(self.theme, inner, buf);
        if self.of.list.len() == 0 {
            let words = if count == 0 { text::NO_REFUSALS } else { text::NO_MATCH };
            Line::styled(words, self.theme.faint()).render(inner, buf);
            return;
        }
        let width = usize::from(inner.width);
        for ((refusal, is_here), area) in self.of.list.window(usize::from(inner.height)).zip(rows(inner)) {
            let (client, name) = if width >= 100 { (24, width / 6) } else { (15, 12) };
            Line::from(vec![
                Span::styled(refusal.at.clone(), self.theme.faint()),
                Span::raw(" "),
                Span::raw(fit::left_middle(host(&refusal.peer), client)),
                Span::raw(" "),
                Span::raw(fit::left_middle(&refusal.name, name)),
                Span::raw(" "),
                Span::styled(
                    fit::cut(&refusal.why, width.saturating_sub(9 + client + 1 + name + 1)),
                    if refusal.weight == Weight::Warned { self.theme.warn() } else { self.theme.bad() },
                ),
            ])
            .render(area, buf);
            if self.focus == Focus::Here && is_here {
                buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
            }
        }
    }
}
