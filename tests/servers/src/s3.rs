//! versitygw, which speaks the protocol of S3.

use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    path::PathBuf,
};

use anyhow::{Context as _, Result};

use crate::{Program, Ready, Server, installed, server::Ground};

/// An S3 server over a folder: a bucket is a folder of [`Server::data`], an object is a file in it.
///
/// Wrong keys are refused. What can be done to it otherwise is in [`Server`].
#[derive(Debug)]
pub struct S3(Server);

impl S3 {
    /// The region that requests are signed for.
    pub const REGION: &str = "us-east-1";

    /// Starts the server on a free port, with the bucket [`Self::bucket`].
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let program = installed("versitygw", "bin/versitygw")?;
        let mut ground = Ground::prepare(None, None)?;
        // Beside the objects what is known of them, so that the file system need not be able to keep it.
        let known = ground.data.join("known");
        ground.data.push("buckets");
        std::fs::create_dir_all(&known)?;
        std::fs::create_dir_all(ground.data.join(BUCKET))?;
        let address = SocketAddr::from(([127, 0, 0, 1], ground.port));
        let program = Program::new(program)
            .args(["--port", &address.to_string(), "--access", ACCESS, "--secret", SECRET])
            .args(["--region", Self::REGION, "--quiet", "posix", "--sidecar"])
            .arg(known)
            .arg(&ground.data)
            .ready(Ready::Port(address));
        Ok(Self(ground.start(program).await?))
    }

    /// Where clients connect: `http://127.0.0.1:<port>`, with the bucket's name as the first part of a path.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The name of the access key.
    #[must_use]
    pub const fn access_key(&self) -> &'static str {
        ACCESS
    }

    /// The secret that belongs to [`Self::access_key`].
    #[must_use]
    pub const fn secret_key(&self) -> &'static str {
        SECRET
    }

    /// The name of a bucket that is there from the start.
    #[must_use]
    pub const fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// Kills it and removes all that it keeps; [`Server::restart`] then finds the bucket empty.
    ///
    /// # Errors
    ///
    /// What it keeps cannot be removed.
    pub fn wipe(&mut self) -> Result<()> {
        self.0.wipe()?;
        let known = self.known()?;
        std::fs::remove_dir_all(&known).context("what is known of objects cannot be removed")?;
        std::fs::create_dir_all(known)?;
        Ok(std::fs::create_dir(self.data().join(BUCKET))?)
    }

    fn known(&self) -> Result<PathBuf> {
        Ok(self.data().parent().context("the data have no folder")?.join("known"))
    }
}

const ACCESS: &str = "kith-tests";
const SECRET: &str = "only-for-tests";
const BUCKET: &str = "bodies";

impl Deref for S3 {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for S3 {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
