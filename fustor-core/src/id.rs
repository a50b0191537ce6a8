//! Identities: small integers that cannot be confused with one another.

use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A directory of one tree: an index into its tables. Reused after the directory was released; the
    /// directory's `generation` tells the two apart.
    DirId(u32)
}
id! {
    /// A storage of a view: what one lease, one root identity and one audit belong to.
    StorageId(u16)
}
id! {
    /// An agent, numbered by fusion when it is first seen. Below 2^13.
    AgentId(u16)
}
id! {
    /// One life of an agent's source, counted up by fusion each time the source starts afresh.
    Epoch(u16)
}
id! {
    /// The gap-free number of a sealed batch within its lane.
    Seq(u32)
}

impl DirId {
    /// The root of every tree.
    pub const ROOT: Self = Self(0);
    /// No directory; the parent of the root and of what is detached.
    pub const NONE: Self = Self(u32::MAX);
}

/// Which life of a fusion process, and which published state within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// Changes whenever fusion starts without its earlier state.
    pub incarnation: u64,
    /// Counts applied commands.
    pub n: u64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.incarnation, self.n)
    }
}

/// Where an observation comes from: identity for deduplication, tie-break for order, never a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The agent that observed.
    pub agent: AgentId,
    /// The life of its source.
    pub epoch: Epoch,
    /// The batch that carried it.
    pub seq: Seq,
}

/// One session of an agent with fusion: 128 random bits that the shell supplies, shown as a hyphenated UUID.
///
/// ```
/// use fustor_core::SessionId;
/// let id = SessionId(0x4a877584_8ee2_4856_aea4_58e405b29cb3);
/// assert_eq!(id.to_string(), "4a877584-8ee2-4856-aea4-58e405b29cb3");
/// assert_eq!(id.to_string().parse(), Ok(id));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

/// One scan on demand, shown as eight hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u32);

/// A text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this form: {form}")]
pub struct IdError {
    /// What an id of this kind looks like.
    pub form: &'static str,
}

/// Where the hyphens of a UUID stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// Length of a UUID with its hyphens.
const UUID_LEN: usize = 36;

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        let group = |shift: u32, mask: u128| (bits >> shift) & mask;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            group(96, 0xffff_ffff),
            group(80, 0xffff),
            group(64, 0xffff),
            group(48, 0xffff),
            group(0, 0xffff_ffff_ffff)
        )
    }
}

impl FromStr for SessionId {
    type Err = IdError;

    /// Takes the hyphenated form only, in either case, so that an id has one spelling on the wire.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { form: "00000000-0000-0000-0000-000000000000" };
        if text.len() != UUID_LEN {
            return Err(error);
        }
        let mut bits = 0_u128;
        for (at, byte) in text.bytes().enumerate() {
            match (HYPHENS.contains(&at), byte) {
                (true, b'-') => {}
                (true, _) => return Err(error),
                (false, byte) => {
                    let digit = char::from(byte).to_digit(16).ok_or(error)?;
                    bits = bits << 4 | u128::from(digit);
                }
            }
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for JobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { form: "00000000" };
        if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error);
        }
        u32::from_str_radix(text, 16).map(Self).map_err(|_| error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_have_one_spelling() {
        for bits in [0, 1, u128::MAX, 0x4a877584_8ee2_4856_aea4_58e405b29cb3] {
            assert_eq!(SessionId(bits).to_string().parse(), Ok(SessionId(bits)));
        }
        let refused = [
            "",
            "4a8775848ee24856aea458e405b29cb3",
            "4a877584-8ee2-4856-aea4-58e405b29cbg",
            "4a877584-8ee2-4856-aea4_58e405b29cb3",
            "-4a87758-8ee2-4856-aea4-58e405b29cb3",
            "4a877584-8ee2-4856-aea4-58e405b29cb3 ",
            "4a877584-8ee2-4856-aea4-58e405b29c\u{e9}",
        ];
        for text in refused {
            assert!(text.parse::<SessionId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn job_ids_are_eight_digits() {
        assert_eq!(JobId(0xa5).to_string(), "000000a5");
        assert_eq!("a5265f03".parse(), Ok(JobId(0xa526_5f03)));
        assert!("+5265f03".parse::<JobId>().is_err());
        assert!("a5265f030".parse::<JobId>().is_err());
    }
}
