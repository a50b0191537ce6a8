//! The committed header is what the sources say.

use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config};

/// The files that export something.
const SOURCES: [&str; 7] =
    ["edge.rs", "facts.rs", "entries.rs", "events.rs", "snapshot.rs", "changes.rs", "view.rs"];

#[test]
fn the_header_is_up_to_date() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::from_file(home.join("cbindgen.toml")).expect("a configuration");
    let mut builder = Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(home.join("src").join(source));
    }
    let mut written = Vec::new();
    builder.generate().expect("the sources are understood").write(&mut written);
    let written = String::from_utf8(written).expect("UTF-8");
    let path = home.join("include/fustor.h");
    if std::env::var_os("FUSTOR_WRITE_HEADER").is_some() {
        fs::write(&path, &written).expect("the header is written");
    }
    let committed = fs::read_to_string(&path).expect("the header is there");
    assert!(committed == written, "include/fustor.h is old: run FUSTOR_WRITE_HEADER=1 cargo test");
}
