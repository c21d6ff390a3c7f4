//! The wire: the bytes of the message that is shown, and which of them an eavesdropper can read.
//!
//! The file's own bytes are shown beside those on the wire, if the file was sent or received here.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Session;
use crate::event::{Frame, Sample};
use crate::net::word::WORD;
use crate::ui::recording::Role;
use crate::ui::widgets::{Pane, columns, frame, rows};
use crate::ui::{fit, text};

/// Wire view of a session.
pub(in crate::ui) struct Hex<'a>(pub(in crate::ui) &'a Session);

/// Columns of the mark.
const MARK: usize = 2;
/// Columns between the file's bytes and the wire's, including the mark of the latter.
const GAP: usize = 3;
/// Smallest number of columns of the text beside the bytes, and of both together: two times 8 bytes, and two times
/// 16.
const SAID: u16 = 37;
const BESIDE: u16 = 116;
const WIDE: u16 = 180;
/// Columns below which the wire's bytes are shown alone.
const BOTH: usize = 44;
/// One bar for each eighth.
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
        let role = shown.role(frame);
        let (bytes, words) = if inner.width >= BESIDE {
            // The text about the bytes is beside them.
            let most = if inner.width >= WIDE { WIDE } else { BESIDE };
            let [bytes, _, words] = Layout::horizontal([
                Constraint::Length(most - SAID - 3),
                Constraint::Length(3),
                Constraint::Fill(1),
            ])
            .areas(inner);
            for row in rows(bytes) {
                if let Some(cell) = buf.cell_mut((bytes.right() + 1, row.y)) {
                    cell.set_symbol("│").set_style(self.theme.faint());
                }
            }
            (bytes, words)
        } else {
            let height = columns(self.said_below(role, frame, usize::from(inner.width)).len());
            // The bytes need the most room.
            let height = height.min(inner.height / 3);
            Layout::vertical([Constraint::Fill(1), Constraint::Length(height)]).areas::<2>(inner).into()
        };
        let said = if inner.width >= BESIDE {
            self.said_beside(role, frame, usize::from(words.width))
        } else {
            self.said_below(role, frame, usize::from(words.width))
        };
        let lines = self.lines(role, frame, usize::from(bytes.width), usize::from(bytes.height));
        for (lines, area) in [(lines, bytes), (said, words)] {
            for (line, row) in lines.into_iter().zip(rows(area)) {
                line.render(row, buf);
            }
        }
    }
}

/// Columns of a message's offset in its direction, and a blank.
fn offsets(frame: &Frame) -> usize {
    let last = frame.offset + 16 + frame.body.head.len() as u64;
    last.to_string().len().max(6) + 1
}

impl Pane<'_, Hex<'_>> {
    fn lines(&self, role: Role, frame: &Frame, width: usize, height: usize) -> Vec<Line<'static>> {
        let at = offsets(frame);
        let wide = if width >= MARK + at + 16 * 4 { 16 } else { 8 };
        let mut lines = Vec::new();
        let mut offset = frame.offset;
        if let Some(mode) = frame.kind.mode() {
            lines.push(self.word(offset, at, mode, &text::mode_word(mode), width));
            offset += WORD as u64;
        }
        if let Some(m1) = frame.m1 {
            let header = frame.wire.saturating_sub(frame.body.bytes);
            // A length of 16 bytes is a zero and the length.
            if header > 2 * WORD as u64 {
                lines.push(self.word(offset, at, 0, &text::m1_word(0), width));
                offset += WORD as u64;
            }
            lines.push(self.word(offset, at, m1, &text::m1_word(m1), width));
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
            Some(file) if role.is_body() && width >= BOTH => {
                lines.extend(self.both(file, frame, role, offset, width, room));
            }
            _ => lines.extend(self.dump(frame, role, offset, wide, width, room)),
        }
        lines
    }

    /// Returns the row of MODE or M1, and its meaning.
    fn word(&self, offset: u64, at: usize, value: u64, words: &str, width: usize) -> Line<'static> {
        let mut line = self.row(offset, at, &value.to_be_bytes(), WORD, Some(false));
        // The letters of an integer are dots, so its meaning is there instead.
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
            .map(|(n, bytes)| {
                let offset = offset + (n * wide) as u64;
                self.row(offset, offsets(frame), bytes, wide, Some(role.is_sealed()))
            })
            .collect();
        let drawn = (fits * wide).min(head.len()) as u64;
        lines.extend(self.rest(frame, frame.body.bytes - drawn.min(frame.body.bytes), width));
        lines
    }

    fn rest(&self, frame: &Frame, bytes: u64, width: usize) -> Option<Line<'static>> {
        let words = format!("{}{}", " ".repeat(MARK + offsets(frame)), text::left_out(bytes));
        (bytes > 0).then(|| Line::styled(fit::cut(&words, width), self.theme.faint()))
    }

    /// Returns the file's bytes, and beside them the wire's with their mark.
    fn both(
        &self,
        file: &Sample,
        frame: &Frame,
        role: Role,
        offset: u64,
        width: usize,
        room: usize,
    ) -> Vec<Line<'static>> {
        let at = offsets(frame);
        let half = width.saturating_sub(MARK + at + GAP) / 2;
        let wide = [16, 8, 4, 2].into_iter().find(|wide| wide * 4 <= half).unwrap_or(1);
        let faint = self.theme.faint();
        let column = wide * 4;
        let heading = Line::from(vec![
            Span::raw(" ".repeat(MARK + at)),
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
            let mut line = self.row(offset + (n * wide) as u64, at, &left, wide, None);
            let (hex, letters) = dump(&right, wide);
            line.push_span(Span::raw(" "));
            line.push_span(self.mark(role.is_sealed()));
            line.push_span(Span::raw(format!("{hex} ")));
            line.push_span(Span::styled(letters, faint));
            lines.push(line);
        }
        let drawn = ((fits * wide) as u64).min(frame.body.bytes);
        lines.extend(self.rest(frame, frame.body.bytes - drawn, width));
        lines
    }

    fn mark(&self, is_sealed: bool) -> Span<'static> {
        if is_sealed {
            Span::styled("✓ ", self.theme.good())
        } else {
            Span::styled("✗ ", self.theme.warn())
        }
    }

    /// Returns a row such as `✗   376 67 41 41 41 … gAAA…`, or without a mark.
    fn row(
        &self,
        offset: u64,
        at: usize,
        bytes: &[u8],
        wide: usize,
        is_sealed: Option<bool>,
    ) -> Line<'static> {
        let (hex, letters) = dump(bytes, wide);
        Line::from(vec![
            is_sealed.map_or_else(|| Span::raw("  "), |is_sealed| self.mark(is_sealed)),
            Span::styled(format!("{} ", fit::right(&offset.to_string(), at - 1)), self.theme.faint()),
            Span::raw(format!("{hex} ")),
            Span::styled(letters, self.theme.faint()),
        ])
    }

    /// Returns the meaning of the marks, one line each.
    fn legend(&self, role: Role) -> Vec<Line<'static>> {
        let mut lines = vec![Line::styled(text::IN_CLEAR, self.theme.warn())];
        if role.is_sealed() {
            lines.push(Line::styled(text::SEALED, self.theme.good()));
        }
        lines
    }

    /// Returns who can read the message, how much longer it is than the file, and the entropy of both; in a column.
    fn said_beside(&self, role: Role, frame: &Frame, width: usize) -> Vec<Line<'static>> {
        let mut lines = self.legend(role);
        let (_, overheard) = text::overheard(role);
        lines.push(Line::default());
        if !role.is_body() {
            lines.extend(fit::wrap(overheard, width).into_iter().map(Line::raw));
            return lines;
        }
        lines.extend(growth(role, frame, width));
        for (label, sample, style) in self.samples(frame) {
            lines.push(Line::default());
            let Some((bits, words)) = text::entropy(sample) else {
                lines.extend(
                    fit::wrap(text::NOT_COUNTED, width)
                        .into_iter()
                        .map(|line| Line::styled(line, self.theme.faint())),
                );
                break;
            };
            lines.push(Line::from(vec![
                Span::styled(fit::left(label, 13), self.theme.faint()),
                Span::raw(fit::cut(&bits, width.saturating_sub(13))),
            ]));
            lines.push(Line::styled(bars(&sample.entropy, width.min(48)), style));
            lines.push(Line::styled(fit::cut(words, width), self.theme.faint()));
        }
        lines
    }

    /// Returns the text of [`Self::column`] in full lines.
    fn said_below(&self, role: Role, frame: &Frame, width: usize) -> Vec<Line<'static>> {
        let mut legend = Line::default();
        for line in self.legend(role) {
            if !legend.spans.is_empty() {
                legend.push_span(Span::raw("   "));
            }
            legend.spans.extend(line.spans.into_iter().map(|span| span.patch_style(line.style)));
        }
        let mut lines = vec![legend];
        if !role.is_body() {
            return lines;
        }
        lines.extend(growth(role, frame, width));
        for (label, sample, style) in self.samples(frame) {
            let Some((bits, words)) = text::entropy(sample) else {
                lines.push(Line::styled(fit::cut(text::NOT_COUNTED, width), self.theme.faint()));
                break;
            };
            let words = format!("{bits}: {words}");
            let room = width.saturating_sub(13 + fit::width(&words) + 2).min(48);
            lines.push(Line::from(vec![
                Span::styled(fit::left(label, 13), self.theme.faint()),
                Span::styled(bars(&sample.entropy, room), style),
                Span::raw("  "),
                Span::raw(fit::cut(&words, width.saturating_sub(15))),
            ]));
        }
        lines
    }

    fn samples<'a>(&self, frame: &'a Frame) -> Vec<(&'static str, &'a Sample, Style)> {
        let file = frame.file.as_ref().map(|file| (text::FILE_BYTES, file, self.theme.rate()));
        file.into_iter().chain([(text::WIRE_BYTES, &frame.body, self.theme.progress())]).collect()
    }
}

/// Returns how much longer the message is than the file in it.
fn growth(role: Role, frame: &Frame, width: usize) -> Option<Line<'static>> {
    let file = match (&frame.file, role) {
        (Some(file), _) => file.bytes,
        (None, Role::Clear) => frame.body.bytes,
        (None, _) => return None,
    };
    Some(Line::raw(fit::cut(&text::growth(file, frame.wire), width)))
}

/// Returns the entropy over the bytes as bars from 0 to 8 bits, in at most `columns` columns.
fn bars(entropy: &[u16], columns: usize) -> String {
    let shown = columns.min(entropy.len());
    let bar = |n: usize| {
        let (from, to) = (n * entropy.len() / shown, (n + 1) * entropy.len() / shown);
        let part = &entropy[from..to.max(from + 1)];
        let mean = part.iter().map(|one| usize::from(*one)).sum::<usize>() / part.len();
        BARS[(mean * 8 / 801).min(7)]
    };
    (0..shown).map(bar).collect()
}

/// Returns the rows for the bytes; one less if a row must say that there are more.
fn rows_of(here: usize, wide: usize, all: u64, room: usize) -> usize {
    let needed = here.div_ceil(wide);
    let is_more = all > here as u64 || needed > room;
    needed.min(room.saturating_sub(usize::from(is_more)))
}

/// Returns the bytes as digits and as letters, each padded to `wide` bytes. Nothing in it acts on a terminal.
fn dump(bytes: &[u8], wide: usize) -> (String, String) {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let letters: String = bytes
        .iter()
        .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
        .collect();
    (fit::left(&hex.join(" "), wide * 3 - 1), fit::left(&letters, wide))
}
