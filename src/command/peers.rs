//! `upseal peers`: lists, saves and removes presets for `--peer`.

use std::path::{self, Path, PathBuf};

use serde_json::Value;

use super::usage;
use crate::cli::{Peers, PeersCommand, PeersList, PeersSave};
use crate::config::{ConfigError, Existing, File, Layer, Peer, Setting};
use crate::event::Fault;
use crate::messages::{escape, shell_word};
use crate::output;

/// Runs the subcommand.
///
/// # Errors
/// The file is invalid, or cannot be read or written; the name is invalid, or there is nothing to save.
pub(crate) fn run(args: Peers) -> Result<u8, Fault> {
    let file = File::load()?;
    match args.command {
        None => list(&file, &args.list),
        Some(PeersCommand::List(args)) => list(&file, &args),
        Some(PeersCommand::Save(args)) => save(&file, args)?,
        Some(PeersCommand::Remove { name }) => {
            file.remove(&name)?;
            output::remark(&format!("removed {name} from {}", place(&file)));
        }
    }
    Ok(0)
}

fn list(file: &File, args: &PeersList) {
    if file.peers.is_empty() && !args.json {
        output::remark(&format!("no presets in {}", place(file)));
        output::remark("help: save one with `upseal peers save NAME --to HOST:PORT …`");
    }
    let width = file.peers.iter().map(|peer| peer.name.len()).max().unwrap_or(0);
    for peer in &file.peers {
        output::line(&if args.json { json(peer) } else { flags(peer, width) });
    }
}

/// `lab  --to 10.0.0.7:4321 --protocol cp1 --framing D`
fn flags(peer: &Peer, width: usize) -> String {
    let flags =
        peer.layer.said().map(|(key, value)| format!(" --{} {}", key.name(), escape(&shell_word(&value))));
    format!("{:width$} {}", peer.name, flags.collect::<String>())
}

/// `{"name":"lab","to":"10.0.0.7:4321",…}`, with the file's keys.
fn json(peer: &Peer) -> String {
    let keys = peer.layer.said().map(|(key, value)| match value.parse::<u64>() {
        Ok(number) if key == Setting::KeyLengthBytes => (key.name().to_owned(), Value::from(number)),
        _ => (key.name().to_owned(), Value::from(value)),
    });
    let name = ("name".to_owned(), Value::from(peer.name.clone()));
    Value::Object([name].into_iter().chain(keys).collect()).to_string()
}

fn save(file: &File, args: PeersSave) -> Result<(), Fault> {
    let mut layer = args.speak;
    if layer == Layer::default() {
        return Err(usage(
            format!("nothing to save as '{}'", escape(&args.name)),
            "for example --to HOST:PORT --ca FILE; `upseal peers save --help` lists the flags",
        ));
    }
    layer.ca = layer.ca.as_deref().map(absolute).transpose()?;
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    file.save(&args.name, &layer, existing)?;
    output::line(&flags(&Peer { name: args.name.clone(), layer }, 0));
    output::remark(&format!("saved in {}; to use it:  upseal send --peer {} FILE…", place(file), args.name));
    Ok(())
}

/// Makes a path absolute; on the command line, paths are relative to the working folder.
fn absolute(ca: &Path) -> Result<PathBuf, Fault> {
    path::absolute(ca).map_err(|error| {
        Fault::local(format!("cannot find the working folder for {}: {error}", ca.display()))
    })
}

fn place(file: &File) -> String {
    match &file.path {
        Some(path) => path.display().to_string(),
        None => ConfigError::NoPlace.to_string(),
    }
}
