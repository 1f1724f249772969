//! A second writer of the wire format, which shares no code with the first: messages as trees of numbered fields,
//! so that a test can write any of them wrongly in exactly one place.

use curve::Point;
use protocol::{
    Authorization, Frame, Kind, Receipt, Slot,
    body::{Body, Change, Heal, Marks, OwnChange, Policy, Rejoin, UpdateKey},
    head::{Head, Place},
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Uint(u64),
    Bytes(Vec<u8>),
    Packed(Vec<u64>),
    Message(Vec<Field>),
}

/// A numbered field; of a repeated one there may be several in a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) value: Value,
    pub(crate) repeated: bool,
}

pub(crate) fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(n & 0x7f).unwrap();
        n >>= 7;
        if n == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// The same number in one byte more.
pub(crate) fn long_varint(n: u64) -> Vec<u8> {
    let mut out = varint(n);
    *out.last_mut().unwrap() |= 0x80;
    out.push(0);
    out
}

pub(crate) fn tag(number: u32, wire_type: u64) -> Vec<u8> {
    varint(u64::from(number) << 3 | wire_type)
}

impl Value {
    pub(crate) fn wire_type(&self) -> u64 {
        if let Self::Uint(_) = self { 0 } else { 2 }
    }

    /// What stands behind the tag and, unless it is a number, behind the length.
    pub(crate) fn content(&self) -> Vec<u8> {
        match self {
            Self::Uint(n) => varint(*n),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Packed(numbers) => numbers.iter().flat_map(|n| varint(*n)).collect(),
            Self::Message(fields) => encode(fields),
        }
    }

    fn is_default(&self) -> bool {
        match self {
            Self::Uint(n) => *n == 0,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Packed(numbers) => numbers.is_empty(),
            Self::Message(_) => false,
        }
    }
}

impl Field {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = tag(self.number, self.value.wire_type());
        let content = self.value.content();
        if self.value.wire_type() == 2 {
            out.extend(varint(content.len() as u64));
        }
        out.extend(content);
        out
    }
}

pub(crate) fn encode(fields: &[Field]) -> Vec<u8> {
    fields.iter().flat_map(Field::encode).collect()
}

/// Fields in ascending order without those that have their default value.
fn message(fields: Vec<(u32, Value)>) -> Vec<Field> {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_default())
        .map(|(number, value)| Field { number, value, repeated: false })
        .collect()
}

fn uint(n: impl Into<u64>) -> Value {
    Value::Uint(n.into())
}

fn bytes(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bytes(bytes.as_ref().to_vec())
}

fn repeated(number: u32, values: impl IntoIterator<Item = Value>) -> Vec<Field> {
    values.into_iter().map(|value| Field { number, value, repeated: true }).collect()
}

fn keys(keys: &[Point]) -> Value {
    bytes(keys.iter().flat_map(Point::to_bytes).collect::<Vec<_>>())
}

fn change(change: &Change) -> Value {
    Value::Message(message(vec![(1, uint(change.slot.get())), (2, keys(&change.keys))]))
}

fn policy(policy: &Policy) -> Value {
    Value::Message(message(vec![
        (1, bytes(policy.params.as_bytes())),
        (2, uint(policy.max_members)),
        (3, uint(policy.message_retention)),
        (4, uint(policy.operation_retention)),
        (5, uint(policy.invite_ttl)),
    ]))
}

fn slots(slots: &[Slot]) -> Value {
    Value::Packed(slots.iter().map(|slot| u64::from(slot.get())).collect())
}

fn marks(marks: &Marks) -> Vec<Field> {
    message(vec![
        (1, slots(&marks.slots)),
        (2, marks.admin_root.map_or(Value::Bytes(Vec::new()), |root| bytes(root.as_bytes()))),
    ])
}

fn update(update: &UpdateKey) -> Vec<Field> {
    message(vec![
        (1, change(&update.change)),
        (2, update.new_sig.map_or(Value::Bytes(Vec::new()), |key| bytes(key.as_bytes()))),
    ])
}

fn rejoin(rejoin: &Rejoin) -> Vec<Field> {
    message(vec![(1, change(&rejoin.change)), (2, bytes(rejoin.external.as_bytes()))])
}

fn heal(heal: &Heal) -> Vec<Field> {
    let mut fields = vec![(1, uint(heal.doer.get()))];
    fields.extend(heal.marks.iter().map(|m| (2, Value::Message(marks(m)))));
    match &heal.own {
        OwnChange::None => {}
        OwnChange::Update(u) => fields.push((3, Value::Message(update(u)))),
        OwnChange::Rejoin(r) => fields.push((4, Value::Message(rejoin(r)))),
    }
    let mut fields = message(fields);
    fields.extend(repeated(5, heal.changes.iter().map(change)));
    fields
}

pub(crate) fn body(body: &Body) -> Vec<Field> {
    match body {
        Body::Init(b) => message(vec![
            (1, bytes(b.nonce)),
            (2, bytes(b.owner.as_bytes())),
            (3, bytes(b.admin_root.as_bytes())),
            (4, policy(&b.policy)),
            (5, bytes(b.recovery.as_bytes())),
            (6, bytes(b.sig.as_bytes())),
            (7, keys(&b.keys)),
        ]),
        Body::AddMembers(b) => {
            let mut fields = message(vec![(1, uint(b.doer.get()))]);
            fields.extend(repeated(
                2,
                b.added.iter().map(|added| {
                    Value::Message(message(vec![
                        (1, change(&added.change)),
                        (2, bytes(added.sig.as_bytes())),
                        (3, uint(added.expires.get())),
                    ]))
                }),
            ));
            fields
        }
        Body::UpdateKey(b) => update(b),
        Body::IssueTicket(b) => message(vec![
            (1, uint(b.doer.get())),
            (2, bytes(b.ticket.as_bytes())),
            (3, uint(b.uses)),
            (4, uint(b.expires.get())),
        ]),
        Body::RevokeTicket(b) => message(vec![(1, uint(b.doer.get())), (2, bytes(b.ticket.as_bytes()))]),
        Body::Join(b) => message(vec![
            (1, bytes(b.ticket.as_bytes())),
            (2, change(&b.change)),
            (3, bytes(b.sig.as_bytes())),
            (4, bytes(b.external.as_bytes())),
        ]),
        Body::Rejoin(b) => rejoin(b),
        Body::Leave(slot) => message(vec![(1, uint(slot.get()))]),
        Body::MarkRemoved(b) => marks(b),
        Body::Expire(b) | Body::MarkOwn(b) => message(vec![(1, uint(b.doer.get())), (2, slots(&b.slots))]),
        Body::Heal(b) | Body::RemoveMembers(b) => heal(b),
        Body::SetPolicy(b) => message(vec![(1, policy(b))]),
        Body::SetAdmins(b) => message(vec![(1, bytes(b.as_bytes()))]),
        Body::TransferOwner(b) => message(vec![(1, bytes(b.as_bytes()))]),
        Body::Close | Body::Message => Vec::new(),
    }
}

/// The number of a kind, written down once more.
fn number(kind: Kind) -> u32 {
    match kind {
        Kind::Init => 1,
        Kind::AddMembers => 2,
        Kind::UpdateKey => 3,
        Kind::IssueTicket => 4,
        Kind::RevokeTicket => 5,
        Kind::Join => 6,
        Kind::Rejoin => 7,
        Kind::Leave => 8,
        Kind::MarkRemoved => 9,
        Kind::Expire => 10,
        Kind::MarkOwn => 11,
        Kind::Heal => 12,
        Kind::RemoveMembers => 13,
        Kind::SetPolicy => 14,
        Kind::SetAdmins => 15,
        Kind::TransferOwner => 16,
        Kind::Close => 19,
        Kind::Message => 32,
    }
}

pub(crate) fn head(head: &Head) -> Vec<Field> {
    let body = body(&head.body);
    let mut fields = vec![
        (1, uint(1u32)),
        (2, uint(head.suite.code())),
        (3, bytes(head.group.as_bytes())),
        (4, bytes(head.frame_id.as_bytes())),
        (5, uint(number(head.kind()))),
    ];
    // The body is a byte string, left out when empty.
    if !body.is_empty() {
        fields.push((6, Value::Message(body)));
    }
    match head.place {
        Place::Operation { base, at, tree_hash_after } => fields.extend([
            (7, bytes(base.as_bytes())),
            (8, uint(at.get())),
            (9, bytes(tree_hash_after.as_bytes())),
        ]),
        Place::Message { epoch } => fields.push((10, uint(epoch.get()))),
    }
    message(fields)
}

pub(crate) fn auth(auth: &Authorization) -> Vec<Field> {
    let signature = |s: &Option<protocol::SignatureBytes>| {
        s.map_or(Value::Bytes(Vec::new()), |signature| bytes(signature.as_bytes()))
    };
    message(vec![
        (1, signature(&auth.leaf)),
        (2, signature(&auth.new_leaf)),
        (3, signature(&auth.owner)),
        (4, signature(&auth.new_owner)),
        (5, signature(&auth.ticket)),
        (6, auth.sign.map_or(Value::Bytes(Vec::new()), |s| bytes(s.to_bytes()))),
        (7, auth.admin_proof.map_or(Value::Bytes(Vec::new()), bytes)),
    ])
}

pub(crate) fn frame(frame: &Frame) -> Vec<Field> {
    let mut fields = message(vec![
        (1, Value::Message(head(frame.head()))),
        (2, bytes(frame.sealed().unwrap())),
        (3, Value::Message(auth(&frame.auth))),
    ]);
    fields.extend(repeated(4, frame.proofs.iter().map(bytes)));
    fields
}

pub(crate) fn receipt(receipt: &Receipt) -> Vec<Field> {
    message(vec![
        (1, bytes(receipt.node.as_bytes())),
        (2, bytes(receipt.group.as_bytes())),
        (3, uint(receipt.seq.get())),
        (4, bytes(receipt.log.as_bytes())),
        (5, uint(receipt.received_at_ms)),
        (6, bytes(receipt.signature.as_bytes())),
    ])
}
