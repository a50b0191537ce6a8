//! What happens in one seed: the machines, what is written, and what goes wrong. A plan is data, so that it can be cut.

use fustor_core::{SECOND, ViewConfig};

use crate::dice::Dice;
use crate::disk::Call;

/// Nanoseconds of true time since the beginning.
pub(crate) type Ns = i64;
pub(crate) const MS: Ns = 1_000_000;
/// The true time in nanoseconds since 1970 at the beginning.
pub(crate) const EPOCH: i64 = 1_700_000_000 * SECOND;

/// How the storage is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mount {
    /// One host, whose kernel sees everything.
    Local,
    /// Several hosts, and what they read is what is there.
    Coherent,
    /// Several hosts, whose kernels answer from caches no older than that.
    Cached { window_ns: Ns },
}

/// A machine.
#[derive(Clone, Debug)]
pub(crate) struct HostPlan {
    /// Its clock at the beginning.
    pub(crate) boot_ns: i64,
    /// How fast that runs, in parts per million beyond the truth.
    pub(crate) drift_ppm: i64,
    /// Whether an agent runs there.
    pub(crate) watched: bool,
    /// What one step of its agent takes at least.
    pub(crate) step_ns: Ns,
}

/// A call of a writer on some host.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub(crate) at: Ns,
    pub(crate) host: usize,
    pub(crate) call: Call,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// `kill -9` of an agent, which comes back after `down_ns`.
    Kill { agent: usize, down_ns: Ns, remembers: bool },
    /// An agent stands still.
    Pause { agent: usize, ns: Ns },
    /// `kill -9` of fusion.
    KillFusion { down_ns: Ns },
    /// Fusion stands still.
    PauseFusion { ns: Ns },
    /// Requests, answers or both of an agent get lost.
    Cut { agent: usize, ns: Ns, there: bool, back: bool },
    /// The network is bad for everybody: so many in a hundred are lost, doubled, slow.
    Weather { ns: Ns, lost: i64, doubled: i64, slow: i64 },
    /// An agent's kernel loses what it has to report.
    Overflow { agent: usize },
}

/// A fault at its time.
#[derive(Clone, Debug)]
pub(crate) struct Mishap {
    pub(crate) at: Ns,
    pub(crate) fault: Fault,
}

/// Everything.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) mount: Mount,
    pub(crate) hosts: Vec<HostPlan>,
    /// How far the storage's clock is ahead of the truth, and the unit in which it counts.
    pub(crate) storage_ahead_ns: i64,
    pub(crate) storage_grain_ns: i64,
    pub(crate) audit_ns: Ns,
    /// Writers and faults stop then.
    pub(crate) storm_ns: Ns,
    /// Reports that a kernel queues.
    pub(crate) kernel_queue: usize,
    /// Places that wait with an agent.
    pub(crate) coalescer: usize,
    pub(crate) partial_ns: Ns,
    pub(crate) max_watches: usize,
    pub(crate) spool_bytes: usize,
    pub(crate) batch_events: usize,
    pub(crate) workers: usize,
    pub(crate) view: ViewConfig,
    pub(crate) happenings: Vec<Happening>,
    pub(crate) mishaps: Vec<Mishap>,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let mount = match dice.below(5) {
            0 => Mount::Local,
            1 | 2 => Mount::Coherent,
            _ => Mount::Cached { window_ns: dice.between(500, 6000) * MS },
        };
        let watched = if mount == Mount::Local { 1 } else { dice.between(1, 4) };
        let unwatched = if mount == Mount::Local { 0 } else { dice.below(3) };
        let mut hosts = Vec::new();
        for n in 0..watched + unwatched {
            hosts.push(HostPlan {
                boot_ns: dice.between(0, 1_000_000) * SECOND,
                drift_ppm: dice.between(-50, 50),
                watched: n < watched,
                step_ns: dice.between(10, 120) * 1000,
            });
        }
        let mut plan = Self {
            seed,
            mount,
            hosts,
            storage_ahead_ns: if dice.percent(50) { 0 } else { dice.between(-1500, 1500) * MS },
            storage_grain_ns: if dice.percent(50) { 1 } else { 4 * MS },
            audit_ns: dice.between(12, 25) * SECOND,
            storm_ns: dice.between(55, 75) * SECOND,
            kernel_queue: if dice.percent(40) { dice.between(20, 200) as usize } else { 16_384 },
            coalescer: if dice.percent(30) { dice.between(8, 60) as usize } else { 65_536 },
            partial_ns: dice.between(50, 1500) * MS,
            max_watches: if dice.percent(20) { dice.between(5, 40) as usize } else { usize::MAX },
            spool_bytes: if dice.percent(30) {
                dice.between(4, 40) as usize * 1024
            } else {
                1 << 20
            },
            batch_events: if dice.percent(50) { dice.between(1, 20) as usize } else { 4096 },
            workers: dice.between(1, 4) as usize,
            view: view_config(&mut dice),
            happenings: Vec::new(),
            mishaps: Vec::new(),
        };
        plan.view.audit_interval_ns = plan.audit_ns;
        plan.happenings = crate::writers::write(&plan);
        plan.mishaps = mishaps(&plan);
        plan
    }

    pub(crate) fn agents(&self) -> usize {
        self.hosts.iter().filter(|host| host.watched).count()
    }

    pub(crate) const fn window_ns(&self) -> Ns {
        match self.mount {
            Mount::Local | Mount::Coherent => 0,
            Mount::Cached { window_ns } => window_ns,
        }
    }
}

/// Small tables in some seeds, so that their bounds are reached.
fn view_config(dice: &mut Dice) -> ViewConfig {
    let small = dice.percent(30);
    ViewConfig {
        hot_threshold_ns: dice.between(1000, 6000) * MS,
        tombstone_ttl_ns: if dice.percent(30) {
            dice.between(8, 40) * SECOND
        } else {
            3600 * SECOND
        },
        max_suspects: if small { dice.between(2, 20) as usize } else { 100_000 },
        max_tombstones: if small { dice.between(5, 60) as usize } else { 1_000_000 },
        max_blind_deletions: if small { 8 } else { 10_000 },
        ..ViewConfig::default()
    }
}

fn mishaps(plan: &Plan) -> Vec<Mishap> {
    let mut dice = Dice::new(plan.seed, 3);
    let mut all = Vec::new();
    // Some seeds know no fault but the races of a healthy system.
    let every = match dice.below(4) {
        0 => return all,
        1 => 20,
        2 => 9,
        _ => 4,
    };
    let mut at = dice.below(5 * SECOND);
    while at < plan.storm_ns {
        let agent = dice.index(plan.agents());
        let (short, long) = (dice.between(100, 4000) * MS, dice.between(4, 45) * SECOND);
        let ns = if dice.percent(75) { short } else { long };
        let ns = ns.min(plan.storm_ns - at + SECOND);
        let fault = match dice.below(20) {
            0..4 => Fault::Kill { agent, down_ns: ns, remembers: dice.percent(60) },
            4..7 => Fault::Pause { agent, ns },
            7..9 => Fault::KillFusion { down_ns: short },
            9..11 => Fault::PauseFusion { ns },
            11..15 => {
                let (there, back) = [(true, true), (true, false), (false, true)][dice.index(3)];
                Fault::Cut { agent, ns, there, back }
            }
            15..18 => Fault::Weather {
                ns,
                lost: dice.below(30),
                doubled: dice.below(20),
                slow: dice.below(20),
            },
            _ => Fault::Overflow { agent },
        };
        all.push(Mishap { at, fault });
        at += dice.between(SECOND / 2, every * SECOND);
    }
    all
}
