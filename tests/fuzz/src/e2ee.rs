//! The decoders of what members send each other, and of what they paste.

use ::e2ee::{
    admins::Admins,
    contact::Contact,
    content::Content,
    invite::SealedInvite,
    key_package::{KeyPackage, KeyPackagePrivate},
    message::MessageKeys,
    name::{ContentType, DisplayName, FileName},
    node_url::NodeUrl,
    payload::SignedPayload,
    roster::Roster,
    ticket::TicketLink,
};
use ::protocol::{FrameId, OpDigest};

fn same(what: &str, again: &[u8], bytes: &[u8]) {
    assert!(again == bytes, "{what} has two forms");
}

/// The first byte says which decoder the rest is for.
pub fn member_bytes(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which {
        0 => {
            if let Ok(content) = Content::from_bytes(bytes) {
                let again = content.to_bytes().unwrap_or_default();
                // The names of files are made safe on the way.
                if matches!(content, Content::File { .. } | Content::Attachment(_)) {
                    assert!(Content::from_bytes(&again) == Ok(content), "a content changes twice");
                } else {
                    same("a content", &again, bytes);
                }
            }
        }
        1 => {
            if let Ok(payload) = SignedPayload::from_bytes(bytes) {
                same("a payload", &payload.to_bytes(), bytes);
                let _content = payload.claimed_content();
            }
        }
        2 => {
            if let Ok(roster) = Roster::from_bytes(bytes) {
                same("a roster", &roster.to_bytes(), bytes);
            }
        }
        3 => {
            if let Ok(package) = KeyPackage::from_bytes(bytes) {
                same("a key package", &package.to_bytes(), bytes);
            }
        }
        4 => {
            if let Ok(package) = KeyPackagePrivate::from_bytes(bytes) {
                same("a private key package", &package.to_bytes(), bytes);
            }
        }
        5 => {
            if let Ok(invite) = SealedInvite::from_bytes(bytes) {
                same("an invite", &invite.to_bytes(), bytes);
            }
        }
        6 => {
            if let Ok(keys) = MessageKeys::from_bytes(bytes) {
                same("message keys", &keys.to_bytes(), bytes);
                let opened = keys.open(&FrameId::new([1; 16]), &OpDigest::new([2; 32]), bytes);
                assert!(opened.is_err(), "a state opens as a message");
            }
        }
        7 => {
            if let Ok(admins) = Admins::from_bytes(bytes) {
                same("a list of admins", &admins.to_bytes(), bytes);
            }
        }
        _ => {}
    }
}

/// Texts that people paste: invites, contacts, links, addresses, names. What is taken is written the same way again, or
/// in the one form that is taken again.
pub fn pasted(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(invite) = SealedInvite::parse(text) {
        assert!(
            SealedInvite::parse(&invite.to_text()).is_ok_and(|again| again.to_bytes() == invite.to_bytes())
        );
    }
    if let Ok(contact) = Contact::parse(text) {
        assert!(Contact::parse(&contact.to_text()).is_ok_and(|again| again.to_text() == contact.to_text()));
    }
    if let Ok(link) = TicketLink::parse(text) {
        assert!(TicketLink::parse(&link.to_text()).is_ok_and(|again| again.to_text() == link.to_text()));
    }
    if let Ok(url) = NodeUrl::new(text) {
        assert!(NodeUrl::new(&url.to_string()).is_ok_and(|again| again == url));
    }
    if let Ok(name) = DisplayName::new(text) {
        assert!(DisplayName::new(&name.to_string()).is_ok_and(|again| again == name));
    }
    let _type = ContentType::new(text);
    let file = FileName::sanitise(text);
    assert!(FileName::sanitise(file.as_str()) == file, "a file name changes twice");
}
