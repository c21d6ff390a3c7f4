//! What the mouse does: it is never needed.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::app::App;
use super::theme::Focus;
use super::view::{self, Part};
use super::widgets::list::Step;

impl App {
    pub(super) fn on_mouse(&mut self, event: MouseEvent) {
        let step = match event.kind {
            MouseEventKind::ScrollDown => Some(Step::Down(3)),
            MouseEventKind::ScrollUp => Some(Step::Up(3)),
            MouseEventKind::Down(MouseButton::Left) => None,
            _ => return,
        };
        if !self.overlays.is_empty() {
            if let Some(step) = step {
                self.scroll(step);
            }
            return;
        }
        let at = Position { x: event.column, y: event.row };
        if step.is_none()
            && let Some(screen) = view::tab_at(self, self.area, at)
        {
            self.show(screen);
            return;
        }
        let Some((part, row)) = view::part_at(self, self.area, at) else { return };
        if let Some(step) = step {
            self.step(part, step);
            return;
        }
        self.focus_on(part);
        let height = self.height(part);
        let row = row.and_then(|row| match part {
            Part::Browser => self.browser.row(row, height),
            Part::Queue => self.queue.row(row, height, Focus::Here),
            Part::Received => self.received.row_at(row, height),
            Part::History => self.history.row_at(row, height),
            Part::Ladder => view::rect(self, part).and_then(|area| self.session.row_at(row, area)),
            Part::Sessions => Some(self.server.sessions.cursor.top(self.server.sessions.len(), height) + row),
            Part::Refusals => Some(self.server.refusals.cursor.top(self.server.refusals.len(), height) + row),
            _ => None,
        });
        if let Some(row) = row {
            self.step(part, Step::To(row));
        }
    }
}
