//! The invariants of the tables beside the tree.

use crate::entry::Marks;
use crate::event::UncoveredReason;
use crate::id::DirId;
use crate::time::Stamp;
use crate::tree::{CheckError, Flags};

use super::Arbiter;

impl Arbiter {
    /// Recounts what the tree's totals say of the side tables, and the other way round.
    pub(crate) fn check_tables(&self) -> Result<(), CheckError> {
        let tree = self.writer.tree();
        let wrong = |text: String| Err(CheckError::Table(text));
        for (spot, _) in self.suspects.iter() {
            if !tree.is_attached(spot.dir) || spot.name.is_empty() {
                continue;
            }
            let marked = tree
                .entries(spot.dir)
                .find(&spot.name)
                .is_some_and(|row| row.marks.has(Marks::SUSPECT));
            if !marked {
                return wrong(format!("suspect {spot:?} has no marked row"));
            }
        }
        let counts = |(dir, (reason, _)): &(&DirId, &(UncoveredReason, Stamp))| {
            super::gap::weight(*reason) > 0 && tree.is_attached(**dir)
        };
        let attached = self.uncovered.iter().filter(counts).count();
        let counted = tree.meta(DirId::ROOT).totals.uncovered as usize;
        if attached != counted {
            return wrong(format!(
                "{attached} uncovered directories, but the totals say {counted}"
            ));
        }
        for (spot, ghost) in &self.ghosts {
            let meta = tree.meta(*ghost);
            if !meta.flags.has(Flags::GHOST) || meta.parent != spot.dir {
                return wrong(format!("ghost {spot:?} does not know its place"));
            }
        }
        for gap in &self.gaps {
            if tree.meta(gap.scope).totals.gaps == 0 {
                return wrong(format!(
                    "gap over directory {} is closed and still listed",
                    gap.scope
                ));
            }
        }
        Ok(())
    }
}
