//! A load balancer, and a plain file server.

use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    path::Path,
};

use anyhow::Result;

use crate::{Program, Ready, Server, installed, server::Ground};

/// A caddy process that hands requests to several servers in turn, and passes streams on as they come.
///
/// A server that cannot be connected to is left out for a second, and the request goes to another. What can be done to
/// it is in [`Server`].
#[derive(Debug)]
pub struct Caddy(Server);

impl Caddy {
    /// Starts it on a free port in front of `servers`.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn start(servers: &[SocketAddr]) -> Result<Self> {
        let servers = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let handler = format!(
            "reverse_proxy {servers} {{\n\
             \t\tlb_policy round_robin\n\t\tlb_try_duration 5s\n\t\tfail_duration 1s\n\t\tflush_interval -1\n\t}}"
        );
        Self::start_with(&handler).await
    }

    /// Starts it on a free port to give the files of a folder, as they are.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn files(folder: &Path) -> Result<Self> {
        Self::start_with(&format!("root * {folder:?}\n\tfile_server")).await
    }

    async fn start_with(handler: &str) -> Result<Self> {
        let program = installed("caddy", "bin/caddy")?;
        let ground = Ground::prepare(None, None)?;
        let port = ground.port;
        let settings = format!(
            "{{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n}}\n\
             http://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n\t{handler}\n}}\n"
        );
        let file = ground.folder.path().join("Caddyfile");
        std::fs::write(&file, settings)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let program = Program::new(program)
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(file)
            .env("XDG_DATA_HOME", &ground.data)
            .env("XDG_CONFIG_HOME", &ground.data)
            .ready(Ready::Port(address));
        Ok(Self(ground.start(program).await?))
    }

    /// Where clients connect: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }
}

impl Deref for Caddy {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Caddy {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
