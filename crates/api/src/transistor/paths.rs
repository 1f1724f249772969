//! Paths: constants are whole and have parameters in braces, functions give what is appended to a Transistor's URL.

use super::{DropToken, TransferId};

/// What every path begins with where a Transistor answers itself.
pub const BASE: &str = "/transistor";

/// Make a small drop from a document.
pub const TRANSFERS: &str = "/transistor/v1/public/transfers";
/// Take it as a document, look at it, delete it.
pub const TRANSFER: &str = "/transistor/v1/public/transfers/{id}";
/// Make a drop from a stream, take or read its bytes, look at it.
pub const CONTENT: &str = "/transistor/v1/public/transfers/{id}/content";
/// Claim, renew, give back.
pub const CLAIMS: &str = "/transistor/v1/public/transfers/{id}/claim";
/// Say that it arrived.
pub const CONFIRM: &str = "/transistor/v1/public/transfers/{id}/claim/confirm";
/// Let further readers read the same body.
pub const COPIES: &str = "/transistor/v1/public/transfers/{id}/copies";
/// Begin a resumable upload.
pub const UPLOADS: &str = "/transistor/v1/public/uploads";
/// Go on with a resumable upload.
pub const UPLOAD: &str = "/transistor/v1/public/uploads/{upload}";
/// The page behind links.
pub const PAGE: &str = "/transistor/d";
/// Its program.
pub const PAGE_SCRIPT: &str = "/transistor/d/open.js";
/// How it looks.
pub const PAGE_STYLE: &str = "/transistor/d/open.css";
/// The machine-readable description.
pub const DESCRIPTION: &str = "/transistor/openapi.json";

fn below(path: &str) -> &str {
    path.strip_prefix(BASE).unwrap_or(path)
}

fn of(path: &str, id: &TransferId) -> String {
    below(path).replace("{id}", &id.to_string())
}

/// Where small drops are made.
#[must_use]
pub fn transfers() -> String {
    below(TRANSFERS).to_owned()
}

/// A drop.
#[must_use]
pub fn transfer(id: &TransferId) -> String {
    of(TRANSFER, id)
}

/// Its bytes.
#[must_use]
pub fn content(id: &TransferId) -> String {
    of(CONTENT, id)
}

/// The claim on it.
#[must_use]
pub fn claim(id: &TransferId) -> String {
    of(CLAIMS, id)
}

/// Confirmation of a claim.
#[must_use]
pub fn confirm(id: &TransferId) -> String {
    of(CONFIRM, id)
}

/// Further readers.
#[must_use]
pub fn copies(id: &TransferId) -> String {
    of(COPIES, id)
}

/// Where resumable uploads begin.
#[must_use]
pub fn uploads() -> String {
    below(UPLOADS).to_owned()
}

/// A resumable upload, whose token is a secret of its sender. A server tells it in `Location`, without the origin.
#[must_use]
pub fn upload(token: &DropToken) -> String {
    below(UPLOAD).replace("{upload}", &token.to_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        let id: TransferId = "0b5e1f00-1111-8222-9333-444455556666".parse().unwrap();
        assert_eq!(confirm(&id), "/v1/public/transfers/0b5e1f00-1111-8222-9333-444455556666/claim/confirm");
        let token = DropToken::from_bytes([0; 32]);
        assert_eq!(upload(&token), format!("/v1/public/uploads/{}", "A".repeat(43)));
        for path in [transfer(&id), content(&id), claim(&id), copies(&id), transfers(), uploads()] {
            assert!(path.starts_with("/v1/public/") && !path.contains('{'), "{path}");
        }
    }
}
