//! Prints what the headless commands report: text, progress bars or JSON lines, all made from [`Event`](crate::event::Event)s.
//!
//! Results go to stdout, progress and messages to stderr. Progress bars are drawn only on a terminal. The sentences are
//! in [`messages`](crate::messages); this module decides which line goes where.

mod bars;
mod events;
mod linear;
mod sums;

use std::io::{self, Write};
use std::sync::OnceLock;

pub(crate) use self::events::Output;
pub(crate) use self::linear::sentences;
use crate::event::Fault;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Sentences and columns for people.
    Text,
    /// Whole sentences, one a line, for screen readers and logs.
    Plain,
    /// Errors only.
    Quiet,
    /// One event per line, for programs.
    Json,
}

impl Style {
    /// Returns the form for `--json`, `--quiet` and `--plain`: the first of them that is given. Clap does not allow the
    /// first two together.
    #[must_use]
    pub(crate) const fn of(json: bool, quiet: bool, plain: bool) -> Self {
        match (json, quiet, plain) {
            (true, ..) => Self::Json,
            (_, true, _) => Self::Quiet,
            (.., true) => Self::Plain,
            _ => Self::Text,
        }
    }
}

/// The first error of writing results to stdout.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes one line of a result to stdout. A closed pipe is not an error; the first other failure is kept for
/// [`lost_results`].
pub(crate) fn line(text: &str) {
    if let Err(why) = writeln!(io::stdout().lock(), "{text}")
        && why.kind() != io::ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| why);
    }
}

/// Returns the fault to end the program with if results did not reach stdout.
#[must_use]
pub(crate) fn lost_results() -> Option<Fault> {
    LOST.get().map(|why| Fault::local(format!("cannot write the results to standard output: {why}")))
}

/// Writes a message to stderr.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a question to stderr, without ending the line.
fn ask(question: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
}

/// Writes a fault to stderr: what happened, then a line with what to do.
pub(crate) fn fault(fault: &Fault) {
    remark(&format!("upseal: {}", fault.what));
    if !fault.advice.is_empty() {
        remark(&format!("help: {}", fault.advice));
    }
}
