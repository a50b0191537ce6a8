//! Looks at receivers, views, pipes and keys together: what refers to nothing, and what cannot be meant.

use std::collections::BTreeMap;

use fustor_agent::program::did_you_mean;
use fustor_agent::program::yaml::{Marked, Name, Report};

use super::keys::Digest;
use super::read::{Draft, Drafts, PipeDraft, ReceiverDraft};
use super::settings::{Config, PipeSettings};

/// Puts the parts into `base`. What is disabled is left out, with the pipes that cannot work without it.
pub(super) fn resolve(base: Config, drafts: Drafts, report: &Report) -> Config {
    refer(&drafts, report);
    compare_keys(&drafts, report);
    let Drafts { receivers, views, pipes, admin_keys } = drafts;
    let mut config = base;
    config.admin_keys = admin_keys.into_iter().map(|key| key.value).collect();
    for view in views.into_iter().filter(|view| !view.disabled) {
        config.views.insert(view.name.text, view.settings.settings);
    }
    for receiver in receivers.into_iter().filter(|receiver| !receiver.disabled) {
        config.receivers.insert(receiver.name.text, receiver.settings.settings);
    }
    for pipe in pipes.into_iter().filter(|pipe| !pipe.disabled) {
        if let Some(settings) = usable(&pipe, &config, report) {
            config.pipes.insert(pipe.name.text, settings);
        }
    }
    let pipes = &config.pipes;
    for receiver in config.receivers.values_mut() {
        receiver.keys.retain(|key| pipes.contains_key(&key.pipe));
    }
    if report.is_fine() {
        compare_ports(&config, report);
        compare_storages(&config, report);
    }
    config
}

/// Whether every word that names something else names something that is there.
fn refer(drafts: &Drafts, report: &Report) {
    let receivers = names(&drafts.receivers);
    let views = names(&drafts.views);
    let pipes = names(&drafts.pipes);
    for pipe in &drafts.pipes {
        let at = format!("pipe {:?}", pipe.name.text);
        if let Some(receiver) = &pipe.settings.receiver {
            find(&at, "receiver", receiver, &receivers, report);
        }
        for (i, view) in pipe.settings.views.iter().enumerate() {
            find(&at, "view", view, &views, report);
            if pipe.settings.views[..i].iter().any(|earlier| earlier.value == view.value) {
                report.fault(&view.place, format!("{at} names view {:?} twice", view.value));
            }
        }
    }
    for receiver in &drafts.receivers {
        let at = format!("a key of receiver {:?}", receiver.name.text);
        for (_, pipe) in &receiver.settings.keys {
            if find(&at, "pipe", pipe, &pipes, report) {
                is_its_receiver(receiver, pipe, &drafts.pipes, report);
            }
        }
    }
}

fn names<T>(drafts: &[Draft<T>]) -> Vec<&str> {
    drafts.iter().map(|draft| draft.name.text.as_str()).collect()
}

fn find(at: &str, kind: &str, named: &Marked<String>, known: &[&str], report: &Report) -> bool {
    let there = known.contains(&named.value.as_str());
    if !there {
        let hint = did_you_mean(&named.value, known);
        let text = format!("{at} names {kind} {:?}, which is not defined{hint}", named.value);
        report.fault(&named.place, text);
    }
    there
}

/// A key admits to a pipe only where the pipe is served.
fn is_its_receiver(
    receiver: &Draft<ReceiverDraft>,
    named: &Marked<String>,
    pipes: &[Draft<PipeDraft>],
    report: &Report,
) {
    let pipe = pipes.iter().find(|pipe| pipe.name.text == named.value);
    let other = pipe
        .and_then(|pipe| pipe.settings.receiver.as_ref())
        .filter(|other| other.value != receiver.name.text);
    if let Some(other) = other {
        let text = format!(
            "a key of receiver {:?} names pipe {:?}, which is served by receiver {:?}",
            receiver.name.text, named.value, other.value
        );
        report.fault(&named.place, text);
    }
}

/// One key may not be good for two things, except for several views.
fn compare_keys(drafts: &Drafts, report: &Report) {
    #[derive(PartialEq)]
    enum Use<'a> {
        Push(&'a str),
        Query,
        Admin,
    }
    let push = drafts.receivers.iter().flat_map(|receiver| &receiver.settings.keys);
    let push = push.map(|(key, pipe)| (key, Use::Push(&pipe.value)));
    let query = drafts.views.iter().flat_map(|view| &view.settings.keys);
    let query = query.map(|key| (key, Use::Query));
    let admin = drafts.admin_keys.iter().map(|key| (key, Use::Admin));
    let mut known: BTreeMap<Digest, (&Marked<Digest>, Use<'_>)> = BTreeMap::new();
    for (key, purpose) in push.chain(query).chain(admin) {
        match known.get(&key.value) {
            Some((first, other)) if *other != purpose => {
                let text =
                    format!("this key is good for something else already, see {}", first.place);
                report.fault(&key.place, text);
            }
            Some(_) => (),
            None => {
                known.insert(key.value, (key, purpose));
            }
        }
    }
}

/// The pipe without what is disabled; `None` if that leaves nothing to do.
fn usable(pipe: &Draft<PipeDraft>, config: &Config, report: &Report) -> Option<PipeSettings> {
    let Draft { name, settings, .. } = pipe;
    let mut settings = settings.settings.clone();
    if !config.receivers.contains_key(&settings.receiver) {
        idle(name, &format!("its receiver {:?} is disabled", settings.receiver), report);
        return None;
    }
    settings.views.retain(|view| config.views.contains_key(view));
    if settings.views.is_empty() {
        idle(name, "all its views are disabled", report);
        return None;
    }
    Some(settings)
}

fn idle(name: &Name, reason: &str, report: &Report) {
    report.warn(&name.place, format!("pipe {:?} is not started: {reason}", name.text));
}

/// Receivers may share a port, as in 0.8, if they mean the same address.
fn compare_ports(config: &Config, report: &Report) {
    let place = |pipe: &PipeSettings| fustor_agent::program::yaml::Place::file(&pipe.file);
    let mut hosts: BTreeMap<u16, (&str, &str)> = BTreeMap::new();
    for (id, receiver) in &config.receivers {
        let port = receiver.port;
        let Some((other, host)) = hosts.insert(port, (id, &receiver.bind_host)) else { continue };
        let file = config.pipes.values().find(|pipe| pipe.receiver == *id).map(place);
        if let (true, Some(file)) = (port != 0 && host != receiver.bind_host, file) {
            let text = format!(
                "receivers {other:?} and {id:?} have port {port} on different addresses, {host:?} and {:?}",
                receiver.bind_host
            );
            report.fault(&file, text);
        }
    }
}

/// Pipes of one storage agree about it, and a view is fed by one storage.
fn compare_storages(config: &Config, report: &Report) {
    let place = |pipe: &PipeSettings| fustor_agent::program::yaml::Place::file(&pipe.file);
    let mut storages: BTreeMap<&str, (&String, &PipeSettings)> = BTreeMap::new();
    for (id, pipe) in &config.pipes {
        match storages.get(pipe.storage.as_str()) {
            Some((other, first)) if !first.shares_storage_with(pipe) => {
                let text = format!(
                    "pipes {other:?} and {id:?} have storage {:?} and must agree in views, coherent, \
                     allow_concurrent_push and session_timeout_seconds",
                    pipe.storage
                );
                report.fault(&place(pipe), text);
            }
            Some(_) => (),
            None => {
                storages.insert(&pipe.storage, (id, pipe));
            }
        }
    }
}
