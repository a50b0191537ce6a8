//! The total order of observations: every observation gets one key, and the greater key wins.

use crate::id::Origin;
use crate::time::Stamp;

/// Who says so. Only breaks ties between equal stamps; a later variant wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tier {
    /// The kernel reported a write that is still going on, or an attribute change.
    Partial = 0,
    /// A `stat` found it at some moment: snapshot, audit, on-demand scan, sentinel.
    Scan = 1,
    /// The kernel reported a finished change: close after write, create, rename, delete.
    Atomic = 2,
}

/// Whether an observation says that something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Claim {
    /// It is not there.
    Absent = 0,
    /// It is there.
    Present = 1,
}

/// (stamp, tier, absent < present, agent, epoch, seq), compared lexicographically.
///
/// Packed into 16 bytes. `tie` holds, from the top: tier 2 bits, claim 1 bit, agent 13 bits, epoch 16 bits, seq 32
/// bits, so that comparing the two integers is comparing the tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    stamp: Stamp,
    tie: u64,
}

impl Key {
    /// Less than every key of an observation: "no evidence".
    pub const NONE: Self = Self { stamp: Stamp::MIN, tie: 0 };

    /// The key of one observation.
    #[must_use]
    pub const fn new(stamp: Stamp, tier: Tier, claim: Claim, origin: Origin) -> Self {
        let agent = (origin.agent.0 & 0x1fff) as u64;
        let tie = (tier as u64) << 62
            | (claim as u64) << 61
            | agent << 48
            | (origin.epoch.0 as u64) << 32
            | origin.seq.0 as u64;
        Self { stamp, tie }
    }

    /// Rebuilds a key from its two halves, as a block stores them.
    #[must_use]
    pub const fn from_parts(stamp: Stamp, tie: u64) -> Self {
        Self { stamp, tie }
    }

    /// When the observation was made.
    #[must_use]
    pub const fn stamp(self) -> Stamp {
        self.stamp
    }

    /// Everything but the stamp, packed.
    #[must_use]
    pub const fn tie(self) -> u64 {
        self.tie
    }

    /// Who said so.
    #[must_use]
    pub const fn tier(self) -> Tier {
        match self.tie >> 62 {
            0 => Tier::Partial,
            1 => Tier::Scan,
            _ => Tier::Atomic,
        }
    }

    /// The agent that said so.
    #[must_use]
    pub const fn agent(self) -> crate::id::AgentId {
        crate::id::AgentId(((self.tie >> 48) & 0x1fff) as u16)
    }

    /// Whether this is [`Key::NONE`].
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.stamp.0 == i64::MIN
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, Epoch, Seq};

    fn key(stamp: i64, tier: Tier, claim: Claim, agent: u16, epoch: u16, seq: u32) -> Key {
        let origin = Origin { agent: AgentId(agent), epoch: Epoch(epoch), seq: Seq(seq) };
        Key::new(Stamp(stamp), tier, claim, origin)
    }

    #[test]
    fn each_field_outranks_all_that_follow_it() {
        let rising = [
            key(0, Tier::Partial, Claim::Absent, 0, 0, 0),
            key(0, Tier::Partial, Claim::Absent, 0, 0, 1),
            key(0, Tier::Partial, Claim::Absent, 0, 1, 0),
            key(0, Tier::Partial, Claim::Absent, 1, 0, 0),
            key(0, Tier::Partial, Claim::Present, 0, 0, 0),
            key(0, Tier::Scan, Claim::Absent, 0, 0, 0),
            key(0, Tier::Atomic, Claim::Absent, 0, 0, 0),
            key(1, Tier::Partial, Claim::Absent, 0, 0, 0),
        ];
        assert!(rising.is_sorted_by(|a, b| a < b));
        assert!(Key::NONE < key(i64::MIN + 1, Tier::Partial, Claim::Absent, 0, 0, 0));
        assert_eq!(key(7, Tier::Atomic, Claim::Present, 9, 1, 1).tier(), Tier::Atomic);
        assert_eq!(key(7, Tier::Atomic, Claim::Present, 9, 1, 1).agent(), AgentId(9));
    }
}
