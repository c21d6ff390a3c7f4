//! Keys that steer uploads while they run: the limit of their bytes on the wire, pauses.

use super::Upload;
use crate::event::{Command, Limit, State};
use crate::ui::keymap::Action;
use crate::ui::screen::ActionContext;
use crate::ui::text;

impl Upload {
    /// Acts on all uploads, or pauses the one under the cursor. Returns false if the action is another one.
    pub(super) fn steer(&self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        match action {
            Action::Slower => Self::limit(cx.shared.limit.slower(self.queue.wire_rate()), cx),
            Action::Faster => Self::limit(cx.shared.limit.faster(), cx),
            Action::PauseQueue => cx.send(Command::PauseQueue(!cx.shared.is_paused)),
            Action::Pause => return self.pause(cx),
            _ => return false,
        }
        true
    }

    fn limit(wanted: Limit, cx: &mut ActionContext<'_>) {
        if wanted != cx.shared.limit {
            // The answer comes with the next event; a second key that is pressed before it counts from here.
            cx.shared.limit = wanted;
            cx.send(Command::Limit(wanted));
        }
    }

    /// Pauses the upload under the cursor, or resumes it.
    fn pause(&self, cx: &mut ActionContext<'_>) -> bool {
        let Some(upload) = self.queue.list.under() else { return false };
        let id = upload.job.id;
        match upload.state {
            State::Paused => cx.send(Command::Resume(id)),
            State::Sent => cx.say(text::NOT_PAUSABLE),
            ref state if state.is_final() => return false,
            State::Sending => {
                cx.say(&text::stopped(upload.name()));
                cx.send(Command::Pause(id));
            }
            _ => cx.send(Command::Pause(id)),
        }
        true
    }
}
