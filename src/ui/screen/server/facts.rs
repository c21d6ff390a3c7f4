//! Facts about the built-in server: its address, its folder, its certificate.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::messages::word_rows;
use crate::ui::fit;
use crate::ui::own_server::{Listening, OwnServer};
use crate::ui::text;
use crate::ui::widgets::{Pane, rows};

/// Columns of the labels.
const LABEL: usize = 13;

/// Returns the rows that the words of the server's key take in a pane of this width.
pub(super) fn word_rows_of(server: &OwnServer, width: u16) -> usize {
    server.identity.as_ref().map_or(0, |proof| key_words(&proof.fingerprint, inside(width)).len())
}

/// Returns the columns inside the frame.
fn inside(width: u16) -> usize {
    usize::from(width.saturating_sub(2))
}

/// Returns the fingerprint of a key as words, behind the labels.
fn key_words(fingerprint: &str, width: usize) -> Vec<String> {
    word_rows(fingerprint, width.saturating_sub(LABEL))
}

/// Returns the number of rows that the facts about the server take, without the words of its key.
pub(super) fn rows_of(server: &OwnServer) -> usize {
    let known = match server.listening {
        Listening::Starting => 1,
        Listening::At(_) => {
            2 + usize::from(server.accepted.is_some()) + usize::from(server.shared().is_some())
        }
        Listening::Not(_) => 3,
        Listening::Absent => 2,
    };
    known + server.identity.as_ref().map_or(1, |proof| 2 + proof.warnings.len())
}

impl Pane<'_, OwnServer> {
    /// Draws the facts. `now`: seconds since 1970.
    pub(super) fn render_at(&self, now: i64, area: Rect, buf: &mut Buffer) {
        // In the frame, where small terminals have room for it too.
        let note =
            self.of.note(now).map(|ends| format!("≈{}", text::certificate_ends(&ends))).unwrap_or_default();
        let block = self.frame(text::SERVER, &note, area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width);
        // Without room for all of them, words that are compared aloud would mislead.
        let has_words = rows_of(self.of) + word_rows_of(self.of, area.width) <= usize::from(inner.height);
        for (line, area) in self.lines(width, has_words).into_iter().zip(rows(inner)) {
            line.render(area, buf);
        }
    }

    fn lines(&self, width: usize, has_words: bool) -> Vec<Line<'static>> {
        let server = self.of;
        let fact = |label: &'static str, value: String| {
            Line::from(vec![
                Span::styled(fit::left(label, LABEL), self.theme.faint()),
                Span::raw(fit::cut_middle(&value, width.saturating_sub(LABEL))),
            ])
        };
        let mut lines = match &server.listening {
            Listening::Starting => vec![Line::styled(text::STARTING, self.theme.faint())],
            Listening::At(address) => {
                let mut lines =
                    vec![fact("listens on", address.clone()), fact("files go to", server.store.clone())];
                lines.extend(server.accepted.as_ref().map(|it| fact("accepts", text::variants(it))));
                lines.extend(server.shared().map(|it| fact("shared", text::shared_where(&it.doors))));
                lines
            }
            Listening::Absent => {
                let wrapped = fit::wrap(text::NO_SERVER, width);
                wrapped.into_iter().map(|line| Line::styled(line, self.theme.faint())).collect()
            }
            Listening::Not(fault) => fit::wrap(&text::fault_line(fault), width)
                .into_iter()
                .map(|line| Line::styled(line, self.theme.bad()))
                .collect(),
        };
        if let Some(proof) = &server.identity {
            lines.push(fact("identity", text::identity(proof)));
            lines.push(fact("fingerprint", text::fingerprint(&proof.fingerprint)));
            let words = if has_words { key_words(&proof.fingerprint, width) } else { Vec::new() };
            let labels = [text::WORDS].into_iter().chain(std::iter::repeat(""));
            lines.extend(words.into_iter().zip(labels).map(|(words, label)| fact(label, words)));
            for warning in &proof.warnings {
                lines.push(Line::from(vec![
                    Span::styled(fit::left("warning", LABEL), self.theme.warn()),
                    Span::raw(fit::cut(&fit::shown(warning), width.saturating_sub(LABEL))),
                ]));
            }
        } else if matches!(server.listening, Listening::At(_)) {
            lines.push(fact("identity", text::NO_IDENTITY.to_owned()));
        }
        lines
    }
}
