//! The agent library: scanner, watcher and doctor.
