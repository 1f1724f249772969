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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use service_kit::config::{Sources, load};

    use super::*;

    fn told(overrides: &[(&str, &str)]) -> Parts {
        let overrides = overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let sources = Sources { overrides: overrides.collect(), ..Sources::default() };
        load::<ServeSettings>(&sources).unwrap().split()
    }

    #[test]
    fn drops_are_below_the_nodes_data() {
        let drops = told(&[("store.data", "/var/lib/kith")]).transistor.unwrap();
        assert_eq!(drops.store.path, Path::new("/var/lib/kith/transistor/drops.sqlite"));
        assert_eq!(drops.bodies.path, Path::new("/var/lib/kith/transistor/bodies"));
        let elsewhere = [("store.data", "data"), ("transistor.bodies.path", "/mnt/bodies")];
        assert_eq!(told(&elsewhere).transistor.unwrap().bodies.path, Path::new("/mnt/bodies"));
    }

    #[test]
    fn nodes_that_share_a_store_keep_no_drops_unless_told_to() {
        let shared = [("store.kind", "mongodb"), ("store.mongodb.uri", "mongodb://127.0.0.1")];
        let enabled = |more: &[(&str, &str)]| told(&[&shared, more].concat()).transistor.is_some();
        assert!(!enabled(&[]));
        assert!(enabled(&[("transistor.enabled", "true")]));
        assert!(told(&[]).transistor.is_some());
        assert!(told(&[("transistor.enabled", "false")]).transistor.is_none());
    }

    #[test]
    fn wrong_settings_of_drops_are_named_where_they_stand() {
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let overrides = vec![set("transistor.store.path", ""), set("transistor.drops.max_size", "0B")];
        let error = load::<ServeSettings>(&Sources { overrides, ..Sources::default() }).unwrap_err();
        let mut wrong: Vec<_> = error.0.iter().map(|problem| problem.key.as_str()).collect();
        wrong.sort_unstable();
        assert_eq!(wrong, ["transistor.drops.max_size", "transistor.store.path"]);
    }

    #[test]
    fn the_book_shows_settings_of_drops_at_their_defaults() {
        let book = include_str!("../../docs/src/operations/configuration.md");
        let (_, rest) = book.split_once("```toml\n[transistor]\n").unwrap();
        let (shown, _) = rest.split_once("```").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kith.toml");
        std::fs::write(&file, format!("[transistor]\n{shown}")).unwrap();
        let loaded: ServeSettings = load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
        assert_eq!(loaded, ServeSettings::default());
    }
}
