//! What is said about a configuration: faults, which refuse it, and warnings.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, or the directory as a whole.
    pub file: Arc<Path>,
    /// The line, from 1; 0: the file as a whole.
    pub line: u32,
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn file(file: &Path) -> Self {
        Self { file: Arc::from(file), line: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file.display()),
            line => write!(f, "{}:{line}", self.file.display()),
        }
    }
}

/// One thing that is said, and about what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// Where.
    pub place: Place,
    /// What.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Collects what is said, so that one reading tells all of it.
#[derive(Debug, Default)]
pub struct Report {
    faults: RefCell<Vec<Remark>>,
    warnings: RefCell<Vec<Remark>>,
}

impl Report {
    /// Something is wrong: the configuration cannot be used.
    pub fn fault(&self, place: &Place, text: impl Into<String>) {
        self.faults.borrow_mut().push(Remark { place: place.clone(), text: text.into() });
    }

    /// Something is odd.
    pub fn warn(&self, place: &Place, text: impl Into<String>) {
        self.warnings.borrow_mut().push(Remark { place: place.clone(), text: text.into() });
    }

    /// What is wrong, in the order of files and lines.
    #[must_use]
    pub fn faults(&self) -> Vec<Remark> {
        sorted(&self.faults)
    }

    /// What is odd, in the order of files and lines.
    #[must_use]
    pub fn warnings(&self) -> Vec<Remark> {
        sorted(&self.warnings)
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.faults.borrow().is_empty()
    }
}

fn sorted(remarks: &RefCell<Vec<Remark>>) -> Vec<Remark> {
    let mut remarks = remarks.borrow().clone();
    remarks.sort_by(|a, b| a.place.cmp(&b.place));
    remarks.dedup();
    remarks
}
