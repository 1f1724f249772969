//! Tokens for the server that pushes frames in the node's stead, where an operator has one.
//!
//! Centrifugo takes JSON Web Tokens (RFC 7519) signed with HMAC-SHA256. What they say is fixed here, so they are written
//! and never read: nothing a stranger sends is parsed.

use std::fmt;

use api::{
    centrifugo::{CentrifugoTokens, Channel},
    token::Token,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use protocol::{GroupId, UnixSeconds};
use serde::Serialize;
use service_kit::config::{Secret, SecretError};
use sha2::Sha256;

use crate::config::CentrifugoSettings;

/// Shortest secret that is taken: as long as the code it makes (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;
/// `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// Issues tokens for channels of one Centrifugo.
pub(crate) struct CentrifugoIssuer {
    secret: Secret,
    settings: CentrifugoSettings,
}

impl fmt::Debug for CentrifugoIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CentrifugoIssuer")
    }
}

/// What a token says. The user is always the empty one, whom Centrifugo calls anonymous: it must be the same in both
/// tokens, and anything else would tie a member's groups together.
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'static str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    /// Of a connection token: what the connection is subscribed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<[&'a str; 1]>,
    /// Of a subscription token: what may be subscribed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
}

impl CentrifugoIssuer {
    /// An issuer, or `None` where no secret is shared with a Centrifugo.
    ///
    /// # Errors
    /// The secret cannot be read; `None` for one that is too short.
    pub(crate) fn new(settings: &CentrifugoSettings) -> Result<Option<Self>, Option<SecretError>> {
        let Some(source) = &settings.secret else { return Ok(None) };
        let secret = source.load().map_err(Some)?;
        if secret.expose().len() < SHORTEST_SECRET {
            return Err(None);
        }
        Ok(Some(Self { secret, settings: settings.clone() }))
    }

    /// Tokens for a group's channel. `None` only for settings that were never checked.
    pub(crate) fn issue(&self, group: &GroupId, now: UnixSeconds) -> Option<CentrifugoTokens> {
        let channel = Channel::new(&self.settings.namespace, group).ok()?;
        let expires = now.saturating_add(self.settings.lifetime.as_secs());
        let claims = Claims {
            sub: "",
            iat: now.get(),
            exp: expires.get(),
            aud: self.settings.audience.as_deref(),
            iss: self.settings.issuer.as_deref(),
            channels: None,
            channel: None,
        };
        let connection = self.sign(&Claims { channels: Some([channel.as_str()]), ..claims })?;
        let subscription = self.sign(&Claims { channel: Some(channel.as_str()), ..claims })?;
        Some(CentrifugoTokens { channel, connection, subscription, expires })
    }

    fn sign(&self, claims: &Claims<'_>) -> Option<Token> {
        let mut text = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).ok()?));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes()).ok()?;
        mac.update(text.as_bytes());
        let code = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        text.push('.');
        text.push_str(&code);
        Token::new(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use service_kit::config::{Period, SecretSource};

    use super::*;

    const SECRET: &str = "a secret of at least 32 characters";

    fn settings(secret: &str) -> CentrifugoSettings {
        CentrifugoSettings {
            secret: Some(SecretSource::Inline(Secret::new(secret.to_owned()))),
            ..CentrifugoSettings::default()
        }
    }

    /// Made with another program's crypto library from the same claims:
    /// `createHmac("sha256", SECRET).update(header + "." + claims).digest("base64url")`.
    #[test]
    fn golden_tokens() {
        let issuer = CentrifugoIssuer::new(&settings(SECRET)).unwrap().unwrap();
        let tokens = issuer.issue(&GroupId::new([0xab; 32]), UnixSeconds::new(1_700_000_000)).unwrap();
        assert_eq!(tokens.expires, UnixSeconds::new(1_700_000_300));
        assert_eq!(tokens.channel.as_str(), format!("kith:{}", "ab".repeat(32)));
        assert_eq!(tokens.connection.expose(), include_str!("centrifugo/connection.jwt").trim_end());
        assert_eq!(tokens.subscription.expose(), include_str!("centrifugo/subscription.jwt").trim_end());
    }

    #[test]
    fn the_longest_claims_fit_a_token() {
        let settings = CentrifugoSettings {
            namespace: "n".repeat(Channel::MAX_NAMESPACE),
            audience: Some("a".repeat(CentrifugoSettings::MAX_CLAIM)),
            issuer: Some("i".repeat(CentrifugoSettings::MAX_CLAIM)),
            lifetime: Period::from_secs(3_600),
            ..settings(SECRET)
        };
        let issuer = CentrifugoIssuer::new(&settings).unwrap().unwrap();
        assert!(issuer.issue(&GroupId::new([0xff; 32]), UnixSeconds::new(99_999_999_999)).is_some());
    }

    #[test]
    fn a_secret_is_long_and_readable_or_there_is_none() {
        assert!(CentrifugoIssuer::new(&CentrifugoSettings::default()).unwrap().is_none());
        assert!(matches!(CentrifugoIssuer::new(&settings("short")), Err(None)));
        assert!(matches!(CentrifugoIssuer::new(&settings("")), Err(Some(SecretError::Empty))));
        let shown = format!("{:?}", CentrifugoIssuer::new(&settings(SECRET)).unwrap());
        assert!(!shown.contains("secret of"), "{shown}");
    }
}
