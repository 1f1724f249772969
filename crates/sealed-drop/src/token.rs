//! Tokens: 32 bytes that let whoever has them do something, and the hashes a server keeps of them.

use core::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Characters of a token or a hash as text.
const TEXT_LEN: usize = 43;

/// A text that is no token: it has to be 43 characters of base64url without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a token: it has to be 43 characters of base64url")]
pub struct TokenError;

/// A token of 32 bytes: for access, for unlocking, of a claim, for deleting. Wiped on drop, compared in constant time,
/// not shown by `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; 32]);

impl Token {
    /// Draws a token, for claims and deletion.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut token = Self([0; 32]);
        rng.fill_bytes(&mut token.0);
        token
    }

    /// Takes 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(*bytes)
    }

    /// The 43 characters that stand in a header.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TEXT_LEN));
        URL_SAFE_NO_PAD.encode_string(self.0, &mut text);
        text
    }

    /// Reads 43 characters.
    ///
    /// # Errors
    /// [`TokenError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(32));
        URL_SAFE_NO_PAD.decode_vec(text, &mut bytes).map_err(|_| TokenError)?;
        Ok(Self(bytes.as_slice().try_into().map_err(|_| TokenError)?))
    }

    /// What the server keeps instead of the token.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// SHA-256 of a token, as it is sent when a drop is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 43 characters that stand in a header.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let token = Token::from_bytes(&[0xff; 32]);
        let text = token.to_text();
        assert_eq!(text.len(), TEXT_LEN);
        assert!(Token::parse(&text).is_ok_and(|again| again == token));
        for bad in ["", "AAAA", &format!("{}=", &*text), &"A".repeat(44), &"/".repeat(43), &"é".repeat(43)] {
            assert_eq!(Token::parse(bad), Err(TokenError), "{bad}");
        }
        // A last character whose lowest bits are not zero is a second form of the same bytes.
        assert_eq!(Token::parse(&"_".repeat(43)), Err(TokenError));
    }
}
