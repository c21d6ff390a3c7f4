//! One table of (context, keys, action, description). Dispatch, footer and help are all derived from it.
//!
//! [`Place::stack`] is the one definition of which contexts are active together, the innermost first. A test walks
//! every stack and fails on a key that two of its contexts bind.

use std::fmt;
use std::sync::OnceLock;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Declares the actions and the list of all of them, which the tests compare with the table.
macro_rules! actions {
    ($($name:ident),+ $(,)?) => {
        /// Action that a key asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
        #[strum(serialize_all = "kebab-case")]
        pub(super) enum Action {
            /// Show a screen, by its number from 1; 0 in the table, for the digit of the key.
            Show(u8),
            /// Go to one of the latest folders, by its number from 1.
            Recent(u8),
            $($name),+
        }

        impl Action {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

actions! {
    NextPane, PreviousPane, Zoom, Log, Connect, Help, Close, Quit,
    Interrupt, Suspend, Redraw, Mouse, Copy,
    Up, Down, PageUp, PageDown, First, Last, HalfUp, HalfDown, Top, Details,
    Parent, Open, Mark, MarkAll, MarkNone, Invert, Hidden, Sort, Preview, Filter, GoTo, TypePath, TypeRoot, TypeHome, Complete, Upload, Enter, Race,
    NextProtocol, PreviousProtocol, Padding,
    Cancel, CancelAll, EndWait, Retry, RetryAll, Remove, RemoveFinished, MoveUp, MoveDown,
    Slower, Faster, Pause, PauseQueue, FewerJobs, MoreJobs,
    StartStop, Size, Course, Laps, AddLane, RemoveLane, Bits, Scale, Freeze, UseFile, Report,
    StepBack, StepOn, Play, ScrubBack, ScrubOn, SaveCapture, OtherSession, Lab,
    Accept, Left, Right, LineStart, LineEnd, KillStart, KillWord, KillEnd, Backspace, Delete,
    NextField, PreviousField, Probe, Choose, ChoosePrevious,
    Yes, No, UseCp2, SendThere, AcceptKey,
    OpenFolder, Accepted, Restart, Share, Privacy,
}

impl Action {
    /// Returns whether the action can make bytes of a file leave this computer.
    #[cfg(test)]
    const fn sends(self) -> bool {
        matches!(
            self,
            Self::Upload
                | Self::Enter
                | Self::Race
                | Self::StartStop
                | Self::UseFile
                | Self::Retry
                | Self::RetryAll
                | Self::SendThere
        )
    }
}

/// Context in which a key has its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Context {
    /// Everywhere, even while text is typed.
    Always,
    Everywhere,
    /// Any list with a cursor.
    List,
    /// List other than the browser.
    Table,
    Browser,
    /// Any pane of the upload screen.
    Upload,
    Queue,
    /// Race, before it, during it and after it.
    Race,
    /// Race that does not run and can be changed.
    RaceSetup,
    /// Race that runs.
    Racing,
    /// Wherever a server can be chosen.
    Server,
    Session,
    /// Files that this computer received.
    Received,
    /// Any pane of the server screen.
    Hosting,
    History,
    /// Anything that lies over a screen.
    Overlay,
    /// Text that can be scrolled.
    Scroll,
    Filterable,
    Text,
    Form,
    Choice,
    /// List of choices that are turned on and off.
    Ticks,
    /// Links for other computers.
    Sharing,
    /// Keys that go to a folder.
    Jump,
    /// Path that is typed and completed.
    Path,
    Question,
    Expensive,
    /// Question about a lane that would send the file unencrypted.
    Open,
    /// Question about a server that was never met.
    Newcomer,
    /// Warning that a server's key has changed.
    Alarm,
}

/// Place of the user, as far as keys are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Browser,
    Queue,
    /// Received files on the upload screen.
    Received,
    /// Race that does not run.
    Race,
    /// Race that runs.
    Racing,
    /// Any pane of the session screen.
    Session,
    /// Any list of the server screen.
    Server,
    /// The server screen of a program without a server.
    NoServer,
    /// List of the history screen.
    History,
    /// Single line of text: filter, go to.
    Text,
    /// Text field of the connect dialog.
    Field,
    /// Choice field of the connect dialog.
    ChoiceField,
    /// Dialog that goes to a folder, before a path is typed.
    Jump,
    /// Path that is typed in that dialog.
    Path,
    /// Dialog that chooses what the server accepts.
    Accept,
    /// Links for other computers.
    Sharing,
    Help,
    Log,
    Details,
    Question,
    Expensive,
    ExpensiveRace,
    OpenRace,
    Newcomer,
    Alarm,
}

impl Place {
    pub(super) const ALL: [Self; 25] = [
        Self::Browser,
        Self::Queue,
        Self::Received,
        Self::Race,
        Self::Racing,
        Self::Session,
        Self::Server,
        Self::NoServer,
        Self::History,
        Self::Text,
        Self::Field,
        Self::ChoiceField,
        Self::Jump,
        Self::Path,
        Self::Accept,
        Self::Sharing,
        Self::Help,
        Self::Log,
        Self::Details,
        Self::Question,
        Self::Expensive,
        Self::ExpensiveRace,
        Self::OpenRace,
        Self::Newcomer,
        Self::Alarm,
    ];

    /// Returns the active contexts, the innermost first.
    pub(super) const fn stack(self) -> &'static [Context] {
        use Context as C;
        match self {
            Self::Browser => &[C::Browser, C::List, C::Upload, C::Server, C::Everywhere, C::Always],
            Self::Queue => &[C::Queue, C::Table, C::List, C::Upload, C::Server, C::Everywhere, C::Always],
            Self::Received => {
                &[C::Received, C::Table, C::List, C::Upload, C::Server, C::Everywhere, C::Always]
            }
            Self::Race => &[C::RaceSetup, C::Race, C::Server, C::Everywhere, C::Always],
            Self::Racing => &[C::Racing, C::Race, C::Everywhere, C::Always],
            Self::Session => &[C::Session, C::List, C::Server, C::Everywhere, C::Always],
            Self::Server => {
                &[C::Hosting, C::Received, C::Table, C::List, C::Server, C::Everywhere, C::Always]
            }
            Self::NoServer => &[C::Server, C::Everywhere, C::Always],
            Self::History => &[C::History, C::Table, C::List, C::Server, C::Everywhere, C::Always],
            Self::Text => &[C::Text, C::Always],
            Self::Field => &[C::Form, C::Text, C::Always],
            Self::ChoiceField => &[C::Form, C::Choice, C::Always],
            Self::Jump => &[C::Jump, C::Overlay, C::Always],
            Self::Path => &[C::Path, C::Text, C::Always],
            Self::Accept => &[C::Ticks, C::Overlay, C::Always],
            Self::Sharing => &[C::Sharing, C::Overlay, C::Always],
            Self::Help => &[C::Filterable, C::Scroll, C::Overlay, C::Always],
            Self::Log | Self::Details => &[C::Scroll, C::Overlay, C::Always],
            Self::Expensive => &[C::Expensive, C::Question, C::Always],
            Self::Question | Self::ExpensiveRace => &[C::Question, C::Always],
            Self::OpenRace => &[C::Open, C::Question, C::Always],
            Self::Newcomer => &[C::Newcomer, C::Always],
            Self::Alarm => &[C::Alarm, C::Always],
        }
    }
}

/// Key as the table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    code: KeyCode,
    control: bool,
}

impl Key {
    /// Returns the digit that the key types.
    fn digit(self) -> Option<u8> {
        match self.code {
            KeyCode::Char(c) => c.to_digit(10).and_then(|digit| u8::try_from(digit).ok()),
            _ => None,
        }
    }
}

pub(super) const fn key(c: char) -> Key {
    on(KeyCode::Char(c))
}

pub(super) const fn ctrl(c: char) -> Key {
    Key { code: KeyCode::Char(c), control: true }
}

pub(super) const fn on(code: KeyCode) -> Key {
    Key { code, control: false }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        let code = match event.code {
            // The character already includes Shift; some terminals send Ctrl-C as Ctrl-Shift-C.
            KeyCode::Char(c) if control => KeyCode::Char(c.to_ascii_lowercase()),
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        Self { code, control }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.control {
            f.write_str("Ctrl-")?;
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(n) => write!(f, "F{n}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::Backspace => f.write_str("Bksp"),
            KeyCode::Delete => f.write_str("Del"),
            KeyCode::BackTab => f.write_str("S-Tab"),
            code => write!(f, "{code:?}"),
        }
    }
}

/// Row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binding {
    pub(super) context: Context,
    pub(super) keys: &'static [Key],
    pub(super) action: Action,
    /// Description in the help.
    pub(super) words: &'static str,
    /// Description in the footer; empty if the key is not in the footer.
    pub(super) short: &'static str,
}

const fn bind(
    context: Context,
    keys: &'static [Key],
    action: Action,
    short: &'static str,
    words: &'static str,
) -> Binding {
    Binding { context, keys, action, words, short }
}

/// The keys of [`Action::Show`], which takes its number from the key.
const DIGITS: &[Key] =
    &[key('1'), key('2'), key('3'), key('4'), key('5'), key('6'), key('7'), key('8'), key('9')];

/// All keys. The footer follows this order within a context.
#[rustfmt::skip]
pub(super) const TABLE: &[Binding] = &[
    bind(Context::Browser, &[key('u')], Action::Upload, "upload", "upload marked files, or the file at the cursor"),
    bind(Context::Browser, &[on(KeyCode::Enter)], Action::Enter, "", "open the folder, or upload as u does"),
    bind(Context::Browser, &[key(' ')], Action::Mark, "mark", "mark the file and go to the next"),
    bind(Context::Upload, &[key('p')], Action::NextProtocol, "protocol", "next protocol: Plain, AP, CP1, CP2"),
    bind(Context::Browser, &[key('r')], Action::Race, "race", "race CP1 against CP2 with this file"),
    bind(Context::Queue, &[key('l'), on(KeyCode::Right)], Action::Open, "", "show the files of this folder"),
    bind(Context::Queue, &[key('h'), on(KeyCode::Left)], Action::Parent, "", "hide the files of this folder"),
    bind(Context::Queue, &[key('x')], Action::Cancel, "cancel", "cancel this upload"),
    bind(Context::Queue, &[key('X')], Action::CancelAll, "", "cancel all uploads"),
    bind(Context::Queue, &[key(' ')], Action::Pause, "pause", "pause or resume this upload (from byte 0)"),
    bind(Context::Queue, &[key('w')], Action::EndWait, "", "stop waiting for the server to finish"),
    bind(Context::Queue, &[key('t')], Action::Retry, "retry", "retry this failed upload, from its first byte"),
    bind(Context::Queue, &[key('T')], Action::RetryAll, "", "retry all failed uploads"),
    bind(Context::Queue, &[key('J')], Action::MoveDown, "", "send this file or folder later"),
    bind(Context::Queue, &[key('K')], Action::MoveUp, "", "send this file or folder earlier"),
    bind(Context::Queue, &[key('d')], Action::Remove, "remove", "remove this upload from the list"),
    bind(Context::Queue, &[key('D')], Action::RemoveFinished, "clear", "remove all uploads that arrived or were cancelled"),
    bind(Context::RaceSetup, &[on(KeyCode::Enter)], Action::StartStop, "start", "start the race"),
    bind(Context::Racing, &[on(KeyCode::Enter)], Action::StartStop, "stop", "stop the race"),
    bind(Context::RaceSetup, &[key('s')], Action::Size, "size", "size: 1, 8, 64 MiB, whole file, generated bytes"),
    bind(Context::RaceSetup, &[key('p')], Action::NextProtocol, "protocol", "next protocol of this lane: Plain, AP, CP1, CP2"),
    bind(Context::RaceSetup, &[key('+')], Action::AddLane, "lane", "add a lane (max. 4)"),
    bind(Context::RaceSetup, &[key('m')], Action::Course, "together", "run the lanes one by one, or all at the same time"),
    bind(Context::RaceSetup, &[key('w')], Action::Report, "report", "write an HTML report"),
    bind(Context::RaceSetup, &[key('P')], Action::PreviousProtocol, "", "previous protocol of this lane"),
    bind(Context::RaceSetup, &[key('o')], Action::Padding, "", "RSA padding of this lane: OAEP or PKCS1v15"),
    bind(Context::RaceSetup, &[key('b')], Action::Bits, "", "built-in server's key length for this CP1 lane"),
    bind(Context::RaceSetup, &[key('-')], Action::RemoveLane, "", "remove this lane (min. 2)"),
    bind(Context::RaceSetup, &[key('n')], Action::Laps, "", "laps of each lane (1, 3, 5, 9); the median counts"),
    bind(Context::Race, &[key('L')], Action::Scale, "scale", "logarithmic or linear chart"),
    bind(Context::Race, &[key('f')], Action::Freeze, "freeze", "freeze or resume the chart"),
    bind(Context::Race, &[key('j'), on(KeyCode::Down)], Action::Down, "", "next lane"),
    bind(Context::Race, &[key('k'), on(KeyCode::Up)], Action::Up, "", "previous lane"),
    bind(Context::Session, &[on(KeyCode::Left)], Action::StepBack, "back", "previous message"),
    bind(Context::Session, &[on(KeyCode::Right)], Action::StepOn, "next", "next message"),
    bind(Context::Session, &[key(' ')], Action::Play, "play", "play the messages one by one, or stop"),
    bind(Context::Session, &[key('<')], Action::ScrubBack, "", "back by a tenth of the session's time"),
    bind(Context::Session, &[key('>')], Action::ScrubOn, "", "forward by a tenth of the session's time"),
    bind(Context::Session, &[key('w')], Action::SaveCapture, "save", "save the session to a file, without file contents"),
    bind(Context::Session, &[key('!')], Action::Lab, "lab", "run the attacks of the lab, on this computer only"),
    bind(Context::Session, &[key('u')], Action::Upload, "send", "upload the files chosen on screen 1"),
    bind(Context::Session, &[key('s')], Action::OtherSession, "other", "previous session, or the latest one"),
    bind(Context::Hosting, &[key('a')], Action::Accepted, "accepted", "choose what is accepted from new clients"),
    bind(Context::Hosting, &[key('S')], Action::Share, "share", "share with other computers; again: links, stop"),
    bind(Context::Hosting, &[key('o')], Action::OpenFolder, "folder", "open the folder of received files"),
    bind(Context::Hosting, &[key('R')], Action::Restart, "restart", "restart the server; asks if clients are connected"),
    bind(Context::Table, &[on(KeyCode::Enter)], Action::Details, "details", "show everything about this row"),
    bind(Context::Server, &[key('c')], Action::Connect, "server", "choose the server (or this lane's server)"),
    bind(Context::Browser, &[key('/')], Action::Filter, "filter", "show only names that contain a text"),
    bind(Context::History, &[key('/')], Action::Filter, "filter", "show only names and servers that contain a text"),
    bind(Context::Received, &[key('/')], Action::Filter, "filter", "show only rows that contain a text"),
    bind(Context::Received, &[key(',')], Action::Sort, "sort", "sort received files by time, name, size or client"),
    bind(Context::Everywhere, &[on(KeyCode::Tab)], Action::NextPane, "pane", "next pane, or lane of the race"),
    bind(Context::Everywhere, &[on(KeyCode::BackTab)], Action::PreviousPane, "", "previous pane or lane"),
    bind(Context::Everywhere, &[key('?')], Action::Help, "keys", "this list"),
    bind(Context::Always, &[on(KeyCode::F(1))], Action::Help, "", "the keys, even while text is typed"),

    bind(Context::Browser, &[key('h'), on(KeyCode::Left), on(KeyCode::Backspace)], Action::Parent, "", "go to the parent folder"),
    bind(Context::Browser, &[key('l'), on(KeyCode::Right)], Action::Open, "", "open the folder; never sends"),
    bind(Context::Browser, &[key('a')], Action::MarkAll, "", "mark all files shown"),
    bind(Context::Browser, &[key('A')], Action::MarkNone, "", "remove all marks, in every folder"),
    bind(Context::Browser, &[key('*')], Action::Invert, "", "invert the marks"),
    bind(Context::Browser, &[key('.')], Action::Hidden, "", "show or hide hidden files"),
    bind(Context::Browser, &[key(',')], Action::Sort, "", "sort by name, size, time or type"),
    bind(Context::Browser, &[key('v')], Action::Preview, "", "show or hide the preview where there is room"),
    bind(Context::Browser, &[key('g')], Action::GoTo, "", "go to a path or a recent folder (gg: first row)"),
    bind(Context::Upload, &[key('P')], Action::PreviousProtocol, "", "previous protocol"),
    bind(Context::Upload, &[key('o')], Action::Padding, "", "RSA padding: OAEP or PKCS1v15"),

    bind(Context::Upload, &[key('S')], Action::PauseQueue, "", "pause the queue after running files, or go on"),
    bind(Context::Upload, &[key('{')], Action::FewerJobs, "", "one connection less; its file is finished first"),
    bind(Context::Upload, &[key('}')], Action::MoreJobs, "", "one connection more, up to 8, to an upseal server"),
    bind(Context::Upload, &[key('[')], Action::Slower, "", "lower the limit of all uploads, down to 64 KiB/s"),
    bind(Context::Upload, &[key(']')], Action::Faster, "", "raise the limit of all uploads, or remove it"),

    bind(Context::List, &[key('j'), on(KeyCode::Down)], Action::Down, "", "down"),
    bind(Context::List, &[key('k'), on(KeyCode::Up)], Action::Up, "", "up"),
    bind(Context::List, &[on(KeyCode::PageDown), ctrl('f')], Action::PageDown, "", "a page down"),
    bind(Context::List, &[on(KeyCode::PageUp), ctrl('b')], Action::PageUp, "", "a page up"),
    bind(Context::List, &[on(KeyCode::Home)], Action::First, "", "first row"),
    bind(Context::List, &[key('G'), on(KeyCode::End)], Action::Last, "", "last row"),
    bind(Context::Table, &[key('g')], Action::Top, "", "first row (gg works too)"),
    bind(Context::List, &[ctrl('d')], Action::HalfDown, "", "half a page down"),
    bind(Context::Table, &[ctrl('u')], Action::HalfUp, "", "half a page up"),
    // In the browser `u` sends, so that Ctrl-u would lie beside it. Presets that send by another key bind it.
    bind(Context::Browser, &[], Action::HalfUp, "", "half a page up"),

    bind(Context::Everywhere, DIGITS, Action::Show(0), "", "the screen with this number"),
    bind(Context::Everywhere, &[key('z')], Action::Zoom, "", "enlarge this pane or the race, and back"),
    bind(Context::Everywhere, &[key('e')], Action::Log, "", "the log: problems and notable events"),
    bind(Context::Everywhere, &[key('y')], Action::Copy, "", "copy the path, receipt, digest or fingerprint"),
    bind(Context::Everywhere, &[key('H')], Action::Privacy, "", "hide hosts and paths on all screens, or show them"),
    bind(Context::Everywhere, &[key('M')], Action::Mouse, "", "give the mouse to the terminal, or take it back"),
    bind(Context::Everywhere, &[on(KeyCode::Esc)], Action::Close, "", "close what is open"),
    bind(Context::Everywhere, &[key('q')], Action::Quit, "", "quit; asks first if transfers run"),
    bind(Context::Everywhere, &[ctrl('c')], Action::Interrupt, "", "cancel all transfers; if there are none, quit"),
    bind(Context::Always, &[ctrl('z')], Action::Suspend, "", "suspend; fg returns"),
    bind(Context::Always, &[ctrl('l')], Action::Redraw, "", "redraw the screen and read everything again"),

    bind(Context::Ticks, &[key(' ')], Action::Mark, "on/off", "turn this choice on or off"),
    bind(Context::Ticks, &[on(KeyCode::Enter)], Action::Accept, "use", "use these choices for new clients"),
    bind(Context::Ticks, &[on(KeyCode::Right), on(KeyCode::Tab)], Action::Choose, "", "this computer or other computers, while shared"),
    bind(Context::Ticks, &[on(KeyCode::Left), on(KeyCode::BackTab)], Action::ChoosePrevious, "", "the other of the two"),
    bind(Context::Sharing, &[key('y')], Action::Copy, "copy link", "copy the link of this address"),
    bind(Context::Sharing, &[key(' ')], Action::Mark, "QR code", "show the link as a QR code, or as text"),
    bind(Context::Sharing, &[key('S')], Action::Share, "stop sharing", "stop sharing and end its connections"),
    bind(Context::Sharing, &[key('j'), on(KeyCode::Down)], Action::Down, "", "next address"),
    bind(Context::Sharing, &[key('k'), on(KeyCode::Up)], Action::Up, "", "previous address"),
    bind(Context::Ticks, &[key('j'), on(KeyCode::Down)], Action::Down, "", "down"),
    bind(Context::Ticks, &[key('k'), on(KeyCode::Up)], Action::Up, "", "up"),
    bind(Context::Filterable, &[key('/')], Action::Filter, "filter", "show only keys that contain a text"),
    bind(Context::Scroll, &[key('j'), on(KeyCode::Down)], Action::Down, "down", "down"),
    bind(Context::Scroll, &[key('k'), on(KeyCode::Up)], Action::Up, "up", "up"),
    bind(Context::Scroll, &[on(KeyCode::PageDown), key(' ')], Action::PageDown, "", "a page down"),
    bind(Context::Scroll, &[on(KeyCode::PageUp)], Action::PageUp, "", "a page up"),
    bind(Context::Scroll, &[key('g'), on(KeyCode::Home)], Action::First, "", "the beginning"),
    bind(Context::Scroll, &[key('G'), on(KeyCode::End)], Action::Last, "", "the end"),
    bind(Context::Overlay, &[on(KeyCode::Esc), key('q')], Action::Close, "close", "close"),
    bind(Context::Overlay, &[ctrl('c')], Action::Close, "", "as Esc"),

    bind(Context::Text, &[on(KeyCode::Enter)], Action::Accept, "accept", "accept the text"),
    bind(Context::Text, &[on(KeyCode::Esc)], Action::Close, "leave", "cancel"),
    bind(Context::Text, &[ctrl('c')], Action::Close, "", "as Esc"),
    bind(Context::Text, &[on(KeyCode::Left)], Action::Left, "", "a character to the left"),
    bind(Context::Text, &[on(KeyCode::Right)], Action::Right, "", "a character to the right"),
    bind(Context::Text, &[ctrl('a'), on(KeyCode::Home)], Action::LineStart, "", "to the beginning"),
    bind(Context::Text, &[ctrl('e'), on(KeyCode::End)], Action::LineEnd, "", "to the end"),
    bind(Context::Text, &[ctrl('u')], Action::KillStart, "clear", "delete to the beginning"),
    bind(Context::Text, &[ctrl('k')], Action::KillEnd, "", "delete to the end"),
    bind(Context::Text, &[ctrl('w')], Action::KillWord, "", "delete a word"),
    bind(Context::Text, &[on(KeyCode::Backspace)], Action::Backspace, "", "delete to the left"),
    bind(Context::Text, &[on(KeyCode::Delete)], Action::Delete, "", "delete to the right"),
    bind(Context::Jump, &[key('g')], Action::Top, "first row", "first row of the browser"),
    bind(Context::Jump, &[key(' ')], Action::TypePath, "path", "type a path"),
    bind(Context::Jump, &[key('/')], Action::TypeRoot, "", "type a path from the root"),
    bind(Context::Jump, &[key('~')], Action::TypeHome, "", "type a path from the home folder"),
    bind(Context::Jump, &[key('1')], Action::Recent(1), "latest", "the latest folder"),
    bind(Context::Jump, &[key('2')], Action::Recent(2), "", "the one before"),
    bind(Context::Jump, &[key('3')], Action::Recent(3), "", "the third"),
    bind(Context::Jump, &[key('4')], Action::Recent(4), "", "the fourth"),
    bind(Context::Jump, &[key('5')], Action::Recent(5), "", "the fifth"),
    bind(Context::Jump, &[key('6')], Action::Recent(6), "", "the sixth"),
    bind(Context::Jump, &[key('7')], Action::Recent(7), "", "the seventh"),
    bind(Context::Jump, &[key('8')], Action::Recent(8), "", "the eighth"),
    bind(Context::Jump, &[key('9')], Action::Recent(9), "", "the ninth"),
    bind(Context::Path, &[on(KeyCode::Tab)], Action::Complete, "complete", "complete the name of the folder"),
    bind(Context::Path, &[on(KeyCode::Down)], Action::Down, "", "next completion"),
    bind(Context::Path, &[on(KeyCode::Up)], Action::Up, "", "previous completion"),
    bind(Context::Form, &[on(KeyCode::Tab), on(KeyCode::Down)], Action::NextField, "next field", "next field"),
    bind(Context::Form, &[on(KeyCode::BackTab), on(KeyCode::Up)], Action::PreviousField, "", "previous field"),
    bind(Context::Form, &[on(KeyCode::F(2))], Action::Probe, "probe", "find out which dialect the server speaks"),
    bind(Context::Choice, &[key(' '), on(KeyCode::Right)], Action::Choose, "change", "next choice"),
    bind(Context::Choice, &[on(KeyCode::Left)], Action::ChoosePrevious, "", "previous choice"),
    bind(Context::Choice, &[on(KeyCode::Enter)], Action::Accept, "accept", "accept the dialog"),
    bind(Context::Choice, &[on(KeyCode::Esc)], Action::Close, "leave", "cancel"),
    bind(Context::Choice, &[ctrl('c')], Action::Close, "", "as Esc"),

    bind(Context::Expensive, &[key('2')], Action::UseCp2, "use CP2", "use CP2 instead"),
    bind(Context::Open, &[key('f')], Action::UseFile, "the file", "send the file itself, unencrypted"),
    bind(Context::Question, &[on(KeyCode::Enter), key('y')], Action::Yes, "yes", "continue"),
    bind(Context::Question, &[on(KeyCode::Esc), key('n'), key('q')], Action::No, "no", "cancel"),
    bind(Context::Question, &[ctrl('c')], Action::No, "", "as Esc"),

    bind(Context::Newcomer, &[on(KeyCode::Enter)], Action::SendThere, "send there", "accept the key that is shown, and send"),
    bind(Context::Newcomer, &[key('y')], Action::Copy, "copy fingerprint", "copy the fingerprint"),
    bind(Context::Newcomer, &[on(KeyCode::Esc), key('q')], Action::Close, "send nothing", "send nothing; the uploads wait"),
    bind(Context::Newcomer, &[ctrl('c')], Action::Close, "", "as Esc"),

    bind(Context::Alarm, &[on(KeyCode::Esc), key('q')], Action::Close, "close", "close; the new key stays refused"),
    bind(Context::Alarm, &[ctrl('c')], Action::Close, "", "as Esc"),
    bind(Context::Alarm, &[key('A')], Action::AcceptKey, "accept the new key", "trust the new key from now on"),
];

/// The table with the user's own keys.
static IN_USE: OnceLock<Vec<Binding>> = OnceLock::new();

/// Returns the table in use.
pub(super) fn table() -> &'static [Binding] {
    IN_USE.get().map_or(TABLE, Vec::as_slice)
}

/// Uses another table from now on. Only the first call of a process has an effect.
pub(super) fn set(table: Vec<Binding>) {
    let _ = IN_USE.set(table);
}

/// Returns the action of a key in a place.
pub(super) fn action(place: Place, key: Key) -> Option<Action> {
    place
        .stack()
        .iter()
        .flat_map(|context| table().iter().filter(move |binding| binding.context == *context))
        .find(|binding| binding.keys.contains(&key))
        .map(|binding| match (binding.action, key.digit()) {
            (Action::Show(_), Some(digit)) => Action::Show(digit),
            (action, _) => action,
        })
}

/// Returns the rows that the footer shows in a place.
pub(super) fn footer(place: Place) -> impl Iterator<Item = &'static Binding> {
    table()
        .iter()
        .filter(move |binding| !binding.short.is_empty() && place.stack().contains(&binding.context))
}

/// Returns the character that a key types into a text; `None` if it types none.
pub(super) fn typed(event: KeyEvent) -> Option<char> {
    let other = KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META;
    match event.code {
        KeyCode::Char(c) if !event.modifiers.intersects(other) => Some(c),
        _ => None,
    }
}

/// Returns the keys of a row, as the help and the footer write them.
pub(super) fn names(keys: &[Key]) -> String {
    if keys == DIGITS {
        return "1-9".to_owned();
    }
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for place in Place::ALL {
            let mut seen: Vec<(Key, Action)> = Vec::new();
            for binding in TABLE.iter().filter(|binding| place.stack().contains(&binding.context)) {
                for key in binding.keys {
                    let other = seen.iter().find(|(known, _)| known == key);
                    assert!(other.is_none(), "{place:?}: {key} is {:?} and {other:?}", binding.action);
                    seen.push((*key, binding.action));
                }
            }
        }
    }

    #[test]
    fn every_action_has_a_key_and_words() {
        for action in Action::ALL {
            let rows: Vec<_> = TABLE.iter().filter(|binding| binding.action == *action).collect();
            assert!(rows.iter().any(|row| !row.keys.is_empty()), "{action:?} has no key");
            assert!(rows.iter().all(|row| !row.words.is_empty()), "{action:?}");
        }
    }

    #[test]
    fn every_context_is_reached_from_some_place() {
        for binding in TABLE {
            assert!(Place::ALL.iter().any(|place| place.stack().contains(&binding.context)), "{binding:?}");
        }
    }

    #[test]
    fn a_slip_of_the_control_key_never_meets_a_key_that_sends() {
        no_slip(TABLE);
    }

    /// Fails if a key with Ctrl lies beside the same key without it, and that one sends.
    pub(in crate::ui) fn no_slip(table: &[Binding]) {
        for place in Place::ALL {
            let here = || table.iter().filter(|binding| place.stack().contains(&binding.context));
            for control in here().flat_map(|binding| binding.keys).filter(|key| key.control) {
                let bare = Key { control: false, ..*control };
                let sends = here().any(|binding| binding.action.sends() && binding.keys.contains(&bare));
                assert!(!sends, "{place:?}: {control} lies beside {bare}, which sends");
            }
        }
    }

    #[test]
    fn control_c_does_in_a_dialog_what_escape_does_and_enter_only_what_the_footer_shows() {
        for place in Place::ALL {
            let is_screen = place.stack().contains(&Context::Everywhere);
            let expected = if is_screen { Some(Action::Interrupt) } else { action(place, on(KeyCode::Esc)) };
            assert_eq!(action(place, ctrl('c')), expected, "{place:?}");
            let enter = |binding: &Binding| binding.keys.first() == Some(&on(KeyCode::Enter));
            let is_shown = footer(place).any(enter);
            assert!(is_screen || action(place, on(KeyCode::Enter)).is_some() == is_shown, "{place:?}");
        }
    }

    #[test]
    fn printable_keys_belong_to_the_text_while_it_is_typed() {
        for place in [Place::Text, Place::Field, Place::Path] {
            for c in ('!'..='~').chain([' ']) {
                assert_eq!(action(place, key(c)), None, "{place:?} {c}");
            }
        }
    }

    #[test]
    fn opening_never_sends() {
        assert_eq!(action(Place::Browser, key('l')), Some(Action::Open));
        assert_eq!(action(Place::Browser, on(KeyCode::Right)), Some(Action::Open));
        assert!(!Action::Open.sends());
    }
}
