//! Failures of the node as problem documents: one exhaustive match.

use api::{ErrorCode, Problem};

use crate::{
    access::{BadToken, UnknownChallenge},
    failure::{Facts, Failure},
    key_packages::MailboxFailure,
};

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { refusal, facts } => with_facts(Self::new(refusal.into()), facts),
            Failure::NotAccepted => Self::new(ErrorCode::NotAccepted),
            Failure::Busy { retry_after } => Self::new(ErrorCode::Busy).with_retry_after(retry_after),
            // Heard by nobody.
            Failure::Abandoned => Self::new(ErrorCode::Busy),
            Failure::Stopping => Self::new(ErrorCode::ShuttingDown),
            Failure::HistoryGap { horizon } => Self::new(ErrorCode::HistoryGap).with_horizon(horizon),
            Failure::NotFound => Self::new(ErrorCode::NotFound),
            Failure::StorageFull => Self::new(ErrorCode::StorageFull),
            Failure::StorageFailed => Self::new(ErrorCode::StorageFailed),
            Failure::StorageUnavailable => Self::new(ErrorCode::StorageUnavailable),
            // What is wrong with a group's log is for the operator, not for whoever asks.
            Failure::Unserved | Failure::Internal => Self::new(ErrorCode::Internal),
        }
    }
}

fn with_facts(mut problem: Problem, facts: Facts) -> Problem {
    if let Some(epoch) = facts.epoch {
        problem = problem.with_epoch(epoch);
    }
    if let Some(seq) = facts.seq {
        problem = problem.with_seq(seq);
    }
    if let Some(now) = facts.node_time {
        problem = problem.with_node_time(now);
    }
    if let Some(seconds) = facts.retry_after {
        problem = problem.with_retry_after(seconds);
    }
    problem
}

impl From<MailboxFailure> for Problem {
    fn from(failure: MailboxFailure) -> Self {
        match failure {
            MailboxFailure::NotOwner => Self::new(ErrorCode::Forbidden),
            MailboxFailure::Full => Self::new(ErrorCode::MailboxFull),
            MailboxFailure::BadExpiry => Self::new(ErrorCode::BadExpiry),
            MailboxFailure::Gone => Self::new(ErrorCode::PackageGone),
            MailboxFailure::Other(failure) => failure.into(),
        }
    }
}

impl From<BadToken> for Problem {
    fn from(bad: BadToken) -> Self {
        match bad {
            BadToken::Invalid => Self::new(ErrorCode::TokenInvalid),
            BadToken::Expired => Self::new(ErrorCode::TokenExpired),
        }
    }
}

impl From<UnknownChallenge> for Problem {
    fn from(UnknownChallenge: UnknownChallenge) -> Self {
        Self::new(ErrorCode::ChallengeUnknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_node_says_when_to_come_again() {
        let problem = Problem::from(Failure::Busy { retry_after: 17 });
        assert_eq!((problem.code(), problem.retry_after()), (ErrorCode::Busy, Some(17)));
        assert_eq!(Problem::from(Failure::busy()).retry_after(), Some(1));
    }
}
