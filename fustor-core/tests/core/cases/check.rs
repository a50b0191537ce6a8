//! Reads cases and runs them: `case ID`, `why …`, then lines of `given`, `when`, `then` and `and`.

use fustor_core::{Applied, Command, Event, Fidelity, Mono, Now, View, ViewConfig};

use super::expect;
use crate::model::Reference;
use crate::observe::entries;
use crate::script::{Reader, number, span};

/// One behaviour.
pub(super) struct Case<'a> {
    pub(super) id: &'a str,
    why: &'a str,
    lines: Vec<(usize, &'a str)>,
}

/// What a case has done so far.
pub(super) struct Stage {
    pub(super) view: View,
    pub(super) last: Applied,
    pub(super) now: Now,
    /// The definition of the tree, told the same, as long as it covers what the case does.
    reference: Option<Reference>,
    ttl_ns: i64,
}

/// The cases of a file.
pub(super) fn cases(text: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(id) = line.strip_prefix("case ") {
            cases.push(Case { id, why: "", lines: Vec::new() });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("line {}: no case yet", n + 1));
        match line.strip_prefix("why ") {
            Some(why) => case.why = why,
            None => case.lines.push((n + 1, line)),
        }
    }
    cases
}

/// Runs a case; the error says which line found what.
pub(super) fn check(case: &Case<'_>) -> Result<(), String> {
    check_with(case, &|_| ())
}

/// The same with other settings of the view.
pub(super) fn check_with(case: &Case<'_>, adjust: &dyn Fn(&mut ViewConfig)) -> Result<(), String> {
    let fail =
        |line: usize, text: String| format!("{} (line {line}, {}): {text}", case.id, case.why);
    if case.why.is_empty() {
        return Err(fail(0, "a case says why".to_owned()));
    }
    let (mut config, lines) = split_config(case).map_err(|text| fail(0, text))?;
    adjust(&mut config);
    let (mut reader, mut mode, mut expected) = (Reader::new(), "", 0);
    let mut stage = stage(config);
    for (n, line) in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        mode = if word == "and" { mode } else { word };
        stage.now.wall = stage.now.wall.max(reader.now());
        let done = match mode {
            "given" | "when" => command(&mut stage, &mut reader, rest),
            "then" => {
                expected += 1;
                expect::expect(&stage, rest)
            }
            _ => Err(format!("neither given, when, then nor and: {line:?}")),
        };
        done.map_err(|text| fail(*n, format!("{rest:?}: {text}")))?;
    }
    if expected == 0 {
        return Err(fail(0, "a case expects something".to_owned()));
    }
    Ok(())
}

type Lines<'a, 'b> = &'b [(usize, &'a str)];

fn split_config<'a, 'b>(case: &'b Case<'a>) -> Result<(ViewConfig, Lines<'a, 'b>), String> {
    match case.lines.split_first() {
        Some(((_, line), rest)) if line.starts_with("config ") => Ok((config(line)?, rest)),
        Some(_) | None => Ok((ViewConfig::default(), &case.lines)),
    }
}

fn config(line: &str) -> Result<ViewConfig, String> {
    let mut config = ViewConfig::default();
    for word in line.split_whitespace().skip(1) {
        match word.split_once('=').ok_or(format!("no value in {word:?}"))? {
            ("ttl", value) => config.tombstone_ttl_ns = span(value)?,
            ("hot", value) => config.hot_threshold_ns = span(value)?,
            ("suspects", value) => config.max_suspects = number(value)?,
            ("tombstones", value) => config.max_tombstones = number(value)?,
            ("deletions", value) => config.max_blind_deletions = number(value)?,
            ("audit", value) => config.audit_interval_ns = span(value)?,
            ("nodes", value) => config.max_nodes = number(value)?,
            (other, _) => return Err(format!("no such setting: {other:?}")),
        }
    }
    Ok(config)
}

fn stage(config: ViewConfig) -> Stage {
    let now = Now { mono: Mono(0), wall: Reader::new().now() };
    let unlimited = config.max_nodes == 0 && config.max_tombstones > 10;
    let ttl_ns = config.tombstone_ttl_ns;
    let reference = unlimited.then(|| Reference::new(now.wall.minus(ttl_ns)));
    Stage { view: View::new(config, 1), last: Applied::default(), now, reference, ttl_ns }
}

fn command(stage: &mut Stage, reader: &mut Reader, line: &str) -> Result<(), String> {
    if let Some((wall, command)) = reader.line(line)? {
        stage.now.wall = stage.now.wall.max(wall);
        tell_reference(stage, &command);
        stage.last = stage.view.apply(stage.now, command);
        stage.view.check().map_err(|error| format!("check: {error:?}"))?;
        let snapshot = stage.view.snapshot();
        crate::observe::recount(&snapshot)?;
        if let Some(defined) = stage.reference.as_ref().map(Reference::tree) {
            let seen = entries(&snapshot);
            if seen != defined {
                return Err(format!("the definition gives {defined:?}, the view {seen:?}"));
            }
        }
    } else {
        stage.now.wall = stage.now.wall.max(reader.now());
    }
    Ok(())
}

/// The definition knows no renames, no guard, no change of the root, and nothing of agents of 0.8, whose rows depend on
/// what is known when they come.
fn tell_reference(stage: &mut Stage, command: &Command) {
    let Some(mut reference) = stage.reference.take() else { return };
    let covered = match command {
        Command::Batch(batch) => {
            let guarded = batch.events.len() == 1 && stage.view_is_large();
            batch.fidelity == Fidelity::Exact
                && !guarded
                && !batch.events.iter().any(|event| matches!(event, Event::Rename { .. }))
        }
        Command::Tick => true,
        Command::Reset
        | Command::Storages(_)
        | Command::AcceptRoot { .. }
        | Command::Attach { .. }
        | Command::Detach { .. }
        | Command::AcceptRemovals { .. } => false,
    };
    if covered {
        reference.judge_after(stage.now.wall.minus(stage.ttl_ns));
        if let Command::Batch(batch) = command {
            reference.admit(batch);
        }
        stage.reference = Some(reference);
    }
}

impl Stage {
    fn view_is_large(&self) -> bool {
        let snapshot = self.view.snapshot();
        snapshot.tree().meta(fustor_core::DirId::ROOT).totals.files > 500
    }
}

#[test]
fn a_case_fails_when_it_should() {
    let run = |text: &str| check(&cases(text)[0]).map_err(|error| error.lines().count());
    assert_eq!(run("case Z\nwhy x\nwhen 1 atomic /f file 7\nthen /f file size=7\n"), Ok(()));
    assert_eq!(run("case Z\nwhy x\nwhen 1 atomic /f file 7\nthen /f file size=8\n"), Err(1));
    assert_eq!(run("case Z\nwhy x\nwhen 1 atomic /f file 7\nthen /f absent\n"), Err(1));
    assert_eq!(run("case Z\nwhy x\nwhen 1 atomic /f file 7\n"), Err(1));
    assert_eq!(run("case Z\nwhen 1 atomic /f file 7\nthen /f file\n"), Err(1));
    assert_eq!(run("case Z\nwhy x\nwhen 1 atomic /f file 7\nthen /f lively\n"), Err(1));
}
