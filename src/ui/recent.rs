//! Folders and servers that were used lately. They are kept from run to run.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::link::Peer;
use crate::event::{Dialect, Target};
use crate::files::{self, Access};

/// Largest number of folders, and of servers.
const MOST: usize = 9;
/// Largest size of the file in bytes.
const LARGEST: u64 = 1 << 20;

/// Folders and servers, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Recent {
    folders: Vec<PathBuf>,
    servers: Vec<Server>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Server {
    target: Target,
    dialect: Dialect,
}

impl Recent {
    /// Reads the file. One that does not exist is empty.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text)?;
        let mut recent: Self = serde_json::from_str(&text)?;
        recent.folders.truncate(MOST);
        recent.servers.truncate(MOST);
        Ok(recent)
    }

    /// Writes the file. Paths that JSON cannot hold, because they are not Unicode, are left out.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let is_text = |path: &Path| path.to_str().is_some();
        let mut kept = self.clone();
        kept.folders.retain(|folder| is_text(folder));
        kept.servers.retain(|server| match &server.target {
            Target::Server { ca, .. } => ca.as_deref().is_none_or(is_text),
            Target::Embedded => false,
        });
        files::replace(path, &serde_json::to_vec_pretty(&kept)?, Access::Private)
    }

    /// Notes that a folder is shown.
    pub(super) fn enter(&mut self, folder: &Path) {
        if self.folders.first().is_none_or(|latest| latest != folder) {
            self.folders.retain(|known| known != folder);
            self.folders.insert(0, folder.to_owned());
            // One more than is offered: the folder that is shown is not.
            self.folders.truncate(MOST + 1);
        }
    }

    /// Returns the folders before the one that is shown.
    pub(super) fn folders(&self, shown: &Path) -> Vec<PathBuf> {
        self.folders.iter().filter(|folder| *folder != shown).take(MOST).cloned().collect()
    }

    /// Notes that a server was chosen.
    pub(super) fn connect(&mut self, target: &Target, dialect: Dialect) {
        if let Target::Server { .. } = target {
            self.servers.retain(|known| known.target != *target);
            self.servers.insert(0, Server { target: target.clone(), dialect });
            self.servers.truncate(MOST);
        }
    }

    /// Returns the servers that are neither saved nor in use, named by their addresses.
    pub(super) fn servers(&self, saved: &[Peer], in_use: &Target) -> Vec<Peer> {
        let is_new = |target: &Target| target != in_use && saved.iter().all(|peer| peer.target != *target);
        let peer = |server: &Server| match &server.target {
            target @ Target::Server { address, .. } if is_new(target) => {
                Some(Peer { name: address.to_string(), target: target.clone(), dialect: server.dialect })
            }
            _ => None,
        };
        self.servers.iter().filter_map(peer).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::event::Variant;

    fn server(address: &str) -> Target {
        Target::server(address.parse().unwrap(), Some("/ca.crt".into()))
    }

    #[test]
    fn what_was_used_last_is_first_after_the_next_start() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("recent.json");
        let mut recent = Recent::read(&file)?;
        assert_eq!(recent, Recent::default());
        for name in ["/a", "/b", "/a", "/c"] {
            recent.enter(Path::new(name));
        }
        let dialect = Dialect::of(Variant::Cp1);
        for address in ["one:1", "two:2", "one:1"] {
            recent.connect(&server(address), dialect);
        }
        recent.connect(&Target::Embedded, dialect);
        recent.write(&file)?;
        let recent = Recent::read(&file)?;
        assert_eq!(recent.folders(Path::new("/c")), [PathBuf::from("/a"), "/b".into()]);
        let names = |of: Vec<Peer>| of.into_iter().map(|peer| peer.name).collect::<Vec<_>>();
        assert_eq!(names(recent.servers(&[], &Target::Embedded)), ["one:1", "two:2"]);
        let saved = Peer { name: "lab".to_owned(), target: server("two:2"), dialect };
        assert!(names(recent.servers(&[saved], &server("one:1"))).is_empty());
        fs::write(&file, "{")?;
        assert!(Recent::read(&file).is_err());
        Ok(())
    }

    #[test]
    fn old_folders_are_forgotten_and_names_that_are_no_text_are_not_written() -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("recent.json");
        let mut recent = Recent::default();
        for number in 0..20 {
            recent.enter(Path::new(&format!("/{number}")));
        }
        assert_eq!(recent.folders(Path::new("/19")).len(), MOST);
        recent.enter(Path::new(std::ffi::OsStr::from_bytes(b"/\xff")));
        recent.write(&file)?;
        assert_eq!(Recent::read(&file)?.folders(Path::new("/"))[0], Path::new("/19"));
        Ok(())
    }
}
