//! What lies over a screen: how it opens, what a key means in it, what its answer does.

use std::time::Duration;

use super::app::{App, Effect, Overlay, Screen, tidy};
use super::keymap::Action;
use super::text;
use super::view::{self, Part};
use super::widgets::connect::{self, Connect, Purpose};
use super::widgets::details::Details;
use super::widgets::lab::Lab;
use super::widgets::list::Step;
use super::widgets::received::Row;
use crate::event::{Dialect, Target};

impl App {
    pub(super) fn act_on_overlay(&mut self, action: Action, now: Duration) -> Vec<Effect> {
        let half = usize::from(self.area.height / 2).max(1);
        match action {
            Action::Up => self.scroll(Step::Up(1)),
            Action::Down => self.scroll(Step::Down(1)),
            Action::PageUp => self.scroll(Step::Up(half)),
            Action::PageDown => self.scroll(Step::Down(half)),
            Action::First => self.scroll(Step::First),
            Action::Last => self.scroll(Step::Last),
            Action::Close | Action::No => {
                // Overlay first; its own filter before it.
                let filter = match self.overlays.last_mut() {
                    Some(Overlay::Help(help)) => help.drop_filter(),
                    _ => false,
                };
                if !filter {
                    match self.overlays.pop() {
                        Some(Overlay::Lab(_)) => return vec![Effect::StopLab],
                        Some(Overlay::Connect(dialog)) if dialog.is_probing() => {
                            return vec![Effect::StopProbe];
                        }
                        _ => {}
                    }
                }
            }
            Action::Filter => {
                if let Some(Overlay::Help(help)) = self.overlays.last_mut() {
                    help.type_filter();
                }
            }
            Action::NextField | Action::PreviousField | Action::Choose | Action::ChoosePrevious => {
                if let Some(Overlay::Connect(dialog)) = self.overlays.last_mut() {
                    match action {
                        Action::NextField => dialog.next_field(),
                        Action::PreviousField => dialog.previous_field(),
                        Action::ChoosePrevious => dialog.choose_previous(),
                        _ => dialog.choose_next(),
                    }
                }
            }
            Action::Probe => {
                if let Some(Overlay::Connect(dialog)) = self.overlays.last_mut()
                    && let Some(target) = dialog.probe(self.probes + 1, self.home.as_deref())
                {
                    self.probes += 1;
                    return vec![Effect::Probe(self.probes, target)];
                }
            }
            Action::AcceptKey => {
                if let Some(Overlay::Alarm(alarm)) = self.overlays.last()
                    && let Some(order) = alarm.accept(view::body(self.area), now)
                {
                    self.overlays.pop();
                    return vec![Effect::Send(order)];
                }
            }
            Action::Accept => return self.accept(),
            Action::Yes | Action::UseCp2 | Action::UseFile => {
                if let Some(Overlay::Question(question)) = self.overlays.pop() {
                    return self.answer(question, action, now);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn open_connect(&mut self) {
        let (purpose, target, dialect) = match self.screen {
            Screen::Race => match self.race.tracks.get(self.race.at) {
                Some(track) if !self.race.is_running() => {
                    (Purpose::Lane(self.race.at), &track.lane.target, track.lane.dialect)
                }
                _ => return,
            },
            _ => (Purpose::Uploads, &self.link.target, self.card.dialect),
        };
        let dialog = Connect::new(purpose, target, dialect, self.link.ca.as_deref(), &self.link.peers);
        self.overlays.push(Overlay::Connect(dialog));
    }

    fn accept(&mut self) -> Vec<Effect> {
        match self.overlays.last_mut() {
            Some(Overlay::Help(help)) => help.keep_filter(),
            Some(Overlay::Connect(dialog)) => {
                let (purpose, probing) = (dialog.purpose, dialog.is_probing());
                if let Some((target, dialect)) = dialog.accept(self.home.as_deref()) {
                    self.overlays.pop();
                    self.connect(purpose, target, dialect);
                    if probing {
                        return vec![Effect::StopProbe];
                    }
                }
            }
            Some(Overlay::GoTo(input)) => {
                let typed = input.text();
                self.overlays.pop();
                if !typed.trim().is_empty() {
                    let to = connect::expand(typed.trim(), self.home.as_deref());
                    let to = tidy(&self.browser.folder().join(to));
                    return self.open(to);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn connect(&mut self, purpose: Purpose, target: Target, dialect: Dialect) {
        if let Target::Server { ca: Some(ca), .. } = &target {
            self.link.ca = Some(ca.clone());
        }
        match purpose {
            Purpose::Uploads => {
                self.card.dialect = dialect;
                if self.link.target != target {
                    self.link.forget();
                    self.link.target = target.clone();
                }
                self.race.aim(&target, dialect);
            }
            Purpose::Lane(lane) => self.race.aim_lane(lane, target, dialect),
        }
    }

    /// Opens the lab, which plays as long as it is open.
    pub(super) fn open_lab(&mut self) -> Vec<Effect> {
        self.labs += 1;
        self.overlays.push(Overlay::Lab(Lab::new(self.labs)));
        vec![Effect::PlayLab(self.labs)]
    }

    pub(super) fn open_details(&mut self) {
        let (title, facts) = match self.part() {
            Part::Queue => match self.queue.under() {
                Some(upload) => (
                    upload.name().to_owned(),
                    text::upload_details(
                        &upload.job,
                        upload.name(),
                        upload.size,
                        &upload.snapshot,
                        &upload.state,
                    ),
                ),
                None => return,
            },
            Part::Received => match self.received.under() {
                Some(Row::Arrival(arrival)) => (arrival.name.clone(), arrival.details()),
                Some(Row::Coming(coming)) => (text::COMING.to_owned(), coming.details()),
                None => return,
            },
            Part::Sessions => match self.server.sessions.under() {
                Some(session) => (text::SESSIONS.to_owned(), session.details()),
                None => return,
            },
            Part::Refusals => match self.server.refusals.under() {
                Some(refusal) => (text::REFUSALS.to_owned(), refusal.details()),
                None => return,
            },
            Part::History => match self.history.under() {
                Some(row) => (row.name().to_owned(), row.details(&self.clock)),
                None => return,
            },
            _ => return,
        };
        self.overlays.push(Overlay::Details(Details::new(title, facts)));
    }

    pub(super) fn scroll(&mut self, step: Step) {
        match self.overlays.last_mut() {
            Some(Overlay::Help(help)) => help.go(step),
            Some(Overlay::Log) => self.log.go(step),
            Some(Overlay::Details(details)) => details.go(step),
            Some(Overlay::Lab(lab)) => lab.go(step),
            _ => {}
        }
    }
}
