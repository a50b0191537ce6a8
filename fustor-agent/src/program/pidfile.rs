//! The file that says which process runs: locked for as long as it does, so that a stale number deceives nobody.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

/// Why the file was not taken.
#[derive(Debug, Error)]
pub enum PidError {
    /// Another process holds it.
    #[error("already running with PID: {}", shown(*.0))]
    Running(Option<u32>),
    /// The file cannot be made, read or locked.
    #[error("cannot use {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// The claim of this process. Dropping it removes the file.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    // The lock lives as long as the file is open.
    _file: File,
}

impl PidFile {
    /// Claims the file for this process.
    ///
    /// # Errors
    /// [`PidError`]; then another process runs, or nothing can be said.
    pub fn take(path: &Path) -> Result<Self, PidError> {
        let fault = |error| PidError::File { path: path.to_owned(), error };
        loop {
            let mut file = open(path).map_err(fault)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => (),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(PidError::Running(read(&mut file)));
                }
                Err(error) => return Err(fault(error.into())),
            }
            // The one who held it may have removed it between the opening and the lock.
            if !is_still_there(&file, path) {
                continue;
            }
            file.set_len(0).map_err(fault)?;
            writeln!(file, "{}", std::process::id()).map_err(fault)?;
            return Ok(Self { path: path.to_owned(), _file: file });
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A file that stays behind without a lock is harmless.
        drop(std::fs::remove_file(&self.path));
    }
}

/// The process that holds the file now.
///
/// # Errors
/// [`PidError::File`] when the file is there and cannot be read.
pub fn running(path: &Path) -> Result<Option<u32>, PidError> {
    let fault = |error| PidError::File { path: path.to_owned(), error };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(read(&mut file)),
        Err(error) => Err(fault(error.into())),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn is_still_there(file: &File, path: &Path) -> bool {
    let id = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    let (held, named) = (file.metadata().map(id), std::fs::metadata(path).map(id));
    matches!((held, named), (Ok(held), Ok(named)) if held == named)
}

fn read(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn shown(pid: Option<u32>) -> String {
    pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_the_file_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        assert_eq!(running(&path).unwrap(), None);
        let held = PidFile::take(&path).unwrap();
        assert_eq!(running(&path).unwrap(), Some(std::process::id()));
        assert!(matches!(PidFile::take(&path), Err(PidError::Running(Some(_)))));
        drop(held);
        assert!(!path.exists());
        drop(PidFile::take(&path).unwrap());
    }

    #[test]
    fn a_file_left_by_a_dead_process_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        std::fs::write(&path, "1\nlonger than a number").unwrap();
        assert_eq!(running(&path).unwrap(), None);
        let _held = PidFile::take(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }
}
