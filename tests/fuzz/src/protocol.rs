//! The decoders of the wire format. Whatever they take has to be the one form of what they make of it.

use ::protocol::{
    Frame, Head, Kind, Receipt, ServedFrame,
    body::{Body, Policy},
    frame::Served,
};

fn same(what: &str, again: &[u8], bytes: &[u8]) {
    assert!(again == bytes, "a {what} has two forms");
}

/// A frame as it is posted.
pub fn frame(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        same("frame", &frame.encode().unwrap_or_default(), bytes);
        same("head", &frame.head().encode(), frame.head_bytes());
        assert!(frame.without_sealed().hash() == frame.hash(), "pruning changes the hash");
    }
}

/// A head alone.
pub fn head(bytes: &[u8]) {
    if let Ok(head) = Head::decode(bytes) {
        same("head", &head.encode(), bytes);
    }
}

/// A kind's number as one byte, then a body.
pub fn body(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let Ok(kind) = Kind::from_code(u32::from(*kind)) else { return };
    if let Ok(body) = Body::decode(kind, bytes) {
        same("body", &body.encode(), bytes);
        assert!(body.kind() == kind, "a body of another kind");
    }
    if let Ok(policy) = Policy::from_bytes(bytes) {
        same("policy", &policy.to_bytes(), bytes);
    }
}

/// A frame as it is served, whole or pruned.
pub fn served_frame(bytes: &[u8]) {
    if let Ok(served) = ServedFrame::decode(bytes) {
        same("served frame", &served.encode(), bytes);
        assert!(
            matches!(served.content, Served::MessageHash(_)) == served.frame().is_none(),
            "only a hash is no frame"
        );
    }
}

/// A node's receipt.
pub fn receipt(bytes: &[u8]) {
    if let Ok(receipt) = Receipt::decode(bytes) {
        same("receipt", &receipt.encode(), bytes);
        let _verdict = receipt.verify();
    }
}
