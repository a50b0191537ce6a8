//! The log of changes of one view: the steps between the states that were looked at, the oldest given up when it grows
//! too large.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::id::Revision;
use crate::path::ViewPath;
use crate::query::args::Limit;

use super::{Changes, Difference, Position};

/// So many steps are given to a reader at once.
const STRETCH_MAX: usize = 4096;

/// The steps of a view, bounded in bytes.
#[derive(Clone, Debug)]
pub struct ChangeLog {
    steps: VecDeque<Arc<Difference>>,
    /// What is told begins after this.
    oldest: Revision,
    /// What is told ends with this.
    head: Revision,
    bytes: usize,
    max_bytes: usize,
}

/// The revision asked for is not kept, or is not of this life of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The oldest that is.
    pub oldest: Revision,
}

/// Some steps, for a reader that wants no lock on the log.
#[derive(Clone, Debug)]
pub struct Stretch {
    since: Position,
    steps: Vec<Arc<Difference>>,
    /// What is known after these steps.
    upto: Revision,
    head: Revision,
}

impl ChangeLog {
    /// An empty log that begins at a revision.
    #[must_use]
    pub const fn new(at: Revision, max_bytes: usize) -> Self {
        Self { steps: VecDeque::new(), oldest: at, head: at, bytes: 0, max_bytes }
    }

    /// The newest revision that it tells of.
    #[must_use]
    pub const fn head(&self) -> Revision {
        self.head
    }

    /// The oldest revision after which it tells everything.
    #[must_use]
    pub const fn oldest(&self) -> Revision {
        self.oldest
    }

    /// About what it occupies.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a step that begins where the log ends.
    pub fn append(&mut self, step: Difference) {
        self.head = step.upto;
        if step.is_empty() {
            return;
        }
        let last = self.steps.back_mut().filter(|last| last.is_resync() && step.is_resync());
        if let Some(last) = last {
            // One word says as much as two.
            *last = Arc::new(Difference::resync(last.after, step.upto));
            return;
        }
        self.bytes += step.bytes();
        self.steps.push_back(Arc::new(step));
        while self.bytes > self.max_bytes {
            let Some(gone) = self.steps.pop_front() else { break };
            self.bytes -= gone.bytes();
            self.oldest = gone.upto;
        }
    }

    /// Appends that more happened than is told one by one.
    pub fn resync(&mut self, upto: Revision) {
        self.append(Difference::resync(self.head, upto));
    }

    /// The steps after a place, as many as a reader gets at once.
    ///
    /// # Errors
    /// [`Forgotten`]
    pub fn since(&self, since: Position) -> Result<Stretch, Forgotten> {
        let asked = since.revision;
        let of_this_life = asked.incarnation == self.head.incarnation;
        if !of_this_life || asked.n < self.oldest.n || asked.n > self.head.n {
            return Err(Forgotten { oldest: self.oldest });
        }
        let first = self.steps.partition_point(|step| step.upto.n <= asked.n);
        let steps: Vec<_> = self.steps.range(first..).take(STRETCH_MAX).cloned().collect();
        let all = first + steps.len() == self.steps.len();
        let upto = steps.last().filter(|_| !all).map_or(self.head, |step| step.upto);
        Ok(Stretch { since, steps, upto, head: self.head })
    }
}

impl Stretch {
    /// The differences that concern `path`, at most `limit`, of the first `examine`.
    #[must_use]
    pub fn page(&self, path: &ViewPath, limit: Limit, examine: usize) -> Changes {
        let first = self.steps.first().map(|step| step.after);
        let from = first.filter(|first| first.n < self.since.revision.n);
        let from = from.unwrap_or(self.since.revision);
        let mut answer = Changes { from, to: self.head, changes: Vec::new(), next: None };
        let mut left = examine;
        for (i, step) in self.steps.iter().enumerate() {
            let skip = if i == 0 { self.since.skip } else { 0 };
            for (n, changed) in (0..step.count).zip(step.unpack()).skip(skip as usize) {
                if left == 0 || answer.changes.len() == limit.get() {
                    answer.next = Some(Position { revision: step.after, skip: n });
                    return answer;
                }
                left -= 1;
                if changed.concerns(path) {
                    answer.changes.push(changed);
                }
            }
        }
        answer.next = (self.upto != self.head).then(|| Position::after(self.upto));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::changes::{Changed, Op};

    fn revision(n: u64) -> Revision {
        Revision { incarnation: 7, n }
    }

    fn step(after: u64, upto: u64, names: &[&str]) -> Difference {
        let change = |name: &&str| Changed { op: Op::Upsert, path: Box::from(name.as_bytes()) };
        let changes: Vec<Changed> = names.iter().map(change).collect();
        Difference::pack(revision(after), revision(upto), &changes)
    }

    fn read(log: &ChangeLog, since: Position, path: &str, limit: usize) -> (Vec<String>, Position) {
        let path = ViewPath::parse(path.as_bytes()).unwrap();
        let page = log.since(since).unwrap().page(&path, Limit::new(limit).unwrap(), 1000);
        let names = page.changes.iter();
        let names = names.map(|changed| String::from_utf8_lossy(&changed.path).into_owned());
        (names.collect(), page.resume())
    }

    #[test]
    fn pages_follow_each_other_without_a_hole() {
        let mut log = ChangeLog::new(revision(0), 1 << 20);
        log.append(step(0, 2, &["/a", "/b", "/c"]));
        log.append(step(2, 5, &[]));
        log.append(step(5, 9, &["/d", "/a/x"]));
        assert_eq!((log.head(), log.oldest()), (revision(9), revision(0)));
        let (mut place, mut all) = (Position::after(revision(0)), Vec::new());
        while place != Position::after(revision(9)) {
            let (names, next) = read(&log, place, "/", 2);
            assert!(names.len() <= 2 && next != place);
            (place, all) = (next, [all, names].concat());
        }
        assert_eq!(all, ["/a", "/b", "/c", "/d", "/a/x"]);
        assert_eq!(read(&log, Position::after(revision(0)), "/a", 9).0, ["/a", "/a/x"]);
        assert_eq!(read(&log, Position::after(revision(3)), "/", 9).0, ["/d", "/a/x"]);
        // Within a step nobody knows what came when, so all of it is told.
        assert_eq!(read(&log, Position::after(revision(1)), "/b", 9).0, ["/b"]);
        assert_eq!(
            log.since(Position::after(revision(1)))
                .unwrap()
                .page(&ViewPath::root(), Limit::default(), 9)
                .from,
            revision(0)
        );
    }

    #[test]
    fn it_forgets_the_oldest_and_says_so() {
        let mut log = ChangeLog::new(revision(0), 1000);
        for n in 0..50 {
            log.append(step(n, n + 1, &["/some/path"]));
            assert!(log.bytes() <= 1000);
        }
        let oldest = log.oldest();
        assert!(oldest.n > 30, "{oldest}");
        assert!(log.since(Position::after(oldest)).is_ok());
        let too_old = Position::after(revision(oldest.n - 1));
        assert_eq!(log.since(too_old).err(), Some(Forgotten { oldest }));
        assert!(log.since(Position::after(revision(51))).is_err(), "it is not yet");
        let other = Revision { incarnation: 8, n: oldest.n };
        assert!(log.since(Position::after(other)).is_err(), "it is of another life");
    }

    #[test]
    fn resyncs_in_a_row_are_one() {
        let mut log = ChangeLog::new(revision(0), 1000);
        (1..1000).for_each(|n| log.resync(revision(n)));
        let page = |since| {
            let stretch = log.since(Position::after(revision(since))).unwrap();
            stretch.page(&ViewPath::root(), Limit::default(), 9)
        };
        assert_eq!((page(5).changes.len(), page(999).changes.len()), (1, 0));
        assert_eq!((page(5).changes[0].op.clone(), page(5).to), (Op::Resync, revision(999)));
    }
}
