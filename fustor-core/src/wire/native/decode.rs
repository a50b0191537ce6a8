//! Reading a frame. Any bytes give a batch or an error that says where.

use super::crc::crc32c;
use super::error::{DecodeError, DecodeFault, EventFault, RefusedEvent};
use super::frame::{
    COUNT_AT, EPOCH_AT, HEADER, LANE_AT, LEASE_AT, LEN_AT, MAGIC, RESERVED_AT, Reader, Repeats,
    SENT_AT, SEQ_AT, SUM_AT, Tag, VERSION, VERSION_AT, WINDOW_AT,
};
use super::{Decoded, Limits, rows};
use crate::block::{Block, PACKED_MIN};
use crate::entry::{Facts, Kind, Owner};
use crate::event::{BatchHead, CyclePhase, Event, GapReason, Lane, Listing, UncoveredReason};
use crate::id::Seq;
use crate::key::Tier;
use crate::path::{PATH_MAX, PathError, ViewPath};
use crate::time::{BootTime, StorageTime};

/// How many refused events are told one by one.
const REFUSED_MAX: usize = 64;
/// The least bytes of an event with its length.
const EVENT_MIN: usize = 3;

/// Reads a sealed batch.
///
/// An event that makes no sense is left out and told; its neighbours are kept. Memory is bounded by a small multiple
/// of the input.
///
/// # Errors
/// [`DecodeError`] when the frame as a whole is damaged, of another version or larger than `limits`.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let head = decode_head(bytes)?;
    check_seal(bytes, limits)?;
    let said = read_u32(bytes, COUNT_AT) as usize;
    if said > limits.events {
        let fault = DecodeFault::TooManyEvents { events: said, limit: limits.events };
        return Err(DecodeError { offset: COUNT_AT, fault });
    }
    let capacity = said.min((bytes.len() - HEADER) / EVENT_MIN);
    let decoded = Decoded {
        head,
        events: Vec::with_capacity(capacity),
        refused: Vec::new(),
        refused_count: 0,
    };
    Frame { bytes, decoded, last: Vec::new(), repeats: Repeats::default(), scratch: Vec::new() }
        .events(said, limits)
}

/// Reads the head of a frame of which at least the head has arrived; its checksum is not looked at.
///
/// # Errors
/// [`DecodeError`] when the bytes are too few or the head of nothing that this version reads.
pub fn decode_head(bytes: &[u8]) -> Result<BatchHead, DecodeError> {
    let error = |offset, fault| Err(DecodeError { offset, fault });
    let same = bytes.iter().zip(&MAGIC).take_while(|(a, b)| a == b).count();
    if same < MAGIC.len().min(bytes.len()) {
        return error(same, DecodeFault::Magic);
    }
    if let Some(version) = bytes.get(VERSION_AT).filter(|version| **version != VERSION) {
        return error(VERSION_AT, DecodeFault::Version(*version));
    }
    if bytes.len() < HEADER {
        return error(bytes.len(), DecodeFault::Truncated { said: HEADER as u64 });
    }
    let lane = match bytes[LANE_AT] {
        0 => Lane::Control,
        1 => Lane::Realtime,
        2 => Lane::Scan,
        other => return error(LANE_AT, DecodeFault::Lane(other)),
    };
    if bytes[RESERVED_AT..LEN_AT] != [0, 0] {
        return error(RESERVED_AT, DecodeFault::Reserved);
    }
    Ok(BatchHead {
        source_epoch: read_u64(bytes, EPOCH_AT),
        lane,
        seq: Seq(read_u32(bytes, SEQ_AT)),
        lease: read_u64(bytes, LEASE_AT),
        sent: BootTime(read_u64(bytes, SENT_AT) as i64),
        cache_window_ns: read_u64(bytes, WINDOW_AT) as i64,
    })
}

/// Length and checksum of a frame that has a head.
fn check_seal(bytes: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    let error = |offset, fault| Err(DecodeError { offset, fault });
    let len = read_u64(bytes, LEN_AT);
    if len.max(bytes.len() as u64) > limits.bytes as u64 {
        let fault =
            DecodeFault::TooLarge { bytes: len.max(bytes.len() as u64), limit: limits.bytes };
        return error(LEN_AT, fault);
    }
    if len > bytes.len() as u64 {
        return error(bytes.len(), DecodeFault::Truncated { said: len });
    }
    if len < bytes.len() as u64 {
        return error(len as usize, DecodeFault::Trailing);
    }
    let said = read_u32(bytes, SUM_AT);
    let found = crc32c(&[&bytes[..SUM_AT], &bytes[SUM_AT + 4..]]);
    if said != found {
        return error(SUM_AT, DecodeFault::Checksum { said, found });
    }
    Ok(())
}

/// A frame whose seal is whole, while its events are read.
struct Frame<'a> {
    bytes: &'a [u8],
    decoded: Decoded,
    last: Vec<u8>,
    repeats: Repeats,
    scratch: Vec<u8>,
}

impl Frame<'_> {
    fn events(mut self, said: usize, limits: &Limits) -> Result<Decoded, DecodeError> {
        let mut reader = Reader::new(self.bytes, HEADER);
        let (mut index, mut row_count) = (0, 0);
        while reader.left() > 0 {
            let offset = reader.at();
            let error = |fault| Err(DecodeError { offset, fault });
            if index == said {
                return error(DecodeFault::Trailing);
            }
            let Ok(len) = reader.len("length") else { return error(DecodeFault::EventLength) };
            let end = reader.at() + len;
            match self.event(Reader::new(&self.bytes[..end], reader.at()), offset) {
                Ok(event) => {
                    row_count += rows(&event);
                    if row_count > limits.rows {
                        return error(DecodeFault::TooManyRows { limit: limits.rows });
                    }
                    self.decoded.events.push(event);
                }
                Err(fault) => self.refuse(RefusedEvent { index, offset, fault }),
            }
            reader = Reader::new(self.bytes, end);
            index += 1;
        }
        if index < said {
            let fault = DecodeFault::Events { said, found: index };
            return Err(DecodeError { offset: self.bytes.len(), fault });
        }
        Ok(self.decoded)
    }

    fn refuse(&mut self, refused: RefusedEvent) {
        self.decoded.refused_count += 1;
        if self.decoded.refused.len() < REFUSED_MAX {
            self.decoded.refused.push(refused);
        }
    }

    /// One event, which takes all that `reader` has.
    fn event(&mut self, mut reader: Reader<'_>, at: usize) -> Result<Event, EventFault> {
        let event = self.fields(&mut reader, at)?;
        if reader.left() > 0 { Err(EventFault::Trailing) } else { Ok(event) }
    }

    fn fields(&mut self, reader: &mut Reader<'_>, at: usize) -> Result<Event, EventFault> {
        let byte = reader.byte()?;
        let unknown = EventFault::Tag(byte);
        let (Some(tag), detail) = (Tag::from_u8(byte & 15), byte >> 4) else { return Err(unknown) };
        let plain = if detail == 0 { Ok(()) } else { Err(unknown.clone()) };
        Ok(match tag {
            Tag::Upsert => {
                let tier = tier(detail).ok_or(unknown)?;
                let (path, stamp) = self.placed(reader, at)?;
                Event::Upsert { path, stamp, tier, facts: read_facts(reader)? }
            }
            Tag::Delete => {
                plain?;
                let (path, stamp) = self.placed(reader, at)?;
                Event::Delete { path, stamp }
            }
            Tag::Rename => {
                plain?;
                let old = self.path(reader, at)?;
                let (new, stamp) = self.placed(reader, at)?;
                Event::Rename { old, new, stamp, facts: read_facts(reader)? }
            }
            Tag::Listing => {
                let complete = flag(detail).ok_or(unknown)?;
                Event::Listing(self.listing(reader, at, complete)?)
            }
            Tag::Gap => {
                let reason = gap_reason(detail).ok_or(unknown)?;
                let (scope, stamp) = self.placed(reader, at)?;
                Event::Gap { scope, stamp, reason }
            }
            Tag::Uncovered => {
                let reason = uncovered_reason(detail).ok_or(unknown)?;
                let (dir, stamp) = self.placed(reader, at)?;
                Event::Uncovered { dir, stamp, reason }
            }
            Tag::Covered => {
                plain?;
                Event::Covered { dir: self.path(reader, at)? }
            }
            Tag::Cycle => {
                if detail > 2 {
                    return Err(unknown);
                }
                let stamp = self.stamp(reader)?;
                let phase = match detail {
                    0 => CyclePhase::Begin,
                    1 => CyclePhase::End,
                    _ => CyclePhase::PassEnd { read_since: self.stamp(reader)? },
                };
                Event::Cycle { phase, stamp }
            }
            Tag::RootLost => {
                plain?;
                Event::RootLost { stamp: self.stamp(reader)? }
            }
        })
    }

    fn listing(
        &mut self,
        reader: &mut Reader<'_>,
        at: usize,
        complete: bool,
    ) -> Result<Listing, EventFault> {
        let (dir, stamp) = self.placed(reader, at)?;
        let facts = read_facts(reader)?;
        let count = reader.len("blocks")?;
        let mut blocks = Vec::with_capacity(count.min(reader.left() / PACKED_MIN));
        for _ in 0..count {
            let len = reader.len("block")?;
            let packed = reader.take(len)?;
            let allow = &mut |shared| self.repeats.allow(at, shared);
            blocks.push(Block::unpack(dir.name(), packed, &mut self.scratch, allow)?);
        }
        Ok(Listing { dir, stamp, complete, facts, blocks })
    }

    fn placed(
        &mut self,
        reader: &mut Reader<'_>,
        at: usize,
    ) -> Result<(ViewPath, BootTime), EventFault> {
        Ok((self.path(reader, at)?, self.stamp(reader)?))
    }

    /// A path; `at`: where its event begins.
    fn path(&mut self, reader: &mut Reader<'_>, at: usize) -> Result<ViewPath, EventFault> {
        let said = reader.number("shared")?;
        let shared = usize::try_from(said).unwrap_or(usize::MAX);
        let len = reader.len("path")?;
        if shared > self.last.len() || !self.repeats.allow(at, shared) {
            return Err(EventFault::Shared(said));
        }
        if shared + len > PATH_MAX {
            return Err(PathError::TooLong(shared + len).into());
        }
        self.last.truncate(shared);
        self.last.extend_from_slice(reader.take(len)?);
        Ok(ViewPath::parse(&self.last)?)
    }

    fn stamp(&self, reader: &mut Reader<'_>) -> Result<BootTime, EventFault> {
        let before = reader.signed("stamp")?;
        Ok(BootTime(self.decoded.head.sent.0.wrapping_sub(before)))
    }
}

fn read_facts(reader: &mut Reader<'_>) -> Result<Facts, EventFault> {
    let kind = Kind::from_u8(reader.byte()?).ok_or(EventFault::Number("kind"))?;
    let size = reader.number("size")?;
    let mtime = reader.fixed()? as i64;
    let ctime = mtime.wrapping_add(reader.signed("ctime")?);
    Ok(Facts {
        kind,
        size,
        mtime: StorageTime(mtime),
        ctime: StorageTime(ctime),
        inode: reader.number("inode")?,
        nlink: reader.narrow("nlink")?,
        owner: Owner {
            mode: reader.narrow("mode")?,
            uid: reader.narrow("uid")?,
            gid: reader.narrow("gid")?,
        },
    })
}

/// The numbers of tiers in a frame are those of [`Tier`] itself.
const fn tier(n: u8) -> Option<Tier> {
    Some(match n {
        0 => Tier::Partial,
        1 => Tier::Scan,
        2 => Tier::Atomic,
        _ => return None,
    })
}

const fn flag(n: u8) -> Option<bool> {
    match n {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

const fn gap_reason(n: u8) -> Option<GapReason> {
    Some(match n {
        0 => GapReason::KernelOverflow,
        1 => GapReason::AgentOverflow,
        2 => GapReason::HalfRename,
        3 => GapReason::AgentAbsent,
        4 => GapReason::StaleRename,
        _ => return None,
    })
}

const fn uncovered_reason(n: u8) -> Option<UncoveredReason> {
    Some(match n {
        0 => UncoveredReason::WatchLimit,
        1 => UncoveredReason::Unreadable,
        2 => UncoveredReason::Failing,
        3 => UncoveredReason::OtherFileSystem,
        4 => UncoveredReason::Hanging,
        5 => UncoveredReason::TooDeep,
        6 => UncoveredReason::Loop,
        7 => UncoveredReason::Restless,
        8 => UncoveredReason::Excluded,
        _ => return None,
    })
}

/// The caller has checked that the head is there.
fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four))
}
