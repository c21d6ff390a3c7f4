//! Pseudo-random choices that depend on a seed only.

/// A generator (`SplitMix64`, Steele 2014): every seed is as good as any other.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, which is at least 1.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns a number of a range, both ends included.
    pub(crate) const fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// Returns a number of a range in which each order of magnitude is as likely as any other. `from` is at least 1.
    pub(crate) const fn magnitude(&mut self, from: u64, to: u64) -> u64 {
        let bits = self.between(from.ilog2() as u64, to.ilog2() as u64);
        let low = 1 << bits;
        let number = low + self.below(low);
        if number < from {
            from
        } else if number > to {
            to
        } else {
            number
        }
    }

    /// Returns `true` in `times` of `of` cases.
    pub(crate) const fn chance(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// Returns an index of a list, which is not empty.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}
