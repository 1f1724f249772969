//! How groups are shared out among those who pass frames on.

use std::{fmt, num::NonZeroU16};

use protocol::GroupId;
use thiserror::Error;

/// Buckets there are. Stored with every record, so it never changes.
pub const BUCKETS: u16 = 4_096;

/// One of [`BUCKETS`] parts all groups fall into, fixed for ever by the group's id.
///
/// A group's id is a digest, so its first twelve bits are as good as any other hash of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of a group: the first twelve bits of its id, as a big-endian number.
    #[must_use]
    pub fn of(group: &GroupId) -> Self {
        let [high, low, ..] = *group.as_bytes();
        Self(u16::from_be_bytes([high, low]) >> 4)
    }

    /// The number, below [`BUCKETS`].
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A stretch of buckets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BucketRange {
    first: u16,
    end: u16,
}

impl BucketRange {
    /// Every bucket.
    pub const ALL: Self = Self { first: 0, end: BUCKETS };

    /// The first bucket's number.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.first
    }

    /// One past the last bucket's number, at most [`BUCKETS`].
    #[must_use]
    pub const fn end(self) -> u16 {
        self.end
    }

    /// Whether a bucket lies in it.
    #[must_use]
    pub const fn contains(self, bucket: Bucket) -> bool {
        self.first <= bucket.0 && bucket.0 < self.end
    }

    /// Whether a group's bucket lies in it.
    #[must_use]
    pub fn holds(self, group: &GroupId) -> bool {
        self.contains(Bucket::of(group))
    }
}

/// More partitions than buckets, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there can be 1 to 4096 partitions, not {0}")]
pub struct BadPartitions(u16);

/// In how many partitions the buckets are shared out: as evenly as numbers allow, each a stretch of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Partitions(NonZeroU16);

impl Partitions {
    /// All in one.
    pub const ONE: Self = Self(NonZeroU16::MIN);

    /// 1 to [`BUCKETS`] partitions.
    ///
    /// # Errors
    /// [`BadPartitions`] for any other number.
    pub fn new(count: u16) -> Result<Self, BadPartitions> {
        match NonZeroU16::new(count) {
            Some(known) if count <= BUCKETS => Ok(Self(known)),
            _ => Err(BadPartitions(count)),
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.0.get()
    }

    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Partition> {
        (0..self.count()).map(Partition)
    }

    /// The partition of this number.
    #[must_use]
    pub fn get(self, number: u16) -> Option<Partition> {
        (number < self.count()).then_some(Partition(number))
    }

    /// The partition a group belongs to.
    #[must_use]
    pub fn of(self, group: &GroupId) -> Partition {
        let at = (u32::from(Bucket::of(group).0) + 1) * u32::from(self.count()) - 1;
        // Below `count`, since the bucket is below `BUCKETS`.
        Partition(u16::try_from(at / u32::from(BUCKETS)).unwrap_or(0))
    }

    /// The buckets of a partition; none for a number beyond the last.
    #[must_use]
    pub fn buckets(self, partition: Partition) -> BucketRange {
        let start = |number: u16| {
            let at = u32::from(number.min(self.count())) * u32::from(BUCKETS) / u32::from(self.count());
            u16::try_from(at).unwrap_or(BUCKETS)
        };
        BucketRange { first: start(partition.0), end: start(partition.0.saturating_add(1)) }
    }
}

/// One of [`Partitions`], numbered from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Partition(u16);

impl Partition {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(bucket: u16) -> GroupId {
        let mut id = [0xff; GroupId::LEN];
        id[..2].copy_from_slice(&((bucket << 4) | 0xf).to_be_bytes());
        GroupId::new(id)
    }

    #[test]
    fn every_bucket_lies_in_exactly_its_partition() {
        for count in [1, 2, 3, 7, 16, 1_000, 4_095, 4_096] {
            let partitions = Partitions::new(count).unwrap();
            let mut sizes = Vec::new();
            for partition in partitions.iter() {
                let range = partitions.buckets(partition);
                sizes.push(range.end() - range.first());
                for bucket in range.first()..range.end() {
                    assert_eq!(Bucket::of(&group(bucket)).get(), bucket);
                    assert_eq!(partitions.of(&group(bucket)), partition, "bucket {bucket} of {count}");
                    assert!(range.holds(&group(bucket)));
                }
            }
            assert_eq!(sizes.iter().map(|n| usize::from(*n)).sum::<usize>(), usize::from(BUCKETS));
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{count} are uneven");
        }
    }

    #[test]
    fn only_sensible_numbers() {
        assert_eq!(Partitions::new(0), Err(BadPartitions(0)));
        assert_eq!(Partitions::new(4_097), Err(BadPartitions(4_097)));
        assert_eq!(Partitions::ONE.buckets(Partition(0)), BucketRange::ALL);
        assert_eq!(Partitions::ONE.get(1), None);
    }
}
