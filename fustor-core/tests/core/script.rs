//! Commands as text: what a case file holds, and what a failing property prints.
//!
//! Times are seconds after [`BASE`], with decimals. One line is one command:
//!
//! ```text
//! from agent=2 epoch=1 seq=7 window=60 unsure=0.5 storage=0    the envelope of what follows
//! from says=legacy                                              an agent of 0.8; or: exact
//! 10 atomic /d/f file 100 mtime=5 inode=7                       also: scan, partial
//! 11 delete /d/f
//! 12 rename /a /b dir inode=7
//! 13 list /d complete [inode=3]: f file 100, sub dir            or: rows; `f*20 file` is f0000 to f0019
//! 13 calibrate 0.5                                              ten changes on a storage 0.5 s behind
//! 14 gap /d overflow
//! 14 read /d audit      14 checked /f 7 mtime=5     14 missing /f      remarks of 0.8; also: read /d snapshot
//! 15 cycle begin        15 uncovered /d failing        15 covered /d        15 root-lost
//! now 20    tick    reset    attach inode=1 [watched]    detach    accept /d    accept-root    storages 0 1
//! batch … end                                                   one command of several events
//! ```

use fustor_core::{
    AgentId, Batch, Block, BootTime, ClockMap, Command, CyclePhase, DirId, Epoch, Event, Facts,
    Fidelity, GapReason, Key, Kind, Listing, Marks, Origin, Owner, Remark, RootIdentity, Row,
    SECOND, Seq, Stamp, StorageId, StorageTime, Sweep, Tier, UncoveredReason, ViewPath,
};

/// The second 0 of every script, in nanoseconds since the Unix epoch.
pub(crate) const BASE: i64 = 1_700_000_000 * SECOND;
/// The mtime of an entry that does not say: far older than any threshold.
const OLD: i64 = -100_000;

/// A command and the wall time at which it is applied.
pub(crate) type Timed = (Stamp, Command);

/// Turns lines into commands; remembers the envelope and the time between them.
pub(crate) struct Reader {
    now: Stamp,
    envelope: Batch,
    open: Option<Batch>,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let envelope = Batch {
            storage: StorageId(0),
            origin: Origin { agent: AgentId(1), epoch: Epoch(1), seq: Seq(1) },
            clock: ClockMap::default(),
            cache_window_ns: 0,
            fidelity: Fidelity::Exact,
            events: Vec::new(),
        };
        Self { now: Stamp(BASE), envelope, open: None }
    }

    /// The time reached so far.
    pub(crate) fn now(&self) -> Stamp {
        self.now
    }

    /// The command that a line completes, if it does.
    pub(crate) fn line(&mut self, line: &str) -> Result<Option<Timed>, String> {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let command = match first {
            "from" => return self.from(rest).map(|()| None),
            "now" => {
                self.now = Stamp(time(rest.trim())?);
                return Ok(None);
            }
            "batch" => {
                self.open = Some(self.envelope.clone());
                return Ok(None);
            }
            "end" => Command::Batch(self.open.take().ok_or("no batch is open")?),
            "tick" => Command::Tick,
            "reset" => Command::Reset,
            "attach" => attach(rest, self.envelope.storage)?,
            "storages" => Command::Storages(storages(rest)?),
            "detach" => Command::Detach { storage: self.envelope.storage },
            "accept-root" => Command::AcceptRoot { storage: self.envelope.storage },
            "accept" => Command::AcceptRemovals { path: path(rest.trim())? },
            stamp => {
                let stamp = time(stamp)?;
                self.now = self.now.max(Stamp(stamp));
                let mut events = match rest.strip_prefix("calibrate ") {
                    Some(lag) => samples(stamp, lag)?,
                    None => vec![event(BootTime(stamp), rest)?],
                };
                if self.envelope.fidelity == Fidelity::Legacy {
                    events.iter_mut().for_each(leave_out_untold);
                }
                if let Some(batch) = &mut self.open {
                    batch.events.extend(events);
                    return Ok(None);
                }
                Command::Batch(Batch { events, ..self.envelope.clone() })
            }
        };
        Ok(Some((self.now, command)))
    }

    fn from(&mut self, words: &str) -> Result<(), String> {
        for word in words.split_whitespace() {
            let (name, value) = word.split_once('=').ok_or(format!("no value in {word:?}"))?;
            match name {
                "agent" => self.envelope.origin.agent = AgentId(number(value)?),
                "epoch" => self.envelope.origin.epoch = Epoch(number(value)?),
                "seq" => self.envelope.origin.seq = Seq(number(value)?),
                "storage" => self.envelope.storage = StorageId(number(value)?),
                "window" => self.envelope.cache_window_ns = span(value)?,
                "says" => self.envelope.fidelity = fidelity(value)?,
                "unsure" => self.envelope.clock.uncertainty_ns = span(value)?,
                other => return Err(format!("no part of an envelope: {other:?}")),
            }
        }
        Ok(())
    }
}

/// Takes out what 0.8 does not tell.
pub(crate) fn leave_out_untold(event: &mut Event) {
    if let Event::Upsert { facts, .. } = event {
        *facts = Facts { inode: 0, nlink: 0, owner: Owner::default(), ..*facts };
    }
}

fn fidelity(word: &str) -> Result<Fidelity, String> {
    match word {
        "exact" => Ok(Fidelity::Exact),
        "legacy" => Ok(Fidelity::Legacy),
        other => Err(format!("neither exact nor legacy: {other:?}")),
    }
}

fn storages(words: &str) -> Result<Vec<StorageId>, String> {
    words.split_whitespace().map(|word| number(word).map(StorageId)).collect()
}

fn attach(words: &str, storage: StorageId) -> Result<Command, String> {
    let mut root = RootIdentity { fs_type: 1, fs_id: 1, inode: inode_of(&ViewPath::root()) };
    let mut writers_watched = false;
    for word in words.split_whitespace() {
        match word.split_once('=') {
            Some(("inode", value)) => root.inode = number(value)?,
            Some(("fs", value)) => root.fs_id = number(value)?,
            _ if word == "watched" => writers_watched = true,
            _ => return Err(format!("no part of an attachment: {word:?}")),
        }
    }
    Ok(Command::Attach { storage, root: Some(root), writers_watched })
}

/// Ten fresh changes on a storage whose clock is `lag` seconds behind.
fn samples(stamp: i64, lag: &str) -> Result<Vec<Event>, String> {
    let ctime = stamp - span(lag)?;
    let sample = |i: i64| {
        let path = path(&format!("/c{i}-{lag}"))?;
        let mut facts = facts("file", inode_of(&path))?;
        facts.ctime = StorageTime(ctime + i);
        let stamp = BootTime(stamp + i);
        Ok(Event::Upsert { path, stamp, tier: Tier::Atomic, facts })
    };
    (0..10).map(sample).collect()
}

fn event(stamp: BootTime, text: &str) -> Result<Event, String> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (target, more) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match verb {
        "atomic" | "scan" | "partial" => {
            let tier = match verb {
                "atomic" => Tier::Atomic,
                "scan" => Tier::Scan,
                _ => Tier::Partial,
            };
            let path = path(target)?;
            let facts = facts(more, inode_of(&path))?;
            Event::Upsert { path, stamp, tier, facts }
        }
        "delete" => Event::Delete { path: path(target)?, stamp },
        "rename" => {
            let old = path(target)?;
            let (new, more) = more.split_once(' ').ok_or("a rename needs facts")?;
            let facts = facts(more, inode_of(&old))?;
            Event::Rename { old, new: path(new)?, stamp, facts }
        }
        "list" => Event::Listing(listing(stamp, target, more)?),
        "gap" => Event::Gap { scope: path(target)?, stamp, reason: gap_reason(more)? },
        "uncovered" => Event::Uncovered { dir: path(target)?, stamp, reason: why(more)? },
        "covered" => Event::Covered { dir: path(target)? },
        "cycle" => {
            let phase = match target {
                "begin" => CyclePhase::Begin,
                "end" => CyclePhase::End,
                other => return Err(format!("no phase: {other:?}")),
            };
            Event::Cycle { phase, stamp }
        }
        "root-lost" => Event::RootLost { stamp },
        "read" => {
            let sweep = match more {
                "audit" => Sweep::Audit,
                "snapshot" => Sweep::Snapshot,
                other => return Err(format!("no scan of 0.8: {other:?}")),
            };
            Event::Remark(Remark::Read { dir: path(target)?, sweep })
        }
        "checked" => {
            let Facts { size, mtime, .. } = facts(&format!("file {more}"), 0)?;
            let path = path(target)?;
            Event::Remark(Remark::Checked { path, stamp, size: Some(size), mtime })
        }
        "missing" => Event::Remark(Remark::Missing { path: path(target)?, stamp }),
        other => return Err(format!("no such event: {other:?}")),
    })
}

fn listing(stamp: BootTime, dir: &str, rest: &str) -> Result<Listing, String> {
    let dir = path(dir)?;
    let (head, body) = rest.split_once(':').unwrap_or((rest, ""));
    let (word, own) = head.trim().split_once(' ').unwrap_or((head.trim(), ""));
    let complete = match word {
        "complete" => true,
        "rows" => false,
        other => return Err(format!("a listing is complete or rows, not {other:?}")),
    };
    let mut rows = Vec::new();
    for text in body.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let (name, rest) = text.split_once(' ').ok_or(format!("a row without a kind: {text:?}"))?;
        let (name, count) = name.split_once('*').unwrap_or((name, ""));
        let names = match count {
            "" => vec![name.to_owned()],
            count => (0..number(count)?).map(|i: u32| format!("{name}{i:04}")).collect(),
        };
        for name in names {
            let inode = inode_of(&dir.join(&unescape(&name)?));
            rows.push((unescape(&name)?, facts(rest, inode)?));
        }
    }
    rows.sort();
    let facts = facts(&format!("dir {own}"), inode_of(&dir))?;
    Ok(Listing { blocks: blocks(&dir, &rows), dir, stamp, complete, facts })
}

/// The rows as an agent packs them.
pub(crate) fn blocks(dir: &ViewPath, rows: &[(Vec<u8>, Facts)]) -> Vec<Block> {
    let row = |(name, facts): &(Vec<u8>, Facts)| -> (Vec<u8>, Facts) { (name.clone(), *facts) };
    let rows: Vec<_> = rows.iter().map(row).collect();
    let packed: Vec<Row<'_>> = rows
        .iter()
        .map(|(name, facts)| Row {
            name,
            facts: *facts,
            key: Key::NONE,
            marks: Marks::NONE,
            storage: StorageId(0),
            child: DirId::NONE,
        })
        .collect();
    packed
        .chunks(fustor_core::CHUNK_ROWS)
        .map(|rows| Block::encode(dir.name(), rows))
        .chain(packed.is_empty().then(|| Block::encode(dir.name(), &[])))
        .collect()
}

/// `kind [size] [field=value …]`.
fn facts(text: &str, inode: u64) -> Result<Facts, String> {
    let mut words = text.split_whitespace();
    let kind = match words.next().unwrap_or("") {
        "file" => Kind::File,
        "dir" => Kind::Dir,
        "link" => Kind::Symlink,
        "fifo" => Kind::Fifo,
        other => return Err(format!("no kind: {other:?}")),
    };
    let old = StorageTime(BASE + OLD * SECOND);
    let owner = Owner { mode: 0o644, uid: 0, gid: 0 };
    let mut facts = Facts { kind, size: 0, mtime: old, ctime: old, inode, nlink: 1, owner };
    let mut ctime = None;
    for word in words {
        match word.split_once('=') {
            None => facts.size = number(word)?,
            Some(("mtime", value)) => facts.mtime = StorageTime(time(value)?),
            Some(("ctime", value)) => ctime = Some(StorageTime(time(value)?)),
            Some(("inode", value)) => facts.inode = number(value)?,
            Some(("nlink", value)) => facts.nlink = number(value)?,
            Some(("mode", value)) => facts.owner.mode = number(value)?,
            Some((other, _)) => return Err(format!("no such fact: {other:?}")),
        }
    }
    facts.ctime = ctime.unwrap_or(facts.mtime);
    Ok(facts)
}

/// An inode number that a path keeps, so that scripts need not say it.
pub(crate) fn inode_of(path: &ViewPath) -> u64 {
    path.as_bytes().iter().fold(1, |hash: u64, byte| (hash * 31 + u64::from(*byte)) % 1_000_003)
}

fn gap_reason(text: &str) -> Result<GapReason, String> {
    Ok(match text.trim() {
        "overflow" => GapReason::KernelOverflow,
        "agent-overflow" => GapReason::AgentOverflow,
        "half-rename" => GapReason::HalfRename,
        "absent" => GapReason::AgentAbsent,
        "stale-rename" => GapReason::StaleRename,
        other => return Err(format!("no reason of a gap: {other:?}")),
    })
}

fn why(text: &str) -> Result<UncoveredReason, String> {
    Ok(match text.trim() {
        "watch-limit" => UncoveredReason::WatchLimit,
        "unreadable" => UncoveredReason::Unreadable,
        "failing" => UncoveredReason::Failing,
        "other-fs" => UncoveredReason::OtherFileSystem,
        "hanging" => UncoveredReason::Hanging,
        "too-deep" => UncoveredReason::TooDeep,
        "loop" => UncoveredReason::Loop,
        "restless" => UncoveredReason::Restless,
        "excluded" => UncoveredReason::Excluded,
        other => return Err(format!("no reason: {other:?}")),
    })
}

/// A path as the views' own parser reads it; `\xff` is that byte.
pub(crate) fn path(text: &str) -> Result<ViewPath, String> {
    ViewPath::parse(&unescape(text)?).map_err(|error| format!("{text:?}: {error}"))
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or("").as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).ok_or(format!("a byte has two digits: {text:?}"))?;
        let byte = u8::from_str_radix(digits, 16).map_err(|_| format!("no byte: {text:?}"))?;
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    Ok(bytes)
}

pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text:?}"))
}

/// Seconds after [`BASE`], as an absolute time.
pub(crate) fn time(text: &str) -> Result<i64, String> {
    span(text).map(|ns| BASE + ns)
}

/// Seconds with decimals, in nanoseconds.
pub(crate) fn span(text: &str) -> Result<i64, String> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > 9 {
        return Err(format!("finer than a nanosecond: {text:?}"));
    }
    let whole: i64 = number(whole)?;
    let fraction: i64 = number(&format!("{fraction:0<9}"))?;
    Ok(sign * (whole * SECOND + fraction))
}

/// A batch as the lines that read it.
pub(crate) fn write(batch: &Batch) -> String {
    let Origin { agent, epoch, seq } = batch.origin;
    let mut text = format!(
        "from agent={agent} epoch={epoch} seq={seq} says={} window={} unsure={}\nbatch\n",
        match batch.fidelity {
            Fidelity::Exact => "exact",
            Fidelity::Legacy => "legacy",
        },
        seconds(batch.cache_window_ns),
        seconds(batch.clock.uncertainty_ns),
    );
    for event in &batch.events {
        let at = |stamp: &BootTime| seconds(batch.clock.stamp(*stamp).0 - BASE);
        let line = match event {
            Event::Upsert { path, stamp, tier, facts } => {
                let verb = match tier {
                    Tier::Partial => "partial",
                    Tier::Scan => "scan",
                    Tier::Atomic => "atomic",
                };
                format!("{} {verb} {path} {}", at(stamp), write_facts(facts))
            }
            Event::Delete { path, stamp } => format!("{} delete {path}", at(stamp)),
            Event::Rename { old, new, stamp, facts } => {
                format!("{} rename {old} {new} {}", at(stamp), write_facts(facts))
            }
            Event::Listing(listing) => {
                let rows: Vec<_> = listing.blocks.iter().flat_map(Block::rows).collect();
                let rows = rows.iter().map(|row| {
                    format!("{} {}", String::from_utf8_lossy(row.name), write_facts(&row.facts))
                });
                let word = if listing.complete { "complete" } else { "rows" };
                let own = write_facts(&listing.facts);
                let own = own.strip_prefix("dir ").unwrap_or(&own).to_owned();
                let rows = rows.collect::<Vec<_>>().join(", ");
                format!("{} list {} {word} {own}: {rows}", at(&listing.stamp), listing.dir)
            }
            Event::Gap { scope, stamp, .. } => format!("{} gap {scope} overflow", at(stamp)),
            Event::Uncovered { .. }
            | Event::Covered { .. }
            | Event::Cycle { .. }
            | Event::RootLost { .. }
            | Event::Remark(_) => format!("# {event:?}"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text + "end\n"
}

fn write_facts(facts: &Facts) -> String {
    let kind = match facts.kind {
        Kind::Dir => "dir",
        Kind::File => "file",
        Kind::Symlink => "link",
        Kind::Fifo => "fifo",
        Kind::Socket | Kind::BlockDevice | Kind::CharDevice | Kind::Unknown => "unwritten",
    };
    let (mtime, ctime) = (seconds(facts.mtime.0 - BASE), seconds(facts.ctime.0 - BASE));
    format!("{kind} {} mtime={mtime} ctime={ctime} inode={}", facts.size, facts.inode)
}

fn seconds(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let (whole, rest) = (ns.unsigned_abs() / 1_000_000_000, ns.unsigned_abs() % 1_000_000_000);
    let text = format!("{sign}{whole}.{rest:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[test]
fn scripts_are_read_as_they_are_written() {
    let mut reader = Reader::new();
    for line in ["from agent=3 window=2 unsure=0.5", "batch", "1.5 list /d complete: f file 7"] {
        assert_eq!(reader.line(line), Ok(None));
    }
    reader.line("2 rename /d /e dir inode=4").unwrap();
    let Ok(Some((_, Command::Batch(batch)))) = reader.line("end") else { panic!("no batch") };
    let mut again = Reader::new();
    let read = write(&batch).lines().filter_map(|line| again.line(line).unwrap()).last();
    assert_eq!(read, Some((Stamp(BASE + 2 * SECOND), Command::Batch(batch))));
    assert_eq!(span("-0.25"), Ok(-SECOND / 4));
    assert!(reader.line("3 list /d most: f file").is_err());
}
