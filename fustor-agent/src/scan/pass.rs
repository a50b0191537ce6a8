//! An audit that reads only what has changed: looking at directories without opening them.
//!
//! Whatever does not look as it did when it was told is read; so is what cannot be looked at, what was never told, and what
//! is not watched though it could be. So this only ever decides that something need *not* be read.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use fustor_core::{NAME_MAX, ViewPath};
use rustix::io::Errno;

use super::Counters;
use super::job::{First, Job, Kept, Scope};
use super::register::Known;
use super::worker::Worker;
use crate::disk::{Freshness, Look, handle_at, look_at, look_freshly};

/// Directories that one worker looks at before others may have the rest.
const CHUNK: usize = 1024;

/// A directory that is to be looked at, or read.
struct Child {
    name: Vec<u8>,
    known: Known,
}

impl Worker {
    /// Looks at a directory where that may spare reading it. Gives it back if it is to be read.
    pub(super) fn look_first(&self, mut job: Job) -> Option<Job> {
        if matches!(job.first, First::Read) {
            return Some(job);
        }
        self.desk.reading.store(true, Ordering::Release);
        let silent = self.pass_over(&job);
        self.desk.reading.store(false, Ordering::Release);
        let run = job.run.clone();
        match silent {
            None => {
                job.first = First::Read;
                return Some(job);
            }
            Some(_) if self.desk.is_answered() => {
                // It did not answer for long: what was found belongs to no scan any more.
                self.scanner.list_soon(Job::new(job.path, Scope::Below));
                return None;
            }
            Some(more) => {
                if let Some(run) = &run {
                    run.expect(more.len());
                }
                self.scanner.push_children(more, false);
            }
        }
        if let Some(run) = run {
            self.scanner.finish(&run);
        }
        None
    }

    /// What is to be done below a directory that has not changed; `None`: it has.
    fn pass_over(&self, job: &Job) -> Option<Vec<Job>> {
        let (id, handle, children) = match &job.first {
            First::Read => return None,
            First::LookAt(children) => {
                let known = self.scanner.register().known(&job.path, job.above)?;
                (known.id, self.handle(job).ok()?, children.to_vec())
            }
            First::Look => {
                let known = self.scanner.register().known(&job.path, job.above)?;
                known.print?;
                if self.is_blind(&job.path) {
                    return None;
                }
                let handle = known.has_children.then(|| self.handle(job)).transpose().ok()?;
                Counters::add(&self.scanner.counters.looked, 1);
                let look = match &handle {
                    Some(handle) => look_freshly(handle.as_fd(), Freshness::Forced),
                    None => self.look(job),
                };
                if !self.is_as_known(&look.ok()?, &known) {
                    return None;
                }
                Counters::add(&self.scanner.counters.silent, 1);
                let Some(handle) = handle else { return Some(Vec::new()) };
                (known.id, handle, self.scanner.register().children(known.id))
            }
        };
        Some(self.look_at_children(job, id, handle, &children))
    }

    /// Looks at directories in one that has not changed. Gives those that are to be read, or have others in them.
    fn look_at_children(&self, job: &Job, id: u32, handle: OwnedFd, ids: &[u32]) -> Vec<Job> {
        let spot = self.scanner.register().enter(&job.path, job.above);
        let (now, later) = ids.split_at(ids.len().min(CHUNK));
        let mut more = Vec::new();
        for chunk in later.chunks(CHUNK) {
            let first = First::LookAt(chunk.into());
            let parent = job.parent.clone();
            let above = job.above;
            more.push(Job { first, parent, above, ..self.child_job(job, job.path.clone()) });
        }
        let children = self.children(id, now);
        let unwatched = self.unwatched(&job.path, &children);
        let mut below = Vec::new();
        for (at, child) in children.into_iter().enumerate() {
            if self.scanner.is_stopping() {
                break;
            }
            let first = match child.known.print {
                Some(_) if unwatched.binary_search(&at).is_ok() => First::Read,
                Some(_) if child.known.has_children => First::Look,
                Some(_) if self.is_silent(&job.path, handle.as_fd(), &child) => continue,
                Some(_) | None => First::Read,
            };
            let path = job.path.join(&child.name);
            below.push(Job { first, above: spot, ..self.child_job(job, path) });
        }
        if !below.is_empty() {
            let kept = Kept::within(handle, &self.scanner.open, self.scanner.open_max);
            for (at, job) in below.iter_mut().enumerate() {
                job.parent = kept.as_ref().filter(|kept| at == 0 || !kept.is_scarce()).cloned();
            }
        }
        more.append(&mut below);
        more
    }

    /// A job of the same scan.
    fn child_job(&self, job: &Job, path: ViewPath) -> Job {
        Job { run: job.run.clone(), vetted: true, ..Job::new(path, Scope::Changed) }
    }

    fn children(&self, id: u32, ids: &[u32]) -> Vec<Child> {
        let register = self.scanner.register();
        let found = ids.iter().filter_map(|child| register.child(id, *child));
        found.map(|(known, name)| Child { name: name.to_vec(), known }).collect()
    }

    fn unwatched(&self, dir: &ViewPath, children: &[Child]) -> Vec<usize> {
        let watches = self.scanner.setup.watches.as_deref();
        let names = children.iter().map(|child| &*child.name);
        watches.map_or_else(Vec::new, |watches| watches.unwatched(dir, names))
    }

    /// Whether a directory could be watched and is not.
    fn is_blind(&self, path: &ViewPath) -> bool {
        let watches = self.scanner.setup.watches.as_deref();
        let place = watches.zip(path.split());
        place.is_some_and(|(watches, (parent, name))| {
            !watches.unwatched(&parent, std::iter::once(name)).is_empty()
        })
    }

    /// Whether a directory without others in it has not changed.
    fn is_silent(&self, dir: &ViewPath, handle: BorrowedFd<'_>, child: &Child) -> bool {
        self.desk.beat.fetch_add(1, Ordering::Relaxed);
        Counters::add(&self.scanner.counters.looked, 1);
        let look = self.look_in(dir, handle, &child.name);
        let silent = look.is_ok_and(|look| self.is_as_known(&look, &child.known));
        if silent {
            Counters::add(&self.scanner.counters.silent, 1);
        }
        silent
    }

    fn is_as_known(&self, look: &Look, known: &Known) -> bool {
        let setup = &self.scanner.setup;
        let is_elsewhere = look.mount_root || look.device != setup.root.look().device;
        known.print == Some(look.print()) && !(setup.one_file_system && is_elsewhere)
    }

    fn look(&self, job: &Job) -> io::Result<Look> {
        match (&job.parent, job.path.split()) {
            (Some(parent), Some((dir, name))) => self.look_in(&dir, parent.fd.as_fd(), name),
            (_, Some(_)) => {
                let found = self.scanner.setup.root.lstat(&job.path, Freshness::Forced)?;
                found.ok_or_else(|| Errno::NOENT.into())
            }
            (_, None) => look_freshly(self.handle(job)?.as_fd(), Freshness::Forced),
        }
    }

    fn look_in(&self, dir: &ViewPath, handle: BorrowedFd<'_>, name: &[u8]) -> io::Result<Look> {
        let fault = self.scanner.setup.fault.as_ref();
        if let Some(error) = fault.and_then(|fault| fault(dir, name)) {
            return Err(error);
        }
        with_nul(name, |name| look_at(handle, name, Freshness::Forced))
    }

    fn handle(&self, job: &Job) -> io::Result<OwnedFd> {
        match &job.parent {
            Some(parent) => with_nul(job.path.name(), |name| handle_at(parent.fd.as_fd(), name)),
            None => self.scanner.setup.root.handle(&job.path),
        }
    }
}

fn with_nul<T>(name: &[u8], call: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
    let mut buffer = [0; NAME_MAX + 1];
    let room = buffer.get_mut(..name.len()).ok_or(Errno::NAMETOOLONG)?;
    room.copy_from_slice(name);
    call(CStr::from_bytes_until_nul(&buffer).map_err(|_| Errno::INVAL)?)
}
