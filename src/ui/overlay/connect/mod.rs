//! The connect dialog: preset, server, CA file, RSA padding.

use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use strum::VariantArray as _;

use crate::event::{Destination, DestinationError, Dialect, Expected, Padding, ServerAddress, Target};
use crate::ui::fit;
use crate::ui::keymap::Place;
use crate::ui::link::Peer;
use crate::ui::listing::expand;
use crate::ui::text;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::{Pane, rows};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Peer,
    Address,
    Ca,
    Padding,
}

/// Fields of the dialog. The first is there only if there are presets.
const FIELDS: [Field; 4] = [Field::Peer, Field::Address, Field::Ca, Field::Padding];

/// One possible answer, as it was edited.
#[derive(Debug)]
struct Draft {
    /// Preset that the draft began as.
    peer: Option<String>,
    /// Target that the draft began as. It knows more about a server than the fields show.
    target: Target,
    address: Input,
    ca: Input,
    /// CA file that the field began with, if the target names none. It does not count beside a pin.
    offered: Option<String>,
    dialect: Dialect,
}

impl Draft {
    fn new(peer: Option<&str>, target: &Target, dialect: Dialect, ca: Option<&Path>) -> Self {
        let (address, own) = match target {
            Target::Embedded => (Input::default(), None),
            Target::Server { address, ca, expected } => {
                (Input::with(&Destination::of(address, expected).to_string()), ca.as_deref())
            }
        };
        let offered = ca.filter(|_| own.is_none()).map(|ca| ca.to_string_lossy().into_owned());
        let ca = own.or(ca).map_or_else(Input::default, |ca| Input::with(&ca.to_string_lossy()));
        Self { peer: peer.map(str::to_owned), target: target.clone(), address, ca, offered, dialect }
    }

    /// Returns the CA file in the field, unless a pin makes the one that was only offered needless.
    fn ca(&self, has_pin: bool, home: Option<&Path>) -> Option<PathBuf> {
        let typed = self.ca.text();
        let counts = !has_pin || self.offered.as_deref() != Some(&*typed);
        (counts && !typed.trim().is_empty()).then(|| expand(typed.trim(), home))
    }
}

/// Report of a probe.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ui) enum Probed {
    /// Present step, as text.
    Line(String),
    /// The end: the dialect that the server accepts, if it accepts one, or why there was no probe.
    Over(Result<Option<Dialect>, String>),
}

/// Progress of a probe.
#[derive(Debug)]
struct Probe {
    run: u64,
    /// Draft whose server is probed.
    draft: usize,
    line: String,
    is_over: bool,
}

/// What is said about a field, in the row below it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remark {
    field: Field,
    words: String,
    /// Whether the field must be corrected.
    is_error: bool,
}

impl Remark {
    fn error(field: Field, words: impl Into<String>) -> Self {
        Self { field, words: words.into(), is_error: true }
    }
}

/// Result of the key that accepts the dialog.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ui) enum Answer {
    /// The server and the dialect.
    Accepted(Target, Dialect),
    /// This CA file must be read first; the dialog is accepted when it is one.
    Check(PathBuf),
    /// A field is wrong and says why.
    Wrong,
}

/// State of the dialog.
#[derive(Debug)]
pub(in crate::ui) struct Connect {
    /// Lane of the race that the server is chosen for; `None`: for uploads.
    pub(in crate::ui) lane: Option<usize>,
    /// The present server, then the presets. Never empty. Each draft keeps its edits while another is shown.
    drafts: Vec<Draft>,
    /// Index of the draft that is shown.
    at: usize,
    /// Index of the field that has the cursor.
    field: usize,
    /// What is wrong with a field, or what it means. Kept until a field is edited.
    remark: Option<Remark>,
    /// Whether the dialog is accepted as soon as the CA file has been read.
    is_accepting: bool,
    probe: Option<Probe>,
}

impl Connect {
    /// Creates the dialog; `ca` is offered if the target names no CA file.
    pub(in crate::ui) fn new(
        lane: Option<usize>,
        target: &Target,
        dialect: Dialect,
        ca: Option<&Path>,
        peers: &[Peer],
    ) -> Self {
        let presets = peers.iter().map(|peer| Draft::new(Some(&peer.name), &peer.target, peer.dialect, ca));
        let drafts = [Draft::new(None, target, dialect, ca)].into_iter().chain(presets).collect();
        let in_use = |peer: &Peer| peer.target == *target && peer.dialect == dialect;
        let at = peers.iter().position(in_use).map_or(0, |at| at + 1);
        Self { lane, drafts, at, field: 0, remark: None, is_accepting: false, probe: None }
    }

    /// Returns the rows of the dialog, with its frame.
    pub(in crate::ui) fn height(&self) -> u16 {
        if self.drafts.len() > 1 { 9 } else { 8 }
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS[usize::from(self.drafts.len() == 1)..]
    }

    pub(in crate::ui) fn place(&self) -> Place {
        match self.fields()[self.field] {
            Field::Peer | Field::Padding => Place::ChoiceField,
            Field::Address | Field::Ca => Place::Field,
        }
    }

    pub(in crate::ui) fn input(&mut self) -> Option<&mut Input> {
        let field = self.fields()[self.field];
        let draft = &mut self.drafts[self.at];
        match field {
            Field::Address => Some(&mut draft.address),
            Field::Ca => Some(&mut draft.ca),
            Field::Peer | Field::Padding => None,
        }
    }

    /// Replaces the address of the present server by a pasted link.
    pub(in crate::ui) fn paste_link(&mut self, text: &str) {
        (self.at, self.remark, self.is_accepting) = (0, None, false);
        self.go_to(Field::Address);
        let mut address = Input::default();
        address.paste(text.trim());
        self.drafts[0].address = address;
    }

    /// Goes to the next field, and checks the one that is left. Returns the CA file that must be read for that.
    pub(in crate::ui) fn next_field(&mut self, home: Option<&Path>) -> Option<PathBuf> {
        let file = self.leave(home);
        self.field = (self.field + 1) % self.fields().len();
        file
    }

    /// Goes to the previous field, as [`Connect::next_field`] does.
    pub(in crate::ui) fn previous_field(&mut self, home: Option<&Path>) -> Option<PathBuf> {
        let file = self.leave(home);
        self.field = (self.field + self.fields().len() - 1) % self.fields().len();
        file
    }

    fn go_to(&mut self, field: Field) {
        self.field = self.fields().iter().position(|other| *other == field).unwrap_or(0);
    }

    /// Handles a change of the field: what was said about it may no longer be right.
    pub(in crate::ui) fn edited(&mut self) {
        let here = self.fields()[self.field];
        self.remark = self.remark.take().filter(|remark| remark.field != here);
        self.is_accepting = false;
    }

    fn leave(&mut self, home: Option<&Path>) -> Option<PathBuf> {
        match self.fields()[self.field] {
            Field::Address => {
                let typed = self.drafts[self.at].address.text();
                let is_without_port = typed.parse().is_ok_and(|there: Destination| there.pin.is_none())
                    && ServerAddress::with_port(&typed).is_err();
                if let Some(words) = self.wrong_address() {
                    self.remark = Some(Remark::error(Field::Address, words));
                } else if is_without_port {
                    let words = text::DEFAULT_PORT.to_owned();
                    self.remark = Some(Remark { field: Field::Address, words, is_error: false });
                }
                None
            }
            Field::Ca => self.unchecked_ca(home),
            Field::Peer | Field::Padding => None,
        }
    }

    /// Returns why the address is none. An empty one is the built-in server.
    fn wrong_address(&self) -> Option<&'static str> {
        let typed = self.drafts[self.at].address.text();
        match typed.parse::<Destination>() {
            Err(DestinationError::Address(_)) if !typed.trim().is_empty() => Some(text::BAD_ADDRESS),
            Err(DestinationError::Link) => Some(text::BAD_LINK),
            _ => None,
        }
    }

    /// Returns the CA file that the user chose, if it counts. One that was only offered is read when it is needed.
    fn unchecked_ca(&self, home: Option<&Path>) -> Option<PathBuf> {
        let draft = &self.drafts[self.at];
        let there = draft.address.text().parse::<Destination>().ok()?;
        let is_offered = draft.offered.as_deref() == Some(&*draft.ca.text());
        draft.ca(there.pin.is_some(), home).filter(|_| !is_offered)
    }

    /// Takes the result of reading a CA file: why it is none. Returns whether the dialog must be accepted now.
    pub(in crate::ui) fn ca_read(&mut self, path: &Path, wrong: Option<&str>, home: Option<&Path>) -> bool {
        if self.unchecked_ca(home).as_deref() != Some(path) {
            return false;
        }
        let is_accepting = std::mem::take(&mut self.is_accepting);
        let Some(words) = wrong else { return is_accepting };
        if is_accepting {
            self.go_to(Field::Ca);
        }
        // A wrong address comes first.
        if !self.remark.as_ref().is_some_and(|remark| remark.is_error && remark.field == Field::Address) {
            self.remark = Some(Remark::error(Field::Ca, words));
        }
        false
    }

    /// Handles the key that accepts the dialog.
    pub(in crate::ui) fn answer(&mut self, home: Option<&Path>) -> Answer {
        match (self.accept(home), self.unchecked_ca(home)) {
            (None, _) => Answer::Wrong,
            (Some(_), Some(path)) => {
                self.is_accepting = true;
                Answer::Check(path)
            }
            (Some((target, dialect)), None) => Answer::Accepted(target, dialect),
        }
    }

    pub(in crate::ui) fn choose_next(&mut self) {
        self.choose(1);
    }

    pub(in crate::ui) fn choose_previous(&mut self) {
        self.choose(self.drafts.len() - 1);
    }

    fn choose(&mut self, by: usize) {
        (self.remark, self.is_accepting) = (None, false);
        if self.fields()[self.field] == Field::Peer {
            self.at = (self.at + by) % self.drafts.len();
            return;
        }
        let padding = &mut self.drafts[self.at].dialect.padding;
        *padding = padding.next();
    }

    /// Begins a probe of the server in the fields, or shows why it cannot.
    pub(in crate::ui) fn probe(&mut self, run: u64, home: Option<&Path>) -> Option<Target> {
        if self.is_probing() {
            return None;
        }
        let (target, _) = self.accept(home)?;
        match &target {
            Target::Server { ca: Some(_), .. }
            | Target::Server { expected: Expected { pin: Some(_), .. }, .. } => {}
            target => {
                let missing = if *target == Target::Embedded { Field::Address } else { Field::Ca };
                self.remark = Some(Remark::error(missing, text::PROBE_NEEDS));
                return None;
            }
        }
        self.probe = Some(Probe { run, draft: self.at, line: text::PROBE_KEEPS.to_owned(), is_over: false });
        Some(target)
    }

    pub(in crate::ui) fn is_probing(&self) -> bool {
        self.probe.as_ref().is_some_and(|probe| !probe.is_over)
    }

    /// Takes a report of a probe. The dialect that it found becomes the draft's.
    pub(in crate::ui) fn probed(&mut self, run: u64, news: Probed) {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.run == run && !probe.is_over) else {
            return;
        };
        match news {
            Probed::Line(line) => probe.line = line,
            Probed::Over(end) => {
                probe.is_over = true;
                probe.line = match end {
                    Ok(Some(dialect)) => {
                        self.drafts[probe.draft].dialect = dialect;
                        text::speaks(dialect)
                    }
                    Ok(None) => text::PROBE_NOTHING.to_owned(),
                    Err(why) => why,
                };
            }
        }
    }

    /// Returns the server and the dialect; `None` after showing why they are not valid.
    pub(in crate::ui) fn accept(&mut self, home: Option<&Path>) -> Option<(Target, Dialect)> {
        let draft = &self.drafts[self.at];
        let typed = draft.address.text();
        if typed.trim().is_empty() {
            return Some((Target::Embedded, draft.dialect));
        }
        let Ok(typed) = typed.parse::<Destination>() else {
            self.remark = self.wrong_address().map(|words| Remark::error(Field::Address, words));
            self.go_to(Field::Address);
            return None;
        };
        let draft = &self.drafts[self.at];
        let path = draft.ca(typed.pin.is_some(), home);
        let mut target = draft.target.clone();
        match &mut target {
            // The same server: what is known of it is kept.
            Target::Server { address, ca, expected } if Destination::of(address, expected) == typed => {
                *ca = path;
            }
            _ => {
                let expected = typed.expected();
                target = Target::Server { address: typed.address, ca: path, expected };
            }
        }
        Some((target, draft.dialect))
    }
}

impl Widget for Pane<'_, Connect> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let dialog = self.of;
        let title = dialog.lane.map_or_else(|| text::CONNECT.to_owned(), text::connect_lane);
        let block = self.frame(&title, "c", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width).saturating_sub(13);
        let draft = &dialog.drafts[dialog.at];
        let fields = dialog.fields().iter().enumerate().flat_map(|(at, field)| {
            let here = at == dialog.field;
            let (label, mut value) = match field {
                Field::Peer => (text::PEER, self.peer(width)),
                Field::Address => ("host:port", value(&draft.address, here, width)),
                Field::Ca => ("CA file", value(&draft.ca, here, width)),
                Field::Padding => ("RSA padding", self.padding()),
            };
            let style = if here { self.theme.chosen() } else { self.theme.faint() };
            let mut spans = vec![Span::styled(fit::left(if here { "▸" } else { " " }, 1), style)];
            spans.push(Span::styled(fit::left(label, 12), style));
            spans.append(&mut value);
            let remark = dialog.remark.as_ref().filter(|remark| remark.field == *field).map(|remark| {
                let style = if remark.is_error { self.theme.bad() } else { self.theme.faint() };
                let sign = if remark.is_error { "✗ " } else { "" };
                let words =
                    fit::cut(&format!("{sign}{}", remark.words), usize::from(inner.width).saturating_sub(1));
                Line::styled(format!(" {words}"), style)
            });
            [Some(Line::from(spans)), remark].into_iter().flatten()
        });
        let hints = if draft.peer.is_some() {
            let width = usize::from(inner.width);
            let mut words = fit::wrap(&text::speaks(draft.dialect), width);
            if words.len() > 2 {
                words[1] = fit::cut(&format!("{} {}", words[1], words[2]), width);
                words.truncate(2);
            }
            words
        } else {
            vec![text::CONNECT_HINT.to_owned(), text::CONNECT_CA_HINT.to_owned()]
        };
        let mut hints: Vec<Line> =
            hints.into_iter().map(|hint| Line::styled(hint, self.theme.faint())).collect();
        if let (Some(probe), Some(first)) = (&dialog.probe, hints.first_mut()) {
            *first = Line::raw(fit::cut(&probe.line, usize::from(inner.width)));
        }
        // A remark takes the row that is free otherwise.
        let free = dialog.remark.is_none().then(Line::default);
        for (line, area) in fields.chain(free).chain(hints).zip(rows(inner)) {
            line.render(area, buf);
        }
    }
}

impl Pane<'_, Connect> {
    /// Returns the preset, such as `[lab]  ← →  1 of 3`.
    fn peer(&self, width: usize) -> Vec<Span<'static>> {
        let (at, of) = (self.of.at, self.of.drafts.len() - 1);
        let note = text::which_peer(at, of);
        let name = self.of.drafts[at].peer.as_deref().unwrap_or(text::NO_PEER);
        let note = if fit::width(name) + fit::width(&note) + 2 > width { String::new() } else { note };
        let name = fit::cut_middle(name, width.saturating_sub(fit::width(&note) + 2));
        vec![Span::styled(format!("[{name}]"), self.theme.chosen()), Span::styled(note, self.theme.faint())]
    }

    fn padding(&self) -> Vec<Span<'static>> {
        Padding::VARIANTS
            .iter()
            .map(|padding| {
                if *padding == self.of.drafts[self.of.at].dialect.padding {
                    Span::styled(format!("[{padding}]"), self.theme.chosen())
                } else {
                    Span::raw(format!(" {padding} "))
                }
            })
            .collect()
    }
}

fn value(input: &Input, here: bool, width: usize) -> Vec<Span<'static>> {
    if here {
        input.line(width, Style::new()).spans
    } else {
        vec![Span::raw(fit::cut_start(&fit::escaped(&input.text()), width))]
    }
}

#[cfg(test)]
mod tests;
