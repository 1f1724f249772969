//! Listening to the groups one serves, and to no others.
//!
//! One subscription per watched group, on the connection all share; NATS then routes by interest, and a node hears
//! nothing of groups that nobody follows there. A subscription remembers nothing: what is published while it does not
//! stand is not heard. So everything that may have made a hole is said ([`Heard::Gap`]), and the listener looks into
//! the log.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use frame_log::LogLife;
use futures_util::StreamExt as _;
use protocol::GroupId;
use tokio::{
    sync::{Notify, broadcast, watch},
    time::{Instant, sleep_until},
};

use crate::{BadMessage, Connection, FeedKey, FrameMessage, Names};

/// Messages of one group that may wait for one listener. One that is slower is told of a gap.
const CAPACITY: usize = 32;
/// How long a subscription outlives its last listener, so that readers who come and go cost NATS nothing.
const GRACE: Duration = Duration::from_secs(10);
/// How long after a subscription was asked for it is taken to stand on every server of a cluster. What is published
/// meanwhile may be missed, so there is one more look into the log then.
const SETTLE: Duration = Duration::from_secs(1);

/// What a listener hears of its group.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Heard {
    /// A record, in code under the key of the log and of its present life. It may be old, and others before it may be
    /// missing.
    Frame(Arc<FrameMessage>),
    /// Something may have been missed: the subscription is new, the connection was away, or messages were dropped.
    Gap,
    /// Somebody published what is no message of this log.
    Refused(BadMessage),
    /// A message of another life of the log.
    OtherLife(LogLife),
}

/// Listens to groups over one connection. A clone is another handle; when the last one is dropped, all listening ends.
#[derive(Clone)]
pub struct FrameFeed {
    hub: Arc<Hub>,
    /// Topics end when this closes.
    alive: Arc<watch::Sender<()>>,
}

struct Hub {
    connection: Connection,
    names: Names,
    key: FeedKey,
    life: LogLife,
    topics: Mutex<HashMap<GroupId, Topic>>,
}

#[derive(Clone)]
struct Topic {
    heard: broadcast::Sender<Heard>,
    /// A listener has gone.
    left: Arc<Notify>,
}

impl FrameFeed {
    /// Listens on `connection` for messages under `names` that are in code under `key` and belong to `life`.
    #[must_use]
    pub fn new(connection: Connection, names: Names, key: FeedKey, life: LogLife) -> Self {
        let hub = Hub { connection, names, key, life, topics: Mutex::default() };
        Self { hub: Arc::new(hub), alive: Arc::new(watch::Sender::new(())) }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.hub.connection
    }

    /// Listens to a group for as long as the listener lives. Several may listen to one group and cost NATS no more than
    /// one. Must be called within a runtime.
    #[must_use]
    pub fn watch(&self, group: &GroupId) -> Listening {
        let mut topics = self.hub.topics();
        if let Some(topic) = topics.get(group) {
            // Counted under the lock, so the topic does not end in this moment.
            let receiver = topic.heard.subscribe();
            return Listening { receiver: Some(receiver), left: Arc::clone(&topic.left), news: true };
        }
        let (heard, receiver) = broadcast::channel(CAPACITY);
        let left = Arc::new(Notify::new());
        let topic = Topic { heard, left: Arc::clone(&left) };
        topics.insert(*group, topic.clone());
        drop(topics);
        tokio::spawn(run(Arc::clone(&self.hub), *group, topic, self.alive.subscribe()));
        Listening { receiver: Some(receiver), left, news: true }
    }

    /// Groups subscribed to now.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.hub.topics().len()
    }
}

impl fmt::Debug for FrameFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameFeed")
            .field("names", &self.hub.names)
            .field("life", &self.hub.life)
            .field("subscriptions", &self.subscriptions())
            .finish_non_exhaustive()
    }
}

/// One listener of one group.
pub struct Listening {
    /// There until it is dropped.
    receiver: Option<broadcast::Receiver<Heard>>,
    left: Arc<Notify>,
    /// What was published before this listener began is news to it.
    news: bool,
}

impl Listening {
    /// What comes next; first of all a gap. `None` when the feed has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Heard> {
        if self.news {
            self.news = false;
            return Some(Heard::Gap);
        }
        match self.receiver.as_mut()?.recv().await {
            Ok(heard) => Some(heard),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Heard::Gap),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // First gone, then said, or the topic would count it still.
        self.receiver = None;
        self.left.notify_one();
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").finish_non_exhaustive()
    }
}

impl Hub {
    fn topics(&self) -> MutexGuard<'_, HashMap<GroupId, Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, message: async_nats::Message) -> Heard {
        let headers = message.headers.as_ref();
        match FrameMessage::decode(&self.names, &self.key, &message.subject, headers, message.payload) {
            Ok(message) if message.life == self.life => Heard::Frame(Arc::new(message)),
            Ok(message) => Heard::OtherLife(message.life),
            Err(bad) => Heard::Refused(bad),
        }
    }

    /// Ends a topic unless somebody listens again.
    fn end(&self, group: &GroupId, topic: &Topic) -> bool {
        let mut topics = self.topics();
        let unheard = topic.heard.receiver_count() == 0;
        if unheard {
            topics.remove(group);
        }
        unheard
    }
}

/// Keeps one subscription, from the first listener to some time after the last.
async fn run(hub: Arc<Hub>, group: GroupId, topic: Topic, mut alive: watch::Receiver<()>) {
    let mut course = hub.connection.course();
    let subscribed = tokio::select! {
        subscribed = hub.connection.client().subscribe(hub.names.subject(&group)) => subscribed,
        _ = alive.changed() => return,
    };
    let Ok(mut messages) = subscribed else {
        // Only a client that was closed refuses. Listeners are told by the end of the channel.
        hub.topics().remove(&group);
        return;
    };
    let tell = |heard| {
        // Nobody listens, for the moment.
        let _nobody = topic.heard.send(heard);
    };
    let mut breaks = course.borrow_and_update().breaks;
    let mut settled = Some(Instant::now() + SETTLE);
    let mut ends = None;
    let soon = |at: Option<Instant>| sleep_until(at.unwrap_or_else(Instant::now));
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => tell(hub.read(message)),
                None => {
                    hub.topics().remove(&group);
                    return;
                }
            },
            _ = course.changed() => {
                let now = course.borrow_and_update().breaks;
                if now != breaks {
                    breaks = now;
                    // Said once until things have settled, however often the connection comes and goes.
                    if settled.is_none() {
                        tell(Heard::Gap);
                    }
                    settled = Some(Instant::now() + SETTLE);
                }
            }
            () = soon(settled), if settled.is_some() => {
                settled = None;
                tell(Heard::Gap);
            }
            () = topic.left.notified() => {
                if topic.heard.receiver_count() == 0 {
                    ends = Some(Instant::now() + GRACE);
                }
            }
            () = soon(ends), if ends.is_some() => {
                ends = None;
                if hub.end(&group, &topic) {
                    return;
                }
            }
            _ = alive.changed() => return,
        }
    }
}
