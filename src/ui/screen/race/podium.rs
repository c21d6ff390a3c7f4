//! The podium: names and times in large letters, the fastest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use ratatui::widgets::Widget as _;

use super::{Race, Track, lane};
use crate::event::State;
use crate::messages::units::Alike;
use crate::ui::widgets::bar::{self, Fill};
use crate::ui::widgets::{Pane, columns, digits, rows};
use crate::ui::{fit, text};

/// Largest scale of the letters; beyond it the dots are too coarse.
const LARGEST: u16 = 6;

/// Lane on its step of the podium.
struct Step<'a> {
    lane: usize,
    track: &'a Track,
    name: String,
    clock: String,
    /// Its time as a share of the slowest lane's time.
    share: f64,
    /// Ratio of the fastest lane's steady rate to this lane's, if that is another lane.
    ratio: String,
}

impl Pane<'_, Race> {
    pub(super) fn podium(&self, area: Rect, buf: &mut Buffer) {
        let words = self.words(area.width.saturating_sub(2));
        let below = columns(words.len()).min(area.height / 4);
        let steps = self.steps();
        let room = Rect { height: area.height - below, ..area };
        let count = columns(steps.len()).max(1);
        let each = room.height / count;
        let scale = scale(&steps, each, area.width.saturating_sub(2));
        for (at, (step, y)) in steps.iter().zip((room.y..).step_by(usize::from(each.max(1)))).enumerate() {
            self.step(at, step, scale, Rect { y, height: each, ..room }, buf);
        }
        let foot = Rect { y: area.bottom() - below, height: below, ..area };
        let foot = Rect { x: foot.x + foot.width.min(1), width: foot.width.saturating_sub(1), ..foot };
        for (line, area) in words.into_iter().zip(rows(foot)) {
            line.render(area, buf);
        }
    }

    /// Returns the lanes in the order of their times. Those without a time follow, in the order of the lanes.
    fn steps(&self) -> Vec<Step<'_>> {
        let times: Vec<Option<f64>> = self.of.tracks.iter().map(Track::seconds).collect();
        let known = || times.iter().flatten().copied();
        let worst = known().fold(0.0, f64::max);
        // One unit for all, unless a lane took minutes: seconds beside milliseconds would be too wide then.
        let alike = Alike::of(known());
        let clock = |time| if worst < 60.0 { alike.show(time) } else { text::race::short_time(time) };
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by(|a, b| {
            let time = |lane: &usize| times[*lane].unwrap_or(f64::INFINITY);
            time(a).total_cmp(&time(b))
        });
        // From the steady rates once the race is over, as in the sentence.
        let rates: Vec<Option<f64>> = self.of.tracks.iter().map(Track::steady).collect();
        let most = rates.iter().flatten().copied().fold(0.0, f64::max);
        let step = |lane: usize| {
            let track = &self.of.tracks[lane];
            let ratio = match rates[lane] {
                Some(rate) if rate > 0.0 && rate < most => text::race::times(most / rate),
                _ => String::new(),
            };
            Step {
                lane,
                track,
                name: track.lane.dialect.variant.to_string(),
                clock: times[lane].map_or_else(|| self.clock(track), clock),
                share: times[lane].map_or(0.0, |time| time / worst.max(1e-9)),
                ratio,
            }
        };
        order.into_iter().map(step).collect()
    }

    fn step(&self, at: usize, step: &Step<'_>, scale: u16, area: Rect, buf: &mut Buffer) {
        let style = self.theme.lane(step.lane);
        let Rect { x, y, width, height } =
            Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let tall = digits::height(scale);
        // Centred in its area: letters, an empty row, the bar, the caption.
        let blank = u16::from(height > tall + 3);
        let gap = u16::from(height > tall + 2);
        let top = y + height.saturating_sub(tall + blank + gap + 2) / 2;
        let letters = Rect { x, y: top, width, height: tall.min(area.bottom().saturating_sub(top)) };
        digits::draw(&step.name, scale, style, letters, buf);
        let name = digits::width(&step.name, scale);
        let wide = digits::width(&step.clock, scale);
        let right = Rect { x: x + width.saturating_sub(wide), width: wide.min(width), ..letters };
        if name + wide < width {
            digits::draw(&step.clock, scale, self.theme.strong(), right, buf);
        }
        // Between the two, if there is room.
        let ratio = digits::width(&step.ratio, scale);
        let free = width.saturating_sub(name + wide);
        if !step.ratio.is_empty() && free > ratio + 8 * scale {
            let at = Rect { x: x + name + (free - ratio) / 2, width: ratio, ..letters };
            digits::draw(&step.ratio, scale, self.theme.faint(), at, buf);
        }
        let caption = Rect { x, y: top + tall + blank, width, height: 1 }.intersection(area);
        let below = Rect { y: caption.y + gap, ..caption }.intersection(area);
        self.caption(at, step, caption, below, buf);
    }

    /// Draws the progress, or the time compared with the slowest lane, and then the lane's description.
    fn caption(&self, at: usize, step: &Step<'_>, bar: Rect, below: Rect, buf: &mut Buffer) {
        let track = step.track;
        let (style, faint) = (self.theme.lane(step.lane), self.theme.faint());
        let width = usize::from(bar.width);
        if bar != below {
            let fill = match track.state {
                _ if step.share > 0.999 => Fill::Full,
                _ if step.share > 0.0 => Fill::Share(step.share),
                State::Sent => Fill::Hatched,
                _ => Fill::Share(self.share(track)),
            };
            let empty = if step.share > 0.0 { ' ' } else { '─' };
            Line::from(bar::thin(fill, width, empty, style, faint)).render(bar, buf);
        }
        let state = match (&track.state, step.share > 0.0) {
            (_, true) => text::race::rank(at).to_owned(),
            (state, false) => text::state(state).to_owned(),
        };
        let room = width.saturating_sub(fit::width(&state) + 2);
        let title = text::race::title(&track.lane, track.proof(), track.is_generated());
        let mean = text::mean(self.mean(track));
        let variant = track.lane.dialect.variant;
        let found = track.bottleneck();
        let rest = room.saturating_sub(fit::width(&title) + fit::width(&mean) + 10);
        let found = found.map_or_else(String::new, |found| text::race::bottleneck(found, variant, rest));
        let caption = lane::joined(vec![title, mean, found, self.factor(track)], "  ·  ", room);
        let line = Line::from(vec![
            Span::styled(format!("{state}  "), self.theme.strong()),
            Span::raw(fit::cut(&caption, room)),
        ]);
        line.render(below, buf);
    }
}

/// Returns the largest scale with which every lane's name and time fit.
fn scale(steps: &[Step<'_>], height: u16, width: u16) -> u16 {
    let fits = |scale: &u16| {
        let line = |step: &Step<'_>| {
            digits::width(&step.name, *scale) + digits::width(&step.clock, *scale) + 2 * scale
        };
        digits::height(*scale) < height && steps.iter().all(|step| line(step) <= width)
    };
    (1..=LARGEST).rev().find(fits).unwrap_or(1)
}
