//! What Transistor and its clients say to each other: paths, headers, JSON:API documents, metadata of uploads.
//!
//! Drops are bytes and their metadata is small, so there is one encoding here, JSON:API, and no Protocol Buffers.
//! Requests refuse what they do not know; answers skip it, so that a newer server can say more.

mod documents;
mod headers;
mod metadata;
mod paths;
mod values;

pub use documents::{Claim, Copies, CopyOf, CreateTransfer, DocumentError, MAX_COPIES, Transfer};
pub use headers::{
    ACCESS, ACCESS_HASH, CLAIM, EXPIRES, EXPIRES_IN, ID, INFO, JSON, JSON_API, OCTET_STREAM,
    OFFSET_OCTET_STREAM, REPR_DIGEST, SIZE, TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE,
    TUS_RESUMABLE, TUS_VERSION, TUS_VERSION_VALUE, UNLOCK, UNLOCK_HASH, UPLOAD_CHECKSUM, UPLOAD_EXPIRES,
    UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET,
};
pub use metadata::UploadMetadata;
pub use paths::{
    BASE, CLAIMS, CONFIRM, CONTENT, COPIES, DESCRIPTION, PAGE, PAGE_SCRIPT, PAGE_STYLE, TRANSFER, TRANSFERS,
    UPLOAD, UPLOADS, claim, confirm, content, copies, transfer, transfers, upload, uploads,
};
pub use values::{DropToken, Info, TokenHash, TransferId, ValueError, format_rfc3339, parse_rfc3339};
