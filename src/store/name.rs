//! A name from the wire, made safe, or refused.

use std::fmt;
use std::iter;

use thiserror::Error;

use crate::escape::escape;

/// The longest name, in bytes, that the usual file systems take.
pub const MAX_BYTES: usize = 255;

/// The number of the last copy of a name, `a (9999).txt`: a peer must not make each of its files
/// cost more look-ups than the one before, without end.
pub const LAST_COPY: u32 = 9999;

/// What the names of unfinished files begin with.
pub(super) const UNFINISHED_PREFIX: &str = ".upseal-";

/// The name of a file in a flat folder: one component of a path, and not a special one.
///
/// 1 to 255 bytes of UTF-8; no `/`, `\` or NUL; not `.`, `..` or the name of a device; not one of
/// our own unfinished files. Everything else, control characters too, is kept as it came, so show
/// it only through `Display`, which [escapes](escape).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// What follows the last `/` or `\` of the M2 of a MODE 0, if it is fit to be a name.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        let text = str::from_utf8(wire).map_err(|error| NameError::NotUtf8 { at: error.valid_up_to() })?;
        // "often a path as typed: keep what follows the last `/` or `\`" (PROTOCOL.md, MODE 0)
        let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
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
        if is_device(name) {
            return Err(NameError::Device { name: name.to_owned() });
        }
        if name
            .get(..UNFINISHED_PREFIX.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(UNFINISHED_PREFIX))
        {
            return Err(NameError::Unfinished { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as it is on disk; not for people.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of copy `number`: `a.txt` gives `a (2).txt`. `None` outside 2 to [`LAST_COPY`].
    ///
    /// The number goes before the extension, which is what follows the last dot if that is 1 to 16
    /// bytes of letters and digits and something stands before the dot; a `.tar` before it belongs to
    /// it. So `archive (2).tar.gz`, `.bashrc (2)`, `notes (2)`, `v1.2 draft (2)`. Past 255 bytes the
    /// stem is cut at a character, so the extension stays.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<Self> {
        if !(2..=LAST_COPY).contains(&number) {
            return None;
        }
        let (stem, extension) = self.0.split_at(self.extension());
        let tail = format!(" ({number}){extension}");
        // The tail is at most 28 bytes (7, 17 and 4), so most of the stem stays, and with it what
        // made the name fit: neither a device nor ours can come of it.
        let mut end = stem.len().min(MAX_BYTES - tail.len());
        while !stem.is_char_boundary(end) {
            end -= 1;
        }
        Some(Self(format!("{}{tail}", &stem[..end])))
    }

    /// The name with something before it: `recv_a.txt`. Past 255 bytes the stem is cut at a character,
    /// so the extension stays.
    ///
    /// # Errors
    /// A `prefix` that makes it another thing than a name, or is too long itself.
    pub fn with_prefix(&self, prefix: &str) -> Result<Self, NameError> {
        if prefix.contains(['/', '\\']) {
            return Err(NameError::Separator { prefix: prefix.to_owned() });
        }
        let (stem, extension) = self.0.split_at(self.extension());
        let room = MAX_BYTES.saturating_sub(prefix.len() + extension.len());
        let mut end = stem.len().min(room);
        while !stem.is_char_boundary(end) {
            end -= 1;
        }
        Self::from_wire(format!("{prefix}{}{extension}", &stem[..end]).as_bytes())
    }

    /// The name, then its numbered copies, in the order in which they are tried.
    pub fn candidates(&self) -> impl Iterator<Item = Self> {
        iter::once(self.clone()).chain((2..).map_while(|number| self.numbered(number)))
    }

    /// Whether a server that was told this name may keep the file as `there`: as it is, behind a prefix of its
    /// own, as a numbered copy.
    #[must_use]
    pub fn may_become(&self, there: &str) -> bool {
        if self.0 == there {
            return true;
        }
        // The server chooses it, and each of its letters is tried.
        if there.len() > MAX_BYTES {
            return false;
        }
        let numbers: Vec<u32> = there
            .match_indices(" (")
            .filter_map(|(at, open)| there[at + open.len()..].split_once(')')?.0.parse().ok())
            .collect();
        let is_there = |name: &Self| {
            let copies = numbers.iter().filter_map(|number| name.numbered(*number));
            name.0 == there || copies.into_iter().any(|copy| copy.0 == there)
        };
        is_there(self)
            || there
                .char_indices()
                .skip(1)
                .any(|(at, _)| self.with_prefix(&there[..at]).is_ok_and(|name| is_there(&name)))
    }

    /// Where the extension begins, its dot included; the length where there is none.
    fn extension(&self) -> usize {
        let name = self.0.as_str();
        let Some(dot) = last_dot(name) else { return name.len() };
        match last_dot(&name[..dot]) {
            Some(tar) if name[tar..dot].eq_ignore_ascii_case(".tar") => tar,
            _ => dot,
        }
    }
}

/// The dot before an extension.
fn last_dot(name: &str) -> Option<usize> {
    let (stem, extension) = name.rsplit_once('.')?;
    let fits = (1..=16).contains(&extension.len()) && extension.chars().all(char::is_alphanumeric);
    (fits && !stem.is_empty()).then_some(stem.len())
}

/// Whether Windows would open a device by this name: it ignores case, what follows the first dot,
/// and spaces before that. Stored here such a file could not be copied to there.
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

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&escape(&self.0), f)
    }
}

/// Why a name from the wire is refused; always the peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing follows the last separator.
    #[error("the file's name is empty")]
    Empty,
    /// Not text.
    #[error("the file's name is not UTF-8 (byte {at})")]
    NotUtf8 {
        /// Bytes before the first wrong one, in all of M2.
        at: usize,
    },
    /// Too long for a file system.
    #[error("the file's name has {bytes} bytes; at most {MAX_BYTES} are possible")]
    TooLong {
        /// Its length without the path before it.
        bytes: usize,
    },
    /// NUL ends a name for the system.
    #[error("the file's name contains a NUL (byte {at})")]
    Nul {
        /// Bytes before it.
        at: usize,
    },
    /// `.`, `..`, or what some systems take for them.
    #[error("the file's name {name:?} is nothing but dots and spaces")]
    Blank {
        /// As it came.
        name: String,
    },
    /// A device on Windows, whatever its extension.
    #[error("the file's name \"{}\" is the name of a device", escape(name))]
    Device {
        /// As it came.
        name: String,
    },
    /// More than a name.
    #[error("the prefix \"{}\" contains a separator", escape(prefix))]
    Separator {
        /// As it was given.
        prefix: String,
    },
    /// The name of a file that is not whole yet.
    #[error("the file's name \"{}\" is kept for unfinished files", escape(name))]
    Unfinished {
        /// As it came.
        name: String,
    },
}

#[cfg(test)]
mod tests;
