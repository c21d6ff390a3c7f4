//! Keys that steer uploads while they run: the limit of their bytes on the wire, the
//! number of connections, pauses.

use super::Upload;
use super::queue::folder::Folder;
use super::queue::{self, Under as Row};
use crate::event::{Command, Jobs, Limit};
use crate::ui::keymap::Action;
use crate::ui::screen::ActionContext;
use crate::ui::text;

impl Upload {
    /// Acts on all uploads, or pauses the one under the cursor. Returns false if the action is another one.
    pub(super) fn steer(&self, action: Action, cx: &mut ActionContext<'_>) -> bool {
        match action {
            Action::Slower => Self::limit(cx.shared.limit.slower(self.queue.wire_rate()), cx),
            Action::Faster => Self::limit(cx.shared.limit.faster(), cx),
            Action::FewerJobs => Self::jobs(cx.shared.jobs.fewer(), cx),
            Action::MoreJobs => Self::jobs(cx.shared.jobs.more(), cx),
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

    fn jobs(wanted: Jobs, cx: &mut ActionContext<'_>) {
        if wanted != cx.shared.jobs {
            cx.shared.jobs = wanted;
            cx.send(Command::Jobs(wanted));
        }
    }

    /// Pauses the upload or the folder under the cursor, or resumes it.
    fn pause(&self, cx: &mut ActionContext<'_>) -> bool {
        match self.queue.under() {
            Some(Row::File(upload)) => Self::pause_file(upload, cx),
            Some(Row::Folder(folder)) => self.pause_folder(folder, cx),
            Some(Row::Skipped(..)) | None => false,
        }
    }

    fn pause_file(upload: &queue::upload::Upload, cx: &mut ActionContext<'_>) -> bool {
        if upload.is_paused() {
            cx.send(Command::Resume(upload.id));
        } else if upload.is_sent() {
            cx.say(text::NOT_PAUSABLE);
        } else if upload.is_final() {
            return false;
        } else {
            if upload.is_sending() {
                cx.say(&text::stopped(&upload.name()));
            }
            cx.send(Command::Pause(upload.id));
        }
        true
    }

    /// Pauses the files of a folder that have not begun; the running ones are finished. If all are paused, resumes them.
    fn pause_folder(&self, folder: &Folder, cx: &mut ActionContext<'_>) -> bool {
        let waiting = || self.queue.files_of(folder).filter(|upload| upload.is_waiting());
        if folder.sums.waiting == 0 {
            return false;
        }
        if folder.sums.paused == folder.sums.waiting {
            waiting().for_each(|upload| cx.send(Command::Resume(upload.id)));
        } else {
            let ready = waiting().filter(|upload| !upload.is_paused());
            ready.for_each(|upload| cx.send(Command::Pause(upload.id)));
        }
        true
    }
}
