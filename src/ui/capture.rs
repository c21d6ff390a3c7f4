//! Saving a session to a file of one event per line, as `docs/captures.md` describes.
//!
//! The file has only what passed on the wire, so never a key in clear. The content of files is left out unless the
//! user asked for it on the command line.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::recording::Recording;
use super::text;
use crate::event::{Event, Frame, Kind};

/// Number of names that are tried for one session; more would need one save per second.
const TRIES: u32 = 100;

/// A session to be written, and the file's name without its extension.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Capture {
    pub(super) name: String,
    pub(super) lines: Vec<Event>,
    pub(super) with_plaintext: bool,
}

impl Capture {
    /// Creates a capture of a recording, without the content of files unless it is asked for.
    pub(super) fn of(recording: &Recording, with_plaintext: bool) -> Self {
        let wire = recording.id;
        let time = Timestamp::from_millisecond(recording.wire.at_ms).unwrap_or_default();
        let name = time.to_zoned(TimeZone::UTC).strftime("session-%Y-%m-%dT%H-%M-%SZ").to_string();
        let mut lines = vec![Event::WireOpened { wire, opened: recording.wire.clone() }];
        lines.extend(recording.frames().map(|frame| {
            let is_open = text::is_open(recording.body(frame));
            let frame = if with_plaintext { frame.clone() } else { without_content(frame, is_open) };
            Event::WireFrames { wire, frames: vec![frame] }
        }));
        if let (Some((proof, standing)), Some(track)) = (&recording.proof, recording.wire.track)
            && let Ok(address) = recording.wire.peer.parse()
        {
            let proven = Event::Proven { track, address, proof: proof.clone(), standing: standing.clone() };
            lines.insert(1, proven);
        }
        if let Some((at_us, in_order)) = recording.closed {
            lines.push(Event::WireClosed { wire, at_us, in_order });
        }
        Self { name, lines, with_plaintext }
    }

    /// Writes a new file that only its owner can read, and returns its path.
    pub(super) fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        for n in 1..=TRIES {
            let number = if n == 1 { String::new() } else { format!(" ({n})") };
            let path = folder.join(format!("{}{number}.jsonl", self.name));
            let mut file = match options.open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(e),
            };
            let written = self.text().and_then(|text| file.write_all(text.as_bytes()));
            // A partial capture would look like a whole one.
            return written.map(|()| path.clone()).inspect_err(|_| drop(fs::remove_file(&path)));
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn text(&self) -> io::Result<String> {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        }
        Ok(text)
    }
}

/// Returns the frame without the file's bytes, and without M2 where that is the file or may be.
fn without_content(frame: &Frame, is_open: bool) -> Frame {
    let is_content = match frame.kind {
        Kind::Data => is_open,
        Kind::Unknown => true,
        _ => false,
    };
    let body = if is_content { frame.body.withheld() } else { frame.body.clone() };
    Frame { body, file: frame.file.as_ref().map(crate::event::Sample::withheld), ..frame.clone() }
}
