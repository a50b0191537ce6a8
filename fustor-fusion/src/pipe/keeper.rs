//! Keeps the deadlines of a storage's sessions, and carries the wishes of its views to them.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use fustor_core::session::Roster;
use fustor_core::{Directive, SECOND, StorageId};

use super::hub::Net;
use super::storage::Storage;
use crate::host::ViewHost;

/// Longer than this the keeper never sleeps, so that it notices when the process stood still.
const NAP: Duration = Duration::from_millis(500);
/// A nap that took so much longer than it should: nobody could be heard meanwhile.
const STALL: Duration = Duration::from_secs(1);
/// No two looks are closer together.
const APART: Duration = Duration::from_millis(2);

/// Keeps the deadlines of a storage for ever.
pub(super) async fn keep(storage: Arc<Storage>) {
    loop {
        let nap = nap(&storage);
        let fell_asleep = Instant::now();
        tokio::select! {
            () = tokio::time::sleep(nap) => (),
            () = storage.hurry.notified() => tokio::time::sleep(APART.min(nap)).await,
        }
        let slept = fell_asleep.elapsed();
        if slept > nap + STALL {
            tracing::warn!(storage = storage.name(), "the process stood still for {slept:?}");
            storage.act(Roster::stalled);
        }
        let due = storage.read(Roster::next_deadline);
        if due.is_some_and(|due| due <= storage.now().mono) {
            storage.act(Roster::tick);
            storage.announce();
        }
    }
}

fn nap(storage: &Storage) -> Duration {
    let due = storage.read(Roster::next_deadline);
    due.map_or(NAP, |due| {
        let ns = due.since(storage.now().mono).clamp(0, 10 * SECOND);
        Duration::from_nanos(ns.unsigned_abs()).clamp(APART, NAP)
    })
}

/// Carries what a view asks for to the sessions of the storage that it is asked of, until the view stops.
///
/// # Errors
/// When the system refuses a thread.
pub(super) fn forward(view: ViewHost, net: Arc<ArcSwap<Net>>) -> io::Result<JoinHandle<()>> {
    let name = format!("wish {}", view.name());
    std::thread::Builder::new().name(name).stack_size(256 * 1024).spawn(move || {
        while let Some(wishes) = view.directives().wait() {
            for storage in net.load().storages.values() {
                let asked = |wish: &&Directive| storage_of(wish) == storage.id();
                let own: Vec<_> = wishes.iter().filter(asked).cloned().collect();
                if own.is_empty() {
                    continue;
                }
                storage.act(|roster, now| roster.direct(now, own));
                storage.announce();
            }
        }
    })
}

const fn storage_of(wish: &Directive) -> StorageId {
    match wish {
        Directive::List { storage, .. } | Directive::Recheck { storage, .. } => *storage,
    }
}
