//! The layout of the race: lanes above each other, the chart, and the result.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{Phase, Race};
use crate::messages::race;
use crate::ui::widgets::chart::{Chart, Scale};
use crate::ui::widgets::{Pane, columns};
use crate::ui::{fit, text};

/// Rows below which a chart shows nothing.
const CHART: u16 = 5;
/// Rows of a lane with a frame.
const FRAMED: u16 = 4;
/// Rows beyond which a lane does not grow.
const TALLEST: u16 = 10;

/// Areas of the race, from top to bottom.
struct Areas {
    lanes: Vec<Rect>,
    /// Empty if there is no room for it.
    chart: Rect,
    foot: Rect,
}

impl Areas {
    /// Gives the foot its rows, and the lanes as many as possible. The chart has a third of a tall terminal; in a small one it
    /// is left out before the lanes lose their frames.
    fn of(area: Rect, lanes: usize, foot: u16) -> Self {
        let count = columns(lanes).max(1);
        let foot = foot.min(area.height.saturating_sub(count));
        let room = area.height - foot;
        let below = (foot + CHART).max(area.height / 3);
        let wanted = (area.height.saturating_sub(below) / count).clamp(FRAMED, TALLEST);
        let each = if wanted * count <= room { wanted } else { (room / count).min(FRAMED) };
        let parts = (0..count).map(|at| Rect { y: area.y + at * each, height: each, ..area });
        let used = each * count;
        Self {
            lanes: parts.collect(),
            chart: Rect { y: area.y + used, height: room.saturating_sub(used), ..area },
            foot: Rect { y: area.y + room, height: foot, ..area },
        }
    }
}

impl Widget for Pane<'_, Race> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        if self.of.is_large {
            return self.podium(area, buf);
        }
        let foot = self.foot(area.width, area.height);
        let areas = Areas::of(area, self.of.tracks.len(), foot.rows());
        let axis = self.of.axis(self.now);
        for (at, lane) in areas.lanes.into_iter().enumerate().take(self.of.tracks.len()) {
            self.lane(at, axis, lane.intersection(area), buf);
        }
        if self.of.phase == Phase::Ready {
            self.hints(areas.chart, buf);
        } else if areas.chart.height >= CHART - 1 {
            self.chart(areas.chart, buf);
        }
        self.draw_foot(&foot, areas.foot, buf);
    }
}

impl Pane<'_, Race> {
    fn chart(&self, area: Rect, buf: &mut Buffer) {
        let race = self.of;
        let entrants = race.entrants();
        let curves = race.tracks.iter().enumerate().filter_map(|(at, track)| {
            let curve = match &race.frozen {
                Some(frozen) => frozen.get(at)?,
                None => &track.curve,
            };
            Some((curve, race::name(&entrants, at), self.theme.lane(at)))
        });
        let scale = if race.is_linear { Scale::Linear } else { Scale::Log };
        Chart { curves: curves.collect(), axis: self.theme.faint(), scale }.render(area, buf);
        if race.frozen.is_some() && area.height > 1 {
            let words = text::race::FROZEN;
            let wide = columns(fit::width(words)).min(area.width);
            let at = Rect { x: area.right() - wide, width: wide, height: 1, ..area };
            Line::styled(words, self.theme.warn()).render(at, buf);
        }
    }

    /// Draws the keys that set the race up, where the chart will be: in two columns, or in one if the area is
    /// narrow.
    fn hints(&self, area: Rect, buf: &mut Buffer) {
        let hints = text::race::hints(self.of.course, self.of.laps);
        let area = Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area };
        let halves = if area.width >= 72 { 2 } else { 1 };
        let each = hints.len().div_ceil(halves);
        let width = (area.width / columns(halves)).min(48);
        for (at, (key, words)) in hints.iter().enumerate() {
            let (column, row) = (columns(at / each), columns(at % each));
            let place = Rect { x: area.x + 1 + column * width, y: area.y + row, width, height: 1 };
            let line = Line::from(vec![
                Span::styled(fit::right(key, 4), self.theme.key()),
                Span::styled(format!("  {words}"), self.theme.faint()),
            ]);
            if row < area.height {
                line.render(place.intersection(area), buf);
            }
        }
    }
}
