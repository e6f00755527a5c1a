//! Portable randomness: the same draws from the same seed on every platform and in every version.
//!
//! Test data only. Nothing here is fit for keys.

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

/// What a series of draws is for: two purposes never share a series.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The sorts, times and subjects of the lines.
    Stream = 1,
    /// The attributes of one subject.
    Subject = 2,
    /// The id of one event.
    EventId = 3,
}

/// A series of draws.
#[derive(Clone, Debug)]
pub(super) struct Draw(Pcg64Mcg);

impl Draw {
    /// The series of a purpose and a number under a seed.
    pub(super) fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        // Series that start close to each other are alike in PCG: the mix sets them far apart.
        let low = mix(seed ^ mix(number.wrapping_add((purpose as u64) << 56)));
        let high = mix(low ^ 0x6c65_7468_6521_2121);
        Self(Pcg64Mcg::new((u128::from(high) << 64) | u128::from(low)))
    }

    /// 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which is not 0. The bias is below `bound / 2^64`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// One entry of a table that is not empty.
    pub(super) fn pick<T>(&mut self, table: &'static [T]) -> &'static T {
        &table[self.below(table.len() as u64) as usize]
    }

    /// One text of a table that is not empty.
    pub(super) fn text(&mut self, table: &'static [&'static str]) -> &'static str {
        self.pick::<&str>(table)
    }

    /// True once in `n` draws.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that spreads every bit.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_the_same_in_every_version() {
        let mut draw = Draw::new(7, Purpose::Subject, 42);
        let first = [draw.bits(), draw.bits(), draw.bits()];
        assert_eq!(first, [28_654_215_562_874_455, 6_791_033_827_902_763_241, 15_591_612_522_466_120_452]);
    }

    #[test]
    fn purposes_seeds_and_numbers_do_not_share_a_series() {
        let first = |seed, purpose, number| Draw::new(seed, purpose, number).bits();
        let all = [
            first(1, Purpose::Stream, 1),
            first(1, Purpose::Subject, 1),
            first(1, Purpose::EventId, 1),
            first(2, Purpose::Stream, 1),
            first(1, Purpose::Stream, 2),
        ];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_bounded_draw_reaches_every_number_about_as_often() {
        let mut draw = Draw::new(1, Purpose::Stream, 0);
        let mut seen = [0_u32; 10];
        for _ in 0..100_000 {
            seen[draw.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (9_500..10_500).contains(n)), "{seen:?}");
    }
}
