//! The decoders of HTTP bodies, events and headers, on either side.

use ::api::{
    Body, Format, NodeInfo, NodeOrigin, Problem, StateAnswer,
    centrifugo::CentrifugoTokens,
    challenge::Challenge,
    events::Event,
    frames::{EventId, FrameReceipt, FramesPage, PostFrame},
    key_packages::{ClaimedKeyPackage, MailboxStatus, PutKeyPackages},
    token::{TokenAnswer, TokenRequest},
};

/// What is taken in one encoding means the same in the other.
fn check<B: Body>(format: Format, bytes: &[u8]) {
    let Ok(body) = B::decode(format, bytes) else { return };
    for format in [Format::Protobuf, Format::Json] {
        let encoded = body.encode(format);
        let again = B::decode(format, &encoded);
        assert!(again.is_ok_and(|again| again.encode(format) == encoded), "a body changes on its way");
    }
}

/// The first byte says which body and encoding the rest is.
pub fn body(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let format = if which & 0x80 == 0 { Format::Protobuf } else { Format::Json };
    match which & 0x7f {
        0 => check::<Challenge>(format, bytes),
        1 => check::<FrameReceipt>(format, bytes),
        2 => check::<FramesPage>(format, bytes),
        3 => check::<ClaimedKeyPackage>(format, bytes),
        4 => check::<MailboxStatus>(format, bytes),
        5 => check::<PutKeyPackages>(format, bytes),
        6 => check::<NodeInfo>(format, bytes),
        7 => check::<StateAnswer>(format, bytes),
        8 => check::<TokenAnswer>(format, bytes),
        9 => check::<TokenRequest>(format, bytes),
        10 => check::<PostFrame>(format, bytes),
        11 => {
            let problem = Problem::from_response(400, bytes);
            let again = Problem::from_response(400, &problem.to_json());
            assert!(again.to_json() == problem.to_json(), "a problem changes on its way");
        }
        12 => check::<CentrifugoTokens>(format, bytes),
        _ => {}
    }
}

/// Name, id and data of an event, a line each; and texts in headers and settings.
pub fn text(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(3, '\n');
    if let (Some(name), Some(id), Some(data)) = (lines.next(), lines.next(), lines.next())
        && let Ok(event) = Event::parse(name, id, data)
    {
        let (name, text) = (event.name(), event.to_text());
        assert!(text.starts_with("id: ") || text.contains(&format!("event: {name}\n")));
        assert!(text.ends_with("\n\n") && !text.trim_end().contains("\n\n"), "an event is several");
    }
    if let Ok(id) = text.parse::<EventId>() {
        assert!(id.to_string().parse() == Ok(id), "an event id has two forms");
    }
    if let Ok(origin) = text.parse::<NodeOrigin>() {
        assert!(origin.to_string().parse() == Ok(origin));
    }
    let _type = Format::from_content_type(text);
    let _accept = Format::from_accept(Some(text));
}
