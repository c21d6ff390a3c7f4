//! Answers of a dialog, such as `[Enter] share  [Esc] cancel`, as they are clicked.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::ui::fit;
use crate::ui::keymap::Key;
use crate::ui::remap;

/// Returns the key of the answer at a position of a dialog that was drawn into `area`.
///
/// Answers are the last rows inside the frame. A row above them never is one, because it may show names that another
/// computer chose.
pub(super) fn key_at(drawn: &Buffer, area: Rect, at: Position) -> Option<Key> {
    let inner = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    };
    if !inner.contains(at) || drawn.area.intersection(inner) != inner {
        return None;
    }
    let row = |y: u16| (inner.x..inner.right()).map(|x| drawn[(x, y)].symbol()).collect::<String>();
    let is_below_answers = (at.y..inner.bottom()).all(|y| !answers(&row(y)).is_empty());
    let x = usize::from(at.x - inner.x);
    answers(&row(at.y))
        .into_iter()
        .find(|(from, to, _)| is_below_answers && (*from..*to).contains(&x))
        .map(|found| found.2)
}

/// Returns the columns and the key of each answer in a row; nothing if the row contains anything else.
fn answers(row: &str) -> Vec<(usize, usize, Key)> {
    let mut found = Vec::new();
    let mut at = fit::width(row) - fit::width(row.trim_start());
    for (index, part) in row.trim().split("  [").enumerate() {
        let part = if index == 0 { part.to_owned() } else { format!("[{part}") };
        let key = part
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "))
            .and_then(|(key, _)| remap::parse(key));
        let Some(key) = key else { return Vec::new() };
        let end = at + fit::width(&part);
        found.push((at, end, key));
        at = end + 2;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_answers_from_end_to_end_or_none() {
        let columns =
            |row: &str| answers(row).into_iter().map(|(from, to, _)| (from, to)).collect::<Vec<_>>();
        assert_eq!(columns("  [Enter] share  [Esc] cancel   "), [(2, 15), (17, 29)]);
        assert_eq!(columns("[Esc] cancel"), [(0, 12)]);
        for other in ["", "send [Enter] share", "[nokey] share", "[Enter]"] {
            assert!(columns(other).is_empty(), "{other:?}");
        }
    }

    #[test]
    fn a_row_above_other_text_is_no_answer() {
        let area = Rect::new(0, 0, 30, 5);
        let drawn = Buffer::with_lines([
            "+----------------------------+",
            "| [Enter] a name of a peer   |",
            "| Send it?                   |",
            "| [Enter] send  [Esc] cancel |",
            "+----------------------------+",
        ]);
        let key = |x, y| key_at(&drawn, area, Position { x, y });
        assert_eq!(key(4, 1), None);
        assert_eq!(key(4, 3), remap::parse("Enter"));
        assert_eq!(key(18, 3), remap::parse("Esc"));
        assert_eq!(key(15, 3), None);
        assert_eq!((key(0, 3), key(4, 4), key(200, 200)), (None, None, None));
    }
}
