//! `upseal send`: sends files and folders to a server, without the UI.
//!
//! - `input`: the files and folders to send
//! - `plan`: what `--dry-run` prints
//! - `question`: what it asks about a server that was never met

mod input;
mod plan;
mod question;

use std::collections::HashSet;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::select;

use self::input::Given;
use self::question::Questions;
use super::known::{anchor, known_servers};
use super::{ciphertext, interrupts, receipts, system, usage, worst};
use crate::cli::Send;
use crate::config::Sources;
use crate::digest::FileDigest;
use crate::event::{Command, Event, Fault, FolderId, JobId, ServerLink, Skipped, State, Track, Variant};
use crate::folders;
use crate::output::{self, Output, Style};
use crate::store::Folder;
use crate::transfer::{FirstMeeting, HistoryWriter, Keep, Options, Transfer};

/// Shortest time between two reads of the event queue. Without this pause, each small file would wake this thread three
/// times and wait for it.
const BREATH: Duration = Duration::from_millis(2);
/// Longest wait for a server that answered earlier and then disappeared.
const ABSENCE: Duration = Duration::from_secs(30);

/// Sends the files in order, then the folders, and waits until the server has confirmed them. With `plain`, prints whole
/// sentences.
///
/// Returns the exit code; each failure was reported when it happened.
///
/// # Errors
/// The upload could not begin.
pub(crate) fn run(mut args: Send, plain: bool) -> Result<u8, Fault> {
    take_link(&mut args)?;
    let given = Given::of(&args)?;
    let mut settings = Sources::load()?.settle(args.speak, args.peer.as_deref())?;
    settings.to.get_or_insert_default();
    let digest = args.digest;
    let style = Style::of(args.json, args.quiet, plain);
    if digest == FileDigest::None && (args.receipts.is_some() || args.skip_receipted) {
        return Err(Fault::usage("receipts need the SHA-256 of each file, but --digest none turns it off")
            .with_advice("leave out --digest none, or --receipts and --skip-receipted"));
    }
    if !args.quiet {
        given.same_names().iter().for_each(|message| output::remark(message));
    }
    if args.dry_run {
        return plan::print(&given, &settings, style);
    }
    let signals = interrupts()?;
    let asks = !args.yes && !args.json && Questions::can_ask();
    let options = Options {
        receipts: match &args.receipts {
            None => receipts(),
            Some(folder) => apart(folder)?,
        },
        history_writer: HistoryWriter::new(folders::history()),
        skip_receipted: args.skip_receipted,
        plain_receipts: match (&args.receipts, settings.dialect.variant) {
            (Some(_), Variant::Plain) => match &settings.ca {
                Some(ca) => Some(Arc::new(anchor(ca)?)),
                None => None,
            },
            _ => None,
        },
        ciphertext: args.keep_ciphertext.as_deref().map(ciphertext).transpose()?,
        digest,
        retries: args.retries,
        absence: Some(ABSENCE),
        patience: args.patience.map(|patience| patience.0),
        limit: settings.limit,
        jobs: settings.jobs,
        meta: settings.meta,
        first_meeting: if asks { FirstMeeting::Ask } else { FirstMeeting::Remember },
        ..Options::new(known_servers())
    };
    let transfer = Transfer::start(options).map_err(|e| system("cannot start a thread", &e))?;
    let mut output = Output::new(style).verbose(args.verbose);
    let (target, dialect) = (settings.target(), settings.dialect);
    let (jobs, folders) = given.orders(&target, dialect);
    let (mut progress, mut questions) = (Progress::default(), Questions::new());
    progress.open.extend(jobs.iter().map(|job| job.id));
    progress.folders.extend(folders.iter().map(|order| order.id));
    let mut interrupted = false;
    let mut looked = Instant::now();
    // The transfer threads live until `shut_down`, so the channel is open.
    let _ = transfer.commands().send(Command::Upload(jobs));
    for order in folders {
        let _ = transfer.commands().send(Command::UploadFolder(order));
    }
    while !progress.is_over() {
        select! {
            recv(transfer.events()) -> event => {
                let Ok(event) = event else { break };
                thread::sleep(BREATH.saturating_sub(looked.elapsed()));
                looked = Instant::now();
                for event in iter::once(event).chain(transfer.events().try_iter()) {
                    output.show(&event);
                    progress.take(&event);
                    questions.take(&event, &mut output);
                }
            }
            recv(questions.answers) -> accept => {
                if let Some(order) = accept.ok().and_then(|accept| questions.answer(accept, &mut output)) {
                    let _ = transfer.commands().send(order);
                }
            }
            recv(signals) -> _ => {
                if interrupted {
                    output.finish();
                    return Err(cancelled());
                }
                interrupted = true;
                let _ = transfer.commands().send(Command::CancelAll);
            }
        }
    }
    transfer.shut_down();
    output.finish();
    let Progress { open, folders, mut faults } = progress;
    if !open.is_empty() || !folders.is_empty() {
        faults.push(
            Fault::system(format!("{} files were not sent: the transfer threads ended", open.len()))
                .with_advice("this is a bug in upseal; please report it"),
        );
    }
    if interrupted {
        faults.push(cancelled());
    }
    Ok(worst(faults).map_or(0, |fault| fault.kind.exit_code()))
}

/// What has no final state yet, and what went wrong so far.
#[derive(Debug, Default)]
struct Progress {
    open: HashSet<JobId>,
    /// Folders that are not read to their end.
    folders: HashSet<FolderId>,
    faults: Vec<Fault>,
}

impl Progress {
    fn is_over(&self) -> bool {
        self.open.is_empty() && self.folders.is_empty()
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Queued { job, .. } if job.folder.is_some() => {
                self.open.insert(job.id);
            }
            Event::Scanned { folder, complete: true, .. } => {
                self.folders.remove(folder);
            }
            Event::Skipped { why: Skipped::Failed(fault), .. } => self.faults.push(fault.clone()),
            Event::State { track: Track::Job(id), state } => {
                match state {
                    State::Failed(fault) => self.faults.push(fault.clone()),
                    State::Cancelled => self.faults.push(cancelled()),
                    _ => {}
                }
                if state.is_final() {
                    self.open.remove(id);
                }
            }
            _ => {}
        }
    }
}

/// Takes a link before the files as the server.
///
/// # Errors
/// It is not a link, `--to` is there too, or no file follows.
fn take_link(args: &mut Send) -> Result<(), Fault> {
    let files = &mut args.files;
    let is_link = |path: &PathBuf| path.to_str().is_some_and(ServerLink::is_meant);
    if !files.first().is_some_and(is_link) {
        return Ok(());
    }
    let link = super::link(&files.remove(0))?;
    if files.is_empty() && args.files_from.is_none() {
        return Err(usage("no file to send".to_owned(), "upseal send LINK FILE…"));
    }
    if args.speak.to.replace(link).is_some() {
        return Err(super::two_servers());
    }
    Ok(())
}

/// Opens the folder of `--receipts`, creating it if need be.
fn apart(folder: &Path) -> Result<Keep, Fault> {
    let local = |what: String| Fault::local(format!("--receipts: {what}"));
    let store = Folder::open(folder).map_err(|e| local(e.to_string()))?;
    let folder = std::path::absolute(folder).map_err(|e| local(e.to_string()))?;
    Ok(Keep::Apart { store: Arc::new(store), folder })
}

fn cancelled() -> Fault {
    Fault::interrupted("cancelled")
}
