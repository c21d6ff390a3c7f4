//! Parses the command line, and explains a word that is neither a subcommand nor a folder.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _, FromArgMatches as _};

use crate::cli::{Cli, Subcommands, short};
use crate::event::Fault;
use crate::messages::{Escaped, nearest, shell_word};

/// Parses the arguments of this process. Prints the help or the version and exits if it is asked for; exits with 2 on
/// an error that clap explains best.
///
/// # Errors
/// The first word is not a subcommand: it is mistyped, or the name of a file.
pub(super) fn command_line() -> Result<Cli, Fault> {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let command = Cli::command();
    let is_short = words.first().is_some_and(|first| first != "help")
        && words.iter().take_while(|word| *word != "--").any(|word| word == "-h");
    let command = if is_short { short(command) } else { command };
    let parse = |arguments: Vec<OsString>| -> Result<Cli, clap::Error> {
        let found = command.clone().try_get_matches_from(arguments)?;
        let mut cli = Cli::from_arg_matches(&found)?;
        if let (Some(Subcommands::Serve(args)), Some(given)) =
            (&mut cli.command, found.subcommand_matches("serve"))
        {
            args.note_given(given);
        }
        Ok(cli)
    };
    let parsed = parse(env::args_os().collect());
    match parsed {
        Ok(cli) => {
            let stray = cli.ui.dir.as_deref().filter(|_| cli.command.is_none()).and_then(|dir| {
                let rest = words.iter().skip_while(|word| *word != dir.as_os_str()).skip(1);
                explain(dir.as_os_str(), &rest.cloned().collect::<Vec<_>>())
            });
            stray.map_or(Ok(cli), Err)
        }
        Err(error) => {
            let is_asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let first = words.split_first().filter(|(first, _)| !is_asked_for && !is_flag(first));
            let stray = first.and_then(|(first, rest)| explain(first, rest));
            // clap quotes a wrong argument as it is, so its error is made again from the escaped arguments: no control
            // character reaches the terminal. If those are accepted, one was not UTF-8, and the error quotes none.
            let escaped = || env::args_os().map(|word| Escaped::name(&word).to_string().into()).collect();
            Err(stray.unwrap_or_else(|| parse(escaped()).err().unwrap_or(error).exit()))
        }
    }
}

fn is_flag(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

/// Explains a word that stands where a subcommand or a folder is expected; `None` if it is one of them.
fn explain(word: &OsStr, rest: &[OsString]) -> Option<Fault> {
    let command = Cli::command();
    let mut names = command.get_subcommands().map(Command::get_name).chain(["help"]);
    let (path, text) = (Path::new(word), word.to_string_lossy());
    if path.is_dir() || names.any(|name| *word == *name) || text.contains("://") {
        return None;
    }
    let shown = Escaped::path(path);
    let line = |words: &[&OsStr]| {
        let words: Vec<String> = words.iter().map(|word| shell_word(&word.to_string_lossy())).collect();
        format!("did you mean: upseal {}", words.join(" "))
    };
    let rest: Vec<&OsStr> = rest.iter().map(OsString::as_os_str).collect();
    if path.exists() {
        let words = [&[OsStr::new("send"), word][..], &rest[..]].concat();
        return Some(
            Fault::usage(format!("{shown} is a file; the UI begins in a folder")).with_advice(line(&words)),
        );
    }
    let fault = Fault::usage(format!("{shown} is neither a subcommand nor a folder"));
    let names = command.get_subcommands().map(Command::get_name).collect::<Vec<_>>();
    Some(match nearest(&text, names) {
        Some(near) => fault.with_advice(line(&[&[OsStr::new(near)][..], &rest[..]].concat())),
        None => fault.with_advice("upseal -h lists the subcommands"),
    })
}
