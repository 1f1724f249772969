//! Bodies and their two encodings.

use core::convert::Infallible;

use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::wire;

/// A body that does not say what its type demands. The sender's fault; nothing of the content is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Not a protobuf message of this type.
    #[error("the body is not the protobuf message expected here")]
    Protobuf,
    /// Not a JSON document of this type.
    #[error("the body is not the JSON document expected here")]
    Json,
    /// A field that is missing, or whose value its type does not allow.
    #[error("field `{0}` is missing or not acceptable")]
    Field(&'static str),
}

impl From<Infallible> for BodyError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What travels as the body of a request or an answer. Implemented by the types of this crate only.
pub trait Body: sealed::Sealed + Serialize + DeserializeOwned {
    /// The protobuf encoding.
    fn to_protobuf(&self) -> Vec<u8>;

    /// Reads the protobuf encoding. Unknown fields are skipped, so that a newer peer can say more.
    ///
    /// # Errors
    /// [`BodyError::Protobuf`] for bytes that do not decode, [`BodyError::Field`] for a value its type refuses.
    fn from_protobuf(bytes: &[u8]) -> Result<Self, BodyError>;

    /// Encodes in either format.
    fn encode(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Protobuf => self.to_protobuf(),
            // Serialising to memory fails for maps with keys that are not text, and no body has any.
            Format::Json => serde_json::to_vec(self).unwrap_or_default(),
        }
    }

    /// Decodes from either format. JSON requests refuse unknown fields, JSON answers skip them.
    ///
    /// # Errors
    /// [`BodyError`] naming what is wrong, never the value.
    fn decode(format: Format, bytes: &[u8]) -> Result<Self, BodyError> {
        match format {
            Format::Protobuf => Self::from_protobuf(bytes),
            Format::Json => serde_json::from_slice(bytes).map_err(|_| BodyError::Json),
        }
    }
}

/// One of the two encodings of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Protocol Buffers; what is sent unless JSON is asked for.
    Protobuf,
    /// JSON.
    Json,
}

impl Format {
    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/protobuf",
            Self::Json => "application/json",
        }
    }

    /// The format of a `Content-Type` header; parameters are ignored. `None` for any other type.
    #[must_use]
    pub fn from_content_type(value: &str) -> Option<Self> {
        match essence(value).as_str() {
            "application/protobuf" | "application/x-protobuf" | "application/octet-stream" => {
                Some(Self::Protobuf)
            }
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The format an `Accept` header prefers (RFC 9110, section 12.5.1); protobuf for equal wishes and when there is
    /// no header, `None` when neither is accepted.
    #[must_use]
    pub fn from_accept(value: Option<&str>) -> Option<Self> {
        let Some(value) = value else { return Some(Self::Protobuf) };
        let protobuf = Weight::of(&["application/protobuf", "application/x-protobuf"], value);
        let json = Weight::of(&["application/json"], value);
        match (protobuf, json) {
            (0, 0) => None,
            (protobuf, json) if json > protobuf => Some(Self::Json),
            _ => Some(Self::Protobuf),
        }
    }
}

/// Quality values, in thousandths.
struct Weight;

impl Weight {
    /// The quality of the most specific range that covers one of the names, 0 where none does.
    fn of(names: &[&str], accept: &str) -> u16 {
        let mut best = (0_u8, 0_u16);
        for range in accept.split(',') {
            let specificity = match essence(range).as_str() {
                exact if names.contains(&exact) => 3,
                "application/*" => 2,
                "*/*" => 1,
                _ => continue,
            };
            if specificity > best.0 {
                best = (specificity, Self::quality(range));
            }
        }
        best.1
    }

    fn quality(range: &str) -> u16 {
        let value = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
        let Some(value) = value else { return 1000 };
        // At most three decimals; anything else counts as "do not send me this".
        let value = value.trim();
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        match (whole, fraction.len()) {
            ("1", _) => 1000,
            ("0", 0..=3) => format!("{fraction:0<3}").parse().unwrap_or(0),
            _ => 0,
        }
    }
}

fn essence(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

macro_rules! bodies {
    ($($public:path => $wire:path;)*) => {
        $(
            impl sealed::Sealed for $public {}

            impl Body for $public {
                fn to_protobuf(&self) -> Vec<u8> {
                    <$wire>::from(self.clone()).encode_to_vec()
                }

                fn from_protobuf(bytes: &[u8]) -> Result<Self, BodyError> {
                    let wire = <$wire>::decode(bytes).map_err(|_| BodyError::Protobuf)?;
                    Self::try_from(wire).map_err(BodyError::from)
                }
            }
        )*
    };
}

bodies! {
    crate::centrifugo::CentrifugoTokens => wire::CentrifugoTokens;
    crate::challenge::Challenge => wire::Challenge;
    crate::frames::FrameReceipt => wire::FrameReceipt;
    crate::frames::FramesPage => wire::FramesPage;
    crate::key_packages::ClaimedKeyPackage => wire::ClaimedKeyPackage;
    crate::key_packages::MailboxStatus => wire::MailboxStatus;
    crate::key_packages::PutKeyPackages => wire::PutKeyPackages;
    crate::NodeInfo => wire::NodeInfo;
    crate::StateAnswer => wire::StateAnswer;
    crate::token::TokenAnswer => wire::TokenAnswer;
    crate::token::TokenRequest => wire::TokenRequest;
}

impl sealed::Sealed for crate::frames::PostFrame {}

impl Body for crate::frames::PostFrame {
    fn to_protobuf(&self) -> Vec<u8> {
        self.frame.clone()
    }

    fn from_protobuf(bytes: &[u8]) -> Result<Self, BodyError> {
        Ok(Self { frame: bytes.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_follows_quality_and_specificity() {
        use Format::{Json, Protobuf};
        for (accept, expected) in [
            (None, Some(Protobuf)),
            (Some("*/*"), Some(Protobuf)),
            (Some("application/json"), Some(Json)),
            (Some("application/json;q=0.5, application/x-protobuf;q=0.4"), Some(Json)),
            (Some("application/json, application/protobuf"), Some(Protobuf)),
            (Some("text/html, application/json;q=0.9, */*;q=0.8"), Some(Json)),
            (Some("*/*, application/protobuf;q=0"), Some(Json)),
            (Some("text/html"), None),
            (Some("application/json;q=0"), None),
            (Some("application/json;q=0.0001"), None),
            (Some("application/json;q=x"), None),
        ] {
            assert_eq!(Format::from_accept(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn content_type_ignores_parameters_and_case() {
        assert_eq!(Format::from_content_type("Application/JSON; charset=utf-8"), Some(Format::Json));
        assert_eq!(Format::from_content_type("application/x-protobuf"), Some(Format::Protobuf));
        assert_eq!(Format::from_content_type("text/plain"), None);
    }
}
