//! The development proving key: made once per machine, kept beside the other build products.

use std::{fs, path::Path, sync::OnceLock};

use proofs::{DevelopmentKey, ProvingKey, Tier, setup_development};

/// The proving key of the smaller tier.
pub fn key() -> &'static ProvingKey {
    static KEY: OnceLock<ProvingKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let pinned = DevelopmentKey::of(Tier::T8.into()).unwrap();
        // Named by its hash, so that a file made by an earlier circuit is not taken for this one's.
        let name = format!("{}.proving-key", pinned.proving_key_hash);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let cached = fs::read(&path).ok().and_then(|bytes| ProvingKey::from_bytes_trusted(&bytes).ok());
        cached.unwrap_or_else(|| {
            let made = setup_development(Tier::T8.into(), |_| ()).unwrap();
            // Written aside and moved, so that a test beside this one never reads half a file.
            let aside = path.with_extension(format!("{}", std::process::id()));
            if fs::write(&aside, made.to_bytes()).is_ok() {
                let _moved = fs::rename(&aside, &path);
            }
            made
        })
    })
}
