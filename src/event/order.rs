//! Orders: what the screen or the command line asks of the transfer threads.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Accepted, Depth, Dialect, FolderId, FolderOrder, Jobs, Limit, RaceOrder, Reach, ServerAddress,
    perhaps_readable, readable,
};

/// The server that files go to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The server inside this process. The worker knows its throwaway CA.
    Embedded,
    /// Another server.
    Server {
        /// Address of the server; the worker resolves it.
        address: ServerAddress,
        /// File of the CA that must have signed the server's certificate; `None` is enough for Plain.
        #[serde(serialize_with = "perhaps_readable")]
        ca: Option<PathBuf>,
        /// Further requirements on the server's identity.
        #[serde(default, skip_serializing_if = "Expected::is_nothing")]
        expected: Expected,
    },
}

impl Target {
    /// Creates a target for any server at this address that the CA certified.
    #[must_use]
    pub fn server(address: ServerAddress, ca: Option<PathBuf>) -> Self {
        Self::Server { address, ca, expected: Expected::default() }
    }
}

/// Requirements that tell one server from the others that the same CA certified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Expected {
    /// SHA-256 of the key's `SubjectPublicKeyInfo`: 64 hexadecimal digits, with or without `sha256:` before them.
    pub pin: Option<String>,
    /// The only CN of the certificate's subject, compared byte for byte.
    pub name: Option<String>,
}

impl Expected {
    /// Returns whether any server of the CA is accepted.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.pin.is_none() && self.name.is_none()
    }
}

/// The number of an upload, unique while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// The number of a connection that the server accepted, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// The transfer that a state or a snapshot is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    /// An upload of the queue.
    Job(JobId),
    /// A lane of the race, counted from 0.
    Lane(usize),
    /// A file that this program's server receives: the session, and the file's ordinal in it, from 1.
    Receiving(SessionId, u64),
}

/// One file to upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Number chosen by the sender of the command; never used twice.
    pub id: JobId,
    /// Path of the local file.
    #[serde(serialize_with = "readable")]
    pub path: PathBuf,
    /// Server that receives the file, shared by all uploads to it.
    pub target: Arc<Target>,
    /// Settings of the protocol.
    pub dialect: Dialect,
    /// Estimated milliseconds from the first byte of MODE 0, for the history. `None`: no estimate was shown.
    #[serde(default)]
    pub predicted_ms: Option<u64>,
    /// Folder upload that the file belongs to, if it belongs to one.
    #[serde(default)]
    pub folder: Option<FolderId>,
    /// Name to send instead of the path's last part. For a file of a folder, its path from that folder on, with the
    /// folder's name, separated by `/`. A server that does not keep paths is sent the last part.
    #[serde(default)]
    pub name: Option<String>,
}

impl Job {
    /// Creates an upload of one file under its own name, without an estimate.
    #[must_use]
    pub fn new(
        id: JobId,
        path: impl Into<PathBuf>,
        target: impl Into<Arc<Target>>,
        dialect: Dialect,
    ) -> Self {
        Self {
            id,
            path: path.into(),
            target: target.into(),
            dialect,
            predicted_ms: None,
            folder: None,
            name: None,
        }
    }
}

/// An order to the transfer threads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Appends files to the queue. Adjacent files with the same target and dialect share one connection.
    Upload(Vec<Job>),
    /// Appends the files of a folder to the queue, while it is read. Folders are read one after another.
    UploadFolder(FolderOrder),
    /// Stops reading a folder, and all uploads of its files.
    CancelFolder(FolderId),
    /// Stops one upload, in any state, within 100 ms.
    Cancel(JobId),
    /// Stops every upload and the race.
    CancelAll,
    /// Ends the wait for the server's end after MODE 2. What was sent is then unconfirmed.
    EndWait,
    /// Puts a failed or cancelled upload back into the queue.
    Retry(JobId),
    /// Puts all failed uploads back into the queue.
    RetryFailed,
    /// Sends these uploads before another one, as far as they wait.
    Reorder {
        /// Numbers of the uploads.
        jobs: Vec<JobId>,
        /// Upload that they are sent before; it waits, too.
        before: JobId,
    },
    /// Removes an upload that is not running.
    Remove(JobId),
    /// Pauses the queue, or lets it go on. A paused queue begins no upload; those that are being sent are finished.
    PauseQueue(bool),
    /// Pauses one upload. If it is being sent, its connection is stopped, because a server does not wait for a silent
    /// client.
    Pause(JobId),
    /// Resumes a paused upload.
    Resume(JobId),
    /// Sets the number of connections that send files to our server at the same time.
    Jobs(Jobs),
    /// Limits the bytes of all uploads on the wire, also of those that run.
    Limit(Limit),
    /// Sends the same bytes through every lane.
    Race(RaceOrder),
    /// Stops the race.
    StopRace,
    /// Answers [`Event::FirstMeeting`](super::Event::FirstMeeting).
    AnswerMeeting {
        /// Address of the server.
        address: ServerAddress,
        /// SPKI SHA-256 of the CA, hex.
        ca: String,
        /// SPKI SHA-256 of the key that was shown, hex.
        key: String,
        /// Whether files may be sent to this key.
        accept: bool,
    },
    /// Makes this key the known one of a server whose key changed ([`Event::KeyChanged`](super::Event::KeyChanged)).
    AcceptServer {
        /// Address of the server.
        address: ServerAddress,
        /// SPKI SHA-256 of the CA, hex.
        ca: String,
        /// SPKI SHA-256 of the key, hex.
        key: String,
    },
    /// Sets how much is recorded of connections that are opened from now on. Initially nothing is.
    Record(Depth),
    /// Changes what a server of this program accepts from clients that connect from now on.
    Accept {
        /// Which server.
        reach: Reach,
        /// What it is to accept.
        accepted: Accepted,
    },
    /// Stops this program's servers with their sessions, and starts them again with the same identity.
    RestartServer,
    /// Lets other computers send files: a second server listens on all addresses of this machine, with the rules and the
    /// identity of `upseal serve --share`.
    Share {
        /// Folder of the identity, which is made if it has none.
        #[serde(serialize_with = "readable")]
        identity: PathBuf,
    },
    /// Stops that server and its sessions.
    EndShare,
    /// Cancels what runs, stops the embedded server, and ends the threads.
    Shutdown,
}
