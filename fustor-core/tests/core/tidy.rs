//! The house rules that a compiler does not check: who may use whom, purity, sizes, first lines, words.
//!
//! Each rule is a function from a file's text to what it has against it, tried on small texts below.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file.
const FILE_MAX: usize = 800;
/// Lines of a function.
const FUNCTION_MAX: usize = 70;
/// The rooms of the core, in order; what stands in one group may use its own and all groups before it.
const ROOMS: &[&[&str]] = &[
    &["time", "path", "id", "key", "rules"],
    &["entry", "event", "block", "text"],
    &["clock", "tree"],
    &["merge", "session"],
    &["view", "snapshot"],
    &["forest", "query"],
    &["wire"],
];
/// `source` uses the first two groups only.
const SOURCE_USES: usize = 2;
/// What would make the core read a clock, a file, a socket, the environment, or an unseeded hash.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "Instant",
    "SystemTime",
    "tokio",
    "unsafe",
    "println",
    "eprintln",
    "HashMap",
    "HashSet",
    "RandomState",
];
/// Maps with a fixed seed, which are allowed.
const SEEDED: &[&str] = &["FxHashMap", "FxHashSet", "im::HashMap", "im::HashSet"];
/// Ends of type names that say nothing.
const EMPTY_NAMES: &[&str] = &["Manager", "Helper", "Util", "Utils", "Info"];

struct Source {
    path: PathBuf,
    text: String,
}

fn workspace() -> PathBuf {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    core.parent().expect("the core lies in the workspace").to_owned()
}

/// Every Rust file of the workspace below `part`.
fn sources(part: &str) -> Vec<Source> {
    let mut open = vec![workspace().join(part)];
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).expect("a source file is UTF-8");
                let path = path.strip_prefix(workspace()).expect("found below it").to_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no source below {part}");
    found
}

/// Whether the file is compiled for tests only: the `mod` line that declares it says so.
fn is_test_module(source: &Source, all: &[Source]) -> bool {
    let (Some(name), Some(dir)) = (source.path.file_stem(), source.path.parent()) else {
        return false;
    };
    let declaration = format!("mod {};", name.to_string_lossy());
    let is_parent =
        |other: &&Source| other.path == dir.join("mod.rs") || other.path.with_extension("") == dir;
    all.iter().filter(is_parent).any(|parent| {
        parent.text.contains(&declaration) && !shipped(&parent.text).contains(&declaration)
    })
}

/// The files of the core that ship.
fn core() -> Vec<Source> {
    let all = sources("fustor-core/src");
    let test: Vec<bool> = all.iter().map(|source| is_test_module(source, &all)).collect();
    all.into_iter().zip(test).filter(|(_, test)| !test).map(|(source, _)| source).collect()
}

/// Runs one rule over files and fails with all it found.
fn judge(sources: &[Source], rule: impl Fn(&Source) -> Vec<String>) {
    let found: Vec<_> = sources
        .iter()
        .flat_map(|source| {
            rule(source).into_iter().map(|fault| format!("{}: {fault}", source.path.display()))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The file without comments and the insides of strings and character literals; lines stay lines.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end > at {
            let lines = bytes[at..end].iter().filter(|byte| **byte == b'\n');
            out.extend(lines.map(|_| '\n'));
            out.push(' ');
            at = end;
        } else {
            out.push(char::from(bytes[at]));
            at += 1;
        }
    }
    out
}

/// Where a comment, string or character literal that begins at `at` ends; `at` if none begins.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let find = |needle: &[u8], from: usize| {
        let hit = rest[from..].windows(needle.len()).position(|window| window == needle);
        hit.map_or(bytes.len(), |hit| at + from + hit + needle.len())
    };
    let raw = rest.strip_prefix(b"r").map(|r| r.iter().take_while(|b| **b == b'#').count());
    let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match (rest, raw) {
        ([b'/', b'/', ..], _) => find(b"\n", 0).saturating_sub(1).max(at + 2),
        ([b'/', b'*', ..], _) => find(b"*/", 2),
        (_, Some(hashes))
            if rest.get(1 + hashes) == Some(&b'"') && (!word_before || bytes[at - 1] == b'b') =>
        {
            let close = [&b"\""[..], &vec![b'#'; hashes]].concat();
            find(&close, 2 + hashes)
        }
        ([b'"', ..], _) => escaped(bytes, at, b'"'),
        ([b'\'', b'\\', ..], _) => escaped(bytes, at, b'\''),
        ([b'\'', _, b'\'', ..], _) => at + 3,
        _ => at,
    }
}

fn escaped(bytes: &[u8], at: usize, close: u8) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != close {
        end += 1 + usize::from(bytes[end] == b'\\');
    }
    (end + 1).min(bytes.len())
}

/// The code that ships: without what stands under `#[cfg(test)]`.
fn shipped(text: &str) -> String {
    let code = code(text);
    let mut out = String::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let body = &rest[at..];
        let (brace, semicolon) = (body.find('{'), body.find(';'));
        let end = match (brace, semicolon) {
            (Some(brace), semicolon) if semicolon.is_none_or(|at| brace < at) => {
                block_end(body, brace)
            }
            (_, Some(semicolon)) => semicolon + 1,
            (_, None) => body.len(),
        };
        out.extend(body[..end].chars().filter(|c| *c == '\n'));
        rest = &body[end..];
    }
    out + rest
}

/// Where the brace that opens at `open` closes.
fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        depth = match c {
            '{' => depth + 1,
            '}' => depth - 1,
            _ => depth,
        };
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

/// Words of the code: maximal runs of letters, digits, `_` and `::`.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).filter(|w| !w.is_empty())
}

fn room_of(name: &str) -> Option<usize> {
    ROOMS.iter().position(|group| group.contains(&name))
}

/// The rooms that a file of the core names after `crate::`, but for what is re-exported at the root.
fn rooms_used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let end = block_end(rest, 0).saturating_sub(2).min(list.len());
            used.extend(top_level_names(&list[..end]));
        } else {
            used.extend(words(rest).next().map(|word| first(word).to_owned()));
        }
    }
    used.retain(|name| name == "source" || room_of(name).is_some());
    used
}

fn first(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

fn top_level_names(list: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let mut names = vec![String::new()];
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            _ if depth == 0 => names.last_mut().expect("never empty").push(c),
            _ => {}
        }
    }
    names.iter().map(|name| first(name.trim()).to_owned()).collect()
}

fn room_order(room: &str, text: &str) -> Vec<String> {
    let limit = match (room, room_of(room)) {
        ("source", _) => SOURCE_USES - 1,
        (_, Some(group)) => group,
        ("lib", None) => return Vec::new(),
        (_, None) => return vec![format!("no room of this name: {room}")],
    };
    let allowed = |used: &str| used == room || room_of(used).is_some_and(|group| group <= limit);
    let used = rooms_used(&shipped(text));
    used.iter().filter(|used| !allowed(used)).map(|used| format!("{room} uses {used}")).collect()
}

fn impure(text: &str) -> Vec<String> {
    let shipped = shipped(text);
    let mut found = Vec::new();
    for word in words(&shipped) {
        let parts: Vec<_> = word.split("::").collect();
        let hit = IMPURE.iter().find(|banned| {
            let banned: Vec<_> = banned.split("::").collect();
            parts.windows(banned.len()).any(|window| window == banned.as_slice())
        });
        let seeded = SEEDED.iter().any(|allowed| word.starts_with(allowed));
        if let Some(hit) = hit.filter(|_| !seeded && word != "unsafe_code") {
            found.push(format!("{hit} in {word:?}"));
        }
    }
    found
}

fn too_long(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_MAX {
        found.push(format!("{lines} lines, at most {FILE_MAX}"));
    }
    let code = code(text);
    for (at, _) in code.match_indices("fn ") {
        let starts_word =
            code[..at].chars().next_back().is_none_or(|c| !(c.is_alphanumeric() || c == '_'));
        let head = &code[at..];
        let Some(open) = head.find('{').filter(|_| starts_word) else { continue };
        if head[..open].contains(';') && !head[..open].contains("; ") {
            continue;
        }
        let lines = head[..block_end(head, open)].lines().count();
        if lines > FUNCTION_MAX {
            let name = words(&head[3..]).next().unwrap_or("?");
            found.push(format!("fn {name} has {lines} lines, at most {FUNCTION_MAX}"));
        }
    }
    found
}

fn first_line(text: &str) -> Vec<String> {
    let fine = text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > 12);
    if fine { Vec::new() } else { vec!["the first line is no `//!` sentence".to_owned()] }
}

/// Paths that exist on one machine only. The word list is put together so that it does not find itself.
fn machine_paths(text: &str) -> Vec<String> {
    let banned =
        [["/ho", "me/"], ["/wo", "rk/"], ["/Us", "ers/"], ["/ro", "ot/"]].map(|p| p.concat());
    let lines = text.lines().filter(|line| banned.iter().any(|path| line.contains(path.as_str())));
    lines.map(|line| format!("a path of one machine: {}", line.trim())).collect()
}

/// The code without the functions `wait_…`, which look again and again until a condition holds or a deadline passes.
fn without_waits(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("fn wait_") {
        let open = rest[at..].find('{').map_or(rest.len(), |open| at + open);
        out.push_str(&rest[..at]);
        rest = if open < rest.len() { &rest[block_end(rest, open)..] } else { "" };
    }
    out + rest
}

/// Sleeps in tests. `in_tests`: the whole file is one.
fn sleeps(text: &str, in_tests: bool) -> Vec<String> {
    let all = without_waits(&code(text));
    let shipped = if in_tests { String::new() } else { without_waits(&shipped(text)) };
    let count =
        |code: &str| code.matches("thread::sleep").count() + code.matches("time::sleep").count();
    let sleeps = count(&all) - count(&shipped);
    if sleeps > 0 { vec![format!("{sleeps} sleeps in tests")] } else { Vec::new() }
}

fn empty_names(text: &str) -> Vec<String> {
    let code = code(text);
    let mut words = code.split_whitespace().peekable();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if !matches!(word, "struct" | "enum" | "trait" | "type" | "union") {
            continue;
        }
        let name = words.peek().copied().unwrap_or("");
        let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
        if EMPTY_NAMES.iter().any(|empty| name.ends_with(empty)) {
            found.push(format!("the name {name} says nothing"));
        }
    }
    found
}

/// The room of a file: the first part of its path below `src`.
fn room(source: &Source) -> String {
    let below = source.path.strip_prefix("fustor-core/src").expect("a file of the core");
    let first = below.components().next().expect("not the directory itself");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

#[test]
fn rooms_of_the_core_use_only_what_stands_before_them() {
    judge(&core(), |source| room_order(&room(source), &source.text));
}

#[test]
fn the_core_is_pure() {
    judge(&core(), |source| impure(&source.text));
}

#[test]
fn files_and_functions_stay_below_their_ceilings() {
    judge(&sources(""), |source| too_long(&source.text));
}

#[test]
fn every_file_says_first_what_it_is_responsible_for() {
    judge(&sources(""), |source| first_line(&source.text));
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    judge(&sources(""), |source| machine_paths(&source.text));
}

#[test]
fn no_test_sleeps() {
    judge(&sources(""), |source| {
        sleeps(&source.text, source.path.components().any(|part| part.as_os_str() == "tests"))
    });
}

#[test]
fn names_say_something() {
    judge(&sources(""), |source| empty_names(&source.text));
}

#[test]
fn each_rule_finds_what_it_forbids() {
    let uses = |room: &str, text: &str| room_order(room, text).len();
    assert_eq!(uses("tree", "use crate::merge::Rule;\nuse crate::key::Key;"), 1);
    assert_eq!(uses("merge", "use crate::tree::Tree; // crate::view"), 0);
    assert_eq!(uses("event", "use crate::{key::Key, query::{Args, Page}, wire};"), 2);
    assert_eq!(uses("source", "use crate::event::Event;\nuse crate::tree::Tree;"), 1);
    assert_eq!(uses("tree", "#[cfg(test)]\nmod tests { use crate::view::View; }"), 0);
    assert_eq!(uses("cellar", ""), 1);

    assert_eq!(impure("use std::time::Instant;\nfn f() { std::fs::read(\"std::net\"); }").len(), 2);
    assert_eq!(impure("use rustc_hash::FxHashMap; // HashMap\nlet instant = \"tokio\";").len(), 0);
    assert_eq!(impure("use std::collections::HashMap;\nunsafe { x() }").len(), 2);
    assert_eq!(impure("#[cfg(test)]\nmod t {\n use std::fs;\n}\n").len(), 0);
    assert_eq!(impure("#[cfg(test)]\nmod t;\nuse std::thread;").len(), 1);

    let long = format!("fn f() {{\n{}}}\n", "    x();\n".repeat(69));
    assert_eq!(too_long(&long).len(), 1);
    assert_eq!(too_long(&long.replacen("    x();\n", "", 1)).len(), 0);
    assert_eq!(too_long(&"\n".repeat(801)).len(), 1);
    assert_eq!(too_long("trait T { fn f(); }\n").len(), 0);

    assert_eq!(first_line("//! What this is for.\n").len(), 0);
    assert_eq!(first_line("use x;\n").len() + first_line("").len(), 2);
    assert_eq!(machine_paths(&["\"/ho", "me/me/x\""].concat()).len(), 1);
    assert_eq!(sleeps("fn f() { thread::sleep(d); }", true).len(), 1);
    assert_eq!(sleeps("fn f() { thread::sleep(d); }", false).len(), 0);
    assert_eq!(sleeps("fn wait_for() { loop { thread::sleep(d); } }\nfn f() {}", true).len(), 0);
    assert_eq!(sleeps("fn wait_for() {}\nfn f() { thread::sleep(d); }", true).len(), 1);
    assert_eq!(sleeps("#[cfg(test)]\nmod t { fn f() { tokio::time::sleep(d); } }", false).len(), 1);
    assert_eq!(empty_names("pub struct SessionManager<T>;\nenum Kind {}").len(), 1);
    assert_eq!(empty_names("struct Information; // struct NodeInfo").len(), 0);
}

#[test]
fn literals_and_comments_are_no_code() {
    assert_eq!(code("a // b\nc"), "a  \nc");
    assert_eq!(code(r##"x("{\"", r#"}"#, '{', b'\'')"##), "x( ,  ,  , b )");
    assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    assert_eq!(code("/* { */ }"), "  }");
}
