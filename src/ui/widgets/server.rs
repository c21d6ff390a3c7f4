//! Our own server: who it is, who is connected, what it refused and warned of.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::list::{Cursor, Step};
use super::{Pane, rows};
use crate::event::{Fault, Proof, SessionId};
use crate::ui::fit;
use crate::ui::text;
use crate::ui::theme::Focus;

/// Rows that each list remembers.
const MOST: usize = 1000;

/// Whether our server accepts connections.
#[derive(Debug, Default)]
pub(in crate::ui) enum Listening {
    #[default]
    Starting,
    At(String),
    Not(Fault),
}

/// The server's state as far as its events tell.
#[derive(Debug, Default)]
pub(in crate::ui) struct Server {
    pub(in crate::ui) listening: Listening,
    pub(in crate::ui) identity: Option<Proof>,
    pub(in crate::ui) store: String,
    pub(in crate::ui) sessions: Sessions,
    pub(in crate::ui) refusals: Refusals,
}

impl Server {
    /// Rows that its facts take.
    pub(in crate::ui) fn facts(&self) -> usize {
        let known = match self.listening {
            Listening::Starting => 1,
            Listening::At(_) => 2,
            Listening::Not(_) => 3,
        };
        known + self.identity.as_ref().map_or(1, |proof| 2 + proof.warnings.len())
    }
}

impl Widget for Pane<'_, Server> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::SERVER, "", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width);
        for (line, area) in self.lines(width).into_iter().zip(rows(inner)) {
            line.render(area, buf);
        }
    }
}

impl Pane<'_, Server> {
    fn lines(&self, width: usize) -> Vec<Line<'static>> {
        let server = self.of;
        let fact = |label: &'static str, value: String| {
            Line::from(vec![
                Span::styled(fit::left(label, 13), self.theme.faint()),
                Span::raw(fit::cut_middle(&value, width.saturating_sub(13))),
            ])
        };
        let mut lines = match &server.listening {
            Listening::Starting => vec![Line::styled(text::STARTING, self.theme.faint())],
            Listening::At(address) => {
                vec![fact("listens on", address.clone()), fact("files go to", server.store.clone())]
            }
            Listening::Not(fault) => fit::wrap(&text::fault_line(fault), width)
                .into_iter()
                .map(|line| Line::styled(line, self.theme.bad()))
                .collect(),
        };
        if let Some(proof) = &server.identity {
            lines.push(fact("identity", text::identity(proof)));
            lines.push(fact("fingerprint", text::fingerprint(&proof.fingerprint)));
            for warning in &proof.warnings {
                lines.push(Line::from(vec![
                    Span::styled(fit::left("warning", 13), self.theme.warn()),
                    Span::raw(fit::cut(&fit::escaped(warning), width.saturating_sub(13))),
                ]));
            }
        } else if matches!(server.listening, Listening::At(_)) {
            lines.push(fact("identity", text::NO_IDENTITY.to_owned()));
        }
        lines
    }
}

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

/// Whether something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Warned,
    Refused,
}

/// Something our server refused, or warned of.
#[derive(Debug)]
pub(in crate::ui) struct Refusal {
    weight: Weight,
    session: Option<SessionId>,
    peer: String,
    name: String,
    why: String,
    at: String,
}

impl Refusal {
    pub(in crate::ui) fn details(&self) -> Vec<(&'static str, String)> {
        vec![
            ("at", self.at.clone()),
            ("session", self.session.map_or_else(|| "—".to_owned(), |session| session.0.to_string())),
            ("from", self.peer.clone()),
            ("file", if self.name.is_empty() { "—".to_owned() } else { self.name.clone() }),
            (if self.weight == Weight::Warned { "warning" } else { "why" }, self.why.clone()),
        ]
    }
}

/// Refusals and warnings, the latest first.
#[derive(Debug, Default)]
pub(in crate::ui) struct Refusals {
    list: VecDeque<Refusal>,
    pub(in crate::ui) cursor: Cursor,
}

impl Refusals {
    pub(in crate::ui) fn add(
        &mut self,
        session: SessionId,
        peer: &str,
        name: Option<&str>,
        why: &str,
        at: String,
    ) {
        self.push(Weight::Refused, Some(session), peer, name, why, at);
    }

    pub(in crate::ui) fn warn(
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
        self.list.push_front(Refusal {
            weight,
            session,
            peer: fit::escaped(peer),
            name: name.map(fit::escaped).unwrap_or_default(),
            why: fit::escaped(why),
            at,
        });
        self.list.truncate(MOST);
    }

    pub(in crate::ui) fn len(&self) -> usize {
        self.list.len()
    }

    pub(in crate::ui) fn under(&self) -> Option<&Refusal> {
        self.list.get(self.cursor.at())
    }

    pub(in crate::ui) fn go(&mut self, step: Step) {
        self.cursor.go(step, self.list.len());
    }
}

impl Widget for Pane<'_, Refusals> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let note = if self.of.len() > 0 { self.of.len().to_string() } else { String::new() };
        let warned = self.of.list.iter().any(|entry| entry.weight == Weight::Warned);
        let title = if warned { text::REFUSALS_AND_WARNINGS } else { text::REFUSALS };
        let block = self.frame(title, &note, area);
        let inner = block.inner(area);
        block.render(area, buf);
        if self.of.list.is_empty() {
            Line::styled(text::NO_REFUSALS, self.theme.faint()).render(inner, buf);
            return;
        }
        let width = usize::from(inner.width);
        let top = self.of.cursor.top(self.of.len(), usize::from(inner.height));
        for ((row, refusal), area) in self.of.list.iter().enumerate().skip(top).zip(rows(inner)) {
            let name = (width / 6).clamp(10, 40);
            Line::from(vec![
                Span::styled(refusal.at.clone(), self.theme.faint()),
                Span::raw(" "),
                Span::raw(fit::left(&refusal.peer, 21)),
                Span::raw(" "),
                Span::raw(fit::left_middle(&refusal.name, name)),
                Span::raw(" "),
                Span::styled(
                    fit::cut(&refusal.why, width.saturating_sub(9 + 22 + name + 1)),
                    if refusal.weight == Weight::Warned { self.theme.warn() } else { self.theme.bad() },
                ),
            ])
            .render(area, buf);
            if self.focus == Focus::Here && row == self.of.cursor.at() {
                buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
            }
        }
    }
}
