//! The tasks that agents of 0.8 fetch to look at suspects again, and what they report.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::super::legacy::scalar::nanoseconds;
use crate::text::seconds;
use crate::time::StorageTime;

/// The type of tasks, and of the report.
pub const SUSPECT_CHECK: &str = "suspect_check";
/// See [`SUSPECT_CHECK`].
pub const SUSPECT_UPDATE: &str = "suspect_update";

/// The answer to `GET …/consistency/sentinel/tasks`; all absent, `{}`, when there is nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentinelTasks {
    /// [`SUSPECT_CHECK`].
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// Whose suspects they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_id: Option<String>,
}

impl SentinelTasks {
    /// A page of paths to look at, or nothing to do.
    #[must_use]
    pub fn check(paths: Vec<String>, view_id: &str) -> Self {
        if paths.is_empty() {
            return Self::default();
        }
        let (kind, view_id) = (Some(SUSPECT_CHECK.to_owned()), Some(view_id.to_owned()));
        Self { kind, paths: Some(paths), view_id }
    }
}

/// `POST …/consistency/sentinel/feedback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentinelFeedback {
    /// [`SUSPECT_UPDATE`]; anything else is answered as ignored.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// What was found.
    #[serde(default)]
    pub updates: Vec<SentinelUpdate>,
}

/// What an agent found at one path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentinelUpdate {
    /// The path.
    pub path: String,
    /// Last change of the contents; 0 for what is missing.
    #[serde(
        default,
        deserialize_with = "some_time",
        serialize_with = "put_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub mtime: Option<StorageTime>,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// `exists` or `missing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl SentinelUpdate {
    /// Whether the agent says that there is nothing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.status.as_deref() == Some("missing")
    }
}

/// Seconds in decimals; null is none.
fn some_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<StorageTime>, D::Error> {
    let raw = Box::<RawValue>::deserialize(from)?;
    if raw.get() == "null" {
        return Ok(None);
    }
    let ns = nanoseconds(raw.get());
    ns.map(|ns| Some(StorageTime(ns)))
        .ok_or_else(|| D::Error::custom("a time is no number of seconds"))
}

fn put_time<S: Serializer>(time: &Option<StorageTime>, to: S) -> Result<S::Ok, S::Error> {
    let Some(time) = time else { return to.serialize_none() };
    let mut text = Vec::new();
    seconds(&mut text, time.0);
    // Digits, a point and a sign are UTF-8, and a JSON number.
    let text = String::from_utf8(text).map_err(serde::ser::Error::custom)?;
    RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(to)
}
