//! The node: verifies, appends and pushes the frames of private groups.
