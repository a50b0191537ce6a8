//! Entries as Arrow columns, handed over through the C stream interface without a copy.
//!
//! A first pass counts rows and bytes, a second one fills the columns: each is allocated once, in its final size.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Int8Array, LargeBinaryArray, LargeStringArray, RecordBatch,
    RecordBatchIterator, StringArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use fustor_core::query::{Entry, FindArgs, FindError, Finder, Progress};
use fustor_core::{Facts, Snapshot};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::entry::KINDS;
use crate::error;

const NAME: &std::ffi::CStr = c"arrow_array_stream";

/// What becomes a table.
pub(crate) enum Rows {
    /// What a search finds.
    Found(Snapshot, Box<FindArgs>),
    /// What a fusion has told.
    Told(Vec<Entry>),
}

impl Rows {
    fn visit(&self, see: &mut dyn FnMut(&[u8], &Facts)) -> Result<(), FindError> {
        match self {
            Self::Told(entries) => entries.iter().for_each(|entry| see(&entry.path, &entry.facts)),
            Self::Found(snapshot, args) => {
                let mut finder = Finder::new(snapshot, args)?;
                let mut step = |finder: &mut Finder| {
                    finder.step(usize::MAX, &mut |path, row| {
                        see(path, &row.facts);
                        ControlFlow::Continue(())
                    })
                };
                while step(&mut finder) == Progress::More {}
            }
        }
        Ok(())
    }
}

/// How large the columns become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    rows: usize,
    /// Bytes of the readable paths.
    text: usize,
    /// Bytes of the paths that are not UTF-8.
    odd: usize,
}

impl Size {
    fn of(rows: &Rows) -> Result<Self, FindError> {
        let mut size = Self::default();
        rows.visit(&mut |path, _| {
            size.rows += 1;
            match String::from_utf8_lossy(path) {
                Cow::Borrowed(text) => size.text += text.len(),
                Cow::Owned(text) => {
                    size.text += text.len();
                    size.odd += path.len();
                }
            }
        })?;
        Ok(size)
    }
}

/// The columns while they are filled.
struct Columns {
    text: Vec<u8>,
    text_ends: Vec<i64>,
    odd: Vec<u8>,
    odd_ends: Vec<i64>,
    odd_valid: MutableBuffer,
    kind: Vec<i8>,
    size: Vec<u64>,
    mtime: Vec<i64>,
    ctime: Vec<i64>,
    inode: Vec<u64>,
    nlink: Vec<u32>,
    mode: Vec<u32>,
    uid: Vec<u32>,
    gid: Vec<u32>,
}

impl Columns {
    fn sized(size: Size) -> Self {
        let Size { rows, text, odd } = size;
        let ends = || {
            let mut ends = Vec::with_capacity(rows + 1);
            ends.push(0);
            ends
        };
        Self {
            text: Vec::with_capacity(text),
            text_ends: ends(),
            odd: Vec::with_capacity(odd),
            odd_ends: ends(),
            odd_valid: MutableBuffer::from_len_zeroed(rows.div_ceil(8)),
            kind: Vec::with_capacity(rows),
            size: Vec::with_capacity(rows),
            mtime: Vec::with_capacity(rows),
            ctime: Vec::with_capacity(rows),
            inode: Vec::with_capacity(rows),
            nlink: Vec::with_capacity(rows),
            mode: Vec::with_capacity(rows),
            uid: Vec::with_capacity(rows),
            gid: Vec::with_capacity(rows),
        }
    }

    fn push(&mut self, path: &[u8], facts: &Facts) {
        let row = self.kind.len();
        match String::from_utf8_lossy(path) {
            Cow::Borrowed(text) => self.text.extend_from_slice(text.as_bytes()),
            Cow::Owned(text) => {
                self.text.extend_from_slice(text.as_bytes());
                self.odd.extend_from_slice(path);
                self.odd_valid.as_slice_mut()[row / 8] |= 1 << (row % 8);
            }
        }
        self.text_ends.push(self.text.len() as i64);
        self.odd_ends.push(self.odd.len() as i64);
        // There are eight kinds.
        self.kind.push(facts.kind as i8);
        self.size.push(facts.size);
        self.mtime.push(facts.mtime.0);
        self.ctime.push(facts.ctime.0);
        self.inode.push(facts.inode);
        self.nlink.push(facts.nlink);
        self.mode.push(facts.owner.mode);
        self.uid.push(facts.owner.uid);
        self.gid.push(facts.owner.gid);
    }

    /// Where each column lies.
    fn places(&self) -> [usize; 14] {
        [
            self.text.as_ptr().addr(),
            self.text_ends.as_ptr().addr(),
            self.odd.as_ptr().addr(),
            self.odd_ends.as_ptr().addr(),
            self.odd_valid.as_slice().as_ptr().addr(),
            self.kind.as_ptr().addr(),
            self.size.as_ptr().addr(),
            self.mtime.as_ptr().addr(),
            self.ctime.as_ptr().addr(),
            self.inode.as_ptr().addr(),
            self.nlink.as_ptr().addr(),
            self.mode.as_ptr().addr(),
            self.uid.as_ptr().addr(),
            self.gid.as_ptr().addr(),
        ]
    }

    fn finish(self) -> Result<RecordBatch, ArrowError> {
        let rows = self.kind.len();
        let text_ends = OffsetBuffer::new(ScalarBuffer::from(self.text_ends));
        let odd_ends = OffsetBuffer::new(ScalarBuffer::from(self.odd_ends));
        let valid = NullBuffer::new(BooleanBuffer::new(self.odd_valid.into(), 0, rows));
        let words = StringArray::from_iter_values(KINDS.map(|(word, _)| word));
        let kinds = Int8Array::from(self.kind);
        let time = |times: Vec<i64>| TimestampNanosecondArray::from(times);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(LargeStringArray::try_new(text_ends, Buffer::from_vec(self.text), None)?),
            Arc::new(LargeBinaryArray::try_new(odd_ends, Buffer::from_vec(self.odd), Some(valid))?),
            Arc::new(DictionaryArray::<Int8Type>::try_new(kinds, Arc::new(words))?),
            Arc::new(UInt64Array::from(self.size)),
            Arc::new(time(self.mtime)),
            Arc::new(time(self.ctime)),
            Arc::new(UInt64Array::from(self.inode)),
            Arc::new(UInt32Array::from(self.nlink)),
            Arc::new(UInt32Array::from(self.mode)),
            Arc::new(UInt32Array::from(self.uid)),
            Arc::new(UInt32Array::from(self.gid)),
        ];
        RecordBatch::try_new(Arc::new(schema()), columns)
    }
}

fn schema() -> Schema {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let kind = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let column = |name, of| Field::new(name, of, name == "path_bytes");
    Schema::new(vec![
        column("path", DataType::LargeUtf8),
        column("path_bytes", DataType::LargeBinary),
        column("kind", kind),
        column("size", DataType::UInt64),
        column("mtime", time.clone()),
        column("ctime", time),
        column("inode", DataType::UInt64),
        column("nlink", DataType::UInt32),
        column("mode", DataType::UInt32),
        column("uid", DataType::UInt32),
        column("gid", DataType::UInt32),
    ])
}

fn table(rows: &Rows) -> PyResult<RecordBatch> {
    let wrong = |error: FindError| error::find(&error);
    let size = Size::of(rows).map_err(wrong)?;
    let mut columns = Columns::sized(size);
    let places = columns.places();
    rows.visit(&mut |path, facts| columns.push(path, facts)).map_err(wrong)?;
    assert_eq!(columns.places(), places, "a column was allocated twice");
    columns.finish().map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// The rows as one record batch in a capsule.
pub(crate) fn stream<'py>(py: Python<'py>, rows: &Rows) -> PyResult<Bound<'py, PyCapsule>> {
    let batch = py.detach(|| table(rows))?;
    let schema = batch.schema();
    let reader = RecordBatchIterator::new([Ok(batch)], schema);
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), NAME)
}
