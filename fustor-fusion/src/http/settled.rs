//! `/settled`: whether a directory has come to rest, now or within the time that the client waits.

use std::time::{Duration, Instant};

use axum::response::Response;
use fustor_core::ViewPath;
use fustor_core::query::{QUIET_DEFAULT_SEC, SettledArgs, settled};

use super::answer::{Asked, ok};
use super::error::ApiError;
use super::params::Require;

/// No request waits longer.
const MAX_WAIT_SEC: u64 = 60;
/// No quiet time asked for is longer: a year.
const MAX_QUIET_SEC: u64 = 31_536_000;
/// A waiting request looks again at least so often: rest also comes by the mere passing of time.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// And no more often than that, however often the picture changes.
const LOOK_APART: Duration = Duration::from_millis(10);

pub(super) async fn ask_settled(mut asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["path", "path_b64", "quiet_sec", "wait_sec", "require"])?;
    let path = asked.params.path()?;
    let quiet_sec = asked.params.number("quiet_sec", MAX_QUIET_SEC)?.unwrap_or(QUIET_DEFAULT_SEC);
    let wait = asked.params.number("wait_sec", MAX_WAIT_SEC)?.unwrap_or(0);
    let require = asked.params.require()?;
    let args = SettledArgs { path: path.clone(), quiet_sec };
    let until = Instant::now() + Duration::from_secs(wait);
    let mut published = asked.view.host.published();
    let mut stopping = asked.app.stopping();
    loop {
        // Marked as seen before the picture is taken, so that no publication falls between the two.
        published.mark_unchanged();
        (asked.snapshot, asked.now) = asked.view.look();
        let over = Instant::now() >= until || *stopping.borrow() || !asked.view.host.running();
        if let Some(response) = answer(&asked, &args, &path, require, over)? {
            return Ok(response);
        }
        tokio::time::sleep(LOOK_APART).await;
        let left = until.saturating_duration_since(Instant::now());
        tokio::select! {
            _ = published.changed() => (),
            _ = stopping.changed() => (),
            () = tokio::time::sleep(left.min(LOOK_AGAIN)) => (),
        }
    }
}

/// The answer, if the client need not wait any longer.
fn answer(
    asked: &Asked,
    args: &SettledArgs,
    path: &ViewPath,
    require: Require,
    over: bool,
) -> Result<Option<Response>, ApiError> {
    let found = match settled(&asked.snapshot, asked.now, args) {
        Err(_) if !over => return Ok(None),
        other => other?,
    };
    if !over && !found.settled {
        return Ok(None);
    }
    match asked.trust(path, require) {
        Err(_) if !over => Ok(None),
        trust => Ok(Some(asked.stamped(ok(&found), &trust?))),
    }
}
