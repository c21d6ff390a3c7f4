//! File names from the wire: made safe, or refused.

use std::fmt;
use std::iter;

use thiserror::Error;

use crate::digest::Digest;
use crate::messages::{Escaped, escape};

/// Longest name, in bytes, that common file systems accept.
pub(crate) const MAX_BYTES: usize = 255;

/// Longest path of a file in the store, in bytes, and its most parts.
pub(crate) const MAX_PATH_BYTES: usize = 1024;
pub(crate) const MAX_PARTS: usize = 64;

/// Number of the last numbered copy of a name, `a (99).txt`. Later copies get a digest in their names
/// ([`FileName::marked`]), so that looking at all copies of a name has a small bound.
pub(crate) const LAST_COPY: u32 = 99;

/// Number of the last copy that earlier versions gave; a client still recognises it.
const LAST_COPY_BEFORE: u32 = 9999;

/// Hexadecimal digits of a file's SHA-256 in the name of a copy beyond the numbered ones.
const DIGEST_MARK: usize = 8;
/// Random hexadecimal digits in the name of a copy whose other names are all taken.
const RANDOM_MARK: usize = 16;

/// Prefix of the names of unfinished files.
pub(super) const UNFINISHED_PREFIX: &str = ".upseal-";

/// Names that are refused although this system could store them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portability {
    /// No such name is refused.
    ThisSystem,
    /// Names that Windows cannot store: devices, `< > : " | ? *`, control characters, a dot or a space at the end.
    Windows,
}

impl Default for Portability {
    fn default() -> Self {
        if cfg!(windows) { Self::Windows } else { Self::ThisSystem }
    }
}

/// The name of a file in a store: one component of a path, or several with `/` between them.
///
/// Each component has 1 to 255 bytes of UTF-8; no `/`, `\` or NUL; not `.` or `..`; not the name of an unfinished file. Names that only
/// another system does not accept are refused by [`check`](Self::check). All other characters are kept as they came,
/// including control characters, so a name must be displayed through `Display`, which [escapes](escape) it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// Parses what follows the last `/` or `\` of the M2 of a MODE 0.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        let text = str::from_utf8(wire).map_err(|error| NameError::NotUtf8 { at: error.valid_up_to() })?;
        // Clients often send a path as typed (docs/protocol.md, section "Modes").
        let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
        Self::check_component(name).map(|()| Self(name.to_owned()))
    }

    /// Parses a path inside the store, as our client sends it to a server that keeps paths. Nothing of it is left out
    /// or changed: `..`, an empty part and a backslash are errors.
    pub fn from_path(wire: &[u8]) -> Result<Self, NameError> {
        if wire.len() > MAX_PATH_BYTES {
            return Err(NameError::LongPath { bytes: wire.len() });
        }
        let text = str::from_utf8(wire).map_err(|error| NameError::NotUtf8 { at: error.valid_up_to() })?;
        if text.contains('\\') {
            return Err(NameError::Backslash { name: text.to_owned() });
        }
        let parts = text.split('/').count();
        if parts > MAX_PARTS {
            return Err(NameError::Deep { parts });
        }
        text.split('/').try_for_each(Self::check_component)?;
        Ok(Self(text.to_owned()))
    }

    /// Checks one component.
    fn check_component(name: &str) -> Result<(), NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_BYTES {
            return Err(NameError::TooLong { bytes: name.len() });
        }
        if let Some(at) = name.find('\0') {
            return Err(NameError::Nul { at });
        }
        if name.chars().all(|c| matches!(c, '.' | ' ')) {
            return Err(NameError::Blank { name: name.to_owned() });
        }
        if name
            .get(..UNFINISHED_PREFIX.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(UNFINISHED_PREFIX))
        {
            return Err(NameError::Unfinished { name: name.to_owned() });
        }
        Ok(())
    }

    /// Returns the folder in the store, with `/` between its parts. `None`: the store's own folder.
    #[must_use]
    pub(crate) fn folder(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(folder, _)| folder)
    }

    /// Returns the name in its folder, unescaped.
    #[must_use]
    pub(crate) fn leaf(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Returns the last part of this name in a folder of the store.
    #[must_use]
    pub(crate) fn in_folder(&self, folder: &str) -> Self {
        Self(format!("{folder}/{}", self.leaf()))
    }

    /// Returns this name in the folder of another.
    fn in_folder_of(self, other: &Self) -> Self {
        other.folder().map(|folder| self.in_folder(folder)).unwrap_or(self)
    }

    /// Checks whether a server with these rules takes the name.
    ///
    /// # Errors
    /// [`NameError::Device`], or [`NameError::NotPortable`] with the first character that Windows does not accept.
    pub fn check(&self, portability: Portability) -> Result<(), NameError> {
        if portability == Portability::ThisSystem {
            return Ok(());
        }
        let strange = |c: &char| matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') || c.is_ascii_control();
        for name in self.0.split('/') {
            if is_device(name) {
                return Err(NameError::Device { name: name.to_owned() });
            }
            let last = name.chars().next_back().filter(|c| matches!(c, '.' | ' '));
            if let Some(what) = name.chars().find(strange).or(last) {
                return Err(NameError::NotPortable { name: name.to_owned(), what });
            }
        }
        Ok(())
    }

    /// Returns the name as it is on disk, unescaped.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of copy `number`: `a.txt` gives `a (2).txt`. Returns `None` outside 2 to [`LAST_COPY`].
    ///
    /// The number goes before the extension: what follows the last dot, if that is 1 to 16 bytes of letters and
    /// digits and something stands before the dot. A `.tar` before it belongs to it. Examples: `archive (2).tar.gz`,
    /// `.bashrc (2)`, `notes (2)`, `v1.2 draft (2)`. A stem that makes the name longer than 255 bytes is cut at a
    /// character, so the extension stays.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<Self> {
        (2..=LAST_COPY).contains(&number).then(|| self.before_extension(&format!(" ({number})")))
    }

    /// Returns the name of the copy with this content that follows the numbered ones: `a.txt` gives
    /// `a 3f2a9c41.txt`, with the first digits of the content's SHA-256.
    #[must_use]
    pub fn marked(&self, digest: Digest) -> Self {
        self.before_extension(&format!(" {}", &digest.to_string()[..DIGEST_MARK]))
    }

    /// Returns the name of a copy whose other names are all taken: `a 0123456789abcdef.txt`. The digits are
    /// random, so no client can take the name beforehand.
    #[must_use]
    pub fn marked_at_random(&self, random: u64) -> Self {
        self.before_extension(&format!(" {random:016x}"))
    }

    /// Inserts `mark`, at most 17 bytes, before the extension.
    fn before_extension(&self, mark: &str) -> Self {
        let (stem, extension) = self.leaf().split_at(self.extension());
        // Mark and extension are at most 38 bytes (17, 17 and 4), so most of the stem stays, and with it what made
        // the name valid: the result is neither a device nor the name of an unfinished file.
        let mut end = stem.len().min(MAX_BYTES - mark.len() - extension.len());
        while !stem.is_char_boundary(end) {
            end -= 1;
        }
        Self(format!("{}{mark}{extension}", &stem[..end])).in_folder_of(self)
    }

    /// Returns the name with a prefix: `recv_a.txt`. A stem that makes it longer than 255 bytes is cut at a
    /// character, so the extension stays.
    ///
    /// # Errors
    /// The result is not a valid name, or the prefix is too long.
    pub fn with_prefix(&self, prefix: &str) -> Result<Self, NameError> {
        if prefix.contains(['/', '\\']) {
            return Err(NameError::Separator { prefix: prefix.to_owned() });
        }
        let (stem, extension) = self.leaf().split_at(self.extension());
        let room = MAX_BYTES.saturating_sub(prefix.len() + extension.len());
        let mut end = stem.len().min(room);
        while !stem.is_char_boundary(end) {
            end -= 1;
        }
        Self::from_wire(format!("{prefix}{}{extension}", &stem[..end]).as_bytes())
            .map(|name| name.in_folder_of(self))
    }

    /// Returns the name and its numbered copies, in the order in which they are tried.
    pub fn candidates(&self) -> impl Iterator<Item = Self> {
        iter::once(self.clone()).chain((2..).map_while(|number| self.numbered(number)))
    }

    /// Returns whether a server that received this name may have stored the file as `there`: unchanged, with a prefix
    /// of its own, as a numbered copy, or as a copy with a digest in its name.
    #[must_use]
    pub fn may_become(&self, there: &str) -> bool {
        if self.0 == there {
            return true;
        }
        let there = match (self.folder(), there.rsplit_once('/')) {
            (None, None) => there,
            (Some(folder), Some((its, there))) if folder_may_become(folder, its) => there,
            _ => return false,
        };
        let name = Self(self.leaf().to_owned());
        name.leaf_may_become(there)
    }

    fn leaf_may_become(&self, there: &str) -> bool {
        // The server chooses `there`, and each of its characters is tried.
        if there.len() > MAX_BYTES {
            return false;
        }
        let mut marks: Vec<String> = there
            .match_indices(" (")
            .filter_map(|(at, open)| there[at + open.len()..].split_once(')')?.0.parse().ok())
            .filter(|number| (2..=LAST_COPY_BEFORE).contains(number))
            .map(|number| format!(" ({number})"))
            .collect();
        marks.extend(there.match_indices(' ').filter_map(|(at, _)| {
            let digits =
                there[at + 1..].bytes().take_while(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')).count();
            matches!(digits, DIGEST_MARK | RANDOM_MARK).then(|| there[at..=at + digits].to_owned())
        }));
        let is_there =
            |name: &Self| name.0 == there || marks.iter().any(|mark| name.before_extension(mark).0 == there);
        is_there(self)
            || there
                .char_indices()
                .skip(1)
                .any(|(at, _)| self.with_prefix(&there[..at]).is_ok_and(|name| is_there(&name)))
    }

    /// Returns the position of the extension in the last component, its dot included, or the length if there is none.
    fn extension(&self) -> usize {
        let name = self.leaf();
        let Some(dot) = last_dot(name) else { return name.len() };
        match last_dot(&name[..dot]) {
            Some(tar) if name[tar..dot].eq_ignore_ascii_case(".tar") => tar,
            _ => dot,
        }
    }
}

/// Returns whether a server may have made the folder `there` for `folder`: each part unchanged, or numbered because a
/// file has its name.
fn folder_may_become(folder: &str, there: &str) -> bool {
    let may = |(part, there): (&str, &str)| {
        let part = FileName(part.to_owned());
        part.0 == there || part.candidates().any(|copy| copy.0 == there)
    };
    folder == there
        || (there.len() <= MAX_PATH_BYTES
            && folder.split('/').count() == there.split('/').count()
            && folder.split('/').zip(there.split('/')).all(may))
}

fn last_dot(name: &str) -> Option<usize> {
    let (stem, extension) = name.rsplit_once('.')?;
    let fits = (1..=16).contains(&extension.len()) && extension.chars().all(char::is_alphanumeric);
    (fits && !stem.is_empty()).then_some(stem.len())
}

/// Returns whether Windows would open a device by this name. It ignores case, everything after the first dot, and
/// spaces before the dot. Such a file could not be copied to Windows.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        port => port
            .strip_prefix("COM")
            .or_else(|| port.strip_prefix("LPT"))
            .is_some_and(|n| matches!(n, "¹" | "²" | "³") || matches!(n.as_bytes(), [b'0'..=b'9'])),
    }
}

impl FileName {
    /// Returns the name as it is shown.
    #[must_use]
    pub fn escaped(&self) -> Escaped {
        escape(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.escaped(), f)
    }
}

/// Why a name from the wire is refused. The peer must act.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing follows the last separator.
    #[error("the file's name is empty")]
    Empty,
    /// The name is not UTF-8.
    #[error("the file's name is not UTF-8 (byte {at})")]
    NotUtf8 {
        /// Position of the first invalid byte in M2.
        at: usize,
    },
    /// A path is longer than the store accepts.
    #[error("the file's path has {bytes} bytes (supported: 1 to {MAX_PATH_BYTES})")]
    LongPath {
        /// Length in bytes.
        bytes: usize,
    },
    /// A path has too many parts.
    #[error("the file's path has {parts} parts (supported: 1 to {MAX_PARTS})")]
    Deep {
        /// Number of parts.
        parts: usize,
    },
    /// A path contains a backslash, which some systems take for a separator.
    #[error("the file's path \"{}\" contains a backslash", escape(name))]
    Backslash {
        /// The path.
        name: String,
    },
    /// A path came, and the server keeps no folders.
    #[error("the file's path \"{}\" has folders, which this server does not keep", escape(name))]
    Unwanted {
        /// The path.
        name: String,
    },
    /// The client described the file in a form that this server does not know.
    #[error("the description of the file is malformed")]
    Malformed,
    /// The name is longer than file systems accept.
    #[error("the file's name has {bytes} bytes (supported: 1 to {MAX_BYTES})")]
    TooLong {
        /// Length in bytes, without the path before it.
        bytes: usize,
    },
    /// The name contains a NUL, which ends a name for the system.
    #[error("the file's name contains a NUL (byte {at})")]
    Nul {
        /// Position of the NUL in M2.
        at: usize,
    },
    /// The name is `.`, `..`, or another name of dots and spaces that some systems treat like these.
    #[error("the file's name {name:?} consists of dots and spaces only")]
    Blank {
        /// The name.
        name: String,
    },
    /// The name of a device on Windows, with any extension.
    #[error("the file's name \"{}\" is the name of a device", escape(name))]
    Device {
        /// The name.
        name: String,
    },
    /// The name contains something that Windows does not accept.
    #[error("the file's name \"{}\" contains {}, which Windows does not accept", escape(name), what.escape_debug())]
    NotPortable {
        /// The name.
        name: String,
        /// The character that is not accepted.
        what: char,
    },
    /// The prefix contains a separator.
    #[error("the prefix \"{}\" contains a separator", escape(prefix))]
    Separator {
        /// The prefix.
        prefix: String,
    },
    /// The name is reserved for unfinished files.
    #[error("the file's name \"{}\" is reserved for unfinished files", escape(name))]
    Unfinished {
        /// The name.
        name: String,
    },
}

#[cfg(test)]
mod tests;
