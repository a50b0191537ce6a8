//! A mapping that is read key by key; what nobody asked for is a fault, with the key that was probably meant.

use std::ops::RangeInclusive;

use super::node::{Name, Node, Value};
use super::report::{Place, Report};
use crate::program::did_you_mean;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marked<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// A mapping under examination. Every method takes its key away; [`Self::finish`] looks at what is left.
#[derive(Debug)]
pub struct Table<'r> {
    what: String,
    place: Place,
    entries: Vec<(Name, Node)>,
    asked: Vec<&'static str>,
    report: &'r Report,
}

impl<'r> Table<'r> {
    /// The entries of a mapping; `what` names it in faults, for example `view "a"`; empty for the whole file.
    #[must_use]
    pub fn new(
        what: impl Into<String>,
        place: Place,
        entries: Vec<(Name, Node)>,
        report: &'r Report,
    ) -> Self {
        Self { what: what.into(), place, entries, asked: Vec::new(), report }
    }

    /// The mapping in a value. Nothing is an empty one, anything else a fault.
    #[must_use]
    pub fn open(what: impl Into<String>, node: Node, report: &'r Report) -> Self {
        let what = what.into();
        let entries = match node.value {
            Value::Map(entries) => entries,
            Value::Null => Vec::new(),
            other @ (Value::Flag(_)
            | Value::Whole(_)
            | Value::Real(_)
            | Value::Text(_)
            | Value::List(_)) => {
                report
                    .fault(&node.place, format!("{what} must be a mapping, not {}", other.shown()));
                Vec::new()
            }
        };
        Self::new(what, node.place, entries, report)
    }

    /// Where it begins.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Where its faults are told.
    #[must_use]
    pub const fn report(&self) -> &'r Report {
        self.report
    }

    /// The value of a key; `null` is as good as absent.
    pub fn take(&mut self, key: &'static str) -> Option<Node> {
        self.asked.push(key);
        let at = self.entries.iter().position(|(name, _)| name.text == key)?;
        let (_, node) = self.entries.remove(at);
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// Text.
    pub fn text(&mut self, key: &'static str) -> Option<Marked<String>> {
        let Node { place, value } = self.take(key)?;
        match value {
            Value::Text(value) => Some(Marked { value, place }),
            Value::Flag(_) | Value::Whole(_) | Value::Real(_) => {
                let text = format!("must be text, not {}; put it in quotes", value.shown());
                self.refuse(&place, key, &text);
                None
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.refuse(&place, key, &format!("must be text, not {}", value.shown()));
                None
            }
        }
    }

    /// Text that must be there.
    pub fn required(&mut self, key: &'static str) -> Option<Marked<String>> {
        let there = self
            .entries
            .iter()
            .any(|(name, node)| name.text == key && !matches!(node.value, Value::Null));
        if !there {
            self.report.fault(&self.place, format!("{}needs {key:?}", self.subject()));
        }
        self.text(key)
    }

    /// `true` or `false`, also as the older YAML of Python wrote them.
    pub fn flag(&mut self, key: &'static str) -> Option<Marked<bool>> {
        let Node { place, value } = self.take(key)?;
        let flag = match &value {
            Value::Flag(flag) => Some(*flag),
            Value::Text(text) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "true" => Some(true),
                "no" | "off" | "false" => Some(false),
                _ => None,
            },
            Value::Null | Value::Whole(_) | Value::Real(_) | Value::List(_) | Value::Map(_) => None,
        };
        if flag.is_none() {
            self.refuse(&place, key, &format!("must be true or false, not {}", value.shown()));
        }
        flag.map(|value| Marked { value, place })
    }

    /// A whole number within bounds; `30.0` is one.
    pub fn whole(&mut self, key: &'static str, bounds: RangeInclusive<i64>) -> Option<Marked<i64>> {
        let Node { place, value } = self.take(key)?;
        let number = match value {
            Value::Whole(number) => Some(number),
            // Exact: beyond 2^53 every double is whole, and the bounds refuse what does not fit.
            Value::Real(number) if number.fract() == 0.0 => Some(number as i128),
            Value::Null
            | Value::Flag(_)
            | Value::Real(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => None,
        };
        let inside = number
            .and_then(|number| i64::try_from(number).ok())
            .filter(|number| bounds.contains(number));
        if inside.is_none() {
            let (least, most) = bounds.into_inner();
            let wanted = match most {
                i64::MAX => format!("a whole number, at least {least}"),
                most => format!("a whole number from {least} to {most}"),
            };
            self.refuse(&place, key, &format!("must be {wanted}, not {}", value.shown()));
        }
        inside.map(|value| Marked { value, place })
    }

    /// A number within bounds.
    pub fn number(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<f64>,
    ) -> Option<Marked<f64>> {
        let Node { place, value } = self.take(key)?;
        let number = match value {
            Value::Whole(number) => Some(number as f64),
            Value::Real(number) => Some(number),
            Value::Null | Value::Flag(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        };
        let inside = number.filter(|number| bounds.contains(number));
        if inside.is_none() {
            let (least, most) = bounds.into_inner();
            let wanted = format!("a number from {least} to {most}");
            self.refuse(&place, key, &format!("must be {wanted}, not {}", value.shown()));
        }
        inside.map(|value| Marked { value, place })
    }

    /// The items of a list; none when the key is absent.
    pub fn list(&mut self, key: &'static str) -> Vec<Node> {
        let Some(Node { place, value }) = self.take(key) else { return Vec::new() };
        match value {
            Value::List(items) => items,
            other @ (Value::Null
            | Value::Flag(_)
            | Value::Whole(_)
            | Value::Real(_)
            | Value::Text(_)
            | Value::Map(_)) => {
                self.refuse(&place, key, &format!("must be a list, not {}", other.shown()));
                Vec::new()
            }
        }
    }

    /// A list of texts; none when the key is absent.
    pub fn texts(&mut self, key: &'static str) -> Vec<Marked<String>> {
        let items = self.list(key);
        let texts = items.into_iter().filter_map(|Node { place, value }| match value {
            Value::Text(value) => Some(Marked { value, place }),
            other @ (Value::Null
            | Value::Flag(_)
            | Value::Whole(_)
            | Value::Real(_)
            | Value::List(_)
            | Value::Map(_)) => {
                let text = format!("must be a list of texts, not of {}", other.shown());
                self.refuse(&place, key, &text);
                None
            }
        });
        texts.collect()
    }

    /// A mapping below this one.
    pub fn table(&mut self, key: &'static str) -> Option<Self> {
        let node = self.take(key)?;
        let what = match self.what.as_str() {
            "" => key.to_owned(),
            what => format!("{key} of {what}"),
        };
        Some(Table::open(what, node, self.report))
    }

    /// Mappings by id: `kind` is what one of them is called. Odd ids are warned of.
    pub fn tables(&mut self, key: &'static str, kind: &str) -> Vec<(Name, Self)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let outer = Table::open(key, node, self.report);
        let tables = outer.entries.into_iter().map(|(name, node)| {
            if name.text.is_empty() {
                self.report.fault(&name.place, format!("the id of a {kind} is empty"));
            } else if !is_plain(&name.text) {
                let text = format!(
                    "the id {:?} of a {kind} is odd; letters, digits, '.', '-' and '_' are safe",
                    name.text
                );
                self.report.warn(&name.place, text);
            }
            let mut table = Table::open(format!("{kind} {:?}", name.text), node, self.report);
            // A fault of the whole is told where its id stands.
            table.place = name.place.clone();
            (name, table)
        });
        tables.collect()
    }

    /// Keys that somebody else knows and that do nothing here.
    pub fn without_effect(&mut self, keys: &[&'static str]) {
        for key in keys {
            self.asked.push(key);
            if let Some(at) = self.entries.iter().position(|(name, _)| name.text == *key) {
                let (name, _) = self.entries.remove(at);
                self.report.warn(&name.place, format!("{}{key:?} has no effect", self.subject()));
            }
        }
    }

    /// Refuses every key that nobody asked for.
    pub fn finish(self) {
        for (name, _) in &self.entries {
            let hint = did_you_mean(&name.text, &self.asked);
            let text = format!("{}unknown key {:?}{hint}", self.subject(), name.text);
            self.report.fault(&name.place, text);
        }
    }

    fn refuse(&self, place: &Place, key: &str, text: &str) {
        self.report.fault(place, format!("{}{key:?} {text}", self.subject()));
    }

    fn subject(&self) -> String {
        if self.what.is_empty() { String::new() } else { format!("{}: ", self.what) }
    }
}

fn is_plain(id: &str) -> bool {
    id.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) && !id.starts_with('.')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::node::parse;
    use super::*;

    /// What is said about a text after `read` has asked for what it knows.
    fn said(text: &str, read: impl Fn(&mut Table<'_>)) -> Vec<String> {
        let report = Report::default();
        let node = parse(Path::new("f"), text, &report).expect("a document");
        let mut table = Table::open("", node, &report);
        read(&mut table);
        table.finish();
        let all = report.faults().into_iter().chain(report.warnings());
        all.map(|remark| remark.to_string()).collect()
    }

    #[test]
    fn wrong_values_are_refused_with_what_was_wanted() {
        for (text, fault) in [
            ("n: x", "f:1: \"n\" must be a whole number from 1 to 9, not \"x\""),
            ("n: 10", "f:1: \"n\" must be a whole number from 1 to 9, not 10"),
            ("n: 1.5", "f:1: \"n\" must be a whole number from 1 to 9, not 1.5"),
            ("n: .nan", ""),
            ("r: -1", "f:1: \"r\" must be a number from 0 to 5, not -1"),
            ("\nb: 3", "f:2: \"b\" must be true or false, not 3"),
            ("t: 3", "f:1: \"t\" must be text, not 3; put it in quotes"),
            ("t: [a]", "f:1: \"t\" must be text, not a list"),
            ("l: a", "f:1: \"l\" must be a list, not \"a\""),
            ("l:\n- a\n- 4", "f:3: \"l\" must be a list of texts, not of 4"),
            ("m: a", "f:1: m must be a mapping, not \"a\""),
            ("m: {x: 1}", "f:1: m: unknown key \"x\""),
        ] {
            let found = if fault.is_empty() {
                continue;
            } else {
                said(text, |table| {
                    table.whole("n", 1..=9);
                    table.number("r", 0.0..=5.0);
                    table.flag("b");
                    table.text("t");
                    table.texts("l");
                    if let Some(inner) = table.table("m") {
                        inner.finish();
                    }
                })
            };
            assert_eq!(found, [fault], "{text}");
        }
    }

    #[test]
    fn good_values_pass() {
        let found = said("n: 3.0\nr: 4\nb: yes\nt: a\nl: [x]\nnone: null\n", |table| {
            assert_eq!(table.whole("n", 1..=9).unwrap().value, 3);
            assert_eq!(table.number("r", 0.0..=5.0).unwrap().value, 4.0);
            assert!(table.flag("b").unwrap().value);
            assert_eq!(table.required("t").unwrap().value, "a");
            assert_eq!(table.texts("l").len(), 1);
            assert!(table.text("none").is_none());
        });
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn keys_are_unknown_idle_or_missing() {
        let found = said("prot: 1\nbatch: 2\nviews: {a b: {}, '': {}}\n", |table| {
            table.whole("port", 0..=1);
            table.required("host");
            table.without_effect(&["batch"]);
            table.tables("views", "view").into_iter().for_each(|(_, view)| view.finish());
        });
        assert_eq!(
            found,
            [
                "f:1: needs \"host\"",
                "f:1: unknown key \"prot\"; did you mean \"port\"?",
                "f:3: the id of a view is empty",
                "f:2: \"batch\" has no effect",
                "f:3: the id \"a b\" of a view is odd; letters, digits, '.', '-' and '_' are safe",
            ]
        );
    }
}
