//! Bytes of a segment.
//!
//! ```text
//! segment  "kithjrn1"  first:8  check:8   entry …
//! entry    "kjE\x01"  length:4  number:8  check:8  payload
//! ```
//!
//! Numbers are big-endian. A check is the seeded XXH3 of everything before it in its head, and of the payload.

use memchr::memmem;
use xxhash_rust::xxh3::Xxh3;

use super::MAX_ENTRY;

/// Length of a segment's head, in bytes.
pub(crate) const HEAD: usize = 24;
/// Length of an entry's head, in bytes.
pub(crate) const ENTRY_HEAD: usize = 24;
const SEGMENT_MAGIC: &[u8; 8] = b"kithjrn1";
const ENTRY_MAGIC: &[u8; 4] = b"kjE\x01";

pub(super) fn encode_head(seed: u64, first: u64) -> [u8; HEAD] {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(SEGMENT_MAGIC);
    hash.update(&first.to_be_bytes());
    let mut head = [0; HEAD];
    for (to, from) in head
        .iter_mut()
        .zip(SEGMENT_MAGIC.iter().copied().chain(first.to_be_bytes()).chain(hash.digest().to_be_bytes()))
    {
        *to = from;
    }
    head
}

/// Writes an entry into `out`, replacing what is there.
pub(super) fn encode_entry(out: &mut Vec<u8>, seed: u64, number: u64, payload: impl FnOnce(&mut Vec<u8>)) {
    out.clear();
    out.resize(ENTRY_HEAD, 0);
    payload(out);
    let (head, payload) = out.split_at_mut(ENTRY_HEAD);
    debug_assert!(payload.len() <= MAX_ENTRY, "an entry that recovery would not accept");
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_ENTRY")]
    let len = payload.len() as u32;
    let check = check(seed, len, number, payload);
    let bytes = ENTRY_MAGIC.iter().copied().chain(len.to_be_bytes()).chain(number.to_be_bytes());
    for (to, from) in head.iter_mut().zip(bytes.chain(check.to_be_bytes())) {
        *to = from;
    }
}

fn check(seed: u64, len: u32, number: u64, payload: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(ENTRY_MAGIC);
    hash.update(&len.to_be_bytes());
    hash.update(&number.to_be_bytes());
    hash.update(payload);
    hash.digest()
}

/// An intact entry at the beginning of some bytes.
struct Entry<'a> {
    number: u64,
    payload: &'a [u8],
}

fn decode_entry(bytes: &[u8], seed: u64) -> Option<Entry<'_>> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    if magic != ENTRY_MAGIC {
        return None;
    }
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (stored, rest) = rest.split_first_chunk::<8>()?;
    let (len, number) = (u32::from_be_bytes(*len), u64::from_be_bytes(*number));
    let payload = rest.get(..usize::try_from(len).ok().filter(|len| *len <= MAX_ENTRY)?)?;
    (u64::from_be_bytes(*stored) == check(seed, len, number, payload)).then_some(Entry { number, payload })
}

/// What a segment ends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Nothing, or what an earlier use left there.
    Clean,
    /// The beginning of an entry that was being written when the process or the machine died.
    Torn,
    /// Bytes that are no entry, with a later entry behind them.
    Damaged,
}

/// The intact beginning of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Scan {
    /// Where the intact entries end.
    pub(super) offset: usize,
    /// Number the next entry would have.
    pub(super) next: u64,
    pub(super) end: End,
}

/// Goes through a segment whose name says that its first entry has number `first`; `None` if its head does not.
pub(super) fn scan(bytes: &[u8], seed: u64, first: u64, mut entry: impl FnMut(u64, &[u8])) -> Option<Scan> {
    if bytes.get(..HEAD)? != encode_head(seed, first) {
        return None;
    }
    let (mut offset, mut next) = (HEAD, first);
    loop {
        let rest = bytes.get(offset..).unwrap_or_default();
        match decode_entry(rest, seed) {
            Some(found) if found.number == next => {
                entry(found.number, found.payload);
                offset += ENTRY_HEAD + found.payload.len();
                next += 1;
            }
            // Left over: numbers only grow, and this segment was used before.
            Some(found) if found.number < next => {
                return Some(Scan { offset, next, end: end(rest, seed, next) });
            }
            _ => return Some(Scan { offset, next, end: end(rest, seed, next) }),
        }
    }
}

/// What the rest of a segment is, given that it does not begin with the entry of number `next`.
fn end(rest: &[u8], seed: u64, next: u64) -> End {
    let later = |at: usize| {
        let candidate = rest.get(at..).unwrap_or_default();
        // The number is compared first: it is cheap, and hashing every left-over entry is not.
        let number = candidate.get(8..16).and_then(|n| n.try_into().ok()).map(u64::from_be_bytes);
        number.is_some_and(|n| n >= next) && decode_entry(candidate, seed).is_some()
    };
    if memmem::find_iter(rest, ENTRY_MAGIC).any(later) {
        return End::Damaged;
    }
    let number = rest.get(8..16).and_then(|n| n.try_into().ok()).map(u64::from_be_bytes);
    if rest.starts_with(ENTRY_MAGIC) && number == Some(next) { End::Torn } else { End::Clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 42;
    const HEAD_CHECK: u64 = 0x48d9_5613_609a_50e5;
    const ENTRY_CHECK: u64 = 0x011b_bd0b_6725_ebc3;

    fn segment(first: u64, payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = encode_head(SEED, first).to_vec();
        for (number, payload) in (first..).zip(payloads) {
            let mut entry = Vec::new();
            encode_entry(&mut entry, SEED, number, |out| out.extend_from_slice(payload));
            bytes.extend(entry);
        }
        bytes
    }

    type Entries = Vec<(u64, Vec<u8>)>;

    fn scanned(bytes: &[u8], first: u64) -> Option<(Entries, Scan)> {
        let mut seen = Vec::new();
        let scan = scan(bytes, SEED, first, |n, p| seen.push((n, p.to_vec())))?;
        Some((seen, scan))
    }

    #[test]
    fn bytes_are_golden() {
        let bytes = segment(1, &[b"x"]);
        let golden = [
            &b"kithjrn1"[..],
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &HEAD_CHECK.to_be_bytes(),
            b"kjE\x01",
            &[0, 0, 0, 1],
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &ENTRY_CHECK.to_be_bytes(),
            b"x",
        ];
        assert_eq!(bytes, golden.concat());
    }

    #[test]
    fn every_cut_leaves_a_beginning() {
        let payloads: [&[u8]; 3] = [b"one", b"", b"three"];
        let whole = segment(7, &payloads);
        for len in 0..=whole.len() {
            // What was not written is zero in a new segment.
            let mut cut = whole[..len].to_vec();
            cut.resize(whole.len() + 100, 0);
            let Some((seen, scan)) = scanned(&cut, 7) else {
                assert!(len < HEAD);
                continue;
            };
            let intact = seen.len();
            assert_eq!(seen, (7..).zip(payloads[..intact].iter().map(|p| p.to_vec())).collect::<Vec<_>>());
            assert!(scan.offset <= len && scan.next == 7 + intact as u64 && scan.end != End::Damaged);
            assert_eq!(intact, if len == whole.len() { 3 } else { scan_count(len) });
        }
        fn scan_count(len: usize) -> usize {
            let ends = [HEAD + 27, HEAD + 27 + 24, HEAD + 27 + 24 + 29];
            ends.iter().filter(|end| len >= **end).count()
        }
    }

    #[test]
    fn damage_before_the_last_entry_is_told_from_a_torn_end() {
        let whole = segment(7, &[b"one", b"two", b"three"]);
        let last = whole.len() - ENTRY_HEAD - 5;
        for bit in HEAD * 8..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (seen, scan) = scanned(&flipped, 7).unwrap();
            if bit / 8 < last {
                assert_eq!(scan.end, End::Damaged, "bit {bit}");
            } else {
                assert_eq!((seen.len(), scan.offset), (2, last));
                assert_ne!(scan.end, End::Damaged, "bit {bit}");
            }
        }
        for bit in 0..HEAD * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(scanned(&flipped, 7).is_none());
        }
    }

    #[test]
    fn a_used_segment_ends_where_its_old_entries_begin() {
        let old = segment(1, &[b"a", b"bb", b"ccc", b"dddd", b"eeeee"]);
        for payload in [&b"a"[..], b"longer than the first", b""] {
            let new = segment(6, &[payload]);
            let mut reused = old.clone();
            reused[..new.len()].copy_from_slice(&new);
            let (seen, scan) = scanned(&reused, 6).unwrap();
            assert_eq!(seen, [(6, payload.to_vec())]);
            assert_eq!(scan, Scan { offset: new.len(), next: 7, end: End::Clean });
        }
    }

    #[test]
    fn a_frame_cannot_pass_for_an_entry() {
        // A frame that contains an entry as its sender would make it, without knowing the seed.
        let mut forged = Vec::new();
        encode_entry(&mut forged, 0, 9, |out| out.extend_from_slice(b"forged"));
        let mut whole = segment(7, &[b"one", &forged]);
        let torn = whole.len() - 1;
        whole[torn] ^= 1;
        let (seen, scan) = scanned(&whole, 7).unwrap();
        assert_eq!((seen.len(), scan.end), (1, End::Torn));
    }
}
