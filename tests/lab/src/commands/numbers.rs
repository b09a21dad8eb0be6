//! Numbers that follow from a seed.

/// `SplitMix64`: a few lines that give the same numbers for ever, which no library promises.
#[derive(Debug)]
pub(super) struct Numbers(u64);

impl Numbers {
    /// Those of this seed.
    pub(super) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one, from 0 to `bound`, which is left out.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_are_those_of_splitmix64() {
        let mut numbers = Numbers::of(1_234_567);
        let first = [(); 3].map(|()| numbers.below(u64::MAX));
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(first, published);
    }
}
