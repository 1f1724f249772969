//! Files outside the log: how a home gets at its copies, and how far it is with each.
//!
//! The secret of a copy is stored beside the entry that tells of it, in the same transaction. What came of it since
//! stands in a part of its own, because entries are never replaced.

mod hashed;

use core::fmt;
use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use e2ee::attachment::{Attachment, DropSecret};
use protocol::{GroupId, LeafId};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

pub(crate) use self::hashed::{Digesting, Hashed};
use crate::{
    drops::Token,
    entry::{AttachmentState, Entry, Position, What},
    store::{ReadTx, Scope, StoreError, WriteTx},
};

/// Store name of what came of a group's attachments.
const FETCHES: &str = "attachments";

/// What it takes to read the own copy of an attachment.
#[derive(Clone)]
pub(crate) struct OwnCopy {
    pub(crate) secret: DropSecret,
    /// The service, where it is not the one that the group's node announces.
    pub(crate) service: Option<String>,
}

impl OwnCopy {
    pub(crate) fn of(attachment: &Attachment, own: LeafId) -> Self {
        let service = attachment.service.as_ref().map(|url| url.as_str().to_owned());
        Self { secret: attachment.copy_for(own), service }
    }
}

impl fmt::Debug for OwnCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnCopy(..)")
    }
}

/// How an attachment is shown.
pub(crate) fn shown(attachment: &Attachment, state: AttachmentState) -> What {
    What::Attachment {
        name: attachment.name.as_str().to_owned(),
        media_type: attachment.media_type.as_str().to_owned(),
        size: attachment.size,
        sha256: hex::encode(attachment.digest.as_bytes()),
        state,
    }
}

#[derive(Serialize)]
struct EntryWithCopy<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    copy: &'a CopyText,
}

#[derive(Deserialize)]
struct JustCopy {
    copy: Option<CopyText>,
}

#[derive(Serialize, Deserialize)]
struct CopyText {
    secret: String,
    service: Option<String>,
}

impl Drop for CopyText {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// An entry as it is stored: with the copy it tells of, where it tells of one.
pub(crate) fn stored_entry(
    entry: &Entry,
    copies: &[(Position, OwnCopy)],
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let copy = copies.iter().find(|(position, _)| *position == entry.position);
    let bytes = match copy {
        None => serde_json::to_vec(entry),
        Some((_, copy)) => {
            let secret = URL_SAFE_NO_PAD.encode(*copy.secret.to_bytes());
            let copy = CopyText { secret, service: copy.service.clone() };
            serde_json::to_vec(&EntryWithCopy { entry, copy: &copy })
        }
    };
    bytes.map(Zeroizing::new).map_err(|_| StoreError::Damaged)
}

/// The copy that a stored entry tells of.
pub(crate) fn copy_of(stored: &[u8]) -> Result<Option<OwnCopy>, StoreError> {
    let JustCopy { copy } = serde_json::from_slice(stored).map_err(|_| StoreError::Damaged)?;
    let Some(copy) = copy else { return Ok(None) };
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    URL_SAFE_NO_PAD.decode_vec(&copy.secret, &mut bytes).map_err(|_| StoreError::Damaged)?;
    let secret: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| StoreError::Damaged)?;
    Ok(Some(OwnCopy { secret: DropSecret::from_bytes(secret), service: copy.service.clone() }))
}

/// What came of the attachments that somebody tried to fetch, by position.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Fetches(BTreeMap<u64, Fetch>);

#[derive(Serialize, Deserialize)]
struct Fetch {
    state: AttachmentState,
    /// The claim under which it is being read: an attempt after a crash goes on with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.claim.zeroize();
    }
}

impl Fetches {
    pub(crate) fn read(tx: &ReadTx<'_>, group: GroupId) -> Result<Self, StoreError> {
        match tx.get(Scope::Group(group), FETCHES)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| StoreError::Damaged),
            None => Ok(Self::default()),
        }
    }

    fn write(&self, tx: &WriteTx<'_>, group: GroupId) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(self).map(Zeroizing::new).map_err(|_| StoreError::Damaged)?;
        tx.put(Scope::Group(group), FETCHES, &bytes)
    }

    /// The claim to read an attachment under: that of an earlier attempt, or `fresh`, which is noted.
    pub(crate) fn begin(
        tx: &WriteTx<'_>,
        group: GroupId,
        position: Position,
        fresh: Token,
    ) -> Result<Token, StoreError> {
        let mut all = Self::read(tx, group)?;
        let earlier = all.0.get(&position.0).and_then(|fetch| Token::parse(fetch.claim.as_ref()?).ok());
        if let Some(claim) = earlier {
            return Ok(claim);
        }
        let claim = Some(fresh.to_text().to_string());
        all.0.insert(position.0, Fetch { state: AttachmentState::Waiting, claim });
        all.write(tx, group)?;
        Ok(fresh)
    }

    /// Notes how an attempt ended; its claim is of no more use.
    pub(crate) fn end(
        tx: &WriteTx<'_>,
        group: GroupId,
        position: Position,
        state: AttachmentState,
    ) -> Result<(), StoreError> {
        let mut all = Self::read(tx, group)?;
        // What was fetched stays so, should a second attempt have run beside the first.
        if all.state(position) != Some(AttachmentState::Fetched) {
            all.0.insert(position.0, Fetch { state, claim: None });
            all.write(tx, group)?;
        }
        Ok(())
    }

    pub(crate) fn state(&self, position: Position) -> Option<AttachmentState> {
        self.0.get(&position.0).map(|fetch| fetch.state)
    }
}

/// Has entries say how far this home is with their attachments.
pub(crate) fn note_states(tx: &ReadTx<'_>, group: GroupId, entries: &mut [Entry]) -> Result<(), StoreError> {
    let is_attachment = |entry: &Entry| matches!(entry.what, What::Attachment { .. });
    if !entries.iter().any(is_attachment) {
        return Ok(());
    }
    let fetches = Fetches::read(tx, group)?;
    for entry in entries {
        if let (What::Attachment { state, .. }, Some(now)) = (&mut entry.what, fetches.state(entry.position))
        {
            *state = now;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreKey};

    fn entry(what: What) -> Entry {
        Entry { position: Position(4), seq: 7, epoch: 2, received_at_ms: 1, sender: None, what }
    }

    fn attachment() -> What {
        What::Attachment {
            name: "film.mkv".into(),
            media_type: "video/x-matroska".into(),
            size: 5_000_000,
            sha256: "d1".repeat(32),
            state: AttachmentState::Waiting,
        }
    }

    #[test]
    fn a_copy_is_stored_beside_its_entry_and_shown_by_none() {
        let entry = entry(attachment());
        let copy = OwnCopy { secret: DropSecret::from_bytes(&[0xa7; 32]), service: Some("https://a".into()) };
        let stored = stored_entry(&entry, &[(Position(4), copy.clone())]).unwrap();
        let read = copy_of(&stored).unwrap().unwrap();
        assert!(read.secret == copy.secret && read.service == copy.service);
        let back: Entry = serde_json::from_slice(&stored).unwrap();
        assert_eq!(back, entry);
        let text = format!("{} {copy:?} {back:?}", serde_json::to_string(&back).unwrap());
        assert!(!text.contains("p6en") && !text.contains("a7a7") && !text.contains("167"), "{text}");
    }

    #[test]
    fn a_claim_is_remembered_until_the_end_and_an_end_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("kith.db"), StoreKey::from_bytes(&[7; 32])).unwrap();
        let (group, at) = (GroupId::new([1; 32]), Position(4));
        let begin = |fill| {
            let fresh = Token::from_bytes(&[fill; 32]);
            store.write::<_, StoreError>(|tx| Fetches::begin(tx, group, at, fresh.clone())).unwrap()
        };
        let end = |state| store.write::<_, StoreError>(|tx| Fetches::end(tx, group, at, state)).unwrap();
        let shown = || {
            let mut entries = vec![entry(attachment()), entry(What::Joined)];
            store.read::<_, StoreError>(|tx| note_states(tx, group, &mut entries)).unwrap();
            let What::Attachment { state, .. } = entries.remove(0).what else { panic!("an attachment") };
            state
        };
        assert_eq!(shown(), AttachmentState::Waiting);
        assert!(begin(1) == Token::from_bytes(&[1; 32]));
        assert!(begin(2) == Token::from_bytes(&[1; 32]), "another claim would find it taken");
        assert_eq!(shown(), AttachmentState::Waiting);
        end(AttachmentState::Gone);
        assert_eq!(shown(), AttachmentState::Gone);
        assert!(begin(3) == Token::from_bytes(&[3; 32]));
        end(AttachmentState::Fetched);
        end(AttachmentState::Gone);
        assert_eq!(shown(), AttachmentState::Fetched);
    }

    #[test]
    fn other_entries_are_stored_as_ever() {
        let entry = entry(What::Text { text: "hi".into() });
        let copy = OwnCopy { secret: DropSecret::from_bytes(&[1; 32]), service: None };
        let stored = stored_entry(&entry, &[(Position(5), copy)]).unwrap();
        assert_eq!(*stored, serde_json::to_vec(&entry).unwrap());
        assert!(copy_of(&stored).unwrap().is_none());
        assert!(copy_of(b"{\"copy\":{\"secret\":\"AAAA\",\"service\":null}}").is_err());
    }
}
