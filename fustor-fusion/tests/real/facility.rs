//! What these tests need of a machine beside its programs. What is not there is told, and `scripts/missing` counts it.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::bed::peers::python;
use crate::mount::{Bind, Tmpfs};

/// The file to which what is missing is appended, a line for each test.
const MISSING: &str = "FUSTOR_MISSING";

/// Something that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facility {
    /// `bindfs` can mount.
    Fuse,
    /// Python programs can mount.
    PythonFuse,
    /// A user namespace with a limit of watches of its own.
    UserNamespace,
    /// A file system in memory can be mounted.
    Tmpfs,
    /// A program can be started that must keep to permissions, though it is root.
    Privileges,
}

/// Takes away what makes root exempt from permissions.
pub(crate) const PLAIN: [&str; 3] = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
];

impl Facility {
    /// Its name in `docs/testing.md`.
    const fn name(self) -> &'static str {
        match self {
            Self::Fuse => "fuse",
            Self::PythonFuse => "python-fuse",
            Self::UserNamespace => "user-namespace",
            Self::Tmpfs => "tmpfs",
            Self::Privileges => "privileges",
        }
    }

    fn is_here(self) -> bool {
        static FUSE: LazyLock<bool> = LazyLock::new(Bind::can_mount);
        static PYTHON: LazyLock<bool> =
            LazyLock::new(|| *FUSE && runs(python("python").args(["-c", "import mfusepy"])));
        static NAMESPACE: LazyLock<bool> = LazyLock::new(|| {
            let [first, more @ ..] = &limited(1000)[..] else { return false };
            runs(Command::new(first).args(more).arg("true"))
        });
        static TMPFS: LazyLock<bool> = LazyLock::new(Tmpfs::can_mount);
        static PRIVILEGES: LazyLock<bool> = LazyLock::new(|| {
            let [first, more @ ..] = PLAIN;
            rustix::process::geteuid().is_root() && runs(Command::new(first).args(more).arg("true"))
        });
        match self {
            Self::Fuse => *FUSE,
            Self::PythonFuse => *PYTHON,
            Self::UserNamespace => *NAMESPACE,
            Self::Tmpfs => *TMPFS,
            Self::Privileges => *PRIVILEGES,
        }
    }
}

/// Starts a program with at most so many watches, which nobody else notices.
pub(crate) fn limited(watches: u32) -> Vec<String> {
    let script = format!("echo {watches} >/proc/sys/user/max_inotify_watches && exec \"$@\"");
    let words = ["unshare", "--user", "--map-root-user", "sh", "-c", &script, "sh"];
    words.map(str::to_owned).to_vec()
}

/// Whether the test that asks has to do without; then it is to return.
pub(crate) fn is_missing(needed: &[Facility]) -> bool {
    let Some(facility) = needed.iter().find(|facility| !facility.is_here()) else { return false };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("missing: {}: {test}\n", facility.name());
    eprint!("{line}");
    if let Some(path) = std::env::var_os(MISSING) {
        let file = File::options().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("it is written down");
    }
    true
}

fn runs(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|ended| ended.status.success())
}

#[test]
fn each_facility_stands_in_the_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/testing.md");
    let page = fs::read_to_string(page).expect("the page");
    for facility in [
        Facility::Fuse,
        Facility::PythonFuse,
        Facility::UserNamespace,
        Facility::Tmpfs,
        Facility::Privileges,
    ] {
        let begin = format!("| {} |", facility.name());
        assert!(page.lines().any(|line| line.starts_with(&begin)), "{begin}");
    }
}
