//! The `fustor-agent` command.
fn main() {}
