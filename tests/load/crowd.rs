//! A thousand sessions at once.

use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use upseal::event::{Dialect, Variant};
use upseal::{Anchor, Connection, Content, Interrupter, Meter, Start, Stream, Tcp};

use crate::common::{PATIENCE, Peer, ca, fixtures, message, noise};
use crate::program::{Home, Program, words};
use crate::{Taken, length, machine, until};

/// Sessions at once.
const SESSIONS: u64 = 1000;
/// Sessions that send file after file beside idle ones.
const ACTIVE: usize = 200;
/// Clients that connect at the same moment: beyond the limit of sessions that have done nothing they would wait.
const BEGINNING: usize = 50;
/// Bytes of a file.
const SIZE: usize = 64 << 10;
/// What a server may hold with all of them, in KiB.
const MEMORY: u64 = 200 << 10;
/// What a client does when a half of its file is on the wire.
type Middle = Arc<dyn Fn() + Send + Sync>;

/// Connection that stops once in the midst of the file.
struct Halfway {
    tcp: Tcp,
    /// Bytes until then.
    left: usize,
    middle: Middle,
}

impl Read for Halfway {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(buffer)
    }
}

impl Write for Halfway {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return self.tcp.write(bytes);
        }
        let n = self.tcp.write(&bytes[..bytes.len().min(self.left)])?;
        self.left -= n;
        if self.left == 0 {
            (self.middle)();
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl Stream for Halfway {
    fn set_deadline(&mut self, at: Option<Instant>) -> io::Result<()> {
        self.tcp.set_deadline(at)
    }

    fn interrupter(&self) -> Interrupter {
        self.tcp.interrupter()
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        self.tcp.finish_writing()
    }

    fn buffer_little(&mut self) {
        self.tcp.buffer_little();
    }

    fn reset(&mut self) {
        self.tcp.reset();
    }
}

fn variant(number: u64) -> Variant {
    match number % 20 {
        0 => Variant::Cp1,
        1..=5 => Variant::Plain,
        6..=10 => Variant::Ap,
        _ => Variant::Cp2,
    }
}

/// A server for many sessions of this machine.
fn server(home: &Home) -> Program {
    let certs = fixtures("identity-v1");
    let line = "serve --json --accept plain,ap,cp1,cp2 --bind 127.0.0.1:0 --certs {certs} --sessions-per-address 3000 \
                --max-sessions 1300 --rsa-rate 100000 --idle-time 24h";
    home.start(words(line, &[("certs", certs.to_str().unwrap())]))
}

/// Sends `number`.bin with its content, and does `middle` in the midst of it.
fn send(server: SocketAddr, anchor: &Anchor, number: u64, middle: Middle) {
    let tcp = Tcp::connect(&server.into(), PATIENCE, &Interrupter::default()).unwrap();
    let stream = Halfway { tcp, left: SIZE / 2, middle };
    let start = Start::new(Connection::new(Box::new(stream), PATIENCE), Dialect::of(variant(number)));
    let mut upload = start.proven_by(anchor).unwrap();
    let (content, meter) = (noise(SIZE, number), Meter::default());
    upload.file(&format!("{number}.bin"), Content::Reader(&mut &content[..]), SIZE as u64, &meter).unwrap();
    upload.close(&meter).unwrap();
}

fn compare(home: &Home, number: u64) {
    let path = home.path(format!("recv_files/{number}.bin"));
    assert!(fs::read(&path).unwrap() == noise(SIZE, number), "{number}.bin is not what was sent");
    fs::remove_file(path).unwrap();
}

/// Waits until the server has given threads and descriptors back.
fn returned(server: &Program, before: Taken) -> Taken {
    until(
        || Taken::by(server),
        |taken| taken.threads <= before.threads && taken.descriptors <= before.descriptors,
    )
}

#[test]
fn a_thousand_sessions_at_once_store_what_each_sent_and_return_what_they_took() {
    let _machine = machine();
    let home = Home::new();
    let mut server = server(&home);
    let address: SocketAddr = server.address().parse().unwrap();
    let anchor = Arc::new(Anchor::load(&ca()).unwrap());
    // Whatever the first files need is there.
    (0..20).for_each(|number| send(address, &anchor, SESSIONS + number, Arc::new(|| ())));
    let before = Taken::by(&server);
    let barrier = || Arc::new(Barrier::new(usize::try_from(SESSIONS).unwrap() + 1));
    let (meet, part) = (barrier(), barrier());
    let (enter, entered) = crossbeam_channel::bounded(BEGINNING);
    let clients: Vec<_> = (0..SESSIONS)
        .map(|number| {
            // A place of this queue until the client is in the midst of its file.
            enter.send(()).unwrap();
            let (anchor, entered) = (Arc::clone(&anchor), entered.clone());
            let (meet, part) = (Arc::clone(&meet), Arc::clone(&part));
            let middle = move || {
                entered.recv().unwrap();
                meet.wait();
                part.wait();
            };
            thread::Builder::new()
                .stack_size(512 << 10)
                .spawn(move || send(address, &anchor, number, Arc::new(middle)))
                .unwrap()
        })
        .collect();
    meet.wait();
    let during = Taken::by(&server);
    part.wait();
    for client in clients {
        client.join().unwrap();
    }
    assert!(during.threads - before.threads >= SESSIONS, "{before:?} {during:?}");
    (0..SESSIONS).for_each(|number| compare(&home, number));
    let after = returned(&server, before);
    println!("{SESSIONS} sessions: before {before:?}, with all of them {during:?}, afterwards {after:?}");
    assert!(after.most_kib < MEMORY, "{} KiB", after.most_kib);
}

#[test]
fn idle_and_active_sessions_stay_below_the_limit_of_memory() {
    let _machine = machine();
    let home = Home::new();
    let mut server = server(&home);
    let address: SocketAddr = server.address().parse().unwrap();
    let anchor = Anchor::load(&ca()).unwrap();
    (0..20).for_each(|number| send(address, &anchor, number, Arc::new(|| ())));
    let before = Taken::by(&server);
    let idle: Vec<Peer> = (0..SESSIONS)
        .map(|_| {
            let mut peer = Peer::connect(address);
            peer.send(&message(3, b"hello"));
            peer.read_blob();
            peer.read_blob();
            peer
        })
        .collect();
    let (numbers, end) = (AtomicU64::new(20), Instant::now() + length(Duration::from_secs(2)));
    let samples = thread::scope(|scope| {
        for _ in 0..ACTIVE {
            scope.spawn(|| {
                while Instant::now() < end {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    send(address, &anchor, number, Arc::new(|| ()));
                    compare(&home, number);
                }
            });
        }
        let mut samples = Vec::new();
        while Instant::now() < end {
            samples.push(Taken::by(&server).kib);
            thread::sleep(Duration::from_millis(100));
        }
        samples
    });
    // The second half of the time, in which every session has been there.
    let later = &samples[samples.len() / 2..];
    println!(
        "{} idle and {ACTIVE} active sessions: {} files, {} to {} MiB in the second half",
        idle.len(),
        numbers.into_inner() - 20,
        later.iter().min().unwrap() >> 10,
        later.iter().max().unwrap() >> 10,
    );
    drop(idle);
    let after = returned(&server, before);
    assert!(after.most_kib < MEMORY, "{} KiB", after.most_kib);
}
