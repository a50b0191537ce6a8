//! What the scanner does with errors that a sandbox cannot provoke.
