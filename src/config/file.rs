//! Reads the file of defaults and presets; an error names the line.
//!
//! ```toml
//! padding = "oaep"            # a default for every server
//!
//! [peers.lab]                 # --peer lab
//! to = "10.0.0.7:4321"
//! protocol = "cp1"
//! framing = "D"
//! ca = "lab-ca.crt"           # beside this file; `~/` is the home folder
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use strum::VariantArray as _;
use toml_edit::{Document, Item, TableLike, Value};

use super::{ConfigError, Layer, ReportLayer, ScreenLayer, Setting};
use crate::cli::ServeRows;
use crate::folders;
use crate::messages::{escape, nearest};

/// The rule for names of presets.
pub(super) const NAMES: &str = "a name is 1 to 40 letters, digits, dots, hyphens and underscores";

/// Returns whether this is a name for a preset.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=40).contains(&name.len()) && name.chars().all(allowed)
}

/// A saved server: a name and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Name for `--peer`.
    pub name: String,
    /// Settings of the preset.
    pub layer: Layer,
}

/// Keys of the user for one action: an entry of a table `[keys.CONTEXT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnKeys {
    /// Context, as written.
    pub context: String,
    /// Action, as written.
    pub action: String,
    /// Keys, as written.
    pub keys: Vec<String>,
    /// Line in the file, counted from 1.
    pub line: usize,
}

/// The file of defaults and presets. A missing file is empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    /// Where it is or would be; `None` if nothing says so.
    pub path: Option<PathBuf>,
    /// Defaults for every server.
    pub defaults: Layer,
    /// Presets in the order of the file.
    pub peers: Vec<Peer>,
    /// Table `[ui]`.
    pub screen: ScreenLayer,
    /// Table `[report]`.
    pub report: ReportLayer,
    /// Tables `[keys.CONTEXT]`.
    pub keys: Vec<OwnKeys>,
    /// Text of the file, for editing.
    pub(super) text: String,
}

impl File {
    /// Reads the user's file.
    pub(crate) fn load() -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { path: "UPSEAL_CONFIG".into(), error };
        match folders::settings().map_err(unreadable)? {
            Some(path) => Self::read(path),
            None => Ok(Self::default()),
        }
    }

    /// Reads the file at `path`.
    pub(crate) fn read(path: PathBuf) -> Result<Self, ConfigError> {
        Self::parse(text_of(&path)?, path)
    }

    /// Parses the text of a file. Paths in it are relative to the folder of `path`.
    pub(super) fn parse(text: String, path: PathBuf) -> Result<Self, ConfigError> {
        let reader = Reader { text: &text, path: &path };
        let document = Document::parse(text.as_str()).map_err(|error| reader.not_toml(&error))?;
        let defaults = reader.layer(document.as_table(), true)?;
        let peers = match document.get("peers") {
            None => Vec::new(),
            Some(item) => reader.peers(item)?,
        };
        let screen = document.get("ui").map_or(Ok(ScreenLayer::default()), |item| reader.screen(item))?;
        let report = document.get("report").map_or(Ok(ReportLayer::default()), |item| reader.report(item))?;
        document.get("serve").map_or(Ok(ServeRows::default()), |item| reader.serve(item))?;
        let keys = document.get("keys").map_or(Ok(Vec::new()), |item| reader.keys(item))?;
        Ok(Self { path: Some(path), defaults, peers, screen, report, keys, text })
    }

    /// Returns the settings of a preset.
    pub(crate) fn peer(&self, name: &str) -> Result<&Layer, ConfigError> {
        let found = self.peers.iter().find(|peer| peer.name == name);
        found.map(|peer| &peer.layer).ok_or_else(|| ConfigError::UnknownPeer {
            name: escape(name).to_string(),
            path: self.path.clone(),
            known: self.peers.iter().map(|peer| peer.name.clone()).collect(),
        })
    }
}

/// Returns the text of a file; a missing file is empty.
pub(super) fn text_of(path: &Path) -> Result<String, ConfigError> {
    let path = path.to_owned();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        // Some accounts have a home that is not a folder.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Vec::new()
        }
        Err(error) => return Err(ConfigError::Unreadable { path, error }),
    };
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = line(error.as_bytes(), good);
        ConfigError::Wrong { path, line, what: "not UTF-8".to_owned(), allowed: "TOML is UTF-8".to_owned() }
    })
}

/// Tables at the top of the file.
const TABLES: [&str; 5] = ["peers", "serve", "ui", "report", "keys"];

/// Reads tables, and reports errors with their lines.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
}

/// Bytes of the file.
pub(super) type Span = Option<std::ops::Range<usize>>;

impl Reader<'_> {
    fn peers(&self, item: &Item) -> Result<Vec<Peer>, ConfigError> {
        let Some(table) = item.as_table_like() else {
            return Err(self.wrong(
                item.span(),
                "`peers` is not a table",
                "a preset begins with [peers.NAME]",
            ));
        };
        let mut peers = Vec::with_capacity(table.len());
        for (name, item) in table.iter() {
            let span = table.key(name).and_then(toml_edit::Key::span).or(item.span());
            let Some(preset) = item.as_table_like() else {
                let what = format!("`{}` in `peers` is not a table", escape(name));
                return Err(self.wrong(span, &what, "a preset begins with [peers.NAME]"));
            };
            if !is_name(name) {
                let what = format!("invalid preset name '{}'", escape(name));
                return Err(self.wrong(span, &what, NAMES));
            }
            peers.push(Peer { name: name.to_owned(), layer: self.layer(preset, false)? });
        }
        Ok(peers)
    }

    /// Reads the table `[ui]`.
    fn screen(&self, item: &Item) -> Result<ScreenLayer, ConfigError> {
        let Some(table) = item.as_table_like() else {
            return Err(self.wrong(item.span(), "`ui` is not a table", "it begins with [ui]"));
        };
        let mut screen = ScreenLayer::default();
        for (name, item) in table.iter() {
            let span = table.key(name).and_then(toml_edit::Key::span).or(item.span());
            if !ScreenLayer::KEYS.contains(&name) {
                let hint = known_keys(name, ScreenLayer::KEYS);
                return Err(self.wrong(span, &format!("unknown key `{}` in `ui`", escape(name)), &hint));
            }
            let text = match item.as_value() {
                Some(Value::String(text)) => text.value().clone(),
                Some(Value::Boolean(value)) => value.value().to_string(),
                _ => String::new(),
            };
            screen.set(name, &text).map_err(|allowed| {
                self.wrong(item.span(), &format!("invalid value '{}' of `{name}`", escape(&text)), &allowed)
            })?;
        }
        // A theme's file lies beside this one.
        let is_file = |theme: &String| Path::new(theme).extension().is_some_and(|end| end == "toml");
        screen.theme = screen.theme.map(|theme| {
            let is_file = is_file(&theme);
            if is_file { self.resolve(Path::new(&theme)).to_string_lossy().into_owned() } else { theme }
        });
        Ok(screen)
    }

    /// Reads the table `[report]`.
    fn report(&self, item: &Item) -> Result<ReportLayer, ConfigError> {
        let Some(table) = item.as_table_like() else {
            return Err(self.wrong(item.span(), "`report` is not a table", "it begins with [report]"));
        };
        let mut report = ReportLayer::default();
        for (name, item) in table.iter() {
            let span = table.key(name).and_then(toml_edit::Key::span).or(item.span());
            let Some(field) = report.field(name) else {
                let hint = known_keys(name, ReportLayer::KEYS);
                return Err(self.wrong(span, &format!("unknown key `{}` in `report`", escape(name)), &hint));
            };
            let Some(text) = item.as_str() else {
                let what = format!("the value of `{name}` is not a string");
                return Err(self.wrong(item.span(), &what, "write it in quotes"));
            };
            *field = Some(text.to_owned());
        }
        Ok(report)
    }

    /// Reads the tables `[keys.CONTEXT]`. What the words mean is known to the screen only.
    fn keys(&self, item: &Item) -> Result<Vec<OwnKeys>, ConfigError> {
        const FORM: &str = "for example [keys.browser], then upload = [\"u\"]";
        let wrong = |item: &Item, what: String| self.wrong(item.span(), &what, FORM);
        let contexts = item.as_table_like().ok_or_else(|| wrong(item, "`keys` is not a table".to_owned()))?;
        let mut all = Vec::new();
        for (context, item) in contexts.iter() {
            let table = item
                .as_table_like()
                .ok_or_else(|| wrong(item, format!("`{}` in `keys` is not a table", escape(context))))?;
            for (action, item) in table.iter() {
                let no_list =
                    || wrong(item, format!("the value of `{}` is not a list of keys", escape(action)));
                let list = item.as_array().ok_or_else(no_list)?;
                let keys: Option<Vec<String>> =
                    list.iter().map(|value| value.as_str().map(str::to_owned)).collect();
                let line = line(self.text.as_bytes(), item.span().map_or(0, |span| span.start));
                let (context, action) = (context.to_owned(), action.to_owned());
                all.push(OwnKeys { context, action, keys: keys.ok_or_else(no_list)?, line });
            }
        }
        Ok(all)
    }

    /// Reads the keys of a preset, or of the top of the file.
    fn layer(&self, table: &dyn TableLike, top: bool) -> Result<Layer, ConfigError> {
        let mut layer = Layer::default();
        let allowed = |key: &Setting| !(top && key.is_of_one_server());
        for (name, item) in table.iter().filter(|(name, _)| !(top && TABLES.contains(name))) {
            let Some(key) = Setting::VARIANTS.iter().copied().filter(allowed).find(|key| key.name() == name)
            else {
                let span = table.key(name).and_then(toml_edit::Key::span).or(item.span());
                let known: Vec<&str> =
                    Setting::VARIANTS.iter().copied().filter(allowed).map(Setting::name).collect();
                let mut hint = known_keys(name, &known);
                hint.push_str(match (top, item.is_table_like()) {
                    (true, _) => ", and [peers.NAME], [serve], [ui], [report], [keys.CONTEXT]",
                    (false, true) => "; quote a preset's name that has a dot: [peers.\"a.b\"]",
                    (false, false) => "",
                });
                return Err(self.wrong(span, &format!("unknown key `{}`", escape(name)), &hint));
            };
            let value = match item.as_value() {
                Some(Value::String(text)) => text.value().clone(),
                Some(Value::Integer(number))
                    if matches!(key, Setting::KeyLengthBytes | Setting::Terminator | Setting::Jobs) =>
                {
                    number.value().to_string()
                }
                _ => {
                    let what = format!("the value of `{name}` is not a string");
                    return Err(self.wrong(item.span(), &what, "write it in quotes"));
                }
            };
            layer.set(key, &value).map_err(|allowed| {
                self.wrong(item.span(), &format!("invalid value '{}' of `{name}`", escape(&value)), &allowed)
            })?;
        }
        layer.ca = layer.ca.map(|ca| self.resolve(&ca));
        if layer.clone().with_link().is_err() {
            let span = table.get("pin").and_then(Item::span);
            return Err(self.wrong(span, "the link and the pin name different keys", "leave out `pin`"));
        }
        Ok(layer)
    }

    /// Resolves a path: relative to the file's folder, or `~` for the home folder.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), std::env::home_dir()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.path.parent().unwrap_or(Path::new("")).join(path),
        }
    }

    /// Returns the error of a text that is not TOML.
    pub(super) fn not_toml(&self, error: &toml_edit::TomlError) -> ConfigError {
        self.wrong(error.span(), &one_line(error.message()), "not valid TOML")
    }

    pub(super) fn wrong(&self, span: Span, what: &str, allowed: &str) -> ConfigError {
        let line = line(self.text.as_bytes(), span.map_or(0, |span| span.start));
        ConfigError::Wrong {
            path: self.path.to_owned(),
            line,
            what: what.to_owned(),
            allowed: allowed.to_owned(),
        }
    }
}

/// Returns the line of the byte at `offset`, counted from 1.
fn line(text: &[u8], offset: usize) -> usize {
    1 + text.iter().take(offset).filter(|byte| **byte == b'\n').count()
}

/// Lists the known keys, the nearest one first.
pub(super) fn known_keys(name: &str, known: &[&str]) -> String {
    let near = nearest(name, known.iter().copied());
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    format!("{near}known keys: {}", known.join(", "))
}

/// Joins the lines of a parser's message.
fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
