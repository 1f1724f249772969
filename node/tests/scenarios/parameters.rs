//! A node takes the proof parameters it was told to take, and no others.

use std::{fs, path::Path};

use node::{ParametersError, config::ProofSettings};
use pinned_keys::{Entry, MANIFEST, Manifest, ManifestHash};
use proofs::{Circuit, DevelopmentKey, Tier, VerifyingKey};

const T8: Circuit = Circuit::Branch(Tier::T8);

/// Settings that name a folder with one key in it.
fn chosen(folder: &Path, key: &[u8]) -> ProofSettings {
    let hash = VerifyingKey::from_bytes(T8, key).unwrap().hash();
    let mut manifest = Manifest::default();
    manifest.insert(Entry {
        circuit: T8,
        verifying_key: "t8.vk".to_owned(),
        verifying_key_hash: hash,
        proving_key: None,
    });
    fs::write(folder.join("t8.vk"), key).unwrap();
    fs::write(folder.join(MANIFEST), manifest.to_bytes()).unwrap();
    let pin = ManifestHash::of(&manifest.to_bytes());
    ProofSettings { development: false, keys: Some(folder.to_owned()), pin: Some(pin.to_string()) }
}

/// A key whose secret nobody knows; nobody can prove under it either.
fn other_key() -> Vec<u8> {
    let mut key = DevelopmentKey::of(T8).unwrap().verifying_key.to_vec();
    let (first, second) = key[32 + 3 * 64 + 8..].split_at_mut(32);
    first.swap_with_slice(&mut second[..32]);
    key
}

#[test]
fn without_a_word_there_are_none() {
    assert!(matches!(ProofSettings::default().load(), Err(ParametersError::None)));
    let told = ProofSettings { development: true, ..ProofSettings::default() };
    assert!(told.load().unwrap().are_for_development());
}

#[test]
fn pinned_keys_are_taken_and_development_keys_among_them_only_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = chosen(folder.path(), &other_key());
    let keys = settings.load().unwrap();
    assert!(!keys.are_for_development());
    assert_ne!(keys.params_hash(), proofs::VerifyingKeys::development().params_hash());

    let development = chosen(folder.path(), DevelopmentKey::of(T8).unwrap().verifying_key);
    assert!(matches!(development.load(), Err(ParametersError::Development)));
    let told = ProofSettings { development: true, ..development };
    assert!(told.load().is_ok());
}

#[test]
fn keys_that_are_not_the_pinned_ones_keep_the_node_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let settings = chosen(folder.path(), &other_key());
    let wrong = ProofSettings { pin: Some("00".repeat(32)), ..settings.clone() };
    let Err(ParametersError::Keys(error)) = wrong.load() else { panic!("taken") };
    assert_eq!(error.code(), "keys_not_pinned");
    fs::write(folder.path().join("t8.vk"), DevelopmentKey::of(T8).unwrap().verifying_key).unwrap();
    let Err(ParametersError::Keys(error)) = settings.load() else { panic!("taken") };
    assert_eq!(error.code(), "keys_not_pinned");
}
