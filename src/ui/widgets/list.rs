//! A cursor in a list of which only a window is visible.

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Step {
    Up(usize),
    Down(usize),
    First,
    Last,
    To(usize),
}

/// A position in a list, and the first row of the window.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ui) struct Cursor {
    at: usize,
    top: usize,
}

impl Cursor {
    /// The row under the cursor; meaningless in an empty list.
    pub(in crate::ui) fn at(self) -> usize {
        self.at
    }

    /// Moves within a list of `len` rows.
    pub(in crate::ui) fn go(&mut self, step: Step, len: usize) {
        let at = match step {
            Step::Up(n) => self.at.saturating_sub(n),
            Step::Down(n) => self.at.saturating_add(n),
            Step::First => 0,
            Step::Last => len,
            Step::To(row) => row,
        };
        self.at = at.min(len.saturating_sub(1));
    }

    /// Keeps the window where it is as long as the cursor stays in it.
    pub(in crate::ui) fn settle(&mut self, len: usize, height: usize) {
        self.at = self.at.min(len.saturating_sub(1));
        self.top = self.top(len, height);
    }

    /// The first visible row in a window of `height` rows.
    pub(in crate::ui) fn top(self, len: usize, height: usize) -> usize {
        let height = height.max(1);
        let at = self.at.min(len.saturating_sub(1));
        self.top.clamp((at + 1).saturating_sub(height), at).min(len.saturating_sub(height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_moves_only_when_the_cursor_leaves_it() {
        let mut cursor = Cursor::default();
        cursor.go(Step::Down(4), 100);
        cursor.settle(100, 5);
        assert_eq!((cursor.at(), cursor.top), (4, 0));
        cursor.go(Step::Down(1), 100);
        cursor.settle(100, 5);
        assert_eq!((cursor.at(), cursor.top), (5, 1));
        cursor.go(Step::Up(4), 100);
        cursor.settle(100, 5);
        assert_eq!((cursor.at(), cursor.top), (1, 1));
        cursor.go(Step::Last, 100);
        cursor.settle(100, 5);
        assert_eq!((cursor.at(), cursor.top), (99, 95));
        cursor.settle(3, 5);
        assert_eq!((cursor.at(), cursor.top), (2, 0));
    }

    #[test]
    fn an_empty_list_and_no_height_are_no_trouble() {
        let mut cursor = Cursor::default();
        cursor.go(Step::Last, 0);
        cursor.settle(0, 0);
        assert_eq!((cursor.at(), cursor.top(0, 0)), (0, 0));
    }
}
