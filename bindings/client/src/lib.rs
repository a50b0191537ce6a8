//! Asks a fusion over HTTP.
