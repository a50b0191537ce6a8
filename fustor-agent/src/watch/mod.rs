//! Asking the kernel for changes: which directories are watched, and what their reports become.
//!
//! On Linux this speaks to inotify itself, not through `notify`: that hides the masks that we need (the halves of a
//! rename with their cookie, overflow, a watch that the kernel dropped), keeps a whole path twice for each watch, and
//! takes 33 µs to set one up where the kernel takes 3.

mod flush;
mod reports;
mod table;
mod watcher;
mod watches;

pub(crate) use watcher::Watcher;
pub(crate) use watches::{Attached, Watches};
