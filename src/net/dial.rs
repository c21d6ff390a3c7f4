//! A connection to the first of a host's addresses that answers (RFC 8305, "Happy Eyeballs").
//!
//! ```text
//!   0 ms    2001:db8::7   ─────────────── no answer
//!   250 ms  10.0.0.7              ─── connected: used, all others are dropped
//!   500 ms  2001:db8::8                 (not begun)
//! ```
//!
//! An attempt begins 250 ms after the previous one, or at once when that one has failed. Each may use the remaining
//! time, and has its own thread because `connect` cannot be interrupted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::interrupter::Interrupter;

/// Time between the beginnings of two attempts (RFC 8305, 5: "Connection Attempt Delay").
pub(super) const STAGGER: Duration = Duration::from_millis(250);
/// Interval at which a wait checks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(20);
/// Addresses that are tried at most: a name must not cost a thread for each of thousands.
const MOST: usize = 32;

/// Returns the addresses in the order of RFC 8305, 4: as the resolver sorted them, with the two families in turn.
pub(super) fn in_turn(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut once: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !once.contains(&address) {
            once.push(address);
        }
    }
    let first_is_v6 = once.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = once.into_iter().partition(|it| it.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    loop {
        let before = ordered.len();
        ordered.extend(first.next());
        ordered.extend(second.next());
        if ordered.len() == before {
            ordered.truncate(MOST);
            return ordered;
        }
    }
}

/// Connects to the first address that answers, within `patience`. Each attempt runs on its own thread. Attempts that are
/// not needed end by themselves, and their connections are closed at once.
///
/// # Errors
/// The error of the last attempt that failed; `TimedOut`; `Interrupted` soon after `stop` was raised.
pub(super) fn first_of<T: Send + 'static>(
    addresses: &[SocketAddr],
    patience: Duration,
    stagger: Duration,
    stop: &Interrupter,
    connect: impl Fn(SocketAddr, Duration) -> io::Result<T> + Send + Sync + 'static,
) -> io::Result<T> {
    let connect = Arc::new(connect);
    let give_up = Instant::now() + patience;
    let (sender, results) = channel();
    let attempt = |address: SocketAddr, sender: Sender<io::Result<T>>| {
        let connect = Arc::clone(&connect);
        let left = give_up.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let run = move || {
            // The receiver is gone when another address was faster.
            let _ = sender.send(connect(address, left));
        };
        thread::Builder::new().name("upseal-connect".to_owned()).spawn(run).map(drop)
    };
    let mut waiting = addresses.iter();
    let mut running = 0_usize;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut next_at = Instant::now();
    loop {
        if stop.is_raised() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let now = Instant::now();
        if now >= give_up {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if (running == 0 || now >= next_at)
            && let Some(address) = waiting.next()
        {
            attempt(*address, sender.clone())?;
            running += 1;
            next_at = now + stagger;
        }
        if running == 0 {
            return Err(last);
        }
        match results.recv_timeout(LOOK.min(give_up - now)) {
            _ if stop.is_raised() => return Err(io::ErrorKind::Interrupted.into()),
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => {
                running -= 1;
                last = error;
                next_at = now;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // This function holds a sender, so the channel is open.
            Err(RecvTimeoutError::Disconnected) => return Err(last),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_the_resolvers_first_address_stays_first() {
        let ordered = |texts: &[&str]| {
            in_turn(addresses(texts)).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            ordered(&["[::1]:7", "[::2]:7", "[::3]:7", "10.0.0.1:7", "10.0.0.2:7"]),
            "[::1]:7 10.0.0.1:7 [::2]:7 10.0.0.2:7 [::3]:7"
        );
        assert_eq!(ordered(&["10.0.0.1:7", "10.0.0.2:7", "[::1]:7"]), "10.0.0.1:7 [::1]:7 10.0.0.2:7");
        assert_eq!(ordered(&["10.0.0.1:7", "10.0.0.1:7"]), "10.0.0.1:7");
        assert_eq!(ordered(&[]), "");
        let many: Vec<String> = (1..=200).map(|n| format!("10.0.0.{n}:7")).collect();
        assert_eq!(in_turn(many.iter().map(|text| text.parse().unwrap())).len(), MOST);
    }

    /// A firewall that drops packets: the attempt neither connects nor fails, until this test lets it go.
    #[test]
    fn an_address_that_never_answers_does_not_delay_the_others() {
        let (release, held) = channel::<()>();
        let held = Mutex::new(held);
        let silent = addresses(&["10.0.0.1:7"])[0];
        let connect = move |address: SocketAddr, _: Duration| {
            if address == silent {
                let _ = held.lock().unwrap().recv();
            }
            Ok(address)
        };
        let all = addresses(&["10.0.0.1:7", "10.0.0.2:7", "10.0.0.3:7"]);
        let stop = Interrupter::default();
        let connected = first_of(&all, LONG, Duration::from_millis(1), &stop, connect).unwrap();
        assert_ne!(connected, silent);
        drop(release);
    }

    #[test]
    fn an_address_that_refuses_is_followed_by_the_next_at_once() {
        let tried = Arc::new(Mutex::new(Vec::new()));
        let all = addresses(&["10.0.0.1:7", "[::1]:7", "10.0.0.3:7", "10.0.0.4:7"]);
        let (log, good) = (Arc::clone(&tried), all[2]);
        let connect = move |address: SocketAddr, _: Duration| {
            log.lock().unwrap().push(address);
            if address == good { Ok(address) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
        };
        // With this stagger a second attempt would never begin by itself.
        let connected = first_of(&all, LONG, LONG, &Interrupter::default(), connect).unwrap();
        assert_eq!((connected, tried.lock().unwrap().as_slice()), (good, &all[..3]));
    }

    #[test]
    fn if_all_fail_the_last_error_is_returned() {
        let refuse = |_: SocketAddr, _: Duration| Err::<(), _>(io::ErrorKind::ConnectionRefused.into());
        let stop = Interrupter::default();
        let all = addresses(&["10.0.0.1:7", "10.0.0.2:7"]);
        let error = first_of(&all, LONG, LONG, &stop, refuse).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first_of(&[], LONG, LONG, &stop, refuse).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_raised_stop_ends_the_wait_although_no_attempt_has_ended() {
        let (release, held) = channel::<()>();
        let held = Mutex::new(held);
        let (begun, begins) = channel();
        let connect = move |_: SocketAddr, _: Duration| {
            let _ = begun.send(());
            let _ = held.lock().unwrap().recv();
            Ok(())
        };
        let stop = Interrupter::default();
        let raised = stop.clone();
        let waiting = thread::spawn(move || {
            let all = addresses(&["10.0.0.1:7", "10.0.0.2:7"]);
            first_of(&all, LONG, LONG, &stop, connect).map_err(|error| error.kind())
        });
        begins.recv().unwrap();
        raised.interrupt();
        assert_eq!(waiting.join().unwrap(), Err(io::ErrorKind::Interrupted));
        drop(release);
    }

    #[test]
    fn no_time_left_is_timed_out() {
        let stop = Interrupter::default();
        let all = addresses(&["10.0.0.1:7"]);
        let error = first_of(&all, Duration::ZERO, LONG, &stop, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
