//! Whoever is out is out: alone, with an old copy of its home, and together with all others who are out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use core::time::Duration;

use anyhow::Result;
use api::{challenge::Claims, token::TokenRequest};
use by_hand::{Answer, Guest, Hand, capacity, frames_after, fresh_id, now, rng, token};
use curve::{Point, TreeSecret};
use e2e::{Kith, PATIENCE, Stage};
use e2ee::{content::Content, schedule::JoinerSecret};
use group_state::author::{Author, Authored, Own};
use kith_client_sdk::{Group, LinkOptions, Suite};
use protocol::{Authorization, Frame, digest::Role};
use ratchet_tree::{PathSecrets, Tree};

#[path = "support/by_hand.rs"]
mod by_hand;

fn ann_and_ben(stage: &Stage) -> Result<(Kith, Kith)> {
    let (ann, ben) = (stage.person("Ann")?, stage.person("Ben")?);
    ann.ok(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    ben.ok(&["join", &ann.ok(&["invite"])?])?;
    ann.ok(&["send", "hello Ben"])?;
    Ok((ann, ben))
}

fn kinds(person: &Kith) -> Result<Vec<String>> {
    let lines = person.json_lines(&["read"])?;
    Ok(lines.iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn a_removed_member_is_told_cut_off_and_refused() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    ben.ok(&["read"])?;
    let thief = ben.copy_to(stage.folder().join("thief"))?;
    let mut following = ben.spawn(&["--json", "follow", "--after", "0"])?;
    following.line("the greeting", |line| line.contains("hello Ben"))?;

    ann.ok(&["remove", "--member", "Ben"])?;
    ann.ok(&["send", "now that he is gone"])?;
    following.line("that he was removed", |line| line.contains("removed_self"))?;
    // The stream is over, and says so by ending.
    assert!(following.wait()?.success(), "{:?}", following.stderr());
    assert!(!following.stdout().iter().any(|line| line.contains("he is gone")));

    for home in [&ben, &thief] {
        let read = home.ok(&["read"])?;
        assert!(read.contains("hello Ben") && !read.contains("he is gone"), "{read}");
        assert_eq!(kinds(home)?.pop().unwrap(), "removed_self");
        assert_eq!(home.json(&["group", "info"])?["standing"], "removed");
        home.refused(&["send", "let me in"], "not_a_member")?;
        home.refused(&["update-keys"], "not_a_member")?;
        home.refused(&["group", "rejoin"], "not_a_member")?;
        home.refused(&["leave"], "not_a_member")?;
    }
    Ok(())
}

/// A home from before several epochs is put back: it notices, comes back with fresh keys, and uses no old one twice.
#[test]
fn a_home_restored_from_a_backup_rejoins_and_repeats_no_key() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    ben.ok(&["send", "before"])?;
    let backup = ben.copy_to(stage.folder().join("backup"))?;
    for n in 0..3 {
        ben.ok(&["send", &format!("lost {n}")])?;
    }
    ben.ok(&["update-keys"])?;
    ann.ok(&["update-keys"])?;
    ben.ok(&["send", "of the new epoch"])?;
    drop(ben);

    backup.refused(&["send", "too early"], "keys_lost")?;
    assert_eq!(backup.json(&["group", "info"])?["standing"], "lost");
    assert!(kinds(&backup)?.contains(&"leaf_taken_over".to_owned()));
    backup.ok(&["group", "rejoin"])?;
    backup.ok(&["send", "here again"])?;
    let texts: Vec<String> = ann.texts("Trip")?.into_iter().map(|(.., text)| text).collect();
    assert_eq!(
        texts,
        ["hello Ben", "before", "lost 0", "lost 1", "lost 2", "of the new epoch", "here again"]
    );
    assert!(!kinds(&ann)?.contains(&"unreadable".to_owned()));
    ann.ok(&["send", "welcome back"])?;
    assert_eq!(backup.texts("Trip")?.pop().unwrap().2, "welcome back");
    assert_eq!(ann.agreed("Trip")?, backup.agreed("Trip")?);
    Ok(())
}

/// As above, within one epoch: what the lost home sent tells the restored one which keys are used up.
#[test]
fn a_home_restored_within_an_epoch_goes_on_behind_its_own_words() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    ben.ok(&["send", "before"])?;
    let backup = ben.copy_to(stage.folder().join("backup"))?;
    for n in 0..3 {
        ben.ok(&["send", &format!("lost {n}")])?;
    }
    drop(ben);
    for n in 0..3 {
        backup.ok(&["send", &format!("new {n}")])?;
    }
    let expected = ["before", "lost 0", "lost 1", "lost 2", "new 0", "new 1", "new 2"];
    for home in [&ann, &backup] {
        let texts: Vec<String> = home.texts("Trip")?.into_iter().map(|(.., text)| text).collect();
        assert_eq!(texts[1..], expected);
        assert!(!kinds(home)?.contains(&"unreadable".to_owned()));
    }
    // Two homes with one leaf are one too many: a fresh key throws the other out.
    backup.ok(&["update-keys"])?;
    assert_eq!(ann.agreed("Trip")?, backup.agreed("Trip")?);
    Ok(())
}

/// A frame of a member's own making, signed by its leaf, without what needs a proof.
async fn act(hand: &Hand, authored: Authored) {
    let mut frame = authored.frame(Vec::new());
    let digest = frame.digest(&hand.fold.ctx());
    let leaf = Some(hand.sig.sign(&Role::Leaf.message(&digest)));
    frame.auth = Authorization { leaf, ..Authorization::default() };
    frame.proofs = by_hand::proofs_of(&authored.witnesses, &digest);
    hand.post(&frame).await.unwrap();
}

/// All that somebody knows of trees, old and new.
fn secrets(hand: &Hand) -> Vec<TreeSecret> {
    vec![hand.secret.clone(), hand.path.root().clone(), hand.path.sign().clone()]
}

/// What a pool of secrets opens of a tree: by being a key of it, or by agreeing with a sibling's key on one.
fn opened(tree: &Tree, pool: &[TreeSecret]) -> Vec<Point> {
    let mut keys = vec![tree.root_key(), tree.sign_key()];
    let mut siblings = vec![Point::sign_base()];
    for (slot, leaf) in tree.leaves() {
        keys.extend(leaf.live().map(|live| live.dh));
        for level in tree.path(slot).unwrap_or_default() {
            keys.push(level.key);
            siblings.push(level.sibling);
        }
    }
    let mut known: Vec<Point> = pool.iter().map(TreeSecret::public).collect();
    for secret in pool {
        known.extend(siblings.iter().map(|sibling| secret.dh(sibling).derive().public()));
    }
    known.retain(|key| keys.contains(key));
    known
}

async fn add_lapsed_invitee(ann: &Group, zoe: &mut Hand, url: &str) -> Result<Hand> {
    let guest = Guest::new("Dora");
    let contact = guest.contact(url).await;
    let invite = ann.invite_contact(&contact, Duration::from_secs(1)).await?;
    zoe.sync().await;
    let dora = guest.peek(&invite, &zoe.fold, &zoe.node);
    // The second passes while others ask whether it has.
    let begun = std::time::Instant::now();
    while ann.info().await?.members.iter().any(|member| !member.active) {
        assert!(begun.elapsed() < PATIENCE, "the invite does not lapse");
        ann.expire_invites().await?;
    }
    Ok(dora)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_are_out_together_open_nothing() -> Result<()> {
    let stage = Stage::new()?;
    let url = stage.server.url();
    let client = stage.client("Ann").await?;
    let ann = client.create_group("Trip", &url, Suite::Aes256Gcm).await?;
    let link = ann.invite_link(LinkOptions { uses: 3, ..LinkOptions::default() }).await?.to_string();
    let mut cleo = Hand::honest(&link, "Cleo").await;
    let mut ben = Hand::honest(&link, "Ben").await;
    let mut zoe = Hand::honest(&link, "Zoe").await;
    for hand in [&mut cleo, &mut ben, &mut zoe] {
        hand.sync().await;
    }
    let mut pool = Vec::new();
    for hand in [&ben, &cleo] {
        pool.extend(secrets(hand));
    }

    // Cleo leaves, and Ben completes that with a secret he keeps.
    let leave = Author::new(&cleo.fold, now(), fresh_id(), capacity()).unwrap().leave(cleo.slot).unwrap();
    act(&cleo, leave).await;
    ben.sync().await;
    let kept = TreeSecret::generate(&mut rng());
    let heal = Author::new(&ben.fold, now(), fresh_id(), capacity()).unwrap();
    let heal = heal.heal(ben.slot, None, Own::Keep, || kept.clone()).unwrap();
    assert_eq!(heal.witnesses.len(), 1);
    act(&ben, heal).await;
    ben.sync().await;
    pool.push(kept);
    pool.extend(secrets(&ben));
    ann.send_text("still with Ben").await?;

    let mut dora = add_lapsed_invitee(&ann, &mut zoe, &url).await?;
    pool.extend(secrets(&dora));
    // What Ben can have prepared for afterwards.
    let late = ben.say(&Content::Empty);
    ann.remove("Ben").await?;
    ann.send_text("after all of them").await?;

    let frames = zoe.sync().await;
    let tree = zoe.fold.tree();
    assert!(zoe.fold.is_clean());
    assert_eq!(opened(tree, &pool), [], "a key of the tree is known to somebody who is out");
    assert!(opened(tree, &secrets(&zoe)).len() > 2, "the search finds nothing at all");
    for secret in &pool {
        for (slot, _) in tree.leaves() {
            assert!(PathSecrets::derive(tree, slot, secret).is_err());
        }
    }
    let last = frames.last().unwrap().frame().unwrap();
    let read = |hand: &Hand, frame: &Frame| {
        hand.keys.open(&frame.head().frame_id, &frame.head_digest(), frame.sealed().unwrap()).is_ok()
    };
    assert!(read(&zoe, last));
    for outsider in [&ben, &cleo, &dora] {
        assert!(!read(outsider, last));
        for secret in &pool {
            for frame in frames.iter().filter_map(|served| served.frame()) {
                let (digest, sealed) = (frame.head_digest(), frame.sealed().unwrap_or_default());
                let joiner = JoinerSecret::derive(&outsider.init, secret, None, &digest);
                assert!(joiner.open_op(outsider.fold.suite(), &digest, sealed).is_err());
            }
        }
    }

    // Nor do they get anything from the node, or anything in.
    assert!(ben.post(&late).await.is_err(), "a message from before the removal was taken after it");
    let group = zoe.fold.group();
    for outsider in [&mut ben, &mut cleo, &mut dora] {
        let words = outsider.say(&Content::Empty);
        assert!(outsider.post(&words).await.is_err());
        let (node, epoch) = (outsider.node.clone(), zoe.fold.epoch());
        let own = Answer::Leaf(&outsider.sig, outsider.slot, outsider.leaf_id);
        if let Ok(token) = token(&node, &group, epoch, own).await {
            // Good for the frame that ended the leaf, and for nothing else.
            assert!(frames_after(&node, &group, outsider.fold.seq(), true, &token).await.is_err());
            assert!(node.state(&group, None, &token).await.is_err());
            assert!(node.events(&group, outsider.fold.seq(), &token).await.is_err());
            node.removal(&group, &token).await?;
        }
        let claims = Claims::Root;
        for epoch in [epoch, outsider.fold.epoch()] {
            let challenge = node.challenge(&group, epoch, claims.purpose()).await?;
            let origin = node.origin();
            let statement = api::challenge::Statement { origin, group: &group, epoch, claims, challenge };
            let signature = statement.sign_root(outsider.path.sign(), &mut rng());
            let request = TokenRequest { challenge, epoch, claims, signature };
            assert!(node.token(&group, &request).await.is_err());
        }
    }
    Ok(())
}
