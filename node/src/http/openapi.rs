//! The machine-readable description of the node's routes, in version 3.1 of the `OpenAPI` format.

mod operations;
mod schemas;

use std::sync::{Arc, OnceLock};

use api::{
    Format, PROBLEM_JSON,
    paths::{Access, Method},
};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

pub(crate) use operations::{Answer, OPERATIONS, Operation};

use super::App;

/// `GET /openapi.json`.
pub(crate) async fn serve(State(app): State<Arc<App>>) -> Response {
    let mut described = document().clone();
    if let Some(root) = described.as_object_mut() {
        root.insert("servers".to_owned(), json!([{ "url": app.origin().as_str() }]));
    }
    let mut response = described.to_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The description, without the address of a particular node.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "kith node",
                "version": env!("CARGO_PKG_VERSION"),
                "summary": "Frames of private groups: accepted, ordered, kept, pushed.",
                "license": { "name": "Apache-2.0 OR MIT" },
            },
            "paths": paths(),
            "components": {
                "schemas": schemas::all(),
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "A token traded for an answered challenge. In this header and nowhere else.",
                    },
                },
            },
        })
    })
}

fn paths() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(method(operation.method).to_owned(), describe(operation));
        }
    }
    Value::Object(paths)
}

/// The key of a method in the description.
pub(crate) const fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Post => "post",
    }
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
        fields.insert("requestBody".to_owned(), json!({ "required": true, "content": content(body) }));
    }
    if operation.access == Access::Token {
        fields.insert("security".to_owned(), json!([{ "token": [] }]));
    }
    described
}

fn parameters(operation: &Operation) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": schemas::hex(32),
                "description": "Lower-case hexadecimal." })
    });
    let others = operation.parameters.iter().map(|parameter| {
        json!({ "name": parameter.name, "in": parameter.place, "required": parameter.required,
                "schema": schemas::parameter(parameter.kind), "description": parameter.description })
    });
    in_path.chain(others).collect()
}

fn content(schema: &str) -> Value {
    let reference = json!({ "$ref": format!("#/components/schemas/{schema}") });
    json!({
        Format::Json.content_type(): { "schema": reference },
        Format::Protobuf.content_type(): { "schema": {
            "type": "string",
            "format": "binary",
            "description": format!("Protocol Buffers message `{schema}`."),
        } },
    })
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    let (status, success) = match operation.answer {
        Answer::Body(schema) => ("200", json!({ "description": "Done.", "content": content(schema) })),
        Answer::Text(media_type, description) => (
            "200",
            json!({ "description": description, "content": { media_type: { "schema": { "type": "string" } } } }),
        ),
        Answer::Nothing => ("204", json!({ "description": "It is so." })),
    };
    responses.insert(status.to_owned(), success);
    for code in operation.problems {
        let response = responses.entry(code.status().to_string()).or_insert_with(|| {
            json!({ "description": "", "content": { PROBLEM_JSON: { "schema": {
                "$ref": "#/components/schemas/Problem"
            } } } })
        });
        if let Some(Value::String(text)) = response.get_mut("description") {
            let separator = if text.is_empty() { "" } else { "; " };
            text.push_str(&format!("{separator}`{code}`: {}", code.title()));
        }
    }
    responses.insert(
        "default".to_owned(),
        json!({ "description": "Any other failure: see the page on errors.", "content": { PROBLEM_JSON: {
            "schema": { "$ref": "#/components/schemas/Problem" }
        } } }),
    );
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::paths::ROUTES;

    #[test]
    fn description_equals_the_table_of_routes() {
        let described: Vec<_> = OPERATIONS.iter().map(|o| (o.method, o.path, o.access)).collect();
        for route in ROUTES {
            assert!(
                described.contains(&(route.method, route.path, route.access)),
                "{route:?} is not described"
            );
        }
        assert_eq!(described.len(), ROUTES.len(), "something is described that there is not");
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
