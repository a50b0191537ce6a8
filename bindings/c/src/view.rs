//! Views: filled by scans and by observations, read through snapshots.

use std::ffi::{OsStr, c_void};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Mutex, PoisonError, TryLockError};

use fustor_core::{
    AgentId, Batch, ClockMap, Command, Epoch, Fidelity, Mono, Now, Origin, Seq, Stamp, Verdicts,
    View, ViewConfig,
};
use fustor_local::{Progress, STORAGE, ScanConfig, ScanError, incarnation, scan};

use crate::edge::{Fault, FustorStatus, Out, bytes, end, guard, lent, lent_mut};
use crate::events::FustorEvents;
use crate::snapshot::FustorSnapshot;

/// A view of this process. Any thread may use it; calls wait for each other.
pub struct FustorView {
    view: Mutex<View>,
}

impl FustorView {
    fn with<T>(&self, work: impl FnOnce(&mut View) -> T) -> T {
        // After a panic the view is as safe as before; it may only be wrong.
        work(&mut self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn command(&self, now_ns: i64, command: Command) -> Verdicts {
        let now = Now { mono: Mono(now_ns), wall: Stamp(now_ns) };
        self.with(|view| view.apply(now, command)).verdicts
    }
}

/// How far a scan is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct FustorScanProgress {
    /// Entries seen.
    pub entries: u64,
    /// Directories read.
    pub directories: u64,
    /// Directories known and not read yet.
    pub directories_left: u64,
    /// Directories that could not be read.
    pub uncovered: u64,
    /// Nanoseconds since the beginning.
    pub elapsed_ns: u64,
}

impl FustorScanProgress {
    fn of(progress: &Progress) -> Self {
        Self {
            entries: progress.entries,
            directories: progress.directories,
            directories_left: progress.directories_left,
            uncovered: progress.uncovered,
            elapsed_ns: u64::try_from(progress.elapsed.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

/// How a scan is done. All zero is a good choice.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FustorScanOptions {
    /// Threads that read directories; 0: as many as there are processors, at most four.
    pub workers: u32,
    /// Whether what is mounted below the root is read too.
    pub cross_file_systems: bool,
    /// Called from time to time and at the end, on the thread that scans; returns false to cancel. May be null. It must
    /// not use the view.
    pub progress: Option<unsafe extern "C" fn(*mut c_void, *const FustorScanProgress) -> bool>,
    /// Handed to `progress` as it is.
    pub context: *mut c_void,
}

/// How observations fared.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct FustorVerdicts {
    /// They changed the tree or its evidence.
    pub applied: u64,
    /// Newer evidence is known.
    pub stale: u64,
    /// Of something that is gone since.
    pub buried: u64,
    /// Judged when a directory was read again.
    pub queued: u64,
    /// They cannot be true, or there is no room.
    pub refused: u64,
}

/// An empty view.
///
/// # Safety
/// `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_view_new(out: *mut *mut FustorView) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let out = unsafe { Out::new(out, "out") }?;
        out.give(FustorView { view: Mutex::new(View::new(ViewConfig::default(), incarnation())) });
        Ok(())
    })
}

/// Scans the directory tree at a path of this machine into a view, and says how much there was. What is gone since an
/// earlier scan is removed. `options` and `out` may be null.
///
/// # Safety
/// `view` is a live handle; `path` has `path_len` bytes; `options` is null or readable; `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_view_scan(
    view: *const FustorView,
    path: *const u8,
    path_len: usize,
    options: *const FustorScanOptions,
    out: *mut FustorScanProgress,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (view, path) = unsafe { (lent(view, "view")?, bytes(path, path_len, "path")?) };
        // SAFETY: promised by C.
        let options = unsafe { options.as_ref() };
        let mut config = ScanConfig::new(OsStr::from_bytes(path));
        if let Some(options) = options {
            config.workers = (options.workers > 0).then_some(options.workers as usize);
            config.one_file_system = !options.cross_file_systems;
        }
        let mut view = match view.view.try_lock() {
            Ok(view) => view,
            Err(TryLockError::Poisoned(view)) => view.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::new(FustorStatus::Argument, &"the view is in use"));
            }
        };
        let scanned = scan(&mut view, &config, &mut |progress| look(options, progress));
        let progress = scanned.map_err(|error| Fault::new(status(&error), &error))?;
        if !out.is_null() {
            // SAFETY: promised by C.
            unsafe { Out::new(out, "out") }?.write(FustorScanProgress::of(&progress));
        }
        Ok(())
    })
}

fn look(options: Option<&FustorScanOptions>, progress: &Progress) -> ControlFlow<()> {
    let Some((options, callback)) = options.and_then(|all| Some((all, all.progress?))) else {
        return ControlFlow::Continue(());
    };
    let progress = FustorScanProgress::of(progress);
    // SAFETY: C gave the function for this call and with this context.
    let go_on = unsafe { callback(options.context, &raw const progress) };
    if go_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

const fn status(error: &ScanError) -> FustorStatus {
    match error {
        ScanError::Root { .. } | ScanError::Start(_) | ScanError::RootLost(_) => FustorStatus::Io,
        ScanError::OtherRoot(_) => FustorStatus::Argument,
        ScanError::Cancelled => FustorStatus::Cancelled,
    }
}

/// A source feeds the view from now on. `writers_watched`: it sees every change, so that silence proves rest.
///
/// # Safety
/// `view` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_view_attach(
    view: *const FustorView,
    now_ns: i64,
    writers_watched: bool,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let view = unsafe { lent(view, "view") }?;
        let attach = Command::Attach { storage: STORAGE, root: None, writers_watched };
        let _verdicts = view.command(now_ns, attach);
        Ok(())
    })
}

/// Nobody feeds the view any more.
///
/// # Safety
/// `view` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_view_detach(view: *const FustorView, now_ns: i64) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let view = unsafe { lent(view, "view") }?;
        let _verdicts = view.command(now_ns, Command::Detach { storage: STORAGE });
        Ok(())
    })
}

/// Applies observations together and empties their list. `now_ns` is the wall clock in nanoseconds, which must not run
/// backwards. `out` may be null.
///
/// # Safety
/// `view` and `events` are live handles, and no other thread uses `events`; `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_view_apply(
    view: *const FustorView,
    now_ns: i64,
    events: *mut FustorEvents,
    out: *mut FustorVerdicts,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (view, events) = unsafe { (lent(view, "view")?, lent_mut(events, "events")?) };
        let batch = Batch {
            storage: STORAGE,
            origin: Origin { agent: AgentId(1), epoch: Epoch(1), seq: Seq(0) },
            clock: ClockMap::default(),
            cache_window_ns: 0,
            fidelity: Fidelity::Exact,
            events: events.take(),
        };
        let Verdicts { applied, stale, buried, queued, refused } =
            view.command(now_ns, Command::Batch(batch));
        if !out.is_null() {
            let verdicts = FustorVerdicts { applied, stale, buried, queued, refused };
            // SAFETY: promised by C.
            unsafe { Out::new(out, "out") }?.write(verdicts);
        }
        Ok(())
    })
}

/// The state as it is now: immutable, and made without copying the tree.
///
/// # Safety
/// `view` is a live handle; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_view_snapshot(
    view: *const FustorView,
    out: *mut *mut FustorSnapshot,
) -> FustorStatus {
    guard(|| {
        // SAFETY: promised by C.
        let (view, out) = unsafe { (lent(view, "view")?, Out::new(out, "out")?) };
        out.give(FustorSnapshot(view.with(|view| view.snapshot())));
        Ok(())
    })
}

/// Ends a view; null is nothing. Its snapshots stay.
///
/// # Safety
/// `view` is null or a live handle that nobody uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fustor_view_free(view: *mut FustorView) {
    // SAFETY: promised by C.
    unsafe { end(view) };
}
