//! nats-server with JetStream.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
};

use anyhow::Result;

use crate::{Program, Ready, Server, installed, server::Ground};

/// How a [`Nats`] is set up; by default without authentication, on a free port, with a folder of its own.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Writes to the disk before every acknowledgement, instead of every two minutes.
    pub sync_always: bool,
    /// Where streams are kept, instead of in a folder that goes away with the server.
    pub store_dir: Option<PathBuf>,
    /// User and password that clients must give.
    pub credentials: Option<(String, String)>,
    /// The port, instead of a free one.
    pub port: Option<u16>,
    /// The largest message in bytes, instead of the server's own limit of 1 MiB.
    pub max_payload: Option<u32>,
}

/// A nats-server process with JetStream. What can be done to it is in [`Server`].
#[derive(Debug)]
pub struct Nats(Server);

impl Nats {
    /// Starts the server.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn start(options: Options) -> Result<Self> {
        let program = installed("nats", "bin/nats-server")?;
        let ground = Ground::prepare(options.port, options.store_dir)?;
        let mut settings = format!("listen: \"127.0.0.1:{}\"\n", ground.port);
        if let Some(bytes) = options.max_payload {
            settings += &format!("max_payload: {bytes}\n");
        }
        if let Some((user, password)) = &options.credentials {
            settings += &format!("authorization {{ user: {user:?}, password: {password:?} }}\n");
        }
        let sync = if options.sync_always { "sync_interval: always" } else { "" };
        settings += &format!("jetstream {{\n  store_dir: {:?}\n  {sync}\n}}\n", ground.data);
        let file = ground.folder.path().join("nats.conf");
        std::fs::write(&file, settings)?;

        let program = Program::new(program).arg("--config").arg(file);
        Ok(Self(ground.start(program.ready(Ready::Line("Server is ready".into()))).await?))
    }

    /// Where clients connect: `nats://127.0.0.1:<port>`, without user and password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }
}

impl Deref for Nats {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Nats {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
