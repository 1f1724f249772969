//! What the stream loses is published again, and what the source loses is found in the log.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use frame_log::{
    BucketRange, FrameSource, LOG_LIFE, LogLife, Meta as _, OrderedSource, Place, SourceError, SourceItem,
    SourceKind, SourceStream, Sourced, memory::MemoryLog,
};
use futures_util::{StreamExt as _, stream};
use message_relay::cursor::Reason;
use servers::nats::Options;

use crate::kit::{Scene, group, until};

async fn some(scene: &Scene) {
    for n in 0..30 {
        scene.append(&group(n), 4).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_deleted_is_filled_again() {
    let scene = Scene::new(2).await;
    let relay = scene.relay().await;
    some(&scene).await;
    scene.exact().await;
    let name = scene.stream(0).await.cached_info().config.name.clone();
    scene.connection.jetstream().delete_stream(&name).await.unwrap();
    until("it is noticed", || async { relay.metrics.scanned(Reason::StreamWiped) >= 1 }).await;
    some(&scene).await;
    scene.exact().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_server_that_lost_everything_is_filled_again() {
    let mut scene = Scene::with(2, Options { sync_always: true, ..Options::default() }).await;
    let relay = scene.relay().await;
    some(&scene).await;
    scene.exact().await;
    scene.nats.kill().unwrap();
    scene.nats.wipe().unwrap();
    some(&scene).await;
    scene.nats.restart().await.unwrap();
    scene.connection.until(true).await;
    scene.exact().await;
    some(&scene).await;
    scene.exact().await;
    relay.stop().await;
}

#[tokio::test]
async fn messages_that_are_deleted_are_published_again() {
    let scene = Scene::new(1).await;
    let relay = scene.relay().await;
    some(&scene).await;
    scene.exact().await;
    let stream = scene.stream(0).await;
    // The first of the stream shows as nothing but a later beginning; the last of a group has nothing behind it.
    let (group_of, last) = (group(7), 3);
    let messages = scene.published().await;
    let at = |seq: u64| {
        messages.iter().position(|m| m.group == group_of && m.record.seq.get() == seq).unwrap() as u64 + 1
    };
    for sequence in [at(1), at(2), at(last), 50, 51] {
        stream.delete_message(sequence).await.unwrap();
    }
    until("it is noticed", || async { relay.metrics.scanned(Reason::Missing) >= 1 }).await;
    scene.complete().await;
    assert!(relay.metrics.republished() >= 2);
    let republished = relay.metrics.republished();
    some(&scene).await;
    scene.complete().await;
    assert_eq!(relay.metrics.scanned(Reason::Missing), 1, "a hole is seen to once");
    assert_eq!(relay.metrics.republished(), republished);
    relay.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_purged_is_filled_again() {
    let scene = Scene::new(1).await;
    let relay = scene.relay().await;
    some(&scene).await;
    scene.exact().await;
    // An audit has to have seen it full.
    tokio::time::sleep(scene.settings.audit_every.get() * 3).await;
    scene.stream(0).await.purge().await.unwrap();
    scene.exact().await;
    relay.stop().await;
}

#[tokio::test]
async fn another_life_of_the_log_is_published_anew() {
    let scene = Scene::new(1).await;
    let relay = scene.relay().await;
    some(&scene).await;
    scene.exact().await;
    scene.log.save(LOG_LIFE, LogLife::new(2).to_value()).await.unwrap();
    until("all are there in the new life", || async {
        let new = scene.published().await.into_iter().filter(|m| m.life == LogLife::new(2)).count();
        new == 120
    })
    .await;
    assert_eq!(relay.metrics.scanned(Reason::OtherLife), 1);
    relay.stop().await;
}

/// A source with faults.
struct Faulty {
    inner: OrderedSource<MemoryLog>,
    /// Loses every place it is given until this many were.
    loses: AtomicU64,
    /// Shows nothing any more.
    silent: Arc<AtomicBool>,
    /// Shows steps late, and some twice.
    disorder: bool,
}

impl Faulty {
    fn of(scene: &Scene) -> Self {
        let inner = OrderedSource::new(Arc::new(scene.log.clone()));
        Self { inner, loses: AtomicU64::new(0), silent: Arc::default(), disorder: false }
    }
}

#[async_trait]
impl FrameSource for Faulty {
    fn kind(&self) -> SourceKind {
        SourceKind::Polling
    }

    async fn now(&self) -> Result<Place, SourceError> {
        self.inner.now().await
    }

    async fn open(&self, buckets: BucketRange, from: &Place) -> Result<SourceStream, SourceError> {
        if self.loses.load(Ordering::SeqCst) > 0 {
            self.loses.fetch_sub(1, Ordering::SeqCst);
            return Err(SourceError::Lost);
        }
        let inner = self.inner.open(buckets, from).await?;
        let silent = Arc::clone(&self.silent);
        if self.silent.swap(false, Ordering::SeqCst) {
            // Opened anew, it works again.
            return Ok(inner);
        }
        if self.disorder {
            return Ok(disordered(inner));
        }
        let inner = inner.take_while(move |_| {
            let silent = silent.load(Ordering::SeqCst);
            std::future::ready(!silent)
        });
        Ok(inner.chain(stream::pending()).boxed())
    }
}

/// Shows steps in fours, backwards, the last of each four twice; places are those of the step before the four.
fn disordered(inner: SourceStream) -> SourceStream {
    let held: Arc<Mutex<Option<Place>>> = Arc::default();
    inner
        .ready_chunks(4)
        .flat_map(move |steps| {
            let mut held = held.lock().unwrap();
            let place = held.clone().unwrap_or_else(|| Place::new(0_u64.to_be_bytes().to_vec()).unwrap());
            let mut shown: Vec<Result<Sourced, SourceError>> = steps
                .into_iter()
                .map(|step| {
                    let step = step?;
                    *held = Some(step.after.clone());
                    Ok(Sourced { after: place.clone(), item: step.item })
                })
                .collect();
            shown.reverse();
            shown.push(shown[0].clone());
            let after = held.clone().unwrap();
            shown.push(Ok(Sourced { after, item: SourceItem::Idle }));
            stream::iter(shown)
        })
        .boxed()
}

#[tokio::test]
async fn a_lost_place_is_made_up_for_from_the_log() {
    let scene = Scene::new(1).await;
    let relay = scene.relay().await;
    some(&scene).await;
    scene.exact().await;
    relay.stop().await;
    some(&scene).await;
    let relay = scene.relay_from(Arc::new(Faulty { loses: AtomicU64::new(1), ..Faulty::of(&scene) })).await;
    scene.exact().await;
    assert_eq!(relay.metrics.scanned(Reason::PlaceLost), 1);
    some(&scene).await;
    scene.exact().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_source_that_falls_silent_is_opened_anew() {
    let scene = Scene::new(1).await;
    let source = Faulty::of(&scene);
    let silent = Arc::clone(&source.silent);
    let relay = scene.relay_from(Arc::new(source)).await;
    some(&scene).await;
    scene.exact().await;
    silent.store(true, Ordering::SeqCst);
    some(&scene).await;
    scene.exact().await;
    assert!(relay.metrics.scanned(Reason::Stuck) >= 1);
    relay.stop().await;
}

#[tokio::test]
async fn a_source_may_be_late_and_repeat_itself() {
    let scene = Scene::new(1).await;
    some(&scene).await;
    let relay = scene.relay_from(Arc::new(Faulty { disorder: true, ..Faulty::of(&scene) })).await;
    for _ in 0..10 {
        some(&scene).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.exact().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_scan_that_is_interrupted_goes_on() {
    let mut scene = Scene::new(1).await;
    scene.settings.window = 4;
    for n in 0..200 {
        scene.append(&group(n), 5).await;
    }
    for published in [100, 400, 700] {
        let relay = scene.relay().await;
        until("some is published", || async {
            let state = scene.connection.jetstream().get_stream("t-frames-0").await;
            state.is_ok_and(|stream| stream.cached_info().state.messages >= published)
        })
        .await;
        relay.crash().await;
    }
    scene.append(&group(1), 5).await;
    let relay = scene.relay().await;
    scene.exact().await;
    until("the scan is over", || async { relay.metrics.scanning() == 0 }).await;
    relay.stop().await;
    // The place is kept now: nothing is gone through again.
    let relay = scene.relay().await;
    scene.append(&group(2), 5).await;
    scene.exact().await;
    assert_eq!(relay.metrics.scanned(Reason::FirstStart) + relay.metrics.scanned(Reason::Unfinished), 0);
    relay.stop().await;
}
