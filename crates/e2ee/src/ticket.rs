//! Open invites: links that let whoever has them join visibly.
//!
//! `<node>/join#kith-ticket1.<base64url>`. Browsers do not send the part behind `#`, so a node that serves a page at
//! `/join` learns nothing from a visit. The fragment holds the ticket's secret and an anchor: where in the group's
//! history to start, signed by the inviter together with the ticket's key and the node's address. A link gives no read
//! access to content: its holder must join, with a leaf secret nobody else ever knows, and everybody sees it.

use core::fmt;

use protocol::{Ctx, Epoch, GroupId, LogHash, Seq, SignatureBytes, SigningKey, UnixSeconds, VerifyingKey};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Malformed,
    name::DisplayName,
    node_url::NodeUrl,
    text::{self, TextError},
    wire::{self, Preimage},
};

const PREFIX: &str = "kith-ticket1.";
const PATH: &str = "/join";

/// Why a text is no acceptable link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It is not of the form `<node>/join#…`.
    #[error("not an invite link: it has to look like https://node/join#…")]
    Form,
    /// The part behind `#` is not right.
    #[error("the part behind # is not right")]
    Fragment(#[source] TextError),
    /// The inviter did not sign this ticket, anchor and node.
    #[error("the inviter's signature does not verify: the link was changed")]
    Signature,
}

/// Where a joiner starts: a state of the group, named so that a server cannot show another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The group.
    pub group: GroupId,
    /// Epoch of the state.
    pub epoch: Epoch,
    /// Context of that epoch; a state served for it must hash to this.
    pub ctx: Ctx,
    /// A position in the log at which that epoch stood.
    pub seq: Seq,
    /// Log hash at `seq`.
    pub log: LogHash,
    /// The group's owner.
    pub owner: VerifyingKey,
    /// When the ticket ends.
    pub expires: UnixSeconds,
    /// What the inviter calls the group, to show before joining.
    pub name: Option<DisplayName>,
}

/// An open invite: node, ticket key and anchor, signed by the inviter. Parsing verifies the signature.
pub struct TicketLink {
    server: NodeUrl,
    ticket: SigningKey,
    anchor: Anchor,
    inviter: VerifyingKey,
    signature: SignatureBytes,
}

impl TicketLink {
    /// Signs a link for a ticket that the group has accepted.
    #[must_use]
    pub fn issue(server: NodeUrl, ticket: SigningKey, anchor: Anchor, inviter: &SigningKey) -> Self {
        let signature = inviter.sign(preimage(&server, &ticket.verifying_key(), &anchor).bytes());
        Self { server, ticket, anchor, inviter: inviter.verifying_key(), signature }
    }

    /// The node that keeps the group.
    #[must_use]
    pub const fn server(&self) -> &NodeUrl {
        &self.server
    }

    /// The ticket's secret key, which signs the Join.
    #[must_use]
    pub const fn ticket(&self) -> &SigningKey {
        &self.ticket
    }

    /// Where to start.
    #[must_use]
    pub const fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// Who signed the link: a claim to be compared with an identity known from elsewhere.
    #[must_use]
    pub const fn inviter(&self) -> &VerifyingKey {
        &self.inviter
    }

    /// The link. All of it behind `#` is secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let wire = LinkWire {
            ticket: self.ticket.to_seed().to_vec(),
            group: self.anchor.group.as_bytes().to_vec(),
            epoch: self.anchor.epoch.get(),
            ctx: self.anchor.ctx.as_bytes().to_vec(),
            seq: self.anchor.seq.get(),
            log: self.anchor.log.as_bytes().to_vec(),
            owner: self.anchor.owner.as_bytes().to_vec(),
            expires: self.anchor.expires.get(),
            name: self.anchor.name.as_ref().map(|name| name.as_str().to_owned()),
            inviter: self.inviter.as_bytes().to_vec(),
            signature: self.signature.as_bytes().to_vec(),
        };
        let fragment = text::encode(PREFIX, &wire::encode(&wire));
        let server = self.server.as_str();
        let mut link = Zeroizing::new(String::with_capacity(server.len() + PATH.len() + 1 + fragment.len()));
        for part in [server, PATH, "#", &fragment] {
            link.push_str(part);
        }
        link
    }

    /// Reads a link and verifies the inviter's signature. Says nothing about expiry.
    ///
    /// # Errors
    /// [`LinkError`] by what is wrong with it.
    pub fn parse(link: &str) -> Result<Self, LinkError> {
        let (front, fragment) = link.trim().split_once('#').ok_or(LinkError::Form)?;
        let server = front.trim_end_matches('/').strip_suffix(PATH).ok_or(LinkError::Form)?;
        let server = NodeUrl::new(server).map_err(|_| LinkError::Form)?;
        let bytes = text::decode(PREFIX, fragment).map_err(LinkError::Fragment)?;
        let contents = |_: Malformed| LinkError::Fragment(TextError::Contents);
        let wire: LinkWire = wire::decode(&bytes).map_err(contents)?;
        let link = Self::read(server, &wire).map_err(contents)?;
        let preimage = preimage(&link.server, &link.ticket.verifying_key(), &link.anchor);
        link.inviter.verify(preimage.bytes(), &link.signature).map_err(|_| LinkError::Signature)?;
        Ok(link)
    }

    fn read(server: NodeUrl, wire: &LinkWire) -> Result<Self, Malformed> {
        let name = match &wire.name {
            Some(name) => Some(DisplayName::new(name).map_err(|_| Malformed)?),
            None => None,
        };
        let anchor = Anchor {
            group: GroupId::from_slice(&wire.group)?,
            epoch: Epoch::new(wire.epoch),
            ctx: Ctx::from_slice(&wire.ctx)?,
            seq: Seq::new(wire.seq),
            log: LogHash::from_slice(&wire.log)?,
            owner: VerifyingKey::from_slice(&wire.owner)?,
            expires: UnixSeconds::new(wire.expires),
            name,
        };
        Ok(Self {
            server,
            ticket: SigningKey::from_seed(&*wire::secret_array(&wire.ticket)?),
            anchor,
            inviter: VerifyingKey::from_slice(&wire.inviter)?,
            signature: SignatureBytes::from_slice(&wire.signature).ok_or(Malformed)?,
        })
    }
}

fn preimage(server: &NodeUrl, ticket: &VerifyingKey, anchor: &Anchor) -> Preimage {
    let preimage = Preimage::new("kith/v1/anchor")
        .fixed(ticket.as_bytes())
        .fixed(anchor.group.as_bytes())
        .u64(anchor.epoch.get())
        .fixed(anchor.ctx.as_bytes())
        .u64(anchor.seq.get())
        .fixed(anchor.log.as_bytes())
        .fixed(anchor.owner.as_bytes())
        .u64(anchor.expires.get())
        .sized(server.as_str().as_bytes());
    match &anchor.name {
        Some(name) => preimage.fixed(&[1]).sized(name.as_str().as_bytes()),
        None => preimage.fixed(&[0]),
    }
}

#[derive(prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct LinkWire {
    #[prost(bytes = "vec", tag = "1")]
    ticket: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    group: Vec<u8>,
    #[prost(uint64, tag = "3")]
    epoch: u64,
    #[prost(bytes = "vec", tag = "4")]
    ctx: Vec<u8>,
    #[prost(uint64, tag = "5")]
    seq: u64,
    #[prost(bytes = "vec", tag = "6")]
    log: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    owner: Vec<u8>,
    #[prost(uint64, tag = "8")]
    expires: u64,
    #[prost(string, optional, tag = "9")]
    name: Option<String>,
    #[prost(bytes = "vec", tag = "10")]
    inviter: Vec<u8>,
    #[prost(bytes = "vec", tag = "11")]
    signature: Vec<u8>,
}

impl fmt::Debug for LinkWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkWire(..)")
    }
}

impl fmt::Debug for TicketLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketLink(..)")
    }
}
