//! Writes a preset into the file or removes it. Everything else in the file stays as it is.

use std::io;

use strum::VariantArray as _;
use toml_edit::{Document, DocumentMut, Item, Table, TableLike, Value};

use super::ConfigError;
use super::file::{File, is_name};
use super::{Layer, Setting};
use crate::files::{Access, LOCK_TIMEOUT, Lock, LockKind, lock, replace};
use crate::messages::escape;

/// What to do with an existing preset of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Keep it and report an error.
    Keep,
    /// Replace its settings; its comments stay.
    Replace,
}

impl File {
    /// Writes a preset into the file, which is created if need be.
    ///
    /// The CA's path must be absolute, because paths in the file are relative to the file's folder.
    pub(crate) fn save(&self, name: &str, layer: &Layer, existing: Existing) -> Result<(), ConfigError> {
        self.edit(|now| now.put(name, layer, existing))
    }

    /// Removes a preset, with the comment directly above it.
    pub(crate) fn remove(&self, name: &str) -> Result<(), ConfigError> {
        self.edit(|now| now.take(name))
    }

    /// Reads the file again under its lock and changes it: another program may have saved since.
    fn edit(&self, change: impl FnOnce(&Self) -> Result<(), ConfigError>) -> Result<(), ConfigError> {
        let path = self.path.as_ref().ok_or(ConfigError::NoPlace)?;
        let unwritable = |error| ConfigError::Unwritable { path: path.clone(), error };
        // Where a file system has no locks, two programs at once may lose one's preset.
        let lock = lock(path, ".lock", LockKind::Exclusive, LOCK_TIMEOUT);
        let _held = lock.and_then(Lock::held).map_err(unwritable)?;
        change(&Self::read(path.clone())?)
    }

    fn put(&self, name: &str, layer: &Layer, existing: Existing) -> Result<(), ConfigError> {
        let taken = self.peers.iter().any(|peer| peer.name == name);
        if !is_name(name) {
            return Err(ConfigError::BadName { name: escape(name).to_string() });
        }
        if taken && existing == Existing::Keep {
            return Err(ConfigError::Taken { name: name.to_owned() });
        }
        if let Some(ca) = layer.ca.as_ref().filter(|ca| ca.to_str().is_none()) {
            return Err(ConfigError::NotText { path: ca.clone() });
        }
        let mut document = self.document()?;
        let peers = document.entry("peers").or_insert_with(|| {
            let mut peers = Table::new();
            peers.set_implicit(true);
            Item::Table(peers)
        });
        // `read` checked that it is a table.
        if let Some(peers) = peers.as_table_like_mut() {
            if !taken {
                peers.insert(name, Item::Table(Table::new()));
            }
            if let Some(preset) = peers.get_mut(name).and_then(Item::as_table_like_mut) {
                fill(preset, layer);
            }
        }
        let meant = |after: &Self| after.peer(name).is_ok_and(|saved| saved == layer);
        self.replace(&document.to_string(), name, meant)
    }

    fn take(&self, name: &str) -> Result<(), ConfigError> {
        self.peer(name)?;
        let mut document = self.document()?;
        let peers = document.get_mut("peers").and_then(Item::as_table_like_mut);
        if let Some(Item::Table(gone)) = peers.and_then(|peers| peers.remove(name)) {
            leave_comments(&mut document, &gone);
        }
        let text = document.to_string();
        self.replace(text.trim_start_matches('\n'), name, |after| after.peer(name).is_err())
    }

    fn document(&self) -> Result<DocumentMut, ConfigError> {
        let unwritable = |error| match &self.path {
            Some(path) => ConfigError::Unwritable { path: path.clone(), error },
            None => ConfigError::NoPlace,
        };
        // `read` parsed it before.
        let document = Document::parse(self.text.clone()).map_err(|e| unwritable(io::Error::other(e)))?;
        Ok(document.into_mut())
    }

    /// Replaces the file atomically.
    ///
    /// The new text is parsed first: the preset `name` must be as meant, and all others unchanged.
    fn replace(&self, text: &str, name: &str, as_meant: impl Fn(&Self) -> bool) -> Result<(), ConfigError> {
        let path = self.path.as_ref().ok_or(ConfigError::NoPlace)?;
        // toml_edit writes \n at its own lines, and keeps \r in comments.
        let mut text = text.replace("\r\n", "\n");
        if self.text.contains("\r\n") {
            text = text.replace('\n', "\r\n");
        }
        let after = Self::parse(text.clone(), path.clone())?;
        let others =
            |file: &Self| -> Vec<_> { file.peers.iter().filter(|peer| peer.name != name).cloned().collect() };
        if after.defaults != self.defaults || others(&after) != others(self) || !as_meant(&after) {
            let error = io::Error::other("its presets are in a form that cannot be edited");
            return Err(ConfigError::Unwritable { path: path.clone(), error });
        }
        replace(path, text.as_bytes(), Access::Private)
            .map_err(|error| ConfigError::Unwritable { path: path.clone(), error })
    }
}

/// Sets a preset to exactly these settings. Its comments stay.
fn fill(preset: &mut dyn TableLike, layer: &Layer) {
    for key in Setting::VARIANTS.iter().copied() {
        let Some(text) = layer.text(key) else {
            preset.remove(key.name());
            continue;
        };
        let mut value = match text.parse::<i64>() {
            Ok(number) if key == Setting::KeyLengthBytes => Value::from(number),
            _ => Value::from(text),
        };
        match preset.get_mut(key.name()).and_then(Item::as_value_mut) {
            Some(old) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            None => {
                preset.insert(key.name(), Item::Value(value));
            }
        }
    }
}

/// Keeps the comments above a removed preset that a blank line separates from it; they move to what follows. The
/// comment directly above the preset goes with it.
fn leave_comments(document: &mut DocumentMut, gone: &Table) {
    let prefix = gone.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let prefix = prefix.replace("\r\n", "\n");
    let Some(end) = prefix.rfind("\n\n") else { return };
    let stays = prefix[..=end].to_owned();
    let next = document.get_mut("peers").and_then(Item::as_table_mut).and_then(|peers| {
        let tables = peers.iter_mut().filter_map(|(_, item)| item.as_table_mut());
        tables.filter(|table| table.position() > gone.position()).min_by_key(|table| table.position())
    });
    if let Some(table) = next {
        let own = table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
        let both = format!("{stays}{own}");
        table.decor_mut().set_prefix(both);
    } else {
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(format!("{stays}{trailing}"));
    }
}
