//! Threads that must not die alone.

use std::sync::Arc;

use super::Scanner;

/// Kept over a thread of a source. When that dies, the source ends as it does when its root is lost: what the thread would
/// have told is missing, and whoever started the source has to know and to start another.
pub(crate) struct Vigil(Arc<Scanner>);

impl Vigil {
    pub(crate) fn over(scanner: &Arc<Scanner>) -> Self {
        Self(Arc::clone(scanner))
    }

    pub(crate) fn keep(self, work: impl FnOnce()) {
        work();
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        let thread = std::thread::current();
        if std::thread::panicking() {
            tracing::error!(thread = thread.name(), "a thread died: the source ends");
            self.0.lose_root();
        }
    }
}
