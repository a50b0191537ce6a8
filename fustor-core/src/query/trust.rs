//! How far an answer can be trusted, and the text of the two headers that every answer carries.

use crate::id::{DirId, Revision};
use crate::path::ViewPath;
use crate::snapshot::{Snapshot, Trust, TrustState};
use crate::text::seconds;
use crate::time::Now;

/// The trust in what is said of `path`: that of the nearest known directory at or above it.
#[must_use]
pub fn trust(snapshot: &Snapshot, now: Now, path: &ViewPath) -> Trust {
    snapshot.trust(now, nearest_dir(snapshot, path))
}

/// The path itself if it is a directory, else the nearest one above that is known.
pub(crate) fn nearest_dir(snapshot: &Snapshot, path: &ViewPath) -> DirId {
    let tree = snapshot.tree();
    let mut dir = DirId::ROOT;
    for name in path.names() {
        match tree.entries(dir).find(name) {
            Some(row) if row.facts.kind.is_dir() => dir = row.child,
            Some(_) | None => return dir,
        }
    }
    dir
}

/// The word for a state.
pub(crate) const fn state_word(state: TrustState) -> &'static str {
    match state {
        TrustState::Trusted => "trusted",
        TrustState::Syncing { .. } => "syncing",
        TrustState::Stale { .. } => "stale",
        TrustState::Degraded => "degraded",
    }
}

/// The value of `X-Fustor-Trust`: the state, then what there is to say of it. `since` is in seconds since 1970.
#[must_use]
pub fn trust_header(trust: &Trust) -> String {
    let mut text = state_word(trust.state).to_owned();
    if let TrustState::Stale { since } = trust.state {
        let mut digits = Vec::new();
        seconds(&mut digits, since.0);
        text.push_str("; since=");
        text.push_str(&String::from_utf8_lossy(&digits));
    }
    for (k, reason) in trust.reasons.iter().enumerate() {
        text.push_str(if k == 0 { "; reasons=" } else { "," });
        text.push_str(&reason.to_string());
    }
    text
}

/// The value of `X-Fustor-Revision`.
#[must_use]
pub fn revision_header(revision: Revision) -> String {
    revision.to_string()
}

/// Reads what [`revision_header`] wrote.
#[must_use]
pub fn parse_revision(text: &str) -> Option<Revision> {
    let (incarnation, n) = text.split_once('-')?;
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !plain(incarnation) || !plain(n) {
        return None;
    }
    Some(Revision { incarnation: u64::from_str_radix(incarnation, 16).ok()?, n: n.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::TrustReason;
    use crate::time::Stamp;

    #[test]
    fn the_header_says_state_time_and_reasons() {
        let gap = TrustReason::Gap;
        let lost = TrustReason::RootLost;
        let since = Stamp(1_795_329_602_500_000_000);
        let cases = [
            (TrustState::Trusted, vec![], "trusted".to_owned()),
            (TrustState::Syncing { listed: 1, known: 2 }, vec![], "syncing".to_owned()),
            (TrustState::Stale { since }, vec![], "stale; since=1795329602.5".to_owned()),
            (TrustState::Degraded, vec![gap, lost], format!("degraded; reasons={gap},{lost}")),
        ];
        for (state, reasons, expected) in cases {
            assert_eq!(trust_header(&Trust { state, reasons }), expected);
        }
    }

    #[test]
    fn revisions_survive_their_text() {
        let revision = Revision { incarnation: u64::MAX, n: 12 };
        assert_eq!(parse_revision(&revision_header(revision)), Some(revision));
        for bad in ["", "-", "1", "x-1", "1-x", "+1-1", "1-+1", "1-2-3"] {
            assert_eq!(parse_revision(bad), None, "{bad}");
        }
    }
}
