//! The table `[serve]`: the settings of a server, which it reads again at SIGHUP.

use std::path::Path;

use toml_edit::{Document, Item, Value};

use super::ConfigError;
use super::file::{Reader, known_keys, text_of};
use crate::cli::ServeRows;
use crate::folders;
use crate::messages::escape;

/// Reads the table `[serve]` of the user's file. What the other tables hold is not looked at: a server must not fail
/// because of the looks of a screen.
pub(crate) fn serve_rows() -> Result<ServeRows, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { path: "UPSEAL_CONFIG".into(), error };
    let Some(path) = folders::settings().map_err(unreadable)? else { return Ok(ServeRows::default()) };
    rows_of(&text_of(&path)?, &path)
}

/// Parses the table `[serve]` in the text of a file.
pub(super) fn rows_of(text: &str, path: &Path) -> Result<ServeRows, ConfigError> {
    let reader = Reader { text, path };
    let document = Document::parse(text).map_err(|error| reader.not_toml(&error))?;
    document.get("serve").map_or(Ok(ServeRows::default()), |item| reader.serve(item))
}

impl Reader<'_> {
    /// Reads the table `[serve]`.
    pub(super) fn serve(&self, item: &Item) -> Result<ServeRows, ConfigError> {
        let Some(table) = item.as_table_like() else {
            return Err(self.wrong(item.span(), "`serve` is not a table", "it begins with [serve]"));
        };
        let mut rows = ServeRows::default();
        let keys = ServeRows::keys();
        for (name, item) in table.iter() {
            let span = table.key(name).and_then(toml_edit::Key::span).or(item.span());
            if !keys.iter().any(|key| key == name) {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let what = format!("unknown key `{}` in `serve`", escape(name));
                return Err(self.wrong(span, &what, &known_keys(name, &keys)));
            }
            let values: Option<Vec<String>> = match item.as_value() {
                Some(Value::Array(list)) => list.iter().map(text).collect(),
                Some(value) => text(value).map(|text| vec![text]),
                None => None,
            };
            let Some(mut values) = values.filter(|values| !values.is_empty()) else {
                let what = format!(
                    "the value of `{name}` is not a string, a number, true or false, or a list of them"
                );
                return Err(self.wrong(item.span(), &what, "for example accept = [\"ap\", \"cp2\"]"));
            };
            if ServeRows::is_path(name) {
                for value in &mut values {
                    *value = self.resolve(Path::new(value)).to_string_lossy().into_owned();
                }
            }
            let shown = escape(&values.join(",")).to_string();
            rows.set(name, values).map_err(|allowed| {
                self.wrong(item.span(), &format!("invalid value '{shown}' of `{name}`"), &allowed)
            })?;
        }
        Ok(rows)
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(value) => Some(value.value().to_string()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ServeRows, String> {
        rows_of(text, Path::new("/etc/upseal/config.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_strings_numbers_words_and_lists() {
        let text = "[serve]\nmax-sessions = 7\nstrict-modes = true\naccept = ['ap', 'cp2']\nlog-file = 'a.log'\n[ui]\nx = 1\n";
        let mut expected = ServeRows::default();
        for (name, values) in [
            ("max-sessions", &["7"][..]),
            ("strict-modes", &["true"]),
            ("accept", &["ap", "cp2"]),
            ("log-file", &["/etc/upseal/a.log"]),
        ] {
            expected.set(name, values.iter().map(|value| (*value).to_owned()).collect()).unwrap();
        }
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(""), Ok(ServeRows::default()));
    }

    #[test]
    fn an_error_names_the_line_and_what_is_allowed() {
        for (text, line, words) in [
            ("[serve]\nmax-sesions = 7", 2, "unknown key `max-sesions` in `serve`"),
            ("[serve]\njson = true", 2, "unknown key `json`"),
            ("[serve]\n\nmax-sessions = 0", 3, "invalid value '0' of `max-sessions`"),
            ("[serve]\naccept = ['ap', 'cp9']", 2, "invalid value 'ap,cp9' of `accept`"),
            ("[serve]\naccept = []", 2, "the value of `accept` is not"),
            ("serve = 1", 1, "`serve` is not a table"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(&format!("line {line}: ")) && error.contains(words), "{text:?}: {error}");
        }
    }
}
