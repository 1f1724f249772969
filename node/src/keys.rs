//! Which proof parameters a node takes.

use pinned_keys::{KeysError, ManifestHash, PinnedKeys};
use proofs::VerifyingKeys;
use thiserror::Error;

use crate::config::ProofSettings;

/// The node has no proof parameters it may use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// Neither keys of a ceremony nor those for development were chosen.
    #[error(
        "no proof parameters are chosen: set proofs.keys and proofs.pin to those of a ceremony, or, for a node nobody \
         relies on, proofs.development = true"
    )]
    None,
    /// Keys anybody can forge proofs under, and nobody said that they are wanted.
    #[error(
        "these proof parameters are those for development, under which anybody can forge proofs; \
         proofs.development = true takes them all the same"
    )]
    Development,
    /// The keys chosen cannot be used.
    #[error("the keys in proofs.keys cannot be used")]
    Keys(#[from] KeysError),
}

impl ProofSettings {
    /// The verifying keys the settings choose. Reads them from disk, and blocks for it.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub fn load(&self) -> Result<&'static VerifyingKeys, ParametersError> {
        let Some(folder) = &self.keys else {
            return if self.development {
                Ok(VerifyingKeys::development())
            } else {
                Err(ParametersError::None)
            };
        };
        let pin: Option<ManifestHash> = self.pin.as_deref().map(str::parse).transpose()?;
        let keys = PinnedKeys::open(folder, pin)?.verifying_keys();
        if keys.are_for_development() && !self.development {
            return Err(ParametersError::Development);
        }
        Ok(keys)
    }
}
