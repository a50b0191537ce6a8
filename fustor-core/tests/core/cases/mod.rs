//! The case book: what a view must do, as data. Each `.case` file holds cases of one area; `catalogue.txt` says for each
//! behaviour where it is checked or why it is not.

mod ask;
mod catalogue;
mod check;
mod expect;

/// The files of cases, with the area for the name of the test.
const FILES: &[(&str, &str)] = &[
    ("arbitration", include_str!("arbitration.case")),
    ("tombstones", include_str!("tombstones.case")),
    ("suspects", include_str!("suspects.case")),
    ("blind_spots", include_str!("blind_spots.case")),
    ("clock", include_str!("clock.case")),
    ("audit", include_str!("audit.case")),
    ("queries", include_str!("queries.case")),
    ("legacy", include_str!("legacy.case")),
    ("storages", include_str!("storages.case")),
    ("readiness", include_str!("readiness.case")),
    ("regressions", include_str!("regressions.case")),
];

/// The first case that fails when the view has these settings.
#[cfg(feature = "mutants")]
pub(crate) fn first_failing(adjust: &dyn Fn(&mut fustor_core::ViewConfig)) -> Option<String> {
    let fails =
        |case: &check::Case<'_>| crate::model::mutants::fails(|| check::check_with(case, adjust));
    let cases = FILES.iter().flat_map(|(_, text)| check::cases(text));
    cases.into_iter().find(fails).map(|case| case.id.to_owned())
}

/// Checks every case of a file and reports all that fail.
fn area(name: &str) {
    let (_, text) = FILES.iter().find(|(file, _)| *file == name).expect("a file of this name");
    let cases = check::cases(text);
    assert!(!cases.is_empty(), "{name} holds no case");
    let failed: Vec<String> = cases.iter().filter_map(|case| check::check(case).err()).collect();
    assert!(failed.is_empty(), "{} of {} fail\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn arbitration() {
    area("arbitration");
}

#[test]
fn tombstones() {
    area("tombstones");
}

#[test]
fn suspects() {
    area("suspects");
}

#[test]
fn blind_spots() {
    area("blind_spots");
}

#[test]
fn clock() {
    area("clock");
}

#[test]
fn audit() {
    area("audit");
}

#[test]
fn queries() {
    area("queries");
}

#[test]
fn legacy() {
    area("legacy");
}

#[test]
fn storages() {
    area("storages");
}

#[test]
fn readiness() {
    area("readiness");
}

#[test]
fn regressions() {
    area("regressions");
}
