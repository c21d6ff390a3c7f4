//! One server, clients one after another through the proxy, and what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use upseal::Digest;
use upseal::event::{Dialect, Variant, escape};

use crate::common::{self, contents, fixtures, noise};
use crate::program::{Home, Outcome, Program, events, words};
use crate::proxy::{Chance, Course, Ends, Fault, Proxy, Weather};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Delay, jitter, small pieces and large ones; nothing is lost or changed.
    Rough,
    /// Resets, ends, half ends and silences, and each end may become the other.
    Broken,
    /// A byte changes, in either direction.
    Changed,
}

/// The server's deadlines are short, so that a silence of the network exceeds them.
const SERVE: &str = "serve --json --bind 127.0.0.1:0 --certs {certs} --store {store} --login-grace 3s --message-time 2s \
                     --stall-time 1s --idle-time 3s --penalties off --log-rate 100000";
const SEND: &str = "send --json --yes --to {to} --ca {ca} -p {protocol} --framing {framing} --padding {padding} --patience 3s \
                    --retries {retries} --jobs {jobs} --receipts {receipts}";

/// Files in the store at most, before those of earlier clients are removed.
const MANY: usize = 200;

impl Profile {
    fn weather(self, seed: u64) -> Weather {
        let mut chance = Chance::new(seed);
        let (up, down) = (self.course(&mut chance), self.course(&mut chance));
        let mut weather = Weather { seed, up, down };
        // One of the two directions has a fault.
        let at = match chance.below(4) {
            0 => chance.below(400),
            1 => chance.below(4000),
            _ => chance.below(60_000),
        };
        let at = usize::try_from(at).unwrap();
        let fault = match self {
            Self::Rough => None,
            Self::Changed => Some(Fault::Change(1 << chance.below(8))),
            Self::Broken => {
                let stall = Fault::Stall(Duration::from_millis(chance.within(50..2500)));
                Some(chance.one_of(&[Fault::Reset, Fault::End, Fault::HalfEnd, stall]))
            }
        };
        match chance.below(3) {
            // The server says less than a client sends.
            0 => weather.down.fault = fault.map(|fault| (at % 2500, fault)),
            _ => weather.up.fault = fault.map(|fault| (at, fault)),
        }
        weather
    }

    fn course(self, chance: &mut Chance) -> Course {
        let ends = match self {
            Self::Broken => chance.one_of(&[Ends::AsTheyCome, Ends::InOrder, Ends::AsResets]),
            Self::Rough => Ends::AsTheyCome,
            Self::Changed => chance.one_of(&[Ends::AsTheyCome, Ends::InOrder]),
        };
        Course {
            piece: chance.one_of(&[1, 7, 100, 1400, 1 << 16]),
            pause: chance.one_of(&[0, 200, 3000]),
            gather: Duration::from_millis(chance.one_of(&[0, 0, 5])),
            fault: None,
            ends,
        }
    }
}

/// Runs at least `clients` clients, or for as long as the environment says.
pub(crate) fn try_profile(profile: Profile, clients: u64) {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let first = number("UPSEAL_CHAOS_SEED").unwrap_or(1);
    let long = number("UPSEAL_CHAOS_SECONDS").map(Duration::from_secs);
    let begun = Instant::now();
    let mut trial = Trial::start(profile, first);
    let mut settled = None;
    for seed in first.. {
        if long.map_or(seed - first >= clients, |long| begun.elapsed() >= long) {
            break;
        }
        trial.client(seed);
        // What the first clients need is there.
        if long.is_some_and(|long| begun.elapsed() > long / 10) && settled.is_none() {
            settled = Some(trial.memory());
        }
    }
    let after = trial.memory();
    println!("{profile:?}: {}, {after} KiB", trial.summary());
    if let Some(settled) = settled {
        let change = (after as f64 - settled as f64) / settled as f64 * 100.0;
        println!("{profile:?}: from {settled} to {after} KiB, {change:+.1} %");
        assert!(change < 5.0, "the server's memory grows");
    }
    trial.finish();
}

struct Trial {
    profile: Profile,
    home: Home,
    server: Option<Program>,
    address: SocketAddr,
    proxy: Proxy,
    /// Digest of everything that was sent.
    sent: BTreeSet<String>,
    /// Files of CP1 that were sent: a changed byte may divide them.
    cp1: Vec<Vec<u8>>,
    /// Clients by exit code.
    codes: BTreeMap<i32, u64>,
    /// Files that a client holds for stored.
    stored: u64,
    /// Sessions of the server that have not ended.
    open: i64,
}

impl Trial {
    fn start(profile: Profile, first: u64) -> Self {
        let home = Home::new();
        let (certs, store) = (fixtures("identity-v1"), home.path("store"));
        let values = [("certs", certs.to_str().unwrap()), ("store", store.to_str().unwrap())];
        let mut server = home.start(words(SERVE, &values));
        let address: SocketAddr = server.address().parse().unwrap();
        let proxy = Proxy::start(address, move |number| {
            profile.weather((first + number).wrapping_mul(0x2545_f491_4f6c_dd1d))
        });
        let (sent, cp1, codes) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        Self { profile, home, server: Some(server), address, proxy, sent, cp1, codes, stored: 0, open: 0 }
    }

    /// Runs one client with some files, and checks what it says against the store.
    fn client(&mut self, seed: u64) {
        self.tidy();
        let mut chance = Chance::new(seed);
        let variant = chance.one_of(&["plain", "ap", "cp1", "cp2", "cp2"]);
        let receipts = self.home.path(format!("receipts-{seed}"));
        let to = self.proxy.address().to_string();
        let ca = common::ca();
        let values = [
            ("to", to.as_str()),
            ("ca", ca.to_str().unwrap()),
            ("protocol", variant),
            // E is open-ended: an orderly end at a block is its end.
            ("framing", chance.one_of(&["A", "B", "C", "D", "F"])),
            ("padding", chance.one_of(&["oaep", "pkcs1v15"])),
            ("retries", chance.one_of(&["0", "0", "0", "1"])),
            ("jobs", chance.one_of(&["1", "1", "2"])),
            ("receipts", receipts.to_str().unwrap()),
        ];
        let mut line = words(SEND, &values);
        let mut files = BTreeMap::new();
        for n in 0..chance.within(1..5) {
            let most = chance.one_of(&[1, 100, 5000, 30_000]);
            let length = usize::try_from(chance.below(most)).unwrap();
            // Each content is unique.
            let content = [format!("{seed} {n}\n").as_bytes(), &noise(length, seed ^ n)].concat();
            let path = self.home.path(format!("{seed}-{n}.bin"));
            fs::write(&path, &content).unwrap();
            line.push(path.to_str().unwrap().to_owned());
            self.sent.insert(Digest::of(&content).to_string());
            if variant == "cp1" {
                self.cp1.push(content.clone());
            }
            files.insert(path, content);
        }
        let outcome = self.home.start(&line).finish();
        self.check(seed, &outcome, &files);
        let lines: Vec<String> = self.server().out.try_iter().collect();
        self.overhear(&lines);
        for path in files.keys() {
            fs::remove_file(path).unwrap();
        }
        let _ = fs::remove_dir_all(receipts);
    }

    /// Removes files of earlier clients, if there are many: a long run has no room for all.
    fn tidy(&mut self) {
        let store = contents(&self.home.path("store"));
        if store.names().len() > MANY {
            for name in store.names() {
                fs::remove_file(self.home.path("store").join(name)).unwrap();
            }
            self.cp1.clear();
        }
    }

    fn check(&mut self, seed: u64, outcome: &Outcome, files: &BTreeMap<std::path::PathBuf, Vec<u8>>) {
        let context = format!("{:?}, seed {seed}: {outcome:#?}", self.profile);
        let code = outcome.code.unwrap_or_else(|| panic!("a signal ended it: {context}"));
        *self.codes.entry(code).or_default() += 1;
        assert!(matches!(code, 0 | 1 | 3 | 4 | 6), "{context}");
        let store = contents(&self.home.path("store"));
        let (mut paths, mut arrived) = (BTreeMap::new(), BTreeSet::new());
        for event in events(outcome) {
            match event["event"].as_str().unwrap() {
                "queued" => {
                    let path = event["job"]["path"].as_str().unwrap().to_owned();
                    paths.insert(event["job"]["id"].clone().to_string(), path);
                }
                "state" => {
                    let job = event["track"]["job"].to_string();
                    let path = paths.get(&job).unwrap_or_else(|| panic!("{event} {context}"));
                    let whole = &files[Path::new(path)];
                    let state = &event["state"];
                    if let Some(stored) = state.get("stored") {
                        self.stored += 1;
                        let name = stored["name"].as_str().unwrap();
                        assert!(shown_as(name, &store) == Some(whole), "{name} is not stored: {context}");
                    }
                    if state == "delivered" || state.get("stored").is_some() {
                        arrived.insert(path.clone());
                    }
                }
                _ => {}
            }
        }
        assert_eq!(code == 0, arrived.len() == files.len(), "the exit code: {context}");
        if self.profile == Profile::Rough {
            assert_eq!(code, 0, "nothing was lost: {context}");
            for (path, content) in files {
                let name = path.file_name().unwrap().to_str().unwrap();
                assert!(store.0.get(name) == Some(content), "{name}: {context}");
            }
        }
    }

    fn server(&self) -> &Program {
        self.server.as_ref().unwrap()
    }

    /// Memory of the server in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server().id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    }

    fn summary(&self) -> String {
        let clients: u64 = self.codes.values().sum();
        let Self { codes, stored, .. } = self;
        let faults = self.proxy.faults();
        format!(
            "{clients} clients, {faults} faults, exit codes {codes:?}, {stored} files stored by a receipt"
        )
    }

    /// Checks that the server goes on, ends when it is asked, and has published nothing that was not sent.
    fn finish(mut self) {
        if self.profile != Profile::Rough {
            let clients: u64 = self.codes.values().sum();
            assert!(self.proxy.faults() * 3 > clients, "too few faults: {}", self.summary());
            assert!(self.codes.len() > 1 && self.stored > 0, "it tried too little: {}", self.summary());
        }
        for variant in Variant::ALL {
            let content = format!("behind all that, by {variant}");
            common::upload(self.address, Dialect::of(variant), "last.txt", content.as_bytes()).unwrap();
            self.sent.insert(Digest::of(content.as_bytes()).to_string());
        }
        let server = self.server.take().unwrap();
        server.signal(Signal::TERM);
        let outcome = server.finish();
        assert_eq!(outcome.code, Some(0), "{}", outcome.err);
        let lines: Vec<String> = outcome.out.lines().map(str::to_owned).collect();
        self.overhear(&lines);
        assert_eq!(self.open, 0, "sessions that never ended");
    }

    /// Checks that what the server says it received was sent.
    fn overhear(&mut self, lines: &[String]) {
        let store = contents(&self.home.path("store"));
        for event in lines.iter().map(|line| serde_json::from_str::<Value>(line).expect(line)) {
            match event["event"].as_str().unwrap() {
                "session_opened" => self.open += 1,
                "session_closed" => self.open -= 1,
                "received" => {
                    let digest = event["digest"].as_str().unwrap();
                    let may_differ =
                        self.profile == Profile::Changed && is_changeable(&event, &store, &self.cp1);
                    assert!(self.sent.contains(digest) || may_differ, "{event} was never sent");
                }
                _ => {}
            }
        }
    }
}

/// Returns the file whose name is shown like this. A changed byte in a description makes a name of several lines.
fn shown_as<'a>(name: &str, store: &'a common::Files) -> Option<&'a Vec<u8>> {
    store.0.iter().find(|(stored, _)| escape(stored) == *name).map(|(_, content)| content)
}

/// Returns whether a changed byte may have made this file: Plain and AP do not protect their content, and CP1 does not
/// protect how many blocks a file has.
fn is_changeable(received: &Value, store: &common::Files, cp1: &[Vec<u8>]) -> bool {
    match received["variant"].as_str().unwrap() {
        "plain" | "ap" => true,
        "cp1" => {
            let content = shown_as(received["name"].as_str().unwrap(), store);
            content.is_some_and(|content| cp1.iter().any(|sent| sent.starts_with(content)))
        }
        _ => false,
    }
}
