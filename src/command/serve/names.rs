//! Names of files in the log, cut so that a client cannot write long lines into it.

use unicode_width::UnicodeWidthChar as _;

use crate::event::{Escaped, Event};

/// Columns of a name at most.
const COLUMNS: usize = 80;

/// Cuts the names in an event.
pub(super) fn cut(mut event: Event) -> Event {
    match &mut event {
        Event::Received { name, .. }
        | Event::Refused { name: Some(name), .. }
        | Event::Warned { name: Some(name), .. } => {
            if let Some(short) = shorter(name.as_str()) {
                *name = short;
            }
        }
        _ => {}
    }
    event
}

/// Returns a name without its middle, because names of a series differ at their ends; `None`: it is short enough.
fn shorter(name: &str) -> Option<Escaped> {
    let width = |c: char| c.width().unwrap_or_default();
    if name.chars().map(width).sum::<usize>() <= COLUMNS {
        return None;
    }
    let fits = |room: usize| {
        let mut left = room;
        move |c: &char| left.checked_sub(width(*c)).map(|rest| left = rest).is_some()
    };
    let head: String = name.chars().take_while(fits(COLUMNS / 2)).collect();
    let tail: Vec<char> = name.chars().rev().take_while(fits(COLUMNS / 2 - 1)).collect();
    Some(Escaped::from(format!("{head}…{}", tail.iter().rev().collect::<String>())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_loses_its_middle_and_a_short_one_nothing() {
        assert_eq!(shorter(&"a".repeat(80)), None);
        let long = shorter(&format!("{}b.txt", "a".repeat(1000)));
        assert_eq!(long, Some(Escaped::from(format!("{}…{}b.txt", "a".repeat(40), "a".repeat(34)))));
        // Signs of two columns.
        let wide = shorter(&"漢".repeat(41));
        assert_eq!(wide, Some(Escaped::from(format!("{}…{}", "漢".repeat(20), "漢".repeat(19)))));
    }
}
