//! Screen 4: the built-in server, the files it received, its connections, and what it refused.

mod facts;
mod refusals;
mod sessions;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::Widget as _;

use self::refusals::Refusals;
use self::sessions::Sessions;
use super::{ActionContext, Screen, Start, View};
use crate::event::{Blame, Escaped, Event, Kept, Track};
use crate::ui::keymap::{Action, Place};
use crate::ui::layout::{PaneId, Plan, Ring};
use crate::ui::overlay::Overlays;
use crate::ui::own_server::Listening;
use crate::ui::shared::Shared;
use crate::ui::widgets::columns;
use crate::ui::widgets::list::{Facts, Step};
use crate::ui::widgets::log::Tone;
use crate::ui::widgets::received::Arrival;
use crate::ui::{fit, text};

const FACTS: PaneId = PaneId(0);
const RECEIVED: PaneId = PaneId(1);
const SESSIONS: PaneId = PaneId(2);
const REFUSALS: PaneId = PaneId(3);

/// The server screen.
#[derive(Debug)]
pub(in crate::ui) struct Server {
    ring: Ring,
    sessions: Sessions,
    refusals: Refusals,
}

impl Server {
    pub(super) fn new(_: &Start<'_>) -> Self {
        Self {
            ring: Ring::new(&[RECEIVED, SESSIONS, REFUSALS]),
            sessions: Sessions::default(),
            refusals: Refusals::default(),
        }
    }

    fn received(&mut self, track: Track, arrival: Arrival, shared: &mut Shared) {
        let size = arrival.size;
        let replaced = shared.received.arrived(track, arrival);
        if let Track::Receiving(session, _) = track {
            self.sessions.received(session, size, replaced);
        }
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
        let facts = columns(facts::rows_of(&shared.own_server));
        let facts = (facts + 2).min(if body.height >= 22 { 10 } else { 4 });
        let is_wide = body.width >= 140;
        let [info, received, lower] = Layout::vertical([
            Constraint::Length(facts),
            Constraint::Fill(1),
            Constraint::Fill(if is_wide { 1 } else { 2 }),
        ])
        .areas(body);
        let halves = [Constraint::Fill(1), Constraint::Fill(1)];
        // Side by side, each needs room for an address and a reason.
        let [sessions, refusals] = if is_wide {
            Layout::horizontal(halves).areas(lower)
        } else {
            Layout::vertical(halves).areas(lower)
        };
        Plan(vec![(FACTS, info), (RECEIVED, received), (SESSIONS, sessions), (REFUSALS, refusals)])
    }

    fn draw(&self, view: View<'_>, pane: PaneId, area: Rect, buf: &mut Buffer) {
        match pane {
            FACTS => view.pane(&view.shared.own_server).render(area, buf),
            RECEIVED if area.height == 1 => view.pane(&view.shared.received).render_line(area, buf),
            RECEIVED => view.pane(&view.shared.received).render(area, buf),
            SESSIONS => view.pane(&self.sessions).render(area, buf),
            _ => view.pane(&self.refusals).render(area, buf),
        }
    }

    fn place(&self) -> Place {
        Place::Server
    }

    fn act(&mut self, _: Action, _: &mut ActionContext<'_>) -> bool {
        false
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
        let height = plan.rows(pane);
        match pane {
            RECEIVED => shared.received.list.row_at(row, height),
            SESSIONS => self.sessions.list.row_at(row, height),
            REFUSALS => self.refusals.list.row_at(row, height),
            _ => None,
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
        shared.received.list.settle(plan.rows(RECEIVED));
        self.sessions.list.settle(plan.rows(SESSIONS));
        self.refusals.list.settle(plan.rows(REFUSALS));
    }

    fn on_event(&mut self, event: &Event, shared: &mut Shared, _: &Overlays, now: Duration) {
        match event {
            Event::Listening { address, store, identity } => {
                let store = fit::path(store, shared.home.as_deref());
                let address = fit::escaped(address);
                shared.note(Tone::Plain, text::listening(&address, &store));
                shared.received.store.clone_from(&store);
                shared.own_server.store = store;
                shared.own_server.identity.clone_from(identity);
                shared.own_server.listening = Listening::At(address);
            }
            Event::NotListening { fault } => {
                shared.trouble(text::SERVER, fault, now);
                shared.own_server.listening = Listening::Not(fault.clone());
            }
            Event::SessionOpened { session, peer } => {
                self.sessions.opened(*session, peer, shared.clock.present());
            }
            Event::SessionProved { session } => self.sessions.proved(*session),
            Event::SessionClosed { session } => {
                self.sessions.closed(*session);
                shared.received.session_ended(*session);
            }
            Event::Receiving { track, peer, name, variant } => {
                shared.received.began(*track, name.as_str(), *variant, peer, shared.clock.present());
            }
            Event::Progress { track: track @ Track::Receiving(..), snapshot } => {
                shared.received.progressed(*track, *snapshot);
            }
            Event::Received { track, peer, name, kept, size, variant, digest, seconds, at_ms } => {
                let arrival = Arrival {
                    name: fit::escaped(name.as_str()),
                    kept: *kept,
                    size: *size,
                    variant: *variant,
                    peer: fit::escaped(peer),
                    digest: fit::escaped(digest.as_deref().unwrap_or("—")),
                    seconds: *seconds,
                    at: shared.clock.time(*at_ms),
                };
                self.received(*track, arrival, shared);
                if *kept == Kept::Renamed {
                    shared.note(Tone::Plain, text::renamed(name));
                }
            }
            Event::Refused { session, track, peer, name, blame, why, at_ms, .. } => {
                if let Some(track) = track {
                    shared.received.gone(*track);
                }
                self.sessions.refused(*session);
                let shown = name.as_ref().map(Escaped::as_str);
                self.refusals.add(*session, peer, shown, why, shared.clock.time(*at_ms));
                let tone = if *blame == Blame::System { Tone::Bad } else { Tone::Warn };
                shared.say(tone, text::refused(peer, name.as_ref(), why), String::new(), now);
            }
            Event::Warned { session, peer, name, text: words, at_ms } => {
                let (peer, shown) = (peer.as_deref(), name.as_ref().map(Escaped::as_str));
                self.refusals.warn(*session, peer, shown, words, shared.clock.time(*at_ms));
                shared.say(Tone::Warn, text::warned(peer, name.as_ref(), words), String::new(), now);
            }
            _ => {}
        }
    }
}
