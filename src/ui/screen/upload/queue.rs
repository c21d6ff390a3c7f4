//! The queue of uploads: a progress bar and a rate bar for the running upload, one row for each of the others.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::event::{Fault, FaultKind, Job, JobId, Limit, Pace, ServerAddress, Snapshot, State, Target, Took};
use crate::messages::units;
use crate::ui::fit;
use crate::ui::listing::Clock;
use crate::ui::text;
use crate::ui::theme::Focus;
use crate::ui::widgets::bar::{self, Fill};
use crate::ui::widgets::list::{Facts, List, Row};
use crate::ui::widgets::{Pane, columns, rows};

/// State of one upload.
#[derive(Debug)]
pub(in crate::ui) struct Upload {
    pub(in crate::ui) job: Job,
    name: String,
    pub(in crate::ui) size: u64,
    pub(in crate::ui) state: State,
    pub(in crate::ui) snapshot: Snapshot,
    /// First snapshot after the start, from which [`Upload::took`] measures the pace.
    early: Option<Snapshot>,
    /// Time at which the state began.
    since: Duration,
    /// Time at which the snapshot arrived.
    seen: Duration,
    /// Why the upload waits, if not for its turn.
    hold: Option<Hold>,
}

/// Milliseconds in which the kernel's buffers take the beginning.
const START_MS: u64 = 200;

/// Returns the milliseconds from the start to the last byte that was sent.
const fn moved_ms(snapshot: &Snapshot) -> u64 {
    snapshot.elapsed_ms.saturating_sub(snapshot.idle_ms)
}

/// Why an upload waits.
#[derive(Debug)]
enum Hold {
    /// The connection broke; the file is sent again at this time.
    Retry { tries: u32, retries: u32, at: Duration },
    /// Its server is not reachable.
    Away,
}

impl Upload {
    pub(in crate::ui) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::ui) fn is_running(&self) -> bool {
        !self.state.is_final() && !matches!(self.state, State::Waiting | State::Paused)
    }

    /// Returns the rows that the upload takes on the screen.
    fn height(&self) -> usize {
        if matches!(self.state, State::Sending | State::Sent) { 2 } else { 1 }
    }

    /// Returns the share of the file that was sent; below 1 until the server has it, whatever the arithmetic says.
    fn share(&self) -> f64 {
        if self.state.has_arrived() {
            return 1.0;
        }
        (self.snapshot.file_bytes as f64 / self.bytes().max(1) as f64).min(0.99)
    }

    /// Returns the bytes of the file: as it was opened, or as the browser listed it before that.
    pub(in crate::ui) const fn bytes(&self) -> u64 {
        if self.snapshot.file_total > 0 { self.snapshot.file_total } else { self.size }
    }

    /// Returns the bytes on the wire for each byte of the file.
    fn wire_share(&self) -> f64 {
        let Snapshot { file_total, wire_total, .. } = self.snapshot;
        if file_total > 0 { wire_total as f64 / file_total as f64 } else { 1.0 }
    }

    /// Returns whether bytes of the file were sent. A file with a receipt from an earlier run is skipped.
    pub(in crate::ui) const fn was_sent(&self) -> bool {
        self.snapshot.wire_total > 0
    }

    /// Returns the bytes and the time so far.
    pub(in crate::ui) fn took(&self) -> Took {
        let now = &self.snapshot;
        let pace = self.early.as_ref().and_then(|early| {
            let bytes = now.file_bytes.saturating_sub(early.file_bytes);
            let seconds = moved_ms(now).saturating_sub(moved_ms(early)) as f64 / 1000.0;
            (bytes > 0 && seconds >= Pace::LEAST).then_some(Pace { bytes, seconds })
        });
        Took { bytes: now.file_bytes, seconds: now.elapsed_ms.max(1) as f64 / 1000.0, pace }
    }

    /// Returns the time since anything was sent.
    fn idle(&self, now: Duration) -> Duration {
        Duration::from_millis(self.snapshot.idle_ms) + now.saturating_sub(self.seen)
    }
}

impl Row for Upload {
    fn details(&self, _: &Clock) -> Option<Facts> {
        let facts = text::upload_details(&self.job, &self.name, self.size, &self.snapshot, &self.state);
        Some((self.name.clone(), facts))
    }
}

/// Uploads of this run, in the order in which they were requested.
#[derive(Debug, Default)]
pub(in crate::ui) struct Queue {
    pub(super) list: List<Upload>,
    /// Limit of all uploads' bytes on the wire.
    pub(super) limit: Limit,
    /// Whether no further upload begins.
    pub(super) is_paused: bool,
    /// Index of each job among the rows, counted from [`Queue::gone`].
    index: HashMap<JobId, usize>,
    /// Number of rows that were removed from the beginning.
    gone: usize,
    /// Columns of the longest name.
    widest: usize,
}

impl Queue {
    pub(in crate::ui) fn queued(&mut self, job: Job, size: u64, now: Duration) {
        let path = job.path.file_name().unwrap_or(job.path.as_os_str());
        let name = fit::name(job.name.as_deref().map_or(path, OsStr::new));
        self.index.insert(job.id, self.gone + self.list.rows().len());
        self.widest = self.widest.max(fit::width(&name));
        let upload = Upload {
            job,
            name,
            size,
            state: State::Waiting,
            snapshot: Snapshot::default(),
            early: None,
            since: now,
            seen: now,
            hold: None,
        };
        self.list.insert(usize::MAX, upload, usize::MAX);
    }

    pub(in crate::ui) fn removed(&mut self, id: JobId) {
        let Some(place) = self.index.remove(&id) else { return };
        self.list.remove(place - self.gone);
        if place == self.gone {
            // A finished queue is cleared from its beginning; the other indices stay as they are.
            self.gone += 1;
        } else {
            for later in self.index.values_mut().filter(|later| **later > place) {
                *later -= 1;
            }
        }
        if self.list.rows().is_empty() {
            self.widest = 0;
        }
    }

    pub(in crate::ui) fn changed(&mut self, id: JobId, state: State, now: Duration) {
        if let Some(upload) = self.find(id) {
            if matches!(state, State::Waiting | State::Paused | State::Connecting) {
                // A retry starts from the first byte.
                (upload.snapshot, upload.early) = (Snapshot::default(), None);
            }
            upload.state = state;
            upload.since = now;
            upload.seen = now;
            upload.hold = None;
        }
    }

    /// Handles the retry of an upload after a pause.
    pub(in crate::ui) fn retrying(&mut self, id: JobId, tries: u32, retries: u32, at: Duration) {
        if let Some(upload) = self.find(id) {
            upload.hold = Some(Hold::Retry { tries, retries, at });
        }
    }

    /// Marks uploads that wait for the server at this address to return.
    pub(in crate::ui) fn away(&mut self, server: &ServerAddress) {
        let its = |job: &Job| matches!(&job.target, Target::Server { address, .. } if address == server);
        for upload in self
            .list
            .rows_mut()
            .iter_mut()
            .filter(|upload| upload.state == State::Waiting && its(&upload.job))
        {
            upload.hold = Some(Hold::Away);
        }
    }

    pub(in crate::ui) fn progressed(&mut self, id: JobId, snapshot: Snapshot, now: Duration) {
        if let Some(upload) = self.find(id) {
            if upload.early.is_none() && moved_ms(&snapshot) >= START_MS {
                upload.early = Some(snapshot);
            }
            upload.snapshot = snapshot;
            upload.seen = now;
        }
    }

    pub(in crate::ui) fn upload(&self, id: JobId) -> Option<&Upload> {
        self.list.rows().get(self.index.get(&id)? - self.gone)
    }

    fn find(&mut self, id: JobId) -> Option<&mut Upload> {
        self.list.rows_mut().get_mut(self.index.get(&id)? - self.gone)
    }

    /// Returns the uploads that arrived or were cancelled. Failed ones are kept, because they can be retried.
    pub(in crate::ui) fn finished(&self) -> Vec<JobId> {
        let is_finished = |upload: &&Upload| upload.state.has_arrived() || upload.state == State::Cancelled;
        self.list.rows().iter().filter(is_finished).map(|upload| upload.job.id).collect()
    }

    /// Returns whether an upload waits or runs.
    pub(in crate::ui) fn is_busy(&self) -> bool {
        self.list.rows().iter().any(|upload| !upload.state.is_final())
    }

    pub(in crate::ui) fn is_running(&self) -> bool {
        self.list.rows().iter().any(Upload::is_running)
    }

    /// Returns whether an upload was sent completely and the server has not confirmed it.
    pub(in crate::ui) fn is_awaiting_end(&self) -> bool {
        self.list.rows().iter().any(|upload| upload.state == State::Sent)
    }

    /// Returns whether the queue shows a clock.
    pub(in crate::ui) fn is_timed(&self) -> bool {
        let timed = |upload: &Upload| upload.is_running() || matches!(upload.hold, Some(Hold::Retry { .. }));
        self.list.rows().iter().any(timed)
    }

    pub(in crate::ui) fn failed(&self) -> usize {
        self.list.rows().iter().filter(|upload| matches!(upload.state, State::Failed(_))).count()
    }

    /// Returns the index of the upload drawn at this row of the pane.
    pub(in crate::ui) fn row(&self, at: usize, height: usize, focus: Focus) -> Option<usize> {
        let mut used = 0;
        let top = self.top(height, focus);
        self.list.rows().iter().enumerate().skip(top).find_map(|(row, upload)| {
            used += upload.height();
            (at < used).then_some(row)
        })
    }

    /// Returns the first upload shown. Without the focus the pane follows the running upload, with it the cursor.
    fn top(&self, height: usize, focus: Focus) -> usize {
        let anchor = match focus {
            Focus::Here => self.list.at(),
            Focus::Elsewhere => self.anchor(),
        };
        let Some(upload) = self.list.rows().get(anchor) else { return 0 };
        // The room around the anchor is given first to what follows, then to what precedes.
        let follow: usize =
            self.list.rows().iter().skip(anchor + 1).take(height).map(Upload::height).sum::<usize>();
        let wanted = match focus {
            Focus::Here => height / 2,
            Focus::Elsewhere => usize::from(height > 3),
        };
        let mut before = height
            .saturating_sub(upload.height() + follow)
            .max(wanted.min(height.saturating_sub(upload.height())));
        let mut top = anchor;
        while top > 0 && self.list.rows()[top - 1].height() <= before {
            before -= self.list.rows()[top - 1].height();
            top -= 1;
        }
        top
    }

    /// Returns the most interesting upload: the running one, else one that waits for its turn or for the server's
    /// confirmation, else the latest.
    fn anchor(&self) -> usize {
        let first =
            |wanted: fn(&State) -> bool| self.list.rows().iter().position(|upload| wanted(&upload.state));
        first(|state| matches!(state, State::Connecting | State::Proving | State::Sending))
            .or_else(|| first(|state| *state == State::Waiting))
            .or_else(|| first(|state| !state.is_final()))
            .unwrap_or(self.list.rows().len().saturating_sub(1))
    }

    fn title(&self) -> String {
        let delivered = self.list.rows().iter().filter(|upload| upload.state.has_arrived()).count();
        text::queue_title(delivered, self.list.rows().len(), self.failed())
    }

    /// Returns the bytes on the wire in a second; `None` if nothing is sent.
    pub(in crate::ui) fn wire_rate(&self) -> Option<u64> {
        let sending = self.list.rows().iter().filter(|upload| upload.state == State::Sending);
        let rate: f64 = sending.map(|upload| upload.snapshot.rate_now * upload.wire_share()).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 or more; saturates")]
        (rate >= 1.0).then_some(rate as u64)
    }

    /// Returns whether the queue is paused, the limit, and the time left.
    fn steering(&self, now: Duration) -> String {
        let paused = self.is_paused.then(|| text::PAUSED.to_owned());
        let limit = self.limit.bytes().map(|_| text::limited(self.limit));
        let note = Some(self.note(now)).filter(|note| !note.is_empty());
        [paused, limit, note].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Returns the time left at the present rate; nothing if the upload is stalled.
    fn note(&self, now: Duration) -> String {
        let Some(running) = self.list.rows().iter().find(|upload| upload.state == State::Sending) else {
            return String::new();
        };
        let idle = running.idle(now);
        if idle >= text::STALL {
            return text::stalled(idle);
        }
        // The running upload has an ETA only if its rate is meaningful.
        if running.snapshot.rate_now <= 0.0 || running.snapshot.eta_ms.is_none() {
            return String::new();
        }
        let rest: u64 = self
            .list
            .rows()
            .iter()
            .filter(|upload| !upload.state.is_final())
            .map(|upload| upload.bytes().saturating_sub(upload.snapshot.file_bytes))
            .sum();
        crate::estimate::at_rate(rest, running.snapshot.rate_now).map_or_else(String::new, text::eta)
    }
}

impl Widget for Pane<'_, Queue> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(&self.of.title(), &self.of.steering(self.now), area);
        let inner = block.inner(area);
        block.render(area, buf);
        if self.of.list.rows().is_empty() {
            Line::styled(text::EMPTY_QUEUE, self.theme.faint()).render(inner, buf);
            return;
        }
        let mut lines = rows(inner);
        let top = self.of.top(usize::from(inner.height), self.focus);
        for (row, upload) in self.of.list.rows().iter().enumerate().skip(top) {
            let Some(area) = lines.next() else { break };
            self.upload(upload, area, lines.by_ref().take(upload.height() - 1).next(), buf);
            if self.focus == Focus::Here && row == self.of.list.at() {
                let name = columns(columns_of_name(area.width, self.of.widest)).min(area.width);
                let name = Rect { width: name, ..area };
                buf.set_style(name.intersection(buf.area), self.theme.cursor(self.focus));
            }
        }
    }
}

/// Columns of the state where it is shown.
const STATE: usize = 12;
/// Columns that a row needs besides the name and the state to show everything.
const REST: usize = 72;

/// Returns the columns of the names: those of the longest, as far as a third of the width suffices or the other columns
/// leave room. [`Pane::upload`] divides the rest.
fn columns_of_name(width: u16, widest: usize) -> usize {
    let width = usize::from(width);
    let most = width.div_ceil(3).max(width.saturating_sub(1 + STATE + REST));
    widest.clamp(8, most.max(8))
}

impl Pane<'_, Queue> {
    /// ```text
    /// cmos.mp4   sending    progress ████████████▌░░░░░  71 %  74.1 of 104 MiB
    ///   wire 98.8 of 139 MiB    rate ██████████▊──┊────  412 MiB/s now, mean 388
    /// image.ppm  delivered ✓ 7.91 MiB in 0.02 s, mean 402 MiB/s, wire 10.5 MiB
    /// ```
    fn upload(&self, upload: &Upload, first: Rect, second: Option<Rect>, buf: &mut Buffer) {
        let name = columns_of_name(first.width, self.of.widest);
        let (word, style) = self.state(upload);
        // In the narrowest terminals only the bar shows the state.
        let state = if first.width >= 48 || upload.height() == 1 { STATE } else { 0 };
        let head = vec![
            Span::raw(fit::left_middle(upload.name(), name)),
            Span::raw(" "),
            Span::styled(fit::left(&word, state), style),
        ];
        let rest = usize::from(first.width).saturating_sub(name + 1 + state);
        if upload.height() == 1 {
            let mut line = Line::from(head);
            line.push_span(Span::styled(self.summary(upload, rest), self.tone(upload)));
            line.render(first, buf);
            return;
        }
        // Progress and rate have the same columns, so that the two bars are aligned.
        let label = if rest >= 52 { 9 } else { 0 };
        let figures = match rest {
            100.. => 34,
            34.. => 25,
            _ => 10.min(rest),
        };
        let bar = rest.saturating_sub(label + figures + 1);
        let fill = if upload.state == State::Sent { Fill::Hatched } else { Fill::Share(upload.share()) };
        let snapshot = &upload.snapshot;

        let mut line = Line::from(head);
        line.push_span(Span::styled(fit::left(text::PROGRESS, label), self.theme.faint()));
        line.spans.extend(bar::progress(fill, bar, self.theme.progress(), self.theme.faint()));
        // If only ten columns are left, the share and the rate say the most.
        let short = figures < 25;
        let words = if short {
            text::percent(upload.share())
        } else {
            text::progress(upload.share(), snapshot, upload.size)
        };
        line.push_span(Span::raw(format!(" {}", fit::cut(&words, figures))));
        line.render(first, buf);

        let Some(second) = second else { return };
        // Two columns before it, one behind.
        let room = (name + state).saturating_sub(3);
        let wire = if state == 0 { String::new() } else { format!("  {}", text::wire(snapshot, room)) };
        let wire = fit::left(&wire, name + state);
        let mut line = Line::from(vec![Span::styled(wire, self.theme.faint()), Span::raw(" ")]);
        line.push_span(Span::styled(fit::left(text::RATE, label), self.theme.faint()));
        if upload.state == State::Sent {
            let clock = text::unconfirmed(self.now.saturating_sub(upload.since));
            line.push_span(Span::raw(fit::left(&clock, bar + 1 + figures)));
        } else {
            let idle = upload.idle(self.now);
            let (now, words) = if idle >= text::STALL {
                (0.0, text::stalled(idle))
            } else {
                let words = if short { units::rate(snapshot.rate_now) } else { text::rates(snapshot) };
                (snapshot.rate_now, words)
            };
            // The bar shows bytes of the file, and the limit is on those on the wire.
            let limit = self.of.limit.bytes().map(|bytes| bytes as f64 / upload.wire_share());
            let scale = limit.map_or(snapshot.rate_peak, |limit| snapshot.rate_peak.max(limit));
            let spans = bar::rate(now, snapshot.rate_mean, scale, bar, self.theme.rate(), self.theme.faint());
            line.spans.extend(bar::mark(spans, limit.map(|limit| limit / scale), self.theme.warn()));
            let style = if idle >= text::STALL { self.theme.warn() } else { Style::new() };
            line.push_span(Span::styled(format!(" {}", fit::cut(&words, figures)), style));
        }
        line.render(second, buf);
    }

    fn state(&self, upload: &Upload) -> (String, Style) {
        let style = match upload.state {
            State::Delivered | State::Stored { .. } => self.theme.good(),
            State::Cancelled | State::Sent | State::Failed(Fault { kind: FaultKind::Unconfirmed, .. }) => {
                self.theme.warn()
            }
            State::Failed(_) => self.theme.bad(),
            State::Waiting => self.theme.faint(),
            State::Paused => self.theme.warn(),
            State::Connecting | State::Proving | State::Sending => self.theme.accent(),
        };
        (text::state(&upload.state).to_owned(), style)
    }

    fn tone(&self, upload: &Upload) -> Style {
        if upload.is_running() { Style::new() } else { self.theme.faint() }
    }

    /// Returns what is known about an upload without a bar. A number is shown with its unit or not at all.
    fn summary(&self, upload: &Upload, columns: usize) -> String {
        match &upload.state {
            State::Stored { .. } if !upload.was_sent() => {
                fit::clauses(&text::receipted_before(upload.size), columns)
            }
            State::Delivered | State::Stored { .. } => {
                let said = text::delivered(upload.bytes(), &upload.snapshot, upload.job.predicted_ms);
                fit::clauses(&said, columns)
            }
            _ => fit::cut_words(&self.standing(upload), columns),
        }
    }

    /// Returns why an upload has not arrived.
    fn standing(&self, upload: &Upload) -> String {
        match &upload.state {
            State::Failed(fault) => text::fault_line(fault),
            State::Connecting | State::Proving => {
                let waited = self.now.saturating_sub(upload.since);
                let who = text::destination(&upload.job);
                if waited >= Duration::from_secs(1) {
                    format!("{who}, {}", units::duration(waited))
                } else {
                    who
                }
            }
            State::Waiting => {
                let size = units::bytes(upload.size);
                match &upload.hold {
                    None => size,
                    Some(Hold::Retry { tries, retries, at }) => {
                        let pause = at.saturating_sub(self.now);
                        text::retrying(&size, *tries, *retries, pause)
                    }
                    Some(Hold::Away) => text::waits_for_return(&size, &text::destination(&upload.job)),
                }
            }
            State::Paused => text::resumed_by_key(&units::bytes(upload.size)),
            _ => units::bytes(upload.size),
        }
    }
}
