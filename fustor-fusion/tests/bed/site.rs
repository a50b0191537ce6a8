//! A tree, a fusion and agents of either make, with the configuration files that 0.8's own tools write.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::bed::http::{Answer, get};
use crate::bed::peers::{self, Make};
use crate::bed::process::{Process, wait_for, wait_until};

/// What differs between tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knobs {
    pub(crate) audit_sec: u32,
    pub(crate) sentinel_sec: u32,
    pub(crate) timeout_sec: u32,
    /// For how long what changes is suspect.
    pub(crate) hot_sec: u32,
    /// More keys of the agents' source.
    pub(crate) source: &'static str,
}

/// Nothing happens by itself within a test.
pub(crate) const QUIET: Knobs =
    Knobs { audit_sec: 43_200, sentinel_sec: 43_200, timeout_sec: 30, hot_sec: 30, source: "" };

/// Below what the kernel gives to those who do not care.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

pub(crate) struct Site {
    dir: TempDir,
    knobs: Knobs,
    views: u16,
    receiver: u16,
}

impl Site {
    pub(crate) fn new(knobs: Knobs) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("tree")).expect("a directory");
        Self { dir, knobs, views: free_port(), receiver: free_port() }
    }

    /// What is observed.
    pub(crate) fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    /// Beside the tree.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Somewhere in the tree, or outside of it with `..`.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.tree().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).expect("a file is written");
    }

    pub(crate) fn mkdir(&self, path: &str) {
        fs::create_dir_all(self.at(path)).expect("a directory is made");
    }

    /// Some directories and files.
    pub(crate) fn plant(&self) {
        for dir in ["a/b", "c", "empty"] {
            self.mkdir(dir);
            for n in 0..4 {
                self.write(&format!("{dir}/f{n}"), &"x".repeat(n));
            }
        }
        fs::remove_file(self.at("empty/f0")).expect("it is there");
        self.write("top ä 中.txt", "unicode");
    }

    pub(crate) const fn receiver(&self) -> u16 {
        self.receiver
    }

    fn home(&self, name: &str, config_dir: &str, yaml: &str) -> PathBuf {
        let home = self.dir.path().join(name);
        fs::create_dir_all(home.join(config_dir)).expect("a directory");
        fs::write(home.join(config_dir).join("default.yaml"), yaml).expect("a file is written");
        home
    }

    fn start(&self, name: &str, mut command: Command, home: &Path) -> Process {
        // Nothing of the developer's own reaches the programs; 0.8 looks for settings from here upward.
        command.current_dir(home).env("FUSTOR_HOME", home);
        for own in ["FUSTOR_LOG", "FUSTOR_FUSION_CONFIGS", "FUSTOR_FUSION_PORT"] {
            command.env_remove(own);
        }
        Process::start(name, command, self.dir.path().join(format!("{name}.out")))
    }

    /// The home of a fusion, with its files.
    pub(crate) fn fusion_home(&self) -> PathBuf {
        let Knobs { audit_sec, sentinel_sec, timeout_sec, hot_sec, .. } = self.knobs;
        let (views, receiver) = (self.views, self.receiver);
        let yaml = format!(
            "host: 127.0.0.1
port: {views}
receivers:
  http-main: {{driver: http, bind_host: 127.0.0.1, port: {receiver}, api_keys: [{{key: push-key, pipe_id: view-1}}]}}
views:
  view-1:
    driver: fs
    api_keys: [query-key]
    driver_params: {{hot_file_threshold: {hot_sec}.0, max_tree_items: 0}}
pipes:
  view-1: {{receiver: http-main, views: [view-1], audit_interval_sec: {audit_sec}, sentinel_interval_sec: {sentinel_sec}, session_timeout_seconds: {timeout_sec}}}
"
        );
        self.home("fusion", "fusion-config", &yaml)
    }

    /// The home of an agent, with its files.
    pub(crate) fn agent_home(&self, name: &str) -> PathBuf {
        self.agent_home_on(name, &self.tree())
    }

    fn agent_home_on(&self, name: &str, tree: &Path) -> PathBuf {
        let (receiver, more) = (self.receiver, self.knobs.source);
        let yaml = format!(
            "sources:
  src-1: {{driver: fs, uri: {}, max_queue_size: 1000{more}}}
senders:
  fus-1: {{driver: fusion, uri: \"http://127.0.0.1:{receiver}\", credential: {{key: push-key}}}}
pipes:
  view-1: {{source: src-1, sender: fus-1}}
",
            tree.display()
        );
        self.home(name, "agent-config", &yaml)
    }

    /// Starts a fusion and waits until it answers.
    pub(crate) fn fusion(&self, make: Make) -> Process {
        let home = self.fusion_home();
        let mut command = peers::fusion(make);
        command.arg("start");
        let process = self.start("fusion", command, &home);
        wait_for("fusion listens", || {
            let views = get(self.views, "", "/")?;
            get(self.receiver, "push-key", "/api/v1/pipe/session/")?;
            (views.status == 200).then_some(())
        });
        process
    }

    /// Starts an agent.
    pub(crate) fn agent(&self, make: Make, name: &str) -> Process {
        let home = self.agent_home(name);
        let mut command = peers::agent(make);
        if make == Make::Python {
            command.arg("start");
        }
        self.start(name, command, &home)
    }

    /// Starts an agent of this project that observes `root`, by way of `starter` if that is not empty.
    pub(crate) fn agent_on(&self, name: &str, root: &Path, starter: &[&str]) -> Process {
        let home = self.agent_home_on(name, root);
        let command = peers::agent(Make::Ours);
        let command = match starter {
            [] => command,
            _ => peers::through(starter, &command),
        };
        self.start(name, command, &home)
    }

    /// Adds a file to the configuration of the program with this name, which reads it when it starts.
    pub(crate) fn configure(&self, name: &str, config_dir: &str, yaml: &str) {
        let dir = self.place(name).join(config_dir);
        fs::create_dir_all(&dir).expect("a directory");
        fs::write(dir.join("more.yaml"), yaml).expect("a file is written");
    }

    /// What a running agent answers to `status`.
    pub(crate) fn status(&self, name: &str) -> Result<Value, String> {
        let mut command = peers::our_agent("status --json");
        let asked = command.env("FUSTOR_HOME", self.place(name)).output().expect("it runs");
        let said = String::from_utf8_lossy(&asked.stdout);
        let json = said.lines().find_map(|line| line.find("{\"").map(|at| &line[at..]));
        match (asked.status.success(), json) {
            (true, Some(json)) => serde_json::from_str(json).map_err(|error| error.to_string()),
            (_, _) => Err(format!("{said}{}", String::from_utf8_lossy(&asked.stderr))),
        }
    }

    /// GET of `path` with the key of the views.
    pub(crate) fn get_any(&self, path: &str) -> Option<Answer> {
        get(self.views, "query-key", path)
    }

    /// GET below the view.
    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        get(self.views, "query-key", &format!("/api/v1/views/view-1{path}"))
    }

    /// The body of a GET below the view that must be answered with 200.
    pub(crate) fn ask(&self, path: &str) -> Value {
        let answer = self.get(path).expect("fusion answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub(crate) fn view_url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/views/view-1", self.views)
    }

    /// What fusion counts, as `/metrics` has it: the sum over all lines that begin so.
    pub(crate) fn metric(&self, begin: &str) -> f64 {
        let text = get(self.views, "", "/metrics").expect("fusion answers").text;
        let of = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
        text.lines().filter(|line| line.starts_with(begin)).filter_map(of).sum()
    }

    /// Who feeds the view.
    pub(crate) fn sessions(&self) -> Vec<Value> {
        self.ask("/sessions")["active_sessions"].as_array().expect("a list").clone()
    }

    /// Waits until there are `count` sessions and one of them leads; the leader's id.
    pub(crate) fn leader_of(&self, count: usize) -> String {
        wait_until("the sessions are there", || {
            let sessions = self.sessions();
            let leader = sessions.iter().find(|session| session["role"] == "leader");
            match leader {
                Some(leader) if sessions.len() == count => Ok(text(&leader["session_id"])),
                Some(_) | None => Err(format!("{sessions:#?}")),
            }
        })
    }

    /// Waits for the answer 200 of `/tree`.
    pub(crate) fn wait_ready(&self) {
        wait_until("the view is ready", || match self.get("/tree?path=/&max_depth=1") {
            Some(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// Audits that have ended.
    pub(crate) fn audits(&self) -> u64 {
        self.ask("/stats")["audit_cycle_count"].as_u64().expect("a count")
    }

    /// Waits until `more` audits have begun and ended.
    pub(crate) fn wait_audits(&self, more: u64) {
        // The one that is running does not count.
        let before = self.audits() + 1;
        wait_for("audits end", || (self.audits() >= before + more).then_some(()));
    }

    /// What differs since `revision`.
    pub(crate) fn changes_since(&self, revision: &str) -> Vec<Value> {
        let found = self.ask(&format!("/changes?since={revision}"));
        found["changes"].as_array().unwrap_or_else(|| panic!("{found}")).clone()
    }

    /// Asks for a scan of `path` and waits for its end; the job.
    pub(crate) fn scan_now(&self, path: &str) -> Value {
        let asked = self.ask(&format!("/tree?path={path}&on_demand_scan=true"));
        let id = text(&asked["job_id"]);
        assert_eq!(asked["job_pending"], true, "{asked}");
        wait_until("the scan is done", || {
            let job = self.ask(&format!("/jobs/{id}"));
            if job["status"] == "COMPLETED" { Ok(job) } else { Err(job.to_string()) }
        })
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A port that nobody listens on, and that no other test of this process is given.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    // Another run of the tests begins elsewhere.
    let from = u16::try_from(std::process::id() % 100).expect("it is below 100") * 120;
    loop {
        let port = PORTS.start + (from + NEXT.fetch_add(1, Ordering::Relaxed)) % span;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
