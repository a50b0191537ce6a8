//! The configured command as a process: started, asked, reloaded, attacked, stopped.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::fixture::wait_for;
use crate::home::{Home, address, config, request, status_of, talk};

#[test]
fn the_command_line_tells_the_truth() {
    let home = Home::new(&config());
    let (code, out, _) = home.run(&["status"]);
    assert_eq!((code, out.trim()), (3, "Fusion: STOPPED"));
    let (code, out, _) = home.run(&["list"]);
    assert_eq!((code, out.lines().count()), (0, 2));
    assert!(out.contains("pipe-1: STOPPED, main -> view-1"), "{out}");
    assert_eq!(home.run(&["reload"]).0, 3);
    assert_eq!(home.run(&["stop"]), (0, "Fusion is not running\n".to_owned(), String::new()));
    assert_eq!(home.run(&["validate"]).0, 0);

    let status = home.start();
    let (code, _, err) = home.run(&["start", "-D"]);
    assert_eq!(code, 1);
    assert!(err.contains(&format!("Fusion already running with PID: {}", status["pid"])), "{err}");
    assert_eq!(home.run(&["start"]).0, 1);
    assert_eq!(
        fs::read_to_string(home.path("fusion.pid")).unwrap().trim(),
        status["pid"].to_string()
    );
    assert_eq!(home.run(&["status", "pipe-1"]).0, 0);
    assert_eq!(home.run(&["status", "pipe-9"]).0, 1);
    assert!(home.run(&["list"]).1.contains("pipe-1: RUNNING, main -> view-1"));

    let (code, out, _) = home.run(&["stop"]);
    assert_eq!((code, out.starts_with("Fusion stopped (PID ")), (0, true));
    assert!(!home.path("fusion.pid").exists() && !home.path("fusion.sock").exists());
    assert_eq!(home.run(&["status"]).0, 3);
}

#[test]
fn what_cannot_start_says_why_and_fails() {
    let home = Home::new("recievers: {}\n");
    for args in [&["start", "-D"][..], &["start"], &["validate"], &["list"]] {
        let (code, _, err) = home.run(args);
        assert_eq!(code, 1, "{args:?}");
        assert!(err.contains("default.yaml:1: unknown key \"recievers\""), "{args:?}: {err}");
    }
    home.configure(&config());
    let (code, _, err) = home.run(&["start", "pipe-3"]);
    assert_eq!(code, 1);
    assert!(err.contains("did you mean \"pipe-"), "{err}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, _, err) = home.run(&["start", "-D", "-p", &port]);
    assert_eq!(code, 1);
    assert!(err.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{err}");
    assert_eq!(home.run(&["status"]).0, 3);
}

#[test]
fn a_reload_changes_what_it_can_and_says_what_it_cannot() {
    let home = Home::new(&config());
    let status = home.start();
    let views = address(&status["views_at"]);
    let ask = |key: &str| {
        let headers = format!("X-API-Key: {key}\r\n");
        status_of(&talk(
            &views,
            request("GET", "/api/v1/views/view-1/health", &headers, "").as_bytes(),
        ))
    };
    assert_eq!((ask("query-1"), ask("fresh")), (200, 401));
    home.configure(&config().replace("query-1", "fresh"));
    let (code, out, err) = home.run(&["reload"]);
    assert_eq!((code, out.contains("changed: keys")), (0, true), "{out}{err}");
    assert_eq!((ask("query-1"), ask("fresh")), (401, 200));
    home.configure("port: [\n");
    assert_eq!(home.run(&["reload"]).0, 1);
    assert_eq!(ask("fresh"), 200, "a faulty configuration changes nothing");
    home.configure(&config().replace("port: 0", "port: 1"));
    let (code, _, err) = home.run(&["reload"]);
    assert_eq!(code, 1);
    assert!(err.contains("not changed: port: takes effect at the next start"), "{err}");
    home.configure(&config().replace("query-1", "again"));
    let pid = status["pid"].to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    wait_for("the reload of SIGHUP", || (ask("again") == 200).then_some(()));
}

#[test]
fn hostile_bytes_are_answered_and_survived() {
    let home = Home::new(&config());
    let status = home.start();
    let receiver = address(&status["receivers_at"]["main"]);
    let key = "X-API-Key: push-1\r\n";
    let created = talk(
        &receiver,
        request("POST", "/api/v1/pipe/session/", key, r#"{"task_id":"a:p"}"#).as_bytes(),
    );
    let at = created.find("\"session_id\":\"").expect("a session") + 14;
    let events = format!("/api/v1/pipe/ingest/{}/events", &created[at..at + 36]);
    let post = |headers: &str, body: &str| {
        let headers = format!("{key}{headers}");
        status_of(&talk(&receiver, request("POST", &events, &headers, body).as_bytes()))
    };
    assert_eq!(post("", &"[".repeat(100_000)), 422);
    assert_eq!(post("", "{\"events\": [null, 1, {}, {\"rows\": 3}]}"), 200);
    assert_eq!(post("Content-Type: application/vnd.fustor.events.v2\r\n", "FsEv"), 422);
    let large = format!(
        "POST {events} HTTP/1.1\r\nHost: x\r\n{key}Content-Length: 1073741824\r\n\r\nbeginning"
    );
    assert_eq!(status_of(&talk(&receiver, large.as_bytes())), 413);
    for nonsense in [&b"\x16\x03\x01\x02\x00\x01\x00\x01"[..], b"GET\r\n\r\n", &[b'x'; 1 << 20]] {
        let answer = talk(&receiver, nonsense);
        assert!(answer.is_empty() || (400..500).contains(&status_of(&answer)), "{answer}");
    }
    assert_eq!(post("", "{\"events\": []}"), 200, "its session goes on");
}

#[test]
fn idle_connections_make_room_for_those_with_something_to_say() {
    let text = config().replace("management:", "limits: {connections: 16}\nmanagement:");
    let home = Home::new(&text);
    let receiver = address(&home.start()["receivers_at"]["main"]);
    let idle: Vec<TcpStream> = (0..200)
        .map(|n| {
            let mut stream = TcpStream::connect(&receiver).unwrap();
            if n % 2 == 0 {
                // A head that never ends is no request.
                drop(stream.write_all(b"GET / HTTP/1.1\r\nX: "));
            }
            stream
        })
        .collect();
    let get = request("GET", "/api/v1/pipe/session/", "X-API-Key: push-1\r\n", "");
    assert_eq!(status_of(&talk(&receiver, get.as_bytes())), 200);
    let mut first = &idle[0];
    first.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert!(matches!(first.read(&mut [0; 1]), Ok(0) | Err(_)), "it was closed");
}

#[test]
fn a_killed_process_leaves_nothing_in_the_way() {
    let home = Home::new(&config());
    let pid = home.start()["pid"].to_string();
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    wait_for("the end", || (home.run(&["status"]).0 == 3).then_some(()));
    assert!(Path::new(&home.path("fusion.pid")).exists());
    home.start();
}

#[test]
fn completions_name_the_commands() {
    let home = Home::new("");
    let (code, out, _) = home.run(&["completions", "bash"]);
    assert_eq!(code, 0);
    assert!(["start", "validate", "--daemon"].iter().all(|word| out.contains(word)));
    let (code, out, _) = home.run(&["start", "--help"]);
    assert_eq!((code, out.contains("--host")), (0, true));
}
