//! Requests of 0.8 as they were captured, and what a view makes of them.
