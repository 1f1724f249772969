//! Rules that decide what a node stores. They look at the node's clock and are never a reason to refuse a stored
//! frame: two replicas may differ on them without differing in state.

use protocol::{Frame, Refusal, UnixSeconds, head::Place};

use crate::GroupState;

/// How far an operation's time may lie behind the node's, in seconds.
pub const MAX_BEHIND: u64 = 600;
/// How far an operation's time may lie ahead of the node's, in seconds.
pub const MAX_AHEAD: u64 = 60;
/// How long messages of an earlier epoch are still taken, in seconds.
pub const MESSAGE_GRACE: u64 = 60;

/// Checks a frame's time against the node's.
///
/// `epoch_since` is when this node stored the operation that began the current epoch.
///
/// # Errors
/// [`Refusal::ClockSkew`] for an operation dated too far from `now`; [`Refusal::GraceOver`] for a message of an
/// earlier epoch that comes too late.
pub fn check_time(
    state: &GroupState,
    frame: &Frame,
    now: UnixSeconds,
    epoch_since: UnixSeconds,
) -> Result<(), Refusal> {
    match frame.head().place {
        Place::Operation { at, .. } => check_operation_time(at, now),
        Place::Message { epoch } => {
            let late = now.get().saturating_sub(epoch_since.get()) > MESSAGE_GRACE;
            if epoch < state.epoch() && late { Err(Refusal::GraceOver) } else { Ok(()) }
        }
    }
}

/// Checks an operation's time against the node's; alone for an Init, which has no state yet.
///
/// # Errors
/// [`Refusal::ClockSkew`] outside the window.
pub fn check_operation_time(at: UnixSeconds, now: UnixSeconds) -> Result<(), Refusal> {
    let in_window = now.saturating_sub(MAX_BEHIND) <= at && at <= now.saturating_add(MAX_AHEAD);
    if in_window { Ok(()) } else { Err(Refusal::ClockSkew) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_is_ten_minutes_behind_and_one_ahead() {
        let now = UnixSeconds::new(10_000);
        for (at, ok) in [(9_399, false), (9_400, true), (10_000, true), (10_060, true), (10_061, false)] {
            assert_eq!(check_operation_time(UnixSeconds::new(at), now).is_ok(), ok, "{at}");
        }
    }
}
