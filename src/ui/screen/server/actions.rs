//! What keys do on the server screen.

use super::{ActionContext, RECEIVED, REFUSALS, SESSIONS, Server};
use crate::event::Command;
use crate::ui::effect::Effect;
use crate::ui::keymap::Action;
use crate::ui::overlay::Overlay;
use crate::ui::overlay::accept::Accept;
use crate::ui::overlay::question::Question;
use crate::ui::overlay::share::Share;
use crate::ui::own_server::{Listening, Sharing};
use crate::ui::shared::Shared;
use crate::ui::text;

impl Server {
    /// Carries out an action of the focused list; `false` if it is none.
    pub(super) fn act_on_list(&mut self, action: Action, shared: &mut Shared) -> bool {
        match (self.ring.pane(), action) {
            (SESSIONS, Action::Filter) => self.sessions.list.type_filter(),
            (SESSIONS, Action::Accept) => self.sessions.list.keep_filter(),
            (REFUSALS, Action::Filter) => self.refusals.list.type_filter(),
            (REFUSALS, Action::Accept) => self.refusals.list.keep_filter(),
            (RECEIVED, Action::Filter | Action::Accept) | (_, Action::Sort) => {
                return shared.received.act(action);
            }
            _ => return false,
        }
        true
    }

    /// Carries out an action of the server.
    pub(super) fn act_on_server(&self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        match action {
            Action::OpenFolder => match cx.shared.own_server.listening {
                Listening::At(_) => {
                    let folder = cx.shared.own_server.folder.clone();
                    cx.effect(Effect::OpenFolder(folder));
                }
                _ => cx.say(text::NO_STORE),
            },
            Action::Accepted => match &cx.shared.own_server.accepted {
                Some(accepted) => {
                    let shared = cx.shared.own_server.accepted_shared.as_ref();
                    cx.open(Overlay::Accept(Accept::new(accepted, shared)));
                }
                None => cx.say(text::NO_STORE),
            },
            Action::Restart => match cx.shared.own_server.listening {
                Listening::Absent | Listening::Starting => {}
                Listening::At(_) | Listening::Not(_) if self.sessions.open() > 0 => {
                    cx.open(Overlay::Question(Question::Restart { sessions: self.sessions.open() }));
                }
                Listening::At(_) | Listening::Not(_) => restart(cx),
            },
            Action::Share => match cx.shared.own_server.sharing {
                Sharing::Off if cx.shared.own_server.is_serving => cx.say(text::SERVED_HERE),
                Sharing::Off if matches!(cx.shared.own_server.listening, Listening::At(_)) => {
                    cx.effect(Effect::AskShare);
                }
                Sharing::Off => cx.say(text::NO_STORE),
                Sharing::Starting => {}
                Sharing::On(ref shares) => {
                    let dialog = Share::new(&shares.doors);
                    cx.open(Overlay::Share(dialog));
                }
            },
            _ => return false,
        }
        true
    }
}

/// Restarts the server.
pub(in crate::ui::screen) fn restart(cx: &mut ActionContext<'_>) {
    cx.shared.own_server.listening = Listening::Starting;
    cx.send(Command::RestartServer);
}
