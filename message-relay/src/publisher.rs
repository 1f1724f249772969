//! Sending: many messages under way, one order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use frame_log::UnixMillis;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use protocol::{GroupId, Seq};
use service_kit::clock::Clock;
use thiserror::Error;

use crate::{
    backoff::Backoff,
    cursor::Made,
    lease::Instance,
    metrics::{LaneMeter, Retry},
    output::Outgoing,
    parked::{Parked, Parking},
    target::{Target, TargetError, answer, refusal},
    window::{Answer, Bounds, Stop, Window},
};

/// Sending cannot go on from where it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum PublishError {
    /// Somebody else has written to the stream.
    #[error("another writer has written to the stream")]
    Overtaken,
    /// The stream was made anew, or has lost its end.
    #[error("the stream was wiped")]
    Wiped,
    /// The stream cannot be used as it is.
    #[error("the stream cannot be used")]
    Target(#[source] TargetError),
}

/// A message under way.
#[derive(Debug)]
struct Flight {
    /// `<life>:<group>:<seq>`.
    record: String,
    group: GroupId,
    seq: Seq,
    received_at: UnixMillis,
    outgoing: Outgoing,
}

/// One record to send.
#[derive(Debug)]
pub(crate) struct Shipment {
    pub(crate) record: String,
    pub(crate) group: GroupId,
    pub(crate) seq: Seq,
    pub(crate) received_at: UnixMillis,
    pub(crate) outgoing: Outgoing,
}

/// Room that is left in a message for the headers that say where it belongs, in bytes.
const OWN_HEADERS: usize = 768;

/// The writer of one stream.
pub(crate) struct Publisher {
    target: Target,
    name: String,
    made: Made,
    instance: Instance,
    /// Numbers of runs, never used twice in a process.
    runs: Arc<AtomicU64>,
    /// The run: messages that are sent one behind the other.
    run: u64,
    /// The last message sent in this run.
    behind: Option<String>,
    window: Window<Flight>,
    answers: FuturesOrdered<BoxFuture<'static, Answer>>,
    backoff: Backoff,
    parking: Arc<Parking>,
    clock: Arc<dyn Clock>,
    meter: LaneMeter,
}

impl Publisher {
    #[expect(
        clippy::too_many_arguments,
        reason = "everything a writer needs, from the one place that has it"
    )]
    pub(crate) fn new(
        target: Target,
        name: String,
        made: Made,
        last: u64,
        bounds: Bounds,
        instance: Instance,
        runs: Arc<AtomicU64>,
        parking: Arc<Parking>,
        clock: Arc<dyn Clock>,
        meter: LaneMeter,
    ) -> Self {
        Self {
            target,
            name,
            made,
            instance,
            run: runs.fetch_add(1, Ordering::Relaxed),
            runs,
            behind: None,
            window: Window::new(last, bounds),
            answers: FuturesOrdered::new(),
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(2)),
            parking,
            clock,
            meter,
        }
    }

    /// Whether everything that was sent is acknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.window.is_empty()
    }

    /// Whether another message of usual size may be sent without waiting.
    pub(crate) fn has_room(&self) -> bool {
        self.window.admits(0)
    }

    /// The sequence of the last message known to be stored.
    pub(crate) const fn last(&self) -> u64 {
        self.window.last()
    }

    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    /// The next answer. Never comes while nothing is under way.
    ///
    /// # Cancel safety
    /// May be dropped; the answer is then given by the next call.
    pub(crate) async fn answer(&mut self) -> Answer {
        match self.answers.next().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// Takes an answer, and if it is not what it should be finds out where the stream stands and sends again what is
    /// missing there.
    pub(crate) async fn take(&mut self, answer: Answer) -> Result<(), PublishError> {
        match self.window.answered(answer) {
            Ok(flight) => {
                self.backoff.reset();
                if let Some(flight) = flight {
                    self.stored(&flight);
                }
                Ok(())
            }
            Err(stop) => self.recover(stop).await,
        }
    }

    /// Sends a record as soon as there is room for it.
    pub(crate) async fn send(&mut self, shipment: Shipment) -> Result<(), PublishError> {
        let Shipment { record, group, seq, received_at, outgoing } = shipment;
        let bytes = outgoing.size();
        if bytes.saturating_add(OWN_HEADERS) > self.target.max_payload() {
            self.park(&group, seq, "too large for the server").await;
            return Ok(());
        }
        while !self.window.admits(bytes) {
            let answer = self.answer().await;
            self.take(answer).await?;
        }
        self.window.push(Flight { record, group, seq, received_at, outgoing }, bytes);
        self.launch(self.window.len() - 1).await;
        self.gauge();
        Ok(())
    }

    /// Waits until everything is acknowledged.
    pub(crate) async fn flush(&mut self) -> Result<(), PublishError> {
        while !self.window.is_empty() {
            let answer = self.answer().await;
            self.take(answer).await?;
        }
        Ok(())
    }

    /// Gives the messages that follow other ids than those before, so that a record that was published before is not
    /// taken for a repetition.
    pub(crate) async fn afresh(&mut self) -> Result<(), PublishError> {
        self.flush().await?;
        self.begin_run();
        Ok(())
    }

    fn begin_run(&mut self) {
        self.run = self.runs.fetch_add(1, Ordering::Relaxed);
        self.behind = None;
    }

    /// Hands the message at a place of the window to the connection.
    async fn launch(&mut self, at: usize) {
        let Some(flight) = self.window.iter().nth(at) else { return };
        let id = format!("{}:{}.{}", flight.record, self.instance, self.run);
        let expected = self.window.expected(at);
        let sent = self.target.send(&flight.outgoing, &id, expected, self.behind.as_deref()).await;
        self.behind = Some(id);
        self.answers.push_back(match sent {
            Ok(acknowledgement) => {
                let stream = self.name.clone();
                async move { answer(acknowledgement.await, &stream) }.boxed()
            }
            Err(error) => std::future::ready(refusal(&error)).boxed(),
        });
    }

    async fn recover(&mut self, stop: Stop) -> Result<(), PublishError> {
        // Whatever else was sent is answered by now or never: nothing is sent while something is under way.
        while self.answers.next().await.is_some() {}
        self.meter.retry(match stop {
            Stop::Moved => Retry::Sequence,
            Stop::Duplicate => Retry::Duplicate,
            Stop::Unacceptable => Retry::Refused,
            Stop::Unknown => Retry::NoAnswer,
        });
        if stop == Stop::Unacceptable {
            if let Some(flight) = self.window.give_up() {
                self.park(&flight.group, flight.seq, "refused by the server").await;
            }
        } else {
            tokio::time::sleep(self.backoff.next()).await;
        }
        self.settle().await?;
        self.begin_run();
        for at in 0..self.window.len() {
            self.launch(at).await;
        }
        Ok(())
    }

    /// Finds out where the stream stands.
    async fn settle(&mut self) -> Result<(), PublishError> {
        let last = loop {
            match self.stand().await {
                Ok(stand) => break stand,
                Err(TargetError::Unavailable) => {
                    self.meter.retry(Retry::NoAnswer);
                    tokio::time::sleep(self.backoff.next()).await;
                }
                Err(TargetError::Gone) => return Err(PublishError::Wiped),
                Err(error @ TargetError::Ensure(_)) => return Err(PublishError::Target(error)),
            }
        };
        let (sequence, id) = match last {
            Stand::Wiped => return Err(PublishError::Wiped),
            Stand::At(sequence, id) => (sequence, id),
        };
        let instance = &self.instance;
        let settled = self.window.settle(sequence, |flight| {
            let rest = id.as_deref().and_then(|id| id.strip_prefix(flight.record.as_str()));
            rest.and_then(|rest| rest.strip_prefix(':'))
                .and_then(|rest| rest.strip_prefix(instance.as_str()))
                .is_some_and(|rest| rest.starts_with('.'))
        });
        for flight in settled.map_err(|_| PublishError::Overtaken)? {
            self.stored(&flight);
        }
        Ok(())
    }

    async fn stand(&mut self) -> Result<Stand, TargetError> {
        let info = self.target.info().await?;
        let last = info.state.last_sequence;
        if Made::of(&info) != self.made || last < self.window.last() {
            return Ok(Stand::Wiped);
        }
        let id = if last == self.window.last() {
            None
        } else {
            self.target.message(last).await?.and_then(|found| found.id)
        };
        Ok(Stand::At(last, id))
    }

    fn stored(&self, flight: &Flight) {
        let age = self.clock.now_ms().saturating_sub(flight.received_at.get());
        self.meter.published(Duration::from_millis(age));
        self.gauge();
    }

    fn gauge(&self) {
        let oldest = self.window.iter().next().map(|flight| flight.received_at.get());
        let waits = oldest.map_or(0, |at| self.clock.now_ms().saturating_sub(at));
        self.meter.under_way(self.window.len(), self.window.bytes(), Duration::from_millis(waits));
    }

    async fn park(&mut self, group: &GroupId, seq: Seq, reason: &'static str) {
        self.parking.park(Parked::record(self.target.output.name(), group, seq, reason)).await;
    }
}

enum Stand {
    At(u64, Option<String>),
    Wiped,
}
