//! Where everything stands in a frame, and the numbers and tags of its events.

use super::error::EventFault;

/// The first bytes of every frame.
pub(super) const MAGIC: [u8; 4] = *b"FsEv";
/// The version that this code writes and reads.
pub(super) const VERSION: u8 = 2;

pub(super) const VERSION_AT: usize = 4;
pub(super) const LANE_AT: usize = 5;
pub(super) const RESERVED_AT: usize = 6;
pub(super) const LEN_AT: usize = 8;
pub(super) const COUNT_AT: usize = 16;
pub(super) const SUM_AT: usize = 20;
pub(super) const EPOCH_AT: usize = 24;
pub(super) const LEASE_AT: usize = 32;
pub(super) const SENT_AT: usize = 40;
pub(super) const WINDOW_AT: usize = 48;
pub(super) const SEQ_AT: usize = 56;
/// Bytes before the first event.
pub(super) const HEADER: usize = 60;

/// The low four bits of an event's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Upsert = 0,
    Delete = 1,
    Rename = 2,
    Listing = 3,
    Gap = 4,
    Uncovered = 5,
    Covered = 6,
    Cycle = 7,
    RootLost = 8,
}

impl Tag {
    pub(super) const fn from_u8(n: u8) -> Option<Self> {
        Some(match n {
            0 => Self::Upsert,
            1 => Self::Delete,
            2 => Self::Rename,
            3 => Self::Listing,
            4 => Self::Gap,
            5 => Self::Uncovered,
            6 => Self::Covered,
            7 => Self::Cycle,
            8 => Self::RootLost,
            _ => return None,
        })
    }
}

/// How much of earlier paths a frame may repeat without sending it: so many bytes at once, and so many for each byte
/// of events. Without a bound, three bytes would stand for a path of 64 KiB.
const SHARED_FREE: usize = 1 << 20;
const SHARED_PER_BYTE: usize = 16;

/// Counts what paths repeat; the same on both ends.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    bytes: usize,
}

impl Repeats {
    /// Whether another `shared` bytes may be repeated by an event that begins at `at`.
    pub(super) const fn allow(&mut self, at: usize, shared: usize) -> bool {
        let total = self.bytes.saturating_add(shared);
        let fine = total <= SHARED_FREE.saturating_add(at.saturating_mul(SHARED_PER_BYTE));
        if fine {
            self.bytes = total;
        }
        fine
    }
}

/// Appends a number, seven bits a byte, the least first.
pub(super) fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a number that is small when it is near zero on either side.
pub(super) fn put_signed(out: &mut Vec<u8>, n: i64) {
    put_number(out, (n << 1 ^ n >> 63) as u64);
}

/// Reads a part of a frame from its start to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from `at` on.
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where the next byte stands.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn byte(&mut self) -> Result<u8, EventFault> {
        let byte = *self.bytes.get(self.at).ok_or(EventFault::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], EventFault> {
        if len > self.left() {
            return Err(EventFault::Truncated);
        }
        let part = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(part)
    }

    pub(super) fn fixed(&mut self) -> Result<u64, EventFault> {
        let eight = self.take(8)?.first_chunk().ok_or(EventFault::Truncated)?;
        Ok(u64::from_le_bytes(*eight))
    }

    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, EventFault> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            n |= bits << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(EventFault::Number(field))
    }

    pub(super) fn signed(&mut self, field: &'static str) -> Result<i64, EventFault> {
        let n = self.number(field)?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    pub(super) fn narrow(&mut self, field: &'static str) -> Result<u32, EventFault> {
        u32::try_from(self.number(field)?).map_err(|_| EventFault::Number(field))
    }

    /// A length; one beyond what is left is an event that ends too early.
    pub(super) fn len(&mut self, field: &'static str) -> Result<usize, EventFault> {
        let len = usize::try_from(self.number(field)?).unwrap_or(usize::MAX);
        if len > self.left() { Err(EventFault::Truncated) } else { Ok(len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_that_does_not_fit_is_refused() {
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(Reader::new(&most, 0).number("n"), Ok(u64::MAX));
        let more = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(Reader::new(&more, 0).number("n"), Err(EventFault::Number("n")));
        assert_eq!(Reader::new(&[0x80; 11], 0).number("n"), Err(EventFault::Number("n")));
        assert_eq!(Reader::new(&[0x80; 9], 0).number("n"), Err(EventFault::Truncated));
        let long = [0x80, 0x80, 0x80, 0x80, 0x10];
        assert_eq!(Reader::new(&long, 0).narrow("n"), Err(EventFault::Number("n")));
    }

    proptest! {
        #[test]
        fn numbers_survive(n in any::<u64>(), shift in 0..64, signed in any::<i64>()) {
            let mut out = Vec::new();
            put_number(&mut out, n >> shift);
            put_signed(&mut out, signed >> shift);
            let mut reader = Reader::new(&out, 0);
            prop_assert_eq!(reader.number("n").unwrap(), n >> shift);
            prop_assert_eq!(reader.signed("n").unwrap(), signed >> shift);
            prop_assert_eq!(reader.left(), 0);
        }
    }
}
