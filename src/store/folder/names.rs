//! Memory of the files in a folder, by the name that each of them requested.
//!
//! A *family* is a name with its copies. For each family the memory holds the next free number and the files whose
//! content may matter, so that a file gets its name, or finds an identical file, in a number of steps that does not
//! grow with the family. The memory decides nothing alone: each entry is compared with the folder first, and the
//! folder is read again for a forgotten family.

use std::collections::{HashMap, VecDeque};

use super::print::Print;
use crate::digest::Digest;
use crate::store::name::{FileName, LAST_COPY};

/// Maximum number of remembered files, in all families: about 5 MB with the longest names.
const MOST: usize = 8192;
/// Maximum number of remembered files of one family: all numbered ones, and the latest of the others.
const MOST_OF_ONE: usize = LAST_COPY as usize + 29;

/// Memory of a folder's files.
#[derive(Debug, Default)]
pub(super) struct Names {
    families: HashMap<FileName, Family>,
    /// Families, the oldest first.
    order: VecDeque<FileName>,
    /// Number of files in all families; an empty family counts as one.
    files: usize,
}

/// A name with its copies.
#[derive(Debug)]
pub(super) struct Family {
    /// Lowest number that may be free; beyond [`LAST_COPY`] none is.
    pub(super) next: u32,
    members: Vec<Member>,
}

/// A file of a family.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: FileName,
    /// State of the file when `content` was read.
    pub(super) print: Print,
    pub(super) content: Content,
    pub(super) reliance: Reliance,
}

/// Who relies on a file staying as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reliance {
    /// Only the session that stored it. The session may replace the file by a continued one.
    Sender,
    /// Perhaps other uploads, so the file is never replaced: it answered another upload, or it was forgotten since it
    /// was stored.
    Others,
}

impl Member {
    /// Creates an entry for a file whose content is unknown.
    pub(super) const fn unread(name: FileName, print: Print) -> Self {
        Self { name, print, content: Content::Unread, reliance: Reliance::Others }
    }
}

/// What is known about a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// The file was not read yet.
    Unread,
    /// It could not be read, and counts as different. One copy too many is better than one too few.
    Unreadable,
    /// SHA-256 of a file that was changed so recently that another change might not show.
    Recent(Digest),
    /// SHA-256 of the file.
    Known(Digest),
}

impl Content {
    const fn digest(self) -> Option<Digest> {
        match self {
            Self::Known(digest) | Self::Recent(digest) => Some(digest),
            Self::Unread | Self::Unreadable => None,
        }
    }
}

/// Result of looking for a content in a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Search {
    /// This file had it.
    Found(FileName, Print),
    /// No file that was read has it, but a file of this size was not read yet.
    Unread,
    /// No file has it.
    Nothing,
}

impl Names {
    /// Returns a family, if it is remembered.
    pub(super) fn get(&self, want: &FileName) -> Option<&Family> {
        self.families.get(want)
    }

    /// Changes a family, if it is remembered.
    pub(super) fn change<T>(&mut self, want: &FileName, change: impl FnOnce(&mut Family) -> T) -> Option<T> {
        let family = self.families.get_mut(want)?;
        let before = family.weight();
        let changed = change(family);
        self.files = self.files - before + family.weight();
        self.shrink(want);
        Some(changed)
    }

    /// Remembers a family, and forgets the oldest ones when there are too many files.
    pub(super) fn learn(&mut self, want: &FileName, family: Family) {
        let more = family.weight();
        match self.families.insert(want.clone(), family) {
            Some(before) => self.files -= before.weight(),
            None => self.order.push_back(want.clone()),
        }
        self.files += more;
        self.shrink(want);
    }

    /// Forgets a family, so that its next file reads the folder again.
    pub(super) fn forget(&mut self, want: &FileName) {
        if let Some(family) = self.families.remove(want) {
            self.files -= family.weight();
            self.order.retain(|name| name != want);
        }
    }

    /// Adds a file to its family.
    pub(super) fn add(&mut self, want: &FileName, member: Member) {
        if self.families.contains_key(want) {
            self.change(want, |family| family.push(member));
        } else {
            self.learn(want, Family::new(2, vec![member]));
        }
    }

    /// Forgets the oldest families, but never the one in use.
    fn shrink(&mut self, used: &FileName) {
        while self.files > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            if oldest == *used {
                self.order.push_back(oldest);
                continue; // a family alone is not too much, so another follows
            }
            if let Some(family) = self.families.remove(&oldest) {
                self.files -= family.weight();
            }
        }
    }
}

impl Family {
    /// Creates a family whose numbers from `next` on may be free.
    pub(super) const fn new(next: u32, members: Vec<Member>) -> Self {
        Self { next, members }
    }

    fn weight(&self) -> usize {
        self.members.len().max(1)
    }

    /// Adds a file, or replaces the entry of the file with its name.
    pub(super) fn push(&mut self, member: Member) {
        self.members.retain(|known| known.name != member.name);
        if self.members.len() == MOST_OF_ONE {
            // The numbered files come first and stay. The others are found by their names.
            self.members.remove(LAST_COPY as usize);
        }
        self.members.push(member);
    }

    /// Returns the entry of a file.
    pub(super) fn member(&self, name: &FileName) -> Option<&Member> {
        self.members.iter().find(|member| member.name == *name)
    }

    /// Records the content of a file, if it still has this print.
    pub(super) fn read(&mut self, name: &FileName, print: Print, content: Content) {
        if let Some(member) = self.members.iter_mut().find(|member| member.name == *name) {
            (member.print, member.content) = (print, content);
        }
    }

    /// Records that this file answered another upload.
    pub(super) fn rely_on(&mut self, name: &FileName) {
        if let Some(member) = self.members.iter_mut().find(|member| member.name == *name) {
            member.reliance = Reliance::Others;
        }
    }

    /// Forgets a file that is gone.
    pub(super) fn remove(&mut self, name: &FileName) {
        self.members.retain(|member| member.name != *name);
    }

    /// Looks for a file with this content, other than `except`.
    pub(super) fn find(&self, size: u64, digest: Digest, except: Option<&FileName>) -> Search {
        let mut of_size =
            self.members.iter().filter(|member| member.print.size() == size && Some(&member.name) != except);
        if let Some(same) = of_size.clone().find(|member| member.content.digest() == Some(digest)) {
            return Search::Found(same.name.clone(), same.print);
        }
        if of_size.any(|member| member.content == Content::Unread) { Search::Unread } else { Search::Nothing }
    }

    /// Returns the files of this size that must be read to know whether one of them has this content.
    pub(super) fn unread(&self, size: u64, digest: Digest) -> Vec<(FileName, Print)> {
        // A file that had another content and may have changed since costs at worst one copy too many.
        let is_unsure = |content| content == Content::Unread || content == Content::Recent(digest);
        let unread = |member: &&Member| member.print.size() == size && is_unsure(member.content);
        self.members.iter().filter(unread).map(|member| (member.name.clone(), member.print)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        FileName::from_wire(text.as_bytes()).unwrap()
    }

    fn member(text: &str, size: u64, content: Content) -> Member {
        Member { name: name(text), print: Print::of_size(size), content, reliance: Reliance::Sender }
    }

    #[test]
    fn finds_a_file_by_its_content_and_says_what_was_not_read() {
        let [one, two] = [b"1", b"2"].map(|bytes| Digest::of(bytes));
        let mut family = Family::new(2, vec![member("a", 1, Content::Known(one))]);
        assert_eq!(family.find(1, one, None), Search::Found(name("a"), Print::of_size(1)));
        assert_eq!(family.find(1, one, Some(&name("a"))), Search::Nothing);
        assert_eq!(family.find(2, one, None), Search::Nothing);
        assert_eq!(family.find(1, two, None), Search::Nothing);
        family.push(member("a (2)", 1, Content::Unread));
        family.push(member("a (3)", 2, Content::Unread));
        assert_eq!(family.find(1, one, None), Search::Found(name("a"), Print::of_size(1)));
        assert_eq!(family.find(1, two, None), Search::Unread);
        assert_eq!(family.unread(1, two), [(name("a (2)"), Print::of_size(1))]);
        family.push(member("a (2)", 1, Content::Unreadable));
        assert_eq!(family.find(1, two, None), Search::Nothing);
        family.push(member("a (2)", 1, Content::Recent(two)));
        assert_eq!(family.find(1, two, None), Search::Found(name("a (2)"), Print::of_size(1)));
        assert_eq!(family.unread(1, two).len(), 1, "read again by the next");
        assert_eq!(family.unread(1, one), []);
        family.remove(&name("a (2)"));
        assert_eq!(family.find(1, two, None), Search::Nothing);
    }

    #[test]
    fn one_family_keeps_its_numbered_files_and_the_latest_others() {
        let mut family = Family::new(2, Vec::new());
        for n in 0..1000 {
            family.push(member(&n.to_string(), n, Content::Unread));
        }
        assert_eq!(family.members.len(), MOST_OF_ONE);
        assert!(family.member(&name("98")).is_some() && family.member(&name("99")).is_none());
        assert!(family.member(&name("999")).is_some());
    }

    #[test]
    fn the_oldest_families_are_forgotten_and_the_newest_never() {
        let mut names = Names::default();
        for n in 0..2 * MOST {
            names.add(&name(&format!("{n}")), member(&format!("{n}"), 1, Content::Unread));
            assert!(names.get(&name(&format!("{n}"))).is_some());
        }
        assert_eq!((names.files, names.families.len(), names.order.len()), (MOST, MOST, MOST));
        assert!(names.get(&name("0")).is_none());
        names.forget(&name(&format!("{}", 2 * MOST - 1)));
        assert_eq!((names.files, names.families.len(), names.order.len()), (MOST - 1, MOST - 1, MOST - 1));
        names.learn(&name("0"), Family::new(100, Vec::new()));
        names.learn(&name("0"), Family::new(100, Vec::new()));
        assert_eq!((names.files, names.order.len()), (MOST, MOST));
    }
}
