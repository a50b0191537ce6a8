//! Makes a failing plan smaller: drops faults and calls while the same judge still finds something.

use fustor_core::ViewConfig;

use crate::plan::Plan;
use crate::world::Failure;

/// Runs that shrinking may cost.
const RUNS: usize = 160;

/// The smallest plan that was found to fail in the same way, and how it fails.
pub(crate) fn shrink(plan: &Plan, config: &ViewConfig, failure: Failure) -> (Plan, Failure) {
    let mut shrinker =
        Shrinker { best: plan.clone(), failure, config: config.clone(), runs_left: RUNS };
    shrinker.cut_the_end();
    shrinker.drop_mishaps();
    shrinker.drop_happenings();
    shrinker.drop_mishaps();
    (shrinker.best, shrinker.failure)
}

struct Shrinker {
    best: Plan,
    failure: Failure,
    config: ViewConfig,
    runs_left: usize,
}

impl Shrinker {
    fn fails(&mut self, plan: Plan) -> bool {
        if self.runs_left == 0 {
            return false;
        }
        self.runs_left -= 1;
        match crate::run(&plan, self.config.clone(), false).0 {
            Err(failure) if failure.checker == self.failure.checker => {
                (self.best, self.failure) = (plan, failure);
                true
            }
            Err(_) | Ok(_) => false,
        }
    }

    /// What comes after the failure is no reason for it.
    fn cut_the_end(&mut self) {
        let mut plan = self.best.clone();
        plan.happenings.retain(|happening| happening.at <= self.failure.at);
        plan.mishaps.retain(|mishap| mishap.at <= self.failure.at);
        self.fails(plan);
    }

    fn drop_mishaps(&mut self) {
        let mut size = self.best.mishaps.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.best.mishaps.len() {
                let mut plan = self.best.clone();
                let to = (from + size).min(plan.mishaps.len());
                plan.mishaps.drain(from..to);
                if !self.fails(plan) {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    /// Those of before the beginning too.
    fn drop_happenings(&mut self) {
        let mut size = self.best.happenings.len().div_ceil(2);
        while size > 0 && self.runs_left > 0 {
            let mut from = 0;
            while from < self.best.happenings.len() {
                let mut plan = self.best.clone();
                let to = (from + size).min(plan.happenings.len());
                plan.happenings.drain(from..to);
                if !self.fails(plan) {
                    from += size;
                }
            }
            size /= 2;
        }
    }
}
