//! Keys of one's own from a group: for calls, files or whatever an application builds on top.
//!
//! ```sh
//! kith serve --data ./data --listen 127.0.0.1:8080 &
//! cargo run -p kith-client-sdk --example export_keys -- http://127.0.0.1:8080
//! ```
//!
//! All members of an epoch get the same bytes, nobody else can; the next operation changes them. The application says
//! which epoch a key is of wherever it uses one. Both homes here are folders that are deleted at the end.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{error::Error, path::PathBuf};

use getrandom::SysRng;
use kith_client_sdk::{Client, Group, LinkOptions, Options, StoreKey, Suite};
use rand_core::UnwrapErr;
use sha2::{Digest as _, Sha256};

/// Names what the key is for, so that no two uses share one.
const LABEL: &str = "example.org/call/media-key";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).ok_or("say which server, for example http://127.0.0.1:8080")?;
    let homes = tempfile::tempdir()?;
    let (ann, ben) = (person(homes.path().join("ann"), "Ann"), person(homes.path().join("ben"), "Ben"));
    let (ann, ben) = (ann.await?, ben.await?);
    let anns = ann.create_group("Call", &server, Suite::ChaCha20Poly1305).await?;
    let bens = ben.join(&anns.invite_link(LinkOptions::default()).await?).await?;

    // The context tells one call of an epoch from another.
    let call = b"call 17";
    anns.sync().await?;
    let (of_ann, of_ben) = (fingerprint(&anns, call).await?, fingerprint(&bens, call).await?);
    println!("Ann {of_ann}");
    println!("Ben {of_ben}");
    println!("the same key: {}", of_ann == of_ben);
    println!("another call, another key: {}", of_ann != fingerprint(&anns, b"call 18").await?);

    bens.update_keys().await?;
    anns.sync().await?;
    let fresh = fingerprint(&anns, call).await?;
    println!("Ann {fresh}");
    println!("fresh after an update: {}", fresh != of_ann && fresh == fingerprint(&bens, call).await?);
    Ok(())
}

/// The epoch and a hash of its key: the key itself is shown to nobody.
async fn fingerprint(group: &Group, context: &[u8]) -> Result<String, Box<dyn Error>> {
    let key = group.export_secret(LABEL, context, 32).await?;
    let epoch = group.info().await?.epoch;
    let hash = hex::encode(Sha256::digest(&*key));
    Ok(format!("epoch {epoch}, key with hash {}", hash.get(..16).unwrap_or_default()))
}

/// Somebody with a home of their own.
async fn person(home: PathBuf, name: &str) -> Result<Client, Box<dyn Error>> {
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
