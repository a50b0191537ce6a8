//! How values are written: JSON strings, numbers, base64, and an entry as a JSON object. By hand, because a tree of ten
//! million entries is one answer.

mod base64;
mod node;
mod number;
mod string;

pub use base64::{base64, base64_url, unbase64};
pub(crate) use node::{Detail, Place, node, node_at};
pub use node::{EntryWriter, kind_word};
pub use number::{int, seconds, uint};
pub(crate) use string::escape;
pub use string::{bytes_text, string};

/// About how many bytes of a long answer are made at once.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;
