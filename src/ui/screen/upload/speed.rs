//! Chart of the uploads' rate over time, if the terminal has room for it.

use std::collections::HashMap;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::event::{JobId, Limit, Snapshot};
use crate::ui::text;
use crate::ui::widgets::Pane;
use crate::ui::widgets::chart::{Chart, Curve, Mark, Scale};

/// A pause longer than this begins a new curve.
const PAUSE: Duration = Duration::from_secs(5);

/// Curve of the latest uploads.
#[derive(Debug, Default)]
pub(in crate::ui) struct Speed {
    curve: Curve,
    began: Duration,
    last: Option<Duration>,
    /// Bytes of all files since the curve began.
    bytes: u64,
    /// Uploads of this curve, and the part of each that is in `bytes`.
    uploads: HashMap<JobId, u64>,
    /// Limit of all uploads' bytes on the wire.
    pub(super) limit: Limit,
    /// Bytes of the file for each byte on the wire, of the latest upload.
    worth: f64,
}

impl Speed {
    pub(in crate::ui) fn progressed(&mut self, id: JobId, snapshot: &Snapshot, now: Duration) {
        if self.last.is_none_or(|last| now.saturating_sub(last) > PAUSE) {
            let elapsed = Duration::from_millis(snapshot.elapsed_ms);
            *self = Self { began: now.saturating_sub(elapsed), limit: self.limit, ..Self::default() };
        }
        self.worth = snapshot.file_total as f64 / snapshot.wire_total.max(1) as f64;
        self.last = Some(now);
        let counted = self.uploads.insert(id, snapshot.file_bytes).unwrap_or(0);
        // A retry begins again at the first byte.
        self.bytes += snapshot.file_bytes.checked_sub(counted).unwrap_or(snapshot.file_bytes);
        self.curve.add(now.saturating_sub(self.began).as_secs_f64(), self.bytes);
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
        // The chart shows bytes of files, and the limit is on those on the wire.
        let mark = self.of.limit.bytes().map(|bytes| Mark {
            rate: bytes as f64 * self.of.worth,
            name: text::limited(self.of.limit),
            style: self.theme.warn(),
        });
        Chart {
            curves: vec![(&self.of.curve, String::new(), self.theme.rate())],
            axis: self.theme.faint(),
            scale: Scale::Rates,
        }
        .render_marked(mark.as_ref(), inner, buf);
    }
}
