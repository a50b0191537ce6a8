//! The merge: what observations do to a tree, so that the tree is a function of the set of observations.
//!
//! `docs/consistency.md` states the rules; [`rule`] is the heart of them.

mod blind_spot;
mod check;
mod contest;
mod delete;
mod gap;
mod ghost;
mod guard;
mod hearing;
mod ledger;
mod legacy;
mod listing;
mod mark;
mod prune;
mod reach;
mod rename;
mod root;
mod rule;
mod spot;
mod suspect;
mod tombstone;
mod upkeep;
mod upsert;

use im::{OrdMap, Vector};

use crate::clock::StorageClock;
use crate::event::{GapReason, UncoveredReason};
use crate::id::DirId;
use crate::key::Key;
use crate::path::ViewPath;
use crate::rules::{Rule, Rules};
use crate::time::Stamp;
use crate::tree::Writer;

pub use blind_spot::BlindDeletion;
pub use gap::OpenGap;

pub(crate) use blind_spot::BlindDeletions;
pub(crate) use hearing::Hearing;
pub(crate) use ledger::Hearsay;
pub(crate) use suspect::Suspects;

use contest::Contested;
use guard::Held;
use ledger::Round;
use reach::Trail;
use spot::Spot;
use tombstone::Tombstones;

/// What a view may hold and how it judges. Public because every value is valid.
#[derive(Clone, Debug)]
pub struct ViewConfig {
    /// A file whose mtime is younger than this may still be written; also how long rest must last to be proved.
    pub hot_threshold_ns: i64,
    /// How long a deletion repels older evidence; what is older than this is judged by a fresh listing only.
    pub tombstone_ttl_ns: i64,
    /// Suspects kept one by one; beyond it their directories are suspect.
    pub max_suspects: usize,
    /// Tombstones kept; beyond it the oldest go and the horizon of their directories rises.
    pub max_tombstones: usize,
    /// Removals found by scans that are remembered.
    pub max_blind_deletions: usize,
    /// Entries of the view, the root included; 0: no limit.
    pub max_nodes: u64,
    /// How often agents verify everything: an answer whose last verification began longer ago than twice this is not
    /// trusted. 0: they do not promise it.
    pub audit_interval_ns: i64,
    /// A rule that is switched off.
    #[cfg(feature = "mutants")]
    pub broken: Option<Rule>,
}

impl Default for ViewConfig {
    fn default() -> Self {
        const SECOND: i64 = crate::time::SECOND;
        Self {
            hot_threshold_ns: 30 * SECOND,
            tombstone_ttl_ns: 3600 * SECOND,
            max_suspects: 100_000,
            max_tombstones: 1_000_000,
            max_blind_deletions: 10_000,
            max_nodes: 0,
            audit_interval_ns: 0,
            #[cfg(feature = "mutants")]
            broken: None,
        }
    }
}

impl ViewConfig {
    /// The rules that hold.
    #[cfg(feature = "mutants")]
    pub(crate) const fn rules(&self) -> Rules {
        Rules::but(self.broken)
    }

    /// The rules that hold: all of them.
    #[cfg(not(feature = "mutants"))]
    #[expect(clippy::unused_self, reason = "the other half of a pair")]
    pub(crate) const fn rules(&self) -> Rules {
        Rules::ALL
    }
}

/// Judges observations and keeps what is needed to judge the next ones.
#[derive(Clone)]
pub(crate) struct Arbiter {
    pub(crate) writer: Writer,
    config: ViewConfig,
    tombstones: Tombstones,
    /// Directories that are not in the tree and hold tombstones, by their place.
    ghosts: OrdMap<Spot, DirId>,
    /// Directories that were moved as a whole: what moved along counts as observed at this key.
    moves: OrdMap<DirId, Key>,
    /// Directories that lost tombstones for lack of room: older evidence is not judged there.
    horizons: OrdMap<DirId, Stamp>,
    suspects: Suspects,
    blind: BlindDeletions,
    gaps: Vector<OpenGap>,
    /// The scopes of gaps, by path, that no listing has repaired yet.
    scopes: OrdMap<ViewPath, (Stamp, GapReason)>,
    uncovered: OrdMap<DirId, (UncoveredReason, Stamp)>,
    held: OrdMap<DirId, Held>,
    contested: Contested,
    hearsay: Hearsay,
    round: Round,
    clock: StorageClock,
    truncated: bool,
    trail: Trail,
    /// When time was last looked after.
    ticked: Stamp,
    /// Since when listings are owed or awaited.
    owing_since: Option<Stamp>,
    /// How old what agents read may be: the longest window that any of them has named.
    window_ns: i64,
    /// Entries of the view's other storages, which count towards its limit.
    elsewhere: u64,
}

impl Arbiter {
    pub(crate) fn new(config: ViewConfig) -> Self {
        Self {
            writer: Writer::new(),
            config,
            tombstones: Tombstones::default(),
            ghosts: OrdMap::new(),
            moves: OrdMap::new(),
            horizons: OrdMap::new(),
            suspects: Suspects::default(),
            blind: BlindDeletions::default(),
            gaps: Vector::new(),
            scopes: OrdMap::new(),
            uncovered: OrdMap::new(),
            held: OrdMap::new(),
            contested: Contested::default(),
            hearsay: Hearsay::default(),
            round: Round::default(),
            clock: StorageClock::default(),
            truncated: false,
            trail: Trail::default(),
            window_ns: 0,
            ticked: Stamp::MIN,
            owing_since: None,
            elsewhere: 0,
        }
    }

    /// Judges by these bounds from now on.
    pub(crate) fn set_config(&mut self, config: ViewConfig) {
        self.config = config;
    }

    /// Whether a rule holds; a test may switch one off.
    pub(crate) fn holds(&self, rule: Rule) -> bool {
        self.config.rules().hold(rule)
    }

    /// So many entries of the view are in other storages.
    pub(crate) fn count_elsewhere(&mut self, entries: u64) {
        self.elsewhere = entries;
    }

    pub(crate) fn suspects(&self) -> &Suspects {
        &self.suspects
    }

    pub(crate) fn blind(&self) -> &BlindDeletions {
        &self.blind
    }

    pub(crate) fn gaps(&self) -> &Vector<OpenGap> {
        &self.gaps
    }

    pub(crate) fn scopes(&self) -> &OrdMap<ViewPath, (Stamp, GapReason)> {
        &self.scopes
    }

    pub(crate) fn uncovered(&self) -> &OrdMap<DirId, (UncoveredReason, Stamp)> {
        &self.uncovered
    }

    pub(crate) fn hearsay(&self) -> &Hearsay {
        &self.hearsay
    }

    pub(crate) fn clock(&self) -> &StorageClock {
        &self.clock
    }

    pub(crate) const fn window_ns(&self) -> i64 {
        self.window_ns
    }

    /// Takes note of how old what an agent reads may be.
    pub(crate) fn note_window(&mut self, window_ns: i64) {
        self.window_ns = self.window_ns.max(window_ns);
    }

    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    pub(crate) fn config(&self) -> &ViewConfig {
        &self.config
    }
}
