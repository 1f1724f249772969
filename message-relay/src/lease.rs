//! Who leads what: leases that are observed, not timed by anybody else's clock.
//!
//! A lease is a value in a JetStream key-value bucket, taken and renewed by compare-and-set. Its holder renews it every
//! third of the lease's time. Whoever sees the same revision of it for the whole time by his own clock may take it.
//! Instances make themselves known in the same way and share the leases out evenly.
//!
//! A lease makes it *likely* that there is one leader. That there is one *writer* follows from the sequences every
//! message expects, see [`window`](crate::window).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};

/// Name of a running relay, new at every start.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Instance(String);

impl Instance {
    /// Wraps a name: letters and digits, different for every process.
    #[must_use]
    pub const fn new(name: String) -> Self {
        Self(name)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the bucket says about a lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Revision of the value; each write gives it a greater one.
    pub revision: u64,
    /// Who holds it; nobody after it was given back.
    pub holder: Option<Instance>,
}

/// What is known of a key: its revision, and since when that has not changed, by the clock of the observer.
#[derive(Debug, Default)]
pub struct Observations<K> {
    since: BTreeMap<K, (u64, Instant)>,
}

impl<K: Ord + Clone> Observations<K> {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { since: BTreeMap::new() }
    }

    /// Takes note of a key's revision, and says for how long it has been that.
    pub fn see(&mut self, key: &K, revision: u64, now: Instant) -> Duration {
        match self.since.get(key) {
            Some((known, since)) if *known == revision => now.saturating_duration_since(*since),
            _ => {
                self.since.insert(key.clone(), (revision, now));
                Duration::ZERO
            }
        }
    }

    /// Forgets the keys that are no longer there.
    pub fn retain(&mut self, there: impl Fn(&K) -> bool) {
        self.since.retain(|key, _| there(key));
    }
}

/// Keys that were seen to change within the lease's time, in order.
#[must_use]
pub fn living<'a>(
    ages: impl IntoIterator<Item = (&'a Instance, Duration)>,
    lease: Duration,
) -> BTreeSet<Instance> {
    ages.into_iter().filter(|(_, age)| *age < lease).map(|(instance, _)| instance.clone()).collect()
}

/// How many of `leases` the instance should hold: the same for all, but one more for the first few where the numbers do
/// not divide. An instance that is not among the living gets nothing.
#[must_use]
pub fn quota(instance: &Instance, living: &BTreeSet<Instance>, leases: usize) -> usize {
    let Some(rank) = living.iter().position(|known| known == instance) else { return 0 };
    leases / living.len() + usize::from(rank < leases % living.len())
}

/// One lease as an instance sees it at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// What the bucket holds; `None` before the lease was first taken.
    pub seen: Option<Seen>,
    /// For how long that has not changed.
    pub age: Duration,
}

/// What to do about the leases.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Take this one, if it is still at this revision (0: never written).
    Take {
        /// Which one, as a place in the list of views.
        at: usize,
        /// The revision seen.
        revision: u64,
    },
    /// Give this one back: another instance should have it.
    Release {
        /// Which one.
        at: usize,
    },
}

/// What an instance should do, given what it sees and its quota: take what nobody holds while it has less than its share,
/// give back while it has more and somebody else has less.
#[must_use]
pub fn actions(me: &Instance, views: &[View], quota: usize, lease: Duration) -> Vec<Action> {
    let mine = |view: &View| view.seen.as_ref().is_some_and(|seen| seen.holder.as_ref() == Some(me));
    let held: Vec<usize> = places(views, mine);
    if held.len() > quota {
        // From the end, so that instances that agree on quotas do not move what can stay.
        return held.into_iter().skip(quota).map(|at| Action::Release { at }).collect();
    }
    let free = |view: &View| match &view.seen {
        None => true,
        Some(seen) if seen.holder.is_none() => true,
        Some(seen) => seen.holder.as_ref() != Some(me) && view.age >= lease,
    };
    let revision =
        |at: usize| views.get(at).and_then(|view| view.seen.as_ref()).map_or(0, |seen| seen.revision);
    // Instances that see the same free leases begin at different ones, lest they all want the first.
    let free = places(views, free);
    let begin = me.as_str().bytes().map(usize::from).sum::<usize>() % free.len().max(1);
    let wanted = quota - held.len();
    let order = free.iter().skip(begin).chain(free.iter().take(begin));
    order.take(wanted).map(|at| Action::Take { at: *at, revision: revision(*at) }).collect()
}

fn places(views: &[View], which: impl Fn(&View) -> bool) -> Vec<usize> {
    views.iter().enumerate().filter(|(_, view)| which(view)).map(|(at, _)| at).collect()
}

/// For how long a holder may still act on a lease it last renewed so long ago. It stops well before others may take it.
#[must_use]
pub const fn still_held(since_renewal: Duration, lease: Duration) -> bool {
    since_renewal.as_millis() < lease.as_millis() * 3 / 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    const LEASE: Duration = Duration::from_secs(10);

    fn instance(n: usize) -> Instance {
        Instance::new(format!("i{n}"))
    }

    fn all(n: usize) -> BTreeSet<Instance> {
        (0..n).map(instance).collect()
    }

    #[test]
    fn what_does_not_change_grows_old() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut seen = Observations::new();
        assert_eq!(seen.see(&"a", 5, at(0)), Duration::ZERO);
        assert_eq!(seen.see(&"a", 5, at(9)), Duration::from_secs(9));
        assert_eq!(seen.see(&"a", 6, at(11)), Duration::ZERO, "renewed");
        assert_eq!(seen.see(&"a", 4, at(12)), Duration::ZERO, "a bucket made anew");
        seen.retain(|_| false);
        assert_eq!(seen.see(&"a", 4, at(30)), Duration::ZERO);
    }

    #[test]
    fn quotas_divide_evenly() {
        for (leases, living) in [(8, 1), (8, 3), (2, 3), (0, 2), (7, 7)] {
            let known = all(living);
            let quotas: Vec<usize> = known.iter().map(|i| quota(i, &known, leases)).collect();
            assert_eq!(quotas.iter().sum::<usize>(), leases);
            assert!(quotas.iter().max().unwrap() - quotas.iter().min().unwrap() <= 1, "{quotas:?}");
        }
        assert_eq!(quota(&instance(9), &all(2), 8), 0);
    }

    #[test]
    fn a_lease_is_taken_when_it_is_free_or_old() {
        let view = |holder: Option<usize>, age| View {
            seen: Some(Seen { revision: 3, holder: holder.map(instance) }),
            age: Duration::from_secs(age),
        };
        let act = |view: View, quota| actions(&instance(0), &[view], quota, LEASE);
        let take = vec![Action::Take { at: 0, revision: 3 }];
        assert_eq!(act(View { seen: None, age: Duration::ZERO }, 1), [Action::Take { at: 0, revision: 0 }]);
        assert_eq!(act(view(None, 0), 1), take);
        assert_eq!(act(view(None, 0), 0), []);
        assert_eq!(act(view(Some(1), 9), 1), []);
        assert_eq!(act(view(Some(1), 10), 1), take);
        assert_eq!(act(view(Some(0), 99), 1), [], "mine");
        assert_eq!(act(view(Some(0), 0), 0), [Action::Release { at: 0 }]);
    }

    #[test]
    fn a_holder_stops_before_others_take_over() {
        assert!(still_held(Duration::from_secs(7), LEASE));
        assert!(!still_held(Duration::from_secs(8), LEASE));
    }

    proptest! {
        /// Instances come and go, act one after the other on what they see, and always end at an even share of all leases.
        #[test]
        fn shares_even_out(leases in 0..20_usize, living in vec(1..6_usize, 1..6)) {
            let mut views = vec![View { seen: None, age: Duration::ZERO }; leases];
            for count in living {
                let known = all(count);
                // Those who are gone renew no more.
                for view in &mut views {
                    let holder = view.seen.as_ref().and_then(|seen| seen.holder.clone());
                    view.age = if holder.is_some_and(|h| known.contains(&h)) { Duration::ZERO } else { LEASE };
                }
                for _ in 0..2 {
                    for me in &known {
                        for action in actions(me, &views, quota(me, &known, leases), LEASE) {
                            let (at, holder) = match action {
                                Action::Take { at, .. } => (at, Some(me.clone())),
                                Action::Release { at } => (at, None),
                            };
                            let revision = views[at].seen.as_ref().map_or(0, |seen| seen.revision) + 1;
                            views[at] = View { seen: Some(Seen { revision, holder }), age: Duration::ZERO };
                        }
                    }
                }
                for me in &known {
                    let held = views.iter().filter(|v| v.seen.as_ref().unwrap().holder.as_ref() == Some(me));
                    prop_assert_eq!(held.count(), quota(me, &known, leases));
                }
            }
        }
    }
}
