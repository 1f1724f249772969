//! What a member says of a file outside the log: one encoding, bounded, with a secret for everybody.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

use e2ee::{
    attachment::{Attachment, DropSecret, FileDigest},
    content::{Content, ContentError},
    name::{ContentType, FileName},
    node_url::NodeUrl,
};
use fixtures::{attachment, bytes_field, number_field};
use proptest::prelude::*;
use protocol::LeafId;

fn content(fields: &[Vec<u8>]) -> Result<Content, ContentError> {
    Content::from_bytes(&[number_field(1, 7), bytes_field(2, &fields.concat())].concat())
}

/// The fields of [`attachment`], in order; the last one, the service, is left out.
fn fields() -> [Vec<u8>; 5] {
    [
        bytes_field(1, b"film.mkv"),
        bytes_field(2, b"video/x-matroska"),
        number_field(3, 5_000_000),
        bytes_field(4, &[0xd1; 32]),
        bytes_field(5, &[0x5e; 32]),
    ]
}

fn with(at: usize, field: Vec<u8>) -> Vec<Vec<u8>> {
    let mut fields = fields().to_vec();
    fields[at] = field;
    fields
}

#[test]
fn golden_bytes() {
    let bytes = Content::Attachment(attachment()).to_bytes().unwrap();
    let secret = "5e".repeat(32);
    let digest = "d1".repeat(32);
    let expected = format!(
        "08071265\
         0a0866696c6d2e6d6b76\
         1210766964656f2f782d6d6174726f736b61\
         18c096b102\
         2220{digest}\
         2a20{secret}"
    );
    assert_eq!(hex::encode(&bytes), expected);
    let elsewhere = Attachment { service: Some(NodeUrl::new("https://d.example").unwrap()), ..attachment() };
    let bytes = Content::Attachment(elsewhere.clone()).to_bytes().unwrap();
    assert!(hex::encode(&bytes).ends_with("321168747470733a2f2f642e6578616d706c65"));
    assert_eq!(Content::from_bytes(&bytes), Ok(Content::Attachment(elsewhere)));
}

#[test]
fn copies_have_secrets_of_their_own() {
    let one = attachment();
    let copy = |id| hex::encode(*one.copy_for(LeafId::new(id)).to_bytes());
    assert_eq!(copy(3), hex::encode(*one.secret.copy(&[0, 0, 0, 0, 0, 0, 0, 3]).to_bytes()));
    assert_ne!(copy(3), copy(4));
    assert_ne!(copy(0), hex::encode(*one.secret.to_bytes()));
}

#[test]
fn every_field_is_checked() {
    assert_eq!(content(&fields()), Ok(Content::Attachment(attachment())));
    let service = |url: &str| content(&[&fields()[..], &[bytes_field(6, url.as_bytes())]].concat());
    assert!(service("https://d.example/transistor").is_ok());
    let refused = [
        ("a type that is none", content(&with(1, bytes_field(2, b"video matroska")))),
        ("no type", content(&with(1, Vec::new()))),
        ("a name too long", content(&with(0, bytes_field(1, &[b'x'; 256])))),
        ("larger than any", content(&with(2, number_field(3, Attachment::MAX_SIZE + 1)))),
        ("a short digest", content(&with(3, bytes_field(4, &[1; 31])))),
        ("no digest", content(&with(3, Vec::new()))),
        ("a long secret", content(&with(4, bytes_field(5, &[1; 33])))),
        ("no secret", content(&with(4, Vec::new()))),
        ("a script", service("javascript:alert(1)")),
        ("a slash at the end", service("https://d.example/")),
        ("a user", service("https://me@d.example")),
        ("a long address", service(&format!("https://{}", "d".repeat(255)))),
        ("an unknown field", content(&[&fields()[..], &[number_field(7, 1)]].concat())),
    ];
    for (what, got) in refused {
        assert_eq!(got, Err(ContentError::Malformed), "{what}");
    }
    assert!(content(&with(2, number_field(3, Attachment::MAX_SIZE))).is_ok());
    // Nothing is a file, too.
    let empty = Attachment { size: 0, ..attachment() };
    let bytes = Content::Attachment(empty.clone()).to_bytes().unwrap();
    assert_eq!(Content::from_bytes(&bytes), Ok(Content::Attachment(empty)));
}

#[test]
fn names_are_made_safe() {
    let Ok(Content::Attachment(opened)) = content(&with(0, bytes_field(1, b"../../x"))) else {
        panic!("an attachment")
    };
    assert_eq!(opened.name.as_str(), "_.._.._x");
}

proptest! {
    #[test]
    fn round_trip(
        name in ".{0,100}",
        media_type in "[a-z]{1,20}/[a-z]{1,20}",
        size in 0..=Attachment::MAX_SIZE,
        digest in any::<[u8; 32]>(),
        secret in any::<[u8; 32]>(),
        service in proptest::option::of("https://[a-z]{1,40}(:[1-9][0-9]{0,3})?(/[a-z]{1,20})?"),
    ) {
        let attachment = Attachment {
            name: FileName::sanitise(&name),
            media_type: ContentType::new(&media_type).unwrap(),
            size,
            digest: FileDigest::new(digest),
            secret: DropSecret::from_bytes(&secret),
            service: service.map(|url| NodeUrl::new(&url).unwrap()),
        };
        let bytes = Content::Attachment(attachment.clone()).to_bytes().unwrap();
        prop_assert_eq!(Content::from_bytes(&bytes), Ok(Content::Attachment(attachment)));
        for len in 0..bytes.len() {
            prop_assert!(Content::from_bytes(&bytes[..len]).is_ok_and(|c| c == Content::Empty) == (len == 0));
        }
    }
}
