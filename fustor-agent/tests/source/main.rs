//! A source on real directories: what it reports, replayed over a model, equals what is on the disk.

mod exclude;
mod limits;
mod model;
mod mounts;
mod pass;
mod scan;
mod support;
mod watch;
