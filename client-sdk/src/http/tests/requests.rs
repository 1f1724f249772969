//! One request each: what is sent, what comes of the answers.

use api::{
    ErrorCode, NodeLimits, StateSnapshot,
    challenge::{ChallengeNonce, ChallengeSignature, Claims},
    frames::{ServedFrameBytes, StreamEpoch},
    key_packages::{KeyPackageEntry, MailboxWriteKey, SealedKeyPackage},
    token::Scope,
};
use protocol::{LogHash, Receipt, SigningKey, Suite};

use super::*;

const MAILBOX: MailboxId = MailboxId::new([3; 32]);

fn receipt(group: GroupId) -> FrameReceipt {
    let key = SigningKey::from_seed(&[1; 32]);
    FrameReceipt {
        receipt: Receipt::sign(&key, group, Seq::new(4), LogHash::new([5; 32]), 6),
        duplicate: false,
    }
}

fn info() -> NodeInfo {
    NodeInfo {
        node: SigningKey::from_seed(&[1; 32]).verifying_key(),
        origin: "https://node.example".parse().unwrap(),
        version: "0.1.0".to_owned(),
        time: UnixSeconds::new(7),
        protocol_versions: vec![1],
        suites: vec![Suite::Aes256Gcm],
        params: Vec::new(),
        development_keys: true,
        limits: NodeLimits {
            frame_bytes: 1,
            page_frames: 1,
            page_bytes: 1,
            clock_behind_seconds: 1,
            clock_ahead_seconds: 1,
            message_grace_seconds: 1,
            challenge_seconds: 1,
            token_seconds: 1,
            key_package_bytes: 1,
            key_packages_per_mailbox: 1,
        },
        transistor: None,
    }
}

fn page(from: u64, count: u64) -> FramesPage {
    FramesPage {
        stream_epoch: StreamEpoch::new(1),
        frames: (0..count).map(|n| ServedFrameBytes::new(vec![u8::try_from(n).unwrap()])).collect(),
        next: Seq::new(from + count),
        head: Seq::new(99),
        horizon: Seq::ZERO,
    }
}

fn challenge() -> Challenge {
    Challenge { nonce: ChallengeNonce::new([8; 32]), expires: UnixSeconds::new(9) }
}

#[tokio::test]
async fn frames_are_posted_as_they_are() {
    let server = Server::script([Reply::body(&receipt(GROUP))]).await;
    let answer = server.client(&clock()).post_frame(&GROUP, b"frame".to_vec()).await.unwrap();
    assert_eq!(answer, receipt(GROUP));
    let seen = &server.seen()[0];
    assert_eq!((seen.method.as_str(), seen.uri.to_string()), ("POST", paths::frames(&GROUP)));
    assert_eq!(seen.body, b"frame"[..]);
    assert_eq!(seen.header("content-type"), Some("application/protobuf"));
    assert_eq!(seen.header("accept"), Some("application/protobuf"));
    // A token would tell the node whose frame it is.
    assert_eq!(seen.header("authorization"), None);
}

#[tokio::test]
async fn reads_show_their_token() {
    let state = StateAnswer {
        state: StateSnapshot::new(vec![1, 2, 3]),
        epoch: Epoch::new(2),
        seq: Seq::new(3),
        log: LogHash::new([4; 32]),
        stream_epoch: StreamEpoch::new(5),
    };
    let server = Server::script([
        Reply::body(&page(8, 2)),
        Reply::body(&page(0, 1)),
        Reply::body(&state),
        Reply::body(&page(6, 1)),
    ])
    .await;
    let client = server.client(&clock());
    let token = token("abc.def");
    assert_eq!(client.frames(&GROUP, Seq::new(7), 2, true, &token).await.unwrap(), page(8, 2));
    assert_eq!(client.frames(&GROUP, None, 1, false, &token).await.unwrap(), page(0, 1));
    assert_eq!(client.state(&GROUP, Some(Epoch::new(2)), &token).await.unwrap(), state);
    assert_eq!(client.removal(&GROUP, &token).await.unwrap(), [0]);
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.header("authorization") == Some("Bearer abc.def")));
    let group = GROUP.to_string();
    let uris: Vec<_> = seen.iter().map(|seen| seen.uri.to_string()).collect();
    assert_eq!(
        uris,
        [
            format!("/v1/group/{group}/frames?from=8&limit=2&form=heads"),
            format!("/v1/group/{group}/frames?from=0&limit=1"),
            format!("/v1/group/{group}/tree?epoch=2"),
            format!("/v1/group/{group}/removal"),
        ]
    );
}

#[tokio::test]
async fn a_token_is_traded_for_an_answered_challenge() {
    let answer = TokenAnswer { token: token("t"), expires: UnixSeconds::new(1), scope: Scope::Full };
    let server = Server::script([Reply::body(&challenge()), Reply::body(&answer)]).await;
    let client = server.client(&clock());
    assert_eq!(client.challenge(&GROUP, Epoch::new(3), Purpose::Root).await.unwrap(), challenge());
    let request = TokenRequest {
        challenge: challenge(),
        epoch: Epoch::new(3),
        claims: Claims::Root,
        signature: ChallengeSignature::new([1; 64]),
    };
    assert_eq!(client.token(&GROUP, &request).await.unwrap(), answer);
    let seen = server.seen();
    assert_eq!(seen[0].uri, format!("/v1/group/{GROUP}/challenge?epoch=3&purpose=root").as_str());
    assert_eq!(seen[1].uri, format!("/v1/group/{GROUP}/tokens").as_str());
    assert_eq!(TokenRequest::from_protobuf(&seen[1].body).unwrap(), request);
}

#[tokio::test]
async fn key_packages_are_put_counted_and_claimed() {
    let status = MailboxStatus { remaining: 2, last_resort: true };
    let sealed = SealedKeyPackage::new(vec![1]).unwrap();
    let claimed = ClaimedKeyPackage { sealed: sealed.clone(), last_resort: false, remaining: 1 };
    let server = Server::script([
        Reply::body(&status),
        Reply::body(&status),
        Reply::body(&claimed),
        Reply::body(&info()),
    ])
    .await;
    let client = server.client(&clock());
    let packages = PutKeyPackages {
        write_key: MailboxWriteKey::new([2; 32]),
        packages: vec![KeyPackageEntry { sealed, expires: UnixSeconds::new(1), last_resort: false }],
    };
    assert_eq!(client.put_key_packages(&MAILBOX, &packages).await.unwrap(), status);
    assert_eq!(client.mailbox_status(&MAILBOX).await.unwrap(), status);
    assert_eq!(client.claim_key_package(&MAILBOX).await.unwrap(), claimed);
    assert_eq!(client.node_info().await.unwrap(), info());
    let seen = server.seen();
    let asked: Vec<_> = seen.iter().map(|seen| format!("{} {}", seen.method, seen.uri)).collect();
    let mailbox = paths::key_packages(&MAILBOX);
    assert_eq!(
        asked,
        [
            format!("POST {mailbox}"),
            format!("GET {mailbox}"),
            format!("POST {mailbox}/claim"),
            format!("GET {}", paths::NODE),
        ]
    );
    assert_eq!(PutKeyPackages::from_protobuf(&seen[0].body).unwrap().packages, packages.packages);
}

#[tokio::test]
async fn reads_are_repeated_while_that_can_help() {
    let busy = Problem::new(ErrorCode::Busy).with_retry_after(3);
    let server = Server::script([
        Reply::problem(&busy),
        Reply::new(502, "text/html", "<h1>Bad Gateway</h1>"),
        Reply::new(200, "application/protobuf", "").then(Part::Bytes("x".into())).then(Part::Cut),
        Reply::body(&challenge()),
    ])
    .await;
    let clock = clock();
    let waits = hurry(&clock);
    let got = server.client(&clock).challenge(&GROUP, Epoch::ZERO, Purpose::Root).await;
    assert_eq!(got.unwrap(), challenge());
    let waits = waits.lock().unwrap().clone();
    assert_eq!(waits, [3000, 400, 800].map(Duration::from_millis));
}

#[tokio::test]
async fn reads_give_up() {
    let server = Server::handle(|_| Reply::problem(&Problem::new(ErrorCode::StorageUnavailable))).await;
    let clock = clock();
    hurry(&clock);
    let error = server.client(&clock).node_info().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::StorageUnavailable));
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_header_asks_to_wait_too() {
    let server = Server::script([
        Reply::new(429, "text/plain", "slow down").header("retry-after", 7),
        Reply::new(503, "text/plain", "").header("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"),
        Reply::body(&info()),
    ])
    .await;
    let clock = clock();
    let waits = hurry(&clock);
    server.client(&clock).node_info().await.unwrap();
    assert_eq!(waits.lock().unwrap().first(), Some(&Duration::from_secs(7)));
}

#[tokio::test]
async fn refusals_are_not_repeated() {
    for code in
        [ErrorCode::NotAccepted, ErrorCode::HistoryGap, ErrorCode::TokenExpired, ErrorCode::StaleEpoch]
    {
        let problem = Problem::new(code).with_epoch(Epoch::new(5));
        let server = Server::script([Reply::problem(&problem)]).await;
        let error = server.client(&clock()).state(&GROUP, None, &token("t")).await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.problem().and_then(Problem::epoch), Some(Epoch::new(5)));
        assert!(error.has_no_side_effects() && !error.is_transient());
        assert_eq!(error.is_unauthorized(), code == ErrorCode::TokenExpired);
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_frame_is_repeated_only_while_nothing_happened() {
    let server = Server::script([
        Reply::problem(&Problem::new(ErrorCode::RateLimited)),
        Reply::problem(&Problem::new(ErrorCode::NotReady)),
        Reply::body(&receipt(GROUP)),
    ])
    .await;
    let clock = clock();
    hurry(&clock);
    server.client(&clock).post_frame(&GROUP, b"frame".to_vec()).await.unwrap();
    let seen = server.seen();
    assert!(seen.len() == 3 && seen.iter().all(|seen| seen.body == b"frame"[..]));
}

#[tokio::test]
async fn a_frame_whose_outcome_is_open_is_left_to_the_caller() {
    let open = [
        Reply::problem(&Problem::new(ErrorCode::StorageUnavailable)),
        Reply::problem(&Problem::new(ErrorCode::Internal)),
        Reply::new(504, "text/html", "gateway timeout"),
        Reply::new(200, "text/html", "<h1>Welcome to our network</h1>"),
        Reply::new(200, "application/protobuf", "garbage"),
        Reply::body(&receipt(GroupId::new([1; 32]))),
        Reply::new(200, "application/protobuf", "").then(Part::Cut),
        Reply::new(302, "text/plain", "").header("location", "/elsewhere"),
    ];
    for reply in open {
        let server = Server::script([reply]).await;
        let clock = clock();
        hurry(&clock);
        let error = server.client(&clock).post_frame(&GROUP, b"frame".to_vec()).await.unwrap_err();
        assert!(!error.has_no_side_effects(), "{error:?}");
        assert_eq!(server.seen().len(), 1, "{error:?}");
    }
}

#[tokio::test]
async fn a_forged_receipt_is_no_answer() {
    let mut forged = receipt(GROUP);
    forged.receipt.log = LogHash::new([9; 32]);
    let server = Server::script([Reply::body(&forged)]).await;
    let error = server.client(&clock()).post_frame(&GROUP, Vec::new()).await.unwrap_err();
    assert!(matches!(error, HttpError::BadAnswer(_)));
}

#[tokio::test]
async fn nobody_there_means_nothing_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = NodeClient::new(&address, Arc::new(clock())).unwrap();
    let error = client.post_frame(&GROUP, Vec::new()).await.unwrap_err();
    assert!(matches!(error, HttpError::Unreachable(_)), "{error:?}");
    assert!(error.has_no_side_effects() && error.is_transient() && error.is_unreachable());
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_outcome_open() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            use tokio::io::AsyncReadExt;
            let (mut connection, _) = listener.accept().await.unwrap();
            let _ = connection.read(&mut [0; 64]).await;
        }
    });
    let client = NodeClient::new(&address, Arc::new(clock())).unwrap();
    let error = client.post_frame(&GROUP, Vec::new()).await.unwrap_err();
    assert!(matches!(error, HttpError::UnknownOutcome(_)), "{error:?}");
    assert!(!error.has_no_side_effects());
}

#[tokio::test]
async fn silence_has_an_end() {
    for (reply, reading) in
        [(Reply::mute(), false), (Reply::new(200, "application/protobuf", "").then(Part::Hang), true)]
    {
        let server = Server::script([reply]).await;
        let clock = clock();
        let client = server.client(&clock);
        let mut posting = tokio::spawn(async move { client.post_frame(&GROUP, Vec::new()).await });
        // While the body is read there is a second limit, on all of it.
        let expected = if reading { 2 } else { 1 };
        clock.sleepers_until(|sleepers| sleepers.len() == expected).await;
        if !reading {
            while server.seen().is_empty() {
                tokio::task::yield_now().await;
            }
        }
        clock.advance(Duration::from_secs(59));
        assert!(futures_util::FutureExt::now_or_never(&mut posting).is_none());
        clock.advance(Duration::from_secs(1));
        let error = posting.await.unwrap().unwrap_err();
        assert!(matches!(error, HttpError::Timeout), "{error:?}");
        assert!(!error.has_no_side_effects());
    }
}

#[tokio::test]
async fn answers_are_bounded() {
    let announced = Reply::new(200, "application/protobuf", vec![0; MAX_SMALL + 1]);
    let mut trickled = Reply::new(200, "application/protobuf", "");
    for _ in 0..=MAX_SMALL / 1000 {
        trickled = trickled.then(Part::Bytes(vec![0; 1000].into()));
    }
    for reply in [announced, trickled.then(Part::Hang)] {
        let server = Server::script([reply]).await;
        let error = server.client(&clock()).node_info().await.unwrap_err();
        assert!(matches!(error, HttpError::BadAnswer("too long")), "{error:?}");
    }
}

#[tokio::test]
async fn an_endless_problem_is_still_a_problem() {
    let server = Server::script([Reply::new(422, "text/plain", vec![b'x'; 10 * 1024 * 1024])]).await;
    let error = server.client(&clock()).node_info().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::InvalidRequest));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server =
        Server::handle(|_| Reply::new(307, "text/plain", "").header("location", "/v1/elsewhere")).await;
    let error = server.client(&clock()).state(&GROUP, None, &token("t")).await.unwrap_err();
    assert!(matches!(error, HttpError::BadAnswer(_)), "{error:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_page_of_other_frames_is_no_answer() {
    for wrong in [page(9, 1), FramesPage { next: Seq::new(u64::MAX), ..page(8, 0) }] {
        let server = Server::script([Reply::body(&wrong)]).await;
        let result = server.client(&clock()).frames(&GROUP, Seq::new(7), 9, false, &token("t")).await;
        assert!(matches!(result, Err(HttpError::BadAnswer(_))), "{result:?}");
    }
}

#[test]
fn only_this_machine_is_asked_in_the_clear() {
    let new = |address: &str, allow_plain_http| {
        let options = NodeOptions { allow_plain_http, ..NodeOptions::default() };
        NodeClient::with_options(address, Arc::new(clock()), options)
    };
    for address in ["http://localhost:8080", "http://127.0.0.1", "http://127.8.8.8:1", "http://[::1]:8080/"] {
        assert!(new(address, false).is_ok(), "{address}");
    }
    for address in ["http://node.example", "http://127.0.0.1.example", "http://10.0.0.1:8080", "http://[::2]"]
    {
        assert!(matches!(new(address, false), Err(HttpError::PlainHttp(_))), "{address}");
        assert!(new(address, true).is_ok(), "{address}");
    }
    for address in
        ["", "node.example", "ftp://node.example", "https://node.example/path", "https://u@node.example"]
    {
        assert!(matches!(new(address, true), Err(HttpError::BadAddress(_))), "{address}");
    }
}

#[tokio::test]
async fn errors_and_handles_do_not_say_what_was_asked() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = NodeClient::new(&address, Arc::new(clock())).unwrap();
    let error = client.claim_key_package(&MAILBOX).await.unwrap_err();
    let shown = format!("{client:?} {error:?} {error}");
    assert!(!shown.contains(&MAILBOX.to_string()), "{shown}");
}
