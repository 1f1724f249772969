//! Who gets a token for what, and how long it counts.

use std::time::Duration;

use api::{
    ErrorCode,
    challenge::{Challenge, ChallengeNonce, Claims, Purpose, Statement},
    paths::{self, FrameForm},
    token::{Scope, Token, TokenAnswer, TokenRequest},
};
use protocol::{Epoch, LeafId, Slot};

use crate::kit::{Club, Site, SiteOptions, club::stranger, site::rng};

#[tokio::test]
async fn root() {
    let site = Site::start().await;
    let mut club = site.pair(20).await;
    let group = club.group();
    let answer: TokenAnswer = site.root_reply(&mut club).await.decode();
    assert_eq!(answer.scope, Scope::Full);
    assert_eq!(site.page(&group, 0, &answer.token).await.head, club.state.seq());

    // An ordinary epoch ends no token, but challenges are answered with the newest key.
    let (old_sign, old_epoch) = (club.sign_secret(), club.state.epoch());
    let update = club.update(0);
    site.accept(&mut club, update).await;
    site.page(&group, 0, &answer.token).await;
    let mut rng = rng();
    let stale = site.answer(&group, old_epoch, Claims::Root, |s| s.sign_root(&old_sign, &mut rng)).await;
    let problem = stale.problem();
    assert_eq!((problem.code(), problem.epoch()), (ErrorCode::StaleEpoch, Some(club.state.epoch())));

    // While a leaf is dirty, none counts and none is given, even to those who know the key.
    let sign = club.sign_secret();
    let mark = club.mark(1);
    site.accept(&mut club, mark).await;
    assert_eq!(
        site.page_reply(&group, 0, FrameForm::Full, &answer.token).await.code(),
        ErrorCode::TokenRevoked
    );
    let dirty = club.state.epoch();
    let refused = site.answer(&group, dirty, Claims::Root, |s| s.sign_root(&sign, &mut rng)).await;
    // That key is no key of an epoch a removed member does not know, so nothing is said about it.
    assert!(matches!(refused.code(), ErrorCode::HealFirst | ErrorCode::NotAccepted));

    // Afterwards those of epochs before the removal stay worthless.
    let heal = club.heal(0);
    site.accept(&mut club, heal).await;
    assert_eq!(
        site.page_reply(&group, 0, FrameForm::Full, &answer.token).await.code(),
        ErrorCode::TokenRevoked
    );
    let late = site.answer(&group, dirty, Claims::Root, |s| s.sign_root(&sign, &mut rng)).await;
    assert_eq!((late.code(), late.problem().epoch()), (ErrorCode::NotAccepted, None));
    let token = site.root_token(&mut club).await;
    site.page(&group, 0, &token).await;
    site.stop().await;
}

#[tokio::test]
async fn leaf() {
    let site = Site::start().await;
    let mut club = site.found(21).await;
    let add = club.add(0);
    site.accept(&mut club, add).await;
    let group = club.group();
    // An invitee may read before it joins.
    let invited = site.leaf_token(&club, club.member(1)).await;
    site.page(&group, 0, &invited).await;
    let join = club.update(1);
    site.accept(&mut club, join).await;
    // The leaf and its pseudonym stand, so does the token.
    site.page(&group, 0, &invited).await;

    let founder = site.leaf_token(&club, club.member(0)).await;
    let wrong =
        |slot: u32, leaf_id: u64| Claims::Leaf { slot: Slot::new(slot), leaf_id: LeafId::new(leaf_id) };
    for claims in [wrong(0, 1), wrong(1, 0), wrong(7, 1)] {
        let sig = club.member(1).sig.clone();
        let reply = site.answer(&group, club.state.epoch(), claims, |s| s.sign(&sig)).await;
        assert_eq!(reply.code(), ErrorCode::NotAccepted);
    }
    let (key, _) = stranger();
    let reply = site.answer(&group, club.state.epoch(), wrong(1, 1), |s| s.sign(&key)).await;
    assert_eq!(reply.code(), ErrorCode::NotAccepted);
    let future = Epoch::new(club.state.epoch().get() + 1);
    let sig = club.member(1).sig.clone();
    let reply = site.answer(&group, future, wrong(1, 1), |s| s.sign(&sig)).await;
    assert_eq!(reply.code(), ErrorCode::NotAccepted);

    // Other leaves keep reading while one is dirty.
    let mark = club.mark(1);
    site.accept(&mut club, mark).await;
    site.page(&group, 0, &founder).await;
    assert_eq!(site.page_reply(&group, 0, FrameForm::Full, &invited).await.code(), ErrorCode::TokenRevoked);
    site.stop().await;
}

#[tokio::test]
async fn ticket() {
    let site = Site::start().await;
    let mut club = site.found(22).await;
    let (issue, ticket) = club.ticket(0, 1);
    site.accept(&mut club, issue).await;
    let message = club.message(b"for members");
    site.accept(&mut club, message).await;
    let group = club.group();
    let answer: TokenAnswer = site.ticket_reply(&club, &ticket).await.decode();
    assert_eq!(answer.scope, Scope::Heads);

    // State and heads, whatever is asked for.
    let page = site.page(&group, 0, &answer.token).await;
    let served: Vec<_> = page.frames.iter().map(|frame| frame.decode().unwrap()).collect();
    assert!(matches!(served[1].content, protocol::frame::Served::Operation(_)));
    assert!(matches!(served[2].content, protocol::frame::Served::MessageHash(_)));
    assert!(served.iter().all(|served| served.frame().is_none_or(|frame| frame.sealed().is_none())));
    site.tree(&group, None, &answer.token).await;

    // It ends with the ticket: when its time is over, or when it is used up.
    site.clock.advance(Duration::from_secs(24 * 3_600 + 1));
    assert_eq!(site.ticket_reply(&club, &ticket).await.code(), ErrorCode::NotAccepted);
    site.clock.set(crate::kit::START);
    let join = club.join(&ticket);
    site.accept(&mut club, join).await;
    assert_eq!(site.tree_reply(&group, None, &answer.token).await.code(), ErrorCode::TokenRevoked);
    assert_eq!(site.ticket_reply(&club, &ticket).await.code(), ErrorCode::NotAccepted);
    let joiner = site.leaf_token(&club, club.member(1)).await;
    site.page(&group, 0, &joiner).await;
    site.stop().await;
}

#[tokio::test]
async fn challenges_are_for_one_purpose_once() {
    let site = Site::start().await;
    let mut club = site.found(23).await;
    let (group, epoch) = (club.group(), club.state.epoch());
    let sign = club.sign_secret();
    let member = club.member(0).clone();
    let claims = Claims::Leaf { slot: member.slot, leaf_id: member.leaf_id };
    let answer = |site: &Site, challenge: Challenge, epoch, claims: Claims, group: &protocol::GroupId| {
        let statement = Statement { origin: site.node.origin(), group, epoch, claims, challenge };
        TokenRequest { challenge, epoch, claims, signature: statement.sign(&member.sig) }
    };

    let challenge = site.challenge(&group, epoch, Purpose::Leaf).await;
    let request = answer(&site, challenge, epoch, claims, &group);
    site.trade(&group, &request).await.decode::<TokenAnswer>();
    assert_eq!(site.trade(&group, &request).await.code(), ErrorCode::ChallengeUnknown, "used");

    // An answer that shows nothing uses nothing up.
    let challenge = site.challenge(&group, epoch, Purpose::Leaf).await;
    let good = answer(&site, challenge, epoch, claims, &group);
    let bad = TokenRequest { signature: api::challenge::ChallengeSignature::new([1; 64]), ..good };
    assert_eq!(site.trade(&group, &bad).await.code(), ErrorCode::NotAccepted);
    site.trade(&group, &good).await.decode::<TokenAnswer>();

    let made_up = Challenge { nonce: ChallengeNonce::new([1; 32]), ..challenge };
    assert_eq!(
        site.trade(&group, &answer(&site, made_up, epoch, claims, &group)).await.code(),
        ErrorCode::ChallengeUnknown
    );
    let for_root = site.challenge(&group, epoch, Purpose::Root).await;
    assert_eq!(
        site.trade(&group, &answer(&site, for_root, epoch, claims, &group)).await.code(),
        ErrorCode::ChallengeUnknown
    );
    let later = Epoch::new(epoch.get() + 1);
    let challenge = site.challenge(&group, epoch, Purpose::Leaf).await;
    assert_eq!(
        site.trade(&group, &answer(&site, challenge, later, claims, &group)).await.code(),
        ErrorCode::ChallengeUnknown
    );
    let elsewhere = protocol::GroupId::new([9; 32]);
    assert_eq!(
        site.trade(&elsewhere, &answer(&site, challenge, epoch, claims, &elsewhere)).await.code(),
        ErrorCode::ChallengeUnknown
    );
    let late = site.challenge(&group, epoch, Purpose::Leaf).await;
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(
        site.trade(&group, &answer(&site, late, epoch, claims, &group)).await.code(),
        ErrorCode::ChallengeUnknown
    );

    // What was signed for another node opens nothing here.
    let challenge = site.challenge(&group, epoch, Purpose::Root).await;
    let origin = "https://other.example".parse().unwrap();
    let statement = Statement { origin: &origin, group: &group, epoch, claims: Claims::Root, challenge };
    let signature = statement.sign_root(&sign, &mut club.rng);
    let request = TokenRequest { challenge, epoch, claims: Claims::Root, signature };
    assert_eq!(site.trade(&group, &request).await.code(), ErrorCode::NotAccepted);

    // An unknown group gives challenges, and then the same answer as one that was shown nothing.
    let (mut unknown, _) = Club::found(24);
    assert_eq!(site.root_reply(&mut unknown).await.code(), ErrorCode::NotAccepted);
    site.stop().await;
}

#[tokio::test]
async fn a_token_opens_one_group_for_a_quarter_of_an_hour() {
    let site = Site::start().await;
    let (mut a, b) = (site.found(25).await, site.found(26).await);
    let token = site.root_token(&mut a).await;
    let unknown = protocol::GroupId::new([9; 32]);
    let made_up = Token::new("made-up".to_owned()).unwrap();
    let paths_of = |group: &protocol::GroupId| {
        [
            paths::frames(group),
            paths::tree(group, &Default::default()),
            paths::events(group, &Default::default()),
            paths::removal(group),
        ]
    };
    // A foreign token, an unknown group, a string: no difference.
    for (group, token) in [(b.group(), &token), (unknown, &token), (a.group(), &made_up), (unknown, &made_up)]
    {
        for path in paths_of(&group) {
            let reply = site.get(&path, Some(token)).await;
            assert_eq!((reply.status, reply.code()), (401, ErrorCode::TokenInvalid), "{path}");
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
        }
    }
    for path in paths_of(&a.group()).iter().chain(&paths_of(&unknown)) {
        assert_eq!(site.get(path, None).await.code(), ErrorCode::Unauthorized, "{path}");
        // Not in the URL, by whatever name.
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}access_token={}", token.expose());
        assert!(site.get(&path, None).await.status >= 400, "{path}");
    }
    site.clock.advance(Duration::from_secs(15 * 60 - 1));
    site.page(&a.group(), 0, &token).await;
    site.clock.advance(Duration::from_secs(1));
    let reply = site.page_reply(&a.group(), 0, FrameForm::Full, &token).await;
    assert_eq!(reply.code(), ErrorCode::TokenExpired);
    site.stop().await;
}

#[tokio::test]
async fn replicas_take_each_others_tokens() {
    let one = Site::start().await;
    let origin = one.node.origin().clone();
    let two = Site::with(SiteOptions {
        store: one.store.clone(),
        others: one.others.clone(),
        clock: one.clock.clone(),
        origin: Some(origin),
        ..Default::default()
    })
    .await;
    assert_eq!(one.node.id(), two.node.id());
    let mut club = one.found(27).await;
    let token = one.root_token(&mut club).await;
    assert_eq!(two.page(&club.group(), 0, &token).await.frames.len(), 1);
    one.stop().await;
    two.stop().await;
}
