//! Files that snarkjs wrote once: verified without it, and taken apart byte by byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test helpers"
)]

mod support;

use std::fs;

use ceremony::{CeremonyError, PowersOfTau, VerifiedKey, Zkey, json, to_r1cs, to_wtns, verify};
use proptest::prelude::*;
use support::{Desk, chain, chain_assignment, rng};

const ROWS: usize = 3;
const PTAU: &[u8] = include_bytes!("vectors/small.ptau");
const ZKEY: &[u8] = include_bytes!("vectors/small.zkey");

#[test]
#[ignore = "writes the vectors anew"]
fn write() {
    let desk = Desk::new();
    desk.powers(3, "powers.ptau");
    desk.contributions("powers.ptau", &chain(ROWS));
    desk.write("witness.wtns", to_wtns(&chain_assignment(ROWS, 5, 6)));
    desk.run(&["groth16", "prove", "final.zkey", "witness.wtns", "proof.json", "public.json"]);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    fs::create_dir_all(&folder).unwrap();
    for (from, to) in [
        ("powers.ptau", "small.ptau"),
        ("final.zkey", "small.zkey"),
        ("proof.json", "small-proof.json"),
        ("public.json", "small-public.json"),
    ] {
        fs::write(folder.join(to), desk.read(from)).unwrap();
    }
}

fn check(ptau: &[u8], zkey: &[u8]) -> Result<VerifiedKey, CeremonyError> {
    verify(&chain(ROWS), &PowersOfTau::open(&ptau)?, &Zkey::open(&zkey)?, &mut rng(1), |_| ())
}

#[test]
fn the_key_is_accepted_and_its_hashes_are_golden() {
    let key = check(PTAU, ZKEY).unwrap();
    let hashes: Vec<String> = key
        .report()
        .contributions
        .iter()
        .map(|contribution| contribution.hash.to_string().chars().take(16).collect())
        .collect();
    assert_eq!(hashes, GOLDEN);
}

#[test]
fn constraints_and_assignments_have_their_golden_bytes() {
    use sha2::{Digest as _, Sha256};
    let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    assert_eq!(hash(&to_r1cs(&chain(ROWS))), GOLDEN_R1CS);
    let assignment = chain_assignment(ROWS, 5, 6);
    assert_eq!(chain(ROWS).first_broken(&assignment), None);
    assert_eq!(hash(&to_wtns(&assignment)), GOLDEN_WTNS);
}

#[test]
fn every_changed_byte_of_the_key_is_noticed() {
    // Names, of which nothing depends, are the only bytes that may change.
    let names: Vec<_> = [&b"Ada"[..], b"Grace", b"Beacon"]
        .iter()
        .map(|name| {
            let start = ZKEY.windows(name.len()).position(|window| window == *name).unwrap();
            start..start + name.len()
        })
        .collect();
    for position in (0..ZKEY.len()).step_by(23) {
        let mut changed = ZKEY.to_vec();
        changed[position] ^= 1 << (position % 7);
        let named = names.iter().any(|range| range.contains(&position));
        assert_eq!(check(PTAU, &changed).is_ok(), named, "{position}");
    }
}

#[test]
fn json_of_a_proof_is_read_strictly() {
    let text = include_str!("vectors/small-proof.json");
    let proof = json::read_proof(text).unwrap();
    assert_eq!(json::read_proof(&json::proof(&proof)).unwrap(), proof);
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json::proof(&proof)).unwrap(), value);
    let x = value["pi_a"][0].as_str().unwrap();
    let modulus = "21888242871839275222246405745257275088696311157297823662689037894645226208583";
    for (from, to) in [
        (x, format!("0{x}")),
        (x, format!("+{x}")),
        (x, format!("-{x}")),
        (x, String::new()),
        (x, "0".repeat(200)),
        (x, "9".repeat(78)),
        (x, modulus.to_owned()),
        (x, "1".to_owned()),
        ("\"1\"", "\"2\"".to_owned()),
        ("bn128", "bls12381".to_owned()),
        ("groth16", "plonk".to_owned()),
        ("\"pi_a\"", "\"more\": 1, \"pi_a\"".to_owned()),
    ] {
        assert!(json::read_proof(&text.replacen(from, &to, 1)).is_err(), "{from} {to}");
    }
    let inputs = json::read_public_inputs(include_str!("vectors/small-public.json")).unwrap();
    assert_eq!(inputs, chain_assignment(ROWS, 5, 6)[1..3]);
    assert_eq!(json::read_public_inputs(&json::public_inputs(&inputs)).unwrap(), inputs);
    let order = "21888242871839275222246405745257275088548364400416034343698204186575808495617";
    assert!(json::read_public_inputs(&format!("[\"{order}\"]")).is_err());
    assert!(json::read_public_inputs(&" ".repeat(1 << 21)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), kind in 0..3_usize) {
        let mut file = [&b"zkey"[..], b"ptau", b""][kind].to_vec();
        file.extend(&bytes);
        let file = file.as_slice();
        let _ = (Zkey::open(&file).is_ok(), PowersOfTau::open(&file).is_ok());
        let text = String::from_utf8_lossy(&bytes);
        let _ = (json::read_proof(&text).is_ok(), json::read_public_inputs(&text).is_ok());
    }

    #[test]
    fn no_damage_makes_verification_panic(
        which in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        keep in any::<bool>(),
    ) {
        let mut files = [PTAU.to_vec(), ZKEY.to_vec()];
        let file = &mut files[usize::from(which)];
        for (position, byte) in edits {
            let position = position.index(file.len());
            file[position] = byte;
        }
        if !keep {
            let len = cut.index(file.len());
            file.truncate(len);
        }
        let _ = check(&files[0], &files[1]).is_ok();
    }
}

const GOLDEN: [&str; 3] = ["2649f992a5daa018", "d38406e84de3473a", "71d44d7db97e306f"];
const GOLDEN_R1CS: &str = "e6186532059eaa32b6f74ddb04f17f2dfe5ccef5ecfd0d3a8f021b23d459fa45";
const GOLDEN_WTNS: &str = "f0c1b5f33a791a8270360c0a5e0128152ea4b947255ce4cc98f1a5706cf5986c";
