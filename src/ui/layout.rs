//! Geometry: header, body and footer, the panes of a screen, the focus ring, and what lies under the mouse.
//!
//! Nothing here knows what a pane shows. The design size is 80×24; below [`SMALLEST`] nothing is drawn but one
//! sentence, and transfers go on.

use ratatui::layout::{Constraint, Layout, Position, Rect};

/// Columns and rows below which nothing useful fits.
pub(super) const SMALLEST: (u16, u16) = (40, 12);

/// Returns whether the terminal is large enough to show anything.
pub(super) fn fits(area: Rect) -> bool {
    area.width >= SMALLEST.0 && area.height >= SMALLEST.1
}

/// Returns header, body and footer.
pub(super) fn thirds(area: Rect) -> [Rect; 3] {
    Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(area)
}

/// Returns the area between header and footer; empty if the terminal is too small.
pub(super) fn body(area: Rect) -> Rect {
    if fits(area) { thirds(area)[1] } else { Rect::ZERO }
}

/// A pane, by its number within its screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PaneId(pub(super) u8);

/// The panes that a screen shows, and their areas. A pane of one row is drawn as a line without a frame.
#[derive(Debug, Default)]
pub(super) struct Plan(pub(super) Vec<(PaneId, Rect)>);

impl Plan {
    /// Gives the whole area to one pane.
    pub(super) fn alone(pane: PaneId, area: Rect) -> Self {
        Self(vec![(pane, area)])
    }

    /// Returns the area of a pane; `None` if it is not shown.
    pub(super) fn area(&self, pane: PaneId) -> Option<Rect> {
        self.0.iter().find(|(of, _)| *of == pane).map(|(_, area)| *area)
    }

    /// Returns the number of rows inside a pane's frame; 0 if the pane is not shown.
    pub(super) fn rows(&self, pane: PaneId) -> usize {
        self.area(pane).map_or(0, |area| usize::from(area.height.saturating_sub(2)))
    }

    /// Returns the pane at a position and the row inside its frame, if the position is inside.
    pub(super) fn hit(&self, at: Position) -> Option<(PaneId, Option<usize>)> {
        let (pane, area) = self.0.iter().find(|(_, area)| area.contains(at))?;
        let inside = at.y > area.y && at.y + 1 < area.bottom();
        Some((*pane, inside.then(|| usize::from(at.y - area.y - 1))))
    }
}

/// The panes that Tab cycles through, and the one that has the focus.
#[derive(Debug)]
pub(super) struct Ring {
    /// Never empty.
    panes: &'static [PaneId],
    /// Index of the focused pane.
    at: usize,
}

impl Ring {
    /// Creates a ring with the focus on the first pane. There must be one.
    pub(super) const fn new(panes: &'static [PaneId]) -> Self {
        assert!(!panes.is_empty(), "a screen has a pane");
        Self { panes, at: 0 }
    }

    /// Returns the focused pane.
    pub(super) const fn pane(&self) -> PaneId {
        self.panes[self.at]
    }

    /// Returns whether a pane can have the focus.
    pub(super) fn has(&self, pane: PaneId) -> bool {
        self.panes.contains(&pane)
    }

    /// Moves the focus to a pane, if it can have it.
    pub(super) fn focus(&mut self, pane: PaneId) {
        if let Some(at) = self.panes.iter().position(|of| *of == pane) {
            self.at = at;
        }
    }

    /// Returns the pane after the focused one.
    pub(super) const fn next(&self) -> PaneId {
        self.panes[(self.at + 1) % self.panes.len()]
    }

    /// Returns the pane before the focused one.
    pub(super) const fn previous(&self) -> PaneId {
        self.panes[(self.at + self.panes.len() - 1) % self.panes.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PaneId = PaneId(0);
    const B: PaneId = PaneId(1);
    const C: PaneId = PaneId(2);

    #[test]
    fn the_focus_goes_round_in_both_directions_and_only_to_panes_of_the_ring() {
        let mut ring = Ring::new(&[A, B]);
        assert_eq!((ring.pane(), ring.next(), ring.previous()), (A, B, B));
        ring.focus(C);
        assert_eq!(ring.pane(), A, "C is not in the ring");
        ring.focus(B);
        assert_eq!((ring.pane(), ring.next(), ring.previous()), (B, A, A));
        assert!(ring.has(A) && !ring.has(C));
    }

    #[test]
    fn a_frame_is_hit_without_a_row_and_its_inside_with_one() {
        let plan = Plan(vec![(A, Rect::new(0, 1, 10, 4)), (B, Rect::new(0, 5, 10, 1))]);
        let hit = |x, y| plan.hit(Position { x, y });
        assert_eq!(hit(3, 1), Some((A, None)), "the frame");
        assert_eq!(hit(3, 2), Some((A, Some(0))));
        assert_eq!(hit(3, 3), Some((A, Some(1))));
        assert_eq!(hit(3, 4), Some((A, None)));
        assert_eq!(hit(3, 5), Some((B, None)), "a line has no frame and no rows");
        assert_eq!((hit(3, 0), hit(10, 2)), (None, None));
        assert_eq!((plan.rows(A), plan.rows(B), plan.rows(C)), (2, 0, 0));
    }

    #[test]
    fn a_terminal_that_is_too_small_has_no_body() {
        assert_eq!(body(Rect::new(0, 0, 39, 12)), Rect::ZERO);
        assert_eq!(body(Rect::new(0, 0, 40, 12)), Rect::new(0, 1, 40, 10));
    }
}
