//! Screen 1: choose files, see what they will cost, and upload them.

pub(in crate::ui) mod browser;
mod card;
mod glance;
pub(in crate::ui) mod queue;
mod room;
mod speed;
mod steer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Widget as _;

use self::browser::{Browser, Under};
use self::card::Card;
use self::glance::Glance;
use self::queue::folder::Folder;
use self::queue::{Queue, Under as Row};
use self::speed::Speed;
use super::{ActionContext, Screen, Start, View};
use crate::cost;
use crate::estimate::{Bill, Load};
use crate::event::{
    Command, Event, Fault, FaultKind, FolderId, FolderOrder, FolderRules, Job, JobId, Limit, Skipped,
    Snapshot, State, Target, Track, Variant,
};
use crate::messages::expiry;
use crate::messages::{Escaped, Summary, transfer as messages};
use crate::ui::effect::{Effect, Request};
use crate::ui::fit;
use crate::ui::keymap::{Action, Place};
use crate::ui::layout::{PaneId, Plan, Ring};
use crate::ui::listing;
use crate::ui::overlay::goto::GoTo;
use crate::ui::overlay::question::Question;
use crate::ui::overlay::{Overlay, Overlays};
use crate::ui::shared::Shared;
use crate::ui::text;
use crate::ui::theme::Focus;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::list::{Facts, Step};
use crate::ui::widgets::log::Tone;

const BROWSER: PaneId = PaneId(0);
const CARD: PaneId = PaneId(1);
const QUEUE: PaneId = PaneId(2);
const SPEED: PaneId = PaneId(3);
const RECEIVED: PaneId = PaneId(4);
const PREVIEW: PaneId = PaneId(5);

/// The upload screen.
#[derive(Debug)]
pub(in crate::ui) struct Upload {
    ring: Ring,
    /// Whether this program has a server, which receives files.
    has_server: bool,
    pub(in crate::ui) browser: Browser,
    /// Preview of what is under the browser's cursor.
    pub(in crate::ui) glance: Glance,
    /// Time of the latest picture.
    now: Duration,
    queue: Queue,
    speed: Speed,
    /// Price of the chosen files.
    bill: Bill,
    /// Number of the latest job.
    jobs: u64,
    /// Number of the latest folder upload.
    folders: u32,
}

impl Upload {
    pub(super) fn new(start: &Start<'_>) -> Self {
        let has_server = start.has_server();
        Self {
            ring: Ring::new(if has_server { &[BROWSER, QUEUE, RECEIVED] } else { &[BROWSER, QUEUE] }),
            has_server,
            browser: Browser::new(listing::tidy(start.folder), start.home.clone()),
            glance: Glance::default(),
            now: Duration::ZERO,
            queue: Queue::default(),
            speed: Speed::default(),
            bill: Bill::default(),
            jobs: 0,
            folders: 0,
        }
    }

    // Orders

    /// Uploads the chosen files, but asks first if CP1 would take long.
    pub(super) fn upload(&mut self, cx: &mut ActionContext<'_>) {
        let files = self.browser.chosen();
        if files.is_empty() && self.browser.folders().is_empty() {
            cx.say(text::NO_SUCH_UPLOAD);
            return;
        }
        let (dialect, (key, _)) = (cx.shared.dialect, cx.shared.key());
        let target = Arc::new(cx.shared.link.target.clone());
        let load = Load::of(files.iter().map(|(_, size)| *size));
        let blocks = files.iter().map(|(_, size)| cost::blocks(dialect, *size, key)).sum();
        let jobs = files
            .into_iter()
            .map(|(path, size)| {
                self.jobs += 1;
                let wire = cost::body_len(dialect, size, key);
                let price = cx.shared.price(&target, dialect, Load::one(size), key, wire);
                let predicted_ms = price.and_then(|price| u64::try_from(price.time().as_millis()).ok());
                Job { predicted_ms, ..Job::new(JobId(self.jobs), path, Arc::clone(&target), dialect) }
            })
            .collect();
        if dialect.variant == Variant::Cp1 {
            let wire = cost::body_len(dialect, load.bytes, key);
            let cp1 = cx.shared.price(&target, dialect, load, key, wire);
            if let Some(words) = cx.shared.if_expensive(cp1, &target, load, blocks) {
                cx.open(Overlay::Question(Question::ExpensiveUpload { words, jobs }));
                return;
            }
            if !self.browser.folders().is_empty()
                && let Some(words) = Self::if_slow(&target, key, cx.shared)
            {
                cx.open(Overlay::Question(Question::ExpensiveUpload { words, jobs }));
                return;
            }
        }
        self.order(jobs, cx);
    }

    /// Returns the question to ask before folders are sent with CP1, whose sizes are not known yet, if 1 GiB takes long.
    fn if_slow(target: &Target, key: u64, shared: &Shared) -> Option<String> {
        const EXAMPLE: u64 = 1 << 30;
        let dialect = shared.dialect;
        let (load, wire) = (Load::one(EXAMPLE), cost::body_len(dialect, EXAMPLE, key));
        let cp1 = shared.price(target, dialect, load, key, wire);
        let words = shared.if_expensive(cp1, target, load, cost::blocks(dialect, EXAMPLE, key))?;
        Some(format!("{} {words}", text::FOLDERS_UNKNOWN))
    }

    /// Sends an upload that the user has confirmed, or sends it with CP2.
    pub(super) fn confirmed(&mut self, mut jobs: Vec<Job>, use_cp2: bool, cx: &mut ActionContext<'_>) {
        if use_cp2 {
            cx.shared.dialect.variant = Variant::Cp2;
            for job in &mut jobs {
                // The estimate was for CP1.
                (job.dialect.variant, job.predicted_ms) = (Variant::Cp2, None);
            }
        }
        self.order(jobs, cx);
    }

    fn order(&mut self, jobs: Vec<Job>, cx: &mut ActionContext<'_>) {
        cx.shared.interrupted = false;
        let same = messages::same_names(jobs.iter().map(|job| job.path.as_path()));
        if let Some(first) = same.first() {
            cx.shared.say(Tone::Warn, fit::escaped(first), text::more_same(same.len() - 1), cx.now);
            same.iter().skip(1).for_each(|words| cx.shared.note(Tone::Warn, fit::escaped(words)));
        }
        let (target, dialect) = (cx.shared.link.target.clone(), cx.shared.dialect);
        for path in self.browser.folders() {
            self.folders += 1;
            let (id, path, rules) = (FolderId(self.folders), path.clone(), FolderRules::default());
            let target = target.clone();
            let order = FolderOrder { id, path, rules, target, dialect };
            self.queue.ordered(&order);
            cx.send(Command::UploadFolder(order));
        }
        // The files are in the queue now; a second u must not send them again.
        self.browser.mark_none();
        if !jobs.is_empty() {
            cx.send(Command::Upload(jobs));
        }
    }

    // Folders

    /// Shows a folder.
    pub(super) fn open(&mut self, folder: PathBuf, cx: &mut ActionContext<'_>) {
        // `..` goes up like h does, with the cursor on the folder that was left.
        let request = if Some(folder.as_path()) == self.browser.folder().parent() {
            self.browser.parent()
        } else {
            Some(self.browser.visit(folder))
        };
        if let Some(request) = request {
            cx.effect(Effect::List(request));
        }
    }

    fn act_on_browser(&mut self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        match action {
            Action::Enter => match self.browser.under() {
                Under::Folder(folder) => self.open(folder, cx),
                _ => self.upload(cx),
            },
            Action::Open => {
                if let Under::Folder(folder) = self.browser.under() {
                    self.open(folder, cx);
                }
            }
            Action::Parent => {
                if let Some(request) = self.browser.parent() {
                    cx.effect(Effect::List(request));
                }
            }
            Action::Mark => self.browser.mark(),
            Action::Preview => self.glance.toggle(),
            Action::MarkAll => self.browser.mark_all(),
            Action::MarkNone => self.browser.mark_none(),
            Action::Invert => self.browser.invert(),
            Action::Hidden => self.browser.toggle_hidden(),
            Action::Sort => self.browser.next_sort(),
            Action::Filter => self.browser.type_filter(),
            Action::Accept => self.browser.keep_filter(),
            Action::GoTo => {
                let (folder, shared) = (self.browser.folder(), &cx.shared);
                let recent = shared.recent.folders(folder);
                cx.open(Overlay::GoTo(GoTo::new(folder, shared.home.as_deref(), recent)));
            }
            _ => return false,
        }
        true
    }

    fn act_on_queue(&mut self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        match action {
            Action::Open if self.ring.pane() == QUEUE => drop(self.queue.fold(true)),
            Action::Parent if self.ring.pane() == QUEUE => drop(self.queue.fold(false)),
            Action::Details if self.ring.pane() == QUEUE => return self.queue.toggle(),
            Action::RemoveFinished => {
                for id in self.queue.finished() {
                    cx.send(Command::Remove(id));
                }
                for id in self.queue.empty() {
                    self.queue.forget(id);
                }
            }
            Action::CancelAll if cx.is_busy => cx.send(Command::CancelAll),
            Action::RetryAll if self.queue.failed() > 0 || self.queue.has_unaccepted() => {
                cx.send(Command::RetryFailed);
            }
            Action::EndWait if self.queue.is_awaiting_end() => cx.send(Command::EndWait),
            Action::MoveUp | Action::MoveDown => match self.queue.shift(action == Action::MoveDown) {
                Some((jobs, before)) => cx.send(Command::Reorder { jobs, before }),
                None => cx.say(text::NOT_MOVABLE),
            },
            Action::Cancel | Action::Retry | Action::Remove => return self.act_on_row(action, cx),
            _ => return false,
        }
        true
    }

    /// Cancels, retries or removes what is under the queue's cursor.
    fn act_on_row(&mut self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        match (action, self.queue.under()) {
            (Action::Cancel, Some(Row::File(upload))) if !upload.is_final() => {
                cx.send(Command::Cancel(upload.id));
            }
            (Action::Cancel, Some(Row::Folder(folder))) if folder.is_busy() => {
                cx.send(Command::CancelFolder(folder.id));
            }
            (Action::Retry, Some(Row::File(upload)))
                if upload.is_retriable() || self.queue.is_unaccepted(upload) =>
            {
                cx.send(Command::Retry(upload.id));
            }
            (Action::Retry, Some(Row::Folder(folder))) => {
                let files = self.queue.files_of(folder);
                let again = files.filter(|upload| upload.is_retriable() || self.queue.is_unaccepted(upload));
                again.for_each(|upload| cx.send(Command::Retry(upload.id)));
            }
            (Action::Remove, Some(Row::File(upload))) if !upload.is_running() => {
                cx.send(Command::Remove(upload.id));
            }
            (Action::Remove, Some(Row::Folder(folder))) if folder.is_read && folder.sums.running == 0 => {
                self.queue.files_of(folder).for_each(|upload| cx.send(Command::Remove(upload.id)));
                let id = folder.id;
                self.queue.forget(id);
            }
            _ => return false,
        }
        true
    }

    /// Returns what became of all uploads so far; `None` if there were none.
    pub(in crate::ui) fn summary(&self, now: Duration) -> Option<Summary> {
        self.queue.summary(now)
    }

    /// Returns the names of the folders that are not read to their end.
    pub(in crate::ui) fn unread(&self) -> Vec<Escaped> {
        self.queue.unread()
    }

    // Events

    fn changed(&mut self, id: JobId, state: &State, shared: &mut Shared, overlays: &Overlays, now: Duration) {
        let Some(upload) = self.queue.upload(id) else { return };
        let (name, target) = (upload.name(), &*upload.target);
        match state {
            // One message for a folder: its row counts the failures, and the log has each.
            State::Failed(fault) if self.queue.folder_of(upload).is_some_and(Folder::has_failed) => {
                shared.note(Tone::Bad, format!("{name}: {}", text::fault_line(fault)));
            }
            State::Failed(fault) => Self::failed(&name, target, fault, shared, overlays, now),
            State::Delivered | State::Stored { .. } => {
                shared.link.receipted |= *target == shared.link.target && *state != State::Delivered;
                let fate = if upload.was_sent() {
                    // A limit is not what the server and the network can do.
                    if shared.limit == Limit::NONE {
                        shared.rates.learn(target, upload.dialect.variant, upload.took());
                    }
                    let predicted = upload.predicted_ms.map(u64::from);
                    let sent = text::delivered(upload.bytes(), &upload.snapshot(), predicted);
                    text::arrived(state, &sent)
                } else {
                    text::receipted_before(upload.size)
                };
                shared.note(Tone::Plain, format!("{name}: {fate}"));
            }
            _ => {}
        }
        self.queue.changed(id, state, now);
    }

    fn failed(
        name: &str,
        target: &Target,
        fault: &Fault,
        shared: &mut Shared,
        overlays: &Overlays,
        now: Duration,
    ) {
        let is_unproven = fault.kind == FaultKind::Unproven;
        if is_unproven && *target == shared.link.target {
            (shared.link.proof, shared.link.standing) = (None, None);
        }
        if is_unproven && overlays.is_alarmed(target) {
            shared.note(Tone::Bad, text::not_sent(name));
        } else {
            shared.trouble(name, fault, now);
        }
    }

    fn progressed(&mut self, id: JobId, snapshot: Snapshot, shared: &mut Shared, now: Duration) {
        self.queue.progressed(id, snapshot, now);
        self.speed.progressed(id, &snapshot, now);
        // The first second is mostly the start; an estimate from it would be wrong.
        if snapshot.elapsed_ms >= 1000
            && shared.limit == Limit::NONE
            && let Some(upload) = self.queue.upload(id)
        {
            shared.rates.under_way(&upload.target, upload.dialect.variant, upload.took());
        }
    }

    /// Returns the price of the chosen files.
    fn price(&self, shared: &Shared) -> Bill {
        let dialect = shared.dialect;
        let (key, assumed) = shared.key();
        let (mut sizes, mut wire) = (Vec::new(), 0_u64);
        self.browser.each_chosen(|size| {
            sizes.push(size);
            wire = wire.saturating_add(cost::body_len(dialect, size, key));
        });
        Bill {
            files: sizes.len(),
            wire,
            assumed: assumed && dialect.variant == Variant::Cp1,
            time: shared.price(&shared.link.target, dialect, Load::of(sizes), key, wire),
        }
    }
}

impl Screen for Upload {
    fn ring(&self) -> &Ring {
        &self.ring
    }

    fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    fn plan(&self, body: Rect, _: &Shared) -> Plan {
        room::plan(body, self.glance.is_wanted(), self.has_server)
    }

    fn zoomed(&self, body: Rect) -> Plan {
        let mut panes = Vec::new();
        match self.ring.pane() {
            BROWSER => room::browse(body, self.glance.is_wanted(), &mut panes),
            pane => panes.push((pane, body)),
        }
        Plan(panes)
    }

    fn height(&self, pane: PaneId, plan: &Plan) -> usize {
        let filter = usize::from(pane == BROWSER && self.browser.is_filtered());
        plan.rows(pane).saturating_sub(filter)
    }

    fn draw(&self, view: View<'_>, pane: PaneId, area: Rect, buf: &mut Buffer) {
        let card = Card {
            dialect: view.shared.dialect,
            bill: self.bill,
            is_our_server: view.shared.link.is_ours(),
            ends: view.shared.link.proof.as_ref().and_then(|proof| expiry::ends(proof.days_left)),
        };
        let is_line = area.height == 1;
        match pane {
            BROWSER => view.pane(&self.browser).render(area, buf),
            PREVIEW => view.pane(&self.glance).render(area, buf),
            CARD if is_line => view.pane(&card).render_line(area, buf),
            CARD => view.pane(&card).render(area, buf),
            QUEUE => view.pane(&self.queue).render(area, buf),
            SPEED => view.pane(&self.speed).render(area, buf),
            RECEIVED if !self.has_server => view.pane(&view.shared.received).render_none(area, buf),
            RECEIVED if is_line => view.pane(&view.shared.received).render_line(area, buf),
            _ => view.pane(&view.shared.received).render(area, buf),
        }
    }

    fn place(&self) -> Place {
        match self.ring.pane() {
            QUEUE => Place::Queue,
            RECEIVED => Place::Received,
            _ if self.browser.is_typing() => Place::Text,
            _ => Place::Browser,
        }
    }

    fn press(&mut self, pane: PaneId, area: Rect, at: Position, shared: &mut Shared) {
        if pane == CARD
            && let Some(variant) = card::variant_at(area, at)
        {
            shared.dialect.variant = variant;
        }
    }

    fn act(&mut self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        match action {
            Action::NextProtocol => {
                cx.shared.dialect.variant = card::variant_after(cx.shared.dialect.variant, 1);
            }
            Action::PreviousProtocol => {
                cx.shared.dialect.variant = card::variant_after(cx.shared.dialect.variant, 3);
            }
            Action::Padding => {
                let padding = cx.shared.dialect.padding.next();
                cx.shared.dialect.padding = padding;
                cx.ask(Request::Pad(padding));
            }
            Action::Upload => self.upload(cx),
            Action::Race => {
                let file = match self.browser.under() {
                    Under::File(path, size) => Some((path, size)),
                    Under::Folder(_) | Under::Nothing => None,
                };
                cx.ask(Request::Race(file));
            }
            action if self.ring.pane() == RECEIVED && cx.shared.received.act(action) => {}
            action => {
                return self.steer(action, cx)
                    || self.act_on_queue(action, cx)
                    || self.act_on_browser(action, cx);
            }
        }
        true
    }

    fn step(&mut self, pane: PaneId, step: Step, shared: &mut Shared) {
        match pane {
            BROWSER => self.browser.go(step),
            QUEUE => self.queue.go(step),
            RECEIVED => shared.received.list.go(step),
            _ => {}
        }
    }

    fn row_at(&self, pane: PaneId, row: usize, plan: &Plan, shared: &Shared) -> Option<usize> {
        let height = self.height(pane, plan);
        match pane {
            BROWSER => self.browser.row(row, height),
            QUEUE => self.queue.row(row),
            RECEIVED => shared.received.row_at(row, height),
            _ => None,
        }
    }

    fn input<'a>(&'a mut self, shared: &'a mut Shared) -> Option<&'a mut Input> {
        match self.ring.pane() {
            BROWSER => self.browser.input(),
            RECEIVED => shared.received.list.input(),
            _ => None,
        }
    }

    fn text_changed(&mut self, shared: &mut Shared) {
        match self.ring.pane() {
            RECEIVED => shared.received.list.filtered(),
            _ => self.browser.filtered(),
        }
    }

    fn keep_filter(&mut self, shared: &mut Shared) {
        self.browser.keep_filter();
        shared.received.list.keep_filter();
    }

    fn drop_filter(&mut self, shared: &mut Shared) -> bool {
        if self.ring.pane() == RECEIVED && shared.received.list.drop_filter() {
            return true;
        }
        self.browser.drop_filter()
    }

    fn copied(&self, shared: &Shared) -> Option<(&'static str, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        match self.ring.pane() {
            QUEUE => match self.queue.under()? {
                Row::File(upload) => Some(match upload.state() {
                    State::Stored { receipt: Some(receipt), .. } => (text::RECEIPT_PATH, text(&receipt)),
                    _ => (text::PATH, text(&upload.path())),
                }),
                Row::Folder(_) | Row::Skipped(..) => Some((text::PATH, text(&self.queue.path()?))),
            },
            RECEIVED => {
                let (_, facts) = shared.received.list.details(&shared.clock)?;
                facts.into_iter().find(|(label, _)| *label == "sha256")
            }
            _ => match self.browser.under() {
                Under::File(path, _) | Under::Folder(path) => Some((text::PATH, text(&path))),
                Under::Nothing => None,
            },
        }
    }

    fn details(&self, shared: &Shared) -> Option<Facts> {
        match self.ring.pane() {
            QUEUE => self.queue.details(),
            RECEIVED => shared.received.list.details(&shared.clock),
            _ => None,
        }
    }

    fn start(&mut self) -> Vec<Effect> {
        self.reread()
    }

    fn reread(&mut self) -> Vec<Effect> {
        vec![Effect::List(self.browser.refresh())]
    }

    fn due(&mut self, _: bool, now: Duration) -> Vec<Effect> {
        let folder = self.browser.reread(now).map(Effect::List);
        folder.into_iter().chain(self.glance.due(now).map(Effect::Preview)).collect()
    }

    fn next_change(&self) -> Option<Duration> {
        [self.browser.next_reading(), self.glance.next()].into_iter().flatten().min()
    }

    fn tick(&mut self, now: Duration) {
        self.now = now;
    }

    fn settle(&mut self, plan: &Plan, shared: &mut Shared) {
        self.browser.settle(self.height(BROWSER, plan));
        let under = plan.area(PREVIEW).and_then(|_| self.browser.under().path());
        self.glance.look(under, self.now);
        shared.received.settle(self.height(RECEIVED, plan));
        let focus = if self.ring.pane() == QUEUE { Focus::Here } else { Focus::Elsewhere };
        self.queue.settle(self.height(QUEUE, plan), focus);
        self.bill = self.price(shared);
    }

    fn on_event(&mut self, event: &Event, shared: &mut Shared, overlays: &Overlays, now: Duration) {
        match event {
            Event::Queued { job, size } => self.queue.queued(job, *size),
            Event::State { track: Track::Job(id), state } => self.changed(*id, state, shared, overlays, now),
            Event::Removed { job } => self.queue.removed(*job),
            Event::JobsSet { jobs } => self.queue.jobs = *jobs,
            Event::QueuePaused { paused, .. } => self.queue.is_paused = *paused,
            Event::Limited { limit } => (self.queue.limit, self.speed.limit) = (*limit, *limit),
            Event::Skipped { folder, path, why } => {
                self.queue.skipped(*folder, path, why);
                let tone = if matches!(why, Skipped::Failed(_)) { Tone::Bad } else { Tone::Warn };
                shared.note(tone, messages::skipped(path, why));
            }
            Event::Scanned { folder, path, files, bytes, skipped, complete } => {
                self.queue.scanned(*folder, *skipped, *complete);
                if *complete {
                    shared.note(Tone::Plain, messages::scanned(path, *files, *bytes, *skipped));
                }
            }
            Event::Retrying { job, tries, retries, pause_ms, fault } => {
                let name = self.queue.upload(*job).map(queue::upload::Upload::name).unwrap_or_default();
                shared.note(Tone::Warn, format!("{name}: {}", text::fault_line(fault)));
                self.queue.retrying(*job, *tries, *retries, now + Duration::from_millis(*pause_ms));
            }
            Event::Away { address, waiting } => {
                let (what, advice) = text::away(address, *waiting);
                shared.say(Tone::Warn, what, advice, now);
                self.queue.away(address);
            }
            Event::Unaccepted { address, .. } => self.queue.unaccepted(address),
            Event::Progress { track: Track::Job(id), snapshot } => {
                self.progressed(*id, *snapshot, shared, now);
            }
            _ => {}
        }
    }

    fn target(&self, track: Track) -> Option<&Target> {
        match track {
            Track::Job(id) => self.queue.upload(id).map(|upload| &*upload.target),
            Track::Lane(_) | Track::Receiving(..) => None,
        }
    }

    fn is_busy(&self) -> bool {
        self.queue.is_busy()
    }

    fn is_moving(&self) -> bool {
        self.queue.is_running()
    }

    fn is_timed(&self) -> bool {
        self.queue.is_timed()
    }
}
