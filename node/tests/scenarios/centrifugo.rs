//! Tokens for a Centrifugo beside the node: for members, for one group, for some minutes.

use api::{
    ErrorCode,
    centrifugo::CentrifugoTokens,
    paths,
    token::{Token, TokenAnswer},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use service_kit::config::{Secret, SecretSource};

use crate::kit::{START, Site, SiteOptions};

async fn site() -> Site {
    let mut options = SiteOptions::default();
    let secret = "for tests, and at least 32 characters";
    options.config.centrifugo.secret = Some(SecretSource::Inline(Secret::new(secret.to_owned())));
    options.config.centrifugo.audience = Some("push.example".to_owned());
    Site::with(options).await
}

fn claims(token: &Token) -> Value {
    let claims = token.expose().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test]
async fn a_member_gets_tokens_that_name_one_group_and_nobody() {
    let site = site().await;
    let mut club = site.pair(60).await;
    let group = club.group();
    let path = paths::centrifugo(&group);
    for token in [site.root_token(&mut club).await, site.leaf_token(&club, club.member(1)).await] {
        let tokens: CentrifugoTokens = site.get(&path, Some(&token)).await.decode();
        let channel = format!("kith:{group}");
        assert_eq!(tokens.channel.as_str(), channel);
        assert_eq!(tokens.expires.get(), START + 300);
        let common = serde_json::json!({
            "sub": "", "iat": START, "exp": START + 300, "aud": "push.example"
        });
        let with = |key: &str, value: Value| {
            let mut all = common.clone();
            all[key] = value;
            all
        };
        assert_eq!(claims(&tokens.connection), with("channels", serde_json::json!([channel])));
        assert_eq!(claims(&tokens.subscription), with("channel", Value::from(channel)));
    }
    site.stop().await;
}

#[tokio::test]
async fn nobody_else_gets_any() {
    let site = site().await;
    let mut club = site.pair(61).await;
    let other = site.found(62).await;
    let path = paths::centrifugo(&club.group());
    let (root, leaf) = (site.root_token(&mut club).await, site.leaf_token(&club, club.member(1)).await);
    let (issue, ticket) = club.ticket(0, 1);
    site.accept(&mut club, issue).await;
    let heads: TokenAnswer = site.ticket_reply(&club, &ticket).await.decode();

    assert_eq!(site.get(&path, None).await.code(), ErrorCode::Unauthorized);
    assert_eq!(site.get(&path, Some(&heads.token)).await.code(), ErrorCode::Forbidden);
    let elsewhere = paths::centrifugo(&other.group());
    assert_eq!(site.get(&elsewhere, Some(&root)).await.code(), ErrorCode::TokenInvalid);

    // Who is removed gets no further tokens, by whatever it had.
    let member = club.member(1).clone();
    let remove = club.remove(0, 1);
    site.accept(&mut club, remove).await;
    for token in [&root, &leaf] {
        assert_eq!(site.get(&path, Some(token)).await.code(), ErrorCode::TokenRevoked);
    }
    let removal: TokenAnswer = site.leaf_reply(&club, &member).await.decode();
    assert_eq!(site.get(&path, Some(&removal.token)).await.code(), ErrorCode::Forbidden);
    site.stop().await;
}

#[tokio::test]
async fn a_node_without_a_secret_gives_none() {
    let site = Site::start().await;
    let mut club = site.pair(63).await;
    let token = site.root_token(&mut club).await;
    let reply = site.get(&paths::centrifugo(&club.group()), Some(&token)).await;
    assert_eq!(reply.code(), ErrorCode::NotFound);
    site.stop().await;
}
