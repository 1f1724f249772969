//! What a link carries, and what is derived from it.

use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    content::{ContentKey, KEY_BYTES},
    id::DropId,
    info::InfoKey,
    kdf,
    token::Token,
};

/// Rounds of PBKDF2-HMAC-SHA-256 that a password takes.
pub const PASSWORD_ROUNDS: u32 = 600_000;

/// The secret of a drop: whoever has it, and the password where there is one, can read it. 32 bytes, wiped on drop,
/// compared in constant time, not shown by `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DropSecret([u8; 32]);

impl DropSecret {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Draws a secret.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Self([0; 32]);
        rng.fill_bytes(&mut secret.0);
        secret
    }

    /// Takes 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(*bytes)
    }

    /// The bytes, for storage under encryption or inside something sealed; wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// The id of the drop.
    #[must_use]
    pub fn id(&self) -> DropId {
        DropId::derived(*kdf::expand(&self.prk(), "kith/v1/drop/id", b""))
    }

    /// The access token, without which a server says that there is no such drop.
    #[must_use]
    pub fn access(&self) -> Token {
        Token::from_bytes(&kdf::expand(&self.prk(), "kith/v1/drop/access", b""))
    }

    /// The secret of the copy of that name. Names are bytes that the maker of the copies chooses; the same name gives
    /// the same copy.
    #[must_use]
    pub fn copy(&self, name: &[u8]) -> Self {
        Self(*kdf::expand(&self.prk(), "kith/v1/drop/copy", name))
    }

    /// The keys. With a password this takes 600,000 rounds of hashing: do it where waiting is allowed.
    #[must_use]
    pub fn keys(&self, password: Option<&Password>) -> DropKeys {
        let prk = self.prk();
        let Some(password) = password else {
            return DropKeys::derive(&prk, None);
        };
        let salt = kdf::expand(&prk, "kith/v1/drop/salt", b"");
        let stretched = kdf::stretch(password.0.as_bytes(), &salt, PASSWORD_ROUNDS);
        let prk = kdf::extract(&*prk, &stretched);
        let unlock = Token::from_bytes(&kdf::expand(&prk, "kith/v1/drop/unlock", b""));
        DropKeys::derive(&prk, Some(unlock))
    }

    fn prk(&self) -> Zeroizing<[u8; 32]> {
        kdf::extract(b"", &self.0)
    }

    pub(crate) const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for DropSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for DropSecret {}

impl fmt::Debug for DropSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DropSecret(..)")
    }
}

/// A password as it was typed: its UTF-8 bytes, nothing taken away. Wiped on drop, not shown by `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

impl Password {
    /// Takes a password.
    #[must_use]
    pub const fn new(password: String) -> Self {
        Self(password)
    }

    /// Whether nothing was typed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What opens a drop once the password, if there is one, is known.
#[derive(Debug)]
#[non_exhaustive]
pub struct DropKeys {
    /// Shown to the server when claiming; only with a password.
    pub unlock: Option<Token>,
    /// Key of the info.
    pub info: InfoKey,
    /// Key of the content, unless the info names another one, as that of a copy does.
    pub content: ContentKey,
}

impl DropKeys {
    fn derive(prk: &[u8; 32], unlock: Option<Token>) -> Self {
        let info = InfoKey::new(kdf::expand(prk, "kith/v1/drop/info", b""));
        let content = ContentKey::from_bytes(&kdf::expand::<KEY_BYTES>(prk, "kith/v1/drop/content", b""));
        Self { unlock, info, content }
    }
}
