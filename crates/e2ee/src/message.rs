//! Sealing and opening the messages of one epoch.
//!
//! ```text
//! sealed  = header ‖ content
//! content = AEAD(ratchet key of (slot, generation) and frame id, aad = digest, padded payload)
//! header  = AEAD(Expand(sender_data, "hdr", frame id ‖ first 16 bytes of content), aad = digest, slot ‖ generation)
//! ```
//!
//! The header has a fixed length of 24 bytes and hides who sends. `digest` is that of the message's head
//! ([`protocol::digest::message_digest`]), so neither part opens under another head. That the frame id and a sample of
//! the ciphertext go into the header's key keeps that key from being used twice.

use core::fmt;

use protocol::{FrameId, OpDigest, Slot, Suite, limits::MAX_PAYLOAD};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Malformed, OpenError, SealError,
    aead::{OneTimeKey, TAG_LEN},
    padding,
    schedule::{MessageRoot, SenderDataSecret},
    secret_tree::{Generation, PendingKey, RatchetError, SecretTree, SendKey},
    wire,
};

/// Length of the sealed header, in bytes.
pub const HEADER_LEN: usize = 8 + TAG_LEN;
const SAMPLE_LEN: usize = 16;

/// Why a message cannot be opened. The frame is recorded as unreadable and the log goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The header does not open: another epoch's, or not by a member.
    #[error("the header cannot be opened")]
    Header(#[source] OpenError),
    /// There is no key for the slot and generation the header names.
    #[error("no key for this sender and generation")]
    Ratchet(#[source] RatchetError),
    /// The content does not open: a forged header, or tampering.
    #[error("the content cannot be opened")]
    Content(#[source] OpenError),
}

/// An opened message, not yet trusted: whose it is follows from the signature inside the payload.
pub struct Opened {
    /// Slot the header names.
    pub slot: Slot,
    /// Generation the header names.
    pub generation: Generation,
    /// The signed payload, for [`crate::payload::SignedPayload::from_bytes`].
    pub payload: Zeroizing<Vec<u8>>,
    /// For [`MessageKeys::commit`], after every check.
    pub pending: PendingKey,
}

/// The keys of one epoch's messages: sender data and secret tree, with their stored form.
pub struct MessageKeys {
    suite: Suite,
    sender_data: SenderDataSecret,
    tree: SecretTree,
}

impl MessageKeys {
    /// The keys of a new epoch whose tree has `capacity` slots. Consumes the message root.
    ///
    /// # Errors
    /// [`RatchetError::Capacity`] for a capacity no tree has.
    pub fn new(
        suite: Suite,
        sender_data: SenderDataSecret,
        message_root: MessageRoot,
        capacity: u32,
    ) -> Result<Self, RatchetError> {
        Ok(Self { suite, sender_data, tree: SecretTree::new(message_root, capacity)? })
    }

    /// The secret tree, for questions about generations.
    #[must_use]
    pub const fn tree(&self) -> &SecretTree {
        &self.tree
    }

    /// Takes the next own key; its generation goes under the payload's signature. Store the state before sending.
    ///
    /// # Errors
    /// [`RatchetError::NoSuchSlot`] or [`RatchetError::Exhausted`].
    pub fn reserve(&mut self, own: Slot) -> Result<SendKey, RatchetError> {
        self.tree.reserve(own)
    }

    /// Pads and seals a signed payload into the sealed part of a message.
    ///
    /// # Errors
    /// [`SealError::TooLong`] above [`padding::MAX_PLAINTEXT`]; the generation is used up even so.
    pub fn seal(
        &self,
        key: SendKey,
        frame: &FrameId,
        digest: &OpDigest,
        payload: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut header = Zeroizing::new(Vec::with_capacity(8));
        header.extend_from_slice(&key.slot().get().to_be_bytes());
        header.extend_from_slice(&key.generation().get().to_be_bytes());
        let content = key.seal(self.suite, frame, digest.as_bytes(), padding::pad(payload)?);
        let mut sealed = self.header_key(frame, &content).seal(self.suite, digest.as_bytes(), header);
        sealed.extend_from_slice(&content);
        Ok(sealed)
    }

    /// Opens the sealed part of a message without changing any state.
    ///
    /// # Errors
    /// [`MessageError`] by the part that does not open.
    pub fn open(&self, frame: &FrameId, digest: &OpDigest, sealed: &[u8]) -> Result<Opened, MessageError> {
        if sealed.len() > HEADER_LEN + MAX_PAYLOAD + TAG_LEN {
            return Err(MessageError::Content(OpenError::Length));
        }
        let (header, content) =
            sealed.split_first_chunk::<HEADER_LEN>().ok_or(MessageError::Header(OpenError::Length))?;
        let (slot, generation) = self.open_header(frame, digest, header, content)?;
        let pending = self.tree.peek(slot, generation).map_err(MessageError::Ratchet)?;
        let padded =
            pending.open(self.suite, frame, digest.as_bytes(), content).map_err(MessageError::Content)?;
        let payload = padding::unpad(&padded).map_err(MessageError::Content)?;
        Ok(Opened { slot, generation, payload, pending })
    }

    /// Deletes the key of an opened message, after the identity's signature verified and the slot was found Active.
    ///
    /// # Errors
    /// [`RatchetError::Used`] when another message with this generation was committed since it was opened.
    pub fn commit(&mut self, pending: PendingKey) -> Result<(), RatchetError> {
        self.tree.commit(pending)
    }

    /// The keys as bytes, for storage under encryption; wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        wire::encode(&KeysWire {
            suite: self.suite.code(),
            sender_data: self.sender_data.to_bytes().to_vec(),
            tree: self.tree.to_bytes().to_vec(),
        })
    }

    /// Takes up stored bytes.
    ///
    /// # Errors
    /// [`Malformed`] for anything [`Self::to_bytes`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let wire: KeysWire = wire::decode(bytes)?;
        Ok(Self {
            suite: Suite::from_code(wire.suite).ok_or(Malformed)?,
            sender_data: SenderDataSecret::from_bytes(&*wire::secret_array(&wire.sender_data)?),
            tree: SecretTree::from_bytes(&wire.tree)?,
        })
    }

    fn open_header(
        &self,
        frame: &FrameId,
        digest: &OpDigest,
        header: &[u8; HEADER_LEN],
        content: &[u8],
    ) -> Result<(Slot, Generation), MessageError> {
        if content.len() < SAMPLE_LEN + TAG_LEN {
            return Err(MessageError::Content(OpenError::Length));
        }
        let plain = self
            .header_key(frame, content)
            .open(self.suite, digest.as_bytes(), header)
            .map_err(MessageError::Header)?;
        let number = |at: usize| {
            let bytes = plain.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_be_bytes).ok_or(MessageError::Header(OpenError::Length))
        };
        Ok((Slot::new(number(0)?), Generation::new(number(4)?)))
    }

    fn header_key(&self, frame: &FrameId, content: &[u8]) -> OneTimeKey {
        let sample = content.get(..SAMPLE_LEN).unwrap_or(content);
        let context = [frame.as_bytes(), sample].concat();
        OneTimeKey::expand(self.sender_data.expose(), "hdr", &context)
    }
}

#[derive(prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct KeysWire {
    #[prost(uint32, tag = "1")]
    suite: u32,
    #[prost(bytes = "vec", tag = "2")]
    sender_data: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    tree: Vec<u8>,
}

impl fmt::Debug for KeysWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeysWire(..)")
    }
}

impl fmt::Debug for MessageKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageKeys(..)")
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(..)")
    }
}
