//! Entries below a directory that satisfy conditions, in path order, in slices of bounded work.

use std::ops::ControlFlow;

use thiserror::Error;

use crate::block::BlockReader;
use crate::entry::{Kind, Marks, Row};
use crate::id::{DirId, Revision};
use crate::path::ViewPath;
use crate::query::args::{FindArgs, Kinds};
use crate::query::cursor::{Cursor, CursorError};
use crate::query::entry::Entry;
use crate::query::name_test::{NameTest, PatternError};
use crate::query::run::Run;
use crate::query::trust::trust;
use crate::query::walk::RowCursor;
use crate::snapshot::{Snapshot, Trust};
use crate::time::{Now, StorageTime};
use crate::tree::{Entries, Tree};

/// Rows that are looked at between two questions whether to go on.
pub(crate) const SLICE_ROWS: usize = 16_384;

/// Why a search below a directory was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FindError {
    /// Nothing is known at the path.
    #[error("no entry at {0}")]
    NotFound(ViewPath),
    /// There can be nothing below it.
    #[error("{0} is not a directory")]
    NotADirectory(ViewPath),
    /// Two conditions on the name.
    #[error("{0} and {1} exclude each other")]
    Contradiction(&'static str, &'static str),
    /// Nothing lies zero levels below.
    #[error("depth is 0, it must be at least 1")]
    Depth,
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A cursor that is none of this question.
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

/// Whether a walk has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to look at.
    More,
    /// Everything was looked at.
    Done,
}

/// What a row must satisfy.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) name: NameTest,
    pub(crate) kinds: Kinds,
    pub(crate) sizes: Option<(u64, u64)>,
    pub(crate) times: Option<(StorageTime, StorageTime)>,
    pub(crate) marks: Marks,
    pub(crate) depth: usize,
}

impl Filter {
    /// Every row with these marks.
    pub(crate) fn marked(marks: Marks) -> Self {
        Self {
            name: NameTest::Any,
            kinds: Kinds::ALL,
            sizes: None,
            times: None,
            marks,
            depth: usize::MAX,
        }
    }

    fn of(args: &FindArgs) -> Result<Self, FindError> {
        if args.depth == Some(0) {
            return Err(FindError::Depth);
        }
        let sizes = (args.min_size.unwrap_or(0), args.max_size.unwrap_or(u64::MAX));
        let times =
            (args.newer.unwrap_or(StorageTime::MIN), args.older.unwrap_or(StorageTime::MAX));
        Ok(Self {
            name: name_test(args)?,
            kinds: args.kinds,
            sizes: (args.min_size.is_some() || args.max_size.is_some()).then_some(sizes),
            times: (args.newer.is_some() || args.older.is_some()).then_some(times),
            marks: Marks::NONE,
            depth: args.depth.map_or(usize::MAX, |depth| depth as usize),
        })
    }

    /// The first row at or after `from` that passes, or the number of rows. `dir` is the directory's path without a
    /// trailing slash.
    pub(super) fn next(&self, block: &BlockReader<'_>, dir: &[u8], from: usize) -> usize {
        let rows = block.len();
        if from >= rows || !self.may_pass_in(block) {
            return rows;
        }
        let mut at = from;
        loop {
            at = self.name.next(block, dir, at);
            if at >= rows || self.passes(block, at) {
                return at;
            }
            at += 1;
        }
    }

    /// Whether any row of a block can pass, as far as its header tells.
    fn may_pass_in(&self, block: &BlockReader<'_>) -> bool {
        let dirs = block.dir_count();
        let kinds = (dirs > 0 && self.kinds.has(Kind::Dir))
            || (dirs < block.len() && self.kinds.has_files());
        let sizes = self.sizes.is_none_or(|(min, max)| {
            let (least, most) = block.size_bounds();
            min <= most && least <= max
        });
        let times = self.times.is_none_or(|(newer, older)| {
            let (least, most) = block.mtime_bounds();
            newer <= most && before(least, older)
        });
        kinds && sizes && times
    }

    /// Whether row `i`, whose name has passed, passes altogether.
    fn passes(&self, block: &BlockReader<'_>, i: usize) -> bool {
        self.sizes.is_none_or(|(min, max)| (min..=max).contains(&block.size(i)))
            && self.times.is_none_or(|(newer, older)| {
                let mtime = block.mtime(i);
                newer <= mtime && before(mtime, older)
            })
            && (self.kinds == Kinds::ALL || self.kinds.has(block.kind(i)))
            && (self.marks == Marks::NONE || block.marks(i).has(self.marks))
    }

    /// Whether anything below a directory can pass, as far as its totals tell.
    fn may_pass_below(&self, tree: &Tree, dir: DirId) -> bool {
        let (files_only, blind) = (!self.kinds.has(Kind::Dir), self.marks.has(Marks::BLIND));
        if !files_only && !blind {
            return true;
        }
        let totals = &tree.meta(dir).totals;
        let too_old = self.times.is_some_and(|(newer, _)| totals.newest_mtime < newer);
        (!blind || totals.blind > 0) && !(files_only && (too_old || totals.files == 0))
    }
}

/// Whether a time lies before the end of a range; the greatest time stands for no end.
fn before(mtime: StorageTime, end: StorageTime) -> bool {
    mtime < end || end == StorageTime::MAX
}

fn name_test(args: &FindArgs) -> Result<NameTest, FindError> {
    match (&args.name, &args.contains, &args.regex) {
        (None, None, None) => Ok(NameTest::Any),
        (Some(name), None, None) => Ok(NameTest::glob(name)?),
        (None, Some(needle), None) => Ok(NameTest::contains(needle)?),
        (None, None, Some(regex)) => Ok(NameTest::regex(regex)?),
        (Some(_), Some(_), _) => Err(FindError::Contradiction("name", "contains")),
        (Some(_), None, Some(_)) => Err(FindError::Contradiction("name", "regex")),
        (None, Some(_), Some(_)) => Err(FindError::Contradiction("contains", "regex")),
    }
}

/// A walk that finds, in slices: it owns its snapshot and stands between two rows when a slice ends.
#[derive(Clone)]
pub struct Finder {
    snapshot: Snapshot,
    filter: Filter,
    question: u64,
    /// The path of the deepest directory of `frames`, without a trailing slash; empty for the root.
    path: Vec<u8>,
    frames: Vec<Frame>,
}

#[derive(Clone)]
struct Frame {
    rows: RowCursor,
    path_len: usize,
    /// The next row of the current block that passes, once it was looked for.
    hit: Option<usize>,
    /// How many directories stand before the next row in the current block, once they were counted.
    rank: Option<usize>,
}

impl Frame {
    /// Stands where a run through the current block has come to.
    fn stand(&mut self, run: &Run<'_>) {
        (self.hit, self.rank) = if run.is_over() { (None, None) } else { run.found() };
        self.rows.go_to(run.at());
    }
}

impl Finder {
    /// Stands before the first row below `args.path`, or where the cursor says.
    ///
    /// # Errors
    /// [`FindError`]: the path, a pattern, a contradiction or the cursor.
    pub fn new(snapshot: &Snapshot, args: &FindArgs) -> Result<Self, FindError> {
        let filter = Filter::of(args)?;
        let dir = directory(snapshot, &args.path)?;
        let mut finder = Self::over(snapshot, filter, &args.path, dir);
        finder.question = args.question();
        if let Some(cursor) = &args.cursor {
            let below = cursor.below(finder.question, &args.path)?;
            finder.seek(below);
        }
        Ok(finder)
    }

    pub(crate) fn over(snapshot: &Snapshot, filter: Filter, path: &ViewPath, dir: DirId) -> Self {
        let path = if path.is_root() { Vec::new() } else { path.as_bytes().to_vec() };
        let mut finder =
            Self { snapshot: snapshot.clone(), filter, question: 0, path, frames: Vec::new() };
        let _rows = finder.open(dir, None);
        finder
    }

    /// Stands before the first row whose names below the start are not less than these.
    fn seek(&mut self, below: &[u8]) {
        let mut names = below.split(|byte| *byte == b'/').peekable();
        while let (Some(name), Some(frame)) = (names.next(), self.frames.last_mut()) {
            if !frame.rows.seek(name) || names.peek().is_none() {
                return;
            }
            let Some((block, i)) = frame.rows.peek() else { return };
            let child = block.child(i);
            frame.rows.go_to(i + 1);
            if child == DirId::NONE || self.frames.len() >= self.filter.depth {
                return;
            }
            let depth = self.frames.len();
            let _rows = self.enter(child, &|| name);
            if self.frames.len() == depth {
                return;
            }
        }
    }

    /// Goes into the directory of this name below the deepest one, unless one look at its block tells that nothing in
    /// it passes and nothing lies below; then its name is not even read. Gives how many rows that look took.
    fn enter<'n>(&mut self, dir: DirId, name: &dyn Fn() -> &'n [u8]) -> usize {
        if self.filter.name.wants_path() {
            self.push_name(name());
            return self.open(dir, None);
        }
        self.open(dir, Some(name))
    }

    /// Opens a directory whose path, but for the name that is given, is the current one.
    fn open<'n>(&mut self, dir: DirId, name: Option<&dyn Fn() -> &'n [u8]>) -> usize {
        let entries = self.snapshot.tree().entries(dir);
        let mut hit = None;
        if let Entries::One(block) = entries {
            let block = block.reader();
            let next = self.filter.next(&block, &self.path, 0);
            if next == block.len() && block.dir_count() == 0 {
                return next;
            }
            hit = Some(next);
        }
        let rows = RowCursor::open(entries);
        if let Some(name) = name {
            self.push_name(name());
        }
        self.frames.push(Frame { rows, path_len: self.path.len(), hit, rank: None });
        0
    }

    fn push_name(&mut self, name: &[u8]) {
        self.path.push(b'/');
        self.path.extend_from_slice(name);
    }

    /// Looks at about `rows` more rows and gives each that passes to `visit`, which may break the slice off after it.
    pub fn step(
        &mut self,
        rows: usize,
        visit: &mut dyn FnMut(&[u8], &Row<'_>) -> ControlFlow<()>,
    ) -> Progress {
        let mut left = rows;
        while !self.frames.is_empty() {
            if left == 0 {
                return Progress::More;
            }
            let (used, flow) = self.advance(left, visit);
            left = left.saturating_sub(used);
            if flow.is_break() {
                return if self.cursor().is_some() { Progress::More } else { Progress::Done };
            }
        }
        Progress::Done
    }

    /// Moves on in the block of the deepest directory: into a directory below it, to its end, until `visit` breaks, or
    /// for about `left` rows; or out of the directory. Gives how many rows that took.
    fn advance(
        &mut self,
        left: usize,
        visit: &mut dyn FnMut(&[u8], &Row<'_>) -> ControlFlow<()>,
    ) -> (usize, ControlFlow<()>) {
        let (depth, mut flow) = (self.frames.len(), ControlFlow::Continue(()));
        let Some(frame) = self.frames.last() else { return (0, flow) };
        let path_len = frame.path_len;
        let Some((block, from)) = frame.rows.peek() else {
            drop(self.frames.pop());
            return (1, flow);
        };
        let block = block.clone();
        let deepest = depth >= self.filter.depth;
        let mut run = Run::new(block.reader(), from, deepest, frame.hit, frame.rank);
        let mut used = 0;
        while used < left && flow.is_continue() && self.frames.len() == depth {
            self.path.truncate(path_len);
            let before = run.at();
            let stop = run.advance(&self.filter, &self.path);
            used += run.at() - before;
            let Some(stop) = stop else { break };
            if stop.passes {
                self.push_name(run.name(&stop));
                flow = visit(&self.path, &run.row(&stop));
            }
            if let Some(dir) = stop.dir
                && self.filter.may_pass_below(self.snapshot.tree(), dir)
            {
                self.path.truncate(path_len);
                used += self.enter(dir, &|| run.name(&stop));
            }
        }
        self.frames[depth - 1].stand(&run);
        (used.max(1), flow)
    }

    /// Where to go on; `None` when everything was looked at.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        let (frame, name) = self.frames.iter().rev().find_map(|frame| {
            let (block, i) = frame.rows.peek()?;
            Some((frame, block.name(i)))
        })?;
        let path = [&self.path[..frame.path_len], b"/", name].concat();
        Some(Cursor::new(self.snapshot.revision(), self.question, path))
    }
}

pub(crate) fn directory(snapshot: &Snapshot, path: &ViewPath) -> Result<DirId, FindError> {
    match snapshot.tree().lookup(path) {
        None => Err(FindError::NotFound(path.clone())),
        Some(row) if row.facts.kind.is_dir() => Ok(row.child),
        Some(_) => Err(FindError::NotADirectory(path.clone())),
    }
}

/// One page of what was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FindPage {
    /// The revision that the page was answered from.
    pub revision: Revision,
    /// How far it can be trusted.
    pub trust: Trust,
    /// The directory.
    pub path: ViewPath,
    /// What was found, in path order.
    pub entries: Vec<Entry>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// One page of the entries below a directory that satisfy the conditions.
///
/// # Errors
/// [`FindError`].
pub fn find(snapshot: &Snapshot, now: Now, args: &FindArgs) -> Result<FindPage, FindError> {
    find_while(snapshot, now, args, &mut || true)
}

/// As [`find`], but asks every few thousand rows whether to go on; when not, the page is what was found so far, with a
/// cursor.
///
/// # Errors
/// [`FindError`].
pub fn find_while(
    snapshot: &Snapshot,
    now: Now,
    args: &FindArgs,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<FindPage, FindError> {
    let mut finder = Finder::new(snapshot, args)?;
    let mut entries = Vec::new();
    loop {
        let progress = finder.step(SLICE_ROWS, &mut |path, row| {
            entries.push(Entry::of(path, row));
            if entries.len() < args.limit.get() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        if progress == Progress::Done || entries.len() >= args.limit.get() || !go_on() {
            break;
        }
    }
    let next = finder.cursor();
    let trust = trust(snapshot, now, &args.path);
    Ok(FindPage { revision: snapshot.revision(), trust, path: args.path.clone(), entries, next })
}
