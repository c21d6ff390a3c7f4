//! `upseal serve --ui`: the server in the terminal UI, with all flags of `serve`.

use crate::cli::Serve;
use crate::event::Fault;

/// Shows the server until the user quits.
///
/// # Errors
/// There is no terminal for a full screen, or the server could not start; the exit code depends on the reason.
#[cfg(feature = "tui")]
pub(super) fn run(args: Serve, plain: bool) -> Result<u8, Fault> {
    served::run(args, plain)
}

/// Reports that this build has no terminal UI.
///
/// # Errors
/// Always.
#[cfg(not(feature = "tui"))]
pub(super) fn run(_: Serve, _: bool) -> Result<u8, Fault> {
    Err(crate::command::no_screen("`upseal serve` without --ui"))
}

#[cfg(feature = "tui")]
mod served {
    use std::net::SocketAddr;
    use std::path::Path;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use crate::cli::Serve;
    use crate::clock;
    use crate::command::serve::prepare::{Ready, prepare};
    use crate::command::serve::share;
    use crate::command::{screen, usage};
    use crate::digest::Digest;
    use crate::event::{Event, Fault};
    use crate::net::{Observer, Unheard};
    use crate::transfer::{Former, Prepared, Source, doors};

    /// The server of these flags.
    struct Served {
        args: Serve,
        /// The first one. It is prepared before the screen opens, so that an error has the exit code of `serve`.
        first: Mutex<Option<Prepared>>,
    }

    impl Source for Served {
        fn prepare(&self, observer: Arc<dyn Observer>, former: Option<&Former>) -> Result<Prepared, Fault> {
            match self.first.lock().take() {
                Some(mut prepared) => {
                    prepared.service.observer = observer;
                    Ok(prepared)
                }
                None => shown(prepare(&self.args, observer, former)?),
            }
        }

        fn share(&self, _: Arc<dyn Observer>, _: &Path) -> Result<Prepared, Fault> {
            Err(usage(
                "the flags of serve decide who reaches this server".to_owned(),
                "start it with --share",
            ))
        }
    }

    pub(super) fn run(mut args: Serve, plain: bool) -> Result<u8, Fault> {
        if plain {
            return Err(usage(
                "--ui draws a full screen, which --plain leaves out".to_owned(),
                "upseal serve --plain prints lines; upseal serve --ui --plain=false draws the screen",
            ));
        }
        screen::check_serve()?;
        if args.share {
            args.certs = share::identity()?;
        }
        let first = shown(prepare(&args, Arc::new(Unheard), None)?)?;
        screen::serve(Arc::new(Served { args, first: Mutex::new(Some(first)) }))
    }

    /// Adds what `serve` prints to the events of a server: its links if other computers reach it, and remarks as warnings.
    fn shown(ready: Ready) -> Result<Prepared, Fault> {
        let Ready { mut prepared, pin, remarks } = ready;
        let bound =
            prepared.listener.local_addr().map_err(|e| crate::command::system("cannot listen", &e))?;
        prepared.events.extend(pin.and_then(|pin| links(bound, pin)));
        let at_ms = clock::unix_ms();
        let warned = |text| Event::Warned { session: None, peer: None, name: None, text, at_ms };
        prepared.events.extend(remarks.into_iter().map(warned));
        Ok(prepared)
    }

    fn links(bound: SocketAddr, pin: Digest) -> Option<Event> {
        (!bound.ip().is_loopback()).then(|| Event::Shared { pin: pin.to_string(), doors: doors(bound) })
    }
}
