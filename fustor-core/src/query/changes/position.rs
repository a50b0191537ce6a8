//! Where a reader of differences is: after a revision, and perhaps some way into what came next.

use std::fmt;

use crate::id::Revision;
use crate::query::trust::parse_revision;

/// A place among the differences. Its text is that of a revision, with a dot and a number when it lies within a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// All up to this revision is known.
    pub revision: Revision,
    /// So many of the differences after it are known too.
    pub skip: u32,
}

impl Position {
    /// The place right after a revision.
    #[must_use]
    pub const fn after(revision: Revision) -> Self {
        Self { revision, skip: 0 }
    }

    /// Reads the text of a place, or of a revision.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some((revision, skip)) = text.split_once('.') else {
            return parse_revision(text).map(Self::after);
        };
        let plain = skip.bytes().all(|byte| byte.is_ascii_digit());
        let skip = plain.then(|| skip.parse().ok())??;
        Some(Self { revision: parse_revision(revision)?, skip })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.skip {
            0 => write!(f, "{}", self.revision),
            skip => write!(f, "{}.{skip}", self.revision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_their_text() {
        let revision = Revision { incarnation: 0xab, n: 12 };
        for skip in [0, 1, u32::MAX] {
            let place = Position { revision, skip };
            assert_eq!(Position::parse(&place.to_string()), Some(place));
        }
        for bad in ["", "ab-12.", "ab-12.x", "ab-12.+1", "ab.1", "ab-12.1.1", "ab-12.4294967296"] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }
}
