//! What a tree keeps of a directory beside its rows: its place, the keys of the merge, and totals of all below.

use crate::entry::{Marks, Row};
use crate::id::DirId;
use crate::key::Key;
use crate::time::{Stamp, StorageTime};

/// Totals over everything below a directory. What a *row* is (suspect, blind, placeholder) counts in the directory
/// that holds the row; what a *directory* is (gap, unlisted, uncovered) counts in that directory itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Entries that are not directories.
    pub files: u64,
    /// Directories, without this one.
    pub dirs: u64,
    /// Sum of the sizes of all entries that are not directories, in bytes; wraps at 2^64.
    pub bytes: u64,
    /// Newest mtime of an entry that is not a directory: exact, or an upper bound when the owner was removed
    /// ([`crate::Tree::newest_mtime`] gives the exact value).
    pub newest_mtime: StorageTime,
    /// When anything here or below last changed. Only grows.
    pub last_change: Stamp,
    /// Suspect rows.
    pub suspects: u32,
    /// Rows known by scan evidence only, since a change after the first listing.
    pub blind: u32,
    /// Directories, this one included, that owe a listing because of a gap.
    pub gaps: u32,
    /// Directories, this one included, that were never listed completely and can be.
    pub unlisted: u32,
    /// Directories that are inferred from something below them.
    pub placeholders: u32,
    /// Directories, this one included, that are not watched or cannot be read.
    pub uncovered: u32,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            files: 0,
            dirs: 0,
            bytes: 0,
            newest_mtime: StorageTime::MIN,
            last_change: Stamp::MIN,
            suspects: 0,
            blind: 0,
            gaps: 0,
            unlisted: 0,
            placeholders: 0,
            uncovered: 0,
        }
    }
}

/// A change of [`Totals`], applied to a directory and all its ancestors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delta {
    pub(crate) files: i64,
    pub(crate) dirs: i64,
    pub(crate) bytes: u64,
    pub(crate) suspects: i32,
    pub(crate) blind: i32,
    pub(crate) gaps: i32,
    pub(crate) unlisted: i32,
    pub(crate) placeholders: i32,
    pub(crate) uncovered: i32,
    /// The newest mtime that came.
    pub(crate) gained: StorageTime,
    /// Whether `gained` is an upper bound only.
    pub(crate) gained_stale: bool,
    /// The newest mtime that went.
    pub(crate) lost: StorageTime,
    /// When this happened; [`Stamp::MIN`] when it is no change of the storage.
    pub(crate) at: Stamp,
}

impl Default for Delta {
    fn default() -> Self {
        Self {
            files: 0,
            dirs: 0,
            bytes: 0,
            suspects: 0,
            blind: 0,
            gaps: 0,
            unlisted: 0,
            placeholders: 0,
            uncovered: 0,
            gained: StorageTime::MIN,
            gained_stale: false,
            lost: StorageTime::MIN,
            at: Stamp::MIN,
        }
    }
}

impl Delta {
    /// Counts a row that comes; of a directory only the row itself.
    pub(crate) fn add_row(&mut self, row: &Row<'_>) {
        self.count_row(row, 1);
        if row.facts.kind.is_dir() {
            self.dirs += 1;
        } else {
            self.files += 1;
            self.bytes = self.bytes.wrapping_add(row.facts.size);
            self.gain(row.facts.mtime, false);
        }
    }

    fn gain(&mut self, mtime: StorageTime, stale: bool) {
        if mtime >= self.gained {
            self.gained_stale = stale && (mtime > self.gained || self.gained_stale);
            self.gained = mtime;
        }
    }

    /// Counts a row that goes; of a directory only the row itself.
    pub(crate) fn take_row(&mut self, row: &Row<'_>) {
        self.count_row(row, -1);
        if row.facts.kind.is_dir() {
            self.dirs -= 1;
        } else {
            self.files -= 1;
            self.bytes = self.bytes.wrapping_sub(row.facts.size);
            self.lost = self.lost.max(row.facts.mtime);
        }
    }

    fn count_row(&mut self, row: &Row<'_>, n: i32) {
        let has = |mark| if row.marks.has(mark) { n } else { 0 };
        self.suspects += has(Marks::SUSPECT);
        self.blind += has(Marks::BLIND);
        self.placeholders += has(Marks::PLACEHOLDER);
    }

    /// Counts all that is below a directory that comes.
    pub(crate) fn add_subtree(&mut self, meta: &Meta) {
        let totals = &meta.totals;
        self.count_subtree(totals, 1);
        self.gain(totals.newest_mtime, meta.flags.has(Flags::STALE_MTIME));
        self.at = self.at.max(totals.last_change);
    }

    /// Counts all that is below a directory that goes.
    pub(crate) fn take_subtree(&mut self, totals: &Totals) {
        self.count_subtree(totals, -1);
        self.lost = self.lost.max(totals.newest_mtime);
    }

    fn count_subtree(&mut self, totals: &Totals, n: i32) {
        let wide = i64::from(n);
        self.files += wide * totals.files.cast_signed();
        self.dirs += wide * totals.dirs.cast_signed();
        self.bytes = if n < 0 {
            self.bytes.wrapping_sub(totals.bytes)
        } else {
            self.bytes.wrapping_add(totals.bytes)
        };
        self.suspects += n * totals.suspects.cast_signed();
        self.blind += n * totals.blind.cast_signed();
        self.gaps += n * totals.gaps.cast_signed();
        self.unlisted += n * totals.unlisted.cast_signed();
        self.placeholders += n * totals.placeholders.cast_signed();
        self.uncovered += n * totals.uncovered.cast_signed();
    }

    /// Adds a change that came after this one: what it took away may be the newest that this one brought.
    pub(crate) fn follow_with(&mut self, later: &Self) {
        if later.lost > StorageTime::MIN && later.lost == self.gained {
            self.gained_stale = true;
        }
        self.absorb(later);
    }

    /// Adds another part of the same change to this one.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.files += other.files;
        self.dirs += other.dirs;
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.suspects += other.suspects;
        self.blind += other.blind;
        self.gaps += other.gaps;
        self.unlisted += other.unlisted;
        self.placeholders += other.placeholders;
        self.uncovered += other.uncovered;
        self.gain(other.gained, other.gained_stale);
        self.lost = self.lost.max(other.lost);
        self.at = self.at.max(other.at);
    }

    /// Whether adding this changes nothing.
    pub(crate) fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// One bit each of what a directory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// Has an entry in the table of moves.
    pub(crate) const MOVED: Self = Self(1);
    /// Has no row: it holds tombstones of a directory that is not there.
    pub(crate) const GHOST: Self = Self(2);
    /// `newest_mtime` is an upper bound.
    pub(crate) const STALE_MTIME: Self = Self(4);
    /// Cannot be listed; not waited for.
    pub(crate) const UNREADABLE: Self = Self(8);

    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) const fn set(&mut self, flag: Self, on: bool) {
        if on {
            self.0 |= flag.0;
        } else {
            self.0 &= !flag.0;
        }
    }
}

/// What a tree keeps of one directory.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// The directory that holds its row; [`DirId::NONE`] for the root and for what is detached.
    pub parent: DirId,
    /// Tells apart the directories that had the same id one after the other.
    pub generation: u32,
    /// The view's revision at the last change of it or of anything below.
    pub version: u64,
    /// Proof time of its newest complete listing: the absence of every child which that listing lacked.
    pub listed: Key,
    /// The greatest absence of the directory that it outlived; holds for everything below.
    pub floor: Key,
    /// The greatest key of any evidence of it or of anything below.
    pub presence: Key,
    /// The newest evidence of the directory itself that repeated the facts of its row: like the row's key, but
    /// without an edit of the parent's block.
    pub confirmed: Key,
    /// When its newest complete listing began.
    pub verified: Stamp,
    /// It owes a listing that begins after this; [`Stamp::MIN`]: it owes none because of a gap.
    pub owed: Stamp,
    /// Totals of everything below.
    pub totals: Totals,
    pub(crate) flags: Flags,
}

impl Default for Meta {
    fn default() -> Self {
        Self::new(DirId::NONE, 0)
    }
}

impl Meta {
    pub(crate) fn new(parent: DirId, generation: u32) -> Self {
        Self {
            parent,
            generation,
            version: 0,
            listed: Key::NONE,
            floor: Key::NONE,
            presence: Key::NONE,
            confirmed: Key::NONE,
            verified: Stamp::MIN,
            owed: Stamp::MIN,
            totals: Totals::default(),
            flags: Flags::default(),
        }
    }

    /// Whether a first complete listing is still awaited.
    #[must_use]
    pub fn awaits_listing(&self) -> bool {
        self.verified == Stamp::MIN && !self.flags.has(Flags::UNREADABLE)
    }

    /// Whether it owes a listing because of a gap.
    #[must_use]
    pub fn owes_listing(&self) -> bool {
        self.owed != Stamp::MIN
    }

    pub(crate) fn add(&mut self, delta: &Delta) {
        let t = &mut self.totals;
        t.files = t.files.wrapping_add_signed(delta.files);
        t.dirs = t.dirs.wrapping_add_signed(delta.dirs);
        t.bytes = t.bytes.wrapping_add(delta.bytes);
        t.suspects = t.suspects.wrapping_add_signed(delta.suspects);
        t.blind = t.blind.wrapping_add_signed(delta.blind);
        t.gaps = t.gaps.wrapping_add_signed(delta.gaps);
        t.unlisted = t.unlisted.wrapping_add_signed(delta.unlisted);
        t.placeholders = t.placeholders.wrapping_add_signed(delta.placeholders);
        t.uncovered = t.uncovered.wrapping_add_signed(delta.uncovered);
        t.last_change = t.last_change.max(delta.at);
        if delta.lost > StorageTime::MIN
            && delta.lost >= t.newest_mtime
            && delta.gained < delta.lost
        {
            self.flags.set(Flags::STALE_MTIME, true);
        }
        if delta.gained >= t.newest_mtime && delta.gained > StorageTime::MIN {
            t.newest_mtime = delta.gained;
            self.flags.set(Flags::STALE_MTIME, delta.gained_stale);
        }
    }
}
