//! What a pipe remembers beyond its process: its session, and how many lives its source has had.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The file of one pipe.
#[derive(Clone, Debug)]
pub struct Memory {
    path: PathBuf,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// The last life of the source.
    #[serde(default)]
    epoch: u64,
    /// The last session, and the life of the source that spoke in it.
    #[serde(default)]
    session: Option<(String, u64)>,
}

impl Memory {
    /// What is kept in this file.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The number of a life of the source that begins `now`, and the session before it. Greater than every number
    /// before. When the file was lost the wall clock counts on, in microseconds: faster than lives can follow each
    /// other, and below 2^53, which JSON holds exactly, until the year 2255.
    pub(super) fn begin_life(&self, now: SystemTime) -> (u64, Option<(String, u64)>) {
        let kept = self.read();
        let clock = now.duration_since(UNIX_EPOCH);
        let clock = clock.map_or(1, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
        let epoch = clock.max(kept.epoch.saturating_add(1));
        self.write(&Kept { epoch, session: kept.session.clone() });
        (epoch, kept.session)
    }

    pub(super) fn joined(&self, session: &str, epoch: u64) {
        self.write(&Kept { epoch, session: Some((session.to_owned(), epoch)) });
    }

    /// The session was given back.
    pub(super) fn left(&self, epoch: u64) {
        self.write(&Kept { epoch, session: None });
    }

    fn read(&self) -> Kept {
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(path = %self.path.display(), %error, "what was remembered is damaged");
                Kept::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "what was remembered is lost");
                Kept::default()
            }
        }
    }

    /// Replaces the file as a whole. Without it a restart costs a new session, no more.
    fn write(&self, kept: &Kept) {
        let outcome = serde_json::to_vec(kept)
            .map_err(io::Error::other)
            .and_then(|bytes| replace(&self.path, &bytes));
        if let Err(error) = outcome {
            tracing::warn!(path = %self.path.display(), %error, "nothing is remembered");
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(bytes)?;
    drop(file);
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lives_are_counted_up_whatever_happens_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path().join("below/pipe.json"));
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        assert_eq!(memory.begin_life(at(100)), (100, None));
        memory.joined("s-1", 100);
        let session = Some(("s-1".to_owned(), 100));
        assert_eq!(memory.begin_life(at(100)), (101, session.clone()), "two within one tick");
        assert_eq!(memory.begin_life(at(40)), (102, session), "a clock that was set back");
        memory.left(102);
        assert_eq!(memory.begin_life(at(200)), (200, None));
        std::fs::write(&memory.path, "{").unwrap();
        assert_eq!(memory.begin_life(at(300)), (300, None), "a damaged file");
        memory.write(&Kept { epoch: u64::MAX - 5, session: None });
        assert_eq!(memory.begin_life(at(400)).0, u64::MAX - 4);
    }
}
