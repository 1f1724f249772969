//! Receipts: a node's signed word on what stands where in a log.
//!
//! Two receipts of one node for one position with different hashes prove to anybody that it equivocated.

use prost::Message;

use crate::{
    GroupId, LogHash, Refusal, Seq, SignatureBytes, SigningKey, VerifyingKey, digest::Hasher,
    key::SignatureError, wire,
};

/// A node's signed statement: at `seq` of `group` the log has this hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The node's key, which is its id.
    pub node: VerifyingKey,
    /// The group.
    pub group: GroupId,
    /// The position.
    pub seq: Seq,
    /// `log_s` at that position.
    pub log: LogHash,
    /// When the node stored the frame, in milliseconds since 1970.
    pub received_at_ms: u64,
    /// Signature of all that.
    pub signature: SignatureBytes,
}

fn message(node: &VerifyingKey, group: &GroupId, seq: Seq, log: &LogHash, received_at_ms: u64) -> [u8; 32] {
    Hasher::new("kith/v1/receipt")
        .fixed(node.as_bytes())
        .fixed(group.as_bytes())
        .u64(seq.get())
        .fixed(log.as_bytes())
        .u64(received_at_ms)
        .finish()
}

impl Receipt {
    /// Signs a receipt.
    #[must_use]
    pub fn sign(node: &SigningKey, group: GroupId, seq: Seq, log: LogHash, received_at_ms: u64) -> Self {
        let key = node.verifying_key();
        let signature = node.sign(&message(&key, &group, seq, &log, received_at_ms));
        Self { node: key, group, seq, log, received_at_ms, signature }
    }

    /// Checks the signature against the key in the receipt; whether that key is the node's is the caller's question.
    ///
    /// # Errors
    /// [`SignatureError`] when it does not verify.
    pub fn verify(&self) -> Result<(), SignatureError> {
        let message = message(&self.node, &self.group, self.seq, &self.log, self.received_at_ms);
        self.node.verify(&message, &self.signature)
    }

    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::Receipt {
            node: self.node.as_bytes().to_vec(),
            group: self.group.as_bytes().to_vec(),
            seq: self.seq.get(),
            log: self.log.as_bytes().to_vec(),
            received_at_ms: self.received_at_ms,
            signature: self.signature.as_bytes().to_vec(),
        }
        .encode_to_vec()
    }

    /// Reads a receipt; the signature is not checked here.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for anything but the canonical form, [`Refusal::BadSignatureKey`] for a bad node key.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let wire: wire::Receipt = wire::decode_canonical(bytes)?;
        Ok(Self {
            node: VerifyingKey::from_slice(&wire.node).map_err(|_| Refusal::BadSignatureKey)?,
            group: GroupId::from_slice(&wire.group).map_err(|_| Refusal::Malformed)?,
            seq: Seq::new(wire.seq),
            log: LogHash::from_slice(&wire.log).map_err(|_| Refusal::Malformed)?,
            received_at_ms: wire.received_at_ms,
            signature: SignatureBytes::from_slice(&wire.signature).ok_or(Refusal::Malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_and_refuses_every_changed_field() {
        let key = SigningKey::from_seed(&[1; 32]);
        let receipt = Receipt::sign(&key, GroupId::new([2; 32]), Seq::new(3), LogHash::new([4; 32]), 5);
        assert_eq!(receipt.verify(), Ok(()));
        assert_eq!(Receipt::decode(&receipt.encode()), Ok(receipt));
        for changed in [
            Receipt { group: GroupId::new([9; 32]), ..receipt },
            Receipt { seq: Seq::new(9), ..receipt },
            Receipt { log: LogHash::new([9; 32]), ..receipt },
            Receipt { received_at_ms: 9, ..receipt },
            Receipt { node: SigningKey::from_seed(&[9; 32]).verifying_key(), ..receipt },
        ] {
            assert!(changed.verify().is_err());
        }
    }
}
