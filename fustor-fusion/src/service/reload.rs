//! What a new reading of the configuration changes, and what it cannot change while the process runs.

use std::collections::BTreeMap;

use fustor_agent::program::yaml::Remark;
use serde_json::{Value, json};

use crate::config::{Config, KeyRing, PipeSettings, ViewSettings};

/// What came of reading the configuration again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reloaded {
    /// What is new.
    pub added: Vec<String>,
    /// What is no more.
    pub removed: Vec<String>,
    /// What is other than it was.
    pub changed: Vec<String>,
    /// What did not take effect, and why.
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
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "refused": refused.collect::<Vec<_>>(),
            "faults": self.faults,
            "warnings": self.warnings,
        })
    }

    fn restart(&mut self, what: String, differs: bool) {
        if differs {
            self.refused.push((what, "takes effect at the next start".to_owned()));
        }
    }

    fn change(&mut self, what: String, differs: bool) {
        if differs {
            self.changed.push(what);
        }
    }

    /// Notes what is there on one side only; gives what is on both.
    fn pair<'a, T>(
        &mut self,
        kind: &str,
        running: &'a BTreeMap<String, T>,
        next: &'a mut BTreeMap<String, T>,
    ) -> Vec<(&'a String, &'a T, &'a mut T)> {
        let gone = running.keys().filter(|id| !next.contains_key(*id));
        self.removed.extend(gone.map(|id| format!("{kind} {id:?}")));
        let mut both = Vec::new();
        for (id, new) in next {
            match running.get(id) {
                Some(old) => both.push((id, old, new)),
                None => self.added.push(format!("{kind} {id:?}")),
            }
        }
        both
    }
}

/// Compares what runs with what is wanted: the configuration that will run, and what to say.
#[must_use]
pub fn compare(running: &Config, wanted: &Config) -> (Config, Reloaded) {
    let mut next = wanted.clone();
    let mut said = Reloaded::default();
    let level = format!("log level: {}", wanted.log_level.directive());
    said.change(level, running.log_level != wanted.log_level);
    said.restart("host".to_owned(), running.host != wanted.host);
    said.restart("port".to_owned(), running.port != wanted.port);
    said.restart("limits".to_owned(), running.limits != wanted.limits);
    next.host.clone_from(&running.host);
    next.port = running.port;
    next.limits = running.limits.clone();
    for (id, old, new) in said.pair("receiver", &running.receivers, &mut next.receivers) {
        let moved = (&old.bind_host, old.port) != (&new.bind_host, new.port);
        said.change(format!("address of receiver {id:?}"), moved);
    }
    for (id, old, new) in said.pair("view", &running.views, &mut next.views) {
        said.change(
            format!("max_tree_items of view {id:?}"),
            old.max_tree_items != new.max_tree_items,
        );
        let kept = ViewSettings {
            keys: new.keys.clone(),
            max_tree_items: new.max_tree_items,
            ..old.clone()
        };
        said.restart(format!("other driver_params of view {id:?}"), kept != *new);
        *new = kept;
    }
    for (id, old, new) in said.pair("pipe", &running.pipes, &mut next.pipes) {
        said.change(format!("receiver of pipe {id:?}"), old.receiver != new.receiver);
        said.change(format!("views of pipe {id:?}"), old.views != new.views);
        let storage = (&old.storage, old.coherent) != (&new.storage, new.coherent);
        said.change(format!("storage of pipe {id:?}"), storage);
        said.change(format!("intervals and sessions of pipe {id:?}"), pace(old) != pace(new));
    }
    said.change("keys".to_owned(), KeyRing::new(running) != KeyRing::new(&next));
    (next, said)
}

fn pace(pipe: &PipeSettings) -> (bool, std::time::Duration, f64, f64) {
    (pipe.concurrent, pipe.session_timeout, pipe.audit_interval_sec, pipe.sentinel_interval_sec)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use fustor_agent::program::log::Level;

    use super::*;
    use crate::config::{Digest, Grant, PushKey, ReceiverSettings};

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
    fn what_comes_and_goes_is_told_and_what_needs_a_start_is_refused() {
        let mut wanted = config();
        wanted.port = 1;
        wanted.views.insert("w".into(), ViewSettings::default());
        let view = wanted.views.get_mut("v").unwrap();
        (view.max_nodes, view.max_tree_items) = (7, Some(8));
        wanted.receivers.get_mut("r").unwrap().port = 9;
        let pipe = wanted.pipes.remove("p").unwrap();
        wanted.pipes.insert("q".into(), pipe);
        let (next, said) = compare(&config(), &wanted);
        let refused: Vec<&str> = said.refused.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(refused, ["port", "other driver_params of view \"v\""]);
        assert_eq!(said.added, ["view \"w\"", "pipe \"q\""]);
        assert_eq!(said.removed, ["pipe \"p\""]);
        assert_eq!(said.changed, ["address of receiver \"r\"", "max_tree_items of view \"v\""]);
        assert_eq!((next.port, next.views["v"].max_nodes, next.receivers["r"].port), (8101, 0, 9));
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
