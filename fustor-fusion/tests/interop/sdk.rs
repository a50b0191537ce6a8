//! The client library of 0.8 against this fusion.

use std::path::Path;

use crate::bed::peers::{Make, python};
use crate::bed::site::{QUIET, Site};

#[test]
fn every_call_does_what_its_users_rely_on() {
    let site = Site::new(QUIET);
    let _fusion = site.fusion(Make::Ours);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/sdk.py");
    let mut command = python("python");
    command.arg(script).arg(format!("http://127.0.0.1:{}", site.receiver())).arg("push-key");
    command.arg(site.view_url()).arg("query-key");
    let ended = command.output().expect("Python runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
}
