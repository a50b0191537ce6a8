//! What a case may expect of a view.
//!
//! ```text
//! /f absent
//! /f file size=1 mtime=2 ctime=3 storage=0 placeholder|confirmed suspect|calm blind|watched until=40
//! tree /a /a/b            exactly these, besides the root        suspects /a /b       deletions /a
//! sentinel /a /b          what agents of 0.8 are asked to look at
//! total / files=1 dirs=0 bytes=7 suspects=0 blind=0 gaps=0 unlisted=0 placeholders=0 uncovered=0 newest=5
//! verdicts applied=1 stale=0 buried=0 queued=0 refused=0        of the last command; unnamed ones are 0
//! asks nothing | list /d | deep /d | recheck /f                 of the last command
//! trust / trusted | syncing | stale | degraded [reason …]
//! clock unsure | 12.5 [within 1]          cycles 2 [running]          stale 10 | no
//! attached yes | no        watched yes | no        truncated yes | no        dropped 3        deadline 40 | none
//! conflicts /f /d | none  takeovers 1        several storages
//! bad-path /../x           not a path of a view; "\0" stands for a byte 0
//! ask …                    a query, see `ask`
//! ```

use std::collections::BTreeSet;
use std::fmt::Debug;

use fustor_core::{Directive, Kind, Marks, Row, Snapshot, Stamp, TrustState, ViewPath};

use super::ask;
use super::check::Stage;
use crate::observe::entries;
use crate::script::{BASE, number, path, span, time};

/// Compares the stage with one expectation.
pub(super) fn expect(stage: &Stage, text: &str) -> Result<(), String> {
    let snapshot = stage.view.snapshot();
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "tree" => same(tree(&snapshot), list(rest)?),
        "suspects" => same(suspects(&snapshot)?, list(rest)?),
        "deletions" => {
            let seen: BTreeSet<_> =
                snapshot.blind_deletions().map(|gone| gone.path.clone()).collect();
            same(seen, list(rest)?.into_iter().collect())
        }
        "sentinel" => {
            let args = fustor_core::query::SentinelArgs::default();
            let page = fustor_core::query::sentinel(&snapshot, stage.now, &args);
            same(page.paths, list(rest)?)
        }
        "dropped" => same(snapshot.blind_deletions_dropped(), number(rest)?),
        "total" => total(&snapshot, rest),
        "verdicts" => verdicts(stage, rest),
        "asks" => asks(stage, rest),
        "trust" => trust(stage, &snapshot, rest),
        "clock" => clock(stage, &snapshot, rest),
        "cycles" => {
            let cycles = snapshot.cycles();
            let running = if cycles.running_since.is_some() { " running" } else { "" };
            same(format!("{}{running}", cycles.completed), rest.to_owned())
        }
        "stale" => same(snapshot.stale_since(), when(rest)?),
        "deadline" => same(stage.last.next_deadline, when(rest)?),
        "attached" => same(snapshot.attached(), yes(rest)?),
        "watched" => same(snapshot.writers_watched(), yes(rest)?),
        "takeovers" => same(snapshot.takeovers(), number(rest)?),
        "conflicts" => {
            let seen: Vec<ViewPath> = snapshot.conflicts().map(|conflict| conflict.path).collect();
            same(seen, if rest == "none" { Vec::new() } else { list(rest)? })
        }
        "truncated" => same(snapshot.truncated(), yes(rest)?),
        "bad-path" => match path(&rest.replace("\\0", "\0")) {
            Ok(path) => Err(format!("it is the path {path}")),
            Err(_) => Ok(()),
        },
        "ask" => ask::ask(stage, &snapshot, rest),
        _ => entry(&snapshot, &path(word)?, rest),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "both sides are made for the comparison")]
fn same<T: PartialEq + Debug>(seen: T, expected: T) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("got {seen:?}")) }
}

fn yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => Err(format!("neither yes nor no: {other:?}")),
    }
}

fn when(text: &str) -> Result<Option<Stamp>, String> {
    match text {
        "no" | "none" => Ok(None),
        text => time(text).map(|ns| Some(Stamp(ns))),
    }
}

fn list(text: &str) -> Result<Vec<ViewPath>, String> {
    text.split_whitespace().map(path).collect()
}

fn tree(snapshot: &Snapshot) -> Vec<ViewPath> {
    entries(snapshot).into_iter().map(|entry| entry.path).filter(|path| !path.is_root()).collect()
}

fn suspects(snapshot: &Snapshot) -> Result<Vec<ViewPath>, String> {
    let place = |suspect: fustor_core::Suspect<'_>| {
        let dir = snapshot.tree().path_of(suspect.dir).ok_or("a suspect in no directory")?;
        Ok(dir.join(suspect.name))
    };
    snapshot.suspects().map(place).collect()
}

fn entry(snapshot: &Snapshot, path: &ViewPath, words: &str) -> Result<(), String> {
    let row = snapshot.tree().lookup(path);
    if words == "absent" {
        return same(row.is_none(), true);
    }
    let row = row.ok_or("it is not there")?;
    for word in words.split_whitespace() {
        let fits = match word.split_once('=') {
            Some(("until", value)) => {
                let until = snapshot
                    .suspects()
                    .filter(|s| s.name == path.name())
                    .find(|s| path.split().map(|(dir, _)| dir) == snapshot.tree().path_of(s.dir));
                until.is_some_and(|s| Some(s.until) == when(value).ok().flatten())
            }
            Some((name, value)) => fact(&row, name)? == fact_of(name, value)?,
            None => mark(&row, word)?,
        };
        if !fits {
            return Err(format!("not {word}: {row:?}"));
        }
    }
    Ok(())
}

fn fact(row: &Row<'_>, name: &str) -> Result<i128, String> {
    Ok(match name {
        "size" => i128::from(row.facts.size),
        "inode" => i128::from(row.facts.inode),
        "nlink" => i128::from(row.facts.nlink),
        "mtime" => i128::from(row.facts.mtime.0),
        "ctime" => i128::from(row.facts.ctime.0),
        "key" => i128::from(row.key.stamp().0),
        "storage" => i128::from(row.storage.0),
        "agent" => i128::from(row.key.agent().0),
        other => return Err(format!("no such fact: {other:?}")),
    })
}

fn fact_of(name: &str, value: &str) -> Result<i128, String> {
    match name {
        "mtime" | "ctime" | "key" => time(value).map(i128::from),
        _ => number(value),
    }
}

fn mark(row: &Row<'_>, word: &str) -> Result<bool, String> {
    Ok(match word {
        "file" => row.facts.kind == Kind::File,
        "dir" => row.facts.kind == Kind::Dir,
        "link" => row.facts.kind == Kind::Symlink,
        "fifo" => row.facts.kind == Kind::Fifo,
        "placeholder" => row.marks.has(Marks::PLACEHOLDER),
        "confirmed" => !row.marks.has(Marks::PLACEHOLDER),
        "suspect" => row.marks.has(Marks::SUSPECT),
        "calm" => !row.marks.has(Marks::SUSPECT),
        "blind" => row.marks.has(Marks::BLIND),
        "watched" => !row.marks.has(Marks::BLIND),
        other => return Err(format!("no such mark: {other:?}")),
    })
}

fn total(snapshot: &Snapshot, text: &str) -> Result<(), String> {
    let (dir, words) = text.split_once(' ').ok_or("a total of what?")?;
    let dir = snapshot.tree().dir(&path(dir)?).ok_or("no such directory")?;
    let totals = &snapshot.tree().meta(dir).totals;
    for word in words.split_whitespace() {
        let (name, value) = word.split_once('=').ok_or(format!("no value in {word:?}"))?;
        let seen = match name {
            "files" => totals.files,
            "dirs" => totals.dirs,
            "bytes" => totals.bytes,
            "suspects" => u64::from(totals.suspects),
            "blind" => u64::from(totals.blind),
            "gaps" => u64::from(totals.gaps),
            "unlisted" => u64::from(totals.unlisted),
            "placeholders" => u64::from(totals.placeholders),
            "uncovered" => u64::from(totals.uncovered),
            "newest" => {
                same(snapshot.tree().newest_mtime(dir).0, time(value)?)?;
                continue;
            }
            "changed" => {
                same(totals.last_change.0, time(value)?)?;
                continue;
            }
            other => return Err(format!("no such total: {other:?}")),
        };
        if seen != number::<u64>(value)? {
            return Err(format!("{name} is {seen}"));
        }
    }
    Ok(())
}

fn verdicts(stage: &Stage, text: &str) -> Result<(), String> {
    let mut expected = fustor_core::Verdicts::default();
    for word in text.split_whitespace() {
        match word.split_once('=').ok_or(format!("no value in {word:?}"))? {
            ("applied", value) => expected.applied = number(value)?,
            ("stale", value) => expected.stale = number(value)?,
            ("buried", value) => expected.buried = number(value)?,
            ("queued", value) => expected.queued = number(value)?,
            ("refused", value) => expected.refused = number(value)?,
            (other, _) => return Err(format!("no such verdict: {other:?}")),
        }
    }
    same(stage.last.verdicts, expected)
}

fn asks(stage: &Stage, text: &str) -> Result<(), String> {
    let asked: Vec<String> = stage.last.directives.iter().map(write_directive).collect();
    let fits = if text == "nothing" { asked.is_empty() } else { asked.iter().any(|a| a == text) };
    if fits { Ok(()) } else { Err(format!("it asks {asked:?}")) }
}

fn write_directive(directive: &Directive) -> String {
    match directive {
        Directive::List { path, recursive: true, .. } => format!("deep {path}"),
        Directive::List { path, recursive: false, .. } => format!("list {path}"),
        Directive::Recheck { path, .. } => format!("recheck {path}"),
    }
}

fn trust(stage: &Stage, snapshot: &Snapshot, text: &str) -> Result<(), String> {
    let mut words = text.split_whitespace();
    let dir = path(words.next().ok_or("trust in what?")?)?;
    let dir = snapshot.tree().dir(&dir).ok_or("no such directory")?;
    let trust = snapshot.trust(stage.now, dir);
    let state = match trust.state {
        TrustState::Trusted => "trusted",
        TrustState::Syncing { .. } => "syncing",
        TrustState::Stale { .. } => "stale",
        TrustState::Degraded => "degraded",
    };
    let expected = words.next().ok_or("which state?")?;
    let reasons: BTreeSet<String> = trust.reasons.iter().map(ToString::to_string).collect();
    let wanted: BTreeSet<String> = words.map(str::to_owned).collect();
    if state == expected && wanted.is_subset(&reasons) {
        return Ok(());
    }
    Err(format!("it is {trust:?}"))
}

fn clock(stage: &Stage, snapshot: &Snapshot, text: &str) -> Result<(), String> {
    let seen = snapshot.storage_now(stage.now);
    if text == "unsure" {
        return same(seen, None);
    }
    let (storage, uncertainty) = seen.ok_or("it is unsure")?;
    let (value, within) = text.split_once(" within ").unwrap_or((text, "0"));
    let error = (storage.0 - time(value)?).abs();
    if error <= span(within)? && uncertainty >= 0 {
        return Ok(());
    }
    Err(format!("got {} s ± {uncertainty} ns", (storage.0 - BASE) as f64 / 1e9))
}
