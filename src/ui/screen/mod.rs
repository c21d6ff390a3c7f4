//! The screens. Each has a file or folder with its state, its panes, its actions and its drawing.
//!
//! A new screen is a module that implements [`Screen`], and its line in the list of [`Screens`]. (The list could declare
//! the modules too, but rustfmt does not format files that only a macro declares.)

pub(super) mod history;
mod race;
mod screens;
pub(super) mod server;
mod session;
pub(super) mod upload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::effect::{Effect, Request};
use super::keymap::{Action, Place};
use super::layout::{PaneId, Plan, Ring};
use super::overlay::connect::Connect;
use super::overlay::{Overlay, Overlays};
use super::shared::Shared;
use super::theme::{Focus, Theme};
use super::widgets::Pane;
use super::widgets::input::Input;
use super::widgets::list::{Facts, Step};
use super::widgets::log::Tone;
use crate::event::{Command, Dialect, Event, Target, Track};

/// Declares [`Screens`] from one line for each screen, in the order of the tabs.
macro_rules! screens {
    ($($module:ident: $screen:ident, $tab:literal;)+) => {
        /// All screens, in the order of the tabs.
        #[derive(Debug)]
        pub(in crate::ui) struct Screens {
            $(pub(in crate::ui) $module: $module::$screen,)+
            /// Index of the open screen.
            open: usize,
            /// Whether the focused pane takes the whole body.
            is_zoomed: bool,
        }

        impl Screens {
            /// Names of the screens, as the tabs show them.
            const NAMES: [&str; [$($tab),+].len()] = [$($tab),+];

            pub(in crate::ui) fn new(start: &Start<'_>) -> Self {
                Self { $($module: $module::$screen::new(start),)+ open: screens::first(start), is_zoomed: false }
            }

            fn all(&self) -> [&dyn Screen; Self::NAMES.len()] {
                [$(&self.$module),+]
            }

            fn all_mut(&mut self) -> [&mut dyn Screen; Self::NAMES.len()] {
                [$(&mut self.$module),+]
            }
        }
    };
}

screens! {
    upload: Upload, "Upload";
    race: Race, "Race";
    session: Session, "Session";
    server: Server, "Server";
    history: History, "History";
}

/// Arguments that all screens are created with.
#[derive(Debug)]
pub(super) struct Start<'a> {
    /// Folder of the browser, absolute.
    pub(super) folder: &'a Path,
    pub(super) home: Option<PathBuf>,
    /// Server of uploads.
    pub(super) target: &'a Target,
    /// Whether this program is `serve --ui`.
    pub(super) is_serving: bool,
    pub(super) dialect: Dialect,
    /// Whether sessions are saved with the first bytes of files.
    pub(super) with_plaintext: bool,
}

impl Start<'_> {
    /// Returns whether this program has a server: with `--to` it has none.
    pub(super) fn has_server(&self) -> bool {
        *self.target == Target::Embedded
    }
}

/// Everything that an action can use besides its screen.
pub(super) struct ActionContext<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) overlays: &'a mut Overlays,
    /// Time since the program began.
    pub(super) now: Duration,
    /// Whether a transfer of any screen waits or runs.
    pub(super) is_busy: bool,
    /// Requests of the action to the application.
    pub(super) requests: Vec<Request>,
}

impl ActionContext<'_> {
    pub(super) fn ask(&mut self, request: Request) {
        self.requests.push(request);
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.ask(Request::Effect(effect));
    }

    pub(super) fn send(&mut self, command: Command) {
        self.effect(Effect::Send(command));
    }

    pub(super) fn open(&mut self, overlay: Overlay) {
        self.overlays.open(overlay);
    }

    /// Shows a message without advice.
    pub(super) fn say(&mut self, what: &str) {
        self.shared.say(Tone::Plain, what.to_owned(), String::new(), self.now);
    }
}

/// Everything that drawing a pane needs besides the pane's state.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) shared: &'a Shared,
    pub(super) theme: Theme,
    /// Time since the program began.
    pub(super) now: Duration,
    pub(super) focus: Focus,
}

impl View<'_> {
    pub(super) const fn pane<'a, T>(&self, of: &'a T) -> Pane<'a, T> {
        Pane { of, theme: self.theme, focus: self.focus, now: self.now }
    }
}

/// A screen: panes of which one has the focus, what keys do there, and what events change.
///
/// Most methods have a default for a screen that has no text to type, no list, or no transfers.
pub(super) trait Screen {
    // Panes

    /// Returns the panes that can have the focus.
    fn ring(&self) -> &Ring;

    fn ring_mut(&mut self) -> &mut Ring;

    /// Returns the panes and their areas.
    fn plan(&self, body: Rect, shared: &Shared) -> Plan;

    /// Returns the panes and their areas while the focused pane takes the whole body.
    fn zoomed(&self, body: Rect) -> Plan {
        Plan::alone(self.ring().pane(), body)
    }

    /// Returns whether messages are a line at the bottom, because nothing on the screen may be covered. Then the screen's
    /// plan leaves the last row free while there is a message.
    fn has_message_line(&self) -> bool {
        false
    }

    /// Returns whether the focused pane can take the whole body.
    fn can_zoom(&self) -> bool {
        true
    }

    /// Returns the number of rows that a pane has for its list.
    fn height(&self, pane: PaneId, plan: &Plan) -> usize {
        plan.rows(pane)
    }

    /// Draws a pane.
    fn draw(&self, view: View<'_>, pane: PaneId, area: Rect, buf: &mut Buffer);

    /// Returns what the header shows instead of the server's address.
    fn subject(&self) -> Option<String> {
        None
    }

    // Keys

    /// Returns which keys have a meaning now.
    fn place(&self) -> Place;

    /// Carries out an action; `false` if it is not one of this screen's.
    fn act(&mut self, action: Action, cx: &mut ActionContext<'_>) -> bool;

    /// Moves the cursor of a pane.
    fn step(&mut self, _pane: PaneId, _step: Step, _shared: &mut Shared) {}

    /// Returns the index of what is drawn in this row of a pane.
    fn row_at(&self, _pane: PaneId, _row: usize, _plan: &Plan, _shared: &Shared) -> Option<usize> {
        None
    }

    /// Handles a click on what a pane in `area` offers besides rows.
    fn press(&mut self, _pane: PaneId, _area: Rect, _at: Position, _shared: &mut Shared) {}

    /// Returns the text that is being typed.
    fn input<'a>(&'a mut self, _shared: &'a mut Shared) -> Option<&'a mut Input> {
        None
    }

    /// Handles a change of the typed text.
    fn text_changed(&mut self, _shared: &mut Shared) {}

    /// Ends the typing of a filter and keeps it.
    fn keep_filter(&mut self, _shared: &mut Shared) {}

    /// Removes the filter; returns whether there was one.
    fn drop_filter(&mut self, _shared: &mut Shared) -> bool {
        false
    }

    /// Returns everything about the row under the cursor.
    fn details(&self, _shared: &Shared) -> Option<Facts> {
        None
    }

    /// Returns what `y` copies, and its name: of the row under the cursor, the receipt's path or the digest.
    fn copied(&self, shared: &Shared) -> Option<(&'static str, String)> {
        let (_, facts) = self.details(shared)?;
        let known = |name: &str| facts.iter().find(|(label, value)| *label == name && value != "—").cloned();
        ["receipt", "sha256", "local file"].into_iter().find_map(known)
    }

    /// Returns the dialog that chooses a server.
    fn connect(&self, shared: &Shared) -> Option<Connect> {
        let link = &shared.link;
        Some(Connect::new(
            None,
            &link.target,
            shared.dialect,
            link.ca.as_deref(),
            &shared.peers(&link.target),
        ))
    }

    // Time and events

    /// Returns the effects that the program begins with.
    fn start(&mut self) -> Vec<Effect> {
        Vec::new()
    }

    /// Returns the effects that read everything again.
    fn reread(&mut self) -> Vec<Effect> {
        Vec::new()
    }

    /// Handles the opening of the screen.
    fn opened(&mut self) {}

    /// Returns the effects that have become due without a key.
    fn due(&mut self, _is_open: bool, _now: Duration) -> Vec<Effect> {
        Vec::new()
    }

    /// Returns when the open screen changes by itself.
    fn next_change(&self) -> Option<Duration> {
        None
    }

    /// Brings up to date what depends on the time.
    fn tick(&mut self, _now: Duration) {}

    /// Brings up to date what depends on the size, while the screen is open.
    fn settle(&mut self, _plan: &Plan, _shared: &mut Shared) {}

    /// Takes what an event reports.
    fn on_event(&mut self, _event: &Event, _shared: &mut Shared, _overlays: &Overlays, _now: Duration) {}

    /// Returns where a transfer of this screen goes.
    fn target(&self, _track: Track) -> Option<&Target> {
        None
    }

    /// Returns whether a transfer waits or runs, so that quitting would cancel it.
    fn is_busy(&self) -> bool {
        false
    }

    /// Returns whether a transfer runs.
    fn is_moving(&self) -> bool {
        false
    }

    /// Returns whether a clock is on the screen.
    fn is_timed(&self) -> bool {
        false
    }
}
