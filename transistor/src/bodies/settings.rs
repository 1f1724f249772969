//! Settings of the place where bodies are kept.

use core::time::Duration;
use std::path::PathBuf;

use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder};
use serde::{Deserialize, Serialize};
use service_kit::config::{ByteSize, Problems, SecretSource};

use super::CheckError;

/// What kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// A folder of this machine.
    Folder,
    /// A bucket of anything that speaks S3.
    S3,
}

/// Where bodies are kept that are too large for the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BodySettings {
    /// What kind of place.
    pub kind: BodyKind,
    /// The folder, which is made if it is missing.
    pub path: PathBuf,
    /// Bytes that stay free on the folder's disk: what would use them is refused.
    pub min_free: ByteSize,
    /// Bytes of a piece. Each upload keeps one in memory, each reader up to two. No text that is made as a document may
    /// be longer.
    pub segment: ByteSize,
    /// The bucket.
    pub s3: S3Settings,
}

impl Default for BodySettings {
    fn default() -> Self {
        Self {
            kind: BodyKind::Folder,
            path: PathBuf::from("transistor/bodies"),
            min_free: ByteSize::from_mib(512),
            segment: ByteSize::from_mib(4),
            s3: S3Settings::default(),
        }
    }
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3Settings {
    /// Address, `https://host[:port]`; without it, that of Amazon's for the region.
    pub endpoint: Option<String>,
    /// The bucket's name.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Name of the access key. Without key and secret, the machine's own role is used.
    pub access_key: Option<String>,
    /// The secret that belongs to it.
    pub secret_key: Option<SecretSource>,
    /// Whether the bucket's name stands in the path rather than before the host's.
    pub path_style: bool,
    /// Whether an address without TLS is accepted. The bodies are sealed, the names of objects and the traffic are not.
    pub allow_http: bool,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            bucket: String::new(),
            region: "us-east-1".to_owned(),
            access_key: None,
            secret_key: None,
            path_style: true,
            allow_http: false,
        }
    }
}

impl BodySettings {
    /// Reports everything that is wrong with the values; `section` is where they are among the settings.
    pub fn check(&self, section: &str, problems: &mut Problems) {
        let mut require = |condition: bool, name: &str, message: &'static str| {
            problems.require(condition, &format!("{section}.{name}"), message);
        };
        let segment = ByteSize::from_kib(64)..=ByteSize::from_mib(64);
        require(segment.contains(&self.segment), "segment", "must be 64KiB to 64MiB");
        match self.kind {
            BodyKind::Folder => {
                require(!self.path.as_os_str().is_empty(), "path", "must name a folder");
            }
            BodyKind::S3 => {
                let s3 = &self.s3;
                require(!s3.bucket.is_empty(), "s3.bucket", "must name a bucket");
                require(!s3.region.is_empty(), "s3.region", "must not be empty");
                let both = s3.access_key.is_some() == s3.secret_key.is_some();
                require(both, "s3.access_key", "needs s3.secret_key, and the other way round");
                let endpoint = s3.endpoint.as_deref().unwrap_or("https://");
                let (tls, plain) = (endpoint.starts_with("https://"), endpoint.starts_with("http://"));
                require(tls || plain, "s3.endpoint", "must begin with https:// or http://");
                require(!plain || s3.allow_http, "s3.endpoint", "is without TLS, which needs s3.allow_http");
            }
        }
    }
}

impl S3Settings {
    /// The client. Its retries are few and soon over: senders and readers wait for them.
    pub(super) fn client(&self) -> Result<Box<dyn ObjectStore>, CheckError> {
        // The first one installed stays; a program that chose another provider keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = self.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let options = ClientOptions::new()
            .with_allow_http(self.allow_http)
            .with_connect_timeout(Duration::from_secs(5))
            .with_timeout(Duration::from_secs(30))
            // A machine without certificates can still talk to its own network.
            .with_no_system_certificates(plain);
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(50),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 4,
            retry_timeout: Duration::from_secs(15),
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_allow_http(self.allow_http)
            .with_client_options(options)
            .with_retry(retry);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let (Some(name), Some(secret)) = (&self.access_key, &self.secret_key) {
            let secret = secret.load().map_err(CheckError::Secret)?;
            builder = builder.with_access_key_id(name).with_secret_access_key(secret.expose());
        }
        // What the builder says could repeat the address with a password in it.
        Ok(Box::new(builder.build().map_err(|_| CheckError::Settings)?))
    }
}
