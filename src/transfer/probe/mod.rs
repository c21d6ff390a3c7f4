//! Finds out which dialect a server speaks: sends small files in one dialect after another until one is accepted.
//!
//! ```text
//!   CP2 ─ receipt ─► it is upseal                 the rest, most frequent first:
//!      └─ no receipt ─► AP ─ accepted ─► AP         one byte ─ accepted ─► CP1: several blocks ─ accepted ─► found
//!                         └─ not ─► CP2, if accepted                                          └─ not ─► the next
//! ```
//! A server that stores any bytes accepts every variant, so AP is tried before the result of another is trusted. One byte
//! in CP1 is one block, which framings A, D and E write almost alike, so a second file of several blocks must arrive too.
//!
//! Accepted means that the server closed in order after MODE 2, or gave a receipt: see [`State`].

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, after, select};

use super::{FirstMeeting, Options, Transfer};
use crate::event::{
    Blame, Command, Dialect, Event, Fault, FaultKind, Framing, Job, JobId, KeyForm, KeyLength, Padding,
    State, Target, Terminator, Track, Variant,
};
use crate::trust::known::KnownServers;

/// The longest time that a server may take to prove itself.
const PROOF_PATIENCE: Duration = Duration::from_secs(30);
/// The longest time that a server may take to close after such a small file.
const FILE_PATIENCE: Duration = Duration::from_secs(5);
/// The default of [`Request::wait`].
pub(crate) const WAIT: Duration = Duration::from_secs(60);
/// The interval between two attempts to reach an absent server.
const LOOK: Duration = Duration::from_millis(300);
/// Bytes of a file of several blocks in either padding, for keys of up to 2048 bits; the last block is not full.
const SEVERAL_BLOCKS: usize = 700;

/// The server to probe.
pub(crate) struct Request {
    /// The server and its CA.
    pub target: Target,
    /// The keys of known servers.
    pub known: KnownServers,
    /// What becomes of a server that was never met.
    pub first_meeting: FirstMeeting,
    /// How long to wait for the return of a server that serves one connection and exits.
    pub wait: Duration,
}

/// What a probe reports while it runs.
#[derive(Debug)]
pub(crate) enum News<'a> {
    /// The probe begins.
    Begins {
        /// The number of dialects that will be tried at most.
        dialects: usize,
    },
    /// A file is being sent.
    Trying {
        /// The name that is sent.
        name: &'a str,
        /// The dialect that it is sent in.
        dialect: Dialect,
    },
    /// The server is absent or serves another client; the probe waits for it.
    Waits {
        /// The longest time that the probe waits.
        at_most: Duration,
        /// Why the server could not be reached.
        why: &'a Fault,
    },
    /// The upload of a file has ended.
    Answer {
        /// The dialect that it was sent in.
        dialect: Dialect,
        /// How the upload ended.
        answer: &'a Answer,
    },
    /// An event of the transfer, such as the proof or a changed key.
    Event(&'a Event),
}

/// How the upload of one file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server gave a receipt.
    Stored,
    /// The server closed in order after MODE 2.
    Delivered,
    /// The server refused the file, broke the connection, or did not close; with the reason.
    NotTaken(String),
}

impl Answer {
    /// Returns whether the server has certainly accepted the file.
    #[must_use]
    pub(crate) const fn is_taken(&self) -> bool {
        matches!(self, Self::Stored | Self::Delivered)
    }
}

/// The result of one attempt to send a file.
enum Attempt {
    Answer(Answer),
    /// The server could not be reached.
    Away(Fault),
}

/// Returns every dialect that is tried, those of the most frequent servers first.
#[must_use]
pub(crate) fn dialects() -> Vec<Dialect> {
    use Framing::{A, B, C, D, E, F};
    let mut all = vec![Dialect::of(Variant::Cp2), Dialect::of(Variant::Ap)];
    let both = [Padding::Oaep, Padding::Pkcs1v15];
    let cp1 = |framing, padding| Dialect { padding, framing, ..Dialect::of(Variant::Cp1) };
    all.extend(both.map(|padding| cp1(A, padding)));
    all.push(Dialect { padding: Padding::Pkcs1v15, ..Dialect::of(Variant::Cp2) });
    for framing in [D, E, C, B, F] {
        all.extend(both.map(|padding| cp1(framing, padding)));
    }
    for terminator in [Terminator::One, Terminator::Zero, Terminator::End, Terminator::TenThousand] {
        all.extend(both.map(|padding| Dialect { terminator: Some(terminator), ..cp1(D, padding) }));
    }
    for (key_form, key_length) in [
        (KeyForm::Raw, KeyLength::Sixteen),
        (KeyForm::Raw, KeyLength::Eight),
        (KeyForm::Fernet, KeyLength::Sixteen),
    ] {
        all.extend(both.map(|padding| Dialect {
            padding,
            key_form,
            key_length,
            ..Dialect::of(Variant::Cp2)
        }));
    }
    all
}

/// Sends files until one is accepted, and returns its dialect; `None` if no dialect is accepted.
///
/// Ends early when a message arrives on `stop`.
///
/// # Errors
/// The server cannot be reached, is not the expected one, or this machine failed.
pub(crate) fn run(
    request: &Request,
    stop: &Receiver<()>,
    tell: &mut dyn FnMut(&News<'_>),
) -> Result<Option<Dialect>, Fault> {
    let transfer = Transfer::start(Options {
        retries: 0,
        first_meeting: request.first_meeting,
        ..Options::new(request.known.clone())
    })
    .map_err(|e| local("cannot start a thread", &e))?;
    let result = Files::new().map_err(|e| local("cannot create a temporary folder", &e)).and_then(|files| {
        Probe { request, stop, transfer: &transfer, files, sent: 0, attempts: 0, was_there: false }
            .search(tell)
    });
    transfer.shut_down();
    result
}

struct Probe<'a> {
    request: &'a Request,
    stop: &'a Receiver<()>,
    transfer: &'a Transfer,
    files: Files,
    /// Files sent so far; the number is part of each file's name.
    sent: u64,
    /// Attempts so far; the number is the id of the upload.
    attempts: u64,
    /// Whether the server has answered once.
    was_there: bool,
}

impl Probe<'_> {
    fn search(mut self, tell: &mut dyn FnMut(&News<'_>)) -> Result<Option<Dialect>, Fault> {
        let dialects = dialects();
        tell(&News::Begins { dialects: dialects.len() });
        let mut perhaps = None;
        for dialect in dialects {
            let answer = self.file(dialect, b"x", tell)?;
            match (dialect.variant, &answer) {
                // It may accept any bytes; AP will show that.
                (Variant::Cp2, Answer::Delivered)
                    if perhaps.is_none() && dialect == Dialect::of(Variant::Cp2) =>
                {
                    perhaps = Some(dialect);
                }
                (Variant::Cp1, Answer::Delivered) => {
                    if self.file(dialect, &[b'x'; SEVERAL_BLOCKS], tell)?.is_taken() {
                        return Ok(Some(dialect));
                    }
                }
                (_, Answer::Stored | Answer::Delivered) => return Ok(Some(dialect)),
                (Variant::Ap, Answer::NotTaken(_)) if perhaps.is_some() => return Ok(perhaps),
                (_, Answer::NotTaken(_)) => {}
            }
        }
        Ok(None)
    }

    /// Sends one file, and waits for the return of an absent server.
    fn file(
        &mut self,
        dialect: Dialect,
        content: &[u8],
        tell: &mut dyn FnMut(&News<'_>),
    ) -> Result<Answer, Fault> {
        self.sent += 1;
        let name = format!("upseal-probe-{}.txt", self.sent);
        let path =
            self.files.write(&name, content).map_err(|e| local("cannot write a temporary file", &e))?;
        tell(&News::Trying { name: &name, dialect });
        let mut until = None;
        loop {
            match self.attempt(&path, dialect, tell)? {
                Attempt::Answer(answer) => {
                    self.was_there = true;
                    tell(&News::Answer { dialect, answer: &answer });
                    return Ok(answer);
                }
                Attempt::Away(fault) => {
                    let until = *until.get_or_insert_with(|| {
                        tell(&News::Waits { at_most: self.request.wait, why: &fault });
                        Instant::now() + self.request.wait
                    });
                    if Instant::now() >= until {
                        return Err(fault);
                    }
                }
            }
            select! {
                recv(self.stop) -> _ => return Err(interrupted()),
                recv(after(LOOK)) -> _ => {}
            }
        }
    }

    fn attempt(
        &mut self,
        path: &Path,
        dialect: Dialect,
        tell: &mut dyn FnMut(&News<'_>),
    ) -> Result<Attempt, Fault> {
        self.attempts += 1;
        let id = JobId(self.attempts);
        let target = self.request.target.clone();
        let job = Job::new(id, path, target, dialect);
        // The transfer threads live until `shut_down`, so the channels are open.
        let _ = self.transfer.commands().send(Command::Upload(vec![job]));
        let mut deadline = Instant::now() + PROOF_PATIENCE;
        let mut proven = false;
        let mut late = false;
        loop {
            let event = select! {
                recv(self.stop) -> _ => return Err(interrupted()),
                recv(self.transfer.events()) -> event => event.map_err(|_| RecvTimeoutError::Disconnected),
                recv(after(deadline.saturating_duration_since(Instant::now()))) -> _ => Err(RecvTimeoutError::Timeout),
            };
            let event = match event {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) if !late => {
                    late = true;
                    deadline = Instant::now() + PROOF_PATIENCE;
                    let _ = self.transfer.commands().send(Command::Cancel(id));
                    continue;
                }
                Err(_) => return Err(local("the transfer threads ended", &io::ErrorKind::BrokenPipe.into())),
            };
            tell(&News::Event(&event));
            let Event::State { track: Track::Job(of), state } = event else {
                proven = proven || matches!(event, Event::Proven { .. });
                continue;
            };
            if of != id {
                continue;
            }
            match state {
                State::Sending => deadline = Instant::now() + FILE_PATIENCE,
                State::Stored { .. } => return Ok(Attempt::Answer(Answer::Stored)),
                State::Delivered => return Ok(Attempt::Answer(Answer::Delivered)),
                State::Failed(fault) => return self.judge(fault, proven),
                State::Cancelled if proven => {
                    let why = format!("the server did not close within {} s", FILE_PATIENCE.as_secs());
                    return Ok(Attempt::Answer(Answer::NotTaken(why)));
                }
                State::Cancelled => return Err(no_proof()),
                _ => {}
            }
        }
    }

    /// Decides whether a failure means that the dialect is wrong or that the server is absent; otherwise the probe ends.
    fn judge(&self, fault: Fault, proven: bool) -> Result<Attempt, Fault> {
        match fault.kind {
            // It refused the dialect, or broke the connection.
            FaultKind::Refused | FaultKind::Broken | FaultKind::Altered => {
                Ok(Attempt::Answer(Answer::NotTaken(fault.what.into())))
            }
            // A server for one connection is being restarted, or still serves the previous one.
            FaultKind::Unreachable if self.was_there => Ok(Attempt::Away(fault)),
            FaultKind::Unproven if self.was_there && !proven => Ok(Attempt::Away(fault)),
            _ => Err(fault),
        }
    }
}

/// A temporary folder with the files to send.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn new() -> io::Result<Self> {
        let number = getrandom::u64().map_err(io::Error::other)?;
        let folder = std::env::temp_dir().join(format!("upseal-probe-{number:016x}"));
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, content)?;
        Ok(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // If it fails, a few bytes remain in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn local(what: &str, error: &io::Error) -> Fault {
    Fault::local(format!("{what}: {error}")).with_blame(Blame::System)
}

fn no_proof() -> Fault {
    Fault::unproven(format!("the server did not prove its identity within {} s", PROOF_PATIENCE.as_secs()))
        .with_advice("it may support only Plain: upseal send -p plain")
}

fn interrupted() -> Fault {
    Fault::interrupted("cancelled")
}

#[cfg(test)]
mod tests;
