//! What streams and subjects are called.

use std::{fmt, str::FromStr};

use frame_log::{Partition, Partitions};
use protocol::GroupId;
use thiserror::Error;

/// Longest prefix, in bytes.
const MAX_PREFIX: usize = 32;

/// The first word of every name, so that several deployments can share one NATS: 1 to 32 ASCII letters, digits, `-`
/// and `_`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Prefix(String);

/// A text that cannot be a prefix. The operator's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a prefix is 1 to 32 letters, digits, `-` and `_`")]
pub struct BadPrefix;

impl Prefix {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if (1..=MAX_PREFIX).contains(&text.len()) && text.bytes().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadPrefix)
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names of one deployment. Relay and nodes must have the same, or they do not hear each other.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Names {
    prefix: Prefix,
    partitions: Partitions,
}

/// A subject under which no frame of this deployment is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the subject of a group")]
pub struct BadSubject;

impl Names {
    /// The names under `prefix` for groups shared out in `partitions`.
    #[must_use]
    pub const fn new(prefix: Prefix, partitions: Partitions) -> Self {
        Self { prefix, partitions }
    }

    /// The first word of every name.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// How groups are shared out.
    #[must_use]
    pub const fn partitions(&self) -> Partitions {
        self.partitions
    }

    /// Where a group's frames are published: `<prefix>.frames.<partition>.<group in hexadecimal>`.
    #[must_use]
    pub fn subject(&self, group: &GroupId) -> String {
        format!("{}.frames.{}.{group}", self.prefix, self.partitions.of(group))
    }

    /// Every group of a partition: `<prefix>.frames.<partition>.*`.
    #[must_use]
    pub fn wildcard(&self, partition: Partition) -> String {
        format!("{}.frames.{partition}.*", self.prefix)
    }

    /// The stream that keeps a partition: `<prefix>-frames-<partition>`.
    #[must_use]
    pub fn stream(&self, partition: Partition) -> String {
        format!("{}-frames-{partition}", self.prefix)
    }

    /// The group a subject belongs to.
    ///
    /// # Errors
    /// [`BadSubject`] unless it is exactly what [`Self::subject`] makes of the group.
    pub fn group(&self, subject: &str) -> Result<GroupId, BadSubject> {
        let (_, last) = subject.rsplit_once('.').ok_or(BadSubject)?;
        let group = last.parse().map_err(|_| BadSubject)?;
        if self.subject(&group) == subject { Ok(group) } else { Err(BadSubject) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(partitions: u16) -> Names {
        Names::new("kith".parse().unwrap(), Partitions::new(partitions).unwrap())
    }

    #[test]
    fn exact_names() {
        let names = names(16);
        let group = GroupId::new([0xab; 32]);
        let subject = format!("kith.frames.10.{}", "ab".repeat(32));
        assert_eq!(names.subject(&group), subject);
        assert_eq!(names.group(&subject), Ok(group));
        let partition = names.partitions().of(&group);
        assert_eq!(names.stream(partition), "kith-frames-10");
        assert_eq!(names.wildcard(partition), "kith.frames.10.*");
    }

    #[test]
    fn only_a_groups_own_subject() {
        let names = names(16);
        let hex = "ab".repeat(32);
        for subject in [
            String::new(),
            hex.clone(),
            format!("kith.frames.9.{hex}"),
            format!("kith.frames.010.{hex}"),
            format!("other.frames.10.{hex}"),
            format!("kith.frames.10.{}", "AB".repeat(32)),
            format!("kith.frames.10.{}", "ab".repeat(31)),
            format!("kith.frames.10.x.{hex}"),
        ] {
            assert_eq!(names.group(&subject), Err(BadSubject), "{subject}");
        }
    }

    #[test]
    fn prefixes_are_one_word() {
        for good in ["k", "Kith_2-test", &"a".repeat(32)] {
            assert_eq!(good.parse::<Prefix>().unwrap().as_str(), good);
        }
        for bad in ["", "a.b", "a b", "*", ">", "grün", &"a".repeat(33)] {
            assert_eq!(bad.parse::<Prefix>(), Err(BadPrefix), "{bad}");
        }
    }
}
