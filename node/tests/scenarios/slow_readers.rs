//! A reader that does not keep up costs little and is told to come again.

use std::{pin::pin, time::Duration};

use crate::kit::{
    Club, Site, SiteOptions, Stream, generous,
    site::{poll_once, soon},
};
use api::{ErrorCode, events::Event};
use service_kit::config::Period;

async fn site(lag_grace: Period) -> Site {
    let mut config = generous();
    config.groups.tail_frames = 4.try_into().unwrap();
    config.follow.lag_grace = lag_grace;
    Site::with(SiteOptions { config, ..Default::default() }).await
}

/// Looks once whether there is an event, which there must not be.
async fn nothing_yet(stream: &mut Stream) {
    assert!(poll_once(pin!(stream.next())).await.is_pending());
}

async fn post(site: &Site, club: &mut Club, frames: u8) {
    for n in 0..frames {
        let message = club.message(&[n; 10]);
        site.accept(club, message).await;
    }
}

#[tokio::test]
async fn behind_for_too_long_is_cut_off_with_a_hint() {
    let site = site(Period::from_millis(0)).await;
    let mut club = site.found(60).await;
    let token = site.root_token(&mut club).await;
    let mut stream = site.follow_unread(&club, &token).await;
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    nothing_yet(&mut stream).await;
    post(&site, &mut club, 10).await;
    match soon(stream.next()).await {
        Some(Event::Problem(problem)) => {
            assert_eq!(problem.code(), ErrorCode::FollowerLagged);
            assert!(problem.code().is_retryable());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(soon(stream.next()).await, None);
    assert_eq!(site.measured("node_followers_cut_total{reason=\"lagged\"}"), 1);

    // It resumes where it was.
    let id = format!("{}-0", site.page(&club.group(), 0, &token).await.stream_epoch.get());
    let mut stream = site.follow(&club.group(), None, Some(&id), &token).await.ok().unwrap();
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    for seq in 1..=10 {
        assert_eq!(soon(stream.frame()).await.seq.get(), seq);
    }
    site.stop().await;
}

#[tokio::test]
async fn behind_for_a_moment_is_served_from_the_log() {
    let site = site(Period::from_secs(30)).await;
    let mut club = site.found(61).await;
    let token = site.root_token(&mut club).await;
    let mut stream = site.follow_unread(&club, &token).await;
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    nothing_yet(&mut stream).await;
    post(&site, &mut club, 10).await;
    for seq in 1..=10 {
        assert_eq!(soon(stream.frame()).await.seq.get(), seq);
    }
    nothing_yet(&mut stream).await;
    post(&site, &mut club, 2).await;
    for seq in 11..=12 {
        assert_eq!(soon(stream.frame()).await.seq.get(), seq);
    }
    assert!(site.measured("node_followed_frames_total{source=\"log\"}") >= 10);
    site.stop().await;
}

#[tokio::test]
async fn silence_is_broken_by_comments() {
    let mut config = generous();
    config.follow.heartbeat = Period::from_millis(20);
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let mut club = site.found(62).await;
    let token = site.root_token(&mut club).await;
    let mut stream = site.follow(&club.group(), None, None, &token).await.ok().unwrap();
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    // Comments are no events, so waiting for one never ends by itself.
    let heard = tokio::time::timeout(Duration::from_millis(500), stream.next()).await;
    assert!(heard.is_err() && stream.comments > 0);
    drop(stream);
    site.stop().await;
}

#[tokio::test]
async fn an_idle_group_sleeps_and_its_followers_do_not_notice() {
    let mut config = generous();
    config.groups.most_active = 1.try_into().unwrap();
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let mut a = site.found(63).await;
    let token = site.root_token(&mut a).await;
    let stream = site.follow(&a.group(), None, None, &token).await.ok().unwrap();
    // A group that is followed is not put to sleep, so there is no room for another.
    let b = Club::found(64);
    let mut b = (b.0, b.1);
    assert_eq!(site.post(&b.1).await.status, 200);
    let message = b.0.message(b"x");
    let reply = site.post(&message).await;
    assert_eq!(reply.code(), ErrorCode::Busy);
    assert_eq!(reply.headers["retry-after"], "1");
    drop(stream);
    // Once it is not, it makes room, and comes back when it is wanted.
    soon(async {
        while site.post(&message).await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    b.0.apply(&message);
    for _ in 0..3 {
        let message = a.message(b"back");
        site.accept(&mut a, message).await;
        let message = b.0.message(b"and forth");
        site.accept(&mut b.0, message).await;
    }
    site.stop().await;
}
