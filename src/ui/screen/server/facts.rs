//! Facts about the built-in server: its address, its folder, its certificate.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::ui::fit;
use crate::ui::own_server::{Listening, OwnServer};
use crate::ui::text;
use crate::ui::widgets::{Pane, rows};

/// Returns the number of rows that the facts about the server take.
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

impl Widget for Pane<'_, OwnServer> {
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

impl Pane<'_, OwnServer> {
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
            for warning in &proof.warnings {
                lines.push(Line::from(vec![
                    Span::styled(fit::left("warning", 13), self.theme.warn()),
                    Span::raw(fit::cut(&fit::shown(warning), width.saturating_sub(13))),
                ]));
            }
        } else if matches!(server.listening, Listening::At(_)) {
            lines.push(fact("identity", text::NO_IDENTITY.to_owned()));
        }
        lines
    }
}
