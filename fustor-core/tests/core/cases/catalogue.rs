//! Every known behaviour is either checked by a case, or the catalogue says by what, or why not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{FILES, check};

/// The catalogue: `id | status | behaviour`, one a line.
const CATALOGUE: &str = include_str!("catalogue.txt");
/// The page that names each known gap, in a line of a table that begins with its id.
const PAGE: &str = include_str!("../../../../docs/testing.md");
/// How many behaviours each area has, with the numbers that were never given out.
const AREAS: &[(char, u32, &[u32])] = &[
    ('A', 38, &[13, 25, 28]),
    ('B', 25, &[9, 22]),
    ('C', 25, &[21, 22]),
    ('D', 15, &[13]),
    ('E', 18, &[12, 15]),
    ('F', 36, &[17, 19, 22, 24, 25]),
    ('G', 12, &[9]),
    ('H', 24, &[11, 22]),
    ('I', 14, &[10]),
    ('J', 10, &[]),
    ('N', 21, &[8, 15, 16]),
    ('P', 19, &[12, 13]),
    ('Q', 23, &[15, 17]),
    ('R', 36, &[8, 14, 17, 32]),
    ('S', 16, &[]),
    ('X', 28, &[22, 23]),
    ('Y', 10, &[6]),
];
/// Files whose cases have names instead of numbers.
const UNNUMBERED: &[&str] = &["legacy", "storages", "regressions"];

#[derive(Debug, PartialEq)]
enum Status<'a> {
    Case,
    Otherwise(&'a str),
    NotApplicable(&'a str),
    /// Functions that are tests, each with its file.
    Tests(Vec<(&'a str, &'a str)>),
    /// The behaviour is wanted and not there.
    KnownGap(&'a str),
}

fn status(text: &str) -> Option<Status<'_>> {
    match text.split_once(':').map(|(word, rest)| (word.trim(), rest.trim())) {
        None if text == "case" => Some(Status::Case),
        Some(("decided otherwise", why)) if why.len() > 10 => Some(Status::Otherwise(why)),
        Some(("not applicable", why)) if why.len() > 10 => Some(Status::NotApplicable(why)),
        Some(("known gap", what)) if what.len() > 10 => Some(Status::KnownGap(what)),
        Some(("test", _)) => {
            let (_, named) = text.split_once(':')?;
            named
                .split(',')
                .map(|test| test.trim().split_once("::"))
                .collect::<Option<_>>()
                .map(Status::Tests)
        }
        Some(_) | None => None,
    }
}

/// What is wrong with a catalogue, given the ids that must be in it, those that have a case, and the tests there are.
fn faults(
    catalogue: &str,
    ids: &BTreeSet<String>,
    cases: &BTreeSet<String>,
    is_test: &dyn Fn(&str, &str) -> bool,
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
            Some(Status::Tests(tests)) => {
                let missing = tests.into_iter().filter(|(file, test)| !is_test(file, test));
                faults
                    .extend(missing.map(|(file, test)| format!("{id}: no test {test} in {file}")));
            }
            Some(
                Status::Case
                | Status::Otherwise(_)
                | Status::NotApplicable(_)
                | Status::KnownGap(_),
            ) => {}
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

/// Whether a file of the workspace has a test of this name.
fn is_test(file: &str, test: &str) -> bool {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = core.parent().expect("the core lies in the workspace");
    let text = fs::read_to_string(workspace.join(file)).unwrap_or_default();
    holds_test(&text, test)
}

/// Whether a function of this name stands there under an attribute that makes it a test.
fn holds_test(text: &str, test: &str) -> bool {
    let Some(at) = text.find(&format!("fn {test}(")) else { return false };
    let above = text[..at].lines().rev().skip(usize::from(!text[..at].ends_with('\n')));
    let mut above =
        above.map(str::trim).take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    above.any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
}

/// The ids of the behaviours that are known to be missing.
fn known_gaps(catalogue: &str) -> BTreeSet<&str> {
    let parts = catalogue.lines().filter_map(|line| line.split_once('|'));
    let gaps = parts.filter(|(_, rest)| rest.trim_start().starts_with("known gap:"));
    gaps.map(|(id, _)| id.trim()).collect()
}

#[test]
fn every_behaviour_has_a_case_or_a_reason() {
    let all = FILES.iter().filter(|(name, _)| !UNNUMBERED.contains(name));
    let cases = all.flat_map(|(_, text)| check::cases(text)).map(|case| case.id.to_owned());
    let faults = faults(CATALOGUE, &ids(), &cases.collect(), &is_test);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_known_gap_is_told() {
    let told = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
    let all = ids();
    let told: BTreeSet<&str> = told.map(|(id, _)| id).filter(|id| all.contains(*id)).collect();
    assert_eq!(told, known_gaps(CATALOGUE), "docs/testing.md and the catalogue");
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
        faults(text, &set(ids), &set(cases), &|file, test| (file, test) == ("a.rs", "known")).len()
    };
    let says = "something of some length";
    assert_eq!(count(&format!("A1 | case | {says}"), &["A1"], &["A1"]), 0);
    assert_eq!(count(&format!("A1 | case | {says}"), &["A1"], &[]), 1);
    assert_eq!(count("", &["A1"], &[]), 1);
    assert_eq!(count(&format!("A1 | test: a.rs::known | {says}"), &["A1"], &[]), 0);
    let two = format!("A1 | test: a.rs::known, b.rs::known, a.rs::other | {says}");
    assert_eq!(count(&two, &["A1"], &[]), 2);
    assert_eq!(count(&format!("A1 | test: known | {says}"), &["A1"], &[]), 1);
    assert_eq!(count(&format!("A1 | not applicable: | {says}"), &["A1"], &[]), 1);
    assert_eq!(count(&format!("A1 | known gap: | {says}"), &["A1"], &[]), 1);
    assert_eq!(count("", &[], &["A1"]), 1);
    let gap = format!("A1 | known gap: it is not there | {says}");
    assert_eq!((count(&gap, &["A1"], &[]), known_gaps(&gap)), (0, BTreeSet::from(["A1"])));
}

#[test]
fn a_function_is_a_test_by_its_attribute() {
    let text = "#[test]\nfn one() {}\n\nfn two() {}\n    #[test]\n    /// Says more.\n    fn three(n: u8) {}\n";
    assert!(holds_test(text, "one") && holds_test(text, "three"));
    assert!(!holds_test(text, "two") && !holds_test(text, "four"));
}
