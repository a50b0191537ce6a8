//! Sessions by their public doors: rules one by one, and many agents over a bad network in virtual time.

mod duplicates;
mod fixture;
mod gaps;
mod jobs;
mod leases;
mod pushing;
mod sim_agent;
mod simulation;
