//! Encoding rows in the one canonical form: the narrowest columns, palettes in ascending order.

use std::sync::Arc;

use super::layout::{
    CHILD, DIRS_AT, FIELDS, FLAGS_AT, Field, HEADER, KEY, KEYS_AT, OWN_LEN_AT, OWNER, OWNERS_AT,
    PLAIN_CTIME, ROWS_AT, SHAPES_AT, TAIL, VERSION, WHOLE_SECONDS, WIDE_ENDS, width_of,
};
use super::{Block, CHUNK_ROWS};
use crate::entry::{Owner, Row};
use crate::key::Key;
use crate::time::SECOND;

/// The buffers that encoding needs; worth keeping when many blocks are encoded.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    cells: Vec<[u64; FIELDS]>,
    keys: Vec<Key>,
    owners: Vec<Owner>,
    out: Vec<u8>,
}

impl Encoder {
    /// Encodes rows that ascend by name. The iterator is run through several times.
    pub(super) fn encode<'r>(
        &mut self,
        own_name: &[u8],
        rows: impl Iterator<Item = Row<'r>> + Clone,
    ) -> Block {
        let survey = self.survey(rows.clone());
        assert!(survey.rows <= CHUNK_ROWS, "{} rows do not fit one block", survey.rows);
        self.index_palettes(rows.clone());
        let shape = survey.shape(self.keys.len(), self.owners.len());
        let columns: usize = shape.fields.iter().map(|field| usize::from(field.width)).sum();
        let bases: usize = shape.fields.iter().map(|field| usize::from(width_of(field.base))).sum();
        let ends = if shape.flags & WIDE_ENDS == 0 { 2 } else { 4 };
        let total = HEADER
            + bases
            + own_name.len()
            + survey.dirs * CHILD
            + self.keys.len() * KEY
            + self.owners.len() * OWNER
            + survey.rows * (columns + ends)
            + survey.names
            + TAIL;
        self.out.clear();
        self.out.resize(total, 0);
        self.write_header(own_name, &survey, &shape);
        let at = self.write_front(own_name, &shape, rows.clone());
        let at = self.write_columns(at, &shape);
        self.write_names(at, ends, rows);
        Block(Arc::from(&self.out[..]))
    }

    /// Fills the cells (palette indexes still zero), collects the palettes and the range of every column.
    fn survey<'r>(&mut self, rows: impl Iterator<Item = Row<'r>>) -> Survey {
        let mut survey = Survey::new();
        self.cells.clear();
        self.keys.clear();
        self.owners.clear();
        for row in rows {
            let cells = cells_of(&row);
            survey.add(&row, &cells);
            self.cells.push(cells);
            if self.keys.last() != Some(&row.key) {
                self.keys.push(row.key);
            }
            if self.owners.last() != Some(&row.facts.owner) {
                self.owners.push(row.facts.owner);
            }
        }
        self.keys.sort_unstable();
        self.keys.dedup();
        self.owners.sort_unstable();
        self.owners.dedup();
        survey
    }

    fn index_palettes<'r>(&mut self, rows: impl Iterator<Item = Row<'r>>) {
        if self.keys.len() <= 1 && self.owners.len() <= 1 {
            return;
        }
        for (cells, row) in self.cells.iter_mut().zip(rows) {
            cells[Field::Key as usize] = place(&self.keys, &row.key);
            cells[Field::Owner as usize] = place(&self.owners, &row.facts.owner);
        }
    }

    fn write_header(&mut self, own_name: &[u8], survey: &Survey, shape: &Shape) {
        let out = &mut self.out;
        out[0] = VERSION;
        out[FLAGS_AT] = shape.flags;
        put(out, OWN_LEN_AT, &(own_name.len() as u16).to_le_bytes());
        put(out, ROWS_AT, &(survey.rows as u32).to_le_bytes());
        put(out, DIRS_AT, &(survey.dirs as u32).to_le_bytes());
        put(out, KEYS_AT, &(self.keys.len() as u16).to_le_bytes());
        put(out, OWNERS_AT, &(self.owners.len() as u16).to_le_bytes());
        for (at, field) in (SHAPES_AT..).zip(&shape.fields) {
            out[at] = width_of(field.base) << 4 | field.width;
        }
    }

    /// Bases, own name, directory ids and palettes; returns where they end.
    fn write_front<'r>(
        &mut self,
        own_name: &[u8],
        shape: &Shape,
        rows: impl Iterator<Item = Row<'r>>,
    ) -> usize {
        let out = &mut self.out;
        let mut at = HEADER;
        for field in &shape.fields {
            // The bytes past the base are zero and are overwritten by what follows.
            put(out, at, &field.base.to_le_bytes());
            at += usize::from(width_of(field.base));
        }
        at = put(out, at, own_name);
        for row in rows.filter(|row| row.facts.kind.is_dir()) {
            at = put(out, at, &row.child.0.to_le_bytes());
        }
        for key in &self.keys {
            at = put(out, at, &key_bytes(*key));
        }
        for owner in &self.owners {
            at = put(out, at, &owner_bytes(*owner));
        }
        at
    }

    fn write_columns(&mut self, mut at: usize, shape: &Shape) -> usize {
        for (k, field) in shape.fields.iter().enumerate().filter(|(_, field)| field.width > 0) {
            for cells in &self.cells {
                let delta = shape.stored(k, cells).wrapping_sub(field.base);
                put(&mut self.out, at, &delta.to_le_bytes());
                at += usize::from(field.width);
            }
        }
        at
    }

    fn write_names<'r>(
        &mut self,
        ends_at: usize,
        width: usize,
        rows: impl Iterator<Item = Row<'r>>,
    ) {
        let names_at = ends_at + self.cells.len() * width;
        let mut end = 0;
        for (i, row) in rows.enumerate() {
            put(&mut self.out, names_at + end, row.name);
            end += row.name.len();
            put(&mut self.out, ends_at + i * width, &(end as u32).to_le_bytes()[..width]);
        }
    }
}

/// Copies `bytes` to `at` and returns where they end.
#[inline]
pub(super) fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let end = at + bytes.len();
    out[at..end].copy_from_slice(bytes);
    end
}

pub(super) fn key_bytes(key: Key) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    bytes[..8].copy_from_slice(&key.stamp().0.to_le_bytes());
    bytes[8..].copy_from_slice(&key.tie().to_le_bytes());
    bytes
}

pub(super) fn owner_bytes(owner: Owner) -> [u8; OWNER] {
    let mut bytes = [0; OWNER];
    bytes[..4].copy_from_slice(&owner.mode.to_le_bytes());
    bytes[4..8].copy_from_slice(&owner.uid.to_le_bytes());
    bytes[8..].copy_from_slice(&owner.gid.to_le_bytes());
    bytes
}

/// The index of an entry that is in the palette.
fn place<T: Ord>(palette: &[T], entry: &T) -> u64 {
    palette.partition_point(|other| other < entry) as u64
}

/// The values of a row before they are packed: times in nanoseconds, ctime as difference, palette indexes zero.
pub(super) fn cells_of(row: &Row<'_>) -> [u64; FIELDS] {
    let facts = &row.facts;
    let mut cells = [0; FIELDS];
    cells[Field::Size as usize] = facts.size;
    cells[Field::Mtime as usize] = facts.mtime.0 as u64;
    cells[Field::Ctime as usize] = facts.ctime.0.wrapping_sub(facts.mtime.0) as u64;
    cells[Field::Inode as usize] = facts.inode;
    cells[Field::Nlink as usize] = u64::from(facts.nlink);
    cells[Field::Kind as usize] = facts.kind as u64;
    cells[Field::Marks as usize] = u64::from(row.marks.bits());
    cells[Field::Storage as usize] = u64::from(row.storage.0);
    cells
}

/// The packed value of column `k`, given the flags of the block and the cells of the row.
#[inline]
pub(super) fn stored(flags: u8, k: usize, cells: &[u64; FIELDS]) -> u64 {
    let mtime = cells[Field::Mtime as usize];
    if k == Field::Mtime as usize && flags & WHOLE_SECONDS != 0 {
        (mtime as i64 / SECOND) as u64
    } else if k == Field::Ctime as usize && flags & PLAIN_CTIME != 0 {
        cells[k].wrapping_add(mtime)
    } else {
        cells[k]
    }
}

/// The least and the greatest value of a column.
#[derive(Clone, Copy)]
struct Range {
    low: u64,
    high: u64,
}

/// Flipping this bit makes signed numbers compare like unsigned ones.
const SIGN: u64 = 1 << 63;

impl Range {
    const EMPTY: Self = Self { low: u64::MAX, high: 0 };

    #[inline]
    fn add(&mut self, value: u64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    /// The narrowest packing; without a base where a base saves nothing, so that more values fit later.
    fn pack(self) -> Packing {
        let width = width_of(self.high - self.low);
        let loose = width > 0 && width_of(self.high) == width;
        Packing { base: if loose { 0 } else { self.low }, width }
    }

    /// The same for a range of signed values with the sign flipped.
    fn pack_signed(self) -> Packing {
        if self.low >= SIGN {
            return Self { low: self.low ^ SIGN, high: self.high ^ SIGN }.pack();
        }
        Packing { base: self.low ^ SIGN, width: width_of(self.high - self.low) }
    }

    /// A range of flipped signed nanoseconds in seconds.
    fn in_seconds(self) -> Self {
        let seconds = |flipped: u64| ((flipped ^ SIGN) as i64 / SECOND) as u64 ^ SIGN;
        Self { low: seconds(self.low), high: seconds(self.high) }
    }
}

/// Base and width of a column.
#[derive(Clone, Copy, Default)]
struct Packing {
    base: u64,
    width: u8,
}

/// What one pass over the rows finds out.
struct Survey {
    rows: usize,
    dirs: usize,
    names: usize,
    whole_seconds: bool,
    ranges: [Range; FIELDS],
    plain_ctime: Range,
}

impl Survey {
    fn new() -> Self {
        Self {
            rows: 0,
            dirs: 0,
            names: 0,
            whole_seconds: true,
            ranges: [Range::EMPTY; FIELDS],
            plain_ctime: Range::EMPTY,
        }
    }

    #[inline]
    fn add(&mut self, row: &Row<'_>, cells: &[u64; FIELDS]) {
        self.rows += 1;
        self.dirs += usize::from(row.facts.kind.is_dir());
        self.names += row.name.len();
        self.whole_seconds &= row.facts.mtime.0 % SECOND == 0;
        for (k, (range, cell)) in self.ranges.iter_mut().zip(cells).enumerate() {
            let signed = k == Field::Mtime as usize || k == Field::Ctime as usize;
            range.add(if signed { cell ^ SIGN } else { *cell });
        }
        self.plain_ctime.add(row.facts.ctime.0 as u64 ^ SIGN);
    }

    fn shape(&self, keys: usize, owners: usize) -> Shape {
        let mut shape = Shape { flags: 0, fields: [Packing::default(); FIELDS] };
        if self.rows == 0 {
            return shape;
        }
        for (packing, range) in shape.fields.iter_mut().zip(self.ranges) {
            *packing = range.pack();
        }
        let mut mtime = self.ranges[Field::Mtime as usize];
        if self.whole_seconds {
            mtime = mtime.in_seconds();
            shape.flags |= WHOLE_SECONDS;
        }
        shape.fields[Field::Mtime as usize] = mtime.pack_signed();
        let difference = self.ranges[Field::Ctime as usize].pack_signed();
        let plain = self.plain_ctime.pack_signed();
        if plain.width < difference.width {
            shape.flags |= PLAIN_CTIME;
        }
        shape.fields[Field::Ctime as usize] =
            if plain.width < difference.width { plain } else { difference };
        shape.fields[Field::Key as usize] = Packing { base: 0, width: index_width(keys) };
        shape.fields[Field::Owner as usize] = Packing { base: 0, width: index_width(owners) };
        if self.names > usize::from(u16::MAX) {
            shape.flags |= WIDE_ENDS;
        }
        shape
    }
}

/// Bytes of an index into a palette of so many entries.
pub(super) const fn index_width(entries: usize) -> u8 {
    match entries {
        0 | 1 => 0,
        2..=256 => 1,
        _ => 2,
    }
}

/// Flags and packing of a block to be.
struct Shape {
    flags: u8,
    fields: [Packing; FIELDS],
}

impl Shape {
    #[inline]
    fn stored(&self, k: usize, cells: &[u64; FIELDS]) -> u64 {
        stored(self.flags, k, cells)
    }
}
