//! What invitees are handed: a roster too large for their invites, and a link where an invite is too long.

use core::time::Duration;

use api::TransistorUrl;
use e2ee::attachment::{DropSecret, copy_name};

use crate::{
    client::INVITE_TYPE,
    drops::{Drops, PutOptions, Source},
    error::Error,
    live::Live,
    session::Snapshot,
};

/// Characters of an invite that a messenger and a QR code take well.
const MAX_TEXT: usize = 1_500;
/// Longest wait for what can be done without.
const WAIT: Duration = Duration::from_secs(30);

impl Live {
    /// Where invites may lay down what is too large for them; called before they are made.
    pub(super) async fn prepare_snapshot(&mut self) -> Option<TransistorUrl> {
        let service = self.inner.announced_now(&self.session.server).await?;
        let secret = DropSecret::generate(&mut self.inner.rng());
        self.session.snapshot = Some(Snapshot::new(secret));
        Some(service)
    }

    /// Lays down the roster that the invites tell of. They are good without it.
    pub(super) async fn lay_down_roster(&mut self, service: &TransistorUrl, ttl: Duration) {
        let Some(snapshot) = self.session.snapshot.take().filter(|s| !s.readers.is_empty()) else { return };
        let Ok(drops) = self.inner.drops(service.as_str()) else { return };
        let laid = self.inner.within(WAIT, lay_down(&drops, snapshot, ttl)).await;
        match laid {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::info!(code = error.code(), "the roster was not laid down"),
            None => tracing::info!("the roster was not laid down in time"),
        }
    }

    /// An invite as it is handed over: itself, or the link of a drop with it.
    pub(super) async fn short_invite(&self, service: &TransistorUrl, text: String, ttl: Duration) -> String {
        if text.len() <= MAX_TEXT {
            return text;
        }
        let Ok(drops) = self.inner.drops(service.as_str()) else { return text };
        let options = PutOptions {
            media_type: INVITE_TYPE.to_owned(),
            // Where it cannot lie for as long as it is good, it is handed over itself.
            expires_in: Some(ttl.as_secs().max(1)),
            ..PutOptions::default()
        };
        let made =
            self.inner.within(WAIT, drops.put(Source::bytes(text.clone().into_bytes()), options)).await;
        match made {
            Some(Ok(made)) => made.link.to_text().to_string(),
            Some(Err(error)) => {
                tracing::info!(code = error.code(), "the invite stays a text");
                text
            }
            None => text,
        }
    }
}

async fn lay_down(drops: &Drops, snapshot: Snapshot, ttl: Duration) -> Result<(), Error> {
    let options = PutOptions {
        secret: Some(snapshot.secret),
        expires_in: Some(ttl.as_secs().max(1)),
        ..PutOptions::default()
    };
    let made = drops.put(Source::bytes(snapshot.roster), options).await?;
    let names: Vec<[u8; 8]> = snapshot.readers.iter().map(|id| copy_name(*id)).collect();
    let names: Vec<&[u8]> = names.iter().map(<[u8; 8]>::as_slice).collect();
    drops.copies(&made, &names, None).await?;
    Ok(drops.delete(&made.id(), &made.deletion).await?)
}
