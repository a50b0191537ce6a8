//! Sealed batches of native agents: applied once, acknowledged when they can be read, refused with a reason.

use axum::http::{Method, StatusCode};
use fustor_core::wire::native::{CONTENT_TYPE, encode};
use fustor_core::{
    BatchHead, Block, BlockBuilder, BootTime, CyclePhase, Event, Kind, Lane, Listing, SECOND, Seq,
    Tier, ViewPath,
};
use serde_json::{Value, json};

use crate::fixture::{Answer, facts, run, wait_for};
use crate::station::{Station, TWO, send};

/// The clock of the agents here.
const SENT: BootTime = BootTime(1_000_000_000_000);

fn create(agent: &str, epoch: u64) -> Value {
    json!({
        "task_id": format!("{agent}:pipe"), "protocol": 2,
        "agent": {"id": agent, "host": "h", "version": "1", "clock_ns": SENT.0},
        "source": {"root_id": {"fs_type": 1, "fs_id": u64::MAX, "inode": 1}, "uri": "/data",
                   "writers_watched": true, "epoch": epoch},
    })
}

struct Agent {
    session: String,
    lease: u64,
}

async fn open(station: &Station, agent: &str, epoch: u64) -> (Agent, Value) {
    let answer = station.post("session/", &create(agent, epoch)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let body = answer.json();
    let session = body["session_id"].as_str().unwrap().to_owned();
    let lease = body["lease"]["epoch"].as_u64().unwrap_or(0);
    (Agent { session, lease }, body)
}

async fn post(station: &Station, agent: &Agent, body: Vec<u8>) -> Answer {
    let path = format!("/api/v1/pipe/ingest/{}/events", agent.session);
    let headers = [("x-api-key", "push-1"), ("content-type", CONTENT_TYPE)];
    send(&station.receiver, Method::POST, &path, &headers, body).await
}

fn frame(agent: &Agent, lane: Lane, seq: u32, events: &[Event]) -> Vec<u8> {
    let head = BatchHead {
        source_epoch: 1,
        lane,
        seq: Seq(seq),
        lease: agent.lease,
        sent: SENT,
        cache_window_ns: 0,
    };
    encode(&head, events)
}

fn file(path: &str, size: u64) -> Event {
    let path = ViewPath::parse(path.as_bytes()).unwrap();
    Event::Upsert { path, stamp: SENT, tier: Tier::Atomic, facts: facts(Kind::File, 5, size) }
}

fn scan() -> Vec<Event> {
    let root = Listing {
        dir: ViewPath::root(),
        stamp: SENT,
        complete: true,
        facts: facts(Kind::Dir, 1, 0),
        blocks: vec![Block::encode(b"", &[])],
    };
    vec![
        Event::Cycle { phase: CyclePhase::Begin, stamp: SENT },
        Event::Listing(root),
        Event::Cycle { phase: CyclePhase::End, stamp: SENT },
    ]
}

#[test]
fn a_batch_is_acknowledged_when_it_can_be_read_and_applied_once() {
    run(async {
        let station = Station::start(TWO);
        let (agent, body) = open(&station, "a", 1).await;
        assert_eq!((&body["protocol"], &body["role"]), (&json!(2), &json!("leader")));
        assert_eq!(body["resume_from"], json!({"control": 1, "realtime": 1, "scan": 1}));
        assert_eq!(body["limits"]["in_flight"], 4);
        let scanned = post(&station, &agent, frame(&agent, Lane::Scan, 1, &scan())).await;
        assert_eq!(scanned.status, StatusCode::OK, "{scanned:?}");
        assert_eq!(station.get("/tree").await.status, StatusCode::OK);
        let batch = frame(&agent, Lane::Realtime, 1, &[file("/f", 3)]);
        let first = post(&station, &agent, batch.clone()).await.json();
        assert_eq!((&first["seq"], &first["verdicts"]["applied"]), (&json!(1), &json!(1)));
        assert_eq!(station.get("/metadata?path=/f").await.json()["size"], 3);
        let again = post(&station, &agent, batch).await;
        assert_eq!(again.status, StatusCode::OK);
        assert_eq!(again.json()["verdicts"]["applied"], 0);
    });
}

/// A listing of the root with so many files, this long before the batch was sealed.
fn root_with(files: usize, ago_sec: i64) -> Event {
    let mut builder = BlockBuilder::default();
    (0..files).for_each(|n| builder.push(format!("f{n:05}").as_bytes(), &facts(Kind::File, 9, 1)));
    let stamp = SENT.minus(ago_sec * SECOND);
    let (dir, blocks) = (ViewPath::root(), builder.finish(b""));
    let facts = facts(Kind::Dir, 1, 0);
    Event::Listing(Listing { dir, stamp, complete: true, facts, blocks })
}

#[test]
fn what_the_guard_holds_goes_when_an_administrator_agrees() {
    run(async {
        let station = Station::start(TWO);
        let (agent, _) = open(&station, "a", 1).await;
        let push = async |seq, event| {
            let answer = post(&station, &agent, frame(&agent, Lane::Scan, seq, &[event])).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        };
        let files = async || station.get("/health").await.json()["files"].clone();
        let held = async || station.get("/health").await.json()["removals_held"].clone();
        let accept = async |key, path| {
            let body = json!({ "path": path }).to_string().into_bytes();
            let route = "/api/v1/management/views/view-1/accept-removals";
            station.ask(Method::POST, route, key, body).await.status
        };
        push(1, root_with(1500, 60)).await;
        push(2, root_with(0, 50)).await;
        assert_eq!((files().await, held().await), (json!(1500), json!(["/"])));
        // A second reading that has them again withdraws it.
        push(3, root_with(1500, 40)).await;
        assert_eq!((files().await, held().await), (json!(1500), json!([])));
        assert_eq!(accept("query-1", "/").await, StatusCode::FORBIDDEN);
        assert_eq!(accept("adm1n", "/none").await, StatusCode::NOT_FOUND);
        assert_eq!(accept("adm1n", "..").await, StatusCode::BAD_REQUEST);
        assert_eq!(accept("adm1n", "/").await, StatusCode::OK);
        push(4, root_with(0, 30)).await;
        assert_eq!((files().await, held().await), (json!(0), json!([])));
        let health = station.get("/health").await.json();
        let fed = &health["sessions"][0];
        assert_eq!((&fed["sessions"], &fed["leader"]), (&json!(1), &json!(agent.session)));
        assert_eq!(health["oldest_reading_sec"], Value::Null, "no scan has ended");
        assert!(health["lag_sec"].is_null() || health["lag_sec"].is_number());
    });
}

#[test]
fn clocks_are_exchanged_and_the_lease_is_renewed() {
    run(async {
        let station = Station::start(TWO);
        let (agent, _) = open(&station, "a", 1).await;
        let path = format!("session/{}/heartbeat", agent.session);
        let beat = json!({"can_realtime": true, "clock_ns": 9_007_199_254_740_993_i64});
        let body = station.post(&path, &beat).await.json();
        assert_eq!(body["clock"]["t1"], 9_007_199_254_740_993_i64);
        assert!(body["clock"]["t3"].as_i64() >= body["clock"]["t2"].as_i64());
        assert_eq!(body["lease"]["epoch"], agent.lease);
        assert_eq!(body["lease"]["ttl_ms"], 3000);
    });
}

/// What a listing lacks is gone if it was seen before, by a clock that is known well enough to tell: that of a new
/// session is not, to a second.
#[test]
fn an_exchange_of_clocks_tells_what_came_first() {
    run(async {
        let station = Station::start(TWO);
        let began = std::time::Instant::now();
        let clock = || SENT.0 + i64::try_from(began.elapsed().as_nanos()).unwrap();
        let (agent, _) = open(&station, "a", 1).await;
        let path = format!("session/{}/heartbeat", agent.session);
        let mut exchange = Value::Null;
        let mut known = true;
        for n in 1..=200_u32 {
            let beat = json!({"clock_ns": clock(), "exchange": exchange});
            let reply = station.post(&path, &beat).await.json()["clock"].clone();
            let (t1, t2, t3) = (&reply["t1"], &reply["t2"], &reply["t3"]);
            exchange = json!({"t1": t1, "t2": t2, "t3": t3, "t4": clock()});
            let seen = BootTime(clock());
            let Event::Upsert { path, tier, facts, .. } = file("/f", 3) else { unreachable!() };
            let upsert = Event::Upsert { path, stamp: seen, tier, facts };
            post(&station, &agent, frame(&agent, Lane::Realtime, n, &[upsert])).await;
            let mut events = scan();
            let Event::Listing(listing) = &mut events[1] else { unreachable!() };
            listing.stamp = seen.plus(SECOND * 9 / 10);
            post(&station, &agent, frame(&agent, Lane::Scan, n, &events[1..2])).await;
            known = station.get("/metadata?path=/f").await.status == StatusCode::OK;
            if !known {
                break;
            }
        }
        assert!(!known, "no exchange counted");
    });
}

#[test]
fn a_held_heartbeat_is_answered_when_there_is_something_to_do() {
    run(async {
        let station = Station::start(TWO);
        let (agent, _) = open(&station, "a", 1).await;
        post(&station, &agent, frame(&agent, Lane::Scan, 1, &scan())).await;
        let path = format!("session/{}/heartbeat", agent.session);
        let nothing = station.post(&path, &json!({"held_ms": 1})).await.json();
        assert!(nothing.get("directives").is_none(), "{nothing}");
        let held = json!({"held_ms": 30_000});
        let (body, asked) = tokio::join!(station.post(&path, &held), async {
            let scan = json!({"path": "/", "recursive": true}).to_string().into_bytes();
            station.ask(Method::POST, "/api/v1/views/view-1/scan", "query-1", scan).await
        });
        assert_eq!(asked.status, StatusCode::OK);
        let directive = &body.json()["directives"][0];
        assert_eq!((&directive["kind"], &directive["path"]), (&json!("list"), &json!("/")));
        let acked = json!({"acked": [directive["id"]]});
        station.post(&path, &acked).await;
        let job = format!("/jobs/{}", asked.json()["job_id"].as_str().unwrap());
        assert_eq!(station.get(&job).await.json()["status"], "COMPLETED");
    });
}

#[test]
fn wishes_of_a_view_reach_its_agent_until_they_are_acknowledged() {
    run(async {
        let station = Station::start(TWO);
        let (agent, _) = open(&station, "a", 1).await;
        let path = format!("session/{}/heartbeat", agent.session);
        let put = json!({"updates": [{"path": "/doubtful"}]}).to_string().into_bytes();
        let told =
            station.ask(Method::PUT, "/api/v1/views/view-1/suspect-list", "adm1n", put).await;
        assert_eq!(told.json()["updated_count"], 1);
        let body = station.post(&path, &json!({})).await.json();
        let directives = body["directives"].as_array().unwrap();
        assert!(directives.iter().any(|one| one["kind"] == "recheck"), "{directives:?}");
    });
}

#[test]
fn only_the_holder_of_the_lease_has_duties() {
    run(async {
        let station = Station::start(TWO);
        let (leader, _) = open(&station, "a", 1).await;
        let (follower, body) = open(&station, "b", 1).await;
        assert_eq!((&body["role"], follower.lease), (&json!("follower"), 0));
        let mut events = scan();
        events.push(file("/from the follower", 1));
        let refused = post(&station, &follower, frame(&follower, Lane::Scan, 1, &events)).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert_eq!(refused.json(), json!({"error": "stale_epoch", "epoch": leader.lease}));
        let cycles = || station.hosts["view-1"].snapshot().cycles();
        assert_eq!(cycles().completed, 0, "the duties were refused");
        let path = ViewPath::parse(b"/from the follower").unwrap();
        let there = station.hosts["view-1"].snapshot().tree().lookup(&path).is_some();
        assert!(there, "the evidence was not");
        post(&station, &leader, frame(&leader, Lane::Scan, 1, &scan())).await;
        assert_eq!(cycles().completed, 1);
    });
}

#[test]
fn a_second_instance_of_an_agent_is_refused_with_both_hosts() {
    run(async {
        let station = Station::start(TWO);
        open(&station, "a", 1).await;
        let mut twin = create("a", 1);
        twin["agent"]["host"] = json!("elsewhere");
        let answer = station.post("session/", &twin).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.detail().contains("elsewhere"), "{}", answer.detail());
    });
}

#[test]
fn damaged_foreign_and_unnumbered_frames_are_refused() {
    run(async {
        let station = Station::start(TWO);
        let (agent, _) = open(&station, "a", 1).await;
        let good = frame(&agent, Lane::Realtime, 1, &[file("/f", 3)]);
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let legacy = Agent { session: station.open("old:pipe").await, lease: 0 };
        for (agent, body, status) in [
            (&agent, flipped, 422),
            (&agent, good[..good.len() - 1].to_vec(), 422),
            (&agent, Vec::new(), 422),
            (&agent, b"{\"events\": []}".to_vec(), 422),
            (&agent, frame(&agent, Lane::Realtime, 0, &[file("/f", 3)]), 422),
            (&legacy, good.clone(), 409),
        ] {
            let answer = post(&station, agent, body).await;
            assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        }
        let path = format!("ingest/{}/events", agent.session);
        let json = station.post(&path, &json!({"events": []})).await;
        assert_eq!(json.status, StatusCode::CONFLICT, "it is no agent of 0.8");
        assert_eq!(post(&station, &agent, good).await.status, StatusCode::OK);
    });
}

#[test]
fn a_stopped_view_is_503_and_nothing_is_acknowledged() {
    run(async {
        let station = Station::start(TWO);
        let (agent, _) = open(&station, "a", 1).await;
        let host = station.hosts["view-1"].clone();
        tokio::task::spawn_blocking(move || host.stop()).await.unwrap();
        let batch = frame(&agent, Lane::Realtime, 1, &[file("/f", 3)]);
        let answer = post(&station, &agent, batch).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    });
}

#[test]
fn a_silent_leader_is_followed_by_another_agent() {
    run(async {
        let station = Station::start(TWO);
        let (_, _) = open(&station, "a", 1).await;
        let (other, _) = open(&station, "b", 1).await;
        let path = format!("session/{}/heartbeat", other.session);
        // The lease lasts three seconds; the test beats for the other agent until it leads.
        let beat = || {
            tokio::task::block_in_place(|| {
                let answer =
                    tokio::runtime::Handle::current().block_on(station.post(&path, &json!({})));
                (answer.json()["role"] == "leader").then_some(())
            })
        };
        wait_for("another leader", beat);
        let sessions = station.get("/sessions").await.json();
        assert_eq!(sessions["count"], 2, "the session outlives the lease");
    });
}

#[test]
fn a_batch_that_comes_early_waits_for_those_before_it_and_nothing_is_lost() {
    run(async {
        let station = Station::start(TWO);
        let (agent, body) = open(&station, "a", 1).await;
        assert_eq!(body["limits"]["in_flight"], 4);
        post(&station, &agent, frame(&agent, Lane::Scan, 1, &scan())).await;
        let batch = |seq, size| frame(&agent, Lane::Realtime, seq, &[file("/f", size)]);
        let (beat, alive) = (format!("session/{}/heartbeat", agent.session), json!({}));
        let mut early = Box::pin(post(&station, &agent, batch(2, 2)));
        for _ in 0..20 {
            tokio::select! {
                biased;
                answer = &mut early => panic!("answered before the first: {answer:?}"),
                beaten = station.post(&beat, &alive) => assert_eq!(beaten.status, StatusCode::OK),
            }
        }
        let beyond = post(&station, &agent, batch(6, 6)).await;
        assert_eq!(beyond.status, StatusCode::TOO_MANY_REQUESTS, "{beyond:?}");
        // Other lanes do not wait.
        let other = post(&station, &agent, frame(&agent, Lane::Control, 1, &[file("/g", 1)])).await;
        assert_eq!(other.status, StatusCode::OK);
        let (first, second) = tokio::join!(post(&station, &agent, batch(1, 1)), early);
        assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
        assert_eq!((&first.json()["seq"], &second.json()["seq"]), (&json!(1), &json!(2)));
        assert_eq!(station.get("/metadata?path=/f").await.json()["size"], 2);
        assert_eq!(station.get("/health").await.json()["gaps"], json!([]));
        // One whose sender goes away leaves nothing behind.
        let mut gone = Box::pin(post(&station, &agent, batch(4, 4)));
        tokio::select! {
            biased;
            answer = &mut gone => panic!("answered before the third: {answer:?}"),
            _ = station.post(&beat, &alive) => (),
        }
        drop(gone);
        for seq in 3..=4 {
            assert_eq!(post(&station, &agent, batch(seq, seq.into())).await.status, StatusCode::OK);
        }
        assert_eq!(station.get("/health").await.json()["gaps"], json!([]));
    });
}
