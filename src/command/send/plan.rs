//! What `upseal send --dry-run` prints: the files that would be sent, and their cost.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Given;
use crate::config::Settings;
use crate::cost;
use crate::estimate::{Load, Price, Rates, USUAL_KEY};
use crate::event::{Fault, Skipped, Target, Variant};
use crate::folders;
use crate::history::History;
use crate::messages::{Escaped, transfer, units};
use crate::output::{self, Style};
use crate::scan::{Found, Scan};
use crate::trust::Anchor;

/// A file that would be sent, as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    path: &'a str,
    name: &'a str,
    size: u64,
    wire_bytes: u64,
}

/// The last line of `--json`.
#[derive(Serialize)]
struct Total {
    files: u64,
    size: u64,
    wire_bytes: u64,
    /// Estimated milliseconds; a lower bound if `at_least`.
    estimated_ms: Option<u64>,
    at_least: bool,
    /// Whether `wire_bytes` rests on an assumed key length.
    assumed_key: bool,
}

/// Adds up what would be sent, and prints each file.
struct Plan<'a> {
    settings: &'a Settings,
    style: Style,
    /// Modulus bytes of the server's key.
    key: u64,
    sizes: Vec<u64>,
    wire: u64,
    faults: Vec<Fault>,
}

/// Prints what would be sent and what it would cost. Connects to no server.
///
/// Returns the exit code: that of the first file that cannot be sent, else 0.
///
/// # Errors
/// A pattern is not valid.
pub(super) fn print(given: &Given, settings: &Settings, style: Style) -> Result<u8, Fault> {
    let known = known_key(settings);
    let key = known.unwrap_or(USUAL_KEY);
    let mut plan = Plan { settings, style, key, sizes: Vec::new(), wire: 0, faults: Vec::new() };
    for path in &given.files {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => plan.file(path, &name, metadata.len()),
            Ok(_) => plan.skip(path, Skipped::Special),
            Err(error) => {
                let what = format!("cannot read {}: {error}", Escaped::path(path));
                plan.skip(path, Skipped::Failed(Fault::local(what)));
            }
        }
    }
    for folder in &given.folders {
        for found in Scan::new(folder, &given.rules)? {
            match found {
                Found::File { path, name, size } => plan.file(&path, &name, size),
                Found::Skipped { path, why } => plan.skip(&path, why),
            }
        }
    }
    plan.total(known.is_none());
    Ok(plan.faults.first().map_or(0, |fault| fault.kind.exit_code()))
}

impl Plan<'_> {
    fn file(&mut self, path: &Path, name: &str, size: u64) {
        let base = name.rsplit('/').next().unwrap_or(name);
        let wire = cost::wire_len(self.settings.dialect, base.len() as u64, size, self.key);
        self.sizes.push(size);
        self.wire = self.wire.saturating_add(wire);
        match self.style {
            Style::Json => {
                json(&Row { path: &path.to_string_lossy(), name, size, wire_bytes: wire });
            }
            Style::Text => output::line(&format!("{:>10}  {}", units::bytes(size), Escaped::path(path))),
            Style::Plain => output::line(&format!("{}: {}.", Escaped::path(path), units::bytes(size))),
            Style::Quiet => {}
        }
    }

    fn skip(&mut self, path: &Path, why: Skipped) {
        if self.style != Style::Quiet || matches!(why, Skipped::Failed(_)) {
            output::remark(&transfer::skipped(path, &why));
        }
        if let Skipped::Failed(fault) = why {
            self.faults.push(fault);
        }
    }

    fn total(&self, is_assumed: bool) {
        let size = self.sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size));
        let price = self.price();
        let variant = self.settings.dialect.variant;
        let assumed_key = is_assumed && variant == Variant::Cp1;
        let files = self.sizes.len() as u64;
        match self.style {
            Style::Json => json(&Total {
                files,
                size,
                wire_bytes: self.wire,
                estimated_ms: price.and_then(|price| u64::try_from(price.time().as_millis()).ok()),
                at_least: matches!(price, Some(Price::AtLeast(_))),
                assumed_key,
            }),
            Style::Text | Style::Plain => {
                let time = match price {
                    Some(Price::About(time)) => units::about(time),
                    Some(Price::AtLeast(time)) => units::at_least(time),
                    None => "no estimate of the time, because nothing was sent there before".to_owned(),
                };
                let key = if assumed_key { ", if the server's key has 1024 bits" } else { "" };
                let stop = if self.style == Style::Plain { "." } else { "" };
                output::line(&format!(
                    "{}; {} on the wire with {variant}{key}; {time}{stop}",
                    transfer::found(files, size, true),
                    units::bytes(self.wire)
                ));
            }
            Style::Quiet => {}
        }
    }

    /// Returns the time by earlier transfers to this server. A history that cannot be read gives none.
    fn price(&self) -> Option<Price> {
        let history = History::open_existing(&folders::history()?).ok()??;
        let mut rates = Rates::default();
        rates.recall(history.rates().ok()?);
        let Settings { dialect, .. } = *self.settings;
        rates.price(&self.settings.target(), dialect, Load::of(self.sizes.iter().copied()), self.key)
    }
}

/// Returns the modulus bytes of the known key of the server.
fn known_key(settings: &Settings) -> Option<u64> {
    let Target::Server { address, ca: Some(ca), .. } = settings.target() else { return None };
    let ca = Anchor::load(&ca).ok()?.fingerprint();
    let bits = super::known_servers().bits(&address, ca).ok()??;
    Some(bits as u64 / 8)
}

fn json(row: &impl Serialize) {
    // Plain values can always be serialised.
    if let Ok(text) = serde_json::to_string(row) {
        output::line(&text);
    }
}
