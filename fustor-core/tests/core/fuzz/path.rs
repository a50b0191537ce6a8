//! Paths: whatever the bytes, a path or the reason why they are none.

use bolero::check;
use fustor_core::query::legacy_path;
use fustor_core::{DEPTH_MAX, NAME_MAX, PATH_MAX, ViewPath, is_name};

use super::INPUTS;

fn exercise(path: &ViewPath) {
    assert_eq!(ViewPath::parse(path.as_bytes()).as_ref(), Ok(path), "it is canonical");
    assert!(path.as_bytes().len() <= PATH_MAX && path.depth() <= DEPTH_MAX);
    let names: Vec<&[u8]> = path.names().collect();
    assert_eq!(names.len(), path.depth());
    assert!(names.iter().all(|name| is_name(name) && name.len() <= NAME_MAX));
    // Each step copies.
    if names.len() < 100 {
        let joined = names.iter().fold(ViewPath::root(), |above, name| above.join(name));
        assert_eq!(joined, *path);
    }
    match path.split() {
        None => assert!(path.is_root() && path.name().is_empty() && names.is_empty()),
        Some((above, name)) => {
            assert_eq!((above.join(name), name), (path.clone(), path.name()));
            assert_eq!(above.depth() + 1, path.depth());
            assert!(above.contains(path) && !path.contains(&above));
        }
    }
    assert!(path.contains(path) && ViewPath::root().contains(path));
    assert!(!path.display().is_empty());
}

#[test]
fn any_bytes_are_a_path_or_an_error() {
    check!().with_iterations(INPUTS).for_each(|bytes: &[u8]| {
        let parsed = ViewPath::parse(bytes);
        let names = || bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        match &parsed {
            Ok(path) => {
                exercise(path);
                assert!(path.names().eq(names()));
            }
            Err(_) => {
                let too_much = bytes.len() > PATH_MAX || names().count() > DEPTH_MAX;
                assert!(too_much || bytes.is_empty() || names().any(|name| !is_name(name)));
            }
        }
        if let Some(path) = legacy_path(bytes) {
            exercise(&path);
            let dots = names().any(|name| name == b"." || name == b"..");
            assert!(dots || parsed.as_ref() == Ok(&path));
        }
    });
}

#[test]
fn two_paths_contain_each_other_if_their_names_say_so() {
    check!().with_iterations(INPUTS / 2).for_each(|bytes: &[u8]| {
        let (one, other) = bytes.split_at(bytes.len() / 2);
        let (Ok(one), Ok(other)) = (ViewPath::parse(one), ViewPath::parse(other)) else { return };
        let begins = |whole: &ViewPath, part: &ViewPath| {
            let (mut whole, mut part) = (whole.names(), part.names());
            part.all(|name| whole.next() == Some(name))
        };
        assert_eq!(one.contains(&other), begins(&other, &one));
        assert_eq!(other.contains(&one), begins(&one, &other));
        assert_eq!(one == other, one.contains(&other) && other.contains(&one));
    });
}
