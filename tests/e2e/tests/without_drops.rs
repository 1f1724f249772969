//! A server that keeps no drops: large files are refused with a reason, invites are texts, everything else is as ever.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use core::time::Duration;

use anyhow::Result;
use e2e::Stage;
use kith_client_sdk::Suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_files_are_refused_and_invites_stay_texts() -> Result<()> {
    let stage = Stage::with(&["--set", "transistor.enabled=false"])?;
    let (ann, ben) = (stage.client("Ann").await?, stage.client("Ben").await?);
    let group = ann.create_group("Trip", &stage.server.url(), Suite::Aes256Gcm).await?;
    let contact = ben.contact(&stage.server.url()).await?;
    let invite = group.invite_contact(&contact, Duration::from_secs(3600)).await?;
    assert!(invite.starts_with("kith-invite1."));
    let bens = ben.join(&invite).await?;

    let refused = group.send_file("large", "text/plain", vec![1; 70_000]).await.unwrap_err();
    assert_eq!(refused.code(), "no_drop_service");
    assert!(!refused.is_retryable());
    group.send_file("small", "text/plain", vec![1; 60_000]).await?;
    bens.sync().await?;
    let info = bens.info().await?;
    assert_eq!(info.standing, "member");
    Ok(())
}
