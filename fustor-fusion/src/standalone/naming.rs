//! Names of views, from the names of their directories.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The name of the view of a single directory; the tools of 0.8 ask for it unless told otherwise.
const DEFAULT: &str = "view-1";

/// A name for the view of each directory: `named`, or `view-1`, when there is one directory; else made of the
/// directories' own names, kept apart by numbers.
#[must_use]
pub fn name_views(dirs: &[PathBuf], named: Option<&str>) -> Vec<String> {
    if let [_] = dirs {
        return vec![named.unwrap_or(DEFAULT).to_owned()];
    }
    let mut taken = BTreeSet::new();
    dirs.iter().map(|dir| free_name(&plain(dir), &mut taken)).collect()
}

fn free_name(base: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|n: usize| format!("{base}-{n}"));
    let mut names = std::iter::once(base.to_owned()).chain(numbered);
    let free = names.find(|name| !taken.contains(name)).unwrap_or_else(|| base.to_owned());
    taken.insert(free.clone());
    free
}

/// Letters, digits, dots, dashes and underscores of the last component.
fn plain(dir: &Path) -> String {
    let resolved = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = resolved.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "root".to_owned());
    let keep = |c: char| if c.is_alphanumeric() || ".-_".contains(c) { c } else { '-' };
    name.chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dirs: &[&str], named: Option<&str>) -> Vec<String> {
        name_views(&dirs.iter().map(PathBuf::from).collect::<Vec<_>>(), named)
    }

    #[test]
    fn one_directory_has_the_name_that_tools_expect() {
        assert_eq!(names(&["/nowhere/a"], None), ["view-1"]);
        assert_eq!(names(&["/nowhere/a"], Some("main")), ["main"]);
    }

    #[test]
    fn several_directories_are_kept_apart() {
        let dirs = ["/nowhere/a", "/elsewhere-too/a", "/nowhere/b c", "/"];
        assert_eq!(names(&dirs, None), ["a", "a-2", "b-c", "root"]);
    }
}
