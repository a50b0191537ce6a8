//! The arguments of questions, parsed from parameter text; a value that is refused is named, never clamped.

use thiserror::Error;

use crate::entry::Kind;
use crate::path::ViewPath;
use crate::query::cursor::{Cursor, QuestionHash};
use crate::text::unbase64;
use crate::time::StorageTime;

/// Entries of a page when nothing is said.
pub const PAGE_DEFAULT: usize = 1000;
/// The largest page.
pub const PAGE_MAX: usize = 10_000;
/// The longest pattern of a name, in bytes.
pub const PATTERN_MAX: usize = 4096;
/// Entries of one nested tree or search answer when the view does not say otherwise (`max_tree_items` of 0.8).
pub const TREE_ITEMS_DEFAULT: u64 = 100_000;

/// Why a parameter is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArgError {
    /// Not within the bounds.
    #[error("limit is {0}, it must be from 1 to {PAGE_MAX}")]
    Limit(usize),
    /// A type letter that nobody knows.
    #[error("type {0:?} is unknown, it must be a list of f, d, l, o")]
    Kinds(String),
    /// Not an order that is offered.
    #[error("sort {0:?} is unknown, only \"path\" is offered")]
    Sort(String),
    /// Not a way to rank directories.
    #[error("by {0:?} is unknown, it must be size, files or change")]
    By(String),
    /// Not a natural number.
    #[error("{name} is {value:?}, it must be a natural number")]
    Number {
        /// The parameter.
        name: &'static str,
        /// What it said.
        value: String,
    },
    /// Not a time in seconds.
    #[error("{name} is {value:?}, it must be seconds since 1970 with at most nine decimals")]
    Seconds {
        /// The parameter.
        name: &'static str,
        /// What it said.
        value: String,
    },
    /// Not base64.
    #[error("{name} is {value:?}, it must be base64")]
    Base64 {
        /// The parameter.
        name: &'static str,
        /// What it said.
        value: String,
    },
}

/// Entries of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// At most `n` entries.
    ///
    /// # Errors
    /// [`ArgError::Limit`] when `n` is 0 or above [`PAGE_MAX`].
    pub const fn new(n: usize) -> Result<Self, ArgError> {
        if n == 0 || n > PAGE_MAX { Err(ArgError::Limit(n)) } else { Ok(Self(n)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(PAGE_DEFAULT)
    }
}

/// A set of kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self(u8::MAX);
    /// Everything but directories.
    pub const FILES: Self = Self(!Self::bit(Kind::Dir));

    const fn bit(kind: Kind) -> u8 {
        1 << kind as u8
    }

    /// Reads a list such as `f,l`: `f` regular files, `d` directories, `l` symlinks, `o` everything else.
    ///
    /// # Errors
    /// [`ArgError::Kinds`] with the first letter that is none of them.
    pub fn parse(text: &str) -> Result<Self, ArgError> {
        const NAMED: u8 =
            Kinds::bit(Kind::File) | Kinds::bit(Kind::Dir) | Kinds::bit(Kind::Symlink);
        let mut bits = 0;
        for letter in text.split(',') {
            bits |= match letter {
                "f" => Self::bit(Kind::File),
                "d" => Self::bit(Kind::Dir),
                "l" => Self::bit(Kind::Symlink),
                "o" => !NAMED,
                other => return Err(ArgError::Kinds(other.to_owned())),
            };
        }
        Ok(Self(bits))
    }

    /// Whether this kind is among them.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// Whether any kind but the directory is among them.
    pub(crate) const fn has_files(self) -> bool {
        self.0 & Self::FILES.0 != 0
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self::ALL
    }
}

/// The order of a flat answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By path: depth first, by name bytes at each level.
    #[default]
    Path,
}

impl Sort {
    /// Reads the name of an order.
    ///
    /// # Errors
    /// [`ArgError::Sort`] when it is not offered.
    pub fn parse(text: &str) -> Result<Self, ArgError> {
        if text == "path" { Ok(Self::Path) } else { Err(ArgError::Sort(text.to_owned())) }
    }
}

/// Reads a natural number.
///
/// # Errors
/// [`ArgError::Number`] naming the parameter and its value.
pub fn parse_number(name: &'static str, text: &str) -> Result<u64, ArgError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| ArgError::Number { name, value: text.to_owned() })
}

/// Reads decimal seconds since 1970 exactly, without a detour over floating point.
///
/// # Errors
/// [`ArgError::Seconds`] naming the parameter and its value.
pub fn parse_seconds(name: &'static str, text: &str) -> Result<StorageTime, ArgError> {
    nanoseconds(text)
        .map(StorageTime)
        .ok_or_else(|| ArgError::Seconds { name, value: text.to_owned() })
}

fn nanoseconds(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.len() > 9 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole.checked_mul(crate::time::SECOND)?.checked_add(fraction)?.checked_mul(sign)
}

/// Reads base64 of either alphabet.
///
/// # Errors
/// [`ArgError::Base64`] naming the parameter and its value.
pub fn decode_base64(name: &'static str, text: &str) -> Result<Vec<u8>, ArgError> {
    unbase64(text).ok_or_else(|| ArgError::Base64 { name, value: text.chars().take(80).collect() })
}

/// Reads a path as `/tree` of 0.8 does: `.` and `..` are normalised, a relative or empty one is nowhere (`None`).
#[must_use]
pub fn legacy_path(bytes: &[u8]) -> Option<ViewPath> {
    if bytes.first() != Some(&b'/') {
        return None;
    }
    let mut names: Vec<&[u8]> = Vec::new();
    for name in bytes.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                let _above_the_root = names.pop();
            }
            name => names.push(name),
        }
    }
    let mut clean = vec![b'/'];
    clean.extend(names.join(&b'/'));
    ViewPath::parse(&clean).ok()
}

/// One page of one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListArgs {
    /// The directory.
    pub path: ViewPath,
    /// Entries of the page.
    pub limit: Limit,
    /// Where to go on.
    pub cursor: Option<Cursor>,
}

impl ListArgs {
    pub(crate) fn question(&self) -> u64 {
        QuestionHash::new("list").part(self.path.as_bytes()).finish()
    }
}

/// Entries below a directory that satisfy every condition given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindArgs {
    /// The directory; itself not part of the answer.
    pub path: ViewPath,
    /// The name matches this glob (`fnmatch` of Python, case-sensitive).
    pub name: Option<Vec<u8>>,
    /// The name contains these bytes.
    pub contains: Option<Vec<u8>>,
    /// The name matches this regular expression somewhere.
    pub regex: Option<String>,
    /// It is one of these kinds.
    pub kinds: Kinds,
    /// It has at least so many bytes.
    pub min_size: Option<u64>,
    /// It has at most so many bytes.
    pub max_size: Option<u64>,
    /// Its mtime is at or after this.
    pub newer: Option<StorageTime>,
    /// Its mtime is before this.
    pub older: Option<StorageTime>,
    /// It lies at most so many levels below the directory; 1: its children.
    pub depth: Option<u32>,
    /// Entries of the page.
    pub limit: Limit,
    /// Where to go on.
    pub cursor: Option<Cursor>,
}

impl FindArgs {
    /// Everything below `path`.
    #[must_use]
    pub fn below(path: ViewPath) -> Self {
        Self {
            path,
            name: None,
            contains: None,
            regex: None,
            kinds: Kinds::ALL,
            min_size: None,
            max_size: None,
            newer: None,
            older: None,
            depth: None,
            limit: Limit::default(),
            cursor: None,
        }
    }

    pub(crate) fn question(&self) -> u64 {
        let number = |n: Option<u64>| n.map(u64::to_le_bytes);
        let time = |t: Option<StorageTime>| t.map(|t| t.0.to_le_bytes());
        QuestionHash::new("find")
            .part(self.path.as_bytes())
            .maybe(self.name.as_deref())
            .maybe(self.contains.as_deref())
            .maybe(self.regex.as_deref().map(str::as_bytes))
            .part(&[self.kinds.0])
            .maybe(number(self.min_size).as_ref().map(|n| &n[..]))
            .maybe(number(self.max_size).as_ref().map(|n| &n[..]))
            .maybe(time(self.newer).as_ref().map(|t| &t[..]))
            .maybe(time(self.older).as_ref().map(|t| &t[..]))
            .maybe(number(self.depth.map(u64::from)).as_ref().map(|n| &n[..]))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_at_both_ends() {
        for n in [0, PAGE_MAX + 1] {
            assert_eq!(Limit::new(n), Err(ArgError::Limit(n)));
        }
        assert_eq!(Limit::new(PAGE_MAX).unwrap().get(), PAGE_MAX);
        assert_eq!(Limit::default().get(), PAGE_DEFAULT);
    }

    #[test]
    fn kinds_are_letters() {
        let kinds = Kinds::parse("f,o").unwrap();
        assert!(kinds.has(Kind::File) && kinds.has(Kind::Socket) && kinds.has(Kind::Unknown));
        assert!(!kinds.has(Kind::Dir) && !kinds.has(Kind::Symlink));
        for bad in ["", "f,", "x", "fd", "F"] {
            assert!(matches!(Kinds::parse(bad), Err(ArgError::Kinds(_))), "{bad:?}");
        }
        assert!(!Kinds::FILES.has(Kind::Dir) && Kinds::FILES.has(Kind::Symlink));
    }

    #[test]
    fn seconds_are_exact() {
        let cases = [
            ("0", 0),
            ("1795331078.48", 1_795_331_078_480_000_000),
            ("1.000000001", 1_000_000_001),
            ("-1.5", -1_500_000_000),
        ];
        for (text, ns) in cases {
            assert_eq!(parse_seconds("newer", text).unwrap(), StorageTime(ns), "{text}");
        }
        for bad in
            ["", "-", "1.", ".5", "1e9", "1.0000000001", "9999999999", "NaN", " 1", "+1", "--1"]
        {
            assert!(
                matches!(parse_seconds("newer", bad), Err(ArgError::Seconds { .. })),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(parse_number("min_size", "18446744073709551615").unwrap(), u64::MAX);
        for bad in ["", "+1", "-1", "1.0", "18446744073709551616", "0x1"] {
            let message = parse_number("min_size", bad).unwrap_err().to_string();
            assert!(message.contains("min_size") && message.contains(bad), "{message}");
        }
    }

    #[test]
    fn old_paths_are_normalised_but_never_made_absolute() {
        let cases: [(&[u8], Option<&str>); 8] = [
            (b"", None),
            (b"a", None),
            (b"/", Some("/")),
            (b"/..", Some("/")),
            (b"/a/./b//c/..", Some("/a/b")),
            (b"//x", Some("/x")),
            (b"/a/../../b", Some("/b")),
            (b"/a\0", None),
        ];
        for (given, expected) in cases {
            assert_eq!(
                legacy_path(given).map(|path| path.to_string()).as_deref(),
                expected,
                "{given:?}"
            );
        }
    }

    #[test]
    fn each_condition_is_part_of_the_question() {
        let base = FindArgs::below(ViewPath::root());
        let variants = [
            FindArgs { name: Some(b"x".to_vec()), ..base.clone() },
            FindArgs { contains: Some(b"x".to_vec()), ..base.clone() },
            FindArgs { regex: Some("x".into()), ..base.clone() },
            FindArgs { kinds: Kinds::FILES, ..base.clone() },
            FindArgs { min_size: Some(1), ..base.clone() },
            FindArgs { max_size: Some(1), ..base.clone() },
            FindArgs { newer: Some(StorageTime(1)), ..base.clone() },
            FindArgs { older: Some(StorageTime(1)), ..base.clone() },
            FindArgs { depth: Some(1), ..base.clone() },
            base.clone(),
        ];
        let mut hashes: Vec<u64> = variants.iter().map(FindArgs::question).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), variants.len());
        let longer = FindArgs { limit: Limit::new(7).unwrap(), ..base.clone() };
        assert_eq!(longer.question(), base.question());
    }
}
