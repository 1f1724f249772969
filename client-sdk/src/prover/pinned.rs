//! Proving keys of a ceremony, from a folder that pins them.

use pinned_keys::PinnedKeys;
use proofs::{Circuit, ProvingKey};

use super::ProverError;

/// Reads a key whose file is the pinned one, and that belongs to the verifying key beside it.
pub(super) fn load(keys: &PinnedKeys, circuit: Circuit) -> Result<ProvingKey, ProverError> {
    let file = keys.proving_key_file(circuit)?;
    let key = ProvingKey::from_bytes_trusted(&file).map_err(|_| ProverError::NotPinned)?;
    let entry = keys.manifest().entries().iter().find(|entry| entry.circuit == circuit);
    let belongs = entry.is_some_and(|entry| entry.verifying_key_hash == key.verifying_key().hash());
    if belongs { Ok(key) } else { Err(ProverError::NotPinned) }
}
