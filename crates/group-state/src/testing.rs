//! For tests: the fold without its proofs.
//!
//! A proof takes a tenth of a second to make, so that histories of thousands of frames cannot have them. No program
//! enables the feature this needs; a test of the dependency rules may hold them to it.

use crate::{Accepted, Proposed};

impl Proposed {
    /// Takes the proofs for granted. IMPORTANT: whoever calls this outside of a test lets anybody break the tree.
    pub fn without_proofs(self) -> Accepted {
        Accepted { state: self.next, effects: self.effects }
    }
}
