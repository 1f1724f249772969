//! Where a story takes place: a folder, a server, and homes for people.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use kith_client_sdk::{Client, Group, LinkOptions, Options, StoreKey, Suite};
use tempfile::TempDir;

use crate::{Kith, Server, binary};

/// The folder with the proving keys, which all tests share because making them takes seconds.
///
/// # Errors
/// When the test does not know where it is.
pub fn cache_folder() -> Result<PathBuf> {
    Ok(binary::target()?.join("tmp").join("kith-cache"))
}

/// A folder with a server and homes in it. All of it is gone when this is dropped.
#[derive(Debug)]
pub struct Stage {
    /// The server.
    pub server: Server,
    folder: TempDir,
}

impl Stage {
    /// A stage with a server that has just been started.
    ///
    /// # Errors
    /// When it does not start.
    pub fn new() -> Result<Self> {
        Self::with(&[])
    }

    /// A stage whose server has been started with more arguments.
    ///
    /// # Errors
    /// When it does not start.
    pub fn with(args: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Server::start_with(folder.path().join("server"), args)?;
        Ok(Self { server, folder })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Somebody with an empty home.
    #[must_use]
    pub fn stranger(&self, home: &str) -> Kith {
        Kith::at(self.folder.path().join(home))
    }

    /// Somebody with a home and an identity, both of this name.
    ///
    /// # Errors
    /// When the identity cannot be made.
    pub fn person(&self, name: &str) -> Result<Kith> {
        self.stranger(&name.to_lowercase()).named(name)
    }

    /// Clients of these names in one group, which the first of them owns; all of them know each other.
    ///
    /// # Errors
    /// When somebody does not get in.
    pub async fn trip(&self, names: &[&str]) -> Result<(Vec<Client>, Vec<Group>)> {
        let mut clients = Vec::new();
        for name in names {
            clients.push(self.client(name).await?);
        }
        let (owner, others) = clients.split_first().context("nobody is named")?;
        let founded = owner.create_group("Trip", &self.server.url(), Suite::Aes256Gcm).await?;
        let uses = u32::try_from(others.len())?;
        let link = founded.invite_link(LinkOptions { uses, ..LinkOptions::default() }).await?;
        // Members are known once somebody has spoken.
        let mut groups = vec![founded.clone()];
        for client in others {
            groups.push(client.join(&link).await?);
        }
        founded.send_text("welcome").await?;
        for group in &groups {
            group.sync().await?;
        }
        Ok((clients, groups))
    }

    /// Somebody who uses the library in this process instead of the command.
    ///
    /// # Errors
    /// When the home cannot be made.
    pub async fn client(&self, name: &str) -> Result<Client> {
        let client = open(&self.folder.path().join(name.to_lowercase())).await?;
        client.create_identity(name).await?;
        Ok(client)
    }

    /// Opens a home made by [`Self::client`] once more.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn reopen(&self, name: &str) -> Result<Client> {
        open(&self.folder.path().join(name.to_lowercase())).await
    }
}

async fn open(home: &Path) -> Result<Client> {
    let options = Options::new(home, StoreKey::from_bytes(&[7; 32]), cache_folder()?);
    Ok(Client::open(options).await?)
}
