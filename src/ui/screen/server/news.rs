//! What events say about this program's server.

use std::time::Duration;

use super::Server;
use crate::digest::Digest;
use crate::event::{Blame, Door, Escaped, Event, Kept, Reach, ServerLink, Track};
use crate::ui::own_server::{Listening, Shared as Shares, Sharing};
use crate::ui::shared::Shared;
use crate::ui::widgets::log::Tone;
use crate::ui::widgets::received::Arrival;
use crate::ui::{fit, text};

impl Server {
    /// Takes what an event says.
    pub(super) fn learn(&mut self, event: &Event, shared: &mut Shared, now: Duration) {
        match event {
            Event::Listening { address, store, identity } => {
                let folder = fit::path(store, shared.home.as_deref());
                let address = fit::escaped(address);
                shared.note(Tone::Plain, text::listening(&address, &folder));
                shared.received.store.clone_from(&folder);
                let (own, clock) = (&mut shared.own_server, &shared.clock);
                (own.store, own.folder) = (folder, store.clone());
                own.identify(identity.as_ref(), clock.seconds());
                own.listening = Listening::At(address);
            }
            Event::NotListening { fault } => {
                shared.trouble(text::SERVER, fault, now);
                shared.own_server.listening = Listening::Not(fault.clone());
            }
            Event::Accepting { reach: Reach::Shared, accepted } => {
                shared.own_server.accepted_shared = Some(accepted.clone());
            }
            Event::Accepting { reach: Reach::Own, accepted } => {
                let own = &mut shared.own_server;
                // What it starts with is not news.
                let is_changed = own.accepted.as_ref().is_some_and(|before| before != accepted);
                own.accepted = Some(accepted.clone());
                if is_changed {
                    shared.say(Tone::Plain, text::accepts_now(accepted), String::new(), now);
                }
            }
            Event::Shared { pin, doors } => {
                let Ok(pin) = pin.parse::<Digest>() else { return };
                let link = |door: &Door| ServerLink { address: door.address.into(), pin };
                let doors: Vec<_> = doors.iter().map(|door| (door.clone(), link(door))).collect();
                for (_, link) in &doors {
                    shared.note(Tone::Warn, text::shared_at(&link.to_string()));
                }
                shared.own_server.sharing = Sharing::On(Shares { doors });
            }
            Event::NotShared { fault } => {
                shared.own_server.sharing = Sharing::Off;
                shared.own_server.accepted_shared = None;
                match fault {
                    Some(fault) => shared.trouble(text::SHARING, fault, now),
                    None => shared.say(Tone::Plain, text::NOT_SHARED.to_owned(), String::new(), now),
                }
            }
            Event::SessionOpened { session, peer } => {
                let busy = shared.received.coming();
                self.sessions.opened(*session, peer, shared.clock.present(), busy);
            }
            Event::SessionProved { session } => self.sessions.proved(*session),
            Event::Receipted { session, files } => self.sessions.receipted(*session, *files),
            Event::SessionClosed { session } => {
                self.sessions.closed(*session);
                shared.received.session_ended(*session);
            }
            Event::Receiving { track, peer, name, variant } => {
                shared.received.began(*track, name.as_str(), *variant, peer, shared.clock.present());
                if let Track::Receiving(session, _) = track {
                    self.sessions.receiving(*session, shared.received.coming());
                }
            }
            Event::Progress { track: track @ Track::Receiving(..), snapshot } => {
                shared.received.progressed(*track, *snapshot);
            }
            Event::Received { track, peer, name, kept, size, variant, digest, seconds, at_ms } => {
                let arrival = Arrival {
                    name: fit::escaped(name.as_str()),
                    kept: *kept,
                    size: *size,
                    variant: *variant,
                    peer: fit::escaped(peer),
                    digest: fit::escaped(digest.as_deref().unwrap_or("—")),
                    seconds: *seconds,
                    at: shared.clock.time(*at_ms),
                };
                let replaced = shared.received.arrived(*track, arrival);
                if let Track::Receiving(session, _) = track {
                    self.sessions.received(*session, *size, replaced);
                }
                if *kept == Kept::Renamed {
                    shared.note(Tone::Plain, text::renamed(name));
                }
            }
            Event::Refused { session, track, peer, name, blame, why, at_ms, .. } => {
                if let Some(track) = track {
                    shared.received.gone(*track);
                }
                self.sessions.refused(*session, why);
                shared.received.refused(peer, why);
                let shown = name.as_ref().map(Escaped::as_str);
                self.refusals.add(*session, peer, shown, why, shared.clock.time(*at_ms));
                let tone = if *blame == Blame::System { Tone::Bad } else { Tone::Warn };
                shared.say(tone, text::refused(peer, name.as_ref(), why), String::new(), now);
            }
            Event::Warned { session, peer, name, text: words, at_ms } => {
                let (peer, shown) = (peer.as_deref(), name.as_ref().map(Escaped::as_str));
                self.refusals.warn(*session, peer, shown, words, shared.clock.time(*at_ms));
                shared.say(Tone::Warn, text::warned(peer, name.as_ref(), words), String::new(), now);
            }
            _ => {}
        }
    }
}
