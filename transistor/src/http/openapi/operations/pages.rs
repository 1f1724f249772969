//! What is the same for everybody.

use api::transistor as wire;

use super::{super::Body, Operation, Success};

const fn asset(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    success: &'static [Success],
) -> Operation {
    Operation {
        method: "get",
        path,
        id,
        summary,
        description,
        creator: None,
        headers: &[],
        body: None,
        successes: success,
        problems: &[],
    }
}

pub(super) const ALL: &[Operation] = &[
    asset(
        wire::DESCRIPTION,
        "getDescription",
        "This description",
        "OpenAPI 3.1.",
        &[Success {
            status: 200,
            description: "The description.",
            headers: &[],
            body: Some(Body::bytes(&["application/json"])),
        }],
    ),
    asset(
        wire::PAGE,
        "getPage",
        "The page behind links",
        "The same for every link. The secret stands behind the `#`, which browsers do not send; the page opens the drop \
         once a button was pressed.",
        &[Success {
            status: 200,
            description: "The page.",
            headers: &[],
            body: Some(Body::bytes(&["text/html"])),
        }],
    ),
    asset(
        wire::PAGE_SCRIPT,
        "getPageScript",
        "Its program",
        "Opens drops in the browser.",
        &[Success {
            status: 200,
            description: "The program.",
            headers: &[],
            body: Some(Body::bytes(&["text/javascript"])),
        }],
    ),
    asset(
        wire::PAGE_STYLE,
        "getPageStyle",
        "How it looks",
        "A style sheet.",
        &[Success {
            status: 200,
            description: "The style.",
            headers: &[],
            body: Some(Body::bytes(&["text/css"])),
        }],
    ),
];
