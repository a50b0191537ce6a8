//! Who owns a path that several members have.

use crate::key::Key;
use crate::rules::{Rule, Rules};

/// What one member has at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) member: u16,
    pub(super) is_dir: bool,
    /// The key of its evidence.
    pub(super) key: Key,
    /// It has just come by a realtime event, or with other facts than the member had before.
    pub(super) is_news: bool,
}

/// What is shown at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Whose facts.
    pub(super) owner: u16,
    /// A directory, which shows the directories of all members that have one; all else is shown of one member alone.
    pub(super) is_dir: bool,
}

/// Decides what is shown, given the claims in the order of the members and what was shown before.
///
/// The owner stays owner while it has the entry. Another takes over by later news only, so that scans of what is long
/// known never pass a path to and fro. What is not a directory never takes over a directory: one event would hide a
/// subtree of another storage.
pub(super) fn decide(claims: &[Claim], before: Option<Shown>, rules: Rules) -> Option<Shown> {
    let first_dir = claims.iter().find(|claim| claim.is_dir);
    let held = before.and_then(|shown| claims.iter().find(|claim| claim.member == shown.owner));
    let was_dir = before.is_some_and(|shown| shown.is_dir);
    let Some(held) = held else {
        return first_dir.or(claims.first()).map(shown);
    };
    if held.is_dir && rules.hold(Rule::FilesTakeNoDirectory) {
        return Some(shown(held));
    }
    let is_news = |claim: &&Claim| claim.is_news || !rules.hold(Rule::OnlyNewsTakesOver);
    let is_later = |claim: &&Claim| claim.key > held.key || !rules.hold(Rule::OnlyLaterTakesOver);
    let news = claims.iter().filter(is_news).filter(is_later);
    let taker = news.max_by_key(|claim| claim.key);
    Some(shown(first_dir.filter(|_| was_dir).or(taker).unwrap_or(held)))
}

fn shown(claim: &Claim) -> Shown {
    Shown { owner: claim.member, is_dir: claim.is_dir }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Stamp;

    const fn claim(member: u16, is_dir: bool, stamp: i64, is_news: bool) -> Claim {
        Claim { member, is_dir, key: Key::from_parts(Stamp(stamp), 0), is_news }
    }

    #[test]
    fn a_path_changes_hands_by_later_news_only() {
        const fn file(owner: u16) -> Option<Shown> {
            Some(Shown { owner, is_dir: false })
        }
        const fn dir(owner: u16) -> Option<Shown> {
            Some(Shown { owner, is_dir: true })
        }
        type Case<'a> = (&'a [Claim], Option<Shown>, Option<Shown>, &'a str);
        let cases: &[Case<'_>] = &[
            (&[], file(0), None, "nobody has it"),
            (&[claim(1, false, 5, false)], None, file(1), "one has it"),
            (&[claim(1, false, 5, false)], file(0), file(1), "the owner has it no longer"),
            (&[claim(0, false, 5, false), claim(1, false, 9, false)], file(0), file(0), "a scan"),
            (
                &[claim(0, false, 5, false), claim(1, false, 9, true)],
                file(0),
                file(1),
                "later news",
            ),
            (&[claim(0, false, 5, false), claim(1, false, 4, true)], file(0), file(0), "old news"),
            (&[claim(0, false, 5, false), claim(1, true, 9, false)], None, dir(1), "a directory"),
            (
                &[claim(0, true, 5, false), claim(1, false, 9, true)],
                dir(0),
                dir(0),
                "a file is new",
            ),
            (&[claim(0, false, 5, false), claim(1, true, 9, true)], file(0), dir(1), "mkdir"),
            (&[claim(0, false, 5, false), claim(1, true, 9, false)], file(0), file(0), "found"),
            (&[claim(0, true, 5, false), claim(1, true, 9, true)], dir(0), dir(0), "both share"),
            (
                &[claim(0, false, 5, false), claim(1, true, 4, false)],
                dir(0),
                dir(1),
                "kind changed",
            ),
            (
                &[claim(0, false, 4, false), claim(1, false, 5, true)],
                dir(1),
                file(1),
                "kind changed",
            ),
        ];
        for (claims, before, after, why) in cases {
            assert_eq!(decide(claims, *before, Rules::ALL), *after, "{why}");
        }
    }
}
