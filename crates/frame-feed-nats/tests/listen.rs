//! Listening to groups on a real server that is killed, restarted and lied through.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use frame_feed_nats::{
    BadMessage, Connection, FeedKey, FrameFeed, FrameMessage, Heard, Listening, Names, NatsSettings, connect,
};
use frame_log::{LogLife, Partitions, StoredRecord, UnixMillis};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};
use servers::{Nats, nats::Options};
use service_kit::config::{Secret, SecretSource};
use tokio::time::timeout;

const LIFE: LogLife = LogLife::new(5);
const PATIENCE: Duration = Duration::from_secs(20);

fn names() -> Names {
    Names::new("kith".parse().unwrap(), Partitions::new(4).unwrap())
}

fn key() -> FeedKey {
    FeedKey::new([7; 32])
}

fn group(n: u8) -> GroupId {
    GroupId::new([n; 32])
}

fn message(group: GroupId, seq: u64) -> FrameMessage {
    FrameMessage {
        life: LIFE,
        group,
        record: StoredRecord {
            seq: Seq::new(seq),
            frame: Some(Bytes::from(seq.to_be_bytes().to_vec())),
            frame_id: FrameId::new([1; 16]),
            th: FrameHash::new([2; 32]),
            received_at: UnixMillis::new(3),
            epoch: Epoch::new(4),
            is_operation: false,
        },
        place: None,
    }
}

async fn connected(server: &Nats) -> Connection {
    let settings = NatsSettings { urls: vec![server.url()], ..NatsSettings::default() };
    let connection = connect(&settings, "test").await.unwrap();
    timeout(PATIENCE, connection.until(true)).await.expect("connected");
    connection
}

async fn publish(connection: &Connection, message: &FrameMessage) {
    let subject = names().subject(&message.group);
    raw(connection, subject, message.headers(&key()), message.payload()).await;
}

async fn raw(connection: &Connection, subject: String, headers: HeaderMap, payload: Bytes) {
    connection.client().publish_with_headers(subject, headers, payload).await.unwrap();
    connection.client().flush().await.unwrap();
}

async fn next(listening: &mut Listening) -> Heard {
    timeout(PATIENCE, listening.next()).await.expect("something is heard").expect("the feed goes on")
}

/// What is heard next besides gaps.
async fn next_frame(listening: &mut Listening) -> Heard {
    loop {
        let heard = next(listening).await;
        if heard != Heard::Gap {
            return heard;
        }
    }
}

/// Waits until the subscription stands: the first look into the log, and the one after things have settled.
async fn settled(listening: &mut Listening) {
    assert_eq!(next(listening).await, Heard::Gap);
    assert_eq!(next(listening).await, Heard::Gap);
}

fn position(heard: &Heard) -> Option<u64> {
    if let Heard::Frame(message) = heard { Some(message.record.seq.get()) } else { None }
}

#[tokio::test]
async fn hears_its_groups_and_no_others() {
    let server = Nats::start(Options::default()).await.unwrap();
    let feed = FrameFeed::new(connected(&server).await, names(), key(), LIFE);
    let relay = connected(&server).await;
    let (mut first, mut second) = (feed.watch(&group(1)), feed.watch(&group(2)));
    settled(&mut first).await;
    settled(&mut second).await;
    assert_eq!(feed.subscriptions(), 2);
    for seq in 0..10 {
        publish(&relay, &message(group(1), seq)).await;
        publish(&relay, &message(group(3), seq)).await;
    }
    publish(&relay, &message(group(2), 77)).await;
    for seq in 0..10 {
        assert_eq!(next(&mut first).await, Heard::Frame(message(group(1), seq).into()));
    }
    // Nothing of the first group, nor of the third, came this way.
    assert_eq!(next(&mut second).await, Heard::Frame(message(group(2), 77).into()));
}

#[tokio::test]
async fn lies_are_told_apart() {
    let server = Nats::start(Options::default()).await.unwrap();
    let feed = FrameFeed::new(connected(&server).await, names(), key(), LIFE);
    let liar = connected(&server).await;
    let mut listening = feed.watch(&group(1));
    settled(&mut listening).await;
    let subject = names().subject(&group(1));
    let honest = message(group(1), 1);

    // Made without the key.
    let forged = honest.headers(&FeedKey::new([8; 32]));
    raw(&liar, subject.clone(), forged, honest.payload()).await;
    assert_eq!(next(&mut listening).await, Heard::Refused(BadMessage::Code));
    // Made with it, for another group.
    let foreign = message(group(2), 1);
    raw(&liar, subject.clone(), foreign.headers(&key()), foreign.payload()).await;
    assert_eq!(next(&mut listening).await, Heard::Refused(BadMessage::Code));
    // Made with it, around another frame.
    raw(&liar, subject.clone(), honest.headers(&key()), Bytes::from_static(b"another")).await;
    assert_eq!(next(&mut listening).await, Heard::Refused(BadMessage::Code));
    // Of another life.
    let earlier = FrameMessage { life: LogLife::new(4), ..honest.clone() };
    publish(&liar, &earlier).await;
    assert_eq!(next(&mut listening).await, Heard::OtherLife(LogLife::new(4)));
    // Nothing at all.
    liar.client().publish(subject, Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!(next(&mut listening).await, Heard::Refused(BadMessage::Missing("Kith-Version")));
    publish(&liar, &honest).await;
    assert_eq!(next(&mut listening).await, Heard::Frame(honest.into()));
}

#[tokio::test]
async fn several_listeners_share_a_subscription_that_ends_after_the_last() {
    let server = Nats::start(Options::default()).await.unwrap();
    let feed = FrameFeed::new(connected(&server).await, names(), key(), LIFE);
    let relay = connected(&server).await;
    let mut first = feed.watch(&group(1));
    settled(&mut first).await;
    // It stands already, but whoever comes later has to look into the log all the same.
    let mut second = feed.watch(&group(1));
    assert_eq!(next(&mut second).await, Heard::Gap);
    assert_eq!(feed.subscriptions(), 1);
    publish(&relay, &message(group(1), 0)).await;
    assert_eq!(position(&next(&mut first).await), Some(0));
    assert_eq!(position(&next(&mut second).await), Some(0));

    drop(first);
    publish(&relay, &message(group(1), 1)).await;
    assert_eq!(position(&next(&mut second).await), Some(1));
    drop(second);
    // It outlives its listeners for a while, and a new one takes it over.
    let mut third = feed.watch(&group(1));
    assert_eq!(next(&mut third).await, Heard::Gap);
    publish(&relay, &message(group(1), 2)).await;
    assert_eq!(position(&next(&mut third).await), Some(2));
    drop(third);
    let ended = async {
        while feed.subscriptions() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, ended).await.expect("the subscription ends");
}

#[tokio::test]
async fn a_slow_listener_is_told() {
    let server = Nats::start(Options::default()).await.unwrap();
    let feed = FrameFeed::new(connected(&server).await, names(), key(), LIFE);
    let relay = connected(&server).await;
    let mut slow = feed.watch(&group(1));
    settled(&mut slow).await;
    let mut quick = feed.watch(&group(1));
    for seq in 0..100 {
        publish(&relay, &message(group(1), seq)).await;
        assert_eq!(position(&next_frame(&mut quick).await), Some(seq));
    }
    assert_eq!(next(&mut slow).await, Heard::Gap);
    let after = position(&next(&mut slow).await).unwrap();
    assert!((1..100).contains(&after), "{after}");
    for seq in after + 1..100 {
        assert_eq!(position(&next(&mut slow).await), Some(seq));
    }
}

#[tokio::test]
async fn a_server_that_comes_back_is_a_gap() {
    let mut server = Nats::start(Options::default()).await.unwrap();
    let connection = connected(&server).await;
    let feed = FrameFeed::new(connection.clone(), names(), key(), LIFE);
    let mut listening = feed.watch(&group(1));
    settled(&mut listening).await;
    server.kill().unwrap();
    timeout(PATIENCE, connection.until(false)).await.expect("the loss is noticed");
    server.restart().await.unwrap();
    timeout(PATIENCE, connection.until(true)).await.expect("it comes back");
    settled(&mut listening).await;
    publish(&connected(&server).await, &message(group(1), 9)).await;
    assert_eq!(position(&next(&mut listening).await), Some(9));
}

#[tokio::test]
async fn a_server_that_stands_still_is_noticed() {
    let mut server = Nats::start(Options::default()).await.unwrap();
    let connection = connected(&server).await;
    server.pause().unwrap();
    timeout(PATIENCE, connection.until(false)).await.expect("the silence is noticed");
    server.resume().unwrap();
    timeout(PATIENCE, connection.until(true)).await.expect("it comes back");
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let mut server = Nats::start(Options::default()).await.unwrap();
    server.kill().unwrap();
    let settings = NatsSettings { urls: vec![server.url()], ..NatsSettings::default() };
    let connection = connect(&settings, "test").await.unwrap();
    assert!(!connection.is_connected());
    let feed = FrameFeed::new(connection.clone(), names(), key(), LIFE);
    let mut listening = feed.watch(&group(1));
    assert_eq!(next(&mut listening).await, Heard::Gap);
    server.restart().await.unwrap();
    timeout(PATIENCE, connection.until(true)).await.expect("connected");
    let relay = connected(&server).await;
    let heard = async {
        loop {
            publish(&relay, &message(group(1), 0)).await;
            match timeout(Duration::from_millis(200), listening.next()).await {
                Ok(Some(Heard::Frame(_))) => return,
                Ok(Some(_)) | Err(_) => {}
                Ok(None) => panic!("the feed ended"),
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("the subscription made before stands");
}

#[tokio::test]
async fn the_feed_ends_with_its_last_handle() {
    let server = Nats::start(Options::default()).await.unwrap();
    let feed = FrameFeed::new(connected(&server).await, names(), key(), LIFE);
    let mut listening = feed.watch(&group(1));
    assert_eq!(next(&mut listening).await, Heard::Gap);
    drop(feed);
    let ended = async { while listening.next().await.is_some() {} };
    timeout(PATIENCE, ended).await.expect("the end is told");
}

#[tokio::test]
async fn credentials_are_shown_and_never_printed() {
    let credentials = Some(("relay".to_owned(), "correct horse".to_owned()));
    let server = Nats::start(Options { credentials, ..Options::default() }).await.unwrap();
    let right = NatsSettings {
        urls: vec![server.url()],
        user: Some("relay".to_owned()),
        password: Some(SecretSource::Inline(Secret::new("correct horse".to_owned()))),
        ..NatsSettings::default()
    };
    let connection = connect(&right, "test").await.unwrap();
    timeout(PATIENCE, connection.until(true)).await.expect("connected");
    assert!(!format!("{right:?} {connection:?}").contains("horse"));
    let wrong =
        NatsSettings { password: Some(SecretSource::Inline(Secret::new("wrong horse".to_owned()))), ..right };
    let refused = connect(&wrong, "test").await.unwrap();
    assert!(timeout(Duration::from_millis(500), refused.until(true)).await.is_err());
}
