//! What is known about a path and handed on to the paths below it. Knows nothing of how patterns match.

/// How far a list of patterns has decided about a path; made by [`DockerIgnore::root`](super::DockerIgnore::root) and
/// [`DockerIgnore::below`](super::DockerIgnore::below).
#[derive(Clone, Debug, Default)]
pub struct WalkState {
    /// The patterns that match the path or a parent of it, as far as they were tried.
    pub(super) matched: Bits,
    /// The index of the pattern that last changed the answer.
    pub(super) decided: Option<usize>,
    pub(super) ignored: bool,
}

impl WalkState {
    /// Whether the path is ignored.
    pub fn ignored(&self) -> bool {
        self.ignored
    }
}

/// A set of small numbers, without an allocation as long as they are below 128.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    low: u128,
    high: Vec<u128>,
}

impl Bits {
    pub fn contains(&self, index: usize) -> bool {
        let word = match index / 128 {
            0 => self.low,
            word => self.high.get(word - 1).copied().unwrap_or(0),
        };
        word & (1 << (index % 128)) != 0
    }

    pub fn insert(&mut self, index: usize) {
        let bit = 1 << (index % 128);
        match index / 128 {
            0 => self.low |= bit,
            word => {
                if self.high.len() < word {
                    self.high.resize(word, 0);
                }
                self.high[word - 1] |= bit;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn bits_hold_what_was_put_in() {
        let mut bits = Bits::default();
        for index in [0, 127, 128, 500] {
            bits.insert(index);
        }
        let found: Vec<_> = (0..600).filter(|&index| bits.contains(index)).collect();
        assert_eq!(found, [0, 127, 128, 500]);
    }
}
