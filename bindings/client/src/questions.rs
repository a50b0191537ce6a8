//! What can be asked, and how it is written behind a question mark.

use std::fmt::Write;

/// Whether less than a trusted answer will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Require {
    /// What the route does by itself.
    #[default]
    Unsaid,
    /// Whatever is known.
    Any,
    /// A trusted answer, or [`crate::ClientError::NotReady`].
    Trusted,
}

/// The entries of one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The directory; empty: the root.
    pub path: Vec<u8>,
    /// Entries of a page; `None`: as many as fusion likes.
    pub limit: Option<usize>,
    /// Where to go on.
    pub cursor: Option<String>,
    /// Whether less than a trusted answer will do.
    pub require: Require,
}

/// The entries below a directory that satisfy every condition given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Find {
    /// The directory; empty: the root.
    pub path: Vec<u8>,
    /// The name matches this glob.
    pub name: Option<Vec<u8>>,
    /// The name contains these bytes.
    pub contains: Option<Vec<u8>>,
    /// The name matches this regular expression somewhere.
    pub regex: Option<String>,
    /// Letters of kinds such as `f,l`.
    pub kinds: Option<String>,
    /// At least so many bytes.
    pub min_size: Option<u64>,
    /// At most so many bytes.
    pub max_size: Option<u64>,
    /// The mtime is at or after this, in nanoseconds since 1970.
    pub newer_ns: Option<i64>,
    /// The mtime is before this.
    pub older_ns: Option<i64>,
    /// At most so many levels below.
    pub depth: Option<u32>,
    /// Entries of a page; `None`: as many as fusion likes.
    pub limit: Option<usize>,
    /// Where to go on.
    pub cursor: Option<String>,
    /// Whether less than a trusted answer will do.
    pub require: Require,
}

/// The biggest or busiest children of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// The directory; empty: the root.
    pub path: Vec<u8>,
    /// `size`, `files` or `change`; `None`: by size.
    pub by: Option<String>,
    /// How many; `None`: 20.
    pub limit: Option<usize>,
}

/// The nested tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The top; empty: the root.
    pub path: Vec<u8>,
    /// Levels below the top; `None`: all.
    pub max_depth: Option<u32>,
    /// Names, types and paths only.
    pub only_path: bool,
    /// Whether less than a trusted answer will do.
    pub require: Require,
}

/// Parameters as they are sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    pub(crate) fn add(mut self, name: &str, value: &[u8]) -> Self {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        for byte in value {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                    self.0.push(char::from(*byte));
                }
                _ => write!(self.0, "%{byte:02X}").expect("a string takes everything"),
            }
        }
        self
    }

    pub(crate) fn maybe(self, name: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.add(name, value.as_ref()),
            None => self,
        }
    }

    pub(crate) fn number(self, name: &str, value: Option<impl ToString>) -> Self {
        self.maybe(name, value.map(|value| value.to_string()))
    }

    /// As text, or in base64 when it is none.
    pub(crate) fn path(self, path: &[u8]) -> Self {
        match path {
            b"" => self,
            text if std::str::from_utf8(text).is_ok() => self.add("path", text),
            bytes => self.add("path_b64", base64_url(bytes).as_bytes()),
        }
    }

    pub(crate) fn require(self, require: Require) -> Self {
        match require {
            Require::Unsaid => self,
            Require::Any => self.add("require", b"any"),
            Require::Trusted => self.add("require", b"trusted"),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl List {
    pub(crate) fn query(&self) -> Query {
        Query::default()
            .path(&self.path)
            .number("limit", self.limit)
            .maybe("cursor", self.cursor.as_ref())
            .require(self.require)
    }
}

impl Find {
    pub(crate) fn query(&self) -> Query {
        Query::default()
            .path(&self.path)
            .maybe("name", self.name.as_ref())
            .maybe("contains", self.contains.as_ref())
            .maybe("regex", self.regex.as_ref())
            .maybe("type", self.kinds.as_ref())
            .number("min_size", self.min_size)
            .number("max_size", self.max_size)
            .maybe("newer", self.newer_ns.map(seconds))
            .maybe("older", self.older_ns.map(seconds))
            .number("depth", self.depth)
            .number("limit", self.limit)
            .maybe("cursor", self.cursor.as_ref())
            .require(self.require)
    }
}

impl Top {
    pub(crate) fn query(&self) -> Query {
        Query::default().path(&self.path).maybe("by", self.by.as_ref()).number("limit", self.limit)
    }
}

impl Tree {
    pub(crate) fn query(&self) -> Query {
        Query::default()
            .path(&self.path)
            .number("max_depth", self.max_depth)
            .maybe("only_path", self.only_path.then_some("true"))
            .require(self.require)
    }
}

/// Nanoseconds as decimal seconds.
fn seconds(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    format!("{sign}{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}

/// Base64 with the alphabet that needs no escape, without padding.
pub(crate) fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for k in 0..=group.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * k) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_way() {
        let query = Query::default().path(b"/a b").add("name", b"*\xff&=");
        assert_eq!(query.as_str(), "?path=/a%20b&name=%2A%FF%26%3D");
        assert_eq!(Query::default().path(b"/\xff/x").as_str(), "?path_b64=L_8veA");
        assert_eq!(Query::default().path(b"").as_str(), "");
    }

    #[test]
    fn times_are_exact() {
        let cases =
            [(0, "0.000000000"), (1_500_000_001, "1.500000001"), (-1_500_000_000, "-1.500000000")];
        for (ns, text) in cases {
            assert_eq!(seconds(ns), text);
            let parsed = fustor_core::query::parse_seconds("t", text).map(|time| time.0);
            assert_eq!(parsed, Ok(ns));
        }
    }
}
