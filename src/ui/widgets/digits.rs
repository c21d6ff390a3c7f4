//! Large letters and digits, readable from the back of a room: five dots tall, drawn in halves of cells, so that a
//! dot is as wide as it is high.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::columns;

/// Height of a glyph in dots.
const TALL: u16 = 5;

/// Glyphs of times and of the variants' names.
const GLYPHS: &[(char, [&str; TALL as usize])] = &[
    ('0', ["####", "#..#", "#..#", "#..#", "####"]),
    ('1', [".#.", "##.", ".#.", ".#.", "###"]),
    ('2', ["####", "...#", "####", "#...", "####"]),
    ('3', ["####", "...#", ".###", "...#", "####"]),
    ('4', ["#..#", "#..#", "####", "...#", "...#"]),
    ('5', ["####", "#...", "####", "...#", "####"]),
    ('6', ["####", "#...", "####", "#..#", "####"]),
    ('7', ["####", "...#", "..#.", ".#..", ".#.."]),
    ('8', ["####", "#..#", "####", "#..#", "####"]),
    ('9', ["####", "#..#", "####", "...#", "####"]),
    ('.', [".", ".", ".", ".", "#"]),
    (' ', ["..", "..", "..", "..", ".."]),
    ('%', ["#..#", "...#", ".##.", "#...", "#..#"]),
    ('×', ["...", "#.#", ".#.", "#.#", "..."]),
    ('≥', ["##..", "..##", "##..", "....", "####"]),
    ('—', ["...", "...", "###", "...", "..."]),
    ('A', [".##.", "#..#", "####", "#..#", "#..#"]),
    ('C', ["####", "#...", "#...", "#...", "####"]),
    ('P', ["####", "#..#", "####", "#...", "#..."]),
    ('a', ["....", ".###", "#..#", "#..#", ".###"]),
    ('d', ["...#", "...#", ".###", "#..#", ".###"]),
    ('h', ["#...", "#...", "###.", "#..#", "#..#"]),
    ('i', ["#", ".", "#", "#", "#"]),
    ('l', ["#", "#", "#", "#", "#"]),
    ('m', [".....", "####.", "#.#.#", "#.#.#", "#.#.#"]),
    ('n', ["....", "###.", "#..#", "#..#", "#..#"]),
    ('s', ["...", "###", "#..", "..#", "##."]),
    ('y', ["#..#", "#..#", ".###", "...#", "###."]),
];

/// Returns a glyph's rows of dots; a box for an unknown character.
fn glyph(c: char) -> &'static [&'static str; TALL as usize] {
    const OTHER: [&str; TALL as usize] = ["####", "#..#", "#..#", "#..#", "####"];
    GLYPHS.iter().find(|(of, _)| *of == c).map_or(&OTHER, |(_, rows)| rows)
}

/// Returns the columns that a text takes.
pub(in crate::ui) fn width(text: &str, scale: u16) -> u16 {
    let dots: usize = text.chars().map(|c| glyph(c)[0].len() + 1).sum();
    columns(dots.saturating_sub(1)).saturating_mul(scale)
}

/// Returns the rows that a text takes.
pub(in crate::ui) const fn height(scale: u16) -> u16 {
    (TALL * scale).div_ceil(2)
}

/// Draws a text at the upper left of `area`, as far as it fits: no glyph is drawn in part.
pub(in crate::ui) fn draw(text: &str, scale: u16, style: Style, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    let mut x = area.x;
    for c in text.chars() {
        let rows = glyph(c);
        let wide = columns(rows[0].len()).saturating_mul(scale);
        if x.saturating_add(wide) > area.right() {
            return;
        }
        for row in 0..height(scale).min(area.height) {
            for column in 0..wide {
                let lit = |half: u16| {
                    let dot = usize::from((row * 2 + half) / scale);
                    let across = usize::from(column / scale);
                    rows.get(dot).is_some_and(|dots| dots.as_bytes().get(across) == Some(&b'#'))
                };
                let symbol = match (lit(0), lit(1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => continue,
                };
                if let Some(cell) = buf.cell_mut((x + column, area.y + row)) {
                    cell.set_char(symbol).set_style(style);
                }
            }
        }
        x = x.saturating_add(wide).saturating_add(scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, scale: u16, area: Rect) -> Vec<String> {
        let mut buf = Buffer::empty(Rect::new(0, 0, 40, 8));
        draw(text, scale, Style::new(), area, &mut buf);
        let row = |y| (0..40).map(|x| buf[(x, y)].symbol().to_owned()).collect::<String>();
        (0..8).map(|y| row(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn every_glyph_has_rows_of_one_length() {
        for (c, rows) in GLYPHS {
            assert!(rows.iter().all(|row| row.len() == rows[0].len() && !row.is_empty()), "{c}");
        }
    }

    #[test]
    fn digits_are_drawn_in_halves() {
        assert_eq!(drawn("2.7", 1, Rect::new(0, 0, 40, 8))[..3], ["▀▀▀█   ▀▀▀█", "█▀▀▀    ▄▀", "▀▀▀▀ ▀  ▀"]);
        let large = drawn("1", 2, Rect::new(0, 0, 40, 8));
        assert_eq!(large[..5], ["  ██", "████", "  ██", "  ██", "██████"]);
        assert_eq!((width("2.7", 1), width("1", 2), height(1), height(2)), (11, 6, 3, 5));
    }

    #[test]
    fn nothing_is_drawn_beyond_the_area() {
        for width in 0..14 {
            for height in 0..4 {
                for row in drawn("88", 1, Rect::new(3, 2, width, height)).iter().enumerate() {
                    let (y, text) = (u16::try_from(row.0).unwrap(), row.1);
                    assert!(text.is_empty() || (2..2 + height).contains(&y), "{text}");
                    assert!(text.chars().count() <= usize::from(3 + width), "{text}");
                }
            }
        }
    }
}
