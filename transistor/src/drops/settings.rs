//! Settings of drops.

use drop_state::MAX_SEGMENTS;
use serde::{Deserialize, Serialize};
use service_kit::config::{ByteSize, Period, Problems};

use crate::bodies::BodySettings;

/// Pieces that broken connections may leave beyond those that a body needs.
pub(super) const SPARE_SEGMENTS: u32 = 64;

/// How drops are kept. The defaults do for most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DropSettings {
    /// Most bytes of a drop.
    pub max_size: ByteSize,
    /// Most bytes of all drops together.
    pub max_bytes: ByteSize,
    /// Most bytes of a body that is kept in the database.
    pub inline_max: ByteSize,
    /// How long a drop lasts whose creator says nothing.
    pub default_expiry: Period,
    /// How long a drop may last.
    pub max_expiry: Period,
    /// How long a claim lasts without a sign of the reader.
    pub lease: Period,
    /// How long an upload may stand still before it is erased.
    pub upload_idle: Period,
    /// How long a request may go without a kilobyte arriving before it is ended.
    pub read_stall: Period,
    /// Bodies that are received at once; each takes a piece of memory.
    pub max_uploads: u16,
    /// Bodies that are sent at once; each takes two pieces of memory.
    pub max_readers: u16,
    /// Time after which "nothing there" is answered, whatever the reason.
    pub miss_floor: Period,
    /// How often it is looked for drops that have ended.
    pub sweep_every: Period,
    /// How often it is looked for bodies that nobody knows of.
    pub orphans_every: Period,
}

impl Default for DropSettings {
    fn default() -> Self {
        Self {
            max_size: ByteSize::from_mib(4 << 10),
            max_bytes: ByteSize::from_mib(256 << 10),
            inline_max: ByteSize::from_kib(16),
            default_expiry: Period::from_secs(24 * 3600),
            max_expiry: Period::from_secs(30 * 24 * 3600),
            lease: Period::from_secs(60),
            upload_idle: Period::from_secs(3600),
            read_stall: Period::from_secs(30),
            max_uploads: 64,
            max_readers: 64,
            miss_floor: Period::from_millis(25),
            sweep_every: Period::from_secs(1),
            orphans_every: Period::from_secs(3600),
        }
    }
}

impl DropSettings {
    /// Reports everything that is wrong with the values, `bodies` being the place that goes with them; `section` is
    /// where they are among the settings.
    pub fn check(&self, bodies: &BodySettings, section: &str, problems: &mut Problems) {
        let mut require = |condition: bool, name: &str, message: &'static str| {
            problems.require(condition, &format!("{section}.{name}"), message);
        };
        let pieces = u64::from(MAX_SEGMENTS.saturating_sub(SPARE_SEGMENTS));
        let most = bodies.segment.get().saturating_mul(pieces);
        require(self.max_size.get() > 0, "max_size", "must be more than 0");
        require(self.max_size.get() <= most, "max_size", "is more than fits into 16,320 pieces of a body");
        require(self.max_bytes >= self.max_size, "max_bytes", "must be at least max_size");
        require(self.inline_max <= ByteSize::from_mib(1), "inline_max", "must be at most 1MiB");
        require(!self.default_expiry.is_zero(), "default_expiry", "must be more than 0");
        require(self.max_expiry >= self.default_expiry, "max_expiry", "must be at least default_expiry");
        require(self.lease >= Period::from_secs(1), "lease", "must be at least 1s");
        require(self.upload_idle >= Period::from_secs(1), "upload_idle", "must be at least 1s");
        require(self.read_stall >= Period::from_secs(1), "read_stall", "must be at least 1s");
        require(self.max_uploads > 0, "max_uploads", "must be more than 0");
        require(self.max_readers > 0, "max_readers", "must be more than 0");
        require(self.miss_floor <= Period::from_secs(1), "miss_floor", "must be at most 1s");
        require(!self.sweep_every.is_zero(), "sweep_every", "must be more than 0");
        require(!self.orphans_every.is_zero(), "orphans_every", "must be more than 0");
    }
}
