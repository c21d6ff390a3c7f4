//! Connections to the built-in server, the latest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::event::SessionId;
use crate::ui::fit;
use crate::ui::listing::Clock;
use crate::ui::text;
use crate::ui::theme::Focus;
use crate::ui::widgets::list::{Facts, List, Row};
use crate::ui::widgets::{Pane, rows};

/// Number of rows that are kept.
const MOST: usize = 1000;

/// State of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closed,
}

/// Connection to the built-in server.
#[derive(Debug)]
pub(super) struct Session {
    id: SessionId,
    peer: String,
    began: String,
    phase: Phase,
    proved: u64,
    files: u64,
    bytes: u64,
    refused: u64,
}

impl Row for Session {
    fn details(&self, _: &Clock) -> Option<Facts> {
        let facts = vec![
            ("session", self.id.0.to_string()),
            ("from", self.peer.clone()),
            ("began", self.began.clone()),
            ("now", text::phase(self.phase == Phase::Open).to_owned()),
            ("proofs given", self.proved.to_string()),
            ("files", self.files.to_string()),
            ("bytes", text::exact_size(self.bytes)),
            ("refusals", self.refused.to_string()),
        ];
        Some((text::SESSIONS.to_owned(), facts))
    }
}

/// Connections, the latest first.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    pub(super) list: List<Session>,
}

impl Sessions {
    pub(super) fn opened(&mut self, id: SessionId, peer: &str, began: String) {
        let session = Session {
            id,
            peer: fit::escaped(peer),
            began,
            phase: Phase::Open,
            proved: 0,
            files: 0,
            bytes: 0,
            refused: 0,
        };
        self.list.insert(0, session, MOST);
    }

    pub(super) fn proved(&mut self, id: SessionId) {
        self.with(id, |session| session.proved += 1);
    }

    /// Counts a file. `replaced` is the size of its beginning if that had been counted as a file before.
    pub(super) fn received(&mut self, id: SessionId, size: u64, replaced: Option<u64>) {
        self.with(id, |session| {
            session.files += u64::from(replaced.is_none());
            session.bytes = session.bytes.saturating_add(size).saturating_sub(replaced.unwrap_or(0));
        });
    }

    pub(super) fn refused(&mut self, id: SessionId) {
        self.with(id, |session| session.refused += 1);
    }

    pub(super) fn closed(&mut self, id: SessionId) {
        self.with(id, |session| session.phase = Phase::Closed);
    }

    fn with(&mut self, id: SessionId, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.list.rows_mut().iter_mut().find(|session| session.id == id) {
            change(session);
        }
    }
}

impl Widget for Pane<'_, Sessions> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let open = self.of.list.rows().iter().filter(|session| session.phase == Phase::Open).count();
        let block = self.frame(text::SESSIONS, &text::open_sessions(open), area);
        let inner = block.inner(area);
        block.render(area, buf);
        if self.of.list.len() == 0 {
            Line::styled(text::NO_SESSIONS, self.theme.faint()).render(inner, buf);
            return;
        }
        for ((session, is_here), area) in self.of.list.window(usize::from(inner.height)).zip(rows(inner)) {
            let (sign, style) = match session.phase {
                Phase::Open => ("▸", self.theme.accent()),
                Phase::Closed => (" ", self.theme.faint()),
            };
            Line::from(vec![
                Span::styled(sign, style),
                Span::styled(session.began.clone(), self.theme.faint()),
                Span::raw(format!(" {} ", fit::left(&session.peer, 21))),
                Span::raw(fit::left(text::phase(session.phase == Phase::Open), 7)),
                Span::raw(text::session(session.proved > 0, session.files, session.bytes, session.refused)),
            ])
            .render(area, buf);
            if self.focus == Focus::Here && is_here {
                buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
            }
        }
    }
}
