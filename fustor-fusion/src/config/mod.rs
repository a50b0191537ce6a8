//! What a fusion process is configured with: the YAML of 0.8 and what this program adds, read into one checked value.

mod check;
mod keys;
mod read;
mod settings;

pub use keys::{Digest, Grant, KeyError, KeyRing};
pub use read::{CONFIG_DIR, read};
pub use settings::{Config, Limits, PipeSettings, PushKey, ReceiverSettings, ViewSettings};
