//! What travels: encodings of answers and of events. No sockets here.

pub mod json;
