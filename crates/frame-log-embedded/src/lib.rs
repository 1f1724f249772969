//! Frame log on an embedded engine: group commit, recovery, snapshots.
