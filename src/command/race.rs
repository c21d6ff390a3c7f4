//! `upseal race`: sends one file through several lanes, without the UI.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crossbeam_channel::select;

use super::known::known_servers;
use super::{interrupts, system, usage, worst};
use crate::cli::{Race, ReportLayer};
use crate::config::{Layer, Settings, Sources};
use crate::event::{
    Command, Course, Destination, Dialect, Event, Fault, Lane, Limit, MOST_LANES, RaceOrder, Subject, Target,
    Verdict,
};
use crate::messages::Escaped;
use crate::net::upload::UploadError;
use crate::output::{self, Output, Style};
use crate::report::{self, Labels, RaceReport};
use crate::transfer::{EmbeddedOptions, Options, Transfer};

/// Runs the race and prints its result; with `plain`, as whole sentences.
///
/// Returns the exit code of the worst lane.
///
/// # Errors
/// The race could not begin.
pub(crate) fn run(args: Race, plain: bool) -> Result<u8, Fault> {
    if !(2..=MOST_LANES).contains(&args.lanes.len()) {
        let what = format!("wrong number of lanes: {} (2 to {MOST_LANES})", args.lanes.len());
        return Err(usage(what, "for example --lanes cp1,cp2"));
    }
    // Check before sending: a result that cannot be written would be lost.
    if let Some(path) = &args.report {
        report::check(path).map_err(|e| e.fault())?;
    }
    let flags = Layer { padding: args.padding, ca: args.ca.clone(), ..Layer::default() };
    let sources = Sources::load()?;
    let settings = sources.settle(flags, None)?;
    if settings.limit != Limit::NONE {
        output::remark(&format!("the limit {} is ignored: a race measures the full rate", settings.limit));
    }
    let signals = interrupts()?;
    let lanes: Vec<Lane> = args
        .lanes
        .iter()
        .map(|lane| Lane {
            target: match &lane.address {
                None => Target::Embedded,
                Some(there) => target(there, args.ca.as_ref(), &settings),
            },
            dialect: Dialect {
                padding: lane.padding.unwrap_or(settings.dialect.padding),
                ..Dialect::of(lane.variant)
            },
            bits: lane.bits,
        })
        .collect();
    let embedded = lanes.iter().any(|lane| lane.target == Target::Embedded).then(|| EmbeddedOptions {
        store: None,
        history: None,
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    });
    let transfer = Transfer::start(Options { embedded, ..Options::new(known_servers()) })
        .map_err(|e| system("cannot start a thread", &e))?;
    let labels = labels(args.texts.or(sources.file.report));
    let mut output = Output::new(Style::of(args.json, false, plain));
    let subject = match (args.file, args.generate) {
        (Some(path), _) => Subject::File { path, limit: args.first.map(|size| size.0) },
        (None, size) => Subject::Generated { bytes: size.map_or(0, |size| size.0) },
    };
    let order = RaceOrder {
        course: if args.together { Course::Together } else { Course::InTurn },
        laps: args.repeat,
        open: args.open,
        ..RaceOrder::new(subject, lanes)
    };
    // The transfer threads live until `shut_down`, so the channel is open.
    let _ = transfer.commands().send(Command::Race(order));
    let mut faults = Vec::new();
    let mut interrupted = false;
    let mut written = None;
    loop {
        select! {
            recv(transfer.events()) -> event => {
                let Ok(event) = event else { break };
                output.show(&event);
                if let Event::RaceFinished { verdict } = event {
                    faults.extend(verdict.lanes.iter().filter_map(|lane| lane.fault.clone()));
                    written = args.report.as_deref().map(|path| write(path, verdict, labels.clone()));
                    break;
                }
            }
            recv(signals) -> _ => {
                interrupted = true;
                let _ = transfer.commands().send(Command::CancelAll);
            }
        }
    }
    // The lanes may have finished, but their steady rates were not measured completely.
    if interrupted {
        faults.push(UploadError::Interrupted.fault());
    }
    transfer.shut_down();
    output.finish();
    if let Some(Err(fault)) = written {
        output::fault(&fault);
        faults.push(fault);
    }
    Ok(worst(faults).map_or(0, |fault| fault.kind.exit_code()))
}

/// Returns the server of a lane. A link needs no CA, and only `--ca` adds one.
fn target(there: &Destination, ca: Option<&PathBuf>, settings: &Settings) -> Target {
    let address = there.address.clone();
    match there.pin {
        None => Target::server(address, settings.ca.clone()),
        Some(_) => Target::Server { address, ca: ca.cloned(), expected: there.expected() },
    }
}

/// Returns the texts for a report; an empty one is left out.
pub(super) fn labels(texts: ReportLayer) -> Labels {
    let label = |text: Option<String>| text.filter(|text| !text.trim().is_empty()).map(Into::into);
    Labels {
        title: label(texts.title),
        author: label(texts.author),
        course: label(texts.course),
        group: label(texts.group),
    }
}

/// Writes the report and prints its path. If no lane finished, no report is written, and an earlier one stays.
fn write(path: &Path, verdict: Verdict, labels: Labels) -> Result<(), Fault> {
    if verdict.lanes.iter().all(|lane| lane.fault.is_some()) {
        output::remark("no report: no lane finished");
        return Ok(());
    }
    report::write(path, &RaceReport { labels, ..RaceReport::here(verdict) }).map_err(|e| e.fault())?;
    output::remark(&format!("report: {}", Escaped::path(path)));
    Ok(())
}
