//! Small views for the tests of questions, made of observations as an agent sends them.

use crate::block::BlockBuilder;
use crate::entry::{Facts, Kind};
use crate::event::{Batch, Command, CyclePhase, Event, Fidelity, Listing, RootIdentity};
use crate::id::{AgentId, Epoch, Origin, Seq, StorageId};
use crate::key::Tier;
use crate::merge::ViewConfig;
use crate::path::ViewPath;
use crate::snapshot::Snapshot;
use crate::time::{BootTime, ClockMap, Mono, Now, SECOND, Stamp, StorageTime};
use crate::view::View;

/// The second at which the views of the tests begin.
pub(crate) const BEGIN_SEC: i64 = 1_795_329_602;

pub(crate) const DIR: Facts = Facts { nlink: 2, ..Facts::PLACEHOLDER };

/// `sec` seconds after the beginning.
pub(crate) fn at(sec: i64) -> Now {
    Now { mono: Mono(sec * SECOND), wall: Stamp((BEGIN_SEC + sec) * SECOND) }
}

pub(crate) fn path(text: &str) -> ViewPath {
    ViewPath::parse(text.as_bytes()).unwrap()
}

pub(crate) fn file(size: u64, mtime_sec: i64) -> Facts {
    let mtime = StorageTime(mtime_sec * SECOND);
    Facts { kind: Kind::File, size, mtime, ctime: mtime, inode: 7, nlink: 1, ..Facts::default() }
}

pub(crate) fn special(kind: Kind) -> Facts {
    Facts { kind, ..file(0, 1) }
}

/// A view with one agent.
pub(crate) struct Scene {
    view: View,
    seq: u32,
}

impl Scene {
    pub(crate) fn new(writers_watched: bool) -> Self {
        let mut view = View::new(ViewConfig::default(), 1);
        let root = RootIdentity { fs_type: 1, fs_id: 1, inode: 0 };
        let attach = Command::Attach { storage: StorageId(0), root: Some(root), writers_watched };
        let _attached = view.apply(at(0), attach);
        Self { view, seq: 0 }
    }

    /// Applies events that arrive `sec` seconds after the beginning.
    pub(crate) fn hear(&mut self, sec: i64, events: Vec<Event>) {
        self.seq += 1;
        let origin = Origin { agent: AgentId(1), epoch: Epoch(1), seq: Seq(self.seq) };
        let clock = ClockMap { offset_ns: 0, uncertainty_ns: 0 };
        let batch = Batch {
            storage: StorageId(0),
            origin,
            clock,
            cache_window_ns: 0,
            fidelity: Fidelity::Exact,
            events,
        };
        let _applied = self.view.apply(at(sec), Command::Batch(batch));
    }

    /// A complete listing that began `sec` seconds after the beginning.
    pub(crate) fn list(&mut self, sec: i64, dir: &str, rows: &[(&str, Facts)]) {
        let dir = path(dir);
        let mut builder = BlockBuilder::default();
        for (name, facts) in rows {
            builder.push(name.as_bytes(), facts);
        }
        let blocks = builder.finish(dir.name());
        let stamp = boot(sec);
        self.hear(
            sec,
            vec![Event::Listing(Listing { dir, stamp, complete: true, facts: DIR, blocks })],
        );
    }

    pub(crate) fn cycle(&mut self, phase: CyclePhase, sec: i64) {
        self.hear(sec, vec![Event::Cycle { phase, stamp: boot(sec) }]);
    }

    pub(crate) fn upsert(&mut self, sec: i64, tier: Tier, at: &str, facts: Facts) {
        self.hear(sec, vec![Event::Upsert { path: path(at), stamp: boot(sec), tier, facts }]);
    }

    pub(crate) fn detach(&mut self, sec: i64) {
        let _applied = self.view.apply(at(sec), Command::Detach { storage: StorageId(0) });
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.view.check().unwrap();
        self.view.snapshot()
    }
}

pub(crate) fn boot(sec: i64) -> BootTime {
    BootTime((BEGIN_SEC + sec) * SECOND)
}

/// A view that knows these entries; directories above them are inferred.
pub(crate) fn view_of(entries: &[(Vec<u8>, Facts)]) -> Snapshot {
    let mut scene = Scene::new(false);
    let upsert = |(path, facts): &(Vec<u8>, Facts)| Event::Upsert {
        path: ViewPath::parse(path).unwrap(),
        stamp: boot(1),
        tier: Tier::Scan,
        facts: *facts,
    };
    scene.hear(1, entries.iter().map(upsert).collect());
    scene.view.snapshot()
}

pub(crate) fn sample(entries: &[(&str, Facts)]) -> Snapshot {
    let owned: Vec<_> =
        entries.iter().map(|(path, facts)| (path.as_bytes().to_vec(), *facts)).collect();
    view_of(&owned)
}
