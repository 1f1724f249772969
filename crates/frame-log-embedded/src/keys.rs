//! Keys of the tree. The first byte says what a value is; numbers are big-endian, so order is numeric.
//!
//! | first byte | rest of the key | value |
//! |---|---|---|
//! | `A` | | number of the last journal entry in the tables |
//! | `D` | mailbox, digest | expiry; a package that may not be stored again |
//! | `E` | expiry, mailbox, digest | where the package is, see [`Place`](crate::values::Place) |
//! | `I` | group, frame id | position, hash |
//! | `K` | mailbox, order | a one-time package |
//! | `L` | mailbox | the package of last resort |
//! | `M` | name | a value of the service |
//! | `O` | append number | group, position |
//! | `P` | group | how far the group is pruned |
//! | `R` | group, position | a record |
//! | `S` | group, position | a snapshot |

use frame_log::{MailboxId, MetaKey};
use protocol::{FrameId, GroupId, Seq, UnixSeconds};

pub(crate) type Key = Vec<u8>;
/// SHA-256 of a package.
pub(crate) type Digest = [u8; 32];

fn key(tag: u8, parts: &[&[u8]]) -> Key {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|p| p.len()).sum::<usize>());
    key.push(tag);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(crate) fn applied() -> Key {
    key(b'A', &[])
}

pub(crate) fn known_package(mailbox: &MailboxId, digest: &Digest) -> Key {
    key(b'D', &[mailbox.as_bytes(), digest])
}

pub(crate) fn expiry(at: UnixSeconds, mailbox: &MailboxId, digest: &Digest) -> Key {
    key(b'E', &[&at.get().to_be_bytes(), mailbox.as_bytes(), digest])
}

/// Every expiry key before `at` and including it is below this one.
pub(crate) fn expiries_after(at: UnixSeconds) -> Key {
    match at.next() {
        Some(next) => key(b'E', &[&next.get().to_be_bytes()]),
        None => vec![b'F'],
    }
}

pub(crate) fn expiries() -> Key {
    key(b'E', &[])
}

/// The parts of an expiry key.
pub(crate) fn parse_expiry(key: &[u8]) -> Option<(UnixSeconds, MailboxId, Digest)> {
    let rest = key.strip_prefix(b"E")?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (mailbox, rest) = rest.split_first_chunk::<32>()?;
    Some((UnixSeconds::new(u64::from_be_bytes(*at)), MailboxId::new(*mailbox), rest.try_into().ok()?))
}

pub(crate) fn frame_id(group: &GroupId, id: &FrameId) -> Key {
    key(b'I', &[group.as_bytes(), id.as_bytes()])
}

pub(crate) fn packages(mailbox: &MailboxId) -> Key {
    key(b'K', &[mailbox.as_bytes()])
}

pub(crate) fn package(mailbox: &MailboxId, order: u64) -> Key {
    key(b'K', &[mailbox.as_bytes(), &order.to_be_bytes()])
}

pub(crate) fn last_resort(mailbox: &MailboxId) -> Key {
    key(b'L', &[mailbox.as_bytes()])
}

pub(crate) fn meta(name: MetaKey) -> Key {
    key(b'M', &[name.as_str().as_bytes()])
}

pub(crate) fn orders() -> Key {
    key(b'O', &[])
}

pub(crate) fn order(ordinal: u64) -> Key {
    key(b'O', &[&ordinal.to_be_bytes()])
}

pub(crate) fn pruned(group: &GroupId) -> Key {
    key(b'P', &[group.as_bytes()])
}

pub(crate) fn all_records() -> Key {
    key(b'R', &[])
}

pub(crate) fn records(group: &GroupId) -> Key {
    key(b'R', &[group.as_bytes()])
}

pub(crate) fn record(group: &GroupId, seq: Seq) -> Key {
    key(b'R', &[group.as_bytes(), &seq.get().to_be_bytes()])
}

/// The parts of a record's key.
pub(crate) fn parse_record(key: &[u8]) -> Option<(GroupId, Seq)> {
    let (group, seq) = key.strip_prefix(b"R")?.split_first_chunk::<32>()?;
    Some((GroupId::new(*group), Seq::new(u64::from_be_bytes(seq.try_into().ok()?))))
}

pub(crate) fn snapshots(group: &GroupId) -> Key {
    key(b'S', &[group.as_bytes()])
}

pub(crate) fn snapshot(group: &GroupId, seq: Seq) -> Key {
    key(b'S', &[group.as_bytes(), &seq.get().to_be_bytes()])
}

/// The last eight bytes of a key as a number: the position, order or append number it ends with.
pub(crate) fn trailing_number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|n| u64::from_be_bytes(*n))
}

/// The first key after all keys that begin with `prefix`, which no key of a known tag is without.
pub(crate) fn end_of(prefix: &[u8]) -> Key {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_follows_every_key_of_the_prefix() {
        assert_eq!(end_of(b"Rab"), b"Rac");
        assert_eq!(end_of(&[b'R', 0xff, 0xff]), b"S");
        let group = GroupId::new([0xff; 32]);
        assert!(record(&group, Seq::new(u64::MAX)) < end_of(&records(&group)));
        assert!(end_of(&records(&group)) > records(&group));
    }

    #[test]
    fn numbers_order_keys() {
        let group = GroupId::new([1; 32]);
        assert!(record(&group, Seq::new(255)) < record(&group, Seq::new(256)));
        assert_eq!(trailing_number(&record(&group, Seq::new(256))), Some(256));
        assert_eq!(parse_record(&record(&group, Seq::new(256))), Some((group, Seq::new(256))));
        let (mailbox, digest) = (MailboxId::new([2; 32]), [3; 32]);
        let at = UnixSeconds::new(7);
        assert_eq!(parse_expiry(&expiry(at, &mailbox, &digest)), Some((at, mailbox, digest)));
        assert!(expiry(at, &mailbox, &digest) < expiries_after(at));
        assert!(expiry(UnixSeconds::new(8), &MailboxId::new([0; 32]), &[0; 32]) >= expiries_after(at));
    }
}
