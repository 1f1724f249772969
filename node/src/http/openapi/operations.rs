//! What can be asked, in words.

use api::{
    ErrorCode,
    paths::{self, Access, Method},
};

/// One route, described.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// Name of the body's schema.
    pub(crate) body: Option<&'static str>,
    pub(crate) answer: Answer,
    /// What a client has to be ready for, besides what can happen to every request.
    pub(crate) problems: &'static [ErrorCode],
}

/// A parameter that is not part of the path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) place: &'static str,
    pub(crate) required: bool,
    pub(crate) kind: Kind,
    pub(crate) description: &'static str,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Number,
    OneOf(&'static [&'static str]),
    Text,
}

/// What a success looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// A body of this schema, as JSON or protobuf.
    Body(&'static str),
    /// Text of a media type.
    Text(&'static str, &'static str),
    /// No body.
    Nothing,
}

const fn query(name: &'static str, required: bool, kind: Kind, description: &'static str) -> Parameter {
    Parameter { name, place: "query", required, kind, description }
}

const READ_PROBLEMS: &[ErrorCode] = &[
    ErrorCode::Unauthorized,
    ErrorCode::TokenInvalid,
    ErrorCode::TokenExpired,
    ErrorCode::TokenRevoked,
    ErrorCode::Forbidden,
    ErrorCode::HistoryGap,
    ErrorCode::RateLimited,
    ErrorCode::Busy,
];

/// Every route.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::Post,
        path: paths::FRAMES,
        access: Access::Open,
        id: "sendFrame",
        summary: "Send a frame",
        description: "Accepts a frame into the group's log and answers with a signed receipt. Sending the same bytes \
                      again, at any time, gives the same receipt. No token is taken: the frame carries its own \
                      authorisation. An Init founds the group.",
        parameters: &[],
        body: Some("PostFrame"),
        answer: Answer::Body("FrameReceipt"),
        problems: &[
            ErrorCode::Malformed,
            ErrorCode::TooLarge,
            ErrorCode::FrameIdConflict,
            ErrorCode::NotAccepted,
            ErrorCode::ClockSkew,
            ErrorCode::RateLimited,
            ErrorCode::GroupClosed,
            ErrorCode::StaleEpoch,
            ErrorCode::EpochNotAccepted,
            ErrorCode::HealFirst,
            ErrorCode::WrongStructure,
            ErrorCode::BadSignature,
            ErrorCode::BadProof,
            ErrorCode::Busy,
            ErrorCode::StorageFull,
            ErrorCode::TimedOut,
        ],
    },
    Operation {
        method: Method::Get,
        path: paths::FRAMES,
        access: Access::Token,
        id: "pageFrames",
        summary: "Page through frames",
        description: "Consecutive frames from a position on, bounded in number and bytes, with the head and the \
                      oldest position from which all operations are kept. Messages whose content is gone are hashes.",
        parameters: &[
            query("from", false, Kind::Number, "First position wanted; 0 without it."),
            query("limit", false, Kind::Number, "Frames wanted at most; the node has a limit of its own."),
            query(
                "form",
                false,
                Kind::OneOf(&["full", "heads"]),
                "`heads`: operations without their sealed parts, messages as hashes. All that a ticket opens.",
            ),
        ],
        body: None,
        answer: Answer::Body("FramesPage"),
        problems: READ_PROBLEMS,
    },
    Operation {
        method: Method::Get,
        path: paths::CHALLENGE,
        access: Access::Open,
        id: "getChallenge",
        summary: "Get a challenge",
        description: "Given to anybody for any group, known or not. Valid for a minute, once, for this origin, group, \
                      epoch and purpose.",
        parameters: &[
            query("epoch", true, Kind::Number, "The epoch whose state decides."),
            query("purpose", true, Kind::OneOf(&["root", "leaf", "ticket"]), "Whose key will answer."),
        ],
        body: None,
        answer: Answer::Body("Challenge"),
        problems: &[ErrorCode::RateLimited],
    },
    Operation {
        method: Method::Post,
        path: paths::TOKENS,
        access: Access::Open,
        id: "issueToken",
        summary: "Trade an answered challenge for a token",
        description: "A token lasts a quarter of an hour at most. Those of `root` end when somebody is removed, those \
                      of `leaf` with the leaf, those of `ticket` with the ticket. A removed leaf gets a token for the \
                      frame that removed it.",
        parameters: &[],
        body: Some("TokenRequest"),
        answer: Answer::Body("TokenAnswer"),
        problems: &[
            ErrorCode::ChallengeUnknown,
            ErrorCode::NotAccepted,
            ErrorCode::StaleEpoch,
            ErrorCode::HealFirst,
            ErrorCode::RateLimited,
            ErrorCode::Busy,
        ],
    },
    Operation {
        method: Method::Get,
        path: paths::TREE,
        access: Access::Token,
        id: "getState",
        summary: "Get the state at an epoch",
        description: "The fold state at the end of the operation that began the epoch. It proves nothing by itself: \
                      it has to hash to the ctx of the reader's anchor.",
        parameters: &[query("epoch", false, Kind::Number, "The epoch; the newest without it.")],
        body: None,
        answer: Answer::Body("StateAnswer"),
        problems: &[
            ErrorCode::Unauthorized,
            ErrorCode::TokenInvalid,
            ErrorCode::TokenExpired,
            ErrorCode::TokenRevoked,
            ErrorCode::Forbidden,
            ErrorCode::NotFound,
            ErrorCode::HistoryGap,
            ErrorCode::Busy,
        ],
    },
    Operation {
        method: Method::Get,
        path: paths::EVENTS,
        access: Access::Token,
        id: "followGroup",
        summary: "Follow the group",
        description: "Server-sent events: `open` at once, then every frame from the promised position on, in order, \
                      without gaps, each once; or `reset`, when that cannot be promised. `problem` is the last event \
                      of a stream the node ends. Connect again with the id of the last frame.",
        parameters: &[
            query("from", false, Kind::Number, "First position wanted; without it, what comes from now on."),
            Parameter {
                name: "Last-Event-ID",
                place: "header",
                required: false,
                kind: Kind::Text,
                description: "Id of the last frame seen; wins over `from`.",
            },
        ],
        body: None,
        answer: Answer::Text("text/event-stream", "The stream."),
        problems: &[
            ErrorCode::Unauthorized,
            ErrorCode::TokenInvalid,
            ErrorCode::TokenExpired,
            ErrorCode::TokenRevoked,
            ErrorCode::Forbidden,
            ErrorCode::TooManyFollowers,
        ],
    },
    Operation {
        method: Method::Get,
        path: paths::REMOVAL,
        access: Access::Token,
        id: "getRemoval",
        summary: "Get the frame that removed the bearer's leaf",
        description: "A page of exactly this frame, so that a removal can be verified and not just asserted.",
        parameters: &[],
        body: None,
        answer: Answer::Body("FramesPage"),
        problems: &[
            ErrorCode::Unauthorized,
            ErrorCode::TokenInvalid,
            ErrorCode::TokenExpired,
            ErrorCode::Forbidden,
            ErrorCode::HistoryGap,
        ],
    },
    Operation {
        method: Method::Get,
        path: paths::CENTRIFUGO,
        access: Access::Token,
        id: "getCentrifugoTokens",
        summary: "Get tokens for the group's channel of a Centrifugo server",
        description: "Where the operator runs one: a connection token and a subscription token, each for this group's \
                      channel alone and naming no user. They last some minutes; then new ones are fetched, with a token \
                      that still stands.",
        parameters: &[],
        body: None,
        answer: Answer::Body("CentrifugoTokens"),
        problems: &[
            ErrorCode::Unauthorized,
            ErrorCode::TokenInvalid,
            ErrorCode::TokenExpired,
            ErrorCode::TokenRevoked,
            ErrorCode::Forbidden,
            ErrorCode::NotFound,
            ErrorCode::RateLimited,
        ],
    },
    Operation {
        method: Method::Post,
        path: paths::KEY_PACKAGES,
        access: Access::Open,
        id: "putKeyPackages",
        summary: "Put key packages into a mailbox",
        description: "The first request sets the mailbox's write key, later ones must show it. Packages that were put \
                      before are passed over, so a request can be sent again.",
        parameters: &[],
        body: Some("PutKeyPackages"),
        answer: Answer::Body("MailboxStatus"),
        problems: &[
            ErrorCode::Forbidden,
            ErrorCode::MailboxFull,
            ErrorCode::BadExpiry,
            ErrorCode::RateLimited,
        ],
    },
    Operation {
        method: Method::Get,
        path: paths::KEY_PACKAGES,
        access: Access::Open,
        id: "getMailbox",
        summary: "Ask how many key packages are left",
        description: "At least so many as far as this node knows; an unknown mailbox counts as empty.",
        parameters: &[],
        body: None,
        answer: Answer::Body("MailboxStatus"),
        problems: &[ErrorCode::RateLimited],
    },
    Operation {
        method: Method::Post,
        path: paths::KEY_PACKAGE_CLAIM,
        access: Access::Open,
        id: "claimKeyPackage",
        summary: "Take one key package",
        description: "A package that nobody else is given, or the mailbox's last resort once the others are gone.",
        parameters: &[],
        body: None,
        answer: Answer::Body("ClaimedKeyPackage"),
        problems: &[ErrorCode::PackageGone, ErrorCode::RateLimited],
    },
    Operation {
        method: Method::Get,
        path: paths::NODE,
        access: Access::Open,
        id: "getNode",
        summary: "What the node says of itself",
        description: "Its receipt key, clock, versions, proof parameters and bounds.",
        parameters: &[],
        body: None,
        answer: Answer::Body("NodeInfo"),
        problems: &[],
    },
    Operation {
        method: Method::Get,
        path: paths::LIVE,
        access: Access::Open,
        id: "isLive",
        summary: "Whether the process runs",
        description: "Answers as long as anything does.",
        parameters: &[],
        body: None,
        answer: Answer::Nothing,
        problems: &[],
    },
    Operation {
        method: Method::Get,
        path: paths::READY,
        access: Access::Open,
        id: "isReady",
        summary: "Whether the process should be given work",
        description: "Not while it starts or stops.",
        parameters: &[],
        body: None,
        answer: Answer::Nothing,
        problems: &[ErrorCode::NotReady, ErrorCode::ShuttingDown],
    },
    Operation {
        method: Method::Get,
        path: paths::OPENAPI,
        access: Access::Open,
        id: "getDescription",
        summary: "This description",
        description: "OpenAPI 3.1.",
        parameters: &[],
        body: None,
        answer: Answer::Text("application/json", "The description."),
        problems: &[],
    },
    Operation {
        method: Method::Get,
        path: paths::METRICS,
        access: Access::Operator,
        id: "getMetrics",
        summary: "Measurements",
        description: "In the text format of Prometheus; on the operators' listener where there is one.",
        parameters: &[],
        body: None,
        answer: Answer::Text("application/openmetrics-text", "The measurements."),
        problems: &[],
    },
];
