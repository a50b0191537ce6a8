//! Observations that a program makes itself, gathered to be applied together.

use fustor_core::{BlockBuilder, BootTime, Event, Facts, Kind, Listing, Tier, ViewPath, is_name};

use crate::edge::{Fault, FustorStatus, Out, bytes, end, guard, lent, lent_mut, path};
use crate::facts::FustorFacts;

/// Observations that are gathered at most; then they must be applied.
const EVENTS_MAX: usize = 1 << 20;
/// Rows of one listing.
const ROWS_MAX: usize = 1 << 24;

/// Observations, in the order in which they were added. To be used by one thread at a time.
#[derive(Default)]
pub struct FustorEvents {
    events: Vec<Event>,
    /// A listing whose rows are being added.
    open: Option<Open>,
}

struct Open {
    dir: ViewPath,
    at: i64,
    complete: bool,
    facts: Facts,
    rows: BlockBuilder,
}

impl FustorEvents {
    /// All that was added; nothing is left.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        self.close();
        std::mem::take(&mut self.events)
    }

    fn close(&mut self) {
        let Some(Open { dir, at, complete, facts, mut rows }) = self.open.take() else { return };
        let blocks = rows.finish(dir.name());
        let listing = Listing { dir, stamp: BootTime(at), complete, facts, blocks };
        self.events.push(Event::Listing(listing));
    }

    fn room(&mut self) -> Result<(), Fault> {
        self.close();
        let full = || format!("{EVENTS_MAX} events are gathered; apply them first");
        if self.events.len() >= EVENTS_MAX {
            return Err(Fault::new(FustorStatus::Argument, &full()));
        }
        Ok(())
    }
}

/// An empty list of observations.
///
/// # Safety
/// `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_events_new(out: *mut *mut FustorEvents) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        unsafe { Out::new(out, "out") }?.give(FustorEvents::default());
        Ok(())
    })
}

/// Adds: an entry was found like this. `at_ns` is the wall clock in nanoseconds, read before it was looked at.
///
/// # Safety
/// `events` is a live handle that no other thread uses; `path` has `path_len` bytes; `facts` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_events_add_upsert(
    events: *mut FustorEvents,
    path: *const u8,
    path_len: usize,
    facts: *const FustorFacts,
    at_ns: i64,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (events, path, facts) = unsafe {
            (
                lent_mut(events, "events")?,
                self::path(path, path_len, "path")?,
                lent(facts, "facts")?,
            )
        };
        let facts = facts.checked()?;
        events.room()?;
        let stamp = BootTime(at_ns);
        events.events.push(Event::Upsert { path, stamp, tier: Tier::Atomic, facts });
        Ok(())
    })
}

/// Adds: an entry is gone, with all that was below it.
///
/// # Safety
/// As fustor_events_add_upsert.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_events_add_delete(
    events: *mut FustorEvents,
    path: *const u8,
    path_len: usize,
    at_ns: i64,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (events, path) =
            unsafe { (lent_mut(events, "events")?, self::path(path, path_len, "path")?) };
        events.room()?;
        events.events.push(Event::Delete { path, stamp: BootTime(at_ns) });
        Ok(())
    })
}

/// Begins a listing of a directory, whose rows fustor_events_add_row adds; it ends with whatever else is done with the
/// events. What a complete listing lacks is gone. `facts`: of the directory itself.
///
/// # Safety
/// As fustor_events_add_upsert.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_events_add_listing(
    events: *mut FustorEvents,
    path: *const u8,
    path_len: usize,
    facts: *const FustorFacts,
    complete: bool,
    at_ns: i64,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (events, dir, facts) = unsafe {
            (
                lent_mut(events, "events")?,
                self::path(path, path_len, "path")?,
                lent(facts, "facts")?,
            )
        };
        let facts = facts.checked()?;
        if facts.kind != Kind::Dir {
            let text = "the facts of a listing are those of a directory";
            return Err(Fault::new(FustorStatus::Argument, &text));
        }
        events.room()?;
        let rows = BlockBuilder::default();
        events.open = Some(Open { dir, at: at_ns, complete, facts, rows });
        Ok(())
    })
}

/// Adds a row to the listing that was begun last.
///
/// # Safety
/// As fustor_events_add_upsert.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_events_add_row(
    events: *mut FustorEvents,
    name: *const u8,
    name_len: usize,
    facts: *const FustorFacts,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (events, name, facts) = unsafe {
            (lent_mut(events, "events")?, bytes(name, name_len, "name")?, lent(facts, "facts")?)
        };
        let wrong = |text: String| Fault::new(FustorStatus::Argument, &text);
        if !is_name(name) {
            let shown = String::from_utf8_lossy(name);
            return Err(wrong(format!("not a name: {shown:?}")));
        }
        let facts = facts.checked()?;
        let open = events.open.as_mut().ok_or_else(|| wrong("no listing was begun".to_owned()))?;
        if open.rows.len() >= ROWS_MAX {
            return Err(wrong(format!("a listing has at most {ROWS_MAX} rows")));
        }
        open.rows.push(name, &facts);
        Ok(())
    })
}

/// Ends a list of observations; null is nothing.
///
/// # Safety
/// `events` is null or a live handle that nobody uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_events_free(events: *mut FustorEvents) {
    // SAFETY: promised by C.
    unsafe { end(events) };
}
