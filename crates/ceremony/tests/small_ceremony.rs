//! A whole ceremony for a small circuit, held with snarkjs and verified by us; and what must not pass.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test helpers"
)]

mod support;

use std::sync::OnceLock;

use ceremony::{CeremonyError, PowersOfTau, Relation, VerifiedKey, Zkey, verify};
use support::{Desk, chain, rng};

const ROWS: usize = 40;

struct Held {
    desk: Desk,
    powers: Vec<u8>,
    key: Vec<u8>,
}

fn held() -> &'static Held {
    static HELD: OnceLock<Held> = OnceLock::new();
    HELD.get_or_init(|| {
        let desk = Desk::shared("small-ceremony");
        desk.powers(7, "powers.ptau");
        desk.contributions("powers.ptau", &chain(ROWS));
        let (powers, key) = (desk.read("powers.ptau"), desk.read("final.zkey"));
        Held { desk, powers, key }
    })
}

fn check(relation: &Relation, powers: &[u8], key: &[u8]) -> Result<VerifiedKey, CeremonyError> {
    verify(relation, &PowersOfTau::open(&powers)?, &Zkey::open(&key)?, &mut rng(1), |_| ())
}

#[test]
fn a_ceremony_is_accepted_here_as_there() {
    let held = held();
    let told = held.desk.run(&["zkey", "verify", "circuit.r1cs", "powers.ptau", "final.zkey"]);
    let key = check(&chain(ROWS), &held.powers, &held.key).unwrap();
    let report = key.report();
    assert!(told.contains(&report.circuit_hash.to_block()), "{told}");
    assert_eq!(report.contributions.len(), 3);
    for (contribution, name) in report.contributions.iter().zip(["Ada", "Grace", "Beacon"]) {
        assert!(told.contains(&contribution.hash.to_block()), "{told}");
        assert_eq!(contribution.name.as_deref(), Some(name));
        assert_eq!(contribution.beacon.is_some(), name == "Beacon");
    }
}

/// Where a section's content is in a file.
fn section(file: &[u8], number: u32) -> std::ops::Range<usize> {
    let mut offset = 12;
    loop {
        let id = u32::from_le_bytes(file[offset..offset + 4].try_into().unwrap());
        let len =
            usize::try_from(u64::from_le_bytes(file[offset + 4..offset + 12].try_into().unwrap())).unwrap();
        if id == number {
            return offset + 12..offset + 12 + len;
        }
        offset += 12 + len;
    }
}

/// The file with another content of a section, its length announced rightly.
fn with_section(file: &[u8], number: u32, content: &[u8]) -> Vec<u8> {
    let range = section(file, number);
    let mut changed = file[..range.start - 8].to_vec();
    changed.extend((content.len() as u64).to_le_bytes());
    changed.extend(content);
    changed.extend(&file[range.end..]);
    changed
}

fn refusal(relation: &Relation, powers: &[u8], key: &[u8]) -> (&'static str, String) {
    let error = check(relation, powers, key).unwrap_err();
    (error.code(), error.to_string())
}

/// Bytes of a contribution in the list: three points of G1, one of G2, the transcript, kind and length.
const FIXED: usize = 3 * 64 + 128 + 64 + 8;

/// Where each contribution is within the section.
fn contributions(list: &[u8]) -> Vec<std::ops::Range<usize>> {
    let count = u32::from_le_bytes(list[64..68].try_into().unwrap());
    let mut start = 68;
    (0..count)
        .map(|_| {
            let end = start + FIXED;
            let parameters = u32::from_le_bytes(list[end - 4..end].try_into().unwrap()) as usize;
            let range = start..end + parameters;
            start = range.end;
            range
        })
        .collect()
}

#[test]
fn a_contribution_taken_out_breaks_the_chain() {
    let held = held();
    let list = &held.key[section(&held.key, 10)];
    for (position, gone) in contributions(list).into_iter().enumerate() {
        let mut shorter = list[..64].to_vec();
        shorter.extend(2_u32.to_le_bytes());
        shorter.extend(&list[68..gone.start]);
        shorter.extend(&list[gone.end..]);
        let (code, text) = refusal(&chain(ROWS), &held.powers, &with_section(&held.key, 10, &shorter));
        assert_eq!(code, "broken_chain", "{text}");
        assert!(text.contains(&format!("number {}", position + 1)), "{text}");
    }
}

#[test]
fn a_key_nobody_but_a_beacon_contributed_to_is_refused() {
    let held = held();
    let none = refusal(&chain(ROWS), &held.powers, &held.desk.read("key-0.zkey"));
    assert_eq!(none.0, "no_contributions");
    held.desk.run(&["zkey", "beacon", "key-0.zkey", "only-beacon.zkey", "0102", "10"]);
    let beacon = refusal(&chain(ROWS), &held.powers, &held.desk.read("only-beacon.zkey"));
    assert_eq!(beacon.0, "no_contributions");
}

#[test]
fn a_beacon_that_is_not_what_its_value_gives_is_refused() {
    let held = held();
    let list = section(&held.key, 10);
    let beacon = contributions(&held.key[list.clone()]).pop().unwrap();
    let mut changed = held.key.clone();
    // The last byte of the beacon's value is the last of the section.
    changed[list.start + beacon.end - 1] ^= 1;
    let (code, text) = refusal(&chain(ROWS), &held.powers, &changed);
    assert_eq!(code, "broken_chain", "{text}");
    assert!(text.contains("beacon"), "{text}");
}

/// Puts another point of the same section in the place of one.
fn copy_point(file: &[u8], number: u32, len: usize, from: usize, to: usize) -> Vec<u8> {
    let range = section(file, number);
    let mut changed = file.to_vec();
    changed.copy_within(range.start + from * len..range.start + (from + 1) * len, range.start + to * len);
    assert_ne!(changed, file, "the points were equal");
    changed
}

#[test]
fn a_point_exchanged_is_refused_and_the_part_named() {
    let held = held();
    for (number, len, code, name) in [
        (3, 64, "wrong_points", "IC"),
        (5, 64, "wrong_points", "A points"),
        (6, 64, "wrong_points", "B points in G1"),
        (7, 128, "wrong_points", "B points in G2"),
        (8, 64, "wrong_points", "(L)"),
        (9, 64, "wrong_points", "(H)"),
    ] {
        // Points that differ: the publics' on the A side, privates' elsewhere.
        let (from, to) = if number == 3 || number == 8 || number == 9 { (0, 1) } else { (5, 1) };
        let changed = copy_point(&held.key, number, len, from, to);
        let (got, text) = refusal(&chain(ROWS), &held.powers, &changed);
        assert_eq!(got, code, "{number}: {text}");
        assert!(text.contains(name), "{number}: {text}");
    }
}

#[test]
fn another_delta_is_refused() {
    let held = held();
    // The header: two lengths and moduli, three sizes, then alpha, beta, beta, gamma, delta, delta.
    let elements = section(&held.key, 2).start + 84;
    let (alpha, delta_g1, delta) = (elements, elements + 64 + 64 + 128 + 128, elements + 512 - 64);
    let mut changed = held.key.clone();
    changed.copy_within(alpha..alpha + 64, delta_g1);
    let (code, text) = refusal(&chain(ROWS), &held.powers, &changed);
    assert_eq!(code, "broken_chain", "{text}");
    let gamma = elements + 64 + 64 + 128;
    let mut changed = held.key.clone();
    changed.copy_within(gamma..gamma + 128, delta);
    let (code, text) = refusal(&chain(ROWS), &held.powers, &changed);
    assert_eq!(code, "broken_chain", "{text}");
    let mut changed = held.key.clone();
    changed.copy_within(delta..delta + 128, gamma);
    assert_eq!(refusal(&chain(ROWS), &held.powers, &changed).0, "wrong_points");
}

#[test]
fn a_key_of_another_circuit_is_refused() {
    let held = held();
    // As many variables and inputs and the same domain, but other coefficients: two rows change places.
    let other = chain(ROWS);
    let mut rows = other.rows().to_vec();
    rows.swap(3, 4);
    let other = Relation::new(other.public(), other.variables(), rows).unwrap();
    assert_eq!(refusal(&other, &held.powers, &held.key).0, "wrong_circuit");
    assert_eq!(refusal(&chain(ROWS + 1), &held.powers, &held.key).0, "wrong_circuit");
}

#[test]
fn contributions_made_for_another_circuit_do_not_count() {
    // What a contributor signs is the first key's hash: the file may name any.
    let held = held();
    let mut changed = held.key.clone();
    let start = section(&held.key, 10).start;
    changed[start] ^= 1;
    assert_eq!(refusal(&chain(ROWS), &held.powers, &changed).0, "broken_chain");
}

#[test]
fn other_powers_are_refused() {
    let held = held();
    let desk = Desk::new();
    desk.powers(7, "powers.ptau");
    assert_eq!(refusal(&chain(ROWS), &desk.read("powers.ptau"), &held.key).0, "wrong_ptau");
    assert_eq!(refusal(&chain(ROWS), &desk.read("powers-1"), &held.key).0, "wrong_ptau");
    assert_eq!(refusal(&chain(ROWS), &held.key, &held.key).0, "malformed_file");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let held = held();
    let mut cuts: Vec<usize> = vec![0, 3, 4, 11, 12];
    for number in 1..=10 {
        let range = section(&held.key, number);
        cuts.extend([range.start - 12, range.start - 1, range.start, range.end - 1]);
    }
    for cut in cuts {
        let (code, text) = refusal(&chain(ROWS), &held.powers, &held.key[..cut]);
        assert_eq!(code, "truncated_file", "{cut}: {text}");
    }
    for number in [1, 2, 4, 5, 6, 12, 13, 14, 15] {
        let range = section(&held.powers, number);
        let (code, text) = refusal(&chain(ROWS), &held.powers[..range.end - 1], &held.key);
        assert_eq!(code, "truncated_file", "{number}: {text}");
    }
    let mut longer = held.key.clone();
    longer.push(0);
    assert_eq!(refusal(&chain(ROWS), &held.powers, &longer).0, "malformed_file");
}

#[test]
fn a_coordinate_beyond_the_modulus_or_off_the_curve_is_refused() {
    let held = held();
    for number in [3, 5, 6, 7, 8, 9] {
        let range = section(&held.key, number);
        let mut changed = held.key.clone();
        changed[range.end - 1] = 0xff;
        assert_eq!(refusal(&chain(ROWS), &held.powers, &changed).0, "malformed_file", "{number}");
        let mut changed = held.key.clone();
        changed[range.start] ^= 1;
        assert_eq!(refusal(&chain(ROWS), &held.powers, &changed).0, "malformed_file", "{number}");
    }
}
