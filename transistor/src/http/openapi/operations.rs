//! What can be asked, in words.

mod pages;
mod transfers;
mod uploads;

use api::ErrorCode;

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

/// Every operation.
pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    transfers::ALL.iter().chain(uploads::ALL).chain(pages::ALL)
}
