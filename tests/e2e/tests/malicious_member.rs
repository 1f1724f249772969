//! What a member can do to the others with frames no honest client makes: nothing but be heard as itself.
//!
//! Mallory's frames are good enough for the node, which sees no content. Ann and Ben use the client library.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use core::time::Duration;
use std::path::Path;

use by_hand::{Hand, NO_LOG, Newcomer, RawContent, Words, credential, fresh_id, rng, signed, signed_raw};
use e2ee::{
    content::Content,
    credential::{LeafBinding, LeafCredential, Profile},
    message::MessageKeys,
    name::{ContentType, DisplayName, FileName},
    payload::{LogPosition, SignedPayload},
    roster::{Roster, RosterEntry},
};
use kith_client_sdk::{Client, Entry, Error, Group, LinkOptions, MemberInfo, Position, Suite, What};
use prost::Message as _;
use protocol::{FrameId, LeafId, Seq, SignatureBytes, SigningKey, Slot, UnixSeconds};
use rand_core::Rng as _;
use site::{Site, person};
use tempfile::TempDir;

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/site.rs"]
mod site;

/// Ann's group with Ben and Mallory in it, everybody up to date.
struct Stage {
    folder: TempDir,
    site: Site,
    link: String,
    ann: Group,
    ben: Group,
    bens: Client,
    mallory: Hand,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::start(&folder.path().join("node"), None).await;
        let (anns, bens) = (person(folder.path(), "Ann").await, person(folder.path(), "Ben").await);
        let ann = anns.create_group("Trip", &site.url, Suite::Aes256Gcm).await.unwrap();
        let options = LinkOptions { uses: 8, ttl: Duration::from_secs(3600) };
        let link = ann.invite_link(options).await.unwrap().to_string();
        let ben = bens.join(&link).await.unwrap();
        let mallory = Hand::honest(&link, "Mallory").await;
        let mut stage = Self { folder, site, link, ann, ben, bens, mallory };
        // Rosters are posted, nobody is held back.
        stage.both_speak().await;
        stage
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn both_speak(&mut self) {
        for (speaker, listener, name) in [(&self.ann, &self.ben, "Ann"), (&self.ben, &self.ann, "Ben")] {
            let words = format!("{name} at {}", speaker.info().await.unwrap().seq);
            speaker.send_text(&words).await.unwrap();
            listener.sync().await.unwrap();
            let heard = said(listener).await;
            assert!(heard.contains(&(Some(name.to_owned()), words)), "{name} was not heard: {heard:?}");
        }
        self.mallory.sync().await;
    }

    /// What holds after every attack: the others go on, also over an epoch, agree, and know each other as before.
    async fn goes_on(mut self) {
        self.both_speak().await;
        self.ben.update_keys().await.unwrap();
        self.both_speak().await;
        let (ann, ben) = (self.ann.info().await.unwrap(), self.ben.info().await.unwrap());
        assert_eq!((ann.standing, ben.standing), ("member", "member"));
        assert_eq!(ann.comparison, ben.comparison);
        assert!(ann.comparison.is_some());
        for group in [&self.ann, &self.ben] {
            let members = group.info().await.unwrap().members;
            for name in ["Ann", "Ben"] {
                let so_called: Vec<_> = members.iter().filter(|m| m.name.as_deref() == Some(name)).collect();
                assert_eq!(so_called.len(), 1, "{members:?}");
                assert!(so_called[0].verified, "{members:?}");
            }
            let me = self.bens.identity().unwrap().key;
            assert_eq!(members.iter().filter(|m| m.identity.as_ref() == Some(&me)).count(), 1);
        }
        self.site.stop().await;
    }

    async fn sync(&self) {
        for group in [&self.ann, &self.ben] {
            group.sync().await.unwrap();
        }
    }

    /// Posts a message of Mallory's; what both others then have of it, entries of other frames left out.
    async fn hear(&mut self, frame: protocol::Frame) -> Vec<Entry> {
        let seq = self.mallory.sent(frame).await;
        self.sync().await;
        let (ann, ben) = (of(&self.ann, seq).await, of(&self.ben, seq).await);
        assert_eq!(
            ann.iter().map(|e| &e.what).collect::<Vec<_>>(),
            ben.iter().map(|e| &e.what).collect::<Vec<_>>()
        );
        ann
    }

    async fn refused(&mut self, frame: protocol::Frame, reason: &str) {
        let entries = self.hear(frame).await;
        let [Entry { what: What::Unreadable { reason: given }, sender, .. }] = entries.as_slice() else {
            panic!("{entries:?}")
        };
        assert_eq!(given, reason);
        // Only what its own identity signed is shown as anybody's.
        let name = sender.as_ref().and_then(|sender| sender.name.as_deref());
        assert!(sender.is_none() || name == Some("Mallory"), "{sender:?}");
    }

    fn ben_slot(&self) -> Slot {
        self.mallory.fold.tree().slot_of_leaf(LeafId::new(1)).unwrap()
    }
}

async fn all(group: &Group) -> Vec<Entry> {
    group.entries(Position(0), 10_000).await.unwrap()
}

async fn of(group: &Group, seq: Seq) -> Vec<Entry> {
    all(group).await.into_iter().filter(|entry| entry.seq == seq.get()).collect()
}

/// Texts with the names of those they are shown as from.
async fn said(group: &Group) -> Vec<(Option<String>, String)> {
    let entries = all(group).await.into_iter();
    entries
        .filter_map(|entry| {
            let What::Text { text } = entry.what else { return None };
            Some((entry.sender.and_then(|sender| sender.name), text))
        })
        .collect()
}

async fn member(group: &Group, leaf_id: LeafId) -> MemberInfo {
    let members = group.info().await.unwrap().members;
    members.into_iter().find(|member| member.leaf_id == leaf_id.get()).unwrap()
}

fn text(text: &str) -> Content {
    let content_type = ContentType::new("text/plain;charset=utf-8").unwrap();
    Content::Application { content_type, body: text.as_bytes().to_vec() }
}

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng().fill_bytes(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_place_of_what_is_sealed_is_unreadable_and_no_more() {
    let mut stage = Stage::set().await;
    let mut accepted = 0;
    for len in [0, 1, 23, 24, 25, 296, 1_000, 64 * 1024 + 40, 64 * 1024 + 256] {
        let frame = stage.mallory.sealed_message(fresh_id(), noise(len));
        if stage.mallory.post(&frame).await.is_ok() {
            accepted += 1;
            stage.mallory.fold = stage.mallory.fold.pass_over_message(&frame.hash()).unwrap();
        }
    }
    assert!(accepted >= 6, "{accepted} of 9 were taken by the node");
    // The same in operations, which change the tree all the same.
    let begun = stage.mallory.fold.epoch();
    for len in [0, 1, 296, 64 * 1024 + 16] {
        let update = stage.mallory.update(Words::Sealed(noise(len)));
        stage.mallory.updated(update).await;
    }
    let update = stage.mallory.update(Words::Payload(Box::new(|_, _| noise(500))));
    stage.mallory.updated(update).await;
    assert_eq!(stage.mallory.fold.epoch().get(), begun.get() + 5);

    stage.sync().await;
    let entries = all(&stage.ann).await;
    let unreadable = entries.iter().filter(|entry| matches!(entry.what, What::Unreadable { .. })).count();
    assert_eq!(unreadable, accepted);
    // Without a credential for its new key the leaf is shown as unverified.
    let leaf = member(&stage.ann, stage.mallory.leaf_id).await;
    assert!(leaf.active && !leaf.verified, "{leaf:?}");
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_signed_by_another_identity_is_nobodys_word() {
    let mut stage = Stage::set().await;
    let stranger = SigningKey::generate(&mut rng());
    let (slot, seen) = (stage.mallory.slot, stage.mallory.seen());
    let frame = stage.mallory.message_of(slot, |context| signed(context, seen, &text("not mine"), &stranger));
    stage.refused(frame, "bad_payload_signature").await;

    // A leaf keeps the identity it has shown: it cannot become somebody else.
    let known = member(&stage.ann, stage.mallory.leaf_id).await;
    let seen = stage.mallory.seen();
    let update = stage.mallory.update(Words::Payload(Box::new(|context, leaf| {
        signed(context, seen, &credential(leaf, "Ben", &stranger), &stranger)
    })));
    stage.mallory.updated(update).await;
    stage.sync().await;
    let now = member(&stage.ann, stage.mallory.leaf_id).await;
    assert_eq!((&now.identity, &now.name), (&known.identity, &known.name));
    assert!(known.verified && !now.verified);
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_naming_another_slot_neither_impersonates_it_nor_burns_its_key() {
    let mut stage = Stage::set().await;
    let (ben, seen, identity) = (stage.ben_slot(), stage.mallory.seen(), stage.mallory.identity.clone());
    // The very generation that Ben takes next, after the one he has used.
    stage.mallory.keys.reserve(ben).unwrap();
    let frame = stage.mallory.message_of(ben, |context| signed(context, seen, &text("I am Ben"), &identity));
    stage.refused(frame, "bad_payload_signature").await;
    // A place where nobody is.
    for slot in [Slot::new(3), Slot::new(1 << 20)] {
        let before = stage.mallory.keys.to_bytes();
        let seen = stage.mallory.seen();
        if stage.mallory.keys.reserve(slot).is_ok() {
            stage.mallory.keys = MessageKeys::from_bytes(&before).unwrap();
            let frame =
                stage.mallory.message_of(slot, |context| signed(context, seen, &text("nobody"), &identity));
            stage.refused(frame, "not_active").await;
        }
    }
    stage.ben.send_text("I am Ben indeed").await.unwrap();
    stage.ann.sync().await.unwrap();
    let heard = said(&stage.ann).await;
    assert!(heard.contains(&(Some("Ben".to_owned()), "I am Ben indeed".to_owned())), "{heard:?}");
    assert!(!heard.iter().any(|(_, words)| words == "I am Ben"));
    stage.mallory.sync().await;
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_signed_words_of_another_are_good_in_their_own_frame_only() {
    let mut stage = Stage::set().await;
    let ben = stage.ben_slot();
    stage.ben.send_text("I give up").await.unwrap();
    let before = MessageKeys::from_bytes(&stage.mallory.keys.to_bytes()).unwrap();
    let frames = stage.mallory.sync().await;
    let frame = frames.last().unwrap().frame().unwrap();
    let opened = before.open(&frame.head().frame_id, &frame.head_digest(), frame.sealed().unwrap()).unwrap();
    assert_eq!(opened.slot, ben);
    let words = opened.payload.to_vec();
    stage.mallory.keys.commit(opened.pending).unwrap();

    // Another frame, from the same slot and from one's own.
    for slot in [ben, stage.mallory.slot] {
        let frame = stage.mallory.message_of(slot, |_| words.clone());
        stage.refused(frame, "bad_payload_signature").await;
    }
    // The same sealed bytes under another frame id open nowhere, and the same frame is not taken twice.
    let copy = stage.mallory.sealed_message(fresh_id(), frame.sealed().unwrap().to_vec());
    stage.refused(copy, "not_opened").await;
    let again = stage.mallory.post(frame).await.unwrap();
    assert_eq!(again.seq, frames.last().unwrap().seq, "posting it again has no effect");

    // Around an operation: what was a message, and the credential of another's update.
    stage.sync().await;
    stage.ben.update_keys().await.unwrap();
    stage.mallory.sync().await;
    let credential = stage.mallory.opened.clone().unwrap();
    for words in [words.clone(), credential] {
        let update = stage.mallory.update(Words::Payload(Box::new(move |_, _| words)));
        stage.mallory.updated(update).await;
        stage.sync().await;
        let leaf = member(&stage.ann, stage.mallory.leaf_id).await;
        assert_eq!((leaf.name.as_deref(), leaf.verified), (Some("Mallory"), false));
    }
    // In another epoch.
    let frame = stage.mallory.message_of(ben, |_| words.clone());
    stage.refused(frame, "bad_payload_signature").await;

    let heard = said(&stage.ann).await;
    assert_eq!(heard.iter().filter(|(_, words)| words == "I give up").count(), 1, "{heard:?}");
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_used_twice_is_heard_once() {
    let mut stage = Stage::set().await;
    let before = stage.mallory.keys.to_bytes();
    let first = stage.mallory.say(&text("once"));
    assert!(matches!(&stage.hear(first).await[0].what, What::Text { text } if text == "once"));
    stage.mallory.keys = MessageKeys::from_bytes(&before).unwrap();
    let second = stage.mallory.say(&text("twice"));
    stage.refused(second, "not_opened").await;
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_cannot_claim_another_ones_identity() {
    let mut stage = Stage::set().await;
    let bens = stage.bens.identity().unwrap().key;
    // Ben's own credential, as everybody in the group has it.
    stage.ben.update_keys().await.unwrap();
    stage.mallory.sync().await;
    let payload = SignedPayload::from_bytes(stage.mallory.opened.as_ref().unwrap()).unwrap();
    let Content::Credential { credential: ben_credential, profile: ben_profile } =
        payload.claimed_content().unwrap()
    else {
        panic!("an update carries a credential")
    };
    assert_eq!(ben_credential.identity().to_string(), bens);
    stage.ann.sync().await.unwrap();

    let mine = SigningKey::generate(&mut rng());
    let forged = |leaf: &LeafBinding| Content::Credential {
        credential: LeafCredential::from_parts(
            *ben_credential.identity(),
            *LeafCredential::sign(leaf, &mine).signature(),
        ),
        profile: ben_profile.clone(),
    };
    let copied =
        |_: &LeafBinding| Content::Credential { credential: ben_credential, profile: ben_profile.clone() };
    let own_leaf_bens_name = |leaf: &LeafBinding| Content::Credential {
        credential: LeafCredential::sign(leaf, &mine),
        profile: ben_profile.clone(),
    };
    let claims: [&dyn Fn(&LeafBinding) -> Content; 3] = [&forged, &copied, &own_leaf_bens_name];
    for claim in claims {
        let newcomer = Newcomer::with_link(&stage.link).await;
        let seen = LogPosition { seq: newcomer.fold.seq(), log: newcomer.fold.log() };
        let join = newcomer.join(|context, leaf| signed(context, seen, &claim(leaf), &mine));
        let mut guest = newcomer.enter(join, mine.clone()).await;
        let frame = guest.say(&text("it is me, Ben"));
        guest.sent(frame).await;
        stage.sync().await;
        for group in [&stage.ann, &stage.ben] {
            let leaf = member(group, guest.leaf_id).await;
            assert!(leaf.active && !leaf.verified, "{leaf:?}");
            assert_eq!((leaf.identity, leaf.name), (None, None));
            assert!(!said(group).await.iter().any(|(_, words)| words == "it is me, Ben"));
        }
    }
    stage.mallory.sync().await;
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roster_with_lies_makes_nobody_somebody_else() {
    let mut stage = Stage::set().await;
    let ben = stage.ben_slot();
    let mine = stage.mallory.identity.clone();
    let group = stage.mallory.fold.group();
    let tree = stage.mallory.fold.tree();
    let entry = |slot: Slot, leaf: &LeafBinding, credential, name: &str| RosterEntry {
        slot,
        leaf_id: leaf.leaf_id,
        since: leaf.since,
        credential,
        profile: Profile::sign(DisplayName::new(name).unwrap(), u64::MAX, &group, &mine),
    };
    let bens_leaf = by_hand::binding(group, tree, ben);
    let anns_leaf = by_hand::binding(group, tree, Slot::ZERO);
    let entries = vec![
        // Ben's leaf, truly signed, by the wrong one: identities sign for leaves, not leaves for identities.
        entry(ben, &bens_leaf, LeafCredential::sign(&bens_leaf, &mine), "Mallory"),
        // Ann's leaf with a signature that is none.
        entry(
            Slot::ZERO,
            &anns_leaf,
            LeafCredential::from_parts(mine.verifying_key(), SignatureBytes::new([7; 64])),
            "Mallory",
        ),
        // Leaves that are not there.
        entry(Slot::new(3), &bens_leaf, LeafCredential::sign(&bens_leaf, &mine), "Nobody"),
        entry(Slot::new(u32::MAX), &bens_leaf, LeafCredential::sign(&bens_leaf, &mine), "Nobody"),
    ];
    let before = (stage.ann.info().await.unwrap().members, stage.ben.info().await.unwrap().members);
    // Somebody who knows nobody yet, and hears this first.
    let doras = person(stage.folder(), "Dora").await;
    let dora = doras.join(&stage.link).await.unwrap();
    stage.mallory.sync().await;
    let frame = stage.mallory.say(&Content::Roster(Roster::new(entries).unwrap()));
    assert!(stage.hear(frame).await.is_empty(), "a roster tells the application nothing");
    dora.sync().await.unwrap();

    let after = (stage.ann.info().await.unwrap().members, stage.ben.info().await.unwrap().members);
    let without_dora = |members: Vec<MemberInfo>| -> Vec<_> {
        members.into_iter().filter(|m| m.name.as_deref() != Some("Dora")).collect()
    };
    assert_eq!(before, (without_dora(after.0), without_dora(after.1)));

    // What Ben says is never anybody else's; once his leaf has spoken for itself, all is well.
    stage.both_speak().await;
    stage.ben.update_keys().await.unwrap();
    stage.ben.send_text("Ben himself").await.unwrap();
    dora.sync().await.unwrap();
    let bens = stage.bens.identity().unwrap().key;
    for entry in all(&dora).await {
        if let What::Text { text } = &entry.what
            && text.starts_with("Ben")
        {
            assert_eq!(entry.sender.unwrap().identity.as_ref(), Some(&bens));
        }
    }
    assert!(said(&dora).await.contains(&(Some("Ben".to_owned()), "Ben himself".to_owned())));
    stage.ann.sync().await.unwrap();
    stage.mallory.sync().await;
    stage.goes_on().await;
}

/// A credential content on the wire.
#[derive(Clone, PartialEq, prost::Message)]
struct RawStatement {
    #[prost(bytes = "vec", tag = "1")]
    identity: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    leaf_signature: Vec<u8>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(uint64, tag = "4")]
    revision: u64,
    #[prost(bytes = "vec", tag = "5")]
    profile_signature: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_with_control_characters_is_never_shown() {
    let mut stage = Stage::set().await;
    let identity = SigningKey::generate(&mut rng());
    let names = ["Ben\u{1b}[2J", "B\u{202e}neB", "Ben\nAnn: yes", "", &"B".repeat(5_000)];
    let newcomer = Newcomer::with_link(&stage.link).await;
    let seen = LogPosition { seq: newcomer.fold.seq(), log: newcomer.fold.log() };
    let raw = |leaf: &LeafBinding, name: &str| {
        let profile = [
            b"kith/v1/profile\0",
            leaf.group.as_bytes().as_slice(),
            &0_u64.to_be_bytes(),
            &u32::try_from(name.len()).unwrap().to_be_bytes(),
            name.as_bytes(),
        ]
        .concat();
        let body = RawStatement {
            identity: identity.verifying_key().as_bytes().to_vec(),
            leaf_signature: LeafCredential::sign(leaf, &identity).signature().as_bytes().to_vec(),
            name: name.to_owned(),
            revision: 0,
            profile_signature: identity.sign(&profile).as_bytes().to_vec(),
        };
        RawContent { kind: 4, body: body.encode_to_vec() }.encode_to_vec()
    };
    let join = newcomer.join(|context, leaf| signed_raw(context, seen, &raw(leaf, names[0]), &identity));
    let mut guest = newcomer.enter(join, identity.clone()).await;
    for name in &names[1..] {
        let seen = guest.seen();
        let update = guest.update(Words::Payload(Box::new(|context, leaf| {
            signed_raw(context, seen, &raw(leaf, name), &identity)
        })));
        guest.updated(update).await;
    }
    stage.sync().await;
    let leaf = member(&stage.ann, guest.leaf_id).await;
    assert_eq!((leaf.name, leaf.identity, leaf.verified), (None, None, false));

    // The same bytes with a decent name are good: it was the name.
    let seen = guest.seen();
    let update = guest.update(Words::Payload(Box::new(|context, leaf| {
        signed_raw(context, seen, &raw(leaf, "Gus"), &identity)
    })));
    guest.updated(update).await;
    stage.sync().await;
    let leaf = member(&stage.ann, guest.leaf_id).await;
    assert_eq!((leaf.name.as_deref(), leaf.verified), (Some("Gus"), true));
    stage.mallory.sync().await;
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_of_unknown_kind_misplaced_or_malformed_is_reported() {
    let mut stage = Stage::set().await;
    let identity = stage.mallory.identity.clone();
    let leaf = by_hand::binding(stage.mallory.fold.group(), stage.mallory.fold.tree(), stage.mallory.slot);
    let misplaced = credential(&leaf, "Ben", &identity).to_bytes().unwrap();
    let added = Content::Added { packages: Vec::new() }.to_bytes().unwrap();
    let mut contents = vec![misplaced, added, noise(300), vec![0xff; 10]];
    for kind in [6, 7, 99, u32::MAX] {
        contents.push(RawContent { kind, body: noise(40) }.encode_to_vec());
    }
    for kind in 0..6 {
        contents.push(RawContent { kind, body: vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f] }.encode_to_vec());
    }
    // Longer than any content may be, in a payload that may be this long.
    contents.push(RawContent { kind: 1, body: noise(65_300) }.encode_to_vec());
    for content in contents {
        let (slot, seen) = (stage.mallory.slot, stage.mallory.seen());
        let frame = stage.mallory.message_of(slot, |context| signed_raw(context, seen, &content, &identity));
        stage.refused(frame, "unknown_content").await;
    }
    // A payload that is none.
    for payload in [Vec::new(), noise(200), vec![0; 65_000]] {
        let slot = stage.mallory.slot;
        let frame = stage.mallory.message_of(slot, |_| payload);
        stage.refused(frame, "malformed_payload").await;
    }
    // Nothing at all is no news, and a path is no file name.
    let frame = stage.mallory.say(&Content::Empty);
    assert!(stage.hear(frame).await.is_empty());
    let body = RawFile {
        name: "../../etc/\u{202e}passwd".to_owned(),
        media_type: "text/plain".to_owned(),
        body: b"root".to_vec(),
    };
    let content = RawContent { kind: 2, body: body.encode_to_vec() }.encode_to_vec();
    let (slot, seen) = (stage.mallory.slot, stage.mallory.seen());
    let frame = stage.mallory.message_of(slot, |context| signed_raw(context, seen, &content, &identity));
    let entries = stage.hear(frame).await;
    let What::File { name, .. } = &entries[0].what else { panic!("{entries:?}") };
    assert_eq!(name, FileName::sanitise("../../etc/\u{202e}passwd").as_str());
    assert!(!name.contains(['/', '\\', '\u{202e}']) && !name.starts_with('.'), "{name}");
    stage.goes_on().await;
}

/// A file content on the wire.
#[derive(Clone, PartialEq, prost::Message)]
struct RawFile {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    media_type: String,
    #[prost(bytes = "vec", tag = "3")]
    body: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_beyond_the_limits_does_not_reach_the_log() {
    let stage = Stage::set().await;
    for len in [64 * 1024 + 257, 300 * 1024] {
        let frame = stage.mallory.sealed_message(FrameId::new([1; 16]), noise(len));
        let error = stage.mallory.post(&frame).await.unwrap_err();
        assert!(error.code().is_some_and(|code| !code.is_retryable()), "{error}");
    }
    assert_eq!(stage.ann.info().await.unwrap().seq, stage.mallory.fold.seq().get());
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_too_far_ahead_is_unreadable_and_costs_nobody_anything() {
    let mut stage = Stage::set().await;
    let before = stage.mallory.keys.to_bytes();
    let ben = stage.ben_slot();
    for slot in [stage.mallory.slot, ben] {
        for _ in 0..1_100 {
            stage.mallory.keys.reserve(slot).unwrap();
        }
        let (seen, identity) = (stage.mallory.seen(), stage.mallory.identity.clone());
        let frame = stage.mallory.message_of(slot, |context| signed(context, seen, &text("far"), &identity));
        stage.refused(frame, "not_opened").await;
    }
    // As far as allowed is heard, and what was skipped is heard afterwards.
    stage.mallory.keys = MessageKeys::from_bytes(&before).unwrap();
    let late = stage.mallory.say(&text("late"));
    let late_sealed = late.sealed().unwrap().to_vec();
    for _ in 0..990 {
        stage.mallory.keys.reserve(stage.mallory.slot).unwrap();
    }
    let frame = stage.mallory.say(&text("ahead"));
    assert!(matches!(&stage.hear(frame).await[0].what, What::Text { text } if text == "ahead"));
    let late = stage.mallory.sealed_message(late.head().frame_id, late_sealed);
    assert!(matches!(&stage.hear(late).await[0].what, What::Text { text } if text == "late"));
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_log_hash_forks_whoever_reads_it_for_good_and_with_evidence() {
    for ahead in [false, true] {
        let mut stage = Stage::set().await;
        let (slot, identity) = (stage.mallory.slot, stage.mallory.identity.clone());
        let seen = stage.mallory.seen();
        let seen = if ahead {
            LogPosition { seq: Seq::new(seen.seq.get() + 1_000), ..seen }
        } else {
            LogPosition { log: NO_LOG, ..seen }
        };
        let frame = stage.mallory.message_of(slot, |context| signed(context, seen, &text("lie"), &identity));
        let at = stage.mallory.sent(frame).await;
        for group in [&stage.ann, &stage.ben] {
            let forked = |error: &Error| {
                matches!(error, Error::Forked { seq, reason }
                    if *seq == at.get() && reason == "log_hash_mismatch")
            };
            assert!(forked(&group.sync().await.unwrap_err()));
            // It stays so, and nothing more is sent.
            for _ in 0..2 {
                let info = group.info().await.unwrap();
                assert_eq!(info.standing, "forked");
                assert!(matches!(group.send_text("x").await, Err(Error::Forked { .. })));
                assert!(matches!(group.update_keys().await, Err(Error::Forked { .. })));
                let _ = group.sync().await;
            }
            assert!(!said(group).await.iter().any(|(_, words)| words == "lie"));
        }
        // Also for a program that starts anew.
        let ann = person(stage.folder(), "Ann").await.group("Trip").await.unwrap();
        assert_eq!(ann.info().await.unwrap().standing, "forked");
        assert_eq!(stage.mallory.sync().await.len(), 0, "neither of them wrote");
        stage.site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitee_who_has_not_joined_is_not_heard() {
    let mut stage = Stage::set().await;
    let guest = by_hand::Guest::new("Gus");
    let contact = guest.contact(&stage.site.url).await;
    let invite = stage.ann.invite_contact(&contact, Duration::from_secs(3600)).await.unwrap();
    stage.ben.sync().await.unwrap();
    stage.mallory.sync().await;
    let mut gus = guest.peek(&invite, &stage.mallory.fold, &stage.mallory.node);
    // It knows the epoch's keys, and the node takes what they sign.
    let frame = gus.say(&text("already here"));
    stage.refused(frame, "not_active").await;
    assert!(UnixSeconds::ZERO < stage.mallory.fold.at());
    stage.goes_on().await;
}
