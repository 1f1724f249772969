//! The services that keep drops, as a client finds them.

use core::time::Duration;
use std::sync::{Arc, PoisonError};

use api::TransistorUrl;

use super::Inner;
use crate::{
    drops::{DropLink, DropSecret, Drops, Reading, Token},
    error::Error,
    http::NodeOptions,
};

impl Inner {
    pub(super) fn node_options(&self) -> NodeOptions {
        NodeOptions { allow_plain_http: self.allow_plain_http, ..NodeOptions::default() }
    }

    /// Where the node of this address says that drops are kept.
    pub(crate) async fn announced(&self, server: &str) -> Result<Option<TransistorUrl>, Error> {
        Ok(self.node(server)?.node_info().await?.transistor)
    }

    /// The same, for what goes on without: a node that cannot be asked announces nothing.
    pub(crate) async fn announced_now(&self, server: &str) -> Option<TransistorUrl> {
        match self.announced(server).await {
            Ok(service) => service,
            Err(error) => {
                tracing::debug!(code = error.code(), "the node does not say where drops are kept");
                None
            }
        }
    }

    /// A client for a service.
    pub(crate) fn drops(&self, service: &str) -> Result<Drops, Error> {
        let mut all = self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(drops) = all.get(service) {
            return Ok(drops.clone());
        }
        let drops = Drops::new(service, Arc::clone(&self.clock), self.node_options())?;
        all.insert(service.to_owned(), drops.clone());
        Ok(drops)
    }

    /// Begins to read the drop of a secret, under a claim of the caller's.
    pub(crate) fn reading(
        &self,
        service: &str,
        secret: &DropSecret,
        claim: Option<Token>,
    ) -> Result<Reading, Error> {
        // The address in the form that the service's client uses.
        let service = self.drops(service)?.url().to_owned();
        let link = DropLink::new(&service, secret.clone(), false)
            .map_err(|error| Error::bad_text("the address of the service is not usable", error))?;
        let reading = Reading::new(&link, Arc::clone(&self.clock), self.node_options())?;
        Ok(match claim {
            Some(claim) => reading.with_claim(claim),
            None => reading,
        })
    }

    /// Waits for something that can be done without, for so long at most.
    pub(crate) async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.clock.sleep(limit) => None,
        }
    }
}
