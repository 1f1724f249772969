//! Where records of drops are kept.

#[cfg(feature = "testing")]
pub mod conformance;
mod migrate;
pub mod postgres;
mod sql;
pub mod sqlite;

use core::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use drop_state::{Answer, BodyId, Command, DropId, Millis, Refusal, TokenHash, View};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Most copies that are made at once.
pub const MAX_COPIES: usize = 1024;

/// Key that a body outside the database is sealed with, 32 random bytes.
///
/// It stands beside the record and nowhere else: once the last record of a body is erased, the body is unreadable, whatever is left of it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct BodyKey([u8; 32]);

impl BodyKey {
    /// From random bytes, or from what was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key itself.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for BodyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyKey(..)")
    }
}

/// One piece of a body, an object of its own outside the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where in the body it begins.
    pub start: u64,
    /// Bytes of the body in it, more than 0.
    pub len: u64,
    /// The rest of its name, random, so that two tries never write the same object.
    pub name: [u8; 16],
}

/// What goes with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Nothing.
    None,
    /// With `Create` and `inline`: the bytes.
    Inline(Bytes),
    /// With `Create` otherwise: the key of the body.
    Key(BodyKey),
    /// With `Append`: the piece, which was written already.
    Segment(Segment),
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What to answer.
    pub answer: Result<Answer, Refusal>,
    /// The bytes, where leave was given to send some and they are kept beside the record.
    pub bytes: Option<Bytes>,
    /// Whether a body outside the database has lost its last record, and is to be erased.
    pub to_erase: bool,
}

/// How to read a body outside the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The key of its pieces.
    pub key: BodyKey,
    /// All of them, in order, without gaps.
    pub segments: Vec<Segment>,
}

/// A further reader of a body that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Name of the new drop.
    pub id: DropId,
    /// Sealed info, at most [`drop_state::MAX_INFO`] bytes.
    pub info: Vec<u8>,
    /// Hash of the access token.
    pub access: Option<TokenHash>,
    /// Hash of the unlock token.
    pub unlock: Option<TokenHash>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Drops, unfinished ones too.
    pub drops: u64,
    /// Bytes of their bodies, each body counted once.
    pub bytes: u64,
    /// Bodies that are still to be erased outside the database.
    pub to_erase: u64,
}

/// A store did not do what it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or takes too long. Whether the command was carried out is not known.
    #[error("the database does not answer")]
    Unavailable(#[source] Cause),
    /// There is no room. Nothing was written.
    #[error("the database has no room")]
    Full(#[source] Cause),
    /// It failed. Whether the command was carried out is not known.
    #[error("the database failed")]
    Failed(#[source] Cause),
    /// What stands in it is not what was written.
    #[error("the database holds something that cannot be read: {0}")]
    Damaged(&'static str),
}

/// Name of a store, 16 random bytes, chosen when its tables were made. By it a place for bodies knows whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreId(pub [u8; 16]);

/// A store that was opened.
#[derive(Debug)]
pub struct Opened<S> {
    /// The store.
    pub store: S,
    /// What tells it from every other one, as long as it lives: random, and no secret.
    pub id: StoreId,
    /// Drops that were erased because the database was brought back from a copy, in which drops may stand that were read
    /// since.
    pub discarded: u64,
}

/// What a database says.
pub type Cause = Box<dyn core::error::Error + Send + Sync>;

/// Records of drops.
///
/// Everything an `Ok` tells of is durable before it is told: a reader is answered only after the record says so. Any
/// number of tasks, and for databases that can be shared any number of processes, may call at once; commands on one drop
/// happen one after the other.
///
/// # Cancel safety
/// A call that is dropped may have been carried out or not.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Applies [`drop_state::apply`] to the drop `id` and writes what it says, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`]; refusals are answers.
    async fn apply(
        &self,
        id: DropId,
        command: Command,
        payload: Payload,
        now: Millis,
    ) -> Result<Applied, StoreError>;

    /// Makes further drops of the body of a complete one, all of them or none. Expiry and creator's token are those of
    /// the original. At most [`MAX_COPIES`].
    ///
    /// # Errors
    /// [`StoreError`]; [`Refusal::Gone`] without the original or its creator's token, [`Refusal::Exists`] when one of
    /// the ids is in use by another body; for one of the same body nothing changes, so that the call can be repeated.
    async fn share(
        &self,
        of: DropId,
        deleter: TokenHash,
        copies: Vec<Copy>,
        now: Millis,
    ) -> Result<Result<View, Refusal>, StoreError>;

    /// The drop that an upload's token belongs to.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn by_upload(&self, upload: TokenHash) -> Result<Option<DropId>, StoreError>;

    /// How to read a body outside the database; `None` if it is not there (any more).
    ///
    /// # Errors
    /// [`StoreError`].
    async fn parts(&self, body: BodyId) -> Result<Option<Parts>, StoreError>;

    /// Drops that time has changed, the longest overdue first, at most `limit`. Each is to be settled.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn due(&self, now: Millis, limit: u32) -> Result<Vec<DropId>, StoreError>;

    /// Bodies outside the database that no record refers to any more, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn to_erase(&self, limit: u32) -> Result<Vec<BodyId>, StoreError>;

    /// A body outside the database has been erased.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn erased(&self, body: BodyId) -> Result<(), StoreError>;

    /// Which of these bodies the database knows nothing of, neither a record nor that they are to be erased.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unknown(&self, bodies: &[BodyId]) -> Result<Vec<BodyId>, StoreError>;

    /// How much there is.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn usage(&self) -> Result<Usage, StoreError>;

    /// Makes what was erased unreadable in the database's own files, as far as the database can. Called soon after
    /// something was erased; cheap when nothing was.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn scrub(&self) -> Result<(), StoreError>;

    /// Ends it in order. Nothing may be called afterwards.
    async fn close(&self);
}
