//! The definition of the tree: a list of observations, evaluated from scratch. It shares nothing with the merge but the
//! types at the door.

use std::collections::BTreeSet;

use fustor_core::{Batch, Claim, Event, Facts, Key, Kind, Listing, Stamp, Tier, ViewPath};

use crate::observe::Entry;

/// What one observation says.
enum Evidence {
    /// The path existed and looked like this.
    There { path: ViewPath, key: Key, facts: Facts },
    /// The path, with all below it, was gone.
    Gone { path: ViewPath, key: Key },
    /// The directory held no other names than these.
    Holds { dir: ViewPath, key: Key, names: BTreeSet<Vec<u8>> },
}

/// A set of observations.
pub(crate) struct Reference {
    horizon: Stamp,
    evidence: Vec<Evidence>,
}

impl Reference {
    /// The empty set; observations at or before `horizon` will not be in it.
    pub(crate) fn new(horizon: Stamp) -> Self {
        Self { horizon, evidence: Vec::new() }
    }

    /// Moves the horizon; what is in the set stays in it.
    pub(crate) fn judge_after(&mut self, horizon: Stamp) {
        self.horizon = horizon;
    }

    /// Adds what a batch observed. Renames are not part of this definition.
    pub(crate) fn admit(&mut self, batch: &Batch) {
        for event in &batch.events {
            match event {
                Event::Upsert { path, stamp, tier, facts } => {
                    let stamp = batch.clock.stamp(*stamp);
                    let stamp = match tier {
                        Tier::Scan => stamp.minus(batch.cache_window_ns),
                        Tier::Partial | Tier::Atomic => stamp,
                    };
                    let key = Key::new(stamp, *tier, Claim::Present, batch.origin);
                    self.there(path.clone(), key, *facts);
                }
                Event::Delete { path, stamp } => {
                    let key = Key::new(
                        batch.clock.stamp(*stamp),
                        Tier::Atomic,
                        Claim::Absent,
                        batch.origin,
                    );
                    if key.stamp() > self.horizon && !path.is_root() {
                        self.evidence.push(Evidence::Gone { path: path.clone(), key });
                    }
                }
                Event::Listing(listing) => self.listing(batch, listing),
                Event::Rename { .. } => panic!("the definition by sets has no renames"),
                Event::Gap { .. }
                | Event::Uncovered { .. }
                | Event::Covered { .. }
                | Event::Cycle { .. }
                | Event::RootLost { .. }
                | Event::Remark(_) => {}
            }
        }
    }

    fn listing(&mut self, batch: &Batch, listing: &Listing) {
        let read = batch.clock.stamp(listing.stamp).minus(batch.cache_window_ns);
        let key = Key::new(read, Tier::Scan, Claim::Present, batch.origin);
        self.there(listing.dir.clone(), key, listing.facts);
        let mut names = BTreeSet::new();
        for row in listing.blocks.iter().flat_map(fustor_core::Block::rows) {
            names.insert(row.name.to_vec());
            self.there(listing.dir.join(row.name), key, row.facts);
        }
        let proof = read.minus(batch.clock.uncertainty_ns);
        if listing.complete && proof > self.horizon {
            let key = Key::new(proof, Tier::Scan, Claim::Absent, batch.origin);
            self.evidence.push(Evidence::Holds { dir: listing.dir.clone(), key, names });
        }
    }

    fn there(&mut self, path: ViewPath, key: Key, facts: Facts) {
        let impossible = path.is_root() && facts.kind != Kind::Dir;
        if key.stamp() > self.horizon && !impossible {
            self.evidence.push(Evidence::There { path, key, facts });
        }
    }

    /// The tree that this set defines, by path.
    pub(crate) fn tree(&self) -> Vec<Entry> {
        let mut paths = BTreeSet::from([ViewPath::root()]);
        for evidence in &self.evidence {
            if let Evidence::There { path, .. } = evidence {
                paths.extend(with_ancestors(path));
            }
        }
        paths.into_iter().filter_map(|path| self.entry(path)).collect()
    }

    fn entry(&self, path: ViewPath) -> Option<Entry> {
        let absence = self.absence(&path);
        if !path.is_root() && self.presence(&path) <= absence {
            return None;
        }
        let own = self.own(&path).filter(|(key, _)| *key > absence);
        let below = self.below(&path);
        match own {
            Some((key, facts)) if facts.kind == Kind::Dir || key >= below => {
                Some(Entry { path, facts: Some(facts), key })
            }
            Some(_) | None => Some(Entry { path, facts: None, key: Key::NONE }),
        }
    }

    /// The greatest key of any evidence that the path, or anything below it, exists.
    fn presence(&self, at: &ViewPath) -> Key {
        self.greatest(|evidence| match evidence {
            Evidence::There { path, key, .. } if at.contains(path) => Some(*key),
            Evidence::There { .. } | Evidence::Gone { .. } | Evidence::Holds { .. } => None,
        })
    }

    /// The greatest key of any evidence that something below the path exists.
    fn below(&self, at: &ViewPath) -> Key {
        self.greatest(|evidence| match evidence {
            Evidence::There { path, key, .. } if path != at && at.contains(path) => Some(*key),
            Evidence::There { .. } | Evidence::Gone { .. } | Evidence::Holds { .. } => None,
        })
    }

    /// The greatest key of any evidence that the path does not exist.
    fn absence(&self, at: &ViewPath) -> Key {
        self.greatest(|evidence| match evidence {
            Evidence::Gone { path, key } => path.contains(at).then_some(*key),
            Evidence::There { path, key, facts } => {
                (facts.kind != Kind::Dir && path != at && path.contains(at)).then_some(*key)
            }
            Evidence::Holds { dir, key, names } => {
                let child = at.names().nth(dir.depth());
                let lacks = dir.contains(at) && child.is_some_and(|name| !names.contains(name));
                lacks.then_some(*key)
            }
        })
    }

    /// The path's own evidence of the greatest key; of equal keys, the greater facts.
    fn own(&self, at: &ViewPath) -> Option<(Key, Facts)> {
        let own = self.evidence.iter().filter_map(|evidence| match evidence {
            Evidence::There { path, key, facts } if path == at => Some((*key, *facts)),
            Evidence::There { .. } | Evidence::Gone { .. } | Evidence::Holds { .. } => None,
        });
        own.max()
    }

    fn greatest(&self, key: impl Fn(&Evidence) -> Option<Key>) -> Key {
        self.evidence.iter().filter_map(key).max().unwrap_or(Key::NONE)
    }
}

fn with_ancestors(path: &ViewPath) -> Vec<ViewPath> {
    let up = |path: &ViewPath| path.split().map(|(parent, _)| parent);
    std::iter::successors(Some(path.clone()), up).collect()
}
