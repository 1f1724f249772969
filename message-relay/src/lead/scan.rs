//! Going through the log, group by group, and publishing what the stream lacks.

use frame_log::{BucketRange, LogLife, Place, ReadError};
use futures_util::{StreamExt as _, stream};
use protocol::{GroupId, Seq};
use service_kit::metrics::Held;

use super::{Lane, LeadError, Leader};
use crate::{
    cursor::{Made, Progress, Reason},
    parked::Parked,
    relay::Shared,
};

/// Groups that are looked at in one step.
const GROUPS_PER_STEP: usize = 64;
/// Groups that are asked about at once.
const AT_ONCE: usize = 16;

/// A scan under way.
#[derive(Debug)]
pub(super) struct Scan {
    progress: Progress,
    /// The last group that was looked at; it and those before it have been given to the publisher.
    after: Option<GroupId>,
    _held: Held,
}

impl Scan {
    /// Begins one. It is written down before anything is published, so that no leader takes the stream for complete.
    pub(super) async fn begin(
        shared: &Shared,
        lane: &Lane,
        made: Made,
        life: LogLife,
        reason: Reason,
        place: &Place,
    ) -> Result<Self, LeadError> {
        let place = place.as_bytes().to_vec();
        let progress = Progress { made, life: life.get(), reason, place, after: None };
        shared.bucket.save(&lane.key("scan"), &progress).await?;
        shared.metrics.scans.inc(reason);
        tracing::info!(lane = lane.key("lane"), reason = ?reason, "going through the log");
        Ok(Self { progress, after: before(lane.buckets), _held: shared.metrics.scanning.hold() })
    }

    /// The id before the first a group of this lane can have.
    pub(super) fn start(lane: &Lane) -> Option<GroupId> {
        before(lane.buckets)
    }

    /// Goes on with one that another leader, or an earlier one of this process, has begun.
    pub(super) fn resume(shared: &Shared, lane: &Lane, progress: Progress) -> Self {
        tracing::info!(lane = lane.key("lane"), reason = ?progress.reason, "going on through the log");
        let after = progress.after.as_deref().and_then(|group| group.parse().ok());
        Self {
            after: after.or_else(|| before(lane.buckets)),
            progress,
            _held: shared.metrics.scanning.hold(),
        }
    }
}

/// The id before the first a group of these buckets can have; none if there is none.
fn before(buckets: BucketRange) -> Option<GroupId> {
    let first = buckets.first().checked_sub(1)?;
    let mut id = [0xff; GroupId::LEN];
    let (head, _) = id.split_at_mut(2);
    head.copy_from_slice(&((first << 4) | 0xf).to_be_bytes());
    Some(GroupId::new(id))
}

impl Leader<'_> {
    /// Looks at some groups more.
    pub(super) async fn scan_step(&mut self) -> Result<(), LeadError> {
        let Some(scan) = &self.scan else { return Ok(()) };
        let listed = self.shared.log.groups(scan.after.as_ref(), GROUPS_PER_STEP).await?;
        let groups: Vec<GroupId> =
            listed.iter().copied().take_while(|group| self.lane.buckets.holds(group)).collect();
        let is_over = groups.len() < listed.len() || listed.is_empty();
        let last = groups.last().copied();

        let target = self.publisher.target().clone();
        let known: Vec<(GroupId, Option<Seq>)> =
            groups.iter().map(|group| (*group, self.sequencer.next(group))).collect();
        let looks = stream::iter(known).map(|(group, known)| {
            let (target, life, log) = (target.clone(), self.life, &self.shared.log);
            async move {
                let head = log.head(&group).await;
                let next = match known {
                    Some(next) => next,
                    None => {
                        let found = target.last_of(&group).await?;
                        let last = found.and_then(|found| found.published).filter(|p| p.life == life);
                        last.and_then(|published| published.seq.next()).unwrap_or(Seq::ZERO)
                    }
                };
                Ok::<_, LeadError>((group, next, head))
            }
        });
        let looks: Vec<Result<_, LeadError>> = looks.buffered(AT_ONCE).collect().await;
        for look in looks {
            let (group, next, head) = look?;
            self.meter.metrics.scanned_groups.inc();
            let head = match head {
                Ok(head) => head,
                Err(ReadError::Damaged { .. }) => {
                    let note = Parked::record(self.lane.output.name(), &group, next, "damaged");
                    self.shared.parking.park(note).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let Some(end) = head.and_then(Seq::next).filter(|end| *end > next) else { continue };
            let from = self.shared.first_recent(&group, next, end, self.lane.output.max_age()).await?;
            self.sequencer.learn(&group, from);
            self.fill(&group, from, end).await?;
        }
        if let (Some(scan), Some(last)) = (&mut self.scan, last) {
            scan.after = Some(last);
        }
        if is_over { self.end_scan().await } else { Ok(()) }
    }

    /// Writes down how far the scan has got, as soon as all of that is acknowledged.
    pub(super) async fn keep_progress(&mut self) -> Result<(), LeadError> {
        self.publisher.flush().await?;
        if let Some(scan) = &mut self.scan {
            scan.progress.after = scan.after.map(|group| group.to_string());
            self.shared.bucket.save(&self.lane.key("scan"), &scan.progress).await?;
        }
        Ok(())
    }

    async fn end_scan(&mut self) -> Result<(), LeadError> {
        self.publisher.flush().await?;
        self.scan = None;
        // None of the messages of the scan carries a place.
        self.kept = None;
        self.keep_place().await?;
        self.shared.bucket.remove(&self.lane.key("scan")).await?;
        tracing::info!(lane = self.lane.key("lane"), "went through the log");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame_log::Partitions;

    #[test]
    fn scans_begin_before_the_first_group_of_their_partition() {
        let partitions = Partitions::new(3).unwrap();
        for partition in partitions.iter() {
            let buckets = partitions.buckets(partition);
            let Some(before) = before(buckets) else {
                assert_eq!(partition.number(), 0);
                continue;
            };
            assert!(!buckets.holds(&before));
            let mut first = [0; GroupId::LEN];
            first[..2].copy_from_slice(&(buckets.first() << 4).to_be_bytes());
            assert!(before < GroupId::new(first) && buckets.holds(&GroupId::new(first)));
        }
    }
}
