//! Measures the cost of the Session screen's recorder: uploads over loopback with client and server in this process,
//! both recorded, compared with the same uploads without a recorder.
//!
//! `outline` is the recording while the Session screen is closed, `full` while it is open. The three depths run in
//! turn, and the best round of each counts, because noise only slows.

#![allow(clippy::expect_used, reason = "a bench fails by panicking")]

mod support;

use std::hint::black_box;
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use support::{Row, print_rows};
use upseal::event::{Depth, Dialect, Event, ServerAddress, Side, Track, Variant, Wire};
use upseal::testing::crypto::throwaway;
use upseal::testing::net::{Recorder, SEND_PATIENCE, tapped};
use upseal::{
    Anchor, Connection, Content, Interrupter, Lifetime, Meter, Nowhere, Observer, PaddingBudget, Policy,
    Server, Service, Start, Tcp,
};

const DEPTHS: [Depth; 3] = [Depth::Off, Depth::Outline, Depth::Full];
const ROUNDS: usize = 9;

/// An observer that counts events.
#[derive(Default)]
struct Listener {
    recorder: Arc<Recorder>,
    events: AtomicU64,
}

impl Observer for Listener {
    fn event(&self, event: Event) {
        black_box(&event);
        self.events.fetch_add(1, Relaxed);
    }

    fn watch(&self, _track: Track, _meter: Arc<Meter>) {}

    fn unwatch(&self, _track: Track) {}

    fn recorder(&self) -> Option<Arc<Recorder>> {
        Some(Arc::clone(&self.recorder))
    }
}

/// A server that discards what it receives, with what a client needs to connect.
struct Bench {
    listener: Arc<Listener>,
    anchor: Anchor,
    server: Server,
}

impl Bench {
    fn start() -> Self {
        let (identity, ca) = throwaway().expect("a throwaway identity");
        let listener = Arc::new(Listener::default());
        let observer: Arc<dyn Observer> = listener.clone();
        let service = Service {
            policy: Policy::default(),
            identity: Some(Arc::new(identity)),
            store: Arc::new(Nowhere),
            ciphertext: None,
            history: None,
            budget: PaddingBudget::default(),
            observer,
        };
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Server::start(socket, Arc::new(service), Lifetime::UntilStopped).expect("a server");
        let anchor = Anchor::from_pem(ca.as_bytes()).expect("its own CA");
        Self { listener, anchor, server }
    }

    /// Sends `files` files of `size` bytes over one connection; returns the time from connecting to the server's end.
    fn upload(&self, depth: Depth, variant: Variant, files: u64, size: u64) -> Duration {
        self.listener.recorder.set(depth);
        let dialect = Dialect::of(variant);
        let address = ServerAddress::from(self.server.address());
        let begin = Instant::now();
        let tcp = Tcp::connect(&address, SEND_PATIENCE, &Interrupter::default()).expect("a connection");
        let observer: Arc<dyn Observer> = self.listener.clone();
        let (stream, tap) = tapped(Box::new(tcp), &observer, None, || Wire {
            side: Side::Client,
            track: None,
            local: String::new(),
            peer: address.to_string(),
            dialect: Some(dialect),
            at_ms: 0,
        });
        let mut upload = Start::new(Connection::new(stream, SEND_PATIENCE), dialect)
            .proven_by(&self.anchor)
            .expect("its proof");
        upload.record(tap);
        let meter = Meter::default();
        for n in 0..files {
            // The server discards a lane of a race, so no disk is involved.
            let name = format!("race-cp2-{n}.bin");
            let mut source = io::repeat(7).take(size);
            upload.file(&name, Content::Reader(&mut source), size, &meter).expect("sent");
        }
        upload.close(&meter).expect("delivered");
        begin.elapsed()
    }
}

fn main() {
    println!("{}", support::machine());
    let bench = Bench::start();
    let cases = [
        ("Plain, 256 MiB", Variant::Plain, 1, 256 << 20),
        ("CP2, 128 MiB", Variant::Cp2, 1, 128 << 20),
        ("CP1, 2 MiB", Variant::Cp1, 1, 2 << 20),
        ("CP2, 2000 files of 10 KiB, one connection", Variant::Cp2, 2000, 10 << 10),
        ("CP2, one file of 10 KiB", Variant::Cp2, 1, 10 << 10),
    ];
    let mut rows = Vec::new();
    for (name, variant, files, size) in cases {
        let mut best = [Duration::MAX; DEPTHS.len()];
        // A first round to warm up.
        bench.upload(Depth::Off, variant, files, size);
        let rounds = if files * size < 1 << 20 { 40 * ROUNDS } else { ROUNDS };
        for _ in 0..rounds {
            for (best, depth) in best.iter_mut().zip(DEPTHS) {
                *best = bench.upload(depth, variant, files, size).min(*best);
            }
        }
        let [off, outline, full] = best.map(|time| (files * size) as f64 / time.as_secs_f64());
        rows.push(Row { what: format!("{name}: outline"), ours: outline, theirs: off, least: 0.99 });
        rows.push(Row { what: format!("{name}: full"), ours: full, theirs: off, least: 0.95 });
    }
    print_rows("Recorded compared with not recorded", &rows, 1e6, "MB/s");
    println!("{} events", bench.listener.events.load(Relaxed));
}
