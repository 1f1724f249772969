//! The frame log in `MongoDB`.
