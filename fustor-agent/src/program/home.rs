//! Where a program keeps its files: `FUSTOR_HOME`, else `~/.fustor`.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why there is no home.
#[derive(Debug, Error)]
pub enum HomeError {
    /// Neither variable is set.
    #[error("neither FUSTOR_HOME nor HOME is set, so there is no place for files")]
    Unset,
    /// The directory cannot be made.
    #[error("cannot create {path}: {error}")]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// The directory of a program's files.
///
/// # Errors
/// [`HomeError::Unset`] when the environment names none.
pub fn home() -> Result<PathBuf, HomeError> {
    let user = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let named = env::var_os("FUSTOR_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    match (named, user) {
        (Some(named), user) => Ok(absolute(&expand(&named, user.as_deref()))),
        (None, Some(user)) => Ok(user.join(".fustor")),
        (None, None) => Err(HomeError::Unset),
    }
}

/// Makes a directory and what is above it, unless it is there.
///
/// # Errors
/// [`HomeError::Create`] with the directory.
pub fn create(path: &Path) -> Result<(), HomeError> {
    std::fs::create_dir_all(path)
        .map_err(|error| HomeError::Create { path: path.to_owned(), error })
}

/// `~` and `~/x` as a shell reads them.
fn expand(path: &Path, user: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), user) {
        (Ok(rest), Some(user)) => user.join(rest),
        (Ok(_), None) | (Err(_), _) => path.to_owned(),
    }
}

/// A program in the background has another working directory.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_of_the_user() {
        let user = Some(Path::new("/users/u"));
        assert_eq!(expand(Path::new("~/x/y"), user), Path::new("/users/u/x/y"));
        assert_eq!(expand(Path::new("~"), user), Path::new("/users/u"));
        assert_eq!(expand(Path::new("~x/y"), user), Path::new("~x/y"));
        assert_eq!(expand(Path::new("/a/~"), user), Path::new("/a/~"));
        assert_eq!(expand(Path::new("~/x"), None), Path::new("~/x"));
    }
}
