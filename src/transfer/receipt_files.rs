//! Receipts as files: where the client keeps them, under which names, and how it finds them again.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::crypto::receipt::{Certificates, RECEIPT_MAX, Receipt, verify};
use crate::crypto::server_key::ServerKey;
use crate::digest::Digest;
use crate::event::Event;
use crate::net::Observer;
use crate::store::name::MAX_BYTES;
use crate::store::{FileName, Incoming, Store};
use crate::trust;

/// The extension of a receipt file.
pub(crate) const EXTENSION: &str = ".receipt";

/// Hexadecimal digits of the digest in the name of a receipt whose file name was cut.
const DISTINCT: usize = 16;

/// Where receipts are kept.
#[derive(Clone, Default)]
pub enum Keep {
    /// Nowhere; they are still requested.
    #[default]
    Nowhere,
    /// One file for each request, named by the request's digest.
    Together {
        /// The folder.
        store: Arc<dyn Store>,
        /// The folder's absolute path.
        folder: PathBuf,
    },
    /// `NAME.receipt` for each file.
    Apart {
        /// The folder.
        store: Arc<dyn Store>,
        /// The folder's absolute path.
        folder: PathBuf,
    },
}

impl Keep {
    /// Returns the absolute path of the folder; `None`: receipts are not kept.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Nowhere => None,
            Self::Together { folder, .. } | Self::Apart { folder, .. } => Some(folder),
        }
    }

    /// Writes a receipt for the files that were sent under these names, and returns a path for each of them, in their
    /// order. A receipt that cannot be written is reported as a note; the files are stored nevertheless.
    pub(super) fn write<'a>(
        &self,
        receipt: &Receipt,
        names: impl ExactSizeIterator<Item = &'a str>,
        observer: &dyn Observer,
    ) -> Vec<Option<PathBuf>> {
        let write = |store: &dyn Store, folder: &Path, name: &str| {
            write_one(receipt, store, name).map(|name| folder.join(name)).map_err(|why| {
                observer.event(Event::Note { text: format!("cannot keep the receipt {name}: {why}") });
            })
        };
        match self {
            Self::Nowhere => vec![None; names.len()],
            Self::Together { store, folder } => {
                let name = format!("{}{EXTENSION}", receipt.statement.request);
                vec![write(&**store, folder, &name).ok(); names.len()]
            }
            Self::Apart { store, folder } => {
                names.map(|name| write(&**store, folder, &receipt_name(name)).ok()).collect()
            }
        }
    }
}

/// Writes one receipt file, and returns the name that it was stored under.
fn write_one(receipt: &Receipt, store: &dyn Store, name: &str) -> Result<String, String> {
    let name = FileName::from_wire(name.as_bytes()).map_err(|e| e.to_string())?;
    let text = receipt.to_text();
    let want = Incoming { name, size: Some(text.len() as u64) };
    let mut pending = store.begin(&want).map_err(|e| e.to_string())?;
    pending.write(text.as_bytes()).map_err(|e| e.to_string())?;
    let stored = pending.commit(None).wait().map_err(|e| e.to_string())?;
    Ok(stored.name.as_str().to_owned())
}

/// Returns the name of the receipt of one file. A name that is too long for a file system is cut and gets a part of
/// the SHA-256 of the whole name, so that two names with the same beginning differ.
fn receipt_name(sent: &str) -> String {
    let name = base(sent);
    if name.len() + EXTENSION.len() <= MAX_BYTES {
        return format!("{name}{EXTENSION}");
    }
    let digest = Digest::of(name.as_bytes()).to_string();
    let digest = &digest[..DISTINCT];
    let mut end = MAX_BYTES - EXTENSION.len() - DISTINCT - 1;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}~{digest}{EXTENSION}", &name[..end])
}

/// Returns the last part of a path, whichever separator it uses.
fn base(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// Returns how well a receipt's file name matches the name of a file: 2 for `NAME.receipt`, 1 for a numbered one such as
/// `NAME (2).receipt`, 0 otherwise.
pub(super) fn likeness(receipt: &Path, name: &str) -> u8 {
    let receipt = receipt.file_name().unwrap_or_default().to_string_lossy();
    match receipt.strip_prefix(base(name)) {
        Some(EXTENSION) => 2,
        Some(rest) if rest.starts_with(" (") => 1,
        _ => 0,
    }
}

/// Lists the receipt files in a folder, sorted by name, each with its modification time in milliseconds since 1970
/// (UTC). Links are left out; no file is opened.
///
/// # Errors
/// The folder cannot be listed.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<(PathBuf, i64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_string_lossy().ends_with(EXTENSION) {
            continue;
        }
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // Removed since the folder was listed.
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            Err(why) => return Err(why),
        };
        if meta.is_file() {
            found.push((folder.join(name), meta.mtime() * 1000 + meta.mtime_nsec() / 1_000_000));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads a receipt, and checks that the key in its own certificates has signed it. No CA is asked.
pub(super) fn read(path: &Path) -> Result<Receipt, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(RECEIPT_MAX + 1).read_to_string(&mut text));
    read.map_err(|why| why.to_string())?;
    let receipt = Receipt::parse(&text).map_err(|why| format!("not a receipt: {why}"))?;
    let key = |pem: &str| trust::key(pem.as_bytes()).map_err(|why| format!("invalid certificate: {why}"));
    let Certificates { server, receipts } = &receipt.certificates;
    let server = key(server)?;
    let receipts = receipts.as_deref().map(key).transpose()?;
    let named = (receipt.statement.key, receipt.statement.receipt_key);
    if (server.fingerprint(), receipts.as_ref().map(ServerKey::fingerprint)) != named {
        return Err("the certificate is for another key".to_owned());
    }
    if !verify(receipts.as_ref().unwrap_or(&server), &receipt.text, &receipt.signature) {
        return Err("the signature does not match".to_owned());
    }
    Ok(receipt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receipt_of_a_file_is_found_by_its_name() {
        for (receipt, sent, like) in [
            ("a.txt.receipt", "a.txt", 2),
            ("a.txt.receipt", "dir/a.txt", 2),
            ("a.txt (2).receipt", "a.txt", 1),
            ("b.txt.receipt", "a.txt", 0),
            ("a.txt.bak.receipt", "a.txt", 0),
        ] {
            assert_eq!(likeness(Path::new(receipt), sent), like, "{receipt} of {sent}");
            assert!(like < 2 || receipt_name(sent) == receipt, "{receipt} of {sent}");
        }
    }

    #[test]
    fn long_names_with_the_same_beginning_have_different_receipts() {
        let (one, two) = (format!("{}1", "ü".repeat(150)), format!("{}2", "ü".repeat(150)));
        let (one, two) = (receipt_name(&one), receipt_name(&two));
        assert_ne!(one, two);
        assert!(one.len() <= MAX_BYTES && two.len() <= MAX_BYTES, "{one} {two}");
    }
}
