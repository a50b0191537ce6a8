//! What is known of one file, directory, symlink or special file.

use std::cmp::Ordering;

use crate::id::{DirId, StorageId};
use crate::key::Key;
use crate::time::StorageTime;

/// What an entry is, as `lstat` says: a symlink is a symlink, whatever it points at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A directory.
    Dir = 0,
    /// A regular file.
    #[default]
    File = 1,
    /// A symbolic link.
    Symlink = 2,
    /// A named pipe.
    Fifo = 3,
    /// A socket.
    Socket = 4,
    /// A block device.
    BlockDevice = 5,
    /// A character device.
    CharDevice = 6,
    /// Something that the agent's system knows and we do not.
    Unknown = 7,
}

impl Kind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_u8(n: u8) -> Option<Self> {
        Some(match n {
            0 => Self::Dir,
            1 => Self::File,
            2 => Self::Symlink,
            3 => Self::Fifo,
            4 => Self::Socket,
            5 => Self::BlockDevice,
            6 => Self::CharDevice,
            7 => Self::Unknown,
            _ => return None,
        })
    }

    /// Whether this is a directory.
    #[must_use]
    pub const fn is_dir(self) -> bool {
        matches!(self, Self::Dir)
    }

    /// Whether this is one of the two kinds that agents of 0.8 tell apart.
    #[must_use]
    pub const fn is_told_by_legacy(self) -> bool {
        matches!(self, Self::Dir | Self::File)
    }
}

/// Whose an entry is, and who may do what with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Permission bits with set-uid, set-gid and sticky (`st_mode & 0o7777`).
    pub mode: u32,
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
}

/// What `lstat` said of the entry itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Last change of the contents, as the storage or a restoring program wrote it.
    pub mtime: StorageTime,
    /// Last change of the inode, as the storage wrote it.
    pub ctime: StorageTime,
    /// Inode number.
    pub inode: u64,
    /// Number of names of the inode.
    pub nlink: u32,
    /// Owner, group and mode.
    pub owner: Owner,
}

impl Facts {
    /// The facts of a directory that nobody has looked at yet.
    pub const PLACEHOLDER: Self = Self {
        kind: Kind::Dir,
        size: 0,
        mtime: StorageTime(0),
        ctime: StorageTime(0),
        inode: 0,
        nlink: 0,
        owner: Owner { mode: 0, uid: 0, gid: 0 },
    };
    /// Stands for a size that an agent of 0.8 did not tell.
    pub const UNTOLD_SIZE: u64 = u64::MAX;
    /// Stands for a time that an agent of 0.8 did not tell.
    pub const UNTOLD_TIME: StorageTime = StorageTime::MIN;

    /// Whether nobody but agents of 0.8 has reported this: they tell neither inode nor links, and a file that `lstat`
    /// has seen has both.
    #[must_use]
    pub const fn is_hearsay(&self) -> bool {
        self.inode == 0 && self.nlink == 0
    }
}

/// Breaks a tie between observations with equal keys; "not a directory" is the greater, so that evidence which buries
/// what is below a path never loses to evidence of the same key which does not.
impl Ord for Facts {
    fn cmp(&self, other: &Self) -> Ordering {
        let fields = |f: &Self| (f.kind, f.mtime, f.ctime, f.size, f.inode, f.nlink, f.owner);
        fields(self).cmp(&fields(other))
    }
}

impl PartialOrd for Facts {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What fusion thinks of an entry, beside its facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(u8);

impl Marks {
    /// Nothing to remark.
    pub const NONE: Self = Self(0);
    /// May be incomplete: somebody may still be writing.
    pub const SUSPECT: Self = Self(1);
    /// Created or changed after its directory was first listed, and known by scan evidence only.
    pub const BLIND: Self = Self(2);
    /// A directory that is only inferred from something below it.
    pub const PLACEHOLDER: Self = Self(4);

    /// Marks from the bits that a block stores; unknown bits are `None`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits < 8 { Some(Self(bits)) } else { None }
    }

    /// The bits, for storage in a block.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// One row of a directory: a name and all that is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The name within the directory: 1 to 255 bytes, no `/`, no NUL, not `.` or `..`.
    pub name: &'a [u8],
    /// What `lstat` said.
    pub facts: Facts,
    /// The key of the observation that said so; [`Key::NONE`] for a placeholder.
    pub key: Key,
    /// What fusion thinks of it.
    pub marks: Marks,
    /// The storage that owns the entry.
    pub storage: StorageId,
    /// The directory's id in the tree; [`DirId::NONE`] for everything that is not a directory.
    pub child: DirId,
}
