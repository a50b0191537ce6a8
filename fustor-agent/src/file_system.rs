//! Which file systems other hosts may write to without this host's kernel noticing.

use std::fmt;

/// Who else may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Only this host: its kernel sees every change, and attributes are never from a cache of another host.
    Local,
    /// Other hosts too: their changes are found by scans, and attributes may be as old as the mount's cache.
    Shared,
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local: the kernel reports every change",
            Self::Shared => {
                "network or FUSE: what other hosts write is not reported here and is found by scans"
            }
        })
    }
}

/// `statfs` types of file systems that other hosts may write to: NFS, SMB, CIFS, SMB2, Ceph, FUSE, Lustre, 9P, AFS, GPFS,
/// BeeGFS.
const SHARED: [u64; 11] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x00c3_6400,
    0x6573_5546,
    0x0bd0_0bd0,
    0x0102_1997,
    0x5346_414f,
    0x4750_4653,
    0x1983_0326,
];

/// Who else may write to a file system of this `statfs` type.
#[must_use]
pub fn sharing(fs_type: u64) -> Sharing {
    if SHARED.contains(&fs_type) { Sharing::Shared } else { Sharing::Local }
}
