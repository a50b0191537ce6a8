//! Queries in cases: `ask QUESTION => EXPECTATION`.
//!
//! ```text
//! tree /d [depth=1] [flat] [names] [limit=9]      search *.csv [limit=9]      stats
//! find /d [name=*.csv] [contains=x] [limit=2]     list /d [limit=2]           settled /d quiet=30
//! … => paths /a /b      exactly these, in this order; of pages, all pages after one another
//! … => has TEXT TEXT    … => lacks TEXT TEXT    … => error TEXT
//! ```

use fustor_core::query::{
    Cursor, FindArgs, Limit, ListArgs, SearchArgs, SettledArgs, TreeArgs, find, list, search,
    settled, stats, tree,
};
use fustor_core::wire::json::ToJson;
use fustor_core::{Snapshot, ViewPath};

use super::check::Stage;
use crate::script::{number, path};

/// The answer as text, or why there is none.
type Answer = Result<String, String>;

/// Asks a query and compares the answer.
pub(super) fn ask(stage: &Stage, snapshot: &Snapshot, text: &str) -> Result<(), String> {
    let (question, expected) = text.split_once(" => ").ok_or("a question without =>")?;
    let answer = answer(stage, snapshot, question)?;
    let (word, rest) = expected.split_once(' ').unwrap_or((expected, ""));
    let parts: Vec<&str> = rest.split_whitespace().collect();
    let fits = match (word, &answer) {
        ("paths", Ok(answer)) => paths(answer) == parts,
        ("has", Ok(answer)) => parts.iter().all(|part| answer.contains(part)),
        ("lacks", Ok(answer)) => !parts.iter().any(|part| answer.contains(part)),
        ("error", Err(error)) => parts.iter().all(|part| error.contains(part)),
        ("paths" | "has" | "lacks" | "error", _) => false,
        _ => return Err(format!("no such expectation: {word:?}")),
    };
    if fits { Ok(()) } else { Err(format!("the answer is {answer:?}")) }
}

/// The values of all keys `path`.
fn paths(json: &str) -> Vec<&str> {
    let ends = json.split("\"path\":\"").skip(1).filter_map(|rest| rest.split_once('"'));
    ends.map(|(path, _)| path).collect()
}

/// The words of a question: what, where, and `name=value` or bare flags.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        let pairs = self.0.iter().filter_map(|word| word.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        self.value(name).map(number).transpose()
    }

    fn has(&self, flag: &str) -> bool {
        self.0.contains(&flag)
    }

    fn path(&self) -> Result<ViewPath, String> {
        path(self.0.get(1).ok_or("a question about what?")?)
    }

    fn limit(&self) -> Result<Limit, String> {
        let limit = self.number("limit")?.map(Limit::new).transpose();
        Ok(limit.map_err(|error| error.to_string())?.unwrap_or_default())
    }
}

fn answer(stage: &Stage, snapshot: &Snapshot, question: &str) -> Result<Answer, String> {
    let words = Words(question.split_whitespace().collect());
    let now = stage.now;
    Ok(match words.0.first().copied().unwrap_or("") {
        "tree" => {
            let args = TreeArgs {
                path: words.path()?,
                recursive: !words.has("flat"),
                max_depth: words.number("depth")?,
                only_path: words.has("names"),
                limit: words.number("limit")?,
                job: None,
            };
            streamed(tree(snapshot, now, &args))
        }
        "search" => {
            let pattern = (*words.0.get(1).ok_or("search for what?")?).to_owned();
            let args = SearchArgs { pattern, limit: words.number("limit")? };
            streamed(search(snapshot, now, &args))
        }
        "find" => {
            let mut args = FindArgs::below(words.path()?);
            args.name = words.value("name").map(|text| text.as_bytes().to_vec());
            args.contains = words.value("contains").map(|text| text.as_bytes().to_vec());
            args.limit = words.limit()?;
            pages(|cursor| {
                args.cursor = cursor;
                find(snapshot, now, &args).map(|page| (text(&page), page.next))
            })
        }
        "list" => {
            let mut args = ListArgs { path: words.path()?, limit: words.limit()?, cursor: None };
            pages(|cursor| {
                args.cursor = cursor;
                list(snapshot, now, &args).map(|page| (text(&page), page.next))
            })
        }
        "stats" => Ok(text(&stats(snapshot, now, Some(0)))),
        "settled" => {
            let quiet_sec = words.number("quiet")?.unwrap_or(30);
            let args = SettledArgs { path: words.path()?, quiet_sec };
            settled(snapshot, now, &args).map(|answer| text(&answer)).map_err(|e| e.to_string())
        }
        other => return Err(format!("no such question: {other:?}")),
    })
}

fn text(answer: &impl ToJson) -> String {
    String::from_utf8(answer.to_json()).expect("JSON is UTF-8")
}

fn streamed<E: ToString>(answer: Result<impl Iterator<Item = Vec<u8>>, E>) -> Answer {
    let bytes: Vec<u8> = answer.map_err(|error| error.to_string())?.flatten().collect();
    Ok(String::from_utf8(bytes).expect("JSON is UTF-8"))
}

/// All pages, one after the other; each cursor goes through its text.
fn pages<E: ToString>(
    mut page: impl FnMut(Option<Cursor>) -> Result<(String, Option<Cursor>), E>,
) -> Answer {
    let (mut all, mut cursor) = (String::new(), None);
    for _ in 0..1000 {
        let (text, next) = page(cursor.take()).map_err(|error| error.to_string())?;
        // The page's own path is not one of its entries'.
        let (head, entries) = text.split_once("\"entries\":").ok_or("a page without entries")?;
        all += &(head.replace("\"path\":", "\"of\":") + entries);
        match next {
            None => return Ok(all),
            Some(next) => {
                cursor = Some(Cursor::parse(&next.to_string()).map_err(|e| e.to_string())?);
            }
        }
    }
    Err("the pages never end".to_owned())
}
