//! All pipes of a process, and what they share: keys, limits, the numbers of agents.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use fustor_core::session::RosterConfig;
use fustor_core::{AgentId, Command, Lane, SessionId, StorageId};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::keeper;
use super::running::Pipe;
use super::storage::Storage;
use crate::config::{Config, KeyRing, Limits, PipeSettings};
use crate::host::{Busy, Clock, ViewHost};

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
    storages: BTreeMap<String, Arc<Storage>>,
    pipes: BTreeMap<String, Arc<Pipe>>,
    keys: ArcSwap<KeyRing>,
    limits: Limits,
    /// Bytes of bodies that may still be taken in, in units of [`Self::BODY_UNIT`].
    bodies: Arc<Semaphore>,
    agents: Mutex<BTreeMap<String, AgentId>>,
    keepers: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    forwarders: Mutex<Vec<JoinHandle<()>>>,
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
        let mut hub = Self {
            clock: Arc::clone(clock),
            storages: BTreeMap::new(),
            pipes: BTreeMap::new(),
            keys: ArcSwap::from_pointee(KeyRing::new(config)),
            limits: config.limits.clone(),
            bodies: Arc::new(Semaphore::new(config.limits.bodies_bytes / Self::BODY_UNIT)),
            agents: Mutex::default(),
            keepers: Mutex::default(),
            forwarders: Mutex::default(),
        };
        for (id, settings) in &config.pipes {
            let storage = hub.storage(settings, views)?;
            let pipe = Pipe::new(id, storage, settings.clone());
            hub.pipes.insert(id.clone(), Arc::new(pipe));
        }
        for view in views.values() {
            hub.declare_storages(view)?;
        }
        let hub = Arc::new(hub);
        hub.keep()?;
        Ok(hub)
    }

    /// Tells a view whom it shows, so that it is not complete before each of them is.
    fn declare_storages(&self, view: &ViewHost) -> Result<(), HubError> {
        let ids = self.storages_of_view(view.name()).map(|storage| storage.id()).collect();
        let receipt = view.submit(Lane::Control, Command::Storages(ids));
        let busy = |error| HubError::View { view: view.name().to_owned(), error };
        receipt.map(drop).map_err(busy)
    }

    fn storage(
        &mut self,
        settings: &PipeSettings,
        views: &BTreeMap<String, ViewHost>,
    ) -> Result<Arc<Storage>, HubError> {
        if let Some(known) = self.storages.get(&settings.storage) {
            return Ok(Arc::clone(known));
        }
        let count = self.storages.len();
        let id = u16::try_from(count).map_err(|_| HubError::Storages(count))?;
        let fed = settings.views.iter().filter_map(|view| views.get(view)).cloned().collect();
        let storage = Arc::new(Storage::new(
            (StorageId(id), &settings.storage),
            roster_config(settings, &self.limits),
            settings.coherent,
            fed,
            Arc::clone(&self.clock),
        ));
        self.storages.insert(settings.storage.clone(), Arc::clone(&storage));
        Ok(storage)
    }

    fn keep(&self) -> Result<(), HubError> {
        let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut forwarders = self.forwarders.lock().unwrap_or_else(PoisonError::into_inner);
        for storage in self.storages.values() {
            keepers.push(tokio::spawn(keeper::keep(Arc::clone(storage))));
            for view in storage.views() {
                let forwarder = keeper::forward(view.clone(), Arc::clone(storage));
                forwarders.push(forwarder.map_err(HubError::Thread)?);
            }
        }
        Ok(())
    }

    /// The present moment.
    #[must_use]
    pub const fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// All pipes, by id.
    #[must_use]
    pub const fn pipes(&self) -> &BTreeMap<String, Arc<Pipe>> {
        &self.pipes
    }

    /// All storages, by name.
    pub fn storages(&self) -> impl Iterator<Item = &Arc<Storage>> {
        self.storages.values()
    }

    /// The storages that feed a view: nearly always one.
    pub fn storages_of_view(&self, view: &str) -> impl Iterator<Item = &Arc<Storage>> {
        self.storages.values().filter(move |storage| storage.feeds(view))
    }

    /// The pipes of a storage.
    pub fn pipes_of(&self, storage: &Storage) -> impl Iterator<Item = &Arc<Pipe>> {
        self.pipes.values().filter(move |pipe| pipe.storage().name() == storage.name())
    }

    /// The pipe of a session.
    #[must_use]
    pub fn pipe_of_session(&self, id: SessionId) -> Option<&Arc<Pipe>> {
        let pipe = self.storages.values().find_map(|storage| storage.pipe_of(id))?;
        self.pipes.get(&*pipe)
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

    /// Takes over keys and those settings of pipes that can change while sessions go on.
    pub fn reconfigure(&self, config: &Config) {
        self.keys.store(Arc::new(KeyRing::new(config)));
        for (id, settings) in &config.pipes {
            let Some(pipe) = self.pipes.get(id) else { continue };
            pipe.set(settings.clone());
            let roster = roster_config(settings, &self.limits);
            pipe.storage().act(|sessions, _| sessions.reconfigure(roster));
        }
    }

    /// Stops what keeps deadlines and carries wishes. The views must have been stopped before: that ends the latter.
    pub fn stop(&self) {
        let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        keepers.drain(..).for_each(|keeper| keeper.abort());
        drop(keepers);
        let forwarders =
            std::mem::take(&mut *self.forwarders.lock().unwrap_or_else(PoisonError::into_inner));
        for forwarder in forwarders {
            if forwarder.join().is_err() {
                tracing::error!("a thread that carries wishes died");
            }
        }
    }
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
