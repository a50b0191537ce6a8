//! Validating bytes from a peer or a disk, once; everything afterwards trusts them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::encode::index_width;
use super::layout::{
    DIRS_AT, FLAGS, FLAGS_AT, Field, HEADER, OWN_LEN_AT, ROWS_AT, SHAPES_AT, TAIL, VERSION,
    load_u16, load_u32,
};
use super::read::View;
use super::{Block, CHUNK_ROWS};
use crate::id::DirId;
use crate::path::is_name;

/// Why bytes are not a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Shorter than its own header says.
    #[error("block ends at byte {at}")]
    Truncated {
        /// Where it ends.
        at: usize,
    },
    /// Longer than its own header says.
    #[error("block goes on after byte {at}")]
    Trailing {
        /// Where it should end.
        at: usize,
    },
    /// Another version of the format.
    #[error("block version {0} is not known")]
    Version(u8),
    /// A flag that this version does not have.
    #[error("block flags {0:#04x} are not known")]
    Flags(u8),
    /// More rows than a block may have.
    #[error("block of {0} rows, at most {CHUNK_ROWS} are allowed")]
    Rows(u32),
    /// Another number of directories than there are among the rows.
    #[error("block says {said} directories and has {found}")]
    Dirs {
        /// What the header says.
        said: usize,
        /// How many rows are directories.
        found: usize,
    },
    /// A column whose width or base is not allowed.
    #[error("block column {column} has shape {shape:#04x}")]
    Shape {
        /// Which column.
        column: String,
        /// Bytes of the base and of a cell, four bits each.
        shape: u8,
    },
    /// A palette without entries for its rows, or with more than its index can name.
    #[error("block column {column} has a palette of {entries} entries")]
    Palette {
        /// Which column.
        column: String,
        /// How many entries it has.
        entries: usize,
    },
    /// A value that its column may not hold.
    #[error("block row {row} has {column} {value}")]
    Cell {
        /// Which column.
        column: String,
        /// Which row.
        row: usize,
        /// The value.
        value: u64,
    },
    /// The name of a row ends before it starts.
    #[error("name of block row {row} ends at {end}")]
    NameEnd {
        /// Which row.
        row: usize,
        /// Where its name ends.
        end: usize,
    },
    /// A row whose name is no name.
    #[error("block row {row} has no valid name")]
    Name {
        /// Which row.
        row: usize,
    },
    /// A row whose name does not follow that of the row before it.
    #[error("block row {row} is out of order")]
    Order {
        /// Which row.
        row: usize,
    },
    /// The directory's own name is no name.
    #[error("block of {len} bytes of own name, which are no name")]
    OwnName {
        /// How long it is.
        len: usize,
    },
    /// A directory without an id.
    #[error("directory {rank} of the block has no id")]
    Child {
        /// How many directories stand before it.
        rank: usize,
    },
    /// A name of a packed block shares more with the one before than there is, or all together more than they may.
    #[error("name of block row {row} shares more than there is")]
    Shared {
        /// Which row; the number of rows when all together share too much.
        row: usize,
    },
    /// The spare bytes at the end are not zero.
    #[error("block has no zero bytes from byte {at} on")]
    Tail {
        /// Where they should begin.
        at: usize,
    },
}

impl Block {
    /// Validates bytes from a peer or a disk: header, lengths, order, names, ids. Everything afterwards trusts them.
    ///
    /// # Errors
    /// [`BlockError`] naming what is wrong and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, BlockError> {
        check_header(bytes)?;
        // Counts are at most 2^16 and widths at most 8, so that no sum in the layout overflows.
        let view = View::of(bytes);
        check_length(&view)?;
        check_cells(&view)?;
        check_names(&view)?;
        Ok(Self(Arc::from(bytes)))
    }
}

fn check_header(bytes: &[u8]) -> Result<(), BlockError> {
    let truncated = BlockError::Truncated { at: bytes.len() };
    if bytes.len() < HEADER + TAIL {
        return Err(truncated);
    }
    if bytes[0] != VERSION {
        return Err(BlockError::Version(bytes[0]));
    }
    if bytes[FLAGS_AT] & !FLAGS != 0 {
        return Err(BlockError::Flags(bytes[FLAGS_AT]));
    }
    let (rows, dirs) = (load_u32(bytes, ROWS_AT), load_u32(bytes, DIRS_AT));
    if rows as usize > CHUNK_ROWS {
        return Err(BlockError::Rows(rows));
    }
    if dirs > rows {
        return Err(BlockError::Dirs { said: dirs as usize, found: 0 });
    }
    let mut bases = 0;
    for (field, shape) in Field::ALL.into_iter().zip(&bytes[SHAPES_AT..HEADER]) {
        check_shape(field, *shape)?;
        bases += usize::from(shape >> 4);
    }
    let own_len = usize::from(load_u16(bytes, OWN_LEN_AT));
    if bytes.len() < HEADER + bases + own_len + TAIL { Err(truncated) } else { Ok(()) }
}

pub(super) fn check_shape(field: Field, shape: u8) -> Result<(), BlockError> {
    let (base, width) = (shape >> 4, shape & 15);
    let allowed = match field {
        Field::Size | Field::Mtime | Field::Ctime | Field::Inode => base <= 8 && width <= 8,
        Field::Nlink => base <= 4 && width <= 4,
        Field::Storage => base <= 2 && width <= 2,
        Field::Kind | Field::Marks => base + width <= 1,
        Field::Key | Field::Owner => base == 0 && width <= 2,
    };
    if allowed { Ok(()) } else { Err(BlockError::Shape { column: field.to_string(), shape }) }
}

fn check_length(view: &View<'_>) -> Result<(), BlockError> {
    let (bytes, layout) = (view.bytes, &view.layout());
    if layout.names_at + TAIL > bytes.len() {
        return Err(BlockError::Truncated { at: bytes.len() });
    }
    let end = layout.names_at.saturating_add(view.name_start(layout.rows));
    match end.saturating_add(TAIL).cmp(&bytes.len()) {
        Ordering::Greater => return Err(BlockError::Truncated { at: bytes.len() }),
        Ordering::Less => return Err(BlockError::Trailing { at: end + TAIL }),
        Ordering::Equal => {}
    }
    if bytes[end..].iter().any(|byte| *byte != 0) {
        return Err(BlockError::Tail { at: end });
    }
    Ok(())
}

fn check_cells(view: &View<'_>) -> Result<(), BlockError> {
    let layout = &view.layout();
    check_palette(view, Field::Key, layout.keys)?;
    check_palette(view, Field::Owner, layout.owners)?;
    for field in Field::ALL {
        let Some(limit) = limit(view, field) else { continue };
        // One cell stands for all of a column of width 0.
        let rows = if layout.column(field).width == 0 { layout.rows.min(1) } else { layout.rows };
        for row in 0..rows {
            let value = view.cell(field, row);
            if value > limit {
                return Err(BlockError::Cell { column: field.to_string(), row, value });
            }
        }
    }
    check_spare_keys(view)?;
    let found = (0..layout.rows).filter(|i| view.kind(*i).is_dir()).count();
    if found != layout.dirs {
        return Err(BlockError::Dirs { said: layout.dirs, found });
    }
    let orphan = (0..layout.dirs).find(|rank| view.child_at_rank(*rank) == DirId::NONE);
    orphan.map_or(Ok(()), |rank| Err(BlockError::Child { rank }))
}

/// A key entry that repeats the first one is set aside for a later row: no row may use it.
fn check_spare_keys(view: &View<'_>) -> Result<(), BlockError> {
    let is_spare = |entry: usize| entry > 0 && view.key_entry(entry) == view.key_entry(0);
    if view.head.keys < 2 || !(1..view.head.keys).any(is_spare) {
        return Ok(());
    }
    let used = (0..view.head.rows).find(|row| is_spare(view.cell(Field::Key, *row) as usize));
    used.map_or(Ok(()), |row| {
        let value = view.cell(Field::Key, row);
        Err(BlockError::Cell { column: Field::Key.to_string(), row, value })
    })
}

fn check_palette(view: &View<'_>, field: Field, entries: usize) -> Result<(), BlockError> {
    let fits = index_width(entries) <= view.column(field).width;
    let bounded = entries <= 2 * CHUNK_ROWS;
    if fits && bounded && (entries == 0) == (view.head.rows == 0) {
        return Ok(());
    }
    Err(BlockError::Palette { column: field.to_string(), entries })
}

/// The greatest value that a column may hold, if not every value is allowed.
fn limit(view: &View<'_>, field: Field) -> Option<u64> {
    match field {
        Field::Size | Field::Mtime | Field::Ctime | Field::Inode => None,
        Field::Nlink => Some(u64::from(u32::MAX)),
        Field::Kind | Field::Marks => Some(7),
        Field::Owner => Some((view.head.owners as u64).saturating_sub(1)),
        Field::Key => Some((view.head.keys as u64).saturating_sub(1)),
        Field::Storage => Some(u64::from(u16::MAX)),
    }
}

fn check_names(view: &View<'_>) -> Result<(), BlockError> {
    let own_name = view.own_name();
    if !own_name.is_empty() && !is_name(own_name) {
        return Err(BlockError::OwnName { len: own_name.len() });
    }
    let last = view.name_start(view.head.rows);
    let (mut start, mut before) = (0, &b""[..]);
    for row in 0..view.head.rows {
        let end = view.name_end(row);
        if end < start || end > last {
            return Err(BlockError::NameEnd { row, end });
        }
        let name = view.text(start, end);
        if !is_name(name) {
            return Err(BlockError::Name { row });
        }
        if name <= before {
            return Err(BlockError::Order { row });
        }
        (start, before) = (end, name);
    }
    Ok(())
}
