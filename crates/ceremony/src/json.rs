//! Verifying keys, proofs and public inputs as snarkjs writes them.
//!
//! Numbers are decimal strings. Points are projective with a third coordinate of one. Reading is strict: one spelling
//! for each number, every number below its modulus, no unknown fields, points in their groups.

use ark_bn254::{Bn254, Fq, Fq2, Fq6, Fq12, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, pairing::Pairing};
use ark_ff::{BigInt, PrimeField};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use proofs::{Circuit, Proof, ProofFormatError, VerifyingKey, VerifyingKeyError};
use serde::{Deserialize, Serialize};

/// Longest text that is read, in bytes; the largest verifying key has about a twentieth.
const MOST: usize = 1 << 20;
/// snarkjs' name of the curve.
const CURVE: &str = "bn128";
const PROTOCOL: &str = "groth16";

/// Why a text is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// No JSON of this shape.
    #[error("not the JSON of this kind of file")]
    Shape(#[source] serde_json::Error),
    /// Longer than any such file.
    #[error("text is too long")]
    TooLong,
    /// For another proof system or another curve.
    #[error("for another proof system or curve")]
    Protocol,
    /// A string that is no decimal number below the modulus, or not its only spelling.
    #[error("not a canonical number below the modulus")]
    Number,
    /// Coordinates of no point of the group.
    #[error("not a point of its group")]
    Point,
    /// The pairing of alpha and beta that the key carries is another.
    #[error("the key's own pairing is wrong")]
    Pairing,
    /// The points make no verifying key of the circuit.
    #[error(transparent)]
    Key(VerifyingKeyError),
    /// The points make no proof.
    #[error(transparent)]
    Proof(ProofFormatError),
}

type G1Text = [String; 3];
type PairText = [String; 2];
type G2Text = [PairText; 3];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    protocol: String,
    curve: String,
    #[serde(rename = "nPublic")]
    public: usize,
    vk_alpha_1: G1Text,
    vk_beta_2: G2Text,
    vk_gamma_2: G2Text,
    vk_delta_2: G2Text,
    vk_alphabeta_12: [[PairText; 3]; 2],
    #[serde(rename = "IC")]
    inputs: Vec<G1Text>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofText {
    pi_a: G1Text,
    pi_b: G2Text,
    pi_c: G1Text,
    protocol: String,
    curve: String,
}

/// The `verification_key.json` of a key.
#[must_use]
pub fn verifying_key(key: &VerifyingKey) -> String {
    let bytes = key.to_bytes();
    let rest = &mut bytes.as_slice();
    // The key's own encoding always decodes.
    let alpha: G1Affine = decode(rest);
    let [beta, gamma, delta]: [G2Affine; 3] = [decode(rest), decode(rest), decode(rest)];
    let inputs = Vec::<G1Affine>::deserialize_compressed(rest).unwrap_or_default();
    let pairing = Bn254::pairing(alpha, beta).0;
    let text = KeyText {
        protocol: PROTOCOL.to_owned(),
        curve: CURVE.to_owned(),
        public: inputs.len().saturating_sub(1),
        vk_alpha_1: g1_text(&alpha),
        vk_beta_2: g2_text(&beta),
        vk_gamma_2: g2_text(&gamma),
        vk_delta_2: g2_text(&delta),
        vk_alphabeta_12: [pairing.c0, pairing.c1].map(|half| [half.c0, half.c1, half.c2].map(pair_text)),
        inputs: inputs.iter().map(g1_text).collect(),
    };
    pretty(&text)
}

/// Reads a `verification_key.json` for a circuit.
///
/// # Errors
/// [`JsonError`].
pub fn read_verifying_key(circuit: Circuit, text: &str) -> Result<VerifyingKey, JsonError> {
    let text: KeyText = parse(text)?;
    if text.protocol != PROTOCOL || text.curve != CURVE {
        return Err(JsonError::Protocol);
    }
    let alpha = g1(&text.vk_alpha_1)?;
    let [beta, gamma, delta] = [&text.vk_beta_2, &text.vk_gamma_2, &text.vk_delta_2].map(g2);
    let (beta, gamma, delta) = (beta?, gamma?, delta?);
    let inputs = text.inputs.iter().map(g1).collect::<Result<Vec<_>, _>>()?;
    if inputs.len() != text.public.saturating_add(1) {
        return Err(JsonError::Key(VerifyingKeyError::Malformed));
    }
    let [c0, c1] = &text.vk_alphabeta_12;
    if Bn254::pairing(alpha, beta).0 != Fq12::new(cubic(c0)?, cubic(c1)?) {
        return Err(JsonError::Pairing);
    }
    let mut bytes = Vec::new();
    encode(&mut bytes, &alpha);
    [beta, gamma, delta].iter().for_each(|point| encode(&mut bytes, point));
    encode(&mut bytes, &inputs);
    VerifyingKey::from_bytes(circuit, &bytes).map_err(JsonError::Key)
}

/// The `proof.json` of a proof.
#[must_use]
pub fn proof(proof: &Proof) -> String {
    let rest = &mut &proof.as_bytes()[..];
    let (a, b, c): (G1Affine, G2Affine, G1Affine) = (decode(rest), decode(rest), decode(rest));
    pretty(&ProofText {
        pi_a: g1_text(&a),
        pi_b: g2_text(&b),
        pi_c: g1_text(&c),
        protocol: PROTOCOL.to_owned(),
        curve: CURVE.to_owned(),
    })
}

/// Reads a `proof.json`.
///
/// # Errors
/// [`JsonError`].
pub fn read_proof(text: &str) -> Result<Proof, JsonError> {
    let text: ProofText = parse(text)?;
    if text.protocol != PROTOCOL || text.curve != CURVE {
        return Err(JsonError::Protocol);
    }
    let mut bytes = Vec::with_capacity(Proof::LEN);
    encode(&mut bytes, &g1(&text.pi_a)?);
    encode(&mut bytes, &g2(&text.pi_b)?);
    encode(&mut bytes, &g1(&text.pi_c)?);
    Proof::try_from(bytes.as_slice()).map_err(JsonError::Proof)
}

/// The `public.json` of public inputs, in the circuit's order.
#[must_use]
pub fn public_inputs(inputs: &[Fr]) -> String {
    pretty(&inputs.iter().map(|input| input.into_bigint().to_string()).collect::<Vec<_>>())
}

/// Reads a `public.json`.
///
/// # Errors
/// [`JsonError`].
pub fn read_public_inputs(text: &str) -> Result<Vec<Fr>, JsonError> {
    let numbers: Vec<String> = parse(text)?;
    numbers.iter().map(|number| element(number)).collect()
}

fn parse<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, JsonError> {
    if text.len() > MOST {
        return Err(JsonError::TooLong);
    }
    serde_json::from_str(text).map_err(JsonError::Shape)
}

fn pretty(value: &impl Serialize) -> String {
    // Strings, numbers and lists always have a JSON.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn encode(bytes: &mut Vec<u8>, value: &impl CanonicalSerialize) {
    // Writing to a vector does not fail.
    let _written = value.serialize_compressed(bytes).is_ok();
}

fn decode<P: AffineRepr>(rest: &mut &[u8]) -> P {
    P::deserialize_compressed_unchecked(rest).unwrap_or_default()
}

/// A number below a modulus from its one decimal spelling.
fn element<F: PrimeField<BigInt = BigInt<4>>>(text: &str) -> Result<F, JsonError> {
    let canonical = text == "0" || !text.starts_with('0');
    if text.is_empty() || text.len() > 78 || !canonical {
        return Err(JsonError::Number);
    }
    let mut limbs = [0_u64; 4];
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(JsonError::Number);
        }
        let mut carry = u128::from(digit);
        for limb in &mut limbs {
            let value = u128::from(*limb) * 10 + carry;
            carry = value >> 64;
            #[allow(clippy::cast_possible_truncation, reason = "the rest is carried")]
            {
                *limb = value as u64;
            }
        }
        if carry != 0 {
            return Err(JsonError::Number);
        }
    }
    F::from_bigint(BigInt::new(limbs)).ok_or(JsonError::Number)
}

fn g1_text(point: &G1Affine) -> G1Text {
    let (x, y) = point.xy().unwrap_or_default();
    [number(&x), number(&y), "1".to_owned()]
}

fn g2_text(point: &G2Affine) -> G2Text {
    let (x, y) = point.xy().unwrap_or_default();
    [pair_text(x), pair_text(y), ["1".to_owned(), "0".to_owned()]]
}

fn pair_text(value: Fq2) -> PairText {
    [number(&value.c0), number(&value.c1)]
}

fn number(value: &Fq) -> String {
    value.into_bigint().to_string()
}

fn pair([c0, c1]: &PairText) -> Result<Fq2, JsonError> {
    Ok(Fq2::new(element(c0)?, element(c1)?))
}

fn cubic([c0, c1, c2]: &[PairText; 3]) -> Result<Fq6, JsonError> {
    Ok(Fq6::new(pair(c0)?, pair(c1)?, pair(c2)?))
}

fn g1([x, y, one]: &G1Text) -> Result<G1Affine, JsonError> {
    let point = G1Affine::new_unchecked(element(x)?, element(y)?);
    if one == "1" && point.is_on_curve() { Ok(point) } else { Err(JsonError::Point) }
}

fn g2([x, y, [one, zero]]: &G2Text) -> Result<G2Affine, JsonError> {
    let point = G2Affine::new_unchecked(pair(x)?, pair(y)?);
    let member = point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve();
    if one == "1" && zero == "0" && member { Ok(point) } else { Err(JsonError::Point) }
}
