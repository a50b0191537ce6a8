//! Query parameters: strict for our own routes, as lenient as FastAPI for those of 0.8.

use fustor_core::ViewPath;
use fustor_core::query::{decode_base64, parse_number};

use super::error::ApiError;

/// What stands behind the question mark, decoded.
#[derive(Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, Vec<u8>)>,
    /// The first thing that is not well-formed; the routes of 0.8 never looked.
    fault: Option<String>,
}

/// Whether less than a trusted answer will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Require {
    /// The parameter is absent.
    Unsaid,
    /// Whatever is known.
    Any,
    /// A trusted answer or none.
    Trusted,
}

impl Params {
    pub(crate) fn parse(query: &str) -> Self {
        let mut params = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = params.decode(name);
            let value = params.decode(value);
            params.pairs.push((String::from_utf8_lossy(&name).into_owned(), value));
        }
        params
    }

    /// Refuses what is malformed, repeated or not among `known`.
    pub(crate) fn strict(&self, known: &[&str]) -> Result<(), ApiError> {
        if let Some(fault) = &self.fault {
            return Err(ApiError::BadRequest(fault.clone()));
        }
        for (i, (name, _)) in self.pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = known.join(", ");
                let text = format!("unknown parameter {name:?}; known are {known}");
                return Err(ApiError::BadRequest(text));
            }
            if self.pairs[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::BadRequest(format!("parameter {name:?} is given twice")));
            }
        }
        Ok(())
    }

    /// The bytes of a parameter; of several the last, as FastAPI does.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.pairs.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    /// The text of a parameter.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let Some(bytes) = self.bytes(name) else { return Ok(None) };
        std::str::from_utf8(bytes).map(Some).map_err(|_| {
            let shown = String::from_utf8_lossy(bytes);
            ApiError::BadRequest(format!("parameter {name:?} is not UTF-8: {shown:?}"))
        })
    }

    /// A whole number within limits.
    pub(crate) fn number(&self, name: &'static str, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number = parse_number(name, text)?;
        if number > max {
            let text = format!("parameter {name:?} is {number}, at most {max} is allowed");
            return Err(ApiError::BadRequest(text));
        }
        Ok(Some(number))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name)? {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => {
                let text = format!("parameter {name:?} is {other:?}, not true or false");
                Err(ApiError::BadRequest(text))
            }
        }
    }

    /// The path asked for, from `path` or `path_b64`; the root when neither is given.
    pub(crate) fn path(&self) -> Result<ViewPath, ApiError> {
        let Some(bytes) = self.path_bytes()? else { return Ok(ViewPath::root()) };
        ViewPath::parse(&bytes).map_err(|error| ApiError::BadRequest(error.to_string()))
    }

    /// The path asked for as it was sent.
    pub(crate) fn path_bytes(&self) -> Result<Option<Vec<u8>>, ApiError> {
        match (self.bytes("path"), self.text("path_b64")?) {
            (Some(_), Some(_)) => {
                let text = "path and path_b64 exclude each other, both are given";
                Err(ApiError::BadRequest(text.to_owned()))
            }
            (Some(_), None) => Ok(self.text("path")?.map(|path| path.as_bytes().to_vec())),
            (None, Some(text)) => Ok(Some(decode_base64("path_b64", text)?)),
            (None, None) => Ok(None),
        }
    }

    pub(crate) fn require(&self) -> Result<Require, ApiError> {
        match self.text("require")? {
            None => Ok(Require::Unsaid),
            Some("any") => Ok(Require::Any),
            Some("trusted") => Ok(Require::Trusted),
            Some(other) => {
                let text = format!("parameter \"require\" is {other:?}, not any or trusted");
                Err(ApiError::BadRequest(text))
            }
        }
    }

    /// A boolean as pydantic reads it.
    pub(crate) fn legacy_flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        let Some(bytes) = self.bytes(name) else { return Ok(default) };
        let text = String::from_utf8_lossy(bytes);
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
            _ => {
                let message = "Input should be a valid boolean, unable to interpret input";
                Err(ApiError::field("bool_parsing", name, message, Some(&text)))
            }
        }
    }

    /// A whole number as pydantic reads it.
    pub(crate) fn legacy_int(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(bytes) = self.bytes(name) else { return Ok(None) };
        let text = String::from_utf8_lossy(bytes);
        text.trim().parse().map(Some).map_err(|_| {
            let message = "Input should be a valid integer, unable to parse string as an integer";
            ApiError::field("int_parsing", name, message, Some(&text))
        })
    }

    fn decode(&mut self, text: &str) -> Vec<u8> {
        let bytes = text.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            at += 1;
            match (byte, hex_pair(bytes.get(at..at + 2))) {
                (b'%', Some(decoded)) => {
                    out.push(decoded);
                    at += 2;
                }
                (b'%', None) => {
                    self.fault.get_or_insert_with(|| format!("broken percent escape in {text:?}"));
                    out.push(b'%');
                }
                (b'+', _) => out.push(b' '),
                (other, _) => out.push(other),
            }
        }
        out
    }
}

fn hex_pair(pair: Option<&[u8]>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*pair?.first()?)?, digit(*pair?.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_to_bytes() {
        let params = Params::parse("path=%2Fa+b%ff&limit=3&&flag");
        assert_eq!(params.bytes("path"), Some(&b"/a b\xff"[..]));
        assert_eq!(params.number("limit", 10).unwrap(), Some(3));
        assert_eq!(params.bytes("flag"), Some(&b""[..]));
        assert!(params.text("path").is_err());
    }

    #[test]
    fn strict_refuses_what_is_unknown_repeated_or_broken() {
        let refused = |query: &str| match Params::parse(query).strict(&["path"]) {
            Err(ApiError::BadRequest(text)) => text,
            other => panic!("{query}: {other:?}"),
        };
        assert!(refused("pth=/").contains("\"pth\""));
        assert!(refused("path=/&path=/a").contains("twice"));
        assert!(refused("path=%zz").contains("%zz"));
        assert!(refused("path=%2").contains("%2"));
        assert!(Params::parse("path=%2F").strict(&["path"]).is_ok());
    }

    #[test]
    fn the_last_of_several_counts_where_0_8_did_not_mind() {
        let params = Params::parse("recursive=no&recursive=Yes&max_depth=-1");
        assert!(params.legacy_flag("recursive", false).unwrap());
        assert_eq!(params.legacy_int("max_depth").unwrap(), Some(-1));
        assert!(Params::parse("max_depth=a").legacy_int("max_depth").is_err());
    }
}
