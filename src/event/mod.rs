//! Orders and events: plain values that can be sent between threads, printed and recorded.
//!
//! [`Command`] goes into the transfer threads, [`Event`] comes out of them. The screen, `--json` and the log see
//! nothing else. This module imports no other module of the crate, and its values hold no channel, clock or socket, so
//! that a recorded stream of events can be replayed anywhere.
//!
//! - `order`, `race`: what the transfer threads are asked to do; `dialect`: the settings of an upload
//! - `address`: addresses of servers, and links with a pin
//! - `folder`: folders to upload
//! - `state`: the state and progress of a transfer; `fault`: why one failed
//! - `limit`: the limit of the bytes on the wire; `jobs`: the number of connections
//! - `proof`: the identity of a server; `record`: recorded messages; `forecast`: rates for estimates
//! - `escaped`: text from the network that is safe to print

pub(crate) mod address;
mod dialect;
mod escaped;
mod fault;
mod folder;
mod forecast;
mod jobs;
mod limit;
mod order;
mod proof;
mod race;
mod record;
mod server;
mod state;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

#[cfg(test)]
pub(crate) use self::address::ADDRESS_FORMS;
pub(crate) use self::address::parse_listening;
pub use self::address::{AddressError, Destination, DestinationError, ServerAddress, ServerLink};
pub use self::dialect::*;
pub use self::escaped::{Escaped, escape, misleads};
pub use self::fault::{Blame, Fault, FaultKind};
pub use self::folder::{FolderId, FolderOrder, FolderRules, Skipped};
pub use self::forecast::{Calibration, Learned, Pace, Speed, Took};
pub use self::jobs::{Jobs, NoJobs};
pub use self::limit::{Limit, NoLimit};
pub use self::order::{Command, Expected, Job, JobId, SessionId, Target, Track};
pub use self::proof::{KeyChange, Proof, Standing};
pub use self::race::{
    Course, Engines, Lane, LaneResult, MOST_LANES, MOST_POINTS, Operations, Point, RaceOrder, Subject,
    Verdict, Work,
};
pub use self::record::{Depth, Frame, Kind, Sample, Side, Way, Wire, WireId};
pub use self::server::{Accepted, Door, Reach, RefusalKind};
pub use self::state::{Earlier, Kept, Named, Snapshot, State};

/// Serialises a path as text. In a path that is not UTF-8, invalid bytes become U+FFFD: JSON has no other text.
fn readable<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[expect(clippy::ref_option, reason = "serde hands the field over as it is")]
fn perhaps_readable<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// An event of a transfer or a server. `--json` prints one per line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// This program's server accepts connections.
    Listening {
        /// Bound `ip:port`.
        address: String,
        /// Folder of received files; empty for a server that serves a race only and discards them.
        #[serde(serialize_with = "readable")]
        store: PathBuf,
        /// Identity of the server; `None`: it has none and serves Plain only.
        identity: Option<Proof>,
    },
    /// This program's server could not start, or had to stop.
    NotListening {
        /// Cause, and what to do about it.
        fault: Fault,
    },
    /// This program's server accepts this from clients that connect from now on.
    Accepting {
        /// Which server.
        reach: Reach,
        /// What it accepts.
        #[serde(flatten)]
        accepted: Accepted,
    },
    /// Other computers can send files to this program ([`Command::Share`]).
    Shared {
        /// SPKI SHA-256 of the server's key, hex, for links.
        pin: String,
        /// The addresses at which it is reached; the most likely one first, at least one.
        doors: Vec<Door>,
    },
    /// Other computers can no longer send files to this program.
    NotShared {
        /// Why it could not be shared; `None`: the user turned it off.
        fault: Option<Fault>,
    },
    /// An upload is in the queue.
    Queued {
        /// The upload.
        job: Job,
        /// Size of the file in bytes when it was queued.
        size: u64,
    },
    /// An upload or a lane changed its state.
    State {
        /// The upload or lane.
        track: Track,
        /// The new state.
        state: State,
    },
    /// An upload broke off and is in the queue again. It will be sent from its first byte after a pause.
    Retrying {
        /// Number of the upload.
        job: JobId,
        /// Failed attempts so far, from 1.
        tries: u32,
        /// Limit of attempts after the first.
        retries: u32,
        /// Milliseconds until the next attempt.
        pause_ms: u64,
        /// Reason of the last failure.
        fault: Fault,
    },
    /// A server that had answered no longer does. Uploads wait for it.
    Away {
        /// Address of the server.
        address: ServerAddress,
        /// Number of uploads that wait.
        waiting: usize,
    },
    /// An upload is no longer in the queue.
    Removed {
        /// Number of the upload.
        job: JobId,
    },
    /// A server proved its identity.
    Proven {
        /// The transfer that the connection is for.
        track: Track,
        /// Address of the server; of the embedded server, the address it listens on.
        address: ServerAddress,
        /// Identity of the server.
        proof: Proof,
        /// Comparison with the known key.
        standing: Standing,
    },
    /// A server that was never met proved its identity, and the user has to accept its key before anything is sent
    /// ([`Command::AnswerMeeting`]). The uploads to it wait. Programs are not asked.
    FirstMeeting {
        /// The transfer that the connection is for.
        track: Track,
        /// Address of the server.
        address: ServerAddress,
        /// SPKI SHA-256 of the CA, hex.
        ca: String,
        /// Identity of the server.
        proof: Proof,
        /// Whether the address is known under another CA.
        other_ca: bool,
    },
    /// The user did not accept the key of a server that was never met. Uploads to it wait until one of them is retried.
    Unaccepted {
        /// Address of the server.
        address: ServerAddress,
        /// Number of uploads that wait.
        waiting: usize,
    },
    /// A server's key changed. The uploads that wait for the server fail next.
    KeyChanged {
        /// The transfer that the connection is for.
        track: Track,
        /// The known and the offered key.
        #[serde(flatten)]
        change: KeyChange,
    },
    /// [`Command::AcceptServer`] was carried out.
    ServerAccepted {
        /// Address of the server.
        address: ServerAddress,
        /// The known key from now on, hex.
        key: String,
    },
    /// [`Command::AcceptServer`] failed.
    ServerNotAccepted {
        /// Address of the server.
        address: ServerAddress,
        /// Cause, and what to do about it.
        fault: Fault,
    },
    /// Progress of a transfer: at most 20 a second for each, and a last one before its final state.
    Progress {
        /// The transfer.
        track: Track,
        /// Its progress.
        #[serde(flatten)]
        snapshot: Snapshot,
    },
    /// A race begins.
    RaceStarted {
        /// The file's name.
        name: String,
        /// Bytes that each lane sends.
        bytes: u64,
        /// The lanes, in order.
        lanes: Vec<Lane>,
        /// Whether they run in turn.
        #[serde(default)]
        course: Course,
        /// Laps of each lane.
        #[serde(default)]
        laps: u32,
    },
    /// The embedded server generates a key for a lane, which may take seconds.
    KeyComing {
        /// Lane, counted from 0.
        lane: usize,
        /// Modulus length in bits.
        bits: usize,
    },
    /// A lane finished a lap.
    LapFinished {
        /// Lane, counted from 0.
        lane: usize,
        /// Lap, counted from 1.
        lap: u32,
        /// Result of this lap alone.
        result: LaneResult,
    },
    /// A race is over.
    RaceFinished {
        /// The result.
        verdict: Verdict,
    },
    /// This program's server accepted a connection.
    SessionOpened {
        /// Number of the session.
        session: SessionId,
        /// `ip:port` of the client.
        peer: String,
    },
    /// This program's server proved its identity to a client (MODE 3).
    SessionProved {
        /// Number of the session.
        session: SessionId,
    },
    /// This program's server gave receipts.
    Receipted {
        /// Number of the session.
        session: SessionId,
        /// Number of stored files that the receipts are for.
        files: usize,
    },
    /// This program's server began to receive a file.
    Receiving {
        /// Always [`Track::Receiving`].
        track: Track,
        /// `ip:port` of the client.
        peer: String,
        /// The file's name.
        name: Escaped,
        /// Variant by which the file is sent.
        variant: Variant,
    },
    /// This program's server has a whole file, on disk.
    Received {
        /// Always [`Track::Receiving`].
        track: Track,
        /// `ip:port` of the client.
        peer: String,
        /// The stored name.
        name: Escaped,
        /// Place of the file in the store.
        kept: Kept,
        /// Size in bytes.
        size: u64,
        /// Variant by which the file was sent.
        variant: Variant,
        /// SHA-256, hex; `None`: the server does not hash (`--digest none`).
        digest: Option<String>,
        /// Seconds from the file's first byte to its last.
        seconds: f64,
        /// Milliseconds since 1970, UTC.
        at_ms: i64,
    },
    /// This program's server refused something, and published nothing of it.
    Refused {
        /// Number of the session.
        session: SessionId,
        /// The file in question, if one had begun.
        track: Option<Track>,
        /// `ip:port` of the client.
        peer: String,
        /// The file's name, if one was announced.
        name: Option<Escaped>,
        /// The party that has to act; [`Blame::System`] if the client may have been right.
        blame: Blame,
        /// What was refused.
        kind: RefusalKind,
        /// What was expected, what came, and where; for a failure of this machine, also what to do.
        why: String,
        /// Whether the connection ended in the middle of a message; not in `--json`.
        #[serde(skip)]
        is_cut: bool,
        /// Milliseconds since 1970, UTC.
        at_ms: i64,
    },
    /// A warning for the operator of this program's server. Nothing was refused.
    Warned {
        /// Number of the session, if the warning is about one.
        session: Option<SessionId>,
        /// `ip:port` of the client, if there is one.
        peer: Option<String>,
        /// The file's name, if the warning is about a file.
        name: Option<Escaped>,
        /// What happened, and what to do.
        text: String,
        /// Milliseconds since 1970, UTC.
        at_ms: i64,
    },
    /// A connection to this program's server ended.
    SessionClosed {
        /// Number of the session.
        session: SessionId,
    },
    /// A connection is recorded from its first byte ([`Command::Record`]).
    WireOpened {
        /// Number of the connection.
        wire: WireId,
        /// Its two ends.
        #[serde(flatten)]
        opened: Wire,
    },
    /// Messages of a recorded connection: each of the first 64 when it is whole, and of the others the last 32 in each
    /// tenth of a second.
    WireFrames {
        /// Number of the connection.
        wire: WireId,
        /// Messages by number; the missing ones have passed, too.
        frames: Vec<Frame>,
    },
    /// A recorded connection has ended.
    WireClosed {
        /// Number of the connection.
        wire: WireId,
        /// Microseconds since the connection was opened.
        at_us: u64,
        /// Whether it ended in order: after MODE 2, or closed by the other end between two messages.
        in_order: bool,
    },
    /// A folder is read while its files are sent, at most 10 times a second; or it was read to its end.
    Scanned {
        /// Number of the folder.
        folder: FolderId,
        /// Path of the folder.
        #[serde(serialize_with = "readable")]
        path: PathBuf,
        /// Files found so far; they are in the queue.
        files: u64,
        /// Sum of their sizes in bytes.
        bytes: u64,
        /// Files, links and folders that were skipped so far.
        skipped: u64,
        /// Whether the whole folder was read. Before that, the numbers are lower bounds.
        complete: bool,
    },
    /// Something in a folder is not uploaded.
    Skipped {
        /// Number of the folder.
        folder: FolderId,
        /// Path of what is skipped.
        #[serde(serialize_with = "readable")]
        path: PathBuf,
        /// Why it is not uploaded.
        why: Skipped,
    },
    /// The queue was paused, or goes on.
    QueuePaused {
        /// Whether it is paused.
        paused: bool,
        /// Uploads that are being sent, which are finished.
        running: usize,
    },
    /// The number of connections that send files at the same time, when it is set or changed.
    JobsSet {
        /// The most connections.
        jobs: Jobs,
    },
    /// The limit of the uploads' bytes on the wire, when it is set or changed. Races ignore it.
    Limited {
        /// The limit.
        limit: Limit,
    },
    /// A message that belongs to no transfer.
    Note {
        /// One line.
        text: String,
    },
    /// This computer's speed was measured, for estimates before the first upload.
    Calibrated {
        /// Measured speeds.
        calibration: Calibration,
    },
    /// Durations of uploads in earlier runs.
    Learned {
        /// Durations by server and variant.
        rates: Vec<Learned>,
    },
    /// The transfer threads have ended; nothing follows.
    Ended,
}
