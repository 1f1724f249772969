//! Holds no code: see `tests/` for the faults.
