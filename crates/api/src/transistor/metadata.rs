//! `Upload-Metadata` of tus: keys, each with a value in base64.

use core::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{DocumentError, Info, TokenHash, TransferId};

/// What goes with a resumable upload. Every value is the text it would be elsewhere, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadMetadata {
    /// Name of the drop; chosen by the server if it is missing.
    pub id: Option<TransferId>,
    /// Hash of the access token.
    pub access_hash: Option<TokenHash>,
    /// Hash of the unlock token.
    pub unlock_hash: Option<TokenHash>,
    /// Sealed info.
    pub info: Option<Info>,
    /// Seconds the drop may live.
    pub expires_in: Option<u64>,
    /// Hash of the deletion token, for senders that cannot set `Authorization`.
    pub deletion_token_hash: Option<TokenHash>,
}

impl UploadMetadata {
    /// The value of the header; empty if there is nothing to say.
    #[must_use]
    pub fn to_header(&self) -> String {
        let mut pairs = Vec::new();
        let mut add = |key: &str, value: Option<String>| {
            pairs.extend(value.map(|value| format!("{key} {}", STANDARD.encode(value))));
        };
        add("id", self.id.map(|id| id.to_string()));
        add("access_hash", self.access_hash.map(|hash| hash.to_string()));
        add("unlock_hash", self.unlock_hash.map(|hash| hash.to_string()));
        add("info", self.info.as_ref().map(Info::to_string));
        add("expires_in", self.expires_in.map(|seconds| seconds.to_string()));
        add("deletion_token_hash", self.deletion_token_hash.map(|hash| hash.to_string()));
        pairs.join(",")
    }

    /// Reads the value of the header. Keys that mean nothing here are passed over, whatever their values: clients send
    /// names of files, which are nobody's business.
    ///
    /// # Errors
    /// [`DocumentError`] for a key that is there twice, or whose value is not what it should be.
    pub fn from_header(text: &str) -> Result<Self, DocumentError> {
        let mut all = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = value.trim();
            match key {
                "id" => set(&mut all.id, "id", value)?,
                "access_hash" => set(&mut all.access_hash, "access_hash", value)?,
                "unlock_hash" => set(&mut all.unlock_hash, "unlock_hash", value)?,
                "info" => set(&mut all.info, "info", value)?,
                "expires_in" => set(&mut all.expires_in, "expires_in", value)?,
                "deletion_token_hash" => set(&mut all.deletion_token_hash, "deletion_token_hash", value)?,
                _ => {}
            }
        }
        Ok(all)
    }
}

fn set<T: FromStr>(slot: &mut Option<T>, key: &'static str, value: &str) -> Result<(), DocumentError> {
    let wrong = DocumentError::Field(key);
    let text = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(wrong)?;
    let value = text.parse().map_err(|_| wrong)?;
    if slot.replace(value).is_some() { Err(wrong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trip() {
        let whole = UploadMetadata {
            id: Some("0b5e1f00-1111-8222-9333-444455556666".parse().unwrap()),
            access_hash: Some(TokenHash::from_bytes([1; 32])),
            unlock_hash: Some(TokenHash::from_bytes([2; 32])),
            info: Some(Info::from_bytes(vec![3; 40]).unwrap()),
            expires_in: Some(60),
            deletion_token_hash: Some(TokenHash::from_bytes([4; 32])),
        };
        assert_eq!(UploadMetadata::from_header(&whole.to_header()), Ok(whole));
        assert_eq!(UploadMetadata::default().to_header(), "");
        assert_eq!(UploadMetadata::from_header(""), Ok(UploadMetadata::default()));
    }

    #[test]
    fn only_what_is_known_is_looked_at() {
        let read =
            UploadMetadata::from_header("filename w6TDtg==,is_confidential, expires_in NjA=,x !").unwrap();
        assert_eq!(read, UploadMetadata { expires_in: Some(60), ..UploadMetadata::default() });
        for (bad, key) in [
            ("expires_in", "expires_in"),
            ("expires_in LTE=", "expires_in"),
            ("expires_in NjA=,expires_in NjA=", "expires_in"),
            ("id !", "id"),
            ("info /w==", "info"),
        ] {
            assert_eq!(UploadMetadata::from_header(bad), Err(DocumentError::Field(key)), "{bad}");
        }
    }
}
