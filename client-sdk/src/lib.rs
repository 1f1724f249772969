//! Client for end-to-end encrypted, verifiable groups.
