//! What is asked and what happened: plain values that can be sent, printed and recorded.
//!
//! [`Command`] goes into the transfer threads, [`Event`] comes out of them; the screen, `--json` and
//! the log see nothing else. Nothing here holds a channel, a clock or a socket, or
//! imports anything else of ours, so a recorded stream of events replays anywhere.

mod dialect;
mod escaped;
mod fault;
mod forecast;
mod proof;
mod race;
mod record;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

pub use self::dialect::{
    AuthMessage, Dialect, EmptyFile, Framing, KeyForm, KeyLength, NameAs, Padding, Terminator, Variant,
};
pub use self::escaped::{Escaped, escape, misleads};
pub use self::fault::{Blame, Fault, FaultKind};
pub use self::forecast::{Calibration, Learned, Pace, Speed, Took};
pub use self::proof::{KeyChange, Proof, Standing};
pub use self::race::{
    Course, Engines, Lane, LaneResult, MOST_LANES, MOST_POINTS, Point, RaceOrder, Subject, Verdict, Work,
};
pub use self::record::{Depth, Frame, Kind, Sample, Side, Way, Wire, WireId};

/// Where files go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The server inside this process; its throwaway CA is known to the worker.
    Embedded,
    /// A server elsewhere.
    Server {
        /// `host:port`, resolved by the worker.
        address: String,
        /// The CA that must have signed the server's certificate; Plain needs none.
        #[serde(serialize_with = "perhaps_readable")]
        ca: Option<PathBuf>,
        /// What else it must be.
        #[serde(default, skip_serializing_if = "Expected::is_nothing")]
        expected: Expected,
    },
}

impl Target {
    /// Any server at this address that this CA certified.
    #[must_use]
    pub fn server(address: impl Into<String>, ca: Option<PathBuf>) -> Self {
        Self::Server { address: address.into(), ca, expected: Expected::default() }
    }
}

/// Which of the many servers that a CA certified is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Expected {
    /// SHA-256 of its `SubjectPublicKeyInfo`: 64 hexadecimal digits, after `sha256:` or without it.
    pub pin: Option<String>,
    /// The only CN of its certificate's subject, to the letter.
    pub name: Option<String>,
}

impl Expected {
    /// Whether any server of the CA's will do.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.pin.is_none() && self.name.is_none()
    }
}

/// A number that names an upload for as long as the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// A connection that the server accepted, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// What a state or a snapshot is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    /// An upload of the queue.
    Job(JobId),
    /// A lane of the race, counted from 0.
    Lane(usize),
    /// A file that our server receives: its session, and the file's ordinal in it, from 1.
    Receiving(SessionId, u64),
}

/// One file to upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Chosen by whoever asks; never used twice.
    pub id: JobId,
    /// The local file.
    #[serde(serialize_with = "readable")]
    pub path: PathBuf,
    /// Where to.
    pub target: Target,
    /// How.
    pub dialect: Dialect,
    /// What it was said to take, from the first byte of MODE 0 on: milliseconds, for the history.
    #[serde(default)]
    pub predicted_ms: Option<u64>,
}

/// What the screen or the command line asks of the transfer threads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Puts files at the end of the queue. Files that follow each other with the same target and
    /// dialect share one connection.
    Upload(Vec<Job>),
    /// Stops one upload, wherever it is, within 100 ms.
    Cancel(JobId),
    /// Stops every upload and the race.
    CancelAll,
    /// Waits no longer for the server's end after MODE 2: what was sent is not confirmed then.
    EndWait,
    /// Puts a failed or cancelled upload back into the queue.
    Retry(JobId),
    /// Does so with all that failed.
    RetryFailed,
    /// Forgets an upload that is not running.
    Remove(JobId),
    /// Sends the same bytes through every lane.
    Race(RaceOrder),
    /// Stops the race.
    StopRace,
    /// From now on this key is the known one of a server that had another ([`Event::KeyChanged`]).
    AcceptServer {
        /// `host:port`.
        address: String,
        /// SPKI SHA-256 of the CA, hex.
        ca: String,
        /// SPKI SHA-256 of the key, hex.
        key: String,
    },
    /// How much of each connection is written down from now on; nothing before the first of these.
    Record(Depth),
    /// Cancels what runs, stops the embedded server, and ends the threads.
    Shutdown,
}

/// The states of an upload, in the order in which it walks through them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In the queue.
    Waiting,
    /// Reaching the server.
    Connecting,
    /// The server proves who it is; nothing of the file is sent.
    Proving,
    /// From the first byte of MODE 0.
    Sending,
    /// The kernel took the last byte. The server may not have it.
    Sent,
    /// The server closed in order after our MODE 2, or answered after the file. It claims nothing about
    /// the disk.
    Delivered,
    /// A signed receipt says that it is on the server's disk, with this content.
    Stored {
        /// The name in the receipt.
        name: Escaped,
        /// What that name is.
        named: Named,
        /// Where the receipt is kept; `None` if it could not be.
        #[serde(serialize_with = "perhaps_readable")]
        receipt: Option<PathBuf>,
    },
    /// It ended otherwise.
    Failed(Fault),
    /// The user stopped it.
    Cancelled,
}

impl State {
    /// Whether the server has it, as far as can be told.
    #[must_use]
    pub const fn has_arrived(&self) -> bool {
        matches!(self, Self::Delivered | Self::Stored { .. })
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Delivered | Self::Stored { .. } | Self::Failed(_) | Self::Cancelled)
    }
}

/// What the name in a receipt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// The name under which the server keeps the file.
    Stored,
    /// The name under which the file came. The server does not tell under which it keeps it, because that would tell
    /// whether another file of that name is there.
    Wanted,
}

/// One transfer at one moment. Rates are bytes of the *file* a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Bytes of the file so far; 0 <= `file_bytes` <= `file_total`.
    pub file_bytes: u64,
    /// Bytes of the file in all; 0 while not known (a receiving server may not know).
    pub file_total: u64,
    /// Bytes on the wire so far, with framing, padding and base64.
    pub wire_bytes: u64,
    /// Bytes on the wire in all; 0 while not known.
    pub wire_total: u64,
    /// Milliseconds since the first byte of MODE 0.
    pub elapsed_ms: u64,
    /// An exponentially weighted mean over about a second.
    pub rate_now: f64,
    /// `file_bytes` over the elapsed time.
    pub rate_mean: f64,
    /// The highest `rate_now` so far.
    pub rate_peak: f64,
    /// Milliseconds to go at `rate_now`; `None` while nothing moves.
    pub eta_ms: Option<u64>,
    /// Milliseconds since the last byte moved.
    pub idle_ms: u64,
    /// Where this side's time went so far; `None` where nobody measures it (all but races).
    #[serde(default)]
    pub work: Option<Work>,
    /// Where the server's went, if it is ours.
    #[serde(default)]
    pub server: Option<Work>,
}

/// How a received file came to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Under the name that was asked for.
    New,
    /// Under `name (2).ext`, because another file has the name.
    Renamed,
    /// Not again: a file of this name and SHA-256 is here already.
    Same,
    /// In the place of its own beginning, because more of it came after that was published.
    Amended,
    /// Not at all: a lane of a race (`race-cp1-NAME`).
    Discarded,
}

/// A path that is not UTF-8 is no reason to keep silent about an event; JSON has no other text.
fn readable<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[expect(clippy::ref_option, reason = "serde hands the field over as it is")]
fn perhaps_readable<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// What happened. `--json` prints one of these a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A server of ours accepts connections.
    Listening {
        /// `ip:port` as bound.
        address: String,
        /// Where files go; empty where they go nowhere, in a server for one race.
        #[serde(serialize_with = "readable")]
        store: PathBuf,
        /// Its identity; `None` when it has none and serves Plain only.
        identity: Option<Proof>,
    },
    /// A server of ours could not start or had to stop.
    NotListening {
        /// Why.
        fault: Fault,
    },
    /// An upload is in the queue.
    Queued {
        /// Which.
        job: Job,
        /// Bytes of the file when it was queued.
        size: u64,
    },
    /// An upload or a lane changed its state.
    State {
        /// Whose.
        track: Track,
        /// To this.
        state: State,
    },
    /// An upload was cut, and is in the queue again: from its first byte, after a while.
    Retrying {
        /// Which.
        job: JobId,
        /// Tries that have failed, from 1.
        tries: u32,
        /// Of so many at the most, besides the first.
        retries: u32,
        /// Milliseconds until the next.
        pause_ms: u64,
        /// Why the last one failed.
        fault: Fault,
    },
    /// A server that had answered does so no longer; uploads wait until it does.
    Away {
        /// `host:port`.
        address: String,
        /// How many wait.
        waiting: usize,
    },
    /// An upload is no longer in the queue.
    Removed {
        /// Which.
        job: JobId,
    },
    /// A server answered AP, and its answer holds.
    Proven {
        /// For whom.
        track: Track,
        /// `ip:port` or as the user gave it.
        address: String,
        /// Who.
        proof: Proof,
        /// Whether that is who answered before.
        standing: Standing,
    },
    /// A server's key is another than before; whatever waits for it fails next.
    KeyChanged {
        /// For whom.
        track: Track,
        /// From what to what.
        #[serde(flatten)]
        change: KeyChange,
    },
    /// [`Command::AcceptServer`] was carried out.
    ServerAccepted {
        /// `host:port`.
        address: String,
        /// Its known key from now on, hex.
        key: String,
    },
    /// [`Command::AcceptServer`] failed.
    ServerNotAccepted {
        /// `host:port`.
        address: String,
        /// Why.
        fault: Fault,
    },
    /// How far a transfer is; at most 20 a second each, and one last before its final state.
    Progress {
        /// Whose.
        track: Track,
        /// How far.
        #[serde(flatten)]
        snapshot: Snapshot,
    },
    /// A race begins.
    RaceStarted {
        /// The file's name.
        name: String,
        /// Bytes that each lane will send.
        bytes: u64,
        /// The lanes, in order.
        lanes: Vec<Lane>,
        /// How they run.
        #[serde(default)]
        course: Course,
        /// How often each.
        #[serde(default)]
        laps: u32,
    },
    /// The embedded server makes a key for a lane, which may take seconds.
    KeyComing {
        /// Counted from 0.
        lane: usize,
        /// Modulus length.
        bits: usize,
    },
    /// A lane has run once.
    LapFinished {
        /// Counted from 0.
        lane: usize,
        /// Counted from 1.
        lap: u32,
        /// Of this lap alone.
        result: LaneResult,
    },
    /// A race is over.
    RaceFinished {
        /// Its result.
        verdict: Verdict,
    },
    /// Our server accepted a connection.
    SessionOpened {
        /// Its number.
        session: SessionId,
        /// `ip:port` of the client.
        peer: String,
    },
    /// Our server proved itself to a client (MODE 3).
    SessionProved {
        /// Which.
        session: SessionId,
    },
    /// Our server gave receipts.
    Receipted {
        /// In which session.
        session: SessionId,
        /// For so many files that are here.
        files: usize,
    },
    /// Our server began to receive a file.
    Receiving {
        /// Always [`Track::Receiving`].
        track: Track,
        /// `ip:port` of the client.
        peer: String,
        /// The file's name.
        name: Escaped,
        /// How it comes.
        variant: Variant,
    },
    /// Our server has a file, whole and on disk.
    Received {
        /// Always [`Track::Receiving`].
        track: Track,
        /// `ip:port` of the client.
        peer: String,
        /// The name it is stored under.
        name: Escaped,
        /// What became of it.
        kept: Kept,
        /// Bytes.
        size: u64,
        /// How it came.
        variant: Variant,
        /// SHA-256, hex, unless the server was told not to hash.
        digest: Option<String>,
        /// From its first byte to its last.
        seconds: f64,
        /// Milliseconds since 1970, UTC.
        at_ms: i64,
    },
    /// Our server refused something, and published nothing of it.
    Refused {
        /// Whose.
        session: SessionId,
        /// The file it was about, if one had begun.
        track: Option<Track>,
        /// `ip:port` of the client.
        peer: String,
        /// The file's name, if one was announced.
        name: Option<Escaped>,
        /// Who has to change something: [`Blame::System`] if what came may have been right.
        blame: Blame,
        /// What was expected, what came, and where; and for a failure of this machine, what to do.
        why: String,
        /// Milliseconds since 1970, UTC.
        at_ms: i64,
    },
    /// Something the operator of our server should know; nothing was refused.
    Warned {
        /// The session that it is about, if it is about one.
        session: Option<SessionId>,
        /// `ip:port` of the client, if there is one.
        peer: Option<String>,
        /// The file's name, if it is about one.
        name: Option<Escaped>,
        /// What happened, and what to do.
        text: String,
        /// Milliseconds since 1970, UTC.
        at_ms: i64,
    },
    /// A connection to our server ended.
    SessionClosed {
        /// Which.
        session: SessionId,
    },
    /// A connection is recorded from its first byte ([`Command::Record`]).
    WireOpened {
        /// Which.
        wire: WireId,
        /// Between whom.
        #[serde(flatten)]
        opened: Wire,
    },
    /// Messages of a recorded connection: each of the first 64 when it is whole; of the others the last 32 of each
    /// tenth of a second.
    WireFrames {
        /// Of which.
        wire: WireId,
        /// In the order of their numbers; those that are missing have passed, too.
        frames: Vec<Frame>,
    },
    /// A recorded connection has ended.
    WireClosed {
        /// Which.
        wire: WireId,
        /// Microseconds from its beginning.
        at_us: u64,
        /// Whether it ended in order: after MODE 2, or by the other end between two messages.
        in_order: bool,
    },
    /// Something worth a line that belongs to no transfer.
    Note {
        /// The line.
        text: String,
    },
    /// What this computer can do; of use before anything was sent.
    Calibrated {
        /// The speeds.
        calibration: Calibration,
    },
    /// What files took in earlier runs.
    Learned {
        /// By server and variant.
        rates: Vec<Learned>,
    },
    /// The transfer threads have ended; nothing follows.
    Ended,
}
