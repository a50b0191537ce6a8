//! Building the blocks of one directory from entries in the order in which a scan finds them.

use super::encode::Encoder;
use super::{Block, CHUNK_ROWS};
use crate::entry::{Facts, Marks, Row};
use crate::id::{DirId, StorageId};
use crate::key::Key;
use crate::path::is_name;

/// How full the blocks of a directory are that needs several: the rest is room for later rows.
const FILL_ROWS: usize = CHUNK_ROWS / 4 * 3;

/// Collects the entries of one directory and encodes them as an agent does: no key, no marks, storage 0, and a
/// placeholder for each directory's id. Keeps its buffers from one directory to the next.
///
/// ```
/// use fustor_core::{BlockBuilder, Facts};
/// let mut builder = BlockBuilder::default();
/// builder.push(b"b", &Facts::default());
/// builder.push(b"a", &Facts::default());
/// let blocks = builder.finish(b"directory");
/// assert_eq!(blocks[0].names(), b"ab");
/// ```
#[derive(Debug, Default)]
pub struct BlockBuilder {
    names: Vec<u8>,
    entries: Vec<Entry>,
    order: Vec<Sort>,
    encoder: Encoder,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    len: usize,
    facts: Facts,
}

/// An entry with the eight bytes of its name that follow what all names have in common: most comparisons of a sort end
/// there, without a look at the names.
#[derive(Clone, Copy, Debug)]
struct Sort {
    head: u64,
    entry: usize,
}

impl BlockBuilder {
    /// Adds an entry; of several with the same name the last one counts. `name` must be a name ([`is_name`]): a peer
    /// refuses the block otherwise.
    pub fn push(&mut self, name: &[u8], facts: &Facts) {
        debug_assert!(is_name(name), "not a name: {:?}", String::from_utf8_lossy(name));
        self.entries.push(Entry { start: self.names.len(), len: name.len(), facts: *facts });
        self.names.extend_from_slice(name);
    }

    /// How many entries have been added.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing has been added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all entries and keeps the buffers.
    pub fn clear(&mut self) {
        self.names.clear();
        self.entries.clear();
    }

    /// The blocks of a directory of this name, and the builder empty again: one block, or several of at most 384 rows
    /// when there are more than [`CHUNK_ROWS`] entries.
    pub fn finish(&mut self, own_name: &[u8]) -> Vec<Block> {
        self.sort();
        let fill = if self.order.len() <= CHUNK_ROWS { CHUNK_ROWS } else { FILL_ROWS };
        let (names, entries) = (&self.names, &self.entries);
        let row = |sort: &Sort| row_of(names, &entries[sort.entry]);
        let mut blocks = Vec::with_capacity(self.order.len().div_ceil(fill).max(1));
        if self.order.is_empty() {
            blocks.push(self.encoder.encode(own_name, std::iter::empty()));
        }
        for part in self.order.chunks(fill) {
            blocks.push(self.encoder.encode(own_name, part.iter().map(row)));
        }
        self.clear();
        blocks
    }

    /// Brings the entries into name order and keeps the last of each name.
    fn sort(&mut self) {
        let skip = self.common_prefix();
        let (names, entries) = (&self.names, &self.entries);
        let name = |sort: &Sort| name_of(names, &entries[sort.entry]);
        let heads = entries.iter().enumerate();
        self.order.clear();
        self.order
            .extend(heads.map(|(entry, e)| Sort { head: head(name_of(names, e), skip), entry }));
        self.order.sort_unstable_by(|a, b| {
            a.head
                .cmp(&b.head)
                .then_with(|| name(a).cmp(name(b)))
                .then_with(|| b.entry.cmp(&a.entry))
        });
        self.order.dedup_by(|later, kept| later.head == kept.head && name(later) == name(kept));
    }

    /// How many bytes all names begin with.
    fn common_prefix(&self) -> usize {
        let Some(first) = self.entries.first().map(|entry| name_of(&self.names, entry)) else {
            return 0;
        };
        self.entries.iter().fold(first.len(), |shared, entry| {
            let name = name_of(&self.names, entry);
            let shared = shared.min(name.len());
            if name[..shared] == first[..shared] {
                return shared;
            }
            first.iter().zip(name).take_while(|(a, b)| a == b).count()
        })
    }
}

fn name_of<'n>(names: &'n [u8], entry: &Entry) -> &'n [u8] {
    &names[entry.start..entry.start + entry.len]
}

/// Eight bytes of a name as a number that orders like them; bytes that are missing count as zero, which no name has.
fn head(name: &[u8], skip: usize) -> u64 {
    let rest = &name[skip..];
    if let Some(eight) = rest.first_chunk() {
        return u64::from_be_bytes(*eight);
    }
    let mut eight = [0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(eight)
}

fn row_of<'n>(names: &'n [u8], entry: &Entry) -> Row<'n> {
    Row {
        name: name_of(names, entry),
        facts: entry.facts,
        key: Key::NONE,
        marks: Marks::NONE,
        storage: StorageId(0),
        child: if entry.facts.kind.is_dir() { DirId(0) } else { DirId::NONE },
    }
}
