//! What native agents are to do: delivered until acknowledged, equal wishes once, moved on when their holder is gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Directive;
use crate::id::{JobId, SessionId, StorageId};
use crate::path::ViewPath;
use crate::time::{Mono, SECOND};

use super::door::{Order, Task};

/// Beyond this many that wait, one listing of everything replaces those of the views.
pub(super) const WAITING_MAX: usize = 1 << 16;
/// Orders that one session holds at a time.
pub(super) const HELD_MAX: usize = 256;
/// Orders for one session alone; beyond it one listing of everything replaces them.
pub(super) const TARGETED_MAX: usize = 1024;
/// An order that is not acknowledged after this long is delivered again.
pub(super) const REDELIVER_NS: i64 = 3 * SECOND;

/// All orders of one storage.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    last: u64,
    open: BTreeMap<u64, Open>,
    /// Orders for whoever carries out what the views ask for, by number.
    waiting: BTreeSet<u64>,
    /// What of these is not bound to a job, so that equal wishes coalesce.
    wishes: BTreeMap<Task, u64>,
    /// Orders for one session alone.
    targeted: BTreeMap<SessionId, BTreeSet<u64>>,
    /// Delivered, not acknowledged.
    held: BTreeMap<SessionId, BTreeSet<u64>>,
}

/// One order that is not acknowledged yet.
#[derive(Clone, Debug)]
struct Open {
    task: Task,
    job: Option<JobId>,
    target: Option<SessionId>,
    sent: Mono,
}

impl Orders {
    /// A wish of a view.
    pub(super) fn wish(&mut self, directive: Directive) {
        let all = everything(storage_of(&directive));
        let task = Task::Do(directive);
        if self.wishes.contains_key(&task) || self.wishes.contains_key(&all) {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            for id in std::mem::take(&mut self.wishes).into_values() {
                self.waiting.remove(&id);
                self.open.remove(&id);
            }
            self.await_executor(all);
        } else {
            self.await_executor(task);
        }
    }

    /// A wish to list everything.
    pub(super) fn wish_for_everything(&mut self, storage: StorageId) {
        self.wish(Directive::List { storage, path: ViewPath::root(), recursive: true });
    }

    fn await_executor(&mut self, task: Task) {
        let id = self.open(task.clone(), None, None);
        self.waiting.insert(id);
        self.wishes.insert(task, id);
    }

    /// A listing of a job, for one session.
    pub(super) fn assign(&mut self, job: JobId, to: SessionId, directive: Directive) -> u64 {
        let id = self.open(Task::Do(directive), Some(job), Some(to));
        self.targeted.entry(to).or_default().insert(id);
        id
    }

    /// Tells one session of a rename that another one reported.
    pub(super) fn tell_moved(
        &mut self,
        to: SessionId,
        storage: StorageId,
        old: &ViewPath,
        new: &ViewPath,
    ) {
        let waiting = self.targeted.entry(to).or_default();
        let is_hint = |id: &u64| self.open.get(id).is_some_and(|open| open.job.is_none());
        let hints: Vec<u64> = waiting.iter().copied().filter(is_hint).collect();
        let all = everything(storage);
        if hints.last().is_some_and(|id| self.open.get(id).is_some_and(|open| open.task == all)) {
            return;
        }
        let overflow = hints.len() >= TARGETED_MAX;
        if overflow {
            for id in hints {
                waiting.remove(&id);
                self.open.remove(&id);
            }
        }
        let task = if overflow { all } else { Task::Moved { old: old.clone(), new: new.clone() } };
        let id = self.open(task, None, Some(to));
        self.targeted.entry(to).or_default().insert(id);
    }

    fn open(&mut self, task: Task, job: Option<JobId>, target: Option<SessionId>) -> u64 {
        self.last += 1;
        self.open.insert(self.last, Open { task, job, target, sent: Mono::MIN });
        self.last
    }

    /// What a session is to be told now: its own orders, and when it is the executor those that wait.
    pub(super) fn deliver(&mut self, now: Mono, to: SessionId, executor: bool) -> Vec<Order> {
        let held = self.held.entry(to).or_default();
        if let Some(targeted) = self.targeted.get_mut(&to) {
            claim(targeted, held);
        }
        if executor {
            for id in claim(&mut self.waiting, held) {
                let task = self.open.get(&id).map(|open| &open.task);
                if let Some(task) = task.filter(|task| self.wishes.get(task) == Some(&id)) {
                    self.wishes.remove(task);
                }
            }
        }
        let mut orders = Vec::new();
        for id in held.iter() {
            let Some(open) = self.open.get_mut(id) else { continue };
            if open.sent.plus(REDELIVER_NS) <= now {
                open.sent = now;
                orders.push(Order { id: *id, task: open.task.clone() });
            }
        }
        self.drop_empty(to);
        orders
    }

    /// Whether a session would be told something that it was not told yet.
    pub(super) fn has_news(&self, to: SessionId, executor: bool) -> bool {
        let room = self.held.get(&to).is_none_or(|held| held.len() < HELD_MAX);
        let targeted = self.targeted.get(&to).is_some_and(|ids| !ids.is_empty());
        room && (targeted || executor && !self.waiting.is_empty())
    }

    /// A session has carried out an order that it holds. The job that it belonged to, if any.
    pub(super) fn acknowledge(&mut self, by: SessionId, id: u64) -> Option<JobId> {
        let held = self.held.get_mut(&by)?;
        if !held.remove(&id) {
            return None;
        }
        self.drop_empty(by);
        self.open.remove(&id)?.job
    }

    /// Withdraws the orders of a job.
    pub(super) fn withdraw(&mut self, id: u64) {
        self.open.remove(&id);
        for ids in self.targeted.values_mut().chain(self.held.values_mut()) {
            ids.remove(&id);
        }
        self.targeted.retain(|_, ids| !ids.is_empty());
        self.held.retain(|_, ids| !ids.is_empty());
    }

    /// Sessions other than this one that hold orders which anybody could carry out.
    pub(super) fn other_holders(&self, than: SessionId) -> Vec<SessionId> {
        self.held.keys().copied().filter(|id| *id != than).collect()
    }

    /// What a session holds for the views waits again; what it alone was to do is kept for it.
    pub(super) fn release(&mut self, from: SessionId) {
        let Some(held) = self.held.remove(&from) else { return };
        let mut kept = BTreeSet::new();
        for id in held {
            let Some(open) = self.open.get_mut(&id) else { continue };
            open.sent = Mono::MIN;
            if open.target.is_some() {
                kept.insert(id);
            } else if self.wishes.contains_key(&open.task) {
                self.open.remove(&id);
            } else {
                // Later wishes do not coalesce with it: who had it may get it back, and has perhaps carried it out.
                self.waiting.insert(id);
            }
        }
        if !kept.is_empty() {
            self.targeted.entry(from).or_default().extend(kept);
        }
    }

    /// A session is gone: what it held for the views waits again, what it alone was to do is forgotten.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.release(session);
        for id in self.targeted.remove(&session).unwrap_or_default() {
            self.open.remove(&id);
        }
    }

    /// How many are not acknowledged.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    fn drop_empty(&mut self, session: SessionId) {
        for ids in [&mut self.held, &mut self.targeted] {
            if ids.get(&session).is_some_and(BTreeSet::is_empty) {
                ids.remove(&session);
            }
        }
    }
}

/// Moves the oldest orders into a session's hands, as far as it has room.
fn claim(from: &mut BTreeSet<u64>, held: &mut BTreeSet<u64>) -> Vec<u64> {
    let room = HELD_MAX.saturating_sub(held.len());
    let taken: Vec<u64> = (0..room).map_while(|_| from.pop_first()).collect();
    held.extend(&taken);
    taken
}

fn everything(storage: StorageId) -> Task {
    Task::Do(Directive::List { storage, path: ViewPath::root(), recursive: true })
}

const fn storage_of(directive: &Directive) -> StorageId {
    match directive {
        Directive::List { storage, .. } | Directive::Recheck { storage, .. } => *storage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);
    const NONE: [u64; 0] = [];
    const STORAGE: StorageId = StorageId(3);

    fn at(seconds: i64) -> Mono {
        Mono(seconds * SECOND)
    }

    fn path(n: usize) -> ViewPath {
        ViewPath::root().join(n.to_string().as_bytes())
    }

    fn recheck(n: usize) -> Directive {
        Directive::Recheck { storage: STORAGE, path: path(n) }
    }

    fn ids(orders: &[Order]) -> Vec<u64> {
        orders.iter().map(|order| order.id).collect()
    }

    #[test]
    fn an_order_is_delivered_until_it_is_acknowledged() {
        let mut orders = Orders::default();
        orders.wish(recheck(1));
        assert!(orders.has_news(A, true) && !orders.has_news(A, false));
        assert_eq!(ids(&orders.deliver(at(0), B, false)), NONE);
        assert_eq!(ids(&orders.deliver(at(0), A, true)), [1]);
        assert_eq!(ids(&orders.deliver(at(1), A, true)), NONE, "not at once");
        assert_eq!(ids(&orders.deliver(at(3), A, false)), [1], "also when it leads no longer");
        assert_eq!(orders.acknowledge(B, 1), None);
        assert_eq!(ids(&orders.deliver(at(6), A, false)), [1], "nobody acknowledges for another");
        orders.acknowledge(A, 1);
        assert_eq!(ids(&orders.deliver(at(9), A, true)), NONE);
        assert_eq!(orders.len(), 0);
        assert!(orders.held.is_empty() && orders.wishes.is_empty());
    }

    #[test]
    fn equal_wishes_coalesce_until_they_are_delivered() {
        let mut orders = Orders::default();
        orders.wish(recheck(1));
        orders.wish(recheck(1));
        assert_eq!(orders.deliver(at(0), A, true).len(), 1);
        orders.wish(recheck(1));
        assert_eq!(ids(&orders.deliver(at(0), A, true)), [2], "the first may be half done");
    }

    #[test]
    fn too_many_wishes_become_one_listing_of_everything() {
        let mut orders = Orders::default();
        for n in 0..=WAITING_MAX {
            orders.wish(recheck(n));
        }
        orders.wish(recheck(7));
        let delivered = orders.deliver(at(0), A, true);
        assert_eq!(delivered.len(), 1);
        assert_eq!(delivered[0].task, everything(STORAGE));
    }

    #[test]
    fn a_session_holds_a_bounded_number() {
        let mut orders = Orders::default();
        for n in 0..2 * HELD_MAX {
            orders.wish(recheck(n));
        }
        assert_eq!(orders.deliver(at(0), A, true).len(), HELD_MAX);
        assert!(!orders.has_news(A, true));
        assert_eq!(orders.deliver(at(1), A, true).len(), 0);
        orders.acknowledge(A, 1);
        assert_eq!(ids(&orders.deliver(at(2), A, true)), [HELD_MAX as u64 + 1]);
    }

    #[test]
    fn orders_of_a_lost_session_move_on_and_its_own_are_forgotten() {
        let mut orders = Orders::default();
        orders.wish(recheck(1));
        orders.wish(recheck(2));
        orders.deliver(at(0), A, true);
        orders.wish(recheck(2));
        orders.tell_moved(A, STORAGE, &path(8), &path(9));
        assert_eq!(orders.other_holders(B), [A]);
        orders.forget(A);
        let moved = orders.deliver(at(1), B, true);
        assert_eq!(ids(&moved), [1, 3], "2 was wished for again already");
        assert_eq!(orders.len(), 2);
    }

    #[test]
    fn a_release_keeps_what_one_session_alone_is_to_do() {
        let mut orders = Orders::default();
        let id = orders.assign(JobId(5), A, recheck(1));
        assert_eq!(ids(&orders.deliver(at(0), A, false)), [id]);
        orders.release(A);
        assert_eq!(ids(&orders.deliver(at(0), B, true)), NONE);
        assert_eq!(ids(&orders.deliver(at(0), A, false)), [id]);
        assert_eq!(orders.acknowledge(A, id), Some(JobId(5)));
        let id = orders.assign(JobId(6), A, recheck(1));
        orders.withdraw(id);
        assert_eq!((orders.len(), orders.has_news(A, true)), (0, false));
    }

    #[test]
    fn too_many_renames_become_one_listing_of_everything() {
        let mut orders = Orders::default();
        let job = orders.assign(JobId(5), A, recheck(1));
        for n in 0..=TARGETED_MAX + 3 {
            orders.tell_moved(A, STORAGE, &path(n), &path(n + 1));
        }
        let delivered = orders.deliver(at(0), A, false);
        assert_eq!(delivered.len(), 2);
        assert_eq!(delivered[0].id, job);
        assert_eq!(delivered[1].task, everything(STORAGE));
    }
}
