//! All YAML files of a directory as one mapping.

use std::io;
use std::path::{Path, PathBuf};

use super::node::{Name, Node, Value, parse};
use super::report::{Place, Report};
use super::table::Table;

/// A configuration larger than this is none.
const FILE_MAX: u64 = 16 << 20;

/// Reads every `*.yaml` of `dir`, in the order of their names. The mappings named in `sections` are united, and an id
/// that is defined twice in one is a fault; any other key may stand in one file only.
#[must_use]
pub fn load<'r>(dir: &Path, sections: &[&str], report: &'r Report) -> Table<'r> {
    let mut entries = Vec::new();
    match files(dir, report) {
        Ok(files) => {
            for file in &files {
                unite(&mut entries, document(file, report), sections, report);
            }
            if files.is_empty() {
                report.warn(&Place::file(dir), "holds no file whose name ends in .yaml");
            }
        }
        Err(error) => report.fault(&Place::file(dir), format!("cannot be read: {error}")),
    }
    Table::new("", Place::file(dir), entries, report)
}

fn files(dir: &Path, report: &Report) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("yaml") => files.push(path),
            Some("yml") => {
                report.warn(&Place::file(&path), "is not read: its name does not end in .yaml");
            }
            Some(_) | None => (),
        }
    }
    files.sort();
    Ok(files)
}

fn document(file: &Path, report: &Report) -> Vec<(Name, Node)> {
    let place = Place::file(file);
    let text = match read(file) {
        Ok(text) => text,
        Err(error) => {
            report.fault(&place, format!("cannot be read: {error}"));
            return Vec::new();
        }
    };
    if text.trim().is_empty() {
        return Vec::new();
    }
    match parse(file, &text, report).map(|node| node.value) {
        Some(Value::Map(entries)) => entries,
        Some(Value::Null) | None => Vec::new(),
        Some(
            other @ (Value::Flag(_)
            | Value::Whole(_)
            | Value::Real(_)
            | Value::Text(_)
            | Value::List(_)),
        ) => {
            report.fault(&place, format!("must be a mapping, not {}", other.shown()));
            Vec::new()
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    let size = std::fs::metadata(file)?.len();
    if size > FILE_MAX {
        let text = format!("{size} bytes are more than a configuration has ({FILE_MAX})");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    std::fs::read_to_string(file)
}

fn unite(all: &mut Vec<(Name, Node)>, new: Vec<(Name, Node)>, sections: &[&str], report: &Report) {
    for (name, node) in new {
        let known = all.iter_mut().find(|(known, _)| known.text == name.text);
        match (known, node.value) {
            (None, value) => all.push((name, Node { value, ..node })),
            (Some((_, known)), Value::Map(more)) if sections.contains(&name.text.as_str()) => {
                extend(known, more, report);
            }
            (Some(_), Value::Null) if sections.contains(&name.text.as_str()) => (),
            (Some((first, _)), _) => {
                let text = format!("{:?} is given twice, first in {}", name.text, first.place);
                report.fault(&name.place, text);
            }
        }
    }
}

fn extend(known: &mut Node, more: Vec<(Name, Node)>, report: &Report) {
    if matches!(known.value, Value::Null) {
        known.value = Value::Map(Vec::new());
    }
    // Anything else is a fault of the first file, told when it is opened.
    let Value::Map(entries) = &mut known.value else { return };
    for (name, node) in more {
        match entries.iter().find(|(earlier, _)| earlier.text == name.text) {
            Some((earlier, _)) => {
                let text = format!("{:?} is defined twice, first in {}", name.text, earlier.place);
                report.fault(&name.place, text);
            }
            None => entries.push((name, node)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(files: &[(&str, &str)]) -> (Vec<String>, usize) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let report = Report::default();
        let mut table = load(dir.path(), &["views"], &report);
        let views = table.tables("views", "view").len();
        table.whole("port", 0..=9);
        table.finish();
        let prefix = format!("{}/", dir.path().display());
        let all = report.faults().into_iter().chain(report.warnings());
        (all.map(|remark| remark.to_string().replace(&prefix, "")).collect(), views)
    }

    #[test]
    fn files_are_united_in_the_order_of_their_names() {
        let (said, views) = said(&[
            ("b.yaml", "views: {b: {}}\nport: 1\n"),
            ("a.yaml", "views: {a: {}, c: }\n"),
            ("c.yaml", "\n# nothing\n"),
            ("d.yaml", "views:\n"),
            ("x.txt", "]["),
        ]);
        assert_eq!((said, views), (vec![], 3));
    }

    #[test]
    fn what_cannot_be_united_is_refused() {
        let (said, _) = said(&[
            ("a.yaml", "port: 1\nviews:\n  a: {}\n"),
            ("b.yaml", "port: 2\nviews:\n  a: {}\n"),
            ("c.yaml", "- 1\n"),
            ("d.yml", ""),
        ]);
        assert_eq!(
            said,
            [
                "b.yaml:1: \"port\" is given twice, first in a.yaml:1",
                "b.yaml:3: \"a\" is defined twice, first in a.yaml:3",
                "c.yaml: must be a mapping, not a list",
                "d.yml: is not read: its name does not end in .yaml",
            ]
        );
    }

    #[test]
    fn a_directory_that_is_missing_is_a_fault() {
        let report = Report::default();
        load(Path::new("/nowhere/at/all"), &[], &report).finish();
        assert_eq!(report.faults().len(), 1);
    }
}
