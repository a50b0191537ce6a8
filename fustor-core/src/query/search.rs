//! The search of 0.8: files of the whole view by glob or by part of the name, as one array.

use std::ops::ControlFlow;

use thiserror::Error;

use crate::entry::Marks;
use crate::id::DirId;
use crate::path::ViewPath;
use crate::query::args::Kinds;
use crate::query::entry::LimitExceeded;
use crate::query::find::{Filter, Finder, Progress, SLICE_ROWS};
use crate::query::name_test::{NameTest, PatternError};
use crate::snapshot::Snapshot;
use crate::text::{CHUNK_BYTES, Detail, EntryWriter};
use crate::time::Now;

/// What to search for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchArgs {
    /// A glob for the path or the name, or a part of the name in any case.
    pub pattern: String,
    /// More hits than this are refused; `None`: no limit.
    pub limit: Option<u64>,
}

/// Why a search gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SearchError {
    /// More hits than the view allows.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
    /// The caller's deadline passed while the hits were counted.
    #[error("interrupted after {0} hits")]
    Interrupted(u64),
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// The answer as JSON text, made while it is read.
#[derive(Clone)]
pub struct SearchStream {
    finder: Finder,
    writer: EntryWriter,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Hits,
    End,
}

/// Searches the whole view.
///
/// # Errors
/// [`SearchError`].
pub fn search(
    snapshot: &Snapshot,
    now: Now,
    args: &SearchArgs,
) -> Result<SearchStream, SearchError> {
    search_while(snapshot, now, args, &mut || true)
}

/// As [`search`], but asks every few thousand rows whether to go on. Hits are counted before the first byte is made, so
/// that too many are an error and not a torn answer; this costs a second walk instead of memory for all hits.
///
/// # Errors
/// [`SearchError`].
pub fn search_while(
    snapshot: &Snapshot,
    _now: Now,
    args: &SearchArgs,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<SearchStream, SearchError> {
    let name = NameTest::search(&args.pattern)?;
    let filter = Filter {
        name,
        kinds: Kinds::FILES,
        sizes: None,
        times: None,
        marks: Marks::NONE,
        depth: usize::MAX,
    };
    let finder = Finder::over(snapshot, filter, &ViewPath::root(), DirId::ROOT);
    if let Some(limit) = args.limit {
        count(finder.clone(), limit, go_on)?;
    }
    Ok(SearchStream { finder, writer: EntryWriter::default(), stage: Stage::Begin })
}

fn count(
    mut finder: Finder,
    limit: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(), SearchError> {
    let mut hits = 0;
    loop {
        let progress = finder.step(SLICE_ROWS, &mut |_, _| {
            hits += 1;
            if hits > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if hits > limit {
            return Err(LimitExceeded { current_count: hits, limit }.into());
        }
        if progress == Progress::Done {
            return Ok(());
        }
        if !go_on() {
            return Err(SearchError::Interrupted(hits));
        }
    }
}

impl SearchStream {
    /// The next piece of the array: at most about 64 KiB, and never long in the making, so that it may be empty where
    /// hits are rare. `None`: that was all.
    pub fn next_chunk(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        let mut first = match self.stage {
            Stage::Begin => {
                out.push(b'[');
                true
            }
            Stage::Hits => false,
            Stage::End => return None,
        };
        // The first hit has no comma before it, so the beginning lasts until there is one.
        let progress = loop {
            let progress = self.finder.step(SLICE_ROWS, &mut |path, row| {
                if !first {
                    out.push(b',');
                }
                first = false;
                self.writer.node(&mut out, path, row, Detail::Node);
                out.push(b'}');
                if out.len() < CHUNK_BYTES {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
            if progress == Progress::Done || !first {
                break progress;
            }
        };
        self.stage = match progress {
            Progress::More => Stage::Hits,
            Progress::Done => {
                out.push(b']');
                Stage::End
            }
        };
        Some(out)
    }
}

impl Iterator for SearchStream {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.next_chunk()
    }
}
