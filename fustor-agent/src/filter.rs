//! What a source does not look at: excluded directories, and entries that are not to be reported.

use fustor_core::query::Glob;
use fustor_core::{Kind, ViewPath};

/// The most patterns that one source takes: each entry is compared with all of them.
pub const EXCLUDES_MAX: usize = 256;
/// The longest pattern, in bytes.
pub const PATTERN_MAX: usize = 4096;

/// One pattern of `exclude`.
#[derive(Clone, Debug)]
struct Rule {
    glob: Glob,
    /// Of the whole path below the root, not of the name.
    whole: bool,
    /// Directories only.
    dirs: bool,
}

impl Rule {
    /// `name` matches names anywhere, `a/b` and `/name` paths below the root, and what ends with a slash directories.
    fn new(pattern: &str) -> Self {
        let (pattern, dirs) = pattern.strip_suffix('/').map_or((pattern, false), |p| (p, true));
        let whole = pattern.contains('/');
        let glob = Glob::new(pattern.strip_prefix('/').unwrap_or(pattern).as_bytes());
        Self { glob, whole, dirs }
    }
}

/// The patterns of one source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    rules: Vec<Rule>,
    /// What the names of everything but directories must match.
    files: Option<Glob>,
    has_whole: bool,
}

impl Filter {
    pub(crate) fn new(exclude: &[String], file_pattern: &str) -> Self {
        let rules: Vec<_> = exclude.iter().map(|pattern| Rule::new(pattern)).collect();
        let files = (file_pattern != "*").then(|| Glob::new(file_pattern.as_bytes()));
        let has_whole = rules.iter().any(|rule| rule.whole);
        Self { rules, files, has_whole }
    }

    /// Whether everything is looked at.
    pub(crate) fn is_open(&self) -> bool {
        self.rules.is_empty() && self.files.is_none()
    }

    /// Whether a directory may be excluded in one place and not in another.
    pub(crate) fn depends_on_place(&self) -> bool {
        self.has_whole
    }

    /// Whether an entry is not to be looked at: of a directory what is in it, of anything else that it is there.
    pub(crate) fn hides(&self, dir: &ViewPath, name: &[u8], kind: Kind) -> bool {
        if self.is_open() {
            return false;
        }
        let is_dir = kind.is_dir();
        let path = self.has_whole.then(|| dir.join(name));
        let unwanted = |files: &Glob| !is_dir && !files.matches(name);
        self.files.as_ref().is_some_and(unwanted)
            || self.rules.iter().any(|rule| match &path {
                _ if rule.dirs && !is_dir => false,
                Some(path) if rule.whole => rule.glob.matches(&path.as_bytes()[1..]),
                Some(_) | None => rule.glob.matches(name),
            })
    }

    /// The directory in which the highest excluded one lies that leads to this one or is it.
    pub(crate) fn above_excluded(&self, dir: &ViewPath) -> Option<ViewPath> {
        if self.rules.is_empty() {
            return None;
        }
        let mut at = ViewPath::root();
        for name in dir.names() {
            if self.hides(&at, name, Kind::Dir) {
                return Some(at);
            }
            at = at.join(name);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ViewPath {
        ViewPath::parse(text.as_bytes()).unwrap()
    }

    fn hides(filter: &Filter, entry: &str, kind: Kind) -> bool {
        let (dir, name) = path(entry).split().map(|(dir, name)| (dir, name.to_vec())).unwrap();
        filter.hides(&dir, &name, kind)
    }

    #[test]
    fn patterns_mean_names_paths_and_directories() {
        let cases = [
            ("*.tmp", "/a/b.tmp", Kind::File, true),
            ("*.tmp", "/a/b.tmp", Kind::Dir, true),
            ("*.tmp", "/a.tmp/b", Kind::File, false),
            ("*.tmp/", "/a/b.tmp", Kind::File, false),
            ("*.tmp/", "/a/b.tmp", Kind::Dir, true),
            ("/build", "/build", Kind::Dir, true),
            ("/build", "/a/build", Kind::Dir, false),
            ("a/*/c", "/a/b/c", Kind::Dir, true),
            ("a/*/c", "/x/a/b/c", Kind::Dir, false),
            ("a/*", "/a/b/c", Kind::File, true),
            ("[!a]?", "/bc", Kind::Symlink, true),
            ("[!a]?", "/ac", Kind::Symlink, false),
        ];
        for (pattern, entry, kind, want) in cases {
            let filter = Filter::new(&[pattern.to_owned()], "*");
            assert_eq!(hides(&filter, entry, kind), want, "{pattern} {entry} {kind:?}");
        }
    }

    #[test]
    fn a_file_pattern_says_nothing_of_directories() {
        let filter = Filter::new(&[], "*.dat");
        assert!(!hides(&filter, "/a", Kind::Dir) && !hides(&filter, "/a.dat", Kind::File));
        assert!(hides(&filter, "/a", Kind::File) && hides(&filter, "/a", Kind::Symlink));
        assert_eq!(filter.above_excluded(&path("/a/b")), None);
        assert!(Filter::new(&[], "*").is_open());
    }

    #[test]
    fn what_is_below_an_excluded_directory_leads_to_what_it_lies_in() {
        let filter = Filter::new(&["cache".to_owned(), "/x/y/z".to_owned()], "*");
        for (dir, above) in [
            ("/a/cache/b/cache/c", Some("/a")),
            ("/cache", Some("/")),
            ("/x/y/z", Some("/x/y")),
            ("/x/y", None),
        ] {
            assert_eq!(filter.above_excluded(&path(dir)), above.map(path), "{dir}");
        }
    }
}
