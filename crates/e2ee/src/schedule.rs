//! The key schedule: from a root secret to the secrets of an epoch.
//!
//! ```text
//! joiner = Expand(Extract(salt = init, ikm = k_root ‖ psk or zero), "joiner", op_digest)
//! epoch  = Expand(joiner, "epoch", ctx)  ->  init, sender data, message root, exporter, authenticator, membership
//! ```
//!
//! The payload of an operation is sealed under `joiner`, which depends on the operation's head but not on its sealed
//! part; the epoch's secrets depend on `ctx`, whose transcript covers both. So nothing is circular, a removed member
//! lacks `k_root`, and whoever is invited gets `joiner` and with it this epoch and, through `init`, the following.

use core::fmt;

use curve::{Point, SharedU, TreeSecret};
use protocol::{Ctx, OpDigest, Suite};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    OpenError, SealError,
    aead::{OneTimeKey, TAG_LEN},
    kdf, padding,
    secret::secret,
};

secret! {
    /// Carries the key schedule from one epoch into the next.
    pub InitSecret
}
secret! {
    /// What one operation's payload is sealed under, and what its epoch's secrets come from; invites carry it.
    pub JoinerSecret
}
secret! {
    /// Hides who sends the messages of an epoch.
    pub SenderDataSecret
}
secret! {
    /// Root of the secret tree of an epoch; [`crate::secret_tree::SecretTree::new`] consumes it.
    pub MessageRoot
}
secret! {
    /// Gives applications keys of their own, bound to the epoch.
    pub ExporterSecret
}
secret! {
    /// What two members compare to know that they are in the same group, see [`crate::comparison`].
    pub Authenticator
}
secret! {
    /// Authenticates a member of the epoch towards other members.
    pub MembershipKey
}

impl InitSecret {
    /// The one before an Init: zero.
    #[must_use]
    pub const fn new_group() -> Self {
        Self([0; 32])
    }

    /// The one of a Join, a Rejoin, and a Heal that begins with a Rejoin:
    /// `Extract("kith/v1/ext-init", u(e·K_root) ‖ E ‖ K_root ‖ ctx)`, all of the epoch the operation builds on.
    ///
    /// The joiner computes `shared` as `e.dh(&k_root)`, members as `k_root_secret.dh(&e_public)`.
    #[must_use]
    pub fn external(shared: &SharedU, e: &Point, k_root: &Point, ctx: &Ctx) -> Self {
        let ikm: [&[u8]; 4] = [&*shared.to_bytes(), e.as_bytes(), k_root.as_bytes(), ctx.as_bytes()];
        Self(*kdf::extract(b"kith/v1/ext-init", &ikm))
    }
}

impl Clone for JoinerSecret {
    /// All invitees of a frame get the same one.
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl Clone for Authenticator {
    /// The state shows it and each invite carries it.
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl JoinerSecret {
    /// The joiner secret of the epoch an operation leads to.
    ///
    /// `init` is that of the epoch before or [`InitSecret::external`], `k_root` the root secret *after* the operation.
    /// Without a pre-shared key its place holds zeros.
    #[must_use]
    pub fn derive(
        init: &InitSecret,
        k_root: &TreeSecret,
        psk: Option<&[u8; 32]>,
        op_digest: &OpDigest,
    ) -> Self {
        let psk = psk.unwrap_or(&[0; 32]);
        let prk = kdf::extract(init.expose(), &[&*k_root.to_bytes(), psk]);
        Self(*kdf::expand(&prk, "joiner", op_digest.as_bytes()))
    }

    /// Pads and seals an operation's payload; associated data is the digest of its head.
    ///
    /// The key is used for one plaintext: a head has a random frame id, so another payload needs another head.
    ///
    /// # Errors
    /// [`SealError::TooLong`] above [`padding::MAX_PLAINTEXT`].
    pub fn seal_op(&self, suite: Suite, op_digest: &OpDigest, payload: &[u8]) -> Result<Vec<u8>, SealError> {
        let padded = padding::pad(payload)?;
        Ok(self.op_key().seal(suite, op_digest.as_bytes(), padded))
    }

    /// Opens what [`Self::seal_op`] sealed.
    ///
    /// # Errors
    /// [`OpenError`] by what does not fit; nothing is learnt of the plaintext.
    pub fn open_op(
        &self,
        suite: Suite,
        op_digest: &OpDigest,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if sealed.len() > protocol::limits::MAX_PAYLOAD + TAG_LEN {
            return Err(OpenError::Length);
        }
        padding::unpad(&self.op_key().open(suite, op_digest.as_bytes(), sealed)?)
    }

    /// The secrets of the epoch whose context is `ctx`.
    #[must_use]
    pub fn epoch(&self, ctx: &Ctx) -> EpochSecrets {
        let epoch = kdf::expand::<32>(self.expose(), "epoch", ctx.as_bytes());
        let part = |label| *kdf::expand(&epoch, label, &[]);
        EpochSecrets {
            init: InitSecret(part("init")),
            sender_data: SenderDataSecret(part("sender data")),
            message_root: MessageRoot(part("message root")),
            exporter: ExporterSecret(part("exporter")),
            authenticator: Authenticator(part("authenticator")),
            membership: MembershipKey(part("membership")),
        }
    }

    fn op_key(&self) -> OneTimeKey {
        OneTimeKey::from_parts(
            &kdf::expand(self.expose(), "op key", &[]),
            &kdf::expand(self.expose(), "op nonce", &[]),
        )
    }
}

/// The secrets of one epoch. Each is wiped when dropped; move out what is kept.
pub struct EpochSecrets {
    /// For the next operation.
    pub init: InitSecret,
    /// For the headers of messages.
    pub sender_data: SenderDataSecret,
    /// For the contents of messages.
    pub message_root: MessageRoot,
    /// For the application; withheld while a leaf is dirty.
    pub exporter: ExporterSecret,
    /// For comparison between people; withheld while a leaf is dirty.
    pub authenticator: Authenticator,
    /// For proofs of membership between members.
    pub membership: MembershipKey,
}

impl fmt::Debug for EpochSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochSecrets(..)")
    }
}

/// Why nothing is exported (the caller's fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The label is longer than 128 bytes.
    #[error("an export label of {0} bytes, the limit is 128")]
    LabelTooLong(usize),
    /// More bytes than one expansion gives.
    #[error("{0} bytes asked for, the limit is 8,160")]
    TooMuch(usize),
}

impl ExporterSecret {
    /// `len` bytes for the application, different for every label and context (shape of RFC 9420, section 8.5).
    ///
    /// # Errors
    /// [`ExportError`] for a label above 128 bytes or more than 8,160 bytes of output.
    pub fn export(&self, label: &str, context: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, ExportError> {
        if label.len() > 128 {
            return Err(ExportError::LabelTooLong(label.len()));
        }
        if len > kdf::MAX_OUTPUT {
            return Err(ExportError::TooMuch(len));
        }
        // The application's label is context, not label, so it cannot name one of ours.
        let own = kdf::expand::<32>(self.expose(), "export", label.as_bytes());
        let mut out = Zeroizing::new(vec![0; len]);
        kdf::expand_into(&own, "exported", context, &mut out);
        Ok(out)
    }
}
