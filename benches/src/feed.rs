//! A view fed as an agent feeds it: sealed batches, stamps that only grow, one storage.

use fustor_core::{
    Applied, Batch, Block, BootTime, ClockMap, Command, Event, Facts, Fidelity, Kind, Mono, Now,
    Origin, RootIdentity, Seq, Stamp, StorageId, Tier, View, ViewConfig, ViewPath,
};

use crate::plan::Plan;
use crate::rng::Rng;

/// October 2025: later than every file of a plan but restored ones' ctime.
const BEGIN: i64 = 1_760_000_000 * fustor_core::SECOND;
/// Between two commands.
const STEP: i64 = 1_000_000;
/// Rows after which a batch of listings is sealed.
pub const BATCH_ROWS: usize = 4096;
const STORAGE: StorageId = StorageId(0);

/// A view with the clock and the sequence numbers of its only agent.
pub struct Feed {
    /// The view that is measured.
    pub view: View,
    now: i64,
    seq: u32,
}

impl Default for Feed {
    fn default() -> Self {
        Self::new()
    }
}

impl Feed {
    /// An empty view with an attached agent.
    #[must_use]
    pub fn new() -> Self {
        let mut feed = Self { view: View::new(ViewConfig::default(), 1), now: BEGIN, seq: 0 };
        let root = RootIdentity { fs_type: 1, fs_id: 1, inode: 1 };
        feed.command(Command::Attach { storage: STORAGE, root: Some(root), writers_watched: true });
        feed
    }

    /// The same view with a second storage of one file, so that what it shows is put together.
    #[must_use]
    pub fn beside_another() -> Self {
        let mut feed = Self::new();
        let other = StorageId(STORAGE.0 + 1);
        feed.command(Command::Storages(vec![STORAGE, other]));
        let path = ViewPath::root().join(b"of another storage");
        let upsert = Event::Upsert {
            path,
            stamp: feed.stamp(),
            tier: Tier::Atomic,
            facts: Facts { inode: 2, nlink: 1, ..Facts::default() },
        };
        let batch = Batch { storage: other, ..feed.seal(vec![upsert]) };
        feed.command(Command::Batch(batch));
        feed
    }

    /// Sends all of `plan` to a view that holds nothing of it.
    #[must_use]
    pub fn loaded(mut self, plan: &Plan) -> Self {
        self.load(plan, 0);
        self
    }

    /// Sends a complete listing of every directory of `plan`.
    pub fn load(&mut self, plan: &Plan, version: u32) {
        let mut from = 0;
        while from < plan.dirs().len() {
            let events = self.listings(plan, from, BATCH_ROWS, version);
            from += events.len();
            self.send(events);
        }
    }

    /// Listings of the directories of `plan` from `from` on, until they hold `rows` rows.
    #[must_use]
    pub fn listings(&self, plan: &Plan, from: usize, rows: usize, version: u32) -> Vec<Event> {
        let mut events = Vec::new();
        let mut count = 0;
        for d in from..plan.dirs().len() {
            if count >= rows {
                break;
            }
            let listing = plan.listing(d, version, self.stamp());
            count += listing.blocks.iter().map(Block::len).sum::<usize>();
            events.push(Event::Listing(listing));
        }
        events
    }

    /// `count` realtime upserts: four in five change a file, chosen evenly, the others create one.
    #[must_use]
    pub fn upserts(&self, plan: &Plan, rng: &mut Rng, count: usize, version: u32) -> Vec<Event> {
        let stamp = self.stamp();
        let upsert = |_| {
            let (d, j) = plan.random_file(rng);
            let path =
                if rng.chance(80) { plan.file_path(d, j) } else { plan.new_path(d, rng.bits()) };
            let facts = Facts { kind: Kind::File, ..plan.file_facts(d, j, version) };
            Event::Upsert { path, stamp, tier: Tier::Atomic, facts }
        };
        (0..count).map(upsert).collect()
    }

    /// Seals and applies one batch.
    pub fn send(&mut self, events: Vec<Event>) -> Applied {
        let batch = self.seal(events);
        self.command(Command::Batch(batch))
    }

    fn seal(&mut self, events: Vec<Event>) -> Batch {
        self.seq += 1;
        Batch {
            storage: STORAGE,
            origin: Origin { seq: Seq(self.seq), ..Origin::default() },
            clock: ClockMap::default(),
            cache_window_ns: 0,
            fidelity: Fidelity::Exact,
            events,
        }
    }

    /// Applies a batch that somebody else has sealed.
    pub fn tell(&mut self, batch: Batch) -> Applied {
        self.command(Command::Batch(batch))
    }

    /// A stamp before that of every listing of [`Self::load`], and after the horizon.
    #[must_use]
    pub const fn early() -> BootTime {
        BootTime(BEGIN)
    }

    /// A stamp for an observation that is made now: after all earlier commands, before the next.
    #[must_use]
    pub const fn stamp(&self) -> BootTime {
        BootTime(self.now + STEP / 2)
    }

    /// Now, for queries.
    #[must_use]
    pub const fn now(&self) -> Now {
        Now { mono: Mono(self.now - BEGIN), wall: Stamp(self.now) }
    }

    fn command(&mut self, command: Command) -> Applied {
        self.now += STEP;
        self.view.apply(self.now(), command)
    }
}
