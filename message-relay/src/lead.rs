//! Leading one partition: from the source, through the sequencer, into the stream.

mod audit;
mod fill;
mod scan;

use std::{sync::Arc, time::Duration};

use frame_feed_nats::FrameMessage;
use frame_log::{
    BadLogLife, BucketRange, LOG_LIFE, LogLife, Partition, Place, ReadError, SourceError, SourceItem,
    SourceStream, Sourced, StoredRecord,
};
use futures_util::StreamExt as _;
use protocol::GroupId;
use service_kit::shutdown::Shutdown;
use thiserror::Error;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use self::{audit::Audit, scan::Scan};
use crate::{
    bucket::BucketError,
    cursor::{self, Begin, Cursor, Last, Made, Progress, Reason},
    metrics::LaneMeter,
    output::Output,
    parked::Parked,
    publisher::{PublishError, Publisher, Shipment},
    relay::Shared,
    sequencer::{Sequencer, Verdict},
    target::{Target, TargetError},
    window::Bounds,
};

/// Records of the source that are taken, while there are any, between two steps of a scan.
const RECORDS_PER_STEP: u32 = 64;

/// One stream to be filled: an output and a partition.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Its number among all of this process.
    pub(crate) index: usize,
    pub(crate) output: Arc<dyn Output>,
    pub(crate) partition: Partition,
    pub(crate) buckets: BucketRange,
}

impl Lane {
    /// Its key in the bucket, among those of one kind.
    pub(crate) fn key(&self, kind: &str) -> String {
        format!("{kind}.{}.{}", self.output.name(), self.partition)
    }
}

/// Why leading stopped; it is taken up anew after a pause.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum LeadError {
    #[error("another writer has written to the stream")]
    Overtaken,
    #[error("the log has to be gone through")]
    Rescan(Reason),
    #[error("the stream cannot be used")]
    Target(#[source] TargetError),
    #[error("the bucket of leases and cursors cannot be used")]
    Bucket(#[source] BucketError),
    #[error("the log cannot be read")]
    Log(#[source] ReadError),
    #[error("the source cannot be followed")]
    Source(#[source] SourceError),
    #[error("the log's life cannot be read")]
    Life(#[source] BadLogLife),
    #[error("the source has ended")]
    Ended,
}

impl LeadError {
    /// What to do differently next time.
    pub(crate) const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Rescan(reason) => Some(*reason),
            Self::Source(SourceError::Lost) => Some(Reason::PlaceLost),
            Self::Overtaken
            | Self::Target(_)
            | Self::Bucket(_)
            | Self::Log(_)
            | Self::Source(_)
            | Self::Life(_)
            | Self::Ended => None,
        }
    }

    /// Whether the log reader's or operator's attention is due, rather than a moment's patience.
    pub(crate) const fn is_grave(&self) -> bool {
        matches!(
            self,
            Self::Target(TargetError::Ensure(_))
                | Self::Log(ReadError::Damaged { .. })
                | Self::Source(SourceError::Damaged)
                | Self::Life(_)
        )
    }
}

impl From<PublishError> for LeadError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Overtaken => Self::Overtaken,
            PublishError::Wiped => Self::Rescan(Reason::StreamWiped),
            PublishError::Target(error) => Self::Target(error),
        }
    }
}

impl From<TargetError> for LeadError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Gone => Self::Rescan(Reason::StreamWiped),
            TargetError::Ensure(_) | TargetError::Unavailable => Self::Target(error),
        }
    }
}

impl From<BucketError> for LeadError {
    fn from(error: BucketError) -> Self {
        Self::Bucket(error)
    }
}

impl From<ReadError> for LeadError {
    fn from(error: ReadError) -> Self {
        Self::Log(error)
    }
}

impl From<SourceError> for LeadError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

/// The leader of a lane at work.
pub(crate) struct Leader<'a> {
    shared: &'a Shared,
    lane: &'a Lane,
    life: LogLife,
    made: Made,
    publisher: Publisher,
    sequencer: Sequencer,
    source: SourceStream,
    /// Up to here everything has been given to the publisher, or will have been once the scan is over.
    place: Place,
    /// The place the stream or the bucket knows.
    kept: Option<Place>,
    scan: Option<Scan>,
    audit: Audit,
    /// Steps of the source since the last audit.
    steps: u64,
    meter: LaneMeter,
}

impl<'a> Leader<'a> {
    /// Finds out where to go on, and opens the source there. With `forced` the log is gone through whatever the stream
    /// says.
    pub(crate) async fn open(
        shared: &'a Shared,
        lane: &'a Lane,
        forced: Option<Reason>,
    ) -> Result<Self, LeadError> {
        let life = shared.life().await?;
        let target = Target::open(&shared.connection, &lane.output, lane.partition).await?;
        let info = target.info().await?;
        let (made, sequence) = (Made::of(&info), info.state.last_sequence);
        let found = if sequence > 0 { target.message(sequence).await? } else { None };
        let last = found.and_then(|found| found.published).map(|p| Last { life: p.life, place: p.place });
        let kept: Option<Cursor> = shared.bucket.load(&lane.key("cursor")).await?;
        let unfinished: Option<Progress> = shared.bucket.load(&lane.key("scan")).await?;
        let unfinished = unfinished.filter(|p| p.made == made && p.life == life.get());

        let begin = match (forced, unfinished) {
            (Some(reason), _) => Start::Scan(reason),
            (None, Some(progress)) => Start::Resume(progress),
            (None, None) => match cursor::begin(life, made, sequence, last.as_ref(), kept.as_ref()) {
                Begin::Follow(place) => Start::Follow(place),
                Begin::Scan(reason) => Start::Scan(reason),
            },
        };
        let (place, scan) = match begin {
            Start::Follow(place) => (place, None),
            Start::Resume(progress) => {
                let place = Place::new(progress.place.clone()).map_err(|_| SourceError::Lost)?;
                (place, Some(Scan::resume(shared, lane, progress)))
            }
            Start::Scan(reason) => {
                // Taken before the first group is looked at: what comes later is shown by the source.
                let place = shared.source.now().await?;
                (place.clone(), Some(Scan::begin(shared, lane, made, life, reason, &place).await?))
            }
        };
        let source = shared.source.open(lane.buckets, &place).await?;
        let bounds = Bounds {
            messages: usize::from(shared.settings.window),
            bytes: shared.settings.window_bytes.as_usize(),
        };
        let publisher = Publisher::new(
            target,
            lane.output.stream(lane.partition),
            made,
            sequence,
            bounds,
            shared.instance.clone(),
            Arc::clone(&shared.runs),
            Arc::clone(&shared.parking),
            Arc::clone(&shared.clock),
            shared.metrics.lane(lane.index),
        );
        let capacity = usize::try_from(shared.settings.remembered_groups).unwrap_or(usize::MAX);
        Ok(Self {
            shared,
            lane,
            life,
            made,
            publisher,
            sequencer: Sequencer::new(capacity),
            source,
            place,
            kept: None,
            scan,
            audit: Audit::default(),
            steps: 0,
            meter: shared.metrics.lane(lane.index),
        })
    }

    /// Publishes until `stop` is requested; then writes down where it stands, for whoever comes next.
    pub(crate) async fn run(mut self, stop: &Shutdown) -> Result<(), LeadError> {
        let mut audit = ticks(self.shared.settings.audit_every.get());
        let mut keep = ticks(self.shared.settings.cursor_every.get());
        let mut in_a_row = 0;
        loop {
            if self.scan.is_some() && in_a_row >= RECORDS_PER_STEP {
                in_a_row = 0;
                self.scan_step().await?;
            }
            let room = self.publisher.has_room();
            tokio::select! {
                biased;
                () = stop.requested() => {
                    self.publisher.flush().await?;
                    return self.keep_place().await;
                }
                _ = audit.tick() => self.compare().await?,
                _ = keep.tick() => match self.keep_place().await {
                    // What could not be written down now is written down next time.
                    Ok(()) | Err(LeadError::Bucket(_)) => {}
                    Err(error) => return Err(error),
                },
                answer = self.publisher.answer() => self.publisher.take(answer).await?,
                step = self.source.next(), if room => {
                    in_a_row += 1;
                    self.step(step.ok_or(LeadError::Ended)??).await?;
                }
                () = std::future::ready(()), if room && self.scan.is_some() => {
                    in_a_row = 0;
                    self.scan_step().await?;
                }
            }
        }
    }

    async fn step(&mut self, step: Sourced) -> Result<(), LeadError> {
        self.steps = self.steps.wrapping_add(1);
        match step.item {
            SourceItem::Record { group, record } if self.lane.buckets.holds(&group) => {
                if self.sequencer.judge(&group, record.seq) == Verdict::Unknown {
                    self.ask(&group, record.seq).await?;
                }
                match self.sequencer.judge(&group, record.seq) {
                    Verdict::Repeat | Verdict::Unknown => self.meter.metrics.repeats.inc(),
                    Verdict::Next => self.publish(group, record, step.after.clone()).await?,
                    Verdict::Gap { from } => {
                        self.fill(&group, from, record.seq).await?;
                        self.publish(group, record, step.after.clone()).await?;
                    }
                }
            }
            SourceItem::Record { .. } | SourceItem::Idle => {}
            SourceItem::Poison { id, reason } => {
                self.shared.parking.park(Parked::stored(self.lane.output.name(), &id, reason)).await;
            }
        }
        self.place = step.after;
        Ok(())
    }

    /// Gives a record to the publisher. `place` goes with it, unless a scan is under way: then there is no place before
    /// which everything is published.
    async fn publish(&mut self, group: GroupId, record: StoredRecord, place: Place) -> Result<(), LeadError> {
        let (seq, received_at) = (record.seq, record.received_at);
        if record.frame.is_none() {
            self.meter.metrics.pruned.inc();
        }
        let place = self.scan.is_none().then_some(place);
        let message = FrameMessage { life: self.life, group, record, place };
        if let Some(next) = seq.next() {
            self.sequencer.learn(&group, next);
        }
        let record = message.message_id();
        match self.lane.output.write(&message) {
            Ok(outgoing) => {
                if message.place.is_some() {
                    self.kept = message.place;
                }
                self.publisher.send(Shipment { record, group, seq, received_at, outgoing }).await?;
            }
            Err(unfit) => {
                let note = Parked::record(self.lane.output.name(), &group, seq, unfit.0);
                self.shared.parking.park(note).await;
            }
        }
        Ok(())
    }

    /// Writes down the place, if the stream's last message does not say it already; while a scan is under way, how far
    /// that has got.
    async fn keep_place(&mut self) -> Result<(), LeadError> {
        if self.scan.is_some() {
            return self.keep_progress().await;
        }
        // With something under way, what is stored last is not known, and will carry a place itself.
        if !self.publisher.is_idle() || self.kept.as_ref() == Some(&self.place) {
            return Ok(());
        }
        let cursor = Cursor {
            made: self.made,
            life: self.life.get(),
            sequence: self.publisher.last(),
            place: self.place.as_bytes().to_vec(),
        };
        self.shared.bucket.save(&self.lane.key("cursor"), &cursor).await?;
        self.kept = Some(self.place.clone());
        Ok(())
    }
}

enum Start {
    Follow(Place),
    Resume(Progress),
    Scan(Reason),
}

/// Ticks of which the first comes after one period, and missed ones are left out.
fn ticks(period: Duration) -> Interval {
    let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl Shared {
    /// Which life of the log this is.
    pub(crate) async fn life(&self) -> Result<LogLife, LeadError> {
        match self.meta.load(LOG_LIFE).await? {
            Some(value) => LogLife::from_value(&value).map_err(LeadError::Life),
            None => Ok(LogLife::new(0)),
        }
    }
}
