//! Reading one directory in small steps, while the disk may change. Mirrors `fustor-agent/src/scan/list.rs`.

use std::collections::VecDeque;

use fustor_core::{BlockBuilder, BootTime, Event, Facts, Listing, UncoveredReason, ViewPath};

use super::Source;
use super::job::Job;
use super::watches::Attached;
use crate::disk::Name;
use crate::host::{Eyes, Freshness};

const ATTEMPTS: usize = 3;
/// Names that one look into a directory gives, and entries that one step looks at.
const NAMES: usize = 12;
const LOOKS: usize = 4;

pub(super) enum Outcome {
    Read(Box<Read>),
    Absent,
    Moved { watch: Option<i32> },
}

/// A directory that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) listing: Listing,
    pub(super) inode: u64,
    pub(super) children: Vec<Name>,
    pub(super) trouble: Option<UncoveredReason>,
    pub(super) watch: Option<i32>,
    pub(super) version: Option<u64>,
    pub(super) notices: Vec<Event>,
}

#[derive(Debug)]
enum Stage {
    Begin,
    Open,
    Entries,
    Prove,
}

/// One that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) job: Job,
    stage: Stage,
    path: ViewPath,
    stamp: BootTime,
    inode: u64,
    before: Facts,
    after: Facts,
    attempt: usize,
    watch: Option<i32>,
    version: Option<u64>,
    notices: Vec<Event>,
    last: Option<Name>,
    names: VecDeque<Name>,
    rows: Vec<(Name, Facts)>,
    trouble: Option<UncoveredReason>,
}

impl Reading {
    pub(super) fn new(job: Job) -> Self {
        Self {
            path: job.path.clone(),
            job,
            stage: Stage::Begin,
            stamp: BootTime::MIN,
            inode: 0,
            before: Facts::PLACEHOLDER,
            after: Facts::PLACEHOLDER,
            attempt: 1,
            watch: None,
            version: None,
            notices: Vec::new(),
            last: None,
            names: VecDeque::new(),
            rows: Vec::new(),
            trouble: None,
        }
    }

    fn start_over(&mut self, stamp: BootTime) {
        self.stamp = stamp;
        self.last = None;
        self.names.clear();
        self.rows.clear();
    }
}

impl Source {
    /// One step; what came of it when it was the last.
    pub(super) fn read_on(
        &mut self,
        eyes: &mut Eyes<'_>,
        reading: &mut Reading,
    ) -> Option<Outcome> {
        match reading.stage {
            Stage::Begin => {
                reading.path = self.current_path(&reading.job);
                reading.stamp = eyes.boot();
                reading.stage = Stage::Open;
                None
            }
            Stage::Open => self.open_dir(eyes, reading),
            Stage::Entries => {
                self.read_entries(eyes, reading);
                None
            }
            Stage::Prove => Some(self.prove(eyes, reading)),
        }
    }

    fn open_dir(&mut self, eyes: &mut Eyes<'_>, reading: &mut Reading) -> Option<Outcome> {
        let job = &reading.job;
        let inode = match job.parent {
            None => eyes.walk(&reading.path),
            Some(parent) => eyes.child_dir(parent, job.path.name()),
        };
        let Some(inode) = inode else { return Some(Outcome::Absent) };
        reading.inode = inode;
        reading.before = eyes.open_dir(inode);
        let notices = &mut reading.notices;
        match self.attach(eyes, job, &reading.path, &reading.before, notices) {
            Attached::At { watch, path, version } => {
                reading.stamp = eyes.boot();
                (reading.watch, reading.path, reading.version) = (watch, path, Some(version));
            }
            Attached::Stale => return Some(Outcome::Moved { watch: None }),
        }
        reading.stage = Stage::Entries;
        None
    }

    fn read_entries(&mut self, eyes: &mut Eyes<'_>, reading: &mut Reading) {
        for _ in 0..LOOKS {
            if reading.names.is_empty() {
                let next = eyes.names_after(reading.inode, reading.last.as_ref(), NAMES);
                if next.is_empty() {
                    return self.end_entries(eyes, reading);
                }
                reading.last = next.last().cloned();
                reading.names = next.into();
            }
            if let Some(name) = reading.names.pop_front() {
                self.observations += 1;
                let seen = eyes.look_at(reading.inode, &name, Freshness::Ordinary);
                reading.rows.extend(seen.map(|facts| (name, facts)));
            }
        }
    }

    fn end_entries(&mut self, eyes: &mut Eyes<'_>, reading: &mut Reading) {
        reading.after = eyes.facts(reading.inode, Freshness::Ordinary);
        let (before, after) = (&reading.before, &reading.after);
        let still = (before.mtime, before.ctime) == (after.mtime, after.ctime);
        reading.trouble = (!still).then_some(UncoveredReason::Restless);
        if still || reading.attempt == ATTEMPTS {
            reading.stage = Stage::Prove;
            return;
        }
        reading.attempt += 1;
        reading.start_over(eyes.boot());
        reading.before = eyes.open_dir(reading.inode);
    }

    fn prove(&self, eyes: &mut Eyes<'_>, reading: &mut Reading) -> Outcome {
        if !eyes.leads_to(&reading.path, reading.inode) {
            return Outcome::Moved { watch: reading.watch };
        }
        let mut builder = BlockBuilder::default();
        let mut children = Vec::new();
        for (name, facts) in std::mem::take(&mut reading.rows) {
            if !facts.kind.is_dir() && reading.job.quiet {
                continue;
            }
            builder.push(&name, &facts);
            if facts.kind.is_dir() {
                children.push(name);
            }
        }
        let blocks = builder.finish(reading.path.name());
        let (stamp, facts) = (reading.stamp, reading.after);
        let complete = reading.trouble.is_none();
        let listing = Listing { dir: reading.path.clone(), stamp, complete, facts, blocks };
        Outcome::Read(Box::new(Read {
            listing,
            inode: reading.inode,
            children,
            trouble: reading.trouble,
            watch: reading.watch,
            version: reading.version,
            notices: std::mem::take(&mut reading.notices),
        }))
    }

    /// The path of a job as the reports have it now.
    pub(super) fn current_path(&self, job: &Job) -> ViewPath {
        if job.watch.is_none() && job.version == Some(self.table.version()) {
            return job.path.clone();
        }
        let own = || job.watch.and_then(|watch| self.path_of_watch(watch));
        let parent = || job.parent_watch.and_then(|watch| self.path_of_watch(watch));
        own()
            .or_else(|| Some(parent()?.join(job.path.split()?.1)))
            .unwrap_or_else(|| job.path.clone())
    }
}
