//! Keeping leases, and keeping leaders at work for those that are held.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use service_kit::shutdown::{self, Shutdown, Trigger};
use tokio::{
    sync::watch,
    task::{self, JoinSet},
};

use crate::{
    backoff::Backoff,
    bucket::{BucketError, member_key},
    cursor::Reason,
    lead::{Lane, LeadError, Leader},
    lease::{self, Action, Instance, Observations, Seen, View},
    relay::{Relay, Shared},
};

/// A lease as it is kept.
#[derive(Serialize, Deserialize)]
struct LeaseValue {
    holder: Option<String>,
}

/// A lease that is held, and its leader.
struct Tenure {
    revision: u64,
    renewed: watch::Sender<Instant>,
    stop: Trigger,
    releasing: bool,
}

/// How a leader's task ended.
pub(crate) type Ended = Result<(task::Id, usize), task::JoinError>;

/// Who leads what, as far as this instance is concerned.
pub(crate) struct Coordinator {
    relay: Relay,
    lease: Duration,
    views: Observations<usize>,
    members: Observations<Instance>,
    tenures: HashMap<usize, Tenure>,
    tasks: JoinSet<usize>,
    names: HashMap<task::Id, usize>,
    beat: u64,
}

impl Coordinator {
    pub(crate) fn new(relay: Relay, lease: Duration) -> Self {
        Self {
            relay,
            lease,
            views: Observations::new(),
            members: Observations::new(),
            tenures: HashMap::new(),
            tasks: JoinSet::new(),
            names: HashMap::new(),
            beat: 0,
        }
    }

    /// The next end of a leader's task. Never comes while none runs.
    ///
    /// # Cancel safety
    /// May be dropped; the end is then given by the next call.
    pub(crate) async fn next_end(&mut self) -> Ended {
        match self.tasks.join_next_with_id().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Renews what is held, looks at the rest, and takes or gives back what the shares say.
    pub(crate) async fn tick(&mut self) {
        self.relay.connected.set(self.relay.shared.connection.is_connected());
        if self.look().await.is_err() {
            // Perhaps it was deleted; leaders go on until their leases run out.
            self.relay.shared.bucket.forget().await;
            self.relay.leaders.set(false);
            tracing::debug!("the bucket of leases does not answer");
        }
    }

    async fn look(&mut self) -> Result<(), BucketError> {
        self.renew().await?;
        let shared = Arc::clone(&self.relay.shared);
        let (bucket, me) = (&shared.bucket, &shared.instance);
        self.beat += 1;
        bucket.put(&member_key(me), self.beat.to_string().into()).await?;
        let living = self.living().await?;
        shared.metrics.instances.set(i64::try_from(living.len()).unwrap_or(i64::MAX));

        let mut views = Vec::with_capacity(self.relay.lanes.len());
        for lane in &self.relay.lanes {
            let seen = match self.tenures.get(&lane.index) {
                Some(tenure) => Some(Seen { revision: tenure.revision, holder: Some(me.clone()) }),
                None => {
                    let kept = bucket.get(&lane.key("lease")).await?;
                    // Under our own name without our knowing: written by a renewal whose answer was lost. We do not
                    // lead, so nobody does, and it is there to be taken.
                    kept.map(|(revision, value)| seen(revision, &value)).map(|mut seen| {
                        seen.holder = seen.holder.filter(|holder| holder != me);
                        seen
                    })
                }
            };
            let revision = seen.as_ref().map_or(0, |seen| seen.revision);
            let age = self.views.see(&lane.index, revision, Instant::now());
            views.push(View { seen, age });
        }
        let quota = lease::quota(me, &living, views.len());
        for action in lease::actions(me, &views, quota, self.lease) {
            match action {
                Action::Take { at, revision } => self.take(at, revision).await?,
                Action::Release { at } => self.release(at),
            }
        }
        let led = views.iter().enumerate().all(|(at, view)| {
            let holder = view.seen.as_ref().and_then(|seen| seen.holder.as_ref());
            self.tenures.contains_key(&at) || (holder.is_some_and(|h| h != me) && view.age < self.lease)
        });
        self.relay.leaders.set(led);
        self.gauge();
        Ok(())
    }

    /// Renews every lease held. One that somebody else has taken is given up at once.
    async fn renew(&mut self) -> Result<(), BucketError> {
        let shared = &self.relay.shared;
        let mut lost = Vec::new();
        for (at, tenure) in &mut self.tenures {
            let Some(lane) = self.relay.lanes.get(*at) else { continue };
            // Counted from before it is asked for, since others count from when it is done.
            let now = Instant::now();
            match shared
                .bucket
                .replace(&lane.key("lease"), value(Some(&shared.instance)), tenure.revision)
                .await?
            {
                Some(revision) => {
                    tenure.revision = revision;
                    tenure.renewed.send_replace(now);
                }
                None => lost.push(*at),
            }
        }
        for at in lost {
            tracing::warn!(lane = self.name(at), "another instance leads now");
            self.tenures.remove(&at);
            // Its task ends as its side of the channel closes.
        }
        Ok(())
    }

    async fn living(&mut self) -> Result<BTreeSet<Instance>, BucketError> {
        let bucket = &self.relay.shared.bucket;
        let me = &self.relay.shared.instance;
        let mut ages = vec![(me.clone(), Duration::ZERO)];
        let members = bucket.members().await?;
        for member in &members {
            if member == me {
                continue;
            }
            let Some((revision, _)) = bucket.get(&member_key(member)).await? else { continue };
            let age = self.members.see(member, revision, Instant::now());
            if age >= self.lease * 10 {
                bucket.remove(&member_key(member)).await?;
            }
            ages.push((member.clone(), age));
        }
        self.members.retain(|member| members.contains(member));
        Ok(lease::living(ages.iter().map(|(member, age)| (member, *age)), self.lease))
    }

    async fn take(&mut self, at: usize, revision: u64) -> Result<(), BucketError> {
        let shared = &self.relay.shared;
        let Some(lane) = self.relay.lanes.get(at).map(Arc::clone) else { return Ok(()) };
        // A leader that was told to stop, or has lost its lease, is not gone yet.
        if self.names.values().any(|running| *running == at) {
            return Ok(());
        }
        let now = Instant::now();
        let taken =
            shared.bucket.replace(&lane.key("lease"), value(Some(&shared.instance)), revision).await?;
        let Some(revision) = taken else { return Ok(()) };
        tracing::info!(lane = lane.key("lane"), "leading");
        let (renewed, renewals) = watch::channel(now);
        let (stop, stopping) = shutdown::channel();
        let (shared, lease) = (Arc::clone(shared), self.lease);
        let task = self.tasks.spawn(async move {
            tokio::select! {
                () = runs_out(renewals, lease) => {}
                () = lead(&shared, &lane, stopping) => {}
            }
            at
        });
        self.names.insert(task.id(), at);
        self.tenures.insert(at, Tenure { revision, renewed, stop, releasing: false });
        Ok(())
    }

    /// Asks a leader to stop; its lease is given back when it has.
    fn release(&mut self, at: usize) {
        if let Some(tenure) = self.tenures.get_mut(&at) {
            tenure.releasing = true;
            tenure.stop.request();
        }
    }

    pub(crate) async fn ended(&mut self, ended: Ended) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        if ended.is_err() {
            tracing::error!("a leader panicked");
        }
        let Some(at) = self.names.remove(&id) else { return };
        let Some(tenure) = self.tenures.remove(&at) else { return };
        if !tenure.releasing {
            tracing::warn!(lane = self.name(at), "the lease could not be renewed in time");
        }
        self.give_back(at, tenure.revision).await;
        self.gauge();
    }

    async fn give_back(&self, at: usize, revision: u64) {
        let Some(lane) = self.relay.lanes.get(at) else { return };
        let bucket = &self.relay.shared.bucket;
        // What cannot be given back runs out by itself.
        if let Ok(Some(_)) = bucket.replace(&lane.key("lease"), value(None), revision).await {
            tracing::info!(lane = lane.key("lane"), "no longer leading");
        }
    }

    /// Stops all leaders, gives their leases back, and takes the instance off the list.
    pub(crate) async fn stop(mut self) {
        for tenure in self.tenures.values_mut() {
            tenure.releasing = true;
            tenure.stop.request();
        }
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                let id = match &ended {
                    Ok((id, _)) => *id,
                    Err(error) => error.id(),
                };
                let Some(at) = self.names.remove(&id) else { continue };
                if let Some(tenure) = self.tenures.remove(&at) {
                    let Some(lane) = self.relay.lanes.get(at) else { continue };
                    let bucket = &self.relay.shared.bucket;
                    let _given_back = bucket.replace(&lane.key("lease"), value(None), tenure.revision).await;
                }
            }
            let _removed = self.relay.shared.bucket.remove(&member_key(&self.relay.shared.instance)).await;
        };
        if tokio::time::timeout(self.lease, all).await.is_err() {
            tracing::warn!(
                "not everything was handed over in time; others take over when the leases run out"
            );
        }
        self.relay.shared.metrics.leading.set(0);
        tracing::info!("the relay stopped");
    }

    fn name(&self, at: usize) -> String {
        self.relay.lanes.get(at).map(|lane| lane.key("lane")).unwrap_or_default()
    }

    fn gauge(&self) {
        let leading = i64::try_from(self.tenures.len()).unwrap_or(i64::MAX);
        self.relay.shared.metrics.leading.set(leading);
    }
}

fn value(holder: Option<&Instance>) -> bytes::Bytes {
    let value = LeaseValue { holder: holder.map(ToString::to_string) };
    // An object with one text cannot fail to be written.
    serde_json::to_vec(&value).unwrap_or_default().into()
}

/// A value nobody can read is nobody's.
fn seen(revision: u64, value: &[u8]) -> Seen {
    let value: Option<LeaseValue> = serde_json::from_slice(value).ok();
    Seen { revision, holder: value.and_then(|value| value.holder).map(Instance::new) }
}

/// Ends when the lease was not renewed for so long that somebody else might soon have it, or was lost.
async fn runs_out(mut renewals: watch::Receiver<Instant>, lease: Duration) {
    loop {
        let since = *renewals.borrow_and_update();
        if !lease::still_held(since.elapsed(), lease) {
            return;
        }
        let until = tokio::time::Instant::from_std(since + lease * 3 / 4);
        tokio::select! {
            renewed = renewals.changed() => if renewed.is_err() { return },
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

/// Leads a lane until told to stop, taking it up anew after whatever goes wrong.
async fn lead(shared: &Shared, lane: &Lane, stop: Shutdown) {
    let mut pause = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut forced: Option<Reason> = None;
    let mut said: Option<String> = None;
    while !stop.is_requested() {
        let began = Instant::now();
        let mut opened = false;
        let error = match Box::pin(open_and_run(shared, lane, &stop, forced, &mut opened)).await {
            Ok(()) => return,
            Err(error) => error,
        };
        shared.metrics.restarts.inc();
        // A scan that has begun is written down, and goes on by itself.
        forced = error.reason().or_else(|| forced.filter(|_| !opened));
        // The same thing again is said once.
        let text = error.to_string();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        if said.as_ref() == Some(&text) {
            tracing::debug!(lane = lane.key("lane"), error = text, cause, "the partition is taken up anew");
        } else if error.is_grave() {
            tracing::error!(lane = lane.key("lane"), error = text, cause, "the partition is taken up anew");
        } else {
            tracing::warn!(lane = lane.key("lane"), error = text, cause, "the partition is taken up anew");
        }
        said = Some(text);
        if began.elapsed() > Duration::from_secs(30) {
            pause.reset();
            said = None;
        }
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(pause.next()) => {}
        }
    }
}

async fn open_and_run(
    shared: &Shared,
    lane: &Lane,
    stop: &Shutdown,
    forced: Option<Reason>,
    opened: &mut bool,
) -> Result<(), LeadError> {
    let leader = tokio::select! {
        () = stop.requested() => return Ok(()),
        leader = Leader::open(shared, lane, forced) => leader?,
    };
    *opened = true;
    Box::pin(leader.run(stop)).await
}
