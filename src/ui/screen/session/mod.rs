//! Screen 3, what passed over a connection: the handshake as a ladder, the certificate, the wire.
//!
//! This file holds the recordings and the position in the one that is shown; the pictures are in `ladder`,
//! `certificate` and `hex`. All three panes show the same message.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::{Depth, Event, FaultKind, Frame, Kind, Proof, Side, State, Track, Wire, WireId};
use crate::ui::layout::Ring;
use crate::ui::recording::Recording;
use crate::ui::widgets::list::Step;

mod actions;
mod certificate;
mod hex;
mod ladder;
mod rows;

pub(in crate::ui) use self::certificate::Certificate;
pub(in crate::ui) use self::hex::Hex;
pub(in crate::ui) use self::ladder::Ladder;
pub(in crate::ui) use self::rows::Row;

/// Number of recordings that are kept.
const MOST: usize = 16;
/// Time between two messages while they are played.
const PACE: Duration = Duration::from_millis(800);

/// Recordings, and the reader's position.
#[derive(Debug)]
pub(in crate::ui) struct Session {
    ring: Ring,
    /// Recordings, the latest last.
    all: VecDeque<Recording>,
    /// Recording chosen by the reader; `None` follows the latest.
    chosen: Option<WireId>,
    /// Number of the message chosen by the reader; `None` follows the last.
    at: Option<u64>,
    /// Time of the next message while they are played.
    playing: Option<Duration>,
    /// Identity of the built-in server.
    ours: Option<Proof>,
    /// Depth in which connections are recorded.
    depth: Depth,
    /// Whether sessions are saved with the first bytes of files.
    pub(in crate::ui) with_plaintext: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            ring: Ring::new(actions::PANES),
            all: VecDeque::new(),
            chosen: None,
            at: None,
            playing: None,
            ours: None,
            depth: Depth::Outline,
            with_plaintext: false,
        }
    }
}

impl Session {
    /// Takes what an event reports about a connection.
    fn hear(&mut self, event: &Event) {
        match event {
            Event::WireOpened { wire, opened } => self.opened(*wire, opened),
            Event::WireFrames { wire, frames } => {
                if let Some(recording) = self.all.iter_mut().find(|recording| recording.id == *wire) {
                    recording.take(frames);
                }
            }
            Event::WireClosed { wire, at_us, in_order } => {
                if let Some(recording) = self.all.iter_mut().find(|recording| recording.id == *wire) {
                    recording.closed = Some((*at_us, *in_order));
                }
            }
            Event::Proven { track, proof, standing, .. } => {
                if let Some(recording) = self.opened_for(*track) {
                    recording.proof = Some((proof.clone(), standing.clone()));
                }
            }
            Event::KeyChanged { track, change } => {
                if let Some(recording) = self.opened_for(*track) {
                    recording.change = Some(change.clone());
                }
            }
            Event::State { track, state: State::Failed(fault) } if fault.kind == FaultKind::Unproven => {
                if let Some(recording) = self.opened_for(*track) {
                    recording.fault = Some(fault.clone());
                }
            }
            Event::Listening { identity, .. } => self.ours.clone_from(identity),
            _ => {}
        }
    }

    fn opened(&mut self, id: WireId, wire: &Wire) {
        // If both ends are in this program, the client's recording knows more. A port may later belong to another
        // connection.
        let known = |side: Side, address: &str| {
            self.all.iter().position(|one| {
                let is_here = one.closed.is_none() && one.wire.side == side;
                is_here && !address.is_empty() && other_end(&one.wire) == address
            })
        };
        match wire.side {
            Side::Server if known(Side::Client, &wire.peer).is_some() => return,
            Side::Client => {
                if let Some(at) = known(Side::Server, &wire.local) {
                    self.all.remove(at);
                }
            }
            Side::Server => {}
        }
        if self.all.len() == MOST {
            self.all.pop_front();
        }
        let ours = self.ours.clone().filter(|_| wire.side == Side::Server);
        self.all.push_back(Recording::new(id, wire.clone(), ours));
        if self.chosen.is_none() {
            (self.at, self.playing) = (None, None);
        }
    }

    fn opened_for(&mut self, track: Track) -> Option<&mut Recording> {
        self.all.iter_mut().rev().find(|recording| recording.wire.track == Some(track))
    }

    /// Returns the recording that is shown.
    pub(in crate::ui) fn shown(&self) -> Option<&Recording> {
        let chosen = self.all.iter().find(|recording| Some(recording.id) == self.chosen);
        chosen.or_else(|| self.all.back())
    }

    /// Returns the place of the shown recording, from 1, and the number of recordings.
    pub(in crate::ui) fn place(&self) -> (usize, usize) {
        let id = self.shown().map(|recording| recording.id);
        let at = self.all.iter().position(|recording| Some(recording.id) == id).unwrap_or(0);
        (at + 1, self.all.len())
    }

    /// Shows the session before this one; after the first, the latest.
    pub(in crate::ui) fn other(&mut self) {
        let (at, of) = self.place();
        self.chosen = match at {
            // The latest is followed again.
            ..=1 => None,
            at => self.all.get(at - 2).map(|recording| recording.id),
        };
        if of > 1 {
            (self.at, self.playing) = (None, None);
        }
    }

    pub(in crate::ui) fn rows(&self) -> Vec<Row> {
        self.shown().map(rows::fold).unwrap_or_default()
    }

    /// Returns the row that is shown; meaningless without any. Unless the reader has chosen one, it is the last
    /// row, or in a session that has ended the last body, which is what the session was about.
    pub(in crate::ui) fn at(&self, rows: &[Row]) -> usize {
        let last = rows.len().saturating_sub(1);
        let chosen = match (self.at, self.shown()) {
            (Some(at), _) => rows.iter().position(|row| row.holds(at)),
            (None, Some(shown)) if shown.closed.is_some() => {
                let is_body =
                    |row: &Row| shown.frame(row.last()).is_some_and(|frame| frame.kind == Kind::Data);
                rows.iter().rposition(is_body)
            }
            (None, _) => None,
        };
        chosen.unwrap_or(last)
    }

    /// Returns the message that is shown.
    pub(in crate::ui) fn frame(&self) -> Option<&Frame> {
        let rows = self.rows();
        let number = rows.get(self.at(&rows))?.last();
        self.shown()?.frame(number)
    }

    pub(in crate::ui) fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// Moves to another message.
    pub(in crate::ui) fn go(&mut self, step: Step) {
        self.playing = None;
        let rows = self.rows();
        let (at, last) = (self.at(&rows), rows.len().saturating_sub(1));
        let to = match step {
            Step::Up(n) => at.saturating_sub(n),
            Step::Down(n) => at.saturating_add(n).min(last),
            Step::First => 0,
            Step::Last => last,
            Step::To(row) => row.min(last),
        };
        self.stand(&rows, to);
    }

    /// Chooses a row. The last row of an open session is followed as messages arrive.
    fn stand(&mut self, rows: &[Row], to: usize) {
        let is_live = self.shown().is_some_and(|shown| shown.closed.is_none());
        self.at = if is_live && to + 1 >= rows.len() { None } else { rows.get(to).map(Row::first) };
    }

    /// Moves by a tenth of the session's time, and at least by one message.
    pub(in crate::ui) fn scrub(&mut self, on: bool) {
        self.playing = None;
        let rows = self.rows();
        let at = self.at(&rows);
        let (Some(shown), Some(row)) = (self.shown(), rows.get(at)) else { return };
        let time = |row: &Row| shown.frame(row.first()).map_or(0, |frame| frame.at_us);
        let (here, leap) = (time(row), shown.length() / 10);
        let to = if on {
            let far = rows.iter().rposition(|row| time(row) <= here.saturating_add(leap)).unwrap_or(at);
            far.max(at + 1).min(rows.len() - 1)
        } else {
            let far = rows.iter().position(|row| time(row) >= here.saturating_sub(leap)).unwrap_or(at);
            far.min(at.saturating_sub(1))
        };
        self.stand(&rows, to);
    }

    /// Plays the messages from here on, or from the first if this is the last; or stops.
    pub(in crate::ui) fn play(&mut self, now: Duration) {
        if self.playing.take().is_some() {
            return;
        }
        let rows = self.rows();
        if rows.len() < 2 {
            return;
        }
        if self.at(&rows) + 1 == rows.len() {
            self.stand(&rows, 0);
        }
        self.playing = Some(now + PACE);
    }

    /// Moves to the next message when its time has come.
    fn play_on(&mut self, now: Duration) {
        if self.playing.is_some_and(|next| next <= now) {
            let rows = self.rows();
            let to = self.at(&rows) + 1;
            self.stand(&rows, to);
            self.playing = (to + 1 < rows.len()).then(|| now + PACE);
        }
    }
}

/// Returns the client's address, as each end names it.
fn other_end(wire: &Wire) -> &str {
    match wire.side {
        Side::Client => &wire.local,
        Side::Server => &wire.peer,
    }
}
