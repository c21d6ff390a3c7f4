//! Clients that send many files at the same time, and a server's certificates.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::common::{contents, noise};
use super::program::{Home, Program};

/// Clients that send at the same time.
const CLIENTS: u64 = 8;
/// Files of each client.
const FILES: u64 = 40;
/// Bytes of a file at least, and how many more it has for each number.
const BYTES: usize = 40_000;
const MORE: usize = 777;

/// Creates the certificates of a server in `home`.
pub(crate) fn certificates(home: &Home) {
    let made = home.run(&["certs", "init", "--bits", "1024"]);
    assert_eq!(made.code, Some(0), "{made:?}");
}

/// Running clients, each with its home and its files.
pub(crate) struct Clients {
    running: Vec<(Home, Program)>,
    sent: BTreeMap<String, Vec<u8>>,
}

impl Clients {
    /// Starts clients that send all their files in CP2, slowly enough that something can happen meanwhile.
    pub(crate) fn start(address: &str, ca: &Path) -> Self {
        let mut sent = BTreeMap::new();
        let running = (0..CLIENTS).map(|client| {
            let home = Home::new();
            let names = (0..FILES).map(|file| {
                let name = format!("{client}-{file:02}.bin");
                let length = BYTES + MORE * usize::try_from(file).unwrap();
                let content = noise(length, 1 + client * FILES + file);
                std::fs::write(home.path(&name), &content).unwrap();
                sent.insert(name.clone(), content);
                name
            });
            let names: Vec<String> = names.collect();
            let ca = ca.to_str().unwrap();
            let mut words = vec!["send", "--json", "--to", address, "--ca", ca, "--limit", "600KiB/s"];
            words.extend(names.iter().map(String::as_str));
            let program = home.start(words);
            (home, program)
        });
        let running = running.collect();
        Self { running, sent }
    }

    /// Waits until every client has ended, and requires that it has sent every file.
    pub(crate) fn finish(&mut self) {
        for (_home, program) in self.running.drain(..) {
            let outcome = program.finish();
            let failed: Vec<&str> = outcome.out.lines().filter(|line| line.contains("\"failed\"")).collect();
            assert_eq!(outcome.code, Some(0), "{failed:#?}\n{}", outcome.err);
            assert!(failed.is_empty(), "{failed:#?}");
        }
    }

    /// Requires that the folder holds every file once, as it was sent, and nothing else.
    pub(crate) fn compare(&self, store: &Path) {
        let stored = contents(store);
        // A server's own file, by which others know that it publishes here.
        let names: Vec<&str> =
            stored.names().into_iter().filter(|name| *name != ".upseal-shared.part").collect();
        let surplus: Vec<&&str> = names.iter().filter(|name| !self.sent.contains_key(**name)).collect();
        assert!(surplus.is_empty(), "{surplus:?}");
        let missing: Vec<&String> = self.sent.keys().filter(|name| !names.contains(&name.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for (name, content) in &self.sent {
            assert!(stored.get(name) == content, "{name} is not as it was sent");
        }
    }
}

/// Waits until a server has received this many further files.
pub(crate) fn receive(server: &mut Program, files: usize) {
    for _ in 0..files {
        server.json(is_received);
    }
}

/// Returns whether an event is a file that a server has received.
pub(crate) fn is_received(event: &Value) -> bool {
    event["event"] == "received"
}
