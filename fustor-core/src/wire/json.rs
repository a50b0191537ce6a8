//! JSON as this product writes it: compact and UTF-8.

mod answers;

pub use crate::text::{
    EntryWriter, base64, base64_url, bytes_text, int, kind_word, seconds, string, uint, unbase64,
};
pub use answers::{ToJson, detail, find_tail_line, limit_detail, trust};
