//! Drops with a password: its token is asked for, wrong ones are counted.

use api::{ErrorCode, transistor as wire};

use crate::kit::{Ask as _, Site, hash, id, token};

#[tokio::test]
async fn the_tenth_wrong_one_erases_it() {
    let site = Site::start().await;
    let (access, unlock) = (token(1), token(2));
    for n in [1, 2] {
        let put = site.putting(&id(n)).header(wire::INFO, "AAAA");
        let put = put.header(wire::ACCESS_HASH, hash(&access).to_string());
        put.header(wire::UNLOCK_HASH, hash(&unlock).to_string()).body("x").reply().await.status_and(201);
    }
    let looked = site.request("HEAD", &wire::transfer(&id(1))).token(wire::ACCESS, &access).reply().await;
    assert_eq!((looked.status, looked.header(wire::INFO)), (200, ""), "the info could be tried on");
    let claim = |n| site.request("PUT", &wire::claim(&id(n))).token(wire::CLAIM, &token(9));
    let mine = |n| claim(n).token(wire::ACCESS, &access);
    let missing = mine(1).reply().await.problem();
    assert_eq!((missing.code(), missing.detail()), (ErrorCode::PasswordWrong, Some("Attempts left: 10.")));
    // A stranger cannot burn it.
    for _ in 0..20 {
        assert_eq!(claim(1).token(wire::UNLOCK, &token(3)).reply().await.code(), ErrorCode::DropGone);
    }
    for left in (0..10).rev() {
        let wrong = mine(1).token(wire::UNLOCK, &token(3)).reply().await.problem();
        assert_eq!(wrong.code(), ErrorCode::PasswordWrong);
        assert_eq!(wrong.detail().unwrap(), format!("Attempts left: {left}."));
    }
    let late = mine(1).token(wire::UNLOCK, &unlock).reply().await;
    assert_eq!(late.code(), ErrorCode::DropGone);

    let claimed = mine(2).token(wire::UNLOCK, &unlock).reply().await.status_and(200);
    assert_eq!(wire::Claim::from_json(&claimed.body).unwrap().info.unwrap().to_string(), "AAAA");
    assert_eq!(site.read(&id(2), &token(9)).await.body, b"x");
    site.stop().await;
}
