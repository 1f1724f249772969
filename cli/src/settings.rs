//! Settings of `kith serve`: those of the node, and where to relay its log to.

use message_relay::{NatsSettings, RelaySettings};
use node::config::{
    CentrifugoSettings, Config, FeedSettings, FollowSettings, GroupSettings, ListenSettings, ProofSettings,
    RateSettings, RetentionSettings, StoreSettings, VerifySettings,
};
use serde::{Deserialize, Serialize};
use service_kit::{
    config::{Problems, Settings},
    http::HttpSettings,
    logging::LogSettings,
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
}

impl ServeSettings {
    /// The settings of the node, and those of a relay if there is to be one.
    pub(crate) fn split(self) -> (Config, Option<NatsSettings>, RelaySettings) {
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
        } = self;
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
        (node, nats, relay)
    }
}

impl Settings for ServeSettings {
    fn check(&self, problems: &mut Problems) {
        let (node, nats, relay) = self.clone().split();
        node.check(problems);
        if let Some(nats) = nats {
            nats.check("nats", problems);
        }
        relay.check("relay", problems);
    }
}
