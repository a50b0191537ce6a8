//! One row of 0.8: which keys it has, and what they say together.

use serde::de::{IgnoredAny, MapAccess};
use serde_json::value::RawValue;

use super::lenient::{Key, Name, Shape};
use super::scalar::{boolean, nanoseconds, natural, text};
use crate::entry::Kind;
use crate::event::{LegacyRow, RowFault};
use crate::path::ViewPath;
use crate::time::StorageTime;

/// How much of an odd value is told.
const SHOWN: usize = 80;

/// The values of a row that mean something to us, as they were sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawRow<'a> {
    path: Option<&'a str>,
    size: Option<&'a str>,
    mtime: Option<&'a str>,
    ctime: Option<&'a str>,
    is_dir: Option<&'a str>,
    atomic: Option<&'a str>,
    skipped: Option<&'a str>,
}

impl RawRow<'_> {
    /// Whose row it is.
    pub(super) fn path(&self) -> Result<ViewPath, RowFault> {
        let raw = self.path.ok_or(RowFault::Missing("path"))?;
        let bytes = text(raw).ok_or_else(|| odd("path", raw))?;
        Ok(ViewPath::parse(&bytes)?)
    }

    /// What it says of an entry that is there.
    pub(super) fn columns(&self) -> Result<LegacyRow, RowFault> {
        let mtime = time("modified_time", self.mtime)?;
        let is_dir = flag("is_directory", self.is_dir, false)?;
        Ok(LegacyRow {
            kind: if is_dir { Kind::Dir } else { Kind::File },
            size: optional("size", self.size, natural)?,
            mtime: mtime.ok_or(RowFault::Missing("modified_time"))?,
            ctime: time("created_time", self.ctime)?,
            atomic: flag("is_atomic_write", self.atomic, true)?,
            audit_skipped: flag("audit_skipped", self.skipped, false)?,
        })
    }
}

/// A value that is absent or null, or what `read` makes of it.
fn optional<'a, T>(
    key: &'static str,
    raw: Option<&'a str>,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<Option<T>, RowFault> {
    raw.map(|raw| read(raw).ok_or_else(|| odd(key, raw))).transpose()
}

fn time(key: &'static str, raw: Option<&str>) -> Result<Option<StorageTime>, RowFault> {
    optional(key, raw, |raw| nanoseconds(raw).map(StorageTime))
}

fn flag(key: &'static str, raw: Option<&str>, default: bool) -> Result<bool, RowFault> {
    Ok(optional(key, raw, boolean)?.unwrap_or(default))
}

/// A value that is not what its key wants.
pub(super) fn odd(key: &'static str, raw: &str) -> RowFault {
    let end = raw.floor_char_boundary(SHOWN);
    RowFault::Value { key, value: raw[..end].to_owned() }
}

/// A value as it was sent; null counts as absent.
pub(super) fn given(raw: &RawValue) -> Option<&str> {
    Some(raw.get()).filter(|raw| *raw != "null")
}

/// Reads a row.
pub(super) struct Row;

impl<'de> Shape<'de> for Row {
    type Value = RawRow<'de>;

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<RawRow<'de>>, A::Error> {
        let mut row = RawRow::default();
        while let Some(column) = map.next_key_seed(Name::<Column>::new())? {
            let slot = match column {
                Column::Path => &mut row.path,
                Column::Size => &mut row.size,
                Column::Mtime => &mut row.mtime,
                Column::Ctime => &mut row.ctime,
                Column::IsDir => &mut row.is_dir,
                Column::Atomic => &mut row.atomic,
                Column::Skipped => &mut row.skipped,
                Column::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *slot = given(map.next_value()?);
        }
        Ok(Some(row))
    }
}

#[derive(Clone, Copy)]
enum Column {
    Path,
    Size,
    Mtime,
    Ctime,
    IsDir,
    Atomic,
    Skipped,
    Other,
}

impl Key for Column {
    fn of(word: &str) -> Self {
        match word {
            "path" | "file_path" => Self::Path,
            "size" => Self::Size,
            "modified_time" => Self::Mtime,
            "created_time" => Self::Ctime,
            "is_directory" | "is_dir" => Self::IsDir,
            "is_atomic_write" => Self::Atomic,
            "audit_skipped" => Self::Skipped,
            _ => Self::Other,
        }
    }
}
