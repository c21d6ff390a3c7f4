//! A list of which a window is visible: its rows, cursor, filter and order.
//!
//! Every pane that lists something has a [`List`], so that keys mean the same in each. What differs from pane to pane is
//! the [`Row`].

use std::cmp::{Ordering, Reverse};
use std::collections::VecDeque;

use super::filter::{Filter, Needle};
use super::input::Input;
use crate::ui::listing::Clock;

/// A movement of the cursor.
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
struct Cursor {
    at: usize,
    top: usize,
    /// Whether the next settling chooses the window, because the cursor did not come here step by step.
    is_placed: bool,
}

impl Cursor {
    /// Moves within a list of `len` rows.
    fn go(&mut self, step: Step, len: usize) {
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
    fn settle(&mut self, len: usize, height: usize) {
        self.at = self.at.min(len.saturating_sub(1));
        if std::mem::take(&mut self.is_placed) {
            // The beginning of the list if the cursor fits below it, else a third of the window above the cursor.
            self.top = if self.at + height / 4 < height { 0 } else { self.at - height / 3 };
        }
        self.top = self.top(len, height);
    }

    /// Returns the first visible row in a window of `height` rows.
    fn top(self, len: usize, height: usize) -> usize {
        let height = height.max(1);
        let at = self.at.min(len.saturating_sub(1));
        self.top.clamp((at + 1).saturating_sub(height), at).min(len.saturating_sub(height))
    }
}

/// Labels and values of one row, and a title for them.
pub(in crate::ui) type Facts = (String, Vec<(&'static str, String)>);

/// Row of a list.
pub(in crate::ui) trait Row {
    /// Returns how well the row matches a filter, the larger the better; `None` if it is not shown.
    fn rank(&self, _needle: &mut Needle) -> Option<u32> {
        Some(0)
    }

    /// Returns everything about the row; `None` if there is no more than the list shows.
    fn details(&self, _clock: &Clock) -> Option<Facts> {
        None
    }
}

/// A row that is shown.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// Index among all rows.
    row: usize,
    /// How well it matches the filter.
    rank: u32,
}

/// Rows, of which a filter shows some, in an order, through a window with a cursor.
#[derive(Debug)]
pub(in crate::ui) struct List<T> {
    rows: VecDeque<T>,
    /// Rows that are shown, in their order; `None` if all are, as they are.
    shown: Option<Vec<Shown>>,
    cursor: Cursor,
    filter: Filter,
    /// Rows that are shown at all, whatever the filter.
    select: Option<fn(&T) -> bool>,
    order: Option<fn(&T, &T) -> Ordering>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            rows: VecDeque::new(),
            shown: None,
            cursor: Cursor::default(),
            filter: Filter::default(),
            select: None,
            order: None,
        }
    }
}

impl<T: Row> List<T> {
    // Rows

    /// Returns all rows, those that are not shown included.
    pub(in crate::ui) const fn rows(&self) -> &VecDeque<T> {
        &self.rows
    }

    /// Returns the rows to be changed in place. What the filter or the order looks at must stay as it is.
    pub(in crate::ui) const fn rows_mut(&mut self) -> &mut VecDeque<T> {
        &mut self.rows
    }

    /// Replaces all rows. The cursor stays where it is.
    pub(in crate::ui) fn replace(&mut self, rows: impl IntoIterator<Item = T>) {
        self.rows = rows.into_iter().collect();
        self.arrange();
    }

    /// Inserts a row before the row of this index, and forgets rows beyond `most`. The cursor stays where it is.
    pub(in crate::ui) fn insert(&mut self, at: usize, row: T, most: usize) {
        self.rows.insert(at.min(self.rows.len()), row);
        self.rows.truncate(most);
        self.arrange();
    }

    /// Removes and returns a row, by its index among all.
    pub(in crate::ui) fn remove(&mut self, at: usize) -> Option<T> {
        let row = self.rows.remove(at);
        self.arrange();
        row
    }

    /// Shows only rows that `select` accepts, in this order.
    pub(in crate::ui) fn sort(&mut self, select: fn(&T) -> bool, order: fn(&T, &T) -> Ordering) {
        (self.select, self.order) = (Some(select), Some(order));
        self.arrange();
    }

    /// Shows all rows that the filter accepts, as they are.
    pub(in crate::ui) fn unsort(&mut self) {
        (self.select, self.order) = (None, None);
        self.arrange();
    }

    /// Appends rows and finds their places among those that are shown. The cursor stays on its row, and the window
    /// where it is. The effort is that of sorting the new rows and of one pass over the others.
    pub(in crate::ui) fn extend(&mut self, rows: impl IntoIterator<Item = T>) {
        let known = self.rows.len();
        self.rows.extend(rows);
        let Some(before) = self.shown.take() else { return };
        let more = self.select(known);
        let under = before.get(self.cursor.at).map(|shown| shown.row);
        let mut shown = Vec::with_capacity(before.len() + more.len());
        let (mut old, mut new) = (before.into_iter().peekable(), more.into_iter().peekable());
        while let (Some(a), Some(b)) = (old.peek(), new.peek()) {
            let next = if self.compare(*a, *b) == Ordering::Greater { new.next() } else { old.next() };
            shown.extend(next);
        }
        shown.extend(old.chain(new));
        if let Some(at) = under.and_then(|row| shown.iter().position(|shown| shown.row == row)) {
            // The rows above the cursor have become more: the window moves with it.
            self.cursor.top += at - self.cursor.at;
            self.cursor.at = at;
        }
        self.shown = Some(shown);
    }

    /// Decides again which rows are shown, and in which order.
    fn arrange(&mut self) {
        let is_plain = !self.filter.has_text() && self.select.is_none() && self.order.is_none();
        self.shown = (!is_plain).then(|| self.select(0));
        self.go(Step::Down(0));
    }

    /// Returns those of the rows from this index on that are shown, in their order.
    fn select(&self, from: usize) -> Vec<Shown> {
        let mut needle = self.filter.needle();
        let mut shown: Vec<Shown> = self
            .rows
            .range(from..)
            .zip(from..)
            .filter(|(row, _)| self.select.is_none_or(|select| select(row)))
            .filter_map(|(of, row)| {
                let rank = needle.as_mut().map_or(Some(0), |needle| of.rank(needle))?;
                Some(Shown { row, rank })
            })
            .collect();
        shown.sort_by(|a, b| self.compare(*a, *b));
        shown
    }

    /// Orders rows by how well they match the filter, then by the order of the list, then as they came.
    fn compare(&self, a: Shown, b: Shown) -> Ordering {
        let by_order =
            || self.order.map_or(Ordering::Equal, |order| order(&self.rows[a.row], &self.rows[b.row]));
        Reverse(a.rank).cmp(&Reverse(b.rank)).then_with(by_order)
    }

    // The rows that are shown

    /// Returns the number of rows that are shown.
    pub(in crate::ui) fn len(&self) -> usize {
        self.shown.as_ref().map_or(self.rows.len(), Vec::len)
    }

    /// Returns a row by its place among those that are shown.
    pub(in crate::ui) fn get(&self, place: usize) -> Option<&T> {
        match &self.shown {
            Some(shown) => self.rows.get(shown.get(place)?.row),
            None => self.rows.get(place),
        }
    }

    /// Returns the rows that are shown.
    pub(in crate::ui) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// Returns the place of the first shown row for which `is_it` is true.
    pub(in crate::ui) fn position(&self, is_it: impl FnMut(&T) -> bool) -> Option<usize> {
        self.iter().position(is_it)
    }

    /// Returns the rows in a window of `height` rows: their places, and whether the cursor is on them.
    pub(in crate::ui) fn window(&self, height: usize) -> impl Iterator<Item = (&T, bool)> {
        let top = self.cursor.top(self.len(), height);
        (top..self.len()).take(height).filter_map(|place| Some((self.get(place)?, place == self.cursor.at)))
    }

    // The cursor

    /// Returns the place of the cursor; meaningless in an empty list.
    pub(in crate::ui) const fn at(&self) -> usize {
        self.cursor.at
    }

    /// Returns the row under the cursor.
    pub(in crate::ui) fn under(&self) -> Option<&T> {
        self.get(self.cursor.at)
    }

    /// Returns everything about the row under the cursor.
    pub(in crate::ui) fn details(&self, clock: &Clock) -> Option<Facts> {
        self.under()?.details(clock)
    }

    /// Moves the cursor.
    pub(in crate::ui) fn go(&mut self, step: Step) {
        self.cursor.go(step, self.len());
    }

    /// Moves the cursor to a place that the user did not step to; the window shows what is around it.
    pub(in crate::ui) fn place(&mut self, place: usize) {
        self.go(Step::To(place));
        self.cursor.is_placed = true;
    }

    /// Moves the window so that the cursor is in it. Called after every change.
    pub(in crate::ui) fn settle(&mut self, height: usize) {
        self.cursor.settle(self.len(), height);
    }

    /// Returns the place of what is drawn in this row of a window of `height` rows.
    pub(in crate::ui) fn row_at(&self, row: usize, height: usize) -> Option<usize> {
        let place = self.cursor.top(self.len(), height) + row;
        (place < self.len()).then_some(place)
    }

    // The filter

    pub(in crate::ui) const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Returns the filter's text while it is typed.
    pub(in crate::ui) const fn input(&mut self) -> Option<&mut Input> {
        self.filter.input()
    }

    /// Lets the user type a filter, from the text that it has.
    pub(in crate::ui) fn type_filter(&mut self) {
        self.filter.open();
    }

    /// Ends the typing and keeps the filter.
    pub(in crate::ui) fn keep_filter(&mut self) {
        self.filter.keep();
    }

    /// Removes the filter; returns whether there was one.
    pub(in crate::ui) fn drop_filter(&mut self) -> bool {
        let was_on = self.filter.close();
        self.arrange();
        was_on
    }

    /// Handles a change of the filter's text.
    pub(in crate::ui) fn filtered(&mut self) {
        self.arrange();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Row for &str {
        fn rank(&self, needle: &mut Needle) -> Option<u32> {
            needle.is_in(self).then_some(0)
        }
    }

    fn list(rows: &[&'static str]) -> List<&'static str> {
        let mut list = List::default();
        list.replace(rows.iter().copied());
        list
    }

    fn shown(list: &List<&'static str>) -> Vec<&'static str> {
        list.iter().copied().collect()
    }

    #[test]
    fn a_filter_shows_some_rows_and_the_cursor_stays_among_them() {
        let mut list = list(&["ab", "b", "abc", "c"]);
        list.go(Step::Last);
        list.type_filter();
        list.input().unwrap().typed('a');
        list.filtered();
        assert_eq!((shown(&list), list.at(), list.under()), (vec!["ab", "abc"], 1, Some(&"abc")));
        list.insert(0, "xa", 10);
        assert_eq!(shown(&list), ["xa", "ab", "abc"], "new rows are filtered, too");
        list.keep_filter();
        assert!(list.input().is_none() && list.filter().is_on());
        assert!(list.drop_filter() && !list.drop_filter());
        assert_eq!(shown(&list), ["xa", "ab", "b", "abc", "c"]);
    }

    #[test]
    fn rows_are_selected_and_sorted_and_new_ones_find_their_place() {
        let mut list = list(&["b", ".hidden", "c", "a"]);
        list.sort(|row| !row.starts_with('.'), Ord::cmp);
        assert_eq!(shown(&list), ["a", "b", "c"]);
        list.insert(0, "bb", 10);
        assert_eq!(shown(&list), ["a", "b", "bb", "c"]);
        assert_eq!((list.rows().len(), list.position(|row| *row == "c")), (5, Some(3)));
    }

    #[test]
    fn a_window_shows_the_cursor_and_maps_rows_back() {
        let mut list = list(&["a", "b", "c", "d"]);
        list.go(Step::Down(2));
        list.settle(2);
        let window: Vec<_> = list.window(2).map(|(row, is_here)| (*row, is_here)).collect();
        assert_eq!(window, [("b", false), ("c", true)]);
        assert_eq!((list.row_at(0, 2), list.row_at(1, 2)), (Some(1), Some(2)));
        assert_eq!(list.row_at(3, 2), None, "below the last row");
    }

    #[test]
    fn rows_that_arrive_later_find_their_places_and_the_cursor_keeps_its_row_on_the_screen() {
        let mut list = list(&["m", "b", ".hidden", "x"]);
        list.sort(|row| !row.starts_with('.'), Ord::cmp);
        list.go(Step::Down(1));
        list.settle(2);
        list.extend(["c", "a", ".more", "z", "m"]);
        list.settle(2);
        assert_eq!(shown(&list), ["a", "b", "c", "m", "m", "x", "z"]);
        assert_eq!((list.at(), list.under(), list.row_at(1, 2)), (3, Some(&"m"), Some(3)));
        list.type_filter();
        list.input().unwrap().typed('a');
        list.filtered();
        list.extend(["ba", "c", "aa"]);
        assert_eq!(shown(&list), ["a", "aa", "ba"], "new rows are filtered, too");
    }

    #[test]
    fn a_cursor_that_was_placed_has_rows_above_and_below_it() {
        let mut cursor = Cursor { at: 50, top: 0, is_placed: true };
        cursor.settle(100, 9);
        assert_eq!(cursor.top, 47);
        let mut cursor = Cursor { at: 5, top: 47, is_placed: true };
        cursor.settle(100, 9);
        assert_eq!(cursor.top, 0, "it fits below the beginning");
    }

    #[test]
    fn rows_beyond_the_limit_are_forgotten_and_the_cursor_stays_inside() {
        let mut list = list(&["a", "b", "c"]);
        list.go(Step::Last);
        list.insert(0, "new", 3);
        assert_eq!(shown(&list), ["new", "a", "b"]);
        list.replace(["a"]);
        assert_eq!((list.at(), list.remove(0), list.under()), (0, Some("a"), None));
    }

    #[test]
    fn the_window_moves_only_when_the_cursor_leaves_it() {
        let mut cursor = Cursor::default();
        cursor.go(Step::Down(4), 100);
        cursor.settle(100, 5);
        assert_eq!((cursor.at, cursor.top), (4, 0));
        cursor.go(Step::Down(1), 100);
        cursor.settle(100, 5);
        assert_eq!((cursor.at, cursor.top), (5, 1));
        cursor.go(Step::Up(4), 100);
        cursor.settle(100, 5);
        assert_eq!((cursor.at, cursor.top), (1, 1));
        cursor.go(Step::Last, 100);
        cursor.settle(100, 5);
        assert_eq!((cursor.at, cursor.top), (99, 95));
        cursor.settle(3, 5);
        assert_eq!((cursor.at, cursor.top), (2, 0));
    }

    #[test]
    fn an_empty_list_and_a_height_of_zero_are_handled() {
        let mut cursor = Cursor::default();
        cursor.go(Step::Last, 0);
        cursor.settle(0, 0);
        assert_eq!((cursor.at, cursor.top(0, 0)), (0, 0));
    }
}
