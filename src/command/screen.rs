//! The terminal UI: with a server of its own on loopback, with the server of `serve --ui`, or with none (`--to`).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::{known, link, race, receipts, system, two_servers, usage};
use crate::cli::{Colour, GlyphSet, ScreenLayer, Ui};
use crate::config::{File, Layer, Settings, Sources};
use crate::event::{Fault, ServerAddress, ServerLink, Target};
use crate::folders;
use crate::messages::Summary;
use crate::output;
use crate::report::Labels;
use crate::transfer::{EmbeddedOptions, FirstMeeting, Forecast, HistoryWriter, Options, Source, Transfer};
use crate::ui;

/// The server of the program.
enum Own {
    /// On loopback, with a throwaway identity.
    Embedded(EmbeddedOptions),
    /// That of `serve --ui`.
    Served(Arc<dyn Source>),
    /// None: uploads go to another server.
    Absent,
}

/// What the screen shows besides the settings.
struct Shown {
    folder: PathBuf,
    peers: Vec<ui::Peer>,
    with_plaintext: bool,
    labels: Labels,
    look: ui::Appearance,
}

/// Runs the terminal UI.
///
/// # Errors
/// A [`Fault`]; the terminal is restored.
pub(super) fn run(args: Ui) -> Result<u8, Fault> {
    let sources = Sources::load()?;
    let look = look(args.screen, &sources.file)?;
    if args.print_keymap {
        output::line(&ui::print_keys());
        return Ok(0);
    }
    let mut flags = args.speak;
    let folder = match args.dir {
        Some(text) if text.to_str().is_some_and(ServerLink::is_meant) => {
            if flags.to.replace(link(&text)?).is_some() {
                return Err(two_servers());
            }
            PathBuf::from(".")
        }
        folder => folder.unwrap_or_else(|| PathBuf::from(".")),
    };
    let peers = peers(&sources, &flags);
    let settings = sources.settle(flags, args.peer.as_deref())?;
    if settings.to.is_none() && !settings.expected().is_nothing() {
        let what = "--pin and --expect need --to: the built-in server has a new key each time";
        return Err(usage(what.to_owned(), "for example --to HOST:PORT"));
    }
    let own = match settings.target() {
        Target::Server { .. } => Own::Absent,
        Target::Embedded => {
            let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, ServerAddress::DEFAULT_PORT));
            let store = Some(received_folder()?);
            Own::Embedded(EmbeddedOptions { store, history: folders::history(), bind })
        }
    };
    let labels = race::labels(sources.file.report);
    show(own, &settings, Shown { folder, peers, with_plaintext: args.with_plaintext, labels, look })
}

/// Checks that `serve --ui` can draw its screen, before its server is prepared.
///
/// # Errors
/// There is no terminal for a full screen.
pub(super) fn check_serve() -> Result<(), Fault> {
    ui::check_terminal()
        .map_err(|why| usage(format!("--ui: {why}"), "upseal serve without --ui prints lines"))
}

/// Runs the terminal UI with a server that `serve --ui` has prepared.
///
/// # Errors
/// A [`Fault`]; the terminal is restored.
pub(super) fn serve(source: Arc<dyn Source>) -> Result<u8, Fault> {
    let sources = Sources::load()?;
    let look = look(ScreenLayer::default(), &sources.file)?;
    let peers = peers(&sources, &Layer::default());
    let settings = sources.settle(Layer::default(), None)?;
    let labels = race::labels(sources.file.report);
    show(
        Own::Served(source),
        &settings,
        Shown { folder: PathBuf::from("."), peers, with_plaintext: false, labels, look },
    )
}

/// Returns the presets that the connect dialog offers.
fn peers(sources: &Sources, flags: &Layer) -> Vec<ui::Peer> {
    let peers = sources.peers(flags).into_iter();
    peers
        .map(|(name, settings)| ui::Peer { name, target: settings.target(), dialect: settings.dialect })
        .collect()
}

/// Starts the transfer threads and shows the screen until the user quits.
fn show(own: Own, settings: &Settings, shown: Shown) -> Result<u8, Fault> {
    let mut options = Options {
        receipts: receipts(),
        limit: settings.limit,
        jobs: settings.jobs,
        meta: settings.meta,
        history_writer: HistoryWriter::new(folders::history()),
        first_meeting: FirstMeeting::AskAndWait,
        forecast: Some(Forecast { calibration: folders::calibration(), history: folders::history() }),
        ..Options::new(known::known_servers())
    };
    // The configuration may name a server to send to; the one of `serve --ui` is this program's own.
    let is_serving = matches!(own, Own::Served(_));
    let target = if is_serving { Target::Embedded } else { settings.target() };
    let transfer = match own {
        Own::Served(source) => Transfer::serving(options, source),
        Own::Embedded(embedded) => {
            options.embedded = Some(embedded);
            Transfer::start(options)
        }
        Own::Absent => Transfer::start(options),
    }
    .map_err(|e| system("cannot start a thread", &e))?;
    let options = ui::Options {
        folder: shown.folder,
        is_serving,
        target,
        dialect: settings.dialect,
        ca: settings.ca.clone(),
        peers: shown.peers,
        known: known::known_servers(),
        history: folders::history(),
        recent: folders::recent(),
        share: folders::share(),
        captures: folders::captures().unwrap_or_else(|| PathBuf::from(".")),
        with_plaintext: shown.with_plaintext,
        labels: shown.labels,
        look: shown.look,
    };
    let result = ui::run(&options, transfer.commands(), transfer.events());
    transfer.shut_down();
    let summary = result.map_err(|why| {
        let advice = if why.is_no_screen() { "upseal send FILE… uploads without one" } else { "" };
        usage(why.to_string(), advice)
    })?;
    summary.iter().flat_map(Summary::lines).for_each(|words| output::line(&words));
    Ok(0)
}

/// Merges the flags of the screen with the file's `[ui]`, and puts the user's own keys to use.
///
/// # Errors
/// An unknown name of keys, or keys that clash.
fn look(flags: ScreenLayer, file: &File) -> Result<ui::Appearance, Fault> {
    let screen = flags.or(file.screen.clone());
    let own = file.keys.iter().map(|keys| ui::Rebind {
        context: keys.context.clone(),
        action: keys.action.clone(),
        keys: keys.keys.clone(),
    });
    let preset = screen.keys.as_deref().unwrap_or("default");
    ui::use_keys(preset, &own.collect::<Vec<_>>()).map_err(|error| {
        let line = error.at.and_then(|at| file.keys.get(at)).map(|keys| keys.line);
        let what = match (&file.path, line) {
            (Some(path), Some(line)) => format!("{}, line {line}: {}", path.display(), error.what),
            _ => error.what,
        };
        usage(what, &error.help)
    })?;
    Ok(ui::Appearance {
        colour: match screen.color.unwrap_or(Colour::Auto) {
            Colour::Auto => None,
            Colour::Always => Some(true),
            Colour::Never => Some(false),
        },
        glyphs: match screen.glyphs.unwrap_or(GlyphSet::Auto) {
            GlyphSet::Auto => None,
            GlyphSet::Unicode => Some(ui::Glyphs::Unicode),
            GlyphSet::Narrow => Some(ui::Glyphs::Narrow),
            GlyphSet::Ascii => Some(ui::Glyphs::Ascii),
        },
        theme: screen.theme,
        mouse: !screen.no_mouse,
    })
}

/// Returns `./recv_files` if it exists, else `upseal/received` in the user's data folder (XDG).
fn received_folder() -> Result<PathBuf, Fault> {
    let here = PathBuf::from("recv_files");
    if here.is_dir() {
        return Ok(here);
    }
    folders::received().ok_or_else(|| Fault::system("cannot find the home folder").with_advice("set HOME"))
}
