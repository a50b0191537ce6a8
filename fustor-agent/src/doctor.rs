//! Tells whether this host can watch a tree: how many directories it has, what the kernel allows, and what to set.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::disk::root_identity;
use crate::file_system::{Sharing, sharing};

/// Kernel memory of one watched directory in bytes: the mark, and the inode and directory entry that it pins. About
/// what 64-bit kernels need; it belongs to no process, so that no tool shows it.
const KERNEL_BYTES_PER_WATCH: u64 = 1400;
/// Room for what other programs of the same user watch, and for growth.
const HEADROOM_PERCENT: u64 = 50;
/// Events that the kernel's queue should hold: a burst of a second at the rate that one watcher takes in.
const QUEUE_WANTED: u64 = 131_072;

/// What the kernel allows one user; `None` where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelLimits {
    /// `fs.inotify.max_user_watches`.
    pub watches: Option<u64>,
    /// `fs.inotify.max_user_instances`.
    pub instances: Option<u64>,
    /// `fs.inotify.max_queued_events`.
    pub queued_events: Option<u64>,
}

/// What the doctor found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The tree.
    pub root: PathBuf,
    /// Its directories, the root included; each takes one watch.
    pub directories: u64,
    /// Everything else in it.
    pub files: u64,
    /// Directories that could not be read.
    pub unreadable: u64,
    /// Whether other hosts may write to it unseen.
    pub sharing: Sharing,
    /// What the kernel allows.
    pub limits: KernelLimits,
}

/// Why there is no diagnosis.
#[derive(Debug, thiserror::Error)]
#[error("cannot examine {root}: {error}")]
pub struct DoctorError {
    /// The tree as given.
    pub root: PathBuf,
    /// What the system said.
    pub error: io::Error,
}

/// Counts the directories of a tree and reads the kernel's limits. Follows no links and stays on one file system.
///
/// # Errors
/// [`DoctorError`] when the root cannot be read.
pub fn examine(root: &Path) -> Result<Diagnosis, DoctorError> {
    let failed = |error| DoctorError { root: root.to_path_buf(), error };
    let identity = root_identity(root).map_err(failed)?;
    std::fs::read_dir(root).map_err(failed)?;
    let count = count(root);
    Ok(Diagnosis {
        root: root.to_path_buf(),
        directories: count.directories,
        files: count.files,
        unreadable: count.unreadable,
        sharing: sharing(identity.fs_type),
        limits: kernel_limits(),
    })
}

impl Diagnosis {
    /// Whether every directory can be watched.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.limits.watches.is_none_or(|watches| watches >= self.directories)
            && self.limits.instances.is_none_or(|instances| instances > 0)
    }

    /// Kernel memory that the watches take, in bytes.
    #[must_use]
    pub fn kernel_bytes(&self) -> u64 {
        self.directories * KERNEL_BYTES_PER_WATCH
    }

    /// The settings to change, each with the value to set.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, u64)> {
        let wanted = self.directories + self.directories * HEADROOM_PERCENT / 100;
        let mut settings = Vec::new();
        if self.limits.watches.is_some_and(|watches| watches < wanted) {
            settings.push(("fs.inotify.max_user_watches", wanted.next_multiple_of(1024)));
        }
        if self.limits.queued_events.is_some_and(|events| events < QUEUE_WANTED) {
            settings.push(("fs.inotify.max_queued_events", QUEUE_WANTED));
        }
        settings
    }

    fn meaning(&self) -> String {
        let watches = self.limits.watches.unwrap_or(u64::MAX);
        if self.directories <= watches {
            return "every directory can be watched: changes on this host are seen at once"
                .to_owned();
        }
        let left = self.directories - watches;
        format!(
            "{left} directories would not be watched: changes there are found by scans only, and reported as not covered"
        )
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |limit: Option<u64>| limit.map_or("unknown".to_owned(), |limit| limit.to_string());
        writeln!(
            f,
            "{}: {} directories, {} other entries",
            self.root.display(),
            self.directories,
            self.files
        )?;
        if self.unreadable > 0 {
            writeln!(
                f,
                "{} directories could not be read and are not counted further",
                self.unreadable
            )?;
        }
        writeln!(f, "file system: {}", self.sharing)?;
        writeln!(f)?;
        writeln!(f, "watches needed               {:>12}   one a directory", self.directories)?;
        writeln!(f, "fs.inotify.max_user_watches  {:>12}", shown(self.limits.watches))?;
        writeln!(
            f,
            "fs.inotify.max_user_instances{:>12}   one is needed",
            shown(self.limits.instances)
        )?;
        writeln!(
            f,
            "fs.inotify.max_queued_events {:>12}   a longer burst is lost and scanned again",
            shown(self.limits.queued_events)
        )?;
        writeln!(
            f,
            "kernel memory for the watches{:>9} MiB   about 1.4 KB each",
            self.kernel_bytes().div_ceil(1 << 20)
        )?;
        writeln!(f)?;
        writeln!(f, "{}", self.meaning())?;
        let settings = self.settings();
        if settings.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nto set now, as root:")?;
        settings.iter().try_for_each(|(name, value)| writeln!(f, "  sysctl -w {name}={value}"))?;
        writeln!(f, "to keep after a restart, in /etc/sysctl.d/60-fustor.conf:")?;
        settings.iter().try_for_each(|(name, value)| writeln!(f, "  {name} = {value}"))
    }
}

fn kernel_limits() -> KernelLimits {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?;
        text.trim().parse().ok()
    };
    KernelLimits {
        watches: read("max_user_watches"),
        instances: read("max_user_instances"),
        queued_events: read("max_queued_events"),
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    directories: u64,
    files: u64,
    unreadable: u64,
}

/// Directories that wait for a counting thread, and how many threads are reading one.
struct Waiting {
    open: Vec<PathBuf>,
    busy: usize,
}

fn count(root: &Path) -> Count {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4);
    let waiting = Mutex::new(Waiting { open: vec![root.to_path_buf()], busy: 0 });
    let more = Condvar::new();
    let device = device_of(root);
    std::thread::scope(|scope| {
        let counters: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| count_waiting(&waiting, &more, device))).collect();
        counters.into_iter().filter_map(|counter| counter.join().ok()).fold(
            Count::default(),
            |all, one| Count {
                directories: all.directories + one.directories,
                files: all.files + one.files,
                unreadable: all.unreadable + one.unreadable,
            },
        )
    })
}

fn count_waiting(waiting: &Mutex<Waiting>, more: &Condvar, device: Option<u64>) -> Count {
    let mut count = Count::default();
    let mut state = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let Some(dir) = state.open.pop() else {
            if state.busy == 0 {
                more.notify_all();
                return count;
            }
            state = more.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        state.busy += 1;
        drop(state);
        let found = count_one(&dir, device, &mut count);
        state = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        state.open.extend(found);
        state.busy -= 1;
        more.notify_all();
    }
}

/// Counts one directory and gives those in it.
fn count_one(dir: &Path, device: Option<u64>, count: &mut Count) -> Vec<PathBuf> {
    if device_of(dir) != device {
        return Vec::new();
    }
    count.directories += 1;
    let Ok(entries) = std::fs::read_dir(dir) else {
        count.unreadable += 1;
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        } else {
            count.files += 1;
        }
    }
    found
}

fn device_of(dir: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(dir).ok().map(|metadata| metadata.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(directories: u64, watches: u64) -> Diagnosis {
        let limits = KernelLimits {
            watches: Some(watches),
            instances: Some(128),
            queued_events: Some(16_384),
        };
        Diagnosis {
            root: "/data".into(),
            directories,
            files: 1,
            unreadable: 0,
            sharing: Sharing::Local,
            limits,
        }
    }

    #[test]
    fn too_few_watches_are_told_with_the_lines_that_help() {
        let low = diagnosis(10_000, 8192);
        assert!(!low.is_enough());
        let text = low.to_string();
        assert!(text.contains("1808 directories would not be watched"), "{text}");
        assert!(text.contains("sysctl -w fs.inotify.max_user_watches=15360"), "{text}");
        assert!(text.contains("sysctl -w fs.inotify.max_queued_events=131072"), "{text}");
    }

    #[test]
    fn enough_watches_need_no_setting_of_them() {
        let fine = diagnosis(10_000, 100_000);
        assert!(fine.is_enough());
        assert!(!fine.to_string().contains("max_user_watches="), "{fine}");
        assert_eq!(fine.kernel_bytes(), 14_000_000);
    }

    #[test]
    fn a_real_tree_is_counted_without_following_links() {
        let root = tempfile::tempdir().unwrap();
        for dir in ["a", "a/b", "c"] {
            std::fs::create_dir(root.path().join(dir)).unwrap();
            std::fs::write(root.path().join(dir).join("f"), "x").unwrap();
        }
        std::os::unix::fs::symlink("..", root.path().join("a/up")).unwrap();
        let found = examine(root.path()).unwrap();
        assert_eq!((found.directories, found.files, found.unreadable), (4, 4, 0));
        assert!(examine(&root.path().join("missing")).is_err());
    }
}
