//! The standalone command on a real directory: it follows the disk, ends when told and starts again.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::child::{Fusion, command};
use crate::disk::wait_until_equal;

fn plant(root: &Path) {
    fs::create_dir_all(root.join("a/b/c")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    for n in 0..300 {
        fs::write(root.join(format!("a/f{n:03}")), vec![b'x'; n]).unwrap();
    }
    fs::write(root.join("a/b/c/deep.log"), "deep").unwrap();
    fs::write(root.join("name with ünïcode"), "").unwrap();
    symlink("a/f001", root.join("link")).unwrap();
}

#[test]
fn the_view_follows_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    plant(root);
    let mut fusion = Fusion::watch(&[root], &[]);
    fusion.line_with("first scan complete: 307 entries (303 files, 4 directories)");
    wait_until_equal(&fusion, root);

    fs::write(root.join("new"), "new").unwrap();
    fs::create_dir_all(root.join("made/deep")).unwrap();
    fs::write(root.join("made/deep/file"), "x").unwrap();
    wait_until_equal(&fusion, root);

    let mut append = fs::OpenOptions::new().append(true).open(root.join("a/f010")).unwrap();
    std::io::Write::write_all(&mut append, b"more").unwrap();
    wait_until_equal(&fusion, root);
    drop(append);

    fs::rename(root.join("a/f011"), root.join("empty/moved")).unwrap();
    fs::rename(root.join("a/b"), root.join("empty/b")).unwrap();
    fs::rename(root.join("empty"), root.join("full")).unwrap();
    wait_until_equal(&fusion, root);
    fs::write(root.join("full/b/c/after the move"), "x").unwrap();
    wait_until_equal(&fusion, root);

    fs::remove_file(root.join("a/f012")).unwrap();
    fs::remove_dir_all(root.join("made")).unwrap();
    wait_until_equal(&fusion, root);
    fs::remove_file(root.join("link")).unwrap();
    fs::create_dir(root.join("link")).unwrap();
    wait_until_equal(&fusion, root);

    assert_eq!(fusion.ask("/list?path=/full/b/c")["entries"].as_array().unwrap().len(), 2);
    let settled = fusion.ask("/settled?path=/full&quiet_sec=1&wait_sec=60");
    assert_eq!(settled["settled"], true, "{settled}");

    fusion.signal("-TERM");
    assert_eq!(fusion.ended().code(), Some(0));
}

#[test]
fn a_killed_command_starts_again_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    plant(root);
    let mut first = Fusion::watch(&[root], &[]);
    first.line_with("first scan complete");
    first.signal("-KILL");
    assert_eq!(first.ended().code(), None);
    fs::remove_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/meanwhile"), "x").unwrap();
    let second = Fusion::watch(&[root], &[]);
    second.line_with("first scan complete");
    wait_until_equal(&second, root);
}

#[test]
fn without_watching_an_audit_finds_the_changes() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    plant(root);
    let fusion = Fusion::watch(&[root], &["--no-watch", "--audit-interval", "1"]);
    fusion.line_with("first scan complete");
    wait_until_equal(&fusion, root);
    fs::write(root.join("a/f001"), "written over").unwrap();
    fs::remove_file(root.join("a/f002")).unwrap();
    wait_until_equal(&fusion, root);
}

#[test]
fn several_directories_are_several_views() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(one.path().join("x"), "").unwrap();
    let mut fusion = Fusion::watch(&[one.path(), two.path()], &["--log-format", "json"]);
    let (status, _, body) = fusion.get("/api/v1/management/views");
    assert_eq!(status, 200);
    let views: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(views["running_views"].as_object().unwrap().len(), 2);
    fusion.signal("-INT");
    assert_eq!(fusion.ended().code(), Some(0));
}

#[test]
fn what_cannot_work_ends_with_one_line_and_a_code() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    let running = Fusion::watch(&[dir.path()], &[]);
    let missing = format!("{root}/missing");
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let cases: [(&[&str], i32, &str); 5] = [
        (&["watch", &missing, "--port", "0"], 1, "missing"),
        (&["watch", file.to_str().unwrap(), "--port", "0"], 1, "file"),
        (&["watch", root, "--port", running.port()], 1, running.port()),
        (&["watch"], 2, "DIR"),
        (&["watch", root, "--port", "x"], 2, "--port"),
    ];
    for (args, code, named) in cases {
        let output = command().args(args).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(named), "{args:?}: {text}");
        assert!(
            code == 2 || text.trim_end().lines().last().unwrap().starts_with("fustor-fusion: "),
            "{text}"
        );
    }
}
