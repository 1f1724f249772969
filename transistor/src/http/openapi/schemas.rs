//! Documents and headers.

use api::transistor as wire;
use serde_json::{Map, Value, json};

pub(super) fn id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// A token, or the hash of one.
pub(super) fn token() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{43}$" })
}

fn info() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]*$", "maxLength": 1366 })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn seconds() -> Value {
    json!({ "type": "integer", "minimum": 1 })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// The schema of a header of ours or of tus.
pub(super) fn header(name: &str) -> Value {
    match name {
        wire::ACCESS | wire::UNLOCK | wire::CLAIM | wire::ACCESS_HASH | wire::UNLOCK_HASH => token(),
        wire::INFO => info(),
        wire::EXPIRES => time(),
        wire::EXPIRES_IN => seconds(),
        wire::ID => id(),
        wire::UPLOAD_LENGTH | wire::UPLOAD_OFFSET | wire::TUS_MAX_SIZE | wire::SIZE | "content-length" => {
            number()
        }
        wire::TUS_RESUMABLE => json!({ "type": "string", "const": wire::TUS_VERSION_VALUE }),
        _ => text(),
    }
}

/// An object; fields whose name ends in `?` need not be there. Requests have these and no others.
fn object(description: &str, is_closed: bool, fields: Vec<(&str, Value)>) -> Value {
    let required: Vec<&str> =
        fields.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema)).collect();
    let mut schema = json!({ "type": "object", "required": required, "properties": properties });
    if let Some(fields) = schema.as_object_mut() {
        if !description.is_empty() {
            fields.insert("description".to_owned(), description.into());
        }
        if is_closed {
            fields.insert("additionalProperties".to_owned(), false.into());
        }
    }
    schema
}

fn kind(name: &str) -> Value {
    json!({ "type": "string", "const": name })
}

/// Every schema by its name.
pub(super) fn all() -> Value {
    let sealed = vec![("access_hash?", token()), ("unlock_hash?", token()), ("info?", info())];
    let mut made = vec![("data", text())];
    made.extend(sealed.clone());
    made.push(("expires_in?", seconds()));
    let new = |id_name: &'static str, attributes: Vec<(&str, Value)>| {
        object(
            "",
            true,
            vec![("type", kind("transfers")), (id_name, id()), ("attributes", object("", true, attributes))],
        )
    };
    let told = |name: &str, attributes: Vec<(&str, Value)>| {
        object(
            "",
            false,
            vec![("type", kind(name)), ("id", id()), ("attributes", object("", false, attributes))],
        )
    };
    json!({
        "CreateTransfer": object("A small drop to be made.", true, vec![("data", new("id?", made))]),
        "Copies": object("Further readers of a body that is there.", true, vec![
            ("data", json!({ "type": "array", "minItems": 1, "maxItems": wire::MAX_COPIES, "items": new("id", sealed) })),
        ]),
        "Made": object("A drop that was made, or will be one.", false, vec![
            ("data", told("transfers", vec![("size", number()), ("expires_at?", time())])),
            ("meta?", object("The deletion token, if the server chose it; told once.", false, vec![
                ("deletion_token", token()),
            ])),
        ]),
        "Taken": object("A drop that was taken.", false, vec![
            ("data", told("transfers", vec![("data", text()), ("size", number())])),
        ]),
        "Claim": object("A drop that is the reader's for a while.", false, vec![
            ("data", told("claims", vec![
                ("size", number()), ("lease_seconds", number()), ("expires_at", time()), ("final", flag()),
                ("info?", info()),
            ])),
        ]),
        "Problem": object("A problem document (RFC 9457).", false, vec![
            ("type", text()), ("title", text()), ("status", number()), ("detail?", text()), ("instance?", text()),
            ("code", text()), ("retryable", flag()),
            ("retry", json!({ "type": "string", "enum": ["never", "rebuild", "later"] })),
            ("no_side_effects", flag()), ("retry_after?", number()),
        ]),
    })
}
