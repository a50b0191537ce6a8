//! What clients write into questions: cursors, revisions, globs, expressions, numbers, times, base64.

use std::sync::LazyLock;

use bolero::check;
use fustor_core::query::{
    Cursor, FindArgs, Glob, Kinds, Limit, Sort, decode_base64, find, parse_number, parse_revision,
    parse_seconds, revision_header,
};
use fustor_core::{
    Batch, BootTime, ClockMap, Command, Event, Facts, Fidelity, Kind, Listing, Mono, Now, Origin,
    Snapshot, Stamp, StorageId, View, ViewConfig, ViewPath,
};

use super::INPUTS;
use super::take::Take;
use crate::script::{BASE, blocks};

#[test]
fn any_text_is_an_argument_or_an_error() {
    check!().with_iterations(INPUTS).for_each(|bytes: &[u8]| {
        let text = &*String::from_utf8_lossy(bytes);
        if let Ok(cursor) = Cursor::parse(text) {
            let written = cursor.to_string();
            assert_eq!(Cursor::parse(&written).as_ref(), Ok(&cursor));
            assert!(ViewPath::parse(cursor.path()).is_ok_and(|p| p.as_bytes() == cursor.path()));
        }
        if let Some(revision) = parse_revision(text) {
            assert_eq!(parse_revision(&revision_header(revision)), Some(revision));
        }
        if let Ok(number) = parse_number("n", text) {
            assert_eq!(text.trim_start_matches('0'), number.to_string().trim_start_matches('0'));
        }
        if let Ok(time) = parse_seconds("t", text) {
            // To the precision of a float.
            let seconds: f64 = text.parse().expect("seconds are a float too");
            assert!((seconds - time.0 as f64 / 1e9).abs() < 1e-4, "{text} {time:?}");
        }
        if let Ok(decoded) = decode_base64("b", text) {
            let bare = text.trim_end_matches('=').len();
            assert_eq!(decoded.len(), bare * 3 / 4);
        }
        drop((Kinds::parse(text), Sort::parse(text)));
    });
}

/// The characters of a name as patterns count them: a byte that is not UTF-8 is one of its own.
fn characters(bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let mut at = 0;
        for character in chunk.valid().chars() {
            all.push(&chunk.valid().as_bytes()[at..at + character.len_utf8()]);
            at += character.len_utf8();
        }
        all.extend(chunk.invalid().chunks(1));
    }
    all
}

/// By the definition, for patterns without brackets.
fn matches(pattern: &[&[u8]], text: &[&[u8]]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((&b"*", rest)) => (0..=text.len()).any(|skip| matches(rest, &text[skip..])),
        Some((&b"?", rest)) => !text.is_empty() && matches(rest, &text[1..]),
        Some((one, rest)) => text.first() == Some(one) && matches(rest, &text[1..]),
    }
}

#[test]
fn any_pattern_matches_what_its_definition_does() {
    check!().with_iterations(INPUTS).with_max_len(48).for_each(|bytes: &[u8]| {
        let mut take = Take::new(bytes);
        // Few letters, so that much matches.
        let mut text = |most: usize| -> Vec<u8> {
            let len = take.below(most);
            (0..len).map(|_| take.one_of(b"aab*?*[]!-\xff\xc3\xa4/")).collect()
        };
        let (pattern, name) = (text(12), text(16));
        let glob = Glob::new(&pattern);
        let found = glob.matches(&name);
        // A byte that is half a character is a pattern for that byte, wherever it stands.
        if !pattern.contains(&b'[') && std::str::from_utf8(&pattern).is_ok() {
            let defined = matches(&characters(&pattern), &characters(&name));
            assert_eq!(found, defined, "{} on {}", pattern.escape_ascii(), name.escape_ascii());
        }
        if found {
            let literal = glob.literal();
            assert!(literal.is_empty() || name.windows(literal.len()).any(|part| part == literal));
        }
        if !Glob::is_pattern(&pattern) {
            assert_eq!(found, pattern == name);
        }
    });
}

/// Some names, odd ones among them.
const NAMES: [&[u8]; 8] = [b"a", b"ab", b"a.b", b"b", b"[a]", b"\xff", b"a\xffb", b"\xc3\xa4"];

fn now() -> Now {
    Now { mono: Mono(0), wall: Stamp(BASE) }
}

fn listing(dir: &ViewPath, kinds: impl Fn(usize) -> Kind) -> Event {
    let facts = |kind, inode| Facts { kind, inode, size: inode, ..Facts::PLACEHOLDER };
    let rows = NAMES.iter().enumerate().map(|(i, name)| {
        let inode = dir.as_bytes().len() as u64 * 100 + i as u64;
        (name.to_vec(), facts(kinds(i), inode))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let own = facts(Kind::Dir, 1);
    let (stamp, blocks) = (BootTime(BASE), blocks(dir, &rows));
    Event::Listing(Listing { dir: dir.clone(), stamp, complete: true, facts: own, blocks })
}

static SMALL: LazyLock<Snapshot> = LazyLock::new(|| {
    let root = ViewPath::root();
    let kind = |i: usize| if i.is_multiple_of(3) { Kind::Dir } else { Kind::File };
    let mut events = vec![listing(&root, kind)];
    events.extend(NAMES.iter().step_by(3).map(|name| listing(&root.join(name), |_| Kind::File)));
    let mut view = View::new(ViewConfig::default(), 1);
    let clock = ClockMap { offset_ns: 0, uncertainty_ns: 0 };
    let origin = Origin {
        agent: fustor_core::AgentId(0),
        epoch: fustor_core::Epoch(0),
        seq: fustor_core::Seq(0),
    };
    let (storage, fidelity) = (StorageId(0), Fidelity::Exact);
    let batch = Batch { storage, origin, clock, cache_window_ns: 0, fidelity, events };
    let applied = view.apply(now(), Command::Batch(batch));
    assert_eq!(applied.verdicts.refused, 0, "{applied:?}");
    view.snapshot()
});

#[test]
fn any_question_is_answered_in_pages_that_make_the_whole() {
    check!().with_iterations(INPUTS / 10).with_max_len(128).for_each(|bytes: &[u8]| {
        let mut take = Take::new(bytes);
        let path = ViewPath::parse(take.bytes()).unwrap_or_else(|_| ViewPath::root());
        let mut args = FindArgs::below(path);
        let word = take.bytes();
        match take.below(4) {
            0 => args.name = Some(word.to_vec()),
            1 => args.contains = Some(word.to_vec()),
            2 => args.regex = Some(String::from_utf8_lossy(word).into_owned()),
            _ => {}
        }
        args.depth = (take.below(3) > 0).then(|| 1 + take.below(3) as u32);
        args.min_size = (take.below(3) == 0).then(|| take.number());
        let Ok(whole) = find(&SMALL, now(), &args) else { return };
        assert!(whole.next.is_none());
        args.limit = Limit::new(1 + take.below(5)).expect("few and not none");
        let mut paged = Vec::new();
        loop {
            let page = find(&SMALL, now(), &args).expect("as before");
            assert!(page.entries.len() <= args.limit.get());
            paged.extend(page.entries);
            args.cursor = page.next;
            if args.cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole.entries);
    });
}
