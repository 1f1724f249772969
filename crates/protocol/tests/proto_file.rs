//! The published schema against the code: the same bytes, written by name through one and by hand through the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _, Value};
use protocol::{
    Authorization, FrameHash, Head, Kind, Receipt, Seq, ServedFrame, SignatureBytes, SigningKey, Slot,
    body::{Body, Change, Heal, Marks, OwnChange, Policy, Rejoin, UpdateKey},
    digest,
    frame::Served,
    head::{Place, RESERVED},
};

#[path = "wire/fixtures.rs"]
#[allow(dead_code, reason = "shared with the tests of the wire format")]
mod fixtures;

/// The schema, and which of its fields have been seen with a value.
struct Schema {
    pool: DescriptorPool,
    seen: BTreeSet<String>,
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec().into())
}

fn keys(change: &Change) -> Value {
    bytes(&change.keys.iter().flat_map(|key| *key.as_bytes()).collect::<Vec<_>>())
}

impl Schema {
    fn new() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
        let files = protox::compile(["kith.proto"], [folder]).unwrap();
        Self { pool: DescriptorPool::from_file_descriptor_set(files).unwrap(), seen: BTreeSet::new() }
    }

    /// A message written by the names of its fields. Empty bytes, zeros and the like are left out, as on the wire.
    fn message(&mut self, name: &str, fields: Vec<(&str, Value)>) -> Value {
        let descriptor = self.pool.get_message_by_name(&format!("kith.v1.{name}")).unwrap();
        let mut message = DynamicMessage::new(descriptor);
        for (field, value) in fields {
            let known = message.descriptor().get_field_by_name(field);
            let known = known.unwrap_or_else(|| panic!("{name} has no field {field}"));
            if known.is_list() && value.as_list().is_some_and(<[Value]>::is_empty) {
                continue;
            }
            if known.supports_presence() || !value.is_default_for_field(&known) {
                self.seen.insert(format!("{name}.{field}"));
            }
            message.set_field(&known, value);
        }
        Value::Message(message)
    }

    fn encode(&mut self, name: &str, fields: Vec<(&str, Value)>) -> Vec<u8> {
        self.message(name, fields).as_message().unwrap().encode_to_vec()
    }

    /// What the code wrote reads through the schema, without a field it does not know, and is written the same again.
    fn reads(&self, name: &str, encoded: &[u8]) {
        let descriptor = self.pool.get_message_by_name(&format!("kith.v1.{name}")).unwrap();
        let message = DynamicMessage::decode(descriptor, encoded).unwrap();
        assert_eq!(message.unknown_fields().count(), 0, "{name} has a field the schema does not know");
        assert_eq!(message.encode_to_vec(), encoded, "{name}");
    }

    fn change(&mut self, change: &Change) -> Value {
        self.message("Change", vec![("slot", Value::U32(change.slot.get())), ("keys", keys(change))])
    }

    fn policy(&mut self, policy: &Policy) -> Value {
        self.message(
            "Policy",
            vec![
                ("params", bytes(policy.params.as_bytes())),
                ("max_members", Value::U32(policy.max_members)),
                ("message_retention", Value::U64(policy.message_retention)),
                ("operation_retention", Value::U64(policy.operation_retention)),
                ("invite_ttl", Value::U64(policy.invite_ttl)),
            ],
        )
    }

    fn update(&mut self, update: &UpdateKey) -> Vec<(&'static str, Value)> {
        let new_sig = update.new_sig.map_or_else(|| bytes(&[]), |key| bytes(key.as_bytes()));
        vec![("change", self.change(&update.change)), ("new_sig", new_sig)]
    }

    fn rejoin(&mut self, rejoin: &Rejoin) -> Vec<(&'static str, Value)> {
        vec![("change", self.change(&rejoin.change)), ("external", bytes(rejoin.external.as_bytes()))]
    }

    fn marks(marks: &Marks) -> Vec<(&'static str, Value)> {
        let slots = marks.slots.iter().map(|slot| Value::U32(slot.get())).collect();
        let root = marks.admin_root.map_or_else(|| bytes(&[]), |root| bytes(root.as_bytes()));
        vec![("slots", Value::List(slots)), ("admin_root", root)]
    }

    fn heal(&mut self, heal: &Heal) -> Vec<(&'static str, Value)> {
        let mut fields = vec![("doer", Value::U32(heal.doer.get()))];
        if let Some(marks) = &heal.marks {
            fields.push(("marks", self.message("Marks", Self::marks(marks))));
        }
        match &heal.own {
            OwnChange::None => {}
            OwnChange::Update(update) => {
                let update = self.update(update);
                fields.push(("update", self.message("UpdateKey", update)));
            }
            OwnChange::Rejoin(rejoin) => {
                let rejoin = self.rejoin(rejoin);
                fields.push(("rejoin", self.message("Rejoin", rejoin)));
            }
        }
        let changes = heal.changes.iter().map(|change| self.change(change)).collect();
        fields.push(("changes", Value::List(changes)));
        fields
    }

    /// Name of the body's message and its fields.
    fn body(&mut self, body: &Body) -> (&'static str, Vec<(&'static str, Value)>) {
        match body {
            Body::Init(b) => (
                "Init",
                vec![
                    ("nonce", bytes(&b.nonce)),
                    ("owner", bytes(b.owner.as_bytes())),
                    ("admin_root", bytes(b.admin_root.as_bytes())),
                    ("policy", self.policy(&b.policy)),
                    ("recovery", bytes(b.recovery.as_bytes())),
                    ("sig", bytes(b.sig.as_bytes())),
                    ("keys", bytes(&b.keys.iter().flat_map(|key| *key.as_bytes()).collect::<Vec<_>>())),
                ],
            ),
            Body::AddMembers(b) => {
                let mut added = Vec::new();
                for a in &b.added {
                    let fields = vec![
                        ("change", self.change(&a.change)),
                        ("sig", bytes(a.sig.as_bytes())),
                        ("expires", Value::U64(a.expires.get())),
                    ];
                    added.push(self.message("Added", fields));
                }
                ("AddMembers", vec![("doer", Value::U32(b.doer.get())), ("added", Value::List(added))])
            }
            Body::UpdateKey(b) => ("UpdateKey", self.update(b)),
            Body::IssueTicket(b) => (
                "IssueTicket",
                vec![
                    ("doer", Value::U32(b.doer.get())),
                    ("ticket", bytes(b.ticket.as_bytes())),
                    ("uses", Value::U32(b.uses)),
                    ("expires", Value::U64(b.expires.get())),
                ],
            ),
            Body::RevokeTicket(b) => (
                "RevokeTicket",
                vec![("doer", Value::U32(b.doer.get())), ("ticket", bytes(b.ticket.as_bytes()))],
            ),
            Body::Join(b) => (
                "Join",
                vec![
                    ("ticket", bytes(b.ticket.as_bytes())),
                    ("change", self.change(&b.change)),
                    ("sig", bytes(b.sig.as_bytes())),
                    ("external", bytes(b.external.as_bytes())),
                ],
            ),
            Body::Rejoin(b) => ("Rejoin", self.rejoin(b)),
            Body::Leave(slot) => ("Leave", vec![("slot", Value::U32(slot.get()))]),
            Body::MarkRemoved(b) => ("Marks", Self::marks(b)),
            Body::Expire(b) | Body::MarkOwn(b) => {
                let slots = b.slots.iter().map(|slot| Value::U32(slot.get())).collect();
                ("DoerMarks", vec![("doer", Value::U32(b.doer.get())), ("slots", Value::List(slots))])
            }
            Body::Heal(b) | Body::RemoveMembers(b) => ("Heal", self.heal(b)),
            Body::SetPolicy(policy) => ("SetPolicy", vec![("policy", self.policy(policy))]),
            Body::SetAdmins(root) => ("SetAdmins", vec![("admin_root", bytes(root.as_bytes()))]),
            Body::TransferOwner(key) => ("TransferOwner", vec![("new_owner", bytes(key.as_bytes()))]),
            Body::Close | Body::Message => ("Empty", Vec::new()),
        }
    }

    fn head(&mut self, head: &Head) -> Vec<u8> {
        let (name, fields) = self.body(&head.body);
        let body = self.encode(name, fields);
        let mut fields = vec![
            ("version", Value::U32(1)),
            ("suite", Value::U32(head.suite.code())),
            ("group", bytes(head.group.as_bytes())),
            ("frame_id", bytes(head.frame_id.as_bytes())),
            ("kind", Value::U32(head.kind().code())),
            ("body", bytes(&body)),
        ];
        match head.place {
            Place::Operation { base, at, tree_hash_after } => fields.extend([
                ("base", bytes(base.as_bytes())),
                ("at", Value::U64(at.get())),
                ("tree_hash_after", bytes(tree_hash_after.as_bytes())),
            ]),
            Place::Message { epoch } => fields.push(("epoch", Value::U64(epoch.get()))),
        }
        self.encode("Head", fields)
    }

    fn auth(&mut self, auth: &Authorization) -> Value {
        let signature = |s: &Option<SignatureBytes>| bytes(s.as_ref().map_or(&[][..], |s| s.as_bytes()));
        self.message(
            "Authorization",
            vec![
                ("leaf", signature(&auth.leaf)),
                ("new_leaf", signature(&auth.new_leaf)),
                ("owner", signature(&auth.owner)),
                ("new_owner", signature(&auth.new_owner)),
                ("ticket", signature(&auth.ticket)),
                ("sign", bytes(&auth.sign.as_ref().map_or_else(Vec::new, |s| s.to_bytes().to_vec()))),
                ("admin_proof", bytes(&auth.admin_proof.map_or_else(Vec::new, |p| p.to_vec()))),
            ],
        )
    }

    fn served(&mut self, served: &ServedFrame) -> Vec<u8> {
        let content = match &served.content {
            Served::Frame(frame) => ("frame", bytes(&frame.encode().unwrap())),
            Served::MessageHash(hash) => ("message_hash", bytes(hash.as_bytes())),
            Served::Operation(frame) => {
                let hash = digest::sealed_hash(if frame.sealed_is_empty() { &[] } else { SEALED });
                let fields = vec![
                    ("head", bytes(frame.head_bytes())),
                    ("sealed_hash", bytes(hash.as_bytes())),
                    ("auth", self.auth(&frame.auth)),
                    ("proofs", Value::List(frame.proofs.iter().map(|proof| bytes(proof)).collect())),
                    ("sealed_empty", Value::Bool(frame.sealed_is_empty())),
                ];
                ("operation", self.message("PrunedOperation", fields))
            }
        };
        let place = vec![
            ("seq", Value::U64(served.seq.get())),
            ("received_at_ms", Value::U64(served.received_at_ms)),
            content,
        ];
        self.encode("ServedFrame", place)
    }
}

/// What the fixtures seal.
const SEALED: &[u8] = &[0x5e; 48];

#[test]
fn the_schema_writes_what_the_code_writes() {
    let mut schema = Schema::new();
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        let head = schema.head(frame.head());
        assert_eq!(head, frame.head_bytes(), "{kind:?}");
        let proofs = frame.proofs.iter().map(|proof| bytes(proof)).collect();
        let fields = vec![
            ("head", bytes(&head)),
            ("sealed", bytes(SEALED)),
            ("auth", schema.auth(&frame.auth)),
            ("proofs", Value::List(proofs)),
        ];
        let encoded = frame.encode().unwrap();
        assert_eq!(schema.encode("Frame", fields), encoded, "{kind:?}");
        schema.reads("Frame", &encoded);
        schema.reads("Head", frame.head_bytes());
        let (body, _) = schema.body(&frame.head().body);
        schema.reads(body, &frame.head().body.encode());

        let mut contents = vec![Served::Frame(frame.clone())];
        if kind.is_operation() {
            contents.push(Served::Operation(frame.without_sealed()));
            let nothing_sealed = protocol::Frame::unsigned(frame.head().clone(), Vec::new());
            contents.push(Served::Operation(nothing_sealed.without_sealed()));
        } else {
            contents.push(Served::MessageHash(FrameHash::new([0x4d; 32])));
        }
        for content in contents {
            let served = ServedFrame { seq: Seq::new(9), received_at_ms: 1_700_000_000_123, content };
            assert_eq!(schema.served(&served), served.encode(), "{kind:?}");
            schema.reads("ServedFrame", &served.encode());
        }
    }
    let receipt = Receipt::sign(
        &SigningKey::from_seed(&[1; 32]),
        protocol::GroupId::new([2; 32]),
        Seq::new(3),
        protocol::LogHash::new([4; 32]),
        5,
    );
    let fields = vec![
        ("node", bytes(receipt.node.as_bytes())),
        ("group", bytes(receipt.group.as_bytes())),
        ("seq", Value::U64(receipt.seq.get())),
        ("log", bytes(receipt.log.as_bytes())),
        ("received_at_ms", Value::U64(receipt.received_at_ms)),
        ("signature", bytes(receipt.signature.as_bytes())),
    ];
    assert_eq!(schema.encode("Receipt", fields), receipt.encode());
    schema.reads("Receipt", &receipt.encode());

    // Fields that are zero in the frames above.
    let policy = Policy { message_retention: 86_400, ..fixtures::policy() };
    let mut add = fixtures::body(Kind::AddMembers);
    if let Body::AddMembers(add) = &mut add {
        add.doer = Slot::new(5);
    }
    let mut revoke = fixtures::body(Kind::RevokeTicket);
    if let Body::RevokeTicket(revoke) = &mut revoke {
        revoke.doer = Slot::new(5);
    }
    for body in [Body::SetPolicy(policy), add, revoke] {
        let (name, fields) = schema.body(&body);
        assert_eq!(schema.encode(name, fields), body.encode());
    }

    // Nothing is in the schema that the code does not write.
    for message in schema.pool.all_messages() {
        for field in message.fields() {
            let name = format!("{}.{}", message.name(), field.name());
            assert!(schema.seen.contains(&name), "nothing has {name}");
        }
    }
}

#[test]
fn the_schema_names_the_kinds() {
    let schema = Schema::new();
    let kinds = schema.pool.get_enum_by_name("kith.v1.Kind").unwrap();
    let named: Vec<(i32, String)> =
        kinds.values().filter(|v| v.number() != 0).map(|v| (v.number(), v.name().to_owned())).collect();
    let known: Vec<(i32, String)> = Kind::ALL
        .iter()
        .map(|kind| {
            let name = format!("KIND_{}", fixtures::name(*kind).replace('-', "_").to_ascii_uppercase());
            (i32::try_from(kind.code()).unwrap(), name)
        })
        .collect();
    assert_eq!(named, known);
    for reserved in RESERVED {
        assert!(kinds.get_value(i32::try_from(*reserved).unwrap()).is_none());
    }
}
