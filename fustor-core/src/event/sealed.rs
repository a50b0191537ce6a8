//! What stands at the head of a sealed batch, beside its observations.

use super::Lane;
use crate::id::Seq;
use crate::time::BootTime;

/// Who sealed a batch, as which, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchHead {
    /// Which life of the agent's source; a greater one is a later one.
    pub source_epoch: u64,
    /// The lane that numbers it.
    pub lane: Lane,
    /// Its number within lane and source epoch.
    pub seq: Seq,
    /// The epoch of the lease that the sender believes to hold; 0: none.
    pub lease: u64,
    /// When it was sealed.
    pub sent: BootTime,
    /// How old an attribute may be when the agent's mount answers from its cache, in nanoseconds.
    pub cache_window_ns: i64,
}
