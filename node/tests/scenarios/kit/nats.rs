//! NATS beside the nodes, and something that carries their log into it.

use std::time::Duration;

use bytes::Bytes;
use frame_feed_nats::{Connection, FeedKey, FrameMessage, Names, NatsSettings, connect};
use frame_log::{BucketRange, LOG_LIFE, LogLife, Meta, Partitions, SourceItem};
use futures_util::StreamExt;
use node::SharedStore;
use protocol::GroupId;
use servers::{Nats, nats::Options};
use tokio::task::JoinHandle;

use super::{Site, SiteOptions, site::soon};

/// A NATS server and the names frames have there.
pub struct Broker {
    pub server: Nats,
    pub names: Names,
}

impl Broker {
    pub async fn start() -> Self {
        let server = Nats::start(Options::default()).await.unwrap();
        let names = Names::new("kith".parse().unwrap(), Partitions::new(4).unwrap());
        Self { server, names }
    }

    /// A connection that stands.
    pub async fn connect(&self) -> Connection {
        let connection = self.begin().await;
        soon(connection.until(true)).await;
        connection
    }

    /// A connection that may not stand yet.
    pub async fn begin(&self) -> Connection {
        let settings = NatsSettings { urls: vec![self.server.url()], ..NatsSettings::default() };
        connect(&settings, "test").await.unwrap()
    }

    /// Two nodes on one store that hear of each other by this server, and by the log itself while it is away.
    pub async fn pair(&self, options: impl Fn() -> SiteOptions) -> (Site, Site) {
        let SiteOptions { store, others, clock, .. } = SiteOptions::default();
        let one = Site::with(SiteOptions {
            store: store.clone(),
            others: others.clone(),
            clock: clock.clone(),
            nats: Some((self.connect().await, self.names.clone())),
            ..options()
        })
        .await;
        let two = Site::with(SiteOptions {
            store,
            others,
            clock,
            origin: Some(one.node.origin().clone()),
            nats: Some((self.connect().await, self.names.clone())),
            ..options()
        })
        .await;
        (one, two)
    }

    /// Carries everything that is appended from now on into NATS, until it is dropped.
    pub async fn relay(&self, site: &Site) -> Relay {
        let source = site.others.clone().unwrap();
        let from = source.now().await.unwrap();
        let (connection, names) = (self.connect().await, self.names.clone());
        let (key, life) = secrets(&site.store).await;
        let job = tokio::spawn(async move {
            let mut steps = source.open(BucketRange::ALL, &from).await.unwrap();
            while let Some(Ok(step)) = steps.next().await {
                if let SourceItem::Record { group, record } = step.item {
                    let message = FrameMessage { life, group, record, place: None };
                    publish(&connection, &names, &key, &message).await;
                }
            }
        });
        Relay { job }
    }

    /// Whether anybody is subscribed to a group, as the server sees it.
    pub async fn is_listened_to(&self, asked: &Connection, group: &GroupId) -> bool {
        let request = asked.client().request(self.names.subject(group), Bytes::new());
        match tokio::time::timeout(Duration::from_millis(500), request).await {
            // Nobody there, says the server at once.
            Ok(answer) => {
                assert!(answer.is_err());
                false
            }
            // Somebody there, who does not answer.
            Err(_) => true,
        }
    }
}

/// Something that carries frames, until it is dropped.
pub struct Relay {
    job: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.job.abort();
    }
}

/// What only those know who share the store.
pub async fn secrets(store: &SharedStore) -> (FeedKey, LogLife) {
    let key = FeedKey::load(&**store).await.unwrap();
    let life = Meta::load(&**store, LOG_LIFE).await.unwrap().unwrap();
    (key, LogLife::from_value(&life).unwrap())
}

pub async fn publish(connection: &Connection, names: &Names, key: &FeedKey, message: &FrameMessage) {
    let (subject, headers) = (names.subject(&message.group), message.headers(key));
    connection.client().publish_with_headers(subject, headers, message.payload()).await.unwrap();
    connection.client().flush().await.unwrap();
}
