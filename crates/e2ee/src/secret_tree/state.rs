//! The stored form of a secret tree, for the client's encrypted store.

use core::fmt;
use std::collections::BTreeMap;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    MAX_KEPT, NodeSecret, SecretTree,
    chain::{Chain, Kept},
    check_capacity,
};
use crate::wire::{self, Malformed};

#[derive(prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct TreeWire {
    #[prost(uint32, tag = "1")]
    capacity: u32,
    #[prost(message, repeated, tag = "2")]
    nodes: Vec<SecretWire>,
    #[prost(message, repeated, tag = "3")]
    chains: Vec<ChainWire>,
}

#[derive(prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct ChainWire {
    #[prost(uint32, tag = "1")]
    slot: u32,
    #[prost(uint64, tag = "2")]
    next: u64,
    #[prost(bytes = "vec", tag = "3")]
    head: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    kept: Vec<SecretWire>,
}

/// A secret under its number: a node's index or a generation.
#[derive(prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct SecretWire {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(bytes = "vec", tag = "2")]
    secret: Vec<u8>,
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
redacted!(TreeWire, ChainWire, SecretWire);

impl SecretTree {
    /// The tree as bytes, for storage under encryption; wiped when dropped.
    ///
    /// Grows with the number of slots that sent something: about 45 bytes for each, its path's siblings, and 40 bytes
    /// for each skipped generation.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let secret = |number: u32, secret: &[u8; 32]| SecretWire { number, secret: secret.to_vec() };
        let wire = TreeWire {
            capacity: self.capacity,
            nodes: self.nodes.iter().map(|(index, node)| secret(*index, &node.0)).collect(),
            chains: self
                .chains
                .iter()
                .map(|(slot, chain)| ChainWire {
                    slot: *slot,
                    next: chain.next,
                    head: chain.head.0.to_vec(),
                    kept: chain.kept.iter().map(|(generation, kept)| secret(*generation, &kept.0)).collect(),
                })
                .collect(),
        };
        wire::encode(&wire)
    }

    /// Takes up stored bytes.
    ///
    /// # Errors
    /// [`Malformed`] for anything [`Self::to_bytes`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let wire: TreeWire = wire::decode(bytes)?;
        check_capacity(wire.capacity).map_err(|_| Malformed)?;
        let nodes = secrets(&wire.nodes, |index| index > 0 && index / 2 < wire.capacity)?;
        let mut chains = BTreeMap::new();
        for chain in &wire.chains {
            let ascending = chains.last_key_value().is_none_or(|(last, _)| *last < chain.slot);
            let used_up = u64::from(u32::MAX) + 1;
            if !ascending
                || chain.slot >= wire.capacity
                || chain.next > used_up
                || chain.kept.len() > MAX_KEPT
            {
                return Err(Malformed);
            }
            let kept = secrets(&chain.kept, |generation| u64::from(generation) < chain.next)?;
            let head = Kept(*wire::secret_array(&chain.head)?);
            let kept = kept.into_iter().map(|(generation, secret)| (generation, Kept(*secret))).collect();
            chains.insert(chain.slot, Chain { head, next: chain.next, kept });
        }
        let nodes = nodes.into_iter().map(|(index, secret)| (index, NodeSecret(*secret))).collect();
        Ok(Self { capacity: wire.capacity, nodes, chains })
    }
}

/// Numbered secrets in strictly ascending order, every number in range.
fn secrets(
    wire: &[SecretWire],
    in_range: impl Fn(u32) -> bool,
) -> Result<BTreeMap<u32, Zeroizing<[u8; 32]>>, Malformed> {
    let mut out = BTreeMap::new();
    for entry in wire {
        let ascending = out.last_key_value().is_none_or(|(last, _)| *last < entry.number);
        if !ascending || !in_range(entry.number) {
            return Err(Malformed);
        }
        out.insert(entry.number, wire::secret_array(&entry.secret)?);
    }
    Ok(out)
}
