//! Read tokens: traded for an answered challenge, shown as `Authorization: Bearer`.

use core::fmt;

use protocol::{Epoch, LeafId, Slot, UnixSeconds, VerifyingKey};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    BodyError,
    challenge::{Challenge, ChallengeNonce, ChallengeSignature, Claims},
    wire,
};

/// Text that cannot be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a token")]
pub struct TokenFormatError;

/// A bearer token: at most [`Token::MAX_LEN`] characters of the URL-safe base64 alphabet and dots, opaque to clients.
///
/// It travels in a header only, never in a URL. Wiped on drop, shown by nothing.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Token(String);

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Token {}

impl Token {
    /// Longest token, in bytes.
    pub const MAX_LEN: usize = 512;

    /// Checks the alphabet and the length.
    ///
    /// # Errors
    /// [`TokenFormatError`] for anything that cannot be a token; the text is wiped.
    pub fn new(mut text: String) -> Result<Self, TokenFormatError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.bytes().all(plain) {
            text.zeroize();
            return Err(TokenFormatError);
        }
        Ok(Self(text))
    }

    /// Reads the value of an `Authorization` header: `Bearer`, one space, the token (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// [`TokenFormatError`] for another scheme or a value that cannot be a token.
    pub fn from_authorization(value: &str) -> Result<Self, TokenFormatError> {
        let (scheme, token) = value.split_once(' ').ok_or(TokenFormatError)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenFormatError);
        }
        Self::new(token.to_owned())
    }

    /// The value of an `Authorization` header. The caller marks it as sensitive.
    #[must_use]
    pub fn to_authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

/// Body of `POST …/tokens`: an answered challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::TokenRequest", try_from = "wire::TokenRequest")]
pub struct TokenRequest {
    /// The challenge as it was given.
    pub challenge: Challenge,
    /// The epoch that was signed.
    pub epoch: Epoch,
    /// What is claimed.
    pub claims: Claims,
    /// Signature of the [`crate::challenge::Statement`].
    pub signature: ChallengeSignature,
}

impl From<TokenRequest> for wire::TokenRequest {
    fn from(request: TokenRequest) -> Self {
        let mut body = Self {
            nonce: request.challenge.nonce.as_bytes().to_vec(),
            expires: request.challenge.expires.get(),
            epoch: request.epoch.get(),
            root: None,
            leaf: None,
            ticket: None,
            signature: request.signature.as_bytes().to_vec(),
        };
        match request.claims {
            Claims::Root => body.root = Some(wire::RootClaims {}),
            Claims::Leaf { slot, leaf_id } => {
                body.leaf = Some(wire::LeafClaims { slot: slot.get(), leaf_id: leaf_id.get() });
            }
            Claims::Ticket { key } => body.ticket = Some(wire::TicketClaims { key: key.as_bytes().to_vec() }),
        }
        body
    }
}

impl TryFrom<wire::TokenRequest> for TokenRequest {
    type Error = BodyError;

    fn try_from(body: wire::TokenRequest) -> Result<Self, BodyError> {
        let claims = match (body.root, body.leaf, body.ticket) {
            (Some(wire::RootClaims {}), None, None) => Claims::Root,
            (None, Some(leaf), None) => {
                Claims::Leaf { slot: Slot::new(leaf.slot), leaf_id: LeafId::new(leaf.leaf_id) }
            }
            (None, None, Some(ticket)) => Claims::Ticket {
                key: VerifyingKey::from_slice(&ticket.key).map_err(|_| BodyError::Field("key"))?,
            },
            _ => return Err(BodyError::Field("claims")),
        };
        Ok(Self {
            challenge: Challenge {
                nonce: ChallengeNonce::from_wire(&body.nonce)?,
                expires: UnixSeconds::new(body.expires),
            },
            epoch: Epoch::new(body.epoch),
            claims,
            signature: ChallengeSignature::from_wire(&body.signature)?,
        })
    }
}

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything of the group, as for a member.
    Full,
    /// States and operations without their sealed parts, as for the holder of a ticket.
    Heads,
    /// The frame that removed the bearer's leaf, and nothing else.
    Removal,
}

impl Scope {
    const fn to_wire(self) -> wire::Scope {
        match self {
            Self::Full => wire::Scope::Full,
            Self::Heads => wire::Scope::Heads,
            Self::Removal => wire::Scope::Removal,
        }
    }
}

/// Answer of `POST …/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::TokenAnswer", try_from = "wire::TokenAnswer")]
pub struct TokenAnswer {
    /// The token.
    pub token: Token,
    /// Until when it may be shown; a change of the group can end it earlier.
    pub expires: UnixSeconds,
    /// What it opens.
    pub scope: Scope,
}

impl From<TokenAnswer> for wire::TokenAnswer {
    fn from(answer: TokenAnswer) -> Self {
        Self {
            token: answer.token.expose().to_owned(),
            expires: answer.expires.get(),
            scope: answer.scope.to_wire().into(),
        }
    }
}

impl TryFrom<wire::TokenAnswer> for TokenAnswer {
    type Error = BodyError;

    fn try_from(answer: wire::TokenAnswer) -> Result<Self, BodyError> {
        let scope = match wire::Scope::try_from(answer.scope) {
            Ok(wire::Scope::Full) => Scope::Full,
            Ok(wire::Scope::Heads) => Scope::Heads,
            Ok(wire::Scope::Removal) => Scope::Removal,
            Ok(wire::Scope::Unspecified) | Err(_) => return Err(BodyError::Field("scope")),
        };
        Ok(Self {
            token: Token::new(answer.token).map_err(|_| BodyError::Field("token"))?,
            expires: UnixSeconds::new(answer.expires),
            scope,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trip_and_refusals() {
        let token = Token::new("aB3.-_".to_owned()).unwrap();
        assert_eq!(token.to_authorization(), "Bearer aB3.-_");
        assert_eq!(Token::from_authorization("bearer aB3.-_"), Ok(token));
        for bad in ["Basic aB3", "Bearer", "Bearer ", "Bearer  a", "Bearer a b", "Bearer a\n"] {
            assert_eq!(Token::from_authorization(bad), Err(TokenFormatError), "{bad}");
        }
        assert!(Token::new("a".repeat(Token::MAX_LEN)).is_ok());
        assert!(Token::new("a".repeat(Token::MAX_LEN + 1)).is_err());
    }

    #[test]
    fn token_is_not_shown() {
        let answer = TokenAnswer {
            token: Token::new("visible".to_owned()).unwrap(),
            expires: UnixSeconds::new(1),
            scope: Scope::Full,
        };
        assert!(!format!("{answer:?} {:?}", wire::TokenAnswer::from(answer.clone())).contains("visible"));
    }
}
