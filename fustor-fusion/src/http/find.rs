//! `/find`: a page of hits as JSON, or all of them as a stream of lines.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::http::HeaderValue;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::Response;
use fustor_core::query::{FindArgs, Finder, Kinds, Progress, Sort, find_while, parse_seconds};
use fustor_core::wire::json::{EntryWriter, find_tail_line};
use fustor_core::{Snapshot, StorageTime, Trust};

use super::answer::{Asked, aside, ok};
use super::error::ApiError;
use super::params::Params;
use super::state::ViewState;
use super::stream::{Abandoned, Chunks, body};
use super::views::{cursor, limit};

const NDJSON: &str = "application/x-ndjson";
/// Lines are handed over in chunks of about this size.
const CHUNK: usize = 64 * 1024;
/// How many rows are looked at between two looks at the client.
const STEP: usize = 8192;

const KNOWN: [&str; 17] = [
    "path", "path_b64", "name", "contains", "regex", "type", "min_size", "max_size", "newer",
    "older", "depth", "limit", "cursor", "sort", "stable", "require", "format",
];

pub(super) async fn find_entries(mut asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&KNOWN)?;
    let lines = wants_lines(&asked)?;
    let mut args = arguments(&asked.params)?;
    args.cursor = cursor(&mut asked)?;
    let trust = asked.trust(&args.path, asked.params.require()?)?;
    if let Some(unchanged) = asked.unchanged(&trust) {
        return Ok(unchanged);
    }
    if lines {
        return stream_lines(&asked, &args, &trust);
    }
    let (snapshot, now) = (Arc::clone(&asked.snapshot), asked.now);
    let late = Instant::now() + asked.view.deadline;
    let page = aside(asked.permit()?, move |wanted| {
        find_while(&snapshot, now, &args, &mut || wanted() && Instant::now() < late)
    });
    let page = page.await??;
    if page.next.is_some() {
        asked.view.host.pins().pin(&asked.snapshot);
    }
    Ok(asked.tagged(ok(&page), &trust))
}

fn wants_lines(asked: &Asked) -> Result<bool, ApiError> {
    match asked.params.text("format")? {
        Some("json") => Ok(false),
        Some("ndjson") => Ok(true),
        Some(other) => {
            let text = format!("parameter \"format\" is {other:?}, not json or ndjson");
            Err(ApiError::BadRequest(text))
        }
        None => {
            let accepted = asked.headers.get_all(ACCEPT).iter();
            Ok(accepted.filter_map(|value| value.to_str().ok()).any(|text| text.contains(NDJSON)))
        }
    }
}

fn arguments(params: &Params) -> Result<FindArgs, ApiError> {
    if let Some(sort) = params.text("sort")? {
        match Sort::parse(sort)? {
            Sort::Path => (),
        }
    }
    let time = |name: &'static str| -> Result<Option<StorageTime>, ApiError> {
        Ok(params.text(name)?.map(|text| parse_seconds(name, text)).transpose()?)
    };
    let mut args = FindArgs::below(params.path()?);
    args.name = params.bytes("name").map(<[u8]>::to_vec);
    args.contains = params.bytes("contains").map(<[u8]>::to_vec);
    args.regex = params.text("regex")?.map(str::to_owned);
    args.kinds = params.text("type")?.map(Kinds::parse).transpose()?.unwrap_or(Kinds::ALL);
    args.min_size = params.number("min_size", u64::MAX)?;
    args.max_size = params.number("max_size", u64::MAX)?;
    args.newer = time("newer")?;
    args.older = time("older")?;
    args.depth = params
        .number("depth", u64::from(u32::MAX))?
        .map(|depth| u32::try_from(depth).unwrap_or(u32::MAX));
    args.limit = limit(params)?;
    refuse_empty_range("min_size", args.min_size, "max_size", args.max_size)?;
    refuse_empty_range("newer", args.newer, "older", args.older)?;
    Ok(args)
}

fn refuse_empty_range<T: PartialOrd>(
    low: &str,
    least: Option<T>,
    high: &str,
    most: Option<T>,
) -> Result<(), ApiError> {
    match (least, most) {
        (Some(least), Some(most)) if least > most => {
            let text = format!("parameter {low:?} is greater than {high:?}: nothing can match");
            Err(ApiError::BadRequest(text))
        }
        _ => Ok(()),
    }
}

fn stream_lines(asked: &Asked, args: &FindArgs, trust: &Trust) -> Result<Response, ApiError> {
    let finder = Finder::new(&asked.snapshot, args)?;
    let limit = asked.params.bytes("limit").map(|_| args.limit.get());
    let lines = Lines {
        finder,
        limit,
        view: Arc::clone(&asked.view),
        snapshot: Arc::clone(&asked.snapshot),
        trust: trust.clone(),
    };
    let mut response = Response::new(body(asked.permit()?, |chunks| lines.write(chunks)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    Ok(asked.tagged(response, trust))
}

/// The hits of one question on their way to the client.
struct Lines {
    finder: Finder,
    /// Without a limit in the request, all hits are sent.
    limit: Option<usize>,
    view: Arc<ViewState>,
    snapshot: Arc<Snapshot>,
    trust: Trust,
}

impl Lines {
    fn write(mut self, chunks: &Chunks) -> Result<(), Abandoned> {
        let mut out = Vec::with_capacity(CHUNK + CHUNK / 4);
        let (mut left, mut writer) = (self.limit, EntryWriter::default());
        loop {
            let progress = self.finder.step(STEP, &mut |path, row| {
                left = left.map(|n| n - 1);
                writer.line(&mut out, path, row);
                if out.len() >= CHUNK || left == Some(0) {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            let done = matches!(progress, Progress::Done) || left == Some(0);
            if done {
                break;
            }
            chunks.send(std::mem::replace(&mut out, Vec::with_capacity(CHUNK + CHUNK / 4)))?;
        }
        let next = self.finder.cursor();
        if next.is_some() {
            self.view.host.pins().pin(&self.snapshot);
        }
        find_tail_line(&mut out, self.snapshot.revision(), &self.trust, next.as_ref());
        chunks.send(out)
    }
}
