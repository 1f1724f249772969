//! What was acknowledged, compared with what was then observed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Groups shown of a difference, and differences of each.
const SHOWN: usize = 10;

/// A record as a test sees it, on the way in or on the way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The group's id.
    pub group: Vec<u8>,
    /// Its place in the group.
    pub seq: u64,
    /// A hash of its bytes, or the bytes.
    pub hash: Vec<u8>,
}

impl Entry {
    /// An entry of these parts.
    pub fn new(group: impl Into<Vec<u8>>, seq: u64, hash: impl Into<Vec<u8>>) -> Self {
        Self { group: group.into(), seq, hash: hash.into() }
    }
}

#[derive(Debug, Default)]
struct Known {
    /// By group and seq.
    acknowledged: BTreeMap<Vec<u8>, BTreeMap<u64, Vec<u8>>>,
    /// By group: hashes of what was sent and may have arrived without an answer.
    attempted: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
    /// Acknowledgements that contradict earlier ones.
    contradictions: Vec<(Vec<u8>, u64)>,
}

/// All records that a system has acknowledged to a test. Clones share one ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Known>>);

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<R>(&self, f: impl FnOnce(&mut Known) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that a record is about to be sent: from now on it may be observed even if it is never acknowledged.
    pub fn attempted(&self, group: impl Into<Vec<u8>>, hash: impl Into<Vec<u8>>) {
        self.with(|known| known.attempted.entry(group.into()).or_default().insert(hash.into()));
    }

    /// Notes that the system has said that it holds this record. A second, equal acknowledgement changes nothing.
    pub fn acknowledged(&self, entry: Entry) {
        self.with(|known| {
            let group = known.acknowledged.entry(entry.group.clone()).or_default();
            let noted = group.entry(entry.seq).or_insert_with(|| entry.hash.clone());
            if *noted != entry.hash {
                known.contradictions.push((entry.group, entry.seq));
            }
        });
    }

    /// How many records were acknowledged.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with(|known| known.acknowledged.values().map(BTreeMap::len).sum())
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The acknowledged records, by group and seq.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.with(|known| {
            let groups = known.acknowledged.iter();
            groups
                .flat_map(|(group, entries)| {
                    entries.iter().map(|(seq, hash)| Entry::new(group.clone(), *seq, hash.clone()))
                })
                .collect()
        })
    }

    /// Each acknowledged record was observed once, each group's records in order and without a hole, with equal hashes;
    /// and nothing was observed that was neither acknowledged nor attempted. A group begins wherever its first
    /// acknowledged or observed record is.
    ///
    /// # Errors
    ///
    /// What differs.
    pub fn check_exact(&self, observed: impl IntoIterator<Item = Entry>) -> Result<(), Differences> {
        self.check(observed, false)
    }

    /// As [`Self::check_exact`], but records may be observed again with the same hash: what an at-least-once delivery
    /// promises. Without the repeats, each group is in order and without a hole.
    ///
    /// # Errors
    ///
    /// What differs.
    pub fn check_at_least_once(&self, observed: impl IntoIterator<Item = Entry>) -> Result<(), Differences> {
        self.check(observed, true)
    }

    fn check(&self, observed: impl IntoIterator<Item = Entry>, repeats: bool) -> Result<(), Differences> {
        let mut seen: BTreeMap<Vec<u8>, Vec<(u64, Vec<u8>)>> = BTreeMap::new();
        for entry in observed {
            seen.entry(entry.group).or_default().push((entry.seq, entry.hash));
        }
        self.with(|known| {
            let mut found = Differences::default();
            for (group, seq) in &known.contradictions {
                found.add(group, Difference::Contradiction(*seq));
            }
            let none = (BTreeMap::new(), BTreeSet::new());
            let groups: BTreeSet<&Vec<u8>> = known.acknowledged.keys().chain(seen.keys()).collect();
            for group in groups {
                let acknowledged = known.acknowledged.get(group).unwrap_or(&none.0);
                let attempted = known.attempted.get(group).unwrap_or(&none.1);
                let observed = seen.get(group).map_or(&[][..], Vec::as_slice);
                found.groups += 1;
                compare(group, acknowledged, attempted, observed, repeats, &mut found);
            }
            if found.count == 0 { Ok(()) } else { Err(found) }
        })
    }
}

fn compare(
    group: &[u8],
    acknowledged: &BTreeMap<u64, Vec<u8>>,
    attempted: &BTreeSet<Vec<u8>>,
    observed: &[(u64, Vec<u8>)],
    repeats: bool,
    found: &mut Differences,
) {
    let mut first_seen: BTreeMap<u64, &Vec<u8>> = BTreeMap::new();
    let mut last: Option<u64> = None;
    for (seq, hash) in observed {
        if let Some(before) = first_seen.get(seq) {
            if *before != hash {
                found.add(group, Difference::Altered(*seq));
            } else if !repeats {
                found.add(group, Difference::Repeated(*seq));
            }
            continue;
        }
        if last.is_some_and(|last| *seq < last) {
            found.add(group, Difference::Disorder { seq: *seq, after: last.unwrap_or_default() });
        }
        last = last.max(Some(*seq));
        first_seen.insert(*seq, hash);
        match acknowledged.get(seq) {
            Some(expected) if expected != hash => found.add(group, Difference::Altered(*seq)),
            None if !attempted.contains(hash) => found.add(group, Difference::Unknown(*seq)),
            Some(_) | None => {}
        }
    }
    for seq in acknowledged.keys().filter(|seq| !first_seen.contains_key(seq)) {
        found.add(group, Difference::Missing(*seq));
    }
    // What nobody was told may be missing only behind all that is there.
    let seqs: BTreeSet<u64> = acknowledged.keys().chain(first_seen.keys()).copied().collect();
    for (seq, next) in seqs.iter().zip(seqs.iter().skip(1)) {
        if seq.checked_add(1) != Some(*next) {
            found.add(group, Difference::Hole { after: *seq, before: *next });
        }
    }
}

/// One way in which a group's observed records are not what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// Acknowledged and never observed.
    Missing(u64),
    /// Observed more than once.
    Repeated(u64),
    /// Observed behind a record with a higher number.
    Disorder {
        /// The record.
        seq: u64,
        /// The highest that was observed before it.
        after: u64,
    },
    /// Observed with another hash than the acknowledged one, or with two.
    Altered(u64),
    /// Observed and never sent.
    Unknown(u64),
    /// No record between these two was acknowledged or observed.
    Hole {
        /// The one before the hole.
        after: u64,
        /// The one behind it.
        before: u64,
    },
    /// Acknowledged twice with different hashes.
    Contradiction(u64),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(seq) => write!(f, "{seq} is missing"),
            Self::Repeated(seq) => write!(f, "{seq} was seen again"),
            Self::Disorder { seq, after } => write!(f, "{seq} was seen after {after}"),
            Self::Altered(seq) => write!(f, "{seq} has another hash"),
            Self::Unknown(seq) => write!(f, "{seq} was never sent"),
            Self::Hole { after, before } => write!(f, "nothing is between {after} and {before}"),
            Self::Contradiction(seq) => write!(f, "{seq} was acknowledged for two records"),
        }
    }
}

/// How what was observed differs from what was acknowledged; its text lists the first differences of the first groups.
#[derive(Debug, Default)]
pub struct Differences {
    count: usize,
    groups: usize,
    by_group: BTreeMap<Vec<u8>, Vec<Difference>>,
}

impl Differences {
    fn add(&mut self, group: &[u8], difference: Difference) {
        self.count += 1;
        self.by_group.entry(group.to_owned()).or_default().push(difference);
    }

    /// All differences of a group, in the order in which they were found.
    #[must_use]
    pub fn of(&self, group: &[u8]) -> &[Difference] {
        self.by_group.get(group).map_or(&[], Vec::as_slice)
    }

    /// How many differences there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} differences in {} of {} groups", self.count, self.by_group.len(), self.groups)?;
        for (group, differences) in self.by_group.iter().take(SHOWN) {
            write!(f, "\n  group ")?;
            for byte in group {
                write!(f, "{byte:02x}")?;
            }
            write!(f, ":")?;
            for difference in differences.iter().take(SHOWN) {
                write!(f, " {difference};")?;
            }
            if differences.len() > SHOWN {
                write!(f, " and {} more", differences.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Differences {}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, hash: &str) -> Entry {
        Entry::new(*b"g", seq, hash)
    }

    fn three() -> Ledger {
        let ledger = Ledger::new();
        for (seq, hash) in [(1, "a"), (2, "b"), (3, "c")] {
            ledger.attempted(*b"g", hash);
            ledger.acknowledged(entry(seq, hash));
        }
        ledger
    }

    fn differences(ledger: &Ledger, observed: &[(u64, &str)]) -> Vec<Difference> {
        let observed = observed.iter().map(|(seq, hash)| entry(*seq, hash));
        ledger.check_exact(observed).map_or_else(|found| found.of(b"g").to_vec(), |()| Vec::new())
    }

    #[test]
    fn the_same_records_in_order_are_exact() {
        assert_eq!(differences(&three(), &[(1, "a"), (2, "b"), (3, "c")]), []);
        assert!(Ledger::new().check_exact([]).is_ok());
    }

    #[test]
    fn each_kind_of_difference_is_found() {
        use Difference::{Altered, Contradiction, Disorder, Hole, Missing, Repeated, Unknown};
        let ledger = three();
        assert_eq!(differences(&ledger, &[(1, "a"), (3, "c")]), [Missing(2)]);
        assert_eq!(differences(&ledger, &[]), [Missing(1), Missing(2), Missing(3)]);
        assert_eq!(differences(&ledger, &[(1, "a"), (2, "b"), (2, "b"), (3, "c")]), [Repeated(2)]);
        assert_eq!(differences(&ledger, &[(2, "b"), (1, "a"), (3, "c")]), [Disorder { seq: 1, after: 2 }]);
        assert_eq!(differences(&ledger, &[(1, "a"), (2, "x"), (3, "c")]), [Altered(2)]);
        assert_eq!(differences(&ledger, &[(1, "a"), (2, "b"), (3, "c"), (4, "d")]), [Unknown(4)]);
        ledger.acknowledged(entry(2, "other"));
        assert_eq!(differences(&ledger, &[(1, "a"), (2, "b"), (3, "c")]), [Contradiction(2)]);
        let ledger = three();
        ledger.acknowledged(entry(6, "f"));
        assert_eq!(
            differences(&ledger, &[(1, "a"), (2, "b"), (3, "c"), (6, "f")]),
            [Hole { after: 3, before: 6 }]
        );
    }

    #[test]
    fn what_was_sent_without_an_answer_may_be_there_or_not() {
        let ledger = three();
        ledger.attempted(*b"g", "d");
        assert_eq!(differences(&ledger, &[(1, "a"), (2, "b"), (3, "c"), (4, "d")]), []);
        assert_eq!(differences(&ledger, &[(1, "a"), (2, "b"), (3, "c")]), []);
    }

    #[test]
    fn repeats_are_fine_where_delivery_is_at_least_once_but_altered_ones_are_not() {
        let ledger = three();
        let again = [(1, "a"), (2, "b"), (1, "a"), (2, "b"), (3, "c")].map(|(seq, hash)| entry(seq, hash));
        assert!(ledger.check_at_least_once(again).is_ok());
        let altered = [(1, "a"), (2, "b"), (2, "x"), (3, "c")].map(|(seq, hash)| entry(seq, hash));
        let found = ledger.check_at_least_once(altered).unwrap_err();
        assert_eq!(found.of(b"g"), [Difference::Altered(2)]);
    }

    #[test]
    fn the_text_says_what_and_where() {
        let found = three().check_exact([entry(1, "a"), entry(3, "c")]).unwrap_err();
        assert_eq!(found.to_string(), "1 differences in 1 of 1 groups\n  group 67: 2 is missing;");
    }
}
