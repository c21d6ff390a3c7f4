//! The user's own keys: a preset, changed by the file's `[keys.CONTEXT]` tables.

use std::fmt::Write as _;

use crossterm::event::KeyCode;

use super::keymap::{self, Action, Binding, Context, Key, Place, TABLE, ctrl, key, on};
use super::palette::known;
use crate::messages::escape;

/// Keys for one action in one context, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rebind {
    /// Context, such as `browser`.
    pub context: String,
    /// Action, such as `upload`.
    pub action: String,
    /// Names of the keys, such as `u`, `Space` or `Ctrl-u`.
    pub keys: Vec<String>,
}

/// Error in the user's own keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeysError {
    /// Index of the [`Rebind`] that is wrong; `None` for the preset.
    pub at: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What is allowed.
    pub help: String,
}

/// Changes that a preset makes: context, action, keys.
type Preset = &'static [(&'static str, &'static str, &'static [&'static str])];

/// The presets besides `default`.
const PRESETS: &[(&str, Preset)] = &[
    ("default", &[]),
    (
        "vim",
        &[
            ("list", "page-down", &["PgDn", "Ctrl-f"]),
            ("list", "page-up", &["PgUp", "Ctrl-b"]),
            ("scroll", "page-down", &["PgDn", "Space", "Ctrl-f"]),
            ("scroll", "page-up", &["PgUp", "Ctrl-b"]),
            ("browser", "upload", &["U"]),
            ("browser", "half-up", &["Ctrl-u"]),
        ],
    ),
    (
        "termscp",
        &[
            ("browser", "upload", &["Space"]),
            ("browser", "mark", &["m"]),
            ("browser", "parent", &["u", "Left", "Bksp"]),
            ("browser", "half-up", &["Ctrl-u"]),
            ("everywhere", "quit", &["q", "F10"]),
        ],
    ),
];

/// Returns the names of the presets.
pub(crate) fn presets() -> impl Iterator<Item = &'static str> + Clone {
    PRESETS.iter().map(|(name, _)| *name)
}

/// Uses a preset and the user's changes from now on.
///
/// # Errors
/// An unknown name, or a key with two meanings in one place. Nothing has changed.
pub(crate) fn use_keys(preset: &str, rebinds: &[Rebind]) -> Result<(), KeysError> {
    let table = table(preset, rebinds)?;
    keymap::set(table);
    Ok(())
}

fn table(preset: &str, rebinds: &[Rebind]) -> Result<Vec<Binding>, KeysError> {
    let error = |at, what: String, help: String| KeysError { at, what, help };
    let Some((_, changes)) = PRESETS.iter().find(|(name, _)| *name == preset) else {
        let what = format!("unknown keys '{}'", escape(preset));
        return Err(error(None, what, known(preset, presets())));
    };
    let mut table = TABLE.to_vec();
    let of_preset = changes.iter().map(|(context, action, keys)| {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        (None, Rebind { context: (*context).to_owned(), action: (*action).to_owned(), keys })
    });
    let own = rebinds.iter().cloned().enumerate().map(|(at, rebind)| (Some(at), rebind));
    for (at, rebind) in of_preset.chain(own) {
        change(&mut table, &rebind).map_err(|(what, help)| error(at, what, help))?;
        if let Some((what, help)) = clash(&table).filter(|_| at.is_some_and(|at| at + 1 == rebinds.len())) {
            return Err(error(at, what, help));
        }
    }
    match clash(&table) {
        Some((what, help)) => Err(error(None, what, help)),
        None => Ok(table),
    }
}

/// Gives an action other keys: its first row gets them, and rows that repeat the action lose theirs.
fn change(table: &mut [Binding], rebind: &Rebind) -> Result<(), (String, String)> {
    let (context, action) = (rebind.context.as_str(), rebind.action.as_str());
    if !table.iter().any(|row| context_name(row.context) == context) {
        let names = TABLE.iter().map(|row| context_name(row.context));
        return Err((format!("unknown context '{}'", escape(context)), known(context, unique(names))));
    }
    let keys = rebind
        .keys
        .iter()
        .map(|name| parse(name).ok_or_else(|| (format!("unknown key '{}'", escape(name)), KEYS.to_owned())));
    let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
    // The table lives as long as the program.
    let keys: &'static [Key] = Vec::leak(keys);
    let mut rows = table
        .iter_mut()
        .filter(|row| context_name(row.context) == context && action_name(row.action) == action);
    let Some(first) = rows.next() else {
        let names = TABLE.iter().filter(|row| context_name(row.context) == context);
        let names: Vec<String> = names.map(|row| action_name(row.action)).collect();
        let help = known(action, unique(names.iter().map(String::as_str)));
        return Err((format!("unknown action '{}' of the context '{context}'", escape(action)), help));
    };
    first.keys = keys;
    rows.for_each(|row| row.keys = &[]);
    Ok(())
}

/// Finds a key with two meanings in one place, or an answer that no key gives.
fn clash(table: &[Binding]) -> Option<(String, String)> {
    for place in Place::ALL {
        let here = || table.iter().filter(|row| place.stack().contains(&row.context));
        let mut seen: Vec<(Key, Action)> = Vec::new();
        for (key, row) in here().flat_map(|row| row.keys.iter().map(move |key| (*key, row))) {
            if let Some((_, other)) = seen.iter().find(|(known, other)| *known == key && *other != row.action)
            {
                let what =
                    format!("{key} means both {} and {}", action_name(*other), action_name(row.action));
                return Some((what, "give one of the two another key".to_owned()));
            }
            seen.push((key, row.action));
        }
        let closes =
            |row: &&Binding| matches!(row.action, Action::Close | Action::No) && !row.keys.is_empty();
        if here().find(closes).is_none() {
            let what = "no key closes a dialog".to_owned();
            return Some((what, "leave Esc to `close` and `no`".to_owned()));
        }
    }
    None
}

fn context_name(context: Context) -> &'static str {
    context.into()
}

fn action_name(action: Action) -> String {
    match action {
        Action::Recent(number) => format!("recent-{number}"),
        action => <&'static str>::from(action).to_owned(),
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> + Clone {
    let mut seen: Vec<&str> = Vec::new();
    names.for_each(|name| {
        if !seen.contains(&name) {
            seen.push(name);
        }
    });
    seen.into_iter()
}

const KEYS: &str = "a key is a character, Space, Enter, Esc, Tab, S-Tab, Up, Down, Left, Right, PgUp, PgDn, Home, End, \
                    Bksp, Del, Ins, F1 to F12, or Ctrl- and a character";

pub(super) fn parse(name: &str) -> Option<Key> {
    if let Some(rest) = name.strip_prefix("Ctrl-") {
        let mut chars = rest.chars();
        return chars.next().filter(|_| chars.next().is_none()).map(|c| ctrl(c.to_ascii_lowercase()));
    }
    let code = match name {
        "Space" => KeyCode::Char(' '),
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "S-Tab" => KeyCode::BackTab,
        "Up" | "↑" => KeyCode::Up,
        "Down" | "↓" => KeyCode::Down,
        "Left" | "←" => KeyCode::Left,
        "Right" | "→" => KeyCode::Right,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "Bksp" => KeyCode::Backspace,
        "Del" => KeyCode::Delete,
        "Ins" => KeyCode::Insert,
        name => {
            let number = name.strip_prefix('F').and_then(|number| number.parse().ok());
            if let Some(number @ 1..=12) = number {
                return Some(on(KeyCode::F(number)));
            }
            let mut chars = name.chars();
            return chars.next().filter(|c| chars.next().is_none() && !c.is_control()).map(key);
        }
    };
    Some(on(code))
}

/// Returns all keys in use as the tables of a configuration file, with the action's description behind each.
pub(crate) fn print() -> String {
    let mut text = String::new();
    let table = keymap::table();
    for context in unique(table.iter().map(|row| context_name(row.context))) {
        let _ = writeln!(text, "[keys.{context}]");
        let rows = || table.iter().filter(|row| context_name(row.context) == context);
        let actions: Vec<String> = rows().map(|row| action_name(row.action)).collect();
        for action in unique(actions.iter().map(String::as_str)) {
            let same = || rows().filter(|row| action_name(row.action) == action);
            let keys: Vec<String> = same()
                .flat_map(|row| row.keys)
                .map(|key| toml_edit::Value::from(key.to_string()).to_string().trim().to_owned())
                .collect();
            let words = same().next().map_or("", |row| row.words);
            let _ = writeln!(text, "{action} = [{}]  # {words}", keys.join(", "));
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebind(context: &str, action: &str, keys: &[&str]) -> Rebind {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Rebind { context: context.to_owned(), action: action.to_owned(), keys }
    }

    fn found(table: &[Binding], place: Place, key: &str) -> Option<String> {
        let key = parse(key).unwrap();
        let here = table.iter().filter(|row| place.stack().contains(&row.context));
        here.filter(|row| row.keys.contains(&key)).map(|row| action_name(row.action)).next()
    }

    #[test]
    fn every_preset_is_a_table_without_a_clash() {
        for preset in presets() {
            keymap::tests::no_slip(&table(preset, &[]).unwrap_or_else(|error| panic!("{preset}: {error:?}")));
        }
        let termscp = table("termscp", &[]).unwrap();
        assert_eq!(found(&termscp, Place::Browser, "Space").as_deref(), Some("upload"));
        assert_eq!(found(&termscp, Place::Browser, "u").as_deref(), Some("parent"));
        let vim = table("vim", &[]).unwrap();
        assert_eq!(found(&vim, Place::Browser, "Ctrl-f").as_deref(), Some("page-down"));
        for table in [termscp, vim] {
            assert_eq!(found(&table, Place::Browser, "Ctrl-u").as_deref(), Some("half-up"));
        }
    }

    #[test]
    fn own_keys_replace_those_of_the_table() {
        let own = [rebind("browser", "upload", &["F5", "U"])];
        let table = table("default", &own).unwrap();
        assert_eq!(found(&table, Place::Browser, "F5").as_deref(), Some("upload"));
        assert_eq!(found(&table, Place::Browser, "u"), None);
        // Closing an alarm has two rows, of which one has other keys.
        let table = super::table("default", &[rebind("alarm", "close", &["x"])]).unwrap();
        let keys: Vec<&Key> =
            table.iter().filter(|row| row.context == Context::Alarm).flat_map(|row| row.keys).collect();
        assert!(keys.contains(&&key('x')) && !keys.contains(&&ctrl('c')), "{keys:?}");
    }

    #[test]
    fn errors_name_the_line_and_the_nearest_word() {
        for (own, what, help) in [
            (rebind("browsr", "upload", &["u"]), "unknown context 'browsr'", "did you mean `browser`?"),
            (rebind("browser", "uplaod", &["u"]), "unknown action 'uplaod'", "did you mean `upload`?"),
            (rebind("browser", "upload", &["Spcae"]), "unknown key 'Spcae'", "a key is a character"),
            (rebind("browser", "upload", &["Space"]), "Space means both", "another key"),
            (rebind("alarm", "close", &[]), "no key closes a dialog", "leave Esc"),
        ] {
            let error = table("default", std::slice::from_ref(&own)).unwrap_err();
            assert!(error.what.contains(what) && error.help.contains(help), "{own:?}: {error:?}");
            assert_eq!(error.at, Some(0));
        }
        let error = table("emacs", &[]).unwrap_err();
        assert!(
            error.what.contains("emacs") && error.help.contains("known: default, vim, termscp"),
            "{error:?}"
        );
    }

    /// What `--print-keymap` prints can be put into the configuration file, and changes nothing there.
    #[test]
    fn what_is_printed_is_read_again() {
        let document = toml_edit::Document::parse(print()).unwrap();
        let keys = document.get("keys").unwrap().as_table_like().unwrap();
        let mut own = Vec::new();
        for (context, item) in keys.iter() {
            for (action, keys) in item.as_table_like().unwrap().iter() {
                let names: Vec<&str> =
                    keys.as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
                own.push(rebind(context, action, &names));
            }
        }
        let again = table("default", &own).unwrap();
        for place in Place::ALL {
            for row in TABLE.iter().filter(|row| place.stack().contains(&row.context)) {
                for key in row.keys {
                    let here = again.iter().filter(|row| place.stack().contains(&row.context));
                    let action = here.clone().find(|row| row.keys.contains(key)).map(|row| row.action);
                    assert_eq!(action, Some(row.action), "{place:?} {key}");
                }
            }
        }
    }
}
