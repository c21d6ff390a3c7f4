//! Real transfers by every path, with one stage slowed down: that stage must be named as the bottleneck.
//!
//! The stages are measured by [`simulated`] clocks, so that a busy machine cannot make another stage the slowest.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use super::*;
use crate::crypto::authority;
use crate::crypto::identity::Identity;
use crate::digest::Digest;
use crate::digest::FileDigest;
use crate::event::{Dialect, Event, Track};
use crate::meter::{Meter, simulated};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::connection::Connection;
use crate::net::interrupter::Interrupter;
use crate::net::server::{Lifetime, Server};
use crate::net::service::{Policy, Service};
use crate::net::stream::Tcp;
use crate::net::upload::{Content, SEND_PATIENCE, Start};
use crate::store::{Folder, Incoming, Pending, Published, Store, StoreError, Ticket};
use crate::trust::Anchor;

/// Delay of a slow step on the simulated clock: more than all other work of a transfer together.
const PAUSE: Duration = Duration::from_secs(100);

/// The clock that steps are measured by.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Clock {
    /// No stage is slow.
    Real,
    Simulated,
}

impl Clock {
    /// Makes a meter measure each step by this clock.
    fn set(self, meter: &Meter) {
        meter.measure();
        if self == Self::Simulated {
            meter.simulate();
        }
    }
}

static OWN: LazyLock<(Arc<Identity>, Anchor)> = LazyLock::new(|| {
    let (identity, ca) = authority::throwaway().unwrap();
    (Arc::new(identity), Anchor::from_pem(ca.as_bytes()).unwrap())
});

/// The stage that is slow.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slow {
    None,
    /// Reading the file is slow.
    Read,
    Seal,
    Open,
    /// Each write to the store is slow.
    Store,
}

/// An observer that measures the transfer it is given to watch.
struct Watcher {
    clock: Clock,
    slow: Slow,
    meter: Mutex<Option<Arc<Meter>>>,
}

impl Observer for Watcher {
    fn event(&self, _event: Event) {}

    fn watch(&self, _track: Track, meter: Arc<Meter>) {
        self.clock.set(&meter);
        if self.slow == Slow::Open {
            meter.slow(Stage::Open, PAUSE);
        }
        *self.meter.lock().unwrap() = Some(meter);
    }

    fn unwatch(&self, _track: Track) {}

    fn recorder(&self) -> Option<Arc<crate::net::record::Recorder>> {
        None
    }
}

/// A folder whose writes are slow.
struct Lazy(Folder);

struct LazyPending(Box<dyn Pending>);

impl Store for Lazy {
    fn begin(&self, want: &Incoming) -> Result<Box<dyn Pending>, StoreError> {
        Ok(Box::new(LazyPending(self.0.begin(want)?)))
    }

    fn amend(&self, of: &Published) -> Result<Box<dyn Pending>, StoreError> {
        self.0.amend(of)
    }

    fn place(&self) -> String {
        self.0.place()
    }
}

impl Pending for LazyPending {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        simulated::pass(PAUSE);
        self.0.write(bytes)
    }

    fn commit(self: Box<Self>, digest: Option<Digest>) -> Ticket {
        self.0.commit(digest)
    }

    fn abort(self: Box<Self>) {
        self.0.abort();
    }
}

/// A reader whose reads are slow.
struct Sleepy;

impl Read for Sleepy {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        simulated::pass(PAUSE);
        buffer.fill(7);
        Ok(buffer.len())
    }
}

/// The work of both sides for one file, and its duration in microseconds.
struct Measured {
    client: Work,
    server: Work,
    micros: u64,
}

/// Returns the bottleneck of a transfer measured by simulated clocks. The transfer takes as long as its slowest stage,
/// because no stage waits for another on a simulated clock.
fn named(variant: Variant, size: u64, slow: Slow) -> &'static str {
    let Measured { client, server, .. } = transfer(variant, size, slow, FileDigest::Sha256, Clock::Simulated);
    let stages = |work: &Work| {
        let workers = u64::from(work.workers);
        [work.read_us, work.seal_us / workers, work.wire_us, work.open_us / workers, work.store_us]
    };
    let micros = stages(&client).into_iter().chain(stages(&server)).max().unwrap();
    find(&client, Some(&server), micros).unwrap().full_name(variant)
}

fn transfer(variant: Variant, size: u64, slow: Slow, digest: FileDigest, clock: Clock) -> Measured {
    let (identity, anchor) = &*OWN;
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open(folder.path()).unwrap();
    let store: Arc<dyn Store> = if slow == Slow::Store { Arc::new(Lazy(store)) } else { Arc::new(store) };
    let watcher = Arc::new(Watcher { clock, slow, meter: Mutex::default() });
    let service = Service {
        policy: Policy { digest, ..Policy::default() },
        identity: Some(Arc::clone(identity)),
        store,
        ciphertext: None,
        history: None,
        budget: PaddingBudget::default(),
        observer: Arc::clone(&watcher) as Arc<dyn Observer>,
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(listener, Arc::new(service), Lifetime::UntilStopped).unwrap();
    let address = server.address().into();
    let tcp = Tcp::connect(&address, Duration::from_secs(10), &Interrupter::default()).unwrap();
    let mut upload = Start::new(Connection::new(Box::new(tcp), SEND_PATIENCE), Dialect::of(variant))
        .proven_by(anchor)
        .unwrap();
    upload.set_digest(digest);
    let meter = Meter::default();
    clock.set(&meter);
    if slow == Slow::Seal {
        meter.slow(Stage::Seal, PAUSE);
    }
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; usize::try_from(size).unwrap()]).unwrap();
    file.rewind().unwrap();
    let content = if slow == Slow::Read { Content::Reader(&mut Sleepy) } else { Content::File(&file) };
    upload.file("a.bin", content, size, &meter).unwrap();
    upload.close(&meter).unwrap();
    let micros = u64::try_from(meter.elapsed().as_micros()).unwrap();
    let server = watcher.meter.lock().unwrap().clone().unwrap();
    Measured { client: meter.work().unwrap(), server: server.work().unwrap(), micros }
}

const MIB: u64 = 1 << 20;

#[test]
fn the_slow_stage_is_named() {
    for variant in [Variant::Plain, Variant::Ap, Variant::Cp2] {
        assert_eq!(named(variant, 4 * MIB, Slow::Read), "reading the file", "{variant}");
        assert_eq!(named(variant, 4 * MIB, Slow::Store), "server's disk", "{variant}");
    }
    assert_eq!(named(Variant::Plain, 4 * MIB, Slow::Seal), "our SHA-256");
    assert_eq!(named(Variant::Ap, 4 * MIB, Slow::Open), "server's SHA-256");
    assert_eq!(named(Variant::Cp2, 4 * MIB, Slow::Seal), "our CBC chain, block after block");
    assert_eq!(named(Variant::Cp2, 4 * MIB, Slow::Open), "server's AES and HMAC");
}

/// CP1 works on blocks on every core. Two slow threads count as one stage that is busy all the time, not twice that.
#[test]
fn the_slow_stage_is_named_in_cp1() {
    let name = |slow| named(Variant::Cp1, MIB / 8, slow);
    assert_eq!(name(Slow::None), "server's RSA private operation");
    assert_eq!(name(Slow::Open), "server's RSA private operation");
    assert_eq!(name(Slow::Read), "reading the file");
    assert_eq!(name(Slow::Seal), "our RSA public operation");
    assert_eq!(name(Slow::Store), "server's disk");
}

#[test]
fn every_path_fills_its_stages_on_both_sides() {
    // A small file, which one thread sends, and a large one, which uses the pipeline.
    for size in [100_000, 4 * MIB] {
        for variant in Variant::ALL {
            // More would be 15 s of RSA.
            let size = if variant == Variant::Cp1 { size.min(MIB / 4) } else { size };
            let Measured { client, server, micros } =
                transfer(variant, size, Slow::None, FileDigest::Sha256, Clock::Real);
            let context = format!("{variant} {size}: {client:?} {server:?}");
            assert!(client.read_us > 0 && client.seal_us > 0 && client.wire_us > 0, "{context}");
            assert!(server.open_us > 0 && server.store_us > 0 && server.wire_us > 0, "{context}");
            assert!(client.cpu_us > 0 && server.cpu_us > 0 && client.wait_us > 0, "{context}");
            assert_eq!((client.open_us, server.seal_us, server.read_us), (0, 0, 0), "{context}");
            assert!(client.store_us == 0 && micros > 0, "{context}");
        }
    }
}

/// Without hashing, the kernel moves the bytes: `sendfile` on the client, `splice` on the server.
#[cfg(target_os = "linux")]
#[test]
fn bytes_moved_by_the_kernel_are_measured_too() {
    let Measured { client, server, .. } =
        transfer(Variant::Plain, 8 * MIB, Slow::None, FileDigest::None, Clock::Real);
    assert_eq!((client.read_us, client.seal_us, server.open_us), (0, 0, 0), "{client:?} {server:?}");
    assert!(client.wire_us > 0 && server.wire_us > 0 && server.store_us > 0, "{client:?} {server:?}");
}

#[test]
fn a_third_party_server_and_its_network_are_one_stage() {
    let ours =
        Work { seal_us: 300, wire_us: 50, blocked_us: 600, wait_us: 100, workers: 1, ..Work::default() };
    let found = find(&ours, None, 1000).unwrap();
    assert_eq!(found.name(Variant::Cp2), "server or network");
    assert!((found.busy - 0.7).abs() < 1e-9);
    let told = shares(&ours, None);
    assert!((told[5].1 - 700.0 / 1050.0).abs() < 1e-9, "{told:?}");
    // Our own server's stages tell what the client waited for.
    let theirs = Work { open_us: 1800, workers: 2, ..Work::default() };
    let found = find(&ours, Some(&theirs), 1000).unwrap();
    assert_eq!(found.full_name(Variant::Cp2), "server's AES and HMAC");
    assert!((found.busy - 0.9).abs() < 1e-9, "each of the two threads");
    let told = shares(&ours, Some(&theirs));
    assert!((told.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!((told[5].1 - 100.0 / 2250.0).abs() < 1e-9, "{told:?}");
}

#[test]
fn a_lane_without_a_busy_stage_has_no_bottleneck() {
    let little = Work { seal_us: 40, workers: 1, ..Work::default() };
    assert_eq!(find(&little, Some(&little), 1000), None);
}
