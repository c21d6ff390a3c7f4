//! Screen 4: this program's server, its connections, the files it received, and what it refused.

mod actions;
mod facts;
mod news;
mod refusals;
mod sessions;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::Widget as _;

pub(super) use self::actions::restart;
use self::refusals::Refusals;
use self::sessions::Sessions;
pub(in crate::ui) use self::sessions::Stage;
use super::{ActionContext, Screen, Start, View};
use crate::event::Event;
use crate::ui::keymap::{Action, Place};
use crate::ui::layout::{PaneId, Plan, Ring};
use crate::ui::overlay::Overlays;
use crate::ui::shared::Shared;
use crate::ui::text;
use crate::ui::widgets::columns;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::list::{Facts, Step};

/// Rows that the lists have before the words of the server's key are shown.
const LISTS: u16 = 18;

const FACTS: PaneId = PaneId(0);
const SESSIONS: PaneId = PaneId(1);
const RECEIVED: PaneId = PaneId(2);
const REFUSALS: PaneId = PaneId(3);

/// The server screen.
#[derive(Debug)]
pub(in crate::ui) struct Server {
    ring: Ring,
    /// Whether this program has a server.
    is_here: bool,
    sessions: Sessions,
    refusals: Refusals,
}

impl Server {
    pub(super) fn new(start: &Start<'_>) -> Self {
        let is_here = start.has_server();
        Self {
            ring: Ring::new(if is_here { &[SESSIONS, RECEIVED, REFUSALS] } else { &[FACTS] }),
            is_here,
            sessions: Sessions::default(),
            refusals: Refusals::default(),
        }
    }

    /// Returns the number of clients that are connected.
    pub(super) fn clients(&self) -> usize {
        self.sessions.open()
    }

    /// Returns whether a filter of this screen's own lists is typed.
    const fn is_typing(&self) -> bool {
        self.sessions.list.filter().is_typing() || self.refusals.list.filter().is_typing()
    }
}

impl Screen for Server {
    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    fn plan(&self, body: Rect, shared: &Shared) -> Plan {
        if !self.is_here {
            return Plan::alone(FACTS, body);
        }
        let facts = columns(facts::rows_of(&shared.own_server));
        let facts = (facts + 2).min(if body.height >= 22 { 10 } else { 4 });
        let words = columns(facts::word_rows_of(&shared.own_server, body.width));
        let facts = if body.height >= facts + words + LISTS { facts + words } else { facts };
        let is_wide = body.width >= 140;
        let [info, sessions, lower] = Layout::vertical([
            Constraint::Length(facts),
            Constraint::Fill(1),
            Constraint::Fill(if is_wide { 1 } else { 2 }),
        ])
        .areas(body);
        let halves = [Constraint::Fill(1), Constraint::Fill(1)];
        // Side by side, each needs room for an address and a reason.
        let [received, refusals] = if is_wide {
            Layout::horizontal(halves).areas(lower)
        } else {
            Layout::vertical(halves).areas(lower)
        };
        Plan(vec![(FACTS, info), (SESSIONS, sessions), (RECEIVED, received), (REFUSALS, refusals)])
    }

    fn can_zoom(&self) -> bool {
        self.is_here
    }

    fn height(&self, pane: PaneId, plan: &Plan) -> usize {
        let filter = match pane {
            SESSIONS => self.sessions.list.filter().is_on(),
            REFUSALS => self.refusals.list.filter().is_on(),
            _ => false,
        };
        plan.rows(pane).saturating_sub(usize::from(filter))
    }

    fn draw(&self, view: View<'_>, pane: PaneId, area: Rect, buf: &mut Buffer) {
        match pane {
            FACTS => view.pane(&view.shared.own_server).render_at(view.shared.clock.seconds(), area, buf),
            RECEIVED if area.height == 1 => view.pane(&view.shared.received).render_line(area, buf),
            RECEIVED => view.pane(&view.shared.received).render_arrived(area, buf),
            SESSIONS => view.pane(&self.sessions).render_with(&view.shared.received, area, buf),
            _ => view.pane(&self.refusals).render(area, buf),
        }
    }

    fn place(&self) -> Place {
        match (self.is_here, self.is_typing()) {
            (false, _) => Place::NoServer,
            (true, true) => Place::Text,
            (true, false) => Place::Server,
        }
    }

    /// The row under the cursor comes first; else, while this computer shares, its first link.
    fn copied(&self, shared: &Shared) -> Option<(&'static str, String)> {
        let link = || {
            let (_, link) = shared.own_server.shared()?.doors.first()?;
            Some((text::LINK, link.to_string()))
        };
        let fingerprint = || {
            let proof = shared.own_server.identity.as_ref()?;
            Some((text::FINGERPRINT, format!("sha256:{}", proof.fingerprint)))
        };
        let digest = || self.details(shared)?.1.into_iter().find(|(label, _)| *label == "sha256");
        digest().or_else(link).or_else(fingerprint)
    }

    fn act(&mut self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        self.act_on_list(action, cx.shared) || self.act_on_server(action, cx)
    }

    fn step(&mut self, pane: PaneId, step: Step, shared: &mut Shared) {
        match pane {
            RECEIVED => shared.received.list.go(step),
            SESSIONS => self.sessions.list.go(step),
            REFUSALS => self.refusals.list.go(step),
            _ => {}
        }
    }

    fn row_at(&self, pane: PaneId, row: usize, plan: &Plan, shared: &Shared) -> Option<usize> {
        match pane {
            RECEIVED => shared.received.list.row_at(row, shared.received.rows(plan.rows(pane))),
            SESSIONS => self.sessions.list.row_at(row, self.height(pane, plan)),
            REFUSALS => self.refusals.list.row_at(row, self.height(pane, plan)),
            _ => None,
        }
    }

    fn input<'a>(&'a mut self, shared: &'a mut Shared) -> Option<&'a mut Input> {
        match self.ring.pane() {
            SESSIONS => self.sessions.list.input(),
            RECEIVED => shared.received.list.input(),
            REFUSALS => self.refusals.list.input(),
            _ => None,
        }
    }

    fn text_changed(&mut self, shared: &mut Shared) {
        match self.ring.pane() {
            SESSIONS => self.sessions.list.filtered(),
            REFUSALS => self.refusals.list.filtered(),
            _ => shared.received.list.filtered(),
        }
    }

    fn keep_filter(&mut self, shared: &mut Shared) {
        self.sessions.list.keep_filter();
        shared.received.list.keep_filter();
        self.refusals.list.keep_filter();
    }

    fn drop_filter(&mut self, shared: &mut Shared) -> bool {
        match self.ring.pane() {
            SESSIONS => self.sessions.list.drop_filter(),
            REFUSALS => self.refusals.list.drop_filter(),
            _ => shared.received.list.drop_filter(),
        }
    }

    fn details(&self, shared: &Shared) -> Option<Facts> {
        let clock = &shared.clock;
        match self.ring.pane() {
            RECEIVED => shared.received.list.details(clock),
            SESSIONS => self.sessions.list.details(clock),
            REFUSALS => self.refusals.list.details(clock),
            _ => None,
        }
    }

    fn settle(&mut self, plan: &Plan, shared: &mut Shared) {
        shared.received.see_refusals();
        let rows = shared.received.rows(plan.rows(RECEIVED));
        shared.received.list.settle(rows);
        self.sessions.list.settle(self.height(SESSIONS, plan));
        self.refusals.list.settle(self.height(REFUSALS, plan));
    }

    fn on_event(&mut self, event: &Event, shared: &mut Shared, _: &Overlays, now: Duration) {
        self.learn(event, shared, now);
    }
}
