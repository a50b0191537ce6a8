//! What the standalone mode tells on standard error: the first scan as it goes on, then only what matters.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use fustor_core::{DirId, Snapshot, TrustState, ViewPath};

use crate::host::ViewHost;

/// How often a running scan is looked at, and a line on a terminal rewritten.
const LOOK: Duration = Duration::from_millis(200);
/// How often a line is added where none can be rewritten, and how often a complete view is looked at.
const APPEND: Duration = Duration::from_secs(1);
/// How many uncovered directories are named.
const NAMED: usize = 5;

/// Follows one view and says what a person at the terminal wants to know.
pub(super) struct Progress {
    host: ViewHost,
    last: (Instant, u64),
    /// What the last look found, and what was told last.
    seen: Option<TrustState>,
    said: Option<TrustState>,
    complete: bool,
    terminal: bool,
}

impl Progress {
    pub(super) fn new(host: ViewHost) -> Self {
        let terminal = stderr().is_terminal();
        Self { host, last: (Instant::now(), 0), seen: None, said: None, complete: false, terminal }
    }

    /// How long until the next look.
    pub(super) const fn pause(&self) -> Duration {
        if self.complete { APPEND } else { LOOK }
    }

    /// Looks at the view; says something if there is something to say. True: the first scan has just ended.
    pub(super) fn look(&mut self) -> bool {
        let snapshot = self.host.snapshot();
        if self.complete {
            self.tell_trust(&snapshot);
            return false;
        }
        if snapshot.cycles().completed == 0 {
            self.tell_scan(&snapshot);
            return false;
        }
        self.complete = true;
        self.tell_complete(&snapshot);
        true
    }

    fn tell_scan(&mut self, snapshot: &Snapshot) {
        if !self.terminal && self.last.0.elapsed() < APPEND {
            return;
        }
        let totals = snapshot.tree().meta(DirId::ROOT).totals;
        let entries = totals.files + totals.dirs;
        let (at, before) = std::mem::replace(&mut self.last, (Instant::now(), entries));
        let seconds = at.elapsed().as_secs_f64().max(1e-3);
        let rate = entries.saturating_sub(before) as f64 / seconds;
        let text = format!(
            "{}: scanning, {entries} entries, {rate:.0}/s, {} directories left",
            self.host.name(),
            totals.unlisted,
        );
        self.line(&text, self.terminal);
    }

    fn tell_complete(&self, snapshot: &Snapshot) {
        let totals = snapshot.tree().meta(DirId::ROOT).totals;
        let text = format!(
            "{}: first scan complete: {} entries ({} files, {} directories) in {:.1} s",
            self.host.name(),
            totals.files + totals.dirs,
            totals.files,
            totals.dirs,
            scan_seconds(snapshot),
        );
        self.line(&text, false);
        if totals.uncovered > 0 {
            self.line(&uncovered(&self.host, snapshot, totals.uncovered), false);
        }
    }

    fn tell_trust(&mut self, snapshot: &Snapshot) {
        let now = self.host.clock().now();
        let trust = fustor_core::query::trust(snapshot, now, &ViewPath::root());
        // A new directory makes a view `syncing` for a moment; only what lasts is worth a line.
        let lasts =
            self.seen.replace(trust.state).is_some_and(|seen| same_state(&seen, &trust.state));
        if !lasts {
            return;
        }
        let changed = self.said.as_ref().is_none_or(|said| !same_state(said, &trust.state));
        if changed && (self.said.is_some() || !matches!(trust.state, TrustState::Trusted)) {
            let text = fustor_core::query::trust_header(&trust);
            self.line(&format!("{}: now {text}", self.host.name()), false);
        }
        self.said = Some(trust.state);
    }

    fn line(&self, text: &str, rewritten: bool) {
        let end = if rewritten { "" } else { "\n" };
        let start = if self.terminal { "\r\x1b[K" } else { "" };
        // A closed standard error is no reason to stop serving.
        drop(write!(stderr(), "{start}{text}{end}"));
    }
}

fn scan_seconds(snapshot: &Snapshot) -> f64 {
    let cycles = snapshot.cycles();
    let ends = cycles.last_begin.zip(cycles.last_end);
    ends.map_or(0.0, |(begin, end)| end.since(begin) as f64 / 1e9)
}

const fn same_state(one: &TrustState, other: &TrustState) -> bool {
    matches!(
        (one, other),
        (TrustState::Trusted, TrustState::Trusted)
            | (TrustState::Syncing { .. }, TrustState::Syncing { .. })
            | (TrustState::Stale { .. }, TrustState::Stale { .. })
            | (TrustState::Degraded, TrustState::Degraded)
    )
}

fn uncovered(host: &ViewHost, snapshot: &Snapshot, count: u32) -> String {
    let named = snapshot.uncovered().take(NAMED).map(|(dir, reason, _)| {
        let path = snapshot.tree().path_of(dir);
        let path = path.map_or_else(|| "?".to_owned(), |path| path.to_string());
        format!("{path} ({reason:?})")
    });
    let named: Vec<String> = named.collect();
    let more = if count as usize > named.len() { ", …" } else { "" };
    format!("{}: {count} directories are not covered: {}{more}", host.name(), named.join(", "))
}
