//! Finds out which dialect a server speaks: small files, in one dialect after another, until one is taken.
//!
//! ```text
//!   CP2 ─ receipt ─► it is upseal             the rest, the most frequent first:
//!      └─ no receipt ─► AP ─ taken ─► AP        one byte ─ taken ─► CP1: several blocks ─ taken ─► found
//!                         └─ not ─► CP2, if it was taken                            └─ not ─► the next
//! ```
//! A server that stores whatever comes takes every variant, so AP is asked before any other is believed. One byte of CP1
//! is one block, which framings A, D and E write almost alike; so a second file of several blocks must arrive, too.
//!
//! Taken means that the server closed in order after MODE 2, or gave a receipt: see [`State`].

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, after, select};

use super::{Options, Transfer};
use crate::event::{
    Blame, Command, Dialect, Event, Fault, FaultKind, Framing, Job, JobId, KeyForm, KeyLength, Padding,
    State, Target, Terminator, Track, Variant,
};
use crate::trust::known::KnownServers;

/// How long a server may take to answer for itself.
const PROOF_PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to close after so small a file.
const FILE_PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait for a server that has to be started again, if the user does not say otherwise.
pub const WAIT: Duration = Duration::from_secs(60);
/// Between two looks for a server that is away.
const LOOK: Duration = Duration::from_millis(300);
/// Several blocks in either padding, for keys of up to 2048 bits; the last is not full.
const SEVERAL_BLOCKS: usize = 700;

/// What to probe, and how patiently.
pub struct Request {
    /// The server, with its CA.
    pub target: Target,
    /// Servers that were met before.
    pub known: KnownServers,
    /// How long to wait for a server that serves one connection and has to be started again.
    pub wait: Duration,
}

/// What happens meanwhile.
#[derive(Debug)]
pub enum News<'a> {
    /// This many dialects will be tried at the most.
    Begins {
        /// Their number.
        dialects: usize,
    },
    /// A file is sent.
    Trying {
        /// Its name there.
        name: &'a str,
        /// How.
        dialect: Dialect,
    },
    /// The server is not there, or serves another client.
    Waits {
        /// For this long at the most.
        at_most: Duration,
        /// What happened.
        why: &'a Fault,
    },
    /// What became of the file.
    Answer {
        /// How it was sent.
        dialect: Dialect,
        /// How it ended.
        answer: &'a Answer,
    },
    /// The transfer says so: the proof, a key that changed.
    Event(&'a Event),
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The server gave a receipt.
    Stored,
    /// The server closed in order after MODE 2.
    Delivered,
    /// The server broke off, refused, or did not close.
    NotTaken(String),
}

impl Answer {
    /// Whether the server has taken the file for certain.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        matches!(self, Self::Stored | Self::Delivered)
    }
}

/// What one attempt came to.
enum Attempt {
    Answer(Answer),
    /// No server took it.
    Away(Fault),
}

/// Every dialect that is tried, the most frequent among the servers that are known first.
#[must_use]
pub fn dialects() -> Vec<Dialect> {
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

/// Sends files until one is taken. `None`: none was.
///
/// Ends early when `stop` says so.
///
/// # Errors
/// The server is not there, is not the one that is meant, or this machine failed.
pub fn run(
    request: &Request,
    stop: &Receiver<()>,
    tell: &mut dyn FnMut(&News<'_>),
) -> Result<Option<Dialect>, Fault> {
    let transfer = Transfer::start(Options { retries: 0, ..Options::new(request.known.clone()) })
        .map_err(|e| local("cannot start a thread", &e))?;
    let result =
        Files::new().map_err(|e| local("cannot make a folder for the files", &e)).and_then(|files| {
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
    /// Files sent so far, which gives each its name.
    sent: u64,
    /// Attempts so far: the queue knows each upload by its number.
    attempts: u64,
    /// Whether the server has proved itself once.
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
                // It may take whatever comes, and AP tells.
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

    /// Sends one file, and waits for a server that is away.
    fn file(
        &mut self,
        dialect: Dialect,
        content: &[u8],
        tell: &mut dyn FnMut(&News<'_>),
    ) -> Result<Answer, Fault> {
        self.sent += 1;
        let name = format!("upseal-probe-{}.txt", self.sent);
        let path = self.files.write(&name, content).map_err(|e| local("cannot write a file to send", &e))?;
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
        let job = Job { id, path: path.to_owned(), target, dialect, predicted_ms: None };
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
                    let why = format!("it did not close within {} s", FILE_PATIENCE.as_secs());
                    return Ok(Attempt::Answer(Answer::NotTaken(why)));
                }
                State::Cancelled => return Err(no_proof()),
                _ => {}
            }
        }
    }

    /// What a failure means: this dialect, the server's absence, or the end of the search.
    fn judge(&self, fault: Fault, proven: bool) -> Result<Attempt, Fault> {
        match fault.kind {
            // It refused the dialect, or broke off.
            FaultKind::Refused | FaultKind::Broken | FaultKind::Altered => {
                Ok(Attempt::Answer(Answer::NotTaken(fault.what)))
            }
            // A server for one connection is between two, or still at the one before.
            FaultKind::Unreachable if self.was_there => Ok(Attempt::Away(fault)),
            FaultKind::Unproven if self.was_there && !proven => Ok(Attempt::Away(fault)),
            _ => Err(fault),
        }
    }
}

/// A folder with the files to send, for this time.
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
        // What cannot be removed is a few bytes in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn local(what: &str, error: &io::Error) -> Fault {
    Fault {
        kind: FaultKind::Local,
        blame: Blame::System,
        what: format!("{what}: {error}"),
        advice: String::new(),
    }
}

fn no_proof() -> Fault {
    Fault {
        kind: FaultKind::Unproven,
        blame: Blame::Peer,
        what: format!("the server did not prove itself within {} s", PROOF_PATIENCE.as_secs()),
        advice: "it may speak Plain only: upseal send -p plain".to_owned(),
    }
}

fn interrupted() -> Fault {
    Fault {
        kind: FaultKind::Interrupted,
        blame: Blame::User,
        what: "cancelled".to_owned(),
        advice: String::new(),
    }
}

#[cfg(test)]
mod tests;
