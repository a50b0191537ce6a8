//! The JSON documents of answers.

use std::fmt::Display;

use crate::entry::Marks;
use crate::id::Revision;
use crate::key::{Key, Tier};
use crate::query::{
    Basis, BlindSpots, Changed, Changes, Cursor, Entry, FindPage, LimitExceeded, ListPage,
    Metadata, Op, Settled, Stats, SubtreeStats, SuspectList, TopBy, TopPage, state_word,
};
use crate::snapshot::{Trust, TrustState};
use crate::text::{
    Detail, EntryWriter, base64, bytes_text, int, kind_word, node_at, seconds, string, uint,
};
use crate::time::Stamp;
use crate::tree::Totals;

/// A value that is a JSON document.
pub trait ToJson {
    /// Appends the document.
    fn write_json(&self, out: &mut Vec<u8>);

    /// The document.
    fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_json(&mut out);
        out
    }
}

/// Writes the members of one object, commas included.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Goes on with an object that has members already.
    fn resume(out: &'a mut Vec<u8>) -> Self {
        Self { out, first: false }
    }

    /// Keys are ours and need no escape.
    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn uint(&mut self, key: &str, n: u64) {
        uint(self.key(key), n);
    }

    fn text(&mut self, key: &str, text: &str) {
        string(self.key(key), text);
    }

    fn bool(&mut self, key: &str, on: bool) {
        self.key(key).extend_from_slice(if on { b"true" } else { b"false" });
    }

    fn null(&mut self, key: &str) {
        self.key(key).extend_from_slice(b"null");
    }

    fn seconds(&mut self, key: &str, ns: i64) {
        seconds(self.key(key), ns);
    }

    /// A time as seconds and as nanoseconds, or twice `null`.
    fn instant(&mut self, key: &str, ns: Option<i64>) {
        let ns_key = format!("{key}_ns");
        match ns {
            Some(ns) => {
                self.seconds(key, ns);
                int(self.key(&ns_key), ns);
            }
            None => {
                self.null(key);
                self.null(&ns_key);
            }
        }
    }

    fn path(&mut self, path: &[u8]) {
        let exact = bytes_text(self.key("path"), path);
        if !exact {
            self.text("path_b64", &base64(path));
        }
    }

    fn provenance(&mut self, revision: Revision, of: &Trust) {
        self.text("revision", &revision.to_string());
        trust(self.key("trust"), of);
    }

    fn cursor(&mut self, key: &str, cursor: Option<&Cursor>) {
        match cursor {
            Some(cursor) => self.text(key, &cursor.to_string()),
            None => self.null(key),
        }
    }

    fn words(&mut self, key: &str, words: impl Iterator<Item = impl Display>) {
        array(self.key(key), words, |out, word| string(out, &word.to_string()));
    }

    fn close(self) {
        self.out.push(b'}');
    }
}

fn array<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (k, item) in items.enumerate() {
        if k > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Appends a trust: the state, what there is to say of it, and the reasons.
pub fn trust(out: &mut Vec<u8>, trust: &Trust) {
    let mut object = Object::open(out);
    object.text("state", state_word(trust.state));
    match trust.state {
        TrustState::Trusted | TrustState::Degraded => {}
        TrustState::Syncing { listed, known } => {
            object.uint("listed", listed);
            object.uint("known", known);
        }
        TrustState::Stale { since } => object.instant("since", Some(since.0)),
    }
    object.words("reasons", trust.reasons.iter());
    object.close();
}

/// The error body of 0.8.
#[must_use]
pub fn detail(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    object.text("detail", text);
    object.close();
    out
}

/// The error body of 0.8 for an answer that would be too large.
#[must_use]
pub fn limit_detail(view: &str, exceeded: &LimitExceeded) -> Vec<u8> {
    let mut out = b"{\"detail\":".to_vec();
    let mut object = Object::open(&mut out);
    object.text("error", "Metadata retrieval limit exceeded");
    object.text("view", view);
    object.uint("current_count", exceeded.current_count);
    object.uint("limit", exceeded.limit);
    object.text("suggestion", "Try a more specific path or reduce recursion depth.");
    object.close();
    out.push(b'}');
    out
}

/// Appends the last line of a stream of entries: whether it is whole, and where to go on if not.
pub fn find_tail_line(out: &mut Vec<u8>, revision: Revision, of: &Trust, next: Option<&Cursor>) {
    let mut object = Object::open(out);
    object.provenance(revision, of);
    object.cursor("next", next);
    object.close();
    out.push(b'\n');
}

impl ToJson for ListPage {
    fn write_json(&self, out: &mut Vec<u8>) {
        page(
            out,
            self.revision,
            &self.trust,
            self.path.as_bytes(),
            &self.entries,
            self.next.as_ref(),
        );
    }
}

impl ToJson for FindPage {
    fn write_json(&self, out: &mut Vec<u8>) {
        page(
            out,
            self.revision,
            &self.trust,
            self.path.as_bytes(),
            &self.entries,
            self.next.as_ref(),
        );
    }
}

fn page(
    out: &mut Vec<u8>,
    revision: Revision,
    trust: &Trust,
    path: &[u8],
    entries: &[Entry],
    next: Option<&Cursor>,
) {
    let mut object = Object::open(out);
    object.provenance(revision, trust);
    object.path(path);
    let mut writer = EntryWriter::default();
    array(object.key("entries"), entries.iter(), |out, entry| {
        writer.node(out, &entry.path, &entry.row(), Detail::Entry);
        out.push(b'}');
    });
    object.cursor("next", next);
    object.close();
}

impl ToJson for Stats {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object.uint("item_count", self.total_files + self.total_directories);
        object.uint("total_files", self.total_files);
        object.uint("total_directories", self.total_directories);
        object.uint("total_size", self.total_size);
        // A thousandfold of seconds is milliseconds; lags stay far from the end of the range.
        object.seconds("latency_ms", self.lag_ns.saturating_mul(1000));
        object.seconds("staleness_seconds", self.staleness_ns);
        object.null("oldest_item_path");
        object.bool("has_blind_spot", self.has_blind_spot);
        object.uint("suspect_file_count", self.suspect_file_count);
        object.seconds("logical_now", self.logical_now);
        object.seconds("last_audit_finished_at", self.last_audit_finished_at.map_or(0, |at| at.0));
        object.uint("audit_cycle_count", self.audit_cycle_count);
        object.bool("is_auditing", self.is_auditing);
        object.bool("truncated", self.truncated);
        object.text("revision", &self.revision.to_string());
        object.close();
    }
}

impl ToJson for SubtreeStats {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object.path(self.path.as_bytes());
        object.uint("file_count", self.file_count);
        object.uint("dir_count", self.dir_count);
        object.uint("total_size", self.total_size);
        object.instant("latest_mtime", self.latest_mtime.map(|at| at.0));
        object.instant("last_change", self.last_change.map(|at| at.0));
        object.uint("suspect_count", self.suspect_count);
        object.uint("blind_spot_count", self.blind_spot_count);
        object.uint("gap_count", self.gap_count);
        object.uint("unlisted_count", self.unlisted_count);
        object.uint("uncovered_count", self.uncovered_count);
        object.provenance(self.revision, &self.trust);
        object.close();
    }
}

const fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::Partial => "partial",
        Tier::Scan => "scan",
        Tier::Atomic => "atomic",
    }
}

impl ToJson for Metadata {
    fn write_json(&self, out: &mut Vec<u8>) {
        node_at(out, &self.entry.path, &self.entry.row(), Detail::Entry);
        let mut object = Object::resume(out);
        object.text("type", kind_word(self.entry.facts.kind));
        confirmed(&mut object, self.entry.key);
        object.uint("storage", u64::from(self.entry.storage.0));
        object.bool("suspect", self.entry.marks.has(Marks::SUSPECT));
        object.instant("suspect_until", self.suspect_until.map(|at| at.0));
        object.bool("blind_spot", self.entry.marks.has(Marks::BLIND));
        if let Some(totals) = &self.totals {
            object.instant("listed_at", self.listed_at.map(|at| at.0));
            below(object.key("below"), totals);
        }
        object.provenance(self.revision, &self.trust);
        object.close();
    }
}

/// When and by whom an entry was last observed; a placeholder never was.
fn confirmed(object: &mut Object<'_>, key: Key) {
    let known = !key.is_none();
    object.instant("confirmed_at", known.then_some(key.stamp().0));
    if known {
        object.text("tier", tier_word(key.tier()));
        object.uint("agent", u64::from(key.agent().0));
    } else {
        object.null("tier");
        object.null("agent");
    }
}

fn below(out: &mut Vec<u8>, totals: &Totals) {
    let mut object = Object::open(out);
    object.uint("files", totals.files);
    object.uint("dirs", totals.dirs);
    object.uint("bytes", totals.bytes);
    object.instant(
        "last_change",
        Some(totals.last_change).filter(|at| *at > Stamp::MIN).map(|at| at.0),
    );
    object.close();
}

impl ToJson for Settled {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object.bool("settled", self.settled);
        match self.quiet_for_ns {
            Some(ns) => object.seconds("quiet_for_sec", ns),
            None => object.null("quiet_for_sec"),
        }
        object.instant("last_change", self.last_change.map(|at| at.0));
        object.instant("as_of", self.as_of.map(|at| at.0));
        object.text(
            "basis",
            match self.basis {
                Basis::Realtime => "realtime",
                Basis::Listing => "listing",
            },
        );
        let mut pending = Object::open(object.key("pending"));
        pending.uint("suspects", self.pending.suspects);
        pending.uint("gaps", self.pending.gaps);
        pending.uint("unlisted", self.pending.unlisted);
        pending.uint("uncovered", self.pending.uncovered);
        pending.close();
        object.words("reasons", self.reasons.iter());
        object.provenance(self.revision, &self.trust);
        object.close();
    }
}

impl ToJson for SuspectList {
    fn write_json(&self, out: &mut Vec<u8>) {
        array(out, self.suspects.iter(), |out, (path, until)| {
            let mut object = Object::open(out);
            object.path(path);
            object.seconds("suspect_until", until.0);
            object.close();
        });
    }
}

impl ToJson for BlindSpots {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object.uint("additions_count", self.additions_count);
        array(object.key("additions"), self.additions.iter(), |out, entry| {
            node_at(out, &entry.path, &entry.row(), Detail::Node);
            out.push(b'}');
        });
        object.uint("deletion_count", self.deletion_count);
        array(object.key("deletions"), self.deletions.iter(), |out, path| {
            let _exact = bytes_text(out, path.as_bytes());
        });
        object.bool("truncated", self.truncated);
        object.text("revision", &self.revision.to_string());
        object.close();
    }
}

impl ToJson for Changed {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        match &self.op {
            Op::Upsert => object.text("op", "upsert"),
            Op::Remove => object.text("op", "remove"),
            Op::Resync => object.text("op", "resync"),
            Op::Rename { from } => {
                object.text("op", "rename");
                let exact = bytes_text(object.key("from"), from);
                if !exact {
                    object.text("from_b64", &base64(from));
                }
            }
        }
        object.path(&self.path);
        object.close();
    }
}

impl ToJson for Changes {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object.text("from", &self.from.to_string());
        object.text("to", &self.to.to_string());
        array(object.key("changes"), self.changes.iter(), |out, changed| changed.write_json(out));
        match self.next {
            Some(next) => object.text("next", &next.to_string()),
            None => object.null("next"),
        }
        object.close();
    }
}

impl ToJson for TopPage {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object.path(self.path.as_bytes());
        let key = match self.by {
            TopBy::Size => "total_size",
            TopBy::Files => "file_count",
            TopBy::Change => "last_change_ns",
        };
        array(object.key("entries"), self.entries.iter(), |out, (measure, entry)| {
            node_at(out, &entry.path, &entry.row(), Detail::Entry);
            let mut object = Object::resume(out);
            object.key(key).extend_from_slice(measure.to_string().as_bytes());
            object.close();
        });
        object.provenance(self.revision, &self.trust);
        object.close();
    }
}
