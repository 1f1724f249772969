//! A bad network between a client and a server, on loopback.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{self, Instant},
};

/// Bytes that pass at a time.
const CHUNK: usize = 16 * 1024;
/// Chunks under way in one direction of a connection; then the sender has to wait, as on a real network.
const UNDER_WAY: usize = 64;
/// Between two attempts to take the port back after a refusal.
const AGAIN: Duration = Duration::from_millis(5);

/// Delays as lost segments cause them: everything behind waits for the repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stalls {
    /// One chunk of so many is held up, chosen at random with a fixed seed. Not zero.
    pub one_in: u64,
    /// For how long.
    pub duration: Duration,
}

/// One direction of the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Link {
    /// Time that each byte is under way.
    pub latency: Duration,
    /// The most that passes, if there is a limit. Not zero.
    pub bytes_per_second: Option<u64>,
    /// Delays now and then.
    pub stalls: Option<Stalls>,
    /// Nothing passes, not even the end of a connection. What was sent meanwhile arrives when this ends, unless the
    /// connection was cut: senders repeat what is not confirmed.
    pub silent: bool,
}

/// The network between client and server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Network {
    /// From the client to the server.
    pub up: Link,
    /// From the server to the client.
    pub down: Link,
    /// New connections are refused, as if nobody listened.
    pub refuse: bool,
}

impl Network {
    /// Everything passes at once.
    #[must_use]
    pub fn clear() -> Self {
        Self::default()
    }

    /// The same in both directions.
    #[must_use]
    pub const fn both(link: Link) -> Self {
        Self { up: link, down: link, refuse: false }
    }

    /// Each byte takes this long, in each direction.
    #[must_use]
    pub fn latency(latency: Duration) -> Self {
        Self::both(Link { latency, ..Link::default() })
    }

    /// A network that loses about one segment in `one_in` and takes `duration` to notice.
    #[must_use]
    pub fn lossy(one_in: u64, duration: Duration) -> Self {
        Self::both(Link { stalls: Some(Stalls { one_in, duration }), ..Link::default() })
    }

    /// A partition: nothing passes in either direction, and nobody is told.
    #[must_use]
    pub fn black_hole() -> Self {
        Self::both(Link { silent: true, ..Link::default() })
    }

    /// The server hears nothing; what it says still arrives.
    #[must_use]
    pub fn deaf_server() -> Self {
        Self { up: Link { silent: true, ..Link::default() }, ..Self::default() }
    }

    /// The client hears nothing; what it says still arrives, and is done.
    #[must_use]
    pub fn deaf_client() -> Self {
        Self { down: Link { silent: true, ..Link::default() }, ..Self::default() }
    }

    /// Nobody listens. Connections that exist go on.
    #[must_use]
    pub fn refusing() -> Self {
        Self { refuse: true, ..Self::default() }
    }
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    open: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

#[derive(Debug, Clone)]
struct Shared {
    network: watch::Receiver<Network>,
    cut: watch::Receiver<()>,
    counts: Arc<Counts>,
}

/// A loopback address behind which a server stands, with a [`Network`] between that can change at any time.
///
/// The system takes the handshake of a connection on itself, so a client connects through a silent network too; it then
/// hears nothing.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    cut: watch::Sender<()>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of `server`, with a network in which everything passes. It lives on the test's runtime
    /// until this is dropped.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let network = watch::Sender::new(Network::clear());
        let cut = watch::Sender::new(());
        let counts = Arc::<Counts>::default();
        let shared =
            Shared { network: network.subscribe(), cut: cut.subscribe(), counts: Arc::clone(&counts) };
        let task = tokio::spawn(listen(listener, address, server, shared));
        Ok(Self { address, network, cut, counts, task })
    }

    /// A proxy in front of what listens on this loopback port.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub async fn to_port(port: u16) -> Result<Self> {
        Self::start((Ipv4Addr::LOCALHOST, port).into()).await
    }

    /// The address clients connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port clients connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the network, for open connections and new ones.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// Lets everything pass again.
    pub fn clear(&self) {
        self.set(Network::clear());
    }

    /// Resets all open connections, on both sides; what is under way is lost.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }

    /// How many connections there have been.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.counts.accepted.load(Ordering::Relaxed)
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// Bytes that have reached the server.
    #[must_use]
    pub fn bytes_up(&self) -> u64 {
        self.counts.up.load(Ordering::Relaxed)
    }

    /// Bytes that have reached clients.
    #[must_use]
    pub fn bytes_down(&self) -> u64 {
        self.counts.down.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, address: SocketAddr, server: SocketAddr, mut shared: Shared) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    let mut number = 0_u64;
    loop {
        let refuse = shared.network.borrow_and_update().refuse;
        if refuse {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        tokio::select! {
            changed = shared.network.changed() => if changed.is_err() { return },
            accepted = accept(listener.as_ref(), refuse) => if let Some(client) = accepted {
                number += 1;
                connections.spawn(serve(client, server, shared.clone(), number));
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// The next connection; never one while connections are refused, and none now and then while the port is not there.
async fn accept(listener: Option<&TcpListener>, refuse: bool) -> Option<TcpStream> {
    match listener {
        Some(listener) => Some(listener.accept().await.ok()?.0),
        None if refuse => std::future::pending().await,
        None => {
            time::sleep(AGAIN).await;
            None
        }
    }
}

/// Counts an open connection until it is dropped.
struct Open(Arc<Counts>);

impl Open {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.accepted.fetch_add(1, Ordering::Relaxed);
        counts.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(mut client: TcpStream, server: SocketAddr, mut shared: Shared, number: u64) {
    let _open = Open::new(&shared.counts);
    // A cut of the past does not concern this connection.
    shared.cut.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(server).await else {
        // As near to a refusal as can be had on a connection that exists.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let whole = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let counts = &shared.counts;
        let up = Pump { network: shared.network.clone(), link: |network| network.up, passed: &counts.up };
        let down =
            Pump { network: shared.network.clone(), link: |network| network.down, passed: &counts.down };
        tokio::select! {
            ended = async { tokio::try_join!(up.run(from_client, to_server, number), down.run(from_server, to_client, !number)) } => ended.is_ok(),
            _ = shared.cut.changed() => false,
        }
    };
    if !whole {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Carries bytes in one direction of one connection.
struct Pump<'a> {
    network: watch::Receiver<Network>,
    link: fn(&Network) -> Link,
    passed: &'a AtomicU64,
}

impl Pump<'_> {
    fn link(&self) -> Link {
        (self.link)(&self.network.borrow())
    }

    async fn run(
        &self,
        from: impl AsyncRead + Unpin,
        to: impl AsyncWrite + Unpin,
        seed: u64,
    ) -> io::Result<()> {
        let (sender, receiver) = mpsc::channel(UNDER_WAY);
        tokio::try_join!(self.read(from, sender), self.write(to, receiver, seed)).map(drop)
    }

    async fn read(
        &self,
        mut from: impl AsyncRead + Unpin,
        chunks: mpsc::Sender<(Instant, Vec<u8>)>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = from.read(&mut buffer).await?;
            let arrives = Instant::now() + self.link().latency;
            let chunk = buffer.get(..read).unwrap_or_default().to_vec();
            // An empty chunk is the end.
            if chunks.send((arrives, chunk)).await.is_err() || read == 0 {
                return Ok(());
            }
        }
    }

    async fn write(
        &self,
        mut to: impl AsyncWrite + Unpin,
        mut chunks: mpsc::Receiver<(Instant, Vec<u8>)>,
        seed: u64,
    ) -> io::Result<()> {
        let mut chance = Chance::new(seed);
        let mut network = self.network.clone();
        while let Some((arrives, chunk)) = chunks.recv().await {
            time::sleep_until(arrives).await;
            if let Some(stalls) = self.link().stalls
                && chance.one_in(stalls.one_in)
            {
                time::sleep(stalls.duration).await;
            }
            if network.wait_for(|network| !(self.link)(network).silent).await.is_err() {
                return Ok(());
            }
            if chunk.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&chunk).await?;
            self.passed.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if let Some(limit) = self.link().bytes_per_second {
                let micros = (chunk.len() as u64).saturating_mul(1_000_000) / limit.max(1);
                time::sleep(Duration::from_micros(micros)).await;
            }
        }
        Ok(())
    }
}

/// A small generator: tests repeat what they did.
struct Chance(u64);

impl Chance {
    const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    const fn one_in(&mut self, n: u64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The middle bits: the lowest are the weakest.
        n <= 1 || (self.0 >> 20).is_multiple_of(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PATIENCE;

    /// A server that sends back what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        address
    }

    async fn proxy() -> (Proxy, TcpStream) {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        (proxy, client)
    }

    async fn hear(client: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
        let mut heard = vec![0; length];
        time::timeout(PATIENCE, client.read_exact(&mut heard)).await.expect("nothing is heard")?;
        Ok(heard)
    }

    async fn until(mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline);
            time::sleep(Duration::from_millis(2)).await;
        }
    }

    #[tokio::test]
    async fn a_clear_network_passes_everything_and_the_end() {
        let (proxy, mut client) = proxy().await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut from, mut to) = client.split();
        let mut heard = Vec::new();
        let send = async {
            to.write_all(&sent).await?;
            to.shutdown().await
        };
        let (a, b) = time::timeout(PATIENCE, async { tokio::join!(send, from.read_to_end(&mut heard)) })
            .await
            .unwrap();
        a.unwrap();
        b.unwrap();
        assert!(heard == sent);
        assert_eq!((proxy.accepted(), proxy.bytes_up(), proxy.bytes_down()), (1, 1_000_000, 1_000_000));
        until(|| proxy.open() == 0).await;
    }

    #[tokio::test]
    async fn latency_limits_and_stalls_delay_and_lose_nothing() {
        for link in [
            Link { latency: Duration::from_millis(50), ..Link::default() },
            Link { bytes_per_second: Some(100_000), ..Link::default() },
            Link {
                stalls: Some(Stalls { one_in: 1, duration: Duration::from_millis(50) }),
                ..Link::default()
            },
        ] {
            let (proxy, mut client) = proxy().await;
            proxy.set(Network::both(link));
            let start = Instant::now();
            let sent = vec![7; 10_000];
            client.write_all(&sent).await.unwrap();
            assert_eq!(hear(&mut client, sent.len()).await.unwrap(), sent);
            // A limit delays what comes behind.
            client.write_all(b"x").await.unwrap();
            hear(&mut client, 1).await.unwrap();
            assert!(start.elapsed() >= Duration::from_millis(100), "{link:?}: {:?}", start.elapsed());
        }
    }

    #[tokio::test]
    async fn a_silence_holds_everything_back_until_it_ends() {
        let (proxy, mut client) = proxy().await;
        client.write_all(b"before").await.unwrap();
        hear(&mut client, 6).await.unwrap();
        for (network, reaches_server) in
            [(Network::deaf_server(), false), (Network::deaf_client(), true), (Network::black_hole(), false)]
        {
            let (up, down) = (proxy.bytes_up(), proxy.bytes_down());
            proxy.set(network);
            client.write_all(b"during").await.unwrap();
            if reaches_server {
                until(|| proxy.bytes_up() > up).await;
            }
            let mut byte = [0];
            let heard = time::timeout(Duration::from_millis(50), client.read(&mut byte)).await;
            assert!(heard.is_err(), "{network:?}: {heard:?}");
            assert_eq!((proxy.bytes_up() > up, proxy.bytes_down() > down), (reaches_server, false));
            proxy.clear();
            assert_eq!(hear(&mut client, 6).await.unwrap(), b"during");
        }
    }

    #[tokio::test]
    async fn a_cut_resets_what_is_open_and_nothing_later() {
        let (proxy, mut client) = proxy().await;
        client.write_all(b"a").await.unwrap();
        hear(&mut client, 1).await.unwrap();
        proxy.cut();
        let error = hear(&mut client, 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(b"b").await.unwrap();
        hear(&mut client, 1).await.unwrap();
    }

    #[tokio::test]
    async fn a_refusal_concerns_new_connections_and_ends() {
        let (proxy, mut client) = proxy().await;
        client.write_all(b"a").await.unwrap();
        hear(&mut client, 1).await.unwrap();
        proxy.set(Network::refusing());
        let deadline = Instant::now() + PATIENCE;
        // One that was on its way when the listener ended may be accepted or reset.
        while !TcpStream::connect(proxy.address())
            .await
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            assert!(Instant::now() < deadline, "not refused");
        }
        client.write_all(b"b").await.unwrap();
        hear(&mut client, 1).await.unwrap();
        proxy.clear();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(proxy.address()).await.is_err() {
            assert!(Instant::now() < deadline, "still refused");
            time::sleep(AGAIN).await;
        }
    }

    #[tokio::test]
    async fn a_server_that_is_down_shows_as_a_reset() {
        let proxy = Proxy::start((Ipv4Addr::LOCALHOST, 1).into()).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        hear(&mut client, 1).await.unwrap_err();
    }
}
