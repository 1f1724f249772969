//! The decoders of a ceremony's files, which come from elsewhere and are large.

use ::ceremony::{PowersOfTau, Zkey, json};
use ::proofs::Circuit;

/// A finished key in its container. Opening reads the header and the list of contributions.
pub fn zkey(bytes: &[u8]) {
    if let Ok(key) = Zkey::open(&bytes) {
        assert!(key.contributions().len() <= bytes.len(), "more contributions than bytes");
    }
}

/// The file of the first phase.
pub fn powers_of_tau(bytes: &[u8]) {
    if let Ok(powers) = PowersOfTau::open(&bytes) {
        assert!(powers.file_hash().is_ok(), "a slice can be read");
    }
}

/// Keys, proofs and inputs as text. What is taken is written the same way again.
pub fn ceremony_json(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Some(circuit) = Circuit::from_number(*which) {
        if let Ok(key) = json::read_verifying_key(circuit, text) {
            let again = json::read_verifying_key(circuit, &json::verifying_key(&key));
            assert!(again.is_ok_and(|again| again == key), "a key changes on its way");
        }
    } else if let Ok(proof) = json::read_proof(text) {
        assert!(json::read_proof(&json::proof(&proof)).is_ok_and(|again| again == proof));
    } else if let Ok(inputs) = json::read_public_inputs(text) {
        assert!(json::read_public_inputs(&json::public_inputs(&inputs)).is_ok_and(|again| again == inputs));
    }
}
