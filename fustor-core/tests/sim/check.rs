//! The judges. They know the disk, and what was said at the doors; how a view comes to its picture is not their
//! business.

use std::collections::{BTreeMap, BTreeSet};

use fustor_core::client::{Role, Standing};
use fustor_core::query::{Basis, SettledArgs, settled, trust};
use fustor_core::{
    DirId, Facts, Marks, Mono, Now, SECOND, SessionId, Snapshot, Stamp, TrustState, ViewPath,
};

use crate::disk::{Effect, Touch};
use crate::plan::{EPOCH, MS, Mount, Ns};
use crate::world::{Failure, World};

/// What a judge finds.
pub(crate) type Verdict = Result<(), Failure>;

/// A session that went silent is noticed within this: its timeout, and a little.
const SILENCE_NS: Ns = 35 * SECOND;
/// An agent and its life.
type Life = (usize, u64);

/// How wrong the map of a clock may be that is not known well yet.
const CLOCK_NS: Ns = 1500 * MS;
/// A directory that was reported is watched within this; one that is not may have been moved by another host meanwhile.
const ARRIVAL_NS: Ns = 3 * SECOND;
/// How long a difference must last that nothing explains, beyond the window of a cache.
const PATIENCE_NS: Ns = 6 * SECOND;
/// How long after the last fault and the last call everything may take, beside two audits.
const END_NS: Ns = 60 * SECOND;

/// A path that a call concerned.
#[derive(Clone, Debug)]
struct Touched {
    at: Ns,
    touch: Touch,
    /// The life of the agent that was told.
    seen: Option<(usize, u64)>,
}

/// An entry as it is compared.
type Entry = Option<Facts>;

#[derive(Default)]
pub(crate) struct Checker {
    touched: Vec<Touched>,
    /// The life of each agent, and when it had last told all that it knew.
    clean: BTreeMap<usize, (u64, Ns)>,
    died: BTreeMap<(usize, u64), Ns>,
    /// Directories that a life of an agent will watch as soon as it has read of them.
    expected: BTreeMap<(Life, u64), (Ns, Option<ViewPath>)>,
    leases: BTreeMap<(u64, u64), SessionId>,
    applied: BTreeSet<(u64, usize, u64, u8, u32)>,
    unexplained: BTreeMap<ViewPath, (Ns, Entry, Entry)>,
    samples: u64,
}

impl Checker {
    /// A call was made on a host.
    pub(crate) fn note(&mut self, world: &World<'_>, host: usize, effect: &Effect) {
        let agent = world.agents.iter().position(|agent| agent.host == host);
        let living = agent.and_then(|at| {
            let agent = &world.agents[at];
            agent.process.as_ref().map(|process| ((at, agent.life), process))
        });
        // A directory that another host has moved is watched in vain: its agent looks for it where it was.
        let shared = world.plan.mount != Mount::Local;
        let watches = |own: &Self, dir: u64| {
            let (life, process) = living.as_ref()?;
            let path = world.disk.path_of(dir);
            let awaits = own.expected.get(&(*life, dir)).is_some_and(|(since, was)| {
                world.now - since < ARRIVAL_NS
                    && own.is_busy(*life, *since)
                    && (!shared || *was == path)
            });
            let there = match shared {
                true => process.source.watches_at(dir, path.as_ref()),
                false => process.source.watches(dir),
            };
            (awaits || there).then_some(*life)
        };
        for touch in &effect.touches {
            let seen = watches(self, touch.dir).filter(|_| !touch.aside);
            self.touched.push(Touched { at: world.now, touch: touch.clone(), seen });
        }
        // A directory that is reported is listed and watched, with all below it unless it was watched before.
        if let Some((dir, inode)) = effect.came
            && let Some(life) = watches(self, dir)
            && watches(self, inode).is_none()
        {
            let below = world.disk.dirs_below(inode);
            let place = |dir| (world.now, world.disk.path_of(dir));
            self.expected.extend(below.into_iter().map(|dir| ((life, dir), place(dir))));
        }
    }

    /// Whether this life of an agent has not told all since then.
    fn is_busy(&self, (agent, life): (usize, u64), since: Ns) -> bool {
        let told = self.clean.get(&agent).filter(|(known, _)| *known == life);
        told.is_none_or(|(_, at)| *at <= since)
    }

    pub(crate) fn died(&mut self, world: &World<'_>, agent: usize) {
        self.died.insert((agent, world.agents[agent].life), world.now);
    }

    pub(crate) fn fusion_started(&mut self) {
        self.unexplained.clear();
    }

    /// After each step.
    pub(crate) fn watch(&mut self, world: &mut World<'_>) -> Verdict {
        let now = world.now;
        let Some(fusion) = &mut world.fusion else { return Ok(()) };
        if fusion.took.is_empty() && fusion.granted.is_empty() {
            return Ok(());
        }
        let incarnation = fusion.incarnation;
        for (epoch, session) in std::mem::take(&mut fusion.granted) {
            let holder = *self.leases.entry((incarnation, epoch)).or_insert(session);
            if holder != session {
                let what = format!("lease {epoch} was given to {holder} and to {session}");
                return Err(failure("leases", what, now));
            }
        }
        let latest = self.leases.range((incarnation, 0)..=(incarnation, u64::MAX)).next_back();
        let latest = latest.map(|((_, epoch), holder)| (*epoch, *holder));
        for took in std::mem::take(&mut fusion.took) {
            let head = took.head;
            world.counts.observations += took.events as u64;
            let batch = (incarnation, took.agent, head.source_epoch, head.lane as u8, head.seq.0);
            if !self.applied.insert(batch) {
                return Err(failure("twice", format!("{batch:?} was applied twice"), now));
            }
            if took.has_cycle && latest != Some((head.lease, took.session)) {
                let what = format!("a duty of {head:?} of {} was obeyed; {latest:?}", took.session);
                return Err(failure("stale duty", what, now));
            }
        }
        self.leaders(world)
    }

    /// Two agents that both believe to lead, by the word of one fusion.
    fn leaders(&self, world: &World<'_>) -> Verdict {
        let Some(fusion) = &world.fusion else { return Ok(()) };
        let mut leaders = Vec::new();
        for agent in &world.agents {
            let Some(process) = agent.process.as_ref() else { continue };
            let boot = world.hosts[agent.host].boot(world.now);
            if world.now >= agent.paused_until && process.client.role(boot) == Role::Leader {
                let session = process.client.session().and_then(|(name, _)| name.parse().ok());
                leaders
                    .extend(session.filter(|id: &SessionId| fusion.roster.session(*id).is_some()));
            }
        }
        if leaders.len() > 1 {
            return Err(failure("leaders", format!("{leaders:?} lead at a time"), world.now));
        }
        Ok(())
    }

    /// Compares the picture with the disk. True: everything is at rest and as it should be.
    pub(crate) fn sample(&mut self, world: &mut World<'_>) -> Result<bool, Failure> {
        self.samples += 1;
        let clean = self.note_clean(world);
        world.counts.clean += u64::from(clean);
        let calm = world.plan.storm_ns + 2 * SECOND;
        let late = calm + 2 * world.plan.window_ns() + 3 * world.plan.audit_ns + END_NS;
        let Some(fusion) = &mut world.fusion else { return Ok(false) };
        let clock = Now { mono: Mono(world.now), wall: Stamp(EPOCH + world.now) };
        let snapshot = fusion.snapshot();
        if self.samples.is_multiple_of(8) {
            fusion
                .view
                .check()
                .map_err(|error| failure("invariants", format!("{error:?}"), world.now))?;
            bounds(world, &snapshot)?;
        }
        let differences = differences(world, &snapshot);
        world.counts.compared += 1;
        self.judge(world, &snapshot, clock, clean, &differences)?;
        self.judge_settled(world, &snapshot, clock)?;
        if world.now < calm {
            return Ok(false);
        }
        let cycles = snapshot.cycles();
        let verified = cycles.last_begin.map_or(Ns::MIN, |begin| begin.0 - EPOCH);
        let audited = verified >= calm + world.plan.window_ns() + CLOCK_NS;
        world.counts.audits = cycles.completed;
        if clean && audited {
            if let Some((path, (disk, view))) = differences.iter().next() {
                let what = format!(
                    "{} differences after an audit of a disk at rest: {path}: the disk has {}, the view {}",
                    differences.len(),
                    show(disk),
                    show(view)
                );
                return Err(about("at rest", what, path, world.now));
            }
            if is_well(world, &snapshot, clock) {
                return Ok(true);
            }
        }
        if world.now > late {
            return Err(failure("no rest", self.unrest(world, &snapshot, clock), world.now));
        }
        Ok(false)
    }

    fn unrest(&self, world: &World<'_>, snapshot: &Snapshot, clock: Now) -> String {
        let mut what = format!(
            "trust {:?}, cycles {:?}, calm since {}",
            snapshot.trust(clock, DirId::ROOT),
            snapshot.cycles(),
            EPOCH + world.plan.storm_ns,
        );
        for agent in &world.agents {
            if let Some(process) = &agent.process {
                let status = process.client.status(world.hosts[agent.host].boot(world.now));
                what += &format!("; {status:?} {}", process.source.backlog());
            }
        }
        if let Some(fusion) = &world.fusion {
            what += &format!("; orders {}, idle {}", fusion.roster.backlog(), fusion.is_idle());
        }
        what
    }

    /// Whether every agent has told all that it has seen, and nothing is under way.
    fn note_clean(&mut self, world: &World<'_>) -> bool {
        let idle = world.fusion.as_ref().is_some_and(crate::fusion::Fusion::is_idle);
        let mut all = idle;
        for (at, agent) in world.agents.iter().enumerate() {
            let boot = world.hosts[agent.host].boot(world.now);
            let clean = agent.process.as_ref().is_some_and(|process| {
                let standing = process.client.status(boot).standing;
                world.now >= agent.paused_until
                    && matches!(standing, Standing::Joined { .. })
                    && process.is_clean(boot)
            });
            if idle && clean {
                self.clean.insert(at, (agent.life, world.now));
            }
            all &= clean;
        }
        all
    }

    fn judge(
        &mut self,
        world: &World<'_>,
        snapshot: &Snapshot,
        clock: Now,
        clean: bool,
        differences: &BTreeMap<ViewPath, (Entry, Entry)>,
    ) -> Verdict {
        let patience = PATIENCE_NS + world.plan.window_ns();
        let mut still = BTreeMap::new();
        for (path, (disk, view)) in differences {
            if self.explanation(world, snapshot, clock, path).is_some() {
                continue;
            }
            let known = self.unexplained.get(path);
            let since = known.filter(|(_, d, v)| (d, v) == (disk, view));
            let since = since.map_or(world.now, |(since, _, _)| *since);
            if clean && world.now - since >= patience {
                let touches: Vec<_> = self.touches(world, path, Ns::MIN).collect();
                let last = &touches[touches.len().saturating_sub(4)..];
                let what = format!(
                    "{path}: the disk has {}, the view {}, and nothing says so; {:?}; last touched {last:?}",
                    show(disk),
                    show(view),
                    snapshot.cycles()
                );
                return Err(about("unsaid", what, path, world.now));
            }
            still.insert(path.clone(), (since, *disk, *view));
        }
        self.unexplained = still;
        Ok(())
    }

    /// What concerned a path since then, under that path or where it was before something above it moved.
    fn touches<'a>(
        &'a self,
        world: &World<'_>,
        path: &'a ViewPath,
        since: Ns,
    ) -> impl Iterator<Item = &'a Touched> {
        let places = world.disk.places(path);
        let from = self.touched.partition_point(|touched| touched.at < since);
        self.touched[from..].iter().filter(move |touched| {
            let Touch { dir, name, whole, .. } = &touched.touch;
            let place = places.iter().position(|(d, n)| (d, n) == (dir, name));
            touched.touch.path == *path
                || *whole && touched.touch.path.contains(path)
                || place.is_some_and(|at| *whole || at + 2 >= places.len())
        })
    }

    /// Why a difference may be there.
    fn explanation(
        &self,
        world: &World<'_>,
        snapshot: &Snapshot,
        clock: Now,
        path: &ViewPath,
    ) -> Option<&'static str> {
        if trust(snapshot, clock, path).state != TrustState::Trusted {
            return Some("the view does not claim to know");
        }
        let tree = snapshot.tree();
        if tree.lookup(path).is_some_and(|row| row.marks.has(Marks::SUSPECT)) {
            return Some("suspect");
        }
        if let Some((parent, _)) = path.split()
            && let Some(dir) = tree.dir(&parent)
            && snapshot.suspect_until(dir, b"").is_some()
        {
            return Some("suspect as a whole");
        }
        let begun = snapshot.cycles().last_begin.map_or(0, |begin| begin.0 - EPOCH);
        let since = begun - world.plan.window_ns() - CLOCK_NS;
        self.touches(world, path, since).find_map(|touched| self.excuse(world, snapshot, touched))
    }

    fn excuse(
        &self,
        world: &World<'_>,
        snapshot: &Snapshot,
        touched: &Touched,
    ) -> Option<&'static str> {
        if touched.touch.aside {
            return Some("another name of an inode");
        }
        let Some((agent, life)) = touched.seen else {
            let hidden = !snapshot.writers_watched() || world.now < touched.at + SILENCE_NS;
            return hidden.then_some("nobody watched");
        };
        if let Some(died) = self.died.get(&(agent, life)) {
            return (world.now < *died + SILENCE_NS).then_some("its agent died");
        }
        self.is_busy((agent, life), touched.at).then_some("under way")
    }

    /// What was called settled did not change.
    fn judge_settled(&self, world: &mut World<'_>, snapshot: &Snapshot, clock: Now) -> Verdict {
        let mut paths = vec![ViewPath::root()];
        let dirs = world.disk.entries();
        let dirs: Vec<_> = dirs.iter().filter(|(_, facts)| facts.kind.is_dir()).collect();
        for n in 1..4 {
            let at = (self.samples * 7 + n * 13) as usize % dirs.len();
            paths.push(dirs[at].0.clone());
        }
        for path in paths {
            let quiet_sec = self.samples % 9;
            let Ok(told) = settled(snapshot, clock, &SettledArgs { path: path.clone(), quiet_sec })
            else {
                continue;
            };
            if !told.settled {
                continue;
            }
            world.counts.settled += 1;
            let slack = world.plan.storage_ahead_ns.abs() + CLOCK_NS;
            let last = told.last_change.map_or(Ns::MIN / 2, |at| at.0 - EPOCH);
            let as_of = told.as_of.map_or(Ns::MIN, |at| at.0 - EPOCH);
            let from = self.touched.partition_point(|touched| touched.at <= last + slack);
            // By path, and by directory too: another one may have taken the name of one above since.
            let Some(top) = world.disk.resolve(&path) else { continue };
            let dirs: BTreeSet<u64> = world.disk.dirs_below(top).into_iter().collect();
            let below = |touched: &&Touched| {
                let Touch { path: at, dir, .. } = &touched.touch;
                path.contains(at) && *at != path && dirs.contains(dir)
            };
            for touched in self.touched[from..].iter().filter(below) {
                let late = match told.basis {
                    Basis::Realtime => self.excuse(world, snapshot, touched).is_some(),
                    Basis::Listing => touched.at >= as_of - CLOCK_NS,
                };
                if !late {
                    let what = format!(
                        "{path} is called settled: quiet since {last} as of {as_of}, {:?}; but {touched:?}",
                        told.basis
                    );
                    return Err(about("settled", what, &touched.touch.path, world.now));
                }
            }
        }
        Ok(())
    }
}

/// Whether a view at rest says that it is well.
fn is_well(world: &World<'_>, snapshot: &Snapshot, clock: Now) -> bool {
    let trust = snapshot.trust(clock, DirId::ROOT);
    let unwatched = world.plan.max_watches < usize::MAX;
    let fine = trust.state == TrustState::Trusted
        || unwatched && trust.reasons == [fustor_core::TrustReason::Uncovered];
    fine && snapshot.gaps().count() == 0
}

fn bounds(world: &World<'_>, snapshot: &Snapshot) -> Verdict {
    let config = &world.plan.view;
    // Directories that are suspect as a whole stand beside the suspects.
    let suspects = snapshot.suspects().filter(|suspect| !suspect.name.is_empty()).count();
    let tables = [
        ("suspects", suspects, config.max_suspects),
        ("blind deletions", snapshot.blind_deletion_count(), config.max_blind_deletions),
        ("gaps", snapshot.gaps().count(), 1024),
    ];
    for (name, len, limit) in tables {
        if len > limit {
            return Err(failure("bounds", format!("{len} {name}, at most {limit}"), world.now));
        }
    }
    for agent in &world.agents {
        let Some(process) = &agent.process else { continue };
        let status = process.client.status(world.hosts[agent.host].boot(world.now));
        // Both spools, what is sealed, and gaps.
        let limit = 2 * world.plan.spool_bytes + 9 * 256 * 1024 + 512 * 1024;
        if status.waiting_bytes > limit {
            let what = format!("{} bytes wait, at most {limit} may", status.waiting_bytes);
            return Err(failure("bounds", what, world.now));
        }
    }
    Ok(())
}

/// Where picture and disk differ: what each has.
fn differences(world: &World<'_>, snapshot: &Snapshot) -> BTreeMap<ViewPath, (Entry, Entry)> {
    let mut found = BTreeMap::new();
    let mut view = picture(snapshot);
    for (path, facts) in world.disk.entries() {
        let known = view.remove(&path);
        if !known.is_some_and(|known| is_same(&known, &facts)) {
            found.insert(path, (Some(facts), known));
        }
    }
    found.extend(view.into_iter().map(|(path, facts)| (path, (None, Some(facts)))));
    found
}

fn is_same(a: &Facts, b: &Facts) -> bool {
    let fields = |facts: &Facts| (facts.kind, facts.size, facts.mtime, facts.ctime, facts.inode);
    fields(a) == fields(b)
}

fn picture(snapshot: &Snapshot) -> BTreeMap<ViewPath, Facts> {
    let tree = snapshot.tree();
    let mut all = BTreeMap::from([(ViewPath::root(), tree.root_row().facts)]);
    let mut open = vec![(ViewPath::root(), DirId::ROOT)];
    while let Some((path, dir)) = open.pop() {
        for row in tree.entries(dir).rows() {
            let path = path.join(row.name);
            if row.child != DirId::NONE {
                open.push((path.clone(), row.child));
            }
            all.insert(path, row.facts);
        }
    }
    all
}

fn show(entry: &Entry) -> String {
    match entry {
        None => "nothing".to_owned(),
        Some(facts) => format!(
            "{:?} i{} s{} m{} c{}",
            facts.kind, facts.inode, facts.size, facts.mtime.0, facts.ctime.0
        ),
    }
}

fn failure(checker: &'static str, what: String, at: Ns) -> Failure {
    Failure { checker, what, words: Vec::new(), at }
}

fn about(checker: &'static str, what: String, path: &ViewPath, at: Ns) -> Failure {
    let words = vec![path.to_string()];
    Failure { checker, what, words, at }
}
