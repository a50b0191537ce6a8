//! Every known behaviour is either checked by a case, or the catalogue says by what, or why not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{FILES, check};

/// The catalogue: `id | status | behaviour`, one a line.
const CATALOGUE: &str = include_str!("catalogue.txt");
/// How many behaviours each area has, with the numbers that were never given out.
const AREAS: &[(char, u32, &[u32])] = &[
    ('A', 38, &[13, 25, 28]),
    ('B', 25, &[9, 22]),
    ('C', 25, &[21, 22]),
    ('D', 15, &[13]),
    ('E', 18, &[12, 15]),
    ('F', 36, &[17, 19, 22, 24, 25]),
    ('X', 28, &[22, 23]),
];
/// Files whose cases have names instead of numbers.
const UNNUMBERED: &[&str] = &["legacy", "storages", "regressions"];

#[derive(Debug, PartialEq)]
enum Status<'a> {
    Case,
    Otherwise(&'a str),
    NotApplicable(&'a str),
    CoveredBy(&'a str),
}

fn status(text: &str) -> Option<Status<'_>> {
    match text.split_once(':').map(|(word, rest)| (word.trim(), rest.trim())) {
        None if text == "case" => Some(Status::Case),
        Some(("decided otherwise", why)) if why.len() > 10 => Some(Status::Otherwise(why)),
        Some(("not applicable", why)) if why.len() > 10 => Some(Status::NotApplicable(why)),
        Some(("covered by", test)) if !test.is_empty() => Some(Status::CoveredBy(test)),
        Some(_) | None => None,
    }
}

/// What is wrong with a catalogue, given the ids that must be in it, those that have a case, and the tests there are.
fn faults(
    catalogue: &str,
    ids: &BTreeSet<String>,
    cases: &BTreeSet<String>,
    tests: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let mut listed = BTreeMap::new();
    let mut faults = Vec::new();
    for line in catalogue.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
        let &[id, text, behaviour] = parts.as_slice() else {
            faults.push(format!("not `id | status | behaviour`: {line}"));
            continue;
        };
        match status(text) {
            None => faults.push(format!("{id}: no status: {text}")),
            Some(Status::Case) if !cases.contains(id) => faults.push(format!("{id}: no case")),
            Some(Status::CoveredBy(test)) if !tests(test) => {
                faults.push(format!("{id}: no test is called {test}"));
            }
            Some(_) => {}
        }
        if behaviour.len() < 15 || listed.insert(id.to_owned(), ()).is_some() {
            faults.push(format!("{id}: listed twice, or says too little"));
        }
    }
    let listed: BTreeSet<String> = listed.into_keys().collect();
    faults.extend(ids.difference(&listed).map(|id| format!("{id}: not in the catalogue")));
    faults.extend(listed.difference(ids).map(|id| format!("{id}: no such behaviour")));
    faults.extend(cases.difference(&listed).map(|id| format!("{id}: a case without an entry")));
    faults
}

fn ids() -> BTreeSet<String> {
    let area = |(area, last, gaps): &(char, u32, &[u32])| -> Vec<String> {
        let numbers = (1..=*last).filter(|n| !gaps.contains(n));
        numbers.map(|n| format!("{area}{n:02}")).collect()
    };
    AREAS.iter().flat_map(area).collect()
}

/// The text of every Rust file of the workspace, for looking up tests.
fn sources() -> String {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![core.parent().expect("the core lies in the workspace").to_owned()];
    let mut text = String::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if name.ends_with(".rs") {
                text += &fs::read_to_string(path).unwrap_or_default();
            }
        }
    }
    text
}

#[test]
fn every_behaviour_has_a_case_or_a_reason() {
    let all = FILES.iter().filter(|(name, _)| !UNNUMBERED.contains(name));
    let cases = all.flat_map(|(_, text)| check::cases(text)).map(|case| case.id.to_owned());
    let sources = sources();
    let tests = |name: &str| sources.contains(&format!("fn {name}("));
    let faults = faults(CATALOGUE, &ids(), &cases.collect(), &tests);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_id_is_used_twice() {
    let mut seen = BTreeSet::new();
    for case in FILES.iter().flat_map(|(_, text)| check::cases(text)) {
        assert!(seen.insert(case.id), "{} is there twice", case.id);
    }
}

#[test]
fn a_catalogue_with_a_hole_is_refused() {
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
    let count = |text: &str, ids: &[&str], cases: &[&str]| {
        faults(text, &set(ids), &set(cases), &|test| test == "known").len()
    };
    let says = "something of some length";
    assert_eq!(count(&format!("A1 | case | {says}"), &["A1"], &["A1"]), 0);
    assert_eq!(count(&format!("A1 | case | {says}"), &["A1"], &[]), 1);
    assert_eq!(count("", &["A1"], &[]), 1);
    assert_eq!(count(&format!("A1 | covered by: known | {says}"), &["A1"], &[]), 0);
    assert_eq!(count(&format!("A1 | covered by: unknown | {says}"), &["A1"], &[]), 1);
    assert_eq!(count(&format!("A1 | not applicable: | {says}"), &["A1"], &[]), 1);
    assert_eq!(count("", &[], &["A1"]), 1);
}
