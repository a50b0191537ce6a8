//! Identities: small integers that cannot be confused with one another.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A directory of one tree: an index into its tables. Reused after the directory was released; the
    /// directory's `generation` tells the two apart.
    DirId(u32)
}
id! {
    /// A storage of a view: what one lease, one root identity and one audit belong to.
    StorageId(u16)
}
id! {
    /// An agent, numbered by fusion when it is first seen. Below 2^13.
    AgentId(u16)
}
id! {
    /// One life of an agent's source, counted up by fusion each time the source starts afresh.
    Epoch(u16)
}
id! {
    /// The gap-free number of a sealed batch within its lane.
    Seq(u32)
}

impl DirId {
    /// The root of every tree.
    pub const ROOT: Self = Self(0);
    /// No directory; the parent of the root and of what is detached.
    pub const NONE: Self = Self(u32::MAX);
}

/// Which life of a fusion process, and which published state within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// Changes whenever fusion starts without its earlier state.
    pub incarnation: u64,
    /// Counts applied commands.
    pub n: u64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.incarnation, self.n)
    }
}

/// Where an observation comes from: identity for deduplication, tie-break for order, never a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The agent that observed.
    pub agent: AgentId,
    /// The life of its source.
    pub epoch: Epoch,
    /// The batch that carried it.
    pub seq: Seq,
}
