//! The files of a folder, one after another while it is read.
//!
//! Symbolic links in the folder are not followed unless the rules say so; a loop of links is an error of one entry. The
//! path that the user gave may itself be a link. `.upsealignore` files are read as git reads `.gitignore`, and the
//! patterns of `--exclude` stand above them. Entries come in the order of their names, so that two scans of one folder
//! find the same files in the same order.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use ignore::overrides::{Override, OverrideBuilder};
use ignore::{DirEntry, Error, WalkBuilder};

use crate::event::{Escaped, Fault, FolderRules, Skipped, escape};

#[cfg(test)]
mod tests;

/// Name of the files with patterns of what is not sent.
const IGNORE_FILE: &str = ".upsealignore";
/// Deepest level of a file below the folder. Deeper ones could not be stored: a server keeps at most 64 components.
pub(crate) const MOST_LEVELS: usize = 64;

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A file to send.
    File {
        /// Path of the file, beginning with that of the folder.
        path: PathBuf,
        /// Its path from the folder on, with the folder's own name, separated by `/`.
        name: String,
        /// Size in bytes.
        size: u64,
    },
    /// Something that is not sent.
    Skipped {
        /// Path of the entry.
        path: PathBuf,
        /// Why it is not sent.
        why: Skipped,
    },
}

/// A folder that is being read.
pub(crate) struct Scan {
    root: PathBuf,
    /// The folder's name, which begins the name of each file; empty for `.`, `..` and `/`.
    prefix: String,
    walk: ignore::Walk,
    /// The folders that lead to the present entry, each with the number of its entries so far.
    open: Vec<(PathBuf, usize)>,
    /// What is returned before the walk goes on, in reverse.
    ready: Vec<Found>,
    is_over: bool,
}

impl Scan {
    /// Begins to read a folder.
    ///
    /// # Errors
    /// A pattern of the rules is not valid, or the folder's name is not UTF-8.
    pub(crate) fn new(root: &Path, rules: &FolderRules) -> Result<Self, Fault> {
        let prefix = match root.file_name() {
            None => String::new(),
            Some(name) => name.to_str().ok_or_else(|| not_utf8(root))?.to_owned(),
        };
        let mut builder = WalkBuilder::new(root);
        builder
            .standard_filters(false)
            .add_custom_ignore_filename(IGNORE_FILE)
            .overrides(excluding(root, &rules.exclude)?)
            .follow_links(rules.follow)
            .sort_by_file_name(Ord::cmp)
            .max_depth(Some(MOST_LEVELS));
        let root = root.to_owned();
        let open = vec![(root.clone(), 0)];
        Ok(Self { root, prefix, walk: builder.build(), open, ready: Vec::new(), is_over: false })
    }

    /// Leaves the folders that do not contain `path`, and reports those without entries.
    fn leave(&mut self, path: Option<&Path>) {
        while let Some((folder, entries)) = self.open.last() {
            if path.is_some_and(|path| path.starts_with(folder)) {
                break;
            }
            if *entries == 0 {
                self.ready.push(Found::Skipped { path: folder.clone(), why: Skipped::Empty });
            }
            self.open.pop();
        }
    }

    fn take(&mut self, entry: &DirEntry) {
        let path = entry.path();
        self.leave(path.parent());
        if let Some((_, entries)) = self.open.last_mut() {
            *entries += 1;
        }
        let skipped = |why| Found::Skipped { path: path.to_owned(), why };
        let Some(kind) = entry.file_type() else { return };
        let found = if kind.is_dir() {
            if entry.depth() >= MOST_LEVELS {
                skipped(Skipped::Failed(too_deep(path)))
            } else {
                self.open.push((path.to_owned(), 0));
                return;
            }
        } else if kind.is_symlink() {
            skipped(Skipped::Link)
        } else if !kind.is_file() {
            skipped(Skipped::Special)
        } else {
            match (self.name(path), entry.metadata()) {
                (None, _) => skipped(Skipped::Failed(not_utf8(path))),
                (_, Err(error)) => skipped(Skipped::Failed(unreadable(path, &error))),
                (Some(name), Ok(metadata)) => {
                    Found::File { path: path.to_owned(), name, size: Metadata::len(&metadata) }
                }
            }
        };
        self.ready.push(found);
    }

    /// Returns the name of a file: its path from the folder on. `None` if that is not UTF-8.
    fn name(&self, path: &Path) -> Option<String> {
        let inside = path.strip_prefix(&self.root).ok()?;
        let mut name = self.prefix.clone();
        for part in inside {
            if !name.is_empty() {
                name.push('/');
            }
            name.push_str(part.to_str()?);
        }
        Some(name)
    }
}

impl Iterator for Scan {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            // The last one pushed was found last.
            if !self.ready.is_empty() {
                return Some(self.ready.remove(0));
            }
            if self.is_over {
                return None;
            }
            match self.walk.next() {
                // The folder itself.
                Some(Ok(entry)) if entry.depth() == 0 => {
                    if !entry.path().is_dir() {
                        let path = self.root.clone();
                        let fault = Fault::local(format!("{} is not a folder", shown(&path)));
                        self.ready.push(Found::Skipped { path, why: Skipped::Failed(fault) });
                        (self.open, self.is_over) = (Vec::new(), true);
                    }
                }
                Some(Ok(entry)) => {
                    if let Some(error) = entry.error() {
                        self.ready.push(failed(&self.root, error));
                    }
                    self.take(&entry);
                }
                Some(Err(error)) => {
                    // A folder that cannot be read is not an empty one.
                    if let Some((_, entries)) = self.open.last_mut() {
                        *entries += 1;
                    }
                    self.ready.push(failed(&self.root, &error));
                }
                None => {
                    self.leave(None);
                    self.is_over = true;
                }
            }
        }
    }
}

/// Returns the patterns that leave files out.
fn excluding(root: &Path, patterns: &[String]) -> Result<Override, Fault> {
    let mut builder = OverrideBuilder::new(root);
    for pattern in patterns {
        check_pattern(pattern)?;
        // In an override, `!` leaves files out.
        builder.add(&format!("!{pattern}")).map_err(|error| bad_pattern(pattern, &error))?;
    }
    builder.build().map_err(|error| bad_pattern(&patterns.join(" "), &error))
}

/// Checks a pattern of `--exclude`.
///
/// # Errors
/// A [`Fault`] of the kind `Usage`.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), Fault> {
    if pattern.starts_with('!') || pattern.is_empty() {
        let what = format!("invalid pattern: {}", escape(pattern));
        let advice = "--exclude only leaves files out; patterns with ! belong in .upsealignore";
        return Err(Fault::usage(what).with_advice(advice));
    }
    let mut builder = OverrideBuilder::new("");
    builder.add(&format!("!{pattern}")).map(drop).map_err(|error| bad_pattern(pattern, &error))
}

fn bad_pattern(pattern: &str, error: &Error) -> Fault {
    Fault::usage(format!("invalid pattern {}: {}", escape(pattern), escape(&error.to_string())))
        .with_advice("write it as a line of a .gitignore, such as '*.tmp' or 'target/'")
}

fn failed(root: &Path, error: &Error) -> Found {
    let (path, why) = of_error(root, error);
    Found::Skipped { path, why: Skipped::Failed(why) }
}

/// Finds the path that an error is about.
fn of_error(root: &Path, error: &Error) -> (PathBuf, Fault) {
    match error {
        Error::WithPath { path, err } => (path.clone(), unreadable(path, err)),
        Error::WithDepth { err, .. } | Error::WithLineNumber { err, .. } => of_error(root, err),
        Error::Loop { child, ancestor } => {
            let what = format!("{} is a link back to {}", shown(child), shown(ancestor));
            (child.clone(), Fault::local(what).with_advice("leave out --follow, or exclude the link"))
        }
        Error::Partial(errors) if !errors.is_empty() => of_error(root, &errors[0]),
        error => (root.to_owned(), unreadable(root, error)),
    }
}

fn unreadable(path: &Path, error: &Error) -> Fault {
    let cause = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
    Fault::local(format!("cannot read {}: {}", shown(path), escape(&cause)))
}

fn not_utf8(path: &Path) -> Fault {
    Fault::local(format!("the name of {} is not UTF-8, which the protocol requires", shown(path)))
        .with_advice("rename it")
}

fn too_deep(path: &Path) -> Fault {
    Fault::local(format!("{} is {MOST_LEVELS} folders deep", shown(path)))
        .with_advice("send an inner folder by itself")
}

fn shown(path: &Path) -> Escaped {
    Escaped::path(path)
}
