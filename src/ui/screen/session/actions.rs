//! The sessions as a screen: panes, keys, and how much is recorded.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::Widget as _;

use super::{Certificate, Hex, Ladder, Session, ladder};
use crate::event::{Command, Depth, Event};
use crate::ui::capture::Capture;
use crate::ui::effect::{Effect, Request};
use crate::ui::keymap::{Action, Place};
use crate::ui::layout::{PaneId, Plan, Ring};
use crate::ui::overlay::Overlays;
use crate::ui::screen::{ActionContext, Screen, Start, View};
use crate::ui::shared::Shared;
use crate::ui::text;
use crate::ui::widgets::list::Step;

const LADDER: PaneId = PaneId(0);
const CERTIFICATE: PaneId = PaneId(1);
const WIRE: PaneId = PaneId(2);

pub(super) const PANES: &[PaneId] = &[LADDER, CERTIFICATE, WIRE];

impl Session {
    pub(in crate::ui::screen) fn new(start: &Start<'_>) -> Self {
        Self { with_plaintext: start.with_plaintext, ..Self::default() }
    }

    fn save(&self, cx: &mut ActionContext<'_>) {
        match self.shown() {
            Some(recording) => cx.effect(Effect::Save(Capture::of(recording, self.with_plaintext))),
            None => cx.say(text::NOTHING_TO_SAVE),
        }
    }
}

impl Screen for Session {
    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// The pane with the focus alone, or all three where the ladder and the certificate fit side by side.
    fn plan(&self, body: Rect, _: &Shared) -> Plan {
        if self.shown().is_none() {
            return Plan::alone(LADDER, body);
        }
        if body.width < 116 || body.height < 34 {
            return Plan::alone(self.ring.pane(), body);
        }
        let wire = if body.height >= 44 { 18 } else { 14 };
        let [top, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(wire)]).areas(body);
        let certificate = if body.width >= 160 { 76 } else { 44 };
        let [ladder, certificate] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(certificate)]).areas(top);
        Plan(vec![(LADDER, ladder), (CERTIFICATE, certificate), (WIRE, bottom)])
    }

    fn can_zoom(&self) -> bool {
        self.shown().is_some()
    }

    fn draw(&self, view: View<'_>, pane: PaneId, area: Rect, buf: &mut Buffer) {
        match pane {
            CERTIFICATE => view.pane(&Certificate(self)).render(area, buf),
            WIRE => view.pane(&Hex(self)).render(area, buf),
            _ => view.pane(&Ladder(self)).render(area, buf),
        }
    }

    fn place(&self) -> Place {
        Place::Session
    }

    fn act(&mut self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        match action {
            Action::StepBack => self.go(Step::Up(1)),
            Action::StepOn => self.go(Step::Down(1)),
            Action::Play => self.play(cx.now),
            Action::ScrubBack => self.scrub(false),
            Action::ScrubOn => self.scrub(true),
            Action::OtherSession => self.other(),
            Action::SaveCapture => self.save(cx),
            Action::Lab => {
                let effect = cx.overlays.open_lab();
                cx.effect(effect);
            }
            Action::Upload => cx.ask(Request::Upload),
            _ => return false,
        }
        true
    }

    fn copied(&self, shared: &Shared) -> Option<(&'static str, String)> {
        let proof = shared.link.proof.as_ref()?;
        Some((text::FINGERPRINT, format!("sha256:{}", proof.fingerprint)))
    }

    fn step(&mut self, _: PaneId, step: Step, _: &mut Shared) {
        self.go(step);
    }

    fn row_at(&self, pane: PaneId, row: usize, plan: &Plan, _: &Shared) -> Option<usize> {
        let area = plan.area(pane).filter(|_| pane == LADDER)?;
        ladder::row_at(self, row, area)
    }

    fn start(&mut self) -> Vec<Effect> {
        vec![Effect::Send(Command::Record(self.depth))]
    }

    /// Bodies are analysed only while the screen that shows them is open.
    fn due(&mut self, is_open: bool, _: Duration) -> Vec<Effect> {
        let wanted = if is_open { Depth::Full } else { Depth::Outline };
        if wanted == self.depth {
            return Vec::new();
        }
        self.depth = wanted;
        vec![Effect::Send(Command::Record(wanted))]
    }

    fn next_change(&self) -> Option<Duration> {
        self.playing
    }

    fn tick(&mut self, now: Duration) {
        self.play_on(now);
    }

    fn on_event(&mut self, event: &Event, _: &mut Shared, _: &Overlays, _: Duration) {
        self.hear(event);
    }
}
