//! The first blocks of a CP1 body, by which a replay is recognised.

use crate::digest::Digest;
use crate::history::Seen;

/// The first blocks of a CP1 body, or of blocks that continue a published file: the empty ones and one more. An attacker
/// can put an empty block before a recording, so the first block that is not empty counts too.
#[derive(Default)]
pub(super) struct Opening {
    /// Bytes of the block that is not whole yet.
    block: Vec<u8>,
    /// SHA-256 of the first block, and of the first that is not empty.
    digests: Vec<Digest>,
    /// Whether a block that is not empty has come.
    is_over: bool,
}

impl Opening {
    /// Returns the number of missing bytes of the current block; `None`: all first blocks have come.
    pub(super) fn missing(&self, k: usize) -> Option<usize> {
        (!self.is_over).then_some(k - self.block.len())
    }

    /// Takes a part of the body that does not exceed the current block. Returns whether the block is whole now.
    pub(super) fn take(&mut self, part: &[u8], k: usize) -> bool {
        if self.is_over {
            return false;
        }
        self.block.extend_from_slice(part);
        self.block.len() >= k
    }

    /// Ends the current block, which was opened. A block that cannot be opened counts as not empty.
    pub(super) fn end_block(&mut self, is_empty: bool) {
        if self.digests.is_empty() || !is_empty {
            self.digests.push(Digest::of(&self.block));
        }
        self.block.clear();
        self.is_over = !is_empty;
    }

    /// Returns the digests that must not come in another connection.
    pub(super) fn seen(&self) -> impl Iterator<Item = (Seen, Digest)> + '_ {
        self.digests.iter().map(|digest| (Seen::FirstBlock, *digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_is_the_first_block_and_the_first_with_bytes_in_it() {
        let digests = |blocks: &[(&[u8], bool)]| {
            let mut opening = Opening::default();
            for (block, is_empty) in blocks {
                if opening.take(block, 4) {
                    opening.end_block(*is_empty);
                }
            }
            (opening.digests.clone(), opening.missing(4))
        };
        let of = |blocks: &[&[u8]]| blocks.iter().map(|block| Digest::of(block)).collect::<Vec<_>>();
        assert_eq!(digests(&[]), (vec![], Some(4)));
        assert_eq!(digests(&[(b"aaaa", false), (b"bbbb", false)]), (of(&[b"aaaa"]), None));
        assert_eq!(digests(&[(b"aaaa", true)]), (of(&[b"aaaa"]), Some(4)));
        let blocks: [(&[u8], bool); 4] =
            [(b"aaaa", true), (b"bbbb", true), (b"cccc", false), (b"dddd", false)];
        assert_eq!(digests(&blocks), (of(&[b"aaaa", b"cccc"]), None));
        // In parts.
        assert_eq!(digests(&[(b"aa", false), (b"aa", false), (b"bbbb", false)]), (of(&[b"aaaa"]), None));
    }
}
