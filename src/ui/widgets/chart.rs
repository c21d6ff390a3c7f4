//! Chart of rates over time in braille, two by four dots a character, with logarithmic or linear axes.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::columns;
use crate::event::Point;
use crate::ui::fit;

/// Columns of the labels and the axis.
const AXIS: u16 = 13;

/// Unit of the drawn rates, in bytes per second.
const UNIT: f64 = 1_048_576.0;

/// Number of points that a curve keeps; beyond it, every second point is dropped.
const MOST: usize = 1024;

/// Rate over time, computed from amounts. Sockets take bytes in bursts, which would hide the rate, so each point is
/// the mean over the last seventh of the time, or over the last quarter of a second.
#[derive(Debug, Clone, Default)]
pub(in crate::ui) struct Curve {
    /// Points: seconds, and bytes per second.
    points: Vec<(f64, f64)>,
    /// Amounts: seconds, and bytes so far, as far back as the next point looks.
    amounts: VecDeque<(f64, f64)>,
    /// One of this many points is kept; a power of two.
    every: usize,
    seen: usize,
}

impl Curve {
    /// Adds an amount: `bytes` after `seconds`, both counted from the beginning.
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

    /// Returns the curve of a lane that was recorded: at each point the mean rate over the last third of the time.
    pub(in crate::ui) fn of(points: &[Point]) -> Self {
        let at = |point: &Point| (point.us as f64 / 1e6, point.bytes as f64);
        let mut whole = Self::default();
        let mut from = 0;
        for (index, point) in points.iter().enumerate() {
            let (seconds, bytes) = at(point);
            while from < index && points.get(from + 1).is_some_and(|next| at(next).0 <= seconds * 2.0 / 3.0) {
                from += 1;
            }
            let (then, before) = if index == 0 || at(&points[from]).0 > seconds * 2.0 / 3.0 {
                (0.0, 0.0)
            } else {
                at(&points[from])
            };
            if seconds > then && bytes > before {
                whole.points.push((seconds, (bytes - before) / (seconds - then)));
            }
        }
        whole
    }

    fn begin(&self) -> Option<f64> {
        self.points.first().map(|(seconds, _)| *seconds)
    }

    fn end(&self) -> f64 {
        self.points.last().map_or(0.0, |(seconds, _)| *seconds)
    }

    fn extent(&self) -> Option<(f64, f64)> {
        self.points.iter().map(|(_, rate)| (*rate, *rate)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

/// Division of a chart's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Scale {
    /// Logarithmic rates, linear time.
    Rates,
    /// Both logarithmic, for a lane of milliseconds beside one of minutes.
    Log,
    /// Both linear, from zero.
    Linear,
}

/// Curves with their names and styles, over one axis of time and one of rates.
pub(in crate::ui) struct Chart<'a> {
    pub(in crate::ui) curves: Vec<(&'a Curve, String, Style)>,
    pub(in crate::ui) axis: Style,
    pub(in crate::ui) scale: Scale,
}

/// Rate that is marked by a line across a chart.
pub(in crate::ui) struct Mark {
    /// Bytes per second.
    pub(in crate::ui) rate: f64,
    pub(in crate::ui) name: String,
    pub(in crate::ui) style: Style,
}

impl Widget for Chart<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        self.render_marked(None, area, buf);
    }
}

impl Chart<'_> {
    /// Draws the chart, and a line at a rate.
    pub(in crate::ui) fn render_marked(self, mark: Option<&Mark>, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.height < 3 || area.width < AXIS + 8 {
            return;
        }
        let (Some(rates), Some(times)) = (self.rates(mark), self.times()) else { return };
        let names = self.curves.iter().map(|(_, name, _)| fit::width(name)).max().unwrap_or(0) + 1;
        let plot = Rect {
            x: area.x + AXIS,
            width: area.width - AXIS - columns(names).min(area.width - AXIS - 4),
            height: area.height - 1,
            ..area
        };
        self.axes(area, plot, rates, times, buf);
        if let Some(Mark { rate, name, style }) = mark {
            let down = across(1.0 - rates.share(rate / UNIT), plot.height.saturating_sub(1));
            let row = Rect { y: plot.y + down, height: 1, ..plot };
            Line::styled("╌".repeat(usize::from(row.width)), *style).render(row, buf);
            Line::styled(format!(" {name} "), *style).right_aligned().render(row, buf);
        }
        // Names are drawn over the lines, and beside each other.
        let mut taken: Vec<Rect> = Vec::new();
        let mut ends = Vec::new();
        for (curve, name, style) in &self.curves {
            if let Some((x, y)) = draw(curve, *style, plot, rates, times, buf) {
                ends.push((x, y, name, *style));
            }
        }
        for (x, y, name, style) in ends {
            let place = label(plot, area.right(), (x, y), columns(fit::width(name)), &taken);
            Line::styled(name.clone(), style).render(place, buf);
            taken.push(place);
        }
    }
}

/// One axis of a chart, by the values at its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    /// Creates an axis between powers of ten. They change seldom, so that the axis does not jitter.
    fn decades(low: f64, high: f64) -> Self {
        let bottom = low.log10().floor();
        Self { low: bottom, high: high.log10().ceil().max(bottom + 1.0), log: true }
    }

    /// Creates an axis from zero to 1, 2 or 5 times a power of ten, for the same reason.
    fn even(high: f64) -> Self {
        let decade = 10_f64.powf(high.log10().floor());
        let high = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade).into_iter().find(|step| *step >= high);
        Self { low: 0.0, high: high.unwrap_or(decade * 10.0), log: false }
    }

    /// Returns the position of a value, from 0 to 1.
    fn share(self, value: f64) -> f64 {
        let at = if self.log { value.max(1e-9).log10() } else { value };
        ((at - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Returns the labels: position, and the value there.
    fn marks(self) -> Vec<(f64, f64)> {
        let values: Vec<f64> = if self.log {
            let decades = std::iter::successors(Some(self.low), |decade| Some(decade + 1.0));
            decades.take_while(|decade| *decade <= self.high).map(|decade| 10_f64.powf(decade)).collect()
        } else {
            [0.0, 0.5, 1.0].map(|part| part * self.high).to_vec()
        };
        values.into_iter().map(|value| (self.share(value), value)).collect()
    }
}

impl Chart<'_> {
    /// Axis of rates in [`UNIT`]s. Rates below a kilobyte per second lie at the bottom.
    fn rates(&self, mark: Option<&Mark>) -> Option<Axis> {
        let extents = self.curves.iter().filter_map(|(curve, ..)| curve.extent());
        let marked = mark.map(|mark| (mark.rate, mark.rate));
        let (low, high) = extents.chain(marked).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let (low, high) = ((low / UNIT).max(0.001), (high / UNIT).max(0.001));
        Some(if self.scale == Scale::Linear { Axis::even(high) } else { Axis::decades(low, high) })
    }

    /// Axis of time in seconds.
    fn times(&self) -> Option<Axis> {
        let end = self.curves.iter().map(|(curve, ..)| curve.end()).fold(0.0, f64::max);
        let begin = self.curves.iter().filter_map(|(curve, ..)| curve.begin()).reduce(f64::min)?;
        Some(match self.scale {
            Scale::Rates => Axis { low: 0.0, high: end.max(0.1), log: false },
            Scale::Log => Axis::decades(begin.max(0.001), end.max(0.01)),
            Scale::Linear => Axis::even(end.max(0.01)),
        })
    }

    fn axes(&self, area: Rect, plot: Rect, rates: Axis, times: Axis, buf: &mut Buffer) {
        let rows = usize::from(plot.height);
        let mut marks: Vec<Option<String>> = vec![None; rows];
        for (share, value) in rates.marks() {
            let row = ((1.0 - share) * rows.saturating_sub(1) as f64).round();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a row of the plot")]
            if let Some(mark) = marks.get_mut(row as usize) {
                *mark = Some(format!("{value} MiB/s"));
            }
        }
        for (line, mark) in area.rows().zip(marks) {
            let tick = if mark.is_some() { '┤' } else { '│' };
            let text = format!("{} {tick}", fit::right(&mark.unwrap_or_default(), usize::from(AXIS) - 2));
            Line::styled(text, self.axis).render(Rect { width: AXIS, ..line }, buf);
        }
        let foot = Rect { y: area.y + plot.height, height: 1, ..area };
        let corner = " ".repeat(usize::from(AXIS) - 1);
        if self.scale == Scale::Rates {
            let end = crate::ui::text::seconds(times.high);
            let line = "─".repeat(usize::from(plot.width).saturating_sub(fit::width(&end) + 1));
            Line::styled(format!("{corner}└{line} {end}"), self.axis).render(foot, buf);
            return;
        }
        let line = "─".repeat(usize::from(plot.width));
        Line::styled(format!("{corner}└{line}"), self.axis).render(foot, buf);
        for (share, value) in times.marks() {
            let words = crate::ui::text::race::moment(value);
            let wide = columns(fit::width(&words));
            let x = plot.x + across(share, plot.width.saturating_sub(1));
            // The first label is beside the corner, the last one ends with the line.
            let x = x.saturating_sub(wide / 2).max(plot.x).min((plot.right() + 1).saturating_sub(wide));
            let place = Rect { x, width: wide, ..foot }.intersection(foot);
            Line::styled(words, self.axis).render(place, buf);
        }
    }
}

/// Returns a part of a width.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1")]
fn across(share: f64, width: u16) -> u16 {
    (share.clamp(0.0, 1.0) * f64::from(width)).round() as u16
}

/// Returns the place of a curve's name: beside its end, or above or below if another name is there.
fn label(plot: Rect, right: u16, (x, y): (u16, u16), width: u16, taken: &[Rect]) -> Rect {
    let x = (x + 2).min(right.saturating_sub(width));
    let rows = [0_i32, -1, 1, -2, 2, -3, 3].into_iter().filter_map(|by| {
        let row = u16::try_from(i32::from(y) + by).ok()?;
        (plot.y..plot.bottom()).contains(&row).then_some(row)
    });
    let places = rows.map(|y| Rect { x, y, width, height: 1 });
    let free = places.clone().find(|place| !taken.iter().any(|other| other.intersects(*place)));
    let place = free.or_else(|| places.clone().next()).unwrap_or(Rect { x, y, width, height: 1 });
    Rect { width: place.width.min(right.saturating_sub(place.x)), ..place }
}

/// Draws the line, and returns where its end is on the screen.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares between 0 and 1 of a screen's dots"
)]
fn draw(
    curve: &Curve,
    style: Style,
    plot: Rect,
    rates: Axis,
    times: Axis,
    buf: &mut Buffer,
) -> Option<(u16, u16)> {
    let (wide, tall) = (usize::from(plot.width) * 2, usize::from(plot.height) * 4);
    if wide == 0 || tall == 0 {
        return None;
    }
    let across = |seconds: f64| (times.share(seconds) * (wide - 1) as f64).round() as usize;
    let down = |rate: f64| ((1.0 - rates.share(rate / UNIT)) * (tall - 1) as f64).round() as usize;
    // Where there is room a line is two dots thick, so that it can be read from far away.
    let thick = if tall >= 32 { 2 } else { 1 };
    let mut one = |x: usize, y: usize| {
        let bit = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]][x % 2][y % 4];
        let at = (plot.x + columns(x / 2), plot.y + columns(y / 4));
        if let Some(cell) = buf.cell_mut(at) {
            let old = cell.symbol().chars().next().map_or(0, u32::from);
            let old = if (0x2800..0x2900).contains(&old) { old - 0x2800 } else { 0 };
            cell.set_char(char::from_u32(0x2800 + (old | bit)).unwrap_or(' ')).set_style(style);
        }
    };
    let mut dot = |x: usize, y: usize| (y..(y + thick).min(tall)).for_each(|y| one(x, y));
    let mut previous: Option<(usize, usize)> = None;
    for (seconds, rate) in &curve.points {
        let (x, y) = (across(*seconds), down(*rate));
        let (from_x, from_y) = previous.unwrap_or((x, y));
        // Points are connected, so that a short race is a curve and not a scatter.
        let steps = (x.abs_diff(from_x)).max(y.abs_diff(from_y)).max(1);
        for step in 0..=steps {
            let part = step as f64 / steps as f64;
            let mix = |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * part).round() as usize;
            dot(mix(from_x, x), mix(from_y, y));
        }
        previous = Some((x, y));
    }
    previous.map(|(x, y)| (plot.x + columns(x / 2), plot.y + columns(y / 4)))
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
        // Each amount arrives once a second.
        for tenth in 1..=300_u32 {
            curve.add(f64::from(tenth) / 10.0, u64::from(tenth / 10) * 1_000_000);
        }
        // At the beginning there is less than a second to look back on.
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
            scale: Scale::Log,
        };
        assert_eq!(chart.rates(None), Some(Axis { low: 0.0, high: 3.0, log: true }));
        assert_eq!(chart.times(), Some(Axis { low: 0.0, high: 1.0, log: true }));
        let chart = Chart { scale: Scale::Linear, ..chart };
        assert_eq!(chart.rates(None), Some(Axis { low: 0.0, high: 500.0, log: false }));
    }

    #[test]
    fn a_recorded_lane_of_milliseconds_has_its_rate() {
        let points: Vec<Point> = (1..=20).map(|ms| Point { us: ms * 1000, bytes: ms * 400_000 }).collect();
        let curve = Curve::of(&points);
        assert_eq!(curve.points.len(), 20);
        assert!(curve.points.iter().all(|(_, rate)| (rate - 4e8).abs() < 1.0), "{curve:?}");
        assert_eq!((curve.begin(), curve.end()), (Some(0.001), 0.02));
    }

    #[test]
    fn names_that_would_meet_are_put_beside_each_other() {
        let plot = Rect { x: 10, y: 0, width: 40, height: 5 };
        let first = label(plot, 60, (30, 2), 3, &[]);
        assert_eq!((first.x, first.y), (32, 2));
        let second = label(plot, 60, (31, 2), 3, &[first]);
        assert_eq!(second.y, 1);
        let third = label(plot, 60, (31, 2), 3, &[first, second]);
        assert_eq!(third.y, 3);
        assert_eq!(label(plot, 52, (49, 0), 8, &[]).right(), 52, "never beyond the pane");
    }
}
