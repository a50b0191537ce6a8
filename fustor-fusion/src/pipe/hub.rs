//! All pipes of a process, and what they share: keys, limits, the numbers of agents.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use fustor_core::session::RosterConfig;
use fustor_core::{AgentId, Command, Lane, SessionId, StorageId, View};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::keeper;
use super::running::Pipe;
use super::storage::Storage;
use crate::config::{Config, KeyRing, Limits, PipeSettings};
use crate::host::{Busy, Clock, HostConfig, ViewHost};

/// Agents are numbered below this.
const AGENTS_MAX: u16 = 1 << 13;

/// Why the pipes did not start.
#[derive(Debug, Error)]
pub enum HubError {
    /// More storages than can be numbered.
    #[error("{0} storages are more than can be numbered")]
    Storages(usize),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A view has stopped, or takes no commands.
    #[error("view {view:?} takes no commands: {error}")]
    View {
        /// Which one.
        view: String,
        /// Why.
        error: Busy,
    },
}

/// Everything behind the receivers.
pub struct Hub {
    clock: Arc<Clock>,
    net: Arc<ArcSwap<Net>>,
    keys: ArcSwap<KeyRing>,
    limits: Limits,
    /// Bytes of bodies that may still be taken in, in units of [`Self::BODY_UNIT`].
    bodies: Arc<Semaphore>,
    agents: Mutex<BTreeMap<String, AgentId>>,
    /// Who changes the net holds it.
    workers: Mutex<Workers>,
    runtime: Handle,
}

/// The pipes and storages at one moment.
#[derive(Clone, Default)]
pub(super) struct Net {
    pub(super) storages: BTreeMap<String, Arc<Storage>>,
    pub(super) pipes: BTreeMap<String, Arc<Pipe>>,
}

/// What works for the storages and views.
#[derive(Default)]
struct Workers {
    /// Numbers of storages are not used again.
    storages: usize,
    keepers: BTreeMap<StorageId, tokio::task::JoinHandle<()>>,
    forwarders: BTreeMap<String, JoinHandle<()>>,
}

impl Hub {
    /// In what steps the bytes of bodies are counted.
    pub const BODY_UNIT: usize = 1024;

    /// Starts the pipes of a configuration between these views. Needs a runtime.
    ///
    /// # Errors
    /// [`HubError`]
    pub fn start(
        config: &Config,
        views: &BTreeMap<String, ViewHost>,
        clock: &Arc<Clock>,
    ) -> Result<Arc<Self>, HubError> {
        let hub = Self {
            clock: Arc::clone(clock),
            net: Arc::default(),
            keys: ArcSwap::from_pointee(KeyRing::new(config)),
            limits: config.limits.clone(),
            bodies: Arc::new(Semaphore::new(config.limits.bodies_bytes / Self::BODY_UNIT)),
            agents: Mutex::default(),
            workers: Mutex::default(),
            runtime: Handle::current(),
        };
        let mut workers = hub.workers();
        let net = hub.draw(config, views, &mut workers)?;
        for view in views.values() {
            declare_storages(&net, view)?;
        }
        hub.work(&net, views, &mut workers)?;
        hub.net.store(Arc::new(net));
        drop(workers);
        Ok(Arc::new(hub))
    }

    /// The net of a configuration: what there is already and can stay, and what is new.
    fn draw(
        &self,
        config: &Config,
        views: &BTreeMap<String, ViewHost>,
        workers: &mut Workers,
    ) -> Result<Net, HubError> {
        let (old, mut net) = (self.net.load_full(), Net::default());
        for (id, settings) in &config.pipes {
            let storage = match net.storages.get(&settings.storage) {
                Some(storage) => Arc::clone(storage),
                None => self.storage(settings, views, &old, workers)?,
            };
            net.storages.insert(settings.storage.clone(), Arc::clone(&storage));
            let known = old.pipes.get(id).filter(|pipe| Arc::ptr_eq(pipe.storage(), &storage));
            let pipe = known.map_or_else(
                || Arc::new(Pipe::new(id, storage, settings.clone())),
                |pipe| {
                    pipe.set(settings.clone());
                    Arc::clone(pipe)
                },
            );
            net.pipes.insert(id.clone(), pipe);
        }
        Ok(net)
    }

    fn storage(
        &self,
        settings: &PipeSettings,
        views: &BTreeMap<String, ViewHost>,
        old: &Net,
        workers: &mut Workers,
    ) -> Result<Arc<Storage>, HubError> {
        let known = old.storages.get(&settings.storage);
        if let Some(known) = known.filter(|known| known.is_coherent() == settings.coherent) {
            return Ok(Arc::clone(known));
        }
        let count = workers.storages;
        let id = u16::try_from(count).map_err(|_| HubError::Storages(count))?;
        workers.storages += 1;
        Ok(Arc::new(Storage::new(
            (StorageId(id), &settings.storage),
            roster_config(settings, &self.limits),
            settings.coherent,
            fed(settings, views),
            Arc::clone(&self.clock),
        )))
    }

    /// Starts what is missing to keep the storages and to carry the wishes of the views.
    fn work(
        &self,
        net: &Net,
        views: &BTreeMap<String, ViewHost>,
        workers: &mut Workers,
    ) -> Result<(), HubError> {
        for storage in net.storages.values() {
            let keep = || self.runtime.spawn(keeper::keep(Arc::clone(storage)));
            workers.keepers.entry(storage.id()).or_insert_with(keep);
        }
        for (name, view) in views {
            if workers.forwarders.get(name).is_none_or(JoinHandle::is_finished) {
                let forwarder = keeper::forward(view.clone(), Arc::clone(&self.net));
                let forwarder = forwarder.map_err(HubError::Thread)?;
                workers.forwarders.insert(name.clone(), forwarder);
            }
        }
        Ok(())
    }

    /// Goes over to another configuration between these views. Sessions of storages that stay go on; those of others end.
    /// A view that is among `copies` gets the state of the view named there. Waits for batches under way, so it must not
    /// be called on a thread of the runtime.
    ///
    /// # Errors
    /// [`HubError`]; the net is as it was then.
    pub fn rewire(
        &self,
        config: &Config,
        views: &BTreeMap<String, ViewHost>,
        copies: Vec<Copying>,
    ) -> Result<(), HubError> {
        let mut workers = self.workers();
        let old = self.net.load_full();
        let net = self.draw(config, views, &mut workers)?;
        self.keys.store(Arc::new(KeyRing::new(config)));
        for settings in config.pipes.values() {
            let Some(storage) = net.storages.get(&settings.storage) else { continue };
            let roster = roster_config(settings, &self.limits);
            storage.act(|sessions, _| sessions.reconfigure(roster));
            let fed = fed(settings, views);
            if !storage.views().iter().map(ViewHost::name).eq(fed.iter().map(ViewHost::name)) {
                storage.feed(fed);
            }
        }
        // Every batch that the sibling has not yet got reaches the copy too, from here on.
        for Copying { from, host, sender } in copies {
            from.copy_to(host, sender);
        }
        self.work(&net, views, &mut workers)?;
        let net = Arc::new(net);
        self.net.store(Arc::clone(&net));
        drop(workers);
        self.settle(&old, &net, views)
    }

    /// Lets go of storages that are no more, and tells the views whom they show.
    fn settle(
        &self,
        old: &Net,
        net: &Net,
        views: &BTreeMap<String, ViewHost>,
    ) -> Result<(), HubError> {
        let stays = |gone: &Storage| net.storages.values().any(|one| one.id() == gone.id());
        let gone = old.storages.values().filter(|storage| !stays(storage));
        for storage in gone {
            storage.end_sessions();
            if let Some(keeper) = self.workers().keepers.remove(&storage.id()) {
                keeper.abort();
            }
        }
        // Most hear what they know.
        views.values().try_for_each(|view| declare_storages(net, view))
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment.
    #[must_use]
    pub const fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// All pipes, in the order of their ids.
    #[must_use]
    pub fn pipes(&self) -> Vec<Arc<Pipe>> {
        self.net.load().pipes.values().cloned().collect()
    }

    /// One pipe.
    #[must_use]
    pub fn pipe(&self, id: &str) -> Option<Arc<Pipe>> {
        self.net.load().pipes.get(id).cloned()
    }

    /// All storages, in the order of their names.
    #[must_use]
    pub fn storages(&self) -> Vec<Arc<Storage>> {
        self.net.load().storages.values().cloned().collect()
    }

    /// The storages that feed a view: nearly always one.
    #[must_use]
    pub fn storages_of_view(&self, view: &str) -> Vec<Arc<Storage>> {
        let feeds = |storage: &&Arc<Storage>| storage.feeds(view);
        self.net.load().storages.values().filter(feeds).cloned().collect()
    }

    /// The pipes of a storage.
    #[must_use]
    pub fn pipes_of(&self, storage: &Storage) -> Vec<Arc<Pipe>> {
        let own = |pipe: &&Arc<Pipe>| pipe.storage().id() == storage.id();
        self.net.load().pipes.values().filter(own).cloned().collect()
    }

    /// The pipe of a session.
    #[must_use]
    pub fn pipe_of_session(&self, id: SessionId) -> Option<Arc<Pipe>> {
        let net = self.net.load();
        let pipe = net.storages.values().find_map(|storage| storage.pipe_of(id))?;
        net.pipes.get(&*pipe).cloned()
    }

    /// The keys that are valid at present.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.load_full()
    }

    /// What strangers and agents may cost.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The bytes of bodies that may still be taken in.
    #[must_use]
    pub const fn bodies(&self) -> &Arc<Semaphore> {
        &self.bodies
    }

    /// The number of an agent, the same for the life of the process; `None` when there are no more numbers.
    #[must_use]
    pub fn agent(&self, name: &str) -> Option<AgentId> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = agents.get(name) {
            return Some(*known);
        }
        let next = u16::try_from(agents.len() + 1).ok().filter(|next| *next < AGENTS_MAX)?;
        agents.insert(name.to_owned(), AgentId(next));
        Some(AgentId(next))
    }

    /// Stops what keeps deadlines and carries wishes. The views must have been stopped before: that ends the latter.
    pub fn stop(&self) {
        let Workers { keepers, forwarders, .. } = std::mem::take(&mut *self.workers());
        keepers.into_values().for_each(|keeper| keeper.abort());
        for forwarder in forwarders.into_values() {
            if forwarder.join().is_err() {
                tracing::error!("a thread that carries wishes died");
            }
        }
    }
}

/// A new view, and the one whose state it begins with.
pub struct Copying {
    /// Who has the state.
    pub from: ViewHost,
    /// The rules of the new one.
    pub host: HostConfig,
    /// Where the new one waits for it.
    pub sender: SyncSender<View>,
}

fn fed(settings: &PipeSettings, views: &BTreeMap<String, ViewHost>) -> Vec<ViewHost> {
    settings.views.iter().filter_map(|view| views.get(view)).cloned().collect()
}

/// Tells a view whom it shows, so that it is not complete before each of them is.
fn declare_storages(net: &Net, view: &ViewHost) -> Result<(), HubError> {
    let feeding = net.storages.values().filter(|storage| storage.feeds(view.name()));
    let ids = feeding.map(|storage| storage.id()).collect();
    let receipt = view.submit(Lane::Control, Command::Storages(ids));
    let busy = |error| HubError::View { view: view.name().to_owned(), error };
    receipt.map(drop).map_err(busy)
}

fn roster_config(settings: &PipeSettings, limits: &Limits) -> RosterConfig {
    RosterConfig {
        timeout_ns: i64::try_from(settings.session_timeout.as_nanos()).unwrap_or(i64::MAX),
        concurrent: settings.concurrent,
        in_flight: limits.in_flight,
        max_sessions: limits.sessions,
        ..RosterConfig::default()
    }
}
