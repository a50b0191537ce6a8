//! Strings, with names that are not UTF-8 shown with U+FFFD.

/// Appends a JSON string with its quotes.
pub fn string(out: &mut Vec<u8>, text: &str) {
    bytes_text(out, text.as_bytes());
}

/// Appends bytes as a JSON string with its quotes; what is not UTF-8 becomes U+FFFD. False: something did.
pub fn bytes_text(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    out.push(b'"');
    let exact = escape(out, bytes);
    out.push(b'"');
    exact
}

/// Appends the inside of a JSON string. False: some bytes were not UTF-8.
pub(crate) fn escape(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
        return true;
    }
    let mut exact = true;
    for chunk in bytes.utf8_chunks() {
        escape_text(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            exact = false;
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    exact
}

/// Whether the bytes are ASCII without anything to escape; no early exit, so that it runs on whole vectors.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |odd, byte| odd | u8::from(needs_escape(*byte)) | u8::from(*byte >= 0x80))
        == 0
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape_text(out: &mut Vec<u8>, text: &[u8]) {
    let mut from = 0;
    for (at, byte) in text.iter().enumerate().filter(|(_, byte)| needs_escape(**byte)) {
        out.extend_from_slice(&text[from..at]);
        from = at + 1;
        escape_byte(out, *byte);
    }
    out.extend_from_slice(&text[from..]);
}

fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        8 => out.extend_from_slice(b"\\b"),
        12 => out.extend_from_slice(b"\\f"),
        other => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(other >> 4)]);
            out.push(HEX[usize::from(other & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_the_grammar_wants() {
        let cases: [(&[u8], &str, bool); 8] = [
            (b"", r#""""#, true),
            (b"plain name.txt", r#""plain name.txt""#, true),
            (b"say \"hi\" \\ bye", r#""say \"hi\" \\ bye""#, true),
            (b"\n\r\t\x08\x0c", r#""\n\r\t\b\f""#, true),
            (b"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"", true),
            ("é\u{2028}漢\n".as_bytes(), "\"é\u{2028}漢\\n\"", true),
            (b"a\xffb", "\"a\u{fffd}b\"", false),
            (b"\xe2\x82", "\"\u{fffd}\"", false),
        ];
        for (bytes, expected, exact) in cases {
            let mut out = Vec::new();
            assert_eq!(bytes_text(&mut out, bytes), exact, "{bytes:?}");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn every_text_reads_back() {
        let all: String = (0..0x250_u32).filter_map(char::from_u32).collect();
        let mut out = Vec::new();
        string(&mut out, &all);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), all);
    }
}
