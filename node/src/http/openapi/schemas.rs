//! The JSON form of every body.

use serde_json::{Map, Value, json};

use super::operations::Kind;

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: usize) -> Value {
    json!({ "type": "string", "pattern": format!("^[0-9a-f]{{{}}}$", bytes.saturating_mul(2)) })
}

/// The schema of a parameter.
pub(super) fn parameter(kind: Kind) -> Value {
    match kind {
        Kind::Number => number(),
        Kind::OneOf(values) => json!({ "type": "string", "enum": values }),
        Kind::Text => json!({ "type": "string" }),
    }
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn base64() -> Value {
    json!({ "type": "string", "contentEncoding": "base64" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// An object; fields whose name ends in `?` need not be there.
fn object(description: &str, fields: Vec<(&str, Value)>) -> Value {
    let required: Vec<&str> =
        fields.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema)).collect();
    json!({ "type": "object", "description": description, "required": required, "properties": properties })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Every schema by its name.
pub(super) fn all() -> Value {
    json!({
        "PostFrame": object("A frame to send. As protobuf the body is the frame's bytes and nothing around them.", vec![
            ("frame", base64()),
        ]),
        "Receipt": object("The node's signed word on where a frame stands.", vec![
            ("node", hex(32)), ("group", hex(32)), ("seq", number()), ("log", hex(32)),
            ("received_at_ms", number()), ("signature", base64()),
        ]),
        "FrameReceipt": object("Answer to an accepted frame.", vec![
            ("receipt", reference("Receipt")), ("duplicate", flag()),
        ]),
        "FramesPage": object("Consecutive frames, each an encoded served frame.", vec![
            ("stream_epoch", number()), ("frames", list(&base64())), ("next", number()), ("head", number()),
            ("horizon", number()),
        ]),
        "StateAnswer": object("An encoded state and where it stands.", vec![
            ("state", base64()), ("epoch", number()), ("seq", number()), ("log", hex(32)),
            ("stream_epoch", number()),
        ]),
        "Challenge": object("What to sign.", vec![("nonce", hex(32)), ("expires", number())]),
        "TokenRequest": object("An answered challenge; exactly one of `root`, `leaf` and `ticket`.", vec![
            ("nonce", hex(32)), ("expires", number()), ("epoch", number()),
            ("root?", object("Knows the epoch's signing key.", vec![])),
            ("leaf?", object("Is this leaf.", vec![("slot", number()), ("leaf_id", number())])),
            ("ticket?", object("Holds this ticket.", vec![("key", hex(32))])),
            ("signature", base64()),
        ]),
        "TokenAnswer": object("A token.", vec![
            ("token", text()), ("expires", number()),
            ("scope", json!({ "type": "string", "enum": ["full", "heads", "removal"] })),
        ]),
        "CentrifugoTokens": object("Tokens for one channel of a Centrifugo server.", vec![
            ("channel", text()), ("connection", text()), ("subscription", text()), ("expires", number()),
        ]),
        "KeyPackage": object("A sealed key package.", vec![
            ("sealed", base64()), ("expires", number()), ("last_resort?", flag()),
        ]),
        "PutKeyPackages": object("Packages for a mailbox, and the secret of its owner.", vec![
            ("write_key", hex(32)), ("packages", list(&reference("KeyPackage"))),
        ]),
        "MailboxStatus": object("How full a mailbox is.", vec![("remaining", number()), ("last_resort", flag())]),
        "ClaimedKeyPackage": object("A key package taken out.", vec![
            ("sealed", base64()), ("last_resort", flag()), ("remaining", number()),
        ]),
        "NodeInfo": object("What a node says of itself.", vec![
            ("node", hex(32)), ("origin", text()), ("version", text()), ("time", number()),
            ("protocol_versions", list(&number())), ("suites", list(&number())), ("params", list(&hex(32))),
            ("development_keys", flag()), ("limits", reference("NodeLimits")),
            ("transistor?", text()),
        ]),
        "NodeLimits": object("Bounds a client has to respect.", vec![
            ("frame_bytes", number()), ("page_frames", number()), ("page_bytes", number()),
            ("clock_behind_seconds", number()), ("clock_ahead_seconds", number()),
            ("message_grace_seconds", number()), ("challenge_seconds", number()), ("token_seconds", number()),
            ("key_package_bytes", number()), ("key_packages_per_mailbox", number()),
        ]),
        "Problem": object("A problem document (RFC 9457).", vec![
            ("type", text()), ("title", text()), ("status", number()), ("detail?", text()), ("instance?", text()),
            ("code", text()), ("retryable", flag()),
            ("retry", json!({ "type": "string", "enum": ["never", "rebuild", "later"] })),
            ("no_side_effects", flag()), ("epoch?", number()), ("seq?", number()), ("horizon?", number()),
            ("node_time?", number()), ("retry_after?", number()),
        ]),
    })
}
