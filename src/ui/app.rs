//! What is open, and what a key means there: key → [`Action`] → change → [`Effect`]s.
//!
//! The state of each part lives with its widget; this file only says which part an action is for.
//! Overlays are in [`dialogs`](super::dialogs), the mouse in [`mouse`](super::mouse), orders to the transfer threads in
//! [`orders`](super::orders), what these report in [`reports`](super::reports).

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind};
use ratatui::layout::Rect;

use super::capture::Capture;
use super::estimate::Rates;
use super::keymap::{self, Action, Place};
use super::link::Link;
use super::page::Page;
use super::text;
use super::theme::Focus;
use super::view::{self, Part};
use super::widgets::alarm::Alarm;
use super::widgets::browser::{Browser, Under};
use super::widgets::card::Card;
use super::widgets::connect::{Connect, Probed};
use super::widgets::details::Details;
use super::widgets::help::Help;
use super::widgets::history::{Answer, HistoryPane};
use super::widgets::input::Input;
use super::widgets::lab::{Lab, News};
use super::widgets::list::Step;
use super::widgets::listing::{Clock, Listing, Request};
use super::widgets::log::{Log, Tone};
use super::widgets::question::Question;
use super::widgets::queue::Queue;
use super::widgets::race::Race;
use super::widgets::received::Received;
use super::widgets::server::Server;
use super::widgets::session::Session;
use super::widgets::speed::Speed;
use super::widgets::toast::Toasts;
use crate::event::{Command, Depth, Dialect, State, Target};

/// Which screen is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    Upload,
    Race,
    Session,
    Server,
    History,
}

/// What lies over the screen.
#[derive(Debug)]
pub(super) enum Overlay {
    Help(Help),
    Log,
    Connect(Connect),
    GoTo(Input),
    Details(Details),
    Question(Question),
    Alarm(Alarm),
    Lab(Lab),
}

/// What the run loop shall do.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    Send(Command),
    List(Request),
    /// Read the history; there is an answer to each.
    Recall,
    /// Keep the session that is shown as a file.
    Save(Capture),
    /// Write the race's report.
    Report(Page),
    /// Play the attacks; each run has a number.
    PlayLab(u64),
    /// Nobody looks on any more.
    StopLab,
    /// Find out which dialect a server speaks; each run has a number.
    Probe(u64, Target),
    /// Stop that.
    StopProbe,
    Suspend,
    Redraw,
    Quit,
}

/// The screen's state.
#[derive(Debug)]
pub(super) struct App {
    pub(super) screen: Screen,
    pub(super) zoomed: bool,
    upload_part: Part,
    server_part: Part,
    session_part: Part,
    /// The last is on top.
    pub(super) overlays: Vec<Overlay>,
    pub(super) browser: Browser,
    pub(super) card: Card,
    pub(super) queue: Queue,
    pub(super) speed: Speed,
    pub(super) received: Received,
    pub(super) race: Race,
    pub(super) session: Session,
    /// How much of connections is recorded.
    recording: Depth,
    pub(super) server: Server,
    pub(super) history: HistoryPane,
    pub(super) log: Log,
    pub(super) toasts: Toasts,
    pub(super) link: Link,
    /// Addresses and fingerprints that the log has.
    pub(super) proofs: HashSet<(String, String)>,
    pub(super) rates: Rates,
    pub(super) clock: Clock,
    pub(super) home: Option<PathBuf>,
    /// Whether a session is saved with the content of files.
    pub(super) with_plaintext: bool,
    pub(super) area: Rect,
    /// The latest job's number.
    pub(super) jobs: u64,
    /// Runs of the lab.
    pub(super) labs: u64,
    /// Probes so far.
    pub(super) probes: u64,
    /// Ctrl-C was pressed since the last order.
    pub(super) interrupted: bool,
}

impl App {
    pub(super) fn new(
        folder: &Path,
        home: Option<PathBuf>,
        link: Link,
        dialect: Dialect,
        clock: Clock,
    ) -> Self {
        Self {
            screen: Screen::Upload,
            zoomed: false,
            upload_part: Part::Browser,
            server_part: Part::Received,
            session_part: Part::Ladder,
            overlays: Vec::new(),
            browser: Browser::new(tidy(folder), home.clone()),
            card: Card::new(dialect),
            queue: Queue::default(),
            speed: Speed::default(),
            received: Received::default(),
            race: Race::new(&link.target, dialect),
            session: Session::default(),
            recording: Depth::Outline,
            server: Server::default(),
            history: HistoryPane::default(),
            log: Log::default(),
            toasts: Toasts::default(),
            link,
            proofs: HashSet::new(),
            rates: Rates::default(),
            clock,
            home,
            with_plaintext: false,
            area: Rect::default(),
            jobs: 0,
            labs: 0,
            probes: 0,
            interrupted: false,
        }
    }

    /// The first thing to do: read the folder.
    pub(super) fn start(&mut self) -> Vec<Effect> {
        vec![Effect::List(self.browser.refresh()), Effect::Send(Command::Record(self.recording))]
    }

    // What the run loop asks

    /// Whether a transfer waits or runs, so that quitting would cancel something.
    pub(super) fn is_busy(&self) -> bool {
        self.queue.is_busy() || self.race.is_running()
    }

    /// Whether something moves: then the screen is drawn less often.
    pub(super) fn is_moving(&self) -> bool {
        self.queue.is_running() || self.race.is_running() || self.received.is_busy()
    }

    /// When the picture changes by itself: a clock on it, a message that goes.
    pub(super) fn next_change(&self, now: Duration) -> Option<Duration> {
        let clock =
            (self.queue.is_timed() || self.race.is_running()).then(|| now + Duration::from_millis(500));
        let history = self.history.due().filter(|_| self.screen == Screen::History);
        let session = self.session.due().filter(|_| self.screen == Screen::Session);
        [clock, self.toasts.next(), history, session].into_iter().flatten().min()
    }

    /// Brings everything that depends on the size or on several parts up to date; before each draw.
    pub(super) fn settle(&mut self, area: Rect, now: Duration) {
        self.area = area;
        self.toasts.expire(now);
        self.session.settle(now);
        self.browser.settle(self.height(Part::Browser));
        self.received.settle(self.height(Part::Received));
        let (sessions, refusals) = (self.height(Part::Sessions), self.height(Part::Refusals));
        self.server.sessions.cursor.settle(self.server.sessions.len(), sessions);
        self.server.refusals.cursor.settle(self.server.refusals.len(), refusals);
        self.history.settle(self.height(Part::History));
        self.card.bill = self.bill();
        self.card.ours = self.link.is_ours();
    }

    /// The part that keys go to, if nothing lies over it.
    pub(super) fn part(&self) -> Part {
        match self.screen {
            Screen::Upload => self.upload_part,
            Screen::Race => Part::Race,
            Screen::Session => self.session_part,
            Screen::Server => self.server_part,
            Screen::History => Part::History,
        }
    }

    pub(super) fn focus(&self, part: Part) -> Focus {
        if self.part() == part && self.overlays.is_empty() { Focus::Here } else { Focus::Elsewhere }
    }

    /// Where the user is, as far as keys are concerned.
    pub(super) fn place(&self) -> Place {
        match self.overlays.last() {
            Some(Overlay::Help(help)) if help.is_typing() => Place::Text,
            Some(Overlay::Help(_)) => Place::Help,
            Some(Overlay::Log) => Place::Log,
            Some(Overlay::Details(_) | Overlay::Lab(_)) => Place::Details,
            Some(Overlay::Connect(dialog)) => dialog.place(),
            Some(Overlay::GoTo(_)) => Place::Text,
            Some(Overlay::Question(question)) => question.place(),
            Some(Overlay::Alarm(_)) => Place::Alarm,
            None => self.base(),
        }
    }

    fn base(&self) -> Place {
        match self.part() {
            Part::Browser if self.browser.is_typing() => Place::Text,
            Part::Browser | Part::Card | Part::Speed => Place::Browser,
            Part::Queue => Place::Queue,
            Part::Received if self.screen == Screen::Upload => Place::Received,
            Part::Race => Place::Race,
            Part::Ladder | Part::Certificate | Part::Wire => Place::Session,
            Part::History if self.history.is_typing() => Place::Text,
            Part::History => Place::History,
            Part::Received | Part::Server | Part::Sessions | Part::Refusals => Place::Server,
        }
    }

    pub(super) fn height(&self, part: Part) -> usize {
        view::height(self, self.area, part)
    }

    // What the user does

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

    /// A paste goes into a text or nowhere: it never presses keys.
    pub(super) fn on_paste(&mut self, text: &str) {
        if let Some(input) = self.input() {
            input.paste(text);
            self.text_changed();
        }
    }

    pub(super) fn on_listing(&mut self, listing: Listing) {
        self.browser.listed(listing);
    }

    /// The history was read.
    pub(super) fn on_answer(&mut self, answer: Answer) {
        self.history.answered(answer);
    }

    /// The lab has played something.
    pub(super) fn on_lab(&mut self, run: u64, news: News) {
        let lab = self.overlays.iter_mut().find_map(|overlay| match overlay {
            Overlay::Lab(lab) => Some(lab),
            _ => None,
        });
        if let Some(lab) = lab {
            lab.told(run, news);
        }
    }

    pub(super) fn on_probe(&mut self, run: u64, news: Probed) {
        let dialog = self.overlays.iter_mut().find_map(|overlay| match overlay {
            Overlay::Connect(dialog) => Some(dialog),
            _ => None,
        });
        if let Some(dialog) = dialog {
            dialog.probed(run, news);
        }
    }

    /// What became due without a key: the open history is older than what happened.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.screen == Screen::History && self.history.ask(now) {
            effects.push(Effect::Recall);
        }
        // Bodies are looked at for nobody but who sees them.
        let wanted = if self.screen == Screen::Session { Depth::Full } else { Depth::Outline };
        if wanted != self.recording {
            self.recording = wanted;
            effects.push(Effect::Send(Command::Record(wanted)));
        }
        effects
    }

    /// Ctrl-C and the end of the program from outside.
    pub(super) fn say(&mut self, tone: Tone, what: String, advice: String, now: Duration) {
        let line = if advice.is_empty() { what.clone() } else { format!("{what} {advice}") };
        self.log.add(self.clock.present(), tone, line);
        self.toasts.say(tone, what, advice, now);
    }

    fn act(&mut self, action: Action, now: Duration) -> Vec<Effect> {
        match action {
            Action::Interrupt => return self.interrupt(now),
            Action::Suspend => return vec![Effect::Suspend],
            Action::Redraw => {
                self.history.outdate();
                return vec![Effect::Redraw, Effect::List(self.browser.refresh())];
            }
            Action::Help => {
                if !matches!(self.overlays.last(), Some(Overlay::Help(_))) {
                    let place = self.place();
                    self.overlays.push(Overlay::Help(Help::new(place)));
                }
                return Vec::new();
            }
            _ => {}
        }
        if self.input().is_some_and(|input| input.edit(action)) {
            self.text_changed();
            return Vec::new();
        }
        if self.overlays.is_empty() {
            self.act_on_screen(action, now)
        } else {
            self.act_on_overlay(action, now)
        }
    }

    fn act_on_screen(&mut self, action: Action, now: Duration) -> Vec<Effect> {
        let part = self.part();
        let page = self.height(part).max(1);
        match action {
            Action::Up => self.step(part, Step::Up(1)),
            Action::Down => self.step(part, Step::Down(1)),
            Action::PageUp => self.step(part, Step::Up(page)),
            Action::PageDown => self.step(part, Step::Down(page)),
            Action::HalfUp => self.step(part, Step::Up(page.div_ceil(2))),
            Action::HalfDown => self.step(part, Step::Down(page.div_ceil(2))),
            Action::First | Action::Top => self.step(part, Step::First),
            Action::Last => self.step(part, Step::Last),
            Action::ShowUpload => self.show(Screen::Upload),
            Action::ShowRace => self.show(Screen::Race),
            Action::ShowSession => self.show(Screen::Session),
            Action::ShowServer => self.show(Screen::Server),
            Action::ShowHistory => self.show(Screen::History),
            Action::NextPane => self.next_part(1),
            Action::PreviousPane => self.next_part(2),
            Action::Zoom if self.screen == Screen::Race => self.race.is_large = !self.race.is_large,
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Log => self.overlays.push(Overlay::Log),
            Action::Connect => self.open_connect(),
            Action::Details => self.open_details(),
            Action::Close => {
                let _ = match self.screen {
                    Screen::History => self.history.drop_filter(),
                    _ => self.browser.drop_filter(),
                } || self.toasts.dismiss();
            }
            Action::Quit if self.is_busy() => self.overlays.push(Overlay::Question(Question::Quit)),
            Action::Quit => return vec![Effect::Quit],
            _ if self.screen == Screen::Race && self.edits_race(action, now) => {}
            Action::NextProtocol => self.card.step(1),
            Action::PreviousProtocol => self.card.step(3),
            Action::Padding => {
                self.card.next_padding();
                self.race.pad(self.card.dialect.padding);
            }
            Action::StartStop => return self.start_or_stop(now),
            Action::StepBack => self.session.go(Step::Up(1)),
            Action::StepOn => self.session.go(Step::Down(1)),
            Action::Play => self.session.play(now),
            Action::ScrubBack => self.session.scrub(false),
            Action::ScrubOn => self.session.scrub(true),
            Action::OtherSession => self.session.other(),
            Action::SaveCapture => return self.save_session(now),
            Action::Lab => return self.open_lab(),
            Action::Report => return self.report_race(now),
            Action::Race => return self.race_under_cursor(now),
            Action::Upload => return self.upload(now),
            Action::Cancel
            | Action::CancelAll
            | Action::EndWait
            | Action::Retry
            | Action::RetryAll
            | Action::Remove => {
                return self.act_on_queue(action);
            }
            Action::Filter | Action::Accept if self.screen == Screen::History => {
                self.history.filter(action == Action::Filter);
            }
            _ => return self.act_on_browser(action, now),
        }
        Vec::new()
    }

    pub(super) fn show(&mut self, screen: Screen) {
        self.screen = screen;
        if screen == Screen::History {
            self.history.outdate();
        }
    }

    fn act_on_browser(&mut self, action: Action, now: Duration) -> Vec<Effect> {
        let browser = &mut self.browser;
        match action {
            Action::Enter => match browser.under() {
                Under::Folder(folder) => return self.open(folder),
                _ => return self.upload(now),
            },
            Action::Open => {
                if let Under::Folder(folder) = browser.under() {
                    return self.open(folder);
                }
            }
            Action::Parent => return browser.parent().map(Effect::List).into_iter().collect(),
            Action::Mark => browser.mark(),
            Action::MarkAll => browser.mark_all(),
            Action::MarkNone => browser.mark_none(),
            Action::Invert => browser.invert(),
            Action::Hidden => browser.toggle_hidden(),
            Action::Sort => browser.next_sort(),
            Action::Filter => browser.type_filter(),
            Action::Accept => browser.keep_filter(),
            Action::GoTo => self.overlays.push(Overlay::GoTo(Input::default())),
            _ => {}
        }
        Vec::new()
    }

    fn act_on_queue(&mut self, action: Action) -> Vec<Effect> {
        let command = match (action, self.queue.under()) {
            (Action::CancelAll, _) if self.is_busy() => Command::CancelAll,
            (Action::RetryAll, _) if self.queue.failed() > 0 => Command::RetryFailed,
            (Action::Cancel, Some(upload)) if !upload.state.is_final() => Command::Cancel(upload.job.id),
            (Action::EndWait, _) if self.queue.is_awaiting_end() => Command::EndWait,
            (Action::Retry, Some(upload)) if matches!(upload.state, State::Failed(_) | State::Cancelled) => {
                Command::Retry(upload.job.id)
            }
            (Action::Remove, Some(upload)) if !upload.is_running() => Command::Remove(upload.job.id),
            _ => return Vec::new(),
        };
        vec![Effect::Send(command)]
    }

    fn interrupt(&mut self, now: Duration) -> Vec<Effect> {
        if !self.is_busy() || self.interrupted {
            return vec![Effect::Quit];
        }
        self.interrupted = true;
        self.say(Tone::Warn, text::CANCELLED.to_owned(), String::new(), now);
        vec![Effect::Send(Command::CancelAll)]
    }

    // Small moves

    pub(super) fn open(&mut self, folder: PathBuf) -> Vec<Effect> {
        // `..` leads up as h does, with the cursor on the folder that was left.
        if Some(folder.as_path()) == self.browser.folder().parent() {
            return self.browser.parent().map(Effect::List).into_iter().collect();
        }
        vec![Effect::List(self.browser.visit(folder))]
    }

    pub(super) fn step(&mut self, part: Part, step: Step) {
        match part {
            Part::Browser => self.browser.go(step),
            Part::Queue => self.queue.go(step),
            Part::Received => self.received.go(step),
            Part::Sessions => self.server.sessions.go(step),
            Part::Refusals => self.server.refusals.go(step),
            Part::History => self.history.go(step),
            Part::Ladder | Part::Certificate | Part::Wire => self.session.go(step),
            Part::Race => match step {
                Step::Up(by) => self.race.previous_lane(by),
                Step::Down(by) => self.race.next_lane(by),
                _ => {}
            },
            Part::Card | Part::Speed | Part::Server => {}
        }
    }

    fn next_part(&mut self, by: usize) {
        if self.screen == Screen::Race {
            // Backwards through two is forwards through one.
            if by == 1 {
                self.race.next_lane(1);
            } else {
                self.race.previous_lane(1);
            }
            return;
        }
        let ring = view::ring(self.screen);
        let at = ring.iter().position(|part| *part == self.part()).unwrap_or(0);
        self.focus_on(ring[(at + by) % ring.len()]);
    }

    pub(super) fn focus_on(&mut self, part: Part) {
        if !view::ring(self.screen).contains(&part) {
            return;
        }
        self.browser.keep_filter();
        self.history.filter(false);
        match self.screen {
            Screen::Upload => self.upload_part = part,
            Screen::Server => self.server_part = part,
            Screen::Session => self.session_part = part,
            Screen::Race | Screen::History => {}
        }
    }

    /// The text that is typed at the moment.
    fn input(&mut self) -> Option<&mut Input> {
        let part = self.part();
        match self.overlays.last_mut() {
            Some(Overlay::Help(help)) => help.input(),
            Some(Overlay::Connect(dialog)) => dialog.input(),
            Some(Overlay::GoTo(input)) => Some(input),
            None if part == Part::Browser => self.browser.input(),
            None if part == Part::History => self.history.input(),
            Some(_) | None => None,
        }
    }

    fn text_changed(&mut self) {
        match self.part() {
            _ if !self.overlays.is_empty() => {}
            Part::History => self.history.filtered(),
            _ => self.browser.filtered(),
        }
    }
}

/// The path without `.` and `..`, by its words alone: going up means dropping the last folder.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_up_by_its_words() {
        assert_eq!(tidy(Path::new("/a/b/../c/./d")), Path::new("/a/c/d"));
        assert_eq!(tidy(Path::new("/..")), Path::new("/"));
    }
}
