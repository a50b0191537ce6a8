//! Trees that are odd and legal: any bytes as names, a deep chain, a large directory.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::bed::bytes::wait_same;
use crate::bed::peers::Make::Ours;
use crate::bed::site::{QUIET, Site};

/// Files of one directory; `make soak` asks for more.
const MANY: usize = 100_000;
const DEEP: usize = 1000;

fn name(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

fn name_oddly(site: &Site, dir: &str) {
    site.mkdir(dir);
    let mut names: Vec<Vec<u8>> = (1..=255).map(|byte| vec![byte]).collect();
    names.retain(|name| name != b"/" && name != b".");
    names.extend(
        [&b"\xff\xfe\x80"[..], b"a\xc3", b"\xc3\xa4", b"...", b"a\nb", b"\\\"'", b"-rf", b" "]
            .map(<[u8]>::to_vec),
    );
    names.extend([vec![0xff; 255], vec![b'x'; 255]]);
    for bytes in &names {
        fs::write(site.at(dir).join(name(bytes)), "x").expect("a legal name");
    }
    let below = site.at(dir).join(name(b"d\xffr"));
    fs::create_dir(&below).expect("a directory");
    fs::write(below.join(name(b"\x80")), "deeper").expect("a file");
    symlink(name(b"\xff nowhere"), below.join(name(b"link\xf0"))).expect("a symlink");
}

#[test]
fn names_are_any_bytes() {
    let site = Site::new(QUIET);
    name_oddly(&site, "scanned");
    let _fusion = site.fusion(Ours);
    let _agent = site.agent(Ours, "agent");
    site.wait_ready();
    wait_same(&site, &site.tree());
    name_oddly(&site, "watched");
    wait_same(&site, &site.tree());
    let (from, to) =
        (site.at("scanned").join(name(b"d\xffr")), site.at("watched").join(name(b"moved\xf1")));
    fs::rename(from, to).expect("it is there");
    fs::remove_file(site.at("watched").join(name(&[0xff; 255]))).expect("it is there");
    wait_same(&site, &site.tree());
}

#[test]
fn a_chain_of_a_thousand_directories() {
    let site = Site::new(QUIET);
    let chain =
        |top: &str| -> PathBuf { std::iter::once(top).chain((0..DEEP).map(|_| "d")).collect() };
    fs::create_dir_all(site.tree().join(chain("scanned"))).expect("a chain");
    let _fusion = site.fusion(Ours);
    let _agent = site.agent(Ours, "agent");
    site.wait_ready();
    wait_same(&site, &site.tree());
    fs::write(site.tree().join(chain("scanned")).join("bottom"), "x").expect("a file");
    fs::create_dir_all(site.tree().join(chain("watched"))).expect("a chain");
    wait_same(&site, &site.tree());
    fs::rename(site.at("scanned"), site.at("renamed")).expect("it is there");
    fs::write(site.tree().join(chain("renamed")).join("bottom"), "xyz").expect("a file");
    fs::remove_dir_all(site.at("watched")).expect("it is there");
    wait_same(&site, &site.tree());
}

#[test]
fn a_directory_of_very_many_files() {
    let many = std::env::var("FUSTOR_MANY").map_or(MANY, |many| many.parse().expect("a number"));
    let site = Site::new(QUIET);
    site.mkdir("many");
    for n in 0..many {
        fs::File::create(site.at(&format!("many/file-{n:07}"))).expect("a file");
    }
    let _fusion = site.fusion(Ours);
    let _agent = site.agent(Ours, "agent");
    site.wait_ready();
    wait_same(&site, &site.tree());
    for n in (0..many).step_by(1000) {
        fs::remove_file(site.at(&format!("many/file-{n:07}"))).expect("it is there");
        site.write(&format!("many/new-{n}"), "x");
        site.write(&format!("many/file-{:07}", n + 1), "longer");
    }
    wait_same(&site, &site.tree());
}
