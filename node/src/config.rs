//! Settings of a node: one struct per concern, defaults in code.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

use api::{NodeOrigin, TransistorUrl, centrifugo::Channel};
use frame_feed_nats::NatsSettings;
use pinned_keys::ManifestHash;
use serde::{Deserialize, Serialize};
use service_kit::{
    config::{ByteSize, Period, Problems, SecretSource, Settings},
    http::HttpSettings,
    limiter::Quota,
    logging::LogSettings,
};

/// Proofs in the largest batch.
const MAX_BATCH: usize = 256;

/// Everything a node can be told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is listened on, and under which name.
    pub listen: ListenSettings,
    /// Connections and requests.
    pub http: HttpSettings,
    /// Where data is kept.
    pub store: StoreSettings,
    /// How the node hears of what other nodes write.
    pub feed: FeedSettings,
    /// Active groups.
    pub groups: GroupSettings,
    /// Work on the processor.
    pub verify: VerifySettings,
    /// How fast things may happen.
    pub rates: RateSettings,
    /// Event streams.
    pub follow: FollowSettings,
    /// Forgetting.
    pub retention: RetentionSettings,
    /// Tokens for a Centrifugo beside the node.
    pub centrifugo: CentrifugoSettings,
    /// Proof parameters.
    pub proofs: ProofSettings,
    /// The log.
    pub log: LogSettings,
}

/// What is listened on, and under which name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenSettings {
    /// Address for clients.
    pub address: SocketAddr,
    /// Address for operators: measurements and health. Without it, both are answered to clients' address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<SocketAddr>,
    /// The name clients reach the node by, which challenges are bound to. Without it, `http://` and the address
    /// listened on; behind a proxy it has to be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<NodeOrigin>,
    /// Where the node's clients find drops, if not with the node itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transistor: Option<TransistorUrl>,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: None,
            origin: None,
            transistor: None,
        }
    }
}

/// Where data is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// Which store.
    pub kind: StoreKind,
    /// Folder of the embedded log, made if it does not exist.
    pub data: PathBuf,
    /// The database.
    pub mongodb: MongoSettings,
    /// Set for one start after the store was brought back from a copy: positions given since may be given again, so
    /// followers are told to compare. Of several nodes only the first one is started so, alone.
    pub restored: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            kind: StoreKind::default(),
            data: PathBuf::from("kith-data"),
            mongodb: MongoSettings::default(),
            restored: false,
        }
    }
}

/// Which store a node works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StoreKind {
    /// A folder of this machine, for one node alone.
    #[default]
    Embedded,
    /// A database that several nodes share.
    MongoDb,
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MongoSettings {
    /// Connection string, `mongodb://…`, which may hold a password. Needed where the store is a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<SecretSource>,
    /// Name of the database.
    pub database: String,
    /// Connections to each server at most; who needs one more waits.
    pub max_connections: NonZeroU32,
}

impl Default for MongoSettings {
    fn default() -> Self {
        Self { uri: None, database: "kith".to_owned(), max_connections: NonZeroU32::MIN.saturating_add(63) }
    }
}

/// How the node hears of what other nodes write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedSettings {
    /// Which way.
    pub kind: FeedKind,
    /// NATS.
    pub nats: NatsSettings,
    /// How often a group that is followed here is compared with the log all the same, on average.
    pub look_every: Period,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self { kind: FeedKind::default(), nats: NatsSettings::default(), look_every: Period::from_secs(20) }
    }
}

impl FeedSettings {
    fn check(&self, store: StoreKind, problems: &mut Problems) {
        problems.require(!self.look_every.is_zero(), "feed.look_every", "must be more than 0");
        if self.kind == FeedKind::Nats {
            self.nats.check("feed.nats", problems);
            problems.require(
                store != StoreKind::Embedded,
                "feed.kind",
                "cannot be nats for an embedded store: nobody else writes to it",
            );
        }
    }
}

/// By which way a node hears of what other nodes write to a store they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FeedKind {
    /// It follows the log itself, all groups.
    #[default]
    Log,
    /// It listens on NATS to the groups that are followed here; a relay has to run somewhere.
    Nats,
}

/// Active groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupSettings {
    /// Groups in memory at once; the one unused for longest makes room, unless it is followed.
    pub most_active: NonZeroUsize,
    /// How long a group without followers stays in memory after its last request.
    pub idle_after: Period,
    /// Frames that may wait for one group.
    pub mailbox: NonZeroUsize,
    /// Groups brought back from the store at once.
    pub opening_jobs: NonZeroUsize,
    /// Searches in the past of groups at once.
    pub history_jobs: NonZeroUsize,
    /// Memory for states of earlier epochs.
    pub history_cache: ByteSize,
    /// Operations between two snapshots of a group.
    pub snapshot_operations: NonZeroU64,
    /// Frames between two snapshots of a group.
    pub snapshot_frames: NonZeroU64,
    /// Newest frames of a group kept in memory for its followers.
    pub tail_frames: NonZeroUsize,
    /// Memory for them, per group.
    pub tail_bytes: ByteSize,
    /// How long a group whose log does not fold is left alone before it is tried again.
    pub broken_for: Period,
    /// Groups that may be founded on this store in all; without it, any number. Counted from when it is first set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            most_active: nonzero(4_096),
            idle_after: Period::from_secs(300),
            mailbox: nonzero(64),
            opening_jobs: nonzero(8),
            history_jobs: nonzero(4),
            history_cache: ByteSize::from_mib(64),
            snapshot_operations: nonzero_u64(32),
            snapshot_frames: nonzero_u64(1_024),
            tail_frames: nonzero(64),
            tail_bytes: ByteSize::from_kib(256),
            broken_for: Period::from_secs(60),
            quota: None,
        }
    }
}

/// Work on the processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerifySettings {
    /// Frames that are decoded or folded at once, and batches of proofs that are checked at once; without it, as many
    /// of each as there are cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<NonZeroUsize>,
    /// Frames that may wait to be decoded or folded, for strangers and for members each; who comes after is told that
    /// the node is busy.
    pub queue: NonZeroUsize,
    /// Proofs checked together, unless one frame alone has more. Bounds how long a batch takes.
    pub batch_proofs: NonZeroUsize,
    /// Proofs that may wait, of groups in good standing; for new groups and for suspects a quarter of it each.
    pub queued_proofs: NonZeroUsize,
    /// Proofs of one group that may wait.
    pub group_proofs: NonZeroUsize,
    /// How long a bad proof makes its group suspect: its frames are checked apart, and with a smaller share.
    pub suspect_for: Period,
}

impl Default for VerifySettings {
    fn default() -> Self {
        Self {
            workers: None,
            queue: nonzero(256),
            batch_proofs: nonzero(64),
            queued_proofs: nonzero(2_048),
            group_proofs: nonzero(128),
            suspect_for: Period::from_secs(60),
        }
    }
}

impl VerifySettings {
    fn check(&self, problems: &mut Problems) {
        // One for each branch, and one of an admin.
        let frame = protocol::limits::MAX_CHANGES + 1;
        problems.require(
            self.batch_proofs.get() <= MAX_BATCH,
            "verify.batch_proofs",
            "must be at most 256: larger batches are no cheaper",
        );
        problems.require(
            self.queued_proofs.get() >= 4 * frame,
            "verify.queued_proofs",
            "must be at least 260: a quarter of it has to have room for the largest frame",
        );
        problems.require(
            self.group_proofs.get() >= frame,
            "verify.group_proofs",
            "must be at least 65: the largest frame has so many",
        );
        problems.require(!self.suspect_for.is_zero(), "verify.suspect_for", "must be more than 0");
    }
}

/// How fast things may happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateSettings {
    /// Frames of one group.
    pub group_frames: Quota,
    /// Operations of one leaf.
    pub leaf_operations: Quota,
    /// Key updates of one leaf: each makes every other operation under way stale.
    pub leaf_updates: Quota,
    /// Groups founded on this node.
    pub group_creations: Quota,
    /// Frames sent by one address. Behind a proxy that is not trusted, all clients have the proxy's.
    pub peer_frames: Quota,
    /// Challenges, tokens and mailbox requests of one address.
    pub peer_requests: Quota,
    /// Pages, states and streams opened with one token.
    pub token_reads: Quota,
    /// Packages taken out of one mailbox, so that one stranger cannot empty it.
    pub mailbox_claims: Quota,
}

impl Default for RateSettings {
    fn default() -> Self {
        Self {
            group_frames: Quota { per_minute: 3_000, burst: 500 },
            leaf_operations: Quota { per_minute: 60, burst: 30 },
            leaf_updates: Quota { per_minute: 4, burst: 8 },
            group_creations: Quota { per_minute: 120, burst: 60 },
            peer_frames: Quota { per_minute: 6_000, burst: 1_000 },
            peer_requests: Quota { per_minute: 1_200, burst: 300 },
            token_reads: Quota { per_minute: 600, burst: 200 },
            mailbox_claims: Quota { per_minute: 1, burst: 5 },
        }
    }
}

/// Event streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FollowSettings {
    /// Streams at once.
    pub max_followers: NonZeroUsize,
    /// Silence after which a comment is sent.
    pub heartbeat: Period,
    /// How long a reader that was up to date may be behind before its stream is ended with a hint.
    pub lag_grace: Period,
    /// How long a stream may last; then it is ended with a hint, and the reader shows a fresh token.
    pub max_age: Period,
}

impl Default for FollowSettings {
    fn default() -> Self {
        Self {
            max_followers: nonzero(10_000),
            heartbeat: Period::from_secs(15),
            lag_grace: Period::from_secs(30),
            max_age: Period::from_secs(3_600),
        }
    }
}

/// Forgetting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSettings {
    /// How often the log is gone through for what groups' policies no longer keep; 0 for never.
    pub every: Period,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { every: Period::from_secs(6 * 3_600) }
    }
}

/// Tokens for a Centrifugo beside the node, which pushes frames as the node does itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CentrifugoSettings {
    /// The secret that Centrifugo checks tokens with, at least 32 bytes; without it, the node gives no tokens for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSource>,
    /// Namespace of groups' channels, as in Centrifugo's own settings and in those of the relay.
    pub namespace: String,
    /// How long a token is taken. A member who is removed hears of a group for that long.
    pub lifetime: Period,
    /// Whom tokens are for, where Centrifugo looks at that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Whom they come from, where Centrifugo looks at that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

impl Default for CentrifugoSettings {
    fn default() -> Self {
        Self {
            secret: None,
            namespace: "kith".to_owned(),
            lifetime: Period::from_secs(300),
            audience: None,
            issuer: None,
        }
    }
}

impl CentrifugoSettings {
    /// Longest audience and issuer, in bytes.
    pub(crate) const MAX_CLAIM: usize = 64;

    fn check(&self, problems: &mut Problems) {
        let channel = Channel::new(&self.namespace, &protocol::GroupId::new([0; 32]));
        problems.require(
            channel.is_ok(),
            "centrifugo.namespace",
            "must have 2 to 32 letters, digits, dashes, underscores and dots",
        );
        let lifetime = self.lifetime;
        problems.require(
            lifetime >= Period::from_secs(30) && lifetime <= Period::from_secs(3_600),
            "centrifugo.lifetime",
            "must be from 30s to 1h: nobody can take a token back",
        );
        // Nothing that JSON writes longer than it is.
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
        let claim = |claim: &Option<String>| {
            claim
                .as_deref()
                .is_none_or(|claim| (1..=Self::MAX_CLAIM).contains(&claim.len()) && claim.bytes().all(plain))
        };
        let rule = "must have 1 to 64 printable characters, none of them a space, a quote or a backslash";
        problems.require(claim(&self.audience), "centrifugo.audience", rule);
        problems.require(claim(&self.issuer), "centrifugo.issuer", rule);
    }
}

/// Proof parameters. A node without any does not start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProofSettings {
    /// Whether parameters made from a public seed are accepted, and taken if no others are named. They give no security
    /// against a member who forges proofs, so the node says so loudly.
    pub development: bool,
    /// Folder with the keys of a ceremony and their manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
    /// SHA-256 of that manifest, which pins everything it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

impl Settings for Config {
    fn check(&self, problems: &mut Problems) {
        let listen = &self.listen;
        problems.require(
            listen.admin.is_none_or(|admin| admin.port() == 0 || admin != listen.address),
            "listen.admin",
            "must differ from listen.address",
        );
        self.http.check("http", problems);
        problems.require(
            self.store.kind != StoreKind::MongoDb || self.store.mongodb.uri.is_some(),
            "store.mongodb.uri",
            "is needed: a connection string, or a table with `file`",
        );
        self.feed.check(self.store.kind, problems);
        self.verify.check(problems);
        problems.require(!self.groups.idle_after.is_zero(), "groups.idle_after", "must be more than 0");
        problems.require(!self.follow.heartbeat.is_zero(), "follow.heartbeat", "must be more than 0");
        problems.require(
            self.follow.heartbeat <= Period::from_secs(u64::from(api::events::HEARTBEAT_SECONDS)),
            "follow.heartbeat",
            "must be at most 15s: readers take a longer silence for a dead connection",
        );
        problems.require(!self.follow.max_age.is_zero(), "follow.max_age", "must be more than 0");
        let pin = self.proofs.pin.as_deref();
        problems.require(
            pin.is_none_or(|pin| pin.parse::<ManifestHash>().is_ok()),
            "proofs.pin",
            "must be the SHA-256 of a keys.toml: 64 lowercase hexadecimal digits",
        );
        problems.require(
            pin.is_some() == self.proofs.keys.is_some(),
            "proofs.keys",
            "go together with proofs.pin, the SHA-256 of their keys.toml",
        );
        let rates = &self.rates;
        rates.group_frames.check("rates.group_frames", problems);
        rates.leaf_operations.check("rates.leaf_operations", problems);
        rates.leaf_updates.check("rates.leaf_updates", problems);
        rates.group_creations.check("rates.group_creations", problems);
        rates.peer_frames.check("rates.peer_frames", problems);
        rates.peer_requests.check("rates.peer_requests", problems);
        rates.token_reads.check("rates.token_reads", problems);
        rates.mailbox_claims.check("rates.mailbox_claims", problems);
        self.centrifugo.check(problems);
        self.log.check("log", problems);
    }
}

const fn nonzero(n: usize) -> NonZeroUsize {
    match NonZeroUsize::new(n) {
        Some(n) => n,
        None => NonZeroUsize::MIN,
    }
}

const fn nonzero_u64(n: u64) -> NonZeroU64 {
    match NonZeroU64::new(n) {
        Some(n) => n,
        None => NonZeroU64::MIN,
    }
}
