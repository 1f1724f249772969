//! Holds no code: see `tests/` for the rules of the house.
