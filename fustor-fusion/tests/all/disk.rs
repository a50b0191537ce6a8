//! What `lstat` says of a directory tree, and what a view says of it, in a form that can be compared.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use serde_json::Value;

use crate::child::Fusion;
use crate::fixture::wait_for;

/// Kind, size, mtime, ctime in nanoseconds, inode.
type Facts = (String, u64, i64, i64, u64);
pub(crate) type Picture = BTreeMap<String, Facts>;

/// All entries below `root`.
pub(crate) fn on_disk(root: &Path) -> Picture {
    let mut picture = Picture::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let stat = std::fs::symlink_metadata(&path).expect("it is there");
            let below = path.strip_prefix(root).expect("below the root").to_string_lossy();
            picture.insert(format!("/{below}"), facts(&stat));
            if stat.is_dir() {
                dirs.push(path);
            }
        }
    }
    picture
}

fn facts(stat: &Metadata) -> Facts {
    let nanos = |seconds: i64, nanos: i64| seconds * 1_000_000_000 + nanos;
    let kind = match stat.file_type() {
        kind if kind.is_dir() => "directory",
        kind if kind.is_file() => "file",
        kind if kind.is_symlink() => "symlink",
        kind if kind.is_fifo() => "fifo",
        kind if kind.is_socket() => "socket",
        kind => panic!("{kind:?} is not made by any test"),
    };
    let mtime = nanos(stat.mtime(), stat.mtime_nsec());
    let ctime = nanos(stat.ctime(), stat.ctime_nsec());
    (kind.to_owned(), stat.size(), mtime, ctime, stat.ino())
}

/// All entries of the first view.
pub(crate) fn in_view(fusion: &Fusion) -> Picture {
    let (status, _, body) = fusion.get("/api/v1/views/view-1/find?format=ndjson");
    assert_eq!(status, 200);
    let text = String::from_utf8(body).expect("UTF-8");
    let mut lines: Vec<&str> = text.lines().collect();
    let tail: Value = serde_json::from_str(lines.pop().expect("a last line")).expect("JSON");
    assert!(tail["revision"].is_string(), "{tail}");
    lines.into_iter().map(entry).collect()
}

fn entry(line: &str) -> (String, Facts) {
    let entry: Value = serde_json::from_str(line).expect("JSON");
    let kind = entry["kind"].as_str().or(entry["content_type"].as_str()).expect("a kind");
    let int = |key: &str| entry[key].as_i64().unwrap_or_else(|| panic!("no {key} in {entry}"));
    let uint = |key: &str| entry[key].as_u64().unwrap_or_else(|| panic!("no {key} in {entry}"));
    let facts = (
        kind.to_owned(),
        uint("size"),
        int("modified_time_ns"),
        int("created_time_ns"),
        uint("inode"),
    );
    (entry["path"].as_str().expect("a path").to_owned(), facts)
}

/// Waits until the view is what is on the disk; tells the difference if it never is.
pub(crate) fn wait_until_equal(fusion: &Fusion, root: &Path) {
    let late = std::time::Instant::now() + std::time::Duration::from_secs(30);
    wait_for("the view equals the disk", || {
        let (disk, view) = (on_disk(root), in_view(fusion));
        if disk == view {
            return Some(());
        }
        let differ = |one: &Picture, other: &Picture| -> Vec<String> {
            let lacks = |(path, facts): &(&String, &Facts)| other.get(*path) != Some(*facts);
            one.iter().filter(lacks).take(10).map(|entry| format!("{entry:?}")).collect()
        };
        assert!(
            std::time::Instant::now() < late,
            "on disk: {:#?}\nin the view: {:#?}",
            differ(&disk, &view),
            differ(&view, &disk)
        );
        None
    });
}
