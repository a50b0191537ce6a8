//! The tree that a list of observations describes, worked out as `consistency.md` defines it and sharing no code with
//! the merge: presence and absence by stamp.

use std::collections::{BTreeMap, BTreeSet};

use fustor_core::{
    BootTime, CyclePhase, Event, Facts, GapReason, Kind, Listing, Tier, UncoveredReason, ViewPath,
};

type Names = BTreeSet<Vec<u8>>;

#[derive(Clone, Debug)]
struct Evidence {
    seen: BootTime,
    facts: Facts,
    tier: Tier,
}

/// What was observed so far.
#[derive(Debug, Default)]
pub(crate) struct Model {
    entries: BTreeMap<ViewPath, Evidence>,
    tombstones: BTreeMap<ViewPath, BootTime>,
    /// The names in each complete listing: what it lacks is absent at its stamp, also for evidence that comes late.
    complete: BTreeMap<ViewPath, Vec<(BootTime, Names)>>,
    moves: Vec<(ViewPath, ViewPath, BootTime)>,
    pub(crate) listings: BTreeMap<ViewPath, Vec<Listing>>,
    pub(crate) renames: Vec<(ViewPath, ViewPath)>,
    pub(crate) deletes: Vec<ViewPath>,
    pub(crate) upserts: Vec<(ViewPath, Tier, Facts)>,
    pub(crate) gaps: Vec<(ViewPath, GapReason)>,
    pub(crate) uncovered: BTreeMap<ViewPath, UncoveredReason>,
    pub(crate) covered: Vec<ViewPath>,
    pub(crate) cycles: (usize, usize),
    /// What the ends of passes said.
    pub(crate) passes: Vec<BootTime>,
    pub(crate) root_lost: bool,
    /// Every observation in short, for who has to find out what went wrong.
    history: Vec<String>,
    /// Directories that a view asks for until they are listed, as its gaps do: they were listed before they moved, or
    /// moved before they were known. A listing begun later than the stamp settles it.
    pub(crate) owed: Vec<(ViewPath, BootTime)>,
}

fn below(path: &ViewPath, old: &ViewPath, new: &ViewPath) -> Option<ViewPath> {
    if !old.contains(path) {
        return None;
    }
    let rest = path.names().skip(old.depth());
    Some(rest.fold(new.clone(), |at, name| at.join(name)))
}

fn brief(event: &Event) -> String {
    match event {
        Event::Upsert { path, stamp, tier, facts } => {
            format!("{} upsert {path} {tier:?} {} {}", stamp.0, facts.inode, facts.mtime.0)
        }
        Event::Delete { path, stamp } => format!("{} delete {path}", stamp.0),
        Event::Rename { old, new, stamp, facts } => {
            format!("{} rename {old} {new} {}", stamp.0, facts.inode)
        }
        Event::Listing(Listing { dir, stamp, complete, facts, blocks }) => {
            let rows = blocks.iter().flat_map(fustor_core::Block::rows);
            let names: Vec<_> = rows.map(|row| String::from_utf8_lossy(row.name)).collect();
            format!("{} listing {dir} {} {complete} {names:?}", stamp.0, facts.inode)
        }
        Event::Gap { .. } | Event::Uncovered { .. } | Event::Covered { .. } => format!("{event:?}"),
        Event::Cycle { .. } | Event::RootLost { .. } | Event::Remark(_) => format!("{event:?}"),
    }
}

impl Model {
    /// What was last observed of a path and of what is above it.
    pub(crate) fn story(&self, path: &str) -> Vec<&str> {
        let names: Vec<_> = path.split('/').skip(1).collect();
        let above: Vec<_> =
            (1..=names.len()).map(|n| format!("/{}", names[..n].join("/"))).collect();
        let concerns =
            |line: &&String| line.split(' ').any(|word| above.iter().any(|path| path == word));
        let story: Vec<_> = self.history.iter().filter(concerns).map(String::as_str).collect();
        story[story.len().saturating_sub(60)..].to_vec()
    }

    pub(crate) fn apply(&mut self, event: Event) {
        self.history.push(brief(&event));
        match event {
            Event::Upsert { path, stamp, tier, facts } => {
                self.upserts.push((path.clone(), tier, facts));
                self.see(path, stamp, facts, tier);
            }
            Event::Delete { path, stamp } => {
                self.deletes.push(path.clone());
                self.bury(&path, stamp);
            }
            Event::Rename { old, new, stamp, facts } => self.rename(old, new, stamp, facts),
            Event::Listing(listing) => self.list(listing),
            Event::Gap { scope, reason, .. } => self.gaps.push((scope, reason)),
            Event::Uncovered { dir, reason, .. } => {
                self.uncovered.insert(dir, reason);
            }
            Event::Covered { dir } => {
                self.uncovered.remove(&dir);
                self.covered.push(dir);
            }
            Event::Cycle { phase: CyclePhase::Begin, .. } => self.cycles.0 += 1,
            Event::Cycle { phase: CyclePhase::End, .. } => self.cycles.1 += 1,
            Event::Cycle { phase: CyclePhase::PassEnd { read_since }, .. } => {
                self.cycles.1 += 1;
                self.passes.push(read_since);
            }
            Event::RootLost { .. } => self.root_lost = true,
            Event::Remark(_) => panic!("only agents of 0.8 remark"),
        }
    }

    fn see(&mut self, path: ViewPath, seen: BootTime, facts: Facts, tier: Tier) {
        let mut at = Some(path.clone());
        while let Some(here) = at {
            if self.tombstones.get(&here).is_some_and(|gone| *gone >= seen) {
                return;
            }
            if here.split().is_some_and(|(parent, name)| self.lacks(&parent, name, seen)) {
                return;
            }
            at = here.split().map(|(parent, _)| parent);
        }
        if self.entries.get(&path).is_none_or(|known| known.seen <= seen) {
            if facts.kind != Kind::Dir {
                self.drop_below(&path, seen);
            }
            self.entries.insert(path, Evidence { seen, facts, tier });
        }
    }

    /// Whether a listing later than `seen` lacks a name.
    fn lacks(&self, dir: &ViewPath, name: &[u8], seen: BootTime) -> bool {
        let listings = self.complete.get(dir).into_iter().flatten();
        listings.rev().any(|(stamp, names)| *stamp > seen && !names.contains(name))
    }

    fn drop_below(&mut self, path: &ViewPath, until: BootTime) {
        // The least name that there is: what follows it is below, if anything is.
        let mut below = self.entries.range(path.join(b"\x01")..);
        if !below.next().is_some_and(|(other, _)| path.contains(other)) {
            return;
        }
        self.entries
            .retain(|other, known| other == path || !path.contains(other) || known.seen > until);
    }

    fn bury(&mut self, path: &ViewPath, stamp: BootTime) {
        self.owed.retain(|(scope, since)| !path.contains(scope) || *since > stamp);
        let gone = self.tombstones.entry(path.clone()).or_insert(stamp);
        *gone = stamp.max(*gone);
        self.entries.retain(|other, known| !path.contains(other) || known.seen > stamp);
    }

    fn rename(&mut self, old: ViewPath, new: ViewPath, stamp: BootTime, facts: Facts) {
        let moved: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(path, known)| Some((below(path, &old, &new)?, known.clone())))
            .collect();
        let is_known = self.entries.get(&old).is_some_and(|known| known.facts.inode == facts.inode);
        self.bury(&new, stamp.minus(1));
        for (scope, _) in &mut self.owed {
            if let Some(moved) = below(scope, &old, &new) {
                *scope = moved;
            }
        }
        self.bury(&old, stamp);
        for (path, known) in moved {
            self.see(path, stamp, known.facts, known.tier);
        }
        self.see(new.clone(), stamp, facts, Tier::Atomic);
        if !is_known && facts.kind == Kind::Dir {
            self.owed.push((new.clone(), stamp));
        }
        self.moves.push((old.clone(), new.clone(), stamp));
        self.renames.push((old, new));
    }

    fn list(&mut self, listing: Listing) {
        let Listing { dir, stamp, complete, facts, blocks } = &listing;
        let mut place = (dir.clone(), *stamp);
        // Renames are told in order, so the earliest that is later comes first.
        for (old, new, at) in &self.moves {
            if *at >= place.1
                && let Some(now) = below(&place.0, old, new)
            {
                place = (now, *at);
            }
        }
        if place.0 != *dir {
            self.owed.push(place);
        }
        self.owed.retain(|(scope, since)| scope != dir || stamp <= since || !complete);
        self.see(dir.clone(), *stamp, *facts, Tier::Scan);
        let rows: BTreeMap<_, _> = blocks
            .iter()
            .flat_map(fustor_core::Block::rows)
            .map(|row| (dir.join(row.name), row.facts))
            .collect();
        if *complete {
            let names = rows.keys().map(|path| path.name().to_vec()).collect();
            self.complete.entry(dir.clone()).or_default().push((*stamp, names));
            let is_child = |path: &ViewPath| path.split().is_some_and(|(parent, _)| parent == *dir);
            let missing: Vec<_> = self
                .entries
                .iter()
                .filter(|(path, known)| {
                    is_child(path) && !rows.contains_key(*path) && known.seen < *stamp
                })
                .map(|(path, _)| path.clone())
                .collect();
            for path in missing {
                self.bury(&path, *stamp);
            }
        }
        for (path, facts) in rows {
            self.see(path, *stamp, facts, Tier::Scan);
        }
        self.listings.entry(listing.dir.clone()).or_default().push(listing);
    }

    pub(crate) fn facts(&self, path: &str) -> Option<Facts> {
        let path = ViewPath::parse(path.as_bytes()).unwrap();
        self.entries.get(&path).map(|known| known.facts)
    }

    pub(crate) fn tier(&self, path: &str) -> Option<Tier> {
        let path = ViewPath::parse(path.as_bytes()).unwrap();
        self.entries.get(&path).map(|known| known.tier)
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.facts(path).is_some()
    }

    /// All entries but the root.
    pub(crate) fn entries(&self) -> BTreeMap<Vec<u8>, Facts> {
        let all = self.entries.iter().filter(|(path, _)| !path.is_root());
        all.map(|(path, known)| (path.as_bytes().to_vec(), known.facts)).collect()
    }
}
