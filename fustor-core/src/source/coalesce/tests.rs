//! What waits, what is told when, and that nothing is told less than it changed.

use proptest::prelude::*;

use super::*;

const INTERVAL: i64 = 100;

fn at(n: i64) -> BootTime {
    BootTime(n)
}

fn place(name: &str) -> Place {
    Place::new(WatchId(1), name.as_bytes())
}

fn path(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).unwrap()
}

fn taken(queue: &mut Coalescer, now: i64) -> Vec<(String, Change)> {
    let marks = queue.take(at(now), at(now), usize::MAX);
    let name = |place: &Place| String::from_utf8_lossy(&place.name).into_owned();
    marks.iter().map(|(place, mark)| (name(place), mark.change)).collect()
}

#[test]
fn a_burst_on_one_path_is_one_mark_and_the_latest_wins() {
    let mut queue = Coalescer::new(10, INTERVAL);
    for change in [Change::Made, Change::Written, Change::Written, Change::Closed] {
        queue.touch(at(1), place("f"), change);
    }
    queue.touch(at(1), place("f"), Change::Attributes);
    assert_eq!(taken(&mut queue, 2), [("f".into(), Change::Closed)]);
    queue.touch(at(3), place("f"), Change::Closed);
    queue.touch(at(3), place("f"), Change::Written);
    assert_eq!(taken(&mut queue, 4), [("f".into(), Change::Written)], "opened again");
    assert!(queue.is_empty());
}

#[test]
fn partial_changes_are_told_at_once_then_once_an_interval_and_at_last() {
    let mut queue = Coalescer::new(10, INTERVAL);
    queue.touch(at(1), place("f"), Change::Written);
    assert_eq!(taken(&mut queue, 1).len(), 1);
    queue.touch(at(2), place("f"), Change::Written);
    assert!(taken(&mut queue, 50).is_empty());
    assert_eq!(queue.next_due(), Some(at(101)));
    assert_eq!(taken(&mut queue, 101).len(), 1, "the trailing one");
    queue.touch(at(102), place("f"), Change::Written);
    queue.touch(at(103), place("f"), Change::Closed);
    assert_eq!(taken(&mut queue, 103), [("f".into(), Change::Closed)], "a close never waits");
    queue.touch(at(104), place("f"), Change::Written);
    assert_eq!(taken(&mut queue, 104).len(), 1, "and begins anew");
}

#[test]
fn a_close_counts_under_the_new_name_whether_the_rename_was_read_before_or_after_it_was_looked_for()
{
    for fresh in [true, false] {
        for looked_first in [true, false] {
            let mut queue = Coalescer::new(10, INTERVAL);
            if fresh {
                queue.touch(at(1), place("a"), Change::Made);
            }
            queue.touch(at(1), place("a"), Change::Written);
            queue.touch(at(1), place("a"), Change::Closed);
            if looked_first {
                let marks = queue.take(at(2), at(2), usize::MAX);
                let [(gone, mark)] = &marks[..] else { panic!("one mark: {marks:?}") };
                queue.miss(at(2), gone, *mark);
            }
            let renamed = queue.rename(at(3), (place("a"), path("/a")), (place("b"), path("/b")));
            assert_eq!(renamed == Renamed::Fresh, fresh);
            let told = taken(&mut queue, 9);
            assert!(
                told.contains(&("b".into(), Change::Closed)),
                "{fresh} {looked_first} {told:?}"
            );
            assert!(!told.contains(&("b".into(), Change::Gone)));
        }
    }
}

#[test]
fn what_is_written_after_a_close_is_not_finished_by_a_rename() {
    let mut queue = Coalescer::new(10, INTERVAL);
    queue.touch(at(1), place("a"), Change::Closed);
    queue.touch(at(1), place("a"), Change::Written);
    queue.rename(at(3), (place("a"), path("/a")), (place("b"), path("/b")));
    assert_eq!(taken(&mut queue, 9), [("b".into(), Change::Written)]);
}

#[test]
fn a_removal_waits_until_the_kernel_queue_was_empty() {
    let mut queue = Coalescer::new(10, INTERVAL);
    queue.touch(at(5), place("f"), Change::Gone);
    queue.touch(at(5), place("g"), Change::Closed);
    let early: Vec<_> = queue.take(at(6), at(4), 10).into_iter().map(|(place, _)| place).collect();
    assert_eq!(early, [place("g")]);
    assert_eq!(queue.take(at(7), at(5), 10).len(), 1);
}

fn rename(queue: &mut Coalescer, now: i64, old: &str, new: &str) -> Renamed {
    let named = |name: &str| (place(name), path(name));
    queue.rename(at(now), named(old), named(new))
}

#[test]
fn renames_keep_their_order_and_know_where_the_entry_is_now() {
    let mut queue = Coalescer::new(10, INTERVAL);
    assert_eq!(rename(&mut queue, 1, "a", "t"), Renamed::Moved);
    rename(&mut queue, 2, "b", "a");
    rename(&mut queue, 3, "t", "b");
    let steps = queue.take_steps();
    let objects: Vec<_> = steps.iter().map(|step| step.object().cloned().unwrap()).collect();
    assert_eq!(objects, [place("b"), place("a"), place("b")]);
    rename(&mut queue, 4, "a", "c");
    queue.touch(at(5), place("c"), Change::Gone);
    assert_eq!(queue.take_steps()[0].object(), None);
}

#[test]
fn what_the_host_has_never_heard_of_is_not_moved() {
    let mut queue = Coalescer::new(10, INTERVAL);
    queue.touch(at(1), place("tmp"), Change::Made);
    queue.touch(at(1), place("tmp"), Change::Closed);
    assert_eq!(rename(&mut queue, 2, "tmp", "final"), Renamed::Fresh);
    assert!(queue.take_steps().is_empty());
    let told = taken(&mut queue, 3);
    assert_eq!(told, [("final".into(), Change::Closed), ("tmp".into(), Change::Gone)]);
}

#[test]
fn a_writer_goes_on_under_the_new_name() {
    let mut queue = Coalescer::new(10, INTERVAL);
    queue.touch(at(1), place("f"), Change::Written);
    rename(&mut queue, 2, "f", "g");
    assert_eq!(taken(&mut queue, 3), [("g".into(), Change::Written)]);
}

#[test]
fn a_new_directory_is_known_before_something_moves_into_it() {
    let mut queue = Coalescer::new(10, INTERVAL);
    queue.touch(at(1), place("n"), Change::Made);
    queue.know(at(2), &place("n"), || Some(path("/n")));
    rename(&mut queue, 3, "a", "x");
    let steps = queue.take_steps();
    assert!(matches!(&steps[..], [Step::Known { .. }, Step::Rename { .. }]));
    queue.know(at(4), &place("n"), || Some(path("/n")));
    assert!(queue.take_steps().is_empty(), "it is known now");
}

#[test]
fn beyond_the_capacity_directories_are_named_and_nothing_is_forgotten_silently() {
    let mut queue = Coalescer::new(2, INTERVAL);
    for (dir, name) in [(1, "a"), (1, "b"), (2, "c"), (3, "d"), (1, "a")] {
        queue.touch(at(1), Place::new(WatchId(dir), name.as_bytes()), Change::Closed);
    }
    assert_eq!(queue.len(), 2);
    let named = BTreeSet::from([WatchId(2), WatchId(3)]);
    assert_eq!(queue.take_overflow(), Some(Overflow::Dirs(named)));
    assert_eq!(queue.take_overflow(), None);
    for n in 0..2000 {
        queue.touch(at(1), Place::new(WatchId(10 + n), b"x"), Change::Closed);
    }
    assert_eq!(queue.take_overflow(), Some(Overflow::Everything));
    for n in 0..3 {
        rename(&mut queue, n, "p", "q");
    }
    assert_eq!(queue.take_overflow(), Some(Overflow::Everything));
}

#[test]
fn forgetting_a_directory_drops_what_waits_in_it_and_nothing_else() {
    let mut queue = Coalescer::new(10, INTERVAL);
    for dir in [1, 2, 3] {
        queue.touch(at(1), Place::new(WatchId(dir), b"f"), Change::Written);
    }
    assert_eq!(queue.take(at(1), at(1), 10).len(), 3);
    for dir in [1, 2, 3] {
        queue.touch(at(2), Place::new(WatchId(dir), b"f"), Change::Written);
    }
    queue.forget(WatchId(2));
    let left: Vec<_> = queue.take(at(500), at(500), 10).into_iter().map(|(p, _)| p.dir.0).collect();
    assert_eq!(left, [1, 3]);
}

proptest! {
    /// A file system of a few names with versions: whoever looks at each mark when it is taken, and applies the steps,
    /// knows the last version of every name in the end.
    #[test]
    fn looking_at_what_is_taken_ends_where_the_changes_ended(
        ops in proptest::collection::vec((0_u8..6, 0_u8..5, 0_u8..5, 1_i64..60), 0..200),
        capacity in 1_usize..8,
    ) {
        let mut queue = Coalescer::new(capacity, INTERVAL);
        let mut disk: BTreeMap<String, i64> = BTreeMap::new();
        let mut host: BTreeMap<String, i64> = BTreeMap::new();
        let mut now = 0;
        let mut lost = false;
        let look = |queue: &mut Coalescer, disk: &BTreeMap<String, i64>, host: &mut BTreeMap<String, i64>, now: i64| {
            let name = |place: &Place| String::from_utf8_lossy(&place.name).into_owned();
            for step in queue.take_steps() {
                if let Step::Rename { from, to, object, .. } = step {
                    host.remove(&name(&from));
                    let Some(object) = object else {
                        // As the watcher does: both names are looked at again.
                        queue.touch(at(now), from, Change::Gone);
                        queue.touch(at(now), to, Change::Gone);
                        continue;
                    };
                    host.insert(name(&to), disk[&name(&object)]);
                }
            }
            for (place, _) in queue.take(at(now), at(now), 3) {
                match disk.get(&name(&place)) {
                    Some(version) => host.insert(name(&place), *version),
                    None => host.remove(&name(&place)),
                };
            }
        };
        for (op, one, other, wait) in ops {
            now += wait;
            let (a, b) = (one.to_string(), other.to_string());
            match op {
                0 | 1 => {
                    let change = match disk.insert(a.clone(), now) {
                        None => Change::Made,
                        Some(_) if op == 0 => Change::Written,
                        Some(_) => Change::Closed,
                    };
                    queue.touch(at(now), place(&a), change);
                }
                2 => if disk.remove(&a).is_some() {
                    queue.touch(at(now), place(&a), Change::Gone);
                },
                3 => if a != b && let Some(version) = disk.remove(&a) {
                    disk.insert(b.clone(), version);
                    rename(&mut queue, now, &a, &b);
                },
                _ => look(&mut queue, &disk, &mut host, now),
            }
            lost |= queue.take_overflow().is_some();
        }
        for _ in 0..100 {
            now += INTERVAL;
            look(&mut queue, &disk, &mut host, now);
        }
        prop_assert!(queue.is_empty());
        prop_assert!(lost || host == disk, "{:?} is not {:?}", host, disk);
    }
}
