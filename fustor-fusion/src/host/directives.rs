//! What a view asks its agents to do, waiting to be fetched: a bounded set in which equal wishes coalesce.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use fustor_core::{Directive, StorageId, ViewPath};

/// Beyond this many, the wishes of a storage are replaced by one listing of everything, which fulfils them all.
const MAX_WAITING: usize = 1 << 16;

/// The wishes of one view.
#[derive(Debug, Default)]
pub struct Directives {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeSet<Directive>,
    closed: bool,
}

impl Directives {
    /// Takes all that wait, once there is one; `None` when the view is closed.
    #[must_use]
    pub fn wait(&self) -> Option<Vec<Directive>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if !state.waiting.is_empty() {
                return Some(std::mem::take(&mut state.waiting).into_iter().collect());
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether none wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn add(&self, directives: Vec<Directive>) {
        if directives.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.waiting.extend(directives);
        if state.waiting.len() > MAX_WAITING {
            state.waiting = whole(&state.waiting);
        }
        drop(state);
        self.arrived.notify_all();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whole(waiting: &BTreeSet<Directive>) -> BTreeSet<Directive> {
    let storages: BTreeSet<StorageId> = waiting.iter().map(storage_of).collect();
    let all = |storage| Directive::List { storage, path: ViewPath::root(), recursive: true };
    storages.into_iter().map(all).collect()
}

const fn storage_of(directive: &Directive) -> StorageId {
    match directive {
        Directive::List { storage, .. } | Directive::Recheck { storage, .. } => *storage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recheck(n: usize) -> Directive {
        let path = ViewPath::root().join(n.to_string().as_bytes());
        Directive::Recheck { storage: StorageId(3), path }
    }

    #[test]
    fn equal_wishes_coalesce() {
        let directives = Directives::default();
        directives.add(vec![recheck(1), recheck(1)]);
        directives.add(vec![recheck(1)]);
        assert_eq!(directives.wait(), Some(vec![recheck(1)]));
        directives.close();
        assert_eq!(directives.wait(), None);
    }

    #[test]
    fn too_many_wishes_become_one_listing_of_everything() {
        let directives = Directives::default();
        directives.add((0..MAX_WAITING).map(recheck).collect());
        assert_eq!(directives.len(), MAX_WAITING);
        directives.add(vec![recheck(MAX_WAITING)]);
        let all =
            Directive::List { storage: StorageId(3), path: ViewPath::root(), recursive: true };
        assert_eq!(directives.wait(), Some(vec![all]));
    }
}
