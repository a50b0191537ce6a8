//! A YAML document as values that know their lines.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;
use serde_yaml::options::DuplicateKeyPolicy;

use super::report::{Place, Report};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
}

/// What YAML can say.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i128),
    /// Another number.
    Real(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with values, in their order; no key twice.
    Map(Vec<(Name, Node)>),
}

impl Value {
    /// What it is, for people.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "true or false",
            Self::Whole(_) | Self::Real(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// The value itself where it is short enough to be shown, else its kind.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Text(text) if text.chars().count() <= 60 => format!("{text:?}"),
            Self::Null | Self::Text(_) | Self::List(_) | Self::Map(_) => self.kind().to_owned(),
        }
    }
}

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The key.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// Reads one document; `None` after a fault that leaves nothing to look at.
#[must_use]
pub fn parse(file: &Path, text: &str, report: &Report) -> Option<Node> {
    let file: Arc<Path> = Arc::from(file);
    let options = serde_yaml::options! { duplicate_keys: DuplicateKeyPolicy::PassThrough };
    match serde_yaml::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Some(Convert { file, report }.node(raw)),
        Err(error) => {
            let line = error.location().map_or(0, |at| line(at.line()));
            let place = Place { file, line };
            report.fault(&place, format!("no valid YAML: {}", first_line(&error)));
            None
        }
    }
}

/// The library says where as well and shows the lines, which a place makes superfluous.
fn first_line(error: &serde_yaml::Error) -> String {
    let error = error.without_snippet();
    if matches!(error, serde_yaml::Error::MultipleDocuments { .. }) {
        return "more than one document in a file".to_owned();
    }
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.split(" at line ").next().unwrap_or(text).to_owned()
}

fn line(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What the parser gives, before files are named and keys compared.
enum Raw {
    Null,
    Flag(bool),
    Whole(i128),
    Real(f64),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Raw, E> {
        Ok(Raw::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        Ok(Raw::Whole(number.into()))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Raw, E> {
        Ok(Raw::Whole(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw::Real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

struct Convert<'r> {
    file: Arc<Path>,
    report: &'r Report,
}

impl Convert<'_> {
    fn place<T>(&self, spanned: &Spanned<T>) -> Place {
        Place { file: Arc::clone(&self.file), line: line(spanned.referenced.line()) }
    }

    fn node(&self, raw: Spanned<Raw>) -> Node {
        let place = self.place(&raw);
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Flag(flag) => Value::Flag(flag),
            Raw::Whole(number) => Value::Whole(number),
            Raw::Real(number) => Value::Real(number),
            Raw::Text(text) => Value::Text(text),
            Raw::List(items) => {
                Value::List(items.into_iter().map(|item| self.node(item)).collect())
            }
            Raw::Map(entries) => Value::Map(self.entries(entries)),
        };
        Node { place, value }
    }

    fn entries(&self, raw: Vec<(Spanned<String>, Spanned<Raw>)>) -> Vec<(Name, Node)> {
        let mut entries: Vec<(Name, Node)> = Vec::new();
        for (key, value) in raw {
            let name = Name { place: self.place(&key), text: key.value };
            match entries.iter().find(|(earlier, _)| earlier.text == name.text) {
                Some((earlier, _)) => self.report.fault(
                    &name.place,
                    format!("{:?} is given twice, first in line {}", name.text, earlier.place.line),
                ),
                None => entries.push((name, self.node(value))),
            }
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Vec<(Name, Node)> {
        let report = Report::default();
        let node = parse(Path::new("f"), text, &report).expect("a document");
        assert!(report.is_fine(), "{:?}", report.faults());
        match node.value {
            Value::Map(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_value_knows_its_line() {
        let entries = map("a: 1\nb: -2.5\nc: yes please\nd: true\ne:\nf: [x,\n  2]\n7: {g: 'n'}\n");
        let lines: Vec<_> =
            entries.iter().map(|(name, node)| (name.text.as_str(), node.place.line)).collect();
        assert_eq!(lines[..4], [("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
        assert!(matches!(entries[0].1.value, Value::Whole(1)));
        assert!(matches!(entries[1].1.value, Value::Real(_)));
        assert!(matches!(entries[3].1.value, Value::Flag(true)));
        assert!(matches!(entries[4].1.value, Value::Null));
        let Value::List(items) = &entries[5].1.value else { panic!("no list") };
        assert_eq!(items[1].place.line, 7);
        assert_eq!((entries[6].0.text.as_str(), entries[6].0.place.line), ("7", 8));
    }

    #[test]
    fn faults_name_the_line() {
        for (text, line, part) in [
            ("a: 1\nb: 2\na: 3\n", 3, "\"a\" is given twice, first in line 1"),
            ("a: [1,\nb: 2\n", 0, "no valid YAML"),
            ("a: b: c\n", 1, "no valid YAML"),
            ("a: 1\n---\nb: 2\n", 3, "more than one document"),
        ] {
            let report = Report::default();
            drop(parse(Path::new("f"), text, &report));
            let faults = report.faults();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].text.contains(part), "{faults:?}");
            assert!(line == 0 || faults[0].place.line == line, "{faults:?}");
        }
    }

    #[test]
    fn deep_nesting_is_a_fault_and_no_crash() {
        let report = Report::default();
        assert!(parse(Path::new("f"), &"[".repeat(100_000), &report).is_none());
        assert!(!report.is_fine());
    }
}
