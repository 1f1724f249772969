//! Read-once drops: something for one reader, who gets it whole or not at all.
//!
//! [`Drops`] is one Transistor: [`Drops::put`] seals and brings there, and gives a link. Whoever has the link makes a
//! [`Reading`] of it, which claims the drop, fetches it across broken connections, verifies it and only then lets it be
//! erased. Neither needs a home or an identity.
//!
//! ```no_run
//! # async fn example() -> Result<(), kith_client_sdk::drops::DropError> {
//! use std::sync::Arc;
//! use kith_client_sdk::{clock::SystemClock, drops::{DropLink, Drops, PutOptions, Reading, Source}, http::NodeOptions};
//!
//! let clock = Arc::new(SystemClock);
//! let drops = Drops::new("https://kith.example/transistor", clock.clone(), NodeOptions::default())?;
//! let made = drops.put(Source::bytes(b"hello".to_vec()), PutOptions::default()).await?;
//!
//! let link = DropLink::parse(&made.link.to_text())?;
//! let mut reading = Reading::new(&link, clock, NodeOptions::default())?;
//! reading.claim(None).await?;
//! let content = reading.bytes(1024).await?;
//! # let _ = content; Ok(())
//! # }
//! ```

mod error;
mod info;
mod reading;
mod service;
mod source;
mod upload;

use core::fmt;
use std::sync::Arc;

use api::transistor::{self as paths, Copies, CopyOf, Info as PlainInfo, TokenHash as PlainHash, TransferId};
use protocol::UnixSeconds;
use sealed_drop::{ContentKey, DropKeys, Info, SealedInfo, TokenHash};
pub use sealed_drop::{DropId, DropLink, DropSecret, LinkError, Password, Token};

use crate::{clock::Clock, http::NodeOptions};
pub use error::DropError;
pub use info::DropInfo;
pub use reading::Reading;
use service::{Service, Verb};
pub use source::Source;

/// Called with what was sent or has arrived so far, and with the whole, in sealed bytes.
pub type OnBytes = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How a drop is made. The default: no name, no type, no password, the server's own expiry.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PutOptions {
    /// Name that readers are shown, at most 255 bytes.
    pub name: String,
    /// Media type that readers are shown, at most 127 bytes. What has no name and is `text/plain` is shown as text by
    /// the page behind the link.
    pub media_type: String,
    /// Password that readers need besides the link.
    pub password: Option<Password>,
    /// Seconds until it is erased unread; `None` leaves it to the server.
    pub expires_in: Option<u64>,
    /// The secret of the drop, where the caller wants to derive it; otherwise a fresh one is drawn. Never for two drops.
    pub secret: Option<DropSecret>,
    /// Told of the progress.
    pub progress: Option<OnBytes>,
}

impl fmt::Debug for PutOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutOptions")
            .field("locked", &self.password.is_some())
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// A drop that is there. `Debug` shows none of it.
#[non_exhaustive]
pub struct MadeDrop {
    /// What the reader gets.
    pub link: DropLink,
    /// What its maker may delete it with, or let others read it.
    pub deletion: Token,
    /// When it ends if nobody reads it; `None` where the server did not say.
    pub expires_at: Option<UnixSeconds>,
    info: Info,
    content: ContentKey,
}

impl MadeDrop {
    /// The drop's id.
    #[must_use]
    pub fn id(&self) -> DropId {
        self.link.secret().id()
    }
}

impl fmt::Debug for MadeDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MadeDrop(..)")
    }
}

/// One Transistor. A cheap handle over a pool of connections.
///
/// # Cancel safety
/// See each method; a drop of which nobody was told is erased when it expires.
#[derive(Debug, Clone)]
pub struct Drops {
    service: Arc<Service>,
}

impl Drops {
    /// A client for the Transistor at a URL such as `https://kith.example/transistor`; `/transistor` is added to an
    /// address without a path.
    ///
    /// # Errors
    /// [`DropError::Http`] for anything else, for plain http to another machine unless it is allowed, and when the
    /// system's certificates cannot be used.
    pub fn new(url: &str, clock: Arc<dyn Clock>, options: NodeOptions) -> Result<Self, DropError> {
        Ok(Self { service: Arc::new(Service::new(url, clock, options)?) })
    }

    /// The URL it is reached by.
    #[must_use]
    pub fn url(&self) -> &str {
        self.service.url().as_str()
    }

    /// Seals a content and makes a drop of it. Small ones go in one request, large ones in a resumable upload; either
    /// goes on across broken connections.
    ///
    /// # Errors
    /// [`DropError`]; nobody can read what may be there of it, and it is erased by itself.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing, or a drop of which nobody has the link.
    pub async fn put(&self, source: Source, options: PutOptions) -> Result<MadeDrop, DropError> {
        upload::put(&self.service, source, options).await
    }

    /// Lets further readers read the body of a drop that is there, each once, without sending it again: one link for
    /// each name. The names are the caller's, and the drop itself stays readable by its own link.
    ///
    /// The same name again gives the same secret. While its copy is there, that succeeds and changes nothing: the copy
    /// stays what it was made as, and with another password the link given now does not open it. Take another name for
    /// another password.
    ///
    /// # Errors
    /// [`DropError`]; all or none of the links are good.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing, or copies of which nobody has the links.
    pub async fn copies(
        &self,
        of: &MadeDrop,
        names: &[&[u8]],
        password: Option<&Password>,
    ) -> Result<Vec<DropLink>, DropError> {
        let mut links = Vec::with_capacity(names.len());
        let mut copies = Vec::with_capacity(names.len());
        for name in names {
            let secret = of.link.secret().copy(name);
            let keys = derive(&secret, password).await?;
            let info = of.info.clone().for_copy(of.content.clone()).seal(&keys.info);
            copies.push(CopyOf {
                id: plain_id(&secret.id())?,
                access_hash: Some(plain_hash(secret.access().hash())),
                unlock_hash: keys.unlock.as_ref().map(|token| plain_hash(token.hash())),
                info: Some(plain_info(&info)?),
            });
            links.push(DropLink::new(self.url(), secret, password.is_some())?);
        }
        let body = Copies(copies).to_json();
        let path = paths::copies(&plain_id(&of.id())?);
        let service = &self.service;
        service
            .patiently(|_| service.request(Verb::Post, &path).bearer(&of.deletion).json(body.clone()).send())
            .await?;
        Ok(links)
    }

    /// Deletes a drop, read or not: its link opens nothing from then on.
    ///
    /// # Errors
    /// [`DropError::Gone`] when there is nothing any more; otherwise [`DropError`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves it or deletes it; call again.
    pub async fn delete(&self, id: &DropId, deletion: &Token) -> Result<(), DropError> {
        let path = paths::transfer(&plain_id(id)?);
        let service = &self.service;
        let mut attempts = 0;
        let done = service
            .patiently(|attempt| {
                attempts = attempt;
                service.request(Verb::Delete, &path).bearer(deletion).send()
            })
            .await;
        match done {
            // Gone at the second attempt was done by the first.
            Err(DropError::Gone) if attempts > 0 => Ok(()),
            other => other.map(drop),
        }
    }
}

/// The keys of a secret. A password takes a while, which is spent on a thread that may wait.
async fn derive(secret: &DropSecret, password: Option<&Password>) -> Result<DropKeys, DropError> {
    let Some(password) = password.cloned() else {
        return Ok(secret.keys(None));
    };
    let secret = secret.clone();
    tokio::task::spawn_blocking(move || secret.keys(Some(&password))).await.map_err(|_| DropError::System)
}

fn plain_id(id: &DropId) -> Result<TransferId, DropError> {
    // Sixteen zeros are the one id that is none, and no secret gives them.
    TransferId::from_bytes(*id.as_bytes()).map_err(|_| DropError::System)
}

const fn plain_hash(hash: TokenHash) -> PlainHash {
    PlainHash::from_bytes(*hash.as_bytes())
}

fn plain_info(info: &SealedInfo) -> Result<PlainInfo, DropError> {
    PlainInfo::from_bytes(info.as_bytes().to_vec()).map_err(|_| DropError::System)
}
