//! What readers of drops are given: links, infos, sealed contents.

use ::sealed_drop::{
    ContentCipher, ContentKey, DropId, DropLink, DropSecret, HEAD, Info, Opener, SealedInfo, Token,
};

/// Texts that people paste and servers answer. What is taken is written the same way again, or in the one form that is
/// taken again.
pub fn drop_text(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(link) = DropLink::parse(text) {
        assert!(DropLink::parse(&link.to_text()).is_ok_and(|again| again == link), "a link changes twice");
    }
    if let Ok(id) = text.parse::<DropId>() {
        assert!(id.to_string() == text, "an id has two forms");
    }
    if let Ok(token) = Token::parse(text) {
        assert!(*token.to_text() == text, "a token has two forms");
    }
    if let Ok(info) = SealedInfo::parse(text) {
        assert!(info.to_text() == text, "an info has two forms");
        let keys = DropSecret::from_bytes(&[1; 32]).keys(None);
        if let Ok(opened) = Info::open(&info, &keys.info) {
            assert!(opened.seal(&keys.info).to_text() == text, "an info was sealed in two ways");
        }
    }
}

/// The key of the corpus of [`drop_content`].
pub fn content_key() -> ContentKey {
    DropSecret::from_bytes(&[1; 32]).keys(None).content
}

/// The first byte says how the rest is opened: 0 as it is, 1 as the plaintext of a sender that seals what it likes; the
/// second how long the pieces are.
pub fn drop_content(bytes: &[u8]) {
    let [how, piece, bytes @ ..] = bytes else { return };
    let key = content_key();
    let sealed = if *how == 1 {
        let mut chunk = bytes.to_vec();
        if !ContentCipher::new(&key).seal_chunk(0, true, &mut chunk) {
            return;
        }
        [&HEAD[..], &chunk].concat()
    } else {
        bytes.to_vec()
    };
    let mut opener = Opener::new(&key);
    let mut content = Vec::new();
    let pushed =
        sealed.chunks(usize::from(*piece) + 1).try_for_each(|piece| opener.push(piece, &mut content));
    if pushed.is_ok() {
        assert!(opener.offset() == sealed.len() as u64, "some of it was not looked at");
    }
    if let Ok(opened) = opener.finish(&mut content) {
        assert!(opened.len == content.len() as u64, "another length than it says");
        assert!(pushed.is_ok(), "whole after an error");
        let mut again = Vec::new();
        let mut sealer =
            ::sealed_drop::Sealer::new(&key, opened.len).unwrap_or_else(|error| panic!("{error}"));
        let sealing = sealer.push(&content, &mut again).and_then(|()| sealer.finish(&mut again));
        assert!(sealing.is_ok() && again == sealed, "a content has two sealed forms");
    }
}
