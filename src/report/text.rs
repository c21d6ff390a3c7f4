//! Reports as Markdown, CSV and JSON.

use std::fmt::Write as _;

use super::rows::rows;
use super::{MARK, RaceReport, document};
use crate::cost;
use crate::event::{Course, LaneResult, Variant, Verdict};
use crate::messages::race::STAGES;
use crate::messages::{escape, race, units};
use crate::spreadsheet;

/// The columns of the CSV after the first, whose name is [`MARK`].
const COLUMNS: [&str; 16] = [
    "name",
    "variant",
    "dialect",
    "bits",
    "arrived",
    "seconds",
    "min",
    "max",
    "laps",
    "mib_per_second",
    "wire_bytes",
    "wire_factor",
    "client_cpu_seconds",
    "server_cpu_seconds",
    "generated",
    "fault",
];

/// The last column: the part of the machine's processors that other programs used, the same in each row.
const OTHERS: &str = "other_programs";

/// Renders all data as JSON.
pub(super) fn json(report: &RaceReport) -> String {
    // Plain values always serialise.
    ascii(&serde_json::to_string_pretty(&document(report)).unwrap_or_default()) + "\n"
}

/// Renders all data as JSON on one line, to embed in other formats.
pub(super) fn compact(report: &RaceReport) -> String {
    // Plain values always serialise.
    ascii(&serde_json::to_string(&document(report)).unwrap_or_default())
}

/// Escapes all non-ASCII characters of JSON, so that no editor hides or reorders any of them.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            // Non-ASCII characters occur only in strings.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Renders a CSV row for each lane; the stages' parts and what other programs used are the last columns.
pub(super) fn csv(report: &RaceReport) -> String {
    let stages = STAGES.map(|stage| format!("part_{}", race::stage(stage)));
    let head = [MARK].into_iter().chain(COLUMNS).map(str::to_owned).chain(stages);
    let head = head.chain([OTHERS.to_owned()]);
    let mut text = spreadsheet::record(head);
    for row in rows(&report.verdict) {
        // Plain values always serialise.
        let value = serde_json::to_value(&row).unwrap_or_default();
        let mut fields = vec![row.lane.to_string()];
        fields.extend(COLUMNS.map(|column| spreadsheet::cell(&value[column]).into_owned()));
        fields.extend(STAGES.map(|stage| {
            let share = row.shares.iter().find(|share| share.stage == race::stage(stage));
            share.map_or_else(String::new, |share| share.part.to_string())
        }));
        fields.push(report.verdict.others.map_or_else(String::new, |others| others.to_string()));
        text += &spreadsheet::record(fields);
    }
    text
}

/// Renders a Markdown text: title, result, table, where the time went, machine.
pub(super) fn markdown(report: &RaceReport) -> String {
    let verdict = &report.verdict;
    let rows = rows(verdict);
    let mut text = format!(
        "<!-- {MARK} -->\n# {}\n\n**{}**\n\n{}\n\n{}\n\n",
        plain(&title(report)),
        plain(&race::sentence(verdict)),
        plain(&why(verdict)),
        plain(&subject(verdict))
    );
    let labels = report.labels.shown();
    if !labels.is_empty() {
        let _ = writeln!(text, "{}\n", plain(&labels.join(" · ")));
    }
    if let Some(load) = race::crowded(verdict) {
        let _ = writeln!(text, "{}\n", plain(&load));
    }
    text += "| lane | seconds | min | max | laps | MiB/s | bytes on the wire | wire | CPU s here | CPU s server |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    for row in &rows {
        let name = plain(&row.name);
        if row.arrived {
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {} | ×{} | {} | {} |",
                row.seconds,
                row.min,
                row.max,
                row.laps,
                row.mib_per_second,
                row.wire_bytes,
                row.wire_factor,
                perhaps(row.client_cpu_seconds),
                perhaps(row.server_cpu_seconds),
            );
        } else {
            let _ = writeln!(text, "| {name} | did not arrive | | | {} | | | | | |", row.laps);
        }
    }
    for row in &rows {
        if let Some(fault) = &row.fault {
            let _ = writeln!(text, "\n{}: {}", plain(&row.name), plain(fault));
        }
    }
    text += "\n## Settings\n\n";
    for (row, lane) in rows.iter().zip(&verdict.lanes) {
        let _ = writeln!(text, "- {}: {}", plain(&row.name), plain(&settings(lane)));
    }
    if rows.iter().any(|row| !row.shares.is_empty()) {
        let _ = write!(
            text,
            "\n## Where the time went\n\n| lane |{} busiest |\n|---|{}---|\n",
            STAGES.map(|stage| format!(" {} |", race::stage(stage))).concat(),
            "--:|".repeat(6)
        );
        for row in rows.iter().filter(|row| !row.shares.is_empty()) {
            let parts =
                row.shares.iter().map(|share| units::permille(share.part)).collect::<Vec<_>>().join(" | ");
            let _ = writeln!(
                text,
                "| {} | {parts} | {} |",
                plain(&row.name),
                plain(row.bottleneck.as_deref().unwrap_or(""))
            );
        }
    }
    text += "\n## Stages\n\n";
    for stage in STAGES {
        let _ = writeln!(text, "- {}: {}", race::stage(stage), race::explained(stage));
    }
    text += "\n## Machine and program\n\n";
    for (what, value) in facts(report).into_iter().chain([("Command", report.machine.command.to_string())]) {
        let _ = writeln!(text, "- {what}: {}", plain(&value));
    }
    text
}

fn perhaps(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| number.to_string())
}

/// Returns the title: the user's, or the file's name, escaped as for a terminal.
pub(super) fn title(report: &RaceReport) -> String {
    match &report.labels.title {
        Some(title) => title.to_string(),
        None => format!("A race: {}", escape(&report.verdict.name)),
    }
}

/// Describes the settings of a lane: `key of 1024 bits, padding OAEP, framing A`.
pub(super) fn settings(lane: &LaneResult) -> String {
    let dialect = lane.dialect;
    let key = match &lane.proof {
        Some(proof) => format!("key of {} bits", proof.bits),
        None if dialect.variant.authenticates() => "key length not known".to_owned(),
        None => "no key".to_owned(),
    };
    match dialect.variant {
        Variant::Plain | Variant::Ap => key,
        Variant::Cp1 => format!("{key}, padding {}, framing {}", dialect.padding, dialect.framing),
        Variant::Cp2 => format!("{key}, padding {} for the session key, no framing", dialect.padding),
    }
}

/// Describes the operations of each lane.
pub(super) fn why(verdict: &Verdict) -> String {
    let why = race::why(&race::entrants(verdict), &cost::race(verdict));
    if why.is_empty() { why } else { format!("{why}.") }
}

/// Describes what every lane sent, and how.
pub(super) fn subject(verdict: &Verdict) -> String {
    let course = match verdict.course {
        Course::InTurn => "one after the other",
        Course::Together => "all at once, so that they take time from each other",
    };
    let laps = match race::laps(verdict) {
        0 | 1 => "once".to_owned(),
        laps => format!("{laps} times; the median counts"),
    };
    let generated = if verdict.lanes.iter().any(|lane| lane.generated) {
        " Lanes that hide nothing sent generated bytes of the same number."
    } else {
        ""
    };
    format!("Each lane sent the same {}, {course}, {laps}.{generated}", units::exact_bytes(verdict.bytes))
}

/// Returns the facts about machine and program, except the command line.
pub(super) fn facts(report: &RaceReport) -> Vec<(&'static str, String)> {
    let (machine, engines) = (&report.machine, &report.verdict.engines);
    let made = if machine.optimised { "" } else { " (made for tests, and slower)" };
    vec![
        ("Date", machine.date.clone()),
        ("Processor", format!("{}, {} threads", machine.cpu, machine.cores)),
        ("System", machine.os.to_string()),
        ("Program", format!("upseal {}{made}, {}", machine.upseal, machine.rustc)),
        ("CP1 computes with", escape(&engines.rsa).to_string()),
        ("CP2 computes with", escape(&engines.fernet).to_string()),
    ]
}

/// Escapes text for Markdown.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}
