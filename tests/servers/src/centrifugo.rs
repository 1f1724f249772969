//! Centrifugo, which hands messages to browsers.

use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
};

use anyhow::Result;
use serde_json::Value;

use crate::{Program, Ready, Server, installed, server::Ground};

/// A Centrifugo process. What can be done to it is in [`Server`].
#[derive(Debug)]
pub struct Centrifugo(Server);

impl Centrifugo {
    /// Starts it on a free port with this configuration (an object, in the form of version 5), in which address and port
    /// need not be named.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn start(config: &Value) -> Result<Self> {
        let program = installed("centrifugo", "bin/centrifugo")?;
        let ground = Ground::prepare(None, None)?;
        let file = ground.folder.path().join("config.json");
        std::fs::write(&file, config.to_string())?;
        let address = SocketAddr::from(([127, 0, 0, 1], ground.port));
        let program = Program::new(program)
            .arg("--config")
            .arg(file)
            .args(["--address", "127.0.0.1", "--port", &ground.port.to_string()])
            .ready(Ready::Port(address));
        Ok(Self(ground.start(program).await?))
    }

    /// Where clients connect: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }
}

impl Deref for Centrifugo {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Centrifugo {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
