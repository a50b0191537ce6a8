//! Real directories, scanned into a view and walked again.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use fustor_core::query::{FindArgs, Kinds};
use fustor_core::{TrustState, View, ViewConfig, ViewPath};
use fustor_local::{Clock, ScanConfig, ScanError, Walk, scan};

fn plant(root: &Path) -> BTreeSet<String> {
    fs::create_dir_all(root.join("a/b")).unwrap();
    let mut paths: BTreeSet<String> = ["/a".to_owned(), "/a/b".to_owned()].into();
    for n in 0..1500 {
        fs::write(root.join(format!("a/f{n:04}")), "xyz").unwrap();
        paths.insert(format!("/a/f{n:04}"));
    }
    paths
}

fn go_on(_: &fustor_local::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn walked(view: &View, args: &FindArgs, batch: usize) -> Vec<String> {
    let mut walk = Walk::new(&view.snapshot(), args).unwrap();
    let batches = std::iter::from_fn(|| {
        let batch = walk.next_batch(batch);
        (!batch.is_empty()).then_some(batch)
    });
    batches.flatten().map(|entry| String::from_utf8(entry.path.into_vec()).unwrap()).collect()
}

#[test]
fn a_scan_finds_everything_once_and_a_second_one_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let mut paths = plant(dir.path());
    let mut view = View::new(ViewConfig::default(), 1);
    let mut looks = 0;
    let config = ScanConfig::new(dir.path());
    let progress = scan(&mut view, &config, &mut |_| {
        looks += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(progress.unwrap().entries, 1502);
    assert!(looks > 0);
    let everything = FindArgs::below(ViewPath::root());
    for batch in [1, 7, 10_000] {
        assert!(walked(&view, &everything, batch).into_iter().eq(paths.iter().cloned()));
    }
    fs::write(dir.path().join("new"), "").unwrap();
    fs::remove_file(dir.path().join("a/f0007")).unwrap();
    paths.insert("/new".to_owned());
    paths.remove("/a/f0007");
    scan(&mut view, &config, &mut go_on).unwrap();
    assert!(walked(&view, &everything, 100).into_iter().eq(paths));
    let dirs = FindArgs { kinds: Kinds::parse("d").unwrap(), ..everything };
    assert_eq!(walked(&view, &dirs, 100), ["/a", "/a/b"]);
    let trust =
        fustor_core::query::trust(&view.snapshot(), Clock::start().now(), &ViewPath::root());
    assert!(matches!(trust.state, TrustState::Stale { .. }), "{trust:?}");
    view.check().unwrap();
}

#[test]
fn a_scan_that_cannot_be_says_why() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut view = View::new(ViewConfig::default(), 1);
    let missing = ScanConfig::new(one.path().join("missing"));
    let error = scan(&mut view, &missing, &mut go_on).unwrap_err();
    assert!(matches!(error, ScanError::Root { .. }) && error.to_string().contains("missing"));
    let idle = ScanConfig { workers: Some(0), ..ScanConfig::new(one.path()) };
    assert!(matches!(scan(&mut view, &idle, &mut go_on), Err(ScanError::Start(_))));
    scan(&mut view, &ScanConfig::new(one.path()), &mut go_on).unwrap();
    let error = scan(&mut view, &ScanConfig::new(two.path()), &mut go_on).unwrap_err();
    assert!(matches!(error, ScanError::OtherRoot(_)), "{error}");
}
