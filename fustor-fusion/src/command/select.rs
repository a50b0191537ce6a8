//! Which pipes `start` starts: those of the named files, and the named ones.

use std::collections::BTreeSet;

use fustor_agent::program::did_you_mean;
use thiserror::Error;

use crate::config::Config;

/// A word that names no pipe and no file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no pipe{}{word:?} is configured{hint}", if *.file { " of a file " } else { " " })]
pub struct SelectError {
    word: String,
    file: bool,
    hint: String,
}

/// Leaves only the pipes that `words` name and the views that these feed; without words, everything.
///
/// # Errors
/// [`SelectError`] for the first word that names nothing.
pub fn select(config: &mut Config, words: &[String]) -> Result<(), SelectError> {
    if words.is_empty() {
        return Ok(());
    }
    let mut chosen = BTreeSet::new();
    for word in words {
        chosen.extend(named(config, word)?);
    }
    config.pipes.retain(|id, _| chosen.contains(id));
    let views: BTreeSet<&String> = config.pipes.values().flat_map(|pipe| &pipe.views).collect();
    config.views.retain(|id, _| views.contains(id));
    let receivers: BTreeSet<&String> = config.pipes.values().map(|pipe| &pipe.receiver).collect();
    config.receivers.retain(|id, _| receivers.contains(id));
    for receiver in config.receivers.values_mut() {
        receiver.keys.retain(|key| chosen.contains(&key.pipe));
    }
    Ok(())
}

fn named(config: &Config, word: &str) -> Result<Vec<String>, SelectError> {
    let file = word.ends_with(".yaml") || word.ends_with(".yml");
    let found: Vec<String> = config
        .pipes
        .iter()
        .filter(|(id, pipe)| match file {
            true => pipe.file.file_name().is_some_and(|name| name == word),
            false => id.as_str() == word,
        })
        .map(|(id, _)| id.clone())
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let known: Vec<String> = config
        .pipes
        .iter()
        .filter_map(|(id, pipe)| match file {
            true => Some(pipe.file.file_name()?.to_string_lossy().into_owned()),
            false => Some(id.clone()),
        })
        .collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(SelectError { word: word.to_owned(), file, hint: did_you_mean(word, &known) })
}
