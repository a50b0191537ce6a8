//! JSON bodies: as they come, and put together from pieces of real ones so that they get far.

use bolero::check;
use fustor_core::wire::legacy::{LegacyError, Limits, decode_events};
use fustor_core::wire::protocol::{
    CreateReply, CreateRequest, EventsReply, HeartbeatReply, HeartbeatRequest, NumberedDirective,
    SentinelFeedback, StaleEpoch, read, write,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::INPUTS;

/// What a byte of the input stands for.
const PIECES: [&str; 64] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1.5",
    "1e400",
    "1e18",
    "18446744073709551616",
    "1795329268.4401903",
    "\"\"",
    "\"/\"",
    "\"/a/b\"",
    "\"..\"",
    "\"\\ud800\"",
    "\"\\udcff\"",
    "\"\\u0000\"",
    "\"fs\"",
    "\"update\"",
    "\"delete\"",
    "\"realtime\"",
    "\"snapshot\"",
    "\"audit\"",
    "\"on_demand_job\"",
    "\"job_complete\"",
    "{\"events\":[",
    "]}",
    "{\"event_type\":\"update\",\"event_schema\":\"fs\",\"rows\":[",
    "{\"event_type\":\"delete\",\"event_schema\":\"fs\",\"rows\":[",
    "{\"path\":\"/a\"",
    "\"path\":",
    "\"file_path\":",
    "\"size\":",
    "\"modified_time\":",
    "\"created_time\":",
    "\"is_directory\":",
    "\"is_atomic_write\":",
    "\"audit_skipped\":",
    "\"index\":",
    "\"message_source\":",
    "\"event_type\":",
    "\"event_schema\":",
    "\"rows\":",
    "\"events\":",
    "\"source_type\":",
    "\"is_end\":",
    "\"metadata\":",
    "\"job_id\":",
    "\"scan_path\":",
    "\"task_id\":\"a:b\"",
    "\"session_timeout_seconds\":",
    "\"acked\":",
    "\"exchange\":",
    "\"agent_status\":",
    "\"x\":",
    "\"mtime\":",
    " ",
    "\n",
];

fn exercise(bytes: &[u8]) {
    let limits = Limits { bytes: 1 << 20, events: 100, rows: 1000 };
    match decode_events(bytes, &limits) {
        Ok(batch) => {
            assert!(batch.refused.len() as u64 <= batch.refused_count);
            assert!(batch.observations.len() <= limits.rows);
            assert!(batch.event_count <= limits.events as u64);
            serde_json::from_slice::<serde::de::IgnoredAny>(bytes).expect("what reads is JSON");
        }
        Err(LegacyError::Body(error)) => assert!(error.offset <= bytes.len(), "{error}"),
        Err(LegacyError::TooMuch { .. }) => {}
    }
    settles::<CreateRequest>(bytes);
    settles::<CreateReply>(bytes);
    settles::<HeartbeatRequest>(bytes);
    settles::<HeartbeatReply>(bytes);
    settles::<EventsReply>(bytes);
    settles::<StaleEpoch>(bytes);
    settles::<NumberedDirective>(bytes);
    settles::<SentinelFeedback>(bytes);
}

/// A body that reads is written in a form that reads. Floats may differ in their last bit.
fn settles<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    match read::<T>(bytes) {
        Ok(body) => assert!(read::<T>(&write(&body)).is_ok(), "what we write reads"),
        Err(error) => {
            assert!(error.offset <= bytes.len(), "{error}");
            assert!(!error.to_json().is_empty());
        }
    }
}

#[test]
fn any_bytes_are_a_body_or_an_error() {
    check!().with_iterations(INPUTS).for_each(|bytes: &[u8]| exercise(bytes));
}

#[test]
fn any_pieces_of_bodies_are_a_body_or_an_error() {
    check!().with_iterations(INPUTS).with_max_len(256).for_each(|bytes: &[u8]| {
        let text: String = bytes.iter().map(|byte| PIECES[usize::from(byte % 64)]).collect();
        exercise(text.as_bytes());
    });
}
