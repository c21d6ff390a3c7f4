//! Honest clients beside each kind of attacker: every honest file arrives, whole.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::attack::{self, Attacker};
use crate::common::fixtures;
use crate::honest::Honest;
use crate::program::{Home, words};
use crate::{Taken, length, machine, until};

/// Attackers at once, each with an address of its own.
const ATTACKERS: u8 = 8;
/// Length of a flood, unless the environment says otherwise.
const SHORT: Duration = Duration::from_secs(2);
/// Lets honest clients send alone, and then beside attackers, as soon as these have so many `sessions`.
fn beside(name: &str, attack: fn(&Attacker<'_>) -> u64, sessions: u64) {
    let _machine = machine();
    let home = Home::new();
    let certs = fixtures("identity-v1");
    let line = "serve --json --accept plain,ap,cp1,cp2 --bind 127.0.0.1:0 --certs {certs}";
    let mut server = home.start(words(line, &[("certs", certs.to_str().unwrap())]));
    let address: SocketAddr = server.address().parse().unwrap();
    let honest = Honest::of(address);
    let alone = honest.send_for(length(SHORT) / 2);
    let before = Taken::by(&server);
    let stop = AtomicBool::new(false);
    let (times, attacks, during) = thread::scope(|scope| {
        let attackers: Vec<_> = (1..=ATTACKERS)
            .map(|number| {
                let stop = &stop;
                scope.spawn(move || attack(&Attacker { server: address, number, stop }))
            })
            .collect();
        until(|| Taken::by(&server), |taken| taken.threads >= before.threads + sessions);
        let times = honest.send_for(length(SHORT));
        let during = Taken::by(&server);
        stop.store(true, Ordering::Relaxed);
        (times, attackers.into_iter().map(|it| it.join().unwrap()).sum::<u64>(), during)
    });
    assert!(attacks > 0, "no attacker got a connection");
    for (name, content) in honest.sent.lock().unwrap().iter() {
        let stored = fs::read(home.path("recv_files").join(name)).unwrap();
        assert!(stored == *content, "{name} is not what was sent");
    }
    let after = until(
        || Taken::by(&server),
        |taken| taken.threads <= before.threads && taken.descriptors <= before.descriptors,
    );
    println!(
        "{name:<20} {attacks:>6} connections; {} files alone: p50 {:.0} ms, p99 {:.0} ms; {} beside them: p50 {:.0} ms, p99 \
         {:.0} ms, {:.1} times; {} threads, {} MiB, afterwards {} MiB",
        alone.len(),
        alone.percentile(50),
        alone.percentile(99),
        times.len(),
        times.percentile(50),
        times.percentile(99),
        times.percentile(99) / alone.percentile(99),
        during.threads,
        during.most_kib >> 10,
        after.kib >> 10,
    );
}

macro_rules! floods {
    ($($name:ident $sessions:literal)*) => {
        $(
            #[test]
            fn $name() {
                beside(stringify!($name), attack::$name, $sessions);
            }
        )*
    };
}

floods! {
    silence 100
    trickled_messages 100
    slow_bodies 500
    stalled_bodies 250
    reserved_disks 100
    proofs 1
    session_keys 1
    cp1_bodies 1
    empty_blocks 1
    tiny_files 1
    malformed_messages 0
    bad_names 0
    connections 0
}
