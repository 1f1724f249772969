//! The decoder of key trees.

use ::ratchet_tree::Tree;

/// A tree. What is taken has one form and keeps the rules a tree is built by.
pub fn tree(bytes: &[u8]) {
    if let Ok(tree) = Tree::from_bytes(bytes) {
        assert!(tree.to_bytes() == bytes, "a tree has two forms");
        assert!(tree.audit().is_ok(), "a tree nobody could have folded");
    }
}
