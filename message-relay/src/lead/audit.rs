//! Comparing what the stream holds with what was acknowledged, and with the log.
//!
//! Servers lose what they acknowledged, operators delete what they should not, sources fall silent. None of that shows in
//! an answer to a publisher, so it is looked for.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use async_nats::{
    header::NATS_MESSAGE_ID,
    jetstream::{
        consumer::{AckPolicy, DeliverPolicy, pull},
        stream::Info,
    },
};
use frame_log::{Limit, ReadError};
use futures_util::StreamExt as _;
use protocol::{GroupId, Seq};

use super::{LeadError, Leader, Scan};
use crate::{
    cursor::{Made, Reason},
    target::TargetError,
};

/// Groups used last that are compared in one audit.
const RECENT: usize = 64;
/// Other groups of the log that are compared in one audit, in turn.
const IN_TURN: usize = 64;
/// Sequences that are missing and were seen to; more are known by their number alone.
const MAX_HOLES: u64 = 10_000;
/// Groups whose positions are kept while the stream is read; with more it is read several times.
const GROUPS_PER_PASS: u64 = 131_072;
/// Missing records that are collected before they are published.
const MISSING_PER_PASS: usize = 65_536;
/// Messages that are asked for at once while the stream is read.
const AT_ONCE: usize = 128;
/// How long the stream may take over one message while it is read.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// What audits remember.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// Sequences that are missing between the first and the last, and were seen to.
    holes: BTreeSet<u64>,
    /// How many there were when there were too many to list, and where the stream began then.
    many: Option<(u64, u64)>,
    /// A sequence that was there at a time; too young to be gone.
    witness: Option<(u64, Instant)>,
    /// Bytes in the stream at the last audit.
    bytes: u64,
    /// Groups that were behind at the last audit, and the head they had.
    behind: HashMap<GroupId, Seq>,
    /// The last group that was compared in turn.
    turn: Option<GroupId>,
}

impl Leader<'_> {
    /// One audit.
    pub(super) async fn compare(&mut self) -> Result<(), LeadError> {
        self.meter.metrics.audits.inc();
        if self.shared.life().await? != self.life {
            return Err(LeadError::Rescan(Reason::OtherLife));
        }
        let info = match self.publisher.target().info().await {
            Ok(info) => info,
            // Publishing notices by itself, and waits.
            Err(TargetError::Unavailable) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.compare_state(&info)?;
        self.compare_holes(&info).await?;
        // A scan looks at every group anyway.
        if self.scan.is_none() {
            self.compare_heads().await?;
        }
        Ok(())
    }

    fn compare_state(&mut self, info: &Info) -> Result<(), LeadError> {
        let (state, last) = (&info.state, self.publisher.last());
        if Made::of(info) != self.made || state.last_sequence < last {
            return Err(LeadError::Rescan(Reason::StreamWiped));
        }
        if self.publisher.is_idle() && state.last_sequence > last {
            return Err(LeadError::Overtaken);
        }
        let max_age = info.config.max_age;
        let is_young = |since: Instant| max_age.is_zero() || since.elapsed() < max_age / 4 * 3;
        let full = u64::try_from(info.config.max_bytes).is_ok_and(|max| self.audit.bytes >= max / 4 * 3);
        match self.audit.witness {
            Some((sequence, since)) if is_young(since) => {
                if state.first_sequence > sequence && !full {
                    // Neither age nor size explains it: somebody has purged the stream.
                    self.audit.witness = None;
                    return Err(LeadError::Rescan(Reason::Missing));
                }
            }
            _ => {
                let there = state.messages > 0 && state.first_sequence <= last;
                self.audit.witness = there.then(|| (last, Instant::now()));
            }
        }
        self.audit.bytes = state.bytes;
        Ok(())
    }

    async fn compare_holes(&mut self, info: &Info) -> Result<(), LeadError> {
        let state = &info.state;
        let span = (state.last_sequence + 1).saturating_sub(state.first_sequence);
        let missing = span.saturating_sub(state.messages);
        if missing == 0 || state.messages == 0 {
            self.audit.holes.clear();
            self.audit.many = None;
            return Ok(());
        }
        if missing > MAX_HOLES {
            let now = (missing, state.first_sequence);
            // Some may have aged away since, and no others be missing.
            let is_new = self.audit.many.is_none_or(|known| now.0 > known.0 || now.1 < known.1);
            if is_new {
                self.refill(info).await?;
                self.audit.many = Some(now);
            }
            return Ok(());
        }
        let stream = self.publisher.target().stream();
        let detail = stream.info_builder().with_deleted(true).fetch().await;
        let Ok(detail) = detail else { return Ok(()) };
        let holes: BTreeSet<u64> = detail.info.state.deleted.unwrap_or_default().into_iter().collect();
        if !holes.is_subset(&self.audit.holes) {
            tracing::warn!(messages = missing, "messages are missing from the stream");
            self.refill(info).await?;
        }
        self.audit.holes = holes;
        Ok(())
    }

    /// Publishes again what is missing between the first and the last message, and has the ends of groups looked at.
    async fn refill(&mut self, info: &Info) -> Result<(), LeadError> {
        self.publisher.afresh().await?;
        let passes = info.state.subjects_count.div_ceil(GROUPS_PER_PASS).max(1);
        for pass in 0..passes {
            loop {
                let missing = self.missing(info, passes, pass).await?;
                let is_all = missing.len() < MISSING_PER_PASS;
                self.publish_again(missing).await?;
                if is_all {
                    break;
                }
            }
        }
        self.publisher.afresh().await?;
        self.sequencer.clear();
        if self.scan.is_none() {
            let place = self.place.clone();
            let scan =
                Scan::begin(self.shared, self.lane, self.made, self.life, Reason::Missing, &place).await?;
            self.scan = Some(scan);
        }
        Ok(())
    }

    /// Reads the headers of everything in the stream and finds which positions of groups are not there between others
    /// that are. Of the groups only those of this pass are looked at.
    async fn missing(
        &mut self,
        info: &Info,
        passes: u64,
        pass: u64,
    ) -> Result<BTreeSet<(GroupId, Seq)>, LeadError> {
        let unavailable = || LeadError::Target(TargetError::Unavailable);
        let config = pull::Config {
            headers_only: true,
            ack_policy: AckPolicy::None,
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: info.state.first_sequence.max(1),
            },
            inactive_threshold: READ_TIMEOUT,
            ..pull::Config::default()
        };
        let stream = self.publisher.target().stream();
        let consumer = stream.create_consumer(config).await.map_err(|_| unavailable())?;
        // No more at once than the connection lets wait.
        let pull = consumer.stream().max_messages_per_batch(AT_ONCE).messages();
        let mut messages = pull.await.map_err(|_| unavailable())?;
        let mut next: HashMap<GroupId, u64> = HashMap::new();
        let mut missing = BTreeSet::new();
        loop {
            let message = tokio::time::timeout(READ_TIMEOUT, messages.next()).await;
            let Ok(Some(Ok(message))) = message else { return Err(unavailable()) };
            let Ok(at) = message.info() else { return Err(unavailable()) };
            let is_last = at.pending == 0 || at.stream_sequence >= info.state.last_sequence;
            let id = message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID));
            let record = id.and_then(|id| record_of(id.as_str(), self.life.get()));
            let turn = |group: &GroupId| {
                let [.., low, high] = *group.as_bytes();
                u64::from(u16::from_be_bytes([low, high])) % passes == pass
            };
            if let Some((group, seq)) = record.filter(|(group, _)| turn(group)) {
                let expected = next.get(&group).copied();
                if let Some(expected) = expected {
                    let gap = (expected..seq).map(|seq| (group, Seq::new(seq)));
                    missing.extend(gap.take(MISSING_PER_PASS.saturating_sub(missing.len())));
                }
                // It may be one that was missing and has been published again.
                missing.remove(&(group, Seq::new(seq)));
                next.insert(group, (seq + 1).max(expected.unwrap_or(0)));
            }
            if is_last {
                return Ok(missing);
            }
        }
    }

    async fn publish_again(&mut self, missing: BTreeSet<(GroupId, Seq)>) -> Result<(), LeadError> {
        let mut groups = BTreeSet::new();
        for (group, seq) in missing {
            if self.publish_one_again(&group, seq).await? {
                groups.insert(group);
            }
        }
        // The last message of a group says how far it is published, so it has to come last.
        for group in groups {
            let head = self.shared.log.head(&group).await?;
            let last = self.sequencer.next(&group).and_then(|next| next.get().checked_sub(1)).map(Seq::new);
            if let Some(last) = last.or(head) {
                self.publish_one_again(&group, last).await?;
            }
        }
        Ok(())
    }

    async fn publish_one_again(&mut self, group: &GroupId, seq: Seq) -> Result<bool, LeadError> {
        let page = match self.shared.log.read(group, seq, Limit::new(1, 0)).await {
            Ok(page) => page,
            Err(ReadError::Damaged { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let Some(record) = page.records.into_iter().next().filter(|record| record.seq == seq) else {
            return Ok(false);
        };
        self.meter.metrics.republished.inc();
        let place = self.place.clone();
        self.publish(*group, record, place).await?;
        Ok(true)
    }

    /// Looks whether groups of the log have records that are not published although there was time for it.
    async fn compare_heads(&mut self) -> Result<(), LeadError> {
        let mut groups: BTreeSet<GroupId> =
            self.sequencer.recent(RECENT).into_iter().map(|(group, _)| group).collect();
        let after = self.audit.turn.filter(|group| self.lane.buckets.holds(group));
        let listed =
            self.shared.log.groups(after.or_else(|| Scan::start(self.lane)).as_ref(), IN_TURN).await?;
        let in_turn: Vec<GroupId> =
            listed.iter().copied().take_while(|group| self.lane.buckets.holds(group)).collect();
        // Less than asked for is the end of the partition: begin anew.
        self.audit.turn = in_turn.last().copied().filter(|_| in_turn.len() == IN_TURN);
        groups.extend(in_turn);
        groups.extend(self.audit.behind.keys());

        let mut behind = HashMap::new();
        let mut late = Vec::new();
        let (mut records, mut oldest) = (0, Duration::ZERO);
        for group in groups {
            let head = match self.shared.log.head(&group).await {
                Ok(Some(head)) => head,
                Ok(None) | Err(ReadError::Damaged { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            if self.sequencer.next(&group).is_none() {
                self.ask(&group, Seq::new(head.get() + 1)).await?;
            }
            let next = self.sequencer.next(&group).unwrap_or(Seq::ZERO);
            if next > head {
                continue;
            }
            records += head.get() - next.get() + 1;
            oldest = oldest.max(self.age(&group, next).await?);
            if self.audit.behind.get(&group).is_some_and(|known| next <= *known) {
                late.push((group, next, head));
            }
            behind.insert(group, head);
        }
        self.audit.behind = behind;
        self.meter.behind(records, oldest);
        let silent = std::mem::take(&mut self.steps) == 0;
        // With something under way, it is the stream that is waited for.
        if late.is_empty() || !self.publisher.is_idle() {
            return Ok(());
        }
        if silent {
            tracing::warn!("the source shows nothing although there is something");
            return Err(LeadError::Rescan(Reason::Stuck));
        }
        for (group, next, head) in late {
            let end = Seq::new(head.get() + 1);
            self.fill(&group, next, end).await?;
        }
        Ok(())
    }

    async fn age(&mut self, group: &GroupId, seq: Seq) -> Result<Duration, ReadError> {
        let page = match self.shared.log.read(group, seq, Limit::new(1, 0)).await {
            Ok(page) => page,
            Err(ReadError::Damaged { .. }) => return Ok(Duration::ZERO),
            Err(error) => return Err(error),
        };
        let at = page.records.first().map(|record| record.received_at.get());
        let age = at.map_or(0, |at| self.shared.clock.now_ms().saturating_sub(at));
        Ok(Duration::from_millis(age))
    }
}

/// The record of a message id `<life>:<group>:<seq>…`, if it is of this life.
fn record_of(id: &str, life: u64) -> Option<(GroupId, u64)> {
    let mut parts = id.split(':');
    let (of, group, seq) = (parts.next()?, parts.next()?, parts.next()?);
    (of.parse() == Ok(life)).then_some(())?;
    Some((group.parse().ok()?, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_records() {
        let group = GroupId::new([0xab; 32]);
        assert_eq!(record_of(&format!("7:{group}:3:x.0"), 7), Some((group, 3)));
        assert_eq!(record_of(&format!("7:{group}:3"), 7), Some((group, 3)));
        assert_eq!(record_of(&format!("8:{group}:3"), 7), None);
        for other in ["", "7", "7:ab:3", "x"] {
            assert_eq!(record_of(other, 7), None, "{other}");
        }
    }
}
