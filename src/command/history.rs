//! `upseal history`: lists files sent and received.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::known::{self, known_servers};
use super::{system, usage};
use crate::cli::HistoryArgs;
use crate::clock;
use crate::digest::Digest;
use crate::event::{Fault, Kept, Variant};
use crate::folders;
use crate::history::repair::Repair;
use crate::history::{
    Direction, Entry, Filter, History, HistoryError, Origin, Received, Recovered, Serving, Validity,
};
use crate::messages::units;
use crate::messages::{Escaped, escape};
use crate::output;
use crate::spreadsheet;

/// Maximum width of the name column, in columns of the terminal.
const NAME: usize = 40;

/// Opens the user's history for writing.
///
/// # Errors
/// The history cannot be opened, or there is no home folder: exit code 5.
pub(crate) fn open() -> Result<Arc<History>, Fault> {
    let history = History::open(&place()?).map_err(|e| fault(&e))?;
    Ok(Arc::new(history))
}

/// Opens the user's history for a server with this store, and repairs what a crash left
/// ([`Serving::open`]). The caller reports the repairs. Rows are pruned that are older than `keep`.
///
/// # Errors
/// As for [`open()`]; or the folder cannot be read.
pub(crate) fn open_for(
    store: &Path,
    validity: Validity,
    keep: Option<Duration>,
) -> Result<(Arc<Serving>, Vec<Repair>), Fault> {
    let (serving, repairs) =
        Serving::open(open()?, store, validity, clock::unix_ms()).map_err(|e| fault(&e))?;
    serving.maintain(keep).map_err(|e| system("cannot start a thread", &e))?;
    Ok((serving, repairs))
}

/// Opens the user's history for reading, if it exists; also returns its path.
pub(super) fn existing() -> Result<(Option<History>, PathBuf), Fault> {
    let path = place()?;
    Ok((History::open_existing(&path).map_err(|e| fault(&e))?, path))
}

fn place() -> Result<PathBuf, Fault> {
    folders::history().ok_or_else(|| {
        Fault::local("cannot find the home folder for the history")
            .with_advice("set HOME, or UPSEAL_HISTORY to a file")
    })
}

pub(super) fn fault(error: &HistoryError) -> Fault {
    Fault::local(error.to_string()).with_advice(error.advice())
}

/// Lists the history.
///
/// # Errors
/// The history cannot be read: exit code 5.
pub(crate) fn run(args: &HistoryArgs) -> Result<u8, Fault> {
    let direction = match (args.sent, args.received) {
        (true, _) => Some(Direction::Sent),
        (_, true) => Some(Direction::Received),
        (false, false) => None,
    };
    let since_ms = match &args.since {
        None => None,
        Some(since) => match since.here_ms() {
            None => return Err(usage("--since: the date is outside the calendar".to_owned(), "")),
            at_ms => at_ms,
        },
    };
    if let Some(server) = &args.server {
        known_servers().check(server, None).map_err(|e| known::fault(&e))?;
    }
    let filter = Filter {
        direction,
        server: args.server.as_ref().map(|server| server.address.clone()),
        name: args.name.clone(),
        since_ms,
        failed: args.failed,
        limit: (args.limit > 0).then_some(args.limit),
    };
    let (history, path) = existing()?;
    let entries = match &history {
        None => Vec::new(),
        Some(history) => history.entries(&filter).map_err(|e| fault(&e))?,
    };
    if entries.is_empty() {
        let everything = Filter { limit: Some(1), ..Filter::default() };
        let nothing = match &history {
            None => true,
            Some(history) => history.entries(&everything).map_err(|e| fault(&e))?.is_empty(),
        };
        output::remark(&if nothing {
            format!("the history is empty ({})", path.display())
        } else {
            "no entry matches".to_owned()
        });
    }
    if args.csv {
        output::line(line(&spreadsheet::record(COLUMNS)));
    }
    let zone = TimeZone::system();
    let width =
        entries.iter().map(|entry| escape(entry.name()).as_str().width()).max().unwrap_or(0).min(NAME);
    for entry in &entries {
        if args.csv {
            output::line(line(&csv(entry)));
        } else if args.json {
            // Serialising plain values cannot fail.
            if let Ok(row) = serde_json::to_string(&Row::of(entry)) {
                output::line(&row);
            }
        } else {
            output::line(&text(entry, width, &zone));
        }
    }
    Ok(0)
}

/// `2026-11-22 14:02:11  sent      image.ppm  7.91 MiB  CP2     402 MiB/s  stored     to lab:4321`
fn text(entry: &Entry, width: usize, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(entry.at_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
    let (direction, other) = match entry {
        Entry::Sent(row) => ("sent", format!("to {}", escape(&row.address))),
        Entry::Received(row) => ("received", format!("from {}", escape(&row.peer))),
        Entry::Recovered(Recovered { origin: Origin::Accepted, .. }) => {
            ("received", "accepted by the operator".to_owned())
        }
        Entry::Recovered(_) => ("received", "found after a crash".to_owned()),
    };
    let protocol = entry.variant().map_or_else(units::none, |variant| variant.to_string());
    let outcome = match entry {
        Entry::Received(Received { kept: Kept::New, .. }) => "stored",
        other => other.outcome(),
    };
    let why = match entry {
        Entry::Sent(row) => row.why.as_deref().map(|why| format!(": {}", escape(why))).unwrap_or_default(),
        Entry::Received(_) | Entry::Recovered(_) => String::new(),
    };
    // Pads by terminal columns: `{:<width$}` counts a wide character as one.
    let name = escape(entry.name());
    let padding = " ".repeat(width.saturating_sub(name.as_str().width()));
    format!(
        "{at}  {direction:<8}  {name}{padding}  {:>8}  {protocol:<5}  {:>10}  {outcome:<9}  {other}{why}",
        units::bytes(entry.size()),
        entry.rate().map_or_else(units::none, units::rate),
    )
}

/// A row of `--json` and `--csv`. Texts are escaped, because they may come from the network.
#[derive(Debug, Serialize)]
struct Row {
    time: String,
    direction: &'static str,
    name: Escaped,
    size: u64,
    protocol: Option<&'static str>,
    outcome: &'static str,
    peer: Option<Escaped>,
    sha256: Option<String>,
    seconds: Option<f64>,
    wire_bytes: Option<u64>,
    why: Option<Escaped>,
    path: Option<Escaped>,
    stored_name: Option<Escaped>,
    store: Option<Escaped>,
    receipt: Option<String>,
    server_key: Option<String>,
    predicted_seconds: Option<f64>,
}

/// The headings of `--csv`, in order: the names of [`Row`]'s fields.
const COLUMNS: [&str; 17] = [
    "time",
    "direction",
    "name",
    "size",
    "protocol",
    "outcome",
    "peer",
    "sha256",
    "seconds",
    "wire_bytes",
    "why",
    "path",
    "stored_name",
    "store",
    "receipt",
    "server_key",
    "predicted_seconds",
];

impl Row {
    fn of(entry: &Entry) -> Self {
        let at = Timestamp::from_millisecond(entry.at_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
        let fingerprint = |digest: Digest| format!("sha256:{digest}");
        let row = Self {
            time: at.to_string(),
            direction: "received",
            name: escape(entry.name()),
            size: entry.size(),
            protocol: entry.variant().map(Variant::word),
            outcome: entry.outcome(),
            peer: None,
            sha256: entry.digest().map(|digest| digest.to_string()),
            seconds: entry.seconds(),
            wire_bytes: None,
            why: None,
            path: None,
            stored_name: None,
            store: None,
            receipt: None,
            server_key: None,
            predicted_seconds: entry.predicted(),
        };
        match entry {
            Entry::Sent(sent) => Self {
                direction: "sent",
                peer: Some(escape(&sent.address)),
                wire_bytes: Some(sent.wire_bytes),
                why: sent.why.as_deref().map(escape),
                path: Some(Escaped::path(&sent.path)),
                stored_name: sent.stored_name.as_deref().map(escape),
                receipt: sent.receipt.as_deref().map(|path| Escaped::path(path).into()),
                server_key: sent.key.map(fingerprint),
                ..row
            },
            Entry::Received(received) => Self {
                peer: Some(escape(&received.peer)),
                store: Some(Escaped::path(&received.store)),
                receipt: received.receipt.map(fingerprint),
                ..row
            },
            Entry::Recovered(recovered) => Self {
                store: Some(Escaped::path(&recovered.store)),
                receipt: recovered.receipt.map(fingerprint),
                ..row
            },
        }
    }
}

/// Returns the record of an entry, with its line end.
fn csv(entry: &Entry) -> String {
    // Serialising plain values cannot fail.
    let row = serde_json::to_value(Row::of(entry)).unwrap_or_default();
    spreadsheet::record(COLUMNS.map(|column| spreadsheet::cell(&row[column]).into_owned()))
}

/// Returns a record without the line feed that [`output::line`] adds.
fn line(record: &str) -> &str {
    record.strip_suffix('\n').unwrap_or(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Variant;
    use crate::history::{Outcome, Sent};

    fn sent(name: &str) -> Sent {
        Sent {
            at_ms: 1_800_000_000_123,
            address: "lab.example:4321".to_owned(),
            key: Some(Digest([0xab; 32])),
            variant: Variant::Cp2,
            name: name.to_owned(),
            path: PathBuf::from("/home/me").join(name),
            size: 8 << 20,
            digest: Some(Digest([0xcd; 32])),
            outcome: Outcome::Stored,
            stored_name: Some(name.to_owned()),
            receipt: None,
            seconds: 2.0,
            predicted: None,
            wire_bytes: 11 << 20,
            why: None,
        }
    }

    fn received() -> Entry {
        Entry::Received(Received {
            at_ms: 1_800_000_000_000,
            peer: "127.0.0.1:50000".to_owned(),
            store: PathBuf::from("/srv/in"),
            name: "b".to_owned(),
            kept: Kept::Renamed,
            size: 0,
            digest: Some(Digest([1; 32])),
            variant: Variant::Plain,
            seconds: 0.0,
            receipt: Some(Digest([2; 32])),
        })
    }

    fn recovered() -> Entry {
        Entry::Recovered(Recovered {
            at_ms: 1_800_000_000_000,
            store: PathBuf::from("/srv/in"),
            name: "c".to_owned(),
            origin: Origin::Crash,
            size: 812,
            digest: Some(Digest([1; 32])),
            receipt: None,
        })
    }

    #[test]
    fn csv_has_one_heading_and_one_value_for_each_field() {
        let row = serde_json::to_value(Row::of(&received())).unwrap();
        let mut names: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
        let mut columns = COLUMNS;
        names.sort_unstable();
        columns.sort_unstable();
        assert_eq!(names, columns);
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        assert_eq!(
            csv(&received()),
            format!(
                "2027-01-15T08:00:00Z,received,b,0,plain,renamed,127.0.0.1:50000,{one},,,,,,/srv/in,sha256:{two},,\r\n"
            )
        );
        assert_eq!(
            csv(&recovered()),
            format!("2027-01-15T08:00:00Z,received,c,812,,recovered,,{one},,,,,,/srv/in,,,\r\n")
        );
    }

    #[test]
    fn odd_texts_are_quoted_in_csv() {
        let record = csv(&Entry::Sent(sent("a \"b\", c\n\u{1b}[31m.txt")));
        assert!(record.contains(",\"a \"\"b\"\", c\\n\\u{1b}[31m.txt\","), "{record}");
        assert!(!line(&record).contains(['\n', '\u{1b}']));
        let record = csv(&Entry::Sent(sent("=1+2")));
        assert!(record.contains(",'=1+2,"), "{record}");
    }

    #[test]
    fn columns_align_below_wide_characters() {
        let names = ["ab", "报告.pdf", "ｶﾅ.txt"];
        let entries = names.map(|name| Entry::Sent(sent(name)));
        let width = entries.iter().map(|entry| escape(entry.name()).as_str().width()).max().unwrap();
        assert_eq!(width, 8);
        let column = |entry: &Entry| {
            let line = text(entry, width, &TimeZone::UTC);
            line[..line.find("8 MiB").unwrap()].width()
        };
        assert_eq!(entries.each_ref().map(column), [column(&entries[0]); 3]);
    }

    #[test]
    fn a_text_line_has_time_file_rate_outcome_and_peer() {
        let line = |entry: &Entry| text(entry, 6, &TimeZone::UTC);
        let failed = Sent { outcome: Outcome::Failed, why: Some("reset\n".to_owned()), ..sent("a\u{202e}") };
        for (entry, expected) in [
            (
                Entry::Sent(sent("a")),
                "2027-01-15 08:00:00  sent      a          8 MiB  CP2       4 MiB/s  stored     to lab.example:4321",
            ),
            (
                Entry::Sent(failed),
                "2027-01-15 08:00:00  sent      a\\u{202e}     8 MiB  CP2             —  failed     \
                 to lab.example:4321: reset\\n",
            ),
            (
                received(),
                "2027-01-15 08:00:00  received  b            0 B  Plain           —  renamed    from 127.0.0.1:50000",
            ),
            (
                recovered(),
                "2027-01-15 08:00:00  received  c          812 B  —               —  recovered  found after a crash",
            ),
        ] {
            assert_eq!(line(&entry), expected);
        }
    }
}
