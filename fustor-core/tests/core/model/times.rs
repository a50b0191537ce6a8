//! The tree while time moves: each batch arrives at a time of its own, and what was beyond the horizon then is not in
//! the set.

use fustor_core::{Command, Mono, Now, SECOND, Stamp, View, ViewConfig};
use proptest::prelude::*;

use super::generate::{Dice, Set, delivery, sets};
use super::reference::Reference;
use super::runs;
use super::sets::compare;
use crate::observe::{entries, recount};
use crate::script::{BASE, write};

/// How a view that judges by `config` differs from the definition when the batches come one after the other, with
/// pauses of up to three seconds.
pub(crate) fn departs(set: &Set, seed: u64, config: &ViewConfig) -> Result<(), String> {
    let mut dice = Dice(seed);
    let ttl_ns = (2 + dice.below(8) as i64) * SECOND;
    let mut view = View::new(ViewConfig { tombstone_ttl_ns: ttl_ns, ..config.clone() }, 1);
    let mut reference = Reference::new(Stamp(BASE).minus(ttl_ns));
    let mut wall = Stamp(BASE + dice.below(6) as i64 * SECOND);
    let mut log = String::new();
    for batch in delivery(set, seed) {
        if dice.chance(25) {
            wall = wall.plus((1 + dice.below(3)) as i64 * SECOND);
        }
        let now = Now { mono: Mono(0), wall };
        if dice.chance(20) {
            view.apply(now, Command::Tick);
        }
        reference.judge_after(wall.minus(ttl_ns));
        reference.admit(&batch);
        log += &format!("now {}\n{}", (wall.0 - BASE) / SECOND, write(&batch));
        view.apply(now, Command::Batch(batch));
        view.check().map_err(|error| format!("check: {error:?}\n{log}"))?;
        recount(&view.snapshot()).map_err(|error| format!("{error}\n{log}"))?;
        let _more_remains = view.release(2);
    }
    compare(&entries(&view.snapshot()), &reference.tree())
        .map_err(|error| format!("{error}\nttl {}\n{log}", ttl_ns / SECOND))
}

proptest! {
    #![proptest_config(runs(3000))]

    #[test]
    fn a_moving_horizon_parts_what_counts_from_what_is_asked_for(set in sets(40), seed in any::<u64>()) {
        departs(&set, seed, &ViewConfig::default()).map_err(TestCaseError::fail)?;
    }
}
