//! Tokens: what somebody has to show.

use core::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drop_state::TokenHash;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// 32 bytes that whoever shows them has a right by. Wiped when dropped, compared in constant time, never shown by
/// `Debug`; as a text 43 characters of base64url without padding.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Token([u8; 32]);

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not 43 characters of base64url")]
pub struct TokenError;

impl Token {
    /// From 32 bytes, as random as the right is worth.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text, wiped when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0))
    }

    /// What a record keeps of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let mut bytes = Zeroizing::new([0; 32]);
        if text.len() != 43 || URL_SAFE_NO_PAD.decode_slice(text, &mut *bytes) != Ok(32) {
            return Err(TokenError);
        }
        Ok(Self(*bytes))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back_and_nothing_in_debug() {
        let token = Token::from_bytes(core::array::from_fn(|i| u8::try_from(i * 7).unwrap()));
        let text = token.to_text();
        assert_eq!(text.len(), 43);
        assert_eq!(text.parse::<Token>().unwrap(), token);
        assert_eq!(format!("{token:?}"), "Token(..)");
        for bad in
            ["", "a", &text[1..], &format!("{}=", *text), &text.replace(&text[..1], "+"), &"é".repeat(22)]
        {
            assert_eq!(bad.parse::<Token>(), Err(TokenError), "{bad}");
        }
    }
}
