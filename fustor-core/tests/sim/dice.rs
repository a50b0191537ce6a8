//! Numbers from a seed, in streams that do not disturb each other.

/// One stream.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of this name.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        dice.next();
        dice
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// At least 0 and less than `n`, which is more than 0.
    pub(crate) fn below(&mut self, n: i64) -> i64 {
        (self.next() % n.unsigned_abs()) as i64
    }

    /// At least `a` and less than `b`.
    pub(crate) fn between(&mut self, a: i64, b: i64) -> i64 {
        a + self.below(b - a)
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as i64) as usize
    }

    pub(crate) fn percent(&mut self, p: i64) -> bool {
        self.below(100) < p
    }
}
