//! The bytes of a place: one that says whose it is, then what that source needs.
//!
//! | first byte | then |
//! |---|---|
//! | `0xc1` | a change stream's resume token as BSON, its `_data` as bytes instead of hexadecimal digits |
//! | `0xb1` | the run of the server, 13 bytes; the marks `low` and `high`, 8 bytes each, big-endian |
//!
//! Places travel with every message of a relay, hence the shorter form of tokens. It gives back exactly the token that
//! went in.

use frame_log::{Place, SourceError};
use mongodb::bson::{
    Bson, Document, RawDocument, RawDocumentBuf, Timestamp, raw::RawBinaryRef, spec::BinarySubtype,
};

use super::server::{PROCESS, Process};

const CHANGE_STREAM: u8 = 0xc1;
const POLLING: u8 = 0xb1;

/// The field of a token that says where it is.
const DATA: &str = "_data";
/// The digits a time begins with in it: what follows is a timestamp.
const TIME: &[u8] = &[0x82];

/// A resume token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// As the server gave it.
    pub(super) document: Document,
    /// The time it stands for, where its form is a known one.
    pub(super) time: Option<Timestamp>,
}

/// The place a change stream has got to.
///
/// # Errors
/// [`SourceError::Unavailable`] for a token no known server gives.
pub(super) fn of_token(token: &RawDocument) -> Result<Place, SourceError> {
    let strange = || {
        tracing::warn!("the server's resume token has a form that is not known");
        SourceError::Unavailable
    };
    let mut short = RawDocumentBuf::new();
    for field in token {
        let (name, value) = field.map_err(|_| strange())?;
        if name.as_str() != DATA {
            short.append(name, value);
        } else if let Some(bytes) = value.as_str().and_then(bytes_of_digits) {
            short.append(name, RawBinaryRef { subtype: BinarySubtype::Generic, bytes: &bytes });
        } else if value.as_str().is_some() {
            short.append(name, value);
        } else {
            return Err(strange());
        }
    }
    let mut bytes = vec![CHANGE_STREAM];
    bytes.extend(short.as_bytes());
    Place::new(bytes).map_err(|_| strange())
}

/// What hexadecimal digits stand for, if they come back the same.
fn bytes_of_digits(text: &str) -> Option<Vec<u8>> {
    let upper = text.bytes().all(|digit| !digit.is_ascii_lowercase());
    upper.then(|| hex::decode(text).ok()).flatten()
}

/// The token in a place.
///
/// # Errors
/// [`SourceError::Lost`] for a place of anything else.
pub(super) fn token(place: &Place) -> Result<Token, SourceError> {
    let Some((&CHANGE_STREAM, bytes)) = place.as_bytes().split_first() else { return Err(SourceError::Lost) };
    let raw = RawDocument::from_bytes(bytes).map_err(|_| SourceError::Lost)?;
    let mut document = Document::try_from(raw).map_err(|_| SourceError::Lost)?;
    let mut time = None;
    match document.get(DATA) {
        Some(Bson::Binary(data)) => {
            time = time_of(&data.bytes);
            let digits = hex::encode_upper(&data.bytes);
            document.insert(DATA, digits);
        }
        Some(Bson::String(_)) => {}
        _ => return Err(SourceError::Lost),
    }
    Ok(Token { document, time })
}

fn time_of(data: &[u8]) -> Option<Timestamp> {
    let (time, _) = data.strip_prefix(TIME)?.split_first_chunk()?;
    Some(timestamp(u64::from_be_bytes(*time)))
}

/// Where a reader of a standalone server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// The run of the server that gave the times.
    pub(super) process: Process,
    /// Up to here nothing is to come any more.
    pub(super) low: u64,
    /// Up to here was shown what was there; later ones may appear.
    pub(super) high: u64,
}

impl Marks {
    /// The place.
    pub(super) fn place(&self) -> Result<Place, SourceError> {
        let mut bytes = vec![POLLING];
        bytes.extend(self.process.0);
        bytes.extend(self.low.to_be_bytes());
        bytes.extend(self.high.to_be_bytes());
        Place::new(bytes).map_err(|_| SourceError::Damaged)
    }

    /// The marks in a place.
    ///
    /// # Errors
    /// [`SourceError::Lost`] for a place of anything else.
    pub(super) fn of(place: &Place) -> Result<Self, SourceError> {
        let parts = place.as_bytes().strip_prefix(&[POLLING]).and_then(|rest| {
            let (process, rest) = rest.split_first_chunk::<PROCESS>()?;
            let (low, rest) = rest.split_first_chunk()?;
            let high: &[u8; 8] = rest.try_into().ok()?;
            Some((Process(*process), u64::from_be_bytes(*low), u64::from_be_bytes(*high)))
        });
        match parts {
            Some((process, low, high)) if low <= high => Ok(Self { process, low, high }),
            _ => Err(SourceError::Lost),
        }
    }
}

/// A server's time as one number: seconds, then a counter, 32 bits each.
pub(super) const fn number(time: Timestamp) -> u64 {
    // Lossless; `From` is not usable in a constant function.
    #[allow(clippy::cast_lossless, reason = "`From` is not constant")]
    {
        (time.time as u64) << 32 | time.increment as u64
    }
}

/// The inverse of [`number`].
pub(super) fn timestamp(number: u64) -> Timestamp {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    Timestamp { time: u32::from_be_bytes([a, b, c, d]), increment: u32::from_be_bytes([e, f, g, h]) }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Binary, doc};
    use proptest::prelude::*;

    use super::*;

    const HIGH_WATER_MARK: &str = "82655F8A2C000000052B0429296E1404";

    fn raw(document: &Document) -> RawDocumentBuf {
        RawDocumentBuf::try_from(document).unwrap()
    }

    #[test]
    fn a_token_comes_back_as_it_was_and_names_its_time() {
        let mark = doc! { "_data": HIGH_WATER_MARK };
        let place = of_token(&raw(&mark)).unwrap();
        assert_eq!(
            hex::encode(place.as_bytes()),
            "c121000000055f6461746100100000000082655f8a2c000000052b0429296e140400",
            "golden: places are stored"
        );
        let back = token(&place).unwrap();
        assert_eq!(back.document, mark);
        assert_eq!(back.time, Some(Timestamp { time: 0x655F_8A2C, increment: 5 }));
    }

    #[test]
    fn tokens_of_other_forms_come_back_too() {
        let binary = Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2] });
        for other in [
            doc! { "_data": "82655f8a2c", "_typeBits": binary.clone() },
            doc! { "_data": "odd" },
            doc! { "_data": "" },
        ] {
            assert_eq!(
                token(&of_token(&raw(&other)).unwrap()).unwrap(),
                Token { document: other, time: None }
            );
        }
        let typed = doc! { "_data": HIGH_WATER_MARK, "_typeBits": binary.clone() };
        assert_eq!(token(&of_token(&raw(&typed)).unwrap()).unwrap().document, typed);
        // No server since 4.0 gives these, and they could not be told from the short form.
        assert_eq!(of_token(&raw(&doc! { "_data": binary })), Err(SourceError::Unavailable));
    }

    #[test]
    fn each_kind_refuses_the_other() {
        let stream = of_token(&raw(&doc! { "_data": HIGH_WATER_MARK })).unwrap();
        let polling = Marks { process: Process([7; PROCESS]), low: 1, high: 2 }.place().unwrap();
        assert_eq!(
            hex::encode(polling.as_bytes()),
            "b10707070707070707070707070700000000000000010000000000000002"
        );
        assert_eq!(Marks::of(&stream), Err(SourceError::Lost));
        assert_eq!(token(&polling), Err(SourceError::Lost));
        let upside_down = Marks { process: Process([7; PROCESS]), low: 3, high: 2 }.place().unwrap();
        assert_eq!(Marks::of(&upside_down), Err(SourceError::Lost));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_place_or_lost(bytes in prop::collection::vec(any::<u8>(), 1..200), kind in 0..3_u8) {
            let mut bytes = bytes;
            bytes[0] = match kind { 0 => CHANGE_STREAM, 1 => POLLING, _ => bytes[0] };
            let place = Place::new(bytes).unwrap();
            if let Ok(marks) = Marks::of(&place) {
                prop_assert_eq!(marks.place().unwrap(), place.clone());
            }
            let _ = token(&place);
        }

        #[test]
        fn marks_come_back(process in any::<[u8; PROCESS]>(), a in any::<u64>(), b in any::<u64>()) {
            let marks = Marks { process: Process(process), low: a.min(b), high: a.max(b) };
            prop_assert_eq!(Marks::of(&marks.place().unwrap()), Ok(marks));
        }

        #[test]
        fn times_are_ordered_as_numbers(a in any::<(u32, u32)>(), b in any::<(u32, u32)>()) {
            let [a, b] = [a, b].map(|(time, increment)| Timestamp { time, increment });
            prop_assert_eq!(a.cmp(&b), number(a).cmp(&number(b)));
            prop_assert_eq!(timestamp(number(a)), a);
        }
    }
}
