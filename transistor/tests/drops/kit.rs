//! A service without HTTP, and what goes into it and comes out.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use drop_state::{BodyId, Command, DropId, Millis, Refusal, TokenHash, View};
use futures_util::StreamExt as _;
use service_kit::{
    clock::{Clock as _, SystemClock},
    config::{ByteSize, Period},
    logging::{self, LogSettings},
    metrics::{Exposition, Metrics},
    shutdown::{self, Trigger},
    testing::TestClock,
};
use tokio::task::JoinHandle;
use transistor::{
    bodies::{Bodies, BodySettings},
    drops::{Cut, DropSettings, Drops, Ended, Failure, Incoming, NewDrop, Reading, Shown, Token},
    store::{Applied, Copy, Parts, Payload, Store, StoreError, Usage, sqlite::SqliteStore},
};

/// Bytes of a piece.
pub(crate) const PIECE: usize = 1000;
/// Bytes of a body that is kept in the database.
pub(crate) const INLINE: usize = 100;
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// Everything a test needs. A second one can be opened on the same folder, as after a restart.
pub(crate) struct Rig {
    pub(crate) drops: Drops,
    pub(crate) store: Arc<Watched>,
    pub(crate) clock: TestClock,
    pub(crate) folder: Arc<tempfile::TempDir>,
    exposition: Exposition,
    trigger: Trigger,
    background: Option<JoinHandle<()>>,
}

impl Rig {
    /// Without a sweeper.
    pub(crate) async fn new() -> Self {
        Self::with(|_, _| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut DropSettings, &mut BodySettings)) -> Self {
        let clock = TestClock::at(SystemClock.now().get());
        Self::open(Arc::new(tempfile::tempdir().unwrap()), clock, change).await
    }

    pub(crate) async fn open(
        folder: Arc<tempfile::TempDir>,
        clock: TestClock,
        change: impl FnOnce(&mut DropSettings, &mut BodySettings),
    ) -> Self {
        log();
        let mut settings = DropSettings {
            inline_max: ByteSize::from_bytes(INLINE as u64),
            lease: Period::from_secs(LEASE.as_secs()),
            sweep_every: Period::from_millis(20),
            ..DropSettings::default()
        };
        let mut place = BodySettings {
            path: folder.path().join("bodies"),
            segment: ByteSize::from_bytes(PIECE as u64),
            min_free: ByteSize::from_bytes(0),
            ..BodySettings::default()
        };
        change(&mut settings, &mut place);
        let store = SqliteStore::open(&folder.path().join("drops.sqlite"), false).await.unwrap().store;
        let store = Arc::new(Watched {
            store,
            fault: AtomicUsize::new(0),
            gives: AtomicUsize::new(0),
            parts: Arc::default(),
        });
        let bodies = Bodies::open(&place).unwrap();
        let (trigger, heard) = shutdown::channel();
        let mut metrics = Metrics::new();
        let scope = &mut metrics.scope("transistor");
        let shared: Arc<dyn Store> = Arc::<Watched>::clone(&store);
        let drops = Drops::new(shared, bodies, settings, Arc::new(clock.clone()), scope, heard);
        let exposition = metrics.finish();
        Self { drops, store, clock, folder, exposition, trigger, background: None }
    }

    /// Starts the sweeper.
    pub(crate) fn sweep(&mut self) {
        let drops = self.drops.clone();
        self.background = Some(tokio::spawn(async move { drops.background().await }));
    }

    /// Ends in order.
    pub(crate) async fn end(mut self) {
        self.trigger.request();
        if let Some(background) = self.background.take() {
            tokio::time::timeout(Duration::from_secs(30), background).await.unwrap().unwrap();
        }
        self.store.store.close().await;
    }

    /// Asks everything to stop.
    pub(crate) fn stop(&self) {
        self.trigger.request();
    }

    pub(crate) fn bodies(&self) -> PathBuf {
        self.folder.path().join("bodies")
    }

    /// Objects in the folder.
    pub(crate) fn objects(&self) -> Vec<PathBuf> {
        files(&self.bodies()).into_iter().filter(|path| !path.ends_with("bodies-of-drops")).collect()
    }

    pub(crate) async fn usage(&self) -> Usage {
        self.store.usage().await.unwrap()
    }

    /// A metric's value.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.exposition.render();
        let line =
            text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// An upload that is complete.
    pub(crate) async fn outside(&self, id: DropId, content: &[u8]) {
        let made = self.drops.receive(new(id), None, None, body(content)).await.unwrap();
        assert_eq!(made.view.size, content.len() as u64);
    }

    pub(crate) async fn claim(&self, id: DropId, n: u8) -> Result<Token, Failure> {
        self.drops.claim(id, &Shown::default(), &token(n)).await.map(|_| token(n))
    }

    /// What a claim is sent.
    pub(crate) async fn read(&self, id: DropId, claim: &Token) -> Vec<u8> {
        all(self.drops.read(id, claim, None, None).await.unwrap()).await.unwrap()
    }

    pub(crate) async fn is_gone(&self, id: DropId) -> bool {
        match self.drops.look(id, &Shown::default()).await {
            Err(Failure::Refused(Refusal::Gone)) => true,
            Ok(_) => false,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What is being removed meanwhile is not there.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found
}

pub(crate) fn id(n: u8) -> DropId {
    DropId::from_random([n; 16])
}

pub(crate) fn token(n: u8) -> Token {
    Token::from_bytes([n; 32])
}

/// A drop whose deletion token is `token(b'd')`.
pub(crate) fn new(id: DropId) -> NewDrop {
    NewDrop { id: Some(id), deleter: Some(token(b'd').hash()), ..NewDrop::default() }
}

/// Bytes that repeat nowhere near the length of a piece.
pub(crate) fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i * i / 7 + i) % 251).unwrap()).collect()
}

/// Arrives in chunks of uneven lengths.
pub(crate) fn body(content: &[u8]) -> Incoming {
    pieces(content, None)
}

/// Arrives, and then the connection breaks.
pub(crate) fn broken(content: &[u8]) -> Incoming {
    pieces(content, Some(Cut::Broken))
}

fn pieces(content: &[u8], end: Option<Cut>) -> Incoming {
    let mut rest = Bytes::copy_from_slice(content);
    let mut chunks = Vec::new();
    let mut len = 1;
    while !rest.is_empty() {
        chunks.push(Ok(rest.split_to(len.min(rest.len()))));
        len = len * 3 % 1777 + 1;
    }
    chunks.extend(end.map(Err));
    futures_util::stream::iter(chunks).boxed()
}

/// Bytes that arrive when they are sent.
pub(crate) fn channel() -> (tokio::sync::mpsc::Sender<Result<Bytes, Cut>>, Incoming) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    (sender, stream.boxed())
}

/// Everything that a reader is sent.
pub(crate) async fn all(reading: Reading) -> Result<Vec<u8>, Ended> {
    let expected = reading.range.end - reading.range.start;
    let mut stream = reading.stream;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    assert_eq!(bytes.len() as u64, expected);
    Ok(bytes)
}

/// What a service would write to its log, of all tests together: they run in threads of their own, but all at once.
static LOG: OnceLock<Lines> = OnceLock::new();

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> &'static Lines {
    LOG.get_or_init(|| {
        let lines = Lines::default();
        let writer = lines.clone();
        let settings = LogSettings::default();
        let dispatch =
            logging::dispatch(&settings, move || writer.clone(), None::<logging::Identity>).unwrap();
        tracing::dispatcher::set_global_default(dispatch).unwrap();
        lines
    })
}

/// Failures were told of, and nothing of anybody: no name of a drop or of an object, no address.
pub(crate) fn assert_log_is_discreet(secret: &str) {
    let text = String::from_utf8(log().0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("could not"), "failures are logged:\n{text}");
    for line in text.lines() {
        assert!(!line.contains("127.0.0.1") && !line.contains(secret), "{line}");
        let mut words = line.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
        let named = words.any(|word| word.chars().filter(char::is_ascii_hexdigit).count() >= 32);
        assert!(!named, "{line}");
    }
}

/// Waits for something that other tasks bring about.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still waiting for: {what}");
}

/// A real store that fails when it is told to, and counts.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) store: SqliteStore,
    fault: AtomicUsize,
    gives: AtomicUsize,
    /// Whoever holds it keeps everybody from learning of what pieces a body consists.
    pub(crate) parts: Arc<tokio::sync::Mutex<()>>,
}

/// What fails next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// `Append` is not carried out.
    AppendBefore,
    /// `Append` is carried out, and the answer is lost.
    AppendAfter,
    /// `Finish` is not carried out.
    Finish,
    /// `Finish` is carried out, and the answer is lost.
    FinishAfter,
    /// Nothing is carried out.
    All,
}

const FAULTS: [Fault; 6] =
    [Fault::None, Fault::AppendBefore, Fault::AppendAfter, Fault::Finish, Fault::FinishAfter, Fault::All];

impl Watched {
    pub(crate) fn set(&self, fault: Fault) {
        let index = FAULTS.iter().position(|known| *known == fault).unwrap();
        self.fault.store(index, Ordering::SeqCst);
    }

    /// How often bytes were given.
    pub(crate) fn gives(&self) -> usize {
        self.gives.load(Ordering::SeqCst)
    }

    fn fault(&self) -> Fault {
        FAULTS[self.fault.load(Ordering::SeqCst)]
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("out for a test".into())
}

#[async_trait]
impl Store for Watched {
    async fn apply(
        &self,
        id: DropId,
        command: Command,
        payload: Payload,
        now: Millis,
    ) -> Result<Applied, StoreError> {
        let fault = self.fault();
        if let Command::Give { .. } = command {
            self.gives.fetch_add(1, Ordering::SeqCst);
        }
        let append = matches!(command, Command::Append { .. });
        let finish = matches!(command, Command::Finish { .. });
        if fault == Fault::All
            || (append && fault == Fault::AppendBefore)
            || (finish && fault == Fault::Finish)
        {
            return Err(unavailable());
        }
        let applied = self.store.apply(id, command, payload, now).await;
        if (append && fault == Fault::AppendAfter) || (finish && fault == Fault::FinishAfter) {
            return Err(unavailable());
        }
        applied
    }

    async fn share(
        &self,
        of: DropId,
        deleter: TokenHash,
        copies: Vec<Copy>,
        now: Millis,
    ) -> Result<Result<View, Refusal>, StoreError> {
        self.store.share(of, deleter, copies, now).await
    }

    async fn by_upload(&self, upload: TokenHash) -> Result<Option<DropId>, StoreError> {
        self.store.by_upload(upload).await
    }

    async fn parts(&self, body: BodyId) -> Result<Option<Parts>, StoreError> {
        let _open = self.parts.lock().await;
        self.store.parts(body).await
    }

    async fn due(&self, now: Millis, limit: u32) -> Result<Vec<DropId>, StoreError> {
        self.store.due(now, limit).await
    }

    async fn to_erase(&self, limit: u32) -> Result<Vec<BodyId>, StoreError> {
        self.store.to_erase(limit).await
    }

    async fn erased(&self, body: BodyId) -> Result<(), StoreError> {
        self.store.erased(body).await
    }

    async fn unknown(&self, bodies: &[BodyId]) -> Result<Vec<BodyId>, StoreError> {
        self.store.unknown(bodies).await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.store.usage().await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.store.scrub().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
