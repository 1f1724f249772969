//! Tokens: what a reader has shown, authenticated, for a quarter of an hour.

use api::token::{Token, TokenAnswer};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use protocol::{Epoch, GroupId, LeafId, Seq, Slot, UnixSeconds, VerifyingKey, digest::Hasher};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Grant, mac};

/// Life of a token, in seconds.
pub(crate) const TOKEN_SECONDS: u64 = 15 * 60;
/// Version of the token's form.
const VERSION: u8 = 1;

/// Issues and reads tokens.
///
/// A token is a grant and a code over it and the group. The group itself is not in it: at another group's path it is
/// as invalid as any other string, so tokens tell nothing about which groups exist.
#[derive(Debug)]
pub(crate) struct Tokens {
    secret: Zeroizing<[u8; 32]>,
}

/// A token that opens nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// Not issued by this node for this group.
    Invalid,
    /// Its time is over.
    Expired,
}

impl Tokens {
    pub(crate) const fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self { secret }
    }

    /// A token for a grant.
    pub(crate) fn issue(&self, group: &GroupId, grant: &Grant, now: UnixSeconds) -> Option<TokenAnswer> {
        let expires = now.saturating_add(TOKEN_SECONDS);
        let mut bytes = Zeroizing::new(encode(grant, expires));
        let code = self.code(group, &bytes);
        bytes.extend_from_slice(&code);
        let token = Token::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())).ok()?;
        Some(TokenAnswer { token, expires, scope: grant.scope() })
    }

    /// The grant of a token shown for a group.
    ///
    /// # Errors
    /// [`BadToken`], the same for a group that does not exist.
    pub(crate) fn read(&self, group: &GroupId, token: &Token, now: UnixSeconds) -> Result<Grant, BadToken> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(token.expose()).map_err(|_| BadToken::Invalid)?);
        let (body, code) = bytes.split_last_chunk::<32>().ok_or(BadToken::Invalid)?;
        if !bool::from(self.code(group, body).ct_eq(code)) {
            return Err(BadToken::Invalid);
        }
        let (grant, expires) = decode(body).ok_or(BadToken::Invalid)?;
        if now < expires { Ok(grant) } else { Err(BadToken::Expired) }
    }

    fn code(&self, group: &GroupId, body: &[u8]) -> [u8; 32] {
        let digest = Hasher::new("kith/v1/node/token").fixed(group.as_bytes()).prefixed(body).finish();
        mac(&self.secret, &digest)
    }
}

/// Version, kind and expiry, then the grant's fields, integers big-endian.
fn encode(grant: &Grant, expires: UnixSeconds) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    let kind: u8 = match grant {
        Grant::Root { .. } => 1,
        Grant::Leaf { .. } => 2,
        Grant::Ticket { .. } => 3,
        Grant::Removed { .. } => 4,
    };
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(&expires.get().to_be_bytes());
    match grant {
        Grant::Root { epoch } => bytes.extend_from_slice(&epoch.get().to_be_bytes()),
        Grant::Leaf { slot, leaf_id, sig } => {
            bytes.extend_from_slice(&slot.get().to_be_bytes());
            bytes.extend_from_slice(&leaf_id.get().to_be_bytes());
            bytes.extend_from_slice(sig.as_bytes());
        }
        Grant::Ticket { key } => bytes.extend_from_slice(key.as_bytes()),
        Grant::Removed { seq } => bytes.extend_from_slice(&seq.get().to_be_bytes()),
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<(Grant, UnixSeconds)> {
    let ([version, kind], rest) = bytes.split_first_chunk::<2>()?;
    if *version != VERSION {
        return None;
    }
    let (expires, rest) = rest.split_first_chunk()?;
    let expires = UnixSeconds::new(u64::from_be_bytes(*expires));
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
    let grant = match kind {
        1 => Grant::Root { epoch: Epoch::new(number(rest)?) },
        2 => {
            let (slot, rest) = rest.split_first_chunk()?;
            let (leaf_id, sig) = rest.split_first_chunk()?;
            Grant::Leaf {
                slot: Slot::new(u32::from_be_bytes(*slot)),
                leaf_id: LeafId::new(u64::from_be_bytes(*leaf_id)),
                sig: VerifyingKey::from_slice(sig).ok()?,
            }
        }
        3 => Grant::Ticket { key: VerifyingKey::from_slice(rest).ok()? },
        4 => Grant::Removed { seq: Seq::new(number(rest)?) },
        _ => return None,
    };
    Some((grant, expires))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::SigningKey;

    fn grants() -> [Grant; 4] {
        let key = SigningKey::from_seed(&[3; 32]).verifying_key();
        [
            Grant::Root { epoch: Epoch::new(5) },
            Grant::Leaf { slot: Slot::new(6), leaf_id: LeafId::new(7), sig: key },
            Grant::Ticket { key },
            Grant::Removed { seq: Seq::new(8) },
        ]
    }

    #[test]
    fn round_trip_until_expiry_and_at_one_group() {
        let tokens = Tokens::new(Zeroizing::new([1; 32]));
        let (group, other) = (GroupId::new([1; 32]), GroupId::new([2; 32]));
        let now = UnixSeconds::new(1_000);
        for grant in grants() {
            let answer = tokens.issue(&group, &grant, now).unwrap();
            assert_eq!(tokens.read(&group, &answer.token, now), Ok(grant));
            assert_eq!(tokens.read(&group, &answer.token, answer.expires), Err(BadToken::Expired));
            assert_eq!(tokens.read(&other, &answer.token, now), Err(BadToken::Invalid));
            let stranger = Tokens::new(Zeroizing::new([2; 32]));
            assert_eq!(stranger.read(&group, &answer.token, now), Err(BadToken::Invalid));
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let tokens = Tokens::new(Zeroizing::new([1; 32]));
        let group = GroupId::new([1; 32]);
        let now = UnixSeconds::new(1_000);
        for grant in grants() {
            let text = tokens.issue(&group, &grant, now).unwrap().token.expose().to_owned();
            for at in 0..text.len() {
                let mut changed = text.clone().into_bytes();
                changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                let changed = Token::new(String::from_utf8(changed).unwrap()).unwrap();
                assert_eq!(tokens.read(&group, &changed, now), Err(BadToken::Invalid), "{at}");
            }
            let shorter = Token::new(text[..text.len() - 1].to_owned()).unwrap();
            assert_eq!(tokens.read(&group, &shorter, now), Err(BadToken::Invalid));
        }
    }
}
