//! `/events` over sockets: a stream that is cut is taken up where it was, and one too old is told so.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::child::Fusion;

/// A client that reads the lines of a stream of events from its socket.
struct Stream {
    socket: TcpStream,
    lines: BufReader<TcpStream>,
    status: u16,
}

/// One block: its id, and its event with data if it has one.
struct Block {
    id: String,
    event: Option<(String, Value)>,
}

impl Stream {
    fn open(fusion: &Fusion, query: &str, last: Option<&str>) -> Self {
        let address = format!("127.0.0.1:{}", fusion.port());
        let mut socket = TcpStream::connect(&address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let last = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
        let path = format!("/api/v1/views/view-1/events{query}");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{last}\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let lines = BufReader::new(socket.try_clone().unwrap());
        let mut stream = Self { socket, lines, status: 0 };
        let head = stream.line();
        stream.status = head.split(' ').nth(1).unwrap().parse().unwrap();
        while !stream.line().is_empty() {}
        stream
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).unwrap() > 0, "the stream has ended");
        line.trim_end().to_owned()
    }

    /// The next block. Sizes of chunks and what is not a field are passed over.
    fn block(&mut self) -> Block {
        let mut block = Block { id: String::new(), event: None };
        let (mut name, mut began) = (String::new(), false);
        loop {
            let line = self.line();
            if let Some(id) = line.strip_prefix("id: ") {
                (block.id, began) = (id.to_owned(), true);
            } else if let Some(event) = line.strip_prefix("event: ") {
                (name, began) = (event.to_owned(), true);
            } else if let Some(data) = line.strip_prefix("data: ") {
                block.event = Some((name.clone(), serde_json::from_str(data).unwrap()));
            } else if line.is_empty() && began {
                return block;
            }
        }
    }

    /// Reads until these paths were told; all that were, and the last id.
    fn until(&mut self, wanted: &[String]) -> (BTreeSet<String>, String) {
        let mut told = BTreeSet::new();
        loop {
            let block = self.block();
            if let Some((name, data)) = block.event {
                assert_eq!(name, "changes", "{data}");
                let changes = data["changes"].as_array().unwrap().iter();
                told.extend(changes.map(|change| change["path"].as_str().unwrap().to_owned()));
            }
            if wanted.iter().all(|path| told.contains(path)) {
                return (told, block.id);
            }
        }
    }

    /// Breaks the connection without a word.
    fn cut(self) {
        self.socket.shutdown(Shutdown::Both).unwrap();
    }
}

#[test]
fn a_stream_that_is_cut_goes_on_after_the_last_event_that_was_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    let fusion = Fusion::watch(&[dir.path()], &[]);
    fusion.line_with("first scan complete");
    let make = |from: usize, to: usize| -> Vec<String> {
        let name = |n: usize| format!("/d/file-{n:03}");
        let names: Vec<String> = (from..to).map(name).collect();
        for name in &names {
            fs::write(dir.path().join(&name[1..]), b"x").unwrap();
        }
        names
    };
    let mut first = Stream::open(&fusion, "?path=/d", None);
    assert_eq!(first.status, 200);
    let place = first.block();
    assert!(place.event.is_none() && !place.id.is_empty(), "where it begins");
    let (_, last) = first.until(&make(0, 20));
    first.cut();
    // What happens while nobody reads.
    fs::write(dir.path().join("elsewhere"), b"x").unwrap();
    let missed = make(20, 60);
    let mut again = Stream::open(&fusion, "?path=/d", Some(&last));
    assert_eq!(again.status, 200);
    let (_, last) = again.until(&missed);
    again.cut();
    // However often it is cut, what follows an id is all there.
    let more = make(60, 100);
    for _ in 0..2 {
        let mut stream = Stream::open(&fusion, "?path=/d", Some(&last));
        let (told, _) = stream.until(&more);
        assert!(!told.contains("/elsewhere"), "{told:?}");
        stream.cut();
    }
}

#[test]
fn a_place_of_another_life_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let fusion = Fusion::watch(&[dir.path()], &[]);
    fusion.line_with("first scan complete");
    let gone = Stream::open(&fusion, "", Some("ff-1"));
    assert_eq!(gone.status, 410);
    let (status, _, body) = fusion.get("/api/v1/views/view-1/changes?since=ff-1");
    let oldest = serde_json::from_slice::<Value>(&body).unwrap()["oldest"].clone();
    assert_eq!(status, 410);
    let mut taken_up = Stream::open(&fusion, "", oldest.as_str());
    assert_eq!((taken_up.status, taken_up.block().id.is_empty()), (200, false));
    assert_eq!(Stream::open(&fusion, "", Some("nonsense")).status, 400);
}
