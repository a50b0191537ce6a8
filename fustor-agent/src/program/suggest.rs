//! The known word that somebody most likely meant.

/// The word of `known` that is nearest to `word`, if it is near enough to be meant.
///
/// ```
/// use fustor_agent::program::nearest;
/// assert_eq!(nearest("recievers", ["receivers", "views"]), Some("receivers"));
/// assert_eq!(nearest("colour", ["receivers", "views"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The end of a sentence about an unknown word: a suggestion, else all that is known if that is short, else nothing.
#[must_use]
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    /// More words than this are no help.
    const LISTED: usize = 12;
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("; did you mean {meant:?}?"),
        None if known.is_empty() || known.len() > LISTED => String::new(),
        None => format!("; known are {}", known.join(", ")),
    }
}

/// Insertions, removals, replacements and swaps of neighbours that turn one word into the other, without regard to
/// case, dashes and underscores.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (letters(a), letters(b));
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// A word longer than this is compared by its beginning only, so that a hostile one costs nothing.
const COMPARED: usize = 64;

fn letters(word: &str) -> Vec<char> {
    let plain = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    word.chars().take(COMPARED).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_keyboard_are_recognised() {
        let known = ["session_timeout_seconds", "audit_interval_sec", "views", "host", "port"];
        for (word, meant) in [
            ("session_timeout_second", Some("session_timeout_seconds")),
            ("session-timeout-seconds", Some("session_timeout_seconds")),
            ("audit_interval", None),
            ("veiws", Some("views")),
            ("Port", Some("port")),
            ("prot", Some("port")),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }

    #[test]
    fn a_sentence_lists_what_is_known_when_nothing_is_near() {
        assert_eq!(did_you_mean("veiws", &["views"]), "; did you mean \"views\"?");
        assert_eq!(did_you_mean("xyz", &["views", "pipes"]), "; known are views, pipes");
        assert_eq!(did_you_mean("xyz", &[]), "");
    }
}
