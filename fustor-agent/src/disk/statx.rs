//! `statx` as facts.

use std::ffi::CStr;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;

use fustor_core::{Facts, Kind, Owner, SECOND, StorageTime};
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags, StatxTimestamp, statx};

/// Only what a row holds: a network file system may then leave out the rest.
pub(super) const MASK: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::UID)
    .union(StatxFlags::GID)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE);

/// Whether a network file system may answer from its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// As `stat` does.
    Ordinary,
    /// The server is asked.
    Forced,
}

impl Freshness {
    const fn flags(self) -> AtFlags {
        match self {
            Self::Ordinary => AtFlags::empty(),
            Self::Forced => AtFlags::STATX_FORCE_SYNC,
        }
    }
}

/// What one `statx` said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) facts: Facts,
    /// Device number, meaningful within this process only.
    pub(crate) device: (u32, u32),
    /// Whether something is mounted here. Bind mounts of the same device are recognised by this only.
    pub(crate) mount_root: bool,
}

impl Look {
    /// Whether both are the same directory, whatever its times.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.device == other.device && self.facts.inode == other.facts.inode
    }

    /// Whether nothing was added, removed or renamed between the two.
    pub(crate) fn stood_still(&self, later: &Self) -> bool {
        self.facts.mtime == later.facts.mtime && self.facts.ctime == later.facts.ctime
    }
}

/// What tells a directory from another and from itself after a change, in 64 bits: device, inode, mtime and ctime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Print(NonZeroU64);

impl Look {
    /// What it looks like.
    pub(crate) fn print(&self) -> Print {
        let (major, minor) = self.device;
        let device = u64::from(major) << 32 | u64::from(minor);
        let Facts { inode, mtime, ctime, .. } = self.facts;
        let words = [device, inode, mtime.0.cast_unsigned(), ctime.0.cast_unsigned()];
        let print = words.into_iter().fold(0x9e37_79b9_7f4a_7c15, |h, word| mix(h ^ word));
        Print(NonZeroU64::new(print).unwrap_or(NonZeroU64::MAX))
    }

    /// Whether it had changed so shortly before `at` that another change might have left the same times.
    pub(crate) fn is_fresh(&self, at: StorageTime) -> bool {
        let changed = self.facts.mtime.max(self.facts.ctime);
        changed.0.saturating_add(FRESH_NS) > at.0
    }
}

/// The coarsest times that storages write: whole seconds, on FAT every other one.
const FRESH_NS: i64 = 2 * SECOND;

/// The finaliser of splitmix64: no two words give the same.
const fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

impl From<&Statx> for Look {
    fn from(st: &Statx) -> Self {
        Self {
            facts: Facts {
                kind: kind(FileType::from_raw_mode(st.stx_mode.into())),
                size: st.stx_size,
                mtime: time(st.stx_mtime),
                ctime: time(st.stx_ctime),
                inode: st.stx_ino,
                nlink: st.stx_nlink,
                owner: Owner {
                    mode: u32::from(st.stx_mode) & 0o7777,
                    uid: st.stx_uid,
                    gid: st.stx_gid,
                },
            },
            device: (st.stx_dev_major, st.stx_dev_minor),
            mount_root: st.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        }
    }
}

/// `lstat` of a name in an open directory.
#[inline]
pub(crate) fn look_at(dir: BorrowedFd<'_>, name: &CStr, fresh: Freshness) -> io::Result<Look> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | fresh.flags();
    Ok(Look::from(&statx(dir, name, flags, MASK)?))
}

/// `fstat`, also of a descriptor that is only a place to look from.
pub(crate) fn look_through(fd: BorrowedFd<'_>) -> io::Result<Look> {
    look_freshly(fd, Freshness::Ordinary)
}

/// The same, asking the server if so.
pub(crate) fn look_freshly(fd: BorrowedFd<'_>, fresh: Freshness) -> io::Result<Look> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT | fresh.flags();
    Ok(Look::from(&statx(fd, c"", flags, MASK)?))
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::Directory => Kind::Dir,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::Unknown => Kind::Unknown,
    }
}

fn time(at: StatxTimestamp) -> StorageTime {
    StorageTime(at.tv_sec.saturating_mul(SECOND).saturating_add(at.tv_nsec.into()))
}
