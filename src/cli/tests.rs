use clap::{Command, CommandFactory as _};

use super::*;
use crate::event::address::tests::{FORMS, REFUSED};
use crate::event::{ADDRESS_FORMS, AddressError};

/// Lines and columns of a terminal that a short help fits on, with the prompt behind it.
const SCREEN: (usize, usize) = (23, 80);

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
    let mut all = Vec::new();
    add("upseal".to_owned(), &built(Cli::command()), &mut all);
    all
}

fn built(command: Command) -> Command {
    let mut command = command.term_width(SCREEN.1);
    command.build();
    command
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
    let all = built(short(Cli::command()));
    for (name, _) in commands() {
        let mut path = name.split(' ').skip(1);
        let found = path.try_fold(&all, |of, name| of.find_subcommand(name));
        let help = found.unwrap_or_else(|| panic!("{name}")).clone().render_help().to_string();
        assert!(help.lines().count() <= SCREEN.0, "{name}, {} lines:\n{help}", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= SCREEN.1), "{name}:\n{help}");
    }
    let top = all.clone().render_help().to_string();
    for sub in all.get_subcommands() {
        assert!(top.contains(sub.get_name()), "{} is not named:\n{top}", sub.get_name());
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
            let line = ["   ", " | ", " > "]
                .into_iter()
                .fold(example, |line, end| line.split(end).next().unwrap_or_default());
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

/// Returns the address that a command line names, as text.
fn given(line: &str, address: &str) -> Result<String, clap::Error> {
    let words = line.split(' ').map(|word| word.replace("ADDRESS", address));
    let found = match Cli::try_parse_from(["upseal".to_owned()].into_iter().chain(words))? {
        Cli { command: None, ui, .. } => ui.speak.to,
        Cli { command: Some(Subcommands::Send(send)), .. } => send.speak.to,
        Cli { command: Some(Subcommands::Race(race)), .. } => race.lanes[1].address.clone(),
        Cli { command: Some(Subcommands::Probe(probe)), .. } => Some(probe.address),
        Cli { command: Some(Subcommands::Health(health)), .. } => Some(health.address),
        Cli { command: Some(Subcommands::History(history)), .. } => history.server,
        Cli {
            command: Some(Subcommands::Peers(Peers { command: Some(PeersCommand::Save(save)), .. })),
            ..
        } => save.speak.to,
        Cli { command: Some(Subcommands::Known(Known { command: Some(command), .. })), .. } => {
            match command {
                KnownCommand::Accept { server, .. } | KnownCommand::Remove { server, .. } => Some(server),
                KnownCommand::List(_) => None,
            }
        }
        other => panic!("{other:?}"),
    };
    Ok(found.map(|address| address.to_string()).unwrap_or_default())
}

#[test]
fn every_flag_accepts_every_form_of_an_address_and_refuses_what_is_none() {
    for line in [
        "--to ADDRESS",
        "send --to ADDRESS a.txt",
        "race --lanes cp2,plain@ADDRESS a.txt",
        "probe ADDRESS",
        "health ADDRESS",
        "peers save lab --to ADDRESS",
        "known accept ADDRESS",
        "known remove ADDRESS",
        "history --server ADDRESS",
    ] {
        let link = format!("upseal://lab:4321#sha256-{}", "ab".repeat(32));
        if !line.starts_with("known") && !line.starts_with("history") {
            assert_eq!(given(line, &link).unwrap(), link, "{line}");
            let cut = given(line, &link[..link.len() - 1]).unwrap_err().to_string();
            assert!(cut.contains("expected upseal://HOST:PORT#sha256-"), "{line}: {cut}");
        }
        for (text, meant) in FORMS {
            assert_eq!(given(line, text).unwrap(), meant, "{line} {text:?}");
        }
        for text in REFUSED {
            let refused = given(line, text).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{line} {text:?}");
            // After the @ of a lane, an empty address has an error of its own.
            if !text.is_empty() {
                assert!(refused.to_string().contains(ADDRESS_FORMS), "{line} {text:?}: {refused}");
            }
        }
    }
}

#[test]
fn an_address_to_listen_on_has_a_port() {
    let bind = |text: &str| text.parse::<Bind>().map(|bind| bind.addresses);
    for (text, meant) in [("127.0.0.1:99", "127.0.0.1:99"), ("[::1]:99", "[::1]:99"), ("[::]:0", "[::]:0")] {
        assert_eq!(bind(text), Ok(vec![meant.parse().unwrap()]), "{text:?}");
    }
    for text in
        ["127.0.0.1", "[::1]", "localhost"].into_iter().chain(REFUSED).filter(|text| *text != "host:0")
    {
        assert_eq!(bind(text), Err(AddressError.to_string()), "{text:?}");
    }
}
