use clap::{Command, CommandFactory as _};

use super::*;

/// Maximum number of lines of a short help at 100 columns.
const SCREEN: usize = 40;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

/// Returns the program and every subcommand, with the command line that reaches it.
fn commands() -> Vec<(String, Command)> {
    fn add(name: String, command: &Command, all: &mut Vec<(String, Command)>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            add(format!("{name} {}", sub.get_name()), sub, all);
        }
        all.push((name, command.clone()));
    }
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut all = Vec::new();
    add("upseal".to_owned(), &command, &mut all);
    all
}

#[test]
fn every_command_says_in_60_characters_what_it_does() {
    for (name, command) in commands() {
        let about = command.get_about().unwrap_or_else(|| panic!("{name} has no help")).to_string();
        assert!(about.chars().count() <= 60, "{name}: {about}");
        assert!(about.starts_with(char::is_uppercase) && !about.ends_with('.'), "{name}: {about}");
    }
}

#[test]
fn the_short_help_fits_on_a_screen() {
    for (name, mut command) in commands() {
        let help = command.render_help().to_string();
        assert!(help.lines().count() <= SCREEN, "{name}, {} lines:\n{help}", help.lines().count());
    }
}

#[test]
fn every_flag_with_a_value_names_its_default() {
    for (name, command) in commands() {
        for argument in command.get_opts().filter(|option| !option.is_required_set()) {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let is_known = !argument.get_default_values().is_empty() || help.contains("[default: ");
            assert!(is_known, "{name} {argument}: {help}");
        }
    }
}

/// An example is a line that begins with the program's name; three blanks begin a remark.
#[test]
fn every_help_ends_with_three_examples_that_parse() {
    for (name, command) in commands() {
        let text = command.get_after_long_help().unwrap_or_else(|| panic!("{name}: no examples")).to_string();
        let examples: Vec<&str> =
            text.lines().map(str::trim_start).filter(|line| line.starts_with("upseal")).collect();
        assert_eq!(examples.len(), 3, "{name}: {text}");
        for example in examples {
            assert!(name == "upseal" || example.starts_with(&name), "{example}");
            let line =
                example.split("   ").next().unwrap_or_default().split(" | ").next().unwrap_or_default();
            let quoted = line.split('\'').enumerate();
            let words = quoted.flat_map(|(at, part)| -> Vec<String> {
                let words = if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() };
                words.into_iter().map(str::to_owned).collect()
            });
            let parsed = Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{example}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
        }
    }
}
