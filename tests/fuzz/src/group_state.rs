//! The decoder of a group's state, as a server hands it out.

use ::group_state::GroupState;

/// A snapshot. What is taken hashes to the digest inside, and comes back from its own bytes.
pub fn snapshot(bytes: &[u8]) {
    let Ok(state) = GroupState::from_bytes(bytes) else { return };
    let again = state.to_bytes();
    match GroupState::from_bytes(&again) {
        Ok(same) => {
            assert!(same.ctx() == state.ctx(), "another state from the same bytes");
            assert!(same.to_bytes() == again, "a state has two forms");
        }
        Err(error) => assert!(false, "its own bytes are refused: {error}"),
    }
}
