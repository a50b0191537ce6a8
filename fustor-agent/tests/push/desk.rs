//! What a server was told, shared by its connections and the test: whoever has changed it wakes those that wait.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::server::Told;

#[derive(Debug)]
pub(crate) struct Desk {
    told: Mutex<Told>,
    changed: Condvar,
}

/// What was told, for reading and changing.
#[derive(Debug)]
pub(crate) struct Held<'d> {
    /// `None`: given back.
    told: Option<MutexGuard<'d, Told>>,
    desk: &'d Desk,
}

impl Desk {
    pub(crate) const fn new(told: Told) -> Self {
        Self { told: Mutex::new(told), changed: Condvar::new() }
    }

    pub(crate) fn take(&self) -> Held<'_> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        Held { told: Some(told), desk: self }
    }
}

impl<'d> Held<'d> {
    /// Lets others have it until one has changed it, or for so long.
    pub(crate) fn wait(mut self, most: Duration) -> Self {
        let desk: &'d Desk = self.desk;
        if let Some(told) = self.told.take() {
            let waited = desk.changed.wait_timeout(told, most);
            self.told = Some(waited.unwrap_or_else(PoisonError::into_inner).0);
        }
        self
    }
}

impl Deref for Held<'_> {
    type Target = Told;

    fn deref(&self) -> &Told {
        self.told.as_ref().expect("given back only when it is dropped")
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Told {
        self.told.as_mut().expect("given back only when it is dropped")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        drop(self.told.take());
        self.desk.changed.notify_all();
    }
}
