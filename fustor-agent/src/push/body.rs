//! What the two dialects have in common: paths of routes, and answers as a client understands them.

use std::sync::Arc;

use fustor_core::SECOND;
use fustor_core::client::{
    BeatReply, CreateReply, Dialect, Failure, Grant, LeaseGrant, PushReply, Role, Seqs,
};
use fustor_core::wire::protocol as wire;

use super::http::Answer;

pub(super) const SESSION: &str = "api/v1/pipe/session/";

pub(super) fn heartbeat_path(session: &str) -> String {
    format!("{SESSION}{session}/heartbeat")
}

pub(super) fn close_path(session: &str) -> String {
    format!("{SESSION}{session}")
}

pub(super) fn events_path(session: &str) -> String {
    format!("api/v1/pipe/ingest/{session}/events")
}

/// Whether a name of a session can stand in a path.
pub(super) fn is_name(session: &str) -> bool {
    !session.is_empty()
        && session.len() <= 128
        && session.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

pub(super) const fn role(role: wire::Role) -> Role {
    match role {
        wire::Role::Leader => Role::Leader,
        wire::Role::Follower => Role::Follower,
    }
}

pub(super) fn lease(grant: Option<wire::LeaseGrant>) -> Option<LeaseGrant> {
    let grant = grant.filter(|grant| grant.epoch > 0)?;
    // Longer than a day is no lease.
    let ttl_ns = i64::try_from(grant.ttl_ms.min(86_400_000)).unwrap_or(0) * (SECOND / 1000);
    Some(LeaseGrant { epoch: grant.epoch, ttl_ns })
}

/// Seconds of an interval; none and zero mean none.
fn interval(seconds: Option<f64>) -> Option<i64> {
    let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0)?;
    Some((seconds.min(1e9) * SECOND as f64) as i64)
}

pub(super) fn grant(reply: &wire::CreateReply, dialect: Dialect) -> Grant {
    let from = reply.resume_from.unwrap_or_default();
    let native = dialect == Dialect::Native;
    let timeout = reply.session_timeout_seconds.clamp(1, 86_400);
    Grant {
        session: Arc::from(reply.session_id.as_str()),
        dialect,
        role: role(reply.role),
        timeout_ns: i64::try_from(timeout).unwrap_or(30) * SECOND,
        audit_ns: interval(reply.audit_interval_sec),
        lease: lease(reply.lease),
        resumed: native && reply.resumed.unwrap_or(false),
        passes: native && reply.passes.unwrap_or(false),
        from: Seqs { control: from.control, realtime: from.realtime, scan: from.scan },
        in_flight: match (native, reply.limits) {
            (true, Some(limits)) => limits.in_flight.max(1),
            // One after the other, so that nothing overtakes anything.
            (true, None) | (false, _) => 1,
        },
    }
}

pub(super) fn sentinel_ns(reply: &wire::CreateReply) -> Option<i64> {
    interval(reply.sentinel_interval_sec)
}

pub(super) fn failed_create(answer: Result<Answer, Failure>) -> CreateReply {
    CreateReply::Failed(answer.map_or_else(|failure| failure, |answer| answer.failure()))
}

/// The answer to a heartbeat that is not 200.
pub(super) fn failed_beat(answer: &Answer) -> BeatReply {
    match answer.status {
        419 => BeatReply::Gone,
        // Also a wrong key: it may be rotated under a session.
        _ => BeatReply::Failed(answer.failure()),
    }
}

/// The answer to a batch.
pub(super) fn pushed(answer: &Answer, dialect: Dialect) -> PushReply {
    match (answer.status, dialect) {
        (200..=299, _) => PushReply::Applied,
        (419, _) | (404, Dialect::Legacy) => PushReply::Gone,
        (409, Dialect::Native) if is_stale_epoch(&answer.body) => PushReply::Fenced,
        (400 | 413 | 422, _) => PushReply::Rejected,
        _ => PushReply::Failed(answer.failure()),
    }
}

fn is_stale_epoch(body: &[u8]) -> bool {
    wire::read::<wire::StaleEpoch>(body).is_ok_and(|stale| stale.error == "stale_epoch")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, after_ns: Some(2), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn every_status_means_one_thing() {
        let failed = PushReply::Failed(Failure::Refused { after_ns: Some(2) });
        let stale = r#"{"error":"stale_epoch","epoch":7}"#;
        for (status, body, native, legacy) in [
            (200, "", PushReply::Applied, PushReply::Applied),
            (409, stale, PushReply::Fenced, failed),
            (409, r#"{"detail":"in flight"}"#, failed, failed),
            (404, "", failed, PushReply::Gone),
            (419, "", PushReply::Gone, PushReply::Gone),
            (413, "", PushReply::Rejected, PushReply::Rejected),
            (422, "", PushReply::Rejected, PushReply::Rejected),
            (401, "", failed, failed),
            (429, "", failed, failed),
            (503, "", failed, failed),
        ] {
            assert_eq!(pushed(&answer(status, body), Dialect::Native), native, "{status}");
            assert_eq!(pushed(&answer(status, body), Dialect::Legacy), legacy, "{status}");
        }
    }

    #[test]
    fn a_session_that_is_no_name_is_not_put_into_a_path() {
        assert!(is_name("4a877584-8ee2-4856-aea4-58e405b29cb3"));
        for bad in ["", "a/b", "..", "a b", "a?x"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn odd_numbers_of_a_server_are_taken_with_care() {
        let reply = wire::CreateReply {
            session_timeout_seconds: 0,
            audit_interval_sec: Some(f64::NAN),
            lease: Some(wire::LeaseGrant { epoch: 0, ttl_ms: u64::MAX }),
            ..wire::CreateReply::default()
        };
        let grant = grant(&reply, Dialect::Native);
        assert_eq!((grant.timeout_ns, grant.audit_ns, grant.lease), (SECOND, None, None));
    }
}
