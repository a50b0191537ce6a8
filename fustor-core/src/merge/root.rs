//! Evidence of the root itself, which is always there and always a directory.

use crate::entry::{Facts, Marks};
use crate::event::{Fidelity, Refusal, Verdict};
use crate::id::DirId;
use crate::key::Key;

use super::reach::Old;
use super::upsert::change_time;
use super::{Arbiter, Hearing};

impl Arbiter {
    pub(super) fn upsert_root(
        &mut self,
        hearing: &mut Hearing<'_>,
        key: Key,
        facts: &Facts,
    ) -> Verdict {
        self.writer.settle();
        if !facts.kind.is_dir() {
            return Verdict::Refused(Refusal::Root);
        }
        if self.is_beyond_horizon(hearing, DirId::ROOT, key) {
            hearing.ask_listing(crate::path::ViewPath::root(), false);
            return Verdict::Queued;
        }
        self.writer.raise_presence(DirId::ROOT, key);
        let old = Old::of(&self.writer.tree().root_row());
        if !old.marks.has(Marks::PLACEHOLDER) && (key, *facts) <= (old.key, old.facts) {
            return Verdict::Stale;
        }
        let reconciled;
        let facts = match hearing.fidelity {
            Fidelity::Exact => facts,
            Fidelity::Legacy => {
                reconciled = self.reconciled(Some(&old.facts), facts);
                &reconciled
            }
        };
        let at = change_time(Some(&old), facts, key, hearing.window_ns);
        let root = self.writer.root_mut();
        root.facts = *facts;
        root.key = key;
        root.marks = root.marks.without(Marks::PLACEHOLDER);
        root.storage = hearing.storage;
        let delta = crate::tree::Delta { at, ..Default::default() };
        if !delta.is_zero() {
            self.writer.shift(DirId::ROOT, &delta, key);
        }
        Verdict::Applied
    }
}
