//! One pipe: a source, a client and the connections, tied together by one task.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fustor_core::client::{Action, Client, ClientConfig, ClientStatus, Dialect, Role, Standing};
use fustor_core::{BootTime, Directive, Lane, RootIdentity, SECOND, StorageId};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::http::{FusionConfig, FusionError, Http};
use super::legacy::Jobs;
use super::native::{Asker, Health, Observed};
use super::request::{Desk, Heard};
use super::state::Memory;
use super::status::PipeStatus;
use crate::clock;
use crate::config::SourceConfig;
use crate::disk::root_identity;
use crate::doctor::{Storage, storage};
use crate::outbox::{Outlet, outbox};
use crate::source::{Progress, Source, start};

/// How often a root that is not there is looked for.
const ROOT_AGAIN: Duration = Duration::from_secs(2);
/// How long a pipe that is to stop may go on sending what waits.
const FLUSH_NS: i64 = 5 * SECOND;
/// How long what an old source has told may be on its way before it is given up.
const FAREWELL_NS: i64 = 3 * SECOND;
/// How long the threads of a source may take to end. One that hangs ends with the process.
const DROP_PATIENCE: Duration = Duration::from_secs(3);
/// How often the status is written down.
const STATUS_NS: i64 = SECOND / 5;
/// How old an attribute of a network file system may be: the usual maximum of its attribute cache.
const NETWORK_CACHE_NS: i64 = 60 * SECOND;
/// A source with work to do that shows no progress for so long is not well.
const STALL_NS: i64 = 3 * SECOND;

/// What one pipe is made of.
#[derive(Clone, Debug)]
pub struct PipeConfig {
    /// Its id.
    pub id: String,
    /// The id of this agent.
    pub agent: String,
    /// The name of this host.
    pub host: String,
    /// What is observed.
    pub source: SourceConfig,
    /// Where it is told.
    pub fusion: FusionConfig,
    /// How long the session is to survive silence, in whole seconds; `None`: as fusion thinks.
    pub session_timeout: Option<u64>,
    /// Whether a leader scans everything at once.
    pub snapshot: bool,
    /// What is remembered beyond the process.
    pub memory: Memory,
}

/// A running pipe. Dropping it ends it at once; [`Pipe::stop`] lets it finish.
#[derive(Debug)]
pub struct Pipe {
    status: Arc<Mutex<PipeStatus>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Pipe {
    /// Starts it on a runtime.
    ///
    /// # Errors
    /// [`FusionError`] when the configuration of fusion cannot be used.
    pub fn start(runtime: &Handle, config: PipeConfig) -> Result<Self, FusionError> {
        let http = Http::new(&config.fusion)?;
        let status = PipeStatus {
            pipe: config.id.clone(),
            state: "connecting",
            root: config.source.root.display().to_string(),
            fusion: config.fusion.uri.clone(),
            ..PipeStatus::default()
        };
        let status = Arc::new(Mutex::new(status));
        let (stop, stopping) = watch::channel(false);
        let runner = Runner { config, http, status: Arc::clone(&status), stopping };
        let task = runtime.spawn(runner.run());
        Ok(Self { status, stop, task })
    }

    /// How it fares.
    #[must_use]
    pub fn status(&self) -> PipeStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it has ended by itself.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Sends what waits, within a few seconds, and gives the session back.
    pub async fn stop(mut self) {
        // Nobody listens when it has ended already.
        let _: Result<(), _> = self.stop.send(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "a pipe died");
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A source that runs.
struct Live {
    source: Arc<Source>,
    outlet: Outlet,
    root: RootIdentity,
    window_ns: i64,
    writers_watched: bool,
}

struct Runner {
    config: PipeConfig,
    http: Http,
    status: Arc<Mutex<PipeStatus>>,
    stopping: watch::Receiver<bool>,
}

impl Runner {
    async fn run(mut self) {
        let bell = Arc::new(Notify::new());
        let Some(live) = self.await_root(&bell).await else { return };
        let now = clock::now();
        let (epoch, last) = self.config.memory.begin_life(SystemTime::now());
        let last = last.map(|(session, epoch)| (Arc::from(session), epoch));
        let mut seed = [0; 8];
        // Without random bits agents come back in step, no more.
        let _: Result<(), _> = getrandom::fill(&mut seed);
        let client = ClientConfig {
            seed: u64::from_le_bytes(seed),
            snapshot: self.config.snapshot,
            ..ClientConfig::default()
        };
        let client = Client::new(client, now, epoch, last);
        let (replies, heard) = mpsc::channel(64);
        let desk = Desk {
            http: self.http.clone(),
            asker: asker(&self.config),
            replies,
            dialect: None,
            exchange: None,
            held: None,
        };
        let mut loop_ = Loop {
            runner: self,
            client,
            live: Some(live),
            desk,
            bell,
            opening: None,
            jobs: Jobs::default(),
            sentinel_ns: None,
            sentinel_due: None,
            reopen_due: None,
            farewell: None,
            remembered: None,
            pulse: Pulse::default(),
            told: BootTime::MIN,
            trouble: None,
            ends: false,
            given_back: false,
        };
        loop_.run(heard).await;
    }

    /// Waits until there is a root. `None`: the pipe is to stop.
    async fn await_root(&mut self, bell: &Arc<Notify>) -> Option<Live> {
        loop {
            match open(&self.config.source, bell).await {
                Ok(live) => return Some(live),
                Err(error) => self.no_root(&error),
            }
            tokio::select! {
                _ = self.stopping.changed() => return None,
                () = tokio::time::sleep(ROOT_AGAIN) => {}
            }
        }
    }

    fn no_root(&self, error: &str) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if status.trouble.as_deref() != Some(error) {
            tracing::error!(pipe = self.config.id, error, "nothing can be observed");
        }
        status.state = "no root";
        status.trouble = Some(error.to_owned());
    }
}

fn asker(config: &PipeConfig) -> Asker {
    Asker {
        agent: config.agent.clone(),
        host: config.host.clone(),
        pipe: config.id.clone(),
        uri: config.source.root.display().to_string(),
        session_timeout: config.session_timeout,
        speech: config.fusion.speech,
    }
}

/// Starts a source that waits to be told whether to scan. A root may hang, so this is done on a thread.
async fn open(config: &SourceConfig, bell: &Arc<Notify>) -> Result<Live, String> {
    let config = SourceConfig { scan_at_start: false, ..config.clone() };
    let bell = Arc::clone(bell);
    let opened = tokio::task::spawn_blocking(move || open_now(config, &bell));
    match opened.await {
        Ok(opened) => opened,
        Err(error) => Err(format!("the source died: {error}")),
    }
}

fn open_now(config: SourceConfig, bell: &Arc<Notify>) -> Result<Live, String> {
    let shown = |root: &PathBuf, error: io::Error| format!("{}: {error}", root.display());
    let root = root_identity(&config.root).map_err(|error| shown(&config.root, error))?;
    let (_, kind) = storage(root.fs_type);
    let window_ns = match kind {
        Storage::Local | Storage::SharedCoherent => 0,
        Storage::SharedCached | Storage::Unknown => NETWORK_CACHE_NS,
    };
    let writers_watched = config.watch && kind == Storage::Local;
    let (sink, outlet) = outbox();
    let ring = Arc::clone(bell);
    outlet.on_ready(move || ring.notify_one());
    let source = start(config, sink).map_err(|error| error.to_string())?;
    Ok(Live { source: Arc::new(source), outlet, root, window_ns, writers_watched })
}

/// Whether the source moves on.
#[derive(Clone, Copy, Debug, Default)]
struct Pulse {
    done: u64,
    moved: BootTime,
}

struct Loop {
    runner: Runner,
    client: Client,
    /// `None`: the root was lost, and there is none yet.
    live: Option<Live>,
    /// The next source, on its way. Its root may hang.
    opening: Option<JoinHandle<Result<Live, String>>>,
    desk: Desk,
    bell: Arc<Notify>,
    jobs: Jobs,
    sentinel_ns: Option<i64>,
    sentinel_due: Option<BootTime>,
    reopen_due: Option<BootTime>,
    /// Until when what the lost source has told may still be sent.
    farewell: Option<BootTime>,
    remembered: Option<(Arc<str>, u64)>,
    pulse: Pulse,
    told: BootTime,
    trouble: Option<String>,
    /// Whether it is to stop.
    ends: bool,
    /// Whether fusion has taken the session back.
    given_back: bool,
}

impl Loop {
    async fn run(&mut self, mut heard: mpsc::Receiver<Heard>) {
        loop {
            self.take();
            self.mourn().await;
            let now = clock::now();
            for action in self.client.poll(now) {
                self.act(action).await;
            }
            self.look_after_suspects(now);
            self.remember();
            self.tell_status(now);
            if self.client.is_closed() {
                break;
            }
            let pause = self.pause(now);
            let ended = tokio::select! {
                () = self.bell.notified() => false,
                Some(heard) = heard.recv() => {
                    self.hear(heard);
                    false
                }
                changed = self.runner.stopping.changed() => changed.is_err() || *self.runner.stopping.borrow(),
                () = tokio::time::sleep(pause) => false,
            };
            if ended && !std::mem::replace(&mut self.ends, true) {
                self.client.close(clock::now().plus(FLUSH_NS));
            }
        }
        // A session that is not given back is continued by the next process; a new one beside it would be refused.
        if self.given_back {
            self.runner.config.memory.left(self.client.epoch());
        }
        self.drop_source().await;
        self.tell_status(BootTime::MAX);
    }

    /// Moves what the source has sealed to the client, as far as there is room.
    fn take(&mut self) {
        let Some(live) = &self.live else { return };
        // At the end no more directories, or it would never come.
        let (client, ends) = (&mut self.client, self.ends);
        let wanted = |client: &Client, lane| client.has_room(lane) && !(ends && lane == Lane::Scan);
        while let Some(sealed) = live.outlet.try_recv(|lane| wanted(client, lane)) {
            client.sealed(clock::now(), sealed.lane, sealed.events, &sealed.done);
        }
    }

    /// Starts another source when the root of the last one was lost.
    async fn mourn(&mut self) {
        let now = clock::now();
        if self.live.as_ref().is_some_and(|live| live.source.is_root_lost()) {
            tracing::error!(pipe = self.runner.config.id, "the root is lost");
            self.take();
            // Nobody waits for its threads: what is lost may hang.
            let lost = self.live.take();
            drop(tokio::task::spawn_blocking(move || drop(lost)));
            self.farewell = Some(now.plus(FAREWELL_NS));
            self.reopen_due = Some(now);
        }
        let waits = self.client.status(now).waiting > 0;
        if self.farewell.is_some_and(|until| waits && now < until) {
            return;
        }
        self.farewell = None;
        if self.reopen_due.is_none_or(|due| now < due) {
            return;
        }
        let Some(opened) = self.opened().await else { return };
        match opened {
            Ok(live) => {
                let (epoch, _) = self.runner.config.memory.begin_life(SystemTime::now());
                tracing::info!(pipe = self.runner.config.id, epoch, "there is a root again");
                self.live = Some(live);
                self.reopen_due = None;
                self.trouble = None;
                self.client.restart(clock::now(), epoch);
            }
            Err(error) => {
                self.runner.no_root(&error);
                self.trouble = Some(error);
                let pause = i64::try_from(ROOT_AGAIN.as_nanos()).unwrap_or(SECOND);
                self.reopen_due = Some(clock::now().plus(pause));
            }
        }
    }

    /// Opens another source while everything else goes on. `None`: it is on its way.
    async fn opened(&mut self) -> Option<Result<Live, String>> {
        match self.opening.take() {
            None => {
                let (config, bell) = (self.runner.config.source.clone(), Arc::clone(&self.bell));
                self.opening = Some(tokio::spawn(async move {
                    let opened = open(&config, &bell).await;
                    bell.notify_one();
                    opened
                }));
                None
            }
            Some(opening) if opening.is_finished() => {
                let died = |error| Err(format!("the source died: {error}"));
                Some(opening.await.unwrap_or_else(died))
            }
            Some(opening) => {
                self.opening = Some(opening);
                None
            }
        }
    }

    /// Ends its threads, which may take a moment, or for ever where they hang.
    async fn drop_source(&mut self) {
        if let Some(live) = self.live.take() {
            // It only fails when the runtime ends, and the threads with it.
            let dropping = tokio::task::spawn_blocking(move || drop(live));
            drop(tokio::time::timeout(DROP_PATIENCE, dropping).await);
        }
    }

    fn pause(&self, now: BootTime) -> Duration {
        let farewell = self.farewell.map(|until| until.min(now.plus(SECOND / 20)));
        let dues = [
            self.client.next_deadline(now),
            self.sentinel_due,
            // A root on its way rings.
            farewell.or(self.reopen_due.filter(|_| self.opening.is_none())),
            Some(now.plus(SECOND)),
        ];
        let due = dues.into_iter().flatten().min().unwrap_or(now);
        Duration::from_nanos(due.since(now).max(0).unsigned_abs())
    }

    async fn act(&mut self, action: Action) {
        let source = self.live.as_ref().map(|live| Arc::clone(&live.source));
        match (action, source) {
            (Action::Create { attempt, resume }, _) => {
                let Some(observed) = self.observed() else {
                    return self.desk.no_create(attempt);
                };
                self.desk.create(attempt, resume, observed);
            }
            (Action::Beat { attempt, session, lease, acked }, _) => {
                let health = self.health();
                self.desk.beat(attempt, session, lease, acked, health);
            }
            (Action::Hold { attempt, session }, _) => {
                let health = self.health();
                self.desk.hold(attempt, &session, &health);
            }
            (Action::Push(push), _) => {
                let window = self.live.as_ref().map_or(NETWORK_CACHE_NS, |live| live.window_ns);
                self.desk.push(push, window);
            }
            (Action::Close { session }, _) => self.given_back = self.desk.close(&session).await,
            (Action::Done { id }, _) => {
                if let Some((job, session)) = self.jobs.take(id).zip(self.client.session()) {
                    self.desk.job_complete(session.0, &job);
                }
            }
            (Action::Scan(reading), Some(source)) => {
                tracing::info!(pipe = self.runner.config.id, ?reading, "a scan begins");
                source.scan(reading);
            }
            (Action::Walk, Some(source)) => source.walk(),
            (Action::Perform(order), Some(source)) => {
                tracing::debug!(pipe = self.runner.config.id, ?order, "ordered");
                source.perform(order);
            }
            // The source that comes next is told by itself.
            (Action::Scan(_) | Action::Walk | Action::Perform(_), None) => {}
        }
    }

    fn observed(&self) -> Option<Observed> {
        let live = self.live.as_ref()?;
        let (root, writers_watched) = (live.root.clone(), live.writers_watched);
        Some(Observed { root, writers_watched, epoch: self.client.epoch() })
    }

    fn health(&mut self) -> Health {
        let now = clock::now();
        let Some(live) = &self.live else {
            return Health { realtime: false, ok: false, progress: Progress::default() };
        };
        let progress = live.source.progress();
        let has_work = progress.directories_left > 0 || progress.queue_len > 0;
        let done = progress.directories + progress.entries + progress.looked;
        // Who is held up by us is not stalled.
        let held_up = Lane::ALL.iter().any(|lane| !self.client.has_room(*lane));
        if done != self.pulse.done || !has_work || held_up {
            self.pulse = Pulse { done, moved: now };
        }
        let ok = now.since(self.pulse.moved) < STALL_NS;
        Health { realtime: self.runner.config.source.watch, ok, progress }
    }

    fn hear(&mut self, heard: Heard) {
        let now = clock::now();
        match heard {
            Heard::Created { attempt, reply, dialect, sentinel_ns } => {
                if let Some(dialect) = dialect {
                    self.desk.dialect = Some(dialect);
                    self.sentinel_ns = sentinel_ns;
                    self.sentinel_due = sentinel_ns.map(|every| now.plus(every));
                    self.jobs = Jobs::default();
                    self.trouble = None;
                }
                self.client.created(now, attempt, reply);
            }
            Heard::Beaten { attempt, reply, exchange } => {
                self.desk.exchange = exchange;
                self.client.beaten(now, attempt, reply);
            }
            Heard::LegacyBeaten { attempt, reply } => {
                let reply = self.jobs.beaten(&reply);
                self.client.beaten(now, attempt, reply);
            }
            Heard::Pushed { attempt, reply, listed } => {
                self.client.pushed(now, attempt, reply);
                let source = self.live.as_ref().map(|live| &live.source);
                for path in listed.into_iter().filter(|_| source.is_some()) {
                    let storage = StorageId(0);
                    let directive = Directive::List { storage, path, recursive: true };
                    source.into_iter().for_each(|source| source.direct(directive.clone()));
                }
            }
            Heard::Held { attempt, reply } => self.client.held(now, attempt, reply),
            Heard::Trouble(text) => {
                if self.trouble.as_deref() != Some(&text) {
                    tracing::warn!(pipe = self.runner.config.id, said = text, "fusion refuses");
                }
                self.trouble = Some(text);
            }
        }
    }

    /// A Python fusion is asked what it wants looked at.
    fn look_after_suspects(&mut self, now: BootTime) {
        if self.sentinel_due.is_none_or(|due| now < due) {
            return;
        }
        self.sentinel_due = self.sentinel_ns.map(|every| now.plus(every));
        let legacy = self.desk.dialect == Some(Dialect::Legacy);
        if legacy && self.client.role(now) == Role::Leader && self.live.is_some() {
            self.desk.sentinel(self.runner.config.source.root.clone());
        }
    }

    fn remember(&mut self) {
        let session = self.client.session().map(|(session, epoch)| (Arc::clone(session), epoch));
        if session.is_some() && session != self.remembered {
            if let Some((session, epoch)) = &session {
                tracing::info!(pipe = self.runner.config.id, %session, "in a session");
                self.runner.config.memory.joined(session, *epoch);
            }
            self.remembered = session;
        }
    }

    fn tell_status(&mut self, now: BootTime) {
        if now.since(self.told) < STATUS_NS {
            return;
        }
        self.told = now;
        let client = self.client.status(clock::now());
        let progress = self.live.as_ref().map(|live| live.source.progress()).unwrap_or_default();
        let session = self.client.session().map(|(session, _)| session.to_string());
        let mut status = self.runner.status.lock().unwrap_or_else(PoisonError::into_inner);
        tell(&mut status, &client, &progress);
        status.session = session;
        status.dialect = match self.desk.dialect {
            Some(Dialect::Native) => "native",
            Some(Dialect::Legacy) => "0.8",
            None => "",
        };
        status.trouble.clone_from(&self.trouble);
        if self.live.is_none() && status.state != "closed" {
            status.state = "no root";
        }
    }
}

fn tell(status: &mut PipeStatus, client: &ClientStatus, progress: &Progress) {
    let now = clock::now();
    let silent = |heard: BootTime| Some(now.since(heard) as f64 / 1e9);
    (status.state, status.role, status.silent_sec) = match client.standing {
        Standing::Apart { since } => ("connecting", "", silent(since)),
        Standing::Joined { role: Role::Leader, heard } => ("connected", "leader", silent(heard)),
        Standing::Joined { role: Role::Follower, heard } => {
            ("connected", "follower", silent(heard))
        }
        Standing::Closed => ("closed", "", None),
    };
    status.sessions = client.sessions;
    status.batches = client.batches;
    status.events = client.events;
    status.waiting = client.waiting;
    status.waiting_bytes = client.waiting_bytes;
    status.overflowed = client.overflowed;
    status.hung_up = client.hung_up;
    status.watches_all = client.watches_all;
    status.scans = client.scans;
    status.directories = progress.directories;
    status.entries = progress.entries;
    status.directories_left = progress.directories_left;
    status.watched = progress.watches;
    status.uncovered = progress.uncovered;
    (status.looked, status.silent) = (progress.looked, progress.silent);
    status.remembered = progress.remembered.0;
    status.oldest_reading_sec = progress.oldest_reading.map(|age| age.as_secs());
}
