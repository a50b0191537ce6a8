//! Reading a request with events of 0.8: strings are borrowed, nothing is kept of what means nothing to us, and a wrong
//! row costs only itself.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;
use thiserror::Error;

use super::super::limits::Limits;
use super::super::protocol::BodyError;
use super::lenient::{Key, Lenient, Name, Shape};
use super::row::{RawRow, Row, given, odd};
use super::scalar::{boolean, integer, text};
use crate::event::{
    LegacyBatch, LegacyChange, LegacyJob, LegacyKind, LegacyObservation, RefusedRow, RowFault,
};

/// How many refused rows are told one by one.
const REFUSED_MAX: usize = 64;
/// What a request that reports a finished scan may call itself; the third is a misprint that agents send.
const JOB_WORDS: [&str; 5] =
    ["job_complete", "on_demand_job", "find_complete", "on_demand_jon", "scan_complete"];

/// A request that is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LegacyError {
    /// No JSON, or not of the form that 0.8 has: 422.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// More than is taken at once: 413.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// Of what: `bytes`, `events` or `rows`.
        what: &'static str,
        /// How many are taken.
        limit: usize,
    },
}

/// Reads one request.
///
/// # Errors
/// [`LegacyError`] when it is no JSON, has no list of events, or exceeds `limits`.
pub fn decode_events(bytes: &[u8], limits: &Limits) -> Result<LegacyBatch, LegacyError> {
    if bytes.len() > limits.bytes {
        return Err(LegacyError::TooMuch { what: "bytes", limit: limits.bytes });
    }
    let text = str::from_utf8(bytes).map_err(|error| BodyError {
        offset: error.valid_up_to(),
        message: "not UTF-8".to_owned(),
    })?;
    let mut intake = Intake { limits, over: None, rows: 0, batch: LegacyBatch::default() };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Body { intake: &mut intake }.deserialize(&mut json);
    match read.and_then(|()| json.end()) {
        Ok(()) => Ok(intake.batch),
        Err(error) => Err(intake.over.unwrap_or_else(|| BodyError::of(&error, bytes).into())),
    }
}

/// What has been read so far.
struct Intake<'a> {
    limits: &'a Limits,
    /// The limit that was exceeded: the reason for an error that serde passes on as text.
    over: Option<LegacyError>,
    rows: usize,
    batch: LegacyBatch,
}

impl Intake<'_> {
    fn stop<E: serde::de::Error>(&mut self, what: &'static str, limit: usize) -> E {
        let error = LegacyError::TooMuch { what, limit };
        let text = error.to_string();
        self.over = Some(error);
        E::custom(text)
    }

    fn refuse(&mut self, row: Option<usize>, count: usize, reason: RowFault) {
        let batch = &mut self.batch;
        batch.refused_count += count as u64;
        if batch.refused.len() < REFUSED_MAX {
            let row = row.map(|row| row as u64);
            batch.refused.push(RefusedRow { event: batch.event_count, row, reason });
        }
    }

    /// Takes an event whose keys have all been read.
    fn take(&mut self, event: &RawEvent<'_>) {
        match event.sense() {
            Ok(sense) => {
                for (i, row) in event.rows.iter().enumerate() {
                    match observation(&sense, row.as_ref()) {
                        Ok(observation) => self.batch.observations.push(observation),
                        Err(reason) => self.refuse(Some(i), 1, reason),
                    }
                }
            }
            Err(reason) => self.refuse(None, event.rows.len().max(1), reason),
        }
    }
}

fn observation(sense: &Sense, row: Option<&RawRow<'_>>) -> Result<LegacyObservation, RowFault> {
    let row = row.ok_or(RowFault::NoObject)?;
    let path = row.path()?;
    let change =
        if sense.delete { LegacyChange::Delete } else { LegacyChange::Upsert(row.columns()?) };
    Ok(LegacyObservation { path, index_ms: sense.index_ms, source: sense.source, change })
}

/// The whole request. It is no [`Lenient`]: anything but an object with a list of events is an error.
struct Body<'i, 'a> {
    intake: &'i mut Intake<'a>,
}

impl<'de> DeserializeSeed<'de> for Body<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let read = Lenient(self).deserialize(from)?;
        read.ok_or_else(|| D::Error::custom("not an object"))
    }
}

impl<'de> Shape<'de> for Body<'_, '_> {
    type Value = ();

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<()>, A::Error> {
        let (mut events, mut metadata) = (None, None);
        self.intake.batch.source_type = "message".to_owned();
        while let Some(key) = map.next_key_seed(Name::<BodyKey>::new())? {
            match key {
                BodyKey::Events => {
                    self.intake.batch.observations.clear();
                    events = map.next_value_seed(Lenient(Events { intake: self.intake }))?;
                }
                BodyKey::SourceType => {
                    if let Some(raw) = given(map.next_value()?) {
                        let word = word(raw).ok_or_else(|| wrong::<A>("source_type", raw))?;
                        self.intake.batch.source_type = word;
                    }
                }
                BodyKey::IsEnd => {
                    if let Some(raw) = given(map.next_value()?) {
                        let end = boolean(raw).ok_or_else(|| wrong::<A>("is_end", raw))?;
                        self.intake.batch.is_end = end;
                    }
                }
                BodyKey::Metadata => metadata = map.next_value_seed(Lenient(Metadata))?,
                BodyKey::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let batch = &mut self.intake.batch;
        if JOB_WORDS.contains(&batch.source_type.as_str()) {
            batch.job = metadata;
        }
        events.ok_or_else(|| A::Error::custom("events is no list")).map(Some)
    }
}

fn wrong<'de, A: MapAccess<'de>>(key: &'static str, raw: &str) -> A::Error {
    A::Error::custom(odd(key, raw))
}

/// A string, with U+FFFD for what is no text.
fn word(raw: &str) -> Option<String> {
    text(raw).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

enum BodyKey {
    Events,
    SourceType,
    IsEnd,
    Metadata,
    Other,
}

impl Key for BodyKey {
    fn of(word: &str) -> Self {
        match word {
            "events" => Self::Events,
            "source_type" => Self::SourceType,
            "is_end" => Self::IsEnd,
            "metadata" => Self::Metadata,
            _ => Self::Other,
        }
    }
}

/// What a finished scan was. Without a job's id it is nothing.
struct Metadata;

impl<'de> Shape<'de> for Metadata {
    type Value = LegacyJob;

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<LegacyJob>, A::Error> {
        let (mut scan_path, mut job_id) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            let raw = map.next_value::<&RawValue>()?.get();
            match key.as_str() {
                "scan_path" => scan_path = word(raw),
                "job_id" => job_id = word(raw),
                _ => {}
            }
        }
        let scan_path = scan_path.unwrap_or_default();
        Ok(job_id.map(|job_id| LegacyJob { scan_path, job_id }))
    }
}

struct Events<'i, 'a> {
    intake: &'i mut Intake<'a>,
}

impl<'de> Shape<'de> for Events<'_, '_> {
    type Value = ();

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<()>, A::Error> {
        let intake = self.intake;
        intake.batch.event_count = 0;
        let mut event = RawEvent::default();
        while let Some(read) =
            seq.next_element_seed(Lenient(Event { intake, event: &mut event }))?
        {
            match read {
                Some(()) => intake.take(&event),
                None => intake.refuse(None, 1, RowFault::NoObject),
            }
            intake.batch.event_count += 1;
            if intake.batch.event_count > intake.limits.events as u64 {
                return Err(intake.stop("events", intake.limits.events));
            }
        }
        Ok(Some(()))
    }
}

/// An event as it was sent. Its rows come before the keys that say what they are.
#[derive(Debug, Default)]
struct RawEvent<'a> {
    kind: Option<&'a str>,
    schema: Option<&'a str>,
    source: Option<&'a str>,
    index: Option<&'a str>,
    /// Whether there was a list of rows; `rows` keeps its room from one event to the next.
    listed: bool,
    rows: Vec<Option<RawRow<'a>>>,
}

/// What an event says of all its rows.
struct Sense {
    delete: bool,
    source: LegacyKind,
    index_ms: i64,
}

impl RawEvent<'_> {
    fn sense(&self) -> Result<Sense, RowFault> {
        let schema = self.schema.ok_or(RowFault::Missing("event_schema"))?;
        if text(schema).as_deref() != Some(b"fs") {
            return Err(odd("event_schema", schema));
        }
        let kind = self.kind.ok_or(RowFault::Missing("event_type"))?;
        let delete = match text(kind).as_deref() {
            Some(b"insert" | b"update") => false,
            Some(b"delete") => true,
            _ => return Err(odd("event_type", kind)),
        };
        if !self.listed {
            return Err(RowFault::Missing("rows"));
        }
        let source = self.source.map(|raw| {
            let known = word(raw).and_then(|word| LegacyKind::from_word(&word));
            known.ok_or_else(|| odd("message_source", raw))
        });
        let index = self.index.map(|raw| integer(raw).ok_or_else(|| odd("index", raw)));
        Ok(Sense {
            delete,
            source: source.transpose()?.unwrap_or_default(),
            index_ms: index.transpose()?.unwrap_or(-1),
        })
    }
}

struct Event<'i, 'a, 'e, 'de> {
    intake: &'i mut Intake<'a>,
    event: &'e mut RawEvent<'de>,
}

impl<'de> Shape<'de> for Event<'_, '_, '_, 'de> {
    type Value = ();

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<()>, A::Error> {
        let event = self.event;
        event.rows.clear();
        *event = RawEvent { rows: std::mem::take(&mut event.rows), ..RawEvent::default() };
        while let Some(key) = map.next_key_seed(Name::<EventKey>::new())? {
            let slot = match key {
                EventKey::Rows => {
                    event.rows.clear();
                    let rows = Rows { intake: self.intake, rows: &mut event.rows };
                    event.listed = map.next_value_seed(Lenient(rows))?.is_some();
                    continue;
                }
                EventKey::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                EventKey::Kind => &mut event.kind,
                EventKey::Schema => &mut event.schema,
                EventKey::Source => &mut event.source,
                EventKey::Index => &mut event.index,
            };
            *slot = given(map.next_value()?);
        }
        Ok(Some(()))
    }
}

enum EventKey {
    Kind,
    Schema,
    Source,
    Index,
    Rows,
    Other,
}

impl Key for EventKey {
    fn of(word: &str) -> Self {
        match word {
            "event_type" => Self::Kind,
            "event_schema" => Self::Schema,
            "message_source" => Self::Source,
            "index" => Self::Index,
            "rows" => Self::Rows,
            _ => Self::Other,
        }
    }
}

struct Rows<'i, 'a, 'e, 'de> {
    intake: &'i mut Intake<'a>,
    rows: &'e mut Vec<Option<RawRow<'de>>>,
}

impl<'de> Shape<'de> for Rows<'_, '_, '_, 'de> {
    type Value = ();

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<()>, A::Error> {
        while let Some(row) = seq.next_element_seed(Lenient(Row))? {
            self.intake.rows += 1;
            if self.intake.rows > self.intake.limits.rows {
                return Err(self.intake.stop("rows", self.intake.limits.rows));
            }
            self.rows.push(row);
        }
        Ok(Some(()))
    }
}
