//! The closed vocabulary of failures.

use core::{fmt, str::FromStr};

use protocol::{Refusal, refusal::Retry};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A code this version does not know (the peer is newer, or not a node).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the error code is not known")]
pub struct UnknownCode;

/// Whether a request that ended with a code may have changed something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effects {
    /// Nothing was changed, and nothing will be.
    None,
    /// The request may have been carried out; sending the same bytes again tells.
    Unknown,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident => $code:literal, $status:literal, $retry:ident, $effects:ident, $title:literal;)*) => {
        /// Why a request failed: one entry per thing a client can react to differently.
        ///
        /// Codes are stable once released; what each one asks of a client is told in the book's page on errors, whose
        /// anchors are the codes. Frames refused by the protocol's own rules arrive here through [`From<Refusal>`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// All codes, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable code: lower case and underscores.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The HTTP status it is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// One line for people, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What the sender may do next.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry),* }
            }

            const fn effects(self) -> Effects {
                match self { $(Self::$name => Effects::$effects),* }
            }
        }
    };
}

codes! {
    /// An expiry in the past or farther ahead than allowed.
    BadExpiry => "bad_expiry", 422, Never, None, "The expiry is in the past or too far ahead";
    /// A policy outside its bounds.
    BadPolicy => "bad_policy", 422, Never, None, "The policy is outside its bounds";
    /// A proof does not verify.
    BadProof => "bad_proof", 422, Never, None, "A proof does not verify";
    /// A signature does not verify.
    BadSignature => "bad_signature", 422, Never, None, "A signature does not verify";
    /// A signature key that is not canonical or of small order.
    BadSignatureKey => "bad_signature_key", 422, Never, None, "A signature key is not acceptable";
    /// A tree key that is not a canonical point of the subgroup, or is a reserved one.
    BadTreeKey => "bad_tree_key", 422, Never, None, "A tree key is not acceptable";
    /// The node's queue is full.
    Busy => "busy", 503, Later, None, "The node is busy";
    /// A challenge that was not issued for this request, has expired, or was used.
    ChallengeUnknown => "challenge_unknown", 403, Rebuild, None, "The challenge is unknown, used or expired";
    /// A piece of a resumable upload whose checksum is another; the piece was thrown away.
    ChecksumMismatch => "checksum_mismatch", 460, Later, None, "The checksum of the piece does not match";
    /// The operation's time is too far from the node's.
    ClockSkew => "clock_skew", 409, Rebuild, None, "The operation's time is too far from the node's";
    /// A body whose announced digest is another.
    DigestMismatch => "digest_mismatch", 400, Never, None, "The digest of the body does not match";
    /// The id belongs to somebody else's drop.
    DropExists => "drop_exists", 409, Never, None, "The id is in use";
    /// The one answer to all who can read nothing under an id, whatever the reason.
    DropGone => "drop_gone", 404, Never, None, "There is nothing to be had here";
    /// Two leaves would have the same signature key.
    DuplicateSignatureKey => "duplicate_signature_key", 422, Never, None, "Two leaves would share a signature key";
    /// Two leaves would have the same tree key.
    DuplicateTreeKey => "duplicate_tree_key", 422, Never, None, "Two leaves would share a tree key";
    /// A message of an epoch that is not accepted (any more).
    EpochNotAccepted => "epoch_not_accepted", 409, Rebuild, None, "Messages of this epoch are not accepted";
    /// An event stream was cut because its reader did not keep up.
    FollowerLagged => "follower_lagged", 503, Later, None, "The reader of the event stream was too slow";
    /// The credential is good, but not for this.
    Forbidden => "forbidden", 403, Never, None, "The credential does not allow this";
    /// The frame id was used for other content.
    FrameIdConflict => "frame_id_conflict", 409, Never, None, "The frame id was used for other content";
    /// A leaf would be keyed by one that is not active.
    Ghost => "ghost", 422, Never, None, "A leaf would be keyed by one that is not active";
    /// A message of an earlier epoch came after the grace period.
    GraceOver => "grace_over", 409, Rebuild, None, "The grace period for messages of an earlier epoch is over";
    /// The group has been closed by its owner.
    GroupClosed => "group_closed", 410, Never, None, "The group is closed";
    /// No capacity is left in the group.
    GroupFull => "group_full", 422, Never, None, "The group is full";
    /// A removal has to be completed before anything else.
    HealFirst => "heal_first", 409, Rebuild, None, "A removal has to be completed first";
    /// The position or epoch asked for lies before the oldest one kept.
    HistoryGap => "history_gap", 410, Never, None, "The history asked for is no longer kept";
    /// The node failed.
    Internal => "internal", 500, Later, Unknown, "The node failed";
    /// A path, query or body that does not say what it should.
    InvalidRequest => "invalid_request", 400, Never, None, "The request is not valid";
    /// The invite has lapsed before its leaf joined.
    InviteExpired => "invite_expired", 422, Never, None, "The invite has lapsed";
    /// A mark that would leave no active leaf.
    LastMember => "last_member", 422, Never, None, "The last active member cannot be removed";
    /// The mailbox holds as many key packages as it may.
    MailboxFull => "mailbox_full", 409, Later, None, "The mailbox is full";
    /// A frame that does not decode, or not to canonical form.
    Malformed => "malformed", 400, Never, None, "The frame is malformed or not in canonical form";
    /// The path exists, the method does not.
    MethodNotAllowed => "method_not_allowed", 405, Never, None, "The method is not allowed here";
    /// A slot that does not hold what the operation needs.
    NoSuchLeaf => "no_such_leaf", 422, Never, None, "No leaf of the needed kind is at that slot";
    /// A ticket that is unknown, used up, expired or revoked.
    NoSuchTicket => "no_such_ticket", 422, Never, None, "The ticket is unknown, used up, expired or revoked";
    /// None of the accepted media types can be produced.
    NotAcceptable => "not_acceptable", 406, Never, None, "None of the accepted media types can be produced";
    /// The one answer to all who show nothing valid for the group, and for unknown groups.
    NotAccepted => "not_accepted", 403, Never, None, "Not accepted";
    /// The acting leaf is not active.
    NotActive => "not_active", 422, Never, None, "The acting leaf is not active";
    /// No such path or resource.
    NotFound => "not_found", 404, Never, None, "There is nothing here";
    /// A heal while no leaf is dirty.
    NothingToHeal => "nothing_to_heal", 409, Rebuild, None, "No leaf is dirty";
    /// The invite is not overdue yet.
    NotOverdue => "not_overdue", 409, Later, None, "The invite is not overdue yet";
    /// The node is starting and takes no requests yet.
    NotReady => "not_ready", 503, Later, None, "The node is not ready";
    /// A kind of frame that is not built yet.
    NotSupported => "not_supported", 422, Never, None, "This kind of frame is not supported";
    /// The mailbox has no key package to give, or does not exist: the two look the same.
    PackageGone => "package_gone", 404, Later, None, "No key package is available";
    /// The access token of a drop was right, its unlock token wrong or missing.
    PasswordWrong => "password_wrong", 403, Rebuild, None, "The password is wrong";
    /// A request body over the limit of its path.
    PayloadTooLarge => "payload_too_large", 413, Never, None, "The request body is too large";
    /// Fetched ahead of anybody's wish; a drop is read once.
    PrefetchRefused => "prefetch_refused", 403, Never, None, "Drops are not fetched ahead";
    /// The client has sent as many bytes as it may for a while.
    QuotaExceeded => "quota_exceeded", 429, Later, None, "Too many bytes in a short time";
    /// A range that lies past the end of what was asked for.
    RangeNotSatisfiable => "range_not_satisfiable", 416, Never, None, "The range lies outside";
    /// Too many requests or frames in a short time.
    RateLimited => "rate_limited", 429, Later, None, "Too many requests in a short time";
    /// The node is stopping; another, or this one in a moment, will answer.
    ShuttingDown => "shutting_down", 503, Later, None, "The node is shutting down";
    /// An operation built on another state than the current one.
    StaleEpoch => "stale_epoch", 409, Rebuild, None, "The operation was built on another epoch";
    /// A write or flush failed; whether the frame is kept shows after a restart.
    StorageFailed => "storage_failed", 500, Later, Unknown, "The store failed";
    /// Free space is below the floor; nothing is taken until there is more.
    StorageFull => "storage_full", 507, Later, None, "The store is full";
    /// The store did not answer.
    StorageUnavailable => "storage_unavailable", 503, Later, Unknown, "The store does not answer";
    /// A ticket key already in use.
    TicketExists => "ticket_exists", 409, Never, None, "The ticket is already open";
    /// An operation's time before that of the state it builds on.
    TimeBackwards => "time_backwards", 409, Rebuild, None, "The operation is dated before the state it builds on";
    /// The request took longer than allowed.
    TimedOut => "timed_out", 504, Later, Unknown, "The request took too long";
    /// The token's time is over.
    TokenExpired => "token_expired", 401, Rebuild, None, "The token has expired";
    /// The token was not issued by this node, or not in this form.
    TokenInvalid => "token_invalid", 401, Rebuild, None, "The token is not valid";
    /// The group's membership changed so that the token no longer counts.
    TokenRevoked => "token_revoked", 401, Rebuild, None, "The token was ended by a change of the group";
    /// A frame, head or sealed part over its limit.
    TooLarge => "too_large", 413, Never, None, "The frame is larger than allowed";
    /// The node holds as many event streams as it may.
    TooManyFollowers => "too_many_followers", 503, Later, None, "Too many event streams are open";
    /// The doer has too many invites outstanding.
    TooManyInvites => "too_many_invites", 409, Later, None, "Too many invites are outstanding";
    /// The group has too many open tickets.
    TooManyTickets => "too_many_tickets", 409, Later, None, "Too many tickets are open";
    /// The tree after the operation is not the one its head claims.
    TreeHashMismatch => "tree_hash_mismatch", 422, Never, None, "The tree after the operation differs from the claimed one";
    /// A version of tus that is not spoken.
    TusVersion => "tus_version", 412, Never, None, "The version of tus is not supported";
    /// A request that needs a token came without one.
    Unauthorized => "unauthorized", 401, Rebuild, None, "A token is needed";
    /// The group's proof parameters are not known to the node.
    UnknownParams => "unknown_params", 422, Never, None, "The group's proof parameters are not known here";
    /// A suite number without meaning, or not the group's.
    UnknownSuite => "unknown_suite", 422, Never, None, "The cipher suite is unknown or not the group's";
    /// A request body of a media type the path does not take.
    UnsupportedMediaType => "unsupported_media_type", 415, Never, None, "The media type of the body is not supported";
    /// A protocol version the node does not speak.
    UnsupportedVersion => "unsupported_version", 422, Never, None, "The protocol version is not supported";
    /// A body that ended before its announced end, or went on after it.
    UploadBroken => "upload_broken", 400, Later, None, "The body has another length than was announced";
    /// A piece of a resumable upload that does not begin where the upload stands.
    UploadOffset => "upload_offset", 409, Rebuild, None, "The upload stands at another offset";
    /// A branch change with more or fewer keys than its path has levels.
    WrongKeyCount => "wrong_key_count", 422, Never, None, "The branch has a wrong number of keys";
    /// A change that does not target the slot the rules name.
    WrongSlot => "wrong_slot", 422, Never, None, "The change targets another slot than the rules name";
    /// Fields present or absent against the kind's rule.
    WrongStructure => "wrong_structure", 422, Never, None, "The frame has not the structure its kind demands";
}

impl ErrorCode {
    /// Whether the *same* request, unchanged, may succeed later ([`Retry::Later`]).
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self.retry(), Retry::Later)
    }

    /// Whether it is certain that the request changed nothing.
    ///
    /// Where it is not, a frame must be sent again in the same bytes and never rebuilt: its first copy may be in the
    /// log.
    #[must_use]
    pub const fn has_no_side_effects(self) -> bool {
        matches!(self.effects(), Effects::None)
    }

    /// The code for an HTTP status that came without a problem document of ours, as from a proxy on the way.
    ///
    /// Gateway failures become [`Self::TimedOut`], because nobody knows whether the node saw the request.
    #[must_use]
    pub const fn for_status(status: u16) -> Self {
        match status {
            401 => Self::TokenInvalid,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            410 => Self::HistoryGap,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            416 => Self::RangeNotSatisfiable,
            429 => Self::RateLimited,
            408 | 502..=504 => Self::TimedOut,
            507 => Self::StorageFull,
            400..=499 => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }

    /// Where the book explains the code, relative to the node's origin.
    #[must_use]
    pub fn type_url(self) -> String {
        format!("/docs/errors#{}", self.code())
    }
}

impl From<Refusal> for ErrorCode {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed => Self::Malformed,
            Refusal::TooLarge => Self::TooLarge,
            Refusal::UnsupportedVersion => Self::UnsupportedVersion,
            Refusal::UnknownSuite => Self::UnknownSuite,
            Refusal::NotSupported => Self::NotSupported,
            Refusal::NotAccepted => Self::NotAccepted,
            Refusal::FrameIdConflict => Self::FrameIdConflict,
            Refusal::GroupClosed => Self::GroupClosed,
            Refusal::StaleEpoch => Self::StaleEpoch,
            Refusal::EpochNotAccepted => Self::EpochNotAccepted,
            Refusal::HealFirst => Self::HealFirst,
            Refusal::WrongStructure => Self::WrongStructure,
            Refusal::WrongSlot => Self::WrongSlot,
            Refusal::WrongKeyCount => Self::WrongKeyCount,
            Refusal::BadTreeKey => Self::BadTreeKey,
            Refusal::BadSignatureKey => Self::BadSignatureKey,
            Refusal::DuplicateTreeKey => Self::DuplicateTreeKey,
            Refusal::DuplicateSignatureKey => Self::DuplicateSignatureKey,
            Refusal::NotActive => Self::NotActive,
            Refusal::NoSuchLeaf => Self::NoSuchLeaf,
            Refusal::BadSignature => Self::BadSignature,
            Refusal::BadProof => Self::BadProof,
            Refusal::TreeHashMismatch => Self::TreeHashMismatch,
            Refusal::UnknownParams => Self::UnknownParams,
            Refusal::GroupFull => Self::GroupFull,
            Refusal::LastMember => Self::LastMember,
            Refusal::Ghost => Self::Ghost,
            Refusal::NothingToHeal => Self::NothingToHeal,
            Refusal::TooManyInvites => Self::TooManyInvites,
            Refusal::TooManyTickets => Self::TooManyTickets,
            Refusal::NoSuchTicket => Self::NoSuchTicket,
            Refusal::TicketExists => Self::TicketExists,
            Refusal::NotOverdue => Self::NotOverdue,
            Refusal::InviteExpired => Self::InviteExpired,
            Refusal::BadExpiry => Self::BadExpiry,
            Refusal::BadPolicy => Self::BadPolicy,
            Refusal::TimeBackwards => Self::TimeBackwards,
            Refusal::ClockSkew => Self::ClockSkew,
            Refusal::GraceOver => Self::GraceOver,
            Refusal::RateLimited => Self::RateLimited,
            Refusal::Busy => Self::Busy,
            // The enum is open to other crates; a new refusal is definite and says nothing until it has a line above,
            // which the test over `Refusal::ALL` demands.
            _ => Self::NotAccepted,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for ErrorCode {
    type Err = UnknownCode;

    fn from_str(code: &str) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|known| known.code() == code).ok_or(UnknownCode)
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_keeps_its_code_and_its_advice() {
        for refusal in Refusal::ALL {
            let code = ErrorCode::from(*refusal);
            assert_eq!(code.code(), refusal.code());
            assert_eq!(code.retry(), refusal.retry(), "{code}");
            assert!(code.has_no_side_effects(), "{code}");
        }
    }

    #[test]
    fn codes_parse_back_and_are_sorted() {
        for code in ErrorCode::ALL {
            assert_eq!(code.code().parse::<ErrorCode>(), Ok(*code));
        }
        // Sorted by name without underscores, which is the order the variants are declared in.
        assert!(ErrorCode::ALL.is_sorted_by_key(|code| code.code().replace('_', "")));
        assert_eq!("made_up".parse::<ErrorCode>(), Err(UnknownCode));
    }

    #[test]
    fn a_server_fault_never_promises_more_than_it_knows() {
        for code in ErrorCode::ALL {
            let outcome_unknown = !code.has_no_side_effects();
            assert!(!outcome_unknown || (code.status() >= 500 && code.is_retryable()), "{code}");
            assert_eq!(ErrorCode::for_status(code.status()).status() / 100, code.status() / 100, "{code}");
        }
        assert!(!ErrorCode::for_status(502).has_no_side_effects());
    }
}
