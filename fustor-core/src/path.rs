//! Paths within a view: bytes, a leading slash, no `.`, `..`, empty component or NUL.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The longest name, in bytes (`NAME_MAX` of the file systems we serve).
pub const NAME_MAX: usize = 255;
/// The longest path, in bytes.
pub const PATH_MAX: usize = 64 * 1024;
/// The deepest path, in components.
pub const DEPTH_MAX: usize = 8192;

/// Why bytes are not a path of a view.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// There is nothing.
    #[error("empty path")]
    Empty,
    /// A component climbs or stays.
    #[error("path {0:?} has a component \".\" or \"..\"")]
    Dots(String),
    /// A byte 0.
    #[error("path {0:?} has a NUL byte")]
    Nul(String),
    /// A component is too long.
    #[error("path has a name of {0} bytes, at most {NAME_MAX} are allowed")]
    NameTooLong(usize),
    /// The whole is too long.
    #[error("path has {0} bytes, at most {PATH_MAX} are allowed")]
    TooLong(usize),
    /// Too many components.
    #[error("path has {0} components, at most {DEPTH_MAX} are allowed")]
    TooDeep(usize),
}

/// Why bytes are not a name.
#[must_use]
pub fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.len() <= NAME_MAX
        && bytes != b"."
        && bytes != b".."
        && memchr::memchr2(b'/', 0, bytes).is_none()
}

/// The absolute path of an entry in a view. `/` is the root. Cheap to clone.
///
/// ```
/// use fustor_core::ViewPath;
/// let path = ViewPath::parse(b"a//b/").unwrap();
/// assert_eq!(path.as_bytes(), b"/a/b");
/// assert!(ViewPath::parse(b"/a/../b").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewPath(Arc<[u8]>);

impl ViewPath {
    /// The root, `/`.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::from(&b"/"[..]))
    }

    /// Reads a path; a leading slash is added and doubled or trailing ones are dropped.
    ///
    /// # Errors
    /// [`PathError`] when the bytes are empty, hold a NUL, `.` or `..`, or exceed a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.is_empty() {
            return Err(PathError::Empty);
        }
        if bytes.len() > PATH_MAX {
            return Err(PathError::TooLong(bytes.len()));
        }
        if memchr::memchr(0, bytes).is_some() {
            return Err(PathError::Nul(lossy(bytes)));
        }
        let mut clean = Vec::with_capacity(bytes.len() + 1);
        let mut depth = 0;
        for name in bytes.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            if name == b"." || name == b".." {
                return Err(PathError::Dots(lossy(bytes)));
            }
            if name.len() > NAME_MAX {
                return Err(PathError::NameTooLong(name.len()));
            }
            depth += 1;
            clean.push(b'/');
            clean.extend_from_slice(name);
        }
        if depth > DEPTH_MAX {
            return Err(PathError::TooDeep(depth));
        }
        if clean.len() > PATH_MAX {
            return Err(PathError::TooLong(clean.len()));
        }
        if clean.is_empty() {
            return Ok(Self::root());
        }
        Ok(Self(Arc::from(clean)))
    }

    /// The path of these names of a tree, the last one first; `None` when they have moved to a place that is too deep.
    pub(crate) fn of_names_upward(names: &[&[u8]]) -> Option<Self> {
        debug_assert!(names.iter().all(|name| is_name(name)), "a tree holds names only");
        if names.is_empty() {
            return Some(Self::root());
        }
        let len = names.iter().map(|name| 1 + name.len()).sum();
        if len > PATH_MAX || names.len() > DEPTH_MAX {
            return None;
        }
        let mut bytes = Vec::with_capacity(len);
        for name in names.iter().rev() {
            bytes.push(b'/');
            bytes.extend_from_slice(name);
        }
        Some(Self(Arc::from(bytes)))
    }

    /// The path of `name` in the directory that this is.
    ///
    /// # Panics
    /// When `name` is no name ([`is_name`]): the caller has checked what a peer sent.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        assert!(is_name(name), "not a name: {:?}", lossy(name));
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        if !self.is_root() {
            bytes.extend_from_slice(&self.0);
        }
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self(Arc::from(bytes))
    }

    /// The bytes, with the leading slash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The names from the root down; none for the root.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        self.0[1..].split(|b| *b == b'/').filter(|name| !name.is_empty())
    }

    /// The parent directory's path and the last name; `None` for the root.
    #[must_use]
    pub fn split(&self) -> Option<(Self, &[u8])> {
        self.split_prefix().map(|(parent, name)| (Self::of_prefix(parent), name))
    }

    /// As [`Self::split`], with the parent as a prefix.
    pub(crate) fn split_prefix(&self) -> Option<(&[u8], &[u8])> {
        let at = memchr::memrchr(b'/', &self.0).unwrap_or(0);
        (!self.is_root()).then(|| (&self.0[..at], &self.0[at + 1..]))
    }

    /// The bytes before the slash of a name below: none for the root.
    pub(crate) fn as_prefix(&self) -> &[u8] {
        if self.is_root() { &[] } else { &self.0 }
    }

    /// The path that a prefix of a path is.
    pub(crate) fn of_prefix(prefix: &[u8]) -> Self {
        if prefix.is_empty() { Self::root() } else { Self(Arc::from(prefix)) }
    }

    /// The last name; empty for the root.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let at = memchr::memrchr(b'/', &self.0).unwrap_or(0);
        &self.0[at + 1..]
    }

    /// How many names lie between the root and here.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.names().count()
    }

    /// Whether `other` is this path or lies below it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.is_root()
            || (other.0.starts_with(&self.0)
                && (other.0.len() == self.0.len() || other.0[self.0.len()] == b'/'))
    }

    /// The path as text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn display(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Debug for ViewPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.display())
    }
}

impl fmt::Display for ViewPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display())
    }
}

fn lossy(bytes: &[u8]) -> String {
    const SHOWN: usize = 200;
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, PathError> {
        ViewPath::parse(text.as_bytes()).map(|path| path.to_string())
    }

    #[test]
    fn slashes_are_normalised() {
        assert_eq!(parse("x").unwrap(), "/x");
        assert_eq!(parse("/a//b///c").unwrap(), "/a/b/c");
        assert_eq!(parse("///").unwrap(), "/");
    }

    #[test]
    fn climbing_nul_empty_and_oversized_paths_are_refused() {
        assert_eq!(parse(""), Err(PathError::Empty));
        assert!(matches!(parse("/../../etc/passwd"), Err(PathError::Dots(_))));
        assert!(matches!(parse("/a/./b"), Err(PathError::Dots(_))));
        assert!(matches!(parse("/a\0"), Err(PathError::Nul(_))));
        assert_eq!(parse(&"n".repeat(256)), Err(PathError::NameTooLong(256)));
        assert!(parse(&"n".repeat(255)).is_ok());
        assert_eq!(parse(&"/a".repeat(8193)), Err(PathError::TooDeep(8193)));
        assert!(parse(&"/a".repeat(8192)).is_ok());
        assert_eq!(parse(&"/aaaa".repeat(20000)), Err(PathError::TooLong(100_000)));
    }

    #[test]
    fn splitting_undoes_joining() {
        let path = ViewPath::root().join(b"a").join(b"b\xff");
        let (parent, name) = path.split().unwrap();
        assert_eq!((parent.as_bytes(), name), (&b"/a"[..], &b"b\xff"[..]));
        assert_eq!(path.depth(), 2);
        assert!(ViewPath::root().split().is_none());
        assert!(parent.contains(&path) && !path.contains(&parent));
        assert!(!ViewPath::parse(b"/ab").unwrap().contains(&ViewPath::parse(b"/abc").unwrap()));
    }
}
