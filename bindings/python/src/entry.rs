//! One entry, and the facts of which one is made.

use std::hash::{DefaultHasher, Hash, Hasher};

use fustor_core::query::Entry as CoreEntry;
use fustor_core::{Facts as CoreFacts, Key, Kind, Marks, Owner, StorageId, StorageTime};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::path::text;

/// Kinds by their words, in the order of their numbers.
pub(crate) const KINDS: [(&str, Kind); 8] = [
    ("directory", Kind::Dir),
    ("file", Kind::File),
    ("symlink", Kind::Symlink),
    ("fifo", Kind::Fifo),
    ("socket", Kind::Socket),
    ("block_device", Kind::BlockDevice),
    ("char_device", Kind::CharDevice),
    ("unknown", Kind::Unknown),
];
const NANO: f64 = 1e-9;

fn kind_word(kind: Kind) -> &'static str {
    KINDS[usize::from(kind as u8)].0
}

pub(crate) fn kind_of(word: &str) -> Option<Kind> {
    KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
}

/// What `lstat` says of an entry.
///
/// Times are nanoseconds since 1970; `mode` holds the permission bits only.
#[pyclass(frozen, eq, module = "fustor")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts(pub(crate) CoreFacts);

#[pymethods]
impl Facts {
    #[new]
    #[pyo3(signature = (kind="file", *, size=0, mtime_ns=0, ctime_ns=0, inode=0, nlink=1, mode=0, uid=0, gid=0))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    fn new(
        kind: &str,
        size: u64,
        mtime_ns: i64,
        ctime_ns: i64,
        inode: u64,
        nlink: u32,
        mode: u32,
        uid: u32,
        gid: u32,
    ) -> PyResult<Self> {
        let unknown = || PyValueError::new_err(format!("kind {kind:?} is unknown"));
        if mode > 0o7777 {
            return Err(PyValueError::new_err(format!("mode {mode:#o} has more than permissions")));
        }
        Ok(Self(CoreFacts {
            kind: kind_of(kind).ok_or_else(unknown)?,
            size,
            mtime: StorageTime(mtime_ns),
            ctime: StorageTime(ctime_ns),
            inode,
            nlink,
            owner: Owner { mode, uid, gid },
        }))
    }

    /// The facts that an `os.stat_result` holds.
    #[staticmethod]
    fn from_stat(stat: &Bound<'_, PyAny>) -> PyResult<Self> {
        let number = |name: &str| -> PyResult<u64> { stat.getattr(name)?.extract() };
        let time = |name: &str| -> PyResult<i64> { stat.getattr(name)?.extract() };
        let mode: u32 = stat.getattr("st_mode")?.extract()?;
        let kind = match mode & 0o170_000 {
            0o040_000 => Kind::Dir,
            0o100_000 => Kind::File,
            0o120_000 => Kind::Symlink,
            0o010_000 => Kind::Fifo,
            0o140_000 => Kind::Socket,
            0o060_000 => Kind::BlockDevice,
            0o020_000 => Kind::CharDevice,
            _ => Kind::Unknown,
        };
        let owner = Owner {
            mode: mode & 0o7777,
            uid: stat.getattr("st_uid")?.extract()?,
            gid: stat.getattr("st_gid")?.extract()?,
        };
        Ok(Self(CoreFacts {
            kind,
            size: number("st_size")?,
            mtime: StorageTime(time("st_mtime_ns")?),
            ctime: StorageTime(time("st_ctime_ns")?),
            inode: number("st_ino")?,
            nlink: stat.getattr("st_nlink")?.extract()?,
            owner,
        }))
    }

    /// What it is: "file", "directory", "symlink" and so on.
    #[getter]
    fn kind(&self) -> &'static str {
        kind_word(self.0.kind)
    }

    /// Bytes.
    #[getter]
    const fn size(&self) -> u64 {
        self.0.size
    }

    /// Last change of the contents, in nanoseconds since 1970.
    #[getter]
    const fn mtime_ns(&self) -> i64 {
        self.0.mtime.0
    }

    /// Last change of the inode, in nanoseconds since 1970.
    #[getter]
    const fn ctime_ns(&self) -> i64 {
        self.0.ctime.0
    }

    /// The inode.
    #[getter]
    const fn inode(&self) -> u64 {
        self.0.inode
    }

    /// Names of the inode.
    #[getter]
    const fn nlink(&self) -> u32 {
        self.0.nlink
    }

    /// Permission bits.
    #[getter]
    const fn mode(&self) -> u32 {
        self.0.owner.mode
    }

    /// Owner.
    #[getter]
    const fn uid(&self) -> u32 {
        self.0.owner.uid
    }

    /// Group.
    #[getter]
    const fn gid(&self) -> u32 {
        self.0.owner.gid
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let word = kind_word(self.0.kind);
        format!("Facts({word:?}, size={}, mtime_ns={})", self.0.size, self.0.mtime.0)
    }
}

/// One entry of a view: a path and what is known of it.
#[pyclass(frozen, eq, module = "fustor")]
#[derive(Clone, Debug)]
pub(crate) struct Entry(pub(crate) CoreEntry);

/// Equal is what looks equal: not when, or by whom, it was last observed.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (&self.0, &other.0);
        (&one.path, one.facts, one.marks) == (&two.path, two.facts, two.marks)
    }
}

impl Entry {
    /// An entry as the client was told it.
    pub(crate) fn told(entry: &fustor_client::Entry) -> Self {
        let path = entry.path_bytes();
        let slash = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let mut marks = Marks::NONE;
        if entry.integrity_suspect {
            marks = marks.with(Marks::SUSPECT);
        }
        if entry.agent_missing {
            marks = marks.with(Marks::BLIND);
        }
        Self(CoreEntry {
            // A name has at most 255 bytes.
            name_len: u8::try_from(path.len() - slash).unwrap_or(u8::MAX),
            path: path.into_boxed_slice(),
            facts: CoreFacts {
                kind: kind_of(entry.kind()).unwrap_or(Kind::Unknown),
                size: entry.size,
                mtime: StorageTime(entry.modified_time_ns),
                ctime: StorageTime(entry.created_time_ns),
                inode: entry.inode,
                nlink: entry.nlink,
                owner: Owner { mode: entry.mode, uid: entry.uid, gid: entry.gid },
            },
            key: Key::NONE,
            marks,
            storage: StorageId(0),
        })
    }
}

#[pymethods]
impl Entry {
    /// The whole path within the view.
    #[getter]
    fn path<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text(py, &self.0.path)
    }

    /// The whole path as it is.
    #[getter]
    fn path_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.path)
    }

    /// The last name of the path; empty for the root.
    #[getter]
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text(py, self.0.name())
    }

    /// What `lstat` said.
    #[getter]
    const fn facts(&self) -> Facts {
        Facts(self.0.facts)
    }

    /// What it is: "file", "directory", "symlink" and so on.
    #[getter]
    fn kind(&self) -> &'static str {
        kind_word(self.0.facts.kind)
    }

    /// Bytes.
    #[getter]
    const fn size(&self) -> u64 {
        self.0.facts.size
    }

    /// Last change of the contents, in seconds since 1970.
    #[getter]
    fn mtime(&self) -> f64 {
        self.0.facts.mtime.0 as f64 * NANO
    }

    /// Last change of the contents, in nanoseconds since 1970.
    #[getter]
    const fn mtime_ns(&self) -> i64 {
        self.0.facts.mtime.0
    }

    /// Last change of the inode, in nanoseconds since 1970.
    #[getter]
    const fn ctime_ns(&self) -> i64 {
        self.0.facts.ctime.0
    }

    /// The inode.
    #[getter]
    const fn inode(&self) -> u64 {
        self.0.facts.inode
    }

    /// Names of the inode.
    #[getter]
    const fn nlink(&self) -> u32 {
        self.0.facts.nlink
    }

    /// Permission bits.
    #[getter]
    const fn mode(&self) -> u32 {
        self.0.facts.owner.mode
    }

    /// Owner.
    #[getter]
    const fn uid(&self) -> u32 {
        self.0.facts.owner.uid
    }

    /// Group.
    #[getter]
    const fn gid(&self) -> u32 {
        self.0.facts.owner.gid
    }

    /// Whether it may be incomplete: somebody may still be writing.
    #[getter]
    const fn suspect(&self) -> bool {
        self.0.marks.has(Marks::SUSPECT)
    }

    /// Whether it changed where nobody watched.
    #[getter]
    const fn blind_spot(&self) -> bool {
        self.0.marks.has(Marks::BLIND)
    }

    /// Whether it is a directory.
    const fn is_dir(&self) -> bool {
        self.0.facts.kind.is_dir()
    }

    /// Whether it is a regular file.
    const fn is_file(&self) -> bool {
        matches!(self.0.facts.kind, Kind::File)
    }

    fn __fspath__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        text(py, &self.0.path)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.path.hash(&mut hasher);
        self.0.facts.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let path = String::from_utf8_lossy(&self.0.path);
        format!("Entry({path:?}, {:?}, size={})", self.kind(), self.0.facts.size)
    }
}
