//! Asks a fusion over HTTP: every query route, typed answers, pages as iterators, refusals as an enum.
//!
//! [`Client`] waits for its answers; [`AsyncClient`] is the same for programs with a tokio runtime.
//!
//! ```no_run
//! use fustor_client::{Client, ClientConfig, Find};
//!
//! let client = Client::new(&ClientConfig::new("http://127.0.0.1:8101"))?;
//! let view = client.view("view-1");
//! println!("{} files", view.stats()?.total_files);
//! for entry in view.find_all(Find { name: Some("*.csv".into()), ..Find::default() }) {
//!     println!("{}", String::from_utf8_lossy(&entry?.path_bytes()));
//! }
//! # Ok::<(), fustor_client::ClientError>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod answers;
mod asynchronous;
mod blocking;
mod error;
mod pages;
mod questions;
mod transport;

pub use answers::{
    BlindSpots, Change, Changes, Entry, Health, Job, JobProgress, Metadata, Page, Pending, Settled,
    Stats, SubtreeStats, Suspect, Suspects, TopEntry, TopPage, Totals, TreeNode, Trust,
    ViewSession,
};
pub use asynchronous::{AsyncClient, AsyncView};
pub use blocking::{Client, ViewHandle};
pub use error::ClientError;
pub use pages::{Entries, Follow};
pub use questions::{Find, List, Require, Top, Tree};
pub use transport::ClientConfig;
