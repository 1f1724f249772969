//! A member made outside the client library: it joins, follows and speaks with code of its own, and so can say what no
//! honest client would.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "test helpers")]

use std::sync::{Arc, OnceLock};

use api::{
    challenge::{Claims, Statement as Challenged},
    key_packages::{KeyPackageEntry, MailboxId, MailboxWriteKey, PutKeyPackages, SealedKeyPackage},
    token::{Token, TokenRequest},
};
use curve::{TreeSecret, schnorr};
use e2ee::{
    contact::{Contact, ContactSecret},
    content::Content,
    credential::{LeafBinding, LeafCredential, Profile},
    invite::SealedInvite,
    key_package::KeyPackagePrivate,
    message::MessageKeys,
    name::DisplayName,
    node_url::NodeUrl,
    payload::{Carrier, LogPosition, PayloadContext, SignedPayload},
    schedule::{EpochSecrets, InitSecret, JoinerSecret},
    ticket::TicketLink,
};
use group_state::{
    Accepted, GroupState,
    author::{Author, Authored, Witness, message_head},
};
use kith_client_sdk::{
    clock::{Clock as _, SystemClock},
    http::{HttpError, NodeClient},
};
use proofs::{Control, ProvingKey, Tier, VerifyingKeys, prove, setup_development};
use protocol::{
    Epoch, Frame, FrameDigest, FrameId, GroupId, LeafId, LogHash, OpDigest, Receipt, Seq, ServedFrame,
    SignatureBytes, SigningKey, Slot, Suite, UnixSeconds,
    digest::{self, Role},
    frame::Served,
};
use rand_core::{Rng as _, UnwrapErr};
use ratchet_tree::{Capacity, PathSecrets};

/// The system's randomness.
pub(crate) fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

pub(crate) fn fresh_id() -> FrameId {
    let mut bytes = [0; 16];
    rng().fill_bytes(&mut bytes);
    FrameId::new(bytes)
}

pub(crate) fn now() -> UnixSeconds {
    SystemClock.now()
}

pub(crate) fn keys() -> &'static VerifyingKeys {
    VerifyingKeys::development()
}

/// Slots under the largest circuit.
pub(crate) fn capacity() -> Capacity {
    Capacity::from_depth(u8::try_from(keys().max_dh_levels()).unwrap()).unwrap()
}

fn proving_key(tier: Tier) -> &'static ProvingKey {
    static SMALL: OnceLock<ProvingKey> = OnceLock::new();
    static LARGE: OnceLock<ProvingKey> = OnceLock::new();
    let key = if tier == Tier::T8 { &SMALL } else { &LARGE };
    key.get_or_init(|| setup_development(tier.into(), |_| {}).unwrap())
}

/// The proofs of a frame with this digest.
pub(crate) fn proofs_of(witnesses: &[Witness], digest: &FrameDigest) -> Vec<protocol::frame::ProofBytes> {
    witnesses
        .iter()
        .map(|witness| {
            let statement = witness.statement(digest).unwrap();
            prove(proving_key(statement.tier()), &statement, &witness.secret, &Control::default(), &mut rng())
                .unwrap()
                .to_bytes()
        })
        .collect()
}

/// With what a challenge is answered.
pub(crate) enum Answer<'a> {
    Ticket(&'a SigningKey),
    Leaf(&'a SigningKey, Slot, LeafId),
}

/// A token for reading.
pub(crate) async fn token(
    node: &NodeClient,
    group: &GroupId,
    epoch: Epoch,
    answer: Answer<'_>,
) -> Result<Token, HttpError> {
    let (key, claims) = match answer {
        Answer::Ticket(key) => (key, Claims::Ticket { key: key.verifying_key() }),
        Answer::Leaf(key, slot, leaf_id) => (key, Claims::Leaf { slot, leaf_id }),
    };
    let challenge = node.challenge(group, epoch, claims.purpose()).await?;
    let signature = Challenged { origin: node.origin(), group, epoch, claims, challenge }.sign(key);
    Ok(node.token(group, &TokenRequest { challenge, epoch, claims, signature }).await?.token)
}

/// Everything behind a position.
pub(crate) async fn frames_after(
    node: &NodeClient,
    group: &GroupId,
    mut after: Seq,
    heads: bool,
    token: &Token,
) -> Result<Vec<ServedFrame>, HttpError> {
    let mut all = Vec::new();
    loop {
        let page = node.frames(group, after, 256, heads, token).await?;
        all.extend(page.frames.iter().map(|bytes| bytes.decode().unwrap()));
        let Some(last) = all.last() else { return Ok(all) };
        if page.frames.is_empty() || last.seq >= page.head {
            return Ok(all);
        }
        after = last.seq;
    }
}

/// Folds what a log served, as anybody can.
pub(crate) fn fold(state: &GroupState, served: &ServedFrame) -> GroupState {
    match &served.content {
        Served::Frame(frame) | Served::Operation(frame) if frame.kind().is_operation() => {
            let Accepted { state, .. } = state.apply(frame, keys()).unwrap().verify(keys()).unwrap();
            state
        }
        Served::Frame(_) | Served::Operation(_) | Served::MessageHash(_) => {
            state.pass_over_message(&served.hash()).unwrap()
        }
    }
}

/// The values of a leaf that a credential signs.
pub(crate) fn binding(group: GroupId, tree: &ratchet_tree::Tree, slot: Slot) -> LeafBinding {
    let leaf = tree.leaf(slot).live().unwrap();
    LeafBinding { group, slot, leaf_id: leaf.leaf_id, dh: leaf.dh, sig: leaf.sig, since: leaf.since }
}

/// What an honest client says of its own leaf.
pub(crate) fn credential(leaf: &LeafBinding, name: &str, identity: &SigningKey) -> Content {
    let name = DisplayName::new(name).unwrap();
    Content::Credential {
        credential: LeafCredential::sign(leaf, identity),
        profile: Profile::sign(name, 0, &leaf.group, identity),
    }
}

/// A payload as an honest client makes it.
pub(crate) fn signed(
    context: &PayloadContext,
    seen: LogPosition,
    content: &Content,
    identity: &SigningKey,
) -> Vec<u8> {
    SignedPayload::sign(context, seen, content, identity).unwrap().to_bytes().to_vec()
}

fn leaf_signature(key: &SigningKey, digest: &FrameDigest) -> SignatureBytes {
    key.sign(&Role::Leaf.message(digest))
}

/// Somebody with a link, outside still.
pub(crate) struct Newcomer {
    pub(crate) node: NodeClient,
    pub(crate) fold: GroupState,
    ticket: SigningKey,
}

/// A Join with what its maker has to remember.
pub(crate) struct Join {
    pub(crate) frame: Frame,
    slot: Slot,
    secret: TreeSecret,
    sig: SigningKey,
    external: TreeSecret,
}

impl Newcomer {
    /// Takes the state the link is anchored at, and what came since.
    pub(crate) async fn with_link(link: &str) -> Self {
        let link = TicketLink::parse(link).unwrap();
        let node = NodeClient::new(link.server().as_str(), Arc::new(SystemClock)).unwrap();
        let anchor = link.anchor();
        let key = link.ticket().clone();
        let token = token(&node, &anchor.group, anchor.epoch, Answer::Ticket(&key)).await.unwrap();
        let state = node.state(&anchor.group, Some(anchor.epoch), &token).await.unwrap();
        let fold =
            GroupState::from_served(state.state.as_bytes(), &anchor.ctx, anchor.seq, anchor.log).unwrap();
        let mut newcomer = Self { node, fold, ticket: key };
        newcomer.catch_up().await;
        newcomer
    }

    pub(crate) async fn catch_up(&mut self) {
        let (group, epoch) = (self.fold.group(), self.fold.epoch());
        let token = token(&self.node, &group, epoch, Answer::Ticket(&self.ticket)).await.unwrap();
        for served in frames_after(&self.node, &group, self.fold.seq(), true, &token).await.unwrap() {
            self.fold = fold(&self.fold, &served);
        }
    }

    /// A Join whose payload says what `words` makes of its place and of the new leaf.
    pub(crate) fn join(&self, words: impl FnOnce(&PayloadContext, &LeafBinding) -> Vec<u8>) -> Join {
        let fold = &self.fold;
        let (secret, external) = (TreeSecret::generate(&mut rng()), TreeSecret::generate(&mut rng()));
        let sig = SigningKey::generate(&mut rng());
        let leaf_id = fold.tree().next_leaf_id();
        let authored = Author::new(fold, now(), fresh_id(), capacity())
            .unwrap()
            .join(self.ticket.verifying_key(), secret.clone(), sig.verifying_key(), external.public())
            .unwrap();
        let slot = authored.head.body.doer().unwrap();
        let path = PathSecrets::derive(&authored.tree, slot, &secret).unwrap();
        let op = digest::op_digest(&authored.head.encode());
        let joiner = JoinerSecret::derive(&external_init(fold, &external), path.root(), None, &op);
        let context = context(fold, &authored, slot, leaf_id, op);
        let payload = words(&context, &binding(fold.group(), &authored.tree, slot));
        let sealed = joiner.seal_op(fold.suite(), &op, &payload).unwrap();
        let mut frame = authored.frame(sealed);
        let d = frame.digest(&fold.ctx());
        frame.auth.ticket = Some(self.ticket.sign(&Role::Ticket.message(&d)));
        frame.auth.new_leaf = Some(sig.sign(&Role::NewLeaf.message(&d)));
        frame.proofs = proofs_of(&authored.witnesses, &d);
        Join { frame, slot, secret, sig, external }
    }

    /// A Join as an honest client makes it.
    pub(crate) fn honest_join(&self, name: &str, identity: &SigningKey) -> Join {
        let seen = LogPosition { seq: self.fold.seq(), log: self.fold.log() };
        self.join(|context, leaf| signed(context, seen, &credential(leaf, name, identity), identity))
    }

    /// Posts a Join that the node will take, and goes in by it.
    pub(crate) async fn enter(self, join: Join, identity: SigningKey) -> Hand {
        let Join { frame, slot, secret, sig, external } = join;
        let group = self.fold.group();
        post(&self.node, &group, &frame).await.unwrap();
        let Accepted { state, .. } = self.fold.apply(&frame, keys()).unwrap().verify(keys()).unwrap();
        let path = PathSecrets::derive(state.tree(), slot, &secret).unwrap();
        let init = external_init(&self.fold, &external);
        let joiner = JoinerSecret::derive(&init, path.root(), None, &frame.head_digest());
        let (init, keys) = epoch(&state, &joiner);
        let leaf_id = state.tree().leaf(slot).live().unwrap().leaf_id;
        let opened = None;
        Hand { node: self.node, identity, slot, leaf_id, secret, sig, path, init, keys, fold: state, opened }
    }
}

fn external_init(fold: &GroupState, external: &TreeSecret) -> InitSecret {
    let root = fold.tree().root_key();
    InitSecret::external(&external.dh(&root), &external.public(), &root, &fold.ctx())
}

fn epoch(fold: &GroupState, joiner: &JoinerSecret) -> (InitSecret, MessageKeys) {
    let EpochSecrets { init, sender_data, message_root, .. } = joiner.epoch(&fold.ctx());
    let capacity = fold.tree().capacity().get();
    (init, MessageKeys::new(fold.suite(), sender_data, message_root, capacity).unwrap())
}

fn context(
    fold: &GroupState,
    authored: &Authored,
    slot: Slot,
    leaf_id: LeafId,
    op: OpDigest,
) -> PayloadContext {
    PayloadContext {
        suite: fold.suite(),
        group: fold.group(),
        epoch: fold.epoch(),
        frame: authored.head.frame_id,
        slot,
        leaf_id,
        transcript: fold.transcript(),
        carrier: Carrier::Operation(op),
    }
}

/// A payload with any bytes as its content, properly signed all the same.
pub(crate) fn signed_raw(
    context: &PayloadContext,
    seen: LogPosition,
    content: &[u8],
    identity: &SigningKey,
) -> Vec<u8> {
    let (op, generation) = match context.carrier {
        Carrier::Operation(op) => ([&[1][..], op.as_bytes()].concat(), vec![0]),
        Carrier::Message(generation) => (vec![0], [&[1][..], &generation.get().to_be_bytes()].concat()),
    };
    let preimage = [
        b"kith/v1/payload\0",
        &context.suite.code().to_be_bytes()[..],
        context.group.as_bytes(),
        &context.epoch.get().to_be_bytes(),
        context.frame.as_bytes(),
        &op,
        &context.slot.get().to_be_bytes(),
        &context.leaf_id.get().to_be_bytes(),
        &generation,
        context.transcript.as_bytes(),
        &seen.seq.get().to_be_bytes(),
        seen.log.as_bytes(),
        &u32::try_from(content.len()).unwrap().to_be_bytes(),
        content,
    ]
    .concat();
    let wire = RawPayload {
        seq: seen.seq.get(),
        log: seen.log.as_bytes().to_vec(),
        content: content.to_vec(),
        signature: identity.sign(&preimage).as_bytes().to_vec(),
    };
    prost::Message::encode_to_vec(&wire)
}

/// A signed payload on the wire.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RawPayload {
    #[prost(uint64, tag = "1")]
    pub(crate) seq: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) log: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) content: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) signature: Vec<u8>,
}

/// A content on the wire.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RawContent {
    #[prost(uint32, tag = "1")]
    pub(crate) kind: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) body: Vec<u8>,
}

/// Somebody outside with one key package, to be invited by name.
pub(crate) struct Guest {
    identity: SigningKey,
    contact: ContactSecret,
    package: KeyPackagePrivate,
}

impl Guest {
    pub(crate) fn new(name: &str) -> Self {
        let identity = SigningKey::generate(&mut rng());
        let contact = ContactSecret::generate(&mut rng());
        let name = DisplayName::new(name).unwrap();
        let expires = now().saturating_add(30 * 24 * 3600);
        let package =
            KeyPackagePrivate::generate(&identity, name, Suite::Aes256Gcm, expires, false, &mut rng());
        Self { identity, contact, package }
    }

    /// Puts the package into a mailbox, and gives the text to be invited by.
    pub(crate) async fn contact(&self, url: &str) -> String {
        let node = NodeClient::new(url, Arc::new(SystemClock)).unwrap();
        let package = self.package.package();
        let sealed = SealedKeyPackage::new(self.contact.seal_package(package, &mut rng())).unwrap();
        let entry = KeyPackageEntry { sealed, expires: package.expires(), last_resort: false };
        let mailbox = MailboxId::new(*self.contact.mailbox().as_bytes());
        let put = PutKeyPackages { write_key: MailboxWriteKey::new([5; 32]), packages: vec![entry] };
        node.put_key_packages(&mailbox, &put).await.unwrap();
        let secret = ContactSecret::from_bytes(&self.contact.to_bytes());
        let node = NodeUrl::new(url).unwrap();
        Contact { secret, identity: self.identity.verifying_key(), node }.to_text().to_string()
    }

    /// What an invitee knows of the epoch its invite is for, without having joined.
    pub(crate) fn peek(self, invite: &str, fold: &GroupState, node: &NodeClient) -> Hand {
        let opened = SealedInvite::parse(invite).unwrap().open(&self.package).unwrap();
        let invite = &opened.invite;
        assert_eq!(invite.epoch, fold.epoch());
        let (init, keys) = epoch(fold, &invite.joiner);
        Hand {
            node: node.clone(),
            identity: self.identity,
            fold: fold.clone(),
            slot: invite.slot,
            leaf_id: invite.leaf_id,
            secret: invite.leaf_secret.clone(),
            sig: self.package.sig().clone(),
            path: PathSecrets::derive(fold.tree(), invite.slot, &invite.leaf_secret).unwrap(),
            init,
            keys,
            opened: None,
        }
    }
}

/// Sends a frame.
pub(crate) async fn post(node: &NodeClient, group: &GroupId, frame: &Frame) -> Result<Receipt, HttpError> {
    Ok(node.post_frame(group, frame.encode().unwrap()).await?.receipt)
}

/// A full member whose every secret lies open.
pub(crate) struct Hand {
    pub(crate) node: NodeClient,
    pub(crate) identity: SigningKey,
    pub(crate) fold: GroupState,
    pub(crate) slot: Slot,
    pub(crate) leaf_id: LeafId,
    pub(crate) secret: TreeSecret,
    pub(crate) sig: SigningKey,
    pub(crate) path: PathSecrets,
    pub(crate) init: InitSecret,
    pub(crate) keys: MessageKeys,
    /// The payload of the operation taken last.
    pub(crate) opened: Option<Vec<u8>>,
}

impl Hand {
    /// Joins by a link as an honest client would.
    pub(crate) async fn honest(link: &str, name: &str) -> Self {
        let identity = SigningKey::generate(&mut rng());
        let newcomer = Newcomer::with_link(link).await;
        let join = newcomer.honest_join(name, &identity);
        newcomer.enter(join, identity).await
    }

    pub(crate) fn seen(&self) -> LogPosition {
        LogPosition { seq: self.fold.seq(), log: self.fold.log() }
    }

    /// Takes what the log has, and gives it to look at.
    pub(crate) async fn sync(&mut self) -> Vec<ServedFrame> {
        let (group, epoch) = (self.fold.group(), self.fold.epoch());
        let own = Answer::Leaf(&self.sig, self.slot, self.leaf_id);
        let token = token(&self.node, &group, epoch, own).await.unwrap();
        let frames = frames_after(&self.node, &group, self.fold.seq(), false, &token).await.unwrap();
        for served in &frames {
            self.take(served, None);
        }
        frames
    }

    fn take(&mut self, served: &ServedFrame, fresh: Option<TreeSecret>) {
        let next = fold(&self.fold, served);
        if let Some(frame) = served.frame().filter(|frame| frame.kind().is_operation()) {
            let secret = fresh.unwrap_or_else(|| self.secret.clone());
            let path = PathSecrets::derive(next.tree(), self.slot, &secret).unwrap();
            let external = frame.head().body.external().map(|external| {
                let root = self.fold.tree().root_key();
                InitSecret::external(&self.path.root().dh(external), external, &root, &self.fold.ctx())
            });
            let init = external.as_ref().unwrap_or(&self.init);
            let joiner = JoinerSecret::derive(init, path.root(), None, &frame.head_digest());
            let (digest, sealed) = (frame.head_digest(), frame.sealed().unwrap_or_default());
            self.opened = joiner.open_op(next.suite(), &digest, sealed).ok().map(|bytes| bytes.to_vec());
            (self.init, self.keys) = epoch(&next, &joiner);
            (self.secret, self.path) = (secret, path);
        }
        self.fold = next;
    }

    /// A message from any slot, since all members can derive the keys of all; `words` makes its payload, whatever its
    /// sender signs.
    pub(crate) fn message_of(&mut self, slot: Slot, words: impl FnOnce(&PayloadContext) -> Vec<u8>) -> Frame {
        let id = fresh_id();
        let head = message_head(self.fold.suite(), self.fold.group(), self.fold.epoch(), id);
        let aad = digest::message_digest(&head.encode());
        let key = self.keys.reserve(slot).unwrap();
        let context = PayloadContext {
            suite: self.fold.suite(),
            group: self.fold.group(),
            epoch: self.fold.epoch(),
            frame: id,
            slot,
            leaf_id: self.fold.tree().leaf(slot).live().map_or(LeafId::ZERO, |leaf| leaf.leaf_id),
            transcript: self.fold.transcript(),
            carrier: Carrier::Message(key.generation()),
        };
        let payload = words(&context);
        let sealed = self.keys.seal(key, &id, &aad, &payload).unwrap();
        self.sealed_message(id, sealed)
    }

    /// A message whose sealed part is anything at all; the epoch's key signs it.
    pub(crate) fn sealed_message(&self, id: FrameId, sealed: Vec<u8>) -> Frame {
        let head = message_head(self.fold.suite(), self.fold.group(), self.fold.epoch(), id);
        let mut frame = Frame::unsigned(head, sealed);
        let d = frame.digest(&self.fold.ctx());
        frame.auth.sign = Some(schnorr::sign(self.path.sign(), d.as_bytes(), &mut rng()));
        frame
    }

    /// A message as an honest client makes it.
    pub(crate) fn say(&mut self, content: &Content) -> Frame {
        let (seen, identity) = (self.seen(), self.identity.clone());
        self.message_of(self.slot, |context| signed(context, seen, content, &identity))
    }

    /// A key update of the own leaf, valid for the node, with any payload or any sealed bytes.
    pub(crate) fn update(&self, words: Words<'_>) -> Update {
        let secret = TreeSecret::generate(&mut rng());
        let authored = Author::new(&self.fold, now(), fresh_id(), capacity())
            .unwrap()
            .update_key(self.slot, secret.clone(), None)
            .unwrap();
        let path = PathSecrets::derive(&authored.tree, self.slot, &secret).unwrap();
        let op = digest::op_digest(&authored.head.encode());
        let joiner = JoinerSecret::derive(&self.init, path.root(), None, &op);
        let context = context(&self.fold, &authored, self.slot, self.leaf_id, op);
        let sealed = match words {
            Words::Payload(words) => {
                let payload = words(&context, &binding(self.fold.group(), &authored.tree, self.slot));
                joiner.seal_op(self.fold.suite(), &op, &payload).unwrap()
            }
            Words::Sealed(bytes) => bytes,
        };
        let mut frame = authored.frame(sealed);
        let d = frame.digest(&self.fold.ctx());
        frame.auth.leaf = Some(leaf_signature(&self.sig, &d));
        frame.proofs = proofs_of(&authored.witnesses, &d);
        Update { frame, secret }
    }

    /// A key update as an honest client makes it.
    pub(crate) fn honest_update(&self, name: &str) -> Update {
        let (seen, identity) = (self.seen(), self.identity.clone());
        self.update(Words::Payload(Box::new(move |context, leaf| {
            signed(context, seen, &credential(leaf, name, &identity), &identity)
        })))
    }

    /// Posts an update that the node will take, and goes on from it.
    pub(crate) async fn updated(&mut self, update: Update) {
        let receipt = self.post(&update.frame).await.unwrap();
        let served = ServedFrame {
            seq: receipt.seq,
            received_at_ms: receipt.received_at_ms,
            content: Served::Frame(update.frame),
        };
        self.take(&served, Some(update.secret));
    }

    /// Posts a message that the node will take, and goes on from it.
    pub(crate) async fn sent(&mut self, frame: Frame) -> Seq {
        let receipt = self.post(&frame).await.unwrap();
        self.fold = self.fold.pass_over_message(&frame.hash()).unwrap();
        assert_eq!((self.fold.seq(), self.fold.log()), (receipt.seq, receipt.log), "somebody was faster");
        receipt.seq
    }

    pub(crate) async fn post(&self, frame: &Frame) -> Result<Receipt, HttpError> {
        post(&self.node, &self.fold.group(), frame).await
    }
}

/// Makes a payload for a place and a leaf.
type MakePayload<'a> = Box<dyn FnOnce(&PayloadContext, &LeafBinding) -> Vec<u8> + 'a>;

/// What an update carries.
pub(crate) enum Words<'a> {
    /// A payload, sealed as it should be.
    Payload(MakePayload<'a>),
    /// Bytes in place of what is sealed.
    Sealed(Vec<u8>),
}

/// An update with the secret it installs.
pub(crate) struct Update {
    pub(crate) frame: Frame,
    secret: TreeSecret,
}

/// No log has this hash anywhere.
pub(crate) const NO_LOG: LogHash = LogHash::new([9; 32]);
