//! Hearing of a group through another server than the node.

use api::centrifugo::CentrifugoTokens;

use super::Group;
use crate::error::Error;

impl Group {
    /// Tokens for the group's channel of the Centrifugo that the node's operator runs, for a client of that server.
    ///
    /// They name no user and no other group, and expire after some minutes: call this again then. What comes over the
    /// channel is a hint to [`Self::sync`], which checks everything.
    ///
    /// # Errors
    /// [`Error::Node`], with the code `not_found` where the node works with no Centrifugo; [`Error::Http`].
    pub async fn centrifugo_tokens(&self) -> Result<CentrifugoTokens, Error> {
        let live = self.load().await?.sync().await?;
        let node = live.node()?;
        let mut fresh = false;
        loop {
            let token = live.token(fresh).await?;
            match node.centrifugo(&self.id(), &token.token).await {
                Err(error) if error.is_unauthorized() && !fresh => fresh = true,
                answer => return Ok(answer?),
            }
        }
    }
}
