//! Where a page goes on: an opaque text that names the revision, the next path and the question.

use std::fmt;

use thiserror::Error;

use crate::id::Revision;
use crate::path::{PATH_MAX, ViewPath};
use crate::text::{base64_url, unbase64};

const FORMAT: u8 = 1;
const HEADER: usize = 1 + 3 * 8;
/// The longest text of a cursor: the header and the longest path in base64.
const TEXT_MAX: usize = (HEADER + PATH_MAX).div_ceil(3) * 4;

/// Where a page goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    revision: Revision,
    question: u64,
    path: Box<[u8]>,
}

/// Why a text is no cursor, or not one of this question.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CursorError {
    /// Not a text that was ever given out.
    #[error("malformed cursor {0:?}")]
    Malformed(String),
    /// Longer than any cursor.
    #[error("cursor of {0} bytes, at most {TEXT_MAX} are possible")]
    TooLong(usize),
    /// Given out for other parameters.
    #[error("the cursor belongs to a question with other parameters")]
    OtherQuestion,
    /// Its path is not below the path asked for.
    #[error("the cursor's path {0:?} lies outside the path asked for")]
    Outside(String),
}

impl Cursor {
    pub(crate) fn new(revision: Revision, question: u64, path: Vec<u8>) -> Self {
        Self { revision, question, path: path.into_boxed_slice() }
    }

    /// Reads what [`Cursor`]'s `Display` wrote.
    ///
    /// # Errors
    /// [`CursorError::Malformed`] and [`CursorError::TooLong`], for any text.
    pub fn parse(text: &str) -> Result<Self, CursorError> {
        if text.len() > TEXT_MAX {
            return Err(CursorError::TooLong(text.len()));
        }
        Self::decode(text).ok_or_else(|| CursorError::Malformed(text.chars().take(80).collect()))
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = unbase64(text)?;
        let (format, rest) = bytes.split_first()?;
        let (incarnation, rest) = number(rest)?;
        let (n, rest) = number(rest)?;
        let (question, path) = number(rest)?;
        let known = *format == FORMAT && path.first() == Some(&b'/');
        let canonical = ViewPath::parse(path).is_ok_and(|parsed| parsed.as_bytes() == path);
        (known && canonical).then(|| Self {
            revision: Revision { incarnation, n },
            question,
            path: Box::from(path),
        })
    }

    /// The revision that the first page was answered from.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The next path to be looked at.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The names of the next path below `base`.
    pub(crate) fn below(&self, question: u64, base: &ViewPath) -> Result<&[u8], CursorError> {
        if self.question != question {
            return Err(CursorError::OtherQuestion);
        }
        let rest = if base.is_root() {
            Some(&*self.path)
        } else {
            self.path.strip_prefix(base.as_bytes())
        };
        match rest.and_then(|rest| rest.strip_prefix(b"/")) {
            Some(rest) if !rest.is_empty() => Ok(rest),
            Some(_) | None => {
                Err(CursorError::Outside(String::from_utf8_lossy(&self.path).into_owned()))
            }
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(HEADER + self.path.len());
        bytes.push(FORMAT);
        for n in [self.revision.incarnation, self.revision.n, self.question] {
            bytes.extend_from_slice(&n.to_le_bytes());
        }
        bytes.extend_from_slice(&self.path);
        f.write_str(&base64_url(&bytes))
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*head), rest))
}

/// Recognises a question by its parameters (FNV-1a): each part is preceded by its length, so that no two lists of parts
/// run together.
pub(crate) struct QuestionHash(u64);

impl QuestionHash {
    pub(crate) fn new(route: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).part(route.as_bytes())
    }

    pub(crate) fn part(self, bytes: &[u8]) -> Self {
        let length = (bytes.len() as u64).to_le_bytes();
        let mixed = length.iter().chain(bytes).fold(self.0, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mixed)
    }

    pub(crate) fn maybe(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => self.part(b"+").part(bytes),
            None => self.part(b"-"),
        }
    }

    pub(crate) const fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cursor(path: &str) -> Cursor {
        Cursor::new(Revision { incarnation: 7, n: u64::MAX }, 99, path.as_bytes().to_vec())
    }

    #[test]
    fn a_cursor_survives_its_text() {
        let given = cursor("/a/b c");
        let text = given.to_string();
        assert!(
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'),
            "{text}"
        );
        assert_eq!(Cursor::parse(&text).unwrap(), given);
    }

    #[test]
    fn the_longest_path_still_fits() {
        let text = cursor(&"/n".repeat(8192)).to_string();
        assert!(Cursor::parse(&text).is_ok());
        let endless = "A".repeat(TEXT_MAX + 1);
        assert_eq!(Cursor::parse(&endless), Err(CursorError::TooLong(TEXT_MAX + 1)));
    }

    #[test]
    fn other_questions_and_other_paths_are_refused() {
        let given = cursor("/a/b");
        let base = |text: &str| ViewPath::parse(text.as_bytes()).unwrap();
        assert_eq!(given.below(99, &base("/a")).unwrap(), b"b");
        assert_eq!(given.below(99, &base("/")).unwrap(), b"a/b");
        assert_eq!(given.below(98, &base("/a")), Err(CursorError::OtherQuestion));
        for outside in ["/b", "/a/b", "/a/b/c"] {
            assert_eq!(given.below(99, &base(outside)), Err(CursorError::Outside("/a/b".into())));
        }
    }

    #[test]
    fn crafted_paths_are_refused() {
        for path in ["", "a", "/a/../b", "/a//b", "/a/", "/a\0"] {
            assert!(
                matches!(Cursor::parse(&cursor(path).to_string()), Err(CursorError::Malformed(_))),
                "{path:?}"
            );
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        let hash = |parts: &[&[u8]]| {
            parts.iter().fold(QuestionHash::new("find"), |h, part| h.part(part)).finish()
        };
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_ne!(hash(&[b"", b"x"]), hash(&[b"x", b""]));
    }

    proptest! {
        #[test]
        fn any_text_is_a_cursor_or_an_error(text in "[A-Za-z0-9_-]{0,80}") {
            if let Ok(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
