//! What `lstat` says of a tree and what a view says of it, as far as they can be compared.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::bed::process::wait_until;
use crate::bed::site::Site;

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Sizes and times to the nanosecond.
    Exact,
    /// Sizes, and times as floats can carry them.
    Rounded,
    /// As rounded, but of directories only that they are there: 0.8 does not tell how they change.
    Files,
}

/// 0.8 tells times as floats, and its fusion is told a little later ones.
const ROUNDING_NS: i64 = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    kind: String,
    size: u64,
    mtime: i64,
    ctime: i64,
}

type Picture = BTreeMap<String, Facts>;

fn on_disk(root: &Path) -> Picture {
    let mut picture = Picture::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        // What goes while it is looked at is not there.
        let Ok(stat) = std::fs::symlink_metadata(&path) else { continue };
        let below = path.strip_prefix(root).expect("below the root").to_string_lossy();
        picture.insert(format!("/{below}"), stat_facts(&stat));
        if stat.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            open.extend(entries.map(|entry| entry.path()));
        }
    }
    picture
}

fn stat_facts(stat: &Metadata) -> Facts {
    let nanos = |seconds: i64, nanos: i64| seconds * 1_000_000_000 + nanos;
    Facts {
        kind: if stat.is_dir() { "directory" } else { "file" }.to_owned(),
        size: stat.size(),
        mtime: nanos(stat.mtime(), stat.mtime_nsec()),
        ctime: nanos(stat.ctime(), stat.ctime_nsec()),
    }
}

fn in_view(tree: &Value) -> Picture {
    let mut picture = Picture::new();
    let mut open = vec![tree];
    while let Some(node) = open.pop() {
        let path = node["path"].as_str().expect("a path").to_owned();
        let time = |name: &str| {
            let exact = node[format!("{name}_time_ns").as_str()].as_i64();
            let rounded = || node[format!("{name}_time").as_str()].as_f64().expect("a time");
            exact.unwrap_or_else(|| (rounded() * 1e9) as i64)
        };
        let facts = Facts {
            kind: node["content_type"].as_str().expect("a kind").to_owned(),
            size: node["size"].as_u64().expect("a size"),
            mtime: time("modified"),
            ctime: time("created"),
        };
        assert_eq!(picture.insert(path, facts), None, "a path stands twice: {node}");
        open.extend(node["children"].as_array().into_iter().flatten());
    }
    picture
}

fn equal(look: Look, one: &Facts, other: &Facts) -> bool {
    match look {
        Look::Exact => one == other,
        Look::Files if one.kind == "directory" => other.kind == one.kind,
        Look::Rounded | Look::Files => {
            let near = one.mtime.abs_diff(other.mtime) <= ROUNDING_NS.unsigned_abs();
            (&one.kind, one.size, near) == (&other.kind, other.size, true)
        }
    }
}

fn differences(look: Look, disk: &Picture, view: &Picture) -> Vec<String> {
    let mut paths: Vec<&String> = disk.keys().chain(view.keys()).collect();
    paths.sort();
    paths.dedup();
    let differ = |path: &&String| match (disk.get(*path), view.get(*path)) {
        (Some(one), Some(other)) => !equal(look, one, other),
        (_, _) => true,
    };
    let shown = |path: &String| {
        format!("{path}\n  on disk: {:?}\n  in view: {:?}", disk.get(path), view.get(path))
    };
    paths.into_iter().filter(differ).map(shown).collect()
}

/// What of the tree the view shows otherwise.
pub(crate) fn compare(site: &Site, look: Look) -> Result<(), String> {
    let answer = site.get("/tree?path=/").ok_or("nobody answers")?;
    if answer.status != 200 {
        return Err(format!("{}: {}", answer.status, answer.body));
    }
    let differ = differences(look, &on_disk(&site.tree()), &in_view(&answer.body));
    if differ.is_empty() { Ok(()) } else { Err(differ[..differ.len().min(10)].join("\n")) }
}

/// Waits until the view shows the tree.
pub(crate) fn wait_equal(site: &Site, look: Look) {
    wait_until("the view equals the disk", || compare(site, look));
}
