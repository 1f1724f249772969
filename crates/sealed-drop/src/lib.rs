//! What is sealed into a read-once drop, and the link that opens it.
//!
//! Only clients link this crate: the service that keeps drops stores what [`Sealer`] made under an id, and never has a
//! key. It is pure: no I/O, no clock, no global randomness.
//!
//! Where to start: a [`DropSecret`] is all that a link carries, and everything is derived from it: the [`DropId`] and
//! the access [`Token`] at once, the [`DropKeys`] with the password if there is one. [`DropLink`] is the link as text.
//! [`Info`] is what a reader is shown before it decides, [`Sealer`] and [`Opener`] do the content, piece by piece and
//! in bounded memory, [`ContentCipher`] one chunk of it wherever it stands.
//!
//! ```
//! use sealed_drop::{DropLink, DropSecret, Opener, Sealer};
//!
//! # let secret = DropSecret::from_bytes(&[7; 32]);
//! let link = DropLink::new("https://kith.example/transistor", secret, false)?.to_text();
//!
//! let link = DropLink::parse(&link)?;
//! let keys = link.secret().keys(None);
//! let mut sealed = Vec::new();
//! let mut sealer = Sealer::new(&keys.content, 5)?;
//! sealer.push(b"hello", &mut sealed)?;
//! sealer.finish(&mut sealed)?;
//!
//! let mut opener = Opener::new(&keys.content);
//! let mut content = Vec::new();
//! opener.push(&sealed, &mut content)?;
//! opener.finish(&mut content)?;
//! assert_eq!(content, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod id;
mod info;
mod kdf;
mod link;
mod opener;
mod padding;
mod sealer;
mod secret;
mod token;

pub use content::{
    CHUNK_LEN, ContentCipher, ContentKey, HEAD, HEAD_LEN, MAX_CONTENT, SEALED_CHUNK_LEN, sealed_len,
};
pub use id::{DropId, IdError};
pub use info::{Info, InfoError, InfoKey, SealedInfo};
pub use link::{DropLink, LinkError, PAGE_PATH};
pub use opener::{OpenError, Opened, Opener};
pub use sealer::{SealError, Sealer};
pub use secret::{DropKeys, DropSecret, PASSWORD_ROUNDS, Password};
pub use token::{Token, TokenError, TokenHash};
