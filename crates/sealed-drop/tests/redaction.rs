//! No `Debug` shows a secret, a name or an id.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use sealed_drop::{ContentCipher, ContentKey, DropLink, DropSecret, Info, Opener, Password, Sealer, Token};

/// Every secret in this file is made of this byte, so its hexadecimal, decimal or base64 form would show.
const CANARY: u8 = 0xa7;

#[test]
fn nothing_shows() {
    let secret = DropSecret::from_bytes(&[CANARY; 32]);
    let keys = secret.keys(None);
    let content = ContentKey::from_bytes(&[CANARY; 39]);
    let info = Info::new("hush.txt", "text/hush", 5).unwrap();
    let token = Token::from_bytes(&[CANARY; 32]);
    let link = DropLink::new("https://kith.example/transistor", secret.clone(), true).unwrap();
    let fixed = [
        (format!("{secret:?}"), "DropSecret(..)"),
        (format!("{:?}", secret.id()), "DropId(..)"),
        (format!("{token:?}"), "Token(..)"),
        (format!("{:?}", token.hash()), "TokenHash(..)"),
        (format!("{content:?}"), "ContentKey(..)"),
        (format!("{:?}", ContentCipher::new(&content)), "ContentCipher(..)"),
        (format!("{:?}", keys.info), "InfoKey(..)"),
        (format!("{:?}", info.seal(&keys.info)), "SealedInfo(..)"),
        (format!("{:?}", Password::new("hush".to_owned())), "Password(..)"),
        (format!("{link:?}"), "DropLink(..)"),
    ];
    for (shown, form) in fixed {
        assert_eq!(shown, form);
    }
    let mut sealer = Sealer::new(&content, 9).unwrap();
    sealer.push(b"hush", &mut Vec::new()).unwrap();
    let shown = format!("{keys:?} {info:?} {sealer:?} {:?}", Opener::new(&content));
    for sign in ["a7a7", "A7A7", "167, 167", "p6en", "hush", "104, 117"] {
        assert!(!shown.contains(sign), "{shown} shows {sign}");
    }
}
