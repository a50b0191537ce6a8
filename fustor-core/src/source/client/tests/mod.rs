//! What a client does against a small server, in virtual time.
