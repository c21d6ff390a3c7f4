//! Rates over time on a logarithmic axis, in braille: two by four dots a character.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::columns;
use crate::ui::fit;

/// Columns of the labels and the axis.
const AXIS: u16 = 13;

/// Rates are drawn in these units.
const UNIT: f64 = 1_048_576.0;

/// Points that a curve keeps; beyond that every second one goes.
const MOST: usize = 1024;

/// A rate over time, taken from amounts: sockets take bytes in bursts, and a picture of the bursts
/// would hide the rate. Each point is the mean over the last seventh of the time, or a quarter of a
/// second.
#[derive(Debug, Clone, Default)]
pub(in crate::ui) struct Curve {
    /// Seconds, and bytes a second.
    points: Vec<(f64, f64)>,
    /// Seconds and bytes so far, as far back as the next point looks.
    amounts: VecDeque<(f64, f64)>,
    /// Only every so many points is kept; a power of two.
    every: usize,
    seen: usize,
}

impl Curve {
    /// So many bytes after so many seconds, both counted from the beginning.
    pub(in crate::ui) fn add(&mut self, seconds: f64, bytes: u64) {
        let now = (seconds, bytes as f64);
        let window = (seconds / 7.0).max(0.25);
        while self.amounts.get(1).is_some_and(|(then, _)| *then <= seconds - window) {
            self.amounts.pop_front();
        }
        let (then, before) = self.amounts.front().copied().unwrap_or_default();
        self.amounts.push_back(now);
        if now.0 > then && now.1 > before {
            self.point(seconds, (now.1 - before) / (now.0 - then));
        }
    }

    fn point(&mut self, seconds: f64, rate: f64) {
        if self.seen.is_multiple_of(self.every.max(1)) {
            self.points.push((seconds, rate));
        }
        self.seen += 1;
        if self.points.len() >= MOST {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            self.every = self.every.max(1) * 2;
        }
    }

    fn end(&self) -> f64 {
        self.points.last().map_or(0.0, |(seconds, _)| *seconds)
    }

    fn extent(&self) -> Option<(f64, f64)> {
        self.points.iter().map(|(_, rate)| (*rate, *rate)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

/// Curves with their names and styles, over one axis of time and one of rates.
pub(in crate::ui) struct Chart<'a> {
    pub(in crate::ui) curves: Vec<(&'a Curve, String, Style)>,
    pub(in crate::ui) axis: Style,
}

impl Widget for Chart<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.height < 3 || area.width < AXIS + 8 {
            return;
        }
        let Some((low, high)) = self.decades() else { return };
        let names = self.curves.iter().map(|(_, name, _)| fit::width(name)).max().unwrap_or(0) + 1;
        let plot = Rect {
            x: area.x + AXIS,
            width: area.width - AXIS - columns(names).min(area.width - AXIS - 4),
            height: area.height - 1,
            ..area
        };
        self.axes(area, plot, low, high, buf);
        let end = self.curves.iter().map(|(curve, ..)| curve.end()).fold(0.1, f64::max);
        for (curve, name, style) in &self.curves {
            draw(curve, name, *style, plot, area.right(), end, low, high, buf);
        }
    }
}

impl Chart<'_> {
    /// Whole powers of ten that hold all curves: they change seldom, so the axis does not jitter.
    fn decades(&self) -> Option<(f64, f64)> {
        let (low, high) = self
            .curves
            .iter()
            .filter_map(|(curve, ..)| curve.extent())
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let bottom = log(low).floor();
        Some((bottom, log(high).ceil().max(bottom + 1.0)))
    }

    /// The power of ten that lies in this row, if one does.
    fn label(row: usize, height: usize, low: f64, high: f64) -> Option<String> {
        let mut decade = low;
        while decade <= high {
            let share = (high - decade) / (high - low);
            let at = share * height.saturating_sub(1) as f64;
            if (at - row as f64).abs() < 0.5 {
                return Some(format!("{} MiB/s", 10_f64.powf(decade)));
            }
            decade += 1.0;
        }
        None
    }

    fn axes(&self, area: Rect, plot: Rect, low: f64, high: f64, buf: &mut Buffer) {
        for (row, line) in area.rows().take(usize::from(plot.height)).enumerate() {
            let label = Self::label(row, usize::from(plot.height), low, high);
            let tick = if label.is_some() { '┤' } else { '│' };
            let text = format!("{} {tick}", fit::right(&label.unwrap_or_default(), usize::from(AXIS) - 2));
            Line::styled(text, self.axis).render(Rect { width: AXIS, ..line }, buf);
        }
        let foot = Rect { y: area.y + plot.height, height: 1, ..area };
        let end = self.curves.iter().map(|(curve, ..)| curve.end()).fold(0.1, f64::max);
        let end = crate::ui::text::seconds(end);
        let line = format!(
            "{}└{}",
            " ".repeat(usize::from(AXIS) - 1),
            "─".repeat(usize::from(plot.width).saturating_sub(fit::width(&end) + 1))
        );
        Line::styled(format!("{line} {end}"), self.axis).render(foot, buf);
    }
}

/// Powers of ten of [`UNIT`]; whatever is slower than a kilobyte a second lies at the bottom.
fn log(rate: f64) -> f64 {
    (rate / UNIT).max(0.001).log10()
}

#[expect(clippy::too_many_arguments, reason = "one curve's picture; a struct would only rename them")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares between 0 and 1 of a screen's dots"
)]
fn draw(
    curve: &Curve,
    name: &str,
    style: Style,
    plot: Rect,
    right: u16,
    end: f64,
    low: f64,
    high: f64,
    buf: &mut Buffer,
) {
    let (wide, tall) = (usize::from(plot.width) * 2, usize::from(plot.height) * 4);
    if wide == 0 || tall == 0 {
        return;
    }
    let across = |seconds: f64| ((seconds / end).clamp(0.0, 1.0) * (wide - 1) as f64).round() as usize;
    let down = |rate: f64| {
        let share = ((log(rate) - low) / (high - low)).clamp(0.0, 1.0);
        ((1.0 - share) * (tall - 1) as f64).round() as usize
    };
    let mut dot = |x: usize, y: usize| {
        let bit = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]][x % 2][y % 4];
        let at = (plot.x + columns(x / 2), plot.y + columns(y / 4));
        if let Some(cell) = buf.cell_mut(at) {
            let old = cell.symbol().chars().next().map_or(0, u32::from);
            let old = if (0x2800..0x2900).contains(&old) { old - 0x2800 } else { 0 };
            cell.set_char(char::from_u32(0x2800 + (old | bit)).unwrap_or(' ')).set_style(style);
        }
    };
    let mut previous: Option<(usize, usize)> = None;
    for (seconds, rate) in &curve.points {
        let (x, y) = (across(*seconds), down(*rate));
        let (from_x, from_y) = previous.unwrap_or((x, y));
        // A line between the points, so that a short race is a curve and not a scatter.
        let steps = (x.abs_diff(from_x)).max(y.abs_diff(from_y)).max(1);
        for step in 0..=steps {
            let part = step as f64 / steps as f64;
            let mix = |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * part).round() as usize;
            dot(mix(from_x, x), mix(from_y, y));
        }
        previous = Some((x, y));
    }
    if let Some((x, y)) = previous {
        let at = plot.x + columns(x / 2) + 2;
        let room = right.saturating_sub(at);
        let label = Rect { x: at, y: plot.y + columns(y / 4), width: room, height: 1 };
        Line::styled(name.to_owned(), style).render(label, buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_race_is_thinned_not_cut() {
        let mut curve = Curve::default();
        for i in 1..=100_000_u32 {
            curve.add(f64::from(i), u64::from(i) * 1000);
        }
        assert!(curve.points.len() < MOST);
        assert!(curve.end() > 99_000.0);
        assert!(curve.points.iter().all(|(_, rate)| (rate - 1000.0).abs() < 1.0));
    }

    #[test]
    fn bursts_are_smoothed() {
        let mut curve = Curve::default();
        // A second's worth arrives once a second.
        for tenth in 1..=300_u32 {
            curve.add(f64::from(tenth) / 10.0, u64::from(tenth / 10) * 1_000_000);
        }
        // At the beginning a second is more than there is to look back on.
        for (seconds, rate) in curve.points.iter().filter(|(seconds, _)| *seconds > 10.0) {
            assert!((500_000.0..1_500_000.0).contains(rate), "{rate} after {seconds} s");
        }
        assert!(curve.end() > 29.0);
    }

    #[test]
    fn decades_hold_every_curve() {
        let (mut slow, mut fast) = (Curve::default(), Curve::default());
        slow.add(1.0, 2_900_000);
        fast.add(1.0, 420_000_000);
        let chart = Chart {
            curves: vec![(&slow, String::new(), Style::new()), (&fast, String::new(), Style::new())],
            axis: Style::new(),
        };
        assert_eq!(chart.decades(), Some((0.0, 3.0)));
    }
}
