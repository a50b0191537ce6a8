//! The programs among themselves and with those of Fustor 0.8: real processes, real sockets, real trees.

mod failover;
mod http;
mod killed;
mod peers;
mod picture;
mod process;
mod python_agent;
mod python_fusion;
mod sdk;
mod site;
mod yaml;
