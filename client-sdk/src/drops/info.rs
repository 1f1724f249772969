//! What is told of a drop before it is read.

use core::fmt;

use e2ee::name::FileName;
use protocol::UnixSeconds;
use sealed_drop::Info;

/// What is told of a drop before it is read.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DropInfo {
    /// The name its sender gave it, made safe for a file; `None` where there is none, or where it is not known before
    /// the drop was claimed with its password.
    pub name: Option<FileName>,
    /// The media type its sender gave it; empty where there is none or it is not known.
    pub media_type: String,
    /// Exact length of the content in bytes, where it is known.
    pub len: Option<u64>,
    /// Bytes the server keeps, at most 12 % more.
    pub sealed_len: u64,
    /// Whether a password is needed.
    pub locked: bool,
    /// When it ends if nobody reads it, where the server says so.
    pub expires_at: Option<UnixSeconds>,
}

impl DropInfo {
    pub(super) fn of(
        info: Option<&Info>,
        sealed_len: u64,
        locked: bool,
        expires_at: Option<UnixSeconds>,
    ) -> Self {
        let name = info.map(Info::name).filter(|name| !name.is_empty()).map(FileName::sanitise);
        let media_type = info.map(Info::media_type).unwrap_or_default().to_owned();
        Self { name, media_type, len: info.map(Info::content_len), sealed_len, locked, expires_at }
    }
}

impl fmt::Debug for DropInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DropInfo").field("sealed_len", &self.sealed_len).finish_non_exhaustive()
    }
}
