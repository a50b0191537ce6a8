//! What agents of 0.8 say, put in terms of what is known: they follow symlinks, tell few columns, round times and
//! misspell names.

use crate::entry::{Facts, Kind};
use crate::event::{Event, Fidelity, Refusal, Remark, Verdict};
use crate::id::DirId;
use crate::key::Tier;
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::{BootTime, StorageTime};
use crate::tree::Entries;

use super::{Arbiter, Hearing};

/// Times that differ by no more than this are equal: a float holds seconds since 1970 to a quarter of a microsecond.
const ROUNDING_NS: u64 = 1000;
/// Names that are compared with a misspelt one before it counts as ambiguous.
const COMPARED_MAX: usize = 1024;

/// What a directory knows under a name of 0.8.
enum Spelling<'a> {
    /// The name as it is told.
    AsTold,
    /// The only name that an agent of 0.8 tells like this.
    Known(&'a [u8]),
    /// There are several, or too many to look at.
    Several,
}

/// The facts that `told` leaves, where `known` is what was known before.
fn reconcile(known: Option<&Facts>, told: &Facts) -> Facts {
    let Some(known) = known else { return complete(told) };
    match (known.kind, told.kind) {
        (Kind::File, Kind::File) | (Kind::Dir, Kind::Dir) => Facts {
            size: if told.size == Facts::UNTOLD_SIZE { known.size } else { told.size },
            mtime: settle(known.mtime, told.mtime),
            ctime: settle(known.ctime, told.ctime),
            ..*known
        },
        (Kind::File | Kind::Dir, _) => complete(told),
        (
            Kind::Symlink
            | Kind::Fifo
            | Kind::Socket
            | Kind::BlockDevice
            | Kind::CharDevice
            | Kind::Unknown,
            _,
        ) => *known,
    }
}

/// Whether `new` is what an agent of 0.8 has told before, only known better: no change of the storage.
pub(super) fn only_says_more(old: &Facts, new: &Facts) -> bool {
    old.is_hearsay() && reconcile(Some(new), old) == *new
}

fn complete(told: &Facts) -> Facts {
    let size = if told.size == Facts::UNTOLD_SIZE { 0 } else { told.size };
    let ctime = if told.ctime == Facts::UNTOLD_TIME { told.mtime } else { told.ctime };
    Facts { size, ctime, ..*told }
}

fn settle(known: StorageTime, told: StorageTime) -> StorageTime {
    let equal = told == Facts::UNTOLD_TIME || known.0.abs_diff(told.0) <= ROUNDING_NS;
    if equal { known } else { told }
}

impl Arbiter {
    /// The facts that an observation of 0.8 leaves, by the rules that hold.
    pub(super) fn reconciled(&self, known: Option<&Facts>, told: &Facts) -> Facts {
        let stays =
            |known: &&Facts| known.kind.is_told_by_legacy() || self.holds(Rule::SpecialFilesStay);
        let facts = reconcile(known.filter(stays), told);
        let rounds = self.holds(Rule::RoundedTimesAreEqual);
        Facts { mtime: if rounds { facts.mtime } else { told.mtime }, ..facts }
    }

    /// An observation of 0.8 with its names as they are known; `None`, and counted, when it is not to be judged.
    pub(crate) fn reword(&self, hearing: &mut Hearing<'_>, mut event: Event) -> Option<Event> {
        let path = match &mut event {
            Event::Upsert { path, .. }
            | Event::Delete { path, .. }
            | Event::Remark(
                Remark::Read { dir: path, .. }
                | Remark::Checked { path, .. }
                | Remark::Missing { path, .. },
            ) => path,
            Event::Listing(_) | Event::Rename { .. } => {
                // They rest on inodes and on completeness, of which these agents know nothing.
                hearing.count(Verdict::Refused(Refusal::Malformed));
                return None;
            }
            Event::Gap { .. }
            | Event::Uncovered { .. }
            | Event::Covered { .. }
            | Event::Cycle { .. }
            | Event::RootLost { .. } => return Some(event),
        };
        let better = self.hearsay.knows_better() && self.holds(Rule::QuestionMarksAreKnownNames);
        if better && memchr::memchr(b'?', path.as_bytes()).is_some() {
            match self.spelled(path) {
                Ok(known) => *path = known,
                Err(dir) => {
                    hearing.ask_listing(dir, false);
                    hearing.count(Verdict::Queued);
                    return None;
                }
            }
        }
        Some(event)
    }

    /// The path with its names as they are known.
    ///
    /// # Errors
    /// The directory in which a name is ambiguous.
    fn spelled(&self, path: &ViewPath) -> Result<ViewPath, ViewPath> {
        let tree = self.writer.tree();
        let mut bytes = Vec::with_capacity(path.as_bytes().len());
        let mut at = DirId::ROOT;
        for name in path.names() {
            let entries = tree.entries(at);
            let name = match spelling(entries, name) {
                Spelling::AsTold => name,
                Spelling::Known(known) => known,
                Spelling::Several => return Err(view_path(&bytes)),
            };
            bytes.push(b'/');
            bytes.extend_from_slice(name);
            // Nothing is known in a directory that is not there.
            at = entries.find(name).map_or(DirId::NONE, |row| row.child);
        }
        Ok(view_path(&bytes))
    }

    /// Takes in what only agents of 0.8 say.
    pub(crate) fn remark(&mut self, hearing: &mut Hearing<'_>, remark: &Remark) -> Verdict {
        if hearing.fidelity == Fidelity::Exact {
            return Verdict::Refused(Refusal::Malformed);
        }
        match remark {
            Remark::Read { dir, sweep } => self.note_read(dir, *sweep),
            Remark::Missing { path, stamp } => {
                let key = hearing.proof(*stamp);
                self.remove_hearsay(hearing, path, key)
            }
            Remark::Checked { path, stamp, size, mtime } => {
                self.checked(hearing, path, *stamp, *size, *mtime)
            }
        }
    }

    fn checked(
        &mut self,
        hearing: &mut Hearing<'_>,
        path: &ViewPath,
        stamp: BootTime,
        size: Option<u64>,
        mtime: StorageTime,
    ) -> Verdict {
        let Some(row) = self.writer.tree().lookup(path) else {
            if let Some((parent, _)) = path.split() {
                hearing.ask_listing(parent, false);
            }
            return Verdict::Queued;
        };
        let told = Facts {
            kind: row.facts.kind,
            size: size.unwrap_or(Facts::UNTOLD_SIZE),
            mtime,
            ctime: Facts::UNTOLD_TIME,
            ..Facts::default()
        };
        let key = hearing.present(stamp, Tier::Scan);
        self.upsert(hearing, path, key, &told)
    }
}

fn view_path(bytes: &[u8]) -> ViewPath {
    // Names that are known replace names of the same length: what was a path is one.
    ViewPath::parse(bytes).unwrap_or_else(|_| ViewPath::root())
}

fn spelling<'a>(entries: &'a Entries, told: &[u8]) -> Spelling<'a> {
    let Some(first) = memchr::memchr(b'?', told) else { return Spelling::AsTold };
    if entries.find(told).is_some_and(|row| !row.facts.is_hearsay()) {
        return Spelling::AsTold;
    }
    let prefix = &told[..first];
    let mut found = None;
    let alike = entries.rows_after(prefix).take_while(|row| row.name.starts_with(prefix));
    for (n, row) in alike.enumerate() {
        if n >= COMPARED_MAX {
            return Spelling::Several;
        }
        if is_told_as(row.name, told) {
            if found.is_some() {
                return Spelling::Several;
            }
            found = Some(row.name);
        }
    }
    found.map_or(Spelling::AsTold, Spelling::Known)
}

/// Whether 0.8 tells the name `known`, which is not UTF-8, as `told`: with a `?` for each byte that does not fit.
fn is_told_as(known: &[u8], told: &[u8]) -> bool {
    if known.len() != told.len() || std::str::from_utf8(known).is_ok() {
        return false;
    }
    let mut at = 0;
    known.utf8_chunks().all(|chunk| {
        let (valid, invalid) = (chunk.valid().as_bytes(), chunk.invalid());
        let (start, middle, end) = (at, at + valid.len(), at + valid.len() + invalid.len());
        at = end;
        told[start..middle] == *valid && told[middle..end].iter().all(|byte| *byte == b'?')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: Kind, size: u64, time: i64) -> Facts {
        let time = StorageTime(time);
        Facts { kind, size, mtime: time, ctime: time, ..Facts::default() }
    }

    /// What `lstat` said.
    fn seen(kind: Kind, size: u64, time: i64) -> Facts {
        Facts { inode: 7, nlink: 1, ..facts(kind, size, time) }
    }

    #[test]
    fn what_is_told_is_completed_from_what_is_known() {
        const T: i64 = 1_700_000_000_123_456_789;
        let told_nothing = Facts {
            mtime: StorageTime(T),
            ctime: Facts::UNTOLD_TIME,
            size: Facts::UNTOLD_SIZE,
            ..Facts::default()
        };
        let link = seen(Kind::Symlink, 9, 1);
        let cases = [
            (None, facts(Kind::File, 1, T), facts(Kind::File, 1, T), "nothing known"),
            (None, told_nothing, facts(Kind::File, 0, T), "nothing known, little told"),
            (
                Some(seen(Kind::File, 1, T)),
                facts(Kind::File, 1, T + 1000),
                seen(Kind::File, 1, T),
                "rounded",
            ),
            (
                Some(seen(Kind::File, 1, T)),
                facts(Kind::File, 1, T - 1001),
                seen(Kind::File, 1, T - 1001),
                "a change",
            ),
            (
                Some(seen(Kind::File, 1, T)),
                facts(Kind::File, 2, T),
                seen(Kind::File, 2, T),
                "another size",
            ),
            (Some(seen(Kind::File, 5, T)), told_nothing, seen(Kind::File, 5, T), "columns untold"),
            (Some(link), facts(Kind::Dir, 4096, T), link, "a symlink to a directory"),
            (Some(link), facts(Kind::File, 1, T), link, "a symlink to a file"),
            (
                Some(seen(Kind::Fifo, 0, 1)),
                facts(Kind::File, 1, T),
                seen(Kind::Fifo, 0, 1),
                "a fifo",
            ),
            (
                Some(seen(Kind::File, 1, T)),
                facts(Kind::Dir, 1, T),
                facts(Kind::Dir, 1, T),
                "another kind",
            ),
        ];
        for (known, told, left, why) in cases {
            assert_eq!(reconcile(known.as_ref(), &told), left, "{why}");
        }
        assert!(only_says_more(&facts(Kind::File, 1, T), &seen(Kind::File, 1, T + 400)));
        assert!(only_says_more(&facts(Kind::Dir, 1, T), &link));
        assert!(!only_says_more(&facts(Kind::File, 1, T), &seen(Kind::File, 2, T)));
        assert!(!only_says_more(&seen(Kind::File, 1, T), &seen(Kind::File, 1, T + 400)));
    }

    #[test]
    fn each_byte_that_is_not_utf_8_is_told_as_a_question_mark() {
        for (known, told, is) in [
            (&b"stra\xdfe"[..], &b"stra?e"[..], true),
            (b"\xe4\xbd\xa0\xff?", b"\xe4\xbd\xa0??", true),
            (b"\xe4\xbd\xff", b"???", true),
            (b"\xff\xfe", b"?", false),
            (b"a\xff", b"b?", false),
            (b"a?", b"a?", false),
            (b"\xff", b"x", false),
        ] {
            assert_eq!(is_told_as(known, told), is, "{known:?} {told:?}");
        }
    }
}
