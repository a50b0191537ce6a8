//! Conditions on names, tried on all names of a block at once before any single row is looked at.

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

use crate::block::BlockReader;
use crate::query::args::PATTERN_MAX;
use crate::query::glob::Glob;

/// Bounds of a compiled regular expression and of its lazily built automaton, in bytes.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Longer than any sensible pattern.
    #[error("pattern of {0} bytes, at most {PATTERN_MAX} are allowed")]
    TooLong(usize),
    /// Not a regular expression, or one that compiles to more than is allowed.
    #[error("bad regular expression {pattern:?}: {reason}")]
    Regex {
        /// What was given.
        pattern: String,
        /// What the compiler says.
        reason: String,
    },
}

/// A condition on the name of a row; only [`NameTest::Search`] looks at the path too.
#[derive(Clone, Debug)]
pub(crate) enum NameTest {
    Any,
    Contains(memmem::Finder<'static>),
    Glob { glob: Glob, literal: memmem::Finder<'static> },
    Regex { regex: Regex, context_free: bool },
    Search(Box<SearchTest>),
}

/// What `/search` of 0.8 takes for a hit: the pattern matches the path or the name, or is part of the name in any case.
#[derive(Clone, Debug)]
pub(crate) struct SearchTest {
    /// The pattern in lower case.
    needle: String,
    /// Finds the needle in names that are all ASCII; `None`: no such name can hold it.
    ascii: Option<Regex>,
    glob: Option<(Glob, memmem::Finder<'static>)>,
    /// A pattern without wildcards equals at most one path.
    exact: Vec<u8>,
}

impl NameTest {
    pub(crate) fn contains(needle: &[u8]) -> Result<Self, PatternError> {
        bounded(needle)?;
        Ok(Self::Contains(memmem::Finder::new(needle).into_owned()))
    }

    pub(crate) fn glob(pattern: &[u8]) -> Result<Self, PatternError> {
        bounded(pattern)?;
        let glob = Glob::new(pattern);
        let literal = memmem::Finder::new(glob.literal()).into_owned();
        Ok(Self::Glob { glob, literal })
    }

    pub(crate) fn regex(pattern: &str) -> Result<Self, PatternError> {
        bounded(pattern.as_bytes())?;
        Ok(Self::Regex { regex: compile(pattern)?, context_free: is_context_free(pattern) })
    }

    pub(crate) fn search(pattern: &str) -> Result<Self, PatternError> {
        bounded(pattern.as_bytes())?;
        let needle = pattern.to_lowercase();
        let quoted = format!("(?i-u:{})", regex::escape(&needle));
        let ascii = if needle.is_ascii() { Some(compile(&quoted)?) } else { None };
        let glob = Glob::is_pattern(pattern.as_bytes()).then(|| {
            let glob = Glob::new(pattern.as_bytes());
            let literal = memmem::Finder::new(glob.literal()).into_owned();
            (glob, literal)
        });
        Ok(Self::Search(Box::new(SearchTest {
            needle,
            ascii,
            glob,
            exact: pattern.as_bytes().to_vec(),
        })))
    }

    /// Whether the path of a directory matters to the names in it.
    pub(crate) const fn wants_path(&self) -> bool {
        match self {
            Self::Search(_) => true,
            Self::Any | Self::Contains(_) | Self::Glob { .. } | Self::Regex { .. } => false,
        }
    }

    /// The first matching row at or after row `from` of a block of the directory `dir` (its path without a trailing
    /// slash), or the number of rows.
    pub(crate) fn next(&self, block: &BlockReader<'_>, dir: &[u8], from: usize) -> usize {
        let rows = block.len();
        if from >= rows {
            return rows;
        }
        match self {
            Self::Any => from,
            Self::Contains(finder) => holding(block, finder, from, &|_| true),
            Self::Glob { glob, literal } => {
                holding(block, literal, from, &|name| glob.matches(name))
            }
            Self::Regex { regex, context_free: true } => matching(block, regex, from),
            Self::Regex { regex, context_free: false } => {
                each(block, from, &|name| regex.is_match(name))
            }
            Self::Search(test) => test.next(block, dir, from),
        }
    }
}

impl SearchTest {
    fn next(&self, block: &BlockReader<'_>, dir: &[u8], from: usize) -> usize {
        let by_name = self.next_by_name(block, from);
        match &self.glob {
            None => by_name.min(self.exact_row(block, dir, from)),
            Some((glob, literal)) => by_name.min(next_by_path(glob, literal, block, dir, from)),
        }
    }

    fn next_by_name(&self, block: &BlockReader<'_>, from: usize) -> usize {
        let names = &block.names()[block.name_start(from)..];
        if names.is_ascii() {
            return self.ascii.as_ref().map_or(block.len(), |regex| matching(block, regex, from));
        }
        each(block, from, &|name| {
            String::from_utf8_lossy(name).to_lowercase().contains(&self.needle)
        })
    }

    fn exact_row(&self, block: &BlockReader<'_>, dir: &[u8], from: usize) -> usize {
        let name = self.exact.strip_prefix(dir).and_then(|rest| rest.strip_prefix(b"/"));
        let found =
            name.filter(|name| !name.contains(&b'/')).and_then(|name| block.find(name).ok());
        found.filter(|i| *i >= from).unwrap_or(block.len())
    }
}

/// The first row whose path or name matches the glob.
fn next_by_path(
    glob: &Glob,
    literal: &memmem::Finder<'_>,
    block: &BlockReader<'_>,
    dir: &[u8],
    from: usize,
) -> usize {
    let mut path = [dir, b"/"].concat();
    let prefix = path.len();
    let either = |path: &[u8], name: &[u8]| {
        glob.matches(path) || (!glob.starts_with_star() && glob.matches(name))
    };
    if !literal.needle().contains(&b'/') && literal.find(&path).is_none() {
        return holding(block, literal, from, &|name| either(&[dir, b"/", name].concat(), name));
    }
    let mut hit = |i: &usize| {
        let name = block.name(*i);
        path.truncate(prefix);
        path.extend_from_slice(name);
        either(&path, name)
    };
    (from..block.len()).find(|i| hit(i)).unwrap_or(block.len())
}

fn bounded(pattern: &[u8]) -> Result<(), PatternError> {
    if pattern.len() > PATTERN_MAX { Err(PatternError::TooLong(pattern.len())) } else { Ok(()) }
}

fn compile(pattern: &str) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(pattern)
        .size_limit(REGEX_SIZE_MAX)
        .dfa_size_limit(REGEX_SIZE_MAX)
        .build();
    built.map_err(|error| PatternError::Regex {
        pattern: pattern.to_owned(),
        reason: error.to_string(),
    })
}

/// Whether a match of a part is a match of the whole text and the reverse: no anchors, no word boundaries. Looks at the
/// text only, so it may say no where yes would do.
fn is_context_free(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    let anchored = bytes.iter().any(|byte| matches!(byte, b'^' | b'$'));
    let looking = bytes
        .windows(2)
        .any(|pair| pair[0] == b'\\' && matches!(pair[1], b'b' | b'B' | b'A' | b'z' | b'<' | b'>'));
    !anchored && !looking
}

fn each(block: &BlockReader<'_>, from: usize, test: &dyn Fn(&[u8]) -> bool) -> usize {
    (from..block.len()).find(|i| test(block.name(*i))).unwrap_or(block.len())
}

/// The first row whose name holds the needle and passes the test.
fn holding(
    block: &BlockReader<'_>,
    finder: &memmem::Finder<'_>,
    from: usize,
    test: &dyn Fn(&[u8]) -> bool,
) -> usize {
    let needle = finder.needle().len();
    if needle == 0 {
        return each(block, from, test);
    }
    let names = block.names();
    let mut at = block.name_start(from);
    while let Some(found) = finder.find(&names[at..]).map(|found| at + found) {
        let row = block.row_at(found);
        let end = block.name_end(row);
        // A hit that crosses the border to the next name is none, and no other begins between here and the border.
        if found + needle <= end && test(block.name(row)) {
            return row;
        }
        at = end;
    }
    block.len()
}

/// The first row whose name matches an expression that is context-free.
fn matching(block: &BlockReader<'_>, regex: &Regex, from: usize) -> usize {
    let names = block.names();
    let mut at = block.name_start(from);
    if regex.is_match(b"") {
        return from;
    }
    // A row that matches has a match that begins in it, so the leftmost match of all names begins in it or before.
    while let Some(found) = regex.find(&names[at..]) {
        let row = block.row_at(at + found.start());
        let end = block.name_end(row);
        if at + found.end() <= end || regex.is_match(block.name(row)) {
            return row;
        }
        at = end;
    }
    block.len()
}
