//! A server on the simulated machine: its start, its sessions, its end and its next start.

use std::fs;
use std::sync::Arc;

use upseal::event::{Event, Kept, RefusalKind, SessionId, Track};
use upseal::testing::clock;
use upseal::testing::history::{History, Serving};
use upseal::testing::net::{Recorder, Session};
use upseal::testing::store::{Announce, Catalogue, Coming};
use upseal::{Connection, Folder, Meter, Observer, PaddingBudget, Policy, Service};

use crate::book::{FURNITURE, Received};
use crate::common::IDENTITY;
use crate::machine::Watch;
use crate::network::Side;
use crate::stream::Wire;
use crate::world::{ActorId, On, World};

/// Expiry of claims, in Unix seconds: beyond every jump of the clock.
const UNTIL: i64 = i64::MAX / 2000;

/// Puts files into the store that its owner had there before.
pub(crate) fn furnish(world: &World) {
    let state = world.lock();
    if state.plan.is_furnished {
        for (name, content) in FURNITURE {
            fs::write(state.machine.inbox().join(name), content).unwrap();
        }
    }
}

/// Starts the server on the disk as it is. Returns what it could not explain.
pub(crate) fn start(world: &Arc<World>) -> Vec<String> {
    let (home, inbox, start) = {
        let mut state = world.lock();
        state.machine.start += 1;
        (state.machine.home(), state.machine.inbox(), state.machine.start)
    };
    let folder = Folder::open(&inbox).unwrap();
    let history = Arc::new(History::open(&home.join("history.db")).unwrap());
    let (serving, repairs) = Serving::open(history, &inbox, UNTIL, clock::unix_ms()).unwrap();
    let announcing = Announcing { serving: Arc::clone(&serving), world: Arc::clone(world) };
    let folder = folder
        .announcing(Arc::new(announcing))
        .watched_by(Arc::new(Watch { world: Arc::clone(world), start }));
    folder.consult(Arc::clone(&serving) as Arc<dyn Catalogue>);
    let service = Service {
        policy: Policy::default(),
        identity: Some(Arc::clone(&IDENTITY)),
        store: Arc::new(folder),
        ciphertext: None,
        history: Some(serving),
        budget: PaddingBudget::default(),
        observer: Arc::new(Watcher { world: Arc::clone(world), start }),
    };
    let mut state = world.lock();
    state.machine.sync_all();
    state.machine.service = Some(Arc::new(service));
    let strange = |repair: String| (!repair.contains("repaired:")).then_some(repair);
    repairs.into_iter().filter_map(|repair| strange(repair.to_string())).collect()
}

/// Serves a connection, on a thread of its own.
pub(crate) fn serve(world: &Arc<World>, me: ActorId, link: usize, service: Arc<Service>) {
    world.enter(me);
    {
        let wire = Wire::new(Arc::clone(world), link, Side::Server, me);
        let connection = Connection::new(Box::new(wire), service.policy.deadlines.idle);
        // One network for each connection, so that no client spends the budget of another.
        let peer = format!("10.0.0.{}:{}", world.lock().links[link].client + 1, 1000 + link);
        Session::new(&service, connection, SessionId(link as u64), peer).run();
    }
    drop(service);
    {
        let mut state = world.lock();
        let (now, slowness) = (state.now, state.machine.slowness);
        let state = &mut *state;
        if state.failed.is_none() {
            state.book.check_length(&state.plan, &state.links[link], now, slowness);
        }
    }
    world.leave(me);
}

/// Waits for the crash, and starts the server again.
pub(crate) fn operate(world: &Arc<World>, me: ActorId) {
    world.enter(me);
    let mut state = World::pause(world.lock(), me, On::CrashOrEnd, None);
    if state.machine.has_crashed && state.failed.is_none() {
        let start = state.machine.start;
        let down_for = state.plan.crash.map(|crash| crash.down_for).unwrap_or_default();
        let until = state.now + down_for;
        state = World::pause(state, me, On::SessionsGone(start), None);
        if state.now < until {
            state = World::pause(state, me, On::Time, Some(until));
        }
        state.machine.swap_home();
        state.note(me, format_args!("starts the server again"));
        drop(state);
        let strange = self::start(world);
        state = world.lock();
        let is_furnished = state.plan.is_furnished;
        for repair in strange.into_iter().filter(|repair| !is_known(repair, is_furnished)) {
            state.book.complain(format!("after the crash: {repair}"));
        }
        state.return_links();
    }
    drop(state);
    world.leave(me);
}

/// Returns whether a start must say this about a file that was here before the server.
pub(crate) fn is_known(repair: &str, is_furnished: bool) -> bool {
    is_furnished && FURNITURE.iter().any(|(name, _)| repair.starts_with(&format!("{name} (")))
}

/// Hands announcements on, and notes that they are on the disk.
struct Announcing {
    serving: Arc<Serving>,
    world: Arc<World>,
}

impl std::fmt::Debug for Announcing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announcing")
    }
}

impl Announce for Announcing {
    fn announce(&self, coming: &[Coming]) {
        self.serving.announce(coming);
        self.world.lock().machine.sync_log();
    }
}

/// Notes the events of one start of the server.
struct Watcher {
    world: Arc<World>,
    start: u64,
}

impl Observer for Watcher {
    fn event(&self, event: Event) {
        let mut state = self.world.lock();
        if state.machine.start != self.start || !state.machine.is_up() {
            return; // said by a process that is gone
        }
        // Its name is random.
        let home = state.machine.home().display().to_string();
        match event {
            Event::Received {
                track: Track::Receiving(session, _),
                name,
                kept,
                size,
                variant,
                digest,
                ..
            } => {
                state.note_of("server", format_args!("stored {name}, {kept:?}, {size} bytes, {variant}"));
                state.book.count(match kept {
                    Kept::New => "new files",
                    Kept::Renamed => "copies",
                    Kept::Same => "files that were there",
                    Kept::Amended => "amendments",
                    Kept::Discarded => "discarded files",
                });
                let client = state.links[usize::try_from(session.0).unwrap()].client;
                let digest = digest.unwrap().parse().unwrap();
                state.book.received.push(Received { client, name: name.to_string(), kept, size, digest });
            }
            Event::Receiving { track: Track::Receiving(session, _), .. }
            | Event::SessionProved { session } => {
                state.links[usize::try_from(session.0).unwrap()].has_acted = true;
            }
            Event::Refused { session, why, kind, .. } => {
                state.note_of(
                    "server",
                    format_args!("refuses session {}: {}", session.0, why.replace(&home, "")),
                );
                state.book.count(match kind {
                    RefusalKind::Late => "late clients",
                    RefusalKind::Replay => "refused replays",
                    RefusalKind::Cut => "broken connections",
                    RefusalKind::Store => "refusals by the disk",
                    _ => "other refusals",
                });
            }
            Event::Note { text } | Event::Warned { text, .. } => {
                state.note_of("server", format_args!("{}", text.replace(&home, "")));
            }
            _ => {}
        }
    }

    fn watch(&self, _: Track, _: Arc<Meter>) {
        self.world.lock().book.watched += 1;
    }

    fn unwatch(&self, _: Track) {
        self.world.lock().book.watched -= 1;
    }

    fn recorder(&self) -> Option<Arc<Recorder>> {
        None
    }
}
