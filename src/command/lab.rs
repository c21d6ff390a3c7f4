//! `upseal lab`: runs the attacks of docs/protocol.md against a server of this program.

use std::thread;

use super::{interrupts, system};
use crate::cli::Lab;
use crate::event::Fault;
use crate::lab::outcome::{Attack, Cell};
use crate::lab::table::{self, Signs};
use crate::net::interrupter::Interrupter;
use crate::{lab, output};

/// Runs all attacks, prints the results as a table (as sentences with `plain`), and compares them with the documented
/// ones.
///
/// Returns 0 if every result is the documented one (docs/protocol.md, section Attacks), else 1.
///
/// # Errors
/// An attack could not be run, or the user interrupted it.
pub(crate) fn run(args: &Lab, plain: bool) -> Result<u8, Fault> {
    let signals = interrupts()?;
    let stop = Interrupter::default();
    let stopped = stop.clone();
    thread::Builder::new()
        .name("upseal-lab-signals".to_owned())
        .spawn(move || {
            // The thread ends with the program.
            if signals.recv().is_ok() {
                stopped.interrupt();
            }
        })
        .map_err(|e| system("cannot start a thread", &e))?;
    if !args.json {
        output::remark(
            "Attacks on 127.0.0.1: upseal's client, upseal's server with throwaway keys, and an attacker between\n\
             them. The results say nothing about third-party servers. This takes some seconds.",
        );
    }
    let mut cells: Vec<Cell> = Vec::new();
    let mut row = None;
    let result = lab::run(&stop, |cell| {
        if args.json {
            // A cell is plain values, which serialise.
            if let Ok(json) = serde_json::to_string(&cell) {
                output::line(&json);
            }
        } else if row.replace(cell.attack) != Some(cell.attack) {
            let at = Attack::ALL.iter().position(|attack| *attack == cell.attack).unwrap_or_default();
            output::remark(&format!("{:2} of {}: {}", at + 1, Attack::ALL.len(), cell.attack.words()));
        }
        cells.push(cell);
    });
    result.map_err(|e| e.fault())?;
    if !args.json {
        if plain {
            for sentence in table::sentences(&cells) {
                output::line(&sentence);
            }
        } else {
            output::line(&table::text(&cells, signs()));
        }
        output::line(&table::verdict(&cells));
    }
    Ok(u8::from(cells.iter().any(|cell| !cell.as_expected)))
}

/// Chooses Unicode or ASCII signs by the locale, as C programs do.
fn signs() -> Signs {
    let said =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|said| !said.is_empty());
    let locale = said.map(|said| said.to_string_lossy().to_lowercase()).unwrap_or_default();
    if locale.contains("utf-8") || locale.contains("utf8") { Signs::Unicode } else { Signs::Ascii }
}
