//! JSON as this product writes it: compact, UTF-8, written by hand because a tree of ten million entries is one answer.

mod answers;
mod base64;
mod node;
mod number;
mod text;

pub use answers::{ToJson, detail, find_tail_line, limit_detail, trust};
pub use base64::{base64, base64_url, unbase64};
pub(crate) use node::{Detail, Place, node, node_at};
pub use node::{entry_line, kind_word};
pub use number::{int, seconds, uint};
pub(crate) use text::escape;
pub use text::{bytes_text, string};

/// About how many bytes of a long answer are made at once.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;
