//! Receipts that this process has got: of which files a second upload is already stored.

use std::collections::{HashMap, VecDeque};

use crate::digest::Digest;
use crate::event::{Earlier, Named};

/// The most files that are remembered.
const MOST: usize = 4096;

/// A stored file as a receipt describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredFile<'a> {
    /// SPKI SHA-256 of the server's key.
    pub key: Digest,
    /// SHA-256 of the content.
    pub digest: Digest,
    /// The name that was sent.
    pub sent: &'a str,
    /// The name in the receipt.
    pub there: &'a str,
    /// The meaning of that name.
    pub named: Named,
}

impl StoredFile<'_> {
    /// Returns a digest that no other file has.
    fn mark(&self) -> Digest {
        let named: u8 = match self.named {
            Named::Stored => 0,
            Named::Wanted => 1,
        };
        let sent = Digest::of(self.sent.as_bytes());
        let there = Digest::of(self.there.as_bytes());
        Digest::of(&[&self.key.0[..], &self.digest.0, &sent.0, &there.0, &[named]].concat())
    }
}

/// The latest [`MOST`] files for which receipts came. The history has more of them, but neither those of the embedded
/// server nor those whose rows are not written yet.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    files: HashMap<Digest, Earlier>,
    order: VecDeque<Digest>,
}

impl Receipts {
    /// Remembers the receipt of a file, and returns the one that was remembered before.
    pub(super) fn remember(&mut self, file: &StoredFile<'_>, receipt: Earlier) -> Option<Earlier> {
        let mark = file.mark();
        let before = self.files.insert(mark, receipt);
        if before.is_none() {
            self.order.push_back(mark);
            if self.order.len() > MOST
                && let Some(oldest) = self.order.pop_front()
            {
                self.files.remove(&oldest);
            }
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file<'a>(sent: &'a str, there: &'a str) -> StoredFile<'a> {
        let (key, digest) = (Digest::of(b"key"), Digest::of(b"content"));
        StoredFile { key, digest, sent, there, named: Named::Stored }
    }

    const fn at(at_ms: i64) -> Earlier {
        Earlier { at_ms, receipt: None }
    }

    #[test]
    fn only_the_same_file_under_the_same_name_on_the_same_server_is_already_stored() {
        let mut receipts = Receipts::default();
        let one = file("a", "a");
        assert_eq!(receipts.remember(&one, at(1)), None);
        for other in [
            StoredFile { key: Digest::of(b"other"), ..one },
            StoredFile { digest: Digest::of(b"other"), ..one },
            StoredFile { named: Named::Wanted, ..one },
            file("b", "a"),
            file("a", "a (2)"),
        ] {
            assert_eq!(receipts.remember(&other, at(2)), None, "{other:?}");
        }
        assert_eq!(receipts.remember(&one, at(3)), Some(at(1)));
        assert_eq!(receipts.remember(&one, at(4)), Some(at(3)));
    }

    #[test]
    fn a_limited_number_of_files_is_remembered() {
        let mut receipts = Receipts::default();
        let names: Vec<String> = (0..=MOST).map(|n| n.to_string()).collect();
        for name in &names {
            assert_eq!(receipts.remember(&file(name, name), at(1)), None);
        }
        assert_eq!((receipts.files.len(), receipts.order.len()), (MOST, MOST));
        assert_eq!(receipts.remember(&file("1", "1"), at(2)), Some(at(1)));
        assert_eq!(receipts.remember(&file("0", "0"), at(2)), None, "the oldest");
    }
}
