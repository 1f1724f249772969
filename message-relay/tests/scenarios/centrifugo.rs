//! What is made ready for a Centrifugo: once and in order, in the form its consumer takes.

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap, HeaderValue,
    jetstream::consumer::{AckPolicy, pull},
};
use bytes::Bytes;
use frame_feed_nats::FrameMessage;
use frame_log::{
    FrameLog as _, LogLife, OrderedSource, Place, Record, StoredRecord, UnixMillis, memory::MemoryLog,
};
use futures_util::StreamExt as _;
use message_relay::{
    Ends, Relay,
    output::{Centrifugo, CentrifugoSettings, LARGEST_FRAME, Output},
};
use protocol::{Epoch, FrameHash, FrameId, GroupId, Seq};
use service_kit::{
    clock::{Clock as _, SystemClock},
    health::Health,
    metrics::Metrics,
    shutdown,
};

use crate::kit::{PATIENCE, Scene, connected, group, record};

fn output(scene: &Scene) -> Centrifugo {
    let settings = CentrifugoSettings { enabled: true, ..CentrifugoSettings::default() };
    let streams = scene.settings.streams.clone();
    Centrifugo::new(&scene.names, &settings, scene.key.clone(), streams).unwrap()
}

/// Runs a relay with both outputs until `count` messages are in the streams for Centrifugo, and gives these.
async fn publications(scene: &Scene, count: usize) -> Vec<(HeaderMap, serde_json::Value)> {
    let (stop, stopping) = shutdown::channel();
    let health = Health::new(stopping.clone());
    let mut metrics = Metrics::new();
    let ends = Ends {
        log: Arc::new(scene.log.clone()),
        meta: Arc::new(scene.log.clone()),
        source: Arc::new(OrderedSource::new(Arc::new(scene.log.clone()))),
        connection: connected(&scene.nats).await,
        names: scene.names.clone(),
        outputs: vec![scene.output(), Arc::new(output(scene))],
        clock: Arc::new(SystemClock),
    };
    let relay = Relay::new(ends, scene.settings.clone(), &mut metrics.scope("relay"), &health);
    let task = tokio::spawn(relay.run(stopping));

    let output = output(scene);
    let mut all = Vec::new();
    for partition in scene.names.partitions().iter() {
        let jetstream = scene.connection.jetstream();
        let stream = tokio::time::timeout(PATIENCE, async {
            loop {
                match jetstream.get_stream(output.stream(partition)).await {
                    Ok(stream) => break stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        // The consumer as Centrifugo makes it, but from the beginning.
        let config = pull::Config {
            durable_name: Some("centrifugo".to_owned()),
            filter_subjects: vec![output.subjects(partition)],
            ack_policy: AckPolicy::Explicit,
            ..pull::Config::default()
        };
        let consumer = stream.await.unwrap().get_or_create_consumer("centrifugo", config).await.unwrap();
        let mut messages = consumer.messages().await.unwrap();
        while all.len() < count {
            let next = tokio::time::timeout(Duration::from_secs(3), messages.next()).await;
            let Ok(Some(Ok(message))) = next else { break };
            message.ack().await.unwrap();
            let payload = serde_json::from_slice(&message.payload).unwrap();
            all.push((message.headers.clone().unwrap(), payload));
        }
    }
    stop.request();
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    assert_eq!(all.len(), count, "publications");
    all
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map(HeaderValue::as_str).unwrap()
}

#[tokio::test]
async fn every_record_once_and_in_order_over_a_restart() {
    let scene = Scene::new(2).await;
    for round in 0..2_u64 {
        for n in 0..6 {
            scene.append(&group(n), 4).await;
        }
        let mut next = std::collections::BTreeMap::<String, u64>::new();
        for (headers, payload) in publications(&scene, 24).await {
            let channel = header(&headers, "centrifugo-channels").to_owned();
            let group: GroupId = channel.strip_prefix("kith:").unwrap().parse().unwrap();
            let seq = next.entry(channel).or_insert(round * 4);
            assert_eq!(payload["seq"], *seq);
            assert_eq!(payload["id"], format!("1-{seq}"));
            assert_eq!(header(&headers, "centrifugo-idempotency-key"), format!("1:{group}:{seq}"));
            *seq += 1;
        }
        assert_eq!(next.len(), 6);
    }
}

#[tokio::test]
async fn of_a_very_long_frame_it_is_only_said_that_it_is_there() {
    let scene = Scene::new(1).await;
    let now = UnixMillis::new(SystemClock.now_ms());
    for (seq, length) in [(0, LARGEST_FRAME), (1, LARGEST_FRAME + 1), (2, 3)] {
        let frame = Bytes::from(vec![7; length]);
        let record = Record { frame, ..record(&group(1), seq, now) };
        scene.log.append(&group(1), Seq::new(seq), record).await.unwrap();
    }
    let publications = publications(&scene, 3).await;
    let lengths: Vec<_> =
        publications.iter().map(|(_, payload)| payload["frame"].as_str().map(str::len)).collect();
    assert_eq!(lengths, [Some(LARGEST_FRAME.div_ceil(3) * 4), None, Some(4)]);
}

#[tokio::test]
async fn golden_publication() {
    let scene = Scene::new(2).await;
    let output = output(&scene);
    let message = FrameMessage {
        life: LogLife::new(5),
        group: GroupId::new([0xab; 32]),
        record: StoredRecord {
            seq: Seq::new(7),
            frame: Some(Bytes::from_static(b"frame")),
            frame_id: FrameId::new([1; 16]),
            th: FrameHash::new([2; 32]),
            received_at: UnixMillis::new(1_700_000_000_123),
            epoch: Epoch::new(3),
            is_operation: false,
        },
        place: Some(Place::new(vec![9]).unwrap()),
    };
    let made = output.write(&message).unwrap();
    let hex = "ab".repeat(32);
    assert_eq!(made.subject, format!("t-centrifugo.frames.1.{hex}"));
    assert_eq!(
        std::str::from_utf8(&made.payload).unwrap(),
        r#"{"id":"5-7","seq":7,"received_at_ms":1700000000123,"frame":"ZnJhbWU="}"#
    );
    assert_eq!(header(&made.headers, "centrifugo-channels"), format!("kith:{hex}"));
    assert_eq!(header(&made.headers, "centrifugo-idempotency-key"), format!("5:{hex}:7"));

    // Read back as it was written, and not if anything of it was changed.
    let read = output.read(&made.subject, &made.headers, made.payload.clone()).unwrap();
    assert_eq!(
        (read.life, read.group, read.seq, read.place),
        (message.life, message.group, Seq::new(7), message.place)
    );
    let other = String::from_utf8(made.payload.to_vec()).unwrap().replace("ZnJhbWU=", "ZnJhbWV=");
    assert!(output.read(&made.subject, &made.headers, other.into()).is_none());
    let elsewhere = Scene { key: frame_feed_nats::FeedKey::load(&MemoryLog::new()).await.unwrap(), ..scene };
    assert!(self::output(&elsewhere).read(&made.subject, &made.headers, made.payload).is_none());
}
