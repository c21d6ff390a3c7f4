//! The clients of a run.

use std::io::{self, Read as _, Write as _};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread::Scope;
use std::time::{Duration, Instant};

use upseal::testing::receipt::{Fate, salted};
use upseal::{
    Anchor, Confirmation, Connection, Content, Digest, Meter, Start, Stream as _, Upload, UploadError,
};

use crate::book::{Claim, Source};
use crate::network::{Link, Side};
use crate::plan::{ClientPlan, Does, FilePlan, Plan, Receipts};
use crate::server;
use crate::stream::Wire;
use crate::world::{ActorId, On, Part, World};

/// Time for which a client waits that nothing makes go: longer than every deadline of a server.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);

/// A client on its thread.
pub(crate) struct Client<'s, 'e> {
    world: Arc<World>,
    plan: Arc<Plan>,
    scope: &'s Scope<'s, 'e>,
    anchor: &'s Anchor,
    me: ActorId,
    index: usize,
    /// Files that no connection has confirmed.
    left: Vec<usize>,
}

impl Client<'_, '_> {
    fn plan(&self) -> &ClientPlan {
        &self.plan.clients[self.index]
    }

    fn file(&self, index: usize) -> FilePlan {
        self.plan().files[index].clone()
    }

    /// Waits for the server, and connects.
    fn connect(&self) -> (Wire, usize) {
        let mut state = World::pause(self.world.lock(), self.me, On::ServerUp, None);
        let link = state.links.len();
        let (start, now) = (state.machine.start, state.now);
        let mut new = Link::new(self.index, link, start, now, self.plan());
        let replays = |client: &ClientPlan| client.does == Does::Replay(self.index);
        new.record = self.plan.clients.iter().any(replays).then(Vec::new);
        state.links.push(new);
        state.note(self.me, format_args!("connects: connection {link}"));
        if let Some(service) = state.machine.service.clone() {
            let session = state.add_actor(format!("session {link}"), Part::Session(start));
            let world = Arc::clone(&self.world);
            self.scope.spawn(move || server::serve(&world, session, link, service));
        }
        drop(state);
        (Wire::new(Arc::clone(&self.world), link, Side::Client, self.me), link)
    }

    fn is_over(&self) -> bool {
        self.world.lock().failed.is_some()
    }

    fn note(&self, what: &str) {
        self.world.lock().note(self.me, format_args!("{what}"));
    }

    fn run(&mut self) {
        self.world.sleep(self.me, self.plan().start);
        match self.plan().does {
            Does::Replay(of) => self.replay(of),
            Does::Drip { is_body } => self.drip(is_body),
            Does::Nothing => {
                let (mut wire, _) = self.connect();
                let _ = wire.set_deadline(Some(self.after(PATIENCE)));
                let _ = wire.read_to_end(&mut Vec::new());
            }
            Does::All | Does::HangUp | Does::Shrink(_) => {
                for number in 1..=self.plan().tries {
                    let end = self.send(number);
                    let said = end.as_ref().map_or_else(ToString::to_string, |()| "all is well".to_owned());
                    self.note(&format!("try {number}: {said}"));
                    if self.left.is_empty() || self.is_over() {
                        break;
                    }
                    self.world.sleep(self.me, Duration::from_secs(1));
                }
            }
        }
    }

    /// Sends the files that are left over one connection.
    fn send(&mut self, number: u32) -> Result<(), UploadError> {
        let (wire, link) = self.connect();
        let connection = Connection::new(Box::new(wire), Duration::from_secs(60));
        let mut upload = Start::new(connection, self.plan().dialect).proven_by(self.anchor)?;
        let does = self.plan().does;
        let receipts = self.plan().receipts;
        let mut sent = Vec::new();
        for index in self.left.clone() {
            let file = self.file(index);
            if !file.pause.is_zero() {
                self.world.sleep(self.me, file.pause);
            }
            self.send_file(&mut upload, link, &file, does == Does::Shrink(index))?;
            sent.push(index);
            if receipts == Receipts::Each {
                let ordinal = upload.files();
                self.hear(&mut upload, &sent, ordinal..=ordinal)?;
            }
        }
        if receipts == Receipts::AtTheEnd && !sent.is_empty() {
            self.hear(&mut upload, &sent, 1..=sent.len() as u64)?;
        }
        if does == Does::HangUp {
            self.left.clear();
            return Ok(());
        }
        upload.close(&Meter::default())?;
        let mut state = self.world.lock();
        if state.links[link].has_false_end {
            state.note(self.me, format_args!("takes an end of the network for the server's"));
            state.book.count("false ends");
            return Ok(());
        }
        for index in sent {
            let FilePlan { name, content, .. } = self.file(index);
            let digest = Digest::of(&content);
            state.book.count("deliveries");
            state.book.claims.push(Claim { client: self.index, name, digest, receipt: None });
        }
        if number == 1 && state.links[link].is_faultless() {
            state.book.happy.insert(self.index);
        }
        self.left.clear();
        Ok(())
    }

    fn send_file(
        &self,
        upload: &mut Upload,
        link: usize,
        file: &FilePlan,
        shrinks: bool,
    ) -> Result<(), UploadError> {
        let size = file.content.len() as u64;
        let end = file.content.len() - usize::from(shrinks && size > 0);
        let mut source = Source { content: Arc::clone(&file.content), at: 0, end };
        let before = self.world.lock().links[link].sent(Side::Client);
        let sent = upload.file(&file.m2, Content::Reader(&mut source), size, &Meter::default());
        let mut state = self.world.lock();
        let bytes = state.links[link].sent(Side::Client) - before;
        if sent.is_ok() || (bytes >= upload.wire_len(&file.m2, size) && !shrinks) {
            state.book.is_sent(Digest::of(&file.content));
        }
        sent.map(drop)
    }

    /// Requests receipts for these files of the connection; `sent`: the files that it sent, in order.
    fn hear(
        &mut self,
        upload: &mut Upload,
        sent: &[usize],
        files: RangeInclusive<u64>,
    ) -> Result<(), UploadError> {
        let receipt = match upload.receipts(files, Some(self.anchor))? {
            Confirmation::Receipt(receipt) => receipt,
            Confirmation::Answer | Confirmation::Unchecked(_) => {
                self.world.lock().book.complain("an answer other than a receipt".to_owned());
                return Ok(());
            }
        };
        let salt = receipt.salt.as_deref();
        for entry in &receipt.statement.entries {
            let index = sent[usize::try_from(entry.ordinal).unwrap() - 1];
            let FilePlan { name: want, content, .. } = self.file(index);
            let own = Digest::of(&content);
            let mut state = self.world.lock();
            match &entry.fate {
                Fate::Stored { size, digest, name, .. } => {
                    state.note(self.me, format_args!("has a receipt of {name}"));
                    state.book.count("receipts");
                    if *size != content.len() as u64 || *digest != salted(salt, own) {
                        let client = self.index;
                        state.book.complain(format!(
                            "client {client} sent {want} and has a receipt of another file"
                        ));
                    }
                    let receipt = Some(name.clone());
                    state.book.claims.push(Claim { client: self.index, name: want, digest: own, receipt });
                    drop(state);
                    self.left.retain(|left| *left != index);
                }
                Fate::Missing(reason) => {
                    state.note(self.me, format_args!("has no receipt of {want}: {reason}"));
                }
            }
        }
        Ok(())
    }

    /// Sends what another client sent, after that client was told that all is well.
    fn replay(&self, of: usize) {
        let state = World::pause(self.world.lock(), self.me, On::ClientGone(of), None);
        let first = state.links.iter().find(|link| link.client == of);
        let record = first.filter(|_| state.book.happy.contains(&of)).and_then(|link| link.record.clone());
        drop(state);
        let Some(record) = record else { return };
        self.world.lock().book.count("replays");
        let (mut wire, _) = self.connect();
        let mut left = &record[..];
        while !left.is_empty() && !self.is_over() {
            let _ = wire.set_deadline(Some(self.after(Duration::from_secs(1))));
            match wire.write(left) {
                Ok(n) => left = &left[n..],
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                Err(_) => return,
            }
            // The server may be waiting for its answer to be read.
            while wire.is_readable() {
                if !matches!(wire.read(&mut [0; 4096]), Ok(1..)) {
                    return;
                }
            }
        }
        let _ = wire.set_deadline(Some(self.after(PATIENCE)));
        let _ = wire.read_to_end(&mut Vec::new());
    }

    fn after(&self, time: Duration) -> Instant {
        let now = self.world.lock().now;
        self.world.instant(now + time)
    }

    /// Sends a byte each 10 s for as long as the server lets it.
    fn drip(&self, is_body: bool) {
        let (mut wire, _) = self.connect();
        let _ = wire.set_deadline(Some(self.after(PATIENCE)));
        let word = |word: u64| word.to_be_bytes();
        let begin = if is_body {
            [&word(0)[..], &word(1), b"a", &word(1), &word(1 << 20)].concat()
        } else {
            [word(0), word(200)].concat()
        };
        if wire.write_all(&begin).is_err() {
            return;
        }
        let until = self.after(PATIENCE);
        while wire.now() < until && wire.write_all(b"x").is_ok() {
            self.world.sleep(self.me, Duration::from_secs(10));
        }
    }
}

/// Runs a client's part on its thread.
pub(crate) fn run<'s>(
    world: &Arc<World>,
    scope: &'s Scope<'s, '_>,
    anchor: &'s Anchor,
    (me, index): (ActorId, usize),
) {
    world.enter(me);
    let plan = Arc::clone(&world.lock().plan);
    let left = (0..plan.clients[index].files.len()).collect();
    Client { world: Arc::clone(world), plan, scope, anchor, me, index, left }.run();
    world.leave(me);
}
