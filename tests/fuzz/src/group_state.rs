//! The decoder of a group's state, as a server hands it out.

use ::group_state::GroupState;

/// A snapshot. What is taken hashes to the digest inside, and comes back from its own bytes.
pub fn snapshot(bytes: &[u8]) {
    let Ok(state) = GroupState::from_bytes(bytes) else { return };
    let again = state.to_bytes();
    let same = GroupState::from_bytes(&again);
    assert!(
        same.as_ref().map(GroupState::ctx) == Ok(state.ctx()),
        "its own bytes are another state, or none"
    );
    assert!(same.is_ok_and(|same| same.to_bytes() == again), "a state has two forms");
}
