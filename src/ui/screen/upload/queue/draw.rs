//! How the queue is drawn: a progress bar and a rate bar for what runs, one row for each of the others.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::folder::Folder;
use super::moves::At;
use super::sums::Sums;
use super::upload::{Retry, Stage, Upload};
use super::{INDENT, Item, Queue};
use crate::event::{FaultKind, Snapshot, Target};
use crate::messages::{transfer as messages, units};
use crate::ui::fit;
use crate::ui::text;
use crate::ui::theme::Focus;
use crate::ui::widgets::bar::{self, Fill};
use crate::ui::widgets::{Pane, columns, rows};

/// A row that has a progress bar, and perhaps a rate bar below it.
struct Bars {
    name: String,
    state: (&'static str, Style),
    fill: Fill,
    /// What stands behind the progress bar: the longest that fits is shown.
    progress: Vec<String>,
    /// What stands below the name: the first that fits is shown.
    below: Vec<String>,
    rate: Rate,
}

/// The second row.
enum Rate {
    /// Words instead of a bar.
    Words(String),
    /// Present, mean and highest rate, the time since a byte moved, and the bytes on the wire for each of the files.
    Moving { now: f64, mean: f64, peak: f64, idle: Duration, wire_share: f64 },
}

impl Widget for Pane<'_, Queue> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(&self.of.title(), &self.of.steering(self.now), area);
        let inner = block.inner(area);
        block.render(area, buf);
        if self.of.items.is_empty() {
            Line::styled(text::EMPTY_QUEUE, self.theme.faint()).render(inner, buf);
            return;
        }
        let mut lines = rows(inner);
        let cursor = self.of.cursor();
        for at in self.of.window() {
            let Some(area) = lines.next() else { break };
            let second = lines.by_ref().take(self.of.height(at) - 1).next();
            self.place(at, area, second, buf);
            if self.focus == Focus::Here && Some(at) == cursor {
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
/// leave room.
fn columns_of_name(width: u16, widest: usize) -> usize {
    let width = usize::from(width);
    let most = width.div_ceil(3).max(width.saturating_sub(1 + STATE + REST));
    widest.clamp(8, most.max(8))
}

/// Returns the columns behind the name and the state.
fn columns_of_summary(width: usize, widest: usize) -> usize {
    width.saturating_sub(columns_of_name(columns(width), widest) + 1 + STATE)
}

impl Pane<'_, Queue> {
    /// Draws what stands at a place.
    ///
    /// ```text
    /// cmos.mp4   sending    progress ████████████▌░░░░░  71 %  74.1 of 104 MiB
    ///   wire 98.8 of 139 MiB    rate ██████████▊──┊────  412 MiB/s now, mean 388
    /// image.ppm  delivered ✓ 7.91 MiB in 0.02 s, mean 402 MiB/s, wire 10.5 MiB
    /// - photos/  sending    progress ███▌░░░░░░░░░░░░░░  18 %  12 of 340 files
    ///   a.jpg    stored ✓    2.1 MiB in 0.01 s, 210 MiB/s
    /// ```
    fn place(&self, at: At, first: Rect, second: Option<Rect>, buf: &mut Buffer) {
        let width = usize::from(first.width);
        match self.of.item(at) {
            Some(Item::File(id)) => {
                let Some(upload) = self.of.upload(id) else { return };
                let folder = self.of.folder_of(upload);
                let name = folder.map_or_else(
                    || upload.name(),
                    |folder| format!("{:INDENT$}{}", "", upload.name_in(&folder.root)),
                );
                if upload.height() == 2 {
                    self.bars(&self.bars_of(upload, name), first, second, buf);
                    return;
                }
                let rest = columns_of_summary(width, self.of.widest);
                let words = self.summary(upload, rest);
                let tone = if upload.is_running() { Style::new() } else { self.theme.faint() };
                self.line(&name, self.state(upload), (&words, tone), first, buf);
            }
            Some(Item::Folder(id)) => {
                let Some(folder) = self.of.folders.get(&id) else { return };
                let sign = if folder.is_open { '-' } else { '+' };
                let name = format!("{sign} {}/", folder.name);
                if folder.sums.running > 0 {
                    self.bars(&self.bars_of_folder(folder, name), first, second, buf);
                    return;
                }
                let rest = columns_of_summary(width, self.of.widest);
                let words = fit::clauses(&text::folder_standing(folder, folder.elapsed(self.now)), rest);
                // A number is not cut: the counts alone need the fewest columns.
                let words = if words.contains('…') { text::folder_counts(folder) } else { words };
                self.line(&name, self.folder_state(folder), (&words, self.theme.faint()), first, buf);
            }
            Some(Item::Skipped(id, at)) => {
                let skip = self.of.folders.get(&id).and_then(|folder| folder.skip_at(at));
                let Some((name, why)) = skip else { return };
                let rest = columns_of_summary(width, self.of.widest);
                let words = fit::cut_words(&text::skip(why), rest);
                let name = format!("{:INDENT$}{name}", "");
                let state = (text::SKIPPED, self.theme.warn());
                self.line(&name, state, (&words, self.theme.faint()), first, buf);
            }
            None => {}
        }
    }

    /// Draws a row without a bar.
    fn line(
        &self,
        name: &str,
        (word, style): (&'static str, Style),
        (words, tone): (&str, Style),
        area: Rect,
        buf: &mut Buffer,
    ) {
        let columns = columns_of_name(area.width, self.of.widest);
        Line::from(vec![
            Span::raw(fit::left_middle(name, columns)),
            Span::raw(" "),
            Span::styled(fit::left(word, STATE), style),
            Span::styled(words, tone),
        ])
        .render(area, buf);
    }

    /// Draws a row with bars.
    fn bars(&self, bars: &Bars, first: Rect, second: Option<Rect>, buf: &mut Buffer) {
        let name = columns_of_name(first.width, self.of.widest);
        // In the narrowest terminals only the bar shows the state.
        let state = if first.width >= 48 { STATE } else { 0 };
        let rest = usize::from(first.width).saturating_sub(name + 1 + state);
        // Progress and rate have the same columns, so that the two bars are aligned.
        let label = if rest >= 52 { 9 } else { 0 };
        let figures = match rest {
            100.. => 34,
            34.. => 25,
            _ => 10.min(rest),
        };
        let bar = rest.saturating_sub(label + figures + 1);
        let (word, style) = bars.state;
        let mut line = Line::from(vec![
            Span::raw(fit::left_middle(&bars.name, name)),
            Span::raw(" "),
            Span::styled(fit::left(word, state), style),
            Span::styled(fit::left(text::PROGRESS, label), self.theme.faint()),
        ]);
        line.spans.extend(bar::progress(bars.fill, bar, self.theme.progress(), self.theme.faint()));
        line.push_span(Span::raw(format!(" {}", first_that_fits(&bars.progress, figures))));
        line.render(first, buf);

        let Some(second) = second else { return };
        let below = if state == 0 { String::new() } else { first_that_fits(&bars.below, name + state) };
        let mut line = Line::from(vec![
            Span::styled(fit::left(&below, name + state), self.theme.faint()),
            Span::raw(" "),
        ]);
        line.push_span(Span::styled(fit::left(text::RATE, label), self.theme.faint()));
        match &bars.rate {
            Rate::Words(words) => line.push_span(Span::raw(fit::left(words, bar + 1 + figures))),
            Rate::Moving { now, mean, peak, idle, wire_share } => {
                let is_stalled = *idle >= text::STALL;
                let (now, words) = if is_stalled {
                    (0.0, vec![text::stalled(*idle)])
                } else {
                    (*now, vec![text::rates_of(*now, *mean), units::rate(*now)])
                };
                let (done, rest) = (self.theme.rate(), self.theme.faint());
                // The bar shows bytes of the file, and the limit is on those on the wire.
                let limit = self.of.limit.bytes().map(|bytes| bytes as f64 / wire_share);
                let scale = limit.map_or(*peak, |limit| peak.max(limit));
                let spans = bar::rate(now, *mean, scale, bar, done, rest);
                line.spans.extend(bar::mark(spans, limit.map(|limit| limit / scale), self.theme.warn()));
                let style = if is_stalled { self.theme.warn() } else { Style::new() };
                line.push_span(Span::styled(format!(" {}", first_that_fits(&words, figures)), style));
            }
        }
        line.render(second, buf);
    }

    fn bars_of(&self, upload: &Upload, name: String) -> Bars {
        let snapshot = upload.snapshot();
        let share = upload.share();
        let fill = if upload.is_sent() { Fill::Hatched } else { Fill::Share(share) };
        let since = upload.live.as_ref().map_or(self.now, |live| live.since);
        let rate = if upload.is_sent() {
            Rate::Words(text::unconfirmed(self.now.saturating_sub(since)))
        } else {
            let Snapshot { rate_now: now, rate_mean: mean, rate_peak: peak, .. } = snapshot;
            Rate::Moving { now, mean, peak, idle: upload.idle(self.now), wire_share: upload.wire_share() }
        };
        Bars {
            name,
            state: self.state(upload),
            fill,
            // If only ten columns are left, the share and the rate say the most.
            progress: vec![text::progress(share, &snapshot, upload.size), text::percent(share)],
            // A blank keeps the longer one apart from the bar.
            below: vec![
                format!("  {} ", text::wire(&snapshot, usize::MAX)),
                format!("  {}", text::wire(&snapshot, 0)),
            ],
            rate,
        }
    }

    fn bars_of_folder(&self, folder: &Folder, name: String) -> Bars {
        let sums = &folder.sums;
        // Below 1 until the server has all, whatever the arithmetic says.
        let share = if folder.is_read { sums.share().min(0.99) } else { 0.0 };
        let running = || self.of.running(Some(folder.id));
        let moving = running().filter(|upload| !upload.is_sent());
        let rate = match moving.map(|upload| upload.idle(self.now)).min() {
            None => Rate::Words(messages::WAITING_FOR_END.to_owned()),
            Some(idle) => {
                let mean = mean_rate(sums, folder.elapsed(self.now));
                let now = self.of.rate(Some(folder.id));
                let wire_share = running().next().map_or(1.0, Upload::wire_share);
                Rate::Moving { now, mean, peak: folder.peak.max(mean), idle, wire_share }
            }
        };
        let fill = if matches!(rate, Rate::Words(_)) { Fill::Hatched } else { Fill::Share(share) };
        let latest = running().last().map(|upload| format!("{:INDENT$}{}", "", upload.name_in(&folder.root)));
        Bars {
            name,
            state: self.folder_state(folder),
            fill,
            progress: text::folder_progress(folder, share),
            below: latest.into_iter().collect(),
            rate,
        }
    }

    fn state(&self, upload: &Upload) -> (&'static str, Style) {
        let style = match &upload.stage {
            Stage::Delivered | Stage::Stored(_) => self.theme.good(),
            Stage::Cancelled | Stage::Sent | Stage::Paused => self.theme.warn(),
            Stage::Failed(fault) if fault.kind == FaultKind::Unconfirmed => self.theme.warn(),
            Stage::Failed(_) => self.theme.bad(),
            Stage::Waiting => self.theme.faint(),
            Stage::Connecting | Stage::Proving | Stage::Sending => self.theme.accent(),
        };
        (text::state(&upload.state()), style)
    }

    /// Returns the state of a folder: that of its running file, or what became of all of them.
    fn folder_state(&self, folder: &Folder) -> (&'static str, Style) {
        let sums = &folder.sums;
        let running = || self.of.running(Some(folder.id));
        if let Some(upload) = running().find(|upload| !upload.is_sent()).or_else(|| running().next()) {
            return self.state(upload);
        }
        let word = text::folder_state(folder);
        let style = if sums.paused > 0 && sums.paused == sums.waiting {
            self.theme.warn()
        } else if folder.is_busy() {
            self.theme.faint()
        } else if sums.failed > 0 {
            self.theme.bad()
        } else if sums.cancelled > 0 || folder.skipped > 0 || sums.files == 0 {
            self.theme.warn()
        } else {
            self.theme.good()
        };
        (word, style)
    }

    /// Returns what is known about an upload without a bar. A number is shown with its unit or not at all.
    fn summary(&self, upload: &Upload, columns: usize) -> String {
        match &upload.stage {
            Stage::Stored(_) if !upload.was_sent() => {
                fit::clauses(&text::receipted_before(upload.size), columns)
            }
            Stage::Delivered | Stage::Stored(_) => {
                let predicted = upload.predicted_ms.map(u64::from);
                let fate = text::delivered(upload.bytes(), &upload.snapshot(), predicted);
                let fate = text::arrived(&upload.state(), &fate);
                let fate = upload.renamed().map_or(fate.clone(), |name| text::stored_as(&name, &fate));
                fit::clauses(&fate, columns)
            }
            _ => fit::cut_words(&self.standing(upload), columns),
        }
    }

    /// Returns why an upload has not arrived.
    fn standing(&self, upload: &Upload) -> String {
        let live = upload.live.as_deref();
        match &upload.stage {
            Stage::Failed(fault) => text::fault_beside_state(fault),
            Stage::Connecting | Stage::Proving => {
                let waited = live.map_or(Duration::ZERO, |live| self.now.saturating_sub(live.since));
                let who = text::destination(&upload.target);
                if waited >= Duration::from_secs(1) {
                    format!("{who}, {}", units::duration(waited))
                } else {
                    who
                }
            }
            Stage::Waiting => {
                let size = units::bytes(upload.size);
                match (live.and_then(|live| live.retry), &*upload.target) {
                    (Some(Retry { tries, retries, at }), _) => {
                        text::retrying(&size, tries, retries, at.saturating_sub(self.now))
                    }
                    (None, Target::Server { address, .. }) if self.of.away.contains(address) => {
                        text::waits_for_return(&size, &text::destination(&upload.target))
                    }
                    (None, _) if self.of.is_unaccepted(upload) => {
                        text::waits_for_key(&size, &text::destination(&upload.target))
                    }
                    (None, _) => size,
                }
            }
            Stage::Paused => text::resumed_by_key(&units::bytes(upload.size)),
            _ => units::bytes(upload.size),
        }
    }
}

/// Returns the mean rate in bytes of the files per second.
fn mean_rate(sums: &Sums, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { sums.moved as f64 / elapsed.as_secs_f64() }
}

/// Returns the first of some texts that fits into `columns` columns, or else the last one, cut.
fn first_that_fits(texts: &[String], columns: usize) -> String {
    let whole = texts.iter().find(|text| fit::width(text) <= columns).cloned();
    whole.or_else(|| texts.last().map(|text| fit::cut_middle(text, columns))).unwrap_or_default()
}
