//! What is known of one entry, laid out for C.

use fustor_core::query::Entry;
use fustor_core::{Facts, Kind, Marks, Owner, StorageTime};

use crate::edge::{Fault, FustorBytes, FustorStatus};

/// A directory.
pub const FUSTOR_KIND_DIRECTORY: u8 = 0;
/// A regular file.
pub const FUSTOR_KIND_FILE: u8 = 1;
/// A symbolic link.
pub const FUSTOR_KIND_SYMLINK: u8 = 2;
/// A named pipe.
pub const FUSTOR_KIND_FIFO: u8 = 3;
/// A socket.
pub const FUSTOR_KIND_SOCKET: u8 = 4;
/// A block device.
pub const FUSTOR_KIND_BLOCK_DEVICE: u8 = 5;
/// A character device.
pub const FUSTOR_KIND_CHAR_DEVICE: u8 = 6;
/// Something else.
pub const FUSTOR_KIND_UNKNOWN: u8 = 7;

/// What lstat said of an entry.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FustorFacts {
    /// Bytes.
    pub size: u64,
    /// Last change of the contents, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of the inode, in nanoseconds since 1970.
    pub ctime_ns: i64,
    /// The inode.
    pub inode: u64,
    /// Names of the inode.
    pub nlink: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// One of FUSTOR_KIND_*.
    pub kind: u8,
}

/// One entry. Its bytes belong to where it came from.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FustorEntry {
    /// The whole path within the view.
    pub path: FustorBytes,
    /// The last name of the path; none for the root.
    pub name: FustorBytes,
    /// What lstat said.
    pub facts: FustorFacts,
    /// Whether it may be incomplete: somebody may still be writing.
    pub suspect: bool,
    /// Whether it changed where nobody watched.
    pub blind_spot: bool,
}

impl FustorFacts {
    pub(crate) fn of(facts: &Facts) -> Self {
        Self {
            size: facts.size,
            mtime_ns: facts.mtime.0,
            ctime_ns: facts.ctime.0,
            inode: facts.inode,
            nlink: facts.nlink,
            mode: facts.owner.mode,
            uid: facts.owner.uid,
            gid: facts.owner.gid,
            kind: facts.kind as u8,
        }
    }

    pub(crate) fn checked(&self) -> Result<Facts, Fault> {
        let wrong = |text: String| Fault::new(FustorStatus::Argument, &text);
        if self.mode > 0o7777 {
            return Err(wrong(format!("mode {:#o} has more than permissions", self.mode)));
        }
        let kind = Kind::from_u8(self.kind);
        Ok(Facts {
            kind: kind.ok_or_else(|| wrong(format!("kind {} is unknown", self.kind)))?,
            size: self.size,
            mtime: StorageTime(self.mtime_ns),
            ctime: StorageTime(self.ctime_ns),
            inode: self.inode,
            nlink: self.nlink,
            owner: Owner { mode: self.mode, uid: self.uid, gid: self.gid },
        })
    }
}

impl FustorEntry {
    /// The entry as it lies in `entry`, which must stay where it is as long as C may read it.
    pub(crate) fn of(entry: &Entry) -> Self {
        let bytes = |bytes: &[u8]| FustorBytes { data: bytes.as_ptr(), len: bytes.len() };
        Self {
            path: bytes(&entry.path),
            name: bytes(entry.name()),
            facts: FustorFacts::of(&entry.facts),
            suspect: entry.marks.has(Marks::SUSPECT),
            blind_spot: entry.marks.has(Marks::BLIND),
        }
    }
}
