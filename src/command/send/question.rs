//! The question of `upseal send` about a server that was never met, on the terminal.
//!
//! It is read from `/dev/tty`, as ssh does: standard input may be the file that is sent.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::termios::{QueueSelector, tcflush};

use crate::event::{Command, Event};
use crate::messages::trust::{Newcomer, SEND_THERE};
use crate::output::Output;

/// What can be asked, one question after another.
#[derive(Debug)]
pub(super) struct Questions {
    /// Questions that were not answered, the one on the screen first.
    open: VecDeque<Event>,
    answered: Sender<bool>,
    /// The answer to the question on the screen.
    pub(super) answers: Receiver<bool>,
}

impl Questions {
    /// Returns whether there is a person to ask: standard error is a terminal, and the terminal can be read.
    #[must_use]
    pub(super) fn can_ask() -> bool {
        io::stderr().is_terminal() && tty().is_ok()
    }

    /// Creates one in which nothing was asked.
    #[must_use]
    pub(super) fn new() -> Self {
        let (answered, answers) = bounded(1);
        Self { open: VecDeque::new(), answered, answers }
    }

    /// Takes an event; a first meeting is a question.
    pub(super) fn take(&mut self, event: &Event, output: &mut Output) {
        if let Event::FirstMeeting { .. } = event {
            self.open.push_back(event.clone());
            if self.open.len() == 1 {
                self.ask(output);
            }
        }
    }

    /// Takes the answer to the question on the screen, shows the next one, and returns the order.
    pub(super) fn answer(&mut self, accept: bool, output: &mut Output) -> Option<Command> {
        let question = self.open.pop_front();
        if !self.open.is_empty() {
            self.ask(output);
        }
        let Some(Event::FirstMeeting { address, ca, proof, .. }) = question else { return None };
        Some(Command::AnswerMeeting { address, ca, key: proof.fingerprint, accept })
    }

    /// Shows the first question and reads its answer on a thread.
    fn ask(&self, output: &mut Output) {
        let Some(Event::FirstMeeting { address, proof, other_ca, .. }) = self.open.front() else { return };
        let newcomer = Newcomer { address, proof, other_ca: *other_ca };
        // What was typed before the question does not answer it.
        let tty = tty().ok();
        tty.as_ref().map(|tty| tcflush(tty, QueueSelector::IFlush));
        output.ask(&newcomer, SEND_THERE);
        let answered = self.answered.clone();
        let read = move || {
            // The receiver lives as long as the command.
            let _ = answered.send(tty.is_some_and(|tty| read(tty).unwrap_or(false)));
        };
        if thread::Builder::new().name("upseal-question".to_owned()).spawn(read).is_err() {
            let _ = self.answered.try_send(false);
        }
    }
}

fn tty() -> io::Result<File> {
    File::open("/dev/tty")
}

/// Reads one line.
fn read(tty: File) -> io::Result<bool> {
    let mut line = String::new();
    let length = BufReader::new(tty).read_line(&mut line)?;
    Ok(length > 0 && is_yes(&line))
}

/// Returns whether a line accepts: an empty one, or `y` or `yes`. Everything else does not, also Esc.
fn is_yes(line: &str) -> bool {
    matches!(line.trim_end_matches(['\r', '\n']).to_ascii_lowercase().as_str(), "" | "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_line_and_yes_accept() {
        for yes in ["\n", "\r\n", "y\n", "YES\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["n\n", "no\n", "\u{1b}\n", " \n", "yesn\n", "q"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
