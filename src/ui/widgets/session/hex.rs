//! The wire: the bytes of the message that is shown, and which of them anybody on the way can read.
//!
//! Of a file its own bytes stand beside those on the wire, where the file is ours.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{Recording, Role, Session};
use crate::event::{Frame, Sample};
use crate::net::wire::WORD;
use crate::ui::widgets::{Pane, columns, frame, rows};
use crate::ui::{fit, text};

/// The wire's view of a session.
pub(in crate::ui) struct Hex<'a>(pub(in crate::ui) &'a Session);

/// Columns of the mark and of the offset.
const MARK: usize = 2;
const OFFSET: usize = 9;
/// Columns between the file's bytes and the wire's.
const GAP: usize = 3;
/// A bar for each eighth.
const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

impl Widget for Pane<'_, Hex<'_>> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let session = self.of.0;
        let shown = session.shown().zip(session.frame());
        let note = shown.map_or_else(String::new, |(_, frame)| text::way(frame.way).to_owned());
        let title = shown.map_or_else(
            || text::WIRE_PANE.to_owned(),
            |(shown, frame)| format!("{}: {}", text::WIRE_PANE, text::message(shown.role(frame))),
        );
        let block = frame(self.theme, self.focus, &title, &note, area);
        let inner = block.inner(area);
        block.render(area, buf);
        let Some((shown, frame)) = shown else {
            return Line::styled(text::EMPTY_SESSION, self.theme.faint()).render(inner, buf);
        };
        let foot = self.foot(shown, frame, usize::from(inner.width));
        // The bytes need two rows; the first line of the foot, who can read them, stays the longest.
        let height = columns(foot.len()).min(inner.height.saturating_sub(3));
        let [body, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(height)]).areas(inner);
        let lines = self.lines(shown, frame, usize::from(body.width), usize::from(body.height));
        for (line, row) in lines.into_iter().zip(rows(body)) {
            line.render(row, buf);
        }
        for (line, row) in foot.into_iter().zip(rows(below)) {
            line.render(row, buf);
        }
    }
}

impl Pane<'_, Hex<'_>> {
    fn lines(&self, shown: &Recording, frame: &Frame, width: usize, height: usize) -> Vec<Line<'static>> {
        let role = shown.role(frame);
        let wide = if width >= MARK + OFFSET + 16 * 4 { 16 } else { 8 };
        let mut lines = Vec::new();
        let mut offset = frame.offset;
        if let Some(mode) = frame.kind.mode() {
            lines.push(self.word(offset, mode, &text::mode_word(mode), width));
            offset += WORD as u64;
        }
        if let Some(m1) = frame.m1 {
            let header = frame.wire.saturating_sub(frame.body.bytes);
            // A length of 16 bytes is a zero and the length.
            if header > 2 * WORD as u64 {
                lines.push(self.word(offset, 0, &text::m1_word(0), width));
                offset += WORD as u64;
            }
            lines.push(self.word(offset, m1, &text::m1_word(m1), width));
            offset += WORD as u64;
        }
        let room = height.saturating_sub(lines.len());
        let file = match role {
            Role::Clear => Some(&frame.body),
            _ => frame.file.as_ref(),
        };
        match file {
            _ if frame.body.head.is_empty() && frame.body.bytes > 0 => {
                lines.push(Line::default());
                lines.extend(
                    fit::wrap(text::UNSEEN, width)
                        .into_iter()
                        .map(|line| Line::styled(line, self.theme.faint())),
                );
            }
            Some(file) if role.is_body() => lines.extend(self.both(file, frame, role, offset, width, room)),
            _ => lines.extend(self.dump(frame, role, offset, wide, width, room)),
        }
        lines
    }

    /// MODE or M1, with its meaning at the right.
    fn word(&self, offset: u64, value: u64, words: &str, width: usize) -> Line<'static> {
        let mut line = self.row(offset, &value.to_be_bytes(), WORD, false);
        // The letters of an integer are dots: its meaning stands there.
        line.spans.pop();
        line.push_span(Span::raw(" "));
        let used = line.width();
        line.push_span(Span::styled(fit::cut(words, width.saturating_sub(used)), self.theme.accent()));
        line
    }

    fn dump(
        &self,
        frame: &Frame,
        role: Role,
        offset: u64,
        wide: usize,
        width: usize,
        room: usize,
    ) -> Vec<Line<'static>> {
        let head = &frame.body.head;
        let fits = rows_of(head.len(), wide, frame.body.bytes, room);
        let mut lines: Vec<Line<'static>> = head
            .chunks(wide)
            .take(fits)
            .enumerate()
            .map(|(n, bytes)| self.row(offset + (n * wide) as u64, bytes, wide, role.is_sealed()))
            .collect();
        let drawn = (fits * wide).min(head.len()) as u64;
        lines.extend(self.rest(frame.body.bytes - drawn.min(frame.body.bytes), width));
        lines
    }

    fn rest(&self, bytes: u64, width: usize) -> Option<Line<'static>> {
        let words = format!("{}{}", " ".repeat(MARK + OFFSET), text::left_out(bytes));
        (bytes > 0).then(|| Line::styled(fit::cut(&words, width), self.theme.faint()))
    }

    /// The file's bytes, and beside them the wire's.
    fn both(
        &self,
        file: &Sample,
        frame: &Frame,
        role: Role,
        offset: u64,
        width: usize,
        room: usize,
    ) -> Vec<Line<'static>> {
        let half = width.saturating_sub(MARK + OFFSET + GAP) / 2;
        let wide = [16, 8, 4, 2].into_iter().find(|wide| wide * 4 <= half).unwrap_or(1);
        let faint = self.theme.faint();
        let column = wide * 4;
        let heading = Line::from(vec![
            Span::raw(" ".repeat(MARK + OFFSET)),
            Span::styled(fit::left(text::FILE_BYTES, column + GAP), faint),
            Span::styled(fit::cut(text::WIRE_BYTES, column), faint),
        ]);
        let room = room.saturating_sub(1);
        let longest = file.head.len().max(frame.body.head.len());
        let fits = rows_of(longest, wide, frame.body.bytes.max(file.bytes), room);
        let mut lines = vec![heading];
        for n in 0..fits.min(longest.div_ceil(wide)) {
            let part = |bytes: &[u8]| bytes.chunks(wide).nth(n).unwrap_or_default().to_vec();
            let (left, right) = (part(&file.head), part(&frame.body.head));
            let mut line = self.row(offset + (n * wide) as u64, &left, wide, role.is_sealed());
            let (hex, letters) = dump(&right, wide);
            line.push_span(Span::styled(" │ ", faint));
            line.push_span(Span::raw(format!("{hex} ")));
            line.push_span(Span::styled(letters, faint));
            lines.push(line);
        }
        let drawn = ((fits * wide) as u64).min(frame.body.bytes);
        lines.extend(self.rest(frame.body.bytes - drawn, width));
        lines
    }

    /// `✗     376 67 41 41 41 … gAAA…`
    fn row(&self, offset: u64, bytes: &[u8], wide: usize, is_sealed: bool) -> Line<'static> {
        let (mark, style) = if is_sealed { ("✓ ", self.theme.good()) } else { ("✗ ", self.theme.warn()) };
        let (hex, letters) = dump(bytes, wide);
        Line::from(vec![
            Span::styled(mark, style),
            Span::styled(format!("{} ", fit::right(&offset.to_string(), OFFSET - 1)), self.theme.faint()),
            Span::raw(format!("{hex} ")),
            Span::styled(letters, self.theme.faint()),
        ])
    }

    /// Who can read it, how much longer it is than the file, and how much chance is in both.
    fn foot(&self, shown: &Recording, frame: &Frame, width: usize) -> Vec<Line<'static>> {
        let role = shown.role(frame);
        let mut legend = vec![Span::styled(text::IN_CLEAR, self.theme.warn())];
        if role.is_sealed() {
            legend.push(Span::raw("   "));
            legend.push(Span::styled(text::SEALED, self.theme.good()));
        }
        let mut lines = vec![Line::from(legend)];
        if !role.is_body() {
            return lines;
        }
        if let Some(file) = &frame.file {
            let words = text::growth(file.bytes, frame.wire);
            lines.push(Line::styled(fit::cut(&words, width), self.theme.plain()));
            lines.extend(self.spark(text::FILE_BYTES, file, self.theme.rate(), width));
        }
        match self.spark(text::WIRE_BYTES, &frame.body, self.theme.progress(), width) {
            Some(line) => lines.push(line),
            None => lines.push(Line::styled(fit::cut(text::NOT_COUNTED, width), self.theme.faint())),
        }
        lines
    }

    /// Entropy over the bytes, from none to 8 bits.
    fn spark(&self, label: &str, sample: &Sample, style: Style, width: usize) -> Option<Line<'static>> {
        let words = text::entropy(sample)?;
        let room = width.saturating_sub(12 + fit::width(&words) + 2).min(48);
        let of = sample.entropy.len();
        let shown = room.min(of).max(1);
        let bars: String = (0..shown)
            .map(|n| {
                let part = &sample.entropy[n * of / shown..((n + 1) * of / shown).max(n * of / shown + 1)];
                let mean = part.iter().map(|one| usize::from(*one)).sum::<usize>() / part.len().max(1);
                BARS[(mean * 8 / 801).min(7)]
            })
            .collect();
        let bars = if room == 0 { String::new() } else { bars };
        Some(Line::from(vec![
            Span::styled(fit::left(label, 12), self.theme.faint()),
            Span::styled(bars, style),
            Span::raw("  "),
            Span::raw(fit::cut(&words, width.saturating_sub(14))),
        ]))
    }
}

/// Rows for the bytes that are here; one less where a row must say that there are more.
fn rows_of(here: usize, wide: usize, all: u64, room: usize) -> usize {
    let needed = here.div_ceil(wide);
    let is_more = all > here as u64 || needed > room;
    needed.min(room.saturating_sub(usize::from(is_more)))
}

/// The bytes as digits and as letters, each padded to `wide` bytes. Nothing in it acts on a terminal.
fn dump(bytes: &[u8], wide: usize) -> (String, String) {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let letters: String = bytes
        .iter()
        .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
        .collect();
    (fit::left(&hex.join(" "), wide * 3 - 1), fit::left(&letters, wide))
}
