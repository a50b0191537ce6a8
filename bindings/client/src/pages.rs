//! Answers that go on: pages one after the other, and changes one after the other.

use std::collections::VecDeque;

use crate::answers::{Changes, Entry, Page, Trust};
use crate::blocking::ViewHandle;
use crate::error::ClientError;
use crate::questions::{Find, List};

/// How often a beginning is tried while the picture changes under it.
const BEGINNINGS: usize = 16;

#[derive(Clone, Debug)]
enum Question {
    List(List),
    Find(Find),
}

/// The entries of an answer, asked for page by page, all of one revision. Ends after an error.
#[derive(Clone, Debug)]
pub struct Entries {
    view: ViewHandle,
    question: Question,
    waiting: VecDeque<Entry>,
    last: bool,
    trust: Option<Trust>,
}

impl Entries {
    pub(crate) fn list(view: ViewHandle, list: List) -> Self {
        Self::new(view, Question::List(list))
    }

    pub(crate) fn find(view: ViewHandle, find: Find) -> Self {
        Self::new(view, Question::Find(find))
    }

    const fn new(view: ViewHandle, question: Question) -> Self {
        Self { view, question, waiting: VecDeque::new(), last: false, trust: None }
    }

    /// How far the newest page can be trusted; `None` before the first.
    #[must_use]
    pub const fn trust(&self) -> Option<&Trust> {
        self.trust.as_ref()
    }

    fn page(&mut self) -> Result<Page, ClientError> {
        let page = match &self.question {
            Question::List(list) => self.view.list(list),
            Question::Find(find) => self.view.find(find),
        }?;
        match &mut self.question {
            Question::List(list) => list.cursor.clone_from(&page.next),
            Question::Find(find) => find.cursor.clone_from(&page.next),
        }
        Ok(page)
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        // A search that took too long gives a page without entries and a cursor.
        while self.waiting.is_empty() && !self.last {
            match self.page() {
                Ok(page) => {
                    self.last = page.next.is_none();
                    self.trust = Some(page.trust);
                    self.waiting = page.entries.into();
                }
                Err(error) => {
                    self.last = true;
                    return Some(Err(error));
                }
            }
        }
        self.waiting.pop_front().map(Ok)
    }
}

/// What changes in a view, from where it began.
#[derive(Clone, Debug)]
pub struct Follow {
    view: ViewHandle,
    since: String,
}

impl Follow {
    pub(crate) fn begin(view: &ViewHandle) -> Result<Self, ClientError> {
        let mut outcome = Err(ClientError::Gone("no revision stands still".to_owned()));
        for _ in 0..BEGINNINGS {
            // The revision of another route is kept only as long as it is the newest.
            let revision = view.health()?.revision;
            match view.changes(&revision, None) {
                Err(ClientError::Gone(detail)) => outcome = Err(ClientError::Gone(detail)),
                Err(error) => return Err(error),
                Ok(changes) => {
                    outcome = Ok(Self { view: view.clone(), since: changes.to });
                    break;
                }
            }
        }
        outcome
    }

    /// What differs since the last call, or since the beginning; nothing when nothing does. At most
    /// `limit` of them; what there is more comes with the next call.
    ///
    /// # Errors
    /// [`ClientError`]; after [`ClientError::Gone`] begin again.
    pub fn next_changes(&mut self, limit: Option<usize>) -> Result<Changes, ClientError> {
        let changes = self.view.changes(&self.since, limit)?;
        self.since.clone_from(changes.next.as_ref().unwrap_or(&changes.to));
        Ok(changes)
    }
}
