//! A folder of keys, and what is wrong with others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test helpers"
)]

use std::{fs, path::Path};

use pinned_keys::{
    Entry, KeysError, MANIFEST, Manifest, ManifestHash, PinnedKeys, ProvingEntry, write_whole,
};
use proofs::{Circuit, DevelopmentKey, ProvingKeyHash, Tier, VerifyingKey};

const T8: Circuit = Circuit::Branch(Tier::T8);
const T16: Circuit = Circuit::Branch(Tier::T16);

/// A folder with the development keys of two circuits; the first has a "proving key" too.
fn folder() -> (tempfile::TempDir, ManifestHash) {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::default();
    for circuit in [T16, T8] {
        let pinned = DevelopmentKey::of(circuit).unwrap();
        let name = format!("{}.vk", circuit.name());
        fs::write(folder.path().join(&name), pinned.verifying_key).unwrap();
        let proving =
            ProvingEntry { file: "t8.pk".to_owned(), hash: ProvingKeyHash::of(b"points"), bytes: 6 };
        manifest.insert(Entry {
            circuit,
            verifying_key: name,
            verifying_key_hash: pinned.verifying_key_hash,
            proving_key: (circuit == T8).then_some(proving),
        });
    }
    fs::write(folder.path().join("t8.pk"), b"points").unwrap();
    let bytes = manifest.to_bytes();
    fs::write(folder.path().join(MANIFEST), &bytes).unwrap();
    (folder, ManifestHash::of(&bytes))
}

fn code(folder: &Path, pin: Option<ManifestHash>) -> &'static str {
    PinnedKeys::open(folder, pin).unwrap_err().code()
}

#[test]
fn the_keys_of_a_folder_are_those_it_lists() {
    let (folder, hash) = folder();
    let keys = PinnedKeys::open(folder.path(), Some(hash)).unwrap();
    assert_eq!(keys.hash(), hash);
    assert!(keys.verifying_keys().are_for_development());
    assert_eq!(keys.proving_key_file(T8).unwrap(), b"points");
    assert!(matches!(keys.proving_key_file(T16), Err(KeysError::NoProvingKey(T16))));
    // Prepared once for the process, however often it is opened.
    let again = PinnedKeys::open(folder.path(), None).unwrap();
    assert!(std::ptr::eq(keys.verifying_keys(), again.verifying_keys()));
}

#[test]
fn another_manifest_than_the_pinned_one_is_refused() {
    let (folder, hash) = folder();
    assert_eq!(code(folder.path(), Some(ManifestHash::new([1; 32]))), "keys_not_pinned");
    let path = folder.path().join(MANIFEST);
    let mut text = fs::read(&path).unwrap();
    text.push(b'\n');
    fs::write(&path, text).unwrap();
    assert_eq!(code(folder.path(), Some(hash)), "keys_not_pinned");
    assert!(PinnedKeys::open(folder.path(), None).is_ok());
}

#[test]
fn a_key_that_is_not_the_listed_one_is_refused() {
    let (folder, hash) = folder();
    let path = folder.path().join("t8.vk");
    let good = fs::read(&path).unwrap();
    // Two input points change places: a key of the circuit, but another one.
    let mut other = good.clone();
    let inputs = 32 + 3 * 64 + 8;
    let (first, second) = other[inputs..].split_at_mut(32);
    first.swap_with_slice(&mut second[..32]);
    assert!(VerifyingKey::from_bytes(T8, &other).is_ok());
    fs::write(&path, other).unwrap();
    assert_eq!(code(folder.path(), Some(hash)), "keys_not_pinned");
    fs::write(&path, &good[1..]).unwrap();
    assert_eq!(code(folder.path(), Some(hash)), "bad_keys");
    fs::write(&path, vec![0; 1 << 17]).unwrap();
    assert_eq!(code(folder.path(), Some(hash)), "bad_keys");
    fs::remove_file(&path).unwrap();
    assert_eq!(code(folder.path(), Some(hash)), "io");
}

#[test]
fn a_proving_key_that_is_not_the_listed_one_is_never_given_out() {
    let (folder, hash) = folder();
    let keys = PinnedKeys::open(folder.path(), Some(hash)).unwrap();
    for bytes in [&b"Points"[..], b"point", b"points "] {
        fs::write(folder.path().join("t8.pk"), bytes).unwrap();
        assert!(matches!(keys.proving_key_file(T8), Err(KeysError::OtherKey { .. })));
    }
}

#[test]
fn a_manifest_has_its_golden_bytes_and_is_read_strictly() {
    let (folder, _) = folder();
    let text = fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
    let hash = |circuit| DevelopmentKey::of(circuit).unwrap().verifying_key_hash;
    let expected = format!(
        "version = 1\n\n[[keys]]\ncircuit = \"t8\"\nverifying_key = \"t8.vk\"\nverifying_key_hash = \"{}\"\n\
         proving_key = \"t8.pk\"\nproving_key_hash = \"{}\"\nproving_key_bytes = 6\n\n\
         [[keys]]\ncircuit = \"t16\"\nverifying_key = \"t16.vk\"\nverifying_key_hash = \"{}\"\n",
        hash(T8),
        ProvingKeyHash::of(b"points"),
        hash(T16)
    );
    assert_eq!(text, expected);
    assert_eq!(Manifest::from_bytes(text.as_bytes()).unwrap().to_bytes(), text.as_bytes());
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("\"t16\"", "\"t17\""),
        ("\"t16\"", "\"t8\""),
        ("\"t8.pk\"", "\"../t8.pk\""),
        ("\"t8.vk\"", "\"/etc/t8.vk\""),
        ("\"t8.vk\"", "\"\""),
        ("\"t8.vk\"", "\".\""),
        ("proving_key_bytes = 6\n", ""),
        ("circuit = \"t16\"", "circuit = \"t16\"\nfurther = 1"),
        (&hash(T8).to_string(), "3b70"),
        (&hash(T8).to_string(), &hash(T8).to_string().to_uppercase()),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = Manifest::from_bytes(changed.as_bytes()).unwrap_err();
        assert_eq!(error.code(), "bad_keys", "{to}: {error}");
    }
    assert!(Manifest::from_bytes(&[0xff]).is_err());
}

#[test]
fn a_file_is_written_whole_and_nothing_stays_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_whole(&path, b"first").unwrap();
    write_whole(&path, b"second").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(write_whole(&folder.path().join("no/such/folder"), b"").is_err());
    // A folder under the name: the rename fails, and what was written aside goes.
    fs::create_dir(folder.path().join("taken")).unwrap();
    assert!(write_whole(&folder.path().join("taken"), b"").is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
