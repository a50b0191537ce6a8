//! Patterns of names as Python's `fnmatch.fnmatchcase` reads them: `*`, `?`, `[a-z]`, `[!a-z]`; `*` crosses a slash.

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(Vec<u8>),
    One,
    Set { negated: bool, ranges: Vec<(u32, u32)> },
    Star,
}

impl Glob {
    /// Compiles a pattern; every text is one, a `[` without its `]` stands for itself.
    #[must_use]
    pub fn new(pattern: &[u8]) -> Self {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some((first, after)) = rest.split_first() {
            rest = match first {
                b'*' => {
                    if tokens.last() != Some(&Token::Star) {
                        tokens.push(Token::Star);
                    }
                    after
                }
                b'?' => {
                    tokens.push(Token::One);
                    after
                }
                b'[' => set(&mut tokens, after),
                _ => {
                    literal(&mut tokens, *first);
                    after
                }
            };
        }
        Self { tokens }
    }

    /// Whether a text holds anything that is not literal.
    #[must_use]
    pub fn is_pattern(text: &[u8]) -> bool {
        text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
    }

    /// The longest run of bytes that every match holds.
    #[must_use]
    pub fn literal(&self) -> &[u8] {
        let runs = self.tokens.iter().filter_map(|token| match token {
            Token::Literal(bytes) => Some(&bytes[..]),
            Token::One | Token::Set { .. } | Token::Star => None,
        });
        runs.max_by_key(|run| run.len()).unwrap_or_default()
    }

    /// Whether whatever precedes a match may be prepended to it.
    #[must_use]
    pub fn starts_with_star(&self) -> bool {
        self.tokens.first() == Some(&Token::Star)
    }

    /// Whether the whole text matches. Only the last star is ever tried again, so this takes at most
    /// pattern × text steps.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let step = match self.tokens.get(token) {
                Some(Token::Star) => {
                    if token + 1 == self.tokens.len() {
                        return true;
                    }
                    retry = Some((token + 1, at));
                    Some(at)
                }
                Some(single) => single.after(&text[at..]).map(|n| at + n),
                None if at == text.len() => return true,
                None => None,
            };
            if let Some(next) = step {
                (token, at) = (token + 1, next);
                continue;
            }
            let Some((back, from)) = retry else { return false };
            if from == text.len() {
                return false;
            }
            let from = self.next_start(back, text, from);
            retry = Some((back, from));
            (token, at) = (back, from);
        }
    }

    /// The next place after `from` at which the tokens after a star may begin.
    fn next_start(&self, token: usize, text: &[u8], from: usize) -> usize {
        let next = from + character(&text[from..]).1;
        match self.tokens.get(token) {
            Some(Token::Literal(bytes)) if bytes[0] < 0x80 => {
                memchr::memchr(bytes[0], &text[next..]).map_or(text.len(), |skip| next + skip)
            }
            Some(Token::Literal(_) | Token::One | Token::Set { .. } | Token::Star) | None => next,
        }
    }
}

impl Token {
    /// How many bytes of the text this takes, if it matches its beginning; a star takes none.
    fn after(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Literal(bytes) => text.starts_with(bytes).then_some(bytes.len()),
            Self::One => (!text.is_empty()).then(|| character(text).1),
            Self::Set { negated, ranges } => {
                let (code, width) = if text.is_empty() { return None } else { character(text) };
                let within = ranges.iter().any(|(low, high)| (*low..=*high).contains(&code));
                (within != *negated).then_some(width)
            }
            Self::Star => Some(0),
        }
    }
}

fn literal(tokens: &mut Vec<Token>, byte: u8) {
    match tokens.last_mut() {
        Some(Token::Literal(bytes)) => bytes.push(byte),
        Some(Token::One | Token::Set { .. } | Token::Star) | None => {
            tokens.push(Token::Literal(vec![byte]));
        }
    }
}

/// Reads a set after its `[` and gives what follows it.
fn set<'a>(tokens: &mut Vec<Token>, after: &'a [u8]) -> &'a [u8] {
    let negated = after.first() == Some(&b'!');
    let body = &after[usize::from(negated)..];
    // A `]` that comes first is a member.
    let skip = usize::from(body.first() == Some(&b']'));
    let Some(end) = memchr::memchr(b']', &body[skip..]).map(|end| end + skip) else {
        literal(tokens, b'[');
        return after;
    };
    tokens.push(Token::Set { negated, ranges: ranges(&body[..end]) });
    &body[end + 1..]
}

fn ranges(mut body: &[u8]) -> Vec<(u32, u32)> {
    let mut codes = Vec::new();
    while !body.is_empty() {
        let (code, width) = character(body);
        codes.push(code);
        body = &body[width..];
    }
    let mut ranges = Vec::new();
    let mut rest = &codes[..];
    while let Some((first, after)) = rest.split_first() {
        if let [dash, last, ..] = after
            && *dash == u32::from(b'-')
        {
            ranges.push((*first, *last));
            rest = &after[2..];
        } else {
            ranges.push((*first, *first));
            rest = after;
        }
    }
    ranges
}

/// The first character and its width. A byte that is not UTF-8 is one character of its own, numbered as Python's
/// `surrogateescape` does, so that it equals nothing else.
fn character(text: &[u8]) -> (u32, usize) {
    const ESCAPED: u32 = 0xdc00;
    let width = match text[0] {
        0..=0x7f => return (u32::from(text[0]), 1),
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let decoded = text.get(..width).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match decoded.and_then(|text| text.chars().next()) {
        Some(c) => (u32::from(c), width),
        None => (ESCAPED + u32::from(text[0]), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Expected results are those of Python 3's `fnmatch.fnmatchcase`.
    #[test]
    fn matches_as_python_does() {
        let cases: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("*.csv", "a/b.csv", true),
            ("*.csv", "b.CSV", false),
            ("*.csv", "b.csv2", false),
            ("**/x", "/a/b/x", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*ab", "aab", true),
            ("*aab*", "aaab", true),
            ("?", "a", true),
            ("?", "", false),
            ("?", "é", true),
            ("??", "é", false),
            ("*??", "€", false),
            ("*?", "€", true),
            ("[abc]", "b", true),
            ("[abc]", "d", false),
            ("[!abc]", "d", true),
            ("[!abc]", "a", false),
            ("[!abc]", "", false),
            ("[a-c]x", "bx", true),
            ("[a-c]", "-", false),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[a-c-e]", "-", true),
            ("[a-c-e]", "d", false),
            ("[a-c-e]", "e", true),
            ("[c-a]", "b", false),
            ("[!c-a]", "b", true),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[!]]", "x", true),
            ("[]", "[]", true),
            ("[", "[", true),
            ("[!", "[!", true),
            ("[^a]", "^", true),
            ("[^a]", "b", false),
            ("[\\]", "\\", true),
            ("\\*", "\\x", true),
            ("\\*", "*", false),
            ("[[]x]", "[x]", true),
            ("[à-ü]", "é", true),
            ("a.c", "abc", false),
            ("a\nb*", "a\nbc", true),
            ("*", "\n", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                Glob::new(pattern.as_bytes()).matches(text.as_bytes()),
                *expected,
                "{pattern:?} {text:?}"
            );
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_characters() {
        assert!(Glob::new(b"a?b").matches(b"a\xffb"));
        assert!(Glob::new(b"a[\xff]b").matches(b"a\xffb"));
        assert!(!Glob::new(b"a[\xff]b").matches(b"a\xfeb"));
        assert!(Glob::new(b"*\xff*").matches(b"x\xffy"));
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = "a*".repeat(1000) + "b";
        let text = "a".repeat(60_000);
        assert!(!Glob::new(pattern.as_bytes()).matches(text.as_bytes()));
    }

    #[test]
    fn literals_are_found() {
        let longest = |pattern: &str| {
            String::from_utf8(Glob::new(pattern.as_bytes()).literal().to_vec()).unwrap()
        };
        assert_eq!(longest("*.csv"), ".csv");
        assert_eq!(longest("ab?cde[fg]hi"), "cde");
        assert_eq!(longest("*?"), "");
    }

    fn slow(tokens: &[Token], text: &[u8]) -> bool {
        match tokens.split_first() {
            None => text.is_empty(),
            Some((Token::Star, rest)) => {
                slow(rest, text) || (!text.is_empty() && slow(tokens, &text[character(text).1..]))
            }
            Some((single, rest)) => single.after(text).is_some_and(|n| slow(rest, &text[n..])),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_plain_backtracking(pattern in "[abé*?\\[\\]!-]{0,8}", text in "[abé\\]-]{0,8}") {
            let glob = Glob::new(pattern.as_bytes());
            prop_assert_eq!(glob.matches(text.as_bytes()), slow(&glob.tokens, text.as_bytes()));
        }
    }
}
