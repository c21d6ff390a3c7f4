//! Clients that send as a user would: the program itself, one file a run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::common::{ca, noise};
use crate::program::{Home, words};

/// Clients at once.
const CLIENTS: u64 = 2;
/// Files of a client at least, however long each takes.
const FILES: u64 = 8;
/// Bytes of a file.
const SIZE: usize = 64 << 10;

/// Honest clients of one server, and what they have sent.
pub(crate) struct Honest {
    server: SocketAddr,
    home: Home,
    /// Contents by name.
    pub sent: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// How long the files of a while took, in order.
pub(crate) struct Times(Vec<Duration>);

impl Honest {
    pub(crate) fn of(server: SocketAddr) -> Self {
        Self { server, home: Home::new(), sent: Mutex::default() }
    }

    /// Sends files for a while by CP2, with a proof of identity and a receipt for each. Every one must arrive.
    pub(crate) fn send_for(&self, length: Duration) -> Times {
        let until = Instant::now() + length;
        let times = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let times = &times;
                scope.spawn(move || {
                    let mut files = 0;
                    while files < FILES || Instant::now() < until {
                        times.lock().unwrap().push(self.send(client));
                        files += 1;
                    }
                });
            }
        });
        let mut times = times.into_inner().unwrap();
        times.sort();
        Times(times)
    }

    /// Sends one file, and returns how long the run took.
    fn send(&self, client: u64) -> Duration {
        let (name, content) = {
            let mut sent = self.sent.lock().unwrap();
            let number = sent.len() as u64;
            let (name, content) = (format!("honest-{client}-{number}.bin"), noise(SIZE, number));
            sent.insert(name.clone(), content.clone());
            (name, content)
        };
        std::fs::write(self.home.path(&name), content).unwrap();
        let (server, ca) = (self.server.to_string(), ca());
        let values = [("server", server.as_str()), ("ca", ca.to_str().unwrap()), ("name", name.as_str())];
        let begun = Instant::now();
        let outcome = self.home.start(words("send --to {server} --ca {ca} -p cp2 {name}", &values)).finish();
        let taken = begun.elapsed();
        assert_eq!(outcome.code, Some(0), "{name}: {outcome:#?}");
        taken
    }
}

impl Times {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the time that this part of a hundred files kept to, in milliseconds.
    pub(crate) fn percentile(&self, hundredths: usize) -> f64 {
        let at = (self.0.len() * hundredths / 100).min(self.0.len() - 1);
        self.0[at].as_secs_f64() * 1000.0
    }
}
