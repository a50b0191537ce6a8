//! The last steps of a run, told only when a failure is to be explained.

use std::collections::VecDeque;

use crate::plan::Ns;

/// Lines that are kept.
const LINES: usize = 40_000;

#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) on: bool,
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) fn say(&mut self, now: Ns, line: impl FnOnce() -> String) {
        if !self.on {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let line = format!("{:>12.6} {}", now as f64 / 1e9, line());
        self.lines.push_back(line);
    }

    /// The last lines that name one of these words, or all.
    pub(crate) fn about(&self, words: &[String], most: usize) -> Vec<String> {
        let named = |line: &&String| {
            words.is_empty() || words.iter().any(|word| line.contains(word.as_str()))
        };
        let found: Vec<_> = self.lines.iter().filter(named).cloned().collect();
        found[found.len().saturating_sub(most)..].to_vec()
    }
}
