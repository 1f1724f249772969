//! Two people and a group: found, invite, join, send, follow.
//!
//! ```sh
//! kith serve --data ./data --listen 127.0.0.1:8080 &
//! cargo run -p kith-client-sdk --example two_people -- http://127.0.0.1:8080
//! ```
//!
//! Both homes are folders that are deleted at the end. The first proof on a machine also makes the proving keys, which
//! takes some seconds; they are kept in the folder that `KITH_CACHE` names, or else in one for temporary files.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{error::Error, path::PathBuf, pin::pin};

use futures_util::StreamExt as _;
use getrandom::SysRng;
use kith_client_sdk::{Client, LinkOptions, Options, StoreKey, Suite, What};
use rand_core::UnwrapErr;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).ok_or("say which server, for example http://127.0.0.1:8080")?;
    let homes = tempfile::tempdir()?;

    let ann = person(homes.path().join("ann"), "Ann").await?;
    let anns = ann.create_group("Trip", &server, Suite::Aes256Gcm).await?;
    // The link is a secret until it is used: send it over a channel that both trust.
    let link = anns.invite_link(LinkOptions::default()).await?;

    let ben = person(homes.path().join("ben"), "Ben").await?;
    let bens = ben.join(&link).await?;
    // From here on only what comes; `Position::default()` would begin with the first entry.
    let mut entries = pin!(bens.follow(bens.end().await?));

    anns.send_text("hello").await?;
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        let name = entry.sender.and_then(|person| person.name).unwrap_or_default();
        if let What::Text { text } = entry.what {
            println!("{name}: {text}");
            break;
        }
    }

    bens.send_text("hello, too").await?;
    anns.sync().await?;
    let (a, b) = (anns.info().await?, bens.info().await?);
    println!("Ann sees {} members at epoch {}.", a.members.len(), a.epoch);
    // The digits are equal iff both are in the same place; people read them to each other.
    println!("Both see the same group: {}", a.comparison.is_some() && a.comparison == b.comparison);
    Ok(())
}

/// Somebody with a home of their own.
async fn person(home: PathBuf, name: &str) -> Result<Client, Box<dyn Error>> {
    // A home that is kept has its key in the system's key chain, or derives it from a passphrase.
    let key = StoreKey::generate(&mut UnwrapErr(SysRng));
    let client = Client::open(Options::new(home, key, cache())).await?;
    client.create_identity(name).await?;
    Ok(client)
}

/// Where proving keys are kept.
fn cache() -> PathBuf {
    let named = std::env::var_os("KITH_CACHE").map(PathBuf::from);
    named.unwrap_or_else(|| std::env::temp_dir().join("kith"))
}
