//! Reading a folder. Only this file of the screen reads folders, and it runs on a thread of its own.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock;
use crate::ui::fit;

/// Clock and time zone of the user.
#[derive(Debug, Clone)]
pub(in crate::ui) struct Clock {
    pub(in crate::ui) zone: TimeZone,
    /// Fixed in tests; otherwise the system is asked each time.
    pub(in crate::ui) now: Option<Timestamp>,
}

impl Clock {
    pub(in crate::ui) fn system() -> Self {
        Self { zone: TimeZone::system(), now: None }
    }

    /// Returns a time of day such as `14:08:03`, of `at_ms` milliseconds since 1970.
    pub(in crate::ui) fn time(&self, at_ms: i64) -> String {
        Timestamp::from_millisecond(at_ms)
            .map(|at| at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string())
            .unwrap_or_default()
    }

    /// Returns a date and time such as `2026-11-22 14:08:03`, of `at_ms` milliseconds since 1970.
    pub(in crate::ui) fn moment(&self, at_ms: i64) -> String {
        Timestamp::from_millisecond(at_ms)
            .map(|at| at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_default()
    }

    /// Returns [`Clock::date`] of `at_ms` milliseconds since 1970, as of now.
    pub(in crate::ui) fn day(&self, at_ms: i64) -> String {
        let now = self.now.unwrap_or_else(clock::now);
        Timestamp::from_millisecond(at_ms).map(|at| self.date(at, now)).unwrap_or_default()
    }

    /// Returns the present time, in the form of [`Clock::time`].
    pub(in crate::ui) fn present(&self) -> String {
        self.time(self.now.unwrap_or_else(clock::now).as_millisecond())
    }

    /// Returns `Tue 14:07` within the last week, else `03 Mar 24`: nine columns either way.
    pub(in crate::ui) fn date(&self, at: Timestamp, now: Timestamp) -> String {
        let age = now.as_second() - at.as_second();
        let form = if (0..6 * 86_400).contains(&age) { "%a %H:%M" } else { "%d %b %y" };
        at.to_zoned(self.zone.clone()).strftime(form).to_string()
    }
}

/// Kind of an entry, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Kind {
    Folder,
    File,
    /// Socket, device, or link that leads nowhere: shown, never sent.
    Other,
}

/// Entry of a folder.
#[derive(Debug, Clone)]
pub(in crate::ui) struct Entry {
    /// Name on the disk.
    pub(in crate::ui) name: OsString,
    /// Name, escaped.
    pub(in crate::ui) shown: String,
    pub(in crate::ui) kind: Kind,
    pub(in crate::ui) size: u64,
    /// Time of the last change in seconds since 1970.
    pub(in crate::ui) modified: i64,
    /// Time of the last change, as text.
    pub(in crate::ui) date: String,
}

/// Request to read a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ui) struct Request {
    pub(in crate::ui) folder: PathBuf,
    /// Number of the request: only the answer to the latest is shown.
    pub(in crate::ui) ticket: u64,
}

/// The answer to a [`Request`].
#[derive(Debug)]
pub(in crate::ui) struct Listing {
    pub(in crate::ui) request: Request,
    /// Folder that was read: the one asked for, or that of the file asked for.
    pub(in crate::ui) folder: PathBuf,
    /// Name of the file, if a file was asked for.
    pub(in crate::ui) point: Option<OsString>,
    /// Entries in no order, or why there are none.
    pub(in crate::ui) entries: Result<Vec<Entry>, io::Error>,
}

/// Reads a folder, or the folder of a file. An entry that vanishes meanwhile is left out.
pub(in crate::ui) fn read(request: Request, clock: &Clock) -> Listing {
    let (folder, point) = match (request.folder.is_file(), request.folder.parent()) {
        (true, Some(parent)) => (parent.to_owned(), request.folder.file_name().map(ToOwned::to_owned)),
        _ => (request.folder.clone(), None),
    };
    let entries = entries(&folder, clock);
    Listing { request, folder, point, entries }
}

fn entries(folder: &Path, clock: &Clock) -> io::Result<Vec<Entry>> {
    let now = clock.now.unwrap_or_else(clock::now);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let Ok(entry) = entry else { continue };
        // Follows a link; if it leads nowhere, describes the link itself.
        let Ok(meta) = fs::metadata(entry.path()).or_else(|_| entry.metadata()) else { continue };
        let kind = match meta.file_type() {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Other,
        };
        let modified = meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        let name = entry.file_name();
        entries.push(Entry {
            shown: fit::name(&name),
            name,
            kind,
            size: meta.len(),
            modified: modified.map_or(0, Timestamp::as_second),
            date: modified.map_or_else(String::new, |at| clock.date(at, now)),
        });
    }
    Ok(entries)
}

/// Returns the path that was typed, with the home folder for `~`.
pub(in crate::ui) fn expand(typed: &str, home: Option<&Path>) -> PathBuf {
    match (typed.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(typed),
    }
}

/// Returns the path without `.` and `..`, resolved by name alone: `..` drops the folder before it, even a link.
pub(in crate::ui) fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock { zone: TimeZone::UTC, now: Some(Timestamp::constant(1_800_000_000, 0)) }
    }

    #[test]
    fn a_date_is_near_or_far() {
        let now = Timestamp::constant(1_800_000_000, 0);
        assert_eq!(clock().date(Timestamp::constant(1_800_000_000 - 3600, 0), now), "Fri 07:00");
        assert_eq!(clock().date(Timestamp::constant(1_700_000_000, 0), now), "14 Nov 23");
        assert_eq!(clock().date(Timestamp::constant(1_800_100_000, 0), now), "16 Jan 27");
        assert_eq!(clock().time(1_800_000_000_999), "08:00:00");
    }

    #[cfg(unix)]
    #[test]
    fn reads_links_through_and_keeps_the_real_name() -> io::Result<()> {
        use std::os::unix::ffi::OsStringExt;
        let folder = tempfile::tempdir()?;
        let odd = OsString::from_vec(b"odd\xff\x1b".to_vec());
        fs::write(folder.path().join(&odd), b"12345")?;
        std::os::unix::fs::symlink(folder.path().join(&odd), folder.path().join("link"))?;
        std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("broken"))?;
        fs::create_dir(folder.path().join("sub"))?;
        let request = Request { folder: folder.path().to_owned(), ticket: 7 };
        let mut entries = read(request, &clock()).entries?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let seen: Vec<_> = entries.iter().map(|e| (e.shown.as_str(), e.kind)).collect();
        assert_eq!(
            seen,
            [
                ("broken", Kind::Other),
                ("link", Kind::File),
                ("odd\u{fffd}\\u{1b}", Kind::File),
                ("sub", Kind::Folder)
            ]
        );
        assert_eq!(entries[2].name, odd);
        assert_eq!(entries[1].size, 5);
        Ok(())
    }

    #[test]
    fn a_folder_that_cannot_be_read_says_why() {
        let request = Request { folder: PathBuf::from("/nowhere/at/all"), ticket: 1 };
        assert!(read(request, &clock()).entries.is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = Path::new("/home/me");
        assert_eq!(expand("~/ca.crt", Some(home)), home.join("ca.crt"));
        assert_eq!(expand("~", Some(home)), home);
        assert_eq!(expand("~you/x", Some(home)), Path::new("~you/x"));
    }

    #[test]
    fn a_path_goes_up_by_its_words() {
        assert_eq!(tidy(Path::new("/a/b/../c/./d")), Path::new("/a/c/d"));
        assert_eq!(tidy(Path::new("/..")), Path::new("/"));
    }
}
