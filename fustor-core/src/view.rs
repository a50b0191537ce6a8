//! A view: a deterministic state machine over commands. The same commands give the same state and the same answers.

mod member;

use std::sync::OnceLock;

use crate::event::{Applied, Command, RootIdentity, Verdict};
use crate::id::{Revision, StorageId};
use crate::key::Key;
use crate::merge::ViewConfig;
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::snapshot::{Snapshot, State};
use crate::time::{Now, Stamp};
use crate::tree::{CheckError, Tree, Union};

use member::Member;

/// What a view knows of one storage beside its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Storage {
    /// An agent was attached at some time.
    pub(crate) is_known: bool,
    pub(crate) root: Option<RootIdentity>,
    /// An agent is attached.
    pub(crate) attached: bool,
    /// Every host that writes is watched.
    pub(crate) writers_watched: bool,
    /// The root went away, or is not the one that was known.
    pub(crate) root_lost: bool,
    pub(crate) root_changed: bool,
    /// The root that was refused last, and whether its agent sees every writer.
    pub(crate) refused: Option<(RootIdentity, bool)>,
    /// Since when no agent is attached.
    pub(crate) stale_since: Option<Stamp>,
}

/// The scans of the whole tree so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cycles {
    /// How many ended.
    pub completed: u64,
    /// When the last one began that looked at everything, so that all names were known: audits of 0.8 do not. On a mount
    /// that answers from a cache, that much earlier.
    pub last_begin: Option<Stamp>,
    /// Since when each directory that can be was listed, so that what its files hold was known: the begin of the last
    /// scan, or earlier when that passed over what had not changed; less the window of a mount that answers from a cache.
    pub read_since: Option<Stamp>,
    /// When the last one ended.
    pub last_end: Option<Stamp>,
    /// When the one began that is running.
    pub running_since: Option<Stamp>,
}

/// One writer's view. Readers take a [`Snapshot`].
///
/// ```
/// use fustor_core::{Command, Mono, Now, Stamp, View, ViewConfig, ViewPath};
/// let mut view = View::new(ViewConfig::default(), 1);
/// view.apply(Now { mono: Mono(0), wall: Stamp(0) }, Command::Tick);
/// assert!(view.snapshot().tree().lookup(&ViewPath::root()).is_some());
/// ```
pub struct View {
    config: ViewConfig,
    /// Its storages: nearly always one.
    members: Vec<Member>,
    /// What they show together, if there are several.
    union: Option<Union>,
    revision: Revision,
    /// The state since the last command, once it was asked for. Let go before the next one, so that the view itself is
    /// never the reason for copying what it edits.
    current: OnceLock<Snapshot>,
}

impl View {
    /// An empty view: an unlisted root. `incarnation` tells its revisions from those of an earlier life.
    ///
    /// The first storage that a command names is the view's; each further one is shown together with it.
    #[must_use]
    pub fn new(config: ViewConfig, incarnation: u64) -> Self {
        Self {
            members: vec![Member::new(None, config.clone())],
            config,
            union: None,
            revision: Revision { incarnation, n: 0 },
            current: OnceLock::new(),
        }
    }

    /// A view of its own that is in the same state, in memory that both share until one of them changes it. It judges
    /// by `config` from now on.
    #[must_use]
    pub fn copy(&self, config: ViewConfig, incarnation: u64) -> Self {
        let mut members = self.members.clone();
        members.iter_mut().for_each(|member| member.arbiter.set_config(config.clone()));
        let revision = Revision { incarnation, ..self.revision };
        Self { config, members, union: self.union.clone(), revision, current: OnceLock::new() }
    }

    /// Applies one command. Total: bad observations are refused one by one and counted.
    pub fn apply(&mut self, now: Now, command: Command) -> Applied {
        let mut applied = Applied::default();
        drop(self.current.take());
        self.revision.n += 1;
        for member in &mut self.members {
            member.arbiter.writer.begin(self.revision.n);
            member.arbiter.expire(now.wall);
        }
        match command {
            Command::Batch(batch) => {
                let own = self.config.rules().hold(Rule::StoragesJudgeTheirOwn);
                let judge = if own { batch.storage } else { StorageId::default() };
                self.member(judge).apply_batch(now, batch, &mut applied);
            }
            Command::Tick => {
                self.members.iter_mut().for_each(|member| member.tick(now, &mut applied));
            }
            Command::Reset => {
                let version = self.revision.n;
                self.members.iter_mut().for_each(|member| member.reset(version));
                self.unite();
            }
            Command::Storages(ids) => self.show_storages(ids),
            Command::Attach { storage, root, writers_watched } => {
                applied.verdicts.count(self.member(storage).attach(root, writers_watched));
            }
            Command::Detach { storage } => self.member(storage).detach(now.wall),
            Command::AcceptRoot { storage } => {
                applied.verdicts.count(self.member(storage).accept_root());
            }
            Command::AcceptRemovals { path } => {
                let verdict = self.accept_removals(now, &path, &mut applied);
                applied.verdicts.count(verdict);
            }
        }
        for member in &mut self.members {
            member.arbiter.close_gaps();
            member.arbiter.note_debts(now.wall);
        }
        self.fold();
        let deadlines = self.members.iter().map(|member| member.arbiter.next_deadline());
        applied.next_deadline = deadlines.flatten().min();
        applied
    }

    /// The member for a storage: the one that has waited for its first word, or a new one.
    fn member(&mut self, id: StorageId) -> &mut Member {
        let at = |member: &Member| member.id.is_none_or(|known| known == id);
        let at = self.members.iter().position(at).unwrap_or_else(|| {
            let mut member = Member::new(Some(id), self.config.clone());
            member.arbiter.writer.begin(self.revision.n);
            let at = self.members.partition_point(|member| member.id < Some(id));
            self.members.insert(at, member);
            self.unite();
            at
        });
        let count = |member: &Member| member.arbiter.writer.node_count();
        let all: u64 = self.members.iter().map(count).sum();
        let member = &mut self.members[at];
        member.id = Some(id);
        member.arbiter.count_elsewhere(all - count(member));
        member
    }

    /// Shows these storages and no others; those that stay keep all that is known of them.
    fn show_storages(&mut self, mut ids: Vec<StorageId>) {
        ids.sort_unstable();
        ids.dedup();
        let Some(first) = ids.first() else { return };
        if let [Member { id: id @ None, .. }] = &mut self.members[..] {
            *id = Some(*first);
        }
        let before: Vec<Option<StorageId>> = self.members.iter().map(|member| member.id).collect();
        self.members.retain(|member| member.id.is_some_and(|id| ids.contains(&id)));
        for id in ids.into_iter().filter(|id| !before.contains(&Some(*id))) {
            let mut member = Member::new(Some(id), self.config.clone());
            member.arbiter.writer.begin(self.revision.n);
            self.members.push(member);
        }
        self.members.sort_by_key(|member| member.id);
        if !self.members.iter().map(|member| member.id).eq(before) {
            self.unite();
        }
    }

    /// Puts together what several storages show. Ids of directories mean something else afterwards.
    fn unite(&mut self) {
        let tree = |member: &Member| member.arbiter.writer.tree().clone();
        let trees: Vec<(StorageId, Tree)> = self
            .members
            .iter()
            .map(|member| (member.id.unwrap_or_default(), tree(member)))
            .collect();
        self.union =
            (trees.len() > 1).then(|| Union::new(&trees, self.revision.n, self.config.rules()));
        if let [only] = &mut self.members[..] {
            only.arbiter.writer.begin_lineage(self.revision.n);
        }
    }

    /// Shows what the members have become.
    fn fold(&mut self) {
        let Some(union) = &mut self.union else { return };
        for (at, member) in self.members.iter().enumerate() {
            union.fold(at, member.arbiter.writer.tree(), self.revision.n);
        }
    }

    fn accept_removals(&mut self, now: Now, path: &ViewPath, applied: &mut Applied) -> Verdict {
        let mut verdict = Verdict::Stale;
        for member in &mut self.members {
            if member.accept_removals(now, path, applied) == Verdict::Applied {
                verdict = Verdict::Applied;
            }
        }
        verdict
    }

    /// The state as it is now; O(1). The first call after a command makes it, the next ones share it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.current.get_or_init(|| Snapshot::new(self.state())).clone()
    }

    fn state(&self) -> State {
        let union = self.union.as_ref();
        let tree = union.map_or_else(|| self.members[0].arbiter.writer.tree(), Union::tree);
        State {
            revision: self.revision,
            tree: tree.clone(),
            holdings: self.members.iter().map(Member::holding).collect(),
            seam: union.map(Union::seam),
            audit_interval_ns: self.config.audit_interval_ns,
            rules: self.config.rules(),
        }
    }

    /// Frees up to `max_dirs` directories that were cut off. True when more remain.
    pub fn release(&mut self, max_dirs: usize) -> bool {
        drop(self.current.take());
        let mut more = false;
        for member in &mut self.members {
            more |= member.arbiter.release(max_dirs);
        }
        self.fold();
        more
    }

    /// Verifies every invariant of the tree and of the tables beside it.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), CheckError> {
        for member in &self.members {
            member.arbiter.writer.tree().check()?;
            member.arbiter.check_tables()?;
        }
        let storages = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        self.union.as_ref().map_or(Ok(()), |union| union.tree().check_of(storages))
    }
}

const _: () =
    assert!(size_of::<Key>() == 16, "keys are stored per directory and per palette entry");
