//! `upseal probe`: finds out which dialect a server speaks.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path;
use std::time::Duration;

use serde::Serialize;

use super::known::known_servers;
use super::{interrupts, system, usage};
use crate::cli::Probe;
use crate::config::{Existing, Layer, Settings, Sources};
use crate::event::{Dialect, Event, Fault, FaultKind, Target};
use crate::messages::{escape, shell_word};
use crate::output::{self, Output, Style};
use crate::transfer::FirstMeeting;
use crate::transfer::probe::{self, Answer, News, Request};

/// Tries one dialect after another. Returns 0: the server accepts one, and the command that uses it is on stdout; 1: it
/// accepts none.
///
/// # Errors
/// The server cannot be reached (3) or verified (4), or the preset cannot be saved.
pub(crate) fn run(args: Probe) -> Result<u8, Fault> {
    let sources = Sources::load()?;
    let flags =
        Layer { to: Some(args.address), ca: args.expected.ca, pin: args.expected.pin, ..Layer::default() };
    let settings = sources.settle(flags.clone(), None)?;
    if let (Some(name), Ok(_)) = (&args.save, sources.file.peer(args.save.as_deref().unwrap_or_default())) {
        return Err(usage(format!("the preset '{}' exists", escape(name)), "choose another name"));
    }
    let signals = interrupts()?;
    let wait = Duration::from_secs(args.wait);
    let request = Request {
        target: settings.target(),
        known: known_servers(),
        first_meeting: FirstMeeting::Remember,
        wait,
    };
    let mut teller = Teller {
        json: args.json,
        output: Output::new(Style::of(false, true, false)),
        address: address(&settings),
    };
    teller.warn();
    let found = probe::run(&request, &signals, &mut |news| teller.tell(news))?;
    let Some(dialect) = found else {
        teller.line(&Line::NotFound);
        output::remark("no dialect was accepted with certainty");
        output::remark(
            "help: the server's log may say why; `upseal send --help` lists the options to try by hand",
        );
        return Ok(FaultKind::Broken.exit_code());
    };
    let layer = layer(&settings, &flags, dialect)?;
    teller.found(dialect, &layer);
    let name = match args.save {
        Some(name) => Some(name),
        None if !args.json && io::stdin().is_terminal() && io::stderr().is_terminal() => ask()?,
        None => None,
    };
    if let Some(name) = name {
        sources.file.save(&name, &layer, Existing::Keep)?;
        output::remark(&format!("saved as a preset; to use it:  upseal send --peer {name} FILE…"));
    }
    Ok(0)
}

fn address(settings: &Settings) -> String {
    match settings.target() {
        Target::Server { address, .. } => address.to_string(),
        Target::Embedded => String::new(),
    }
}

/// Returns the settings of a preset for this server.
fn layer(settings: &Settings, flags: &Layer, dialect: Dialect) -> Result<Layer, Fault> {
    let ca = settings.ca.as_ref().map(path::absolute).transpose();
    let ca = ca.map_err(|e| system("cannot find the working folder", &e))?;
    Ok(Layer { to: flags.to.clone(), ca, pin: flags.pin.clone(), ..Layer::speaking(dialect) })
}

/// Asks on the terminal for a preset's name; `None`: do not save.
fn ask() -> Result<Option<String>, Fault> {
    let unreadable = |e| system("cannot read from the terminal", &e);
    let mut terminal = io::stderr();
    write!(terminal, "save as a preset named (Enter: do not save): ")
        .and_then(|()| terminal.flush())
        .map_err(unreadable)?;
    let mut name = String::new();
    io::stdin().lock().read_line(&mut name).map_err(unreadable)?;
    Ok(Some(name.trim().to_owned()).filter(|name| !name.is_empty()))
}

/// One line of `--json`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Begins { address: &'a str, dialects: usize },
    Trying { name: &'a str, dialect: Dialect },
    Waits { at_most_s: u64, why: &'a str },
    Answer { dialect: Dialect, taken: bool, why: &'a str },
    Found { dialect: Dialect, command: &'a str },
    NotFound,
}

/// Reports the probe: lines on stderr, or JSON on stdout.
struct Teller {
    json: bool,
    output: Output,
    address: String,
}

impl Teller {
    /// Prints which files the server will keep, before it gets any.
    fn warn(&self) {
        output::remark(&format!(
            "{} will keep small files named upseal-probe-1.txt, upseal-probe-2.txt and so on",
            self.address
        ));
    }

    fn tell(&mut self, news: &News<'_>) {
        match *news {
            News::Begins { dialects } => self.line(&Line::Begins { address: &self.address, dialects }),
            News::Trying { name, dialect } => {
                self.line(&Line::Trying { name, dialect });
                self.say(&format!("{name}: {}", words(dialect)));
            }
            News::Waits { at_most, why } => {
                self.line(&Line::Waits { at_most_s: at_most.as_secs(), why: why.what.as_str() });
                self.say(&format!("  {}", why.what));
                self.say(&format!(
                    "  waiting up to {} s for the server; if it serves only one connection, restart it",
                    at_most.as_secs()
                ));
            }
            News::Answer { dialect, answer } => {
                let why = match answer {
                    Answer::Stored => "stored, according to the server's receipt",
                    Answer::Delivered => "the server closed the connection in order",
                    Answer::NotTaken(why) => why,
                };
                self.line(&Line::Answer { dialect, taken: answer.is_taken(), why });
                self.say(&format!(
                    "  {}: {why}",
                    if answer.is_taken() { "accepted" } else { "not accepted" }
                ));
            }
            // The alarm about a changed key is shown in full.
            News::Event(event @ Event::KeyChanged { .. }) => self.output.show(event),
            News::Event(Event::Note { text }) => self.say(text),
            News::Event(_) => {}
        }
    }

    fn found(&self, dialect: Dialect, layer: &Layer) {
        let flags = layer.said().map(|(key, value)| format!(" --{} {}", key.name(), shell_word(&value)));
        let command = format!("upseal send{} FILE", flags.collect::<String>());
        if self.json {
            self.line(&Line::Found { dialect, command: &command });
        } else {
            output::line(&escape(&command).to_string());
        }
    }

    fn say(&self, text: &str) {
        if !self.json {
            output::remark(text);
        }
    }

    fn line(&self, line: &Line<'_>) {
        // Serialising plain values cannot fail.
        if let (true, Ok(line)) = (self.json, serde_json::to_string(line)) {
            output::line(&line);
        }
    }
}

/// `CP1, padding oaep, framing D, terminator end`
fn words(dialect: Dialect) -> String {
    let said = Layer::speaking(dialect);
    let rest = said.said().filter(|(key, _)| key.name() != "protocol");
    let rest: Vec<String> =
        rest.map(|(key, value)| format!(", {} {value}", key.name().replace('-', " "))).collect();
    format!("{}{}", dialect.variant, rest.concat())
}
