//! A set of changes that become durable and visible together, and its form in the journal.

use std::collections::BTreeMap;

use crate::keys::Key;

/// Changes by key: a new value, or `None` to remove the key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Batch {
    changes: BTreeMap<Key, Option<Vec<u8>>>,
    bytes: usize,
}

const PUT: u8 = 1;
const REMOVE: u8 = 2;

impl Batch {
    pub(crate) fn put(&mut self, key: Key, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.changes.insert(key, Some(value));
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.bytes += key.len();
        self.changes.insert(key, None);
    }

    /// What the batch says about a key: nothing, its removal, or its value.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.changes.get(key).map(Option::as_deref)
    }

    /// Changes of keys from `from` on and below `to`.
    pub(crate) fn range(&self, from: Key, to: Key) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.changes.range(from..to).map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Key and value bytes, about the size of the encoding.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// `count:4`, then for each change `1 ‖ key length:2 ‖ key ‖ value length:4 ‖ value` or `2 ‖ key length:2 ‖ key`,
    /// ordered by key.
    ///
    /// Keys are at most 81 bytes and values bounded far below 4 GiB by what this crate makes of requests.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by the requests of one group commit")]
        out.extend_from_slice(&(self.changes.len() as u32).to_be_bytes());
        for (key, value) in &self.changes {
            out.push(if value.is_some() { PUT } else { REMOVE });
            #[expect(
                clippy::cast_possible_truncation,
                reason = "keys are made in `keys`, the longest has 81 bytes"
            )]
            out.extend_from_slice(&(key.len() as u16).to_be_bytes());
            out.extend_from_slice(key);
            if let Some(value) = value {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "snapshots are the longest values: 64 MiB"
                )]
                out.extend_from_slice(&(value.len() as u32).to_be_bytes());
                out.extend_from_slice(value);
            }
        }
    }

    /// The batch of an encoding, `None` for any other bytes.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut batch = Self::default();
        let count = u32::from_be_bytes(*take_chunk(&mut bytes)?);
        for _ in 0..count {
            let [tag] = *take_chunk(&mut bytes)?;
            let key_len = u16::from_be_bytes(*take_chunk(&mut bytes)?);
            let key = bytes.split_off(..usize::from(key_len))?.to_vec();
            match tag {
                PUT => {
                    let len = u32::from_be_bytes(*take_chunk(&mut bytes)?);
                    let value = bytes.split_off(..usize::try_from(len).ok()?)?;
                    batch.put(key, value.to_vec());
                }
                REMOVE => batch.remove(key),
                _ => return None,
            }
        }
        bytes.is_empty().then_some(batch)
    }
}

fn take_chunk<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (chunk, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_golden_and_canonical() {
        let mut batch = Batch::default();
        batch.remove(b"b".to_vec());
        batch.put(b"a".to_vec(), b"xy".to_vec());
        let mut bytes = Vec::new();
        batch.encode(&mut bytes);
        assert_eq!(bytes, [0, 0, 0, 2, 1, 0, 1, b'a', 0, 0, 0, 2, b'x', b'y', 2, 0, 1, b'b']);
        assert_eq!(Batch::decode(&bytes), Some(batch));
        for len in 0..bytes.len() {
            assert_eq!(Batch::decode(&bytes[..len]), None);
        }
        bytes.push(0);
        assert_eq!(Batch::decode(&bytes), None);
    }
}
