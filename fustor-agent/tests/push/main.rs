//! A pipe over real sockets: to a small server that speaks one dialect or the other, and what it is told.

mod desk;
mod legacy;
mod native;
mod server;
