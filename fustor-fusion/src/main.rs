//! The `fustor-fusion` command.
fn main() {}
