//! The checks on a frame that need the group's state, cheap before costly.

use group_state::{GroupState, Proposed, admission};
use proofs::VerifyingKeys;
use protocol::{Frame, Refusal, UnixSeconds, head::Place};

use crate::{
    failure::{Facts, Failure},
    metrics::{Metrics, Stage},
};

/// Whether the frame shows a valid signature for the base it claims.
///
/// For a message this is left to [`fold`]: its one signature is checked there, and checking it twice would double the
/// price of the most frequent frame.
pub(super) fn authenticate(state: &GroupState, frame: &Frame, metrics: &Metrics) -> Result<(), Failure> {
    match frame.head().place {
        Place::Message { .. } => Ok(()),
        Place::Operation { .. } => {
            metrics.checked(Stage::Authenticate);
            if state.authenticates(frame) { Ok(()) } else { Err(Failure::NotAccepted) }
        }
    }
}

/// Whether the frame's time is right by the node's clock.
pub(super) fn admit(
    state: &GroupState,
    frame: &Frame,
    now: UnixSeconds,
    since: UnixSeconds,
) -> Result<(), Failure> {
    admission::check_time(state, frame, now, since).map_err(|refusal| telling(state, refusal, Some(now)))
}

/// Applies the frame; its proofs are left to the verifier.
pub(super) fn fold(
    state: &GroupState,
    frame: &Frame,
    keys: &VerifyingKeys,
    metrics: &Metrics,
) -> Result<Proposed, Failure> {
    metrics.checked(Stage::Fold);
    state.apply(frame, keys).map_err(|refusal| refused(state, frame, refusal, metrics))
}

/// What the sender of a refused frame is told: of a message, only after its signature was found good.
fn refused(state: &GroupState, frame: &Frame, refusal: Refusal, metrics: &Metrics) -> Failure {
    let authentic = match frame.head().place {
        Place::Operation { .. } => true,
        // The one signature has just been checked and found bad.
        Place::Message { .. } if refusal == Refusal::BadSignature => false,
        Place::Message { .. } => {
            metrics.checked(Stage::Authenticate);
            state.authenticates(frame)
        }
    };
    if authentic { telling(state, refusal, None) } else { Failure::NotAccepted }
}

/// A refusal with the facts its sender needs to do better.
pub(super) fn telling(state: &GroupState, refusal: Refusal, now: Option<UnixSeconds>) -> Failure {
    let stale = matches!(
        refusal,
        Refusal::StaleEpoch
            | Refusal::EpochNotAccepted
            | Refusal::HealFirst
            | Refusal::GraceOver
            | Refusal::NothingToHeal
            | Refusal::TimeBackwards
    );
    let facts = Facts {
        epoch: stale.then(|| state.epoch()),
        seq: stale.then(|| state.seq()),
        node_time: now.filter(|_| refusal == Refusal::ClockSkew),
        retry_after: None,
    };
    Failure::Refused { refusal, facts }
}
