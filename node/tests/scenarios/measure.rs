//! Measurements, not checks: `cargo test -p node --test scenarios measure -- --ignored --nocapture`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api::paths;
use axum::{Router, body::Body, http::Request};
use frame_log_embedded::{EmbeddedFrameLog, Options};
use futures_util::{StreamExt, future::join_all};
use tower::ServiceExt;

use crate::kit::{Club, Made, Site, SiteOptions, Stream};

async fn post(router: &Router, made: &Made) -> u16 {
    let request = Request::post(paths::frames(&made.group()))
        .header("content-type", "application/protobuf")
        .body(Body::from(made.bytes.clone()))
        .unwrap();
    router.clone().oneshot(request).await.unwrap().status().as_u16()
}

fn show(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!("{name}: n={} p50={:?} p90={:?} p99={:?}", times.len(), at(50), at(90), at(99));
}

async fn timed(router: &Router, frames: &[Made], expected: u16) -> Vec<Duration> {
    let mut times = Vec::new();
    for made in frames {
        let started = Instant::now();
        assert_eq!(post(router, made).await, expected);
        times.push(started.elapsed());
    }
    times
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn accepting() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = Arc::new(EmbeddedFrameLog::open(folder.path(), Options::default()).unwrap());
    for embedded in [None, Some(embedded)] {
        let name = if embedded.is_some() { "embedded" } else { "memory" };
        let mut options = SiteOptions { others: None, ..Default::default() };
        if let Some(store) = embedded {
            options.store = store;
        }
        let site = Site::with(options).await;
        let router = site.node.router(None);
        let mut club = site.pair(200).await;

        let messages: Vec<_> = (0..400_u32).map(|n| club.message(&[n.to_be_bytes(); 64].concat())).collect();
        show(&format!("{name}, message, one after the other"), timed(&router, &messages, 200).await);

        let messages: Vec<_> = (0..600_u32).map(|n| club.message(&n.to_be_bytes())).collect();
        let started = Instant::now();
        for batch in messages.chunks(30) {
            join_all(batch.iter().map(|made| post(&router, made))).await;
        }
        println!(
            "{name}, messages to one group, 30 at once: {:.0}/s",
            600.0 / started.elapsed().as_secs_f64()
        );

        let mut clubs = Vec::new();
        for seed in 210..240 {
            clubs.push(site.found(seed).await);
        }
        let rounds: Vec<Vec<Made>> =
            (0..20_u8).map(|n| clubs.iter_mut().map(|club| club.message(&[n; 100])).collect()).collect();
        let started = Instant::now();
        for round in &rounds {
            join_all(round.iter().map(|made| post(&router, made))).await;
        }
        println!("{name}, messages to 30 groups: {:.0}/s", 600.0 / started.elapsed().as_secs_f64());

        let mut times = Vec::new();
        for _ in 0..30 {
            let update = club.update(0);
            let started = Instant::now();
            assert_eq!(post(&router, &update).await, 200);
            times.push(started.elapsed());
            club.apply(&update);
        }
        show(&format!("{name}, key update with its proof"), times);

        let unknown = Club::found(241).0;
        let mut stranger = Club::found(241).0;
        let nowhere: Vec<_> = (0..200).map(|_| stranger.message(b"x")).collect();
        assert_eq!(unknown.group(), stranger.group());
        let mut forged = Vec::new();
        for _ in 0..200 {
            forged.push(club.message(b"x").changed(|frame| {
                frame.auth.sign = Some(curve::schnorr::SchnorrSignature::from_bytes([1; 64]));
            }));
        }
        show(&format!("{name}, message to an unknown group"), timed(&router, &nowhere, 403).await);
        show(&format!("{name}, message with a bad signature"), timed(&router, &forged, 403).await);
        site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn following() {
    const FOLLOWERS: usize = 2_000;
    let site = Site::with(SiteOptions { others: None, ..Default::default() }).await;
    let router = site.node.router(None);
    let mut club = site.found(250).await;
    let token = site.root_token(&mut club).await;
    let before = resident();
    let mut streams = Vec::new();
    for _ in 0..FOLLOWERS {
        let request = Request::get(paths::events(&club.group(), &Default::default()))
            .header("authorization", token.to_authorization())
            .body(Body::empty())
            .unwrap();
        let body = router.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
        let mut stream = Stream::new(body.filter_map(|chunk| async { chunk.ok() }));
        stream.next().await.unwrap();
        streams.push(stream);
    }
    println!("a follower without its connection: {} bytes", (resident() - before) * 1024 / FOLLOWERS as u64);
    let started = Instant::now();
    for n in 0..10_u8 {
        let message = club.message(&[n; 400]);
        assert_eq!(post(&router, &message).await, 200);
        join_all(streams.iter_mut().map(Stream::frame)).await;
    }
    let deliveries = 10.0 * f64::from(u32::try_from(FOLLOWERS).unwrap());
    println!(
        "deliveries: {:.0}/s, decoding them again included",
        deliveries / started.elapsed().as_secs_f64()
    );
    drop(streams);
    site.stop().await;
}
