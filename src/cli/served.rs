//! The table `[serve]` of the configuration file. Each of its keys is an option of `serve`, so that an option needs no
//! second table, and its values are parsed and refused as on the command line.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::error::Error as _;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches as _};

use super::Serve;

/// Options that only the command line has. They say how the program runs, not how the server behaves.
const FLAGS_ONLY: [&str; 6] = ["ui", "qr", "share", "json", "once", "reset-padding-budget"];

/// Options of `serve` that the command line or the environment decides, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given(BTreeSet<String>);

/// Rows of the table `[serve]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServeRows(Vec<(String, Vec<String>)>);

impl ServeRows {
    /// Returns the known keys.
    #[must_use]
    pub(crate) fn keys() -> Vec<String> {
        options().get_arguments().filter_map(key).map(str::to_owned).collect()
    }

    /// Returns whether the value of a key is a path.
    #[must_use]
    pub(crate) fn is_path(name: &str) -> bool {
        let options = options();
        let mut found = options.get_arguments().filter(|arg| key(arg) == Some(name));
        found.next().is_some_and(|arg| arg.get_value_parser().type_id() == TypeId::of::<PathBuf>())
    }

    /// Adds a row. A list has several values.
    ///
    /// # Errors
    /// A description of the values that the key can have.
    pub(crate) fn set(&mut self, name: &str, values: Vec<String>) -> Result<(), String> {
        let row = (name.to_owned(), values);
        options().try_get_matches_from(words([&row])).map_err(|error| allowed(&error))?;
        self.0.push(row);
        Ok(())
    }

    /// Returns the keys whose values differ from those of other rows.
    #[must_use]
    pub(crate) fn differing<'a>(&'a self, other: &'a Self) -> BTreeSet<&'a str> {
        let of = |rows: &'a Self, others: &'a Self| {
            let rows = rows.0.iter().filter(|row| !others.0.contains(row));
            rows.map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>()
        };
        of(self, other).union(&of(other, self)).copied().collect()
    }
}

impl Serve {
    /// Sets the folder of certificates, whatever the configuration file says.
    pub(crate) fn use_certs(&mut self, folder: PathBuf) {
        self.certs = folder;
        self.given.0.insert("certs".to_owned());
    }

    /// Notes which options the command line or the environment decides.
    pub(crate) fn note_given(&mut self, matches: &ArgMatches) {
        let decides = |name: &&clap::Id| {
            matches!(
                matches.value_source(name.as_str()),
                Some(ValueSource::CommandLine | ValueSource::EnvVariable)
            )
        };
        self.given = Given(matches.ids().filter(decides).map(|name| name.as_str().to_owned()).collect());
    }

    /// Returns whether the command line or the environment decides the option of a key.
    #[must_use]
    pub(crate) fn decides(&self, name: &str) -> bool {
        let options = options();
        let mut args = options.get_arguments().filter(|arg| key(arg) == Some(name));
        args.any(|arg| self.given.0.contains(arg.get_id().as_str()))
    }

    /// Returns these options with rows of the configuration file where neither the command line nor the environment decides.
    ///
    /// # Errors
    /// Two rows exclude each other.
    pub(crate) fn with(&self, rows: &ServeRows) -> Result<Self, String> {
        let open = rows.0.iter().filter(|(name, _)| !self.decides(name));
        let matches = options().try_get_matches_from(words(open));
        let mut merged = self.clone();
        let updated = matches.and_then(|matches| merged.update_from_arg_matches(&matches));
        updated.map_err(|error| allowed(&error)).map(|()| merged)
    }
}

/// Returns the options of `serve` without defaults and variables, so that only what is given has a value. A flag has the
/// value true or false.
fn options() -> Command {
    let command = Serve::augment_args_for_update(Command::new("serve")).no_binary_name(true);
    command.disable_help_flag(true).mut_args(|arg| {
        let arg = arg.env(Resettable::Reset).required(false);
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            arg.action(ArgAction::Set).num_args(1).value_parser(clap::value_parser!(bool))
        } else {
            arg.default_value(Resettable::Reset)
        }
    })
}

/// Returns the key of an option; `None`: only the command line has it.
fn key(arg: &Arg) -> Option<&str> {
    arg.get_long().filter(|name| !FLAGS_ONLY.contains(name))
}

fn words<'a>(rows: impl IntoIterator<Item = &'a (String, Vec<String>)>) -> Vec<String> {
    let of = |(name, values): &(String, Vec<String>)| -> Vec<String> {
        values.iter().map(|value| format!("--{name}={value}")).collect()
    };
    rows.into_iter().flat_map(of).collect()
}

/// Returns what is allowed instead of a refused value.
fn allowed(error: &clap::Error) -> String {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => {
            format!("possible values: {}", values.join(", "))
        }
        _ => error.source().map_or_else(|| "the value is not allowed".to_owned(), ToString::to_string),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::{Cli, Subcommands};

    fn serve(line: &str) -> Serve {
        let words = line.split_whitespace().map(str::to_owned);
        let found =
            Cli::command().try_get_matches_from(["upseal".to_owned()].into_iter().chain(words)).unwrap();
        let Some(Subcommands::Serve(mut args)) = Cli::from_arg_matches(&found).unwrap().command else {
            panic!("{line}")
        };
        args.note_given(found.subcommand_matches("serve").unwrap());
        args
    }

    fn rows(of: &[(&str, &str)]) -> ServeRows {
        let mut rows = ServeRows::default();
        for (name, values) in of {
            rows.set(name, values.split(' ').map(str::to_owned).collect()).unwrap();
        }
        rows
    }

    #[test]
    fn flags_override_rows_and_rows_override_defaults() {
        let file = rows(&[
            ("max-sessions", "7"),
            ("max-file", "3MiB"),
            ("accept", "ap cp2"),
            ("strict-modes", "true"),
            ("tell-names", "false"),
            ("store", "there"),
        ]);
        let merged = serve("serve --max-file 5MiB --portable-names").with(&file).unwrap();
        assert_eq!((merged.limits.max_sessions, merged.max_file.0), (7, 5 << 20));
        assert_eq!(merged.accept.as_deref().map(<[_]>::len), Some(2));
        assert_eq!(
            (merged.strict_modes, merged.portable_names, merged.tell_names),
            (true, true, Some(false))
        );
        assert_eq!(merged.store, PathBuf::from("there"));
        let plain = serve("serve");
        assert_eq!(
            format!("{:?}", plain.with(&ServeRows::default()).unwrap()),
            format!("{plain:?}"),
            "defaults stay"
        );
    }

    #[test]
    fn every_option_but_a_few_is_a_key_and_every_limit_is_one() {
        let keys = ServeRows::keys();
        for name in [
            "max-sessions",
            "login-grace",
            "penalties",
            "accept",
            "accept-padding",
            "log-level",
            "log-file",
            "drain",
        ] {
            assert!(keys.iter().any(|key| key == name), "{name} of {keys:?}");
        }
        assert!(FLAGS_ONLY.iter().all(|name| !keys.iter().any(|key| key == name)), "{keys:?}");
        assert!(ServeRows::is_path("certs") && ServeRows::is_path("log-file") && !ServeRows::is_path("bind"));
    }

    #[test]
    fn a_wrong_value_says_what_is_allowed() {
        let refused = |name, value: &str| ServeRows::default().set(name, vec![value.to_owned()]).unwrap_err();
        assert!(refused("max-sessions", "0").contains("1..=65536"), "{}", refused("max-sessions", "0"));
        assert_eq!(refused("penalties", "some"), "possible values: off, remote, all");
        assert!(refused("drain", "soon").contains("90s"));
        assert_eq!(refused("strict-modes", "maybe"), "possible values: true, false");
    }

    #[test]
    fn what_changed_is_named_once() {
        let former = rows(&[("max-sessions", "7"), ("drain", "1s")]);
        let next = rows(&[("max-sessions", "8"), ("store", "x"), ("drain", "1s")]);
        assert_eq!(next.differing(&former).into_iter().collect::<Vec<_>>(), ["max-sessions", "store"]);
    }
}
