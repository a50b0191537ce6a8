//! What a new reading of the configuration changes, and what it cannot change while the process runs.

use fustor_agent::program::yaml::Remark;
use serde_json::{Value, json};

use crate::config::{Config, KeyRing, PipeSettings};

/// What came of reading the configuration again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reloaded {
    /// What took effect.
    pub changed: Vec<String>,
    /// What did not, and why.
    pub refused: Vec<(String, String)>,
    /// Why nothing was looked at.
    pub faults: Vec<String>,
    /// What is odd.
    pub warnings: Vec<String>,
}

impl Reloaded {
    /// A configuration with these faults changes nothing.
    #[must_use]
    pub fn faulty(faults: &[Remark]) -> Self {
        Self { faults: faults.iter().map(ToString::to_string).collect(), ..Self::default() }
    }

    /// Whether all that was wanted took effect.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.faults.is_empty() && self.refused.is_empty()
    }

    /// For those who asked.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let refused = self.refused.iter().map(|(what, why)| json!({"what": what, "reason": why}));
        json!({
            "reloaded": self.is_complete(),
            "changed": self.changed,
            "refused": refused.collect::<Vec<_>>(),
            "faults": self.faults,
            "warnings": self.warnings,
        })
    }
}

const RESTART: &str = "takes effect at the next start";

/// Compares what runs with what is wanted: the configuration that will run, and what to say.
#[must_use]
pub fn compare(running: &Config, wanted: &Config) -> (Config, Reloaded) {
    let mut next = running.clone();
    let mut said = Reloaded::default();
    if running.log_level != wanted.log_level {
        next.log_level = wanted.log_level;
        said.changed.push(format!("log level: {}", wanted.log_level.directive()));
    }
    let refuse = |said: &mut Reloaded, what: &str, differs: bool| {
        if differs {
            said.refused.push((what.to_owned(), RESTART.to_owned()));
        }
    };
    refuse(&mut said, "host", running.host != wanted.host);
    refuse(&mut said, "port", running.port != wanted.port);
    refuse(&mut said, "limits", running.limits != wanted.limits);
    next.admin_keys.clone_from(&wanted.admin_keys);
    receivers(&mut next, wanted, &mut said);
    views(&mut next, wanted, &mut said);
    pipes(&mut next, wanted, &mut said);
    // A key of a pipe that does not run is good for nothing.
    let pipes = &next.pipes;
    for receiver in next.receivers.values_mut() {
        receiver.keys.retain(|key| pipes.contains_key(&key.pipe));
    }
    if KeyRing::new(running) != KeyRing::new(&next) {
        said.changed.push("keys".to_owned());
    }
    (next, said)
}

/// Notes what is there only once; gives what is there twice.
fn pair<'a, T>(
    kind: &str,
    (id, own): (&String, &'a mut T),
    wanted: &'a std::collections::BTreeMap<String, T>,
    said: &mut Reloaded,
) -> Option<(&'a mut T, &'a T)> {
    let other = wanted.get(id);
    if other.is_none() {
        said.refused.push((format!("{kind} {id:?} removed"), RESTART.to_owned()));
    }
    other.map(|other| (own, other))
}

fn note_new<T>(
    kind: &str,
    running: &std::collections::BTreeMap<String, T>,
    wanted: &std::collections::BTreeMap<String, T>,
    said: &mut Reloaded,
) {
    for id in wanted.keys().filter(|id| !running.contains_key(*id)) {
        said.refused.push((format!("{kind} {id:?} added"), RESTART.to_owned()));
    }
}

fn receivers(next: &mut Config, wanted: &Config, said: &mut Reloaded) {
    note_new("receiver", &next.receivers, &wanted.receivers, said);
    for (id, receiver) in &mut next.receivers {
        let Some((own, other)) = pair("receiver", (id, receiver), &wanted.receivers, said) else {
            own_no_keys(receiver);
            continue;
        };
        own.keys.clone_from(&other.keys);
        if own.port != other.port || own.bind_host != other.bind_host {
            said.refused.push((format!("address of receiver {id:?}"), RESTART.to_owned()));
        }
    }
}

/// A receiver that is no longer wanted runs on, but nobody may report to it any more.
fn own_no_keys(receiver: &mut crate::config::ReceiverSettings) {
    receiver.keys.clear();
}

fn views(next: &mut Config, wanted: &Config, said: &mut Reloaded) {
    note_new("view", &next.views, &wanted.views, said);
    for (id, view) in &mut next.views {
        let Some(other) = wanted.views.get(id) else {
            said.refused.push((format!("view {id:?} removed"), RESTART.to_owned()));
            view.keys.clear();
            continue;
        };
        view.keys.clone_from(&other.keys);
        if *view != *other {
            said.refused.push((format!("driver_params of view {id:?}"), RESTART.to_owned()));
        }
    }
}

fn pipes(next: &mut Config, wanted: &Config, said: &mut Reloaded) {
    note_new("pipe", &next.pipes, &wanted.pipes, said);
    for (id, pipe) in &mut next.pipes {
        let Some((own, other)) = pair("pipe", (id, pipe), &wanted.pipes, said) else { continue };
        let before = own.clone();
        own.concurrent = other.concurrent;
        own.session_timeout = other.session_timeout;
        own.audit_interval_sec = other.audit_interval_sec;
        own.sentinel_interval_sec = other.sentinel_interval_sec;
        if *own != before {
            said.changed.push(format!("intervals and sessions of pipe {id:?}"));
        }
        if ways(own) != ways(other) {
            let what = format!("receiver, views, storage or coherent of pipe {id:?}");
            said.refused.push((what, RESTART.to_owned()));
        }
    }
}

fn ways(pipe: &PipeSettings) -> (&str, &[String], &str, bool) {
    (&pipe.receiver, &pipe.views, &pipe.storage, pipe.coherent)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use fustor_agent::program::log::Level;

    use super::*;
    use crate::config::{Digest, Grant, PushKey, ReceiverSettings, ViewSettings};

    fn config() -> Config {
        let digest = Digest::of(b"push");
        let receiver = ReceiverSettings {
            bind_host: "0.0.0.0".into(),
            port: 8102,
            keys: vec![PushKey { digest, pipe: "p".into() }],
        };
        let pipe = PipeSettings {
            file: Arc::from(Path::new("a.yaml")),
            receiver: "r".into(),
            views: vec!["v".into()],
            storage: "p".into(),
            coherent: false,
            concurrent: true,
            session_timeout: Duration::from_secs(30),
            audit_interval_sec: 600.0,
            sentinel_interval_sec: 120.0,
        };
        Config {
            receivers: BTreeMap::from([("r".into(), receiver)]),
            views: BTreeMap::from([("v".into(), ViewSettings::default())]),
            pipes: BTreeMap::from([("p".into(), pipe)]),
            ..Config::default()
        }
    }

    #[test]
    fn the_same_configuration_changes_nothing() {
        let (next, said) = compare(&config(), &config());
        assert_eq!((next, said), (config(), Reloaded::default()));
    }

    #[test]
    fn keys_intervals_and_the_log_level_take_effect() {
        let mut wanted = config();
        wanted.log_level = Level::Debug;
        wanted.admin_keys.push(Digest::of(b"admin"));
        wanted.pipes.get_mut("p").unwrap().audit_interval_sec = 1.0;
        let (next, said) = compare(&config(), &wanted);
        assert!(said.is_complete(), "{said:?}");
        assert_eq!(said.changed.len(), 3, "{said:?}");
        assert_eq!(next, wanted);
    }

    #[test]
    fn what_needs_a_start_is_refused_by_name() {
        let mut wanted = config();
        wanted.port = 1;
        wanted.views.insert("w".into(), ViewSettings::default());
        wanted.views.get_mut("v").unwrap().max_nodes = 7;
        wanted.receivers.get_mut("r").unwrap().port = 9;
        let pipe = wanted.pipes.remove("p").unwrap();
        wanted.pipes.insert("q".into(), pipe);
        let (next, said) = compare(&config(), &wanted);
        let refused: Vec<&str> = said.refused.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(
            refused,
            [
                "port",
                "address of receiver \"r\"",
                "view \"w\" added",
                "driver_params of view \"v\"",
                "pipe \"q\" added",
                "pipe \"p\" removed",
            ]
        );
        assert!(next.pipes.contains_key("p") && !next.views.contains_key("w"));
    }

    #[test]
    fn a_key_that_is_gone_is_good_for_nothing_at_once() {
        let mut wanted = config();
        wanted.receivers.get_mut("r").unwrap().keys[0].digest = Digest::of(b"other");
        let (next, _) = compare(&config(), &wanted);
        let ring = KeyRing::new(&next);
        assert_eq!(ring.find(b"push"), None);
        assert_eq!(ring.find(b"other"), Some(&Grant::Push { pipe: "p".into() }));
    }
}
