//! Who has to sign which frame, and whether they did.

use curve::schnorr;
use protocol::{
    Authorization, Frame, FrameDigest, Refusal, Slot, VerifyingKey,
    body::{Body, Heal, Marks, OwnChange},
    digest::Role,
    head::Place,
};
use ratchet_tree::{Leaf, LiveLeaf, Status};

use crate::GroupState;

/// The authorisation fields a frame must carry, each true exactly when its field is demanded.
#[derive(Debug, PartialEq, Eq, Default)]
struct Demand {
    leaf: bool,
    new_leaf: bool,
    owner: bool,
    new_owner: bool,
    ticket: bool,
    sign: bool,
    admin_proof: bool,
}

impl Demand {
    fn met_by(&self, auth: &Authorization) -> bool {
        self.leaf == auth.leaf.is_some()
            && self.new_leaf == auth.new_leaf.is_some()
            && self.owner == auth.owner.is_some()
            && self.new_owner == auth.new_owner.is_some()
            && self.ticket == auth.ticket.is_some()
            && self.sign == auth.sign.is_some()
            && self.admin_proof == auth.admin_proof.is_some()
    }

    /// The same by an admin, whose proof stands in the place of the owner's signature; `None` where only the owner may.
    ///
    /// A frame that chooses a leaf's secret names its doer besides. A mark chooses none, so there the doer stays
    /// unnamed: the epoch's signing key, which every member has, keeps strangers from making nodes check proofs.
    fn by_admin(self, body: &Body) -> Option<Self> {
        let anonymous = match body {
            Body::AddMembers(_) | Body::IssueTicket(_) => false,
            Body::RevokeTicket(_) if self.owner => false,
            Body::RemoveMembers(heal) if !sets_admins(heal.marks.as_ref()) => false,
            Body::MarkRemoved(marks) if !sets_admins(Some(marks)) => true,
            Body::Init(_)
            | Body::UpdateKey(_)
            | Body::RevokeTicket(_)
            | Body::Join(_)
            | Body::Rejoin(_)
            | Body::Leave(_)
            | Body::MarkRemoved(_)
            | Body::Expire(_)
            | Body::MarkOwn(_)
            | Body::Heal(_)
            | Body::RemoveMembers(_)
            | Body::SetPolicy(_)
            | Body::SetAdmins(_)
            | Body::TransferOwner(_)
            | Body::Close
            | Body::Message => return None,
        };
        Some(Self { owner: false, admin_proof: true, sign: anonymous, ..self })
    }
}

/// What a body demands. `issuer_revokes`: whether a `RevokeTicket` is by the ticket's own issuer.
fn demand(body: &Body, issuer_revokes: bool) -> Demand {
    let none = Demand::default();
    match body {
        Body::Init(_) => Demand { leaf: true, owner: true, ..none },
        Body::AddMembers(_) | Body::IssueTicket(_) => Demand { leaf: true, owner: true, ..none },
        Body::UpdateKey(b) => Demand { leaf: true, new_leaf: b.new_sig.is_some(), ..none },
        Body::RevokeTicket(_) => Demand { leaf: true, owner: !issuer_revokes, ..none },
        Body::Join(_) => Demand { ticket: true, new_leaf: true, ..none },
        Body::Rejoin(_) | Body::Leave(_) | Body::Expire(_) | Body::MarkOwn(_) => {
            Demand { leaf: true, ..none }
        }
        Body::MarkRemoved(_) | Body::SetPolicy(_) | Body::SetAdmins(_) | Body::Close => {
            Demand { owner: true, ..none }
        }
        Body::Heal(b) => Demand { leaf: true, new_leaf: rotates(b), ..none },
        Body::RemoveMembers(b) => Demand { leaf: true, new_leaf: rotates(b), owner: true, ..none },
        Body::TransferOwner(_) => Demand { owner: true, new_owner: true, ..none },
        Body::Message => Demand { sign: true, ..none },
    }
}

fn sets_admins(marks: Option<&Marks>) -> bool {
    marks.is_some_and(|marks| marks.admin_root.is_some())
}

fn rotates(heal: &Heal) -> bool {
    new_sig_of(&heal.own).is_some()
}

fn new_sig_of(own: &OwnChange) -> Option<VerifyingKey> {
    match own {
        OwnChange::Update(u) => u.new_sig,
        OwnChange::None | OwnChange::Rejoin(_) => None,
    }
}

/// The pseudonym that begins with a frame.
fn new_leaf_key(body: &Body) -> Option<VerifyingKey> {
    match body {
        Body::Join(b) => Some(b.sig),
        Body::UpdateKey(b) => b.new_sig,
        Body::Heal(b) | Body::RemoveMembers(b) => new_sig_of(&b.own),
        Body::Init(_)
        | Body::AddMembers(_)
        | Body::IssueTicket(_)
        | Body::RevokeTicket(_)
        | Body::Rejoin(_)
        | Body::Leave(_)
        | Body::MarkRemoved(_)
        | Body::Expire(_)
        | Body::MarkOwn(_)
        | Body::SetPolicy(_)
        | Body::SetAdmins(_)
        | Body::TransferOwner(_)
        | Body::Close
        | Body::Message => None,
    }
}

impl GroupState {
    /// Whether a frame shows any valid signature for the base it claims: the price of a telling answer.
    ///
    /// The claimed base may be an earlier one; the keys are those known now. Without a valid signature a node
    /// answers [`Refusal::NotAccepted`], the same as for a group it does not know.
    #[must_use]
    pub fn authenticates(&self, frame: &Frame) -> bool {
        let body = &frame.head().body;
        match frame.head().place {
            Place::Message { epoch } => match (self.message_epoch(epoch), &frame.auth.sign) {
                (Some(window), Some(signature)) => {
                    let digest = frame.digest(&window.ctx);
                    schnorr::verify(&window.sign_key, digest.as_bytes(), signature).is_ok()
                }
                _ => false,
            },
            Place::Operation { base, .. } => {
                let digest = frame.digest(&base);
                let leaf = body.doer().and_then(|slot| self.live_leaf(slot)).map(|l| l.sig);
                let ticket = if let Body::Join(b) = body { self.ticket(&b.ticket) } else { None };
                // An admin's mark names nobody; what it shows is the signing key of the epoch it builds on.
                let by_admin = matches!(body, Body::MarkRemoved(_)) && frame.auth.admin_proof.is_some();
                let anonymous = frame.auth.sign.as_ref().filter(|_| by_admin);
                let known_inside = anonymous.is_some_and(|signature| {
                    let window = self.window.iter().find(|window| window.ctx == base);
                    let sign_key = window.map_or_else(|| self.tree.sign_key(), |window| window.sign_key);
                    schnorr::verify(&sign_key, digest.as_bytes(), signature).is_ok()
                });
                known_inside
                    || [
                        (leaf, frame.auth.leaf, Role::Leaf),
                        (Some(self.owner), frame.auth.owner, Role::Owner),
                        (ticket.map(|t| t.key), frame.auth.ticket, Role::Ticket),
                    ]
                    .into_iter()
                    .any(|(key, signature, role)| match (key, signature) {
                        (Some(key), Some(signature)) => {
                            key.verify(&role.message(&digest), &signature).is_ok()
                        }
                        _ => false,
                    })
            }
        }
    }

    pub(crate) fn live_leaf(&self, slot: Slot) -> Option<&LiveLeaf> {
        match self.tree.leaf(slot) {
            Leaf::Live(leaf) => Some(leaf),
            Leaf::Empty | Leaf::Vacant { .. } | Leaf::Dirty { .. } => None,
        }
    }

    /// Exactly the demanded fields are present. No cryptography yet.
    pub(crate) fn check_auth_fields(&self, frame: &Frame) -> Result<(), Refusal> {
        let issuer_revokes = if let Body::RevokeTicket(b) = &frame.head().body {
            let doer = self.live_leaf(b.doer).map(|l| l.leaf_id);
            self.ticket(&b.ticket).is_some_and(|t| Some(t.issuer) == doer)
        } else {
            false
        };
        check_fields(frame, issuer_revokes)
    }

    /// The doer, where a frame names one, may act: Active, or an invitee whose first act this is.
    pub(crate) fn check_doer(&self, body: &Body) -> Result<(), Refusal> {
        let Some(slot) = body.doer() else { return Ok(()) };
        if matches!(body, Body::Join(_)) {
            return Ok(());
        }
        let leaf = self.live_leaf(slot).ok_or(Refusal::NotActive)?;
        let invitee_may = matches!(
            body,
            Body::UpdateKey(_) | Body::Leave(_) | Body::Heal(Heal { own: OwnChange::Update(_), .. })
        );
        match leaf.status {
            Status::Active => Ok(()),
            Status::Invited { .. } if invitee_may => Ok(()),
            Status::Invited { .. } => Err(Refusal::NotActive),
        }
    }

    /// Every signature of an operation on this state.
    pub(crate) fn check_signatures(&self, frame: &Frame, digest: &FrameDigest) -> Result<(), Refusal> {
        let body = &frame.head().body;
        let leaf = body.doer().and_then(|slot| self.live_leaf(slot)).map(|l| l.sig);
        let new_owner = if let Body::TransferOwner(key) = body { Some(*key) } else { None };
        let ticket = if let Body::Join(b) = body { Some(b.ticket) } else { None };
        let auth = &frame.auth;
        check(leaf, auth.leaf, Role::Leaf, digest)?;
        check(new_leaf_key(body), auth.new_leaf, Role::NewLeaf, digest)?;
        check(Some(self.owner), auth.owner, Role::Owner, digest)?;
        check(new_owner, auth.new_owner, Role::NewOwner, digest)?;
        check(ticket, auth.ticket, Role::Ticket, digest)?;
        match &auth.sign {
            Some(signature) => schnorr::verify(&self.tree.sign_key(), digest.as_bytes(), signature)
                .map_err(|_| Refusal::BadSignature),
            None => Ok(()),
        }
    }
}

/// Exactly the demanded fields: those of an admin where there is an admin's proof.
fn check_fields(frame: &Frame, issuer_revokes: bool) -> Result<(), Refusal> {
    let body = &frame.head().body;
    let mut demand = demand(body, issuer_revokes);
    if frame.auth.admin_proof.is_some() {
        demand = demand.by_admin(body).ok_or(Refusal::WrongStructure)?;
    }
    if demand.met_by(&frame.auth) { Ok(()) } else { Err(Refusal::WrongStructure) }
}

/// The two signatures of an Init, by the keys it names itself.
pub(crate) fn check_init(frame: &Frame, digest: &FrameDigest) -> Result<(), Refusal> {
    let Body::Init(init) = &frame.head().body else { return Err(Refusal::WrongStructure) };
    check_fields(frame, false)?;
    check(Some(init.sig), frame.auth.leaf, Role::Leaf, digest)?;
    check(Some(init.owner), frame.auth.owner, Role::Owner, digest)
}

fn check(
    key: Option<VerifyingKey>,
    signature: Option<protocol::SignatureBytes>,
    role: Role,
    digest: &FrameDigest,
) -> Result<(), Refusal> {
    match (key, signature) {
        (_, None) => Ok(()),
        (Some(key), Some(signature)) => {
            key.verify(&role.message(digest), &signature).map_err(|_| Refusal::BadSignature)
        }
        // A signature nobody is named for cannot be right.
        (None, Some(_)) => Err(Refusal::BadSignature),
    }
}
