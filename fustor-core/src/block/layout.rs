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

    /// The bytes of `rows` cells from row `first` on.
    pub(super) fn rows(self, bytes: &[u8], first: usize, rows: usize) -> &[u8] {
        let width = usize::from(self.width);
        &bytes[self.at + first * width..self.at + (first + rows) * width]
    }

    /// The bytes of `rows` cells.
    pub(super) fn bytes(self, bytes: &[u8], rows: usize) -> &[u8] {
        &bytes[self.at..self.at + rows * usize::from(self.width)]
    }
}

/// The counts and offsets of the header: what names and directory ids take, and each column on its own. Offsets count
/// from the start of the block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
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
    /// Where each name ends, counted from `names_at`.
    pub(super) ends: Column,
    pub(super) names_at: usize,
}

impl Head {
    /// Reads the header of a block whose counts and widths are within bounds and whose bases are present.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Self {
        let (start, counts) = (load(bytes, 0), load(bytes, DIRS_AT));
        let flags = (start >> (8 * FLAGS_AT)) as u8;
        let own_len = (start >> (8 * OWN_LEN_AT) & MASK[2]) as usize;
        let rows = (start >> (8 * ROWS_AT)) as usize;
        let dirs = (counts & MASK[4]) as usize;
        let keys = (counts >> (8 * (KEYS_AT - DIRS_AT)) & MASK[2]) as usize;
        let owners = (counts >> (8 * (OWNERS_AT - DIRS_AT)) & MASK[2]) as usize;
        let (bases, row) = shape_sums(bytes);
        let own_at = HEADER + bases;
        let children_at = own_at + own_len;
        let keys_at = children_at + dirs * CHILD;
        let owners_at = keys_at + keys * KEY;
        let columns_at = owners_at + owners * OWNER;
        let width = if flags & WIDE_ENDS == 0 { 2 } else { 4 };
        let ends = Column { base: 0, at: columns_at + rows * row, width };
        let names_at = ends.at + rows * usize::from(width);
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
            ends,
            names_at,
        }
    }

    /// One column, found by adding up the shapes of those before it.
    #[inline]
    pub(super) fn column(&self, bytes: &[u8], field: Field) -> Column {
        let (mut base_at, mut row) = (HEADER, 0);
        for shape in &bytes[SHAPES_AT..SHAPES_AT + field as usize] {
            base_at += usize::from(shape >> 4);
            row += usize::from(shape & 15);
        }
        let shape = bytes[SHAPES_AT + field as usize];
        let base = load(bytes, base_at) & MASK[usize::from(shape >> 4)];
        Column { base, at: self.columns_at + self.rows * row, width: shape & 15 }
    }

    #[inline]
    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Bytes of all bases, and bytes of the cells of one row. Ten shapes of at most fifteen: no sum exceeds a byte.
#[inline]
fn shape_sums(bytes: &[u8]) -> (usize, usize) {
    const LOW: u64 = 0x0f0f_0f0f_0f0f_0f0f;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (first, rest) = (load(bytes, SHAPES_AT), u64::from(load_u16(bytes, SHAPES_AT + 8)));
    let sum = |nibbles: u64| (nibbles.wrapping_mul(ONES) >> 56) as usize;
    (sum((first >> 4 & LOW) + (rest >> 4 & LOW)), sum((first & LOW) + (rest & LOW)))
}

/// The header with all columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    head: Head,
    columns: [Column; FIELDS],
}

impl Layout {
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Self {
        let head = Head::of(bytes);
        let columns = columns_of(bytes, &head);
        Self { head, columns }
    }

    pub(super) const fn new(head: Head, columns: [Column; FIELDS]) -> Self {
        Self { head, columns }
    }

    #[inline]
    pub(super) const fn column(&self, field: Field) -> Column {
        self.columns[field as usize]
    }
}

impl std::ops::Deref for Layout {
    type Target = Head;

    #[inline]
    fn deref(&self) -> &Head {
        &self.head
    }
}

/// All columns, cheaper than each on its own.
#[inline]
pub(super) fn columns_of(bytes: &[u8], head: &Head) -> [Column; FIELDS] {
    let mut columns = [Column::default(); FIELDS];
    let (mut base_at, mut at) = (HEADER, head.columns_at);
    for (column, shape) in columns.iter_mut().zip(&bytes[SHAPES_AT..HEADER]) {
        let (base_bytes, width) = (usize::from(shape >> 4), shape & 15);
        *column = Column { base: load(bytes, base_at) & MASK[base_bytes], at, width };
        base_at += base_bytes;
        at += head.rows * usize::from(width);
    }
    columns
}
