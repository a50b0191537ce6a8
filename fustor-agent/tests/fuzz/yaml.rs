//! YAML: as it comes, and put together from pieces of configurations so that it gets far.

use std::fs;
use std::path::Path;

use bolero::check;
use fustor_agent::program::yaml::{Node, Report, Value, parse};
use fustor_agent::settings::{self, CONFIG_DIR};

/// Inputs of one run besides the corpus.
const INPUTS: usize = 4000;
/// Values that a document may become, for each byte of it and at least: aliases repeat what they name.
const NODES_PER_BYTE: usize = 1000;
const NODES: usize = 1_000_000;

/// What a byte of the input stands for.
const PIECES: [&str; 64] = [
    "\n",
    "\n  ",
    "\n    ",
    "\n  - ",
    " ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "'",
    "\"",
    "#",
    "&a ",
    "*a",
    "&b ",
    "*b",
    "!!str ",
    "!x ",
    "<<: ",
    "|\n",
    ">\n",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "~",
    "null",
    "true",
    "no",
    "0",
    "-1",
    "1e400",
    ".inf",
    "0x7fffffffffffffff",
    "1_000",
    "1.5",
    "18446744073709551616",
    "\t",
    "\u{feff}",
    "\u{0}",
    "ä",
    "agent_id: ",
    "logging: ",
    "sources:",
    "senders:",
    "pipes:",
    "src-1",
    "fus-1",
    "view-1",
    "driver: fs",
    "driver: fusion",
    "uri: /tmp",
    "uri: http://h:1",
    "credential: {key: k}",
    "source: src-1",
    "sender: fus-1",
    "disabled: ",
    "driver_params: ",
    "exclude: ",
    "max_watches: ",
    "session_timeout_seconds: ",
    "port: ",
];

/// Values of a document; each stands in a line that there is.
fn count(node: &Node, lines: usize) -> usize {
    assert!(node.place.line as usize <= lines, "line {} of {lines}", node.place.line);
    let below: usize = match &node.value {
        Value::Null | Value::Flag(_) | Value::Whole(_) | Value::Real(_) | Value::Text(_) => 0,
        Value::List(items) => items.iter().map(|item| count(item, lines)).sum(),
        Value::Map(entries) => entries.iter().map(|(_, node)| count(node, lines)).sum(),
    };
    assert!(!node.value.shown().is_empty());
    below + 1
}

fn exercise(text: &str) {
    let report = Report::default();
    // A last line may lack its end, and a fault may stand behind it.
    let lines = text.chars().filter(|c| matches!(c, '\n' | '\r')).count() + 2;
    match parse(Path::new("f"), text, &report) {
        Some(node) => {
            let nodes = count(&node, lines);
            assert!(nodes <= NODES.max(text.len() * NODES_PER_BYTE), "{nodes} values");
        }
        None => assert!(!report.is_fine(), "without a value there is a fault"),
    }
    for fault in report.faults() {
        assert!(fault.place.line as usize <= lines, "{fault}: {lines} lines");
        assert!(!fault.text.is_empty() && !fault.text.contains('\n'), "{fault}");
    }
}

#[test]
fn any_bytes_are_a_document_or_a_fault() {
    check!().with_iterations(INPUTS).for_each(|bytes: &[u8]| {
        exercise(&String::from_utf8_lossy(bytes));
    });
}

fn document(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| PIECES[usize::from(byte % 64)]).collect()
}

#[test]
fn any_pieces_are_a_document_or_a_fault() {
    check!().with_iterations(INPUTS).with_max_len(128).for_each(|bytes: &[u8]| {
        exercise(&document(bytes));
    });
}

#[test]
fn any_file_is_a_configuration_or_has_faults() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join(CONFIG_DIR);
    fs::create_dir(&dir).expect("a directory");
    check!().with_iterations(INPUTS / 4).with_max_len(128).for_each(|bytes: &[u8]| {
        // Whole configurations, with pieces in the middle of them.
        let text = match bytes.split_first() {
            Some((first, rest)) if *first >= 64 => {
                let begin = "senders:\n  fus-1: {driver: fusion, uri: 'http://h:1', credential: {key: k}}\n\
                             pipes:\n  p: {source: src-1, sender: fus-1}\n\
                             sources:\n  src-1:\n    driver: fs\n    uri: /tmp\n    ";
                format!("{begin}{}", document(rest))
            }
            Some(_) | None => document(bytes),
        };
        fs::write(dir.join("default.yaml"), &text).expect("a file is written");
        let report = Report::default();
        if settings::read(&dir, &report).is_none() {
            assert!(!report.is_fine(), "refused for a reason: {text}");
        }
    });
}

/// Nine lists in each other, each with nine times the one before: 9^9 values if all were made.
#[test]
fn a_billion_laughs_are_a_fault_or_few() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let alias = format!("*a{}", n - 1);
        text.push_str(&format!("k{n}: &a{n} [{}]\n", [alias.as_str(); 9].join(", ")));
    }
    exercise(&text);
}

#[test]
fn deep_documents_are_a_fault_or_a_value() {
    for (open, depth) in [("[", 200_000), ("{a: ", 100_000), ("- ", 100_000), ("? ", 100_000)] {
        exercise(&open.repeat(depth));
    }
    let stairs: String = (0..2000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    exercise(&stairs);
}

#[test]
fn many_keys_are_read_soon() {
    let keys: String = (0..20_000).map(|n| format!("k{n}: 1\n")).collect();
    exercise(&keys);
}
