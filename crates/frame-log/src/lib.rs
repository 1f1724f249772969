//! The contract of a frame log and the conformance suite every implementation passes.
