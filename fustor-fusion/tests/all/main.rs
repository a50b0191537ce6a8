//! The routes on hand-fed views, and the whole command on real directories.

mod child;
mod disk;
mod events;
mod fixture;
mod follow;
mod home;
mod host;
mod ingest;
mod keys;
mod load;
mod openapi;
mod pages;
mod polling;
mod process;
mod questions;
mod refusals;
mod reload;
mod routes;
mod sealed;
mod settings;
mod station;
mod streams;
mod watch;
