//! What the register knows of directories, when they have their turn, and what one costs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::disk::Root;

const HOUR: i64 = 3600 * SECOND;

fn path(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).unwrap()
}

/// What some directory looks like.
fn print() -> Print {
    Root::open(std::path::Path::new("/")).unwrap().look().print()
}

fn tell(register: &mut Register, dir: &str, at_sec: i64, children: &[&str]) {
    let children = children.iter().map(|name| name.as_bytes());
    register.tell(&path(dir), None, Some(print()), BootTime(at_sec * SECOND), children);
}

fn rests(register: &Register, dir: &str) -> bool {
    register.known(&path(dir), None).is_some_and(|known| known.print.is_some())
}

#[test]
fn what_was_told_rests_and_what_was_only_found_does_not() {
    let mut register = Register::default();
    tell(&mut register, "/", 10, &["a", "b"]);
    tell(&mut register, "/a", 11, &["x"]);
    assert!(rests(&register, "/") && rests(&register, "/a"));
    assert!(!rests(&register, "/b") && !rests(&register, "/a/x") && !rests(&register, "/none"));
    assert_eq!((register.len(), register.oldest()), (4, Some(BootTime(10 * SECOND))));
    register.void(&path("/"));
    assert!(!rests(&register, "/"));
    assert_eq!(register.oldest(), Some(BootTime(11 * SECOND)));
    register.clear();
    assert_eq!((register.len(), register.oldest(), rests(&register, "/a")), (1, None, false));
}

#[test]
fn a_listing_that_lacks_a_directory_forgets_all_below_it() {
    let mut register = Register::default();
    tell(&mut register, "/", 10, &["a", "b", "c"]);
    tell(&mut register, "/b", 10, &["deep"]);
    tell(&mut register, "/b/deep", 10, &[]);
    let spot = register.enter(&path("/b"), None);
    tell(&mut register, "/", 20, &["c", "a"]);
    assert_eq!(register.len(), 3);
    assert_eq!(register.known(&path("/b/deep"), None), None);
    // Its number may belong to another by now.
    tell(&mut register, "/c", 20, &["new"]);
    assert_eq!(register.known(&path("/b/deep"), spot), None);
    tell(&mut register, "/", 30, &["a", "b", "c"]);
    assert!(!rests(&register, "/b") && rests(&register, "/c"));
    let children = register.children(ROOT);
    let mut names: Vec<_> =
        children.iter().map(|id| register.child(ROOT, *id).unwrap().1.to_vec()).collect();
    names.sort();
    assert_eq!(names, [b"a", b"b", b"c"]);
    let gone = register.children(register.known(&path("/c"), None).unwrap().id)[0];
    assert!(register.child(ROOT, gone).is_none(), "it lies in another directory");
}

#[test]
fn a_directory_without_room_for_all_in_it_is_listed_each_time() {
    let mut register = Register::within(3);
    tell(&mut register, "/", 10, &["a", "b"]);
    tell(&mut register, "/a", 10, &["one too many"]);
    assert!(rests(&register, "/") && !rests(&register, "/a"));
    assert_eq!(register.enter(&path("/a/one too many"), None), None);
    tell(&mut register, "/a/one too many", 10, &[]);
    assert_eq!(register.len(), 3);
    tell(&mut register, "/", 20, &["a"]);
    tell(&mut register, "/a", 20, &["one too many"]);
    assert!(rests(&register, "/a"));
}

#[test]
fn every_directory_has_its_turn_in_time_and_a_few_at_a_time() {
    const DIRS: usize = 1000;
    let names: Vec<String> = (0..DIRS).map(|n| format!("d{n}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut register = Register::default();
    let start = 5;
    tell(&mut register, "/", start, &all);
    for name in &all {
        tell(&mut register, &format!("/{name}"), start, &[]);
    }
    let (every, within) = (HOUR / 6, 24 * HOUR);
    let mut read: BTreeMap<String, i64> = BTreeMap::new();
    let share = (DIRS + 1) / 144;
    for pass in 1..400 {
        let now = BootTime(start * SECOND).plus(pass * every);
        register.begin_turn(now, every, within);
        let paths =
            std::iter::once("/".to_owned()).chain(all.iter().map(|name| format!("/{name}")));
        let due: Vec<String> = paths.filter(|path| !rests(&register, path)).collect();
        assert!((share..=2 * (share + 1)).contains(&due.len()), "{} in pass {pass}", due.len());
        let sec = now.0 / SECOND;
        for dir in due {
            let before = read.insert(dir.clone(), sec).unwrap_or(start);
            assert!((sec - before) * SECOND <= within, "{dir} was read after {} s", sec - before);
            let children = if dir == "/" { &all[..] } else { &[] };
            tell(&mut register, &dir, sec, children);
        }
        assert!(now.since(register.oldest().unwrap()) <= within);
    }
    assert_eq!(read.len(), DIRS + 1);
    // After a long pause all of them.
    register.begin_turn(BootTime(start * SECOND).plus(500 * every + within), within, within);
    assert!(all.iter().all(|name| !rests(&register, &format!("/{name}"))));
}

#[test]
fn a_directory_costs_few_bytes() {
    assert_eq!(size_of::<Node>(), 32);
    let mut register = Register::default();
    for dir in 0..1000 {
        let parent = format!("/{dir:024}");
        let names: Vec<String> = (0..30).map(|n| format!("{n:024}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        tell(&mut register, &parent, 1, &names);
    }
    let (count, bytes) = (register.len(), register.bytes());
    assert_eq!(count, 31_001);
    assert!(bytes / count <= 80, "{} bytes a directory", bytes / count);
}

#[derive(Clone, Debug)]
enum Step {
    Tell(Vec<u8>, Vec<u8>),
    Void(Vec<u8>),
    Enter(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let dir = || proptest::collection::vec(0_u8..4, 0..4);
    let children = proptest::collection::vec(0_u8..4, 0..4);
    prop_oneof![
        4 => (dir(), children).prop_map(|(dir, children)| Step::Tell(dir, children)),
        1 => dir().prop_map(Step::Void),
        1 => dir().prop_map(Step::Enter),
    ]
}

fn named(dir: &[u8]) -> String {
    let names: Vec<String> = dir.iter().map(|n| format!("n{n}")).collect();
    format!("/{}", names.join("/"))
}

proptest! {
    /// It knows what a map of paths knows.
    #[test]
    fn it_knows_what_a_map_knows(steps in proptest::collection::vec(step(), 0..60)) {
        let mut register = Register::default();
        let mut model: BTreeMap<Vec<u8>, bool> = BTreeMap::from([(Vec::new(), false)]);
        let add_way = |model: &mut BTreeMap<Vec<u8>, bool>, dir: &[u8]| {
            for len in 0..=dir.len() {
                model.entry(dir[..len].to_vec()).or_default();
            }
        };
        for step in steps {
            match step {
                Step::Tell(dir, mut children) => {
                    children.sort_unstable();
                    children.dedup();
                    let names: Vec<String> = children.iter().map(|n| format!("n{n}")).collect();
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    tell(&mut register, &named(&dir), 1, &names);
                    add_way(&mut model, &dir);
                    model.retain(|path, _| {
                        let below = path.len() > dir.len() && path.starts_with(&dir);
                        !below || children.contains(&path[dir.len()])
                    });
                    for child in children {
                        model.entry([&dir[..], &[child]].concat()).or_default();
                    }
                    model.insert(dir, true);
                }
                Step::Void(dir) => {
                    register.void(&path(&named(&dir)));
                    model.entry(dir).and_modify(|rests| *rests = false);
                }
                Step::Enter(dir) => {
                    register.enter(&path(&named(&dir)), None);
                    add_way(&mut model, &dir);
                }
            }
            prop_assert_eq!(register.len(), model.len());
            for (dir, told) in &model {
                let known = register.known(&path(&named(dir)), None);
                prop_assert_eq!(known.map(|known| known.print.is_some()), Some(*told));
            }
        }
    }
}
