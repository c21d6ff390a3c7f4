//! Orders to the transfer threads: what is sent, what it will cost, and when to ask first.

use std::time::Duration;

use super::app::{App, Effect, Overlay, Screen};
use super::estimate::{self, Bill, Load, Price};
use super::keymap::Action;
use super::text;
use super::widgets::browser::Under;
use super::widgets::log::Tone;
use super::widgets::question::Question;
use crate::event::{Command, Dialect, Job, JobId, Lane, RaceOrder, Target, Variant};
use crate::transfer::race;

/// CP1 work beyond this is worth a question.
const EXPENSIVE: Duration = Duration::from_secs(60);

impl App {
    pub(super) fn upload(&mut self, now: Duration) -> Vec<Effect> {
        let files = self.browser.chosen();
        if files.is_empty() {
            self.say(Tone::Plain, text::NO_SUCH_UPLOAD.to_owned(), String::new(), now);
            return Vec::new();
        }
        let load = Load::of(files.iter().map(|(_, size)| *size));
        let blocks = files
            .iter()
            .map(|(_, size)| estimate::blocks(*size, self.card.dialect.padding, self.key().0))
            .sum();
        let key = self.key().0;
        let jobs = files
            .into_iter()
            .map(|(path, size)| {
                self.jobs += 1;
                let price = self.rates.price(&self.link.target, self.card.dialect, Load::one(size), key);
                Job {
                    id: JobId(self.jobs),
                    path,
                    target: self.link.target.clone(),
                    dialect: self.card.dialect,
                    predicted_ms: price.and_then(|price| u64::try_from(price.time().as_millis()).ok()),
                }
            })
            .collect();
        let order = Command::Upload(jobs);
        if self.card.dialect.variant == Variant::Cp1 {
            let target = self.link.target.clone();
            let cp1 = self.rates.price(&target, self.card.dialect, load, key);
            return self.ask_if_expensive(order, cp1, (&target, load), blocks, now);
        }
        self.order(order, now)
    }

    pub(super) fn race_under_cursor(&mut self, now: Duration) -> Vec<Effect> {
        if self.race.is_running() {
            self.screen = Screen::Race;
            return Vec::new();
        }
        let Under::File(path, size) = self.browser.under() else {
            self.say(Tone::Plain, text::NO_RACER.to_owned(), String::new(), now);
            return Vec::new();
        };
        self.race.choose(path, size);
        self.screen = Screen::Race;
        self.start_or_stop(now)
    }

    /// Whether an action was one on the race that is set up.
    pub(super) fn edits_race(&mut self, action: Action, now: Duration) -> bool {
        let race = &mut self.race;
        let done = match action {
            Action::Bits => race.next_bits(),
            Action::AddLane => race.add_lane(),
            Action::RemoveLane => race.remove_lane(),
            _ => {
                match action {
                    Action::NextProtocol => race.next_variant(1),
                    Action::PreviousProtocol => race.next_variant(3),
                    Action::Padding => race.next_padding(),
                    Action::Size => race.next_size(),
                    Action::Course => race.next_course(),
                    Action::Laps => race.next_laps(),
                    Action::Scale => race.next_scale(),
                    Action::Freeze => race.freeze(),
                    _ => return false,
                }
                Ok(())
            }
        };
        if let Err(why) = done {
            self.say(Tone::Plain, why.to_owned(), String::new(), now);
        }
        true
    }

    pub(super) fn start_or_stop(&mut self, now: Duration) -> Vec<Effect> {
        if self.race.is_fresh(now) {
            return Vec::new();
        }
        if self.race.is_running() {
            return vec![Effect::Send(Command::StopRace)];
        }
        let Some(order) = self.race.order() else { return Vec::new() };
        let shown: Vec<&Lane> = order.lanes.iter().filter(|lane| race::is_replaced(&order, lane)).collect();
        if !shown.is_empty() {
            let words = text::race::open(&shown);
            self.overlays.push(Overlay::Question(Question::Open { words, order }));
            return Vec::new();
        }
        self.race_or_ask(order, now)
    }

    /// Starts the race, unless CP1 will take long.
    fn race_or_ask(&mut self, order: RaceOrder, now: Duration) -> Vec<Effect> {
        let bytes = self.race.work();
        // Of several lanes the one whose key is the longest.
        let cp1 = order.lanes.iter().filter(|lane| lane.dialect.variant == Variant::Cp1);
        match cp1.max_by_key(|lane| lane.bits).cloned() {
            Some(lane) => {
                let key = lane.bits.map_or(self.key().0, |bits| bits as u64 / 8);
                let blocks = estimate::blocks(bytes, lane.dialect.padding, key);
                // An operation's time grows with the cube of the key's length.
                let blocks = blocks.saturating_mul((key / estimate::USUAL_KEY).max(1).pow(3));
                let laps = u64::from(order.laps);
                let (load, blocks) = (Load::one(bytes).times(laps), blocks.saturating_mul(laps));
                // What was seen is of the key that the server has, not of a longer one.
                let price = || self.rates.price(&lane.target, lane.dialect, load, key);
                let cp1 = if lane.bits.is_none() { price() } else { None };
                self.ask_if_expensive(Command::Race(order), cp1, (&lane.target, load), blocks, now)
            }
            None => self.order(Command::Race(order), now),
        }
    }

    /// Holds the order back if CP1 will take more than a minute, as far as anyone can tell.
    fn ask_if_expensive(
        &mut self,
        order: Command,
        cp1: Option<Price>,
        (target, load): (&Target, Load),
        blocks: u64,
        now: Duration,
    ) -> Vec<Effect> {
        let expensive = match cp1 {
            Some(Price::About(time)) => time > EXPENSIVE,
            Some(Price::AtLeast(time)) => time > EXPENSIVE || blocks > estimate::MANY_BLOCKS,
            None => blocks > estimate::MANY_BLOCKS,
        };
        if !expensive {
            return self.order(order, now);
        }
        let cp2 = self.rates.price(target, Dialect::of(Variant::Cp2), load, self.key().0);
        let words = text::expensive(load.bytes, cp1, cp2, blocks);
        self.overlays.push(Overlay::Question(Question::Expensive { words, order }));
        Vec::new()
    }

    pub(super) fn answer(&mut self, question: Question, action: Action, now: Duration) -> Vec<Effect> {
        match question {
            Question::Quit => vec![Effect::Quit],
            Question::Open { order, .. } => {
                self.race_or_ask(RaceOrder { open: action == Action::UseFile, ..order }, now)
            }
            Question::Expensive { order, .. } => {
                let order = match (action, order) {
                    (Action::UseCp2, Command::Upload(mut jobs)) => {
                        self.card.dialect.variant = Variant::Cp2;
                        for job in &mut jobs {
                            // What was foretold was of CP1.
                            (job.dialect.variant, job.predicted_ms) = (Variant::Cp2, None);
                        }
                        Command::Upload(jobs)
                    }
                    (_, order) => order,
                };
                self.order(order, now)
            }
        }
    }

    fn order(&mut self, order: Command, now: Duration) -> Vec<Effect> {
        self.interrupted = false;
        match &order {
            // They are in the queue now; a second u must not send them again.
            Command::Upload(_) => self.browser.mark_none(),
            Command::Race(_) => self.race.ordered(now),
            _ => {}
        }
        vec![Effect::Send(order)]
    }

    /// Bytes of the server's modulus, and whether that is an assumption.
    fn key(&self) -> (u64, bool) {
        let own = if self.link.target == Target::Embedded { self.server.identity.as_ref() } else { None };
        match self.link.proof.as_ref().or(own) {
            Some(proof) => (proof.bits as u64 / 8, false),
            None => (estimate::USUAL_KEY, true),
        }
    }

    pub(super) fn bill(&self) -> Bill {
        let dialect = self.card.dialect;
        let (key, assumed) = self.key();
        let (mut sizes, mut wire) = (Vec::new(), 0_u64);
        self.browser.each_chosen(|size| {
            sizes.push(size);
            wire = wire.saturating_add(estimate::wire(size, dialect, key));
        });
        Bill {
            files: sizes.len(),
            wire,
            assumed: assumed && dialect.variant == Variant::Cp1,
            time: self.rates.price(&self.link.target, dialect, Load::of(sizes), key),
        }
    }
}
