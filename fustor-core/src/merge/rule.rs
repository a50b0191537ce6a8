//! The rule of the merge: what evidence of an entry means for what is known of it. Pure: keys and facts in, a ruling out.

use crate::entry::Facts;
use crate::key::Key;

/// What is known of a path when evidence of it arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    /// It is not in the tree.
    Nothing {
        /// The greatest absence of it: of itself, or of anything above.
        absence: Key,
    },
    /// It is something other than a directory.
    Leaf {
        /// The key of its evidence.
        own: Key,
        /// That evidence.
        facts: Facts,
    },
    /// It is a directory.
    Dir {
        /// The key of the evidence of the directory itself; [`Key::NONE`] for a placeholder.
        own: Key,
        /// That evidence.
        facts: Facts,
        /// The greatest absence that it outlived.
        floor: Key,
        /// The greatest key of any evidence of it or of anything below.
        presence: Key,
    },
}

/// What is to be done with evidence that something exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// Newer evidence is known.
    Stale,
    /// It was gone later than this evidence.
    Buried,
    /// A new row.
    Insert,
    /// The facts of the row are replaced; a directory stays one, and so does everything else.
    Refresh,
    /// What was no directory is one now; the older evidence becomes its floor.
    BecomeDir,
    /// What was a directory is none now; nothing below it is newer.
    BecomeLeaf,
    /// It is no longer a directory according to this evidence, but something in it is newer: it stays, and everything
    /// older than this goes.
    Undermine {
        /// Whether its own facts are older too, so that it becomes a placeholder.
        facts_go: bool,
    },
}

/// Rules on evidence `(key, facts)` of an entry whose ancestors' absences are less than `key`.
pub(crate) fn decide(known: &Known, key: Key, facts: &Facts) -> Ruling {
    match *known {
        Known::Nothing { absence } => {
            if key > absence {
                Ruling::Insert
            } else {
                Ruling::Buried
            }
        }
        Known::Leaf { own, facts: old } => {
            if (key, *facts) <= (own, old) {
                Ruling::Stale
            } else if facts.kind.is_dir() {
                Ruling::BecomeDir
            } else {
                Ruling::Refresh
            }
        }
        Known::Dir { floor, .. } if key <= floor => Ruling::Stale,
        Known::Dir { own, facts: old, .. } if facts.kind.is_dir() => {
            if own.is_none() || (key, *facts) > (own, old) {
                Ruling::Refresh
            } else {
                Ruling::Stale
            }
        }
        Known::Dir { own, presence, .. } => {
            if key >= presence {
                Ruling::BecomeLeaf
            } else {
                Ruling::Undermine { facts_go: own <= key }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Kind;
    use crate::id::Origin;
    use crate::key::{Claim, Tier};
    use crate::time::Stamp;

    fn at(stamp: i64) -> Key {
        Key::new(Stamp(stamp), Tier::Scan, Claim::Present, Origin::default())
    }

    fn facts(kind: Kind, size: u64) -> Facts {
        Facts { kind, size, ..Facts::default() }
    }

    /// known | evidence | ruling | why
    #[test]
    fn the_table() {
        let file = facts(Kind::File, 1);
        let dir = facts(Kind::Dir, 0);
        let gone = Known::Nothing { absence: at(5) };
        let leaf = Known::Leaf { own: at(5), facts: file };
        let live = Known::Dir { own: at(5), facts: dir, floor: at(3), presence: at(8) };
        let bare =
            Known::Dir { own: Key::NONE, facts: Facts::PLACEHOLDER, floor: at(3), presence: at(8) };
        let cases = [
            (gone, 5, file, Ruling::Buried, "an absence repels evidence of its own key"),
            (gone, 6, file, Ruling::Insert, "later evidence outlives it"),
            (leaf, 5, file, Ruling::Stale, "the same evidence again"),
            (leaf, 5, facts(Kind::File, 2), Ruling::Refresh, "equal keys: greater facts win"),
            (leaf, 5, dir, Ruling::Stale, "equal keys: not a directory wins"),
            (leaf, 6, dir, Ruling::BecomeDir, "kind change"),
            (live, 3, dir, Ruling::Stale, "at the floor"),
            (live, 4, dir, Ruling::Stale, "older than its facts"),
            (live, 6, dir, Ruling::Refresh, "newer than its facts"),
            (live, 4, file, Ruling::Undermine { facts_go: false }, "facts and contents are newer"),
            (
                live,
                5,
                file,
                Ruling::Undermine { facts_go: true },
                "equal keys: not a directory wins",
            ),
            (live, 7, file, Ruling::Undermine { facts_go: true }, "only contents are newer"),
            (live, 8, file, Ruling::BecomeLeaf, "nothing is newer"),
            (bare, 4, dir, Ruling::Refresh, "a placeholder takes any facts above its floor"),
        ];
        for (known, stamp, facts, ruling, why) in cases {
            assert_eq!(decide(&known, at(stamp), &facts), ruling, "{why}");
        }
    }
}
