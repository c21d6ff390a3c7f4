//! `upseal race`: one file through several lanes, without a screen.

use std::net::{Ipv4Addr, SocketAddr};

use crossbeam_channel::select;

use super::known::known_servers;
use super::{interrupts, system, usage, worst};
use crate::cli::Race;
use crate::config::{Layer, Sources};
use crate::event::{Command, Course, Dialect, Event, Fault, Lane, MOST_LANES, RaceOrder, Subject, Target};
use crate::output::{Output, Style};
use crate::transfer::{EmbeddedOptions, Options, Transfer};

/// Runs the race and prints its result.
///
/// Returns the exit code of the worst lane.
///
/// # Errors
/// It could not begin.
pub fn run(args: Race) -> Result<u8, Fault> {
    if !(2..=MOST_LANES).contains(&args.lanes.len()) {
        let what = format!("a race needs two lanes or more, and has {MOST_LANES} at the most");
        return Err(usage(what, "for example --lanes cp1,cp2"));
    }
    let flags = Layer { padding: args.padding, ca: args.ca, ..Layer::default() };
    let settings = Sources::load()?.settle(flags, None)?;
    let signals = interrupts()?;
    let lanes: Vec<Lane> = args
        .lanes
        .iter()
        .map(|lane| Lane {
            target: match &lane.address {
                None => Target::Embedded,
                Some(address) => Target::server(address.clone(), Some(settings.ca.clone())),
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
    let mut output = Output::new(Style::of(args.json, false));
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
    loop {
        select! {
            recv(transfer.events()) -> event => {
                let Ok(event) = event else { break };
                output.show(&event);
                if let Event::RaceFinished { verdict } = event {
                    faults.extend(verdict.lanes.into_iter().filter_map(|lane| lane.fault));
                    break;
                }
            }
            recv(signals) -> _ => {
                let _ = transfer.commands().send(Command::CancelAll);
            }
        }
    }
    transfer.shut_down();
    output.finish();
    Ok(worst(faults).map_or(0, |fault| fault.kind.exit_code()))
}
