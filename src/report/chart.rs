//! The three charts: rate over time, duration, where the time went.
//!
//! Lanes and stages have the colours of the screen ([`hues`]). They never stand alone: each line and bar has its name
//! beside it. In the dark theme the page replaces the colours of text and lines by the attributes' values ([`INK`] …), so
//! they are constants.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::rows::{Row, rows};
use super::text::{compact, subject, title};
use super::{MARK, RaceReport, ReportError};
use crate::event::{LaneResult, Verdict};
use crate::hues::{self, Hue, Rgb};
use crate::messages::race::{self, STAGES};
use crate::messages::units;

/// Width of a chart in pixels.
pub(super) const WIDTH: u32 = 900;
/// Colour of text.
pub(super) const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
/// Colour of secondary text.
pub(super) const FAINT: RGBColor = RGBColor(0x59, 0x63, 0x6E);
/// Colour of the grid.
pub(super) const GRID: RGBColor = RGBColor(0xD8, 0xDE, 0xE4);
/// Colours of the lanes, in their order.
pub(super) const LANES: [RGBColor; 4] =
    [colour(hues::LANES[0]), colour(hues::LANES[1]), colour(hues::LANES[2]), colour(hues::LANES[3])];
/// Colours of the stages, in the order of [`STAGES`].
pub(super) const STAGE_COLOURS: [RGBColor; 6] = [
    colour(hues::stage(STAGES[0])),
    colour(hues::stage(STAGES[1])),
    colour(hues::stage(STAGES[2])),
    colour(hues::stage(STAGES[3])),
    colour(hues::stage(STAGES[4])),
    colour(hues::stage(STAGES[5])),
];

const fn colour(Hue { rgb: Rgb(red, green, blue), .. }: Hue) -> RGBColor {
    RGBColor(red, green, blue)
}

const FONT: &str = "sans-serif";
const ROW: i32 = 40;
/// Space in pixels before the bars and behind them.
const LEFT: i32 = 150;
const RIGHT: i32 = 110;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), ReportError>;

fn failed(why: impl std::fmt::Display) -> ReportError {
    ReportError::Charts(why.to_string())
}

/// Draws one chart as an SVG document.
fn alone(height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, ReportError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// Draws the rate of each lane over time; returns `None` if no lane finished.
pub(super) fn rates(report: &RaceReport) -> Result<Option<String>, ReportError> {
    let lines = lines(&report.verdict);
    if lines.is_empty() { Ok(None) } else { alone(RATES_HEIGHT, |area| draw_rates(area, &lines)).map(Some) }
}

/// Draws the duration of each lane.
pub(super) fn seconds(report: &RaceReport) -> Result<String, ReportError> {
    let rows = rows(&report.verdict);
    alone(bars_height(rows.len()), |area| draw_seconds(area, &rows))
}

/// Draws where each lane's time went; returns `None` if no lane was measured.
pub(super) fn shares(report: &RaceReport) -> Result<Option<String>, ReportError> {
    let rows = rows(&report.verdict);
    if rows.iter().all(|row| row.shares.is_empty()) {
        return Ok(None);
    }
    alone(shares_height(rows.len()), |area| draw_shares(area, &rows)).map(Some)
}

/// Draws all charts below each other, with the result as a sentence, as one picture. Its metadata has the numbers for
/// programs.
pub(super) fn poster(report: &RaceReport) -> Result<String, ReportError> {
    let rows = rows(&report.verdict);
    let lines = lines(&report.verdict);
    let has_shares = rows.iter().any(|row| !row.shares.is_empty());
    let mut parts: Vec<(u32, &str)> = vec![(bars_height(rows.len()), "How long it took, in seconds")];
    if !lines.is_empty() {
        parts.insert(0, (RATES_HEIGHT, "Rate over time, MiB of the file a second"));
    }
    if has_shares {
        parts.push((shares_height(rows.len()), "Where the time went, parts of all stages' seconds"));
    }
    let said = [Some(race::sentence(&report.verdict)), race::crowded(&report.verdict)];
    let said: Vec<String> = said.iter().flatten().flat_map(|words| lines_of(words, 110)).collect();
    let labels = report.labels.shown().join(" · ");
    let subject: Vec<String> =
        [labels, subject(&report.verdict)].iter().flat_map(|words| lines_of(words, 130)).collect();
    let rows_of = |lines: &[String], height: u32| u32::try_from(lines.len()).unwrap_or(0) * height;
    let gap = 36;
    let top = 56 + rows_of(&said, SAID) + rows_of(&subject, SUBJECT);
    let height = top + parts.iter().map(|(height, _)| height + gap).sum::<u32>() + 56;
    let svg = alone(height, |area| {
        area.fill(&WHITE).map_err(failed)?;
        write(area, &title(report), (24, 34), 22, INK)?;
        let mut y = 60;
        for words in &said {
            write(area, words, (24, at(y)), 15, INK)?;
            y += SAID;
        }
        for words in &subject {
            write(area, words, (24, at(y)), 13, FAINT)?;
            y += SUBJECT;
        }
        let mut y = top;
        for (part, words) in &parts {
            write(area, words, (24, at(y) + 22), 15, INK)?;
            let here = area.clone().shrink((0, y + gap), (WIDTH, *part));
            match *words {
                words if words.starts_with("Rate") => draw_rates(&here, &lines)?,
                words if words.starts_with("How") => draw_seconds(&here, &rows)?,
                _ => draw_shares(&here, &rows)?,
            }
            y += part + gap;
        }
        let machine = &report.machine;
        let foot = [
            format!("{}, {} threads; {}", machine.cpu, machine.cores, machine.os),
            format!("upseal {}, {}; {}", machine.upseal, machine.date, machine.command),
        ];
        for (line, words) in (0..).zip(&foot) {
            write(area, words, (24, at(y) + 22 + 18 * line), 12, FAINT)?;
        }
        Ok(())
    })?;
    let numbers = compact(report);
    let metadata =
        format!("<!-- {MARK} -->\n<metadata id=\"numbers\">{}</metadata>\n", super::markup::text(&numbers));
    let begin = svg.find('>').map_or(0, |end| end + 1);
    Ok(format!("{}\n{metadata}{}", &svg[..begin], &svg[begin..]))
}

/// Line height in pixels of the sentence, and of the subject below it.
const SAID: u32 = 22;
const SUBJECT: u32 = 18;

/// Wraps words into lines of at most `most` characters; a longer word gets a line of its own.
fn lines_of(words: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Converts pixels, which are far below 2^31.
const fn at(pixels: u32) -> i32 {
    pixels.cast_signed()
}

fn write(area: &Area<'_>, words: &str, at: (i32, i32), size: i32, colour: RGBColor) -> Drawn {
    label(area, words, at, size, colour, HPos::Left)
}

fn label(area: &Area<'_>, words: &str, at: (i32, i32), size: i32, colour: RGBColor, anchor: HPos) -> Drawn {
    let style = TextStyle::from((FONT, size).into_font()).color(&colour).pos(Pos::new(anchor, VPos::Center));
    area.draw(&Text::new(words.to_owned(), at, style)).map_err(failed)
}

fn bar(area: &Area<'_>, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Drawn {
    area.draw(&Rectangle::new([from, to], colour.filled())).map_err(failed)
}

// ---- Rate over time

const RATES_HEIGHT: u32 = 340;

/// The line of a lane that finished: its name, its colour and its rates over time.
struct Line {
    name: String,
    colour: RGBColor,
    seconds: f64,
    pieces: Vec<Piece>,
}

/// The rate of a lane during a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    /// Start in seconds.
    pub from: f64,
    /// End in seconds.
    pub to: f64,
    /// MiB of the file per second.
    pub rate: f64,
}

fn lines(verdict: &Verdict) -> Vec<Line> {
    let named = rows(verdict).into_iter().zip(&verdict.lanes).zip(LANES.iter().cycle());
    named
        .filter(|((row, _), _)| row.arrived && row.seconds > 0.0)
        .map(|((row, lane), colour)| Line {
            name: row.name,
            colour: *colour,
            seconds: lane.seconds,
            pieces: pieces(lane, verdict.bytes),
        })
        .collect()
}

/// Returns the rates of a lane over time. Each period is at least a 24th of the lane's time, and bytes moved in it. If the
/// curve has too few points, the mean rate is returned.
pub(super) fn pieces(lane: &LaneResult, bytes: u64) -> Vec<Piece> {
    const MIB: f64 = 1_048_576.0;
    let shortest = lane.seconds / 24.0;
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut from, mut before) = (0.0, 0);
    for point in &lane.curve {
        let to = point.us as f64 / 1e6;
        if to - from >= shortest && point.bytes > before {
            let rate = (point.bytes - before) as f64 / MIB / (to - from);
            pieces.push(Piece { from, to, rate });
            (from, before) = (to, point.bytes);
        }
    }
    // The last piece includes what followed it, so that the line ends where its lane did.
    if let Some(last) = pieces.last_mut().filter(|last| last.to < lane.seconds) {
        let moved = last.rate * (last.to - last.from) + bytes.saturating_sub(before) as f64 / MIB;
        (last.to, last.rate) = (lane.seconds, moved / (lane.seconds - last.from));
    }
    if pieces.len() < 2 {
        let rate = bytes as f64 / MIB / lane.seconds;
        return if rate > 0.0 { vec![Piece { from: 0.0, to: lane.seconds, rate }] } else { Vec::new() };
    }
    pieces
}

fn draw_rates(area: &Area<'_>, lines: &[Line]) -> Drawn {
    let all = || lines.iter().flat_map(|line| &line.pieces);
    let low = all().map(|piece| piece.rate).fold(f64::INFINITY, f64::min);
    let high = all().map(|piece| piece.rate).fold(0.0, f64::max);
    if !(low.is_finite() && low > 0.0) {
        return write(area, "Nothing was sent.", (24, 30), 14, FAINT);
    }
    let rates = (low / 1.6..high * 1.6).log_scale();
    let longest = lines.iter().map(|line| line.seconds).fold(0.0, f64::max);
    let shortest = lines.iter().map(|line| line.seconds).fold(f64::INFINITY, f64::min);
    let mut builder = ChartBuilder::on(area);
    builder
        .margin_left(8)
        .margin_right(24)
        .margin_top(32)
        .margin_bottom(4)
        .x_label_area_size(44)
        .y_label_area_size(72);
    // Beside a lane that takes a hundred times longer, the other would be a dot.
    if longest > 8.0 * shortest {
        let first = shortest / 10.0;
        let chart = builder.build_cartesian_2d((first..longest * 1.05).log_scale(), rates).map_err(failed)?;
        curves(area, chart, lines, first, "seconds, log scale")
    } else {
        let chart = builder.build_cartesian_2d(0.0..longest * 1.02, rates).map_err(failed)?;
        curves(area, chart, lines, 0.0, "seconds")
    }
}

fn curves<'a, X, Y>(
    area: &Area<'a>,
    mut chart: ChartContext<'_, SVGBackend<'a>, Cartesian2d<X, Y>>,
    lines: &[Line],
    first: f64,
    time: &str,
) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let text = |size: i32| (FONT, size).into_font().color(&FAINT);
    chart
        .configure_mesh()
        .x_desc(time)
        .y_desc("MiB/s, log scale")
        .x_labels(8)
        .y_labels(6)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .label_style(text(13))
        .axis_desc_style(text(13))
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .draw()
        .map_err(failed)?;
    let mut x = 80;
    for line in lines {
        let steps: Vec<(f64, f64)> = line
            .pieces
            .iter()
            .filter(|piece| piece.to > first)
            .flat_map(|piece| [(piece.from.max(first), piece.rate), (piece.to, piece.rate)])
            .collect();
        let last = steps.last().copied();
        chart.draw_series(LineSeries::new(steps, line.colour.stroke_width(3))).map_err(failed)?;
        chart.draw_series(last.map(|last| Circle::new(last, 5, line.colour.filled()))).map_err(failed)?;
        // At the ends of their lines, the names of similar lanes would overlap.
        bar(area, (x, 9), (x + 22, 13), line.colour)?;
        write(area, &line.name, (x + 30, 11), 14, INK)?;
        x += 60 + 9 * i32::try_from(line.name.chars().count()).unwrap_or(0);
    }
    Ok(())
}

/// Formats a number on an axis; a small one has at most three digits.
fn short(value: f64) -> String {
    let places = match value {
        v if v >= 10.0 => 0,
        v if v >= 1.0 => 1,
        v if v >= 0.1 => 2,
        v if v >= 0.01 => 3,
        _ => 4,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

// ---- Bars

fn bars_height(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(0) * ROW.cast_unsigned() + 20
}

fn shares_height(rows: usize) -> u32 {
    bars_height(rows) + 40
}

fn width() -> i32 {
    at(WIDTH) - LEFT - RIGHT
}

/// Converts a part (0 to 1) of the bars' width to pixels.
fn pixels(part: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and the width")]
    let pixels = (part.clamp(0.0, 1.0) * f64::from(width())).round() as i32;
    pixels
}

fn draw_seconds(area: &Area<'_>, rows: &[Row]) -> Drawn {
    let arrived = rows.iter().filter(|row| row.arrived);
    let longest = arrived.map(|row| row.max).fold(0.0, f64::max).max(1e-9);
    for ((row, colour), top) in
        rows.iter().zip(LANES.iter().cycle()).zip((8..).step_by(ROW.cast_unsigned() as usize))
    {
        let middle = top + ROW / 2;
        label(area, &row.name, (LEFT - 12, middle), 14, INK, HPos::Right)?;
        if !row.arrived {
            write(area, "did not arrive", (LEFT + 4, middle), 14, FAINT)?;
            continue;
        }
        let end = LEFT + pixels(row.seconds / longest).max(2);
        bar(area, (LEFT, middle - 12), (end, middle + 12), *colour)?;
        if row.laps > 1 && pixels((row.max - row.min) / longest) >= 6 {
            // From the fastest to the slowest.
            let (from, to) = (LEFT + pixels(row.min / longest), LEFT + pixels(row.max / longest));
            for line in [
                vec![(from, middle), (to, middle)],
                vec![(from, middle - 6), (from, middle + 6)],
                vec![(to, middle - 6), (to, middle + 6)],
            ] {
                area.draw(&PathElement::new(line, INK.stroke_width(2))).map_err(failed)?;
            }
        }
        let behind = LEFT + pixels(row.max / longest).max(end - LEFT);
        write(area, &format!("{} s", short(row.seconds)), (behind + 10, middle), 14, INK)?;
    }
    Ok(())
}

fn draw_shares(area: &Area<'_>, rows: &[Row]) -> Drawn {
    for (row, top) in rows.iter().zip((8..).step_by(ROW.cast_unsigned() as usize)) {
        let middle = top + ROW / 2;
        label(area, &row.name, (LEFT - 12, middle), 14, INK, HPos::Right)?;
        if row.shares.is_empty() {
            write(area, "not known", (LEFT + 4, middle), 14, FAINT)?;
            continue;
        }
        let mut sum = 0.0;
        for ((share, colour), index) in row.shares.iter().zip(&STAGE_COLOURS).zip(0..) {
            let (from, to) = (LEFT + pixels(sum), LEFT + pixels(sum + share.part));
            sum += share.part;
            if to <= from {
                continue;
            }
            bar(area, (from, middle - 12), (to, middle + 12), *colour)?;
            let words = units::permille(share.part);
            if to - from > 60 {
                // White on the dark bar of the disk.
                let on = if index == 4 { WHITE } else { ON_BRIGHT };
                label(area, &words, (i32::midpoint(from, to), middle), 12, on, HPos::Center)?;
            }
        }
    }
    let below = at(bars_height(rows.len())) + 16;
    for ((stage, colour), x) in STAGES.iter().zip(&STAGE_COLOURS).zip((LEFT..).step_by(100)) {
        bar(area, (x, below - 7), (x + 14, below + 7), *colour)?;
        write(area, race::stage(*stage), (x + 20, below), 13, INK)?;
    }
    Ok(())
}

/// Colour of text on a bright bar, in both themes.
const ON_BRIGHT: RGBColor = RGBColor(0x10, 0x14, 0x18);
