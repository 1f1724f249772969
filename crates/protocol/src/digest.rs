//! Domain-separated digests: SHA-256 over a label and fields of fixed or prefixed length, integers big-endian.
//!
//! No label is a prefix of another, so no input of one digest is an input of a second.

use sha2::{Digest, Sha256};

use crate::{
    AdminRoot, Ctx, Epoch, FrameDigest, FrameHash, GroupId, LogHash, OpDigest, PolicyHash, RecoveryHash,
    SealedHash, Seq, Suite, Transcript, TreeHash, UnixSeconds, VerifyingKey, body::Ticket, head::Kind,
    limits::VERSION,
};

/// SHA-256 over a label and typed fields.
#[derive(Clone, Debug)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts with a label of the form `kith/v1/...`.
    #[must_use]
    pub fn new(label: &'static str) -> Self {
        Self(Sha256::new_with_prefix(label.as_bytes()))
    }

    /// Appends bytes whose length the label fixes.
    #[must_use]
    pub fn fixed<const N: usize>(mut self, bytes: &[u8; N]) -> Self {
        self.0.update(bytes);
        self
    }

    /// Appends a 32-bit number.
    #[must_use]
    pub fn u32(self, n: u32) -> Self {
        self.fixed(&n.to_be_bytes())
    }

    /// Appends a 64-bit number.
    #[must_use]
    pub fn u64(self, n: u64) -> Self {
        self.fixed(&n.to_be_bytes())
    }

    /// Appends a flag as one byte, 0 or 1.
    #[must_use]
    pub fn flag(self, flag: bool) -> Self {
        self.fixed(&[u8::from(flag)])
    }

    /// Appends bytes of any length, behind their length as 64 bits.
    #[must_use]
    pub fn prefixed(mut self, bytes: &[u8]) -> Self {
        // usize is at most 64 bits on every target this builds for.
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Appends bytes of any length that end the input.
    #[must_use]
    pub fn last(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Digest of an operation's head: associated data of its sealed payload, input of its key schedule.
#[must_use]
pub fn op_digest(head: &[u8]) -> OpDigest {
    OpDigest::new(Hasher::new("kith/v1/op").last(head).finish())
}

/// Digest of a message's head: associated data of its sealed header and content.
#[must_use]
pub fn message_digest(head: &[u8]) -> OpDigest {
    OpDigest::new(Hasher::new("kith/v1/msg").last(head).finish())
}

/// Hash of a sealed part, which can stand for it.
#[must_use]
pub fn sealed_hash(sealed: &[u8]) -> SealedHash {
    SealedHash::new(sha256(sealed))
}

/// `th` of a frame, from the received head and the hash of the received sealed part.
#[must_use]
pub fn frame_hash(head: &[u8], sealed: &SealedHash) -> FrameHash {
    FrameHash::new(Hasher::new("kith/v1/tbs").fixed(&sha256(head)).fixed(sealed.as_bytes()).finish())
}

/// `D`: what every signature and proof of a frame covers.
#[must_use]
pub fn frame_digest(kind: Kind, ctx: &Ctx, th: &FrameHash) -> FrameDigest {
    FrameDigest::new(
        Hasher::new("kith/v1/frame").u32(kind.code()).fixed(ctx.as_bytes()).fixed(th.as_bytes()).finish(),
    )
}

/// `t_{n+1}` from `t_n` and an operation's `th`.
#[must_use]
pub fn transcript(before: &Transcript, th: &FrameHash) -> Transcript {
    Transcript::new(Hasher::new("kith/v1/transcript").fixed(before.as_bytes()).fixed(th.as_bytes()).finish())
}

/// `log_s` from `log_{s-1}`, `s` and the frame's `th`; before the first frame it is zero.
#[must_use]
pub fn log_hash(before: &LogHash, seq: Seq, th: &FrameHash) -> LogHash {
    LogHash::new(
        Hasher::new("kith/v1/log").fixed(before.as_bytes()).u64(seq.get()).fixed(th.as_bytes()).finish(),
    )
}

/// Id of the group an Init founds, from what the Init says.
#[must_use]
pub fn group_id(suite: Suite, at: UnixSeconds, tree_hash_after: &TreeHash, body: &[u8]) -> GroupId {
    GroupId::new(
        Hasher::new("kith/v1/group")
            .u32(VERSION)
            .u32(suite.code())
            .u64(at.get())
            .fixed(tree_hash_after.as_bytes())
            .prefixed(body)
            .finish(),
    )
}

/// The base of an Init, before any state.
#[must_use]
pub fn ctx_before_init(suite: Suite, group: &GroupId) -> Ctx {
    Ctx::new(Hasher::new("kith/v1/init-ctx").u32(VERSION).u32(suite.code()).fixed(group.as_bytes()).finish())
}

/// Digest of the open tickets, in the order of their keys.
#[must_use]
pub fn tickets_hash<'a>(tickets: impl ExactSizeIterator<Item = &'a Ticket>) -> [u8; 32] {
    let mut hasher = Hasher::new("kith/v1/tickets").u64(tickets.len() as u64);
    for ticket in tickets {
        hasher = hasher
            .fixed(ticket.key.as_bytes())
            .u32(ticket.uses_left)
            .u64(ticket.expires.get())
            .u64(ticket.issuer.get());
    }
    hasher.finish()
}

/// Everything ctx binds: all fold state but the log position and the window of message epochs.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "fields are the fold state's, described there")]
pub struct CtxFields {
    pub suite: Suite,
    pub group: GroupId,
    pub epoch: Epoch,
    pub at: UnixSeconds,
    pub first_clean_epoch: Epoch,
    pub closed: bool,
    pub tree_hash: TreeHash,
    pub transcript: Transcript,
    pub owner: VerifyingKey,
    pub admin_root: AdminRoot,
    pub policy: PolicyHash,
    pub tickets: [u8; 32],
    pub recovery: RecoveryHash,
}

/// `ctx_n` of a state.
#[must_use]
pub fn ctx(fields: &CtxFields) -> Ctx {
    Ctx::new(
        Hasher::new("kith/v1/ctx")
            .u32(VERSION)
            .u32(fields.suite.code())
            .fixed(fields.group.as_bytes())
            .u64(fields.epoch.get())
            .u64(fields.at.get())
            .u64(fields.first_clean_epoch.get())
            .flag(fields.closed)
            .fixed(fields.tree_hash.as_bytes())
            .fixed(fields.transcript.as_bytes())
            .fixed(fields.owner.as_bytes())
            .fixed(fields.admin_root.as_bytes())
            .fixed(fields.policy.as_bytes())
            .fixed(&fields.tickets)
            .fixed(fields.recovery.as_bytes())
            .finish(),
    )
}

/// Whose Ed25519 signature over a frame it is; each role signs another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The acting leaf's pseudonym.
    Leaf,
    /// A pseudonym that begins with this frame.
    NewLeaf,
    /// The group's owner.
    Owner,
    /// The owner that this frame installs.
    NewOwner,
    /// The ticket a newcomer uses.
    Ticket,
}

impl Role {
    /// The bytes a signature of this role covers.
    #[must_use]
    pub fn message(self, digest: &FrameDigest) -> [u8; 32] {
        let label = match self {
            Self::Leaf => "kith/v1/auth/leaf",
            Self::NewLeaf => "kith/v1/auth/new-leaf",
            Self::Owner => "kith/v1/auth/owner",
            Self::NewOwner => "kith/v1/auth/new-owner",
            Self::Ticket => "kith/v1/auth/ticket",
        };
        Hasher::new(label).fixed(digest.as_bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: &[&str] = &[
        "kith/v1/op",
        "kith/v1/msg",
        "kith/v1/tbs",
        "kith/v1/frame",
        "kith/v1/transcript",
        "kith/v1/log",
        "kith/v1/group",
        "kith/v1/init-ctx",
        "kith/v1/tickets",
        "kith/v1/ctx",
        "kith/v1/policy",
        "kith/v1/receipt",
        "kith/v1/auth/leaf",
        "kith/v1/auth/new-leaf",
        "kith/v1/auth/owner",
        "kith/v1/auth/new-owner",
        "kith/v1/auth/ticket",
    ];

    #[test]
    fn no_label_is_a_prefix_of_another() {
        for (i, a) in LABELS.iter().enumerate() {
            for (j, b) in LABELS.iter().enumerate() {
                assert!(i == j || !a.starts_with(b), "{a} begins with {b}");
            }
        }
    }

    #[test]
    fn golden() {
        let th = frame_hash(b"head", &sealed_hash(b"sealed"));
        assert_eq!(th.to_string(), "54930185c676eed1ac5495b0be0f32c54203f75ba0bb81d0fb7ecc736187b377");
        assert_eq!(
            log_hash(&LogHash::new([0; 32]), Seq::new(7), &th).to_string(),
            "5952364a4b198560cf1f7a3d747a80ac56b85942cee951ac0e7754228a38bb8a"
        );
        assert_eq!(
            op_digest(b"head").to_string(),
            "90f5da1bd581825243023162f863e373daa2d5f5013c8118670206a9b4905834"
        );
    }
}
