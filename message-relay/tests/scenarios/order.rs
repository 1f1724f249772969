//! Every record once, in its group's order, over restarts of everything.

use frame_log::UnixMillis;
use servers::nats::Options;
use service_kit::clock::{Clock as _, SystemClock};

use crate::kit::{Scene, group, until};

#[tokio::test]
async fn a_log_is_relayed_while_it_grows() {
    let scene = Scene::new(1).await;
    for n in 0..20 {
        scene.append(&group(n), 3).await;
    }
    let relay = scene.relay().await;
    for n in 10..30 {
        scene.append(&group(n), 20).await;
    }
    scene.exact().await;
    until("the relay is ready", || async { relay.health.ready().is_ok() }).await;
    relay.stop().await;
}

#[tokio::test]
async fn restarts_neither_lose_nor_repeat() {
    let scene = Scene::new(3).await;
    for round in 0..6 {
        let relay = scene.relay().await;
        for n in 0..40 {
            scene.append(&group(n), 7).await;
        }
        if round % 2 == 0 {
            scene.complete().await;
            relay.stop().await;
        } else {
            until("something is published", || async { relay.metrics.published() > 50 }).await;
            relay.crash().await;
        }
        for n in 20..60 {
            scene.append(&group(n), 2).await;
        }
    }
    let relay = scene.relay().await;
    scene.exact().await;
    assert_eq!(relay.metrics.scans(), 0, "each went on from where the one before it stood");
    relay.stop().await;
}

#[tokio::test]
async fn the_server_is_killed_and_comes_back() {
    let mut scene = Scene::with(2, Options { sync_always: true, ..Options::default() }).await;
    let relay = scene.relay().await;
    for _ in 0..4 {
        for n in 0..20 {
            scene.append(&group(n), 10).await;
        }
        let before = relay.metrics.published();
        until("more is published", || async { relay.metrics.published() > before + 20 }).await;
        scene.nats.kill().unwrap();
        scene.append(&group(3), 5).await;
        scene.nats.restart().await.unwrap();
        scene.connection.until(true).await;
    }
    scene.exact().await;
    relay.stop().await;
}

#[tokio::test]
async fn what_is_too_old_for_the_stream_stays_in_the_log() {
    let scene = Scene::new(1).await;
    let max_age = u64::try_from(scene.settings.streams.max_age.get().as_millis()).unwrap();
    let old = UnixMillis::new(SystemClock.now_ms() - max_age - 60_000);
    scene.append_at(&group(1), 700, old).await;
    scene.append(&group(1), 5).await;
    scene.append_at(&group(2), 9, old).await;
    scene.append(&group(3), 2).await;
    let relay = scene.relay().await;
    until("the young ones are there", || async { relay.metrics.published() >= 7 }).await;
    scene.append(&group(2), 1).await;
    until("the last is there", || async { relay.metrics.published() >= 8 }).await;
    let published = scene.positions().await;
    assert_eq!(published[&group(1)], (700..705).collect::<Vec<_>>());
    assert_eq!(published[&group(2)], [9]);
    assert_eq!(published[&group(3)], [0, 1]);
    relay.stop().await;
}
