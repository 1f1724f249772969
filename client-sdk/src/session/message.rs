//! Taking a message from the log.

use e2ee::{
    content::Content,
    message::Opened,
    payload::{Carrier, LogPosition, PayloadContext, SignedPayload},
};
use protocol::{Frame, FrameHash, LeafId, Refusal, ServedFrame, head::Place};

use super::{Env, Held, MAX_HELD, MAX_HELD_BYTES, Session, SessionError, Shown};
use crate::{
    attachments::{self, OwnCopy},
    entry::{AttachmentState, Entry, What},
};

/// An opened message whose every check held.
struct Read {
    leaf_id: LeafId,
    content: Content,
    seen: LogPosition,
}

/// Why a message tells nothing.
enum Unread {
    /// It stays unreadable, for this reason.
    For(&'static str),
    /// Its sender has shown no credential yet.
    Uncredentialed(LeafId),
}

impl Session {
    pub(super) fn process_message(
        &mut self,
        served: &ServedFrame,
        frame: &Frame,
        env: &mut Env<'_>,
    ) -> Result<Vec<Entry>, SessionError> {
        // A stored message that fails its checks is recorded as unreadable; the log goes on.
        let refused = self.fold.apply(frame, env.keys).and_then(|p| p.verify(env.keys)).err();
        self.fold = self.fold.pass_over_message(&frame.hash()).ok_or(Refusal::Malformed)?;
        if let Some(refusal) = refused {
            return Ok(vec![self.unreadable(served, refusal.code())]);
        }
        if let Some(own) = self.take_outgoing(served, &frame.hash()) {
            return Ok(own);
        }
        match self.open(served, frame, env)? {
            Ok(read) => self.deliver(served, frame, read, env),
            Err(Unread::Uncredentialed(leaf_id)) => {
                let Some(bytes) = frame.encode() else { return Ok(Vec::new()) };
                let held = self.held.iter().map(|h| h.frame.len()).sum::<usize>();
                if self.held.len() >= MAX_HELD || held.saturating_add(bytes.len()) > MAX_HELD_BYTES {
                    return Ok(vec![self.unreadable(served, "no_credential")]);
                }
                let received_at_ms = served.received_at_ms;
                self.held.push(Held { seq: served.seq, received_at_ms, leaf_id, frame: bytes });
                Ok(Vec::new())
            }
            Err(Unread::For(reason)) => Ok(vec![self.unreadable(served, reason)]),
        }
    }

    fn unreadable(&mut self, served: &ServedFrame, reason: &str) -> Entry {
        let epoch = self.fold.epoch();
        self.entry(served, epoch, None, What::Unreadable { reason: reason.to_owned() })
    }

    /// Our own message comes back: its key is used up, so what it said was kept with it.
    ///
    /// By its hash, so that it is known also where the node holds no more of it.
    pub(super) fn take_outgoing(&mut self, served: &ServedFrame, hash: &FrameHash) -> Option<Vec<Entry>> {
        let at = self.outbox.iter().position(|o| o.hash == *hash)?;
        let outgoing = self.outbox.remove(at);
        let sender = self.person(self.own.leaf_id);
        let epoch = outgoing.epoch();
        let Some(what) = outgoing.what else {
            match (Content::from_bytes(&outgoing.content), epoch) {
                (Ok(Content::Admins(list)), Some(epoch)) => self.posted_admins(&list, epoch),
                _ => self.roster_due = false,
            }
            return Some(Vec::new());
        };
        let epoch = epoch.unwrap_or_else(|| self.fold.epoch());
        Some(vec![self.entry(served, epoch, Some(sender), what)])
    }

    /// Opens and checks; the ratchet moves only when AEAD, signature and the sender's place all hold.
    fn open(
        &mut self,
        served: &ServedFrame,
        frame: &Frame,
        env: &Env<'_>,
    ) -> Result<Result<Read, Unread>, SessionError> {
        let (Place::Message { epoch }, Some(sealed)) = (frame.head().place, frame.sealed()) else {
            return Ok(Err(Unread::For("pruned")));
        };
        let (suite, group) = (self.fold.suite(), self.fold.group());
        let Some(keys) = self.epochs.iter_mut().find(|e| e.epoch == epoch) else {
            return Ok(Err(Unread::For("no_keys")));
        };
        let frame_id = frame.head().frame_id;
        let Ok(Opened { slot, generation, payload, pending }) =
            keys.keys.open(&frame_id, &frame.head_digest(), sealed)
        else {
            return Ok(Err(Unread::For("not_opened")));
        };
        let Some(leaf_id) = keys.active.get(&slot).copied() else {
            return Ok(Err(Unread::For("not_active")));
        };
        let context = PayloadContext {
            suite,
            group,
            epoch,
            frame: frame_id,
            slot,
            leaf_id,
            transcript: keys.transcript,
            carrier: Carrier::Message(generation),
        };
        let Ok(payload) = SignedPayload::from_bytes(&payload) else {
            return Ok(Err(Unread::For("malformed_payload")));
        };
        // A newcomer learns who its sender is from the roster itself: each entry is checked against the tree on its
        // own, so it need not be believed as a whole.
        if self.members.shown(leaf_id).is_none()
            && let Ok(Content::Roster(roster)) = payload.claimed_content()
        {
            for entry in roster.into_entries() {
                self.members.admit(&self.fold, entry, Shown::ByRoster);
            }
        }
        let Some(identity) = self.members.shown(leaf_id).copied() else {
            return Ok(Err(Unread::Uncredentialed(leaf_id)));
        };
        let Ok(verified) = payload.verify(&context, &identity) else {
            return Ok(Err(Unread::For("bad_payload_signature")));
        };
        if keys.keys.commit(pending).is_err() {
            return Ok(Err(Unread::For("replayed")));
        }
        let seen = verified.seen();
        self.check_seen(served, leaf_id, seen, env)?;
        self.heard(&identity);
        Ok(match verified.content() {
            Ok(content) => Ok(Read { leaf_id, content, seen }),
            Err(_) => Err(Unread::For("unknown_content")),
        })
    }

    /// Whether a sender saw the same log as we did.
    pub(super) fn check_seen(
        &self,
        served: &ServedFrame,
        by: LeafId,
        seen: LogPosition,
        env: &Env<'_>,
    ) -> Result<(), SessionError> {
        if self.overruled.contains(&by) {
            return Ok(());
        }
        let known = (env.history)(seen.seq);
        // A sender cannot have seen what came after its own frame.
        if seen.seq >= served.seq || known.is_some_and(|log| log != seen.log) {
            return Err(SessionError::Disputed { seq: served.seq, by });
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        served: &ServedFrame,
        frame: &Frame,
        read: Read,
        env: &mut Env<'_>,
    ) -> Result<Vec<Entry>, SessionError> {
        let Place::Message { epoch } = frame.head().place else { return Ok(Vec::new()) };
        let _ = read.seen;
        let mut copy = None;
        let what = match read.content {
            Content::Roster(roster) => {
                for entry in roster.into_entries() {
                    self.roster_posted.insert(entry.leaf_id);
                    self.members.admit(&self.fold, entry, Shown::ByRoster);
                }
                // An empty roster, or a part of one, leaves newcomers as ignorant as before.
                let known = self.members.current(&self.fold);
                if known.iter().all(|entry| self.roster_posted.contains(&entry.leaf_id)) {
                    self.roster_due = false;
                }
                return Ok(self.release_held(env));
            }
            Content::Application { content_type, body } => application(content_type.as_str(), body),
            Content::File { name, media_type, body } => What::File {
                name: name.as_str().to_owned(),
                media_type: media_type.as_str().to_owned(),
                content: body,
            },
            Content::Attachment(attachment) => {
                copy = Some(OwnCopy::of(&attachment, self.own.leaf_id));
                attachments::shown(&attachment, AttachmentState::Waiting)
            }
            Content::Empty => return Ok(Vec::new()),
            Content::Admins(list) => {
                self.take_admins(&list);
                return Ok(Vec::new());
            }
            // What belongs into operations means nothing in a message.
            Content::Credential { .. } | Content::Added { .. } | _ => {
                What::Unreadable { reason: "unknown_content".to_owned() }
            }
        };
        let sender = self.person(read.leaf_id);
        let entry = self.entry(served, epoch, Some(sender), what);
        self.copies.extend(copy.map(|copy| (entry.position, copy)));
        Ok(vec![entry])
    }

    /// Delivers held messages whose senders have shown a credential by now.
    pub(super) fn release_held(&mut self, env: &mut Env<'_>) -> Vec<Entry> {
        let mut entries = Vec::new();
        let held = core::mem::take(&mut self.held);
        for message in held {
            if self.members.shown(message.leaf_id).is_none() {
                self.held.push(message);
                continue;
            }
            let Ok(frame) = Frame::decode(&message.frame) else { continue };
            let served = ServedFrame {
                seq: message.seq,
                received_at_ms: message.received_at_ms,
                content: protocol::frame::Served::Frame(frame.clone()),
            };
            match self.open(&served, &frame, env) {
                // A roster among the held ones may release others, but those are looked at in this same pass or next.
                Ok(Ok(read)) => entries.extend(self.deliver(&served, &frame, read, env).unwrap_or_default()),
                Ok(Err(Unread::For(reason))) => entries.push(self.unreadable(&served, reason)),
                Ok(Err(Unread::Uncredentialed(_))) => self.held.push(message),
                Err(error) => entries.push(self.unreadable(&served, error.code())),
            }
        }
        entries
    }
}

/// A plain text is shown as such, everything else is the application's.
pub(super) fn application(content_type: &str, body: Vec<u8>) -> What {
    if content_type == TEXT {
        match String::from_utf8(body) {
            Ok(text) => What::Text { text },
            Err(error) => {
                What::Application { content_type: content_type.to_owned(), body: error.into_bytes() }
            }
        }
    } else {
        What::Application { content_type: content_type.to_owned(), body }
    }
}

/// Content type of plain text.
pub(crate) const TEXT: &str = "text/plain;charset=utf-8";
