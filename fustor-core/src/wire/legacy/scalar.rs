//! Single JSON values, from the text in which they were sent: an odd one costs its row, never the request.

use std::borrow::Cow;

use crate::time::SECOND;

/// Digits of a nanosecond.
const NANO_DIGITS: usize = 9;

/// The bytes that a JSON string stands for, or `None` when this is no string. An escaped lone surrogate U+DC80 to
/// U+DCFF is the byte that Python could not decode; other lone surrogates are nothing.
pub(super) fn text(raw: &str) -> Option<Cow<'_, [u8]>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let Some(first) = memchr::memchr(b'\\', inner) else { return Some(Cow::Borrowed(inner)) };
    let mut out = Vec::with_capacity(inner.len());
    out.extend_from_slice(&inner[..first]);
    let mut rest = &inner[first..];
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'\\' {
            rest = unescape(rest, &mut out)?;
        } else {
            out.push(byte);
        }
    }
    Some(Cow::Owned(out))
}

/// What follows a backslash; returns what comes after it.
fn unescape<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&letter, rest) = rest.split_first()?;
    out.push(match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unicode(rest, out),
        _ => return None,
    });
    Some(rest)
}

fn unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (unit, rest) = four_digits(rest)?;
    if (0xdc80..=0xdcff).contains(&unit) {
        out.push(unit as u8);
        return Some(rest);
    }
    let (code, rest) = match unit {
        0xd800..=0xdbff => {
            let (low, rest) = four_digits(rest.strip_prefix(b"\\u")?)?;
            let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            (0x1_0000 + ((unit - 0xd800) << 10 | low), rest)
        }
        _ => (unit, rest),
    };
    let mut buffer = [0; 4];
    out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut buffer).as_bytes());
    Some(rest)
}

fn four_digits(rest: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = rest.split_at_checked(4)?;
    let value = digits.iter().try_fold(0, |value, digit| {
        char::from(*digit).to_digit(16).map(|digit| value << 4 | digit)
    })?;
    Some((value, rest))
}

/// Seconds in decimals as nanoseconds, half of one rounded away from zero; `None` when this is no number or none that
/// fits.
pub(in crate::wire) fn nanoseconds(raw: &str) -> Option<i64> {
    let (negative, digits) = match raw.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, raw),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let Ok(whole) = whole.parse::<i64>() else { return from_float(raw) };
    let Some(fraction) = fraction_ns(fraction.as_bytes()) else { return from_float(raw) };
    let ns = whole.checked_mul(SECOND)?.checked_add(fraction)?;
    Some(if negative { -ns } else { ns })
}

/// The digits after the point; `None` when they are not digits only.
fn fraction_ns(digits: &[u8]) -> Option<i64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let kept = &digits[..digits.len().min(NANO_DIGITS)];
    let ns = kept.iter().fold(0, |ns, digit| ns * 10 + i64::from(digit - b'0'));
    let scale = 10_i64.pow((NANO_DIGITS - kept.len()) as u32);
    let round = digits.get(NANO_DIGITS).is_some_and(|digit| *digit >= b'5');
    Some(ns * scale + i64::from(round))
}

/// A number with an exponent, or one that is too long.
fn from_float(raw: &str) -> Option<i64> {
    let value: f64 = raw.parse().ok()?;
    // Within what an i64 of nanoseconds holds.
    if !(-9.2e9..=9.2e9).contains(&value) {
        return None;
    }
    let whole = value.floor();
    Some(whole as i64 * SECOND + ((value - whole) * SECOND as f64).round() as i64)
}

/// An integer, which may be written with a fraction of zero.
pub(super) fn integer(raw: &str) -> Option<i64> {
    if let Ok(whole) = raw.parse() {
        return Some(whole);
    }
    let value: f64 = if is_number(raw) { raw.parse().ok()? } else { return None };
    // Below 2^53, where every whole number is a double.
    (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64)
}

/// A natural number up to 2^64 − 1, which may be written with a fraction of zero.
pub(super) fn natural(raw: &str) -> Option<u64> {
    raw.parse().ok().or_else(|| integer(raw).and_then(|n| u64::try_from(n).ok()))
}

/// True or false, or 1 or 0.
pub(super) fn boolean(raw: &str) -> Option<bool> {
    match raw {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn is_number(raw: &str) -> bool {
    raw.strip_prefix('-').unwrap_or(raw).starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::seconds;
    use proptest::prelude::*;

    #[test]
    fn strings_stand_for_bytes() {
        let cases: [(&str, Option<&[u8]>); 16] = [
            (r#""""#, Some(b"")),
            (r#""/a/b c""#, Some(b"/a/b c")),
            (r#""/ä""#, Some("/ä".as_bytes())),
            (r#""\"\\\/\b\f\n\r\t""#, Some(b"\"\\/\x08\x0c\n\r\t")),
            (r#""\u00e4\u6f22""#, Some("ä漢".as_bytes())),
            (r#""\ud83d\ude00""#, Some("😀".as_bytes())),
            (r#""a\udcffb""#, Some(b"a\xffb")),
            (r#""\udc80""#, Some(b"\x80")),
            (r#""\u0000""#, Some(b"\0")),
            (r#""\ud83d""#, None),
            (r#""\ud83dx""#, None),
            (r#""\ud83d\u0041""#, None),
            (r#""\udc00""#, None),
            ("7", None),
            ("null", None),
            (r#""\u12""#, None),
        ];
        for (raw, bytes) in cases {
            assert_eq!(text(raw).as_deref(), bytes, "{raw}");
        }
    }

    #[test]
    fn times_are_read_as_decimals() {
        let cases = [
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("-0.5", Some(-500_000_000)),
            ("1795329268.4401903", Some(1_795_329_268_440_190_300)),
            ("1577836800.0", Some(1_577_836_800_000_000_000)),
            ("1795329268.46", Some(1_795_329_268_460_000_000)),
            ("1.0000000005", Some(1_000_000_001)),
            ("0.9999999999", Some(1_000_000_000)),
            ("1.5e3", Some(1_500_000_000_000)),
            ("9223372036", Some(9_223_372_036_000_000_000)),
            ("9223372037", None),
            ("99999999999999999999", None),
            ("1e300", None),
            ("true", None),
            ("\"5\"", None),
            ("[]", None),
            ("-", None),
        ];
        for (raw, ns) in cases {
            assert_eq!(nanoseconds(raw), ns, "{raw}");
        }
    }

    #[test]
    fn integers_may_have_a_fraction_of_zero() {
        for (raw, n) in [
            ("7", Some(7)),
            ("-1", Some(-1)),
            ("30.0", Some(30)),
            ("1e3", Some(1000)),
            ("5.5", None),
            ("1e300", None),
            ("true", None),
            ("inf", None),
        ] {
            assert_eq!(integer(raw), n, "{raw}");
        }
        assert_eq!(natural("18446744073709551615"), Some(u64::MAX));
        assert_eq!(natural("-1"), None);
        assert_eq!(natural("4096.0"), Some(4096));
        assert_eq!((boolean("true"), boolean("0"), boolean("2")), (Some(true), Some(false), None));
    }

    proptest! {
        #[test]
        fn our_own_seconds_read_back_within_a_double(ns in 0..4_000_000_000_000_000_000_i64) {
            let mut out = Vec::new();
            seconds(&mut out, ns);
            let read = nanoseconds(str::from_utf8(&out).unwrap()).unwrap();
            prop_assert!((read - ns).abs() < 1000, "{ns} became {read}");
        }

        #[test]
        fn strings_mean_what_serde_says(value in "\\PC{0,20}") {
            let raw = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(text(&raw).unwrap(), value.as_bytes());
        }
    }
}
