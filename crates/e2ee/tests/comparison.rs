//! What two people read to each other is the same for the same epoch and different otherwise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use e2ee::{comparison::ComparisonDigits, schedule::Authenticator};
use protocol::SigningKey;

fn epoch(fill: u8) -> ComparisonDigits {
    ComparisonDigits::of_epoch(&Authenticator::from_bytes(&[fill; 32]))
}

#[test]
fn golden_digits() {
    assert_eq!(epoch(13).to_string(), "76335 42608 09756 24212 48640 35940 25846 65534");
    let identity = SigningKey::from_seed(&[1; 32]).verifying_key();
    assert_eq!(
        ComparisonDigits::of_identity(&identity).to_string(),
        "12388 44486 04335 64296 99001 59092 80567 50915"
    );
}

#[test]
fn typed_digits_are_compared() {
    let digits = epoch(13);
    let text = digits.to_string();
    assert!(digits.matches(&text));
    assert!(digits.matches(&text.replace(' ', "")));
    assert!(digits.matches(&text.replace(' ', " - ")));
    assert!(!digits.matches(&text[1..]));
    assert!(!digits.matches(&format!("{text}0")));
    assert!(!digits.matches(""));
    assert!(!digits.matches(&epoch(14).to_string()));
    assert_ne!(digits, epoch(14));
}
