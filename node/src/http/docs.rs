//! The description for people: two pages that need nothing from anywhere.

use std::{fmt::Write, sync::OnceLock};

use api::{ErrorCode, Retry, paths::Access};
use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};

use super::openapi::{Answer, OPERATIONS, Operation, method};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1c1c1c;background:#fff}code{background:#f0f0f0;padding:.1em .3em;border-radius:.2em}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;\
vertical-align:top}h2{margin-top:2rem}@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}\
code{background:#2a2a2a}td,th{border-color:#333}a{color:#8ab4f8}}";

/// `GET /docs`.
pub(crate) async fn page() -> Response {
    static PAGE: OnceLock<String> = OnceLock::new();
    html(PAGE.get_or_init(|| render("The node's HTTP interface", operations)))
}

/// `GET /docs/errors`, whose anchors problem documents refer to.
pub(crate) async fn errors_page() -> Response {
    static PAGE: OnceLock<String> = OnceLock::new();
    html(PAGE.get_or_init(|| render("Errors", errors)))
}

fn html(page: &'static str) -> Response {
    let mut response = Html(page).into_response();
    // Its own style is all a page may use: no script, no image, nothing from elsewhere.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

fn render(title: &str, body: fn(&mut String) -> std::fmt::Result) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>kith: {title}</title><style>{STYLE}</style><h1>{title}</h1>"
    );
    // Writing to a string does not fail.
    let _written = body(&mut page);
    page
}

fn operations(page: &mut String) -> std::fmt::Result {
    page.push_str(
        "<p>Bodies are Protocol Buffers, or JSON where <code>Accept</code> or <code>Content-Type</code> say so. \
         Failures are <a href=\"/docs/errors\">problem documents</a>. The same for machines: \
         <a href=\"/openapi.json\">openapi.json</a>.</p>",
    );
    OPERATIONS.iter().try_for_each(|operation| one(page, operation))
}

fn one(page: &mut String, operation: &Operation) -> std::fmt::Result {
    let Operation { id, summary, path, description, .. } = operation;
    let verb = method(operation.method).to_uppercase();
    write!(
        page,
        "<h2 id=\"{id}\">{summary}</h2><p><code>{verb} {path}</code></p><p>{}</p>",
        marked(description)
    )?;
    page.push_str(match operation.access {
        Access::Open => "<p>Open to anybody.</p>",
        Access::Token => "<p>Needs a token: <code>Authorization: Bearer …</code>.</p>",
        Access::Operator => "<p>For operators.</p>",
    });
    if !operation.parameters.is_empty() {
        page.push_str("<table><tr><th>Parameter<th>In<th>Meaning");
        for parameter in operation.parameters {
            let needed = if parameter.required { " (needed)" } else { "" };
            let meaning = marked(parameter.description);
            write!(
                page,
                "<tr><td><code>{}</code><td>{}{needed}<td>{meaning}",
                parameter.name, parameter.place
            )?;
        }
        page.push_str("</table>");
    }
    if let Some(body) = operation.body {
        write!(page, "<p>Body: <code>{body}</code>.</p>")?;
    }
    match operation.answer {
        Answer::Body(schema) => write!(page, "<p>Answer: <code>{schema}</code>.</p>")?,
        Answer::Text(media_type, _) => write!(page, "<p>Answer: <code>{media_type}</code>.</p>")?,
        Answer::Nothing => page.push_str("<p>Answer: 204.</p>"),
    }
    if !operation.problems.is_empty() {
        page.push_str("<p>Be ready for ");
        for (at, code) in operation.problems.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(page, "{separator}<a href=\"/docs/errors#{code}\"><code>{code}</code></a>")?;
        }
        page.push_str(".</p>");
    }
    Ok(())
}

/// Text with `code` marked as such.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() })
        .collect()
}

fn errors(page: &mut String) -> std::fmt::Result {
    page.push_str("<table><tr><th>Code<th>Status<th>Meaning<th>What to do<th>Changed anything?");
    for code in ErrorCode::ALL {
        let retry = match code.retry() {
            Retry::Never => "The request is wrong: do not repeat it.",
            Retry::Rebuild => "Fetch what is new, build it anew, send again.",
            Retry::Later => "Send the same again after a while.",
        };
        let changed = if code.has_no_side_effects() { "No." } else { "Unknown: send the same bytes again." };
        let (status, title) = (code.status(), code.title());
        write!(
            page,
            "<tr id=\"{code}\"><td><code>{code}</code><td>{status}<td>{title}.<td>{retry}<td>{changed}"
        )?;
    }
    page.push_str("</table>");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_anchor() {
        let page = render("Errors", errors);
        for code in ErrorCode::ALL {
            assert!(page.contains(&format!("id=\"{code}\"")), "{code}");
        }
    }

    #[test]
    fn pages_need_nothing_from_elsewhere() {
        for page in [render("a", operations), render("b", errors)] {
            assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
        }
    }
}
