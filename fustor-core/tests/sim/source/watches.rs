//! Watching what a scan has opened. Mirrors `fustor-agent/src/watch/watches.rs`.

use std::collections::BTreeSet;

use fustor_core::{Admission, Event, Facts, Heat, UncoveredReason, ViewPath, WatchId};

use super::Source;
use super::job::Job;
use super::table::TOP;
use crate::disk::Name;
use crate::host::Eyes;

/// Where a directory is that a scan has opened.
pub(super) enum Attached {
    At { watch: Option<i32>, path: ViewPath, version: u64 },
    Stale,
}

impl Source {
    pub(super) fn attach(
        &mut self,
        eyes: &mut Eyes<'_>,
        job: &Job,
        path: &ViewPath,
        facts: &Facts,
        notices: &mut Vec<Event>,
    ) -> Attached {
        let above = job.parent_watch.map(|watch| self.table.by_watch(watch));
        let (path, known, parent) = match (path.split(), above) {
            (None, _) => (path.clone(), Some(TOP), None),
            (Some((_, name)), Some(Some(parent))) if job.watch.is_none() => {
                let path = match job.version == Some(self.table.version()) {
                    true => Some(path.clone()),
                    false => self.table.path(parent, name),
                };
                let Some(path) = path else { return Attached::Stale };
                (path, self.table.child(parent, name), Some(parent))
            }
            (Some(_), Some(None)) if !eyes.leads_to(path, facts.inode) => return Attached::Stale,
            (Some(_), _) => (path.clone(), self.table.find(path), None),
        };
        let watch = self.watch_at(eyes, (known, parent), &path, facts, notices);
        let version = self.table.version();
        watch.map_or(Attached::Stale, |watch| Attached::At { watch, path, version })
    }

    fn watch_at(
        &mut self,
        eyes: &mut Eyes<'_>,
        (known, parent): (Option<WatchId>, Option<WatchId>),
        path: &ViewPath,
        facts: &Facts,
        notices: &mut Vec<Event>,
    ) -> Option<Option<i32>> {
        let heat = if path.is_root() { Heat(u32::MAX) } else { Heat::of(facts.mtime) };
        let is_watched = known.is_some_and(|id| self.table.watch(id).is_some());
        if !is_watched && !self.make_room(eyes, heat, notices) {
            self.refuse(eyes, path, notices, UncoveredReason::WatchLimit);
            return Some(None);
        }
        let watch = self.kernel.add(facts.inode);
        match (self.table.by_watch(watch), known) {
            (Some(there), Some(id)) if there == id => {}
            (there, known) => {
                if let Some(there) = there {
                    if !eyes.leads_to(path, facts.inode) {
                        return None;
                    }
                    self.remove_dir(there);
                }
                if let Some(id) = known.filter(|id| self.table.watch(*id).is_some()) {
                    self.remove_dir(id);
                }
                let id = self.table.child_or_add(parent, path);
                self.table.set_watch(id, watch, facts.inode, heat);
                self.set.add(heat, id);
                if self.refused.remove(path) {
                    notices.push(Event::Covered { dir: path.clone() });
                }
            }
        }
        Some(Some(watch))
    }

    fn make_room(&mut self, eyes: &Eyes<'_>, heat: Heat, notices: &mut Vec<Event>) -> bool {
        let table = &self.table;
        match self.set.admit(heat, || table.watched().into_iter()) {
            Admission::Room => true,
            Admission::Refused => false,
            Admission::InsteadOf(cold) => {
                let path = self.table.path(cold, b"");
                if let Some(dropped) = self.table.clear_watch(cold) {
                    self.set.remove(dropped.heat, dropped.id);
                    self.kernel.remove(dropped.watch);
                }
                if let Some(path) = path {
                    self.refuse(eyes, &path, notices, UncoveredReason::WatchLimit);
                }
                true
            }
        }
    }

    fn refuse(
        &mut self,
        eyes: &Eyes<'_>,
        dir: &ViewPath,
        notices: &mut Vec<Event>,
        reason: UncoveredReason,
    ) {
        if self.refused.insert(dir.clone()) {
            notices.push(Event::Uncovered { dir: dir.clone(), stamp: eyes.boot(), reason });
        }
    }

    /// Removes a directory and all below it from the table.
    pub(super) fn remove_dir(&mut self, id: WatchId) {
        for dropped in self.table.remove(id) {
            self.set.remove(dropped.heat, dropped.id);
            self.doomed.push(dropped.watch);
        }
    }

    pub(super) fn warm(&mut self, id: WatchId, heat: Heat) {
        let before = self.table.heat(id);
        if heat > before {
            self.table.set_heat(id, heat);
            self.set.warm(before, heat, id);
        }
    }

    pub(super) fn has_child(&self, watch: i32, name: &[u8]) -> bool {
        let parent = self.table.by_watch(watch);
        let child = parent.and_then(|parent| self.table.child(parent, name));
        child.is_some_and(|child| self.table.watch(child).is_some())
    }

    /// Where a watched directory is now, as far as reports have been read.
    pub(super) fn path_of_watch(&self, watch: i32) -> Option<ViewPath> {
        self.table.by_watch(watch).and_then(|id| self.table.path(id, b""))
    }

    pub(super) fn forget_watch(&mut self, watch: i32) -> Option<(ViewPath, Option<i32>)> {
        let id = self.table.by_watch(watch)?;
        let parent = self.table.place(id)?.0;
        self.remove_dir(id);
        let path = self.table.path(parent, b"")?;
        self.rung = true;
        Some((path, self.table.watch(parent)))
    }

    /// Drops children that a complete listing lacks.
    pub(super) fn reconcile(&mut self, eyes: &mut Eyes<'_>, watch: i32, listed: &[Name]) {
        let Some(dir) = self.table.by_watch(watch) else { return };
        let listed: BTreeSet<_> = listed.iter().collect();
        for child in self.table.children(dir) {
            let is_missing =
                self.table.place(child).is_some_and(|(_, name)| !listed.contains(name));
            let path = self.table.path(child, b"").filter(|_| is_missing);
            if path.is_some_and(|path| eyes.walk(&path).is_none()) {
                self.remove_dir(child);
            }
        }
    }

    /// Gives watches without a directory back to the kernel.
    pub(super) fn bury(&mut self) {
        for watch in std::mem::take(&mut self.doomed) {
            if self.table.by_watch(watch).is_none() {
                self.kernel.remove(watch);
            }
        }
    }
}
