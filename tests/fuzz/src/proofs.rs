//! The decoders of proofs and keys, and verification.

use ::proofs::{AdminSecret, Circuit, Proof, ProvingKey, Statement, VerifyingKey, VerifyingKeys};
use curve::Point;
use protocol::FrameDigest;

/// A proof. What is taken has one form.
pub fn proof(bytes: &[u8]) {
    if let Ok(proof) = Proof::try_from(bytes) {
        assert!(proof.to_bytes() == bytes, "a proof has two forms");
    }
}

/// A circuit's number as one byte, then a verifying key. What is taken has one form and makes a set.
pub fn verifying_key(bytes: &[u8]) {
    let Some((number, bytes)) = bytes.split_first() else { return };
    let Some(circuit) = Circuit::from_number(*number) else { return };
    if let Ok(key) = VerifyingKey::from_bytes(circuit, bytes) {
        assert!(key.to_bytes() == bytes, "a verifying key has two forms");
        assert!(VerifyingKeys::new([key]).is_ok());
    }
}

/// The file of a proving key. Such a file is compared with a pinned hash first, so only its beginning is of interest.
pub fn proving_key(bytes: &[u8]) {
    let read = ProvingKey::from_bytes_trusted(bytes);
    assert!(read.is_err(), "a proving key of less than a megabyte");
}

/// An admin's secret.
pub fn admin_secret(bytes: &[u8]) {
    let Ok(bytes) = <&[u8; AdminSecret::LEN]>::try_from(bytes) else { return };
    if let Ok(secret) = AdminSecret::from_bytes(bytes) {
        assert!(*secret.to_bytes() == *bytes, "an admin secret has two forms");
    }
}

/// A statement and a proof, as edits of a good pair.
#[derive(Clone, PartialEq)]
struct Case {
    digest: [u8; 32],
    keys: Vec<[u8; 32]>,
    siblings: Vec<[u8; 32]>,
    proof: [u8; 128],
}

/// Digest, five keys, three siblings and a proof that go together.
const GOOD: &[u8; 416] = include_bytes!("../material/verification");

impl Case {
    fn good() -> Self {
        let (points, _) = GOOD[..288].as_chunks::<32>();
        let mut proof = [0; 128];
        proof.copy_from_slice(&GOOD[288..]);
        Self { digest: points[0], keys: points[1..6].to_vec(), siblings: points[6..].to_vec(), proof }
    }

    /// Applies one edit of three bytes: what to do, where, and with what.
    fn edit(&mut self, [what, at, with]: [u8; 3]) {
        let good = Self::good();
        let mut pool = [good.keys, good.siblings].concat();
        pool.extend([Point::generator().to_bytes(), Point::sign_base().to_bytes()]);
        let other = pool[usize::from(with) % pool.len()];
        let (at, with) = (usize::from(at), usize::from(with));
        match what % 12 {
            0 => self.digest[at % 32] ^= with as u8,
            1 if !self.keys.is_empty() => {
                let count = self.keys.len();
                self.keys[at % count] = other;
            }
            2 if !self.siblings.is_empty() => {
                let count = self.siblings.len();
                self.siblings[at % count] = other;
            }
            // The top bit of an encoded point is its sign.
            3 if !self.keys.is_empty() => {
                let count = self.keys.len();
                self.keys[at % count][31] ^= 0x80;
            }
            4 if !self.siblings.is_empty() => {
                let count = self.siblings.len();
                self.siblings[at % count][31] ^= 0x80;
            }
            5 => self.keys.insert(at % (self.keys.len() + 1), other),
            6 => self.siblings.insert(at % (self.siblings.len() + 1), other),
            7 if !self.keys.is_empty() => drop(self.keys.remove(at % self.keys.len())),
            8 if !self.siblings.is_empty() => drop(self.siblings.remove(at % self.siblings.len())),
            9 => self.proof[at % 128] ^= with as u8,
            // The signs of A, B and C.
            10 => self.proof[[31, 95, 127][at % 3]] ^= 0x80,
            11 if at % 2 == 0 => self.proof.copy_within(0..32, 96),
            11 => self.proof.copy_within(96..128, 0),
            _ => {}
        }
    }

    fn statement(&self) -> Option<Statement> {
        let points = |encoded: &[[u8; 32]]| -> Option<Vec<Point>> {
            encoded.iter().map(|bytes| Point::from_bytes(bytes).ok()).collect()
        };
        if self.siblings.len() > 24 {
            return None;
        }
        Statement::new(FrameDigest::new(self.digest), points(&self.keys)?, points(&self.siblings)?).ok()
    }

    /// Whether the statement is the good one, the byte of the digest that proofs do not cover aside, and the proof is the
    /// good one or the one that anybody gets from it by turning two signs.
    fn holds(&self) -> bool {
        let mut other = self.clone();
        other.digest[0] = GOOD[0];
        let good = Self::good();
        let mut turned = good.clone();
        turned.proof[31] ^= 0x80;
        turned.proof[95] ^= 0x80;
        other == good || other == turned
    }
}

/// Edits of three bytes each, applied to a good statement and proof. Nothing else verifies, and those do.
pub fn verification(bytes: &[u8]) {
    let mut case = Case::good();
    for edit in bytes.as_chunks::<3>().0.iter().take(8) {
        case.edit(*edit);
    }
    let Some(statement) = case.statement() else { return };
    let Ok(proof) = Proof::from_bytes(&case.proof) else { return };
    let verdict = VerifyingKeys::development().verify(&statement.into(), &proof);
    assert!(verdict.is_ok() == case.holds(), "a false statement proven, or a good proof refused");
}
