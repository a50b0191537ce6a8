//! A source over a temporary directory, and waiting for what it should report.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use fustor_agent::{Outlet, Source, SourceConfig, outbox, start};
use fustor_core::{Directive, Facts, Kind, Lane, Owner, SECOND, StorageId, StorageTime, ViewPath};
use tempfile::TempDir;

use crate::model::Model;

/// Generous: only a failing test waits so long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The limit of the kernel's queue belongs to the whole machine, and is read when a source starts: who changes it holds
/// this for writing.
pub(crate) static QUEUE_LIMIT: RwLock<()> = RwLock::new(());

pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) source: Option<Source>,
    pub(crate) outlet: Outlet,
    pub(crate) model: Model,
    seqs: BTreeMap<Lane, u32>,
    /// What is excluded by the configuration.
    pub(crate) hides: Hides,
    config: SourceConfig,
}

/// Whether the entry at a path, and whether it is a directory, is none of the source's business.
pub(crate) type Hides = fn(&str, bool) -> bool;

impl Bench {
    /// A source over what `fill` makes, after its first scan.
    pub(crate) fn new(fill: impl FnOnce(&Path), tune: impl FnOnce(&mut SourceConfig)) -> Self {
        let mut bench = Self::unscanned(fill, tune);
        bench.wait("the first scan", |model| model.cycles.1 == 1);
        bench
    }

    /// The same, without waiting for anything.
    pub(crate) fn unscanned(
        fill: impl FnOnce(&Path),
        tune: impl FnOnce(&mut SourceConfig),
    ) -> Self {
        let _guard = QUEUE_LIMIT.read().unwrap_or_else(PoisonError::into_inner);
        Self::guarded(fill, tune)
    }

    /// For who holds [`QUEUE_LIMIT`].
    pub(crate) fn guarded(fill: impl FnOnce(&Path), tune: impl FnOnce(&mut SourceConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path());
        let mut config = SourceConfig::new(dir.path());
        tune(&mut config);
        let (sink, outlet) = outbox();
        let source = Some(start(config.clone(), sink).unwrap());
        let (model, seqs) = (Model::default(), BTreeMap::new());
        Self { dir, source, outlet, model, seqs, hides: |_, _| false, config }
    }

    pub(crate) fn empty() -> Self {
        Self::new(|_| {}, |_| {})
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn source(&self) -> &Source {
        self.source.as_ref().unwrap()
    }

    /// Receives for a moment and applies.
    pub(crate) fn pump(&mut self) {
        let Some(sealed) = self.outlet.recv(Duration::from_millis(20)) else { return };
        let next = self.seqs.entry(sealed.lane).or_default();
        assert_eq!(sealed.seq, *next, "a lane has a hole");
        *next += 1;
        for event in sealed.events {
            self.model.apply(event);
        }
    }

    pub(crate) fn list(&self, path: ViewPath, recursive: bool) {
        self.source().direct(Directive::List { storage: StorageId(0), path, recursive });
    }

    pub(crate) fn wait(&mut self, what: &str, is_so: impl Fn(&Model) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_so(&self.model) {
            assert!(
                Instant::now() < deadline,
                "{what}: not reported in time; {:?}",
                self.source().progress()
            );
            self.pump();
        }
    }

    /// Waits until the model is what is on the disk.
    pub(crate) fn wait_equal(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let disk = self.shown(walk(self.dir.path()));
            let model = self.model.entries().into_iter();
            let model = model.map(|(path, facts)| (path.clone(), self.fold(fold(facts), &path)));
            let model: BTreeMap<_, _> = model.collect();
            if model == disk {
                return;
            }
            if Instant::now() >= deadline {
                let first = model.iter().find(|(path, facts)| disk.get(*path) != Some(facts));
                let first = first
                    .map(|(path, _)| path)
                    .or_else(|| disk.keys().find(|p| !model.contains_key(*p)));
                let story = self.model.story(&String::from_utf8_lossy(first.unwrap()));
                panic!("{}\n{}", difference(&model, &disk), story.join("\n"));
            }
            for (path, _) in self.model.owed.clone() {
                self.list(path, true);
            }
            for _ in 0..20 {
                self.pump();
            }
        }
    }

    /// What of a tree is to be seen.
    fn shown(&self, tree: BTreeMap<Vec<u8>, Facts>) -> BTreeMap<Vec<u8>, Facts> {
        let is_hidden = |path: &[u8], facts: &Facts| {
            let path = String::from_utf8_lossy(path);
            let above =
                path.match_indices('/').skip(1).any(|(at, _)| (self.hides)(&path[..at], true));
            above || facts.kind != Kind::Dir && (self.hides)(&path, false)
        };
        let shown = tree.into_iter().filter(|(path, facts)| !is_hidden(path, facts));
        shown.map(|(path, facts)| (path.clone(), self.fold(facts, &path))).collect()
    }

    /// Nobody looks when an excluded directory changes.
    fn fold(&self, facts: Facts, path: &[u8]) -> Facts {
        match facts.kind == Kind::Dir && (self.hides)(&String::from_utf8_lossy(path), true) {
            true => Facts { mtime: StorageTime(0), ctime: StorageTime(0), ..facts },
            false => facts,
        }
    }

    /// Another source over the same directory, of which nothing is known.
    pub(crate) fn start_again(&mut self) {
        self.stop();
        let (sink, outlet) = outbox();
        self.source = Some(start(self.config.clone(), sink).unwrap());
        (self.outlet, self.model, self.seqs) = (outlet, Model::default(), BTreeMap::new());
    }

    pub(crate) fn stop(&mut self) {
        self.source.take().unwrap().stop();
    }
}

fn difference(model: &BTreeMap<Vec<u8>, Facts>, disk: &BTreeMap<Vec<u8>, Facts>) -> String {
    let name = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
    let ghosts: Vec<_> =
        model.keys().filter(|p| !disk.contains_key(*p)).map(name).take(5).collect();
    let missing: Vec<_> =
        disk.keys().filter(|p| !model.contains_key(*p)).map(name).take(5).collect();
    let wrong = model.iter().filter_map(|(path, facts)| {
        let real = disk.get(path)?;
        (real != facts).then(|| format!("{}: {facts:?}, on disk {real:?}", name(path)))
    });
    format!("ghosts {ghosts:?}, missing {missing:?}, wrong {:?}", wrong.take(5).collect::<Vec<_>>())
}

/// What a directory's own change counts and sizes are depends on the file system.
fn fold(facts: Facts) -> Facts {
    let dir = facts.kind == Kind::Dir;
    let size = if dir { 0 } else { facts.size };
    let nlink = if dir { 0 } else { facts.nlink };
    Facts { size, nlink, ..facts }
}

/// All entries below a directory, by `std`.
pub(crate) fn walk(root: &Path) -> BTreeMap<Vec<u8>, Facts> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(dir) = left.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let Ok(meta) = entry.path().symlink_metadata() else { continue };
            let path = entry.path();
            let rest = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
            let name = [b"/", rest].concat();
            let facts = facts(&meta);
            if facts.kind == Kind::Dir {
                left.push(path);
            }
            found.insert(name, fold(facts));
        }
    }
    found
}

fn facts(meta: &fs::Metadata) -> Facts {
    let of = meta.file_type();
    let kinds = [
        (of.is_dir(), Kind::Dir),
        (of.is_file(), Kind::File),
        (of.is_symlink(), Kind::Symlink),
        (of.is_fifo(), Kind::Fifo),
        (of.is_socket(), Kind::Socket),
        (of.is_block_device(), Kind::BlockDevice),
        (of.is_char_device(), Kind::CharDevice),
    ];
    Facts {
        kind: kinds.iter().find(|(is, _)| *is).map_or(Kind::Unknown, |(_, kind)| *kind),
        size: meta.size(),
        mtime: StorageTime(meta.mtime() * SECOND + meta.mtime_nsec()),
        ctime: StorageTime(meta.ctime() * SECOND + meta.ctime_nsec()),
        inode: meta.ino(),
        nlink: u32::try_from(meta.nlink()).unwrap(),
        owner: Owner { mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid() },
    }
}

pub(crate) fn vp(path: &str) -> ViewPath {
    ViewPath::parse(path.as_bytes()).unwrap()
}
