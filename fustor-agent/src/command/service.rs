//! The running process: its pipes, the answers about them, and their change when the files have changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::program::control::Question;
use crate::program::log::Log;
use crate::program::yaml::Report;
use crate::program::{did_you_mean, yaml};
use crate::push::{FusionConfig, FusionError, Memory, Pipe, PipeConfig};
use crate::settings::{Config, PipeSettings, read};

/// How the process was started.
pub struct Options {
    /// The directory of the configuration.
    pub dir: PathBuf,
    /// The directory in which pipes remember.
    pub state: PathBuf,
    /// What the command line says beside the files.
    pub adjust: Box<dyn Fn(&mut Config) + Send + Sync>,
    /// The id of this agent.
    pub agent: String,
    /// The name of this host.
    pub host: String,
    /// The log, whose level may change.
    pub log: Option<Log>,
}

/// All pipes of a process.
pub struct Service {
    options: Options,
    runtime: Handle,
    began: Instant,
    pipes: Mutex<BTreeMap<String, (PipeSettings, Pipe)>>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl Service {
    /// Starts the pipes of a configuration.
    ///
    /// # Errors
    /// [`FusionError`] of the first pipe that cannot be started.
    pub fn start(
        runtime: &Handle,
        config: Config,
        options: Options,
    ) -> Result<Arc<Self>, FusionError> {
        let service = Self {
            options,
            runtime: runtime.clone(),
            began: Instant::now(),
            pipes: Mutex::default(),
            changing: Mutex::default(),
        };
        for (id, settings) in config.pipes {
            let pipe = service.start_pipe(&id, &settings)?;
            service.pipes().insert(id, (settings, pipe));
        }
        Ok(Arc::new(service))
    }

    fn pipes(&self) -> MutexGuard<'_, BTreeMap<String, (PipeSettings, Pipe)>> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_pipe(&self, id: &str, settings: &PipeSettings) -> Result<Pipe, FusionError> {
        let told = &settings.told;
        let config = PipeConfig {
            id: id.to_owned(),
            agent: self.options.agent.clone(),
            host: self.options.host.clone(),
            source: settings.observed.config.clone(),
            fusion: FusionConfig {
                uri: told.uri.clone(),
                key: told.key.clone(),
                timeout: told.timeout,
                speech: told.speech,
                compression: told.compression,
            },
            session_timeout: settings.session_timeout,
            snapshot: settings.observed.snapshot,
            memory: Memory::new(self.options.state.join(format!("{}.json", plain(id)))),
        };
        tracing::info!(pipe = id, root = %config.source.root.display(), fusion = told.uri, "started");
        Pipe::start(&self.runtime, config)
    }

    /// The answer to a question of another process. Not to be called from a task.
    pub fn answer(self: &Arc<Self>, question: Question, stop: impl FnOnce()) -> Value {
        match question {
            Question::Status { pipe } => self.status(pipe.as_deref()),
            Question::List => self.list(),
            Question::Reload => self.reload(),
            Question::Stop => {
                stop();
                json!({ "stopping": true })
            }
        }
    }

    fn status(&self, pipe: Option<&str>) -> Value {
        let pipes = self.pipes();
        let known: Vec<&str> = pipes.keys().map(String::as_str).collect();
        if let Some(unknown) = pipe.filter(|pipe| !known.contains(pipe)) {
            let hint = did_you_mean(unknown, &known);
            return json!({ "error": format!("no pipe {unknown:?} runs{hint}") });
        }
        let chosen = pipes.iter().filter(|(id, _)| pipe.is_none_or(|pipe| pipe == id.as_str()));
        let pipes: BTreeMap<_, _> =
            chosen.map(|(id, (_, pipe))| (id.clone(), json!(pipe.status()))).collect();
        json!({
            "pid": std::process::id(),
            "agent_id": self.options.agent,
            "host": self.options.host,
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_sec": self.began.elapsed().as_secs(),
            "pipes": pipes,
        })
    }

    fn list(&self) -> Value {
        let shown = |settings: &PipeSettings| {
            json!({
                "source": settings.source,
                "root": settings.observed.config.root.display().to_string(),
                "sender": settings.sender,
                "fusion": settings.told.uri,
                "file": settings.file.display().to_string(),
            })
        };
        let pipes = self.pipes();
        let pipes: BTreeMap<_, _> =
            pipes.iter().map(|(id, (settings, _))| (id.clone(), shown(settings))).collect();
        json!({ "pid": std::process::id(), "agent_id": self.options.agent, "pipes": pipes })
    }

    /// Reads the files again and changes what differs. Not to be called from a task.
    pub fn reload(&self) -> Value {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let report = Report::default();
        let config = read(&self.options.dir, &report);
        let lines = |remarks: Vec<yaml::Remark>| -> Vec<String> {
            remarks.iter().map(ToString::to_string).collect()
        };
        let (warnings, mut faults) = (lines(report.warnings()), lines(report.faults()));
        let mut changed = Vec::new();
        if let Some(mut config) = config {
            (self.options.adjust)(&mut config);
            if let Some(log) = &self.options.log {
                log.set_level(config.log_level);
            }
            if config.agent_id.as_ref().is_some_and(|id| *id != self.options.agent) {
                faults.push("agent_id: another id takes effect at the next start".to_owned());
            }
            self.change(config, &mut changed, &mut faults);
        }
        let reloaded = faults.is_empty();
        tracing::info!(?changed, ?faults, "the configuration was read again");
        json!({
            "reloaded": reloaded, "changed": changed, "warnings": warnings, "faults": faults,
        })
    }

    fn change(&self, config: Config, changed: &mut Vec<String>, faults: &mut Vec<String>) {
        let leaves = |id: &String, settings: &PipeSettings| {
            config.pipes.get(id).is_none_or(|new| !new.is_same(settings))
        };
        let leaving: Vec<_> = self.pipes().extract_if(.., |id, (old, _)| leaves(id, old)).collect();
        for (id, (_, pipe)) in leaving {
            self.runtime.block_on(pipe.stop());
            changed.push(format!("stopped {id}"));
        }
        for (id, settings) in config.pipes {
            if self.pipes().contains_key(&id) {
                continue;
            }
            match self.start_pipe(&id, &settings) {
                Ok(pipe) => {
                    changed.push(format!("started {id}"));
                    self.pipes().insert(id, (settings, pipe));
                }
                Err(error) => faults.push(format!("{id}: {error}")),
            }
        }
    }

    /// Ends all pipes, each within a few seconds.
    pub async fn stop(&self) {
        let pipes = std::mem::take(&mut *self.pipes());
        let mut ending = tokio::task::JoinSet::new();
        for (_, pipe) in pipes.into_values() {
            ending.spawn(pipe.stop());
        }
        while let Some(ended) = ending.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a pipe died");
            }
        }
    }
}

/// An id as the name of a file, different for different ids.
fn plain(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_stay_in_their_directory_and_apart() {
        assert_eq!(plain("pipe-1_a"), "pipe-1_a");
        assert_eq!(plain("../x"), "%2e%2e%2fx");
        assert_ne!(plain("a.b"), plain("a%2eb"));
    }
}
