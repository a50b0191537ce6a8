//! The routes on hand-fed views, and the whole command on real directories.

mod child;
mod disk;
mod fixture;
mod host;
mod pages;
mod polling;
mod refusals;
mod routes;
mod streams;
mod watch;
