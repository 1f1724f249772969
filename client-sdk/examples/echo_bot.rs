//! A member that answers: follows a group and says every text again.
//!
//! ```sh
//! export BOT_KEY=$(head -c 32 /dev/urandom | xxd -p -c 64)
//! cargo run -p kith-client-sdk --example echo_bot -- ./bot 'LINK OR INVITE'
//! cargo run -p kith-client-sdk --example echo_bot -- ./bot      # goes on in the group it is in
//! ```
//!
//! It may be stopped at any moment. Started again it goes on with what came meanwhile: the position behind the last
//! answered entry is in a file. That file is written after the answer was accepted, so a bot that dies in between may
//! answer one text twice, and none never.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use futures_util::StreamExt as _;
use kith_client_sdk::{Client, Entry, Group, Options, Position, StoreKey, What};

const NAME: &str = "echo";
/// Attempts to answer before the bot gives up for good.
const TRIES: u32 = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let home = PathBuf::from(arguments.next().ok_or("say where the bot's home is")?);
    let key = store_key(&std::env::var("BOT_KEY").map_err(|_| "set BOT_KEY to 64 hexadecimal digits")?)?;
    let client = Client::open(Options::new(&home, key, cache())).await?;
    if client.identity().is_none() {
        client.create_identity(NAME).await?;
    }
    let group = match arguments.next() {
        // Joining a group one is in already gives that group.
        Some(text) => client.join(&text).await?,
        None => only_group(&client).await?,
    };
    let info = group.info().await?;
    println!("{NAME} is in {} at epoch {}", info.title, info.epoch);

    let answered = home.join("answered");
    let own = client.identity().map(|identity| identity.key);
    let mut entries = pin!(group.follow(read_position(&answered)?));
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        if let Some(text) = to_answer(&entry, own.as_deref()) {
            answer(&group, text).await?;
            println!("answered {}", entry.position.0);
        }
        write_position(&answered, Position(entry.position.0 + 1))?;
    }
    println!("{NAME} is no longer in the group");
    Ok(())
}

/// Texts of others. Without the sender's name nobody could be answered, and two bots would talk for ever.
fn to_answer<'a>(entry: &'a Entry, own: Option<&str>) -> Option<&'a str> {
    let What::Text { text } = &entry.what else { return None };
    let sender = entry.sender.as_ref()?;
    let is_bot = sender.name.as_deref() == Some(NAME) || sender.identity.as_deref() == own;
    (!is_bot).then_some(text)
}

/// Sends until it is in, or until trying again does not help.
async fn answer(group: &Group, text: &str) -> Result<(), Box<dyn Error>> {
    for attempt in 1.. {
        match group.send_text(text).await {
            Ok(_) => return Ok(()),
            // What was sent is settled by the next call, so it is not sent twice.
            Err(kith_client_sdk::Error::OutcomeUnknown) => return Ok(group.sync().await?),
            Err(error) if error.is_retryable() && attempt < TRIES => {
                tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn only_group(client: &Client) -> Result<Group, Box<dyn Error>> {
    match client.groups().await?.as_slice() {
        [one] => Ok(client.group(&one.id).await?),
        [] => Err("the bot is in no group; give it a link or an invite".into()),
        _ => Err("the bot is in several groups".into()),
    }
}

fn store_key(digits: &str) -> Result<StoreKey, Box<dyn Error>> {
    let mut bytes = [0; StoreKey::LEN];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| "BOT_KEY has to be 64 hexadecimal digits")?;
    Ok(StoreKey::from_bytes(&bytes))
}

/// Behind the last entry that was dealt with; the beginning, for a bot that starts for the first time.
fn read_position(file: &Path) -> Result<Position, Box<dyn Error>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Position(text.trim().parse()?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Position::default()),
        Err(error) => Err(error.into()),
    }
}

fn write_position(file: &Path, position: Position) -> Result<(), Box<dyn Error>> {
    let draft = file.with_extension("new");
    fs::write(&draft, position.0.to_string())?;
    Ok(fs::rename(draft, file)?)
}

/// Where proving keys are kept.
fn cache() -> PathBuf {
    let named = std::env::var_os("KITH_CACHE").map(PathBuf::from);
    named.unwrap_or_else(|| std::env::temp_dir().join("kith"))
}
