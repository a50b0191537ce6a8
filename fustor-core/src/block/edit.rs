//! Changing a block without decoding it: cells are overwritten, rows are spliced in and out of the columns.

use std::cell::RefCell;
use std::sync::Arc;

use super::encode::{cells_of, index_width, key_bytes, owner_bytes, put, stored};
use super::layout::{
    CHILD, DIRS_AT, FACT_FIELDS, FIELDS, Field, HEADER, KEY, KEYS_AT, Layout, OWN_LEN_AT, OWNER,
    OWNERS_AT, ROWS_AT, SHAPES_AT, WHOLE_SECONDS, WIDE_ENDS, width_of,
};
use super::read::View;
use super::reader::BlockReader;
use super::{Block, CHUNK_ROWS};
use crate::entry::{Marks, Owner, Row};
use crate::id::{DirId, StorageId};
use crate::key::Key;
use crate::time::SECOND;

thread_local! {
    /// Where longer bytes are put together before they go into an allocation of their exact size: one for a block with
    /// more palette entries, one for a block with one row more. They grow to the largest block and hold nothing between
    /// edits.
    static SCRATCH: RefCell<[Vec<u8>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// What to store in each column for one row.
type Deltas = [u64; FIELDS];

/// Most key entries that are set aside when a palette grows, so that the next rows with keys of their own are written in
/// place: a copy of a full block costs more than everything else that an upsert does.
const SPARE_KEYS: usize = 7;
/// One spare key for so many rows, so that they take few bytes beside them.
const ROWS_PER_SPARE: usize = 8;

/// How a row's entry gets into a palette.
#[derive(Clone, Copy)]
enum Entry<T> {
    /// It is there, or takes the place of one that no other row uses.
    At(usize, T),
    /// It has to be appended.
    New(T),
}

/// A row translated into the terms of a block.
struct Fitted {
    deltas: Deltas,
    key: Entry<Key>,
    owner: Entry<Owner>,
}

impl Fitted {
    /// Whether a palette has to grow.
    const fn grows(&self) -> bool {
        matches!(self.key, Entry::New(_)) || matches!(self.owner, Entry::New(_))
    }
}

/// Whether a row takes the place of an existing one, whose palette entries it may then take over.
#[derive(Clone, Copy)]
enum Place {
    Over(usize),
    Between,
}

pub(super) fn patch(block: &mut Arc<[u8]>, i: usize, row: &Row<'_>) -> bool {
    let view = View::of(block);
    if view.kind(i).is_dir() != row.facts.kind.is_dir() {
        return false;
    }
    let Some(fitted) = fit(&view, row, Place::Over(i)) else { return false };
    let deltas = deltas_of(&view.layout(), &fitted);
    let rank = view.rank(i);
    let mut layout = view.layout();
    if fitted.grows() {
        *block = SCRATCH.with_borrow_mut(|[grown, _]| {
            with_new_entries(&view, &fitted, grown);
            Arc::from(&grown[..])
        });
        layout = Layout::of(block);
    }
    let bytes = Arc::make_mut(block);
    write_entries(bytes, &layout, &fitted);
    for field in Field::ALL {
        let column = layout.column(field);
        let width = usize::from(column.width);
        put(bytes, column.at + i * width, &deltas[field as usize].to_le_bytes()[..width]);
    }
    if row.facts.kind.is_dir() {
        put(bytes, layout.children_at + rank * CHILD, &row.child.0.to_le_bytes());
    }
    true
}

/// What to store for `row`; `None` when a value exceeds its column or a palette its index.
fn fit(view: &View<'_>, row: &Row<'_>, place: Place) -> Option<Fitted> {
    let layout = &view.layout();
    if layout.has(WHOLE_SECONDS) && row.facts.mtime.0 % SECOND != 0 {
        return None;
    }
    let cells = cells_of(row);
    let mut deltas = [0; FIELDS];
    for field in Field::ALL {
        let k = field as usize;
        deltas[k] = layout.column(field).delta(stored(layout.flags, k, &cells))?;
    }
    let keys = (0..layout.keys).map(|entry| view.key_entry(entry));
    let key = entry(view, Field::Key, keys, row.key, place, || spare_key(view))?;
    let owners = (0..layout.owners).map(|entry| view.owner_entry(entry));
    let owner = entry(view, Field::Owner, owners, row.facts.owner, place, || None)?;
    Some(Fitted { deltas, key, owner })
}

/// A key entry that was set aside: a second one equal to the first, which no row uses, as a search finds the first.
/// Only fusion writes keys, so no bytes of a peer have such an entry in use.
fn spare_key(view: &View<'_>) -> Option<usize> {
    let first = view.key_entry(0);
    (1..view.head.keys).rev().find(|at| view.key_entry(*at) == first)
}

fn entry<T: PartialEq + Copy>(
    view: &View<'_>,
    field: Field,
    mut palette: impl ExactSizeIterator<Item = T>,
    wanted: T,
    place: Place,
    spare: impl FnOnce() -> Option<usize>,
) -> Option<Entry<T>> {
    let count = palette.len();
    if let Some(at) = palette.position(|entry| entry == wanted) {
        return Some(Entry::At(at, wanted));
    }
    if let Place::Over(i) = place {
        let mine = view.cell(field, i);
        let shared = (0..view.head.rows).any(|k| k != i && view.cell(field, k) == mine);
        if !shared {
            return Some(Entry::At(mine as usize, wanted));
        }
    }
    if let Some(at) = spare() {
        return Some(Entry::At(at, wanted));
    }
    // Beyond so many entries most are unused: encoding anew drops them. A column that takes no bytes gets one a row.
    let width = view.column(field).width.max(1);
    let room = count < 2 * CHUNK_ROWS && index_width(count + 1) <= width;
    room.then_some(Entry::New(wanted))
}

/// Puts the block with the palette entries that are missing into `out`, with spare keys behind a new key.
fn with_new_entries(view: &View<'_>, fitted: &Fitted, out: &mut Vec<u8>) {
    let (bytes, layout) = (view.bytes, &view.layout());
    let key = new_entry(fitted.key).map(key_bytes);
    let owner = new_entry(fitted.owner).map(owner_bytes);
    let spare = if key.is_some() { spare_room(layout) } else { 0 };
    let (owners_at, keys_at) = (layout.column(Field::Owner).at, layout.column(Field::Key).at);
    out.clear();
    out.extend_from_slice(&bytes[..layout.owners_at]);
    out.extend_from_slice(key.as_ref().map_or(&[], |entry| &entry[..]));
    for _ in 0..spare {
        out.extend_from_slice(&bytes[layout.keys_at..layout.keys_at + KEY]);
    }
    out.extend_from_slice(&bytes[layout.owners_at..layout.columns_at]);
    out.extend_from_slice(owner.as_ref().map_or(&[], |entry| &entry[..]));
    out.extend_from_slice(&bytes[layout.columns_at..owners_at]);
    widen(out, layout, Field::Owner, owner.is_some());
    out.extend_from_slice(&bytes[owners_at..keys_at]);
    widen(out, layout, Field::Key, key.is_some());
    out.extend_from_slice(&bytes[keys_at..]);
    let keys = layout.keys + usize::from(key.is_some()) + spare;
    let owners = layout.owners + usize::from(owner.is_some());
    put(out, KEYS_AT, &(keys as u16).to_le_bytes());
    put(out, OWNERS_AT, &(owners as u16).to_le_bytes());
}

/// How many spare keys to set aside behind a new one, so that they widen nothing.
fn spare_room(layout: &Layout) -> usize {
    let keys = layout.keys + 1;
    let wanted = SPARE_KEYS.min(layout.rows / ROWS_PER_SPARE);
    let fits = |spare: &usize| {
        keys + spare <= 2 * CHUNK_ROWS && index_width(keys + spare) == index_width(keys)
    };
    (0..=wanted).rev().find(fits).unwrap_or(0)
}

/// Gives an index column that takes no bytes one a row, all zero as the only entry so far, before its second entry.
fn widen(out: &mut Vec<u8>, layout: &Layout, field: Field, grows: bool) {
    if grows && layout.column(field).width == 0 {
        out[SHAPES_AT + field as usize] = 1;
        out.resize(out.len() + layout.rows, 0);
    }
}

const fn new_entry<T: Copy>(entry: Entry<T>) -> Option<T> {
    match entry {
        Entry::At(..) => None,
        Entry::New(value) => Some(value),
    }
}

/// The row's deltas with the indexes of its palette entries; `layout` is that before a palette grows.
fn deltas_of(layout: &Layout, fitted: &Fitted) -> Deltas {
    let mut deltas = fitted.deltas;
    deltas[Field::Key as usize] = index_of(fitted.key, layout.keys);
    deltas[Field::Owner as usize] = index_of(fitted.owner, layout.owners);
    deltas
}

/// Where an entry stands in a palette that had `count` entries.
const fn index_of<T: Copy>(entry: Entry<T>, count: usize) -> u64 {
    match entry {
        Entry::At(at, _) => at as u64,
        Entry::New(_) => count as u64,
    }
}

/// Writes the palette entries of a row that take the place of others.
fn write_entries(bytes: &mut [u8], layout: &Layout, fitted: &Fitted) {
    if let Entry::At(at, key) = fitted.key {
        put(bytes, layout.keys_at + at * KEY, &key_bytes(key));
    }
    if let Entry::At(at, owner) = fitted.owner {
        put(bytes, layout.owners_at + at * OWNER, &owner_bytes(owner));
    }
}

pub(super) fn insert(bytes: &[u8], i: usize, row: &Row<'_>) -> Option<Arc<[u8]>> {
    let view = View::of(bytes);
    let layout = view.layout();
    let names = view.names().len() + row.name.len();
    let narrow = !layout.has(WIDE_ENDS);
    if layout.rows == 0 || layout.rows >= CHUNK_ROWS || (narrow && names > usize::from(u16::MAX)) {
        return None;
    }
    let fitted = fit(&view, row, Place::Between)?;
    let deltas = deltas_of(&layout, &fitted);
    Some(SCRATCH.with_borrow_mut(|[grown, longer]| {
        if fitted.grows() {
            with_new_entries(&view, &fitted, grown);
            splice_in(grown, &Layout::of(grown), i, row, &deltas, longer);
        } else {
            splice_in(bytes, &layout, i, row, &deltas, longer);
        }
        let layout = Layout::of(longer);
        write_entries(longer, &layout, &fitted);
        Arc::from(&longer[..])
    }))
}

/// Puts the bytes with one row more at `i`, for whose palette entries there is room, into `out`.
fn splice_in(
    bytes: &[u8],
    layout: &Layout,
    i: usize,
    row: &Row<'_>,
    deltas: &Deltas,
    out: &mut Vec<u8>,
) {
    let view = BlockReader::of(bytes);
    let name = row.name;
    out.clear();
    if row.facts.kind.is_dir() {
        let child_at = layout.children_at + view.rank(i) * CHILD;
        out.extend_from_slice(&bytes[..child_at]);
        out.extend_from_slice(&row.child.0.to_le_bytes());
        out.extend_from_slice(&bytes[child_at..layout.columns_at]);
        put(out, DIRS_AT, &(layout.dirs as u32 + 1).to_le_bytes());
    } else {
        out.extend_from_slice(&bytes[..layout.columns_at]);
    }
    put(out, ROWS_AT, &(layout.rows as u32 + 1).to_le_bytes());
    for field in Field::ALL {
        let column = layout.column(field);
        let width = usize::from(column.width);
        let (before, after) = column.bytes(bytes, layout.rows).split_at(i * width);
        out.extend_from_slice(before);
        out.extend_from_slice(&deltas[field as usize].to_le_bytes()[..width]);
        out.extend_from_slice(after);
    }
    let width = usize::from(layout.ends.width);
    let start = view.name_start(i);
    let later = (i..layout.rows).map(|k| view.name_end(k) + name.len());
    out.extend_from_slice(layout.ends.bytes(bytes, i));
    for end in std::iter::once(start + name.len()).chain(later) {
        out.extend_from_slice(&(end as u32).to_le_bytes()[..width]);
    }
    let names = layout.names_at;
    out.extend_from_slice(&bytes[names..names + start]);
    out.extend_from_slice(name);
    out.extend_from_slice(&bytes[names + start..]);
}

pub(super) fn remove(bytes: &[u8], i: usize) -> Block {
    let view = View::of(bytes);
    let layout = view.layout();
    if layout.rows == 1 {
        return Block::encode(view.own_name(), &[]);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let child_at = layout.children_at + view.rank(i) * CHILD;
    if view.kind(i).is_dir() {
        out.extend_from_slice(&bytes[..child_at]);
        out.extend_from_slice(&bytes[child_at + CHILD..layout.columns_at]);
        put(&mut out, DIRS_AT, &(layout.dirs as u32 - 1).to_le_bytes());
    } else {
        out.extend_from_slice(&bytes[..layout.columns_at]);
    }
    put(&mut out, ROWS_AT, &(layout.rows as u32 - 1).to_le_bytes());
    for field in Field::ALL {
        let column = layout.column(field);
        let width = usize::from(column.width);
        let cells = column.bytes(bytes, layout.rows);
        out.extend_from_slice(&cells[..i * width]);
        out.extend_from_slice(&cells[(i + 1) * width..]);
    }
    let (start, end) = (view.name_start(i), view.name_end(i));
    let width = usize::from(layout.ends.width);
    out.extend_from_slice(layout.ends.bytes(bytes, i));
    for later in i + 1..layout.rows {
        let moved = view.name_end(later) - (end - start);
        out.extend_from_slice(&(moved as u32).to_le_bytes()[..width]);
    }
    out.extend_from_slice(&bytes[layout.names_at..layout.names_at + start]);
    out.extend_from_slice(&bytes[layout.names_at + end..]);
    Block(Arc::from(out))
}

pub(super) fn renamed(bytes: &[u8], own_name: &[u8]) -> Block {
    let layout = Layout::of(bytes);
    let mut out = Vec::with_capacity(bytes.len() + own_name.len());
    out.extend_from_slice(&bytes[..layout.own_at]);
    out.extend_from_slice(own_name);
    out.extend_from_slice(&bytes[layout.children_at..]);
    put(&mut out, OWN_LEN_AT, &(own_name.len() as u16).to_le_bytes());
    Block(Arc::from(out))
}

/// See [`Block::with_children`].
pub(super) fn with_children(bytes: &[u8], child: &mut dyn FnMut(DirId) -> DirId) -> Block {
    let layout = Layout::of(bytes);
    let mut out = bytes.to_vec();
    let ids = View::of(bytes).children().enumerate();
    for (rank, id) in ids {
        put(&mut out, layout.children_at + rank * CHILD, &child(id).0.to_le_bytes());
    }
    Block(Arc::from(out))
}

/// See [`Block::adopt`]. Copies everything from the owner palette on in one piece: an agent's block has one key, no
/// marks and one storage, so that fusion's columns take no bytes there.
pub(super) fn adopt(
    bytes: &[u8],
    own_name: &[u8],
    key: Key,
    storage: StorageId,
    child: &mut dyn FnMut(&[u8]) -> DirId,
) -> Block {
    let view = View::of(bytes);
    let layout = &view.layout();
    let fusion = &Field::ALL[FACT_FIELDS..];
    if layout.rows == 0 {
        return renamed(bytes, own_name);
    }
    if layout.keys != 1 || fusion.iter().any(|field| layout.column(*field).width != 0) {
        return adopt_rows(&view, own_name, key, storage, child);
    }
    let mut out = Vec::with_capacity(bytes.len() + own_name.len() + 2);
    out.extend_from_slice(&bytes[..HEADER]);
    put(&mut out, OWN_LEN_AT, &(own_name.len() as u16).to_le_bytes());
    let facts = &bytes[SHAPES_AT..SHAPES_AT + FACT_FIELDS];
    let bases: usize = facts.iter().map(|shape| usize::from(shape >> 4)).sum();
    out.extend_from_slice(&bytes[HEADER..HEADER + bases]);
    for field in fusion {
        out[SHAPES_AT + *field as usize] = 0;
    }
    let storage_bytes = width_of(u64::from(storage.0));
    out[SHAPES_AT + Field::Storage as usize] = storage_bytes << 4;
    out.extend_from_slice(&storage.0.to_le_bytes()[..usize::from(storage_bytes)]);
    out.extend_from_slice(own_name);
    if layout.dirs > 0 {
        let dirs = (0..layout.rows).filter(|i| view.kind(*i).is_dir());
        for name in dirs.map(|i| view.name(i)) {
            out.extend_from_slice(&child(name).0.to_le_bytes());
        }
    }
    out.extend_from_slice(&key_bytes(key));
    out.extend_from_slice(&bytes[layout.owners_at..]);
    Block(Arc::from(out))
}

fn adopt_rows(
    view: &View<'_>,
    own_name: &[u8],
    key: Key,
    storage: StorageId,
    child: &mut dyn FnMut(&[u8]) -> DirId,
) -> Block {
    let mut rows: Vec<Row<'_>> = view.rows_from(0).collect();
    for row in &mut rows {
        row.key = key;
        row.storage = storage;
        row.marks = Marks::NONE;
        if row.facts.kind.is_dir() {
            row.child = child(row.name);
        }
    }
    Block::encode(own_name, &rows)
}

/// Whether names and facts of two blocks are equal, whatever their packing.
pub(super) fn same_facts(a: &View<'_>, b: &View<'_>) -> bool {
    if a.head.rows != b.head.rows || a.names() != b.names() {
        return false;
    }
    // Blocks packed alike, as a listing and what was adopted from the one before it are, need no decoding.
    if same_shape(a, b) && a.fact_columns() == b.fact_columns() && a.end_column() == b.end_column()
    {
        return true;
    }
    (0..a.head.rows).all(|i| a.name_end(i) == b.name_end(i) && a.facts(i) == b.facts(i))
}

fn same_shape(a: &View<'_>, b: &View<'_>) -> bool {
    let owners = |view: &View<'_>| (view.head.owners_at, view.head.columns_at);
    let ((at, end), (other, other_end)) = (owners(a), owners(b));
    a.head.flags == b.head.flags
        && a.bytes[at..end] == b.bytes[other..other_end]
        && Field::ALL[..FACT_FIELDS].iter().all(|field| {
            let (left, right) = (a.column(*field), b.column(*field));
            (left.base, left.width) == (right.base, right.width)
        })
}
