//! Tokens for a Centrifugo server that pushes what a group's log takes in.
//!
//! Centrifugo knows no groups, only channels, and lets in whoever shows a JSON Web Token signed with a secret that it
//! shares with the node. The node gives such tokens to those who may read the group, one group at a time.

use core::fmt;

use protocol::{GroupId, UnixSeconds};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{BodyError, token::Token, wire};

/// Text that cannot be the name of a group's channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a channel")]
pub struct ChannelError;

/// Name of a group's channel: a namespace of 2 to [`Channel::MAX_NAMESPACE`] letters, digits and `-_.`, a colon, and the
/// group's id in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Channel(String);

impl Channel {
    /// Longest namespace, in bytes.
    pub const MAX_NAMESPACE: usize = 32;

    /// The channel of a group.
    ///
    /// # Errors
    /// [`ChannelError`] for a namespace that is none.
    pub fn new(namespace: &str, group: &GroupId) -> Result<Self, ChannelError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let fits = (2..=Self::MAX_NAMESPACE).contains(&namespace.len());
        if fits && namespace.bytes().all(plain) {
            Ok(Self(format!("{namespace}:{group}")))
        } else {
            Err(ChannelError)
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`ChannelError`] for text that names no group's channel.
    pub fn parse(text: &str) -> Result<Self, ChannelError> {
        let (namespace, group) = text.split_once(':').ok_or(ChannelError)?;
        Self::new(namespace, &group.parse().map_err(|_| ChannelError)?)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Answer of `GET …/centrifugo`: two tokens that open the same, for two ways of using them.
///
/// Neither names a user, and both name one channel, so that a server that sees them learns of no two groups that they
/// have a member in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::CentrifugoTokens", try_from = "wire::CentrifugoTokens")]
pub struct CentrifugoTokens {
    /// The group's channel.
    pub channel: Channel,
    /// Opens a connection that is subscribed to the channel from the beginning.
    pub connection: Token,
    /// Subscribes to the channel on a connection that was opened with the connection token of any group.
    pub subscription: Token,
    /// Until when both are taken; by then the reader fetches new ones, with a token that still stands.
    pub expires: UnixSeconds,
}

impl From<CentrifugoTokens> for wire::CentrifugoTokens {
    fn from(tokens: CentrifugoTokens) -> Self {
        Self {
            channel: tokens.channel.0,
            connection: tokens.connection.expose().to_owned(),
            subscription: tokens.subscription.expose().to_owned(),
            expires: tokens.expires.get(),
        }
    }
}

impl TryFrom<wire::CentrifugoTokens> for CentrifugoTokens {
    type Error = BodyError;

    fn try_from(tokens: wire::CentrifugoTokens) -> Result<Self, BodyError> {
        Ok(Self {
            channel: Channel::parse(&tokens.channel).map_err(|_| BodyError::Field("channel"))?,
            connection: Token::new(tokens.connection).map_err(|_| BodyError::Field("connection"))?,
            subscription: Token::new(tokens.subscription).map_err(|_| BodyError::Field("subscription"))?,
            expires: UnixSeconds::new(tokens.expires),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_a_namespace_and_a_group() {
        let group = GroupId::new([0xab; 32]);
        let channel = Channel::new("kith", &group).unwrap();
        assert_eq!(channel.as_str(), format!("kith:{}", "ab".repeat(32)));
        assert_eq!(Channel::parse(channel.as_str()), Ok(channel));
        for namespace in ["", "a", "a:b", "ä1", "a b", "a,b", "a#b", "$ab", &"a".repeat(33)] {
            assert_eq!(Channel::new(namespace, &group), Err(ChannelError), "{namespace}");
        }
        for text in ["kith", "kith:", "kith:ab", &format!("kith:{group}:{group}"), &format!("kith:{group},x")]
        {
            assert_eq!(Channel::parse(text), Err(ChannelError), "{text}");
        }
    }

    #[test]
    fn tokens_are_not_shown() {
        let token = |text: &str| Token::new(text.to_owned()).unwrap();
        let tokens = CentrifugoTokens {
            channel: Channel::new("kith", &GroupId::new([1; 32])).unwrap(),
            connection: token("visible1"),
            subscription: token("visible2"),
            expires: UnixSeconds::new(1),
        };
        assert!(
            !format!("{tokens:?} {:?}", wire::CentrifugoTokens::from(tokens.clone())).contains("visible")
        );
    }
}
