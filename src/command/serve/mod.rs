//! `upseal serve`: receives files, without a screen or with one (`--ui`).

mod drain;
mod hand_out;
mod limits;
mod lines;
mod log;
mod names;
mod own;
mod picture;
mod policy;
mod prepare;
mod printer;
mod rates;
mod reload;
mod screen;
mod share;
mod sink;
mod systemd;

use std::sync::Arc;
use std::thread;

use crossbeam_channel::Receiver;
use parking_lot::Mutex;
use signal_hook::consts::{SIGHUP, SIGTERM};

use self::drain::Drain;
use self::hand_out::{hand_out, spoken};
use self::prepare::{Ready, prepare};
use self::printer::Printer;
use self::reload::{Reload, settle};
use self::systemd::{Reports, Sources};
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
/// SIGHUP reads certificates and configuration again, if the process has no terminal; otherwise it ends the server. SIGTERM
/// lets the sessions finish for the time of `--drain`; a second signal, or SIGINT, ends them at once.
///
/// # Errors
/// The server could not start; the exit code depends on the reason.
pub(crate) fn run(mut flags: Serve, plain: bool) -> Result<u8, Fault> {
    if flags.ui {
        let (args, _) = settle(&flags)?;
        return screen::run(args, plain);
    }
    let reloads = signals::hangup_reloads();
    let signals = watch(signals::ending(), |signal| signal)?;
    if flags.share {
        // The table [serve] has no say in it.
        flags.use_certs(share::identity()?);
    }
    let (args, rows) = settle(&flags)?;
    let args = &args;
    let printer = Arc::new(Printer::new(args, plain)?);
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
    let control = server.control();
    let (sources, listened) = (
        Sources { control: control.clone(), checks: Arc::clone(&checks), printer: Arc::clone(&printer) },
        Arc::clone(&printer) as Arc<dyn Observer>,
    );
    let reports = Reports::start(sources).map_err(|e| system("cannot start a thread", &e))?;
    let drain = Arc::new(Drain::new(control.clone(), args.drain.0, listened));
    let reload = Reload {
        current: Mutex::new((args.clone(), rows)),
        flags,
        control,
        printer: Arc::clone(&printer),
        checks,
    };
    let stopping = Arc::clone(&drain);
    thread::Builder::new()
        .name("upseal-stop".to_owned())
        .spawn(move || heed(&signals, reloads, &reload, &stopping))
        .map_err(|e| system("cannot start a thread", &e))?;
    systemd::ready();
    server.wait();
    drop(page);
    if let Some(reports) = reports {
        reports.end();
    }
    printer.log().end();
    writer.wait();
    Ok(if drain.has_cut() { FaultKind::Broken.exit_code() } else { 0 })
}

/// Does what signals ask for, until one of them ends the server.
fn heed(signals: &Receiver<i32>, reloads: bool, reload: &Reload, drain: &Drain) {
    let is_end = |signal: i32| !(reloads && signal == SIGHUP);
    while let Ok(signal) = signals.recv() {
        if !is_end(signal) {
            systemd::reloading();
            reload.run();
            systemd::ready();
            continue;
        }
        reload.checks.drain();
        systemd::stopping(reload.control.sessions());
        if signal == SIGTERM {
            drain.run(signals, is_end);
        } else {
            drain.stop();
        }
        return;
    }
}
