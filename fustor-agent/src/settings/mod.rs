//! The configuration of an agent: `$FUSTOR_HOME/agent-config/*.yaml`, as 0.8 wrote them and as this project adds to them.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::config::SourceConfig;
use crate::program::did_you_mean;
use crate::program::log::Level;
use crate::push::{Compression, Speech};

pub use read::{CONFIG_DIR, read};

/// What an agent is to do.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The id of the agent; `None`: the one in `agent.id`.
    pub agent_id: Option<String>,
    /// How much is logged.
    pub log_level: Level,
    /// The pipes that are not disabled, nor their source or sender.
    pub pipes: BTreeMap<String, PipeSettings>,
}

/// One pipe.
#[derive(Clone, Debug)]
pub struct PipeSettings {
    /// The file that it stands in.
    pub file: PathBuf,
    /// The id of its source.
    pub source: String,
    /// What is observed and how.
    pub observed: SourceSettings,
    /// The id of its sender.
    pub sender: String,
    /// Where it is told.
    pub told: SenderSettings,
    /// How long the session is to survive silence, in seconds.
    pub session_timeout: Option<u64>,
}

/// One source.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// How it observes its root.
    pub config: SourceConfig,
    /// Whether a leader scans everything at once.
    pub snapshot: bool,
}

/// One sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderSettings {
    /// The address of fusion's receiver.
    pub uri: String,
    /// The push key.
    pub key: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// What fusion is expected to speak.
    pub speech: Speech,
    /// Whether batches are compressed.
    pub compression: Compression,
}

impl PipeSettings {
    /// Whether a pipe with these settings would do what one with the others does.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let of =
            |pipe: &Self| format!("{:?} {:?} {:?}", pipe.observed, pipe.told, pipe.session_timeout);
        of(self) == of(other)
    }
}

/// A word that names no pipe and no file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no {what} {word:?} is configured{hint}")]
pub struct SelectError {
    what: &'static str,
    word: String,
    hint: String,
}

impl Config {
    /// Leaves only the pipes that `words` name by their ids or by their files; without words, all.
    ///
    /// # Errors
    /// [`SelectError`] for the first word that names nothing.
    pub fn select(&mut self, words: &[String]) -> Result<(), SelectError> {
        if words.is_empty() {
            return Ok(());
        }
        let mut chosen = BTreeSet::new();
        for word in words {
            chosen.extend(self.named(word)?);
        }
        self.pipes.retain(|id, _| chosen.contains(id));
        Ok(())
    }

    fn named(&self, word: &str) -> Result<Vec<String>, SelectError> {
        let is_file = word.ends_with(".yaml") || word.ends_with(".yml");
        let name = |id: &String, pipe: &PipeSettings| match is_file {
            true => pipe.file.file_name().map(|name| name.to_string_lossy().into_owned()),
            false => Some(id.clone()),
        };
        let all: Vec<_> =
            self.pipes.iter().filter_map(|(id, pipe)| Some((id, name(id, pipe)?))).collect();
        let found: Vec<_> =
            all.iter().filter(|(_, name)| name == word).map(|(id, _)| (*id).clone()).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let known: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
        let what = if is_file { "pipe of a file" } else { "pipe" };
        Err(SelectError { what, word: word.to_owned(), hint: did_you_mean(word, &known) })
    }
}

#[cfg(test)]
mod tests;
