//! Connections to this program's server: the open ones first, then the others, the latest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::event::SessionId;
use crate::messages::units;
use crate::ui::fit;
use crate::ui::listing::Clock;
use crate::ui::text;
use crate::ui::theme::Focus;
use crate::ui::widgets::bar::{self, Fill};
use crate::ui::widgets::filter::Needle;
use crate::ui::widgets::list::{Facts, List, Row};
use crate::ui::widgets::received::{Coming, Received, host};
use crate::ui::widgets::{Pane, rows};

/// Number of rows that are kept.
const MOST: usize = 1000;

/// Stage of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Stage {
    Connected,
    /// The server has proved its identity.
    Proven,
    /// A file is on its way.
    Receiving,
    /// All bytes of a file are here, and it is being stored.
    Storing,
    Stored,
    Receipted,
    Refused,
    Ended,
}

/// Connection to this program's server.
#[derive(Debug)]
pub(super) struct Session {
    id: SessionId,
    peer: String,
    began: String,
    /// Stage, but for a file on its way.
    stage: Stage,
    proved: u64,
    files: u64,
    bytes: u64,
    refused: u64,
    /// Stored files for which a receipt was given.
    receipts: u64,
    /// Reason of the latest refusal, escaped.
    why: Option<String>,
}

impl Session {
    const fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Ended)
    }

    /// Returns the stage, given the file on its way.
    fn stage(&self, coming: Option<&Coming>) -> Stage {
        match coming {
            Some(coming) if coming.share().is_some_and(|share| share >= 1.0) => Stage::Storing,
            Some(_) => Stage::Receiving,
            None => self.stage,
        }
    }
}

impl Row for Session {
    fn rank(&self, needle: &mut Needle) -> Option<u32> {
        needle.is_in(&self.peer.to_lowercase()).then_some(0)
    }

    fn details(&self, _: &Clock) -> Option<Facts> {
        let mut facts = vec![
            ("session", self.id.0.to_string()),
            ("from", self.peer.clone()),
            ("began", self.began.clone()),
            ("stage", text::stage(self.stage).to_owned()),
            ("proofs given", self.proved.to_string()),
            ("files", self.files.to_string()),
            ("bytes", text::exact_size(self.bytes)),
            ("receipts for", units::count(self.receipts, "file")),
            ("refusals", self.refused.to_string()),
        ];
        facts.extend(self.why.as_ref().map(|why| ("why", why.clone())));
        Some((text::SESSIONS.to_owned(), facts))
    }
}

/// Connections: the open ones first, then the others, the latest first.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    pub(super) list: List<Session>,
}

impl Sessions {
    /// Adds a session behind the `busy` ones that receive a file.
    pub(super) fn opened(&mut self, id: SessionId, peer: &str, began: String, busy: usize) {
        let session = Session {
            id,
            peer: fit::escaped(peer),
            began,
            stage: Stage::Connected,
            proved: 0,
            files: 0,
            bytes: 0,
            refused: 0,
            receipts: 0,
            why: None,
        };
        self.list.insert(busy.min(self.open()), session, MOST);
    }

    pub(super) fn proved(&mut self, id: SessionId) {
        self.with(id, |session| {
            session.proved += 1;
            session.stage = Stage::Proven;
        });
    }

    /// Moves a session that receives a file before those that receive nothing. `busy` sessions receive one.
    pub(super) fn receiving(&mut self, id: SessionId, busy: usize) {
        let Some(at) = self.list.rows().iter().position(|session| session.id == id) else { return };
        // Where it stands among the busy ones is of no interest: a row that need not move stays.
        if at >= busy
            && let Some(session) = self.list.remove(at)
        {
            self.list.insert(0, session, MOST);
        }
    }

    /// Counts a file. `replaced` is the size of its beginning if that had been counted as a file before.
    pub(super) fn received(&mut self, id: SessionId, size: u64, replaced: Option<u64>) {
        self.with(id, |session| {
            session.files += u64::from(replaced.is_none());
            session.bytes = session.bytes.saturating_add(size).saturating_sub(replaced.unwrap_or(0));
            session.stage = Stage::Stored;
        });
    }

    pub(super) fn receipted(&mut self, id: SessionId, files: usize) {
        self.with(id, |session| {
            session.receipts = session.receipts.saturating_add(files as u64);
            session.stage = Stage::Receipted;
        });
    }

    pub(super) fn refused(&mut self, id: SessionId, why: &str) {
        self.with(id, |session| {
            session.refused += 1;
            session.why = Some(fit::escaped(why));
            session.stage = Stage::Refused;
        });
    }

    pub(super) fn closed(&mut self, id: SessionId) {
        let Some(at) = self.list.rows().iter().position(|session| session.id == id) else { return };
        let open = self.open();
        if let Some(session) = self.list.remove(at) {
            let was_open = usize::from(session.is_open());
            self.list.insert(open - was_open, Session { stage: Stage::Ended, ..session }, MOST);
        }
    }

    /// Returns the number of open connections.
    pub(super) fn open(&self) -> usize {
        self.list.rows().iter().take_while(|session| session.is_open()).count()
    }

    fn with(&mut self, id: SessionId, change: impl FnOnce(&mut Session)) {
        // A session of which an event is late may have ended; then it stays so.
        let is_it = |session: &&mut Session| session.id == id && session.is_open();
        if let Some(session) = self.list.rows_mut().iter_mut().find(is_it) {
            change(session);
        }
    }
}

impl Pane<'_, Sessions> {
    /// Draws the sessions, with the files that they are receiving.
    pub(super) fn render_with(&self, received: &Received, area: Rect, buf: &mut Buffer) {
        use ratatui::widgets::Widget as _;
        let block = self.frame(text::SESSIONS, &text::open_sessions(self.of.open()), area);
        let inner = block.inner(area);
        block.render(area, buf);
        let list = &self.of.list;
        let inner = list.filter().draw(self.theme, inner, buf);
        if list.len() == 0 {
            let words = if list.rows().is_empty() { text::NO_SESSIONS } else { text::NO_MATCH };
            Line::styled(words, self.theme.faint()).render(inner, buf);
            return;
        }
        for ((session, is_here), area) in list.window(usize::from(inner.height)).zip(rows(inner)) {
            let coming = received.of_session(session.id).filter(|_| session.is_open());
            self.session(session, coming, usize::from(area.width)).render(area, buf);
            if self.focus == Focus::Here && is_here {
                buf.set_style(area.intersection(buf.area), self.theme.cursor(self.focus));
            }
        }
    }

    fn session(&self, session: &Session, coming: Option<&Coming>, width: usize) -> Line<'static> {
        let stage = session.stage(coming);
        let is_wide = width >= 100;
        let (sign, style) = match stage {
            Stage::Ended => (" ", self.theme.faint()),
            _ => ("▸", self.theme.accent()),
        };
        let mut line = Line::from(Span::styled(sign, style));
        if is_wide {
            line.push_span(Span::styled(format!("{} ", session.began), self.theme.faint()));
        }
        let client = if is_wide { 24 } else { 15 };
        line.push_span(Span::raw(fit::left_middle(host(&session.peer), client)));
        let used = 1 + client + if is_wide { 9 } else { 0 };
        match coming {
            Some(coming) => self.coming(&mut line, coming, stage, is_wide, width.saturating_sub(used)),
            None => self.idle(&mut line, session, width.saturating_sub(used)),
        }
        line
    }

    /// `CP2  cmos.mp4      ████████▎░░░  69 %  72.0 MiB   412 MiB/s`
    fn coming(&self, line: &mut Line<'static>, coming: &Coming, stage: Stage, is_wide: bool, width: usize) {
        let snapshot = coming.snapshot();
        let numbers = 5 + 9 + 11;
        let stage_width = if is_wide { 11 } else { 0 };
        let spare = width.saturating_sub(2 + 6 + 2 + numbers + stage_width);
        let bar = (spare / 3).clamp(6, 30);
        let name = spare.saturating_sub(bar);
        line.push_span(Span::raw(format!("  {:<6}", coming.variant())));
        line.push_span(Span::raw(format!("{}  ", fit::left_middle(coming.name(), name))));
        if is_wide {
            line.push_span(Span::raw(fit::left(text::stage(stage), stage_width)));
        }
        if let Some(part) = coming.share() {
            // A gap stays until the file is on disk.
            let part = part.min(0.99);
            let (done, rest) = (self.theme.progress(), self.theme.faint());
            line.spans.extend(bar::progress(Fill::Share(part), bar, done, rest));
            line.push_span(Span::raw(fit::right(&text::percent(part), 5)));
        } else {
            line.push_span(Span::raw(" ".repeat(bar + 5)));
        }
        line.push_span(Span::raw(fit::right(&units::bytes(snapshot.file_bytes), 9)));
        let rate = match stage {
            Stage::Storing => text::stage(stage).to_owned(),
            _ => units::rate(snapshot.rate_now),
        };
        line.push_span(Span::raw(fit::right(&rate, 11)));
    }

    /// `proven      2 files, 15.8 MiB`, or `ended       0 files, 0 B, 1 refused: MODE 7 at byte 8`
    fn idle(&self, line: &mut Line<'static>, session: &Session, width: usize) {
        let words = text::session(session.files, session.bytes, session.refused);
        let why = session.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let style = match session.stage {
            Stage::Stored | Stage::Receipted => self.theme.good(),
            Stage::Refused => self.theme.bad(),
            Stage::Ended => self.theme.faint(),
            _ => self.theme.plain(),
        };
        line.push_span(Span::styled(format!("  {}", fit::left(text::stage(session.stage), 11)), style));
        let room = width.saturating_sub(13);
        let words = fit::cut(&words, room);
        let left = room.saturating_sub(fit::width(&words));
        line.push_span(Span::raw(words));
        line.push_span(Span::styled(fit::cut(&why, left), self.theme.bad()));
    }
}
