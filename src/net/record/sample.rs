//! The first bytes of a sequence and the entropy of its pieces, at a bounded cost for any length.

use super::FIRST;
use crate::event::Sample;

/// Bytes at the beginning that are kept.
pub(super) const HEAD: usize = 256;
/// Pieces of a sequence whose entropy is computed.
const PIECES: u64 = 48;
/// Bytes of a piece that are counted: enough to distinguish 8 bits from 7.9.
const COUNTED: u64 = 2 << 10;
/// Least size, in bytes, of the later messages of a connection that are counted, and of their pieces: counting takes as
/// long as a seventh of a small file.
const LATER: u64 = 64 << 10;

/// Sample of a sequence so far.
pub(super) struct Sampling {
    sample: Sample,
    /// Counts of the current piece; `None`: nothing is counted.
    count: Option<Box<Count>>,
    /// Whether the sequence is long enough to be counted.
    is_worth_it: bool,
}

/// Number of times that each byte value came in a piece.
struct Count {
    of: [u16; 256],
    /// Sum of all.
    bytes: u16,
}

impl Default for Count {
    fn default() -> Self {
        Self { of: [0; 256], bytes: 0 }
    }
}

impl Sampling {
    /// Begins the sample of a sequence of about `total` bytes, in the message with this number.
    pub(super) fn new(number: u64, total: u64, is_counted: bool) -> Self {
        let (least, is_worth_it) = if number <= FIRST { (COUNTED, true) } else { (LATER, total >= LATER) };
        let interval = total.div_ceil(PIECES).max(least);
        let sample = Sample { interval, ..Sample::default() };
        Self { sample, count: (is_counted && is_worth_it).then(Box::default), is_worth_it }
    }

    /// Counts the sequence from now on.
    pub(super) fn count(&mut self) {
        if self.is_worth_it {
            self.count.get_or_insert_default();
        }
    }

    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        let room = HEAD.saturating_sub(self.sample.head.len()).min(bytes.len());
        // Only bytes from the very beginning: none may be missing before them.
        if self.sample.head.len() as u64 == self.sample.bytes {
            self.sample.head.extend_from_slice(&bytes[..room]);
        }
        if self.count.is_none() {
            self.sample.bytes += bytes.len() as u64;
            return;
        }
        while !bytes.is_empty() {
            let into = self.sample.bytes % self.sample.interval;
            let here = least(self.sample.interval - into, bytes.len());
            if let (Some(count), true) = (&mut self.count, into < COUNTED) {
                count.add(&bytes[..least(COUNTED - into, here)]);
            }
            self.advance(here as u64);
            bytes = &bytes[here..];
        }
    }

    /// Advances by bytes that the kernel moved.
    pub(super) fn skip(&mut self, bytes: u64) {
        self.count = None;
        self.sample.bytes += bytes;
    }

    fn advance(&mut self, bytes: u64) {
        self.sample.bytes += bytes;
        if self.sample.bytes.is_multiple_of(self.sample.interval) {
            if let Some(count) = &mut self.count {
                self.sample.entropy.extend(count.entropy());
                **count = Count::default();
            }
            // Longer than announced: two pieces become one.
            if self.sample.entropy.len() as u64 >= 2 * PIECES {
                let pairs = self.sample.entropy.chunks(2);
                // The last of an odd number of pieces stays.
                let mean = |pair: &[u16]| u16::midpoint(pair[0], pair[pair.len() - 1]);
                self.sample.entropy = pairs.map(mean).collect();
                self.sample.interval *= 2;
            }
        }
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.sample.head
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.sample.bytes
    }

    /// Returns the sample so far; if the sequence is whole, with the last piece, which may be shorter. If more comes after
    /// all, that piece continues.
    pub(super) fn sample(&self, is_whole: bool) -> Sample {
        let mut sample = self.sample.clone();
        if is_whole {
            sample.entropy.extend(self.count.as_ref().and_then(|count| count.entropy()));
        }
        sample
    }
}

fn least(a: u64, b: usize) -> usize {
    usize::try_from(a).unwrap_or(usize::MAX).min(b)
}

impl Count {
    fn add(&mut self, bytes: &[u8]) {
        // At most `COUNTED` bytes of a piece are added, so no count overflows.
        for byte in bytes {
            self.of[usize::from(*byte)] += 1;
            self.bytes += 1;
        }
    }

    /// Returns hundredths of a bit for each byte, corrected for the small number of counted bytes (Miller and Madow, 1955).
    /// `None`: too few bytes.
    fn entropy(&self) -> Option<u16> {
        if self.bytes < 16 {
            return None;
        }
        let n = f64::from(self.bytes);
        let (mut bits, mut kinds) = (0.0, 0.0);
        for times in self.of.iter().filter(|times| **times > 0) {
            let share = f64::from(*times) / n;
            bits -= share * share.log2();
            kinds += 1.0;
        }
        let bits: f64 = bits + (kinds - 1.0) / (2.0 * n * std::f64::consts::LN_2);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 800")]
        Some((bits.clamp(0.0, 8.0) * 100.0).round() as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(bytes: &[u8], total: u64, piece: usize) -> Sample {
        let mut sampling = Sampling::new(1, total, true);
        for piece in bytes.chunks(piece) {
            sampling.add(piece);
        }
        sampling.sample(true)
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        getrandom::fill(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn noise_has_eight_bits_base64_six_and_one_letter_none() {
        let noise = noise(200_000);
        let base64: Vec<u8> = noise.iter().map(|byte| b'0' + byte % 64).collect();
        for (bytes, bits) in [(&noise, 8.0), (&base64, 6.0), (&vec![7; 200_000], 0.0)] {
            for piece in [1, 1000, 70_000, 200_000] {
                let sample = sampled(bytes, 200_000, piece);
                assert!((sample.bits().unwrap() - bits).abs() < 0.05, "{bits}: {:?}", sample.bits());
                assert_eq!(sample.entropy.len(), 48);
                assert_eq!((sample.bytes, &sample.head[..]), (200_000, &bytes[..HEAD]));
            }
        }
    }

    #[test]
    fn the_same_bytes_in_other_pieces_are_the_same_sample() {
        let noise = noise(50_001);
        let once = sampled(&noise, 50_001, 50_001);
        for piece in [1, 7, 2048, 4096] {
            assert_eq!(sampled(&noise, 50_001, piece), once);
        }
    }

    #[test]
    fn a_sequence_longer_than_announced_stays_bounded() {
        let sample = sampled(&noise(3 << 20), 100, 4096);
        assert!(sample.entropy.len() < 96, "{}", sample.entropy.len());
        assert!((sample.bits().unwrap() - 8.0).abs() < 0.05);
        assert_eq!(sample.head.len(), HEAD);
    }

    #[test]
    fn bytes_without_a_count_are_only_summed() {
        let mut outline = Sampling::new(1, 5000, false);
        outline.add(&[7; 5000]);
        let sample = outline.sample(true);
        assert_eq!((sample.bytes, sample.head.len(), sample.entropy.len()), (5000, HEAD, 0));
        // A small file among many is not counted even at full depth; a large one is.
        for (total, pieces) in [(5000, 0), (100_000, 2)] {
            let mut later = Sampling::new(FIRST + 1, total, true);
            later.count();
            later.add(&vec![7; usize::try_from(total).unwrap()]);
            let sample = later.sample(true);
            assert_eq!((sample.entropy.len(), sample.head.len()), (pieces, HEAD), "{total}");
        }
        let mut unseen = Sampling::new(1, 100, true);
        unseen.skip(10);
        unseen.add(b"after a gap");
        assert!(unseen.sample(false).head.is_empty());
    }
}
