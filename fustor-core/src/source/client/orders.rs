//! What the server asks for: done once each, acknowledged until the server has heard it.

use std::collections::{BTreeMap, BTreeSet};

use super::door::{Order, WALKED};

/// Orders taken on at the same time. The server offers the others again.
const ORDERS_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Orders {
    running: BTreeSet<u64>,
    /// Done; the server has not heard it for certain.
    done: BTreeSet<u64>,
    /// What each heartbeat under way acknowledges.
    told: BTreeMap<u64, Vec<u64>>,
}

impl Orders {
    /// Of what the server offers, what is new.
    pub(super) fn take_on(&mut self, offered: Vec<Order>) -> Vec<Order> {
        let mut fresh = Vec::new();
        for order in offered {
            // A number that means something else here is nobody's.
            let known = order.id == WALKED
                || self.done.contains(&order.id)
                || self.running.contains(&order.id);
            if !known && self.running.len() < ORDERS_MAX {
                self.running.insert(order.id);
                fresh.push(order);
            }
        }
        fresh
    }

    /// True: it was under way.
    pub(super) fn finish(&mut self, id: u64) -> bool {
        let ran = self.running.remove(&id);
        if ran {
            self.done.insert(id);
        }
        ran
    }

    /// What to acknowledge with this heartbeat.
    pub(super) fn tell(&mut self, attempt: u64) -> Vec<u64> {
        let told: Vec<_> = self.done.iter().copied().take(ORDERS_MAX).collect();
        if !told.is_empty() {
            self.told.insert(attempt, told.clone());
        }
        told
    }

    /// The server has heard what this heartbeat said.
    pub(super) fn heard(&mut self, attempt: u64) {
        for id in self.told.remove(&attempt).unwrap_or_default() {
            self.done.remove(&id);
        }
    }

    /// Whether the server heard it is not known.
    pub(super) fn unheard(&mut self, attempt: u64) {
        self.told.remove(&attempt);
    }

    /// Another session: its numbers are its own.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::ViewPath;
    use crate::source::client::Task;

    fn offer(ids: &[u64]) -> Vec<Order> {
        let task = Task::Recheck { path: ViewPath::root() };
        ids.iter().map(|id| Order { id: *id, task: task.clone() }).collect()
    }

    fn ids(orders: &[Order]) -> Vec<u64> {
        orders.iter().map(|order| order.id).collect()
    }

    #[test]
    fn an_order_that_is_offered_again_is_done_once_and_acknowledged_until_heard() {
        let mut orders = Orders::default();
        assert_eq!(ids(&orders.take_on(offer(&[1, 2]))), [1, 2]);
        assert_eq!(ids(&orders.take_on(offer(&[1, 2, 3]))), [3]);
        assert!(orders.finish(1) && !orders.finish(1));
        assert_eq!(orders.tell(7), [1]);
        orders.unheard(7);
        assert!(orders.take_on(offer(&[1])).is_empty());
        assert_eq!(orders.tell(8), [1]);
        orders.heard(8);
        assert!(orders.tell(9).is_empty());
    }

    #[test]
    fn too_many_orders_wait_with_the_server() {
        let mut orders = Orders::default();
        let all: Vec<u64> = (0..=ORDERS_MAX as u64).collect();
        assert_eq!(orders.take_on(offer(&all)).len(), ORDERS_MAX);
        assert!(orders.finish(0));
        assert_eq!(ids(&orders.take_on(offer(&all))), [ORDERS_MAX as u64]);
    }
}
