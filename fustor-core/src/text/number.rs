//! Numbers as text: integers, and nanoseconds as the decimal seconds that 0.8 clients read.

use crate::time::SECOND;

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Appends a natural number.
pub fn uint(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    while n >= 100 {
        let pair = (n % 100) as usize * 2;
        n /= 100;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if n >= 10 {
        let pair = n as usize * 2;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        digits[at] = b'0' + n as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an integer.
pub fn int(out: &mut Vec<u8>, n: i64) {
    if n < 0 {
        out.push(b'-');
    }
    uint(out, n.unsigned_abs());
}

/// Appends nanoseconds as seconds: the shortest decimal that reads back as the number which Python's `os.stat` gives
/// for the same time (`s + 1e-9 * ns`), so that clients may compare the two.
pub fn seconds(out: &mut Vec<u8>, ns: i64) {
    let whole = ns.div_euclid(SECOND);
    let rest = ns.rem_euclid(SECOND);
    if rest == 0 {
        int(out, whole);
        out.extend_from_slice(b".0");
        return;
    }
    let value = whole as f64 + 1e-9 * rest as f64;
    if !recent(out, value) {
        general(out, value);
    }
}

/// Years 1987 to 2242, where neighbouring doubles lie between 1e-7 and 1e-6 s apart: seven decimals always suffice, and
/// when six do, no other decimal of six or fewer is the same double. False: not such a time, nothing was written.
fn recent(out: &mut Vec<u8>, value: f64) -> bool {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    if !(29..=32).contains(&exponent) {
        return false;
    }
    let shift = (52 - exponent) as u32;
    let mantissa = (bits & ((1 << 52) - 1)) | 1 << 52;
    let fraction = mantissa & ((1 << shift) - 1);
    let (mut decimals, mut width) = (rounded(fraction * 1_000_000, shift), 6);
    let error = (decimals << shift).abs_diff(fraction * 1_000_000);
    if error * 2 >= 1_000_000 {
        let scaled = fraction * 10_000_000;
        if scaled & ((1 << shift) - 1) == 1 << (shift - 1) {
            return false;
        }
        (decimals, width) = (rounded(scaled, shift), 7);
    }
    let carry = decimals == 10_u64.pow(width);
    uint(out, (mantissa >> shift) + u64::from(carry));
    out.push(b'.');
    fraction_digits(out, if carry { 0 } else { decimals }, width as usize);
    true
}

fn rounded(scaled: u64, shift: u32) -> u64 {
    (scaled + (1 << (shift - 1))) >> shift
}

fn fraction_digits(out: &mut Vec<u8>, mut decimals: u64, width: usize) {
    let mut digits = [b'0'; 7];
    for digit in digits[..width].iter_mut().rev() {
        *digit = b'0' + (decimals % 10) as u8;
        decimals /= 10;
    }
    let zeros = digits[1..width].iter().rev().take_while(|digit| **digit == b'0').count();
    out.extend_from_slice(&digits[..width - zeros]);
}

fn general(out: &mut Vec<u8>, value: f64) {
    let text = value.to_string();
    out.extend_from_slice(text.as_bytes());
    if !text.contains('.') {
        out.extend_from_slice(b".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_of_every_length() {
        let mut n = 0_u64;
        for digit in (1..=9).chain(1..=9) {
            assert_eq!(text(|out| uint(out, n)), n.to_string());
            n = n * 10 + digit;
        }
        assert_eq!(text(|out| uint(out, u64::MAX)), u64::MAX.to_string());
        for n in [0, -1, 99, -100, i64::MIN, i64::MAX] {
            assert_eq!(text(|out| int(out, n)), n.to_string());
        }
    }

    #[test]
    fn seconds_read_as_python_prints_them() {
        let cases = [
            (0, "0.0"),
            (5_000_000_000, "5.0"),
            (1, "0.000000001"),
            (-500_000_000, "-0.5"),
            (-1_500_000_000, "-1.5"),
            (1_795_329_602_550_000_000, "1795329602.55"),
            (1_795_331_078_480_000_000, "1795331078.48"),
            (1_795_329_546_713_912_345, "1795329546.7139122"),
            (1_795_329_602_999_999_999, "1795329603.0"),
            (1_795_329_602_000_000_001, "1795329602.0"),
            (1_000_000_000, "1.0"),
        ];
        for (ns, expected) in cases {
            assert_eq!(text(|out| seconds(out, ns)), expected, "{ns}");
        }
    }

    proptest! {
        #[test]
        fn seconds_are_the_shortest_text_of_the_double(ns in any::<i64>(), recent in 500_000_000_000_000_000..8_600_000_000_000_000_000_i64, micros in 1_000_000_000_000_000..2_000_000_000_000_000_i64) {
            for ns in [ns, recent, micros * 1000] {
                let value = ns.div_euclid(SECOND) as f64 + 1e-9 * ns.rem_euclid(SECOND) as f64;
                let written = text(|out| seconds(out, ns));
                prop_assert_eq!(written.parse::<f64>().unwrap(), value);
                let shortest = value.to_string();
                let shortest = if shortest.contains('.') { shortest } else { format!("{shortest}.0") };
                prop_assert_eq!(written, shortest);
            }
        }
    }
}
