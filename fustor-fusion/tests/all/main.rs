//! The routes on hand-fed views, and the whole command on real directories.

mod child;
mod disk;
mod fixture;
mod host;
mod ingest;
mod keys;
mod pages;
mod polling;
mod process;
mod refusals;
mod routes;
mod sealed;
mod settings;
mod station;
mod streams;
mod watch;
