//! The three kinds of keys: kept as digests, found in constant time, never shown.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::settings::Config;

/// What a hashed key in a file begins with.
const HASHED: &str = "sha256:";

/// The SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Nothing.
    #[error("a key is empty")]
    Empty,
    /// It says that it is hashed and is not.
    #[error("a key that begins with \"sha256:\" goes on with 64 hexadecimal digits")]
    Hash,
    /// No HTTP header can carry it.
    #[error("a key consists of visible ASCII characters")]
    Invisible,
}

impl Digest {
    /// The digest of a key as a client sends it.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads a key as a file names it: itself, or `sha256:` with its digest.
    ///
    /// # Errors
    /// [`KeyError`], which does not show the key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        let Some(digits) = text.strip_prefix(HASHED) else {
            let visible = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            return if visible { Ok(Self::of(text.as_bytes())) } else { Err(KeyError::Invisible) };
        };
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() || !digits.is_ascii() {
            return Err(KeyError::Hash);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| KeyError::Hash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| KeyError::Hash)?;
        }
        Ok(Self(bytes))
    }
}

/// Enough to tell two keys apart in a log, too little to help anybody.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {:02x}{:02x}…", self.0[0], self.0[1])
    }
}

/// What a key is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// To report into a pipe.
    Push {
        /// The pipe.
        pipe: String,
    },
    /// To ask these views; more than one when several name the same key.
    Query {
        /// The views.
        views: BTreeSet<String>,
    },
    /// To change things.
    Admin,
}

/// All keys of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRing(Vec<(Digest, Grant)>);

impl KeyRing {
    /// The keys that a configuration names.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut ring: Vec<(Digest, Grant)> = Vec::new();
        for key in config.receivers.values().flat_map(|receiver| &receiver.keys) {
            ring.push((key.digest, Grant::Push { pipe: key.pipe.clone() }));
        }
        for (name, view) in &config.views {
            for digest in &view.keys {
                let known = ring.iter_mut().find(|(known, _)| known == digest);
                match known {
                    Some((_, Grant::Query { views })) => {
                        views.insert(name.clone());
                    }
                    // A key of another kind is refused when a configuration is read.
                    Some((_, Grant::Push { .. } | Grant::Admin)) => (),
                    None => {
                        let views = BTreeSet::from([name.clone()]);
                        ring.push((*digest, Grant::Query { views }));
                    }
                }
            }
        }
        ring.extend(config.admin_keys.iter().map(|digest| (*digest, Grant::Admin)));
        Self(ring)
    }

    /// What a key that a client sent is good for. Takes the same time whichever key it is, if any.
    #[must_use]
    pub fn find(&self, key: &[u8]) -> Option<&Grant> {
        let sent = Digest::of(key);
        let mut found = None;
        for (digest, grant) in &self.0 {
            if bool::from(digest.0.ct_eq(&sent.0)) {
                found = Some(grant);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hashed_key_is_the_key() {
        let plain = Digest::parse("push-key").unwrap();
        let hex: String = plain.0.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(Digest::parse(&format!("sha256:{hex}")).unwrap(), plain);
        assert_eq!(Digest::of(b"push-key"), plain);
        assert!(!format!("{plain:?}").contains("push"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (text, error) in [
            ("", KeyError::Empty),
            ("sha256:", KeyError::Hash),
            ("sha256:0123", KeyError::Hash),
            (&format!("sha256:{}", "g".repeat(64)), KeyError::Hash),
            (&format!("sha256:{}", "é".repeat(32)), KeyError::Hash),
            ("a\nb", KeyError::Invisible),
            ("schlüssel", KeyError::Invisible),
        ] {
            assert_eq!(Digest::parse(text), Err(error), "{text}");
        }
    }
}
