//! The application: the screens, what lies over them, and which of them a key, a click or an event is for.
//!
//! A key becomes an [`Action`]; the open screen or the topmost overlay changes its state and asks for [`Effect`]s.

use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget as _;

use super::chrome::{self, Tabs};
use super::disk::Found;
use super::effect::{Effect, Request};
use super::keymap::{self, Action, Place};
use super::layout::{self, PaneId};
use super::link::Link;
use super::listing::Clock;
use super::overlay::newcomer::Newcomer;
use super::overlay::question::Question;
use super::overlay::share::Share;
use super::overlay::{Overlay, Overlays};
use super::own_server::{Listening, Sharing};
use super::screen::{ActionContext, Screens, Start, View};
use super::shared::Shared;
use super::theme::{Focus, Look};
use super::widgets::Pane;
use super::widgets::input::Input;
use super::widgets::list::Step;
use super::widgets::log::Tone;
use super::{fit, text};
use crate::event::{Command, Door, Event, ServerLink};

/// The whole state of the terminal front end.
#[derive(Debug)]
pub(super) struct App {
    pub(super) screens: Screens,
    pub(super) overlays: Overlays,
    pub(super) shared: Shared,
    /// Pane and row of the last click, and its time.
    clicked: Option<((PaneId, Option<usize>), Duration)>,
}

/// Longest time between the clicks of a double click.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);

impl App {
    pub(super) fn new(start: &Start<'_>, link: Link, clock: Clock) -> Self {
        let mut shared = Shared::new(link, start.dialect, start.home.clone(), clock);
        if !start.has_server() {
            shared.own_server.listening = Listening::Absent;
        }
        shared.own_server.is_serving = start.is_serving;
        Self { screens: Screens::new(start), overlays: Overlays::default(), shared, clicked: None }
    }

    // What the run loop asks

    /// Returns the first effects: read the folder, record connections.
    pub(super) fn start(&mut self) -> Vec<Effect> {
        self.screens.start()
    }

    /// Returns whether something moves; then the screen is drawn less often.
    pub(super) fn is_moving(&self) -> bool {
        self.screens.is_moving() || self.shared.received.is_busy()
    }

    /// Returns when the picture changes by itself: a clock moves, or a message disappears.
    pub(super) fn next_change(&self, now: Duration) -> Option<Duration> {
        [self.screens.next_change(now), self.shared.toasts.next()].into_iter().flatten().min()
    }

    /// Returns the effects that have become due without a key.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = self.screens.due(now);
        effects.extend(self.overlays.due());
        effects
    }

    /// Brings up to date what depends on the size and on the time. Called before each drawing.
    pub(super) fn settle(&mut self, area: Rect, now: Duration) {
        self.shared.area = area;
        self.shared.toasts.expire(now);
        self.screens.settle(&mut self.shared, now);
    }

    /// Returns where the user is, as far as keys are concerned.
    pub(super) fn place(&self) -> Place {
        let is_typing = self.shared.received.list.filter().is_typing();
        let below = || if is_typing { Place::Text } else { self.screens.open().place() };
        self.overlays.place().unwrap_or_else(below)
    }

    // Keys and mouse

    /// Takes a key, and returns what it asks of the run loop.
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

    /// Takes a paste. It goes into a text, or a link opens the connect dialog: a paste never presses keys.
    pub(super) fn on_paste(&mut self, text: &str) {
        let is_link = ServerLink::is_meant(text);
        if is_link && self.overlays.paste_link(text) {
            return;
        }
        self.overlays.pasting();
        if let Some(input) = self.input() {
            input.paste(text);
            self.text_changed();
        } else if is_link && self.overlays.is_empty() {
            let mut dialog = self.screens.connect(&self.shared);
            dialog.paste_link(text);
            self.overlays.open(Overlay::Connect(dialog));
        }
    }

    /// Takes a click or a scroll. The mouse is never needed: a click on a key of the footer presses it, and a second one
    /// on a row opens it, which never sends a file.
    pub(super) fn on_mouse(&mut self, event: MouseEvent, now: Duration) -> Vec<Effect> {
        let step = match event.kind {
            MouseEventKind::ScrollDown => Some(Step::Down(3)),
            MouseEventKind::ScrollUp => Some(Step::Up(3)),
            MouseEventKind::Down(MouseButton::Left) => None,
            _ => return Vec::new(),
        };
        let at = Position { x: event.column, y: event.row };
        let area = self.shared.area;
        if step.is_none()
            && layout::fits(area)
            && let Some(action) = chrome::footer_hit(self.place(), layout::thirds(area)[2], at)
        {
            return self.act(action, now);
        }
        let (screens, shared) = (&mut self.screens, &mut self.shared);
        if !self.overlays.is_empty() {
            if let Some(step) = step {
                self.overlays.scroll(step, shared);
            } else if layout::fits(area)
                && let Some(key) = self.overlays.answer_at(shared, now, layout::body(area), at)
                && let Some(action) = keymap::action(self.place(), key)
            {
                return self.act(action, now);
            }
            return Vec::new();
        }
        let tabs = Tabs { mark: shared.mark(), ..screens.tabs() };
        let tab = chrome::tab_hit(tabs, screens.open().subject().as_deref(), shared, area, at);
        match (step, tab, screens.plan(shared).hit(at)) {
            (None, Some(tab), _) => {
                shared.received.list.keep_filter();
                screens.show(tab);
            }
            (Some(step), _, Some((pane, _))) => screens.step(pane, step, shared),
            (None, None, Some((pane, row))) => {
                screens.click(pane, row, shared);
                screens.press(pane, at, shared);
                let here = (pane, row);
                let is_second = self
                    .clicked
                    .is_some_and(|(place, then)| place == here && now.saturating_sub(then) <= DOUBLE_CLICK);
                self.clicked = (!is_second).then_some((here, now));
                if is_second && row.is_some() {
                    let action = if self.place() == Place::Browser { Action::Open } else { Action::Details };
                    return self.act(action, now);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Returns the text that is being typed.
    fn input(&mut self) -> Option<&mut Input> {
        if self.overlays.is_empty() { self.screens.input(&mut self.shared) } else { self.overlays.input() }
    }

    fn text_changed(&mut self) {
        if self.overlays.is_empty() {
            self.screens.text_changed(&mut self.shared);
        } else {
            self.overlays.text_changed();
        }
    }

    // Actions and events

    fn act(&mut self, action: Action, now: Duration) -> Vec<Effect> {
        match action {
            Action::Interrupt => return self.interrupt(now),
            Action::Suspend => return vec![Effect::Suspend],
            Action::Copy => return self.copy(now),
            Action::Privacy => {
                self.shared.is_private = !self.shared.is_private;
                let words = if self.shared.is_private { text::NOW_HIDDEN } else { text::NOW_SHOWN };
                self.shared.say(Tone::Plain, words.to_owned(), String::new(), now);
                return Vec::new();
            }
            Action::Mouse => return vec![Effect::Mouse],
            Action::Redraw => return [Effect::Redraw].into_iter().chain(self.screens.reread()).collect(),
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
        let requests = if self.overlays.is_empty() {
            self.with(now, |screens, cx| screens.act(action, cx))
        } else {
            self.overlays.act(action, &mut self.shared, now).into_iter().collect()
        };
        self.carry_out(requests, now)
    }

    /// Copies what the cursor is on.
    fn copy(&mut self, now: Duration) -> Vec<Effect> {
        let found = if self.overlays.is_empty() {
            self.screens.open().copied(&self.shared)
        } else {
            self.overlays.copied(&self.shared)
        };
        let words = match &found {
            Some((name, text)) => text::copied(name, text),
            None => text::NOTHING_TO_COPY.to_owned(),
        };
        self.shared.say(Tone::Plain, words, String::new(), now);
        found.map(|(_, text)| Effect::Copy(text)).into_iter().collect()
    }

    /// Cancels everything that runs; a second time, or if nothing does, ends the program.
    fn interrupt(&mut self, now: Duration) -> Vec<Effect> {
        if !self.screens.is_busy() || self.shared.interrupted {
            return vec![Effect::Quit];
        }
        self.shared.interrupted = true;
        self.shared.say(Tone::Warn, text::CANCELLED.to_owned(), String::new(), now);
        vec![Effect::Send(Command::CancelAll)]
    }

    /// Lets the screens act, and returns what they request.
    fn with(
        &mut self,
        now: Duration,
        act: impl FnOnce(&mut Screens, &mut ActionContext<'_>),
    ) -> Vec<Request> {
        let is_busy = self.screens.is_busy();
        let (shared, overlays) = (&mut self.shared, &mut self.overlays);
        let mut cx = ActionContext { shared, overlays, now, is_busy, requests: Vec::new() };
        act(&mut self.screens, &mut cx);
        cx.requests
    }

    /// Carries out requests, and those that follow from them. Returns what is left to the run loop.
    fn carry_out(&mut self, mut requests: Vec<Request>, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        while !requests.is_empty() {
            for request in mem::take(&mut requests) {
                match request {
                    Request::Effect(effect) => effects.push(effect),
                    request => requests.extend(self.with(now, |screens, cx| screens.carry_out(request, cx))),
                }
            }
        }
        effects
    }

    /// Takes an event of the transfer threads.
    pub(super) fn on_event(&mut self, event: &Event, now: Duration) {
        let target = match event {
            Event::Proven { track, .. } | Event::KeyChanged { track, .. } => {
                self.screens.target(*track).cloned()
            }
            _ => None,
        };
        self.shared.on_event(event, target.as_ref(), now);
        match event {
            Event::KeyChanged { change, .. } => self.overlays.key_changed(change, now),
            Event::FirstMeeting { address, ca, proof, other_ca, .. } => {
                self.overlays.first_meeting(Newcomer::new(address, ca, proof, *other_ca, now), address);
            }
            // Where the question is still open, the rows say that they wait for its answer.
            Event::Unaccepted { address, waiting } if !self.overlays.asks_about(address) => {
                let (what, advice) = text::unaccepted(address, *waiting);
                self.shared.say(Tone::Warn, what, advice, now);
            }
            _ => {}
        }
        let is_wanted = matches!(self.shared.own_server.sharing, Sharing::Starting);
        self.screens.on_event(event, &mut self.shared, &self.overlays, now);
        match event {
            Event::Shared { .. } if is_wanted => {
                let doors = self.shared.own_server.shared().map(|shared| &shared.doors[..]);
                self.overlays.open(Overlay::Share(Share::new(doors.unwrap_or_default())));
            }
            Event::NotShared { .. } => self.overlays.not_shared(),
            _ => {}
        }
    }

    /// Takes what a thread has found on the disk, and returns what that asks of the run loop.
    pub(super) fn on_found(&mut self, found: Found, now: Duration) -> Vec<Effect> {
        let upload = &mut self.screens.upload;
        match found {
            Found::Part(listing) => {
                if listing.end.is_some() {
                    upload.glance.again();
                }
                upload.browser.listed(listing, now);
                self.shared.recent.enter(upload.browser.folder());
            }
            Found::Preview(path, preview) => upload.glance.read(path, preview),
            Found::Names(folder, names) => self.overlays.on_names(&folder, names),
            Found::Ca(path, wrong) => {
                let request = self.overlays.on_ca(&path, wrong.as_deref(), &self.shared);
                return self.carry_out(request.into_iter().collect(), now);
            }
            Found::Changed(folder) => upload.browser.changed(&folder),
            Found::Unwatched(folder, why) => {
                let folder = fit::path(&folder, self.shared.home.as_deref());
                self.shared.note(Tone::Warn, text::unwatched(&folder, &why));
            }
        }
        Vec::new()
    }

    /// Asks whether to share with the computers that reach these addresses, with the identity in this folder.
    pub(super) fn ask_share(&mut self, doors: &[Door], identity: Option<PathBuf>, now: Duration) {
        match identity {
            Some(identity) => {
                let words = text::share_question(doors);
                self.overlays.open(Overlay::Question(Question::Share { words, identity }));
            }
            None => self.shared.say(Tone::Bad, text::NO_SHARE_PLACE.to_owned(), String::new(), now),
        }
    }

    // Drawing

    /// Draws everything.
    pub(super) fn draw(&self, look: Look, now: Duration, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if layout::fits(area) {
            let [header, body, footer] = layout::thirds(area);
            let (theme, screen, shared) = (look.theme, self.screens.open(), &self.shared);
            let tabs = Tabs { mark: shared.mark(), ..self.screens.tabs() };
            chrome::header(tabs, screen.subject(), shared, theme, header, buf);
            for (pane, area) in self.screens.plan(shared).0 {
                let is_here = screen.ring().pane() == pane && self.overlays.is_empty();
                let focus = if is_here { Focus::Here } else { Focus::Elsewhere };
                screen.draw(View { shared, theme, now, focus }, pane, area, buf);
            }
            let toasts = Pane { of: &shared.toasts, theme, focus: Focus::Elsewhere, now };
            if screen.has_message_line() {
                let last = Rect { y: body.bottom().saturating_sub(1), height: body.height.min(1), ..body };
                toasts.line(last, buf);
            } else {
                toasts.render(body, buf);
            }
            self.overlays.draw(shared, theme, now, body, buf);
            if shared.is_private {
                shared.secrets(self.screens.upload.browser.folder()).hide(area, buf);
            }
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
