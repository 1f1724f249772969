//! How admins learn that they are: the list of commitments, and one box for each.
//!
//! The owner draws a secret for each admin and publishes the root of the commitments' tree in an operation. What goes
//! to the members is an [`Admins`]: the commitments in random order, which every admin needs to show its way to the
//! root, and as many boxes of equal length, each of which one admin's leaf secret opens. Nothing in a box names its
//! recipient. Members try each box and so tell their own; to anybody else a box looks like any other.

use core::fmt;

use curve::{Point, TreeSecret, field};
use protocol::{AdminCommitment, AdminRoot, GroupId, Suite};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Malformed,
    aead::{OneTimeKey, TAG_LEN},
    kdf, wire,
};

/// Most admins of a group besides its owner: what one payload holds with room to spare.
pub const MAX_ADMINS: usize = 256;

/// Length of an opening of a commitment, in bytes: secret and salt.
pub const OPENING_LEN: usize = 64;

const SEALED_LEN: usize = OPENING_LEN + TAG_LEN;
const BOX_LEN: usize = Point::LEN + SEALED_LEN;

/// No admin, or more than [`MAX_ADMINS`] (the caller's fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} admins in a list of 1 to 256")]
pub struct AdminCount(pub usize);

/// One admin to tell: its commitment, what opens it, and the tree key of its leaf.
pub struct Grant {
    /// The leaf of the admin tree.
    pub commitment: AdminCommitment,
    /// Secret and salt.
    pub opening: Zeroizing<[u8; OPENING_LEN]>,
    /// Tree key of the admin's leaf in the state the message is sent on.
    pub recipient: Point,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grant(..)")
    }
}

/// What a box held for its recipient.
pub struct Opened {
    /// Position of the commitment in the list.
    pub position: usize,
    /// Secret and salt. Whether they open the commitment there is for the recipient to check.
    pub opening: Zeroizing<[u8; OPENING_LEN]>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({}, ..)", self.position)
    }
}

/// The commitments of all admins, and a box for each at the same position.
#[derive(Clone, PartialEq, Eq)]
pub struct Admins {
    commitments: Vec<AdminCommitment>,
    boxes: Vec<SealedBox>,
}

#[derive(Clone, PartialEq, Eq)]
struct SealedBox {
    /// E = e·G.
    ephemeral: Point,
    sealed: [u8; SEALED_LEN],
}

impl Admins {
    /// Seals to each admin what it needs. The order of the grants becomes that of the list: draw it at random, or
    /// positions tell who is who.
    ///
    /// # Errors
    /// [`AdminCount`] for no grant, or more than [`MAX_ADMINS`].
    pub fn seal(
        suite: Suite,
        group: &GroupId,
        root: &AdminRoot,
        grants: &[Grant],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, AdminCount> {
        if grants.is_empty() || grants.len() > MAX_ADMINS {
            return Err(AdminCount(grants.len()));
        }
        let boxes = (0..).zip(grants).map(|(position, grant)| {
            let secret = TreeSecret::generate(rng);
            let ephemeral = secret.public();
            let key =
                box_key(group, root, position, &secret, &grant.recipient, [&ephemeral, &grant.recipient]);
            let sealed = key.seal(suite, &[], Zeroizing::new(grant.opening.to_vec()));
            // An AEAD that fails gives nothing, and a box of zeros opens for nobody.
            SealedBox { ephemeral, sealed: sealed.try_into().unwrap_or([0; SEALED_LEN]) }
        });
        Ok(Self {
            boxes: boxes.collect(),
            commitments: grants.iter().map(|grant| grant.commitment).collect(),
        })
    }

    /// Opens the box for a leaf, if one is: a Diffie–Hellman for each box up to it.
    ///
    /// `own` is the leaf's tree secret in the state the message was sent on, `root` the admin root of that state.
    #[must_use]
    pub fn open(&self, suite: Suite, group: &GroupId, root: &AdminRoot, own: &TreeSecret) -> Option<Opened> {
        let public = own.public();
        (0u16..).zip(&self.boxes).find_map(|(position, sealed)| {
            let ephemeral = &sealed.ephemeral;
            let key = box_key(group, root, position, own, ephemeral, [ephemeral, &public]);
            let opened = key.open(suite, &[], &sealed.sealed).ok()?;
            let mut opening = Zeroizing::new([0; OPENING_LEN]);
            if opened.len() != opening.len() {
                return None;
            }
            opening.copy_from_slice(&opened);
            Some(Opened { position: usize::from(position), opening })
        })
    }

    /// The commitments, in the order of the tree's leaves.
    #[must_use]
    pub fn commitments(&self) -> &[AdminCommitment] {
        &self.commitments
    }

    /// The encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let commitments = self.commitments.iter().flat_map(|one| *one.as_bytes()).collect();
        let mut boxes = Vec::with_capacity(self.boxes.len() * BOX_LEN);
        for one in &self.boxes {
            boxes.extend_from_slice(one.ephemeral.as_bytes());
            boxes.extend_from_slice(&one.sealed);
        }
        wire::encode(&AdminsWire { commitments, boxes }).to_vec()
    }

    /// Takes received bytes: 1 to [`MAX_ADMINS`] commitments, and as many boxes.
    ///
    /// # Errors
    /// [`Malformed`] for anything [`Self::to_bytes`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let wire: AdminsWire = wire::decode(bytes)?;
        let (commitments, rest) = wire.commitments.as_chunks::<{ AdminCommitment::LEN }>();
        let (boxes, more) = wire.boxes.as_chunks::<BOX_LEN>();
        // Before any point is decoded, which costs a subgroup check.
        let count = boxes.len();
        let fits = (1..=MAX_ADMINS).contains(&count) && commitments.len() == count;
        if !fits || !rest.is_empty() || !more.is_empty() {
            return Err(Malformed);
        }
        let commitment = |bytes: &[u8; 32]| {
            field::from_bytes(bytes).map(|_| AdminCommitment::new(*bytes)).ok_or(Malformed)
        };
        let sealed_box = |bytes: &[u8; BOX_LEN]| {
            let (ephemeral, sealed) = bytes.split_at(Point::LEN);
            let ephemeral = Point::from_bytes(&wire::array(ephemeral)?).map_err(|_| Malformed)?;
            Ok::<_, Malformed>(SealedBox { ephemeral, sealed: wire::array(sealed)? })
        };
        Ok(Self {
            commitments: commitments.iter().map(commitment).collect::<Result<_, _>>()?,
            boxes: boxes.iter().map(sealed_box).collect::<Result<_, _>>()?,
        })
    }
}

impl fmt::Debug for Admins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Admins({})", self.commitments.len())
    }
}

/// `Expand(Extract("kith/v1/admin-box", u ‖ E ‖ K ‖ group ‖ root), "admin box", position)` with u(e·K) = u(k·E).
fn box_key(
    group: &GroupId,
    root: &AdminRoot,
    position: u16,
    secret: &TreeSecret,
    other: &Point,
    [ephemeral, recipient]: [&Point; 2],
) -> OneTimeKey {
    let shared = secret.dh(other).to_bytes();
    let ikm = [&shared[..], ephemeral.as_bytes(), recipient.as_bytes(), group.as_bytes(), root.as_bytes()];
    let prk = kdf::extract(b"kith/v1/admin-box", &ikm);
    OneTimeKey::expand(&prk, "admin box", &position.to_be_bytes())
}

#[derive(Clone, PartialEq, prost::Message)]
struct AdminsWire {
    /// Commitments of 32 bytes, one after the other.
    #[prost(bytes = "vec", tag = "1")]
    commitments: Vec<u8>,
    /// Boxes of 112 bytes, one after the other: E, then the sealed opening.
    #[prost(bytes = "vec", tag = "2")]
    boxes: Vec<u8>,
}
