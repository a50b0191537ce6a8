//! Reading and writing bodies: errors as 0.8 words them, and values that are a little off.

use serde::de::{DeserializeOwned, Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::text::string;

/// Whole seconds. 0.8 writes them as `30` or `30.0`.
pub type Seconds = u64;

/// A body that is not what its route wants: 422.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}: {message}")]
pub struct BodyError {
    /// Where in the body.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

impl BodyError {
    /// What `error` says of `bytes`.
    pub(in crate::wire) fn of(error: &serde_json::Error, bytes: &[u8]) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let place = format!(" at line {line} column {column}");
        let message = text.strip_suffix(&place).unwrap_or(&text).to_owned();
        let ends = memchr::memchr_iter(b'\n', bytes);
        let start =
            line.checked_sub(2).and_then(|nth| ends.into_iter().nth(nth)).map_or(0, |at| at + 1);
        Self { offset: (start + column.saturating_sub(1)).min(bytes.len()), message }
    }

    /// The document that 0.8 clients know: `{"detail":[{"type","loc","msg"}]}`.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out =
            b"{\"detail\":[{\"type\":\"value_error\",\"loc\":[\"body\"],\"msg\":".to_vec();
        string(&mut out, &self.to_string());
        out.extend_from_slice(b"}]}");
        out
    }
}

/// Reads a body.
///
/// # Errors
/// [`BodyError`] when it is not JSON or not what is wanted.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    serde_json::from_slice(bytes).map_err(|error| BodyError::of(&error, bytes))
}

/// Writes a body.
///
/// # Panics
/// Never for the bodies of this module: their keys are strings and their numbers finite or null.
#[must_use]
pub fn write<T: Serialize>(body: &T) -> Vec<u8> {
    // Serialising fails for maps with keys that are no strings, and for types that say so; we have neither.
    serde_json::to_vec(body).expect("our bodies are JSON")
}

/// The document of an error: `{"detail":"…"}`.
#[must_use]
pub fn detail(message: &str) -> Vec<u8> {
    let mut out = b"{\"detail\":".to_vec();
    string(&mut out, message);
    out.push(b'}');
    out
}

/// Whole seconds that may be written with a fraction of zero; absent and null are none.
pub(super) fn some_seconds<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Seconds>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(from)? else { return Ok(None) };
    if let Some(whole) = number.as_u64() {
        return Ok(Some(whole));
    }
    let float = number.as_f64().unwrap_or(f64::NAN);
    // Below 2^53, where every whole number is a double.
    if float.fract() == 0.0 && (0.0..9e15).contains(&float) {
        return Ok(Some(float as u64));
    }
    Err(D::Error::invalid_value(Unexpected::Float(float), &"whole seconds"))
}

/// Whole seconds that must be there.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Seconds, D::Error> {
    some_seconds(from)?.ok_or_else(|| D::Error::invalid_type(Unexpected::Unit, &"whole seconds"))
}

/// A value for which null stands for what it is when absent.
pub(super) fn null_is_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
