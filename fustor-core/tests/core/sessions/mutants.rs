//! Which of the written tests notice that a rule is switched off.

use std::cell::Cell;

use fustor_core::Rule;

use super::{duplicates, gaps, jobs, leases, pushing};
use crate::model::mutants::fails;

thread_local! {
    static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
}

/// The rule that is switched off in the houses of this thread.
pub(super) fn broken() -> Option<Rule> {
    BROKEN.get()
}

/// The first written test that fails when a rule is switched off.
pub(crate) fn first_failing(rule: Rule) -> Option<&'static str> {
    let all =
        [leases::WRITTEN, gaps::WRITTEN, pushing::WRITTEN, duplicates::WRITTEN, jobs::WRITTEN];
    BROKEN.set(Some(rule));
    let run = |test: fn()| {
        fails(|| {
            test();
            Ok(())
        })
    };
    let found = all.iter().copied().flatten().find(|(_, test)| run(*test));
    BROKEN.set(None);
    found.map(|(name, _)| *name)
}
