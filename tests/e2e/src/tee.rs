//! A wire with an ear: a TCP proxy that keeps every byte that goes through it, either way.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Runtime,
};

/// What went each way of each connection.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// A proxy in this process in front of a port of this machine.
#[derive(Debug)]
pub struct Tee {
    port: u16,
    heard: Heard,
    _runtime: Runtime,
}

impl Tee {
    /// Listens on `port` and passes everything on to `to`.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(port: u16, to: u16) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let heard = Heard::default();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port)))?;
        let port = listener.local_addr()?.port();
        let kept = Arc::clone(&heard);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::spawn(pass(from_client, to_server, Arc::clone(&kept)));
                    pass(from_server, to_client, kept).await;
                });
            }
        });
        Ok(Self { port, heard, _runtime: runtime })
    }

    /// The address to reach it by.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All bytes so far, of each direction of each connection.
    #[must_use]
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kept: Heard) {
    let stream = {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(Vec::new());
        kept.len() - 1
    };
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut buffer).await {
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() || to.write_all(bytes).await.is_err() {
            break;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = kept.get_mut(stream) {
            stream.extend_from_slice(bytes);
        }
    }
    // The other side ended; a half-open pair ends when its own side does.
    let _ = to.shutdown().await;
}
