//! Tells whether a host can watch a directory tree, and what to change if it cannot.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::config::{SourceConfig, StartError};
use crate::disk::root_identity;
use crate::outbox::outbox;
use crate::source::{Progress, start};

/// What one watched directory costs in kernel memory: the mark with its connector, and the inode and dentry that it
/// pins, on an ext4 of Linux 6.x. `/proc/slabinfo` tells the sizes on another one, to root only.
pub const WATCH_BYTES: u64 = 1400;
/// Room for directories to come, in percent of what is there.
const HEADROOM_PERCENT: u64 = 25;
/// Fewer reports than that overflow in an ordinary burst.
const QUEUED_EVENTS_MIN: u64 = 16_384;
/// Other programs of the same user need instances too.
const INSTANCES_MIN: u64 = 16;

/// The kernel's limits on watching, for each user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `fs.inotify.max_user_watches`
    pub max_user_watches: u64,
    /// `fs.inotify.max_user_instances`
    pub max_user_instances: u64,
    /// `fs.inotify.max_queued_events`
    pub max_queued_events: u64,
}

/// How far attributes read on this host can be trusted, and whether its kernel hears of all changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// On this host: every change is reported, attributes are current.
    Local,
    /// Shared, with attributes that are current on every host; each host hears of its own changes only.
    SharedCoherent,
    /// Shared, with attributes that may be cached for a while; each host hears of its own changes only.
    SharedCached,
    /// It depends on what is behind it.
    Unknown,
}

/// What the doctor found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was examined.
    pub root: PathBuf,
    /// Name of the file system's type, as `mount` calls it; its number in hexadecimal when we do not know it.
    pub file_system: String,
    /// What that type means.
    pub storage: Storage,
    /// What the count found.
    pub scan: Progress,
    /// The limits now.
    pub limits: Limits,
}

/// Why nothing could be said.
#[derive(Debug, Error)]
pub enum ExamineError {
    /// The directory cannot be scanned.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system does not tell.
    #[error("cannot read {path}: {error}")]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Counts the directories below `root` and compares with what the kernel allows.
///
/// # Errors
/// [`ExamineError`] when the directory or the limits cannot be read.
pub fn examine(root: &Path) -> Result<Report, ExamineError> {
    let limits = limits(Path::new("/proc/sys/fs/inotify"))?;
    let scan = count(root)?;
    let identity = root_identity(root)
        .map_err(|error| ExamineError::Read { path: root.to_path_buf(), error })?;
    let (file_system, storage) = storage(identity.fs_type);
    Ok(Report { root: root.to_path_buf(), file_system, storage, scan, limits })
}

impl Report {
    /// Watches that the tree needs, with room to grow.
    #[must_use]
    pub const fn watches_needed(&self) -> u64 {
        let now = self.scan.directories;
        now + now * HEADROOM_PERCENT / 100 + 1
    }

    /// Kernel memory for these watches, in bytes.
    #[must_use]
    pub const fn kernel_bytes(&self) -> u64 {
        self.watches_needed() * WATCH_BYTES
    }

    /// The settings that are too low, as lines for `sysctl`.
    #[must_use]
    pub fn sysctl(&self) -> Vec<String> {
        let Limits { max_user_watches, max_user_instances, max_queued_events } = self.limits;
        let wanted = [
            ("max_user_watches", max_user_watches, self.watches_needed()),
            ("max_user_instances", max_user_instances, INSTANCES_MIN),
            ("max_queued_events", max_queued_events, QUEUED_EVENTS_MIN),
        ];
        let low = wanted.into_iter().filter(|(_, now, need)| now < need);
        low.map(|(name, _, need)| format!("sysctl -w fs.inotify.{name}={need}")).collect()
    }

    /// Whether all limits are high enough.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.sysctl().is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { max_user_watches, max_user_instances, max_queued_events } = self.limits;
        writeln!(f, "root                 {}", self.root.display())?;
        writeln!(f, "file system          {} ({})", self.file_system, self.storage)?;
        writeln!(f, "directories          {}", self.scan.directories)?;
        writeln!(f, "entries              {}", self.scan.entries)?;
        writeln!(f, "not covered          {}", self.scan.uncovered)?;
        writeln!(f, "counted in           {:.1} s", self.scan.elapsed.as_secs_f64())?;
        writeln!(f, "max_user_watches     {max_user_watches}")?;
        writeln!(f, "max_user_instances   {max_user_instances}")?;
        writeln!(f, "max_queued_events    {max_queued_events}")?;
        writeln!(f, "watches needed       {}", self.watches_needed())?;
        let megabytes = self.kernel_bytes().div_ceil(1 << 20);
        writeln!(f, "kernel memory        {megabytes} MiB (about {WATCH_BYTES} bytes a watch)")?;
        let settings = self.sysctl();
        if settings.is_empty() {
            return write!(f, "\nThis host can watch every directory of the tree.");
        }
        writeln!(
            f,
            "\nThis host cannot watch all of the tree well. The most recently changed directories are"
        )?;
        writeln!(
            f,
            "watched, and the others are found by scans only. To change that, run as root:\n"
        )?;
        for line in &settings {
            writeln!(f, "    {line}")?;
        }
        write!(
            f,
            "\nand put the same settings, without `sysctl -w`, into /etc/sysctl.d/90-fustor.conf."
        )
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local: every change is reported here",
            Self::SharedCoherent => {
                "shared, attributes are current: run an agent on every host that writes"
            }
            Self::SharedCached => {
                "shared, attributes may be cached: run an agent on every host that writes"
            }
            Self::Unknown => "unknown: changes made elsewhere may not be reported here",
        })
    }
}

/// A scan without watches whose rows nobody keeps.
fn count(root: &Path) -> Result<Progress, StartError> {
    let (sink, outlet) = outbox();
    let config = SourceConfig { watch: false, ..SourceConfig::new(root) };
    let source = start(config, sink)?;
    let ends = |event: &fustor_core::Event| {
        matches!(event, fustor_core::Event::Cycle { phase, .. } if phase.is_end())
            || matches!(event, fustor_core::Event::RootLost { .. })
    };
    while !outlet.is_closed() {
        let sealed = outlet.recv(Duration::from_secs(1));
        if sealed.is_some_and(|sealed| sealed.events.iter().any(ends)) {
            break;
        }
    }
    let progress = source.progress();
    source.stop();
    Ok(progress)
}

fn limits(dir: &Path) -> Result<Limits, ExamineError> {
    let read = |name: &str| {
        let path = dir.join(name);
        let text = std::fs::read_to_string(&path);
        let value = text.and_then(|text| text.trim().parse().map_err(io::Error::other));
        value.map_err(|error| ExamineError::Read { path, error })
    };
    Ok(Limits {
        max_user_watches: read("max_user_watches")?,
        max_user_instances: read("max_user_instances")?,
        max_queued_events: read("max_queued_events")?,
    })
}

/// Whether a directory's mtime or ctime changes whenever an entry is made, removed or renamed in it, by its `statfs` type.
/// Elsewhere a directory that looks as before may have changed: on FAT for want of a place to keep it, behind FUSE, 9p and
/// SMB as whoever serves it likes.
#[must_use]
pub const fn marks_changes(fs_type: u64) -> bool {
    matches!(
        fs_type,
        0xef53 // ext2 to ext4
            | 0x5846_5342 // xfs
            | 0x9123_683e // btrfs
            | 0x0102_1994 // tmpfs
            | 0x2fc1_2fc1 // zfs
            | 0xf2f5_2010 // f2fs
            | 0xca45_1a4e // bcachefs
            | 0x794c_7630 // overlay
            | 0x00c3_6400 // ceph
            | 0x0bd0_0bd0 // lustre
            | 0x4750_4653 // gpfs
            | 0x0116_1970 // gfs2
            | 0x7461_636f // ocfs2
            | 0x6969 // nfs
    )
}

/// The numbers are those of `statfs(2)` and the kernel's `magic.h`.
/// The name of a file system by its `statfs` type, and what that means for watching.
#[must_use]
pub fn storage(fs_type: u64) -> (String, Storage) {
    let (name, storage) = match fs_type {
        0xef53 => ("ext4", Storage::Local),
        0x5846_5342 => ("xfs", Storage::Local),
        0x9123_683e => ("btrfs", Storage::Local),
        0x0102_1994 => ("tmpfs", Storage::Local),
        0x2fc1_2fc1 => ("zfs", Storage::Local),
        0xf2f5_2010 => ("f2fs", Storage::Local),
        0xca45_1a4e => ("bcachefs", Storage::Local),
        0x794c_7630 => ("overlay", Storage::Local),
        0x4d44 => ("vfat", Storage::Local),
        0x2011_bab0 => ("exfat", Storage::Local),
        0x00c3_6400 => ("ceph", Storage::SharedCoherent),
        0x0bd0_0bd0 => ("lustre", Storage::SharedCoherent),
        0x4750_4653 => ("gpfs", Storage::SharedCoherent),
        0x0116_1970 => ("gfs2", Storage::SharedCoherent),
        0x7461_636f => ("ocfs2", Storage::SharedCoherent),
        0x6969 => ("nfs", Storage::SharedCached),
        0xff53_4d42 => ("cifs", Storage::SharedCached),
        0xfe53_4d42 => ("smb3", Storage::SharedCached),
        0x5346_414f => ("afs", Storage::SharedCached),
        0x0102_1997 => ("9p", Storage::SharedCached),
        0x6573_5546 => ("fuse", Storage::Unknown),
        other => return (format!("{other:#x}"), Storage::Unknown),
    };
    (name.to_owned(), storage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(directories: u64, max_user_watches: u64) -> Report {
        Report {
            root: "/srv".into(),
            file_system: "ext4".into(),
            storage: Storage::Local,
            scan: Progress { directories, ..Progress::default() },
            limits: Limits { max_user_watches, max_user_instances: 128, max_queued_events: 16_384 },
        }
    }

    #[test]
    fn what_does_not_mark_changes_is_never_passed_over() {
        for (fs_type, marks) in [(0xef53, true), (0x6969, true), (0x6573_5546, false), (1, false)] {
            assert_eq!(marks_changes(fs_type), marks, "{fs_type:#x}");
        }
    }

    #[test]
    fn a_limit_that_is_too_low_is_named_with_the_value_it_needs() {
        let low = report(100_000, 8192);
        assert!(!low.is_fine());
        assert_eq!(low.sysctl(), ["sysctl -w fs.inotify.max_user_watches=125001"]);
        assert!(low.to_string().contains("sysctl -w fs.inotify.max_user_watches=125001"));
        assert_eq!(low.kernel_bytes(), 125_001 * WATCH_BYTES);
        let fine = report(100_000, 125_001);
        assert!(fine.is_fine());
        assert!(fine.to_string().ends_with("can watch every directory of the tree."));
    }

    #[test]
    fn it_counts_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        std::fs::write(dir.path().join("a/file"), b"1").unwrap();
        let report = examine(dir.path()).unwrap();
        assert_eq!((report.scan.directories, report.scan.entries), (4, 4));
        assert!(report.limits.max_user_watches > 0);
        assert!(matches!(examine(&dir.path().join("none")), Err(ExamineError::Start(_))));
    }

    #[test]
    fn unreadable_limits_are_an_error_and_not_zero() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("max_user_watches"), "many\n").unwrap();
        assert!(matches!(limits(dir.path()), Err(ExamineError::Read { .. })));
    }

    #[test]
    fn an_unknown_file_system_is_called_by_its_number() {
        assert_eq!(storage(0xabcd), ("0xabcd".to_owned(), Storage::Unknown));
        assert_eq!(storage(0x6969).1, Storage::SharedCached);
    }
}
