//! What `-h` shows: one screen of 80×24. `--help` shows everything.

use clap::Command;

/// Options that `-h` shows, of the commands that have more than fit. An option that is new is in `--help` only.
const SHOWN: &[(&str, &[&str])] = &[
    ("upseal", &["to", "protocol", "ca"]),
    ("send", &["files", "peer", "to", "protocol", "ca", "pin", "receipts", "json", "quiet"]),
    ("serve", &["bind", "store", "certs", "accept", "once", "max_file", "prefix", "json"]),
    ("race", &["file", "lanes", "first", "generate", "repeat", "together", "report", "json"]),
    ("save", &["name", "to", "protocol", "padding", "framing", "ca", "pin", "force"]),
    ("history", &["sent", "received", "failed", "name", "server", "since", "limit", "csv", "json"]),
];

/// Subcommands that `-h` names in one line behind the others.
const RARE: &[&str] = &[
    "verify",
    "lab",
    "certs",
    "probe",
    "health",
    "peers",
    "known",
    "audit",
    "config",
    "completions",
    "man",
    "help",
];

/// Returns the command with short helps that fit on a screen: without the lists of values, the variables and the rarer
/// options.
#[must_use]
pub(crate) fn short(command: Command) -> Command {
    let name = command.get_name().to_owned();
    let shown = SHOWN.iter().find(|(of, _)| *of == name).map(|(_, shown)| *shown);
    let is_top = name == "upseal";
    let mut hides = false;
    let command = command.mut_args(|arg| {
        let is_shown = shown.is_none_or(|shown| shown.contains(&arg.get_id().as_str()));
        hides |= !is_shown;
        let words = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let words = words.split(" [env: ").next().unwrap_or_default().to_owned();
        // clap allows this only for options with a value.
        let has_value = arg.get_action().takes_values();
        arg.hide_possible_values(has_value).hide_short_help(!is_shown).help(words)
    });
    let command = command.mut_subcommands(|sub| {
        let is_rare = is_top && RARE.contains(&sub.get_name());
        short(sub).hide(is_rare)
    });
    let command = command.disable_help_subcommand(true);
    match (is_top, hides) {
        (true, _) => command
            .after_help(format!("Also: {}\n--help shows all options and the exit codes.", RARE.join(", "))),
        (false, true) => command.after_help("--help shows all options, their values, and examples."),
        (false, false) => command,
    }
}
