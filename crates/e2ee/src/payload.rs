//! Signed payloads: what is inside everything sealed.
//!
//! The identity's signature covers where the payload belongs, down to the frame, so that neither another member nor
//! the server can put somebody's words around another frame, epoch or group; and it covers where in the log the sender
//! stood, so that members notice when a server shows them different histories.

use core::fmt;

use protocol::{
    Epoch, FrameId, GroupId, LeafId, LogHash, OpDigest, Seq, SignatureBytes, SigningKey, Slot, Suite,
    Transcript, VerifyingKey,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Malformed,
    content::{Content, ContentError},
    secret_tree::Generation,
    wire::{self, Preimage},
};

/// The identity did not sign this payload for this place (the sender's fault, or somebody re-wrapped it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the payload is not signed for this place by this identity")]
pub struct PayloadSignatureError;

/// What carries a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// An operation, by the digest of its head.
    Operation(OpDigest),
    /// A message, by its sender's generation.
    Message(Generation),
}

/// Where a payload belongs: everything the verifier knows from the frame and its own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadContext {
    /// Suite of the group.
    pub suite: Suite,
    /// The group.
    pub group: GroupId,
    /// A message's epoch; the epoch an operation builds on, 0 for Init.
    pub epoch: Epoch,
    /// The frame.
    pub frame: FrameId,
    /// The sender's slot: an operation's doer or own slot, a message's by its header.
    pub slot: Slot,
    /// The sender's leaf; for an Init, a Join or any other operation that creates the leaf, the id it gets.
    pub leaf_id: LeafId,
    /// Transcript of the state the frame builds on, zero for Init.
    pub transcript: Transcript,
    /// Operation or message.
    pub carrier: Carrier,
}

/// A position in the log and the hash chain up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// Last frame seen.
    pub seq: Seq,
    /// Log hash there.
    pub log: LogHash,
}

impl LogPosition {
    /// Before the first frame: what an Init carries.
    pub const NOTHING: Self = Self { seq: Seq::ZERO, log: LogHash::new([0; 32]) };
}

/// A content with its sender's position in the log and signature, not verified.
pub struct SignedPayload {
    seen: LogPosition,
    content: Zeroizing<Vec<u8>>,
    signature: SignatureBytes,
}

impl SignedPayload {
    /// Signs a content for its place.
    ///
    /// # Errors
    /// [`ContentError`] for a content that is too long.
    pub fn sign(
        context: &PayloadContext,
        seen: LogPosition,
        content: &Content,
        identity: &SigningKey,
    ) -> Result<Self, ContentError> {
        let content = Zeroizing::new(content.to_bytes()?);
        let signature = identity.sign(preimage(context, &seen, &content).bytes());
        Ok(Self { seen, content, signature })
    }

    /// Checks that `identity` signed this for this place.
    ///
    /// # Errors
    /// [`PayloadSignatureError`] when anything signed differs.
    pub fn verify(
        &self,
        context: &PayloadContext,
        identity: &VerifyingKey,
    ) -> Result<VerifiedPayload<'_>, PayloadSignatureError> {
        identity
            .verify(preimage(context, &self.seen, &self.content).bytes(), &self.signature)
            .map_err(|_| PayloadSignatureError)?;
        Ok(VerifiedPayload { payload: self })
    }

    /// The content before any verification: only to find the identity a newcomer's credential claims.
    ///
    /// # Errors
    /// [`ContentError`] as [`Content::from_bytes`].
    pub fn claimed_content(&self) -> Result<Content, ContentError> {
        Content::from_bytes(&self.content)
    }

    /// The bytes to seal; wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        wire::encode(&PayloadWire {
            seq: self.seen.seq.get(),
            log: self.seen.log.as_bytes().to_vec(),
            content: self.content.to_vec(),
            signature: self.signature.as_bytes().to_vec(),
        })
    }

    /// Takes opened bytes.
    ///
    /// # Errors
    /// [`Malformed`] for anything [`Self::to_bytes`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut wire: PayloadWire = wire::decode(bytes)?;
        Ok(Self {
            seen: LogPosition { seq: Seq::new(wire.seq), log: LogHash::from_slice(&wire.log)? },
            content: Zeroizing::new(core::mem::take(&mut wire.content)),
            signature: SignatureBytes::from_slice(&wire.signature).ok_or(Malformed)?,
        })
    }
}

/// A payload whose signature verified: what it says is what the identity said, here.
#[derive(Clone, Copy)]
pub struct VerifiedPayload<'a> {
    payload: &'a SignedPayload,
}

impl VerifiedPayload<'_> {
    /// Where in the log the sender stood; another log hash than the own one there means that the group is forked.
    #[must_use]
    pub const fn seen(&self) -> LogPosition {
        self.payload.seen
    }

    /// What the sender says.
    ///
    /// # Errors
    /// [`ContentError`] as [`Content::from_bytes`]; the frame counts as read even so.
    pub fn content(&self) -> Result<Content, ContentError> {
        Content::from_bytes(&self.payload.content)
    }
}

fn preimage(context: &PayloadContext, seen: &LogPosition, content: &[u8]) -> Preimage {
    let (op_digest, generation) = match context.carrier {
        Carrier::Operation(digest) => (Some(*digest.as_bytes()), None),
        Carrier::Message(generation) => (None, Some(generation.get().to_be_bytes())),
    };
    Preimage::new("kith/v1/payload")
        .u32(context.suite.code())
        .fixed(context.group.as_bytes())
        .u64(context.epoch.get())
        .fixed(context.frame.as_bytes())
        .optional(op_digest.as_ref().map(|digest| &digest[..]))
        .u32(context.slot.get())
        .u64(context.leaf_id.get())
        .optional(generation.as_ref().map(|generation| &generation[..]))
        .fixed(context.transcript.as_bytes())
        .u64(seen.seq.get())
        .fixed(seen.log.as_bytes())
        .sized(content)
}

#[derive(prost::Message, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
#[prost(skip_debug)]
struct PayloadWire {
    #[prost(uint64, tag = "1")]
    seq: u64,
    #[prost(bytes = "vec", tag = "2")]
    log: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    content: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    signature: Vec<u8>,
}

impl fmt::Debug for PayloadWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadWire(..)")
    }
}

impl fmt::Debug for SignedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedPayload(..)")
    }
}

impl fmt::Debug for VerifiedPayload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedPayload(..)")
    }
}
