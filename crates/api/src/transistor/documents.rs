//! Documents of JSON:API.

use std::borrow::Cow;

use protocol::UnixSeconds;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{DropToken, Info, TokenHash, TransferId, values::rfc3339};

/// Most copies in one request.
pub const MAX_COPIES: usize = 1024;

/// A document that does not say what its type demands. The sender's fault; nothing of the content is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Not the document expected here: not JSON, another structure, a member that is not known.
    #[error("the body is not the document expected here")]
    Json,
    /// A value that cannot be used.
    #[error("`{0}` is not acceptable")]
    Field(&'static str),
}

/// Body of `POST …/transfers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTransfer {
    /// Name of the drop; chosen by the server if it is missing.
    pub id: Option<TransferId>,
    /// The text.
    pub text: String,
    /// Hash of the access token.
    pub access_hash: Option<TokenHash>,
    /// Hash of the unlock token.
    pub unlock_hash: Option<TokenHash>,
    /// Sealed info.
    pub info: Option<Info>,
    /// Seconds it may live; without it the server's default.
    pub expires_in: Option<u64>,
}

/// A drop as a document: what was made (without `text`), or what was taken (with it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Name of the drop.
    pub id: TransferId,
    /// Bytes of the body.
    pub size: u64,
    /// When it ends, unless it was read.
    pub expires_at: Option<UnixSeconds>,
    /// The text.
    pub text: Option<String>,
    /// The deletion token, if the server chose it.
    pub deletion_token: Option<DropToken>,
}

/// Answer of `PUT …/claim`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Name of the drop.
    pub id: TransferId,
    /// Bytes of the body.
    pub size: u64,
    /// Seconds the claim lasts without a sign of the reader.
    pub lease_seconds: u64,
    /// When the drop ends.
    pub expires_at: UnixSeconds,
    /// Whether nobody but the holder of this claim will ever read it.
    pub is_final: bool,
    /// Sealed info, if there is any.
    pub info: Option<Info>,
}

/// One further reader of a body that is there, in `POST …/copies`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOf {
    /// Name of the new drop.
    pub id: TransferId,
    /// Hash of the access token.
    pub access_hash: Option<TokenHash>,
    /// Hash of the unlock token.
    pub unlock_hash: Option<TokenHash>,
    /// Sealed info.
    pub info: Option<Info>,
}

/// Body of `POST …/copies`: one to [`MAX_COPIES`] further readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies(pub Vec<CopyOf>);

impl CreateTransfer {
    /// The document.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let attributes = Made {
            data: self.text.as_str().into(),
            access_hash: self.access_hash,
            unlock_hash: self.unlock_hash,
            info: self.info.clone(),
            expires_in: self.expires_in,
        };
        write(&Request { data: New { kind: Kind::Transfers, id: self.id, attributes } })
    }

    /// Reads the document.
    ///
    /// # Errors
    /// [`DocumentError::Json`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        let Request { data } = read::<Request<New<Made<'_>>>>(bytes)?;
        if data.kind != Kind::Transfers {
            return Err(DocumentError::Field("type"));
        }
        let Made { data: text, access_hash, unlock_hash, info, expires_in } = data.attributes;
        Ok(Self { id: data.id, text: text.into_owned(), access_hash, unlock_hash, info, expires_in })
    }
}

impl Copies {
    /// The document.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let copies = self.0.iter().map(|copy| New {
            kind: Kind::Transfers,
            id: Some(copy.id),
            attributes: Copied {
                access_hash: copy.access_hash,
                unlock_hash: copy.unlock_hash,
                info: copy.info.clone(),
            },
        });
        write(&Request { data: copies.collect::<Vec<_>>() })
    }

    /// Reads the document.
    ///
    /// # Errors
    /// [`DocumentError`]; also for no copies, more than [`MAX_COPIES`], and one without an id.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        let Request { data } = read::<Request<Vec<New<Copied>>>>(bytes)?;
        if !(1..=MAX_COPIES).contains(&data.len()) {
            return Err(DocumentError::Field("data"));
        }
        let copy = |New { kind, id, attributes }: New<Copied>| {
            if kind != Kind::Transfers {
                return Err(DocumentError::Field("type"));
            }
            let id = id.ok_or(DocumentError::Field("id"))?;
            let Copied { access_hash, unlock_hash, info } = attributes;
            Ok(CopyOf { id, access_hash, unlock_hash, info })
        };
        data.into_iter().map(copy).collect::<Result<_, _>>().map(Self)
    }
}

impl Transfer {
    /// The document.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let attributes = There {
            data: self.text.as_deref().map(Into::into),
            size: self.size,
            expires_at: self.expires_at,
        };
        let meta =
            self.deletion_token.clone().map(|deletion_token| Meta { deletion_token: Some(deletion_token) });
        write(&Answer { data: Told { kind: Kind::Transfers, id: self.id, attributes }, meta })
    }

    /// Reads the document. What is not known is passed over.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        let Answer { data, meta } = read::<Answer<There<'_>>>(bytes)?;
        if data.kind != Kind::Transfers {
            return Err(DocumentError::Field("type"));
        }
        let There { data: text, size, expires_at } = data.attributes;
        let deletion_token = meta.and_then(|meta| meta.deletion_token);
        Ok(Self { id: data.id, size, expires_at, text: text.map(Cow::into_owned), deletion_token })
    }
}

impl Claim {
    /// The document.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let attributes = Claimed {
            size: self.size,
            lease_seconds: self.lease_seconds,
            expires_at: self.expires_at,
            is_final: self.is_final,
            info: self.info.clone(),
        };
        write(&Answer { data: Told { kind: Kind::Claims, id: self.id, attributes }, meta: None })
    }

    /// Reads the document. What is not known is passed over.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        let Answer { data, .. } = read::<Answer<Claimed>>(bytes)?;
        if data.kind != Kind::Claims {
            return Err(DocumentError::Field("type"));
        }
        let Claimed { size, lease_seconds, expires_at, is_final, info } = data.attributes;
        Ok(Self { id: data.id, size, lease_seconds, expires_at, is_final, info })
    }
}

fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DocumentError> {
    serde_json::from_slice(bytes).map_err(|_| DocumentError::Json)
}

fn write(document: &impl Serialize) -> Vec<u8> {
    // Serialising to memory fails for maps with keys that are not text, and no document has any.
    serde_json::to_vec(document).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Transfers,
    Claims,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<D> {
    data: D,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct New<A> {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<TransferId>,
    attributes: A,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Made<'a> {
    data: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_hash: Option<TokenHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unlock_hash: Option<TokenHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    info: Option<Info>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Copied {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_hash: Option<TokenHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unlock_hash: Option<TokenHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    info: Option<Info>,
}

#[derive(Serialize, Deserialize)]
struct Answer<A> {
    data: Told<A>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

#[derive(Serialize, Deserialize)]
struct Told<A> {
    #[serde(rename = "type")]
    kind: Kind,
    id: TransferId,
    attributes: A,
}

#[derive(Serialize, Deserialize)]
struct Meta {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deletion_token: Option<DropToken>,
}

#[derive(Serialize, Deserialize)]
struct There<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Cow<'a, str>>,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::optional")]
    expires_at: Option<UnixSeconds>,
}

#[derive(Serialize, Deserialize)]
struct Claimed {
    size: u64,
    lease_seconds: u64,
    #[serde(with = "rfc3339")]
    expires_at: UnixSeconds,
    #[serde(rename = "final")]
    is_final: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    info: Option<Info>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0b5e1f00-1111-8222-9333-444455556666";

    fn id() -> TransferId {
        ID.parse().unwrap()
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn documents_have_these_bytes() {
        let a = "A".repeat(43);
        let hash = Some(TokenHash::from_bytes([0; 32]));
        let info = Some(Info::from_bytes(vec![0; 3]).unwrap());
        let made = CreateTransfer {
            id: Some(id()),
            text: "ü\"".to_owned(),
            access_hash: hash,
            unlock_hash: None,
            info: info.clone(),
            expires_in: Some(60),
        };
        let expected = format!(
            r#"{{"data":{{"type":"transfers","id":"{ID}","attributes":{{"data":"ü\"","access_hash":"{a}","info":"AAAA","expires_in":60}}}}}}"#
        );
        assert_eq!(text(made.to_json()), expected);
        assert_eq!(CreateTransfer::from_json(expected.as_bytes()), Ok(made));

        let copies =
            Copies(vec![CopyOf { id: id(), access_hash: None, unlock_hash: hash, info: info.clone() }]);
        let expected = format!(
            r#"{{"data":[{{"type":"transfers","id":"{ID}","attributes":{{"unlock_hash":"{a}","info":"AAAA"}}}}]}}"#
        );
        assert_eq!(text(copies.to_json()), expected);
        assert_eq!(Copies::from_json(expected.as_bytes()), Ok(copies));

        let transfer = Transfer {
            id: id(),
            size: 7,
            expires_at: Some(UnixSeconds::new(1_700_000_000)),
            text: None,
            deletion_token: Some(DropToken::from_bytes([0; 32])),
        };
        let expected = format!(
            r#"{{"data":{{"type":"transfers","id":"{ID}","attributes":{{"size":7,"expires_at":"2023-11-14T22:13:20Z"}}}},"meta":{{"deletion_token":"{a}"}}}}"#
        );
        assert_eq!(text(transfer.to_json()), expected);
        assert_eq!(Transfer::from_json(expected.as_bytes()), Ok(transfer));

        let claim = Claim {
            id: id(),
            size: 7,
            lease_seconds: 30,
            expires_at: UnixSeconds::new(1_700_000_000),
            is_final: true,
            info,
        };
        let expected = format!(
            r#"{{"data":{{"type":"claims","id":"{ID}","attributes":{{"size":7,"lease_seconds":30,"expires_at":"2023-11-14T22:13:20Z","final":true,"info":"AAAA"}}}}}}"#
        );
        assert_eq!(text(claim.to_json()), expected);
        assert_eq!(Claim::from_json(expected.as_bytes()), Ok(claim));
    }

    #[test]
    fn requests_say_what_is_known_and_nothing_else() {
        let least = r#"{"data":{"type":"transfers","attributes":{"data":""}}}"#;
        assert!(CreateTransfer::from_json(least.as_bytes()).is_ok());
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"data":{"type":"transfers","attributes":{}}}"#,
            r#"{"data":{"type":"transfers","attributes":{"data":1}}}"#,
            r#"{"data":{"type":"transfers","attributes":{"data":"","colour":"red"}}}"#,
            r#"{"data":{"type":"transfers","attributes":{"data":"","data":""}}}"#,
            r#"{"data":{"type":"transfers","attributes":{"data":"","expires_in":-1}}}"#,
            r#"{"data":{"type":"transfers","attributes":{"data":"","access_hash":"short"}}}"#,
            r#"{"data":{"type":"transfers","id":"1","attributes":{"data":""}}}"#,
            r#"{"data":{"type":"transfers","attributes":{"data":""},"links":{}}}"#,
            r#"{"data":{"type":"transfers","attributes":{"data":""}},"included":[]}"#,
            r#"{"data":{"type":"parcels","attributes":{"data":""}}}"#,
        ] {
            assert_eq!(CreateTransfer::from_json(bad.as_bytes()), Err(DocumentError::Json), "{bad}");
        }
        let claims = r#"{"data":{"type":"claims","attributes":{"data":""}}}"#;
        assert_eq!(CreateTransfer::from_json(claims.as_bytes()), Err(DocumentError::Field("type")));
    }

    #[test]
    fn copies_are_counted() {
        let copy = CopyOf { id: id(), access_hash: None, unlock_hash: None, info: None };
        assert!(Copies::from_json(&Copies(vec![copy.clone(); MAX_COPIES]).to_json()).is_ok());
        for n in [0, MAX_COPIES + 1] {
            let many = Copies(vec![copy.clone(); n]);
            assert_eq!(Copies::from_json(&many.to_json()), Err(DocumentError::Field("data")));
        }
        let nameless = r#"{"data":[{"type":"transfers","attributes":{}}]}"#;
        assert_eq!(Copies::from_json(nameless.as_bytes()), Err(DocumentError::Field("id")));
    }

    #[test]
    fn answers_may_say_more() {
        let newer = format!(
            r#"{{"jsonapi":{{}},"data":{{"type":"transfers","id":"{ID}","attributes":{{"data":"x","size":1,"colour":"red"}},"links":{{}}}}}}"#
        );
        let read = Transfer::from_json(newer.as_bytes()).unwrap();
        assert_eq!((read.text.as_deref(), read.expires_at), (Some("x"), None));
    }
}
