//! The client's reader of event streams, which is private to it.

#[path = "../../../client-sdk/src/http/sse.rs"]
mod parser;

use parser::Parser;

/// The first byte says where the stream is cut; however it is, the same events come out, or the same error.
pub fn event_stream(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let read = |parts: &[&[u8]]| {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for part in parts {
            if parser.push(part, |event| events.push(event.to_text())).is_err() {
                return (events, true);
            }
        }
        (events, false)
    };
    let (front, back) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let whole = read(&[bytes]);
    assert!(read(&[front, back]) == whole && read(&single) == whole, "a stream depends on how it is cut");
}
