//! Real proofs under the development key.

use std::{fs, path::Path, sync::OnceLock};

use chacha20::ChaCha20Rng;
use proofs::{Control, DevelopmentKey, ProvingKey, ProvingKeyHash, Tier, prove, setup_development};
use protocol::Frame;
use rand_core::SeedableRng;

use crate::support::Draft;

/// The key of the small circuit: made once, then kept under its pinned hash beside what the build makes.
pub fn key() -> &'static ProvingKey {
    static KEY: OnceLock<ProvingKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let pinned = DevelopmentKey::of(Tier::T8.into()).unwrap();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("t8-{}.pk", pinned.proving_key_hash));
        if let Ok(bytes) = fs::read(&file)
            && ProvingKeyHash::of(&bytes) == pinned.proving_key_hash
        {
            return ProvingKey::from_bytes_trusted(&bytes).unwrap();
        }
        let key = setup_development(Tier::T8.into(), |_| {}).unwrap();
        assert_eq!(key.hash(), pinned.proving_key_hash);
        let partial = file.with_extension(std::process::id().to_string());
        fs::write(&partial, key.to_bytes()).unwrap();
        fs::rename(&partial, &file).unwrap();
        key
    })
}

/// The signed frame with a proof of each change.
pub fn proven(draft: &Draft) -> Frame {
    proven_as(draft, draft)
}

/// The signed frame of one draft with proofs of another's changes under its digest: the best a liar can do.
pub fn proven_as(draft: &Draft, honest: &Draft) -> Frame {
    let mut frame = draft.frame().unwrap();
    let digest = frame.digest(&draft.ctx);
    let mut rng = ChaCha20Rng::from_seed(*frame.hash().as_bytes());
    frame.proofs = honest
        .witnesses
        .iter()
        .map(|witness| {
            let statement = witness.statement(&digest).unwrap();
            prove(key(), &statement, &witness.secret, &Control::default(), &mut rng).unwrap().to_bytes()
        })
        .collect();
    Frame::decode(&frame.encode().unwrap()).unwrap()
}
