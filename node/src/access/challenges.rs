//! Challenges: issued without remembering them, taken once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use api::{
    NodeOrigin,
    challenge::{Challenge, ChallengeNonce, Purpose},
};
use bytes::Bytes;
use frame_log::{MailboxId, NewPackage, Put};
use hmac::{Hmac, KeyInit, Mac};
use protocol::{Epoch, GroupId, UnixSeconds, digest::Hasher};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{failure::Failure, store::SharedStore};

/// Life of a challenge, in seconds.
pub(crate) const CHALLENGE_SECONDS: u64 = 60;
/// Answered challenges remembered until they expire.
const MAX_USED: usize = 1 << 16;
/// How much longer a shared store remembers an answered challenge, in seconds: by how much nodes' clocks may differ.
const SKEW: u64 = 300;

/// Issues challenges and takes answered ones back.
///
/// A nonce is 16 random bytes and a code over them and everything the challenge is bound to, so an issued challenge
/// needs no memory: asking for millions fills nothing and pushes out nobody else's. Only answered ones are remembered,
/// and to answer takes a key of the group. Replicas behind one origin take each other's challenges; where several nodes
/// share a store, an answered one is written down there, so that all of them together take it once.
pub(crate) struct Challenges {
    secret: Zeroizing<[u8; 32]>,
    origin: NodeOrigin,
    /// Challenges from before belong to an earlier life of this process, which forgot what it took.
    since: UnixSeconds,
    used: Mutex<HashMap<[u8; 32], UnixSeconds>>,
    /// Where all nodes remember what any of them took.
    shared: Option<SharedStore>,
}

impl std::fmt::Debug for Challenges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Challenges")
    }
}

/// A challenge that was not issued for this, has expired, or was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnknownChallenge;

/// What a challenge is bound to besides the node's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    pub(crate) purpose: Purpose,
}

impl Challenges {
    pub(crate) fn new(secret: Zeroizing<[u8; 32]>, origin: NodeOrigin, since: UnixSeconds) -> Self {
        Self { secret, origin, since, used: Mutex::default(), shared: None }
    }

    /// Takes each challenge once among all nodes that share `store`, whose starts and ends then no longer matter.
    pub(crate) fn shared_by(self, store: SharedStore) -> Self {
        Self { since: UnixSeconds::ZERO, shared: Some(store), ..self }
    }

    /// The origin challenges are bound to.
    pub(crate) const fn origin(&self) -> &NodeOrigin {
        &self.origin
    }

    /// A fresh challenge.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the machine has no randomness to give.
    pub(crate) fn issue(&self, binding: &Binding, now: UnixSeconds) -> Result<Challenge, Failure> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| Failure::Internal)?;
        let expires = now.saturating_add(CHALLENGE_SECONDS);
        let nonce = ChallengeNonce::new(self.nonce(random, binding, expires));
        Ok(Challenge { nonce, expires })
    }

    /// Whether the challenge was issued here for this and has not expired. It can still be used up by somebody else.
    pub(crate) fn check(
        &self,
        challenge: &Challenge,
        binding: &Binding,
        now: UnixSeconds,
    ) -> Result<(), UnknownChallenge> {
        let mut random = [0; 16];
        random.copy_from_slice(challenge.nonce.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]));
        let expected = self.nonce(random, binding, challenge.expires);
        let issued = challenge.expires.saturating_sub(CHALLENGE_SECONDS);
        let in_time = now < challenge.expires && self.since <= issued;
        if in_time && bool::from(expected.ct_eq(challenge.nonce.as_bytes())) {
            Ok(())
        } else {
            Err(UnknownChallenge)
        }
    }

    /// Uses an answered challenge up.
    ///
    /// # Errors
    /// [`UnknownChallenge`] inside when it had been; [`Failure::Busy`] when too many were answered within a minute, or a
    /// failure of the store.
    ///
    /// # Cancel safety
    /// The challenge may be used up although nobody has got anything for it.
    pub(crate) async fn take(
        &self,
        challenge: &Challenge,
        now: UnixSeconds,
    ) -> Result<Result<(), UnknownChallenge>, Failure> {
        if let Err(used) = self.take_here(challenge, now)? {
            return Ok(Err(used));
        }
        let Some(store) = &self.shared else { return Ok(Ok(())) };
        let name = Hasher::new("kith/v1/node/challenge/used").fixed(challenge.nonce.as_bytes()).finish();
        let mark = NewPackage {
            bytes: Bytes::from_static(b"used"),
            last_resort: false,
            expires: challenge.expires.saturating_add(SKEW),
        };
        // Of any number who put the same bytes into one mailbox, one is told that they are new.
        match store.put(&MailboxId::new(mac(&self.secret, &name)), mark, now).await? {
            Put::Stored => Ok(Ok(())),
            Put::AlreadyKnown => Ok(Err(UnknownChallenge)),
        }
    }

    fn take_here(
        &self,
        challenge: &Challenge,
        now: UnixSeconds,
    ) -> Result<Result<(), UnknownChallenge>, Failure> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_USED {
            used.retain(|_, expires| now < *expires);
            if used.len() >= MAX_USED {
                return Err(Failure::busy());
            }
        }
        let first = used.insert(*challenge.nonce.as_bytes(), challenge.expires).is_none();
        Ok(if first { Ok(()) } else { Err(UnknownChallenge) })
    }

    fn nonce(&self, random: [u8; 16], binding: &Binding, expires: UnixSeconds) -> [u8; 32] {
        let bound = Hasher::new("kith/v1/node/challenge")
            .fixed(&random)
            .prefixed(self.origin.as_str().as_bytes())
            .fixed(binding.group.as_bytes())
            .u64(binding.epoch.get())
            .u32(binding.purpose.code())
            .u64(expires.get())
            .finish();
        let code = mac(&self.secret, &bound);
        let mut nonce = [0; 32];
        let (front, back) = nonce.split_at_mut(16);
        front.copy_from_slice(&random);
        back.copy_from_slice(code.first_chunk::<16>().unwrap_or(&[0; 16]));
        nonce
    }
}

/// HMAC-SHA-256 of a digest that begins with the label of its purpose.
pub(crate) fn mac(secret: &[u8; 32], digest: &[u8; 32]) -> [u8; 32] {
    // A key shorter than a block is padded with zeros to one (RFC 2104); done here, there is no length to refuse.
    let mut block = Zeroizing::new([0; 64]);
    let (key, _padding) = block.split_at_mut(32);
    key.copy_from_slice(secret);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(digest);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use frame_log::memory::MemoryLog;

    use super::*;

    const NOW: UnixSeconds = UnixSeconds::new(1_000);
    const BINDING: Binding =
        Binding { group: GroupId::new([1; 32]), epoch: Epoch::new(2), purpose: Purpose::Root };

    fn challenges(origin: &str) -> Challenges {
        Challenges::new(Zeroizing::new([7; 32]), origin.parse().unwrap(), NOW)
    }

    #[test]
    fn bound_to_everything() {
        let here = challenges("https://a.example");
        let challenge = here.issue(&BINDING, NOW).unwrap();
        assert_eq!(here.check(&challenge, &BINDING, NOW), Ok(()));
        for other in [
            Binding { group: GroupId::new([2; 32]), ..BINDING },
            Binding { epoch: Epoch::new(3), ..BINDING },
            Binding { purpose: Purpose::Leaf, ..BINDING },
        ] {
            assert_eq!(here.check(&challenge, &other, NOW), Err(UnknownChallenge));
        }
        assert_eq!(challenges("https://b.example").check(&challenge, &BINDING, NOW), Err(UnknownChallenge));
        let later = Challenge { expires: challenge.expires.saturating_add(1), ..challenge };
        assert_eq!(here.check(&later, &BINDING, NOW), Err(UnknownChallenge));
    }

    #[tokio::test]
    async fn expires_and_is_used_once() {
        let here = challenges("https://a.example");
        let challenge = here.issue(&BINDING, NOW).unwrap();
        assert_eq!(here.check(&challenge, &BINDING, UnixSeconds::new(1_059)), Ok(()));
        assert_eq!(here.check(&challenge, &BINDING, UnixSeconds::new(1_060)), Err(UnknownChallenge));
        assert_eq!(here.take(&challenge, NOW).await, Ok(Ok(())));
        assert_eq!(here.take(&challenge, NOW).await, Ok(Err(UnknownChallenge)));
    }

    #[tokio::test]
    async fn is_used_once_among_all_who_share_a_store() {
        let store = Arc::new(MemoryLog::new());
        let nodes: Vec<_> =
            (0..8).map(|_| Arc::new(challenges("https://a.example").shared_by(store.clone()))).collect();
        let challenge = nodes[0].issue(&BINDING, NOW).unwrap();
        let takes = nodes.iter().map(|node| node.take(&challenge, NOW));
        let taken: Vec<_> = futures_util::future::join_all(takes).await;
        assert_eq!(taken.iter().filter(|taken| **taken == Ok(Ok(()))).count(), 1);
        assert_eq!(taken.iter().filter(|taken| **taken == Ok(Err(UnknownChallenge))).count(), 7);
        // A node that has just started takes what another issued before, and not what another took before.
        let later = UnixSeconds::new(1_059);
        let new = Challenges::new(Zeroizing::new([7; 32]), nodes[0].origin().clone(), later).shared_by(store);
        let other = nodes[1].issue(&BINDING, NOW).unwrap();
        assert_eq!(new.check(&other, &BINDING, later), Ok(()));
        assert_eq!(new.take(&other, later).await, Ok(Ok(())));
        assert_eq!(new.take(&challenge, later).await, Ok(Err(UnknownChallenge)));
    }

    #[test]
    fn an_earlier_life_is_forgotten() {
        let before = challenges("https://a.example");
        let challenge = before.issue(&BINDING, NOW).unwrap();
        let after =
            Challenges::new(Zeroizing::new([7; 32]), before.origin().clone(), UnixSeconds::new(1_001));
        assert_eq!(after.check(&challenge, &BINDING, UnixSeconds::new(1_001)), Err(UnknownChallenge));
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let here = challenges("https://a.example");
        let mut nonce = [0; 32];
        let at = |nonce, expires| Challenge { nonce: ChallengeNonce::new(nonce), expires };
        for n in 0..MAX_USED as u64 {
            nonce[..8].copy_from_slice(&n.to_be_bytes());
            assert_eq!(here.take(&at(nonce, UnixSeconds::new(1_060)), NOW).await, Ok(Ok(())));
        }
        nonce = [9; 32];
        assert_eq!(here.take(&at(nonce, UnixSeconds::new(1_060)), NOW).await, Err(Failure::busy()));
        assert_eq!(here.take(&at(nonce, UnixSeconds::new(1_120)), UnixSeconds::new(1_060)).await, Ok(Ok(())));
    }
}
