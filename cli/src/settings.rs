//! Settings of `kith serve`: those of the node, where to relay its log to, and how to keep drops.

use std::path::PathBuf;

use message_relay::{NatsSettings, RelaySettings};
use node::config::{
    CentrifugoSettings, Config, FeedSettings, FollowSettings, GroupSettings, ListenSettings, ProofSettings,
    RateSettings, RetentionSettings, StoreKind, StoreSettings, VerifySettings,
};
use serde::{Deserialize, Serialize};
use service_kit::{
    config::{Problems, Settings},
    http::HttpSettings,
    logging::LogSettings,
};
use transistor::{
    bodies::BodySettings,
    config::{self as drops, CorsSettings, TransistorSettings},
    drops::DropSettings,
};

/// Everything `kith serve` can be told. The sections of the node stand here as they do there, so that one file does for
/// both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServeSettings {
    pub(crate) listen: ListenSettings,
    http: HttpSettings,
    store: StoreSettings,
    feed: FeedSettings,
    groups: GroupSettings,
    verify: VerifySettings,
    rates: RateSettings,
    follow: FollowSettings,
    retention: RetentionSettings,
    centrifugo: CentrifugoSettings,
    pub(crate) proofs: ProofSettings,
    log: LogSettings,
    /// Where the log is relayed to. Without any of these settings it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    nats: Option<NatsSettings>,
    /// How.
    relay: RelaySettings,
    /// Read-once drops.
    transistor: TransistorSection,
}

/// Read-once drops. The sections stand here as they do in the settings of a transistor by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TransistorSection {
    /// Whether there are any. Without a word there are, unless the node's store is one that several nodes share: what
    /// is kept in a folder of one of them would not be found by the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    store: drops::StoreSettings,
    bodies: BodySettings,
    drops: DropSettings,
    rates: drops::RateSettings,
    cors: CorsSettings,
}

impl TransistorSection {
    /// The settings of a transistor, if there is to be one. Paths are below the folder of the node's data.
    fn below(self, node: &StoreSettings) -> Option<TransistorSettings> {
        let Self { enabled, mut store, mut bodies, drops, rates, cors } = self;
        if !enabled.unwrap_or(node.kind == StoreKind::Embedded) {
            return None;
        }
        let below = |path: &mut PathBuf| {
            // Nothing at all is wrong, and stays so.
            if !path.as_os_str().is_empty() {
                *path = node.data.join(&*path);
            }
        };
        below(&mut store.path);
        below(&mut bodies.path);
        Some(TransistorSettings { store, bodies, drops, rates, cors })
    }
}

/// What each part of the process is told.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) node: Config,
    /// Where to relay to, and how.
    pub(crate) relay: Option<(NatsSettings, RelaySettings)>,
    pub(crate) transistor: Option<TransistorSettings>,
}

impl ServeSettings {
    pub(crate) fn split(self) -> Parts {
        let Self {
            listen,
            http,
            store,
            feed,
            groups,
            verify,
            rates,
            follow,
            retention,
            centrifugo,
            proofs,
            log,
            nats,
            relay,
            transistor,
        } = self;
        let transistor = transistor.below(&store);
        let node = Config {
            listen,
            http,
            store,
            feed,
            groups,
            verify,
            rates,
            follow,
            retention,
            centrifugo,
            proofs,
            log,
        };
        Parts { node, relay: nats.map(|nats| (nats, relay)), transistor }
    }
}

impl Settings for ServeSettings {
    fn check(&self, problems: &mut Problems) {
        let Parts { node, relay: _, transistor } = self.clone().split();
        node.check(problems);
        if let Some(nats) = &self.nats {
            nats.check("nats", problems);
        }
        self.relay.check("relay", problems);
        if let Some(transistor) = transistor {
            transistor.check("transistor", problems);
        }
    }
}
