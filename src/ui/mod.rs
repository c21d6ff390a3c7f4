//! The terminal front end.
//!
//! ```text
//!  input, signals, listings ──▶ sources ─▶┐
//!                                         │ run loop ──▶ app ──▶ screens, overlays     state changes
//!  transfer threads ── Event ───────────▶ ┘    │          │
//!                   ◀─ Command ───────────────────────────┘
//!                                              └──▶ app ──▶ screens ──▶ widgets       pictures
//! ```
//!
//! The `keymap` turns a key into an action, and the action changes the state of a screen or an overlay. What cannot
//! be done there (send a command, read a folder, quit) comes back as an effect, which the loop below carries out. A
//! picture depends only on the state and the time: no widget can reach a disk, a clock or a channel.
//!
//! - `app`: the whole state, and which part of it a key, a click or an event is for.
//! - `screen`: the five screens. Each implements the trait `Screen`; `screens` is the list of them.
//! - `overlay`: dialogs, questions, the help, warnings.
//! - `shared`: what several screens show or change; `effect`: what they ask of each other and of the loop below.
//! - `layout`: geometry and focus; `chrome`: header and footer; `widgets`: lists, bars, charts, text input.
//! - `keymap`, `theme`, `text`, `fit`: keys, styles, sentences, fitting text into columns. `remap` and `palette` read the
//!   user's own keys and theme.
//! - `disk`, `listing`, `preview`: threads that read folders and files, and what they find; `recent` is kept.
//! - `sources`, `terminal`: what wakes the loop, and what it draws on.
//!
//! At most 20 pictures a second are drawn while something moves and 60 otherwise; none while nothing changes.

mod ambiguous;
mod app;
mod capture;
mod chrome;
mod clipboard;
mod desktop;
mod disk;
mod effect;
mod fit;
mod keymap;
mod layout;
mod link;
mod listing;
mod overlay;
mod own_server;
mod page;
mod palette;
mod preview;
mod privacy;
mod recent;
mod recording;
mod remap;
mod screen;
mod shared;
mod sources;
mod terminal;
mod text;
mod theme;
mod widgets;

#[cfg(test)]
mod tests;

use std::env;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{self, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, never, select};
use crossterm::event::Event as Input;
use ratatui::layout::Rect;

use self::app::App;
use self::effect::Effect;
use self::link::Link;
pub(crate) use self::link::Peer;
use self::listing::Clock;
use self::palette::{Depth, Palette, THEMES};
pub(crate) use self::remap::{Rebind, print as print_keys, use_keys};
use self::screen::Start;
use self::sources::{Call, Sources};
use self::terminal::Screen;
pub(crate) use self::theme::Glyphs;
use self::theme::{Look, Theme};
use self::widgets::log::Tone;
use crate::event::{Command, Dialect, Event, ServerAddress, Target};
use crate::messages::Summary;
use crate::report::Labels;
use crate::transfer;
use crate::trust::known::KnownServers;

/// Shortest time between two pictures while something moves.
const WHILE_MOVING: Duration = Duration::from_millis(50);
/// Shortest time between two pictures otherwise.
const AT_REST: Duration = Duration::from_millis(16);
/// Longest wait for this process's own stop request to arrive as a signal.
const ECHO: Duration = Duration::from_secs(1);
/// Longest wait for the transfer threads to end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Largest number of events taken before a picture is drawn, so that a flood of them cannot stop the screen.
const BATCH: usize = 20_000;

/// Options that the screen starts with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Folder that the browser shows first.
    pub folder: PathBuf,
    /// Whether this program is `serve --ui`: it begins with the server's screen.
    pub is_serving: bool,
    /// Server of uploads.
    pub target: Target,
    /// Dialect of uploads.
    pub dialect: Dialect,
    /// CA file that the connect dialog offers.
    pub ca: Option<PathBuf>,
    /// Presets that the connect dialog offers, in this order.
    pub peers: Vec<Peer>,
    /// Known servers, for a probe.
    pub known: KnownServers,
    /// History database; `None` if there is no place for one.
    pub history: Option<PathBuf>,
    /// File of the latest folders and servers; `None` if there is no place for one.
    pub recent: Option<PathBuf>,
    /// Folder of the identity with which this computer shares; `None` if there is no place for one.
    pub share: Option<PathBuf>,
    /// Folder that sessions are saved in.
    pub captures: PathBuf,
    /// Whether sessions are saved with the first bytes of files.
    pub with_plaintext: bool,
    /// Texts on the reports of races.
    pub labels: Labels,
    /// Colours, glyphs and mouse.
    pub look: Appearance,
}

/// How the screen looks; `None` means that the environment and the terminal decide.
#[derive(Debug, Clone, Default)]
pub(crate) struct Appearance {
    /// Whether colours are used.
    pub colour: Option<bool>,
    /// Glyphs that are drawn.
    pub glyphs: Option<Glyphs>,
    /// Name of a built-in theme, or path of a theme's file; `None` for `dark`.
    pub theme: Option<String>,
    /// Whether the program gets the mouse.
    pub mouse: bool,
}

/// Error that ends the screen, or keeps it from being shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UiError {
    /// Standard output is not a terminal.
    #[error("standard output is not a terminal")]
    NotATerminal,
    /// The terminal cannot move its cursor.
    #[error("the terminal cannot show a full screen (TERM=dumb)")]
    Dumb,
    /// The theme cannot be read.
    #[error("{0}")]
    Theme(String),
    /// A terminal operation failed.
    #[error("terminal error: {0}")]
    Terminal(#[from] io::Error),
    /// The first folder has no absolute path, because the working directory is gone.
    #[error("cannot find the folder {folder}: {error}", folder = folder.display())]
    Folder {
        /// Folder as given.
        folder: PathBuf,
        /// Cause of the failure.
        error: io::Error,
    },
}

impl UiError {
    /// Returns whether a full screen is not possible here.
    pub(crate) const fn is_no_screen(&self) -> bool {
        matches!(self, Self::NotATerminal | Self::Dumb)
    }
}

/// Checks that a full screen is possible here.
///
/// # Errors
/// [`UiError::NotATerminal`] or [`UiError::Dumb`].
pub(crate) fn check_terminal() -> Result<(), UiError> {
    if !Screen::is_possible() {
        return Err(UiError::NotATerminal);
    }
    if variable("TERM").as_deref() == Some("dumb") {
        return Err(UiError::Dumb);
    }
    Ok(())
}

/// Shows the screen until the user quits. Returns after the terminal is restored and the transfer threads have
/// ended, or after two seconds if they have not: what became of the uploads, if there were any.
pub(crate) fn run(
    options: &Options,
    commands: &Sender<Command>,
    events: &Receiver<Event>,
) -> Result<Option<Summary>, UiError> {
    let mut result = show(options, commands, events);
    let unread = result.as_ref().map_or_else(|_| Vec::new(), |(app, _)| app.screens.upload.unread());
    // The terminal is restored. Even after an error the transfers must end in order.
    if commands.send(Command::Shutdown).is_ok() {
        let deadline = Instant::now() + LAST_WORDS;
        while let Ok(event) = events.recv_deadline(deadline) {
            if event == Event::Ended {
                break;
            }
            if let Ok((app, began)) = &mut result {
                app.on_event(&event, began.elapsed());
            }
        }
    }
    let (app, began) = result?;
    Ok(app.screens.upload.summary(began.elapsed()).map(|summary| Summary { unread, ..summary }))
}

/// Shows the screen; returns its last state, and when it began.
fn show(
    options: &Options,
    commands: &Sender<Command>,
    events: &Receiver<Event>,
) -> Result<(App, Instant), UiError> {
    check_terminal()?;
    let mut look = Look { theme: theme(&options.look)?, glyphs: options.look.glyphs.unwrap_or_else(glyphs) };
    let folder = path::absolute(&options.folder)
        .map_err(|error| UiError::Folder { folder: options.folder.clone(), error })?;
    let clock = Clock::system();
    let link = Link::new(options.target.clone(), options.ca.clone(), options.peers.clone());
    let home = env::home_dir().filter(|home| home.is_absolute());
    let start = Start {
        folder: &folder,
        home,
        target: &options.target,
        is_serving: options.is_serving,
        dialect: options.dialect,
        with_plaintext: options.with_plaintext,
    };
    let mut app = App::new(&start, link, clock.clone());
    app.shared.glyphs = look.glyphs;
    if let Some(path) = &options.recent {
        app.shared.recall(path);
    }
    // The sources are dropped before the terminal is given back, so that they do not swallow keys that follow.
    let mut screen = Screen::open(options.look.mouse)?;
    // The first picture is drawn while the terminal answers. The sources read its input only after that.
    if options.look.glyphs.is_none() && look.glyphs == Glyphs::Unicode {
        ambiguous::ask()?;
        draw(&mut app, &mut screen, look, Duration::ZERO)?;
        if ambiguous::is_wide() {
            look.glyphs = Glyphs::Narrow;
            screen.clear()?;
        }
    }
    let sources = Sources::start(clock, options.history.clone(), options.known.clone())?;
    let captures = options.captures.clone();
    let mut run = Loop {
        app,
        look,
        screen,
        sources,
        captures,
        labels: options.labels.clone(),
        share: options.share.clone(),
        commands,
        events: events.clone(),
        began: Instant::now(),
    };
    let end = run.run();
    if let Some(path) = &options.recent {
        // The screen is being closed: there is no place for a message, and nothing else depends on the file.
        let _ = run.app.shared.recent.write(path);
    }
    let Loop { app, began, .. } = run;
    end.map(|()| (app, began))
}

/// Returns a variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns whether colours are used: by the flag, `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, in this order.
fn colours(asked: Option<bool>, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_zero = |name| variable(name).map(|value| value == "0");
    asked.unwrap_or_else(|| match (variable("NO_COLOR"), is_zero("CLICOLOR_FORCE"), is_zero("CLICOLOR")) {
        (Some(_), _, _) => false,
        (None, Some(false), _) => true,
        (None, _, is_off) => is_off != Some(true),
    })
}

/// Returns how many colours the terminal shows, as `COLORTERM` and `TERM` say.
fn depth(variable: impl Fn(&str) -> Option<String>) -> Depth {
    let (term, colour) = (variable("TERM").unwrap_or_default(), variable("COLORTERM").unwrap_or_default());
    let is_one_of = |names: &[&str]| names.iter().any(|name| term.contains(name));
    if matches!(colour.as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
        Depth::True
    } else if is_one_of(&["256color", "kitty", "alacritty", "foot", "ghostty", "wezterm"]) {
        Depth::Many
    } else {
        Depth::Sixteen
    }
}

/// Returns the theme, fitted to the terminal.
fn theme(look: &Appearance) -> Result<Theme, UiError> {
    if !colours(look.colour, variable) {
        return Ok(Theme::without_colours());
    }
    let name = look.theme.as_deref().unwrap_or("dark");
    if name == "no-colour" {
        return Ok(Theme::without_colours());
    }
    let wrong =
        |what: String, help: String| UiError::Theme(format!("theme {}: {what}; {help}", fit::escaped(name)));
    let palette = match Palette::named(name) {
        Some(palette) => palette,
        None if path::Path::new(name).extension().is_some_and(|end| end == "toml") => {
            let text = fs::read_to_string(name)
                .map_err(|why| wrong("cannot be read".to_owned(), why.to_string()))?;
            Palette::read(&text).map_err(|(what, help)| wrong(what, help))?
        }
        None => {
            let known = palette::known(name, THEMES.iter().map(|(name, _)| *name));
            return Err(wrong("unknown".to_owned(), format!("{known}, or a file that ends in .toml")));
        }
    };
    Ok(Theme::of(palette, depth(variable)))
}

/// Returns what the locale and the terminal can show.
fn glyphs() -> Glyphs {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default().to_lowercase();
    let is_console = variable("TERM").is_some_and(|term| term == "linux");
    let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
    if is_console || !is_utf8 { Glyphs::Ascii } else { Glyphs::Unicode }
}

/// Decision of the loop after each input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Go,
    Quit,
}

struct Loop<'a> {
    app: App,
    look: Look,
    sources: Sources,
    screen: Screen,
    captures: PathBuf,
    /// Texts on the reports of races.
    labels: Labels,
    /// Folder of the identity for sharing.
    share: Option<PathBuf>,
    commands: &'a Sender<Command>,
    events: Receiver<Event>,
    began: Instant,
}

impl Loop<'_> {
    fn run(&mut self) -> Result<(), UiError> {
        let first = self.app.start();
        if self.carry_out(first)? == Next::Quit {
            return Ok(());
        }
        self.draw()?;
        let mut drawn = Instant::now();
        let mut changed = false;
        loop {
            let pause = if self.app.is_moving() { WHILE_MOVING } else { AT_REST };
            let now = self.began.elapsed();
            let deadline = if changed {
                Some(drawn + pause)
            } else {
                self.app.next_change(now).map(|at| self.began + at)
            };
            // One wait for all sources. What else has arrived is taken by `drain`.
            match self.wait(deadline)? {
                Some(Next::Quit) => return Ok(()),
                // `None`: a clock on the screen moved.
                Some(Next::Go) | None => changed = true,
            }
            if self.drain()? == Next::Quit {
                return Ok(());
            }
            if changed && drawn.elapsed() >= pause {
                self.draw()?;
                drawn = Instant::now();
                changed = false;
            }
        }
    }

    /// Waits for the first thing to happen and handles it. `None` if the deadline came first.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<Option<Next>, UiError> {
        let late = deadline.map_or_else(never, crossbeam_channel::at);
        let next = select! {
            recv(self.sources.input) -> input => match input {
                Ok(input) => self.on_input(input)?,
                // The terminal is gone.
                Err(_) => Next::Quit,
            },
            recv(self.sources.calls) -> call => match call {
                Ok(call) => self.on_call(call)?,
                Err(_) => Next::Quit,
            },
            recv(self.sources.disk.found) -> found => {
                match found {
                    Ok(found) => {
                        let effects = self.app.on_found(found, self.began.elapsed());
                        self.carry_out(effects)?
                    }
                    Err(_) => Next::Go,
                }
            },
            recv(self.sources.answers) -> answer => {
                if let Ok(answer) = answer {
                    self.app.screens.history.answered(answer);
                }
                Next::Go
            },
            recv(self.sources.plays) -> play => {
                if let Ok((run, news)) = play {
                    self.app.overlays.on_lab(run, news);
                }
                Next::Go
            },
            recv(self.sources.probes) -> probed => {
                if let Ok((run, news)) = probed {
                    self.app.overlays.on_probe(run, news);
                }
                Next::Go
            },
            recv(self.events) -> event => {
                match event {
                    Ok(event) => self.app.on_event(&event, self.began.elapsed()),
                    Err(_) => self.worker_is_gone(),
                }
                Next::Go
            },
            recv(late) -> _ => return Ok(None),
        };
        Ok(Some(next))
    }

    /// Handles what else has arrived, so that ten thousand events are one picture.
    fn drain(&mut self) -> Result<Next, UiError> {
        while let Ok(input) = self.sources.input.try_recv() {
            if self.on_input(input)? == Next::Quit {
                return Ok(Next::Quit);
            }
        }
        let now = self.began.elapsed();
        for event in self.events.try_iter().take(BATCH) {
            self.app.on_event(&event, now);
        }
        let due = self.app.due(self.began.elapsed());
        self.carry_out(due)
    }

    fn on_input(&mut self, input: Input) -> Result<Next, UiError> {
        let effects = match input {
            Input::Key(key) => self.app.on_key(key, self.began.elapsed()),
            Input::Mouse(mouse) => self.app.on_mouse(mouse, self.began.elapsed()),
            Input::Paste(text) => {
                self.app.on_paste(&text);
                Vec::new()
            }
            Input::Resize(..) | Input::FocusGained | Input::FocusLost => Vec::new(),
        };
        self.carry_out(effects)
    }

    fn on_call(&mut self, call: Call) -> Result<Next, UiError> {
        match call {
            Call::Quit => return Ok(Next::Quit),
            Call::Suspend => self.screen.suspend()?,
            Call::Continue => self.screen.reclaim()?,
            Call::Resize => {}
        }
        Ok(Next::Go)
    }

    /// Stops the whole job, once this process has received its own stop request. If it were stopped before that,
    /// the pending signal would be discarded on return, or would stop it a second time.
    fn suspend_job(&mut self) -> Result<Next, UiError> {
        terminal::ask_job_to_stop()?;
        loop {
            match self.sources.calls.recv_timeout(ECHO) {
                Ok(Call::Suspend) => self.screen.suspend()?,
                Ok(Call::Resize) => continue,
                Ok(Call::Quit) | Err(RecvTimeoutError::Disconnected) => return Ok(Next::Quit),
                // The process was continued already.
                Ok(Call::Continue) | Err(RecvTimeoutError::Timeout) => self.screen.reclaim()?,
            }
            return Ok(Next::Go);
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<Next, UiError> {
        for effect in effects {
            match effect {
                Effect::Send(command) => {
                    if self.commands.send(command).is_err() {
                        self.worker_is_gone();
                    }
                }
                Effect::List(request) => self.sources.disk.list(request)?,
                Effect::Preview(path) => self.sources.disk.preview(path)?,
                Effect::Complete(folder) => self.sources.disk.complete(folder)?,
                Effect::CheckCa(path) => self.sources.disk.check_ca(path)?,
                Effect::Recall => self.sources.recall()?,
                Effect::Save(capture) => {
                    let saved = capture.write(&self.captures);
                    self.app.shared.saved(&capture, saved, self.began.elapsed());
                }
                Effect::Report(page) => {
                    let written = page.write(self.labels.clone());
                    self.app.shared.reported(written, self.began.elapsed());
                }
                Effect::PlayLab(run) => self.sources.play_lab(run)?,
                Effect::StopLab => self.sources.stop_lab(),
                Effect::Probe(run, target) => self.sources.probe(run, target)?,
                Effect::StopProbe => self.sources.stop_probe(),
                Effect::Suspend => {
                    if self.suspend_job()? == Next::Quit {
                        return Ok(Next::Quit);
                    }
                }
                Effect::Redraw => self.screen.clear()?,
                Effect::AskShare => {
                    let port = ServerAddress::DEFAULT_PORT;
                    let doors = transfer::doors(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
                    self.app.ask_share(&doors, self.share.clone(), self.began.elapsed());
                }
                Effect::OpenFolder(folder) => self.open_folder(&folder)?,
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Mouse => {
                    let words =
                        if self.screen.toggle_mouse()? { text::MOUSE_OURS } else { text::MOUSE_THEIRS };
                    self.app.shared.say(Tone::Plain, words.to_owned(), String::new(), self.began.elapsed());
                }
                Effect::Quit => return Ok(Next::Quit),
            }
        }
        Ok(Next::Go)
    }

    /// Opens a folder in the file manager, or says where it is and copies its path.
    fn open_folder(&mut self, folder: &path::Path) -> Result<(), UiError> {
        let folder = path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let shown = fit::path(&folder, self.app.shared.home.as_deref());
        let opened = desktop::open(&folder);
        let now = self.began.elapsed();
        if opened.unwrap_or(false) {
            self.app.shared.say(Tone::Plain, text::opening(&shown), String::new(), now);
            return Ok(());
        }
        self.screen.copy(&folder.to_string_lossy())?;
        self.app.shared.say(Tone::Plain, text::no_desktop(&shown), String::new(), now);
        Ok(())
    }

    /// Reports that the transfer threads have ended, and stops listening to them.
    fn worker_is_gone(&mut self) {
        self.events = never();
        self.app.shared.lost(self.began.elapsed());
    }

    fn draw(&mut self) -> Result<(), UiError> {
        draw(&mut self.app, &mut self.screen, self.look, self.began.elapsed())
    }
}

fn draw(app: &mut App, screen: &mut Screen, look: Look, now: Duration) -> Result<(), UiError> {
    let size = screen.size()?;
    app.settle(Rect::new(0, 0, size.width, size.height), now);
    screen.draw(|area, buf| app.draw(look, now, area, buf))?;
    Ok(())
}

#[cfg(test)]
mod environment {
    use super::*;

    #[test]
    fn flags_and_variables_decide_about_colours() {
        let with = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
        };
        assert!(colours(None, with(&[])));
        assert!(!colours(None, with(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")])));
        assert!(!colours(None, with(&[("CLICOLOR", "0")])));
        assert!(colours(None, with(&[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")])));
        assert!(colours(Some(true), with(&[("NO_COLOR", "1")])));
        assert!(!colours(Some(false), with(&[])));
        for (term, colour, expected) in [
            ("xterm", "", Depth::Sixteen),
            ("linux", "", Depth::Sixteen),
            ("xterm-256color", "", Depth::Many),
            ("xterm-256color", "truecolor", Depth::True),
            ("xterm-kitty", "", Depth::Many),
        ] {
            let found = depth(|name| Some(if name == "TERM" { term } else { colour }.to_owned()));
            assert_eq!(found, expected, "{term} {colour}");
        }
    }
}
