//! Base64, for names that are not UTF-8 (RFC 4648 §4, padded) and for cursors (§5, unpadded).

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The standard alphabet, padded with `=`.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    let mut text = encode(bytes, STANDARD);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// The alphabet that needs no escape in a URL, without padding.
#[must_use]
pub fn base64_url(bytes: &[u8]) -> String {
    encode(bytes, URL_SAFE)
}

fn encode(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for k in 0..=group.len() {
            let six = (word >> (18 - 6 * k)) & 63;
            text.push(char::from(alphabet[six as usize]));
        }
    }
    text
}

/// The bytes of a text in either alphabet, padded or not; `None` when it is no such text.
#[must_use]
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let bare = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    if bare.len() != text.len() && !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(bare.len() / 4 * 3 + 2);
    for group in bare.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for byte in group {
            word = word << 6 | six_bits(*byte)?;
        }
        match group.len() {
            4 => bytes.extend_from_slice(&word.to_be_bytes()[1..]),
            3 if word & 3 == 0 => bytes.extend_from_slice(&(word >> 2).to_be_bytes()[2..]),
            2 if word & 15 == 0 => bytes.push((word >> 4) as u8),
            _ => return None,
        }
    }
    Some(bytes)
}

fn six_bits(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vectors_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, text) in cases {
            assert_eq!(base64(plain.as_bytes()), text);
            assert_eq!(unbase64(text).unwrap(), plain.as_bytes());
            assert_eq!(unbase64(text.trim_end_matches('=')).unwrap(), plain.as_bytes());
        }
        assert_eq!(base64(b"\xfb\xff\xfe"), "+//+");
        assert_eq!(base64_url(b"\xfb\xff\xfe"), "-__-");
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["Z", "Zh==", "Zm9v=", "Z=g=", "Zm 9v", "Zm9w=", "é", "====", "Zg="] {
            assert_eq!(unbase64(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_survive(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(unbase64(&base64(&bytes)).unwrap(), &bytes[..]);
            prop_assert_eq!(unbase64(&base64_url(&bytes)).unwrap(), &bytes[..]);
        }

        #[test]
        fn any_text_is_bytes_or_nothing(text in "\\PC{0,40}") {
            if let Some(bytes) = unbase64(&text) {
                prop_assert!(bytes.len() <= text.len());
            }
        }
    }
}
