//! The application: the screens, what lies over them, and which of them a key, a click or an event is for.
//!
//! A key becomes an [`Action`]; the open screen or the topmost overlay changes its state and asks for [`Effect`]s.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget as _;

use super::capture::Capture;
use super::chrome::{self, Tabs};
use super::effect::{Effect, Request};
use super::keymap::{self, Action, Place};
use super::layout::{self, PaneId, Plan};
use super::link::Link;
use super::listing::Clock;
use super::overlay::question::Question;
use super::overlay::{Overlay, Overlays};
use super::screen::{Context, Screen, Screens, Start, View};
use super::shared::Shared;
use super::theme::{Focus, Look};
use super::widgets::Pane;
use super::widgets::input::Input;
use super::widgets::list::Step;
use super::widgets::log::Tone;
use super::{fit, text};
use crate::event::{Command, Event};
use crate::report::ReportError;

/// The whole state of the terminal front end.
#[derive(Debug)]
pub(super) struct App {
    pub(super) screens: Screens,
    /// Index of the open screen.
    pub(super) open: usize,
    /// Whether the focused pane takes the whole body.
    is_zoomed: bool,
    pub(super) overlays: Overlays,
    pub(super) shared: Shared,
}

impl App {
    pub(super) fn new(start: &Start<'_>, link: Link, clock: Clock) -> Self {
        Self {
            screens: Screens::new(start),
            open: 0,
            is_zoomed: false,
            overlays: Overlays::default(),
            shared: Shared::new(link, start.dialect, start.home.clone(), clock),
        }
    }

    fn screen(&self) -> &dyn Screen {
        self.screens.all()[self.open]
    }

    // What the run loop asks

    /// Returns the first effects: read the folder, record connections.
    pub(super) fn start(&mut self) -> Vec<Effect> {
        self.screens.all_mut().into_iter().flat_map(Screen::start).collect()
    }

    /// Returns whether a transfer waits or runs, so that quitting would cancel it.
    pub(super) fn is_busy(&self) -> bool {
        self.screens.all().into_iter().any(Screen::is_busy)
    }

    /// Returns whether something moves; then the screen is drawn less often.
    pub(super) fn is_moving(&self) -> bool {
        self.screens.all().into_iter().any(Screen::is_moving) || self.shared.received.is_busy()
    }

    /// Returns when the picture changes by itself: a clock moves, or a message disappears.
    pub(super) fn next_change(&self, now: Duration) -> Option<Duration> {
        let is_timed = self.screens.all().into_iter().any(Screen::is_timed);
        let clock = is_timed.then(|| now + Duration::from_millis(500));
        [clock, self.shared.toasts.next(), self.screen().next_change()].into_iter().flatten().min()
    }

    /// Returns the effects that have become due without a key.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Effect> {
        let (open, mut effects) = (self.open, Vec::new());
        for (at, screen) in self.screens.all_mut().into_iter().enumerate() {
            effects.extend(screen.due(at == open, now));
        }
        effects
    }

    /// Brings up to date what depends on the size and on the time. Called before each drawing.
    pub(super) fn settle(&mut self, area: Rect, now: Duration) {
        self.shared.area = area;
        self.shared.toasts.expire(now);
        for screen in self.screens.all_mut() {
            screen.tick(now);
        }
        let plan = self.plan();
        self.screens.all_mut()[self.open].settle(&plan, &mut self.shared);
    }

    /// Returns the panes of the open screen and their areas.
    fn plan(&self) -> Plan {
        let (area, screen) = (self.shared.area, self.screen());
        if !layout::fits(area) {
            Plan::default()
        } else if self.is_zoomed && screen.can_zoom() {
            Plan::alone(screen.ring().pane(), layout::body(area))
        } else {
            screen.plan(layout::body(area), &self.shared)
        }
    }

    /// Returns where the user is, as far as keys are concerned.
    pub(super) fn place(&self) -> Place {
        self.overlays.place().unwrap_or_else(|| self.screen().place())
    }

    const fn tabs(&self) -> Tabs {
        Tabs { names: &Screens::TABS, open: self.open }
    }

    // Keys and mouse

    pub(super) fn on_key(&mut self, event: KeyEvent, now: Duration) -> Vec<Effect> {
        if event.kind == KeyEventKind::Release {
            return Vec::new();
        }
        if let Some(action) = keymap::action(self.place(), event.into()) {
            return self.act(action, now);
        }
        if let (Some(c), Some(input)) = (keymap::typed(event), self.input()) {
            input.typed(c);
            self.text_changed();
        }
        Vec::new()
    }

    /// Takes a paste. It goes into a text or nowhere: it never presses keys.
    pub(super) fn on_paste(&mut self, text: &str) {
        if let Some(input) = self.input() {
            input.paste(text);
            self.text_changed();
        }
    }

    /// Takes a click or a scroll. The mouse is never needed.
    pub(super) fn on_mouse(&mut self, event: MouseEvent) {
        let step = match event.kind {
            MouseEventKind::ScrollDown => Some(Step::Down(3)),
            MouseEventKind::ScrollUp => Some(Step::Up(3)),
            MouseEventKind::Down(MouseButton::Left) => None,
            _ => return,
        };
        if !self.overlays.is_empty() {
            if let Some(step) = step {
                self.overlays.scroll(step, &mut self.shared);
            }
            return;
        }
        let at = Position { x: event.column, y: event.row };
        let tab = self.tabs().hit(self.shared.area, at);
        match (step, tab, self.plan().hit(at)) {
            (None, Some(tab), _) => self.show(tab),
            (Some(step), _, Some((pane, _))) => self.step(pane, step),
            (None, None, Some((pane, row))) => self.click(pane, row),
            _ => {}
        }
    }

    fn click(&mut self, pane: PaneId, row: Option<usize>) {
        self.focus_on(pane);
        let plan = self.plan();
        if let Some(row) = row.and_then(|row| self.screen().row_at(pane, row, &plan, &self.shared)) {
            self.step(pane, Step::To(row));
        }
    }

    /// Returns the text that is being typed.
    fn input(&mut self) -> Option<&mut Input> {
        if self.overlays.is_empty() {
            self.screens.all_mut().into_iter().nth(self.open)?.input()
        } else {
            self.overlays.input()
        }
    }

    fn text_changed(&mut self) {
        if self.overlays.is_empty() {
            self.screens.all_mut()[self.open].text_changed();
        }
    }

    // Actions

    fn act(&mut self, action: Action, now: Duration) -> Vec<Effect> {
        match action {
            Action::Interrupt => return self.interrupt(now),
            Action::Suspend => return vec![Effect::Suspend],
            Action::Redraw => {
                let reread = self.screens.all_mut().into_iter().flat_map(Screen::reread);
                return [Effect::Redraw].into_iter().chain(reread).collect();
            }
            Action::Help => {
                let place = self.place();
                self.overlays.open_help(place);
                return Vec::new();
            }
            _ => {}
        }
        if self.input().is_some_and(|input| input.edit(action)) {
            self.text_changed();
            return Vec::new();
        }
        let mut requests = Vec::new();
        if !self.overlays.is_empty() {
            requests.extend(self.overlays.act(action, &mut self.shared, now));
        } else if !self.with(now, &mut requests, |screens, open, cx| screens.all_mut()[open].act(action, cx))
        {
            self.act_on_any_screen(action, &mut requests);
        }
        self.carry_out(requests, now)
    }

    /// Carries out an action that means the same on each screen.
    fn act_on_any_screen(&mut self, action: Action, requests: &mut Vec<Request>) {
        let pane = self.screen().ring().pane();
        let page = self.screen().height(pane, &self.plan()).max(1);
        match action {
            Action::Up => self.step(pane, Step::Up(1)),
            Action::Down => self.step(pane, Step::Down(1)),
            Action::PageUp => self.step(pane, Step::Up(page)),
            Action::PageDown => self.step(pane, Step::Down(page)),
            Action::HalfUp => self.step(pane, Step::Up(page.div_ceil(2))),
            Action::HalfDown => self.step(pane, Step::Down(page.div_ceil(2))),
            Action::First | Action::Top => self.step(pane, Step::First),
            Action::Last => self.step(pane, Step::Last),
            Action::Show(number) => self.show(usize::from(number).saturating_sub(1)),
            Action::NextPane => self.focus_on(self.screen().ring().next()),
            Action::PreviousPane => self.focus_on(self.screen().ring().previous()),
            Action::Zoom => self.is_zoomed = !self.is_zoomed,
            Action::Log => self.overlays.open(Overlay::Log),
            Action::Connect => {
                let dialog = self.screen().connect(&self.shared);
                self.overlays.stack.extend(dialog.map(Overlay::Connect));
            }
            Action::Details => {
                let details = self.screen().details(&self.shared);
                self.overlays.stack.extend(details.map(Overlay::Details));
            }
            Action::Close => {
                let _ = self.screens.all_mut()[self.open].drop_filter() || self.shared.toasts.dismiss();
            }
            Action::Quit if self.is_busy() => self.overlays.open(Overlay::Question(Question::Quit)),
            Action::Quit => requests.push(Request::Effect(Effect::Quit)),
            _ => {}
        }
    }

    /// Runs an action with what it needs, and collects its requests.
    fn with<T>(
        &mut self,
        now: Duration,
        requests: &mut Vec<Request>,
        act: impl FnOnce(&mut Screens, usize, &mut Context<'_>) -> T,
    ) -> T {
        let is_busy = self.is_busy();
        let (shared, overlays) = (&mut self.shared, &mut self.overlays);
        let mut cx = Context { shared, overlays, now, is_busy, requests: Vec::new() };
        let result = act(&mut self.screens, self.open, &mut cx);
        requests.append(&mut cx.requests);
        result
    }

    /// Carries out requests, and those that follow from them. Returns what is left to the run loop.
    fn carry_out(&mut self, mut requests: Vec<Request>, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        while !requests.is_empty() {
            for request in std::mem::take(&mut requests) {
                match request {
                    Request::Effect(effect) => effects.push(effect),
                    Request::Show(screen) => self.show(screen),
                    request => self.with(now, &mut requests, |screens, _, cx| screens.carry_out(request, cx)),
                }
            }
        }
        effects
    }

    /// Cancels everything that runs; a second time, or if nothing does, ends the program.
    fn interrupt(&mut self, now: Duration) -> Vec<Effect> {
        if !self.is_busy() || self.shared.interrupted {
            return vec![Effect::Quit];
        }
        self.shared.interrupted = true;
        self.shared.say(Tone::Warn, text::CANCELLED.to_owned(), String::new(), now);
        vec![Effect::Send(Command::CancelAll)]
    }

    fn show(&mut self, screen: usize) {
        if let Some(opened) = self.screens.all_mut().get_mut(screen) {
            opened.opened();
            self.open = screen;
        }
    }

    fn step(&mut self, pane: PaneId, step: Step) {
        self.screens.all_mut()[self.open].step(pane, step, &mut self.shared);
    }

    fn focus_on(&mut self, pane: PaneId) {
        if self.screen().ring().has(pane) {
            self.screens.all_mut().into_iter().for_each(Screen::keep_filter);
            self.screens.all_mut()[self.open].ring_mut().focus(pane);
        }
    }

    // Events and answers

    /// Takes an event of the transfer threads.
    pub(super) fn on_event(&mut self, event: &Event, now: Duration) {
        let target = match event {
            Event::Proven { track, .. } | Event::KeyChanged { track, .. } => {
                self.screens.all().into_iter().find_map(|screen| screen.target(*track)).cloned()
            }
            _ => None,
        };
        self.shared.on_event(event, target.as_ref(), now);
        if let Event::KeyChanged { change, .. } = event {
            self.overlays.key_changed(change, now);
        }
        for screen in self.screens.all_mut() {
            screen.on_event(event, &mut self.shared, &self.overlays, now);
        }
    }

    /// Takes the result of saving a session.
    pub(super) fn saved(&mut self, capture: &Capture, result: io::Result<PathBuf>, now: Duration) {
        match result {
            Ok(path) => {
                self.written(&path, now, |name, folder| text::saved(name, folder, capture.with_plaintext))
            }
            Err(error) => {
                let (what, advice) = text::not_saved(&error.to_string());
                self.shared.say(Tone::Bad, what, advice, now);
            }
        }
    }

    /// Takes the result of writing a race's report.
    pub(super) fn reported(&mut self, result: Result<PathBuf, ReportError>, now: Duration) {
        match result {
            Ok(path) => self.written(&path, now, text::race::reported),
            Err(error) => {
                let fault = error.fault();
                self.shared.say(Tone::Bad, fault.what, fault.advice, now);
            }
        }
    }

    fn written(&mut self, path: &Path, now: Duration, words: impl FnOnce(&str, &str) -> (String, String)) {
        let folder = fit::path(path.parent().unwrap_or(Path::new("")), self.shared.home.as_deref());
        let name = fit::name(path.file_name().unwrap_or_default());
        let (what, advice) = words(&name, &folder);
        self.shared.say(Tone::Plain, what, advice, now);
    }

    // Drawing

    /// Draws everything.
    pub(super) fn draw(&self, look: Look, now: Duration, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if layout::fits(area) {
            let [header, body, footer] = layout::thirds(area);
            let (theme, screen, shared) = (look.theme, self.screen(), &self.shared);
            chrome::header(self.tabs(), screen.subject(), shared, theme, header, buf);
            for (pane, area) in self.plan().0 {
                let is_here = screen.ring().pane() == pane && self.overlays.is_empty();
                let focus = if is_here { Focus::Here } else { Focus::Elsewhere };
                screen.draw(View { shared, theme, now, focus }, pane, area, buf);
            }
            Pane { of: &shared.toasts, theme, focus: Focus::Elsewhere, now }.render(body, buf);
            self.overlays.draw(shared, theme, now, body, buf);
            chrome::footer(self.place(), theme, footer, buf);
        } else {
            let words =
                fit::wrap(&text::too_small(layout::SMALLEST.0, layout::SMALLEST.1), usize::from(area.width));
            for (line, row) in words.into_iter().zip(area.rows()) {
                Line::raw(line).render(row, buf);
            }
        }
        look.finish(buf);
    }
}
