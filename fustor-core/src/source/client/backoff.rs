//! Pauses between attempts: doubling up to a longest one, never ending, spread by a seeded jitter.

/// The pauses of one client.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    state: u64,
    first_ns: i64,
    longest_ns: i64,
}

impl Backoff {
    pub(super) const fn new(seed: u64, (first_ns, longest_ns): (i64, i64)) -> Self {
        Self { state: seed, first_ns, longest_ns }
    }

    /// The pause after the `failures`-th failure in a row: between half of it and all of it, so that agents that lost
    /// the same server do not come back in step.
    pub(super) fn pause(&mut self, failures: u32) -> i64 {
        let doublings = failures.saturating_sub(1).min(32);
        let whole = self.first_ns.saturating_mul(1 << doublings).clamp(1, self.longest_ns.max(1));
        let half = whole / 2;
        half + i64::try_from(self.next() % (half.unsigned_abs() + 1)).unwrap_or(half)
    }

    /// `splitmix64`.
    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_differ_by_seed() {
        let mut one = Backoff::new(1, (1000, 30_000));
        let pauses: Vec<_> = (1..=40).map(|failures| one.pause(failures)).collect();
        assert!((500..=1000).contains(&pauses[0]));
        assert!((2000..=4000).contains(&pauses[2]));
        assert!(pauses[5..].iter().all(|pause| (15_000..=30_000).contains(pause)));
        let mut other = Backoff::new(2, (1000, 30_000));
        let others: Vec<_> = (1..=40).map(|failures| other.pause(failures)).collect();
        assert_ne!(pauses, others);
    }
}
