//! Random numbers that a seed brings back, for the adversary and for who works against it.

/// A xorshift generator.
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for each use of one seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        // Never zero, which it would not leave.
        Self((seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15)) | 1 << 40)
    }

    /// One of `0..bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }

    /// True in so many of a hundred.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}
