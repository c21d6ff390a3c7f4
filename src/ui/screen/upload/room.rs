//! Geometry of the upload screen.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{BROWSER, CARD, PREVIEW, QUEUE, RECEIVED, SPEED};
use crate::ui::layout::{PaneId, Plan};

/// Columns of the browser from which on a preview has room beside it, and the most that the preview takes.
const PREVIEWED: u16 = 80;

/// Returns the panes and their areas. Without a server of its own, one line stands for the received files, and the queue gets
/// half of the room. In a small terminal the screen loses, in this order: the preview, the rate chart, all
/// but one line of the received files, all but one line of the protocol, all queue rows but one.
pub(super) fn plan(body: Rect, is_previewed: bool, has_server: bool) -> Plan {
    let height = body.height;
    // A card beside the browser needs its eight lines and their frame.
    let beside = body.width >= 72 && height >= 17;
    let chart = if height >= 34 && body.width >= 60 { 8 } else { 0 };
    let spare = (height - chart).saturating_sub(22);
    let received =
        if height >= 22 { 5 + spare / 4 } else { 4 * u16::from(height >= 20) + u16::from(height < 20) };
    let queue = if height >= 13 { 6 + spare / 4 } else { 4 };
    let (queue, received) = if has_server { (queue, received) } else { (queue + (received - 1) / 2, 1) };
    let line = u16::from(!beside);
    let [top, card_line, queue, chart, received] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(line),
        Constraint::Length(queue),
        Constraint::Length(chart),
        Constraint::Length(received),
    ])
    .areas(body);
    let mut panes = Vec::with_capacity(6);
    if beside {
        let width = if body.width >= 110 { 34 } else { 27 };
        let [browser, card] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(top);
        browse(browser, is_previewed, &mut panes);
        panes.push((CARD, card));
    } else {
        panes.extend([(BROWSER, top), (CARD, card_line)]);
    }
    panes.push((QUEUE, queue));
    if chart.height > 0 {
        panes.push((SPEED, chart));
    }
    panes.push((RECEIVED, received));
    Plan(panes)
}

/// Gives an area to the browser, and a part of it to the preview if there is room.
pub(super) fn browse(area: Rect, is_previewed: bool, panes: &mut Vec<(PaneId, Rect)>) {
    if !is_previewed || area.width < PREVIEWED {
        panes.push((BROWSER, area));
        return;
    }
    let width = (area.width * 2 / 5).min(PREVIEWED);
    let [browser, preview] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(area);
    panes.extend([(BROWSER, browser), (PREVIEW, preview)]);
}
