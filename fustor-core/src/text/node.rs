//! The JSON object of one entry: the node of 0.8 with its additions.

use super::{base64, escape, int, seconds, uint};
use crate::entry::{Kind, Marks, Row};

/// How much of an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Name, type and path: `only_path=true` of 0.8.
    Path,
    /// What 0.8 says of a node, and nanoseconds.
    Node,
    /// Everything that a row holds of the entry itself.
    Entry,
}

/// The directory of an entry, with a trailing slash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// As the inside of a JSON string.
    pub(crate) escaped: &'a [u8],
    /// As bytes.
    pub(crate) raw: &'a [u8],
    /// Whether the bytes are UTF-8.
    pub(crate) exact: bool,
}

/// The word for a kind.
#[must_use]
pub const fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Dir => "directory",
        Kind::File => "file",
        Kind::Symlink => "symlink",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::BlockDevice => "block_device",
        Kind::CharDevice => "char_device",
        Kind::Unknown => "unknown",
    }
}

/// Appends the object of an entry without its closing brace, so that the caller may add children. The root is the
/// entry without a name in the place `/`.
pub(crate) fn node(out: &mut Vec<u8>, place: Place<'_>, row: &Row<'_>, detail: Detail) {
    out.extend_from_slice(b"{\"name\":\"");
    let from = out.len();
    let exact = escape(out, row.name) && place.exact;
    let name = from..out.len();
    if row.facts.kind.is_dir() {
        out.extend_from_slice(b"\",\"content_type\":\"directory\",\"path\":\"");
    } else {
        out.extend_from_slice(b"\",\"content_type\":\"file\",\"path\":\"");
    }
    out.extend_from_slice(place.escaped);
    out.extend_from_within(name);
    out.push(b'"');
    match detail {
        Detail::Path => {}
        Detail::Node => attributes(out, row),
        Detail::Entry => {
            attributes(out, row);
            identity(out, row);
        }
    }
    if !exact {
        let path = [place.raw, row.name].concat();
        out.extend_from_slice(b",\"path_b64\":\"");
        out.extend_from_slice(base64(&path).as_bytes());
        out.push(b'"');
    }
}

fn attributes(out: &mut Vec<u8>, row: &Row<'_>) {
    let facts = &row.facts;
    out.extend_from_slice(b",\"size\":");
    uint(out, facts.size);
    out.extend_from_slice(b",\"modified_time\":");
    seconds(out, facts.mtime.0);
    out.extend_from_slice(b",\"created_time\":");
    seconds(out, facts.ctime.0);
    flag(out, b",\"integrity_suspect\":", row.marks.has(Marks::SUSPECT));
    flag(out, b",\"agent_missing\":", row.marks.has(Marks::BLIND));
    out.extend_from_slice(b",\"modified_time_ns\":");
    int(out, facts.mtime.0);
    out.extend_from_slice(b",\"created_time_ns\":");
    int(out, facts.ctime.0);
    match facts.kind {
        Kind::Dir | Kind::File => {}
        kind @ (Kind::Symlink
        | Kind::Fifo
        | Kind::Socket
        | Kind::BlockDevice
        | Kind::CharDevice
        | Kind::Unknown) => {
            out.extend_from_slice(b",\"kind\":\"");
            out.extend_from_slice(kind_word(kind).as_bytes());
            out.push(b'"');
        }
    }
    if row.marks.has(Marks::PLACEHOLDER) {
        out.extend_from_slice(b",\"unconfirmed\":true");
    }
}

fn flag(out: &mut Vec<u8>, key: &[u8], on: bool) {
    out.extend_from_slice(key);
    out.extend_from_slice(if on { b"true" } else { b"false" });
}

fn identity(out: &mut Vec<u8>, row: &Row<'_>) {
    let facts = &row.facts;
    let numbers: [(&[u8], u64); 5] = [
        (b",\"inode\":", facts.inode),
        (b",\"nlink\":", u64::from(facts.nlink)),
        (b",\"mode\":", u64::from(facts.owner.mode)),
        (b",\"uid\":", u64::from(facts.owner.uid)),
        (b",\"gid\":", u64::from(facts.owner.gid)),
    ];
    for (key, value) in numbers {
        out.extend_from_slice(key);
        uint(out, value);
    }
}

/// Appends an entry known by its whole path, without the closing brace.
pub(crate) fn node_at(out: &mut Vec<u8>, path: &[u8], row: &Row<'_>, detail: Detail) {
    EntryWriter::default().node(out, path, row, detail);
}

/// Writes entries one after the other; keeps the text of the last directory, since the next entry is mostly from there.
#[derive(Clone, Debug, Default)]
pub struct EntryWriter {
    raw: Vec<u8>,
    escaped: Vec<u8>,
    inexact: bool,
}

impl EntryWriter {
    /// Appends one line of newline-delimited JSON for the entry at `path`.
    pub fn line(&mut self, out: &mut Vec<u8>, path: &[u8], row: &Row<'_>) {
        self.node(out, path, row, Detail::Entry);
        out.extend_from_slice(b"}\n");
    }

    /// Appends an entry known by its whole path, without the closing brace.
    pub(crate) fn node(&mut self, out: &mut Vec<u8>, path: &[u8], row: &Row<'_>, detail: Detail) {
        let raw = &path[..path.len() - row.name.len().min(path.len())];
        if self.raw != raw {
            self.raw.clear();
            self.raw.extend_from_slice(raw);
            self.escaped.clear();
            self.inexact = !escape(&mut self.escaped, raw);
        }
        node(out, Place { escaped: &self.escaped, raw, exact: !self.inexact }, row, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Facts;
    use crate::id::{DirId, StorageId};
    use crate::key::Key;
    use crate::time::StorageTime;

    fn row(name: &[u8], kind: Kind, marks: Marks) -> Row<'_> {
        let mtime = StorageTime(1_795_329_602_550_000_000);
        let facts = Facts {
            kind,
            size: 12,
            mtime,
            ctime: StorageTime(5),
            inode: 9,
            nlink: 1,
            ..Facts::default()
        };
        Row { name, facts, key: Key::NONE, marks, storage: StorageId(0), child: DirId::NONE }
    }

    fn written(path: &[u8], row: &Row<'_>, detail: Detail) -> String {
        let mut out = Vec::new();
        node_at(&mut out, path, row, detail);
        out.push(b'}');
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_node_has_the_keys_of_0_8_first() {
        let text = written(b"/a/x\"y", &row(b"x\"y", Kind::File, Marks::SUSPECT), Detail::Node);
        let expected = r#"{"name":"x\"y","content_type":"file","path":"/a/x\"y","size":12,"modified_time":1795329602.55,"created_time":0.000000005,"integrity_suspect":true,"agent_missing":false,"modified_time_ns":1795329602550000000,"created_time_ns":5}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn a_path_that_is_not_utf_8_comes_in_base64_too() {
        let text = written(b"/\xff/x", &row(b"x", Kind::Symlink, Marks::NONE), Detail::Path);
        let expected = "{\"name\":\"x\",\"content_type\":\"file\",\"path\":\"/\u{fffd}/x\",\"path_b64\":\"L/8veA==\"}";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_writer_follows_the_directories() {
        let row = row(b"x", Kind::File, Marks::NONE);
        let paths: [&[u8]; 6] = [b"/x", b"/\xff/x", b"/\xff/x", b"/a\"/x", b"/a/x", b"/x"];
        let mut writer = EntryWriter::default();
        for path in paths {
            let mut out = Vec::new();
            writer.line(&mut out, path, &row);
            let expected = written(path, &row, Detail::Entry) + "\n";
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn placeholders_and_special_files_are_visible() {
        let text = written(
            b"/p",
            &row(b"p", Kind::Dir, Marks::PLACEHOLDER.with(Marks::BLIND)),
            Detail::Entry,
        );
        assert!(
            text.contains(r#""agent_missing":true"#) && text.contains(r#""unconfirmed":true"#),
            "{text}"
        );
        assert!(
            written(b"/p", &row(b"p", Kind::Fifo, Marks::NONE), Detail::Node)
                .contains(r#""kind":"fifo""#)
        );
        let root = written(b"/", &row(b"", Kind::Dir, Marks::NONE), Detail::Path);
        assert_eq!(root, r#"{"name":"","content_type":"directory","path":"/"}"#);
    }
}
