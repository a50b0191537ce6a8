//! The dialect of a Python fusion: sources of batches by phase, signals at the end of audits, commands that come once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fustor_core::client::{BeatReply, Order, Phase, Push, Task};
use fustor_core::wire::legacy::{LegacyJob, encode_events};
use fustor_core::wire::protocol as wire;
use fustor_core::{ClockMap, CyclePhase, Event, GapReason, Kind, Lane, ViewPath};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::body::role;

pub(super) const AUDIT_END: &str = "api/v1/pipe/consistency/audit/end";
pub(super) const SENTINEL_TASKS: &str = "api/v1/pipe/consistency/sentinel/tasks";
pub(super) const SENTINEL_FEEDBACK: &str = "api/v1/pipe/consistency/sentinel/feedback";
/// Jobs that are remembered until they are done; an older one is never reported as complete beyond it.
const JOBS_MAX: usize = 4096;

/// One request of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A page of events.
    Events(Vec<u8>),
    /// The audit is over.
    AuditEnd,
}

/// What a batch becomes, in order.
pub(super) fn requests(push: &Push) -> Vec<Request> {
    let clock = wall_clock();
    if push.lane != Lane::Scan {
        return pages(push, &push.events, clock, "message", false);
    }
    let mut out = Vec::new();
    let mut phase = push.phase;
    let mut from = 0;
    for (at, event) in push.events.iter().enumerate() {
        let Event::Cycle { phase: edge, .. } = event else { continue };
        out.extend(pages(push, &push.events[from..at], clock, word(phase), false));
        from = at + 1;
        match edge {
            CyclePhase::Begin => phase = push.begins,
            CyclePhase::End | CyclePhase::PassEnd { .. } => {
                out.extend(end(push, std::mem::take(&mut phase), clock));
            }
        }
    }
    out.extend(pages(push, &push.events[from..], clock, word(phase), false));
    out
}

fn pages(
    push: &Push,
    events: &[Event],
    clock: ClockMap,
    source: &str,
    is_end: bool,
) -> Vec<Request> {
    encode_events(&push.session, events, clock, source, is_end)
        .into_iter()
        .map(Request::Events)
        .collect()
}

fn end(push: &Push, phase: Phase, clock: ClockMap) -> Vec<Request> {
    match phase {
        Phase::Idle => Vec::new(),
        Phase::Snapshot => pages(push, &[], clock, word(phase), true),
        Phase::Audit => {
            let mut last = pages(push, &[], clock, word(phase), true);
            last.push(Request::AuditEnd);
            last
        }
    }
}

const fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "on_demand_job",
        Phase::Snapshot => "snapshot",
        Phase::Audit => "audit",
    }
}

/// Directories that a Python fusion cannot ask for: what is below a directory that was renamed, and where something was
/// lost here.
pub(super) fn to_be_listed(events: &[Event]) -> Vec<ViewPath> {
    let wanted = |event: &Event| match event {
        Event::Rename { new, facts, .. } if facts.kind == Kind::Dir => Some(new.clone()),
        Event::Gap { scope, reason: GapReason::AgentOverflow | GapReason::AgentAbsent, .. } => {
            Some(scope.clone())
        }
        _ => None,
    };
    events.iter().filter_map(wanted).collect()
}

/// Maps this host's clock to wall time as of now.
fn wall_clock() -> ClockMap {
    let ns = |id| {
        let at = clock_gettime(id);
        at.tv_sec.saturating_mul(fustor_core::SECOND).saturating_add(at.tv_nsec)
    };
    let (wall, boot) = (ns(ClockId::Realtime), ns(ClockId::Boottime));
    ClockMap { offset_ns: wall.saturating_sub(boot), uncertainty_ns: 0 }
}

/// Jobs under way: 0.8 names them by text.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    next: u64,
    open: BTreeMap<u64, LegacyJob>,
}

impl Jobs {
    /// What a heartbeat of 0.8 was answered. Its commands are numbered here.
    pub(super) fn beaten(&mut self, reply: &wire::HeartbeatReply) -> BeatReply {
        let mut orders = Vec::new();
        for command in &reply.commands {
            if command.kind != "scan" {
                tracing::warn!(kind = command.kind, "fusion asks for something unknown");
                continue;
            }
            match ViewPath::parse(command.path.as_bytes()) {
                Ok(path) => orders.push(self.open(command, path)),
                Err(error) => tracing::warn!(path = command.path, %error, "no path to scan"),
            }
        }
        BeatReply::Alive { role: role(reply.role), lease: None, orders, complete_ns: None }
    }

    fn open(&mut self, command: &wire::ScanCommand, path: ViewPath) -> Order {
        self.next += 1;
        if self.open.len() >= JOBS_MAX {
            self.open.pop_first();
        }
        let job = LegacyJob { scan_path: command.path.clone(), job_id: command.job_id.clone() };
        self.open.insert(self.next, job);
        Order { id: self.next, task: Task::List { path, recursive: command.recursive } }
    }

    pub(super) fn take(&mut self, id: u64) -> Option<LegacyJob> {
        self.open.remove(&id)
    }
}

/// What a Python fusion wants looked at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Tasks {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    paths: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Feedback {
    r#type: &'static str,
    updates: Vec<Update>,
}

#[derive(Debug, Serialize)]
struct Update {
    path: String,
    mtime: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    status: &'static str,
}

/// Looks at what is wanted. `None`: nothing is, or something that is not known here.
pub(super) fn look(root: &Path, tasks: Tasks) -> Option<Vec<u8>> {
    if tasks.r#type != "suspect_check" {
        return None;
    }
    let update = |path: String| {
        let place = place(root, &path)?;
        match std::fs::symlink_metadata(place) {
            Ok(meta) => {
                use std::os::unix::fs::MetadataExt;
                let mtime = meta.mtime() as f64 + meta.mtime_nsec() as f64 * 1e-9;
                Some(Update { path, mtime, size: Some(meta.size()), status: "exists" })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Some(Update { path, mtime: 0.0, size: None, status: "missing" })
            }
            Err(_) => None,
        }
    };
    let updates: Vec<_> = tasks.paths.into_iter().filter_map(update).collect();
    if updates.is_empty() {
        return None;
    }
    serde_json::to_vec(&Feedback { r#type: "suspect_update", updates }).ok()
}

/// Where a path of the view is on this host; none outside of the root.
fn place(root: &Path, path: &str) -> Option<PathBuf> {
    let path = ViewPath::parse(path.as_bytes()).ok()?;
    let names = path.names().map(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes);
    Some(names.fold(root.to_path_buf(), |at, name| at.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(kind: &str, paths: &[&str]) -> Tasks {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Tasks { r#type: kind.to_owned(), paths }
    }

    #[test]
    fn what_cannot_be_looked_at_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), b"12345").unwrap();
        let wanted = tasks("suspect_check", &["/f", "/none", "/f/below a file", "/../etc", ""]);
        let body = look(dir.path(), wanted).expect("two can be");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["type"], "suspect_update");
        let updates = body["updates"].as_array().unwrap();
        assert_eq!(updates.len(), 2, "{updates:?}");
        assert_eq!((&updates[0]["path"], &updates[0]["status"]), (&"/f".into(), &"exists".into()));
        assert_eq!(updates[0]["size"], 5);
        assert!(updates[0]["mtime"].as_f64().is_some_and(|mtime| mtime > 1e9));
        assert_eq!(
            (&updates[1]["path"], &updates[1]["status"]),
            (&"/none".into(), &"missing".into())
        );
    }

    #[test]
    fn what_is_no_check_of_suspects_is_not_answered() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), b"1").unwrap();
        for kind in ["", "reticulate"] {
            assert_eq!(look(dir.path(), tasks(kind, &["/f"])), None, "{kind:?}");
        }
        assert_eq!(look(dir.path(), Tasks::default()), None);
        assert_eq!(look(dir.path(), tasks("suspect_check", &[])), None);
    }
}
