//! The nested tree of 0.8, made piece by piece while it is read, on an explicit stack.

use thiserror::Error;

use crate::entry::Row;
use crate::id::DirId;
use crate::path::ViewPath;
use crate::query::entry::{Entry, LimitExceeded};
use crate::query::list::prefix;
use crate::query::walk::{Descent, RowCursor, directories};
use crate::snapshot::Snapshot;
use crate::text::{CHUNK_BYTES, Detail, Place, escape, node, string};
use crate::time::Now;
use crate::tree::Tree;

/// What of the tree is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeArgs {
    /// The top of the answer.
    pub path: ViewPath,
    /// Whether to go below it; counts only where no depth is given.
    pub recursive: bool,
    /// Levels below the top; negative: all.
    pub max_depth: Option<i64>,
    /// Names, types and paths only.
    pub only_path: bool,
    /// More entries than this are refused; `None`: no limit.
    pub limit: Option<u64>,
    /// The on-demand job that the top object names; `None`: it has no such fields.
    pub job: Option<TreeJob>,
}

/// The on-demand scan that a tree answer speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeJob {
    /// Its id, if there is one.
    pub id: Option<String>,
    /// Whether it is still going on.
    pub pending: bool,
}

/// Why no tree was given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// Nothing is known at the path.
    #[error("no entry at {0}")]
    NotFound(ViewPath),
    /// More entries than the view allows.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
}

/// How far an answer goes below its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// So many levels; a directory on the last one has no `children`.
    Levels(usize),
    /// An empty list of children.
    Nothing,
    /// Everything.
    All,
}

impl Reach {
    fn of(args: &TreeArgs) -> Self {
        match args.max_depth {
            Some(depth) if depth < 0 => Self::All,
            Some(depth) => Self::Levels(usize::try_from(depth).unwrap_or(usize::MAX)),
            None if args.recursive => Self::All,
            None => Self::Nothing,
        }
    }
}

/// The answer as JSON text.
#[derive(Clone)]
pub struct TreeStream {
    snapshot: Snapshot,
    count: u64,
    /// The top, until it is written.
    top: Option<(Entry, DirId)>,
    frames: Vec<Frame>,
    /// The path of the deepest directory of `frames` with a trailing slash, as bytes and as the inside of a JSON string.
    raw: Vec<u8>,
    escaped: Vec<u8>,
    reach: Reach,
    detail: Detail,
    job: Option<TreeJob>,
    ended: bool,
}

#[derive(Clone)]
struct Frame {
    rows: RowCursor,
    raw_len: usize,
    escaped_len: usize,
    exact: bool,
    /// No child was written yet.
    first: bool,
}

/// The tree at a path. Its entries are counted before the first byte is made.
///
/// # Errors
/// [`TreeError`].
pub fn tree(snapshot: &Snapshot, _now: Now, args: &TreeArgs) -> Result<TreeStream, TreeError> {
    let row =
        snapshot.tree().lookup(&args.path).ok_or_else(|| TreeError::NotFound(args.path.clone()))?;
    let reach = Reach::of(args);
    let count = count(snapshot.tree(), &row, reach, args.limit)?;
    let mut raw = prefix(&args.path).to_vec();
    raw.truncate(raw.len() - row.name.len().min(raw.len()));
    if raw.is_empty() {
        raw.push(b'/');
    }
    Ok(TreeStream {
        snapshot: snapshot.clone(),
        count,
        top: Some((Entry::of(args.path.as_bytes(), &row), row.child)),
        frames: Vec::new(),
        raw,
        escaped: Vec::new(),
        reach,
        detail: if args.only_path { Detail::Path } else { Detail::Node },
        job: args.job.clone(),
        ended: false,
    })
}

/// Entries of the answer, from the aggregates where they tell; else by a walk over directories that ends beyond the
/// limit.
fn count(
    tree: &Tree,
    top: &Row<'_>,
    reach: Reach,
    limit: Option<u64>,
) -> Result<u64, LimitExceeded> {
    let levels = match reach {
        Reach::Levels(levels) => levels,
        Reach::Nothing => 0,
        Reach::All => usize::MAX,
    };
    if top.child == DirId::NONE || levels == 0 {
        return within(1, limit);
    }
    let totals = &tree.meta(top.child).totals;
    let all = totals.files + totals.dirs + 1;
    if levels == usize::MAX {
        return within(all, limit);
    }
    let most = limit.unwrap_or(u64::MAX);
    let mut count = 1;
    directories(tree, top.child, &mut |dir, depth| {
        count += tree.entries(dir).len() as u64;
        if count > most {
            Descent::Stop
        } else if depth + 1 < levels {
            Descent::Into
        } else {
            Descent::Skip
        }
    });
    within(count, limit)
}

fn within(count: u64, limit: Option<u64>) -> Result<u64, LimitExceeded> {
    match limit {
        Some(limit) if count > limit => Err(LimitExceeded { current_count: count, limit }),
        Some(_) | None => Ok(count),
    }
}

impl TreeStream {
    /// Entries of the answer.
    #[must_use]
    pub const fn entry_count(&self) -> u64 {
        self.count
    }

    /// The next piece of the answer, of about 64 KiB. `None`: that was all.
    pub fn next_chunk(&mut self) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let mut out = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        if let Some((top, child)) = self.top.take() {
            self.begin(&mut out, &top, child);
        }
        while out.len() < CHUNK_BYTES && !self.frames.is_empty() {
            self.directory(&mut out);
        }
        if self.frames.is_empty() {
            self.end(&mut out);
        }
        Some(out)
    }

    fn begin(&mut self, out: &mut Vec<u8>, top: &Entry, child: DirId) {
        let exact = escape(&mut self.escaped, &self.raw);
        let row = top.row();
        node(out, Place { escaped: &self.escaped, raw: &self.raw, exact }, &row, self.detail);
        if child != DirId::NONE {
            match self.reach {
                Reach::Levels(0) => {}
                Reach::Nothing => out.extend_from_slice(b",\"children\":[]"),
                Reach::Levels(_) | Reach::All => self.enter(out, row.name, child, exact),
            }
        }
    }

    /// Opens the list of children of the directory `name` of the current place.
    fn enter(&mut self, out: &mut Vec<u8>, name: &[u8], dir: DirId, exact: bool) {
        out.extend_from_slice(b",\"children\":[");
        let mut exact = exact;
        if !name.is_empty() {
            exact &= escape(&mut self.escaped, name);
            self.escaped.push(b'/');
            self.raw.extend_from_slice(name);
            self.raw.push(b'/');
        }
        let rows = RowCursor::open(self.snapshot.tree().entries(dir));
        let (raw_len, escaped_len) = (self.raw.len(), self.escaped.len());
        self.frames.push(Frame { rows, raw_len, escaped_len, exact, first: true });
    }

    /// Writes rows of the deepest directory: up to the first subdirectory that is entered, to its end, or until the
    /// piece is full.
    fn directory(&mut self, out: &mut Vec<u8>) {
        let deepest = match self.reach {
            Reach::Levels(levels) => self.frames.len() >= levels,
            Reach::Nothing => true,
            Reach::All => false,
        };
        let Some(frame) = self.frames.last_mut() else { return };
        self.raw.truncate(frame.raw_len);
        self.escaped.truncate(frame.escaped_len);
        let Some((block, from)) = frame.rows.peek() else {
            drop(self.frames.pop());
            out.extend_from_slice(if self.frames.is_empty() { b"]" } else { b"]}" });
            return;
        };
        let block = block.clone();
        let place = Place { escaped: &self.escaped, raw: &self.raw, exact: frame.exact };
        let mut next = from;
        let mut entered = None;
        for row in block.rows_from(from) {
            if entered.is_some() || out.len() >= CHUNK_BYTES {
                break;
            }
            if !frame.first {
                out.push(b',');
            }
            frame.first = false;
            node(out, place, &row, self.detail);
            next += 1;
            if deepest || row.child == DirId::NONE {
                out.push(b'}');
            } else {
                entered = Some(row);
            }
        }
        frame.rows.go_to(next);
        let exact = frame.exact;
        if let Some(row) = entered {
            self.enter(out, row.name, row.child, exact);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        if let Some(job) = &self.job {
            out.extend_from_slice(b",\"job_id\":");
            match &job.id {
                Some(id) => string(out, id),
                None => out.extend_from_slice(b"null"),
            }
            out.extend_from_slice(b",\"job_pending\":");
            out.extend_from_slice(if job.pending { b"true" } else { b"false" });
        }
        out.push(b'}');
    }
}

impl Iterator for TreeStream {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.next_chunk()
    }
}
