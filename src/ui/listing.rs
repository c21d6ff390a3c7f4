//! Reading a folder. Only this file of the screen reads folders, and it runs on a thread of its own.

use std::ffi::OsString;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::mem;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::{Access, access};

use crate::clock;
use crate::ui::{fit, text};

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

    /// Returns the present time in seconds since 1970.
    pub(in crate::ui) fn seconds(&self) -> i64 {
        self.now.unwrap_or_else(clock::now).as_second()
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
    /// Shown, never sent.
    Other(Odd),
}

/// Entry that is neither a folder nor a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Odd {
    Pipe,
    Socket,
    Device,
    /// Link that leads nowhere, or in a circle.
    BrokenLink,
    /// Its kind and size are unknown, because they cannot be read.
    Unknown,
}

/// Entry of a folder.
#[derive(Debug, Clone)]
pub(in crate::ui) struct Entry {
    /// Name on the disk.
    pub(in crate::ui) name: OsString,
    /// Name, escaped.
    pub(in crate::ui) shown: String,
    pub(in crate::ui) kind: Kind,
    /// Target of a symbolic link, escaped; `None` if the entry is not a link.
    pub(in crate::ui) link: Option<String>,
    /// Whether this user may read the file, or list the folder.
    pub(in crate::ui) is_readable: bool,
    pub(in crate::ui) size: u64,
    /// Time of the last change in seconds since 1970.
    pub(in crate::ui) modified: i64,
    /// Time of the last change, as text.
    pub(in crate::ui) date: String,
}

#[cfg(test)]
impl Entry {
    /// Returns an empty file of this name.
    pub(in crate::ui) fn example(name: &str) -> Self {
        Self {
            name: name.into(),
            shown: fit::escaped(name),
            kind: Kind::File,
            link: None,
            is_readable: true,
            size: 0,
            modified: 0,
            date: String::new(),
        }
    }
}

/// Request to read a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ui) struct Request {
    pub(in crate::ui) folder: PathBuf,
    /// Number of the request: only the answer to the latest is shown.
    pub(in crate::ui) ticket: u64,
}

/// Part of the answer to a [`Request`]. The parts arrive while the folder is being read.
#[derive(Debug)]
pub(in crate::ui) struct Listing {
    pub(in crate::ui) request: Request,
    pub(in crate::ui) place: Place,
    /// Further entries, in no order.
    pub(in crate::ui) entries: Vec<Entry>,
    /// How the reading ended; `None` if more parts follow.
    pub(in crate::ui) end: Option<io::Result<()>>,
    /// Time since the reading began.
    pub(in crate::ui) took: Duration,
}

/// Longest time in which entries are collected for a part, and for the first one.
const PATIENCE: Duration = Duration::from_millis(50);
const FIRST_PATIENCE: Duration = Duration::from_millis(10);
/// Largest number of entries in a part: sorting them in must not be noticed.
const PART: usize = 4096;
/// Largest number of entries that are read of a folder.
pub(in crate::ui) const MOST: usize = 1_000_000;

/// Folder to read, and the name in it to point at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ui) struct Place {
    pub(in crate::ui) folder: PathBuf,
    pub(in crate::ui) point: Option<OsString>,
}

/// Returns the folder itself, or the folder of a file.
pub(in crate::ui) fn place(path: &Path) -> Place {
    match (path.is_file(), path.parent()) {
        (true, Some(parent)) => {
            Place { folder: parent.to_owned(), point: path.file_name().map(ToOwned::to_owned) }
        }
        _ => Place { folder: path.to_owned(), point: None },
    }
}

/// Reads a folder and passes its entries on in parts. An entry that vanishes meanwhile is left out. Ends early if `pass`
/// returns false.
pub(in crate::ui) fn read(
    request: &Request,
    place: &Place,
    clock: &Clock,
    mut pass: impl FnMut(Listing) -> bool,
) {
    let began = Instant::now();
    let part = |entries, end| Listing {
        request: request.clone(),
        place: place.clone(),
        entries,
        end,
        took: began.elapsed(),
    };
    let now = clock.now.unwrap_or_else(clock::now);
    let mut entries = Vec::new();
    let (mut since, mut patience, mut count) = (Instant::now(), FIRST_PATIENCE, 0);
    let read = fs::read_dir(&place.folder).and_then(|found| {
        for found in found {
            if count == MOST {
                return Err(io::Error::other(text::too_many(MOST)));
            }
            let Some(entry) = entry(&found?, clock, now) else { continue };
            entries.push(entry);
            count += 1;
            if entries.len() >= PART || since.elapsed() >= patience {
                if !pass(part(mem::take(&mut entries), None)) {
                    return Ok(());
                }
                (since, patience) = (Instant::now(), PATIENCE);
            }
        }
        Ok(())
    });
    pass(part(entries, Some(read)));
}

/// Largest number of entries that are looked at to complete a path.
const MOST_NAMES: usize = 20_000;

/// Returns the names of the subfolders of a folder, links to folders included, in the order of their bytes. None if it
/// cannot be read: a path is typed letter by letter, and most of its beginnings do not exist.
pub(in crate::ui) fn subfolders(folder: &Path) -> Vec<OsString> {
    let is_folder = |entry: &DirEntry| match entry.file_type() {
        Ok(of) if of.is_symlink() => entry.path().is_dir(),
        of => of.is_ok_and(|of| of.is_dir()),
    };
    let entries = fs::read_dir(folder).into_iter().flatten().take(MOST_NAMES).flatten();
    let mut names: Vec<OsString> = entries.filter(is_folder).map(|entry| entry.file_name()).collect();
    names.sort();
    names
}

/// Returns what is known about an entry; `None` if it has vanished.
fn entry(found: &DirEntry, clock: &Clock, now: Timestamp) -> Option<Entry> {
    let name = found.file_name();
    let own = match found.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        own => own.ok(),
    };
    let is_link = own.as_ref().is_some_and(fs::Metadata::is_symlink);
    let path = found.path();
    let link = is_link.then(|| fs::read_link(&path).map(|to| fit::name(to.as_os_str())).unwrap_or_default());
    let (kind, meta) = match if is_link { fs::metadata(&path).ok() } else { own.clone() } {
        Some(meta) => (kind(meta.file_type()), Some(meta)),
        // Describes the link itself.
        None if is_link => (Kind::Other(Odd::BrokenLink), own),
        None => (Kind::Other(Odd::Unknown), None),
    };
    let is_readable = match kind {
        Kind::Folder => access(&path, Access::READ_OK | Access::EXEC_OK).is_ok(),
        Kind::File => access(&path, Access::READ_OK).is_ok(),
        Kind::Other(_) => true,
    };
    let modified = meta.as_ref().and_then(|meta| Timestamp::try_from(meta.modified().ok()?).ok());
    Some(Entry {
        shown: fit::name(&name),
        name,
        kind,
        link,
        is_readable,
        size: meta.map_or(0, |meta| meta.len()),
        modified: modified.map_or(0, Timestamp::as_second),
        date: modified.map_or_else(String::new, |at| clock.date(at, now)),
    })
}

fn kind(of: FileType) -> Kind {
    if of.is_dir() {
        Kind::Folder
    } else if of.is_file() {
        Kind::File
    } else if of.is_fifo() {
        Kind::Other(Odd::Pipe)
    } else if of.is_socket() {
        Kind::Other(Odd::Socket)
    } else {
        Kind::Other(Odd::Device)
    }
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

    /// Reads a folder, and returns its parts.
    fn parts(folder: &Path) -> Vec<Listing> {
        let mut parts = Vec::new();
        let request = Request { folder: folder.to_owned(), ticket: 7 };
        read(&request, &place(folder), &clock(), |part| {
            parts.push(part);
            true
        });
        parts
    }

    #[test]
    fn links_pipes_and_odd_names_are_told_apart() -> io::Result<()> {
        use std::os::unix::ffi::OsStringExt;
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let odd = OsString::from_vec(b"odd\xff\x1b".to_vec());
        fs::write(folder.path().join(&odd), b"12345")?;
        symlink(&odd, at("link"))?;
        symlink("/nowhere/at\u{1b}all", at("broken"))?;
        symlink("circle", at("circle"))?;
        symlink("sub", at("to-sub"))?;
        fs::create_dir(at("sub"))?;
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR)?;
        let _socket = std::os::unix::net::UnixListener::bind(at("socket"))?;
        let mut parts = parts(folder.path());
        let last = parts.pop().unwrap();
        assert!(parts.is_empty() && matches!(last.end, Some(Ok(()))));
        let mut entries = last.entries;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let seen: Vec<_> =
            entries.iter().map(|entry| (entry.shown.as_str(), entry.kind, entry.link.as_deref())).collect();
        assert_eq!(
            seen,
            [
                ("broken", Kind::Other(Odd::BrokenLink), Some("/nowhere/at\\u{1b}all")),
                ("circle", Kind::Other(Odd::BrokenLink), Some("circle")),
                ("link", Kind::File, Some("odd\u{fffd}\\u{1b}")),
                ("odd\u{fffd}\\u{1b}", Kind::File, None),
                ("pipe", Kind::Other(Odd::Pipe), None),
                ("socket", Kind::Other(Odd::Socket), None),
                ("sub", Kind::Folder, None),
                ("to-sub", Kind::Folder, Some("sub")),
            ]
        );
        assert_eq!(entries[3].name, odd);
        assert_eq!(entries[2].size, 5);
        assert!(entries.iter().all(|entry| entry.is_readable));
        Ok(())
    }

    #[test]
    fn paths_are_completed_with_folders_and_links_to_folders() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("b"))?;
        fs::create_dir(at(".c"))?;
        fs::write(at("file"), [])?;
        std::os::unix::fs::symlink("b", at("a"))?;
        std::os::unix::fs::symlink("file", at("link"))?;
        assert_eq!(subfolders(folder.path()), [".c", "a", "b"]);
        assert!(subfolders(&at("nothing")).is_empty());
        Ok(())
    }

    #[test]
    fn a_large_folder_arrives_in_parts_and_the_reading_stops_when_nobody_wants_more() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        for number in 0..=PART {
            fs::write(folder.path().join(format!("{number}")), [])?;
        }
        let all = parts(folder.path());
        assert!(all.len() > 1, "more than a part holds");
        assert_eq!(all.iter().map(|part| part.entries.len()).sum::<usize>(), PART + 1);
        let (last, first) = all.split_last().unwrap();
        assert!(matches!(last.end, Some(Ok(()))) && first.iter().all(|part| part.end.is_none()));
        let mut passed = 0;
        let request = Request { folder: folder.path().to_owned(), ticket: 7 };
        read(&request, &place(folder.path()), &clock(), |part| {
            passed += usize::from(part.end.is_none());
            false
        });
        assert_eq!(passed, 1);
        Ok(())
    }

    #[test]
    fn the_folder_of_a_file_is_read_and_the_file_is_pointed_at() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("a"), [])?;
        let part = parts(&folder.path().join("a")).remove(0);
        assert_eq!((part.place.folder.as_path(), part.place.point), (folder.path(), Some("a".into())));
        Ok(())
    }

    #[test]
    fn a_folder_that_cannot_be_read_says_why() {
        let part = parts(Path::new("/nowhere/at/all")).remove(0);
        assert!(part.end.unwrap().is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
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
