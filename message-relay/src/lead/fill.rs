//! Taking from the log what the source did not show.

use std::time::Duration;

use frame_log::{Limit, ReadError};
use protocol::{GroupId, Seq};

use super::{LeadError, Leader};
use crate::{parked::Parked, relay::Shared};

/// Records of one page of a gap.
const PAGE_RECORDS: usize = 256;
/// Bytes of one page of a gap.
const PAGE_BYTES: usize = 1024 * 1024;

impl Leader<'_> {
    /// Learns from the stream, and where that knows nothing from the log, where a group's next message begins. `until`
    /// is a position that is known to be in the log.
    pub(super) async fn ask(&mut self, group: &GroupId, until: Seq) -> Result<(), LeadError> {
        let found = self.publisher.target().last_of(group).await?;
        let published = found.and_then(|found| found.published).filter(|p| p.life == self.life);
        let next = published.and_then(|published| published.seq.next()).unwrap_or(Seq::ZERO);
        let next = self.shared.first_recent(group, next, until, self.lane.output.max_age()).await?;
        self.sequencer.learn(group, next);
        Ok(())
    }

    /// Publishes what the log holds of a group from `from` up to, and without, `to`.
    pub(super) async fn fill(&mut self, group: &GroupId, from: Seq, to: Seq) -> Result<(), LeadError> {
        let mut at = from;
        while at < to {
            let page = match self.shared.log.read(group, at, Limit::new(PAGE_RECORDS, PAGE_BYTES)).await {
                Ok(page) => page,
                Err(ReadError::Damaged { seq, .. }) => {
                    // The rest of the group is worth more than this one record; without its position, all up to `to`.
                    let bad = seq.filter(|seq| *seq >= at && *seq < to);
                    let note = Parked::record(self.lane.output.name(), group, bad.unwrap_or(at), "damaged");
                    self.shared.parking.park(note).await;
                    if let Some(bad) = bad.filter(|bad| *bad > at) {
                        self.fill_before(group, at, bad).await?;
                    }
                    at = bad.and_then(Seq::next).unwrap_or(to);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if page.records.is_empty() {
                break;
            }
            at = page.next;
            for record in page.records {
                if record.seq < to {
                    self.meter.metrics.filled.inc();
                    let place = self.place.clone();
                    self.publish(*group, record, place).await?;
                }
            }
        }
        self.sequencer.learn(group, to);
        Ok(())
    }

    /// As [`Self::fill`] for a stretch before a damaged record, one record at a time.
    async fn fill_before(&mut self, group: &GroupId, from: Seq, bad: Seq) -> Result<(), LeadError> {
        let mut at = from;
        while at < bad {
            let Ok(page) = self.shared.log.read(group, at, Limit::new(1, PAGE_BYTES)).await else { break };
            let Some(record) = page.records.into_iter().next() else { break };
            self.meter.metrics.filled.inc();
            let place = self.place.clone();
            self.publish(*group, record, place).await?;
            at = page.next;
        }
        Ok(())
    }
}

impl Shared {
    /// The first position from `from` on, and at most `to`, whose record is younger than `max_age`. Records are as old
    /// as their order says, nearly; what is a little off is published or not, and readers fill it in.
    pub(crate) async fn first_recent(
        &self,
        group: &GroupId,
        from: Seq,
        to: Seq,
        max_age: Duration,
    ) -> Result<Seq, ReadError> {
        let age = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
        let horizon = self.clock.now_ms().saturating_sub(age);
        // Everything before `low` is old or before `from`, `high` is recent or `to`.
        let (mut low, mut high) = (from.get(), to.get().max(from.get()));
        let (mut stride, mut bounded) = (1, false);
        while low < high {
            // In ever longer steps back until something old is found, then by halves.
            let back = if bounded { (high - low).div_ceil(2) } else { stride };
            let at = high.saturating_sub(back).max(low);
            let recent = match self.log.read(group, Seq::new(at), Limit::new(1, 0)).await {
                Ok(page) => page.records.first().is_some_and(|record| record.received_at.get() >= horizon),
                // Passed over, and reported, when it is its turn.
                Err(ReadError::Damaged { .. }) => true,
                Err(error) => return Err(error),
            };
            if recent {
                high = at;
                stride = stride.saturating_mul(2);
            } else {
                low = at + 1;
                bounded = true;
            }
        }
        Ok(Seq::new(high))
    }
}
