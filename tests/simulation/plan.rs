//! What a seed draws: the clients and their files, the network, the disk, the clock, and a crash.

use std::sync::Arc;
use std::time::Duration;

use upseal::event::{
    AuthMessage, Dialect, EmptyFile, Framing, KeyForm, KeyLength, Padding, Terminator, Variant,
};

use crate::common::noise;
use crate::dice::Dice;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Everything that is decided before a run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) crash: Option<Crash>,
    /// Whether the power fails when all clients are gone.
    pub(crate) ends_in_power_cut: bool,
    pub(crate) disk: DiskPlan,
    /// When the wall clock jumps, and by how many milliseconds.
    pub(crate) jumps: Vec<(Duration, i64)>,
    pub(crate) network: NetworkPlan,
    /// Whether the store has files already.
    pub(crate) is_furnished: bool,
}

#[derive(Debug)]
pub(crate) struct ClientPlan {
    pub(crate) start: Duration,
    pub(crate) dialect: Dialect,
    pub(crate) files: Vec<FilePlan>,
    pub(crate) does: Does,
    /// How often it requests receipts.
    pub(crate) receipts: Receipts,
    /// How often it tries.
    pub(crate) tries: u32,
    pub(crate) fault: Option<(Direction, u64, Fault)>,
}

#[derive(Debug, Clone)]
pub(crate) struct FilePlan {
    /// M2 of MODE 0.
    pub(crate) m2: String,
    /// The name in it.
    pub(crate) name: String,
    pub(crate) content: Arc<Vec<u8>>,
    /// Silence before it.
    pub(crate) pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// Sends its files and ends by MODE 2.
    All,
    /// Sends its files and hangs up without MODE 2.
    HangUp,
    /// Finds the file of this index shorter than it was, by one byte.
    Shrink(usize),
    /// Connects and sends nothing.
    Nothing,
    /// Sends a byte each 10 s for as long as the connection lasts: of a name, or of a body.
    Drip { is_body: bool },
    /// Sends once more what the client of this index sent.
    Replay(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipts {
    Never,
    /// One request at the end.
    AtTheEnd,
    /// One after each file.
    Each,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the server.
    Up,
    Down,
}

/// What the network does when a byte passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Both sides see a reset.
    Reset,
    /// Both sides see an orderly end, as a proxy on the path makes it.
    End,
    /// The receiver sees an orderly end, the sender a reset.
    EndForReceiver,
    /// Nothing passes any more in this direction.
    Hole,
    /// Nothing passes any more in any direction.
    DeadLine,
    /// One byte passes each 10 s.
    Trickle,
    /// Nothing passes for this long.
    Stall(Duration),
    /// Nothing passes for this long, from the next pair of CP1 on.
    StallBeforePair(Duration),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Crash {
    /// Number of the server's operation after or before which it happens.
    pub(crate) at: u64,
    pub(crate) kind: Kind,
    pub(crate) down_for: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The process ends; the system closes its connections and keeps what was written.
    Kill,
    /// The machine ends: what was not synced may be lost.
    Power,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskPlan {
    /// Operations of 1,000 that fail.
    pub(crate) failing: u64,
    /// Number of the operation from which on every one fails.
    pub(crate) broken_from: Option<u64>,
    /// Operations of 1,000 that take up to a minute.
    pub(crate) slow: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct NetworkPlan {
    /// Longest delay of most packets, in microseconds.
    pub(crate) delay_us: u64,
    /// Packets of 1,000 with a delay of up to 1 s, and of up to 70 s.
    pub(crate) late: u64,
    pub(crate) very_late: u64,
    /// Longest packet in bytes.
    pub(crate) packet: u64,
    /// Bytes on their way and unread at most.
    pub(crate) window: u64,
    /// Whether a proxy turns every reset into an orderly end.
    pub(crate) has_proxy: bool,
    /// Whether a reset takes unread bytes with it.
    pub(crate) reset_discards: bool,
}

/// Sizes at which something changes: blocks of both paddings, ciphers, tokens, messages, buffers, groups.
const SIZES: [u64; 29] = [
    0, 1, 2, 7, 8, 15, 16, 17, 31, 61, 62, 63, 116, 117, 118, 124, 127, 128, 129, 186, 234, 1000, 1024, 4095,
    4096, 8192, 10_000, 32_768, 65_537,
];

const NAMES: [&str; 6] = ["a.txt", "a (2).txt", "b.bin", "grüße.txt", "c", "d.tar.gz"];

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let network = network(dice);
        let count = dice.between(1, 3);
        let mut clients: Vec<ClientPlan> = Vec::new();
        for index in 0..count {
            clients.push(client(dice, index));
        }
        let sealed = |client: &ClientPlan| client.dialect.variant.is_secret() && client.does == Does::All;
        if let Some(of) = clients.iter().position(sealed).filter(|_| dice.chance(1, 3)) {
            let recorded = &clients[of];
            clients.push(ClientPlan {
                start: recorded.start,
                dialect: recorded.dialect,
                files: Vec::new(),
                does: Does::Replay(of),
                receipts: Receipts::Never,
                tries: 1,
                fault: None,
            });
        }
        let crash = dice.chance(3, 10).then(|| Crash {
            at: dice.magnitude(1, 150),
            kind: dice.pick(&[Kind::Kill, Kind::Power]),
            down_for: ms(dice.magnitude(1, 200_000)),
        });
        let disk = DiskPlan {
            failing: if dice.chance(1, 8) { dice.magnitude(1, 200) } else { 0 },
            broken_from: dice.chance(1, 25).then(|| dice.magnitude(1, 64)),
            slow: if dice.chance(1, 10) { dice.magnitude(1, 300) } else { 0 },
        };
        let jumps = (0..if dice.chance(1, 5) { dice.between(1, 3) } else { 0 }).map(|_| {
            let by = i64::try_from(dice.magnitude(1000, 400 * 86_400_000)).unwrap();
            (ms(dice.magnitude(1, 100_000)), if dice.chance(1, 2) { by } else { -by })
        });
        Self {
            clients,
            crash,
            jumps: jumps.collect(),
            ends_in_power_cut: dice.chance(1, 2),
            disk,
            network,
            is_furnished: dice.chance(1, 4),
        }
    }

    /// Returns whether what is on the disk for certain must be tracked.
    pub(crate) fn has_power_cut(&self) -> bool {
        self.ends_in_power_cut || self.crash.is_some_and(|crash| crash.kind == Kind::Power)
    }
}

fn network(dice: &mut Dice) -> NetworkPlan {
    NetworkPlan {
        delay_us: dice.magnitude(10, 200_000),
        late: if dice.chance(1, 3) { dice.magnitude(1, 100) } else { 0 },
        very_late: if dice.chance(1, 6) { dice.magnitude(1, 50) } else { 0 },
        packet: dice.magnitude(1, 65_536).max(if dice.chance(1, 4) { 1 } else { 100 }),
        window: dice.magnitude(512, 262_144),
        has_proxy: dice.chance(1, 10),
        reset_discards: dice.chance(1, 4),
    }
}

fn client(dice: &mut Dice, index: u64) -> ClientPlan {
    let dialect = dialect(dice);
    let has_hello = dialect.variant.authenticates() && dialect.auth_message != AuthMessage::Random32;
    let count = if dice.chance(1, 12) { dice.between(8, 20) } else { dice.between(0, 3) };
    let is_crowd = count > 3;
    let files: Vec<FilePlan> = (0..count)
        .map(|number| {
            let size = if is_crowd { dice.between(0, 300) } else { size(dice, dialect.variant) };
            // Clients have some files in common.
            let source = if dice.chance(1, 3) { 1 } else { 100 * index + number + 2 };
            let name = dice.pick(&NAMES).to_owned();
            let is_path = has_hello && dice.chance(1, 6);
            let (m2, name) = if is_path {
                let path = format!("in/{name}");
                (format!("upseal/1 file\nname {path}"), path)
            } else {
                (name.clone(), name)
            };
            let pause = if dice.chance(1, 25) { ms(dice.magnitude(1, 1_500_000)) } else { Duration::ZERO };
            let content = Arc::new(noise(usize::try_from(size).unwrap(), source));
            FilePlan { m2, name, content, pause }
        })
        .collect();
    let does = match dice.below(20) {
        0 => Does::HangUp,
        1 if !files.is_empty() => Does::Shrink(dice.index(files.len())),
        2 => Does::Nothing,
        3 => Does::Drip { is_body: dice.chance(1, 2) },
        _ => Does::All,
    };
    let total: u64 = files.iter().map(|file| 100 + file.content.len() as u64 * 3 / 2).sum();
    let is_deaf = matches!(does, Does::Nothing | Does::Drip { .. });
    let pauses =
        dialect.variant == Variant::Cp1 && matches!(dialect.framing, Framing::D | Framing::E) && total > 500;
    if pauses && !is_deaf && dice.chance(1, 2) {
        // A pause within a body whose end is open: it is taken for the end, and more follows.
        let stall = Fault::StallBeforePair(ms(dice.magnitude(900, 20_000)));
        let fault = Some((Direction::Up, dice.between(300, total), stall));
        let tries = 1;
        return ClientPlan {
            start: Duration::ZERO,
            dialect,
            files,
            does,
            receipts: Receipts::AtTheEnd,
            tries,
            fault,
        };
    }
    let fault = (dice.chance(2, 5) && !is_deaf).then(|| {
        let direction = if dice.chance(3, 4) { Direction::Up } else { Direction::Down };
        let most = if direction == Direction::Up { 300 + total } else { 6000 };
        let at = if dice.chance(1, 2) { dice.below(most) } else { dice.magnitude(1, most) };
        let kinds = [
            Fault::Reset,
            Fault::End,
            Fault::EndForReceiver,
            Fault::Hole,
            Fault::DeadLine,
            Fault::Trickle,
            Fault::Stall(ms(dice.magnitude(500, 100_000))),
        ];
        (direction, at, dice.pick(&kinds))
    });
    ClientPlan {
        start: if dice.chance(1, 2) { Duration::ZERO } else { ms(dice.magnitude(1, 20_000)) },
        dialect,
        files,
        does,
        receipts: dice.pick(&[Receipts::Never, Receipts::AtTheEnd, Receipts::AtTheEnd, Receipts::Each]),
        tries: if dice.chance(1, 3) { 3 } else { 1 },
        fault,
    }
}

fn size(dice: &mut Dice, variant: Variant) -> u64 {
    match dice.below(40) {
        // The server opens each block by a private operation.
        0 if variant != Variant::Cp1 => dice.between(100_000, 400_000),
        0..=3 if variant != Variant::Cp1 => dice.magnitude(1, 100_000),
        0..=3 => dice.magnitude(1, 6000),
        _ => {
            let size = dice.pick(&SIZES);
            if variant == Variant::Cp1 && size > 2000 { size % 500 } else { size }
        }
    }
}

fn dialect(dice: &mut Dice) -> Dialect {
    let variant = dice.pick(&Variant::ALL);
    let framing =
        dice.pick(&[Framing::A, Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F]);
    let auth_message =
        dice.pick(&[AuthMessage::Ascii, AuthMessage::Ascii, AuthMessage::Timestamp, AuthMessage::Random32]);
    let terminator = match framing {
        Framing::D | Framing::E if dice.chance(1, 4) => Some(Terminator::Max),
        _ => None,
    };
    Dialect {
        padding: dice.pick(&[Padding::Oaep, Padding::Pkcs1v15]),
        framing,
        terminator,
        key_form: dice.pick(&[KeyForm::Fernet, KeyForm::Raw]),
        key_length: dice.pick(&[KeyLength::Eight, KeyLength::Eight, KeyLength::Sixteen]),
        empty: dice.pick(&[EmptyFile::Block, EmptyFile::Zero]),
        auth_message,
        ..Dialect::of(variant)
    }
}
