//! Directives on the wire: numbered, repeated until acknowledged, with paths that need not be UTF-8.

use serde::{Deserialize, Serialize};

use crate::event::Directive;
use crate::path::ViewPath;
use crate::text::{base64, unbase64};

/// One directive of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Flat", into = "Flat")]
pub struct NumberedDirective {
    /// What the agent acknowledges.
    pub id: u64,
    /// What it is to do.
    pub ask: Ask,
}

/// What an agent is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// List a directory.
    List {
        /// The directory.
        path: ViewPath,
        /// Whether subdirectories too.
        recursive: bool,
    },
    /// `lstat` a path with forced sync.
    Recheck {
        /// The path.
        path: ViewPath,
    },
    /// Another agent of the storage reported a rename, which was applied: follow it.
    Moved {
        /// Where it was.
        old: ViewPath,
        /// Where it is.
        new: ViewPath,
    },
}

impl From<Directive> for Ask {
    fn from(directive: Directive) -> Self {
        match directive {
            Directive::List { storage: _, path, recursive } => Self::List { path, recursive },
            Directive::Recheck { storage: _, path } => Self::Recheck { path },
        }
    }
}

/// The members of a directive. A path that is not UTF-8 is lossy and has its bytes beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Flat {
    id: u64,
    kind: Word,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recursive: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to_b64: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    List,
    Recheck,
    Moved,
}

impl From<NumberedDirective> for Flat {
    fn from(directive: NumberedDirective) -> Self {
        let (kind, path, recursive, to) = match directive.ask {
            Ask::List { path, recursive } => (Word::List, path, Some(recursive), None),
            Ask::Recheck { path } => (Word::Recheck, path, None, None),
            Ask::Moved { old, new } => (Word::Moved, old, None, Some(new)),
        };
        Self {
            id: directive.id,
            kind,
            path: path.display().into_owned(),
            path_b64: exact(&path),
            recursive,
            to_b64: to.as_ref().and_then(exact),
            to: to.map(|to| to.display().into_owned()),
        }
    }
}

/// The bytes of a path that its text does not tell.
fn exact(path: &ViewPath) -> Option<String> {
    str::from_utf8(path.as_bytes()).is_err().then(|| base64(path.as_bytes()))
}

impl TryFrom<Flat> for NumberedDirective {
    type Error = String;

    fn try_from(flat: Flat) -> Result<Self, String> {
        let path = path_of(&flat.path, flat.path_b64.as_deref())?;
        let ask = match flat.kind {
            Word::List => Ask::List { path, recursive: flat.recursive.unwrap_or(false) },
            Word::Recheck => Ask::Recheck { path },
            Word::Moved => {
                let to = flat.to.ok_or("a moved directive has no \"to\"")?;
                Ask::Moved { old: path, new: path_of(&to, flat.to_b64.as_deref())? }
            }
        };
        Ok(Self { id: flat.id, ask })
    }
}

fn path_of(text: &str, exact: Option<&str>) -> Result<ViewPath, String> {
    let bytes = match exact {
        Some(exact) => unbase64(exact).ok_or_else(|| format!("{exact:?} is no base64"))?,
        None => text.as_bytes().to_vec(),
    };
    ViewPath::parse(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(directive: &NumberedDirective) -> String {
        serde_json::to_string(directive).unwrap()
    }

    #[test]
    fn each_directive_reads_back() {
        let path = ViewPath::parse("/a/ä".as_bytes()).unwrap();
        let odd = ViewPath::parse(b"/a/\xff").unwrap();
        let cases = [
            (
                Ask::List { path: path.clone(), recursive: true },
                r#"{"id":7,"kind":"list","path":"/a/ä","recursive":true}"#,
            ),
            (
                Ask::Recheck { path: odd.clone() },
                "{\"id\":7,\"kind\":\"recheck\",\"path\":\"/a/\u{fffd}\",\"path_b64\":\"L2Ev/w==\"}",
            ),
            (
                Ask::Moved { old: path, new: odd },
                "{\"id\":7,\"kind\":\"moved\",\"path\":\"/a/ä\",\"to\":\"/a/\u{fffd}\",\"to_b64\":\"L2Ev/w==\"}",
            ),
        ];
        for (ask, text) in cases {
            let directive = NumberedDirective { id: 7, ask };
            assert_eq!(json(&directive), text);
            assert_eq!(serde_json::from_str::<NumberedDirective>(text).unwrap(), directive);
        }
    }

    #[test]
    fn a_directive_with_a_wrong_path_is_refused() {
        for text in [
            r#"{"id":7,"kind":"list","path":"/a/../b"}"#,
            r#"{"id":7,"kind":"list","path":"/","path_b64":"?"}"#,
            r#"{"id":7,"kind":"moved","path":"/a"}"#,
            r#"{"id":7,"kind":"burn","path":"/a"}"#,
        ] {
            assert!(serde_json::from_str::<NumberedDirective>(text).is_err(), "{text}");
        }
    }
}
