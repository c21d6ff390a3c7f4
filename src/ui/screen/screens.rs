//! What keys, clicks, events and requests do on the open screen, or on all of them.

use std::time::Duration;

use ratatui::layout::Position;

use super::{ActionContext, Screen, Screens, Start, server};
use crate::event::{Command, Event, Target, Track};
use crate::ui::chrome::Tabs;
use crate::ui::effect::{Effect, Request};
use crate::ui::keymap::Action;
use crate::ui::layout::{self, PaneId, Plan};
use crate::ui::overlay::connect::Connect;
use crate::ui::overlay::details::Details;
use crate::ui::overlay::question::Question;
use crate::ui::overlay::{Overlay, Overlays};
use crate::ui::own_server::Sharing;
use crate::ui::page::Page;
use crate::ui::shared::Shared;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::list::Step;

/// Time between two pictures while a clock is on the screen and nothing else happens.
const TICK: Duration = Duration::from_millis(500);

/// Index of the race among the screens.
const RACE: usize = 1;

/// Index of the server's screen.
const SERVER: usize = 3;

/// Returns the index of the screen that the program begins with.
pub(super) const fn first(start: &Start<'_>) -> usize {
    if start.is_serving { SERVER } else { 0 }
}

impl Screens {
    // Of all screens

    /// Returns the first effects: read the folder, record connections.
    pub(in crate::ui) fn start(&mut self) -> Vec<Effect> {
        self.all_mut().into_iter().flat_map(Screen::start).collect()
    }

    /// Returns the effects that read everything again.
    pub(in crate::ui) fn reread(&mut self) -> Vec<Effect> {
        self.all_mut().into_iter().flat_map(Screen::reread).collect()
    }

    /// Returns the effects that have become due without a key.
    pub(in crate::ui) fn due(&mut self, now: Duration) -> Vec<Effect> {
        let open = self.open;
        let screens = self.all_mut().into_iter().enumerate();
        screens.flat_map(|(at, screen)| screen.due(at == open, now)).collect()
    }

    /// Returns whether a transfer waits or runs.
    pub(in crate::ui) fn is_busy(&self) -> bool {
        self.all().into_iter().any(Screen::is_busy)
    }

    /// Returns whether a transfer runs.
    pub(in crate::ui) fn is_moving(&self) -> bool {
        self.all().into_iter().any(Screen::is_moving)
    }

    /// Returns when the picture changes by itself.
    pub(in crate::ui) fn next_change(&self, now: Duration) -> Option<Duration> {
        let clock = self.all().into_iter().any(Screen::is_timed).then(|| now + TICK);
        [clock, self.open().next_change()].into_iter().flatten().min()
    }

    /// Returns where a transfer goes.
    pub(in crate::ui) fn target(&self, track: Track) -> Option<&Target> {
        self.all().into_iter().find_map(|screen| screen.target(track))
    }

    /// Takes an event of the transfer threads.
    pub(in crate::ui) fn on_event(
        &mut self,
        event: &Event,
        shared: &mut Shared,
        overlays: &Overlays,
        now: Duration,
    ) {
        for screen in self.all_mut() {
            screen.on_event(event, shared, overlays, now);
        }
    }

    // Of the open screen

    /// Returns the open screen.
    pub(in crate::ui) fn open(&self) -> &dyn Screen {
        self.all()[self.open]
    }

    /// Calls a function with the open screen.
    fn with_open<T>(&mut self, act: impl FnOnce(&mut dyn Screen) -> T) -> T {
        let open = self.open;
        act(self.all_mut()[open])
    }

    /// Returns the tabs.
    pub(in crate::ui) const fn tabs(&self) -> Tabs {
        Tabs { names: &Self::NAMES, open: self.open, mark: "" }
    }

    /// Opens a screen, if there is one of this index.
    pub(in crate::ui) fn show(&mut self, screen: usize) {
        if let Some(opened) = self.all_mut().get_mut(screen) {
            opened.opened();
            self.open = screen;
        }
    }

    /// Returns the panes of the open screen and their areas, in a terminal of this size.
    pub(in crate::ui) fn plan(&self, shared: &Shared) -> Plan {
        let (area, screen) = (shared.area, self.open());
        if !layout::fits(area) {
            Plan::default()
        } else if self.is_zoomed && screen.can_zoom() {
            screen.zoomed(layout::body(area))
        } else {
            screen.plan(layout::body(area), shared)
        }
    }

    /// Brings up to date what depends on the size and on the time. Called before each drawing.
    pub(in crate::ui) fn settle(&mut self, shared: &mut Shared, now: Duration) {
        for screen in self.all_mut() {
            screen.tick(now);
        }
        let plan = self.plan(shared);
        self.with_open(|screen| screen.settle(&plan, shared));
    }

    /// Returns the text that is being typed.
    pub(in crate::ui) fn input<'a>(&'a mut self, shared: &'a mut Shared) -> Option<&'a mut Input> {
        let open = self.open;
        self.all_mut().into_iter().nth(open)?.input(shared)
    }

    /// Handles a change of the typed text.
    pub(in crate::ui) fn text_changed(&mut self, shared: &mut Shared) {
        self.with_open(|screen| screen.text_changed(shared));
    }

    /// Moves the focus to a pane of the open screen, if it can have it.
    pub(in crate::ui) fn focus_on(&mut self, pane: PaneId, shared: &mut Shared) {
        if self.open().ring().has(pane) {
            self.all_mut().into_iter().for_each(|screen| screen.keep_filter(shared));
            self.with_open(|screen| screen.ring_mut().focus(pane));
        }
    }

    /// Moves the cursor of a pane.
    pub(in crate::ui) fn step(&mut self, pane: PaneId, step: Step, shared: &mut Shared) {
        self.with_open(|screen| screen.step(pane, step, shared));
    }

    /// Moves the focus to a pane that was clicked, and its cursor to the row.
    pub(in crate::ui) fn click(&mut self, pane: PaneId, row: Option<usize>, shared: &mut Shared) {
        self.focus_on(pane, shared);
        let plan = self.plan(shared);
        if let Some(row) = row.and_then(|row| self.open().row_at(pane, row, &plan, shared)) {
            self.step(pane, Step::To(row), shared);
        }
    }

    /// Handles a click on what a pane offers besides rows.
    pub(in crate::ui) fn press(&mut self, pane: PaneId, at: Position, shared: &mut Shared) {
        if let Some(area) = self.plan(shared).area(pane) {
            self.with_open(|screen| screen.press(pane, area, at, shared));
        }
    }

    // Actions

    /// Carries out an action of the open screen, or one that means the same on each.
    pub(in crate::ui) fn act(&mut self, action: Action, cx: &mut ActionContext<'_>) {
        if !self.with_open(|screen| screen.act(action, cx)) && !self.scrolls(action, cx.shared) {
            self.act_on_any(action, cx);
        }
    }

    /// Moves the cursor of the focused pane if that is what the action means.
    fn scrolls(&mut self, action: Action, shared: &mut Shared) -> bool {
        let pane = self.open().ring().pane();
        let height = self.open().height(pane, &self.plan(shared)).max(1);
        let step = match action {
            Action::Up => Step::Up(1),
            Action::Down => Step::Down(1),
            Action::PageUp => Step::Up(height),
            Action::PageDown => Step::Down(height),
            Action::HalfUp => Step::Up(height.div_ceil(2)),
            Action::HalfDown => Step::Down(height.div_ceil(2)),
            Action::First | Action::Top => Step::First,
            Action::Last => Step::Last,
            _ => return false,
        };
        self.step(pane, step, shared);
        true
    }

    /// Returns the connect dialog of the open screen, or that of uploads if it has none now.
    pub(in crate::ui) fn connect(&self, shared: &Shared) -> Connect {
        self.open().connect(shared).unwrap_or_else(|| {
            let link = &shared.link;
            Connect::new(None, &link.target, shared.dialect, link.ca.as_deref(), &link.peers)
        })
    }

    fn act_on_any(&mut self, action: Action, cx: &mut ActionContext<'_>) {
        match action {
            Action::Show(number) => self.show(usize::from(number).saturating_sub(1)),
            Action::NextPane => self.focus_on(self.open().ring().next(), cx.shared),
            Action::PreviousPane => self.focus_on(self.open().ring().previous(), cx.shared),
            Action::Zoom => self.is_zoomed = !self.is_zoomed,
            Action::Log => cx.open(Overlay::Log),
            Action::Connect => {
                if let Some(dialog) = self.open().connect(cx.shared) {
                    cx.open(Overlay::Connect(dialog));
                }
            }
            Action::Details => {
                if let Some((title, facts)) = self.open().details(cx.shared) {
                    cx.open(Overlay::Details(Details::new(title, facts)));
                }
            }
            Action::Close => {
                let _ = self.with_open(|screen| screen.drop_filter(cx.shared)) || cx.shared.toasts.dismiss();
            }
            Action::Quit if cx.is_busy => cx.open(Overlay::Question(Question::Quit)),
            Action::Quit if self.clients(cx.shared) > 0 => self.ask_to_quit(cx),
            Action::Quit => cx.effect(Effect::Quit),
            _ => {}
        }
    }

    /// Returns the number of clients that quitting would disturb: those of `serve --ui`, else those that are sending a file.
    fn clients(&self, shared: &Shared) -> usize {
        if shared.own_server.is_serving { self.server.clients() } else { shared.received.coming() }
    }

    /// Asks whether to end the program although clients depend on its server.
    fn ask_to_quit(&self, cx: &mut ActionContext<'_>) {
        let clients = self.clients(cx.shared);
        cx.open(Overlay::Question(Question::QuitServing { clients }));
    }

    /// Carries out a request that one screen, or an overlay, makes of another screen.
    pub(in crate::ui) fn carry_out(&mut self, request: Request, cx: &mut ActionContext<'_>) {
        match request {
            Request::Effect(_) => cx.ask(request),
            Request::ShowRace => self.show(RACE),
            Request::Upload => self.upload.upload(cx),
            Request::Race(file) => self.race.race(file, cx),
            Request::StartRace(order) => self.race.start_or_ask(order, cx),
            Request::ConfirmedRace(order) => self.race.order(order, cx),
            Request::ConfirmedUpload { jobs, use_cp2 } => self.upload.confirmed(jobs, use_cp2, cx),
            Request::Pad(padding) => self.race.pad(padding),
            Request::Connect { lane, target, dialect, is_probing } => {
                cx.shared.link.remember_ca(&target);
                cx.shared.recent.connect(&target, dialect);
                if let Some(lane) = lane {
                    self.race.aim_lane(lane, target, dialect);
                } else {
                    cx.shared.dialect = dialect;
                    cx.shared.link.aim(&target);
                    self.race.aim(&target, dialect);
                }
                if is_probing {
                    cx.effect(Effect::StopProbe);
                }
            }
            Request::RestartServer => server::restart(cx),
            Request::Share(identity) => {
                cx.shared.own_server.sharing = Sharing::Starting;
                cx.send(Command::Share { identity });
            }
            // This server ends with the program.
            Request::EndShare if cx.shared.own_server.is_serving => self.ask_to_quit(cx),
            Request::EndShare => cx.send(Command::EndShare),
            Request::GoTo(folder) => self.upload.open(folder, cx),
            Request::Top => self.upload.browser.go(Step::First),
            Request::Report(verdict) => {
                let folder = self.upload.browser.folder().to_owned();
                cx.effect(Effect::Report(Page { verdict, folder }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crossterm::event::{KeyCode, KeyEvent};
    use ratatui::layout::Rect;

    use super::*;
    use crate::event::{Dialect, Variant};
    use crate::ui::keymap::{self, Key, Place};

    #[test]
    fn every_screen_has_a_digit_as_its_key() {
        for (at, name) in Screens::NAMES.iter().enumerate() {
            let number = u8::try_from(at + 1).unwrap();
            let key = Key::from(KeyEvent::from(KeyCode::Char(char::from(b'0' + number))));
            assert_eq!(keymap::action(Place::Server, key), Some(Action::Show(number)), "{name}");
        }
        assert_eq!((Screens::NAMES[RACE], Screens::NAMES[SERVER]), ("Race", "Server"));
    }

    #[test]
    fn every_focus_is_in_the_plan_of_its_screen_at_any_size() {
        let start = Start {
            folder: Path::new("/"),
            home: None,
            target: &Target::Embedded,
            is_serving: false,
            dialect: Dialect::of(Variant::Cp2),
            with_plaintext: false,
        };
        let mut screens = Screens::new(&start);
        let clock = crate::ui::listing::Clock { zone: jiff::tz::TimeZone::UTC, now: None };
        let link = crate::ui::link::Link::new(Target::Embedded, None, Vec::new());
        let shared = Shared::new(link, start.dialect, None, clock);
        for (width, height) in [(40, 10), (80, 22), (120, 38), (200, 48)] {
            let body = Rect::new(0, 1, width, height);
            for screen in screens.all_mut() {
                let first = screen.ring().pane();
                let plan = screen.plan(body, &shared);
                assert!(plan.area(first).is_some(), "{first:?} {body:?}");
                let areas = plan.0.iter().map(|(_, area)| area.area()).sum::<u32>();
                assert!(areas <= body.area(), "no two panes overlap");
            }
        }
    }
}
