//! The key tree: placement, branch changes, marks, healing, structural hash.
