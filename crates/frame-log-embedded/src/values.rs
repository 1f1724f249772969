//! Values of the tree: their byte forms, and the checksum in front of each.

use bytes::Bytes;
use frame_log::{Record, StoredRecord, UnixMillis};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq, UnixSeconds};
use xxhash_rust::xxh3::Xxh3;

use crate::{error::Damage, keys::Digest};

/// Bytes of the checksum in front of every stored value.
pub(crate) const CHECK_LEN: usize = 8;

/// `check ‖ body`, the check covering the key too: a value is wrong in any place but its own.
pub(crate) fn seal(seed: u64, key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(CHECK_LEN + body.len());
    sealed.extend_from_slice(&check(seed, key, body).to_be_bytes());
    sealed.extend_from_slice(body);
    sealed
}

/// The body of a sealed value, `None` if it is not what was sealed under this key.
pub(crate) fn open<'a>(seed: u64, key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (stored, body) = sealed.split_first_chunk::<CHECK_LEN>()?;
    (u64::from_be_bytes(*stored) == check(seed, key, body)).then_some(body)
}

fn check(seed: u64, key: &[u8], body: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(&(key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(body);
    hash.digest()
}

const OPERATION: u8 = 1;
const PRUNED: u8 = 2;
/// Flags, frame id, hash, time, epoch.
const RECORD_HEAD: usize = 1 + FrameId::LEN + FrameHash::LEN + 8 + 8;

/// `flags:1 ‖ frame id:16 ‖ th:32 ‖ received at:8 ‖ epoch:8 ‖ frame`.
pub(crate) fn encode_record(record: &Record) -> Vec<u8> {
    let Record { frame, frame_id, th, received_at, epoch, is_operation } = record;
    let mut out = Vec::with_capacity(RECORD_HEAD + frame.len());
    out.push(if *is_operation { OPERATION } else { 0 });
    out.extend_from_slice(frame_id.as_bytes());
    out.extend_from_slice(th.as_bytes());
    out.extend_from_slice(&received_at.get().to_be_bytes());
    out.extend_from_slice(&epoch.get().to_be_bytes());
    out.extend_from_slice(frame);
    out
}

/// The same record without its frame; `None` if there is nothing to drop, or an operation is to be kept.
pub(crate) fn prune_record(body: &[u8], keep_operation: bool) -> Result<Option<Vec<u8>>, Damage> {
    let head = body.get(..RECORD_HEAD).ok_or(Damage::UNKNOWN)?;
    let flags = *head.first().ok_or(Damage::UNKNOWN)?;
    if flags & PRUNED != 0 || (keep_operation && flags & OPERATION != 0) {
        return Ok(None);
    }
    let mut out = vec![flags | PRUNED];
    out.extend(head.iter().skip(1));
    Ok(Some(out))
}

pub(crate) fn decode_record(seq: Seq, body: &[u8]) -> Option<StoredRecord> {
    let (flags, rest) = body.split_first()?;
    let (frame_id, rest) = rest.split_first_chunk::<{ FrameId::LEN }>()?;
    let (th, rest) = rest.split_first_chunk::<{ FrameHash::LEN }>()?;
    let (received_at, rest) = rest.split_first_chunk::<8>()?;
    let (epoch, frame) = rest.split_first_chunk::<8>()?;
    if flags & !(OPERATION | PRUNED) != 0 || (flags & PRUNED != 0 && !frame.is_empty()) {
        return None;
    }
    Some(StoredRecord {
        seq,
        // Copied, because a slice would keep the whole block it was read from in memory.
        frame: (flags & PRUNED == 0).then(|| Bytes::copy_from_slice(frame)),
        frame_id: FrameId::new(*frame_id),
        th: FrameHash::new(*th),
        received_at: UnixMillis::new(u64::from_be_bytes(*received_at)),
        epoch: Epoch::new(u64::from_be_bytes(*epoch)),
        is_operation: flags & OPERATION != 0,
    })
}

/// `position:8 ‖ th:32`.
pub(crate) fn encode_found(seq: Seq, th: &FrameHash) -> Vec<u8> {
    let mut out = seq.get().to_be_bytes().to_vec();
    out.extend_from_slice(th.as_bytes());
    out
}

pub(crate) fn decode_found(body: &[u8]) -> Result<(Seq, FrameHash), Damage> {
    let (seq, th) = body.split_first_chunk::<8>().ok_or(Damage::UNKNOWN)?;
    let th = th.try_into().map_err(|_| Damage::UNKNOWN)?;
    Ok((Seq::new(u64::from_be_bytes(*seq)), FrameHash::new(th)))
}

/// `group:32 ‖ position:8`.
pub(crate) fn encode_place(group: &GroupId, seq: Seq) -> Vec<u8> {
    let mut out = group.as_bytes().to_vec();
    out.extend_from_slice(&seq.get().to_be_bytes());
    out
}

pub(crate) fn decode_place(body: &[u8]) -> Result<(GroupId, Seq), Damage> {
    let (group, seq) = body.split_first_chunk::<32>().ok_or(Damage::UNKNOWN)?;
    Ok((GroupId::new(*group), Seq::new(decode_number(seq)?)))
}

pub(crate) fn encode_number(n: u64) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

pub(crate) fn decode_number(body: &[u8]) -> Result<u64, Damage> {
    body.try_into().map(u64::from_be_bytes).map_err(|_| Damage::UNKNOWN)
}

/// How far a group is pruned: messages below `messages` and operations below `operations` have no bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Horizons {
    pub(crate) messages: u64,
    pub(crate) operations: u64,
}

impl Horizons {
    /// From here on nothing is pruned.
    pub(crate) fn held(self) -> Seq {
        Seq::new(self.messages.max(self.operations))
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        [self.messages.to_be_bytes(), self.operations.to_be_bytes()].concat()
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Damage> {
        let (messages, operations) = body.split_first_chunk::<8>().ok_or(Damage::UNKNOWN)?;
        Ok(Self { messages: u64::from_be_bytes(*messages), operations: decode_number(operations)? })
    }
}

/// A stored package: `expiry:8 ‖ digest:32 ‖ package`.
pub(crate) struct StoredPackage<'a> {
    pub(crate) expires: UnixSeconds,
    pub(crate) digest: Digest,
    pub(crate) bytes: &'a [u8],
}

impl<'a> StoredPackage<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.expires.get().to_be_bytes().to_vec();
        out.extend_from_slice(&self.digest);
        out.extend_from_slice(self.bytes);
        out
    }

    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Damage> {
        let (expires, rest) = body.split_first_chunk::<8>().ok_or(Damage::UNKNOWN)?;
        let (digest, bytes) = rest.split_first_chunk::<32>().ok_or(Damage::UNKNOWN)?;
        Ok(Self { expires: UnixSeconds::new(u64::from_be_bytes(*expires)), digest: *digest, bytes })
    }
}

/// Where an expiring package was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Among the one-time packages, with this order.
    OneTime(u64),
    /// In the place of last resort.
    LastResort,
}

impl Place {
    /// `1 ‖ order:8` or `2`.
    pub(crate) fn encode(self) -> Vec<u8> {
        match self {
            Self::OneTime(order) => [&[1][..], &order.to_be_bytes()].concat(),
            Self::LastResort => vec![2],
        }
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Damage> {
        match body.split_first() {
            Some((1, order)) => Ok(Self::OneTime(decode_number(order)?)),
            Some((2, [])) => Ok(Self::LastResort),
            _ => Err(Damage::UNKNOWN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            frame: Bytes::from_static(b"frame"),
            frame_id: FrameId::new([1; 16]),
            th: FrameHash::new([2; 32]),
            received_at: UnixMillis::new(0x0304),
            epoch: Epoch::new(5),
            is_operation: true,
        }
    }

    #[test]
    fn record_has_one_form() {
        let golden =
            [&[1][..], &[1; 16], &[2; 32], &[0, 0, 0, 0, 0, 0, 3, 4], &[0, 0, 0, 0, 0, 0, 0, 5], b"frame"];
        let body = encode_record(&record());
        assert_eq!(body, golden.concat());
        assert_eq!(decode_record(Seq::new(9), &body), Some(StoredRecord::new(Seq::new(9), record())));
        for len in 0..RECORD_HEAD {
            assert_eq!(decode_record(Seq::ZERO, &body[..len]), None);
        }
    }

    #[test]
    fn pruning_keeps_all_but_the_frame() {
        let body = encode_record(&record());
        assert_eq!(prune_record(&body, true), Ok(None));
        let pruned = prune_record(&body, false).unwrap().unwrap();
        let expected = StoredRecord::new(Seq::ZERO, record()).pruned();
        assert_eq!(decode_record(Seq::ZERO, &pruned), Some(expected));
        assert_eq!(prune_record(&pruned, false), Ok(None));
    }

    #[test]
    fn every_flipped_bit_and_every_other_place_is_seen() {
        let sealed = seal(7, b"key", b"body");
        assert_eq!(sealed, [&0x484b_3b9a_ca65_93e2_u64.to_be_bytes()[..], b"body"].concat());
        assert_eq!(open(7, b"key", &sealed), Some(&b"body"[..]));
        assert_eq!(open(8, b"key", &sealed), None);
        assert_eq!(open(7, b"kez", &sealed), None);
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(7, b"key", &flipped), None);
        }
        for len in 0..sealed.len() {
            assert_eq!(open(7, b"key", &sealed[..len]), None);
        }
    }
}
