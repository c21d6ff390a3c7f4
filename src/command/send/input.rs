//! The files and folders of a command line: from its words, a list, or standard input.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::cli::Send;
use crate::event::{Dialect, Fault, FolderId, FolderOrder, FolderRules, Job, JobId, Target};
use crate::messages::{Escaped, transfer};
use crate::scan;
use crate::store::FileName;
use crate::transfer::spool;

/// The word for standard input.
const STDIN: &str = "-";

/// The files and folders to send, each in its order.
pub(super) struct Given {
    pub(super) files: Vec<PathBuf>,
    pub(super) folders: Vec<PathBuf>,
    pub(super) rules: FolderRules,
    /// Name to send instead of the only file's own.
    name: Option<String>,
    /// The copy of standard input, among the files by its descriptor. It must live until it is sent.
    _stdin: Option<File>,
}

impl Given {
    /// Finds out what is to be sent, and copies standard input if that is.
    ///
    /// # Errors
    /// The words contradict each other, or the list or standard input cannot be read.
    pub(super) fn of(args: &Send) -> Result<Self, Fault> {
        args.exclude.iter().try_for_each(|pattern| scan::check_pattern(pattern))?;
        let mut paths = args.files.clone();
        let is_stdin = |path: &PathBuf| path.as_os_str() == STDIN;
        let wants_stdin = paths.iter().filter(|path| is_stdin(path)).count();
        if let Some(list) = &args.files_from {
            if is_stdin(list) && wants_stdin > 0 {
                return Err(usage(
                    "standard input cannot be both a file and the list of --files-from",
                    "name one of them",
                ));
            }
            paths.extend(read_list(list, if args.null { 0 } else { b'\n' })?);
        }
        if wants_stdin > 0 && (args.name.is_none() || paths.len() > 1) {
            return Err(usage("- is standard input, which has no name", "send it alone, with --name NAME"));
        }
        if wants_stdin > 0 && args.dry_run {
            return Err(usage("--dry-run does not read standard input", "send a file"));
        }
        if let Some(name) = &args.name {
            check_name(name, &paths)?;
        }
        let mut stdin = None;
        for path in paths.iter_mut().filter(|path| is_stdin(path)) {
            let copy = spool(io::stdin().lock())
                .map_err(|e| Fault::local(format!("cannot read standard input: {e}")))?;
            *path = by_descriptor(&copy);
            stdin = Some(copy);
        }
        let (folders, files) = paths.into_iter().partition(|path| path.is_dir());
        let rules = FolderRules { follow: args.follow, exclude: args.exclude.clone() };
        Ok(Self { files, folders, rules, name: args.name.clone(), _stdin: stdin })
    }

    /// Returns a message for each file that has the name of an earlier one in another folder.
    pub(super) fn same_names(&self) -> Vec<String> {
        transfer::same_names(self.files.iter().map(PathBuf::as_path))
    }

    /// Returns the orders to the transfer threads, numbered from 1.
    pub(super) fn orders(&self, target: &Target, dialect: Dialect) -> (Vec<Job>, Vec<FolderOrder>) {
        let Self { files, folders, rules, name, .. } = self;
        let job = |(id, path): (u64, &PathBuf)| Job {
            name: name.clone(),
            ..Job::new(JobId(id), path, target.clone(), dialect)
        };
        let order = |(id, path): (u32, &PathBuf)| FolderOrder {
            id: FolderId(id),
            path: path.clone(),
            rules: rules.clone(),
            target: target.clone(),
            dialect,
        };
        ((1..).zip(files).map(job).collect(), (1..).zip(folders).map(order).collect())
    }
}

/// Checks that a name can be sent, and that there is one file for it.
fn check_name(name: &str, paths: &[PathBuf]) -> Result<(), Fault> {
    if paths.len() != 1 || paths.iter().any(|path| path.is_dir()) {
        return Err(usage("--name is for a single file", "leave it out, or send one file"));
    }
    match FileName::from_wire(name.as_bytes()) {
        Ok(whole) if whole.as_str() == name => Ok(()),
        Ok(whole) => Err(usage(
            &format!("--name contains a separator: {}", Escaped::name(OsStr::new(name))),
            &format!("for example --name {whole}"),
        )),
        Err(why) => Err(Fault::usage(format!("--name: {why}"))),
    }
}

/// Reads a list of paths. An empty path is left out.
fn read_list(list: &Path, end: u8) -> Result<Vec<PathBuf>, Fault> {
    let mut bytes = Vec::new();
    let read = if list.as_os_str() == STDIN {
        io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        fs::read(list).map(|content| bytes = content)
    };
    read.map_err(|e| Fault::local(format!("--files-from: cannot read {}: {e}", Escaped::path(list))))?;
    let paths = bytes.split(|byte| *byte == end).filter(|path| !path.is_empty());
    Ok(paths.map(|path| PathBuf::from(OsStr::from_bytes(path))).collect())
}

/// Returns a path by which this process can open a file without a name, from its first byte on.
fn by_descriptor(file: &File) -> PathBuf {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    Path::new(folder).join(file.as_raw_fd().to_string())
}

fn usage(what: &str, advice: &str) -> Fault {
    Fault::usage(what).with_advice(advice)
}
