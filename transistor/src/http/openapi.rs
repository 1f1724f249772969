//! The machine-readable description of the routes, in version 3.1 of the `OpenAPI` format.

mod operations;
mod schemas;

use std::sync::OnceLock;

use api::{PROBLEM_JSON, transistor as wire};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use self::operations::Operation;

/// `GET /transistor/openapi.json`.
pub(super) async fn serve() -> Response {
    let mut response = document().to_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Transistor",
                "version": env!("CARGO_PKG_VERSION"),
                "summary": "Read-once drops: ciphertext that is handed over once and then erased.",
                "license": { "name": "Apache-2.0 OR MIT" },
            },
            "paths": paths(),
            "components": {
                "schemas": schemas::all(),
                "securitySchemes": {
                    "creator": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "The deletion token of a drop: 32 bytes in base64url, 43 characters.",
                    },
                },
            },
        })
    })
}

fn paths() -> Value {
    let mut paths = Map::new();
    for operation in operations::all() {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(operation.method.to_owned(), describe(operation));
        }
    }
    Value::Object(paths)
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.description,
        "parameters": parameters(operation),
        "responses": responses(operation),
    });
    let Some(fields) = described.as_object_mut() else { return described };
    if let Some(body) = operation.body {
        fields.insert(
            "requestBody".to_owned(),
            json!({ "required": body.is_required, "content": body.content() }),
        );
    }
    match operation.creator {
        Some(true) => fields.insert("security".to_owned(), json!([{ "creator": [] }])),
        Some(false) => fields.insert("security".to_owned(), json!([{}, { "creator": [] }])),
        None => None,
    };
    described
}

fn parameters(operation: &Operation) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        let schema = if name == "id" { schemas::id() } else { schemas::token() };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let headers = operation.headers.iter().map(|(name, required)| {
        json!({ "name": name, "in": "header", "required": required, "schema": schemas::header(name) })
    });
    in_path.chain(headers).collect()
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for success in operation.successes {
        let mut response = json!({ "description": success.description });
        if let Some(fields) = response.as_object_mut() {
            if let Some(body) = success.body {
                fields.insert("content".to_owned(), body.content());
            }
            let headers: Map<String, Value> = success
                .headers
                .iter()
                .map(|name| ((*name).to_owned(), json!({ "schema": schemas::header(name) })))
                .collect();
            if !headers.is_empty() {
                fields.insert("headers".to_owned(), Value::Object(headers));
            }
        }
        responses.insert(success.status.to_string(), response);
    }
    for code in operation.problems {
        let response = responses.entry(code.status().to_string()).or_insert_with(|| problem(""));
        if let Some(Value::String(text)) = response.get_mut("description") {
            let separator = if text.is_empty() { "" } else { "; " };
            text.push_str(&format!("{separator}`{code}`: {}", code.title()));
        }
    }
    responses.insert("default".to_owned(), problem("Any other failure: see the page on errors."));
    Value::Object(responses)
}

fn problem(description: &str) -> Value {
    json!({ "description": description, "content": { PROBLEM_JSON: { "schema": {
        "$ref": "#/components/schemas/Problem"
    } } } })
}

/// A body, of a request or an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    is_required: bool,
    types: &'static [&'static str],
    /// Name of a schema; bytes without one.
    schema: Option<&'static str>,
}

impl Body {
    const fn document(schema: &'static str) -> Self {
        Self { is_required: true, types: &[wire::JSON_API, wire::JSON], schema: Some(schema) }
    }

    /// As documents are answered.
    const fn answer(schema: &'static str) -> Self {
        Self { is_required: true, types: &[wire::JSON_API], schema: Some(schema) }
    }

    const fn bytes(types: &'static [&'static str]) -> Self {
        Self { is_required: true, types, schema: None }
    }

    const fn optional(self) -> Self {
        Self { is_required: false, ..self }
    }

    fn content(self) -> Value {
        let schema = match self.schema {
            Some(name) => json!({ "$ref": format!("#/components/schemas/{name}") }),
            // In 3.1, bytes are what has no schema.
            None => json!({}),
        };
        self.types.iter().map(|media_type| ((*media_type).to_owned(), json!({ "schema": schema }))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::PATHS;

    #[test]
    fn every_path_is_described() {
        let described: BTreeSet<_> = operations::all().map(|operation| operation.path).collect();
        assert_eq!(described, PATHS.iter().copied().collect());
        let ids: BTreeSet<_> = operations::all().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), operations::all().count(), "ids are given once");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object).unwrap();
        let references =
            text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        for name in references {
            assert!(schemas.contains_key(name), "{name}");
        }
        for name in schemas.keys() {
            assert!(text.contains(&format!("#/components/schemas/{name}\"")), "{name} is used by nothing");
        }
    }
}
