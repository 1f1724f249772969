//! Settings.

use core::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use service_kit::{
    config::{Problems, SecretSource, Settings},
    http::HttpSettings,
    limiter::Quota,
    logging::LogSettings,
};

use crate::{bodies::BodySettings, drops::DropSettings, http::AllowedOrigin};

/// Everything the program `transistor` can be told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is listened on.
    pub listen: ListenSettings,
    /// Connections and requests.
    pub http: HttpSettings,
    /// Where records are kept.
    pub store: StoreSettings,
    /// Where bodies are kept that are too large for the database.
    pub bodies: BodySettings,
    /// How drops are kept.
    pub drops: DropSettings,
    /// How much one client may ask for.
    pub rates: RateSettings,
    /// Programs of other origins in browsers.
    pub cors: CorsSettings,
    /// The log.
    pub log: LogSettings,
}

/// Everything a transistor can be told that runs inside another program, whose listener and log it uses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransistorSettings {
    /// Where records are kept.
    pub store: StoreSettings,
    /// Where bodies are kept that are too large for the database.
    pub bodies: BodySettings,
    /// How drops are kept.
    pub drops: DropSettings,
    /// How much one client may ask for.
    pub rates: RateSettings,
    /// Programs of other origins in browsers.
    pub cors: CorsSettings,
}

impl TransistorSettings {
    /// Reports everything that is wrong with the values; `section` is where they are among the settings.
    pub fn check(&self, section: &str, problems: &mut Problems) {
        let below =
            |name: &str| if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        self.store.check(&below("store"), problems);
        self.bodies.check(&below("bodies"), problems);
        self.drops.check(&self.bodies, &below("drops"), problems);
        self.rates.check(&below("rates"), problems);
    }
}

impl Config {
    /// What concerns the transistor alone.
    #[must_use]
    pub fn transistor(&self) -> TransistorSettings {
        TransistorSettings {
            store: self.store.clone(),
            bodies: self.bodies.clone(),
            drops: self.drops.clone(),
            rates: self.rates.clone(),
            cors: self.cors.clone(),
        }
    }
}

impl Settings for Config {
    fn check(&self, problems: &mut Problems) {
        self.http.check("http", problems);
        self.transistor().check("", problems);
        self.log.check("log", problems);
    }
}

/// What is listened on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenSettings {
    /// Address for clients.
    pub address: SocketAddr,
    /// Address for operators: measurements and health. Without it, both are answered to clients' address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<SocketAddr>,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8082)), admin: None }
    }
}

/// What records are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// A file of this process.
    Sqlite,
    /// A database, for any number of processes.
    Postgresql,
}

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// What in.
    pub kind: StoreKind,
    /// With `sqlite`: the file. Its folder is made if it is missing.
    pub path: PathBuf,
    /// With `postgresql`: the database.
    pub postgresql: PostgresSettings,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            kind: StoreKind::Sqlite,
            path: PathBuf::from("transistor/drops.sqlite"),
            postgresql: PostgresSettings::default(),
        }
    }
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresSettings {
    /// `postgresql://user:password@host/database`, which may hold a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretSource>,
    /// Connections of this process at a time.
    pub connections: u32,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self { url: None, connections: 16 }
    }
}

impl StoreSettings {
    fn check(&self, section: &str, problems: &mut Problems) {
        let mut require = |condition: bool, name: &str, message: &'static str| {
            problems.require(condition, &format!("{section}.{name}"), message);
        };
        match self.kind {
            StoreKind::Sqlite => {
                require(!self.path.as_os_str().is_empty(), "path", "must name a file");
            }
            StoreKind::Postgresql => {
                let postgresql = &self.postgresql;
                require(postgresql.url.is_some(), "postgresql.url", "is needed: the URL of the database");
                require(postgresql.connections > 0, "postgresql.connections", "must be more than 0");
            }
        }
    }
}

/// How much one client may ask for: an address, or the part of one that is given to one household.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateSettings {
    /// Requests of any kind.
    pub requests: Quota,
    /// Drops and uploads that are begun; 16 copies count as one.
    pub drops: Quota,
    /// Kilobytes (1,024 bytes) that are sent to the server.
    pub kilobytes: Quota,
    /// Bodies it may send or fetch, and documents it may send, at the same time.
    pub bodies: u16,
}

impl Default for RateSettings {
    fn default() -> Self {
        Self {
            requests: Quota { per_minute: 600, burst: 1200 },
            drops: Quota { per_minute: 60, burst: 240 },
            // 64 MiB a minute, and two drops of the largest size at once.
            kilobytes: Quota { per_minute: 64 * 1024, burst: 8 * 1024 * 1024 },
            bodies: 16,
        }
    }
}

impl RateSettings {
    fn check(&self, section: &str, problems: &mut Problems) {
        self.requests.check(&format!("{section}.requests"), problems);
        self.drops.check(&format!("{section}.drops"), problems);
        self.kilobytes.check(&format!("{section}.kilobytes"), problems);
        problems.require(self.bodies > 0, &format!("{section}.bodies"), "must be more than 0");
    }
}

/// Programs of other origins in browsers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsSettings {
    /// Origins whose programs may use the interface, such as `https://app.example`; `*` is all of them.
    pub origins: Vec<AllowedOrigin>,
}
