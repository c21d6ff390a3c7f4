//! What lies over a screen: dialogs, questions, the help, the log, and how keys work in them.

pub(super) mod accept;
pub(super) mod alarm;
mod answers;
pub(super) mod connect;
pub(super) mod details;
pub(super) mod goto;
mod help;
pub(super) mod lab;
pub(super) mod newcomer;
pub(super) mod question;
pub(super) mod share;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Position, Rect};
use ratatui::widgets::{Clear, Widget};

use self::accept::Accept;
use self::alarm::Alarm;
use self::connect::{Answer, Connect, Probed};
use self::details::Details;
use self::goto::GoTo;
use self::help::Help;
use self::lab::{Lab, News};
use self::newcomer::Newcomer;
use self::question::Question;
use self::share::Share;
use super::effect::{Effect, Request};
use super::keymap::{Action, Key, Place};
use super::layout;
use super::shared::Shared;
use super::theme::{Focus, Theme};
use super::widgets::input::Input;
use super::widgets::list::Step;
use super::widgets::{Pane, columns};
use crate::event::{KeyChange, ServerAddress, Target};

/// One thing that lies over the screen.
#[derive(Debug)]
pub(super) enum Overlay {
    Help(Help),
    Accept(Accept),
    Log,
    Connect(Connect),
    GoTo(GoTo),
    Details(Details),
    Question(Question),
    Newcomer(Newcomer),
    Share(Share),
    Alarm(Alarm),
    Lab(Lab),
}

/// Everything that lies over the screen.
#[derive(Debug, Default)]
pub(super) struct Overlays {
    /// The last one is on top and receives the keys.
    pub(super) stack: Vec<Overlay>,
    /// Number of the latest run of the lab.
    labs: u64,
    /// Number of the latest probe.
    probes: u64,
}

impl Overlays {
    pub(super) fn is_empty(&self) -> bool {
        self.stack.is_empty()
    }

    // Opening

    pub(super) fn open(&mut self, overlay: Overlay) {
        self.stack.push(overlay);
    }

    /// Puts a pasted link into the connect dialog; returns whether it is open.
    pub(super) fn paste_link(&mut self, text: &str) -> bool {
        let Some(Overlay::Connect(dialog)) = self.stack.last_mut() else { return false };
        dialog.paste_link(text);
        true
    }

    /// Opens the list of keys, those of `place` first.
    pub(super) fn open_help(&mut self, place: Place) {
        if !matches!(self.stack.last(), Some(Overlay::Help(_))) {
            self.open(Overlay::Help(Help::new(place)));
        }
    }

    /// Opens the lab, which runs for as long as it is open.
    pub(super) fn open_lab(&mut self) -> Effect {
        self.labs += 1;
        self.open(Overlay::Lab(Lab::new(self.labs)));
        Effect::PlayLab(self.labs)
    }

    /// Warns of a server whose key has changed, or updates the warning about the same server.
    pub(super) fn key_changed(&mut self, change: &KeyChange, now: Duration) {
        let shown = self.stack.iter_mut().find_map(|overlay| match overlay {
            Overlay::Alarm(alarm) if alarm.is_about(change) => Some(alarm),
            _ => None,
        });
        match shown {
            Some(alarm) => alarm.again(change.clone(), now),
            None => self.open(Overlay::Alarm(Alarm::new(change.clone(), now))),
        }
    }

    /// Asks about a server that was never met. A question about the same key is not asked twice; another key of the same
    /// server replaces the one that is shown.
    pub(super) fn first_meeting(&mut self, newcomer: Newcomer, address: &ServerAddress) {
        let shown = self.stack.iter_mut().find_map(|overlay| match overlay {
            Overlay::Newcomer(shown) if shown.is_at(address) => Some(shown),
            _ => None,
        });
        match shown {
            Some(shown) if shown.is_same(&newcomer) => {}
            Some(shown) => *shown = newcomer,
            None => self.open(Overlay::Newcomer(newcomer)),
        }
    }

    /// Returns whether a question about the server at this address is on the screen.
    pub(super) fn asks_about(&self, address: &ServerAddress) -> bool {
        let asks = |overlay: &Overlay| matches!(overlay, Overlay::Newcomer(shown) if shown.is_at(address));
        self.stack.iter().any(asks)
    }

    /// Returns whether a warning on the screen explains why uploads to this target fail.
    pub(super) fn is_alarmed(&self, target: &Target) -> bool {
        let tells = |overlay: &Overlay| matches!(overlay, Overlay::Alarm(alarm) if alarm.tells_of(target));
        self.stack.iter().any(tells)
    }

    // Keys

    /// Returns where keys go; `None` if nothing lies over the screen.
    pub(super) fn place(&self) -> Option<Place> {
        Some(match self.stack.last()? {
            Overlay::Help(help) if help.is_typing() => Place::Text,
            Overlay::Help(_) => Place::Help,
            Overlay::Accept(_) => Place::Accept,
            Overlay::Share(_) => Place::Sharing,
            Overlay::Log => Place::Log,
            Overlay::Details(_) | Overlay::Lab(_) => Place::Details,
            Overlay::Connect(dialog) => dialog.place(),
            Overlay::GoTo(dialog) => dialog.place(),
            Overlay::Question(question) => question.place(),
            Overlay::Newcomer(_) => Place::Newcomer,
            Overlay::Alarm(_) => Place::Alarm,
        })
    }

    /// Returns the text that is being typed.
    pub(super) fn input(&mut self) -> Option<&mut Input> {
        match self.stack.last_mut()? {
            Overlay::Help(help) => help.input(),
            Overlay::Connect(dialog) => dialog.input(),
            Overlay::GoTo(dialog) => dialog.input(),
            _ => None,
        }
    }

    /// Carries out an action on the topmost overlay.
    pub(super) fn act(&mut self, action: Action, shared: &mut Shared, now: Duration) -> Option<Request> {
        let half = usize::from(shared.area.height / 2).max(1);
        match action {
            Action::Up => self.scroll(Step::Up(1), shared),
            Action::Down => self.scroll(Step::Down(1), shared),
            Action::PageUp => self.scroll(Step::Up(half), shared),
            Action::PageDown => self.scroll(Step::Down(half), shared),
            Action::First => self.scroll(Step::First, shared),
            Action::Last => self.scroll(Step::Last, shared),
            Action::Close | Action::No => return self.close(now),
            Action::Accept => return self.accept(shared),
            Action::SendThere => {
                if let Some(overlay @ Overlay::Newcomer(newcomer)) = self.stack.last()
                    && let Some(order) = newcomer.answer(true, overlay.area(layout::body(shared.area)), now)
                {
                    self.stack.pop();
                    return Some(Request::Effect(Effect::Send(order)));
                }
            }
            Action::AcceptKey => {
                if let Some(Overlay::Alarm(alarm)) = self.stack.last()
                    && let Some(order) = alarm.accept(layout::body(shared.area), now)
                {
                    self.stack.pop();
                    return Some(Request::Effect(Effect::Send(order)));
                }
            }
            Action::Yes | Action::UseCp2 | Action::UseFile => {
                if let Some(Overlay::Question(question)) = self.stack.pop() {
                    return Some(question.answer(action));
                }
            }
            _ => return self.act_on_path(action).or_else(|| self.act_on_form(action, shared)),
        }
        None
    }

    /// Carries out a key of the dialog that goes to a folder.
    fn act_on_path(&mut self, action: Action) -> Option<Request> {
        let Some(Overlay::GoTo(dialog)) = self.stack.last_mut() else { return None };
        match action {
            Action::TypePath => dialog.type_path(""),
            Action::TypeRoot => dialog.type_path("/"),
            Action::TypeHome => dialog.type_path("~/"),
            Action::Complete => dialog.take_completion(),
            Action::Recent(number) => {
                let to = dialog.recent(number)?.to_owned();
                self.stack.pop();
                return Some(Request::GoTo(to));
            }
            Action::Top => {
                self.stack.pop();
                return Some(Request::Top);
            }
            _ => {}
        }
        None
    }

    /// Handles a change of the typed text.
    pub(super) fn text_changed(&mut self) {
        match self.stack.last_mut() {
            Some(Overlay::GoTo(dialog)) => dialog.complete(),
            Some(Overlay::Connect(dialog)) => dialog.edited(),
            _ => {}
        }
    }

    /// Takes the result of reading a CA file, for the connect dialog.
    pub(super) fn on_ca(&mut self, path: &Path, wrong: Option<&str>, shared: &Shared) -> Option<Request> {
        let home = shared.home.as_deref();
        let at = self.stack.iter_mut().position(|overlay| match overlay {
            Overlay::Connect(dialog) => dialog.ca_read(path, wrong, home),
            _ => false,
        })?;
        let Overlay::Connect(mut dialog) = self.stack.remove(at) else { return None };
        let (lane, is_probing) = (dialog.lane, dialog.is_probing());
        let (target, dialect) = dialog.accept(home)?;
        Some(Request::Connect { lane, target, dialect, is_probing })
    }

    /// Prepares the topmost overlay for a paste: a path may be pasted at once.
    pub(super) fn pasting(&mut self) {
        if let Some(Overlay::GoTo(dialog)) = self.stack.last_mut()
            && dialog.input().is_none()
        {
            dialog.type_path("");
        }
    }

    /// Returns the effects that have become due without a key.
    pub(super) fn due(&mut self) -> Vec<Effect> {
        let Some(Overlay::GoTo(dialog)) = self.stack.last_mut() else { return Vec::new() };
        dialog.due().map(Effect::Complete).into_iter().collect()
    }

    /// Takes the subfolders of a folder, to complete a path.
    pub(super) fn on_names(&mut self, folder: &Path, names: Vec<OsString>) {
        let dialog = self.stack.iter_mut().find_map(|overlay| match overlay {
            Overlay::GoTo(dialog) => Some(dialog),
            _ => None,
        });
        if let Some(dialog) = dialog {
            dialog.named(folder, names);
        }
    }

    fn act_on_form(&mut self, action: Action, shared: &Shared) -> Option<Request> {
        match (action, self.stack.last_mut()?) {
            (Action::Mark, Overlay::Accept(dialog)) => dialog.toggle(),
            (Action::Choose | Action::ChoosePrevious, Overlay::Accept(dialog)) => dialog.other(),
            (Action::Mark, Overlay::Share(dialog)) => dialog.toggle(),
            (Action::Share, Overlay::Share(_)) => {
                self.stack.pop();
                return Some(Request::EndShare);
            }
            (Action::Filter, Overlay::Help(help)) => help.type_filter(),
            (Action::NextField, Overlay::Connect(dialog)) => {
                return dialog.next_field(shared.home.as_deref()).map(Effect::CheckCa).map(Request::Effect);
            }
            (Action::PreviousField, Overlay::Connect(dialog)) => {
                return dialog
                    .previous_field(shared.home.as_deref())
                    .map(Effect::CheckCa)
                    .map(Request::Effect);
            }
            (Action::ChoosePrevious, Overlay::Connect(dialog)) => dialog.choose_previous(),
            (Action::Choose, Overlay::Connect(dialog)) => dialog.choose_next(),
            (Action::Probe, Overlay::Connect(dialog)) => {
                let target = dialog.probe(self.probes + 1, shared.home.as_deref())?;
                self.probes += 1;
                return Some(Request::Effect(Effect::Probe(self.probes, target)));
            }
            _ => {}
        }
        None
    }

    /// Closes the topmost overlay, or its filter if it has one.
    fn close(&mut self, now: Duration) -> Option<Request> {
        if let Some(Overlay::Help(help)) = self.stack.last_mut()
            && help.drop_filter()
        {
            return None;
        }
        match self.stack.pop()? {
            Overlay::Newcomer(newcomer) => {
                newcomer.answer(false, Rect::default(), now).map(|order| Request::Effect(Effect::Send(order)))
            }
            Overlay::Lab(_) => Some(Request::Effect(Effect::StopLab)),
            Overlay::Connect(dialog) if dialog.is_probing() => Some(Request::Effect(Effect::StopProbe)),
            _ => None,
        }
    }

    fn accept(&mut self, shared: &Shared) -> Option<Request> {
        match self.stack.last_mut()? {
            Overlay::Help(help) => help.keep_filter(),
            Overlay::Accept(dialog) => {
                let order = dialog.order()?;
                self.stack.pop();
                return Some(Request::Effect(Effect::Send(order)));
            }
            Overlay::Connect(dialog) => {
                let (lane, is_probing) = (dialog.lane, dialog.is_probing());
                let (target, dialect) = match dialog.answer(shared.home.as_deref()) {
                    Answer::Accepted(target, dialect) => (target, dialect),
                    Answer::Check(path) => return Some(Request::Effect(Effect::CheckCa(path))),
                    Answer::Wrong => return None,
                };
                self.stack.pop();
                return Some(Request::Connect { lane, target, dialect, is_probing });
            }
            Overlay::GoTo(dialog) => {
                let to = dialog.accept();
                self.stack.pop();
                return to.map(Request::GoTo);
            }
            _ => {}
        }
        None
    }

    /// Scrolls the topmost overlay.
    pub(super) fn scroll(&mut self, step: Step, shared: &mut Shared) {
        match self.stack.last_mut() {
            Some(Overlay::Help(help)) => help.go(step),
            Some(Overlay::Accept(dialog)) => dialog.go(step),
            Some(Overlay::Share(dialog)) => dialog.go(step),
            Some(Overlay::GoTo(dialog)) => dialog.go(step),
            Some(Overlay::Log) => shared.log.go(step),
            Some(Overlay::Details(details)) => details.go(step),
            Some(Overlay::Lab(lab)) => lab.go(step),
            _ => {}
        }
    }

    /// Returns what `y` copies of the topmost overlay, and its name.
    pub(super) fn copied(&self, shared: &Shared) -> Option<(&'static str, String)> {
        match self.stack.last()? {
            Overlay::Share(dialog) => dialog.copied(shared),
            Overlay::Newcomer(newcomer) => Some(newcomer.copied()),
            _ => None,
        }
    }

    /// Closes what is about sharing: it was turned off.
    pub(super) fn not_shared(&mut self) {
        self.stack.retain(|overlay| !matches!(overlay, Overlay::Share(_)));
    }

    // Reports of threads

    /// Takes a report of the lab.
    pub(super) fn on_lab(&mut self, run: u64, news: News) {
        let lab = self.stack.iter_mut().find_map(|overlay| match overlay {
            Overlay::Lab(lab) => Some(lab),
            _ => None,
        });
        if let Some(lab) = lab {
            lab.on_news(run, news);
        }
    }

    /// Takes a report of a probe.
    pub(super) fn on_probe(&mut self, run: u64, news: Probed) {
        let dialog = self.stack.iter_mut().find_map(|overlay| match overlay {
            Overlay::Connect(dialog) => Some(dialog),
            _ => None,
        });
        if let Some(dialog) = dialog {
            dialog.probed(run, news);
        }
    }

    // Drawing

    /// Returns the key of the answer at a position of the topmost overlay.
    pub(super) fn answer_at(&self, shared: &Shared, now: Duration, body: Rect, at: Position) -> Option<Key> {
        let overlay = self.stack.last()?;
        let mut buf = Buffer::empty(body);
        overlay.draw(shared, Theme::without_colours(), now, body, &mut buf);
        answers::key_at(&buf, overlay.area(body), at)
    }

    /// Draws all overlays over the body of the screen.
    pub(super) fn draw(&self, shared: &Shared, theme: Theme, now: Duration, body: Rect, buf: &mut Buffer) {
        for overlay in &self.stack {
            overlay.draw(shared, theme, now, body, buf);
        }
    }
}

impl Overlay {
    fn draw(&self, shared: &Shared, theme: Theme, now: Duration, body: Rect, buf: &mut Buffer) {
        let place = self.area(body);
        // A rim, so that the text beneath does not touch the frame.
        let rim = Rect { x: place.x.saturating_sub(1), width: place.width + 2, ..place };
        Clear.render(rim.intersection(body), buf);
        let focus = Focus::Here;
        match self {
            Self::Help(of) => Pane { of, theme, focus, now }.render(place, buf),
            Self::Accept(of) => Pane { of, theme, focus, now }.render(place, buf),
            Self::Share(of) => of.draw(shared, theme, place, buf),
            Self::Log => Pane { of: &shared.log, theme, focus, now }.render(place, buf),
            Self::Connect(of) => Pane { of, theme, focus, now }.render(place, buf),
            Self::GoTo(of) => Pane { of, theme, focus, now }.render(place, buf),
            Self::Details(of) => Pane { of, theme, focus, now }.render(place, buf),
            Self::Question(of) => Pane { of, theme, focus, now }.render(place, buf),
            Self::Newcomer(of) => Pane { of, theme, focus, now }.render(place, buf),
            Self::Alarm(of) => Pane { of, theme, focus, now }.render(place, buf),
            Self::Lab(of) => Pane { of, theme, focus, now }.render(place, buf),
        }
    }

    /// Returns where it lies over the body.
    fn area(&self, body: Rect) -> Rect {
        let wide = body.width.saturating_sub(4).min(100);
        let narrow = body.width.saturating_sub(4).min(64);
        let inside = |width: u16| usize::from(width).saturating_sub(4);
        let (width, height) = match self {
            Self::Help(_) | Self::Log => (wide, body.height.saturating_sub(2)),
            Self::Lab(_) => (body.width.min(104), body.height),
            Self::Share(dialog) => dialog.size(body),
            Self::Accept(dialog) => (narrow, columns(dialog.height(inside(narrow)) + 2)),
            Self::Connect(dialog) => (narrow, dialog.height()),
            Self::GoTo(dialog) => (narrow, dialog.height()),
            Self::Details(details) => (wide.min(84), columns(details.height(inside(wide.min(84))) + 2)),
            Self::Question(question) => (narrow, columns(question.height(inside(narrow)) + 2)),
            Self::Newcomer(newcomer) => {
                let wide = body.width.min(66);
                (wide, columns(newcomer.height(inside(wide))))
            }
            Self::Alarm(alarm) => (body.width, columns(alarm.height(body.width))),
        };
        body.centered(Constraint::Length(width), Constraint::Length(height.min(body.height)))
    }
}
