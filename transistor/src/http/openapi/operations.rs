//! What can be asked, in words.

use api::{ErrorCode, transistor as wire};

use super::Body;

/// One method of one path, described.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// Whether the deletion token is needed (`true`) or may be shown.
    pub(super) creator: Option<bool>,
    /// Headers of the request, and whether they are needed.
    pub(super) headers: &'static [(&'static str, bool)],
    pub(super) body: Option<Body>,
    pub(super) successes: &'static [Success],
    /// What a client has to be ready for, besides what can happen to every request.
    pub(super) problems: &'static [ErrorCode],
}

/// What an answer looks like when it was done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) headers: &'static [&'static str],
    pub(super) body: Option<Body>,
}

const fn done(status: u16, description: &'static str) -> Success {
    Success { status, description, headers: &[], body: None }
}

const MADE: &[Success] = &[
    Success {
        status: 201,
        description: "It is there.",
        headers: &["location", wire::EXPIRES],
        body: Some(Body::answer("Made")),
    },
    Success {
        status: 200,
        description: "It had been made before with the same id and deletion token; nothing was changed.",
        headers: &["location", wire::EXPIRES],
        body: Some(Body::answer("Made")),
    },
];
const SHOWN: &[(&str, bool)] = &[(wire::ACCESS, false), (wire::UNLOCK, false)];
const CLAIMED: &[(&str, bool)] = &[(wire::CLAIM, true)];
const TUS: (&str, bool) = (wire::TUS_RESUMABLE, true);
const TUS_HEADERS: &[&str] = &[wire::TUS_RESUMABLE, wire::UPLOAD_OFFSET, wire::UPLOAD_EXPIRES, wire::ID];
const READ: &[ErrorCode] = &[
    ErrorCode::DropGone,
    ErrorCode::PasswordWrong,
    ErrorCode::PrefetchRefused,
    ErrorCode::NotAcceptable,
    ErrorCode::RateLimited,
    ErrorCode::Busy,
];
const ABILITIES: &[Success] = &[Success {
    status: 204,
    description: "What the server can do.",
    headers: &[wire::TUS_VERSION, wire::TUS_EXTENSION, wire::TUS_MAX_SIZE, wire::TUS_CHECKSUM_ALGORITHM],
    body: None,
}];

const fn asset(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    success: &'static [Success],
) -> Operation {
    Operation {
        method: "get",
        path,
        id,
        summary,
        description,
        creator: None,
        headers: &[],
        body: None,
        successes: success,
        problems: &[],
    }
}

/// Every operation.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "post",
        path: wire::TRANSFERS,
        id: "createTransfer",
        summary: "Make a small drop",
        description: "A text, given as a JSON:API document. With an id and a deletion token of the creator's choice it \
                      can be repeated safely.",
        creator: Some(false),
        headers: &[],
        body: Some(Body::document("CreateTransfer")),
        successes: MADE,
        problems: &[
            ErrorCode::InvalidRequest,
            ErrorCode::TokenInvalid,
            ErrorCode::DropExists,
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::BadExpiry,
            ErrorCode::RateLimited,
            ErrorCode::QuotaExceeded,
            ErrorCode::StorageFull,
        ],
    },
    Operation {
        method: "get",
        path: wire::TRANSFER,
        id: "takeTransfer",
        summary: "Take a text, once",
        description: "Claims, gives and erases in one request: if the answer is lost, so is the drop. `Accept` has to \
                      name the media type, unless a token is shown.",
        creator: None,
        headers: SHOWN,
        body: None,
        successes: &[Success {
            status: 200,
            description: "The drop, which is gone now.",
            headers: &[],
            body: Some(Body::answer("Taken")),
        }],
        problems: READ,
    },
    Operation {
        method: "head",
        path: wire::TRANSFER,
        id: "lookAtTransfer",
        summary: "Is it there, how large is it",
        description: "Consumes nothing. A drop that somebody is reading looks like none. The info is told where there is \
                      no unlock token.",
        creator: None,
        headers: SHOWN,
        body: None,
        successes: &[Success {
            status: 200,
            description: "It is there.",
            headers: &[wire::SIZE, wire::EXPIRES, wire::INFO],
            body: None,
        }],
        problems: &[ErrorCode::DropGone, ErrorCode::RateLimited],
    },
    Operation {
        method: "delete",
        path: wire::TRANSFER,
        id: "deleteTransfer",
        summary: "Delete it",
        description: "Whatever its state is.",
        creator: Some(true),
        headers: &[],
        body: None,
        successes: &[done(204, "It is gone.")],
        problems: &[
            ErrorCode::Unauthorized,
            ErrorCode::TokenInvalid,
            ErrorCode::DropGone,
            ErrorCode::RateLimited,
        ],
    },
    Operation {
        method: "put",
        path: wire::CONTENT,
        id: "putContent",
        summary: "Make a drop from a stream of bytes",
        description: "It is there whole or not at all. With a deletion token of the creator's choice it can be repeated \
                      safely; a repetition is answered without reading the body.",
        creator: Some(false),
        headers: &[
            (wire::ACCESS_HASH, false),
            (wire::UNLOCK_HASH, false),
            (wire::INFO, false),
            (wire::EXPIRES_IN, false),
            (wire::REPR_DIGEST, false),
        ],
        body: Some(Body::bytes(&[wire::OCTET_STREAM])),
        successes: MADE,
        problems: &[
            ErrorCode::InvalidRequest,
            ErrorCode::TokenInvalid,
            ErrorCode::DropExists,
            ErrorCode::DigestMismatch,
            ErrorCode::UploadBroken,
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::BadExpiry,
            ErrorCode::RateLimited,
            ErrorCode::QuotaExceeded,
            ErrorCode::StorageFull,
            ErrorCode::Busy,
        ],
    },
    Operation {
        method: "get",
        path: wire::CONTENT,
        id: "getContent",
        summary: "Take or read the bytes",
        description: "With a claim: reads them, whole or a range, and renews the claim. Without: takes them, once.",
        creator: None,
        headers: &[
            (wire::ACCESS, false),
            (wire::UNLOCK, false),
            (wire::CLAIM, false),
            ("range", false),
            ("if-range", false),
        ],
        body: None,
        successes: &[
            Success {
                status: 200,
                description: "All bytes.",
                headers: &["etag", "accept-ranges", "content-length"],
                body: Some(Body::bytes(&[wire::OCTET_STREAM])),
            },
            Success {
                status: 206,
                description: "The range.",
                headers: &["etag", "accept-ranges", "content-length", "content-range"],
                body: Some(Body::bytes(&[wire::OCTET_STREAM])),
            },
        ],
        problems: &[
            ErrorCode::DropGone,
            ErrorCode::PasswordWrong,
            ErrorCode::PrefetchRefused,
            ErrorCode::NotAcceptable,
            ErrorCode::RangeNotSatisfiable,
            ErrorCode::RateLimited,
            ErrorCode::Busy,
        ],
    },
    Operation {
        method: "head",
        path: wire::CONTENT,
        id: "lookAtContent",
        summary: "Is it there, how large is it",
        description: "As for the transfer, with the length in `Content-Length` as well.",
        creator: None,
        headers: SHOWN,
        body: None,
        successes: &[Success {
            status: 200,
            description: "It is there.",
            headers: &[wire::SIZE, wire::EXPIRES, wire::INFO, "content-length", "accept-ranges"],
            body: None,
        }],
        problems: &[ErrorCode::DropGone, ErrorCode::RateLimited],
    },
    Operation {
        method: "put",
        path: wire::CLAIMS,
        id: "claim",
        summary: "Claim, or renew a claim",
        description: "The token is the reader's choice; with the same one the claim is the same, so that this can be \
                      repeated. Wrong unlock tokens are counted, and the tenth erases the drop.",
        creator: None,
        headers: &[(wire::CLAIM, true), (wire::ACCESS, false), (wire::UNLOCK, false)],
        body: None,
        successes: &[Success {
            status: 200,
            description: "It is the reader's.",
            headers: &[],
            body: Some(Body::answer("Claim")),
        }],
        problems: &[
            ErrorCode::InvalidRequest,
            ErrorCode::DropGone,
            ErrorCode::PasswordWrong,
            ErrorCode::PrefetchRefused,
            ErrorCode::RateLimited,
        ],
    },
    Operation {
        method: "delete",
        path: wire::CLAIMS,
        id: "giveBack",
        summary: "Give a claim back",
        description: "Somebody else can read then, unless everything was sent: then it is erased.",
        creator: None,
        headers: CLAIMED,
        body: None,
        successes: &[done(204, "It is nobody's now.")],
        problems: &[ErrorCode::InvalidRequest, ErrorCode::DropGone, ErrorCode::RateLimited],
    },
    Operation {
        method: "post",
        path: wire::CONFIRM,
        id: "confirm",
        summary: "Say that it arrived",
        description: "It is erased at once. `drop_gone` from a repetition means that it is.",
        creator: None,
        headers: CLAIMED,
        body: None,
        successes: &[done(204, "It is erased.")],
        problems: &[ErrorCode::InvalidRequest, ErrorCode::DropGone, ErrorCode::RateLimited],
    },
    Operation {
        method: "post",
        path: wire::COPIES,
        id: "shareTransfer",
        summary: "Let further readers read the same body, each once",
        description: "All of the copies are made, or none. Expiry and deletion token are those of the original, which \
                      stays readable. Can be repeated.",
        creator: Some(true),
        headers: &[],
        body: Some(Body::document("Copies")),
        successes: &[done(204, "They are there.")],
        problems: &[
            ErrorCode::InvalidRequest,
            ErrorCode::Unauthorized,
            ErrorCode::TokenInvalid,
            ErrorCode::DropGone,
            ErrorCode::DropExists,
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::RateLimited,
        ],
    },
    Operation {
        method: "options",
        path: wire::UPLOADS,
        id: "uploadAbilities",
        summary: "What the server can do",
        description: "As tus 1.0 has it.",
        creator: None,
        headers: &[],
        body: None,
        successes: ABILITIES,
        problems: &[],
    },
    Operation {
        method: "post",
        path: wire::UPLOADS,
        id: "beginUpload",
        summary: "Begin a resumable upload",
        description: "tus 1.0, `creation` and `creation-with-upload`. The upload is named by a token in `Location`, which \
                      is its sender's secret.",
        creator: Some(false),
        headers: &[
            TUS,
            (wire::UPLOAD_LENGTH, true),
            (wire::UPLOAD_METADATA, false),
            (wire::UPLOAD_CHECKSUM, false),
        ],
        body: Some(Body::bytes(&[wire::OFFSET_OCTET_STREAM]).optional()),
        successes: &[Success {
            status: 201,
            description: "It has begun.",
            headers: &["location", wire::TUS_RESUMABLE, wire::UPLOAD_OFFSET, wire::UPLOAD_EXPIRES, wire::ID],
            body: Some(Body::answer("Made")),
        }],
        problems: &[
            ErrorCode::InvalidRequest,
            ErrorCode::TokenInvalid,
            ErrorCode::TusVersion,
            ErrorCode::DropExists,
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::BadExpiry,
            ErrorCode::RateLimited,
            ErrorCode::StorageFull,
            ErrorCode::Busy,
        ],
    },
    Operation {
        method: "options",
        path: wire::UPLOAD,
        id: "uploadAbilitiesOfOne",
        summary: "What the server can do",
        description: "The same as where uploads begin.",
        creator: None,
        headers: &[],
        body: None,
        successes: ABILITIES,
        problems: &[],
    },
    Operation {
        method: "head",
        path: wire::UPLOAD,
        id: "uploadProgress",
        summary: "How far it is",
        description: "Also of a finished upload, until the drop is gone.",
        creator: None,
        headers: &[TUS],
        body: None,
        successes: &[Success {
            status: 200,
            description: "So far.",
            headers: &[
                wire::TUS_RESUMABLE,
                wire::UPLOAD_LENGTH,
                wire::UPLOAD_OFFSET,
                wire::UPLOAD_EXPIRES,
                wire::EXPIRES,
                wire::ID,
            ],
            body: None,
        }],
        problems: &[ErrorCode::DropGone, ErrorCode::TusVersion, ErrorCode::RateLimited],
    },
    Operation {
        method: "patch",
        path: wire::UPLOAD,
        id: "appendToUpload",
        summary: "Send the next piece",
        description: "What arrived before a connection broke is kept, unless a checksum was announced.",
        creator: None,
        headers: &[TUS, (wire::UPLOAD_OFFSET, true), (wire::UPLOAD_CHECKSUM, false)],
        body: Some(Body::bytes(&[wire::OFFSET_OCTET_STREAM])),
        successes: &[Success { status: 204, description: "It is there.", headers: TUS_HEADERS, body: None }],
        problems: &[
            ErrorCode::InvalidRequest,
            ErrorCode::DropGone,
            ErrorCode::UploadOffset,
            ErrorCode::UploadBroken,
            ErrorCode::ChecksumMismatch,
            ErrorCode::TusVersion,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::QuotaExceeded,
            ErrorCode::RateLimited,
            ErrorCode::StorageFull,
            ErrorCode::Busy,
        ],
    },
    Operation {
        method: "delete",
        path: wire::UPLOAD,
        id: "endUpload",
        summary: "End the upload",
        description: "If it is finished, the drop is deleted.",
        creator: None,
        headers: &[TUS],
        body: None,
        successes: &[done(204, "It is gone.")],
        problems: &[ErrorCode::DropGone, ErrorCode::TusVersion, ErrorCode::RateLimited],
    },
    asset(
        wire::DESCRIPTION,
        "getDescription",
        "This description",
        "OpenAPI 3.1.",
        &[Success {
            status: 200,
            description: "The description.",
            headers: &[],
            body: Some(Body::bytes(&["application/json"])),
        }],
    ),
    asset(
        wire::PAGE,
        "getPage",
        "The page behind links",
        "The same for every link. The secret stands behind the `#`, which browsers do not send; the page opens the drop \
         once a button was pressed.",
        &[Success {
            status: 200,
            description: "The page.",
            headers: &[],
            body: Some(Body::bytes(&["text/html"])),
        }],
    ),
    asset(
        wire::PAGE_SCRIPT,
        "getPageScript",
        "Its program",
        "Opens drops in the browser.",
        &[Success {
            status: 200,
            description: "The program.",
            headers: &[],
            body: Some(Body::bytes(&["text/javascript"])),
        }],
    ),
    asset(
        wire::PAGE_STYLE,
        "getPageStyle",
        "How it looks",
        "A style sheet.",
        &[Success {
            status: 200,
            description: "The style.",
            headers: &[],
            body: Some(Body::bytes(&["text/css"])),
        }],
    ),
];
