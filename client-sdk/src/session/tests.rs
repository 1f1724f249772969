//! Sessions against a log in memory, with real proofs: each session is stored and restored after every step, so that
//! all that follows shows that nothing was left in memory only.

use std::{collections::BTreeMap, path::Path};

use e2ee::{
    content::Content,
    key_package::KeyPackagePrivate,
    name::{ContentType, DisplayName},
    ticket::Anchor,
};
use group_state::{Accepted, GroupState};
use proofs::VerifyingKeys;
use protocol::{
    Ctx, Frame, LogHash, Seq, ServedFrame, SigningKey, Suite, TreeHash, UnixSeconds,
    body::{Body, DoerMarks, Policy},
    digest::Role,
    frame::Served,
    head::{Head, Place},
};
use rand_core::UnwrapErr;

mod admins;

use super::{
    Env, FoundingDraft, Intent, Joining, JoiningStep, Members, Session, SessionError, Shown, Standing, TEXT,
    author::{frame_id, profile},
    roster::{binding, own_entry},
};
use crate::{
    entry::{Entry, What},
    prover::Prover,
};

const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

/// The log with a verifying fold before it: what a node does.
struct Log {
    state: Option<GroupState>,
    frames: Vec<ServedFrame>,
    states: BTreeMap<u64, Vec<u8>>,
}

impl Log {
    fn append(&mut self, bytes: &[u8]) -> Result<Seq, protocol::Refusal> {
        let frame = Frame::decode(bytes)?;
        let keys = VerifyingKeys::development();
        let proposed = match &self.state {
            None => GroupState::create(&frame, keys)?,
            Some(state) => state.apply(&frame, keys)?,
        };
        let Accepted { state, .. } = proposed.verify(keys)?;
        let seq = state.seq();
        self.states.insert(state.epoch().get(), state.to_bytes());
        self.state = Some(state);
        self.frames.push(ServedFrame { seq, received_at_ms: 1, content: Served::Frame(frame) });
        Ok(seq)
    }
}

struct Person {
    identity: SigningKey,
    name: DisplayName,
    session: Option<Session>,
    hashes: BTreeMap<Seq, LogHash>,
    entries: Vec<Entry>,
}

impl Person {
    fn new(name: &str) -> Self {
        Self {
            identity: SigningKey::generate(&mut UnwrapErr(getrandom::SysRng)),
            name: DisplayName::new(name).unwrap(),
            session: None,
            hashes: BTreeMap::new(),
            entries: Vec::new(),
        }
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().unwrap()
    }

    fn with_env<T>(&mut self, f: impl FnOnce(&mut Option<Session>, &mut Env<'_>) -> T) -> T {
        let hashes = self.hashes.clone();
        let history = |seq: Seq| hashes.get(&seq).copied();
        let mut rng = UnwrapErr(getrandom::SysRng);
        let mut env = Env {
            identity: &self.identity,
            name: &self.name,
            keys: VerifyingKeys::development(),
            history: &history,
            rng: &mut rng,
        };
        f(&mut self.session, &mut env)
    }

    fn restart(&mut self) {
        let session = self.session();
        let (fold, rest) = (session.fold.to_bytes(), session.to_bytes());
        self.session = Some(Session::from_bytes(&fold, &rest).unwrap());
    }

    fn take(&mut self, served: &ServedFrame) -> Result<(), SessionError> {
        let entries = self.with_env(|session, env| session.as_mut().unwrap().process(served, env))?;
        let (seq, log) = (self.session().fold.seq(), self.session().fold.log());
        self.hashes.insert(seq, log);
        self.entries.extend(entries);
        self.restart();
        Ok(())
    }

    fn sync(&mut self, log: &Log) {
        for served in &log.frames {
            if !matches!(self.session().standing, Standing::Removed(_)) {
                self.take(served).unwrap();
            }
        }
    }

    fn texts(&self) -> Vec<&str> {
        self.entries
            .iter()
            .filter_map(|e| if let What::Text { text } = &e.what { Some(text.as_str()) } else { None })
            .collect()
    }

    fn say(&mut self, log: &mut Log, text: &str) {
        self.sync(log);
        let rosters = self.session().due_rosters();
        let content = Content::Application {
            content_type: ContentType::new(TEXT).unwrap(),
            body: text.as_bytes().to_vec(),
        };
        for content in rosters.into_iter().chain([content]) {
            let bytes = self.with_env(|s, env| s.as_mut().unwrap().seal_message(&content, env)).unwrap();
            self.restart();
            log.append(&bytes).unwrap();
        }
        self.sync(log);
    }

    async fn act(&mut self, log: &mut Log, intent: Intent) -> Result<(), protocol::Refusal> {
        self.sync(log);
        let mut draft = self.with_env(|s, env| s.as_ref().unwrap().draft(&intent, env, NOW)).unwrap();
        let proofs = prover().prove(draft.take_jobs(), |_| ()).await.unwrap();
        let pending = draft.finish(&proofs).unwrap();
        let bytes = pending.bytes.clone();
        self.session().pending = Some(pending);
        self.restart();
        log.append(&bytes)?;
        self.sync(log);
        assert!(self.session().pending.is_none());
        Ok(())
    }
}

fn prover() -> Prover {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/proving-keys");
    Prover::new(cache, 0)
}

async fn found(ann: &mut Person) -> Log {
    let policy = Policy {
        params: VerifyingKeys::development().params_hash(),
        max_members: 100,
        message_retention: 0,
        operation_retention: 0,
        invite_ttl: 3600,
    };
    let mut draft =
        ann.with_env(|_, env| FoundingDraft::new(Suite::ChaCha20Poly1305, policy, env, NOW)).unwrap();
    let proofs = prover().prove(draft.take_jobs(), |_| ()).await.unwrap();
    let (session, entries) = ann
        .with_env(|_, env| draft.finish(&proofs, "Trip".to_owned(), "http://127.0.0.1".to_owned(), env, 1))
        .unwrap();
    let mut log = Log { state: None, frames: Vec::new(), states: BTreeMap::new() };
    let bytes = session.pending.as_ref().unwrap().bytes.clone();
    assert!(session.is_founding());
    ann.session = Some(session);
    ann.entries.extend(entries);
    ann.restart();
    log.append(&bytes).unwrap();
    ann.session().pending = None;
    let (seq, hash) = (ann.session().fold.seq(), ann.session().fold.log());
    ann.hashes.insert(seq, hash);
    log
}

async fn join_by_ticket(log: &mut Log, owner: &mut Person, who: &mut Person) {
    let ticket = SigningKey::generate(&mut UnwrapErr(getrandom::SysRng));
    let intent = Intent::IssueTicket { ticket: ticket.verifying_key(), uses: 1, ttl: 600 };
    owner.act(log, intent).await.unwrap();
    let fold = &owner.session().fold;
    let anchor = Anchor {
        group: fold.group(),
        epoch: fold.epoch(),
        ctx: fold.ctx(),
        seq: fold.seq(),
        log: fold.log(),
        owner: fold.owner(),
        expires: NOW.saturating_add(600),
        name: None,
    };
    // Something happens between link and use: the joiner has to fold it from heads alone.
    owner.act(log, Intent::UpdateKey).await.unwrap();
    let state = &log.states[&anchor.epoch.get()];
    let mut joining = Joining::new(&anchor, ticket, state, "Trip".into(), String::new()).unwrap();
    for served in heads(log) {
        who.with_env(|_, env| joining.process(&served, env)).unwrap();
    }
    let mut draft = who.with_env(|_, env| joining.draft(env, NOW)).unwrap();
    let proofs = prover().prove(draft.take_jobs(), |_| ()).await.unwrap();
    joining.attempt = Some(draft.finish(&proofs).unwrap());
    let mut joining = Joining::from_bytes(&joining.to_bytes()).unwrap();
    let bytes = joining.attempt.as_ref().unwrap().bytes.clone();
    log.append(&bytes).unwrap();
    for served in heads(log) {
        if let JoiningStep::Inside(session, entry) =
            who.with_env(|_, env| joining.process(&served, env)).unwrap()
        {
            who.session = Some(*session);
            who.entries.push(entry);
        }
    }
    who.restart();
    owner.sync(log);
}

/// What a ticket shows of the log.
fn heads(log: &Log) -> Vec<ServedFrame> {
    log.frames
        .iter()
        .map(|served| {
            let Served::Frame(frame) = &served.content else { panic!("the log is whole") };
            let content = if frame.kind().is_operation() {
                Served::Operation(frame.without_sealed())
            } else {
                Served::MessageHash(frame.hash())
            };
            ServedFrame { content, ..served.clone() }
        })
        .collect()
}

fn assert_agree(people: &[&Person]) {
    let states: Vec<_> = people
        .iter()
        .map(|p| {
            let s = p.session.as_ref().unwrap();
            (s.fold.ctx(), s.fold.log(), s.schedule.authenticator.to_bytes())
        })
        .collect();
    assert!(states.windows(2).all(|w| w[0].0 == w[1].0 && w[0].1 == w[1].1 && *w[0].2 == *w[1].2));
}

#[tokio::test]
async fn a_group_lives_through_restarts_at_every_step() {
    let (mut ann, mut ben, mut cleo) = (Person::new("Ann"), Person::new("Ben"), Person::new("Cleo"));
    let mut log = found(&mut ann).await;
    join_by_ticket(&mut log, &mut ann, &mut ben).await;
    ann.say(&mut log, "hello");
    ben.sync(&log);
    assert_eq!(ben.texts(), ["hello"]);
    let sender = ben.entries.last().unwrap().sender.clone().unwrap();
    assert_eq!(sender.name.as_deref(), Some("Ann"));

    // Cleo is invited by name.
    let mut rng = UnwrapErr(getrandom::SysRng);
    let package = KeyPackagePrivate::generate(
        &cleo.identity,
        cleo.name.clone(),
        Suite::ChaCha20Poly1305,
        NOW.saturating_add(99),
        false,
        &mut rng,
    );
    let intent = Intent::AddMembers { packages: vec![package.package().clone()], ttl: 60 };
    ann.act(&mut log, intent).await.unwrap();
    let (to, text) = ann.session().invites.pop().unwrap();
    assert_eq!(to, cleo.identity.verifying_key());
    let sealed = e2ee::invite::SealedInvite::parse(&text).unwrap();
    let opened = sealed.open(&package).unwrap();
    let state = &log.states[&opened.invite.epoch.get()];
    cleo.session = Some(Session::from_invite(&opened, &package, state, "Trip".into()).unwrap());
    let (seq, hash) = (cleo.session().fold.seq(), cleo.session().fold.log());
    cleo.hashes.insert(seq, hash);
    ben.say(&mut log, "welcome");
    cleo.sync(&log);
    assert_eq!(cleo.texts(), ["welcome"], "an invitee reads from the add on");
    assert_eq!(cleo.session().standing, Standing::Invited);
    cleo.act(&mut log, Intent::UpdateKey).await.unwrap();
    assert_eq!(cleo.session().standing, Standing::Member);
    ann.sync(&log);
    ben.sync(&log);
    assert_agree(&[&ann, &ben, &cleo]);

    // Ben's keys are lost; he comes back with fresh ones.
    ben.session().standing = Standing::Lost;
    ben.session().own.path = None;
    ben.session().epochs.clear();
    ben.restart();
    ann.say(&mut log, "ben cannot read this");
    ben.sync(&log);
    ben.act(&mut log, Intent::Rejoin).await.unwrap();
    ann.say(&mut log, "ben reads this");
    for person in [&mut ben, &mut cleo] {
        person.sync(&log);
    }
    assert_eq!(ben.texts(), ["hello", "welcome", "ben reads this"]);
    assert_agree(&[&ann, &ben, &cleo]);

    // Cleo leaves; somebody completes that; she reads nothing that follows.
    cleo.act(&mut log, Intent::Leave).await.unwrap();
    assert!(matches!(cleo.session().standing, Standing::Removed(_)));
    ben.act(&mut log, Intent::Heal { fresh: false }).await.unwrap();
    ben.say(&mut log, "gone");
    cleo.sync(&log);
    ann.sync(&log);
    assert!(!cleo.texts().contains(&"gone"));
    assert_agree(&[&ann, &ben]);

    // Ann removes Ben.
    let ben_leaf = ben.session().own.leaf_id;
    ann.act(&mut log, Intent::Remove(vec![ben_leaf])).await.unwrap();
    ben.sync(&log);
    assert_eq!(ben.entries.last().unwrap().what, What::RemovedSelf);
    assert_eq!(ann.act(&mut log, Intent::Close).await, Ok(()));
    assert_eq!(ann.session().standing, Standing::Closed);
}

#[tokio::test]
async fn a_frame_delivered_twice_gives_its_entry_once_and_one_ahead_is_a_gap() {
    let mut ann = Person::new("Ann");
    let mut log = found(&mut ann).await;
    ann.say(&mut log, "once");
    let before = ann.entries.len();
    for served in log.frames.clone() {
        ann.take(&served).unwrap();
    }
    assert_eq!(ann.entries.len(), before);
    let ahead = ServedFrame { seq: Seq::new(9), ..log.frames[0].clone() };
    assert!(matches!(ann.take(&ahead), Err(SessionError::Gap { .. })));
}

#[tokio::test]
async fn a_stored_operation_that_does_not_apply_is_suspect_and_changes_nothing() {
    let mut ann = Person::new("Ann");
    let mut log = found(&mut ann).await;
    ann.act(&mut log, Intent::UpdateKey).await.unwrap();
    let mut ben = Person::new("Ann");
    ben.identity = ann.identity.clone();
    let (seq, ctx) = (ann.session().fold.seq(), ann.session().fold.ctx());
    let served = log.frames.last().unwrap().clone();
    let again = ServedFrame { seq: seq.next().unwrap(), ..served };
    let refused = ann.take(&again);
    assert!(matches!(refused, Err(SessionError::Suspect { code: "stale_epoch", .. })), "{refused:?}");
    assert_eq!((ann.session().fold.seq(), ann.session().fold.ctx()), (seq, ctx));
}

#[tokio::test]
async fn a_change_of_the_own_leaf_by_somebody_else_raises_the_alarm() {
    let mut ann = Person::new("Ann");
    let mut log = found(&mut ann).await;
    let (fold, rest) = (ann.session().fold.to_bytes(), ann.session().to_bytes());
    // A thief has a copy of everything and updates the key.
    let mut thief = Person::new("Ann");
    thief.identity = ann.identity.clone();
    thief.session = Some(Session::from_bytes(&fold, &rest).unwrap());
    thief.hashes = ann.hashes.clone();
    thief.act(&mut log, Intent::UpdateKey).await.unwrap();
    ann.sync(&log);
    assert_eq!(ann.entries.last().unwrap().what, What::LeafTakenOver);
    assert_eq!(ann.session().standing, Standing::Lost);
    // The pseudonym is still ours: a rejoin throws the thief out, who then sees the same alarm.
    ann.act(&mut log, Intent::Rejoin).await.unwrap();
    assert_eq!(ann.session().standing, Standing::Member);
    thief.sync(&log);
    assert_eq!(thief.session().standing, Standing::Lost);
}

#[tokio::test]
async fn stored_bytes_are_refused_when_damaged() {
    assert!(Session::from_bytes(b"", b"").is_err());
    assert!(Joining::from_bytes(&[0xff; 40]).is_err());
    let mut ann = Person::new("Ann");
    let _log = found(&mut ann).await;
    let (fold, rest) = (ann.session().fold.clone(), ann.session().to_bytes());
    assert!(Session::with_fold(fold.clone(), &rest).is_ok());
    let (mut tried, mut refused) = (0, 0);
    let mut check = |bytes: &[u8]| {
        tried += 1;
        match Session::with_fold(fold.clone(), bytes) {
            // What is taken although it is damaged, say another number, can be stored and read again.
            Ok(session) => assert!(Session::with_fold(session.fold.clone(), &session.to_bytes()).is_ok()),
            Err(_) => refused += 1,
        }
    };
    for at in (0..rest.len()).step_by(11) {
        check(&rest[..at]);
        for change in [0x01, 0x08, 0x80] {
            let mut damaged = rest.to_vec();
            damaged[at] ^= change;
            check(&damaged);
        }
    }
    assert!(refused * 4 > tried, "only {refused} of {tried} were refused");
}

#[tokio::test]
async fn a_fork_seen_after_the_keys_were_lost_is_remembered() {
    let mut ann = Person::new("Ann");
    let mut log = found(&mut ann).await;
    let (fold, rest) = (ann.session().fold.to_bytes(), ann.session().to_bytes());
    let mut thief = Person::new("Ann");
    thief.identity = ann.identity.clone();
    thief.session = Some(Session::from_bytes(&fold, &rest).unwrap());
    thief.act(&mut log, Intent::UpdateKey).await.unwrap();
    ann.sync(&log);
    assert_eq!(ann.session().standing, Standing::Lost);
    ann.session().fork(Seq::new(7), "test");
    ann.restart();
    assert!(matches!(ann.session().standing, Standing::Forked(_)));
}

#[tokio::test]
async fn what_a_roster_says_gives_way_to_what_the_leaf_shows() {
    let (mut ann, mut ben, mut cleo) = (Person::new("Ann"), Person::new("Ben"), Person::new("Cleo"));
    let mut log = found(&mut ann).await;
    join_by_ticket(&mut log, &mut ann, &mut ben).await;
    join_by_ticket(&mut log, &mut ann, &mut cleo).await;
    // Ben's identity signs for Ann's leaf. Cleo, who has seen nobody yet, cannot know better.
    let (slot, anns) = (ann.session().own.slot, ann.session().own.leaf_id);
    let claim = |fold: &GroupState, ben: &Person| {
        let leaf = fold.tree().leaf(slot).live().unwrap();
        let profile = profile(&ben.name, &fold.group(), &ben.identity);
        own_entry(&binding(fold, slot, leaf), profile, &ben.identity)
    };
    let fold = cleo.session().fold.clone();
    assert!(cleo.session().members.admit(&fold, claim(&fold, &ben), Shown::ByRoster));
    // Ann shows herself.
    ann.act(&mut log, Intent::UpdateKey).await.unwrap();
    cleo.sync(&log);
    let fold = cleo.session().fold.clone();
    let ann_key = ann.identity.verifying_key();
    assert_eq!(cleo.session().members.shown(anns), Some(&ann_key));
    for shown in [Shown::ByRoster, Shown::ByLeaf] {
        assert!(!cleo.session().members.admit(&fold, claim(&fold, &ben), shown));
    }
    ann.say(&mut log, "it is me");
    cleo.sync(&log);
    assert_eq!(cleo.texts(), ["it is me"]);
}

#[tokio::test]
async fn without_the_owner_nobody_can_show_an_active_member_its_removal() {
    let (mut ann, mut ben, mut cleo) = (Person::new("Ann"), Person::new("Ben"), Person::new("Cleo"));
    let mut log = found(&mut ann).await;
    join_by_ticket(&mut log, &mut ann, &mut ben).await;
    join_by_ticket(&mut log, &mut ann, &mut cleo).await;
    ben.sync(&log);
    let (doer, victim) = (ben.session().own.slot, cleo.session().own.slot);
    let marks = || DoerMarks { doer, slots: vec![victim] };
    for body in [Body::Expire(marks()), Body::MarkOwn(marks())] {
        let fold = &ben.session().fold;
        let base = Ctx::new([9; 32]);
        let place = Place::Operation { base, at: fold.at(), tree_hash_after: TreeHash::new([0; 32]) };
        let id = frame_id(&mut UnwrapErr(getrandom::SysRng));
        let head = Head { suite: fold.suite(), group: fold.group(), frame_id: id, place, body };
        let mut frame = Frame::unsigned(head, Vec::new());
        let message = Role::Leaf.message(&frame.digest(&base));
        frame.auth.leaf = Some(ben.session().own.sig.sign(&message));
        assert!(!cleo.session().is_removed_by(&frame, VerifyingKeys::development()));
    }
}

#[tokio::test]
async fn nothing_is_taken_after_the_removal_and_no_secret_stays() {
    let (mut ann, mut ben) = (Person::new("Ann"), Person::new("Ben"));
    let mut log = found(&mut ann).await;
    join_by_ticket(&mut log, &mut ann, &mut ben).await;
    let leaf = ben.session().own.leaf_id;
    ann.act(&mut log, Intent::Remove(vec![leaf])).await.unwrap();
    ann.act(&mut log, Intent::UpdateKey).await.unwrap();
    ann.say(&mut log, "not for Ben");
    // All in one page.
    for served in log.frames.clone() {
        ben.take(&served).unwrap();
    }
    let told = ben.entries.iter().filter(|e| e.what == What::RemovedSelf).count();
    assert_eq!((told, &ben.entries.last().unwrap().what), (1, &What::RemovedSelf));
    let wiped = |person: &mut Person| {
        let session = person.session();
        *session.own.secret.to_bytes() == [0; 32] && session.epochs.is_empty() && session.own.path.is_none()
    };
    assert!(wiped(&mut ben));
    ann.act(&mut log, Intent::Close).await.unwrap();
    assert!(wiped(&mut ann), "a closed group needs no keys either");
}

#[tokio::test]
async fn messages_of_the_unknown_are_held_up_to_a_bound() {
    let (mut ann, mut ben) = (Person::new("Ann"), Person::new("Ben"));
    let mut log = found(&mut ann).await;
    join_by_ticket(&mut log, &mut ann, &mut ben).await;
    ben.sync(&log);
    ann.session().members = Members::default();
    let content =
        Content::Application { content_type: ContentType::new("x").unwrap(), body: vec![7; 60_000] };
    for _ in 0..40 {
        let bytes = ben.with_env(|s, env| s.as_mut().unwrap().seal_message(&content, env)).unwrap();
        let seq = log.append(&bytes).unwrap();
        let served = log.frames.iter().find(|f| f.seq == seq).unwrap().clone();
        ann.take(&served).unwrap();
    }
    let held: usize = ann.session().held.iter().map(|h| h.frame.len()).sum();
    assert!(held <= super::MAX_HELD_BYTES && ann.session().held.len() > 20);
    assert!(matches!(ann.entries.last().unwrap().what, What::Unreadable { .. }));
}

#[tokio::test]
async fn an_own_message_is_known_again_where_only_its_hash_is_left() {
    let mut ann = Person::new("Ann");
    let mut log = found(&mut ann).await;
    ann.sync(&log);
    let content =
        Content::Application { content_type: ContentType::new(TEXT).unwrap(), body: b"sent".to_vec() };
    let bytes = ann.with_env(|s, env| s.as_mut().unwrap().seal_message(&content, env)).unwrap();
    log.append(&bytes).unwrap();
    let served = heads(&log).pop().unwrap();
    assert!(matches!(served.content, Served::MessageHash(_)));
    ann.take(&served).unwrap();
    assert_eq!(ann.texts(), ["sent"]);
    assert!(ann.session().outbox.is_empty(), "it would be sent twice");
}

#[tokio::test]
async fn a_renewed_leaf_owes_nothing_to_a_copy() {
    let mut ann = Person::new("Ann");
    let mut log = found(&mut ann).await;
    let (fold, rest) = (ann.session().fold.to_bytes(), ann.session().to_bytes());
    ann.act(&mut log, Intent::Renew).await.unwrap();
    ann.say(&mut log, "alone again");
    let mut thief = Person::new("Ann");
    thief.identity = ann.identity.clone();
    thief.session = Some(Session::from_bytes(&fold, &rest).unwrap());
    thief.sync(&log);
    assert_eq!(thief.session().standing, Standing::Lost);
    let refused = thief.act(&mut log, Intent::Rejoin).await;
    assert_eq!(refused, Err(protocol::Refusal::BadSignature));
    ann.act(&mut log, Intent::UpdateKey).await.unwrap();
}
