//! The race as a screen: what keys and events do.

use std::path::PathBuf;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;

use super::Race;
use crate::cost;
use crate::estimate::{self, Load};
use crate::event::{
    Command, Course, Event, Fault, FaultKind, Lane, RaceOrder, State, Target, Took, Track, Variant, Verdict,
};
use crate::messages::race::is_stop;
use crate::transfer::race;
use crate::ui::effect::Request;
use crate::ui::keymap::{Action, Place};
use crate::ui::layout::{PaneId, Plan, Ring};
use crate::ui::overlay::connect::Connect;
use crate::ui::overlay::question::Question;
use crate::ui::overlay::{Overlay, Overlays};
use crate::ui::screen::{ActionContext, Screen, Start, View};
use crate::ui::shared::Shared;
use crate::ui::text;
use crate::ui::widgets::list::Step;
use crate::ui::widgets::log::Tone;

pub(super) const PANE: PaneId = PaneId(0);

impl Race {
    pub(in crate::ui::screen) fn new(start: &Start<'_>) -> Self {
        Self::between(start.target, start.dialect)
    }

    /// Shows the race, and starts one with this file if none runs.
    pub(in crate::ui::screen) fn race(&mut self, file: Option<(PathBuf, u64)>, cx: &mut ActionContext<'_>) {
        if self.is_running() {
            cx.ask(Request::ShowRace);
            return;
        }
        let Some((path, size)) = file else {
            cx.say(text::NO_RACER);
            return;
        };
        self.choose(path, size);
        cx.ask(Request::ShowRace);
        self.start_or_stop(cx);
    }

    fn start_or_stop(&mut self, cx: &mut ActionContext<'_>) {
        if self.is_fresh(cx.now) {
            return;
        }
        if self.is_running() {
            cx.send(Command::StopRace);
            return;
        }
        let Some(order) = self.race_order() else { return };
        let shown: Vec<&Lane> = order.lanes.iter().filter(|lane| race::is_replaced(&order, lane)).collect();
        if !shown.is_empty() {
            let words = text::race::open(&shown);
            cx.open(Overlay::Question(Question::Open { words, order }));
            return;
        }
        self.start_or_ask(order, cx);
    }

    /// Starts the race, but asks first if CP1 would take long.
    pub(in crate::ui::screen) fn start_or_ask(&mut self, order: RaceOrder, cx: &mut ActionContext<'_>) {
        match self.if_expensive(&order, cx.shared) {
            Some(words) => cx.open(Overlay::Question(Question::ExpensiveRace { words, order })),
            None => self.order(order, cx),
        }
    }

    fn if_expensive(&self, order: &RaceOrder, shared: &Shared) -> Option<String> {
        let bytes = self.work();
        // Of several CP1 lanes, the one with the longest key takes the longest.
        let cp1 = order.lanes.iter().filter(|lane| lane.dialect.variant == Variant::Cp1);
        let lane = cp1.max_by_key(|lane| lane.bits)?;
        let key = lane.bits.map_or(shared.key().0, |bits| bits as u64 / 8);
        let blocks = cost::blocks(lane.dialect, bytes, key);
        // The time of an operation grows with the cube of the key's length.
        let blocks = blocks.saturating_mul((key / estimate::USUAL_KEY).max(1).pow(3));
        let laps = u64::from(order.laps);
        let (load, blocks) = (Load::one(bytes).times(laps), blocks.saturating_mul(laps));
        // Known rates are those of the server's own key, not of a longer one.
        let price = || shared.rates.price(&lane.target, lane.dialect, load, key);
        let cp1 = if lane.bits.is_none() { price() } else { None };
        shared.if_expensive(cp1, &lane.target, load, blocks)
    }

    /// Starts the race.
    pub(in crate::ui::screen) fn order(&mut self, order: RaceOrder, cx: &mut ActionContext<'_>) {
        cx.shared.interrupted = false;
        self.ordered(cx.now);
        cx.send(Command::Race(order));
    }

    /// Carries out an action that changes the setup; `None` if it is another one.
    fn edit(&mut self, action: Action) -> Option<Result<(), &'static str>> {
        match action {
            Action::Bits => return Some(self.next_bits()),
            Action::AddLane => return Some(self.add_lane()),
            Action::RemoveLane => return Some(self.remove_lane()),
            Action::NextProtocol => self.next_variant(1),
            Action::PreviousProtocol => self.next_variant(3),
            Action::Padding => self.next_padding(),
            Action::Size => self.next_size(),
            Action::Course => self.next_course(),
            Action::Laps => self.next_laps(),
            Action::Scale => self.next_scale(),
            Action::Freeze => self.freeze(),
            _ => return None,
        }
        Some(Ok(()))
    }

    fn lane_target(&self, lane: usize) -> Option<&Target> {
        self.tracks.get(lane).map(|track| &track.lane.target)
    }

    fn lane_changed(
        &mut self,
        lane: usize,
        state: &State,
        shared: &mut Shared,
        overlays: &Overlays,
        now: Duration,
    ) {
        if let State::Failed(fault) = state {
            let is_explained = fault.kind == FaultKind::Unproven
                && self.lane_target(lane).is_some_and(|target| overlays.is_alarmed(target));
            if !is_explained {
                shared.trouble(&text::lane(lane), fault, now);
            }
        }
        self.changed(lane, state.clone(), now);
    }

    fn race_finished(&mut self, verdict: &Verdict, shared: &mut Shared, now: Duration) {
        // Parallel lanes and longer keys say nothing about the rate of an upload.
        let is_typical = |lane: &Lane| lane.bits.is_none() && verdict.course == Course::InTurn;
        for (result, track) in verdict.lanes.iter().zip(&self.tracks) {
            if is_typical(&track.lane) && result.fault.is_none() && result.seconds > 0.0 {
                let took = Took { bytes: verdict.bytes, seconds: result.seconds, pace: result.pace };
                shared.rates.learn(&track.lane.target, result.dialect.variant, took);
            }
        }
        // Faults that no lane has reported, for example of a file that could not be opened.
        let unreported: Vec<(usize, Fault)> = verdict
            .lanes
            .iter()
            .enumerate()
            .filter(|(at, _)| self.tracks.get(*at).is_none_or(|track| !track.state.is_final()))
            .filter_map(|(at, lane)| Some((at, lane.fault.clone()?)))
            .collect();
        for (lane, fault) in unreported {
            shared.trouble(&text::lane(lane), &fault, now);
            let state = if is_stop(&fault) { State::Cancelled } else { State::Failed(fault) };
            self.changed(lane, state, now);
        }
        shared.note(Tone::Plain, text::verdict(verdict));
        self.finished(verdict.clone());
    }
}

impl Screen for Race {
    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    fn plan(&self, body: Rect, shared: &Shared) -> Plan {
        let message = u16::from(shared.toasts.is_shown());
        Plan::alone(PANE, Rect { height: body.height.saturating_sub(message), ..body })
    }

    fn has_message_line(&self) -> bool {
        true
    }

    fn can_zoom(&self) -> bool {
        false
    }

    fn draw(&self, view: View<'_>, _: PaneId, area: Rect, buf: &mut Buffer) {
        view.pane(self).render(area, buf);
    }

    fn subject(&self) -> Option<String> {
        Some(self.title())
    }

    fn place(&self) -> Place {
        if self.is_running() { Place::Racing } else { Place::Race }
    }

    fn act(&mut self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        match action {
            Action::StartStop => self.start_or_stop(cx),
            Action::NextPane => self.next_lane(1),
            Action::PreviousPane => self.previous_lane(1),
            Action::Zoom => self.is_large = !self.is_large,
            Action::Report => match self.verdict() {
                Some(verdict) => cx.ask(Request::Report(verdict.clone())),
                None => cx.say(text::race::NOTHING_TO_REPORT),
            },
            action => match self.edit(action) {
                Some(Ok(())) => {}
                Some(Err(why)) => cx.say(why),
                None => return false,
            },
        }
        true
    }

    fn step(&mut self, _: PaneId, step: Step, _: &mut Shared) {
        match step {
            Step::Up(by) => self.previous_lane(by),
            Step::Down(by) => self.next_lane(by),
            _ => {}
        }
    }

    fn connect(&self, shared: &Shared) -> Option<Connect> {
        let track = self.tracks.get(self.at).filter(|_| !self.is_running())?;
        let (link, lane) = (&shared.link, &track.lane);
        Some(Connect::new(
            Some(self.at),
            &lane.target,
            lane.dialect,
            link.ca.as_deref(),
            &shared.peers(&lane.target),
        ))
    }

    fn on_event(&mut self, event: &Event, shared: &mut Shared, overlays: &Overlays, now: Duration) {
        match event {
            Event::State { track: Track::Lane(lane), state } => {
                self.lane_changed(*lane, state, shared, overlays, now);
            }
            Event::Proven { track: Track::Lane(lane), proof, .. } => self.proven(*lane, proof.clone()),
            Event::Progress { track: Track::Lane(lane), snapshot } => self.progressed(*lane, *snapshot, now),
            Event::RaceStarted { name, bytes, lanes, course, laps } => {
                self.started(name, *bytes, lanes.clone(), (*course, *laps), now);
            }
            Event::KeyComing { lane, bits } => self.key_coming(*lane, *bits),
            Event::LapFinished { lane, result, .. } => self.lap_finished(*lane, result.clone()),
            Event::RaceFinished { verdict } => self.race_finished(verdict, shared, now),
            _ => {}
        }
    }

    fn target(&self, track: Track) -> Option<&Target> {
        match track {
            Track::Lane(lane) => self.lane_target(lane),
            Track::Job(_) | Track::Receiving(..) => None,
        }
    }

    fn is_busy(&self) -> bool {
        self.is_running()
    }

    fn is_moving(&self) -> bool {
        self.is_running()
    }

    fn is_timed(&self) -> bool {
        self.is_running()
    }
}
