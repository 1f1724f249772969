//! How NATS is reached.

use std::path::PathBuf;

use frame_log::Partitions;
use serde::{Deserialize, Serialize};
use service_kit::config::{Problems, SecretSource};

use crate::{BadPrefix, Names, Prefix};

/// Where NATS is, who one is there, and what things are called. Relay and nodes are told the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NatsSettings {
    /// Addresses, `nats://host:port` or `tls://host:port`, without user and password; others of the same cluster are
    /// learned from it.
    pub urls: Vec<String>,
    /// User name, with `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password of `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// A token instead of user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
    /// The seed of an nkey instead of user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nkey: Option<SecretSource>,
    /// File of credentials (`.creds`: a JWT and the seed it belongs to) instead of user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<PathBuf>,
    /// Refuses a server that does not speak TLS, also under `nats://`.
    pub require_tls: bool,
    /// PEM file of certificate authorities to trust besides those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// PEM file of the certificate to show, with `certificate_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM file of the key of `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_key: Option<PathBuf>,
    /// First word of all subjects and streams.
    pub prefix: String,
    /// Partitions the groups are shared out in, 1 to 4096. To change it, change the prefix as well: the streams of
    /// another number hold other groups.
    pub partitions: u16,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            urls: vec!["nats://127.0.0.1:4222".to_owned()],
            user: None,
            password: None,
            token: None,
            nkey: None,
            credentials: None,
            require_tls: false,
            ca: None,
            certificate: None,
            certificate_key: None,
            prefix: "kith".to_owned(),
            partitions: 8,
        }
    }
}

impl NatsSettings {
    /// Reports everything that is wrong with the values; `key` is where they are among the settings.
    pub fn check(&self, key: &str, problems: &mut Problems) {
        let mut require = |condition: bool, name: &str, message: &'static str| {
            problems.require(condition, &format!("{key}.{name}"), message);
        };
        require(!self.urls.is_empty(), "urls", "needs at least one address");
        for url in &self.urls {
            match url.parse::<async_nats::ServerAddr>() {
                Ok(address) => require(
                    !address.has_user_pass() && address.username().is_none(),
                    "urls",
                    "take no user and password; these have settings of their own",
                ),
                Err(_) => require(false, "urls", "must have the form nats://host:port"),
            }
        }
        require(self.user.is_some() == self.password.is_some(), "user", "goes together with the password");
        let ways =
            [self.user.is_some(), self.token.is_some(), self.nkey.is_some(), self.credentials.is_some()];
        require(
            ways.into_iter().filter(|way| *way).count() <= 1,
            "user",
            "user, token, nkey and credentials exclude each other",
        );
        require(
            self.certificate.is_some() == self.certificate_key.is_some(),
            "certificate",
            "goes together with certificate_key",
        );
        require(
            self.prefix.parse::<Prefix>().is_ok(),
            "prefix",
            "must be 1 to 32 letters, digits, `-` and `_`",
        );
        require(Partitions::new(self.partitions).is_ok(), "partitions", "must be 1 to 4096");
    }

    /// What things are called.
    ///
    /// # Errors
    /// [`BadPrefix`] for settings that [`Self::check`] reports.
    pub fn names(&self) -> Result<Names, BadPrefix> {
        let partitions = Partitions::new(self.partitions).map_err(|_| BadPrefix)?;
        Ok(Names::new(self.prefix.parse()?, partitions))
    }
}
