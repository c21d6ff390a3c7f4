//! Keys that steer all uploads: the limit of their bytes on the wire.

use super::Upload;
use crate::event::Command;
use crate::ui::keymap::Action;
use crate::ui::screen::ActionContext;

impl Upload {
    /// Acts on all uploads. Returns false if the action is another one.
    pub(super) fn steer(&self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        let limit = cx.shared.limit;
        let wanted = match action {
            Action::Slower => limit.slower(self.queue.wire_rate()),
            Action::Faster => limit.faster(),
            _ => return false,
        };
        if wanted != limit {
            // The answer comes with the next event; a second key that is pressed before it counts from here.
            cx.shared.limit = wanted;
            cx.send(Command::Limit(wanted));
        }
        true
    }
}
