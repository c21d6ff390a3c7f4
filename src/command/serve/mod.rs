//! `upseal serve`: receives files, without a screen or with one (`--ui`).

mod drain;
mod hand_out;
mod limits;
mod log;
mod names;
mod own;
mod picture;
mod policy;
mod prepare;
mod printer;
mod rates;
mod screen;
mod share;

use std::sync::Arc;
use std::thread;

use signal_hook::consts::SIGTERM;

use self::drain::Drain;
use self::hand_out::{hand_out, spoken};
use self::prepare::{Ready, prepare};
use self::printer::Printer;
use super::{system, watch};
use crate::cli::Serve;
use crate::event::{Fault, FaultKind, ServerLink};
use crate::metrics::Checks;
use crate::net::Observer;
use crate::net::server::Server;
use crate::output;
use crate::signals;
use crate::transfer::reachable;

/// Serves until it is interrupted, or with `--once` until its only client has disconnected. With `plain`,
/// prints whole sentences. With `--ui`, shows the server until the user quits.
///
/// SIGTERM lets the sessions finish for the time of `--drain`; a second signal, or SIGINT, ends them at once.
///
/// # Errors
/// The server could not start; the exit code depends on the reason.
pub(crate) fn run(mut args: Serve, plain: bool) -> Result<u8, Fault> {
    if args.ui {
        return screen::run(args, plain);
    }
    let signals = watch(signals::ending(), |signal| signal)?;
    if args.share {
        args.certs = share::identity()?;
    }
    let args = &args;
    let printer = Arc::new(Printer::new(args, plain));
    let Ready { prepared, pin, remarks } = prepare(args, Arc::clone(&printer) as Arc<dyn Observer>, None)?;
    for remark in remarks {
        output::remark(&remark);
    }
    let bound = prepared.listener.local_addr().map_err(|e| system("cannot listen", &e))?;
    for event in prepared.events {
        printer.event(event);
    }
    if !args.json {
        let addresses = reachable(bound);
        for line in hand_out(args, &addresses, pin) {
            output::remark(&line);
        }
        for line in pin.map(spoken).unwrap_or_default() {
            output::remark(&line);
        }
        if let (true, Some(pin), Some(first)) = (args.qr, pin, addresses.first()) {
            picture::print(&ServerLink { address: (*first).into(), pin });
        }
    }
    let checks = Arc::new(Checks::of(&prepared.service));
    let page = printer.page(args, &checks)?;
    let writer = printer.log().start().map_err(|e| system("cannot start a thread", &e))?;
    let server = Server::start(prepared.listener, Arc::new(prepared.service), prepared.lifetime)
        .map_err(|e| system("cannot start a thread", &e))?;
    checks.count_penalties(server.penalties());
    let drain =
        Arc::new(Drain::new(server.control(), args.drain.0, Arc::clone(&printer) as Arc<dyn Observer>));
    let stopping = Arc::clone(&drain);
    thread::Builder::new()
        .name("upseal-stop".to_owned())
        .spawn(move || {
            if let Ok(signal) = signals.recv() {
                checks.drain();
                if signal == SIGTERM {
                    stopping.run(&signals);
                } else {
                    stopping.stop();
                }
            }
        })
        .map_err(|e| system("cannot start a thread", &e))?;
    server.wait();
    drop(page);
    printer.log().end();
    writer.wait();
    Ok(if drain.has_cut() { FaultKind::Broken.exit_code() } else { 0 })
}
