//! Every entry below a root as `lstat` and `/find` tell it, byte for byte: any name, any depth, to the nanosecond.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use fustor_core::query::decode_base64;
use serde_json::Value;

use super::http::Answer;
use super::process::wait_until;
use super::site::Site;

/// Differences that are shown.
const SHOWN: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    kind: &'static str,
    size: u64,
    inode: u64,
    mtime: i64,
    ctime: i64,
}

/// Entries by their path.
pub(crate) type Entries = BTreeMap<Vec<u8>, Facts>;

/// What is below `root` on the disk.
pub(crate) fn on_disk(root: &Path) -> Entries {
    let mut entries = Entries::new();
    let mut open = vec![PathBuf::new()];
    while let Some(dir) = open.pop() {
        // What goes while it is looked at is not there.
        let Ok(found) = std::fs::read_dir(root.join(&dir)) else { continue };
        for entry in found.flatten() {
            let Ok(stat) = entry.metadata() else { continue };
            let below = dir.join(entry.file_name());
            let path = [b"/", below.as_os_str().as_bytes()].concat();
            if stat.is_dir() {
                open.push(below);
            }
            entries.insert(path, facts(&stat));
        }
    }
    entries
}

fn facts(stat: &std::fs::Metadata) -> Facts {
    let nanos = |seconds: i64, nanos: i64| seconds * 1_000_000_000 + nanos;
    let of = stat.file_type();
    let kind = match () {
        () if of.is_dir() => "directory",
        () if of.is_symlink() => "symlink",
        () if of.is_fifo() => "fifo",
        () if of.is_socket() => "socket",
        () => "file",
    };
    Facts {
        kind,
        size: stat.size(),
        inode: stat.ino(),
        mtime: nanos(stat.mtime(), stat.mtime_nsec()),
        ctime: nanos(stat.ctime(), stat.ctime_nsec()),
    }
}

/// What a view shows, and what it says that is worth.
pub(crate) fn in_view(site: &Site) -> Result<(Entries, Answer), String> {
    let answer = site.get("/find?path=/&format=ndjson").ok_or("nobody answers")?;
    if answer.status != 200 {
        return Err(format!("{}: {}", answer.status, answer.text));
    }
    let mut entries = Entries::new();
    let mut tail = None;
    for line in answer.text.lines() {
        let value: Value = serde_json::from_str(line).expect("each line is JSON");
        if value.get("revision").is_some() {
            tail = Some(value["next"].clone());
            continue;
        }
        let shown = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        let path = path_of(&value);
        assert_eq!(entries.insert(path.clone(), told(&value)), None, "{} twice", shown(&path));
    }
    match tail {
        Some(Value::Null) => Ok((entries, answer)),
        other => Err(format!("the answer is not whole: {other:?}")),
    }
}

fn path_of(entry: &Value) -> Vec<u8> {
    match entry["path_b64"].as_str() {
        Some(text) => decode_base64("path_b64", text).expect("base64"),
        None => entry["path"].as_str().expect("a path").as_bytes().to_vec(),
    }
}

fn told(entry: &Value) -> Facts {
    let kind = entry["kind"].as_str().or_else(|| entry["content_type"].as_str());
    let kinds = ["directory", "symlink", "fifo", "socket"];
    Facts {
        kind: kinds.into_iter().find(|word| Some(*word) == kind).unwrap_or("file"),
        size: entry["size"].as_u64().expect("a size"),
        inode: entry["inode"].as_u64().expect("an inode"),
        mtime: entry["modified_time_ns"].as_i64().expect("a time"),
        ctime: entry["created_time_ns"].as_i64().expect("a time"),
    }
}

/// What differs.
pub(crate) fn differences(disk: &Entries, view: &Entries) -> Result<(), String> {
    let mut told = Vec::new();
    let mut tell = |path: &[u8]| {
        let name = Path::new(OsStr::from_bytes(path)).display();
        told.push(format!("{name}\n  disk: {:?}\n  view: {:?}", disk.get(path), view.get(path)));
    };
    disk.iter().filter(|(path, facts)| view.get(*path) != Some(*facts)).for_each(|(p, _)| tell(p));
    view.keys().filter(|path| !disk.contains_key(*path)).for_each(|path| tell(path));
    match told.len() {
        0 => Ok(()),
        many => Err(format!("{many} differ:\n{}", told[..many.min(SHOWN)].join("\n"))),
    }
}

/// How the view differs from what is below `root`.
pub(crate) fn compare(site: &Site, root: &Path) -> Result<(), String> {
    let (view, answer) = in_view(site)?;
    differences(&on_disk(root), &view).map_err(|found| format!("{found}\n{}", answer.trust))
}

/// Waits until the view shows what is below `root`.
pub(crate) fn wait_same(site: &Site, root: &Path) {
    wait_until("the view shows what is there", || compare(site, root));
}
