//! Sessions by their public doors: rules one by one, and many agents over a bad network in virtual time.

mod duplicates;
mod fixture;
mod gaps;
mod jobs;
mod leases;
#[cfg(feature = "mutants")]
mod mutants;
mod pushing;
mod sim_agent;
mod simulation;

#[cfg(feature = "mutants")]
pub(crate) use mutants::first_failing;
#[cfg(feature = "mutants")]
pub(crate) use simulation::fails;
