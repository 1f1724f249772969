//! The dependency rules as a test.
