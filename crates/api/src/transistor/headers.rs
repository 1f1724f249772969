//! Names of headers, in lower case as HTTP/2 sends them, and media types.

/// Of readers: the access token.
pub const ACCESS: &str = "transistor-access";
/// Of readers: the unlock token, made with a password.
pub const UNLOCK: &str = "transistor-unlock";
/// Of readers: the claim token, chosen by the reader.
pub const CLAIM: &str = "transistor-claim";
/// Of creators: hash of the access token.
pub const ACCESS_HASH: &str = "transistor-access-hash";
/// Of creators: hash of the unlock token.
pub const UNLOCK_HASH: &str = "transistor-unlock-hash";
/// Of both: the sealed info.
pub const INFO: &str = "transistor-info";
/// Of creators: seconds the drop may live.
pub const EXPIRES_IN: &str = "transistor-expires-in";
/// Of answers: when the drop ends, RFC 3339.
pub const EXPIRES: &str = "transistor-expires";
/// Of answers to `HEAD`: bytes of the body.
pub const SIZE: &str = "transistor-size";
/// Of answers to resumable uploads: id of the drop.
pub const ID: &str = "transistor-id";
/// Digest of a body that is sent (RFC 9530).
pub const REPR_DIGEST: &str = "repr-digest";

/// Of tus: the version that is spoken.
pub const TUS_RESUMABLE: &str = "tus-resumable";
/// Of tus: the versions a server speaks.
pub const TUS_VERSION: &str = "tus-version";
/// Of tus: the extensions a server has.
pub const TUS_EXTENSION: &str = "tus-extension";
/// Of tus: the longest upload.
pub const TUS_MAX_SIZE: &str = "tus-max-size";
/// Of tus: the algorithms of checksums.
pub const TUS_CHECKSUM_ALGORITHM: &str = "tus-checksum-algorithm";
/// Of tus: bytes of the whole upload.
pub const UPLOAD_LENGTH: &str = "upload-length";
/// Of tus: bytes that are there.
pub const UPLOAD_OFFSET: &str = "upload-offset";
/// Of tus: what goes with an upload.
pub const UPLOAD_METADATA: &str = "upload-metadata";
/// Of tus: algorithm and checksum of a piece.
pub const UPLOAD_CHECKSUM: &str = "upload-checksum";
/// Of tus: when an unfinished upload ends, as an HTTP date.
pub const UPLOAD_EXPIRES: &str = "upload-expires";
/// The version of tus that is spoken.
pub const TUS_VERSION_VALUE: &str = "1.0.0";

/// Media type of documents.
pub const JSON_API: &str = "application/vnd.api+json";
/// The other media type of documents.
pub const JSON: &str = "application/json";
/// Media type of contents.
pub const OCTET_STREAM: &str = "application/octet-stream";
/// Media type of pieces of a resumable upload.
pub const OFFSET_OCTET_STREAM: &str = "application/offset+octet-stream";
