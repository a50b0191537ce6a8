//! Scans on demand: one per path and depth at a time, carried out by one session after another until one succeeds.

use std::collections::BTreeMap;

use crate::id::{JobId, SessionId, StorageId};
use crate::path::ViewPath;
use crate::time::{Mono, Now, SECOND, Stamp};

use super::door::Ending;

/// Jobs that are remembered, running and ended.
pub(super) const JOBS_MAX: usize = 1024;
/// A job that takes longer ends with what was found by then.
pub(super) const JOB_NS: i64 = 3600 * SECOND;
/// An ended job is forgotten after this.
pub(super) const REMEMBERED_NS: i64 = 3600 * SECOND;
/// Sessions that are tried for one job.
pub(super) const ATTEMPTS_MAX: usize = 8;

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// A session is at work, or none could take it yet.
    Running,
    /// Everything was scanned.
    Completed,
    /// Some was.
    Partial {
        /// Why not all.
        reason: String,
    },
    /// Nothing was.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A scan on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What is scanned.
    pub path: ViewPath,
    /// Whether everything below is, too.
    pub recursive: bool,
    /// How far it is.
    pub status: JobStatus,
    /// When it was first asked for.
    pub created: Stamp,
    /// When it ended.
    pub ended: Option<Stamp>,
    /// The session that is at work.
    pub runner: Option<SessionId>,
    pub(super) runs: Run,
    tried: Vec<SessionId>,
    /// When it ends at the latest; once ended, when it is forgotten.
    deadline: Mono,
}

/// How the runner was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Nobody was.
    Waiting,
    /// By this order.
    Ordered(u64),
    /// A command waits for the next heartbeat of an agent of 0.8.
    Commanded,
    /// The command was delivered.
    Delivered,
}

impl Job {
    /// Whether it has not ended yet.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.status == JobStatus::Running
    }

    /// Whether this session has tried in vain.
    pub(super) fn was_tried_by(&self, session: SessionId) -> bool {
        self.tried.contains(&session)
    }

    /// Gives it to a session.
    pub(super) fn give(&mut self, to: SessionId, run: Run) {
        self.runner = Some(to);
        self.runs = run;
        self.tried.push(to);
    }

    /// Takes it from its session, for another one.
    pub(super) fn take_back(&mut self) {
        self.runner = None;
        self.runs = Run::Waiting;
    }

    fn end(&mut self, now: Now, ending: Ending) {
        self.status = match ending {
            Ending::Completed => JobStatus::Completed,
            Ending::Partial(reason) => JobStatus::Partial { reason },
            Ending::Failed(reason) => JobStatus::Failed { reason },
        };
        self.ended = Some(now.wall);
        self.runs = Run::Waiting;
        self.deadline = now.mono.plus(REMEMBERED_NS);
    }
}

/// The jobs of one storage.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    count: u32,
    all: BTreeMap<JobId, Job>,
    running: BTreeMap<(ViewPath, bool), JobId>,
}

impl Jobs {
    /// The job of this path and depth: the one that runs, or a new one. `None` when too many run.
    pub(super) fn join(
        &mut self,
        now: Now,
        storage: StorageId,
        path: &ViewPath,
        recursive: bool,
    ) -> Option<JobId> {
        let place = (path.clone(), recursive);
        if let Some(id) = self.running.get(&place) {
            return Some(*id);
        }
        if self.all.len() >= JOBS_MAX {
            self.forget_oldest()?;
        }
        self.count = self.count.wrapping_add(1);
        let id = JobId(scatter(u32::from(storage.0) << 20 ^ self.count));
        let job = Job {
            id,
            path: path.clone(),
            recursive,
            status: JobStatus::Running,
            created: now.wall,
            ended: None,
            runner: None,
            runs: Run::Waiting,
            tried: Vec::new(),
            deadline: now.mono.plus(JOB_NS),
        };
        self.all.insert(id, job);
        self.running.insert(place, id);
        Some(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Job> {
        self.all.values()
    }

    pub(super) fn get(&self, id: JobId) -> Option<&Job> {
        self.all.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.all.get_mut(&id)
    }

    /// Running jobs that no session has, the longest waiting first.
    pub(super) fn unassigned(&self) -> Vec<JobId> {
        let mut open: Vec<&Job> = self.running_jobs().filter(|job| job.runner.is_none()).collect();
        open.sort_by_key(|job| (job.deadline, job.id));
        open.into_iter().map(|job| job.id).collect()
    }

    /// Running jobs that a session has, the oldest first.
    pub(super) fn of(&self, runner: SessionId) -> Vec<JobId> {
        let own = |job: &&Job| job.runner == Some(runner);
        let mut own: Vec<&Job> = self.running_jobs().filter(own).collect();
        own.sort_by_key(|job| (job.deadline, job.id));
        own.into_iter().map(|job| job.id).collect()
    }

    /// Whether a job can still be given to another session.
    pub(super) fn may_try_again(&self, id: JobId) -> bool {
        self.get(id).is_some_and(|job| job.tried.len() < ATTEMPTS_MAX)
    }

    /// The end of a job. False when it does not run.
    pub(super) fn end(&mut self, now: Now, id: JobId, ending: Ending) -> bool {
        let Some(job) = self.all.get_mut(&id).filter(|job| job.is_running()) else { return false };
        job.end(now, ending);
        self.running.remove(&(job.path.clone(), job.recursive));
        true
    }

    /// Ends what takes too long and forgets what ended long ago. The orders that are to be withdrawn.
    pub(super) fn expire(&mut self, now: Now) -> Vec<u64> {
        let due: Vec<JobId> =
            self.all.values().filter(|job| job.deadline <= now.mono).map(|job| job.id).collect();
        let mut orders = Vec::new();
        for id in due {
            let Some(job) = self.all.get(&id) else { continue };
            if !job.is_running() {
                self.all.remove(&id);
                continue;
            }
            if let Run::Ordered(order) = job.runs {
                orders.push(order);
            }
            let reason = format!("not finished within {} seconds", JOB_NS / SECOND);
            let begun = !job.tried.is_empty();
            self.end(now, id, if begun { Ending::Partial(reason) } else { Ending::Failed(reason) });
        }
        orders
    }

    /// When [`Self::expire`] has something to do.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.all.values().map(|job| job.deadline).min()
    }

    fn running_jobs(&self) -> impl Iterator<Item = &Job> {
        self.running.values().filter_map(|id| self.all.get(id))
    }

    fn forget_oldest(&mut self) -> Option<()> {
        let ended = self.all.values().filter(|job| !job.is_running());
        let oldest = ended.min_by_key(|job| (job.deadline, job.id))?.id;
        self.all.remove(&oldest);
        Some(())
    }
}

/// A permutation of the 32-bit numbers, so that ids do not look like counts and never repeat before all were used.
const fn scatter(n: u32) -> u32 {
    let n = (n ^ n >> 16).wrapping_mul(0x7feb_352d);
    let n = (n ^ n >> 15).wrapping_mul(0x846c_a68b);
    n ^ n >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u64; 0] = [];
    const STORAGE: StorageId = StorageId(0);

    fn now(seconds: i64) -> Now {
        Now { mono: Mono(seconds * SECOND), wall: Stamp(seconds * SECOND) }
    }

    fn path(n: usize) -> ViewPath {
        ViewPath::root().join(n.to_string().as_bytes())
    }

    #[test]
    fn equal_requests_join_while_the_job_runs() {
        let mut jobs = Jobs::default();
        let first = jobs.join(now(0), STORAGE, &path(1), true).expect("room");
        assert_eq!(jobs.join(now(1), STORAGE, &path(1), true), Some(first));
        assert_ne!(jobs.join(now(1), STORAGE, &path(1), false), Some(first));
        assert!(jobs.end(now(2), first, Ending::Completed));
        assert!(!jobs.end(now(2), first, Ending::Completed), "once");
        assert_ne!(jobs.join(now(3), STORAGE, &path(1), true), Some(first));
        assert_eq!(jobs.get(first).map(|job| job.ended), Some(Some(Stamp(2 * SECOND))));
    }

    #[test]
    fn a_job_ends_at_its_deadline_and_is_forgotten_an_hour_later() {
        let mut jobs = Jobs::default();
        let idle = jobs.join(now(0), STORAGE, &path(1), true).expect("room");
        let busy = jobs.join(now(0), STORAGE, &path(2), true).expect("room");
        jobs.get_mut(busy).expect("there").give(SessionId(1), Run::Ordered(7));
        assert_eq!(jobs.expire(now(3599)), NONE);
        assert_eq!(jobs.deadline(), Some(now(3600).mono));
        assert_eq!(jobs.expire(now(3600)), [7]);
        let status = |id| jobs.get(id).expect("remembered").status.clone();
        assert!(matches!(status(idle), JobStatus::Failed { .. }));
        assert!(matches!(status(busy), JobStatus::Partial { .. }));
        assert_eq!(jobs.expire(now(7200)), NONE);
        assert_eq!((jobs.iter().count(), jobs.deadline()), (0, None));
    }

    #[test]
    fn the_table_is_bounded_and_makes_room_by_forgetting_ended_jobs() {
        let mut jobs = Jobs::default();
        let ids: Vec<_> =
            (0..JOBS_MAX).map(|n| jobs.join(now(0), STORAGE, &path(n), true)).collect();
        assert_eq!(jobs.join(now(0), STORAGE, &path(JOBS_MAX), true), None, "all run");
        jobs.end(now(1), ids[5].expect("room"), Ending::Failed("no".to_owned()));
        assert!(jobs.join(now(2), STORAGE, &path(JOBS_MAX), true).is_some());
        assert_eq!(jobs.iter().count(), JOBS_MAX);
        assert_eq!(jobs.unassigned().len(), JOBS_MAX);
    }

    #[test]
    fn ids_of_several_storages_differ() {
        let mut ids: Vec<_> = (0..64_u32)
            .flat_map(|storage| (1..=64).map(move |n| scatter(storage << 20 ^ n)))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 64 * 64);
    }
}
