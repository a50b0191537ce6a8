//! Questions on small and on random trees.

use std::ops::ControlFlow;

use proptest::prelude::*;
use serde_json::Value;

use super::fixture::{DIR, Scene, at, boot, file, path, sample, special, view_of};
use super::*;
use crate::entry::{Facts, Kind};
use crate::event::{CyclePhase, Event};
use crate::key::Tier;
use crate::snapshot::Snapshot;
use crate::time::{Now, StorageTime};
use crate::wire::json::ToJson;

fn now() -> Now {
    at(3600)
}

fn shop() -> Snapshot {
    sample(&[
        ("/a", DIR),
        ("/a-b", file(5, 50)),
        ("/a/Report.CSV", file(10, 100)),
        ("/a/report.csv", file(20, 200)),
        ("/a/sub/deep/x.csv", file(30, 300)),
        ("/a/sub/link", special(Kind::Symlink)),
        ("/b/pipe", special(Kind::Fifo)),
        ("/b/reportage", file(40, 400)),
        ("/z\u{130}x", file(1, 1)),
    ])
}

fn paths(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect()
}

fn found(snapshot: &Snapshot, args: &FindArgs) -> Vec<String> {
    paths(&find(snapshot, now(), args).unwrap().entries)
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

fn searched(snapshot: &Snapshot, pattern: &str) -> Vec<String> {
    let stream =
        search(snapshot, now(), &SearchArgs { pattern: pattern.into(), limit: Some(100) }).unwrap();
    let answer = json(&stream.flatten().collect::<Vec<u8>>());
    let nodes = answer.as_array().unwrap();
    nodes.iter().map(|node| node["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn find_goes_depth_first_by_name_bytes() {
    let all = [
        "/a",
        "/a/Report.CSV",
        "/a/report.csv",
        "/a/sub",
        "/a/sub/deep",
        "/a/sub/deep/x.csv",
        "/a/sub/link",
        "/a-b",
        "/b",
        "/b/pipe",
        "/b/reportage",
        "/z\u{130}x",
    ];
    let expected: Vec<&str> = all.to_vec();
    assert_eq!(found(&shop(), &FindArgs::below(path("/"))), expected);
}

#[test]
fn find_keeps_each_condition() {
    let below = |text: &str| FindArgs::below(path(text));
    let cases: Vec<(FindArgs, Vec<&str>)> = vec![
        (
            FindArgs { name: Some(b"*.csv".to_vec()), ..below("/") },
            vec!["/a/report.csv", "/a/sub/deep/x.csv"],
        ),
        (FindArgs { name: Some(b"report.csv".to_vec()), ..below("/") }, vec!["/a/report.csv"]),
        (
            FindArgs { contains: Some(b"eport".to_vec()), ..below("/") },
            vec!["/a/Report.CSV", "/a/report.csv", "/b/reportage"],
        ),
        (FindArgs { contains: Some(b"CSVr".to_vec()), ..below("/") }, vec![]),
        (
            FindArgs { regex: Some("^[Rr]eport\\.".into()), ..below("/") },
            vec!["/a/Report.CSV", "/a/report.csv"],
        ),
        (
            FindArgs { regex: Some("(?i)csv".into()), ..below("/a") },
            vec!["/a/Report.CSV", "/a/report.csv", "/a/sub/deep/x.csv"],
        ),
        (
            FindArgs { kinds: Kinds::parse("l,o").unwrap(), ..below("/") },
            vec!["/a/sub/link", "/b/pipe"],
        ),
        (
            FindArgs { kinds: Kinds::parse("d").unwrap(), ..below("/a") },
            vec!["/a/sub", "/a/sub/deep"],
        ),
        (
            FindArgs { min_size: Some(20), max_size: Some(30), ..below("/") },
            vec!["/a/report.csv", "/a/sub/deep/x.csv"],
        ),
        (
            FindArgs {
                newer: Some(StorageTime(200 * crate::SECOND)),
                older: Some(StorageTime(300 * crate::SECOND)),
                ..below("/")
            },
            vec!["/a/report.csv"],
        ),
        (
            FindArgs { depth: Some(1), ..below("/a") },
            vec!["/a/Report.CSV", "/a/report.csv", "/a/sub"],
        ),
        (
            FindArgs {
                kinds: Kinds::FILES,
                newer: Some(StorageTime(301 * crate::SECOND)),
                ..below("/")
            },
            vec!["/b/reportage"],
        ),
    ];
    for (args, expected) in cases {
        assert_eq!(found(&shop(), &args), expected, "{args:?}");
    }
}

#[test]
fn find_refuses_what_cannot_be_meant() {
    let below = |text: &str| FindArgs::below(path(text));
    let refusal = |args: &FindArgs| find(&shop(), now(), args).unwrap_err();
    assert_eq!(refusal(&below("/none")), FindError::NotFound(path("/none")));
    assert_eq!(refusal(&below("/a-b")), FindError::NotADirectory(path("/a-b")));
    assert_eq!(refusal(&FindArgs { depth: Some(0), ..below("/") }), FindError::Depth);
    let both = FindArgs { name: Some(vec![]), regex: Some(String::new()), ..below("/") };
    assert_eq!(refusal(&both), FindError::Contradiction("name", "regex"));
    let bad = FindArgs { regex: Some("(".into()), ..below("/") };
    assert!(
        matches!(refusal(&bad), FindError::Pattern(PatternError::Regex { pattern, .. }) if pattern == "(")
    );
    let huge = FindArgs { regex: Some("(\\w{200}){200}".into()), ..below("/") };
    assert!(matches!(refusal(&huge), FindError::Pattern(PatternError::Regex { .. })));
    let long = FindArgs { contains: Some(vec![b'x'; PATTERN_MAX + 1]), ..below("/") };
    assert_eq!(refusal(&long), FindError::Pattern(PatternError::TooLong(PATTERN_MAX + 1)));
    let page =
        find(&shop(), now(), &FindArgs { limit: Limit::new(1).unwrap(), ..below("/") }).unwrap();
    let other = FindArgs { cursor: page.next, kinds: Kinds::FILES, ..below("/") };
    assert_eq!(refusal(&other), FindError::Cursor(CursorError::OtherQuestion));
}

#[test]
fn a_find_that_is_broken_off_goes_on_from_its_cursor() {
    let entries: Vec<_> =
        (0..40_000).map(|n| (format!("/d{}/{n:05}", n % 9).into_bytes(), file(n, 1))).collect();
    let snapshot = view_of(&entries);
    let args = FindArgs { contains: Some(b"39999".to_vec()), ..FindArgs::below(path("/")) };
    let first = find_while(&snapshot, now(), &args, &mut || false).unwrap();
    assert!(first.entries.is_empty() && first.next.is_some());
    let rest = find(&snapshot, now(), &FindArgs { cursor: first.next, ..args }).unwrap();
    assert_eq!((paths(&rest.entries), rest.next), (vec!["/d3/39999".to_owned()], None));
}

#[test]
fn a_cursor_goes_on_by_path_on_another_snapshot() {
    let args = FindArgs { limit: Limit::new(3).unwrap(), ..FindArgs::below(path("/")) };
    let first = find(&shop(), now(), &args).unwrap();
    let newer =
        sample(&[("/a/report.csv", file(1, 1)), ("/a/subway", file(1, 1)), ("/a-b", file(1, 1))]);
    let next = FindArgs { cursor: first.next, ..args };
    assert_eq!(found(&newer, &next), ["/a/subway", "/a-b"]);
}

#[test]
fn pages_of_a_huge_directory_join_up() {
    let entries: Vec<_> =
        (0..3000).map(|n| (format!("/d/{n:04}").into_bytes(), file(n, 1))).collect();
    let snapshot = view_of(&entries);
    let mut args = ListArgs { path: path("/d"), limit: Limit::new(700).unwrap(), cursor: None };
    let mut seen = Vec::new();
    loop {
        let page = list(&snapshot, now(), &args).unwrap();
        seen.extend(paths(&page.entries));
        let Some(next) = page.next else { break };
        args.cursor = Some(Cursor::parse(&next.to_string()).unwrap());
    }
    let expected: Vec<String> =
        entries.iter().map(|(path, _)| String::from_utf8(path.clone()).unwrap()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn list_says_why_not() {
    let args = |text: &str| ListArgs { path: path(text), limit: Limit::default(), cursor: None };
    let refusal = |args: &ListArgs| list(&shop(), now(), args).unwrap_err();
    assert_eq!(refusal(&args("/none")), ListError::NotFound(path("/none")));
    assert_eq!(refusal(&args("/a-b")), ListError::NotADirectory(path("/a-b")));
    let first =
        list(&shop(), now(), &ListArgs { limit: Limit::new(1).unwrap(), ..args("/a") }).unwrap();
    let page = json(&first.to_json());
    assert_eq!(page["entries"][0]["path"], "/a/Report.CSV");
    assert_eq!(page["path"], "/a");
    assert_eq!(page["trust"]["reasons"], Value::Array(vec![]).clone(), "{page}");
    let elsewhere = ListArgs { cursor: first.next, ..args("/b") };
    assert_eq!(refusal(&elsewhere), ListError::Cursor(CursorError::OtherQuestion));
}

#[test]
fn search_finds_what_0_8_finds() {
    let cases: [(&str, &[&str]); 11] = [
        ("report", &["/a/Report.CSV", "/a/report.csv", "/b/reportage"]),
        ("REPORT", &["/a/Report.CSV", "/a/report.csv", "/b/reportage"]),
        ("*.csv", &["/a/report.csv", "/a/sub/deep/x.csv"]),
        ("/a/*.csv", &["/a/report.csv", "/a/sub/deep/x.csv"]),
        ("*sub*", &["/a/sub/deep/x.csv", "/a/sub/link"]),
        ("/a/report.csv", &["/a/report.csv"]),
        ("[Rr]eport.*", &["/a/Report.CSV", "/a/report.csv"]),
        ("i\u{307}X", &["/z\u{130}x"]),
        ("link", &["/a/sub/link"]),
        ("nothing", &[]),
        ("sub", &[]),
    ];
    for (pattern, expected) in cases {
        assert_eq!(searched(&shop(), pattern), expected, "{pattern}");
    }
    assert_eq!(searched(&shop(), "").len(), 8);
}

#[test]
fn search_has_a_limit_and_a_deadline() {
    let args = |limit| SearchArgs { pattern: "report".into(), limit };
    let exceeded = LimitExceeded { current_count: 3, limit: 2 };
    assert_eq!(
        search(&shop(), now(), &args(Some(2))).err(),
        Some(SearchError::LimitExceeded(exceeded))
    );
    assert!(search(&shop(), now(), &args(Some(3))).is_ok());
    assert!(search(&shop(), now(), &args(None)).is_ok());
    let entries: Vec<_> =
        (0..40_000).map(|n| (format!("/d/{n:05}").into_bytes(), file(n, 1))).collect();
    let stopped = search_while(&view_of(&entries), now(), &args(Some(1)), &mut || false);
    assert_eq!(stopped.err(), Some(SearchError::Interrupted(0)));
}

#[test]
fn a_long_search_answer_is_one_document() {
    let entries: Vec<_> =
        (0..5000).map(|n| (format!("/d{}/{n:05}", n % 7).into_bytes(), file(n, 1))).collect();
    let stream =
        search(&view_of(&entries), now(), &SearchArgs { pattern: "0".into(), limit: None })
            .unwrap();
    let chunks: Vec<Vec<u8>> = stream.collect();
    assert!(chunks.len() > 3, "{}", chunks.len());
    let expected = (0..5000).filter(|n| format!("{n:05}").contains('0')).count();
    assert_eq!(json(&chunks.concat()).as_array().unwrap().len(), expected);
}

fn tree_args(text: &str) -> TreeArgs {
    TreeArgs {
        path: path(text),
        recursive: true,
        max_depth: None,
        only_path: false,
        limit: None,
        job: Some(TreeJob::default()),
    }
}

fn tree_json(snapshot: &Snapshot, args: &TreeArgs) -> Value {
    let stream = tree(snapshot, now(), args).unwrap();
    let count = stream.entry_count();
    let answer = json(&stream.flatten().collect::<Vec<u8>>());
    assert_eq!(nodes(&answer), count, "{args:?}");
    answer
}

fn nodes(node: &Value) -> u64 {
    1 + node["children"].as_array().map_or(0, |children| children.iter().map(nodes).sum())
}

fn keys(node: &Value) -> Vec<&str> {
    node.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_whole_tree_is_nested() {
    let answer = tree_json(&shop(), &tree_args("/"));
    assert_eq!((answer["name"].as_str(), answer["path"].as_str()), (Some(""), Some("/")));
    assert_eq!((&answer["job_id"], &answer["job_pending"]), (&Value::Null, &Value::Bool(false)));
    let a = &answer["children"][0];
    assert_eq!((a["name"].as_str(), a["content_type"].as_str()), (Some("a"), Some("directory")));
    assert_eq!(a["job_id"], Value::Null);
    assert!(!keys(a).contains(&"job_id"));
    let deep = &a["children"][2]["children"][0]["children"][0];
    assert_eq!(deep["path"], "/a/sub/deep/x.csv");
    assert_eq!((&deep["size"], &deep["modified_time"]), (&Value::from(30), &Value::from(300.0)));
    assert!(!keys(deep).contains(&"children"));
    assert_eq!(a["children"][2]["unconfirmed"], true);
}

#[test]
fn depth_decides_over_recursion() {
    let node = tree_json(&shop(), &TreeArgs { max_depth: Some(0), ..tree_args("/a") });
    assert!(!keys(&node).contains(&"children"));
    let one =
        tree_json(&shop(), &TreeArgs { max_depth: Some(1), recursive: false, ..tree_args("/a") });
    assert_eq!(one["children"].as_array().unwrap().len(), 3);
    assert!(!keys(&one["children"][2]).contains(&"children"));
    let two = tree_json(&shop(), &TreeArgs { max_depth: Some(2), ..tree_args("/") });
    assert_eq!(two["children"][0]["children"][2]["name"], "sub");
    let flat = tree_json(&shop(), &TreeArgs { recursive: false, ..tree_args("/a") });
    assert_eq!(flat["children"], Value::Array(vec![]));
    let all = tree_json(&shop(), &TreeArgs { max_depth: Some(-1), ..tree_args("/") });
    assert_eq!(nodes(&all), 13);
}

#[test]
fn only_path_leaves_three_keys() {
    let answer = tree_json(&shop(), &TreeArgs { only_path: true, job: None, ..tree_args("/a") });
    assert_eq!(keys(&answer), ["children", "content_type", "name", "path"]);
    assert_eq!(keys(&answer["children"][0]), ["content_type", "name", "path"]);
}

#[test]
fn a_file_is_a_tree_of_one() {
    let job = TreeJob { id: Some("a5265f03".into()), pending: true };
    let answer = tree_json(&shop(), &TreeArgs { job: Some(job), ..tree_args("/a/sub/link") });
    assert_eq!(
        (&answer["content_type"], &answer["kind"]),
        (&Value::from("file"), &Value::from("symlink"))
    );
    assert_eq!(answer["path"], "/a/sub/link");
    assert_eq!(
        (&answer["job_id"], &answer["job_pending"]),
        (&Value::from("a5265f03"), &Value::from(true))
    );
    let missing = tree(&shop(), now(), &tree_args("/none"));
    assert_eq!(missing.err(), Some(TreeError::NotFound(path("/none"))));
}

#[test]
fn the_limit_is_on_the_answer() {
    let entries: Vec<_> =
        (0..2000).map(|n| (format!("/d{}/{n:04}", n % 10).into_bytes(), file(n, 1))).collect();
    let snapshot = view_of(&entries);
    let refused = |args: &TreeArgs| match tree(&snapshot, now(), args) {
        Err(TreeError::LimitExceeded(exceeded)) => Some(exceeded.current_count),
        Ok(_) | Err(TreeError::NotFound(_)) => None,
    };
    let cases = [
        (tree_args("/"), 2010, Some(2011)),
        (tree_args("/"), 2011, None),
        (tree_args("/d3"), 201, None),
        (tree_args("/d3"), 200, Some(201)),
        (TreeArgs { max_depth: Some(1), ..tree_args("/") }, 11, None),
        (TreeArgs { max_depth: Some(1), ..tree_args("/") }, 10, Some(11)),
        (TreeArgs { max_depth: Some(2), ..tree_args("/") }, 2011, None),
        (TreeArgs { recursive: false, ..tree_args("/") }, 1, None),
    ];
    for (args, limit, expected) in cases {
        assert_eq!(
            refused(&TreeArgs { limit: Some(limit), ..args.clone() }),
            expected,
            "{args:?} {limit}"
        );
    }
}

#[test]
fn a_path_as_deep_as_allowed_is_walked_without_recursion() {
    let deep = "/d".repeat(crate::DEPTH_MAX);
    let snapshot = sample(&[(&deep, file(1, 1))]);
    let stream = tree(&snapshot, now(), &TreeArgs { only_path: true, ..tree_args("/") }).unwrap();
    let (mut opened, mut closed) = (0, 0);
    for chunk in stream {
        opened += chunk.iter().filter(|byte| **byte == b'{').count();
        closed += chunk.iter().filter(|byte| **byte == b'}').count();
    }
    assert_eq!((opened, closed), (crate::DEPTH_MAX + 1, crate::DEPTH_MAX + 1));
    let files = FindArgs { kinds: Kinds::FILES, ..FindArgs::below(path("/")) };
    assert_eq!(found(&snapshot, &files), [deep]);
}

#[test]
fn names_that_are_not_utf_8_come_in_both_forms() {
    let snapshot = view_of(&[(b"/\xff/a\"b".to_vec(), file(1, 1))]);
    let answer = tree_json(&snapshot, &tree_args("/"));
    let dir = &answer["children"][0];
    assert_eq!((dir["name"].as_str(), dir["path_b64"].as_str()), (Some("\u{fffd}"), Some("L/8=")));
    let leaf = &dir["children"][0];
    assert_eq!(
        (leaf["path"].as_str(), leaf["path_b64"].as_str()),
        (Some("/\u{fffd}/a\"b"), Some("L/8vYSJi"))
    );
    assert!(!keys(&answer).contains(&"path_b64"));
}

#[test]
fn stats_count_the_root_as_0_8_does() {
    let answer = json(&stats(&shop(), now(), Some(1_500_000)).to_json());
    assert_eq!(
        (&answer["total_files"], &answer["total_directories"]),
        (&Value::from(8), &Value::from(5))
    );
    assert_eq!(
        (&answer["item_count"], &answer["total_size"]),
        (&Value::from(13), &Value::from(106))
    );
    assert_eq!(
        (&answer["latency_ms"], &answer["staleness_seconds"]),
        (&Value::from(1.5), &Value::from(0.0015))
    );
    assert_eq!(answer["oldest_item_path"], Value::Null);
    assert_eq!(
        (&answer["has_blind_spot"], &answer["is_auditing"]),
        (&Value::from(false), &Value::from(false))
    );
}

#[test]
fn subtree_stats_are_those_of_the_subtree() {
    let of = |text: &str| subtree_stats(&shop(), now(), &path(text)).unwrap();
    let a = of("/a");
    assert_eq!((a.file_count, a.dir_count, a.total_size), (4, 2, 60));
    assert_eq!(a.latest_mtime, Some(StorageTime(300 * crate::SECOND)));
    let leaf = of("/a/report.csv");
    assert_eq!((leaf.file_count, leaf.dir_count, leaf.total_size), (1, 0, 20));
    assert_eq!(subtree_stats(&shop(), now(), &path("/none")), Err(NotFound(path("/none"))));
    assert_eq!(json(&a.to_json())["latest_mtime_ns"], 300 * crate::SECOND);
}

#[test]
fn metadata_tells_what_is_known() {
    let leaf = json(&metadata(&shop(), now(), &path("/a/sub/link")).unwrap().to_json());
    assert_eq!((&leaf["type"], &leaf["inode"]), (&Value::from("symlink"), &Value::from(7)));
    assert!(!keys(&leaf).contains(&"below"));
    let dir = json(&metadata(&shop(), now(), &path("/a")).unwrap().to_json());
    assert_eq!(dir["below"]["files"], 4);
    let root = json(&metadata(&shop(), now(), &path("/")).unwrap().to_json());
    assert_eq!((&root["path"], &root["below"]["dirs"]), (&Value::from("/"), &Value::from(4)));
    assert_eq!(metadata(&shop(), now(), &path("/none")).err(), Some(NotFound(path("/none"))));
}

#[test]
fn top_ranks_children_by_what_lies_below_them() {
    let ranked = |by| {
        let args = TopArgs { path: path("/"), by, limit: Limit::new(2).unwrap() };
        let page = top(&shop(), now(), &args).unwrap();
        page.entries
            .into_iter()
            .map(|(n, entry)| (n, String::from_utf8(entry.path.into()).unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(ranked(TopBy::Size), [(60, "/a".to_owned()), (40, "/b".to_owned())]);
    assert_eq!(ranked(TopBy::Files), [(4, "/a".to_owned()), (2, "/b".to_owned())]);
}

fn trees() -> impl Strategy<Value = Vec<(Vec<u8>, Facts)>> {
    let name = prop::sample::select(vec!["a", "b", "ab", "a-", "a.c", "B", "é", "abc"]);
    let path = prop::collection::vec(name, 1..5)
        .prop_map(|names| format!("/{}", names.join("/")).into_bytes());
    let facts = (0..100_u64, 0..100_i64).prop_map(|(size, mtime)| file(size, mtime));
    prop::collection::vec((path, facts), 0..60)
}

fn conditions() -> impl Strategy<Value = FindArgs> {
    let below = || FindArgs::below(path("/"));
    prop_oneof![
        Just(below()),
        Just(FindArgs { name: Some(b"a*".to_vec()), ..below() }),
        Just(FindArgs { contains: Some(b"b".to_vec()), ..below() }),
        Just(FindArgs { contains: Some(b"ab".to_vec()), kinds: Kinds::FILES, ..below() }),
        Just(FindArgs { regex: Some("a.?[bc]".into()), ..below() }),
        Just(FindArgs { regex: Some("^a.$".into()), ..below() }),
        Just(FindArgs { min_size: Some(50), ..below() }),
        Just(FindArgs {
            newer: Some(StorageTime(50 * crate::SECOND)),
            kinds: Kinds::FILES,
            ..below()
        }),
        Just(FindArgs { depth: Some(2), ..below() }),
    ]
}

/// What `find` should say, one row at a time, without blocks, aggregates or prefilters.
fn plain(snapshot: &Snapshot, args: &FindArgs) -> Vec<String> {
    let regex = args.regex.as_deref().map(|regex| regex::bytes::Regex::new(regex).unwrap());
    let glob = args.name.as_deref().map(Glob::new);
    let mut out = Vec::new();
    let mut stack = vec![(crate::DirId::ROOT, String::new())];
    while let Some((dir, prefix)) = stack.pop() {
        for row in snapshot.tree().entries(dir).rows() {
            let path = format!("{prefix}/{}", String::from_utf8_lossy(row.name));
            let contains = args
                .contains
                .as_ref()
                .is_none_or(|needle| memchr::memmem::find(row.name, needle).is_some());
            let pass = contains
                && regex.as_ref().is_none_or(|regex| regex.is_match(row.name))
                && glob.as_ref().is_none_or(|glob| glob.matches(row.name))
                && args.kinds.has(row.facts.kind)
                && args.min_size.is_none_or(|min| row.facts.size >= min)
                && args.newer.is_none_or(|newer| row.facts.mtime >= newer)
                && args.depth.is_none_or(|depth| path.matches('/').count() <= depth as usize);
            if pass {
                out.push(path.clone());
            }
            if row.facts.kind.is_dir() {
                stack.push((row.child, path));
            }
        }
    }
    out.sort_by(|a, b| a.split('/').cmp(b.split('/')));
    out
}

proptest! {
    #[test]
    fn find_is_what_a_plain_walk_finds(entries in trees(), args in conditions()) {
        let snapshot = view_of(&entries);
        prop_assert_eq!(found(&snapshot, &args), plain(&snapshot, &args));
    }

    #[test]
    fn pages_concatenated_are_the_whole(entries in trees(), args in conditions(), size in 1..8_usize) {
        let snapshot = view_of(&entries);
        let whole = found(&snapshot, &args);
        let mut args = FindArgs { limit: Limit::new(size).unwrap(), ..args };
        let mut pages = Vec::new();
        loop {
            let page = find(&snapshot, now(), &args).unwrap();
            prop_assert!(page.entries.len() <= size);
            pages.extend(paths(&page.entries));
            match page.next {
                Some(next) => args.cursor = Some(Cursor::parse(&next.to_string()).unwrap()),
                None => break,
            }
        }
        prop_assert_eq!(pages, whole);
    }

    #[test]
    fn slices_of_any_size_find_the_same(entries in trees(), args in conditions(), rows in 1..6_usize) {
        let snapshot = view_of(&entries);
        let mut finder = Finder::new(&snapshot, &args).unwrap();
        let mut sliced = Vec::new();
        while finder.step(rows, &mut |path, _| {
            sliced.push(String::from_utf8_lossy(path).into_owned());
            ControlFlow::Continue(())
        }) == Progress::More {}
        prop_assert_eq!(sliced, found(&snapshot, &args));
        prop_assert!(finder.cursor().is_none());
    }

    #[test]
    fn the_tree_holds_what_find_finds(entries in trees()) {
        fn collect(node: &Value, out: &mut Vec<String>) {
            for child in node["children"].as_array().into_iter().flatten() {
                out.push(child["path"].as_str().unwrap().to_owned());
                collect(child, out);
            }
        }
        let snapshot = view_of(&entries);
        let mut nested = Vec::new();
        collect(&tree_json(&snapshot, &tree_args("/")), &mut nested);
        prop_assert_eq!(nested, found(&snapshot, &FindArgs::below(path("/"))));
    }
}

#[test]
fn suspects_are_listed_and_shown_until_they_rest() {
    let mut scene = Scene::new(false);
    scene.list(1, "/", &[("d", DIR)]);
    scene.list(1, "/d", &[("x", file(1, 1))]);
    scene.upsert(10, Tier::Partial, "/d/x", file(2, 2));
    scene.upsert(10, Tier::Partial, "/d/y", file(3, 3));
    let snapshot = scene.snapshot();
    let page =
        suspects(&snapshot, at(11), &SuspectArgs { limit: Limit::new(1).unwrap(), offset: 0 });
    assert_eq!((page.suspects.len(), page.next), (1, Some(1)));
    let rest = suspects(&snapshot, at(11), &SuspectArgs { limit: Limit::default(), offset: 1 });
    assert_eq!((rest.suspects.len(), rest.next), (1, None));
    let all = json(&suspects(&snapshot, at(11), &SuspectArgs::default()).to_json());
    let listed: Vec<&str> =
        all.as_array().unwrap().iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(listed, ["/d/x", "/d/y"]);
    let node = tree_json(&snapshot, &tree_args("/d/x"));
    assert_eq!(node["integrity_suspect"], true);
    let known = json(&metadata(&snapshot, at(11), &path("/d/x")).unwrap().to_json());
    assert_eq!(known["suspect_until"], all[0]["suspect_until"]);
    assert_eq!(known["tier"], "partial");
    assert_eq!(json(&stats(&snapshot, at(11), None).to_json())["suspect_file_count"], 2);
    scene.upsert(20, Tier::Atomic, "/d/x", file(4, 4));
    let left = suspects(&scene.snapshot(), at(21), &SuspectArgs::default());
    assert_eq!(left.suspects.iter().map(|(path, _)| &**path).collect::<Vec<_>>(), [b"/d/y"]);
    assert_eq!(tree_json(&scene.snapshot(), &tree_args("/d/x"))["integrity_suspect"], false);
}

#[test]
fn blind_spots_are_what_only_scans_have_found() {
    let mut scene = Scene::new(false);
    scene.list(1, "/", &[("d", DIR), ("e", DIR)]);
    scene.list(1, "/d", &[("old", file(1, 1)), ("x", file(1, 1))]);
    scene.list(1, "/e", &[]);
    scene.list(4000, "/d", &[("new", file(2, 2)), ("newer", file(2, 2)), ("x", file(1, 1))]);
    let snapshot = scene.snapshot();
    let spots = blind_spots(&snapshot, at(4001), &BlindArgs::default());
    assert_eq!(
        (paths(&spots.additions), spots.additions_count),
        (vec!["/d/new".to_owned(), "/d/newer".to_owned()], 2)
    );
    let answer = json(&spots.to_json());
    assert_eq!(
        (&answer["deletions"][0], &answer["deletion_count"]),
        (&Value::from("/d/old"), &Value::from(1))
    );
    assert_eq!(
        (&answer["truncated"], &answer["additions"][0]["agent_missing"]),
        (&false.into(), &true.into())
    );
    let one = blind_spots(&snapshot, at(4001), &BlindArgs { limit: Limit::new(1).unwrap() });
    assert_eq!((one.additions.len(), one.additions_count, one.truncated), (1, 2, true));
    assert_eq!(json(&stats(&snapshot, at(4001), None).to_json())["has_blind_spot"], true);
}

fn rest(scene: &Scene, sec: i64, text: &str, quiet_sec: u64) -> Settled {
    settled(&scene.snapshot(), at(sec), &SettledArgs { path: path(text), quiet_sec }).unwrap()
}

#[test]
fn watched_writers_settle_with_time() {
    let mut scene = Scene::new(true);
    assert_eq!(rest(&scene, 2, "/", 0).reasons, [SettledReason::Unlisted]);
    scene.list(1, "/", &[("d", DIR), ("e", DIR)]);
    scene.list(1, "/d", &[("x", file(1, 1))]);
    scene.list(1, "/e", &[]);
    scene.upsert(100, Tier::Atomic, "/d/x", file(2, 2));
    let soon = rest(&scene, 129, "/d", 30);
    assert_eq!(
        (soon.settled, soon.basis, &soon.reasons[..]),
        (false, Basis::Realtime, &[SettledReason::NotQuiet][..])
    );
    assert_eq!(soon.quiet_for_ns, Some(29 * crate::SECOND));
    assert!(rest(&scene, 130, "/d", 30).settled);
    assert!(rest(&scene, 129, "/e", 30).settled);
    scene.upsert(200, Tier::Partial, "/d/x", file(3, 3));
    let open = rest(&scene, 201, "/d", 0);
    assert_eq!((open.pending.suspects, &open.reasons[..]), (1, &[SettledReason::Suspects][..]));
    scene.detach(300);
    assert!(rest(&scene, 400, "/e", 0).reasons.contains(&SettledReason::Stale));
    let answer = json(&soon.to_json());
    assert_eq!(
        (&answer["quiet_for_sec"], &answer["reasons"][0]),
        (&Value::from(29.0), &Value::from("not_quiet"))
    );
}

#[test]
fn unwatched_writers_settle_by_the_oldest_listing() {
    let mut scene = Scene::new(false);
    scene.cycle(CyclePhase::Begin, 1);
    scene.list(2, "/", &[("d", DIR)]);
    let never = rest(&scene, 5000, "/", 0);
    assert_eq!(
        (never.settled, never.as_of, &never.reasons[..]),
        (false, None, &[SettledReason::NeverVerified, SettledReason::Unlisted][..])
    );
    scene.list(3, "/d", &[("x", file(1, 1))]);
    let leaf = rest(&scene, 5000, "/d", 0);
    assert_eq!((leaf.basis, leaf.as_of), (Basis::Listing, Some(at(3).wall)));
    assert_eq!(rest(&scene, 5000, "/", 0).as_of, Some(at(2).wall));
    scene.cycle(CyclePhase::End, 4);
    assert_eq!(scene.snapshot().read_since(crate::DirId::ROOT), Some(at(1).wall));
}

/// That a directory has not changed says nothing of writes into its files.
#[test]
fn a_pass_over_what_has_not_changed_proves_names_and_no_contents() {
    let mut scene = Scene::new(false);
    scene.cycle(CyclePhase::Begin, 1);
    scene.list(2, "/", &[("d", DIR)]);
    scene.list(3, "/d", &[("x", file(1, 1))]);
    scene.cycle(CyclePhase::End, 4);
    scene.cycle(CyclePhase::Begin, 1000);
    scene.cycle(CyclePhase::PassEnd { read_since: boot(2) }, 1001);
    let cycles = scene.snapshot().cycles();
    assert_eq!((cycles.completed, cycles.last_begin), (2, Some(at(1000).wall)));
    assert_eq!(cycles.read_since, Some(at(2).wall));
    assert_eq!(rest(&scene, 5000, "/", 0).as_of, Some(at(2).wall));
    assert_eq!(rest(&scene, 5000, "/d", 0).as_of, Some(at(3).wall));
    // An agent that claims to have read after its own scan began is not believed.
    scene.cycle(CyclePhase::Begin, 2000);
    scene.cycle(CyclePhase::PassEnd { read_since: boot(3000) }, 2001);
    assert_eq!(scene.snapshot().cycles().read_since, Some(at(2000).wall));
}

#[test]
fn changes_between_two_snapshots() {
    let mut scene = Scene::new(false);
    scene.list(1, "/", &[("d", DIR), ("e", DIR)]);
    scene.list(1, "/d", &[("old", file(1, 1)), ("x", file(1, 1))]);
    let older = scene.snapshot();
    scene.upsert(10, Tier::Atomic, "/d/x", file(2, 2));
    scene.upsert(10, Tier::Atomic, "/d/y", file(2, 2));
    scene.hear(11, vec![Event::Delete { path: path("/d/old"), stamp: boot(11) }]);
    let newer = scene.snapshot();
    let answer = changes(&older, &newer, Limit::default());
    let mut ops: Vec<(String, bool)> = answer
        .changes
        .iter()
        .map(|changed| {
            (String::from_utf8_lossy(&changed.path).into_owned(), changed.op == Op::Upsert)
        })
        .collect();
    ops.sort();
    assert_eq!(
        ops,
        [("/d/old".to_owned(), false), ("/d/x".to_owned(), true), ("/d/y".to_owned(), true)]
    );
    let short = json(&changes(&older, &newer, Limit::new(1).unwrap()).to_json());
    assert_eq!(short["next"], format!("{}.1", older.revision()));
    assert_eq!(short["to"], newer.revision().to_string());
    assert!(Difference::between(&newer, &newer).is_empty());
}

#[test]
fn what_was_seen_again_as_it_was_has_not_changed() {
    let mut scene = Scene::new(false);
    let list = |scene: &mut Scene, at| {
        scene.cycle(CyclePhase::Begin, at);
        scene.list(at, "/", &[("d", DIR), ("e", DIR)]);
        scene.list(at, "/d", &[("x", file(1, 1)), ("y", file(1, 1))]);
        scene.cycle(CyclePhase::End, at + 1);
    };
    list(&mut scene, 1);
    let older = scene.snapshot();
    list(&mut scene, 100);
    scene.upsert(110, Tier::Scan, "/d/y", file(1, 1));
    let newer = scene.snapshot();
    assert_ne!(older.revision(), newer.revision());
    assert!(Difference::between(&older, &newer).is_empty());
}
