//! Connections in memory that behave as TCP does: order, windows, ends, resets, and acknowledgements.

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::K;
use crate::plan::{ClientPlan, Direction, Fault, NetworkPlan};
use crate::world::{Happening, State};

/// A side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What is on its way.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// Bytes, and how often their sender had thrown away what was on its way before.
    Bytes(Vec<u8>, u32),
    End,
    Reset,
}

/// A connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each of them may be so without the others")]
pub(crate) struct Link {
    pub(crate) client: usize,
    pub(crate) number: usize,
    /// Start of the server to which it leads.
    pub(crate) start: u64,
    ends: [End; 2],
    /// Whether something on the path has closed it towards both.
    is_cut: bool,
    /// Whether the client saw an orderly end that the server did not make.
    pub(crate) has_false_end: bool,
    /// Whether the server wrote a refusal.
    pub(crate) is_refused: bool,
    /// What the client sent, if it is to be replayed.
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) opened: Duration,
    /// When the server's system last got something.
    pub(crate) last_arrival: Duration,
    /// Whether the client began a file or got an answer to MODE 3.
    pub(crate) has_acted: bool,
}

/// A side's socket.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each of them may be so without the others")]
struct End {
    unread: VecDeque<u8>,
    /// The peer's end has come, or its reset.
    ended: bool,
    reset: bool,
    /// This side has ended its writing, and the peer's system knows.
    shut: bool,
    is_end_known: bool,
    /// Dropping it resets it.
    resets: bool,
    closed: bool,
    /// Its process or machine is gone.
    dead: bool,
    off: bool,
    /// Something came while the machine was off.
    missed: bool,
    sent: u64,
    on_the_way: usize,
    thrown_away: u32,
    /// When the last parcel of this side arrives.
    last_at: Duration,
    fault: Option<(u64, Fault)>,
    hole: bool,
    trickles: bool,
    /// A proxy takes what is written, and drops it.
    to_nowhere: bool,
}

impl Link {
    pub(crate) fn new(client: usize, number: usize, start: u64, opened: Duration, plan: &ClientPlan) -> Self {
        let mut ends = [End::default(), End::default()];
        if let Some((direction, at, fault)) = plan.fault {
            ends[usize::from(direction == Direction::Down)].fault = Some((at, fault));
        }
        Self {
            client,
            number,
            start,
            ends,
            is_cut: false,
            has_false_end: false,
            is_refused: false,
            record: None,
            opened,
            last_arrival: opened,
            has_acted: false,
        }
    }

    fn end(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    const fn at(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    pub(crate) const fn is_dead(&self, side: Side) -> bool {
        self.at(side).dead
    }

    pub(crate) const fn is_closed(&self, side: Side) -> bool {
        self.at(side).closed
    }

    /// Returns the bytes that a side's system took.
    pub(crate) const fn sent(&self, side: Side) -> u64 {
        self.at(side).sent
    }

    pub(crate) fn set_resets(&mut self, side: Side, resets: bool) {
        self.end(side).resets = resets;
    }

    /// Returns whether something was lost on the path.
    pub(crate) const fn is_faultless(&self) -> bool {
        self.at(Side::Client).fault.is_none() && self.at(Side::Server).fault.is_none()
    }
}

/// Result of a read.
pub(crate) enum Read {
    Bytes(usize),
    End,
    Reset,
    Nothing,
}

impl State {
    fn network(&self) -> NetworkPlan {
        self.plan.network
    }

    fn delay(&mut self) -> Duration {
        let plan = self.network();
        let us = match self.dice.below(1000) {
            n if n < plan.very_late => self.dice.magnitude(1_000_000, 70_000_000),
            n if n < plan.very_late + plan.late => self.dice.magnitude(1000, 1_500_000),
            _ => self.dice.magnitude(1, plan.delay_us),
        };
        Duration::from_micros(us)
    }

    /// Puts a parcel on its way.
    fn dispatch(&mut self, link: usize, from: Side, parcel: Parcel) {
        let delay = self.delay();
        let now = self.now;
        let end = self.links[link].end(from);
        if end.hole {
            return;
        }
        let pause = if end.trickles { Duration::from_secs(10) } else { Duration::ZERO };
        let at = (now + delay).max(end.last_at + pause);
        end.last_at = at;
        self.schedule(at, Happening::Arrival { link, to: from.other(), parcel });
    }

    /// Takes a parcel off its way.
    pub(crate) fn arrive(&mut self, link: usize, to: Side, parcel: Parcel) {
        let (plan, now, from) = (self.network(), self.now, to.other());
        let here = &mut self.links[link];
        let is_cut = here.is_cut;
        if to == Side::Server && !here.at(to).off {
            here.last_arrival = now;
        }
        match parcel {
            Parcel::Bytes(bytes, thrown_away) => {
                if here.at(to).off {
                    // Not acknowledged: they stay on the way.
                    here.end(to).missed = true;
                    return;
                }
                let sender = here.end(from);
                sender.on_the_way -= bytes.len();
                let is_lost = sender.thrown_away > thrown_away;
                if is_lost || here.at(to).reset {
                    return;
                }
                if is_cut || here.at(to).closed {
                    self.send_reset(link, to);
                } else {
                    here.end(to).unread.extend(bytes);
                }
            }
            Parcel::End => {
                if here.at(to).off {
                    here.end(to).missed = true;
                    return;
                }
                here.end(from).is_end_known = true;
                here.end(to).ended = true;
            }
            Parcel::Reset if here.at(to).off => {}
            Parcel::Reset if plan.has_proxy => {
                let (is_new, is_refused) = (!here.at(to).ended, here.is_refused);
                let end = here.end(to);
                (end.ended, end.to_nowhere, end.is_end_known) = (true, true, true);
                here.has_false_end |= to == Side::Client && is_new && (is_cut || !is_refused);
            }
            Parcel::Reset => {
                let end = here.end(to);
                end.reset = true;
                if plan.reset_discards {
                    end.unread.clear();
                }
            }
        }
    }

    /// Answers what comes to a closed socket.
    fn send_reset(&mut self, link: usize, from: Side) {
        self.dispatch(link, from, Parcel::Reset);
    }

    /// Returns how many bytes a side may write; `None`: its connection is broken.
    pub(crate) fn room(&self, link: usize, side: Side) -> Option<usize> {
        let (end, peer) = (self.links[link].at(side), self.links[link].at(side.other()));
        if end.reset || end.dead || end.shut {
            return None;
        }
        if end.to_nowhere {
            return Some(usize::MAX);
        }
        let window = if end.trickles { 16 } else { usize::try_from(self.network().window).unwrap() };
        Some(window.saturating_sub(end.on_the_way + peer.unread.len()))
    }

    /// Takes bytes of a side, at least one. There must be room.
    pub(crate) fn take(&mut self, link: usize, side: Side, bytes: &[u8]) -> usize {
        let room = self.room(link, side).unwrap_or(0);
        let most = usize::try_from(self.dice.magnitude(1, self.network().packet)).unwrap();
        let n = bytes.len().min(room).min(most.max(1));
        let here = &mut self.links[link];
        if side == Side::Client
            && let Some(record) = &mut here.record
        {
            record.extend_from_slice(&bytes[..n]);
        }
        let end = here.end(side);
        let before = end.sent;
        end.sent += n as u64;
        if end.to_nowhere {
            return n;
        }
        let passing = match end.fault {
            Some((at, Fault::StallBeforePair(time))) => {
                let skipped = usize::try_from(at.saturating_sub(before)).unwrap_or(usize::MAX).max(1);
                let is_pair = |at: &usize| bytes[*at..n].starts_with(&(K as u64).to_be_bytes());
                (skipped..n).find(is_pair).map(|pair| {
                    end.fault = None;
                    (pair, Fault::Stall(time))
                })
            }
            Some((at, fault)) if before + n as u64 > at => {
                end.fault = Some((u64::MAX, fault));
                Some((usize::try_from(at - before).unwrap(), fault))
            }
            _ => None,
        };
        let (until, fault) = passing.map_or((n, None), |(until, fault)| (until, Some(fault)));
        self.pass(link, side, &bytes[..until]);
        if let Some(fault) = fault {
            self.strike(link, side, fault);
            let is_over = matches!(fault, Fault::Reset | Fault::End | Fault::EndForReceiver);
            if !is_over {
                self.pass(link, side, &bytes[until..n]);
            }
        }
        n
    }

    fn pass(&mut self, link: usize, side: Side, bytes: &[u8]) {
        let end = self.links[link].end(side);
        end.on_the_way += bytes.len();
        let (before, piece) = (end.thrown_away, if end.trickles { 1 } else { bytes.len().max(1) });
        for part in bytes.chunks(piece) {
            self.dispatch(link, side, Parcel::Bytes(part.to_vec(), before));
        }
    }

    /// Lets the path fail.
    fn strike(&mut self, link: usize, sender: Side, fault: Fault) {
        let (now, receiver) = (self.now, sender.other());
        let number = self.links[link].number;
        self.note_of("network", format_args!("{fault:?} on connection {number}, from the {sender:?}"));
        self.book.count("network faults");
        let here = &mut self.links[link];
        match fault {
            Fault::Hole => here.end(sender).hole = true,
            Fault::DeadLine => (here.end(sender).hole, here.end(receiver).hole) = (true, true),
            Fault::Trickle => here.end(sender).trickles = true,
            Fault::Stall(time) | Fault::StallBeforePair(time) => {
                here.end(sender).last_at = here.at(sender).last_at.max(now) + time;
            }
            Fault::Reset | Fault::End | Fault::EndForReceiver => {
                here.is_cut = true;
                let ends = |is_end| if is_end { Parcel::End } else { Parcel::Reset };
                let (to_receiver, to_sender) = (fault != Fault::Reset, fault == Fault::End);
                here.has_false_end |= match receiver {
                    Side::Client => to_receiver,
                    Side::Server => to_sender,
                };
                self.dispatch(link, sender, ends(to_receiver));
                self.dispatch(link, receiver, ends(to_sender));
            }
        }
    }

    pub(crate) fn is_readable(&self, link: usize, side: Side) -> bool {
        let end = self.links[link].at(side);
        end.dead || !end.unread.is_empty() || end.reset || end.ended
    }

    /// Reads what is there. A reset comes after the bytes that came before it.
    pub(crate) fn read(&mut self, link: usize, side: Side, out: &mut [u8]) -> Read {
        let most = usize::try_from(self.dice.magnitude(1, 65_536)).unwrap();
        let end = self.links[link].end(side);
        let n = end.unread.len().min(out.len()).min(most);
        if n > 0 {
            for (byte, to) in end.unread.drain(..n).zip(out) {
                *to = byte;
            }
            Read::Bytes(n)
        } else if end.reset {
            Read::Reset
        } else if end.ended {
            Read::End
        } else {
            Read::Nothing
        }
    }

    /// Ends a side's writing.
    pub(crate) fn shut(&mut self, link: usize, side: Side) {
        let end = self.links[link].end(side);
        if !end.shut && !end.reset {
            end.shut = true;
            self.dispatch(link, side, Parcel::End);
        }
    }

    /// Returns whether the peer's system has everything, the end too; `None`: the connection was reset.
    pub(crate) fn is_acknowledged(&self, link: usize, side: Side) -> Option<bool> {
        let end = self.links[link].at(side);
        if end.reset || end.dead { None } else { Some(end.on_the_way == 0 && end.is_end_known) }
    }

    /// Closes a side's socket, as a process does that drops it or ends.
    pub(crate) fn close(&mut self, link: usize, side: Side) {
        let throws_away = self.dice.chance(1, 2);
        let end = self.links[link].end(side);
        if end.closed || end.dead {
            return;
        }
        end.closed = true;
        let aborts = end.resets || !end.unread.is_empty();
        end.unread.clear();
        if end.reset {
            return;
        }
        if aborts {
            // What the peer has not acknowledged is not sent again.
            end.thrown_away += u32::from(throws_away);
            self.dispatch(link, side, Parcel::Reset);
        } else {
            self.shut(link, side);
        }
    }

    /// Ends the server's side of all connections: its process is gone, or its machine.
    pub(crate) fn abandon_links(&mut self, is_off: bool) {
        for link in 0..self.links.len() {
            if self.links[link].is_closed(Side::Server) {
                continue;
            }
            if !is_off {
                self.close(link, Side::Server);
            }
            let end = self.links[link].end(Side::Server);
            (end.dead, end.off) = (true, is_off);
        }
    }

    /// Answers what came while the machine was off.
    pub(crate) fn return_links(&mut self) {
        for link in 0..self.links.len() {
            let end = self.links[link].end(Side::Server);
            if end.off {
                (end.off, end.closed) = (false, true);
                if end.missed {
                    self.send_reset(link, Side::Server);
                }
            }
        }
    }
}
