//! The form in which blocks travel: what an agent knows, names as what they do not share with the name before. Without
//! own name, directory ids, keys and marks, which the receiver knows or which hold nothing yet.

use super::encode::{key_bytes, put};
use super::layout::{
    CHILD, DIRS_AT, FACT_FIELDS, FLAGS, FLAGS_AT, Field, HEADER, KEY, KEYS_AT, OWN_LEN_AT, OWNER,
    OWNERS_AT, ROWS_AT, SHAPES_AT, TAIL, VERSION, WIDE_ENDS,
};
use super::read::View;
use super::validate::{BlockError, check_shape};
use super::{Block, CHUNK_ROWS};
use crate::key::Key;

const PACKED_ROWS_AT: usize = 1;
const PACKED_OWNERS_AT: usize = 3;
const PACKED_SHAPES_AT: usize = 5;
/// Bytes of a packed block before its bases, and the least bytes of one.
pub(crate) const PACKED_MIN: usize = PACKED_SHAPES_AT + FACT_FIELDS;

impl Block {
    /// Appends the packed form. `allow` says whether so many bytes of names may be shared; without leave none are.
    pub(crate) fn pack(&self, out: &mut Vec<u8>, allow: &mut dyn FnMut(usize) -> bool) {
        let view = View::of(&self.0);
        let head = &view.head;
        let shapes = &self.0[SHAPES_AT..SHAPES_AT + FACT_FIELDS];
        let bases: usize = shapes.iter().map(|shape| usize::from(shape >> 4)).sum();
        out.push(head.flags & !WIDE_ENDS);
        out.extend_from_slice(&(head.rows as u16).to_le_bytes());
        out.extend_from_slice(&(head.owners as u16).to_le_bytes());
        out.extend_from_slice(shapes);
        out.extend_from_slice(&self.0[HEADER..HEADER + bases]);
        out.extend_from_slice(&self.0[head.owners_at..head.columns_at]);
        out.extend_from_slice(view.fact_columns());
        let start = out.len();
        if !allow(pack_names(&view, out, common_prefix)) {
            out.truncate(start);
            pack_names(&view, out, |_, _| 0);
        }
    }

    /// The block of a directory of this name from its packed form, as validated as any. `scratch` is overwritten.
    pub(crate) fn unpack(
        own_name: &[u8],
        packed: &[u8],
        scratch: &mut Vec<u8>,
        allow: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Self, BlockError> {
        let packed = Packed::of(packed)?;
        let shared: usize = packed.shared.iter().map(|shared| usize::from(*shared)).sum();
        if !allow(shared) {
            return Err(BlockError::Shared { row: packed.rows });
        }
        scratch.clear();
        packed.write_front(own_name, scratch);
        packed.write_names(shared + packed.names.len(), scratch)?;
        Self::parse(scratch)
    }
}

/// Appends what each name shares with the one before, how long the rest is, and the rests. Returns how many bytes are
/// shared.
fn pack_names(view: &View<'_>, out: &mut Vec<u8>, share: fn(&[u8], &[u8]) -> usize) -> usize {
    let rows = view.head.rows;
    let at = out.len();
    out.resize(at + 2 * rows, 0);
    let (mut before, mut start, mut total) = (&b""[..], 0, 0);
    for i in 0..rows {
        let end = view.name_end(i);
        let name = view.text(start, end);
        let shared = share(before, name);
        // Names have at most 255 bytes.
        out[at + i] = shared as u8;
        out[at + rows + i] = (name.len() - shared) as u8;
        out.extend_from_slice(&name[shared..]);
        total += shared;
        (before, start) = (name, end);
    }
    total
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let eights = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let same = 8 * eights.take_while(|(a, b)| a == b).count();
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}

/// The parts of a packed block whose lengths agree; their contents are not looked at yet.
struct Packed<'a> {
    flags: u8,
    rows: usize,
    dirs: usize,
    shapes: &'a [u8],
    bases: &'a [u8],
    owners: &'a [u8],
    columns: &'a [u8],
    shared: &'a [u8],
    rests: &'a [u8],
    names: &'a [u8],
}

impl<'a> Packed<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, BlockError> {
        let truncated = || BlockError::Truncated { at: bytes.len() };
        let (head, mut left) = bytes.split_at_checked(PACKED_MIN).ok_or_else(truncated)?;
        let mut take = |len: usize| {
            let (part, rest) = left.split_at_checked(len).ok_or_else(truncated)?;
            left = rest;
            Ok(part)
        };
        let flags = head[0];
        if flags & !FLAGS != 0 || flags & WIDE_ENDS != 0 {
            return Err(BlockError::Flags(flags));
        }
        let count = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let (rows, owners) = (count(PACKED_ROWS_AT), count(PACKED_OWNERS_AT));
        if rows > CHUNK_ROWS {
            return Err(BlockError::Rows(rows as u32));
        }
        let shapes = &head[PACKED_SHAPES_AT..];
        for (field, shape) in Field::ALL.into_iter().zip(shapes) {
            check_shape(field, *shape)?;
        }
        let widths = |fields: usize| {
            shapes[..fields].iter().map(|shape| usize::from(shape & 15)).sum::<usize>()
        };
        let bases = take(shapes.iter().map(|shape| usize::from(shape >> 4)).sum())?;
        let owners = take(owners * OWNER)?;
        let columns = take(rows * widths(FACT_FIELDS))?;
        let (shared, rests) = (take(rows)?, take(rows)?);
        let names = take(rests.iter().map(|rest| usize::from(*rest)).sum())?;
        if !left.is_empty() {
            return Err(BlockError::Trailing { at: bytes.len() - left.len() });
        }
        let kinds = &columns[rows * widths(Field::Kind as usize)..];
        let dirs = match shapes[Field::Kind as usize] {
            0x01 => kinds[..rows].iter().filter(|kind| **kind == 0).count(),
            // A base takes a byte, of the seven bases the last but the owner's, which is none.
            0x10 if bases.last() != Some(&0) => 0,
            _ => rows,
        };
        Ok(Self { flags, rows, dirs, shapes, bases, owners, columns, shared, rests, names })
    }

    /// All that stands before the ends of names in a block.
    fn write_front(&self, own_name: &[u8], out: &mut Vec<u8>) {
        let keys = usize::from(self.rows > 0);
        out.resize(HEADER, 0);
        out[0] = VERSION;
        out[FLAGS_AT] = self.flags;
        put(out, OWN_LEN_AT, &(own_name.len() as u16).to_le_bytes());
        put(out, ROWS_AT, &(self.rows as u32).to_le_bytes());
        put(out, DIRS_AT, &(self.dirs as u32).to_le_bytes());
        put(out, KEYS_AT, &(keys as u16).to_le_bytes());
        put(out, OWNERS_AT, &((self.owners.len() / OWNER) as u16).to_le_bytes());
        put(out, SHAPES_AT, self.shapes);
        out.extend_from_slice(self.bases);
        out.extend_from_slice(own_name);
        out.resize(out.len() + self.dirs * CHILD, 0);
        let none: [u8; KEY] = key_bytes(Key::NONE);
        out.extend_from_slice(&none[..keys * KEY]);
        out.extend_from_slice(self.owners);
        out.extend_from_slice(self.columns);
    }

    /// The ends of the names, the names, which take `total` bytes, and the zeros behind them.
    fn write_names(&self, total: usize, out: &mut Vec<u8>) -> Result<(), BlockError> {
        let wide = total > usize::from(u16::MAX);
        let width = if wide { 4 } else { 2 };
        out[FLAGS_AT] |= if wide { WIDE_ENDS } else { 0 };
        let ends_at = out.len();
        let names_at = ends_at + self.rows * width;
        out.resize(names_at, 0);
        out.reserve(total + TAIL);
        let (mut before, mut rests) = (names_at, self.names);
        for (row, (shared, rest)) in self.shared.iter().zip(self.rests).enumerate() {
            let (start, shared) = (out.len(), usize::from(*shared));
            if shared > start - before {
                return Err(BlockError::Shared { row });
            }
            out.extend_from_within(before..before + shared);
            // `names` is as long as all rests together.
            let (name, others) = rests.split_at(usize::from(*rest));
            out.extend_from_slice(name);
            let end = (out.len() - names_at) as u32;
            put(out, ends_at + row * width, &end.to_le_bytes()[..width]);
            (before, rests) = (start, others);
        }
        out.resize(out.len() + TAIL, 0);
        Ok(())
    }
}
