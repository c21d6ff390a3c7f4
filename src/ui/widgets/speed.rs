//! The rate of the uploads over time, where the terminal has room for it.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::Pane;
use super::chart::{Chart, Curve};
use crate::event::Snapshot;
use crate::ui::text;

/// A pause longer than this begins a new curve.
const PAUSE: Duration = Duration::from_secs(5);

/// The curve of the latest uploads.
#[derive(Debug, Default)]
pub(in crate::ui) struct Speed {
    curve: Curve,
    began: Duration,
    last: Option<Duration>,
}

impl Speed {
    pub(in crate::ui) fn progressed(&mut self, snapshot: &Snapshot, now: Duration) {
        if self.last.is_none_or(|last| now.saturating_sub(last) > PAUSE) {
            self.curve = Curve::default();
            self.began = now;
        }
        self.last = Some(now);
        self.curve.add(now.saturating_sub(self.began).as_secs_f64(), snapshot.rate_now);
    }
}

impl Widget for Pane<'_, Speed> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::RATE_CHART, text::RATE_CHART_NOTE, area);
        let inner = block.inner(area);
        block.render(area, buf);
        if self.of.last.is_none() {
            Line::styled(text::NO_RATE, self.theme.faint()).render(inner, buf);
            return;
        }
        Chart { curves: vec![(&self.of.curve, String::new(), self.theme.rate())], axis: self.theme.faint() }
            .render(inner, buf);
    }
}
