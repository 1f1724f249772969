//! Key packages left for people who are not there.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use protocol::UnixSeconds;
use thiserror::Error;

/// Longest key package, in bytes.
pub const MAX_PACKAGE: usize = 4 * 1024;
/// One-time packages a mailbox holds at most, besides one of last resort.
pub const MAX_PACKAGES: usize = 100;
/// Longest a package is kept, in seconds (90 days), whatever expiry it names.
pub const MAX_PACKAGE_TTL: u64 = 90 * 24 * 3600;

/// Name of a mailbox; knowing it is the permission to use it, so it is not printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxId([u8; 32]);

impl MailboxId {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailboxId(..)")
    }
}

/// A package to be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPackage {
    /// The sealed package, at most [`MAX_PACKAGE`] bytes; the node cannot look inside.
    pub bytes: Bytes,
    /// Whether it is served, again and again, once no other is left. A mailbox has one; a new one replaces it.
    pub last_resort: bool,
    /// When it stops being served.
    pub expires: UnixSeconds,
}

impl fmt::Debug for NewPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPackage")
            .field("len", &self.bytes.len())
            .field("last_resort", &self.last_resort)
            .field("expires", &self.expires)
            .finish()
    }
}

/// What became of a stored package.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// It is now in the mailbox.
    Stored,
    /// The mailbox has or had exactly these bytes; nothing changed. A retry cannot put a claimed package back.
    AlreadyKnown,
}

/// A package handed out.
#[derive(Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The package.
    pub package: Bytes,
    /// Whether it is the one of last resort, which others get as well.
    pub last_resort: bool,
    /// One-time packages left.
    pub remaining: u32,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed")
            .field("len", &self.package.len())
            .field("last_resort", &self.last_resort)
            .field("remaining", &self.remaining)
            .finish()
    }
}

/// Why a mailbox did not do what it was asked.
///
/// After [`Poisoned`](Self::Poisoned) and [`Unavailable`](Self::Unavailable) it is open whether a package was stored
/// or taken; a package that was taken and not delivered is lost, never delivered twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// The package is longer than [`MAX_PACKAGE`]. The caller's fault.
    #[error("the package has {len} bytes, at most {max} are taken")]
    TooLarge {
        /// Length given.
        len: usize,
        /// Longest accepted.
        max: usize,
    },
    /// The mailbox holds [`MAX_PACKAGES`] one-time packages.
    #[error("the mailbox is full")]
    Full,
    /// The package has already expired. The caller's fault.
    #[error("the package has expired")]
    Expired,
    /// The disk is too full to take more; packages can still be claimed.
    #[error("no space left")]
    NoSpace,
    /// A write or a sync failed; nothing is accepted any more and the process should exit and recover.
    #[error("the store stopped after a failed write")]
    Poisoned,
    /// What is stored in this mailbox does not pass its checks.
    #[error("stored data is damaged")]
    Damaged,
    /// The store is closed or cannot be reached.
    #[error("the store is not available")]
    Unavailable,
}

/// Mailboxes of key packages, each one-time package handed out at most once.
///
/// Time is the caller's; a package is served while `now < expires`. Writing methods are cancel safe in the sense of
/// [`FrameLog`](crate::FrameLog): a dropped future leaves the outcome open.
#[async_trait]
pub trait Mailboxes: Send + Sync + 'static {
    /// Puts a package into a mailbox; an `Ok` survives the loss of power.
    ///
    /// # Errors
    /// See [`MailboxError`].
    async fn put(
        &self,
        mailbox: &MailboxId,
        package: NewPackage,
        now: UnixSeconds,
    ) -> Result<Put, MailboxError>;

    /// Takes the oldest one-time package, or shows the one of last resort if there is none; `None` if there is
    /// neither, which an unknown mailbox also answers.
    ///
    /// A one-time package is gone, durably, before it is returned: not two of any number of claimants get the same.
    ///
    /// # Errors
    /// See [`MailboxError`].
    async fn claim(&self, mailbox: &MailboxId, now: UnixSeconds) -> Result<Option<Claimed>, MailboxError>;

    /// Removes up to `limit` expired packages from all mailboxes and returns how many; fewer than `limit` means none
    /// is left. Expired packages are never served, with or without this.
    ///
    /// # Errors
    /// See [`MailboxError`].
    async fn remove_expired(&self, now: UnixSeconds, limit: usize) -> Result<usize, MailboxError>;
}
