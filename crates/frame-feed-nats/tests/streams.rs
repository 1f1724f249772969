//! Streams on a real server: made, left alone, brought up to date, refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::time::Duration;

use async_nats::jetstream::stream::{Compression, Config, DiscardPolicy, StorageType};
use frame_feed_nats::{
    Connection, MAX_MESSAGE, Names, NatsSettings, connect,
    streams::{Ensured, StreamError, StreamSettings, ensure},
};
use frame_log::{Partition, Partitions};
use servers::{Nats, nats::Options};
use service_kit::config::{ByteSize, Period};

fn names(partitions: u16) -> Names {
    Names::new("kith".parse().unwrap(), Partitions::new(partitions).unwrap())
}

fn first(names: &Names) -> Partition {
    names.partitions().get(0).unwrap()
}

async fn connected(server: &Nats) -> Connection {
    let settings = NatsSettings { urls: vec![server.url()], ..NatsSettings::default() };
    let connection = connect(&settings, "test").await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), connection.until(true)).await.expect("connected");
    connection
}

async fn ensured(
    connection: &Connection,
    names: &Names,
    settings: &StreamSettings,
) -> Result<Ensured, StreamError> {
    let jetstream = connection.jetstream();
    let made = ensure(connection.client(), &jetstream, names, first(names), settings).await;
    made.map(|(_, ensured)| ensured)
}

async fn config(connection: &Connection, names: &Names) -> Config {
    let stream = connection.jetstream().get_stream(names.stream(first(names))).await.unwrap();
    stream.cached_info().config.clone()
}

#[tokio::test]
async fn made_then_left_alone_then_updated() {
    let server = Nats::start(Options::default()).await.unwrap();
    let connection = connected(&server).await;
    let names = names(2);
    let mut settings = StreamSettings::default();
    assert_eq!(ensured(&connection, &names, &settings).await.unwrap(), Ensured::Created);
    let made = config(&connection, &names).await;
    assert_eq!(made.name, "kith-frames-0");
    assert_eq!(made.subjects, ["kith.frames.0.*"]);
    assert_eq!(made.storage, StorageType::File);
    assert_eq!(made.discard, DiscardPolicy::Old);
    assert_eq!(made.max_age, Duration::from_secs(24 * 3_600));
    assert_eq!(made.max_bytes, 1 << 30);
    assert_eq!(made.max_message_size, i32::try_from(MAX_MESSAGE).unwrap());
    assert_eq!(made.duplicate_window, Duration::from_secs(120));
    assert_eq!(made.num_replicas, 1);
    assert!(made.allow_direct);
    assert_eq!(ensured(&connection, &names, &settings).await.unwrap(), Ensured::AsItWas);

    // What an operator sets besides stays.
    let other = Config { compression: Some(Compression::S2), ..made };
    connection.jetstream().update_stream(&other).await.unwrap();
    assert_eq!(ensured(&connection, &names, &settings).await.unwrap(), Ensured::AsItWas);
    settings.max_bytes = ByteSize::from_mib(16);
    settings.max_age = Period::from_secs(3_600);
    assert_eq!(ensured(&connection, &names, &settings).await.unwrap(), Ensured::Updated);
    let updated = config(&connection, &names).await;
    assert_eq!(updated.max_bytes, 16 << 20);
    assert_eq!(updated.max_age, Duration::from_secs(3_600));
    assert_eq!(updated.compression, Some(Compression::S2));
    assert_eq!(ensured(&connection, &names, &settings).await.unwrap(), Ensured::AsItWas);
}

#[tokio::test]
async fn several_may_make_it_at_once() {
    let server = Nats::start(Options::default()).await.unwrap();
    let connection = connected(&server).await;
    let (names, settings) = (names(2), StreamSettings::default());
    let all = (0..8).map(|_| ensured(&connection, &names, &settings));
    for made in futures_util::future::join_all(all).await {
        made.unwrap();
    }
}

#[tokio::test]
async fn dangerous_streams_are_refused() {
    let server = Nats::start(Options::default()).await.unwrap();
    let connection = connected(&server).await;
    let settings = StreamSettings::default();
    let good = Config {
        name: "kith-frames-0".to_owned(),
        subjects: vec!["kith.frames.0.*".to_owned()],
        ..Config::default()
    };
    for (reason, config) in [
        ("it is kept in memory", Config { storage: StorageType::Memory, ..good.clone() }),
        (
            "it captures other subjects",
            Config { subjects: vec!["kith.frames.0.>".to_owned()], ..good.clone() },
        ),
        (
            "it refuses new messages when it is full",
            Config { discard: DiscardPolicy::New, max_bytes: 1 << 20, ..good.clone() },
        ),
        ("it acknowledges nothing", Config { no_ack: true, ..good.clone() }),
        ("it allows messages to replace others", Config { allow_rollup: true, ..good.clone() }),
    ] {
        let jetstream = connection.jetstream();
        jetstream.create_stream(config).await.unwrap();
        match ensured(&connection, &names(2), &settings).await {
            Err(StreamError::Unusable { stream, reason: said }) => {
                assert_eq!((stream.as_str(), said), ("kith-frames-0", reason));
            }
            other => panic!("{reason}: {other:?}"),
        }
        jetstream.delete_stream("kith-frames-0").await.unwrap();
    }
    // Limits alone are no danger: they are set right.
    let small = Config { max_messages: 3, max_bytes: 1 << 20, ..good };
    connection.jetstream().create_stream(small).await.unwrap();
    assert_eq!(ensured(&connection, &names(2), &settings).await.unwrap(), Ensured::Updated);
    // Another number of partitions puts other groups under the same name.
    match ensured(&connection, &names(4), &settings).await {
        Err(StreamError::Unusable { reason, .. }) => {
            assert_eq!(reason, "its groups were shared out in another number of partitions");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_for_small_messages_is_refused() {
    let options = Options { max_payload: Some(64 * 1024), ..Options::default() };
    let server = Nats::start(options).await.unwrap();
    let connection = connected(&server).await;
    let made = ensured(&connection, &names(1), &StreamSettings::default()).await;
    assert!(matches!(made, Err(StreamError::SmallPayload { max: 65_536 })), "{made:?}");
}
