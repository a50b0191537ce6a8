//! Where everything stands in the bytes of a block; `docs/block-format.md` says the same in prose.

use std::fmt;

/// The first byte of every block.
pub(super) const VERSION: u8 = 1;
/// Flag: name ends take four bytes instead of two.
pub(super) const WIDE_ENDS: u8 = 1;
/// Flag: modification times are stored in whole seconds.
pub(super) const WHOLE_SECONDS: u8 = 2;
/// Flag: change times are stored as they are, not as a difference to the modification time.
pub(super) const PLAIN_CTIME: u8 = 4;
/// All flags there are.
pub(super) const FLAGS: u8 = WIDE_ENDS | WHOLE_SECONDS | PLAIN_CTIME;

pub(super) const FLAGS_AT: usize = 1;
pub(super) const OWN_LEN_AT: usize = 2;
pub(super) const ROWS_AT: usize = 4;
pub(super) const DIRS_AT: usize = 8;
pub(super) const KEYS_AT: usize = 12;
pub(super) const OWNERS_AT: usize = 14;
pub(super) const SHAPES_AT: usize = 16;
/// Bytes before the first base.
pub(super) const HEADER: usize = SHAPES_AT + FIELDS;
/// Zero bytes at the end, so that eight bytes can be loaded at any cell.
pub(super) const TAIL: usize = 8;
/// Bytes of a directory id.
pub(super) const CHILD: usize = 4;
/// Bytes of a palette entry of the key column: stamp, tie.
pub(super) const KEY: usize = 16;
/// Bytes of a palette entry of the owner column: mode, user, group.
pub(super) const OWNER: usize = 12;

/// The columns in the order in which they are stored: what `lstat` said comes first, so that both halves are contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Field {
    Size,
    Mtime,
    Ctime,
    Inode,
    Nlink,
    Kind,
    Owner,
    Key,
    Marks,
    Storage,
}

/// How many columns there are.
pub(super) const FIELDS: usize = 10;
/// How many of them hold what `lstat` said.
pub(super) const FACT_FIELDS: usize = 7;

impl Field {
    pub(super) const ALL: [Self; FIELDS] = [
        Self::Size,
        Self::Mtime,
        Self::Ctime,
        Self::Inode,
        Self::Nlink,
        Self::Kind,
        Self::Owner,
        Self::Key,
        Self::Marks,
        Self::Storage,
    ];
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "size",
            Self::Mtime => "mtime",
            Self::Ctime => "ctime",
            Self::Inode => "inode",
            Self::Nlink => "nlink",
            Self::Kind => "kind",
            Self::Owner => "owner",
            Self::Key => "key",
            Self::Marks => "marks",
            Self::Storage => "storage",
        })
    }
}

/// The values that `width` bytes can hold.
pub(super) const MASK: [u64; 9] = [
    0,
    0xff,
    0xffff,
    0xff_ffff,
    0xffff_ffff,
    0xff_ffff_ffff,
    0xffff_ffff_ffff,
    0xff_ffff_ffff_ffff,
    u64::MAX,
];

/// How many bytes hold `value`; none for zero.
#[inline]
pub(super) const fn width_of(value: u64) -> u8 {
    (u64::BITS - value.leading_zeros()).div_ceil(8) as u8
}

/// The eight bytes at `at`, little endian. Every cell of a valid block has eight bytes at or after it.
#[inline]
pub(super) fn load(bytes: &[u8], at: usize) -> u64 {
    let cell = bytes[at..].first_chunk().expect("a block ends with eight spare bytes");
    u64::from_le_bytes(*cell)
}

#[inline]
pub(super) fn load_u16(bytes: &[u8], at: usize) -> u16 {
    (load(bytes, at) & MASK[2]) as u16
}

#[inline]
pub(super) fn load_u32(bytes: &[u8], at: usize) -> u32 {
    (load(bytes, at) & MASK[4]) as u32
}

/// One column: cell `i` is `base` plus the `width` little-endian bytes at `at + i * width`, wrapping.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Column {
    pub(super) base: u64,
    pub(super) at: usize,
    pub(super) width: u8,
}

impl Column {
    #[inline]
    pub(super) fn cell(self, bytes: &[u8], i: usize) -> u64 {
        let width = usize::from(self.width);
        self.base.wrapping_add(load(bytes, self.at + i * width) & MASK[width & 15])
    }

    /// What to store for `value`, if this column can hold it.
    pub(super) fn delta(self, value: u64) -> Option<u64> {
        let delta = value.wrapping_sub(self.base);
        (delta <= MASK[usize::from(self.width)]).then_some(delta)
    }

    /// The bytes of `rows` cells.
    pub(super) fn bytes(self, bytes: &[u8], rows: usize) -> &[u8] {
        &bytes[self.at..self.at + rows * usize::from(self.width)]
    }
}

/// The header, decoded. Offsets count from the start of the block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) dirs: usize,
    pub(super) flags: u8,
    pub(super) own_at: usize,
    pub(super) children_at: usize,
    pub(super) keys_at: usize,
    pub(super) keys: usize,
    pub(super) owners_at: usize,
    pub(super) owners: usize,
    pub(super) columns_at: usize,
    columns: [Column; FIELDS],
    /// Where each name ends, counted from `names_at`.
    pub(super) ends: Column,
    pub(super) names_at: usize,
}

impl Layout {
    /// Decodes the header of a block whose counts and widths are within bounds and whose bases are present.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Self {
        let flags = bytes[FLAGS_AT];
        let rows = load_u32(bytes, ROWS_AT) as usize;
        let dirs = load_u32(bytes, DIRS_AT) as usize;
        let keys = usize::from(load_u16(bytes, KEYS_AT));
        let owners = usize::from(load_u16(bytes, OWNERS_AT));
        let mut columns = [Column::default(); FIELDS];
        let mut at = HEADER;
        for (column, shape) in columns.iter_mut().zip(&bytes[SHAPES_AT..HEADER]) {
            let base_bytes = usize::from(shape >> 4);
            column.width = shape & 15;
            column.base = load(bytes, at) & MASK[base_bytes];
            at += base_bytes;
        }
        let own_at = at;
        let children_at = own_at + usize::from(load_u16(bytes, OWN_LEN_AT));
        let keys_at = children_at + dirs * CHILD;
        let owners_at = keys_at + keys * KEY;
        let columns_at = owners_at + owners * OWNER;
        at = columns_at;
        for column in &mut columns {
            column.at = at;
            at += rows * usize::from(column.width);
        }
        let ends = Column { base: 0, at, width: if flags & WIDE_ENDS == 0 { 2 } else { 4 } };
        let names_at = at + rows * usize::from(ends.width);
        Self {
            rows,
            dirs,
            flags,
            own_at,
            children_at,
            keys_at,
            keys,
            owners_at,
            owners,
            columns_at,
            columns,
            ends,
            names_at,
        }
    }

    #[inline]
    pub(super) const fn column(&self, field: Field) -> Column {
        self.columns[field as usize]
    }

    #[inline]
    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}
