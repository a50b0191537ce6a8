//! Questions to one snapshot of a view: values in, values out, never a wait.

mod args;
mod blind;
mod changes;
mod cursor;
mod entry;
mod find;
mod glob;
mod list;
mod metadata;
mod name_test;
mod run;
mod search;
mod sentinel;
mod settled;
mod stats;
mod suspects;
mod top;
mod tree;
mod trust;
mod walk;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use args::{
    ArgError, FindArgs, Kinds, Limit, ListArgs, PAGE_DEFAULT, PAGE_MAX, PATTERN_MAX, Sort,
    TREE_ITEMS_DEFAULT, decode_base64, legacy_path, parse_number, parse_seconds,
};
pub use blind::{BlindArgs, BlindSpots, blind_spots};
pub use changes::{
    ChangeLog, Changed, Changes, DIFFERENCE_MAX, Difference, Forgotten, Op, Position, Stretch,
};
pub use cursor::{Cursor, CursorError};
pub use entry::{Entry, LimitExceeded, NotFound};
pub use find::{FindError, FindPage, Finder, Progress, find, find_while};
pub use glob::Glob;
pub use list::{ListError, ListPage, list};
pub use metadata::{Metadata, metadata};
pub use name_test::PatternError;
pub use search::{SearchArgs, SearchError, SearchStream, search, search_while};
pub use sentinel::{SentinelArgs, SentinelPage, sentinel};
pub use settled::{
    Basis, Pending, QUIET_DEFAULT_SEC, Settled, SettledArgs, SettledReason, settled,
};
pub use stats::{Stats, SubtreeStats, stats, subtree_stats};
pub use suspects::{SuspectArgs, SuspectList, suspects};
pub use top::{TopArgs, TopBy, TopPage, top};
pub use tree::{TreeArgs, TreeError, TreeJob, TreeStream, tree};
pub(crate) use trust::state_word;
pub use trust::{parse_revision, revision_header, trust, trust_header};
