//! The programs among themselves and with those of Fustor 0.8: real processes, real sockets, real trees.

#[path = "../bed/mod.rs"]
mod bed;
mod failover;
mod killed;
mod python_agent;
mod python_fusion;
mod sdk;
mod yaml;
