//! Draws that are the same on every machine.

/// SplitMix64: small, even, and nothing here needs to be unguessable.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `sides` less one; 0 for no sides.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.draw() % sides.max(1)
    }

    /// The same as a place in a list.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(length).unwrap_or(u64::MAX))).unwrap_or_default()
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.roll(1_000) < per_mille
    }

    /// One of several, each as likely as its weight says.
    pub fn weighed<T: Copy>(&mut self, of: &[(u64, T)]) -> Option<T> {
        let mut left = self.roll(of.iter().map(|(weight, _)| weight).sum());
        for (weight, one) in of {
            if left < *weight {
                return Some(*one);
            }
            left -= weight;
        }
        None
    }
}
