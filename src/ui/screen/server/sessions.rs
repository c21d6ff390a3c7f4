//! Connections to the built-in server, the latest first.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::event::SessionId;
use crate::ui::fit;
use crate::ui::text;
use crate::ui::theme::Focus;
use crate::ui::widgets::list::{Cursor, Step};
use crate::ui::widgets::{Pane, rows};

/// Rows that the list remembers.
const MOST: usize = 1000;

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closed,
}

/// A connection to our server.
#[derive(Debug)]
pub(in crate::ui) struct Session {
    id: SessionId,
    peer: String,
    began: String,
    phase: Phase,
    proved: u64,
    files: u64,
    bytes: u64,
    refused: u64,
}

impl Session {
    pub(in crate::ui) fn details(&self) -> Vec<(&'static str, String)> {
        vec![
            ("session", self.id.0.to_string()),
            ("from", self.peer.clone()),
            ("began", self.began.clone()),
            ("now", text::phase(self.phase == Phase::Open).to_owned()),
            ("proofs given", self.proved.to_string()),
            ("files", self.files.to_string()),
            ("bytes", text::exact_size(self.bytes)),
            ("refusals", self.refused.to_string()),
        ]
    }
}

/// Connections, the latest first.
#[derive(Debug, Default)]
pub(in crate::ui) struct Sessions {
    list: VecDeque<Session>,
    pub(in crate::ui) cursor: Cursor,
}

impl Sessions {
    pub(in crate::ui) fn opened(&mut self, id: SessionId, peer: &str, began: String) {
        self.list.push_front(Session {
            id,
            peer: fit::escaped(peer),
            began,
            phase: Phase::Open,
            proved: 0,
            files: 0,
            bytes: 0,
            refused: 0,
        });
        self.list.truncate(MOST);
    }

    pub(in crate::ui) fn proved(&mut self, id: SessionId) {
        self.with(id, |session| session.proved += 1);
    }

    /// A file came; `replaced`: so many bytes of it had come before, as a file.
    pub(in crate::ui) fn received(&mut self, id: SessionId, size: u64, replaced: Option<u64>) {
        self.with(id, |session| {
            session.files += u64::from(replaced.is_none());
            session.bytes = (session.bytes + size).saturating_sub(replaced.unwrap_or(0));
        });
    }

    pub(in crate::ui) fn refused(&mut self, id: SessionId) {
        self.with(id, |session| session.refused += 1);
    }

    pub(in crate::ui) fn closed(&mut self, id: SessionId) {
        self.with(id, |session| session.phase = Phase::Closed);
    }

    fn with(&mut self, id: SessionId, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.list.iter_mut().find(|session| session.id == id) {
            change(session);
        }
    }

    pub(in crate::ui) fn len(&self) -> usize {
        self.list.len()
    }

    pub(in crate::ui) fn under(&self) -> Option<&Session> {
        self.list.get(self.cursor.at())
    }

    pub(in crate::ui) fn go(&mut self, step: Step) {
        self.cursor.go(step, self.list.len());
    }
}

impl Widget for Pane<'_, Sessions> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let open = self.of.list.iter().filter(|session| session.phase == Phase::Open).count();
        let block = self.frame(text::SESSIONS, &text::open_sessions(open), area);
        let inner = block.inner(area);
        block.render(area, buf);
        if self.of.list.is_empty() {
            Line::styled(text::NO_SESSIONS, self.theme.faint()).render(inner, buf);
            return;
        }
        let top = self.of.cursor.top(self.of.len(), usize::from(inner.height));
        for ((row, session), area) in self.of.list.iter().enumerate().skip(top).zip(rows(inner)) {
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
            if self.focus == Focus::Here && row == self.of.cursor.at() {
                buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
            }
        }
    }
}
