//! Settings of the relay.

use frame_feed_nats::streams::StreamSettings;
use serde::{Deserialize, Serialize};
use service_kit::config::{ByteSize, Period, Problems};

use crate::output::CentrifugoSettings;

/// How the relay works. The defaults do for most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelaySettings {
    /// Messages of one partition under way at once.
    pub window: u16,
    /// Bytes of one partition under way at once.
    pub window_bytes: ByteSize,
    /// How long a leader may be silent before another instance takes its partitions over.
    pub lease: Period,
    /// How often stream and log are compared.
    pub audit_every: Period,
    /// How often a place without a record, and the progress of a scan, are written down at most.
    pub cursor_every: Period,
    /// Groups per partition whose last published position is remembered, at least; up to twice as many are.
    pub remembered_groups: u32,
    /// The streams frames are kept in.
    pub streams: StreamSettings,
    /// Publications for a Centrifugo, in streams of their own with the same limits.
    pub centrifugo: CentrifugoSettings,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            window: 256,
            window_bytes: ByteSize::from_mib(8),
            lease: Period::from_secs(10),
            audit_every: Period::from_secs(10),
            cursor_every: Period::from_secs(5),
            remembered_groups: 32_768,
            streams: StreamSettings::default(),
            centrifugo: CentrifugoSettings::default(),
        }
    }
}

impl RelaySettings {
    /// Reports everything that is wrong with the values; `section` is where they are among the settings.
    pub fn check(&self, section: &str, problems: &mut Problems) {
        let mut require = |condition: bool, name: &str, message: &'static str| {
            problems.require(condition, &format!("{section}.{name}"), message);
        };
        require((1..=2_048).contains(&self.window), "window", "must be 1 to 2048");
        require(self.window_bytes.get() > 0, "window_bytes", "must be more than 0");
        require(self.lease >= Period::from_millis(300), "lease", "must be at least 300ms");
        require(!self.audit_every.is_zero(), "audit_every", "must be more than 0");
        require(!self.cursor_every.is_zero(), "cursor_every", "must be more than 0");
        // A group must not be forgotten while a message of it is under way.
        require(
            self.remembered_groups >= 2 * u32::from(self.window),
            "remembered_groups",
            "must be at least twice the window",
        );
        self.streams.check(&format!("{section}.streams"), problems);
        self.centrifugo.check(&format!("{section}.centrifugo"), problems);
    }
}
