//! Parses the command line and runs a subcommand. Each turns its arguments into Commands, and Events into an exit code.

pub(crate) mod audit;
pub(crate) mod certs;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod known;
pub(crate) mod lab;
pub(crate) mod man;
mod parse;
pub(crate) mod peers;
pub(crate) mod probe;
pub(crate) mod race;
#[cfg(feature = "tui")]
mod screen;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod verify;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, unbounded};
use signal_hook::iterator::Signals;

use crate::cli::{Cli, Subcommands, UnitSet};
use crate::event::{Destination, DestinationError, Fault, FaultKind};
use crate::folders;
use crate::messages::{escape, units};
use crate::output;
use crate::signals;
use crate::store::{Folder, Store};
use crate::transfer::Keep;

/// Runs upseal with the arguments of this process, prints what went wrong, and returns the exit code.
#[must_use]
pub fn run() -> ExitCode {
    match parse::command_line().and_then(dispatch) {
        Ok(code) => {
            let Some(lost) = output::lost_results() else { return ExitCode::from(code) };
            output::fault(&lost);
            // What failed before that says more.
            ExitCode::from(if code == 0 { lost.kind.exit_code() } else { code })
        }
        Err(fault) => {
            output::fault(&fault);
            ExitCode::from(fault.kind.exit_code())
        }
    }
}

fn dispatch(cli: Cli) -> Result<u8, Fault> {
    if let Some(path) = cli.config.clone() {
        folders::use_settings(path);
    }
    let plain = use_form(&cli)?;
    match cli.command {
        Some(Subcommands::Send(args)) => send::run(args, plain),
        Some(Subcommands::Serve(args)) => serve::run(args, plain),
        Some(Subcommands::Verify(args)) => verify::run(&args),
        Some(Subcommands::Race(args)) => race::run(args, plain),
        Some(Subcommands::Lab(args)) => lab::run(&args, plain),
        Some(Subcommands::Peers(args)) => peers::run(args),
        Some(Subcommands::Probe(args)) => probe::run(args),
        Some(Subcommands::Health(args)) => health::run(args),
        Some(Subcommands::Certs { command }) => certs::run(command),
        Some(Subcommands::Known(args)) => known::run(args),
        Some(Subcommands::History(args)) => history::run(&args),
        Some(Subcommands::Audit(args)) => audit::run(&args),
        Some(Subcommands::Config { command }) => config::run(&command),
        Some(Subcommands::Completions(args)) => Ok(completions::run(&args)),
        Some(Subcommands::Man(args)) => man::run(&args),
        None if plain && !cli.ui.print_keymap => Err(usage(
            "the terminal UI draws a full screen, which --plain leaves out".to_owned(),
            "upseal send --plain FILE… sends files; upseal --plain=false draws the screen",
        )),
        #[cfg(feature = "tui")]
        None => screen::run(cli.ui),
        #[cfg(not(feature = "tui"))]
        None => Err(no_screen("`upseal send`")),
    }
}

/// Sets the form of amounts. Returns whether `--plain`, `UPSEAL_PLAIN` or the file asks for whole sentences.
///
/// # Errors
/// The variables or the file are invalid, and the command depends on them anyway.
fn use_form(cli: &Cli) -> Result<bool, Fault> {
    let flags = cli.ui.screen.clone();
    let screen = match &cli.command {
        // Events are for programs: sentences in them are the same whatever the user likes to read.
        Some(command) if command.is_json() => return Ok(false),
        // These say what to do about the file, or do not depend on it.
        Some(Subcommands::Config { .. } | Subcommands::Completions(_) | Subcommands::Man(_)) => flags,
        None
        | Some(Subcommands::Send(_) | Subcommands::Race(_) | Subcommands::Probe(_) | Subcommands::Peers(_)) => {
            crate::config::appearance(flags)?
        }
        // A server must not fail to start because of the looks of its text.
        Some(_) => crate::config::appearance(flags.clone()).unwrap_or_else(|error| {
            output::remark(&format!("note: --units and --plain have their defaults: {error}"));
            flags
        }),
    };
    let plain = screen.plain.unwrap_or_default();
    units::use_form(units::Form { decimal: screen.units == Some(UnitSet::Decimal), spoken: plain });
    Ok(plain)
}

/// Reports that this build has no terminal UI.
#[cfg(not(feature = "tui"))]
fn no_screen(instead: &str) -> Fault {
    Fault::usage("this upseal was built without its terminal UI")
        .with_advice(format!("use {instead}, or build with the feature `tui`"))
}

/// Opens `upseal/receipts` in the user's data folder (XDG), for one file per request. Without a home folder, receipts are
/// not kept.
fn receipts() -> Keep {
    let Some(folder) = folders::receipts() else { return Keep::Nowhere };
    match Folder::open(&folder) {
        Ok(store) => Keep::Together { store: Arc::new(store), folder },
        Err(e) => {
            crate::output::remark(&format!("receipts are not kept: {e}"));
            Keep::Nowhere
        }
    }
}

/// Opens the folder of `--keep-ciphertext`.
fn ciphertext(folder: &Path) -> Result<Arc<dyn Store>, Fault> {
    match Folder::open(folder) {
        Ok(folder) => Ok(Arc::new(folder)),
        Err(e) => Err(Fault::local(format!("--keep-ciphertext: {e}"))),
    }
}

/// Creates a fault of this machine.
fn system(what: &str, error: &io::Error) -> Fault {
    Fault::system(format!("{what}: {error}"))
}

/// Parses an argument that begins like a link.
fn link(text: &Path) -> Result<Destination, Fault> {
    let text = text.to_string_lossy();
    text.parse()
        .map_err(|why: DestinationError| usage(format!("invalid link '{}'", escape(&text)), why.forms()))
}

/// The fault of a link beside `--to`.
fn two_servers() -> Fault {
    usage("a link and --to name two servers".to_owned(), "leave out --to")
}

/// Creates a fault of the command line.
fn usage(what: String, advice: &str) -> Fault {
    Fault::usage(what).with_advice(advice)
}

/// Starts a thread that reports the signals that end the program ([`signals::ending`]).
fn interrupts() -> Result<Receiver<()>, Fault> {
    watch(signals::ending(), |_| ())
}

/// Starts a thread that reports signals, each as what `news` makes of its number.
fn watch<T: Send + 'static>(
    signals: Vec<i32>,
    news: impl Fn(i32) -> T + Send + 'static,
) -> Result<Receiver<T>, Fault> {
    let mut signals = Signals::new(signals).map_err(|e| system("cannot watch for signals", &e))?;
    let (sender, receiver) = unbounded();
    thread::Builder::new()
        .name("upseal-signals".to_owned())
        .spawn(move || {
            for signal in &mut signals {
                if sender.send(news(signal)).is_err() {
                    break;
                }
            }
        })
        .map_err(|e| system("cannot start a thread", &e))?;
    Ok(receiver)
}

/// Returns the fault that decides the exit code. The order is 130, 2, 4, 3, 6, 5, 1.
fn worst(faults: impl IntoIterator<Item = Fault>) -> Option<Fault> {
    let rank = |kind| match kind {
        FaultKind::Interrupted => 0,
        FaultKind::Usage => 1,
        FaultKind::Unproven => 2,
        FaultKind::Unreachable => 3,
        FaultKind::Refused => 4,
        FaultKind::Local => 5,
        FaultKind::Broken | FaultKind::Altered => 6,
        FaultKind::Unconfirmed => 7,
    };
    faults.into_iter().min_by_key(|fault| rank(fault.kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Blame;

    use FaultKind::{Broken, Interrupted, Local, Refused, Unconfirmed, Unproven, Unreachable};

    #[test]
    fn of_several_faults_the_first_of_the_contract_decides() {
        let fault = |kind| Fault::new(kind, Blame::Peer, String::new());
        let order = [Interrupted, Unproven, Unreachable, Refused, Local, Broken, Unconfirmed];
        assert_eq!(order.map(FaultKind::exit_code), [130, 4, 3, 6, 5, 1, 1]);
        for (i, first) in order.into_iter().enumerate() {
            let several = order[i..].iter().rev().map(|kind| fault(*kind));
            assert_eq!(worst(several).map(|fault| fault.kind), Some(first));
        }
        assert_eq!(worst([]), None);
    }
}
