//! Frames: what travels and what is stored.

use core::fmt;

use curve::schnorr::SchnorrSignature;
use prost::Message;

use crate::{
    Ctx, FrameDigest, FrameHash, OpDigest, Refusal, SealedHash, Seq, SignatureBytes, digest,
    head::{Head, Kind},
    limits::{MAX_CHANGES, MAX_FRAME, MAX_SEALED, PROOF_LEN},
    wire,
};

/// Bytes of one proof, undecoded.
pub type ProofBytes = [u8; PROOF_LEN];

/// Signatures and proofs of entitlement. Exactly those a kind demands are present; the fold checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    /// The acting leaf.
    pub leaf: Option<SignatureBytes>,
    /// A pseudonym that begins with this frame.
    pub new_leaf: Option<SignatureBytes>,
    /// The group's owner.
    pub owner: Option<SignatureBytes>,
    /// The owner this frame installs.
    pub new_owner: Option<SignatureBytes>,
    /// The ticket used.
    pub ticket: Option<SignatureBytes>,
    /// The epoch's shared signing key.
    pub sign: Option<SchnorrSignature>,
    /// An anonymous admin's membership proof.
    pub admin_proof: Option<ProofBytes>,
}

/// Where a frame's sealed part is.
#[derive(Clone, PartialEq, Eq)]
pub enum Sealed {
    /// Here, as received.
    Bytes(Vec<u8>),
    /// Left out: its hash, and whether it was empty.
    Hash {
        /// `SHA256(sealed)`.
        hash: SealedHash,
        /// Whether the sealed part has no bytes.
        empty: bool,
    },
}

/// A decoded frame together with the bytes its digests are over.
///
/// Decoding is canonical, so a frame has one byte string; [`Frame::head_bytes`] are the received ones.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    head: Head,
    head_bytes: Vec<u8>,
    sealed: Sealed,
    hash: FrameHash,
    /// Signatures.
    pub auth: Authorization,
    /// One proof per branch change.
    pub proofs: Vec<ProofBytes>,
}

impl Frame {
    /// A frame without authorisation yet: sign [`Frame::digest`] and add it.
    #[must_use]
    pub fn unsigned(head: Head, sealed: Vec<u8>) -> Self {
        let head_bytes = head.encode();
        let hash = digest::frame_hash(&head_bytes, &digest::sealed_hash(&sealed));
        Self {
            head,
            head_bytes,
            sealed: Sealed::Bytes(sealed),
            hash,
            auth: Authorization::default(),
            proofs: Vec::new(),
        }
    }

    /// Decodes and checks all that needs no state.
    ///
    /// # Errors
    /// [`Refusal`] naming the first rule broken; sizes are checked before anything is decoded.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_FRAME {
            return Err(Refusal::TooLarge);
        }
        let wire: wire::Frame = wire::decode_canonical(bytes)?;
        if wire.sealed.len() > MAX_SEALED {
            return Err(Refusal::TooLarge);
        }
        let sealed = Sealed::Bytes(wire.sealed);
        Self::from_parts(wire.head, sealed, wire.auth, &wire.proofs)
    }

    fn from_parts(
        head_bytes: Vec<u8>,
        sealed: Sealed,
        auth: Option<wire::Authorization>,
        proofs: &[Vec<u8>],
    ) -> Result<Self, Refusal> {
        if proofs.len() > MAX_CHANGES {
            return Err(Refusal::WrongStructure);
        }
        let head = Head::decode(&head_bytes)?;
        let hash = digest::frame_hash(&head_bytes, &sealed.hash());
        let auth = Authorization::from_wire(auth.ok_or(Refusal::Malformed)?)?;
        let proofs = proofs
            .iter()
            .map(|p| p.as_slice().try_into().map_err(|_| Refusal::Malformed))
            .collect::<Result<_, _>>()?;
        Ok(Self { head, head_bytes, sealed, hash, auth, proofs })
    }

    /// The canonical bytes; `None` for a frame whose sealed part was left out.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let Sealed::Bytes(sealed) = &self.sealed else {
            return None;
        };
        let frame = wire::Frame {
            head: self.head_bytes.clone(),
            sealed: sealed.clone(),
            auth: Some(self.auth.to_wire()),
            proofs: self.proofs.iter().map(|p| p.to_vec()).collect(),
        };
        Some(frame.encode_to_vec())
    }

    /// What it says in the clear.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The head's bytes as received.
    #[must_use]
    pub fn head_bytes(&self) -> &[u8] {
        &self.head_bytes
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.head.kind()
    }

    /// The sealed part, `None` where it was left out.
    #[must_use]
    pub fn sealed(&self) -> Option<&[u8]> {
        match &self.sealed {
            Sealed::Bytes(bytes) => Some(bytes),
            Sealed::Hash { .. } => None,
        }
    }

    /// Whether nothing is sealed.
    #[must_use]
    pub const fn sealed_is_empty(&self) -> bool {
        match &self.sealed {
            Sealed::Bytes(bytes) => bytes.is_empty(),
            Sealed::Hash { empty, .. } => *empty,
        }
    }

    /// `th`.
    #[must_use]
    pub const fn hash(&self) -> FrameHash {
        self.hash
    }

    /// Associated data of what is sealed: by kind, the operation's or the message's digest of the head.
    #[must_use]
    pub fn head_digest(&self) -> OpDigest {
        if self.kind().is_operation() {
            digest::op_digest(&self.head_bytes)
        } else {
            digest::message_digest(&self.head_bytes)
        }
    }

    /// `D` under a state's ctx.
    #[must_use]
    pub fn digest(&self, ctx: &Ctx) -> FrameDigest {
        digest::frame_digest(self.kind(), ctx, &self.hash)
    }

    /// The same frame with its sealed part replaced by the hash.
    #[must_use]
    pub fn without_sealed(&self) -> Self {
        let sealed = Sealed::Hash { hash: self.sealed.hash(), empty: self.sealed_is_empty() };
        Self { sealed, ..self.clone() }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("kind", &self.kind()).field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Sealed {
    fn hash(&self) -> SealedHash {
        match self {
            Self::Bytes(bytes) => digest::sealed_hash(bytes),
            Self::Hash { hash, .. } => *hash,
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Sealed({} bytes)", bytes.len()),
            Self::Hash { hash, .. } => write!(f, "Sealed(hash {hash})"),
        }
    }
}

fn optional<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Result<Option<T>, Refusal> {
    match bytes {
        [] => Ok(None),
        bytes => read(bytes).map(Some).ok_or(Refusal::Malformed),
    }
}

impl Authorization {
    fn from_wire(wire: wire::Authorization) -> Result<Self, Refusal> {
        Ok(Self {
            leaf: optional(&wire.leaf, SignatureBytes::from_slice)?,
            new_leaf: optional(&wire.new_leaf, SignatureBytes::from_slice)?,
            owner: optional(&wire.owner, SignatureBytes::from_slice)?,
            new_owner: optional(&wire.new_owner, SignatureBytes::from_slice)?,
            ticket: optional(&wire.ticket, SignatureBytes::from_slice)?,
            sign: optional(&wire.sign, |b| b.try_into().ok().map(SchnorrSignature::from_bytes))?,
            admin_proof: optional(&wire.admin_proof, |b| b.try_into().ok())?,
        })
    }

    fn to_wire(&self) -> wire::Authorization {
        let bytes = |s: &Option<SignatureBytes>| s.map(|s| s.as_bytes().to_vec()).unwrap_or_default();
        wire::Authorization {
            leaf: bytes(&self.leaf),
            new_leaf: bytes(&self.new_leaf),
            owner: bytes(&self.owner),
            new_owner: bytes(&self.new_owner),
            ticket: bytes(&self.ticket),
            sign: self.sign.as_ref().map(|s| s.to_bytes().to_vec()).unwrap_or_default(),
            admin_proof: self.admin_proof.map(|p| p.to_vec()).unwrap_or_default(),
        }
    }
}

/// What a log serves for one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// The frame as it was sent.
    Frame(Frame),
    /// A message whose content is gone or withheld: `th` keeps the log hash checkable.
    MessageHash(FrameHash),
    /// An operation without its sealed part.
    Operation(Frame),
}

/// A frame with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedFrame {
    /// Position in the group's log.
    pub seq: Seq,
    /// When the node stored it, in milliseconds since 1970; shown, never folded.
    pub received_at_ms: u64,
    /// The content, or what stands for it.
    pub content: Served,
}

impl ServedFrame {
    /// `th` of the frame, whole or pruned.
    #[must_use]
    pub const fn hash(&self) -> FrameHash {
        match &self.content {
            Served::Frame(frame) | Served::Operation(frame) => frame.hash(),
            Served::MessageHash(hash) => *hash,
        }
    }

    /// The frame, `None` for a pruned message.
    #[must_use]
    pub const fn frame(&self) -> Option<&Frame> {
        match &self.content {
            Served::Frame(frame) | Served::Operation(frame) => Some(frame),
            Served::MessageHash(_) => None,
        }
    }

    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut wire = wire::ServedFrame {
            seq: self.seq.get(),
            received_at_ms: self.received_at_ms,
            ..Default::default()
        };
        match &self.content {
            Served::MessageHash(hash) => wire.message_hash = Some(hash.as_bytes().to_vec()),
            Served::Frame(frame) | Served::Operation(frame) => match frame.encode() {
                Some(bytes) => wire.frame = Some(bytes),
                None => {
                    wire.operation = Some(wire::PrunedOperation {
                        head: frame.head_bytes.clone(),
                        sealed_hash: frame.sealed.hash().as_bytes().to_vec(),
                        auth: Some(frame.auth.to_wire()),
                        proofs: frame.proofs.iter().map(|p| p.to_vec()).collect(),
                        sealed_empty: frame.sealed_is_empty(),
                    });
                }
            },
        }
        wire.encode_to_vec()
    }

    /// Decodes what a log served.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] or [`Refusal::TooLarge`], or what is wrong with the frame inside.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_FRAME + 64 {
            return Err(Refusal::TooLarge);
        }
        let wire: wire::ServedFrame = wire::decode_canonical(bytes)?;
        let content = match (wire.frame, wire.message_hash, wire.operation) {
            (Some(bytes), None, None) => Served::Frame(Frame::decode(&bytes)?),
            (None, Some(hash), None) => {
                Served::MessageHash(FrameHash::from_slice(&hash).map_err(|_| Refusal::Malformed)?)
            }
            (None, None, Some(op)) => {
                let hash = SealedHash::from_slice(&op.sealed_hash).map_err(|_| Refusal::Malformed)?;
                // The flag may not lie: the hash of nothing is known.
                if op.sealed_empty != (hash == digest::sealed_hash(&[])) {
                    return Err(Refusal::Malformed);
                }
                let sealed = Sealed::Hash { hash, empty: op.sealed_empty };
                let frame = Frame::from_parts(op.head, sealed, op.auth, &op.proofs)?;
                if !frame.kind().is_operation() {
                    return Err(Refusal::Malformed);
                }
                Served::Operation(frame)
            }
            _ => return Err(Refusal::Malformed),
        };
        Ok(Self { seq: Seq::new(wire.seq), received_at_ms: wire.received_at_ms, content })
    }
}
